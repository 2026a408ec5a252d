"""`python -m racer.car.pilot_process BUNDLE ...`: one pilot as a process that obeys words and tells what it does.

Words come in lines on standard input (`arm`, `drive`, `disarm`, `stop`, `clear`, `quit`); the end of input quits. What
it does goes out as JSON lines on standard output, ten times a second; a reader that does not read misses
some and never holds the pilot up.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from racer.car.actuator.client import ActuatorClient, ActuatorGone
from racer.car.actuator.protocol import default_socket
from racer.car.actuator.trim import default_calibration, own_car_id
from racer.car.actuator.words import TEXT, Request, State
from racer.car.calibration import read_calibration
from racer.car.camera_source import Capture, open_camera
from racer.car.checks import WELL_FRAMES, FrameChecks
from racer.car.gate import SPEED_LIMIT_DEFAULT
from racer.car.mailbox import Mailbox
from racer.car.pilot import Pilot
from racer.car.pilot_brain import Brain, BrainThread
from racer.car.pilot_ready import Ready, make_ready
from racer.errors import RacerError

TELL_EVERY_NS: Final = 100_000_000
_WORDS: Final = {request.name.lower(): request for request in Request}
_LINE_MAX: Final = 4096
_PRIORITY: Final = -10


def tell_json(record: dict[str, object]) -> None:
    """One line on standard output; dropped where nobody reads."""
    line = json.dumps(record).encode() + b"\n"
    with contextlib.suppress(BlockingIOError):
        if len(line) <= _LINE_MAX:  # up to this a pipe takes all of it or nothing
            os.write(sys.stdout.fileno(), line)


class PilotProcess:
    """A pilot with its camera, its threads and its connection.

    Args:
        tell: gets the record ten times a second; must not block.
        translate: from a line of input to a word.

    Raises:
        ActuatorGone: no actuator serves this path.
        CameraError: the camera cannot be opened.
    """

    def __init__(
        self,
        ready: Ready,
        *,
        socket: str,
        camera: str,
        tell: Callable[[dict[str, object]], None] = tell_json,
        translate: Callable[[str, State | None], str] = lambda word, state: word,
    ) -> None:
        self.ready = ready
        self.mailbox = Mailbox()
        source = open_camera(camera, ready.camera)
        self.capture = Capture(source, self.mailbox, FrameChecks(ready.remap.shape), well_after=WELL_FRAMES)
        self.brain = BrainThread(Brain(ready.network, ready.remap, ready.gate))
        self.client = ActuatorClient(socket)
        self.over = False
        self._tell = tell
        self._translate = translate
        self._words = b""
        self._told_ns = 0
        self.pilot = Pilot(
            link=self.client,
            thinker=self.brain,
            mailbox=self.mailbox,
            watch=self.capture,
            rest=ready.gate.rest,
            period_ns=round(1e9 / ready.network.contract.control_rate_hz),
            now_ns=time.monotonic_ns(),
        )

    def run(self) -> None:
        """Drive until told to quit; then stop the car before hanging up.

        Raises:
            ActuatorGone: the actuator is gone.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._quit)
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
        gc.collect()
        gc.freeze()
        self.capture.start()
        try:
            while not self.over:
                self.turn()
            self._rest()
        finally:
            self.client.close()
            self.capture.close()
            self.brain.close()

    def turn(self) -> None:
        """Wait for news or the next deadline, and act on it."""
        left = (self.pilot.due_ns() - time.monotonic_ns()) / 1e9
        files = [self.client.fileno(), self.brain.wake, sys.stdin.fileno()]
        news, _, _ = select.select(files, [], [], max(0.0, left))
        if sys.stdin.fileno() in news:
            self._listen()
        now = time.monotonic_ns()
        self.pilot.step(now)
        if now - self._told_ns >= TELL_EVERY_NS:
            self._told_ns = now
            self._tell(self.record())

    def record(self) -> dict[str, object]:
        """What the pilot does, as plain data."""
        pilot, status = self.pilot, self.pilot.status
        decision = pilot.decision
        return {
            "state": status.state.name if status else "UNKNOWN",
            "reason": (status.detail or TEXT[status.reason]) if status else "",
            "fault": pilot.fault.name if pilot.fault else "",
            "why": pilot.fault.text if pilot.fault else "",
            "stopped_by": pilot.stopped_by,
            "answer": pilot.answer,
            "refusal": pilot.refusal(),
            "steering_us": status.steering_us if status else 0,
            "throttle_us": status.throttle_us if status else 0,
            "steering_deg": round(decision.steering_deg, 2) if decision else None,
            "speed": round(decision.speed, 3) if decision else None,
            "frames": self.capture.frames,
            "dropped": self.mailbox.dropped,
            "rejected": status.rejected if status else 0,
            **pilot.timing.record(),
        }

    def _quit(self, number: int, frame: object) -> None:
        self.over = True

    def _listen(self) -> None:
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            self.over = True
        *lines, self._words = (self._words + data).split(b"\n")
        for line in lines:
            word = self._translate(line.decode(errors="replace").strip().lower(), self.pilot.state)
            if word == "quit":
                self.over = True
            elif word in _WORDS:
                self.pilot.ask(_WORDS[word])
            elif word:
                self.pilot.answer = f"no such word: {word[:40]}"

    def _rest(self) -> None:
        """A soft stop, so that hanging up is no fault."""
        until = time.monotonic_ns() + 500_000_000
        if self.pilot.state in (State.ARMED, State.DRIVING):
            self.pilot.ask(Request.DISARM)
        while self.pilot.state in (State.ARMED, State.DRIVING, State.SOFT_STOP) and time.monotonic_ns() < until:
            self.turn()


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments and drive; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m racer.car.pilot_process", description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("--calibration", default=default_calibration(), metavar="FILE")
    parser.add_argument("--socket", default=default_socket(), metavar="PATH")
    parser.add_argument("--camera", default="picamera2", help="picamera2, v4l2:DEVICE, replay:FILE or sim:SOCKET")
    parser.add_argument("--car-id", default="")
    parser.add_argument("--mapping", choices=["table", "deepracer"], default="table")
    parser.add_argument("--speed-limit", type=float, default=SPEED_LIMIT_DEFAULT, help="share, up to 1")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(arguments)
    os.set_blocking(sys.stdout.fileno(), False)
    try:
        calibration = read_calibration(given.calibration, car_id=given.car_id or own_car_id())
        ready = make_ready(
            given.bundle,
            calibration,
            mapping=given.mapping,
            speed_limit=given.speed_limit,
            threads=given.threads,
        )
        PilotProcess(ready, socket=given.socket, camera=given.camera).run()
    except (RacerError, ActuatorGone) as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
