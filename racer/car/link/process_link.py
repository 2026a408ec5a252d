"""Implements the console's link by a pilot in a separate process: starts it, watches it and exchanges messages with it.

    console -> ProcessLink -> commands on standard input -> pilot process -> actuator
                    |  <- JSON lines, and a file with the newest frame
                    +----- a watcher's connection, which may stop and clear ----> actuator

So the web server cannot delay the pilot, a pilot that ends or hangs is started again, and STOP reaches the actuator
without the pilot. When this process ends, however that happens, the pilot's input ends, and the pilot stops the car.
"""

from __future__ import annotations

import contextlib
import os
import select
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from racer.car.actuator.client import ActuatorClient, ActuatorGone
from racer.car.actuator.protocol import ActuatorStatus, ClientRole
from racer.car.actuator.states import ActuatorRequest, StopReason
from racer.car.calibration.calibration import read_calibration
from racer.car.gate import SPEED_LIMIT_DEFAULT
from racer.car.link.protocol import (
    CameraPicture,
    DriverMode,
    LatencyPercentiles,
    ManualInput,
    PilotRefusal,
    PilotStatus,
)
from racer.car.mailbox import SharedFrame
from racer.car.recording.drive_file import picture_bytes
from racer.errors import BundleError
from racer.process import JsonLinesChild, run_child

_RESTART_DELAYS_S: Final = (0.5, 1.0, 2.0, 4.0)
"""Delays before a pilot that ended is started again [s]; each start takes seconds of a Pi's cores."""
_ANSWER_TIMEOUT_S: Final = 1.5
_POLL_S: Final = 0.005
_REST_STATES: Final = (None, "BOOT", "DISARMED", "FAULT")  # None: the actuator is missing


class ProcessLink:
    """Implements `PilotLink` over a pilot process.

    Args:
        setup: Arguments of the pilot's process.
        bundle: First model; None for none.
    """

    def __init__(self, setup: PilotSetup, *, bundle: Path | None = None) -> None:
        self._setup, self._bundle, self._limit = setup, bundle, SPEED_LIMIT_DEFAULT
        self._folder = tempfile.TemporaryDirectory(prefix="racer-window-")
        window = Path(self._folder.name) / "frame"
        self._window, self._window_options = SharedFrame(window), ["--window", str(window)]
        self._picture: CameraPicture | None = None
        self._picture_lock = threading.Lock()
        self._pilot: PilotChild | None = None
        self._watcher: ActuatorClient | None = None
        self._status: ActuatorStatus | None = None
        self._driver: DriverMode = "policy"
        self._problem = "the pilot is starting"
        self._gone = "no actuator yet"
        self._failures = self._number = 0
        self._due_s = self._watch_due_s = 0.0
        self._restart = False
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="pilot link", daemon=True)

    def open(self) -> ProcessLink:
        """Start the pilot and the thread that watches it."""
        self._thread.start()
        return self

    def close(self) -> None:
        """End the pilot, which stops the car first."""
        self._closing.set()
        self._wake_thread()
        self._thread.join()
        self._window.close()
        self._folder.cleanup()

    # State for the console.

    def status(self) -> PilotStatus:
        """Return the state of actuator and pilot."""
        with self._lock:
            status, record = self._status, self._record()
        # The state is that of the actuator. A pilot's record alone does not prove that the outputs have any state.
        if status is None:
            return PilotStatus(reason=self._gone, driver=self._driver, speed_limit=self._limit, model=self._name())
        return PilotStatus(
            state=status.state.name,
            reason=self._reason(status, record),
            driver=record.get("driver", self._driver),
            speed_limit=self._limit,
            model=self._name(),
            steering_deg=record.get("steering_deg"),
            speed=record.get("speed"),
            steering_us=status.steering_us,
            throttle_us=status.throttle_us,
            rate_hz=record.get("rate_hz"),
            frames_dropped=record.get("dropped", 0),
            deadlines_missed=record.get("missed", 0),
            latency=_latency_percentiles(record.get("glass_to_wheel_ms")),
            inference=_latency_percentiles(record.get("inference_ms")),
            recording=record.get("recording", ""),
        )

    def picture(self) -> CameraPicture | None:
        """Return the newest frame as JPEG."""
        with self._picture_lock:
            count = self._window.count()
            last = self._picture
            # Several pages may be open; each frame is encoded once for all of them.
            if (last is None or last.number != count) and (frame := self._window.newest()) is not None:
                self._picture = CameraPicture(count, frame.captured_ns, picture_bytes(frame.pixels))
            return self._picture

    # Requests of the console.

    def arm(self, driver: DriverMode) -> None:
        """Arm the car for a driver."""
        self._request(f"arm {driver}")
        self._driver = driver

    def start(self) -> None:
        """Start an armed car."""
        self._request("drive")

    def disarm(self) -> None:
        """Release the throttle and disarm."""
        self._send("disarm")

    def stop(self, why: str) -> None:
        """Stop the car: directly at the actuator, and by the pilot as well."""
        # Both ways, whichever works: a stop may be requested at any time and must not raise.
        with self._lock, contextlib.suppress(ActuatorGone):
            if self._watcher is not None:
                self._watcher.request(ActuatorRequest.STOP)
        self._send("stop")

    def clear(self) -> None:
        """Clear a fault at the actuator."""
        watcher = self._watcher
        if watcher is None:
            raise PilotRefusal(self._gone)
        # Not through the pilot: a fault can be cleared while the pilot is starting again.
        try:
            with self._lock:
                number = watcher.request(ActuatorRequest.CLEAR)
        except ActuatorGone as error:
            raise PilotRefusal(str(error)) from None
        answer = self._until(lambda: self._status if self._status and self._status.answered == number else None)
        if answer is None:
            raise PilotRefusal("the actuator did not answer in time")
        if answer.answer is not StopReason.NONE:
            raise PilotRefusal(answer.answer.text)

    def set_speed_limit(self, fraction: float) -> None:
        """Set the speed limit of this pilot and of later ones."""
        if not 0.0 < fraction <= 1.0:
            raise PilotRefusal(f"speed limit {fraction:g}; give a fraction above 0, up to 1")
        if self._record():
            self._request(f"limit {fraction:g}")
        self._limit = fraction  # only after the pilot accepted it; a later pilot starts with it

    def manual(self, held: ManualInput) -> None:
        """Send a heartbeat of the operator."""
        self._send(f"manual {held.number} {held.heard_ns} {held.steering:.4f} {held.throttle:.4f}")

    def use_model(self, path: Path) -> None:
        """Load a bundle: a separate process checks it first, while the old one stays."""
        # The check takes seconds, in which an operator may arm the car, so the state is checked again after it.
        self._require_still("model")
        check = run_child(*self._setup.arguments(path, self._limit), "--check", timeout_s=PILOT_READY_S)
        if check.code is None:
            raise BundleError(f"{self._setup.name(path)} was not ready within {PILOT_READY_S:g} s")
        if check.code:
            raise BundleError(check.last_error or f"it crashed (status {check.code})")
        self._require_still("model")
        # A bundle that passes the check may still fail to start, for example without memory: then the old one returns.
        before, self._bundle = self._bundle, path
        self._restart_pilot()
        if self._until(self._record, PILOT_READY_S) is None:
            self._bundle = before
            self._restart_pilot()
            raise BundleError(f"the pilot did not start with {self._setup.name(path)}: {self._problem}")

    def reload_calibration(self) -> None:
        """Read the calibration again: the pilot restarts; the actuator reads its part at its own next start."""
        self._require_still("calibration")
        read_calibration(self._setup.calibration, car_id=self._setup.car_id)
        self._restart_pilot()

    def _record(self) -> dict[str, Any]:
        pilot = self._pilot
        return pilot.newest if pilot is not None else {}

    def _name(self) -> str | None:
        return self._setup.name(self._bundle) if self._bundle else None

    def _reason(self, status: ActuatorStatus, record: dict[str, Any]) -> str:
        """Return why the car does not move; a present fault of the pilot comes first."""
        reason = status.reason_text
        if not record:
            return f"{reason}; {self._problem}" if reason else self._problem
        # A fault that the record still holds does not stop a car that drives by hand.
        if status.state.name == "DRIVING":
            return reason
        return str(record["why"] or (record["stopped_by"] if status.reason is not StopReason.NONE else "") or reason)

    def _require_still(self, item: str) -> None:
        if self.status().state not in _REST_STATES:
            raise PilotRefusal(f"disarm the car before you change its {item}")

    def _send(self, command: str) -> None:
        if (pilot := self._pilot) is not None:
            pilot.send(command)

    def _request(self, command: str) -> None:
        """Send a command and wait for its answer; raises PilotRefusal if it is refused."""
        if self._status is None:
            raise PilotRefusal(f"{self._gone}; start it with `systemctl start racer-actuator`")
        if not self._record():
            raise PilotRefusal(self._problem)
        with self._lock:
            self._number += 1
            number = self._number
        # The newest record may still hold the answer to an earlier request; the number distinguishes them.
        self._send(f"#{number} {command}")
        answered = self._until(lambda: self._record() if self._record().get("answered", [0])[0] == number else None)
        if answered is None:
            raise PilotRefusal("the pilot did not answer in time")
        if refusal := answered["answered"][1]:
            raise PilotRefusal(refusal)

    def _until(self, result: Callable[[], Any], seconds: float = _ANSWER_TIMEOUT_S) -> Any:
        """Wait until a result is not empty and return it; None after a time [s]."""
        until = time.monotonic() + seconds
        while not (value := result()) and time.monotonic() < until:
            time.sleep(_POLL_S)
        return value or None

    def _restart_pilot(self) -> None:
        """Have the thread end the pilot and start another one."""
        with self._lock:
            self._restart, self._due_s, self._failures = True, 0.0, 0
        self._wake_thread()
        self._until(lambda: not self._restart, PILOT_READY_S)

    def _wake_thread(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._waker, b"!")

    # The thread: it alone starts and ends pilots and watchers.

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._start_pilot_if_due()
                self._connect_watcher_if_due()
                self._turn()
        finally:
            self._end_pilot("the console is closing")
            if self._watcher is not None:
                self._watcher.close()

    def _turn(self) -> None:
        # The time-out is for events that no file reports: a pilot that hangs, a start or a connection that is due.
        pilot, watcher = self._pilot, self._watcher
        files = [self._wake, *([pilot.output] if pilot else []), *([watcher.fileno()] if watcher else [])]
        readable, _, _ = select.select(files, [], [], 0.1)
        if self._wake in readable:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 64)
        if pilot is not None and pilot.output in readable and pilot.receive() is None:
            self._end_pilot("")
        elif pilot is not None and pilot.hangs:
            self._end_pilot("the pilot stopped answering and is restarted")
        if watcher is not None and watcher.fileno() in readable:
            try:
                status = watcher.poll()
                with self._lock:
                    self._status = status or self._status
            except ActuatorGone as error:
                with self._lock:
                    self._watcher, self._status, self._gone = None, None, str(error)
                watcher.close()

    def _start_pilot_if_due(self) -> None:
        """Start a pilot if there is none, and replace it if a restart was requested."""
        # The flag is cleared after the old pilot has ended: `_restart_pilot` waits for that.
        if self._restart:
            self._end_pilot("the pilot is starting")
            self._restart = False
        now = time.monotonic()
        if self._pilot is not None:
            if self._pilot.newest:  # a first record proves that the start succeeded
                self._failures = 0
            return
        if now >= self._due_s:
            # The next start is scheduled before this one: a pilot that fails at once must not be started in a loop.
            self._due_s = now + _RESTART_DELAYS_S[min(self._failures, len(_RESTART_DELAYS_S) - 1)]
            self._failures += 1
            self._pilot = PilotChild(*self._setup.arguments(self._bundle, self._limit), *self._window_options)

    def _end_pilot(self, why: str) -> None:
        """End the pilot; the reason is the given one, else the last line of its standard error."""
        with self._lock:
            pilot, self._pilot = self._pilot, None
        if pilot is not None:
            reason = pilot.end_reason()
            self._problem = why or f"the pilot does not run: {reason}"

    def _connect_watcher_if_due(self) -> None:
        now = time.monotonic()
        if self._watcher is None and now >= self._watch_due_s:
            self._watch_due_s = now + _RESTART_DELAYS_S[0]
            try:
                self._watcher = ActuatorClient(self._setup.socket, role=ClientRole.WATCHER)
            except ActuatorGone as error:
                self._gone = str(error)


def _latency_percentiles(times: list[float] | None) -> LatencyPercentiles | None:
    return LatencyPercentiles(p50_ms=times[0], p95_ms=times[1], p99_ms=times[2]) if times else None


PILOT_READY_S: Final = 60.0
"""Longest start of a pilot [s]; a Pi takes seconds to load and measure a network."""
_HANG_TIMEOUT_S: Final = 3.0
"""Age of the last record at which a pilot counts as hanging [s]; it reports ten times a second."""
_END_TIMEOUT_S: Final = 5.0
"""Time for a pilot to stop the car and close its drive before it is killed [s]."""
_PILOT_MODULE: Final = "racer.car.pilot.process"


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotSetup:
    """Arguments of a pilot's process.

    Attributes:
        calibration: Calibration file of the car.
        car_id: Identifier of the car.
        socket: Path of the actuator's socket.
        camera: Camera, as in `racer.car.camera.sources`; empty for none.
        record: Folder of recorded drives; None records nothing.
        mapping: How speeds become throttle, `table` or `deepracer`.
        threads: Returns the number of threads for a bundle's network.
        name: Returns the name of a bundle.
    """

    calibration: Path
    car_id: str
    socket: str
    camera: str = ""
    record: Path | None = None
    mapping: str = "table"
    threads: Callable[[Path], int] = lambda bundle: 1
    name: Callable[[Path], str] = lambda bundle: bundle.stem

    def arguments(self, bundle: Path | None, speed_limit: float) -> list[str]:
        """Return the pilot's module and its arguments."""
        options = [_PILOT_MODULE]
        if bundle is not None:
            options += [str(bundle), "--threads", str(self.threads(bundle)), "--name", self.name(bundle)]
        options += ["--calibration", str(self.calibration), "--car-id", self.car_id, "--socket", self.socket]
        options += ["--camera", self.camera, "--mapping", self.mapping, "--speed-limit", f"{speed_limit:g}"]
        return options + (["--record", str(self.record.absolute())] if self.record else [])


class PilotChild(JsonLinesChild):
    """One pilot process, in a separate session: Ctrl-C in the terminal of the console reaches the console alone."""

    @property
    def hangs(self) -> bool:
        """Whether the last record is too old; a pilot that starts may be silent for longer."""
        return time.monotonic() - self.received_s > (_HANG_TIMEOUT_S if self.newest else PILOT_READY_S)

    def end_reason(self) -> str:
        """End the pilot, which stops the car first, and return why it ended."""
        code = self.end(grace_s=0.0 if self.hangs else _END_TIMEOUT_S)
        return self.last_error() or f"it ended with status {code}"
