"""Shows a pulse for a moment while the car is on its box: an actuator process of the wizard's own, with a wide draft.

The car's own actuator must not run then: one process alone may write the servo bus. Each showing arms, holds for a
second or two, and disarms; a stop ends it at once, and the actuator's own limits and deadlines hold as ever.
"""

from __future__ import annotations

import contextlib
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Protocol

from racer.car.actuator.client import ActuatorClient, ActuatorGone
from racer.car.actuator.protocol import ClientRole, default_socket
from racer.car.actuator.states import ActuatorRequest, ActuatorState, CommandSource, Pulses
from racer.car.calibration.calibration import Calibration, CalibrationError
from racer.process import ChildProcess

PREVIEW_S = 1.0
_TICK_S, _TIMEOUT_S = 0.02, 6.0
"""A showing waits for two seconds of neutral first, or for a slow start."""


class PulsePreview(Protocol):
    """Where the wizard shows its pulses."""

    def show(self, pulses: Pulses, seconds: float = PREVIEW_S) -> None:
        """Hold these pulses, then let go.

        Raises:
            CalibrationError: the actuator refused, or it was stopped meanwhile.
        """
        ...

    def stop(self) -> None:
        """End a showing, from any thread."""
        ...

    def close(self) -> None:
        """Neutral, off, and gone."""
        ...


class ActuatorPreview:
    """Shows pulses by a separate actuator process, which ends with this one.

    Raises:
        CalibrationError: the car's own actuator runs, or this one could not start.
    """

    def __init__(self, draft: Calibration, *, service: str = "") -> None:
        _require_no_actuator(service or default_socket())
        self._stop = threading.Event()
        self._input = 0
        self._folder = tempfile.TemporaryDirectory(prefix="racer-wizard-")
        folder = Path(self._folder.name)
        (folder / "draft.json").write_text(draft.to_json(), encoding="utf-8")
        options = ["--calibration", str(folder / "draft.json"), "--socket", str(folder / "s"), "--car-id", draft.car_id]
        self._child = ChildProcess("racer.car.actuator", "run", *options, stdout=None, ends_with_parent=True)
        try:
            self._client = self._connect(str(folder / "s"))
        except BaseException:
            self.close()
            raise

    def show(self, pulses: Pulses, seconds: float = PREVIEW_S) -> None:
        """Hold two pulses for a while, then release them."""
        self._stop.clear()
        rest = Pulses(1500, 1500)
        try:
            self._reach(ActuatorState.ARMED, ActuatorRequest.ARM, rest)
            self._reach(ActuatorState.DRIVING, ActuatorRequest.DRIVE, rest)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                self._tick(pulses)
                if self._client.status and self._client.status.state is not ActuatorState.DRIVING:
                    raise CalibrationError(f"the car was stopped: {self._client.status.reason.text}")
            self._client.request(ActuatorRequest.DISARM)
        except ActuatorGone as error:
            raise CalibrationError(f"{error}; begin the wizard again") from None

    def stop(self) -> None:
        """End a showing, from any thread."""
        self._stop.set()

    def close(self) -> None:
        """End the actuator: neutral, then off."""
        with contextlib.suppress(AttributeError):
            self._client.close()
        self._child.end(signal.SIGTERM)  # the actuator writes neutral, then switches off
        self._folder.cleanup()

    def _reach(self, state: ActuatorState, request: ActuatorRequest, pulses: Pulses) -> None:
        """Ask until the actuator is there: it wants two seconds of neutral before."""
        until = time.monotonic() + _TIMEOUT_S
        asked = 0
        told = "the actuator does not answer"
        while time.monotonic() < until:
            self._tick(pulses)
            status = self._client.status
            if status is None:
                continue
            if status.state is state:
                return
            if asked == 0 or status.answered == asked:
                told = status.answer.text or told
                # A person who asks for a showing after a stop has looked at the car.
                asked = self._client.request(ActuatorRequest.CLEAR if status.state is ActuatorState.FAULT else request)
        raise CalibrationError(f"the actuator refused: {told}")

    def _tick(self, pulses: Pulses) -> None:
        if self._stop.is_set():
            self._client.request(ActuatorRequest.STOP)
            raise CalibrationError("stopped")
        self._input += 1
        self._client.send(
            steering_us=pulses.steering_us, throttle_us=pulses.throttle_us, input_id=self._input,
            captured_ns=time.monotonic_ns(), source=CommandSource.PERSON,
        )  # fmt: skip
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
        "the car's actuator runs, and one process alone may write the servo bus; stop it first: "
        "systemctl stop racer-actuator"
    )
