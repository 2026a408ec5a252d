"""`python -m racer.car.pilot.process [BUNDLE] ...`: one pilot as a process that obeys words and tells what it does.

Words come in lines on standard input; the end of input quits:

    arm [policy|manual], drive, disarm, stop, clear     as a person would ask the actuator
    limit SHARE                                         the speed limit
    manual NUMBER HEARD_NS STEERING THROTTLE            a heartbeat of a person who drives by hand
    quit

Before a word `#NUMBER` may stand, which comes back as `answered` with its `answer`. What it does goes out as JSON lines
on standard output, ten times a second and at each change; a reader that does not read misses some and never holds the
pilot up.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import logging
import os
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from racer.car.actuator.calibrated_range import default_calibration_path, own_car_id
from racer.car.actuator.client import ActuatorClient, ActuatorGone
from racer.car.actuator.protocol import default_socket
from racer.car.actuator.states import REASON_TEXT, ActuatorRequest, ActuatorState
from racer.car.calibration.calibration import read_calibration
from racer.car.camera.capture import CameraCapture
from racer.car.camera.sources import open_camera
from racer.car.faults import RECOVERY_FRAMES, DrivingFault, FrameChecks
from racer.car.gate import SPEED_LIMIT_DEFAULT, GateRefusal
from racer.car.link.protocol import DriverMode, ManualInput
from racer.car.mailbox import Mailbox, SharedFrame
from racer.car.pilot.inference import InferencePipeline, InferenceThread, NullInference
from racer.car.pilot.pilot import Pilot
from racer.car.pilot.readiness import PilotComponents, make_pilot_components
from racer.car.pilot.recording import DriveRecordings, RecordedLink, bounds_tuple
from racer.car.recording.drive_file import DriveHeader
from racer.errors import RacerError

_LOG = logging.getLogger(__name__)

REPORT_EVERY_NS: Final = 100_000_000
_REQUESTS: Final = {request.name.lower(): request for request in ActuatorRequest}
_DRIVER_MODES: Final[dict[str, DriverMode]] = {"": "policy", "policy": "policy", "manual": "manual"}
_MANUAL_RATE_HZ: Final = 15.0
_LINE_MAX: Final = 4096
_PRIORITY: Final = -10


def write_json_line(record: dict[str, object]) -> None:
    """One line on standard output; dropped where nobody reads."""
    line = json.dumps(record).encode() + b"\n"
    with contextlib.suppress(BlockingIOError):
        if len(line) <= _LINE_MAX:  # up to this a pipe takes all of it or nothing
            os.write(sys.stdout.fileno(), line)


class _NoCamera:
    """Where there is no camera nothing is wrong with it."""

    fault: DrivingFault | None = None


class PilotProcess:
    """A pilot with its camera, its threads, its connection and its recordings.

    Args:
        camera: see `racer.car.camera.opening`; empty for a car without one, which only a person can drive.
        record: folder of recorded drives; None records none.
        window: file that shows the newest frame to the console.
        tell: gets the record ten times a second; must not block.
        warn: gets a line when a recording goes wrong.
        translate: from a line of input to a word.

    Raises:
        ActuatorGone: no actuator serves this path.
        CameraError: the camera cannot be opened.
    """

    def __init__(
        self,
        ready: PilotComponents,
        *,
        socket: str,
        camera: str,
        record: Path | None = None,
        window: Path | None = None,
        tell: Callable[[dict[str, object]], None] = write_json_line,
        warn: Callable[[str], None] = _LOG.warning,
        translate: Callable[[str, ActuatorState | None], str] = lambda word, state: word,
    ) -> None:
        self.ready = ready
        self.mailbox = Mailbox()
        self.hand = ready.hand()
        self.over = False
        self.drives = DriveRecordings(record, self._header, tell=warn)
        self.capture = self._camera(camera, SharedFrame(window) if window else None)
        self.brain: InferenceThread | None = None
        rate_hz, rest = _MANUAL_RATE_HZ, self.hand.rest
        if model := ready.model:
            self._brain = InferencePipeline(model.network, model.remap, ready.gate(ready.speed_limit))
            self.brain = InferenceThread(self._brain)
            rate_hz, rest = model.network.contract.control_rate_hz, self._brain.gate.rest
        self.client = ActuatorClient(socket)
        self._tell, self._translate = tell, translate
        self._words = b""
        self._told_ns = 0
        self._told: tuple[object, ...] = ()
        self._steps: deque[tuple[int, int]] = deque(maxlen=11)
        self.pilot = Pilot(
            link=RecordedLink(
                self.client,
                recorder=lambda: self.drives.recorder,
                ordered=lambda: self.pilot.order,
                seen=lambda: self.pilot.frame,
                rest=rest,
                limits=self._limits,
            ),
            thinker=self.brain or NullInference(),
            mailbox=self.mailbox,
            watch=self.capture or _NoCamera(),
            rest=rest,
            period_ns=round(1e9 / rate_hz),
            now_ns=time.monotonic_ns(),
            hand=self.hand,
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
        if self.capture:
            self.capture.start()
        try:
            while not self.over:
                self.turn()
            self._rest()
        finally:
            self.client.close()
            if self.capture:
                self.capture.close()
            if self.brain:
                self.brain.close()
            self.drives.close()
            self._tell(self.record())

    def turn(self) -> None:
        """Wait for news or the next deadline, and act on it."""
        left = (self.pilot.due_ns() - time.monotonic_ns()) / 1e9
        files = [self.client.fileno(), *([self.brain.wake] if self.brain else [])]
        if not self.over:  # at its end standard input is always readable
            files.append(sys.stdin.fileno())
        news, _, _ = select.select(files, [], [], max(0.0, left))
        if sys.stdin.fileno() in news:
            self._listen()
        now = time.monotonic_ns()
        self.pilot.step(now)
        state = self.pilot.state
        self.drives.look(
            moving=state in (ActuatorState.ARMED, ActuatorState.DRIVING, ActuatorState.SOFT_STOP), now_ns=now
        )
        told = (state, self.pilot.answered, self.pilot.answer)
        if now - self._told_ns >= REPORT_EVERY_NS or told != self._told:
            self._told_ns, self._told = now, told
            self._steps.append((now, self.pilot.timing.steps))
            self._tell(self.record())

    def record(self) -> dict[str, object]:
        """What the pilot does, as plain data."""
        pilot, status = self.pilot, self.pilot.status
        order = pilot.order
        watched = self.capture.fault if self.capture else None
        fault = pilot.fault or watched
        return {
            "state": status.state.name if status else "UNKNOWN",
            "reason": (status.detail or REASON_TEXT[status.reason]) if status else "",
            "fault": fault.name if fault else "",
            "why": fault.text if fault else "",
            "stopped_by": pilot.stopped_by,
            "answer": pilot.answer,
            "answered": list(pilot.answered),
            "refusal": self._refusal(pilot.driver),
            "driver": pilot.driver,
            "speed_limit": self.ready.speed_limit,
            "model": self.ready.model.name if self.ready.model else None,
            "steering_us": status.steering_us if status else 0,
            "throttle_us": status.throttle_us if status else 0,
            "steering_deg": round(order.steering_deg, 2) if order else None,
            "speed": round(order.speed, 3) if order else None,
            "frames": self.capture.frames if self.capture else 0,
            "dropped": self.mailbox.dropped,
            "rejected": status.rejected if status else 0,
            "rate_hz": self._rate(),
            "recording": self.drives.words(),
            "drive": str(self.drives.path() or ""),
            **pilot.timing.record(),
        }

    def _camera(self, words: str, window: SharedFrame | None) -> CameraCapture | None:
        config = self.ready.camera
        if not words or config is None:
            return None
        source = open_camera(words, config, measured=self.drives.measured)
        checks = FrameChecks((config.height, config.width, config.channels))
        return CameraCapture(
            source, self.mailbox, checks, well_after=RECOVERY_FRAMES, show=window.put if window else None
        )

    def _rate(self) -> float | None:
        """Control steps a second, over the last second or so; None by hand alone, where there are none."""
        if self.brain is None or len(self._steps) < 2:
            return None
        (first, before), (last, after) = self._steps[0], self._steps[-1]
        return round((after - before) * 1e9 / max(1, last - first), 1)

    def _refusal(self, driver: DriverMode) -> str:
        if driver == "policy" and self.ready.model is None:
            return "no model is loaded; choose one, or drive by hand"
        return self.pilot.refusal()

    def _limits(self) -> tuple[float, float]:
        """The speed limit as a share and in m/s."""
        share, model = self.ready.speed_limit, self.ready.model
        if self.pilot.driver == "policy" and model is not None and model.mapping == "deepracer":
            return share, float("inf")
        return share, self.hand.calibration.speed_max * share

    def _header(self) -> DriveHeader:
        model = self.ready.model if self.pilot.driver == "policy" else None
        calibration = self.ready.calibration if model else self.hand.calibration
        return DriveHeader(
            car_id=calibration.car_id,
            control_rate_hz=model.network.contract.control_rate_hz if model else _MANUAL_RATE_HZ,
            model=model.name if model else "",
            model_sha256=model.sha256 if model else "",
            mapping=model.mapping if model else "table",
            bounds=bounds_tuple(model.bounds if model else self.hand.bounds),
            calibration=calibration.model_dump(mode="json"),
        )

    def _quit(self, number: int, frame: object) -> None:
        self.over = True

    def _listen(self) -> None:
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            self.over = True
        *lines, self._words = (self._words + data).split(b"\n")
        for line in lines:
            self._obey(self._translate(line.decode(errors="replace").strip().lower(), self.pilot.state))

    def _obey(self, line: str) -> None:
        """Do what a line says; a wrong one is answered and changes nothing."""
        number = 0
        if line.startswith("#"):
            first, _, line = line.partition(" ")
            number = int(first[1:]) if first[1:].isdecimal() else 0
        word, *more = line.split() or [""]
        if word == "quit":
            self.over = True
        elif word == "arm" and len(more) <= 1 and (driver := _DRIVER_MODES.get("".join(more))):
            self._arm(driver, number)
        elif word == "drive" and self.ready.model is None and self.pilot.driver == "policy":
            self.pilot.refuse(self._refusal("policy"), number=number)
        elif word in _REQUESTS and not more:
            self.pilot.ask(_REQUESTS[word], number=number)
        elif word == "limit" and len(more) == 1:
            self._limit(more[0], number)
        elif word == "manual" and len(more) == 4:
            with contextlib.suppress(ValueError, GateRefusal):  # what makes no sense moves nothing
                self.hand.hold(ManualInput(int(more[0]), int(more[1]), float(more[2]), float(more[3])))
        elif word:
            self.pilot.refuse(f"no such word: {line[:40]}", number=number)

    def _arm(self, driver: DriverMode, number: int) -> None:
        now = time.monotonic_ns()
        if driver == "policy" and self.ready.model is None:
            self.pilot.refuse(self._refusal(driver), number=number)
            return
        if driver != self.pilot.driver:
            self.drives.end()
        self.pilot.choose(driver, now)
        if not self.pilot.ask(ActuatorRequest.ARM, number=number):
            self.drives.begin(now)

    def _limit(self, words: str, number: int) -> None:
        try:
            share = float(words)
            self.hand.limit(share)
            if self.ready.model is not None:
                self._brain.gate = self.ready.gate(share)
        except (ValueError, GateRefusal) as error:
            self.pilot.refuse(str(error), number=number)
            return
        self.ready = replace(self.ready, speed_limit=share)
        self.pilot.refuse("", number=number)

    def _rest(self) -> None:
        """A soft stop, so that hanging up is no fault."""
        until = time.monotonic_ns() + 500_000_000
        if self.pilot.state in (ActuatorState.ARMED, ActuatorState.DRIVING):
            self.pilot.ask(ActuatorRequest.DISARM)
        while (
            self.pilot.state in (ActuatorState.ARMED, ActuatorState.DRIVING, ActuatorState.SOFT_STOP)
            and time.monotonic_ns() < until
        ):
            self.turn()


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments and drive; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m racer.car.pilot.process", description=__doc__)
    parser.add_argument("bundle", nargs="?", help="none: only a person drives")
    parser.add_argument("--name", default="", help="what to call the bundle; default: its file")
    parser.add_argument("--calibration", default=default_calibration_path(), metavar="FILE")
    parser.add_argument("--socket", default=default_socket(), metavar="PATH")
    parser.add_argument("--camera", default="", help="picamera2, v4l2:DEVICE, replay:FILE, sim:SOCKET")
    parser.add_argument("--car-id", default="")
    parser.add_argument("--mapping", choices=["table", "deepracer"], default="table")
    parser.add_argument("--speed-limit", type=float, default=SPEED_LIMIT_DEFAULT, help="share, up to 1")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--record", type=Path, metavar="FOLDER", help="of recorded drives; none: nothing is recorded")
    parser.add_argument("--window", type=Path, metavar="FILE", help="that shows the newest frame to another process")
    parser.add_argument("--check", action="store_true", help="say whether all is ready, and end; nothing is connected")
    given = parser.parse_args(arguments)
    os.set_blocking(sys.stdout.fileno(), False)
    try:
        calibration = read_calibration(given.calibration, car_id=given.car_id or own_car_id())
        ready = make_pilot_components(
            given.bundle,
            calibration,
            mapping=given.mapping,
            speed_limit=given.speed_limit,
            threads=given.threads,
            name=given.name,
        )
        if not given.check:
            PilotProcess(
                ready, socket=given.socket, camera=given.camera, record=given.record, window=given.window
            ).run()
    except (RacerError, ActuatorGone) as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
