"""Causes faults in a simulated drive and measures how far the car still moves.

The faults kill or freeze the pilot, or stall or spoil its camera.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from typing import Final, Literal, get_args

from racer.car.actuator.sim_chip import read_log
from racer.hil.session import HilSession

HilFault = Literal["kill", "hang", "stall", "freeze", "black", "torn"]
HIL_FAULTS: Final[tuple[HilFault, ...]] = get_args(HilFault)
"""`kill` and `hang` the pilot (SIGKILL, SIGSTOP); the others spoil the camera, see `racer.hil.camera`."""

_REST_SPEED: Final = 0.02
"""Speed below which the car counts as at rest [m/s]."""
_STOP_PULSES_US: Final = 6.0
"""Distance from the stop pulse within which a pulse is neutral [µs]; the chip's steps are 4.9 µs."""


@dataclass(frozen=True, slots=True)
class StopResult:
    """How the car stopped after a fault.

    Attributes:
        kind: The fault.
        speed: Speed at the fault [m/s].
        neutral_ms: Time from the fault, or from the last good frame of a stalled camera, to neutral throttle [ms].
        distance: Distance from the fault to rest [m].
        reason: Reported reason of the stop.
    """

    kind: HilFault
    speed: float
    neutral_ms: float
    distance: float
    reason: str


def measure_stop(session: HilSession, kind: HilFault, *, patience_s: float = 5.0) -> StopResult:
    """Cause a fault of a driving car, wait until the car is at rest, and clear the fault; restarts a killed pilot.

    Args:
        session: Session whose car drives.
        kind: The fault.
        patience_s: Longest time until the car is at rest [s].

    Raises:
        HilError: The car does not stop.
    """
    pilot = session.pilot
    assert pilot is not None
    before = session.where()
    at = time.monotonic_ns()
    if kind == "kill":
        session.pilot = None
        pilot.process.kill()
        pilot.end()
    elif kind == "hang":
        pilot.process.send_signal(signal.SIGSTOP)
    else:
        session.plant.send(kind)
    session.wait(lambda: session.where()["speed"] < _REST_SPEED, patience_s, "the car to stop")
    after = session.where()
    # A stalled camera has sent nothing since its last good frame, so the time counts from there.
    if kind == "stall":
        at = min(at, after["camera_ns"])
    neutral = _neutral_ns(session, at)
    reason = _clear_fault(session, kind)
    return StopResult(kind, before["speed"], (neutral - at) / 1e6, after["distance"] - before["distance"], reason)


def _neutral_ns(session: HilSession, since_ns: int) -> int:
    """Return the time at which the throttle became neutral or off and stayed so; `since_ns` if it already was [ns]."""
    rows = [(at_ns, pulse) for at_ns, _, pulse in read_log(session.chip, session.throttle_channel) if at_ns >= since_ns]
    moving = [at_ns for at_ns, pulse in rows if pulse is not None and abs(pulse - session.stop_us) > _STOP_PULSES_US]
    return next((at_ns for at_ns, _ in rows if at_ns > max(moving, default=0)), since_ns)


def _clear_fault(session: HilSession, kind: HilFault) -> str:
    if kind == "kill":
        session.start_pilot()
        return "the pilot is gone"
    assert session.pilot is not None
    if kind == "hang":
        session.pilot.process.send_signal(signal.SIGCONT)
    session.settle(0.3)
    reason = str(session.record.get("stopped_by"))
    if kind != "hang":
        session.plant.send("none")
    session.settle(0.7)
    return reason
