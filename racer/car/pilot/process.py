"""`python -m racer.car.pilot.process [BUNDLE] ...`: one pilot as a process, which reads commands and reports its state.

Commands are lines on standard input; the end of input quits:

    arm [policy|manual], drive, disarm, stop, clear     requests to the actuator
    limit FRACTION                                      speed limit, above 0, up to 1
    manual NUMBER HEARD_NS STEERING THROTTLE            heartbeat of an operator who drives by hand
    quit

`#NUMBER` before a command comes back in `answered` with the answer. The state is a JSON line on standard output, ten
times a second and at each change; a reader that is slow misses lines and never delays the pilot.
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
from racer.car.actuator.states import ActuatorRequest, ActuatorState
from racer.car.calibration.calibration import read_calibration
from racer.car.camera.capture import CameraCapture
from racer.car.camera.sources import open_camera
from racer.car.faults import FrameChecks
from racer.car.gate import SPEED_LIMIT_DEFAULT, GateRefusal
from racer.car.link.protocol import DriverMode, ManualInput
from racer.car.mailbox import Mailbox, SharedFrame
from racer.car.pilot.inference import InferencePipeline, InferenceThread
from racer.car.pilot.manual import ManualControl
from racer.car.pilot.pilot import Pilot, PilotEntry
from racer.car.pilot.readiness import PilotComponents, make_pilot_components
from racer.car.pilot.recording import DriveRecordings, StepRecorder
from racer.car.recording.drive_file import DriveHeader
from racer.errors import RacerError

_LOG = logging.getLogger(__name__)

REPORT_EVERY_NS: Final = 100_000_000
"""Longest time between two records of the state [ns]."""
_REQUESTS: Final = {request.name.lower(): request for request in ActuatorRequest}
_DRIVER_MODES: Final[dict[str, DriverMode]] = {"": "policy", "policy": "policy", "manual": "manual"}
_MANUAL_RATE_HZ: Final = 15.0
_LINE_MAX: Final = 4096
_PRIORITY: Final = -10  # nice value
_MOVING_STATES: Final = (ActuatorState.ARMED, ActuatorState.DRIVING, ActuatorState.SOFT_STOP)


def write_json_line(record: dict[str, object]) -> None:
    """Write a record as one line to standard output; drop it if the pipe is full."""
    line = json.dumps(record).encode() + b"\n"
    with contextlib.suppress(BlockingIOError):
        if len(line) <= _LINE_MAX:  # PIPE_BUF: up to this length a pipe takes the whole line or nothing
            os.write(sys.stdout.fileno(), line)


class PilotProcess:
    """A pilot with its camera, threads, connection to the actuator, and recordings.

    Args:
        components: Checked parts of the pilot.
        socket: Path of the actuator's socket.
        camera: Camera, as in `racer.car.camera.sources`; empty for a car without one, for an operator alone.
        record: Folder of recorded drives; None records nothing.
        window: File that shows the newest frame to the console.
        report: Receives the state ten times a second and at each change; must not block.
        warn: Receives one line if a recording fails.
        translate: Maps a line of input and the actuator's state to a command.

    Raises:
        ActuatorGone: No actuator serves this path.
        CameraError: The camera cannot be opened.
    """

    def __init__(
        self,
        components: PilotComponents,
        *,
        socket: str,
        camera: str,
        record: Path | None = None,
        window: Path | None = None,
        report: Callable[[dict[str, object]], None] = write_json_line,
        warn: Callable[[str], None] = _LOG.warning,
        translate: Callable[[str, ActuatorState | None], str] = lambda word, state: word,
    ) -> None:
        self.components = components
        self.mailbox = Mailbox()
        self.manual = ManualControl(components.calibration, speed_limit=components.speed_limit)
        self.over = False
        self.drives = DriveRecordings(record, warn=warn)
        self.capture = self._open_camera(camera, SharedFrame(window) if window else None)
        self.inference: InferenceThread | None = None
        rate_hz, rest = _MANUAL_RATE_HZ, self.manual.rest
        if model := components.model:
            self._pipeline = InferencePipeline(model.network, model.remap, components.gate(components.speed_limit))
            self.inference = InferenceThread(self._pipeline)
            rate_hz, rest = model.network.contract.control_rate_hz, self._pipeline.gate.rest
        # Connected last: a pilot whose camera or network fails to open never becomes the actuator's pilot.
        self.client = ActuatorClient(socket)
        self._report, self._translate = report, translate
        self._input = b""
        self._reported_ns = 0
        self._reported: tuple[object, ...] = ()
        self._steps: deque[tuple[int, int]] = deque(maxlen=11)  # time and count of steps at ten records a second
        self._step_recorder = StepRecorder(rest)
        self.pilot = Pilot(
            link=self.client,
            inference=self.inference,
            mailbox=self.mailbox,
            camera=self.capture,
            period_ns=round(1e9 / rate_hz),
            now_ns=time.monotonic_ns(),
            manual=self.manual,
        )

    def run(self) -> None:
        """Drive until a command, a signal or the end of input; then stop the car and close the connection.

        Raises:
            ActuatorGone: The connection to the actuator is lost.
        """
        # A signal only ends the loop, so that the car stops softly and the drive is closed.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._quit)
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, _PRIORITY)
        # A full collection of all loaded modules would delay a control step.
        gc.collect()
        gc.freeze()
        if self.capture:
            self.capture.start()
        try:
            while not self.over:
                self.turn()
            self._stop_car()
        finally:
            # The entries of a step that failed are recorded too; the connection closes before anything that may block.
            self._record(self.pilot.take_entries())
            self.client.close()
            if self.capture:
                self.capture.close()
            if self.inference:
                self.inference.close()
            self.drives.close()
            self._report(self.record())

    def turn(self) -> None:
        """Wait for news or for the next deadline, and act on it."""
        left = (self.pilot.due_ns() - time.monotonic_ns()) / 1e9
        files = [self.client.fileno(), *([self.inference.wake] if self.inference else [])]
        if not self.over:  # after its end standard input is always readable, so that `select` would not wait
            files.append(sys.stdin.fileno())
        news, _, _ = select.select(files, [], [], max(0.0, left))
        if sys.stdin.fileno() in news:
            self._read_commands()
        now = time.monotonic_ns()
        self._record(self.pilot.step(now))
        state = self.pilot.state
        self.drives.update(moving=state in _MOVING_STATES, now_ns=now)
        # A new request clears `answer`; `answered` changes only with the answer. Both are reported at once.
        change = (state, self.pilot.answered, self.pilot.answer)
        if now - self._reported_ns >= REPORT_EVERY_NS or change != self._reported:
            self._reported_ns, self._reported = now, change
            self._steps.append((now, self.pilot.timing.steps))
            self._report(self.record())

    def record(self) -> dict[str, object]:
        """Return the state of the pilot as plain data."""
        pilot, status = self.pilot, self.pilot.status
        order = pilot.order
        fault = pilot.fault or (self.capture.fault if self.capture else None)
        return {
            "state": status.state.name if status else "UNKNOWN",
            "reason": status.reason_text if status else "",
            "fault": fault.name if fault else "",
            "why": fault.text if fault else "",
            "stopped_by": pilot.stopped_by,
            "answer": pilot.answer,
            "answered": list(pilot.answered),
            "refusal": self._refusal(pilot.driver),
            "driver": pilot.driver,
            "speed_limit": self.components.speed_limit,
            "model": self.components.model.name if self.components.model else None,
            "steering_us": status.steering_us if status else 0,
            "throttle_us": status.throttle_us if status else 0,
            "steering_deg": round(order.steering_deg, 2) if order else None,
            "speed": round(order.speed, 3) if order else None,
            "frames": self.capture.frames if self.capture else 0,
            "dropped": self.mailbox.dropped,
            "rejected": status.rejected if status else 0,
            "rate_hz": self._rate(),
            "recording": self.drives.summary(),
            "drive": str(self.drives.path() or ""),
            **pilot.timing.record(),
        }

    def _record(self, entries: list[PilotEntry]) -> None:
        if (recorder := self.drives.recorder) is not None and entries:
            limit, speed_max = self._speed_limits()
            self._step_recorder.record(recorder, entries, limit=limit, speed_max=speed_max)

    def _open_camera(self, spec: str, window: SharedFrame | None) -> CameraCapture | None:
        config = self.components.calibration.camera
        if not spec or config is None:
            return None
        source = open_camera(spec, config, measured=self.drives.measured)
        checks = FrameChecks((config.height, config.width, config.channels))
        return CameraCapture(source, self.mailbox, checks, show=window.put if window else None)

    def _rate(self) -> float | None:
        """Return the rate of control steps over about the last second [Hz]; None without a model."""
        if self.inference is None or len(self._steps) < 2:
            return None
        (first, before), (last, after) = self._steps[0], self._steps[-1]
        return round((after - before) * 1e9 / max(1, last - first), 1)

    def _refusal(self, driver: DriverMode) -> str:
        if driver == "policy" and self.components.model is None:
            return "no model is loaded; choose one, or drive by hand"
        return self.pilot.refusal()

    def _speed_limits(self) -> tuple[float, float]:
        """Return the speed limit as a fraction and as a speed [m/s]; infinite if throttle is not a speed."""
        fraction, model = self.components.speed_limit, self.components.model
        if self.pilot.driver == "policy" and model is not None and model.mapping == "deepracer":
            return fraction, float("inf")
        return fraction, self.manual.calibration.speed_max * fraction

    def _header(self) -> DriveHeader:
        model = self.components.model if self.pilot.driver == "policy" else None
        calibration = self.components.calibration if model else self.manual.calibration
        return DriveHeader(
            car_id=calibration.car_id,
            control_rate_hz=model.network.contract.control_rate_hz if model else _MANUAL_RATE_HZ,
            model=model.name if model else "",
            model_sha256=model.sha256 if model else "",
            mapping=model.mapping if model else "table",
            bounds=model.bounds if model else self.manual.bounds,
            calibration=calibration.model_dump(mode="json"),
        )

    def _quit(self, number: int, frame: object) -> None:
        self.over = True

    def _read_commands(self) -> None:
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            self.over = True
        *lines, self._input = (self._input + data).split(b"\n")  # the last part is a line that is not complete yet
        for line in lines:
            self._run_command(self._translate(line.decode(errors="replace").strip().lower(), self.pilot.state))

    def _run_command(self, line: str) -> None:
        """Run a command; an unknown one gets an answer and changes nothing."""
        number = 0
        if line.startswith("#"):
            first, _, line = line.partition(" ")
            number = int(first[1:]) if first[1:].isdecimal() else 0
        word, *more = line.split() or [""]
        if word == "quit":
            self.over = True
        elif word == "arm" and len(more) <= 1 and (driver := _DRIVER_MODES.get("".join(more))):
            self._arm(driver, number)
        elif word == "drive" and self.components.model is None and self.pilot.driver == "policy":
            self.pilot.refuse(self._refusal("policy"), number=number)
        elif word in _REQUESTS and not more:
            self.pilot.request(_REQUESTS[word], number=number)
        elif word == "limit" and len(more) == 1:
            self._set_speed_limit(more[0], number)
        elif word == "manual" and len(more) == 4:
            with contextlib.suppress(ValueError, GateRefusal):  # a heartbeat that is not valid moves nothing
                self.manual.hold(ManualInput(int(more[0]), int(more[1]), float(more[2]), float(more[3])))
        elif word:
            self.pilot.refuse(f"unknown command: {line[:40]}", number=number)

    def _arm(self, driver: DriverMode, number: int) -> None:
        now = time.monotonic_ns()
        if driver == "policy" and self.components.model is None:
            self.pilot.refuse(self._refusal(driver), number=number)
            return
        # The header of a drive holds its model, so a drive never has two drivers.
        if driver != self.pilot.driver:
            self.drives.end()
        self.pilot.set_driver(driver, now)
        if not self.pilot.request(ActuatorRequest.ARM, number=number):
            self.drives.begin(self._header(), now)

    def _set_speed_limit(self, text: str, number: int) -> None:
        try:
            # Manual control is first: it checks the fraction, and raises before anything has changed.
            fraction = float(text)
            self.manual.set_speed_limit(fraction)
            if self.components.model is not None:
                self._pipeline.gate = self.components.gate(fraction)
        except (ValueError, GateRefusal) as error:
            self.pilot.refuse(str(error), number=number)
            return
        self.components = replace(self.components, speed_limit=fraction)
        self.pilot.refuse("", number=number)

    def _stop_car(self) -> None:
        """Request a soft stop and wait for it: a connection that closes while the car moves is a fault."""
        # A soft stop takes one period of the pulses; an actuator that does not answer must not keep the pilot alive.
        until = time.monotonic_ns() + 500_000_000
        if self.pilot.state in (ActuatorState.ARMED, ActuatorState.DRIVING):
            self.pilot.request(ActuatorRequest.DISARM)
        while self.pilot.state in _MOVING_STATES and time.monotonic_ns() < until:
            self.turn()


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments, drive, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m racer.car.pilot.process", description=__doc__)
    parser.add_argument("bundle", nargs="?", help="bundle to drive with; without it only an operator drives")
    parser.add_argument("--name", default="", help="name of the bundle; default: that of its file")
    parser.add_argument("--calibration", default=default_calibration_path(), metavar="FILE")
    parser.add_argument("--socket", default=default_socket(), metavar="PATH")
    parser.add_argument("--camera", default="", help="picamera2, v4l2:DEVICE, replay:FILE, sim:SOCKET")
    parser.add_argument("--car-id", default="")
    parser.add_argument("--mapping", choices=["table", "deepracer"], default="table")
    parser.add_argument("--speed-limit", type=float, default=SPEED_LIMIT_DEFAULT, help="fraction, above 0, up to 1")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--record", type=Path, metavar="FOLDER", help="folder of recorded drives; default: none")
    parser.add_argument("--window", type=Path, metavar="FILE", help="file of the newest frame, for another process")
    parser.add_argument("--check", action="store_true", help="check all parts and end, without a connection")
    options = parser.parse_args(arguments)
    # A console that does not read must not block the pilot.
    os.set_blocking(sys.stdout.fileno(), False)
    try:
        calibration = read_calibration(options.calibration, car_id=options.car_id or own_car_id())
        components = make_pilot_components(
            options.bundle,
            calibration,
            mapping=options.mapping,
            speed_limit=options.speed_limit,
            threads=options.threads,
            name=options.name,
        )
        if not options.check:
            PilotProcess(
                components, socket=options.socket, camera=options.camera, record=options.record, window=options.window
            ).run()
    except (RacerError, ActuatorGone) as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
