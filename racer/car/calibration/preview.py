"""Shows a pulse for a moment while the car is on its box, by a separate actuator process with a wide calibration.

The car's own actuator must not run at the same time, because only one process may write the servo bus. Each preview
arms the actuator, holds the pulses for a second or two and disarms. A stop ends it at once, and the actuator's limits
and deadlines apply.
"""

from __future__ import annotations

import contextlib
import signal
import tempfile
import threading
import time
from pathlib import Path

from racer.car.actuator.client import ActuatorClient, ActuatorGone
from racer.car.actuator.protocol import ClientRole, default_socket
from racer.car.actuator.states import ActuatorRequest, ActuatorState, CommandSource, Pulses
from racer.car.calibration.calibration import Calibration, CalibrationError
from racer.process import ChildProcess

PREVIEW_S = 1.0
"""Duration of a preview [s]."""
_TICK_S = 0.02
_TIMEOUT_S = 6.0
"""Longest start of the actuator, and longest wait for a state [s]; it requires two seconds of neutral first."""


class ActuatorPreview:
    """Outputs the pulses of the wizard by a separate actuator process, which ends with this process.

    Args:
        draft: Calibration with a wide range.
        service: Socket of the car's own actuator; empty for the default.

    Raises:
        CalibrationError: The car's own actuator runs, or the separate one did not start.
    """

    def __init__(self, draft: Calibration, *, service: str = "") -> None:
        _require_no_actuator(service or default_socket())
        self._stop = threading.Event()
        self._input = 0
        self._folder = tempfile.TemporaryDirectory(prefix="racer-wizard-")
        folder = Path(self._folder.name)
        # In a temporary folder: neither the car's calibration nor its socket is touched.
        (folder / "draft.json").write_text(draft.to_json(), encoding="utf-8")
        options = ["--calibration", str(folder / "draft.json"), "--socket", str(folder / "s"), "--car-id", draft.car_id]
        self._child = ChildProcess("racer.car.actuator", "run", *options, stdout=None, ends_with_parent=True)
        try:
            self._client = self._connect(str(folder / "s"))
        except BaseException:
            self.close()
            raise

    def show(self, pulses: Pulses, seconds: float = PREVIEW_S) -> None:
        """Hold these pulses for a while [s], then release them.

        Raises:
            CalibrationError: The actuator refused, or the preview was stopped.
        """
        self._stop.clear()
        rest = Pulses(1500, 1500)
        try:
            self._reach(ActuatorState.ARMED, ActuatorRequest.ARM, rest)
            self._reach(ActuatorState.DRIVING, ActuatorRequest.DRIVE, rest)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                self._tick(pulses)
                status = self._client.status
                if status and status.state is not ActuatorState.DRIVING:
                    raise CalibrationError(f"the car was stopped: {status.reason.text}")
            self._client.request(ActuatorRequest.DISARM)
        except ActuatorGone as error:
            raise CalibrationError(f"{error}; start the wizard again") from None

    def stop(self) -> None:
        """End a preview; may be called from any thread."""
        self._stop.set()

    def close(self) -> None:
        """Write neutral, switch the outputs off and end the actuator."""
        with contextlib.suppress(AttributeError):  # without a connection the client does not exist
            self._client.close()
        self._child.end(signal.SIGTERM)  # the actuator writes neutral, then switches off
        self._folder.cleanup()

    def _reach(self, state: ActuatorState, request: ActuatorRequest, pulses: Pulses) -> None:
        """Repeat a request until the actuator is in a state; it refuses to arm before two seconds of neutral."""
        until = time.monotonic() + _TIMEOUT_S
        number = 0
        refusal = "the actuator does not answer"
        while time.monotonic() < until:
            self._tick(pulses)
            status = self._client.status
            if status is None:
                continue
            if status.state is state:
                return
            if number == 0 or status.answered == number:
                refusal = status.answer.text or refusal
                # A person who starts a preview after a stop has looked at the car, so the fault may be cleared.
                number = self._client.request(ActuatorRequest.CLEAR if status.state is ActuatorState.FAULT else request)
        raise CalibrationError(f"the actuator refused: {refusal}")

    def _tick(self, pulses: Pulses) -> None:
        """Send one command as an operator, which needs no camera, and read the status."""
        if self._stop.is_set():
            # A hard stop: a person who stops a preview must not wait for its end.
            self._client.request(ActuatorRequest.STOP)
            raise CalibrationError("stopped")
        self._input += 1
        now = time.monotonic_ns()
        self._client.send(pulses, input_id=self._input, captured_ns=now, source=CommandSource.PERSON)
        self._client.poll(_TICK_S)

    def _connect(self, socket: str) -> ActuatorClient:
        until = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < until and self._child.process.poll() is None:
            with contextlib.suppress(ActuatorGone):
                return ActuatorClient(socket)
            time.sleep(_TICK_S)
        if self._child.process.poll() is None:
            raise CalibrationError("the wizard's actuator did not start in time")
        raise CalibrationError(f"the wizard's actuator did not start: {self._child.last_error() or 'no reason'}")


def _require_no_actuator(socket: str) -> None:
    try:
        ActuatorClient(socket, role=ClientRole.WATCHER).close()
    except ActuatorGone:
        return
    raise CalibrationError(
        "the car's actuator runs, and only one process may write the servo bus; stop it first: "
        "systemctl stop racer-actuator"
    )
