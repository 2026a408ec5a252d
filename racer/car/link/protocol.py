"""Defines the protocol between a pilot and its console: status, camera picture, heartbeats and requests.

The pilot owns the camera, the policy, the gate and the connection to the actuator. The console never waits for it: no
method of `PilotLink` blocks for longer than a lock, except those that wait for an answer, and each may be called from
any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from racer.errors import RacerError

DriverMode = Literal["policy", "manual"]
"""Driver of the car: the loaded policy, or an operator who holds a button."""


class PilotRefusal(RacerError):
    """The pilot refused a request; the message holds the reason and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPercentiles:
    """Percentiles of a time over the last few seconds [ms]."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotStatus:
    """State of the pilot; None where a value cannot be measured here, so that it is not shown.

    Attributes:
        state: Name of the actuator's state (`racer.car.actuator.states.ActuatorState`); None without an actuator.
        reason: Why the car does not move, as text; empty where nothing is wrong.
        driver: Driver now, or after `arm`.
        speed_limit: Fraction of the calibrated speed, above 0, up to 1.
        model: Name of the loaded policy; None without one.
        steering_deg: Last requested steering angle, left positive [deg].
        speed: Last requested speed [m/s].
        steering_us: Steering pulse at the servo [µs]; 0 is off.
        throttle_us: Throttle pulse at the motor controller [µs]; 0 is off.
        rate_hz: Control steps of the last second [Hz].
        frames_dropped: Frames that were replaced before the pilot used them, since it started.
        deadlines_missed: Control steps that were skipped, since it started.
        latency: Time from the capture of a frame to the actuator's write.
        inference: Time of one run of the network.
        recording: The drive that is recorded or was last, or why there is none; empty before the first.
    """

    state: str | None = None
    reason: str = ""
    driver: DriverMode = "policy"
    speed_limit: float = 0.3
    model: str | None = None
    steering_deg: float | None = None
    speed: float | None = None
    steering_us: int = 0
    throttle_us: int = 0
    rate_hz: float | None = None
    frames_dropped: int = 0
    deadlines_missed: int = 0
    latency: LatencyPercentiles | None = None
    inference: LatencyPercentiles | None = None
    recording: str = ""


@dataclass(frozen=True, slots=True)
class CameraPicture:
    """Newest camera frame, for the page.

    Attributes:
        number: Number of the frame; rises with each new one.
        captured_ns: Time of its capture, CLOCK_MONOTONIC [ns].
        jpeg: The encoded picture.
    """

    number: int
    captured_ns: int
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class ManualInput:
    """One heartbeat of an operator who holds the button.

    Attributes:
        number: Number of the heartbeat; rises with each, and is the actuator's `input_id`.
        heard_ns: Time of its arrival, CLOCK_MONOTONIC [ns]; the actuator's deadline of 300 ms starts here.
        steering: Fraction of the calibrated lock, -1 (right) to 1 (left).
        throttle: Fraction of the speed that the speed limit allows, 0 to 1.
    """

    number: int
    heard_ns: int
    steering: float
    throttle: float


class PilotLink(Protocol):
    """Interface of a pilot for the console; `stop` may be called at any time from any thread and never raises."""

    def status(self) -> PilotStatus:
        """Return the present state."""

    def picture(self) -> CameraPicture | None:
        """Return the newest frame as JPEG, encoded at most once per frame; None before the first frame."""

    def arm(self, driver: DriverMode) -> None:
        """Arm the car.

        Raises:
            PilotRefusal: A calibration or a policy for this car is missing, the policy is too slow, or the actuator
                refuses.
        """

    def start(self) -> None:
        """Start an armed car.

        Raises:
            PilotRefusal: The car is not armed.
        """

    def disarm(self) -> None:
        """Release the throttle and disarm: a soft stop."""

    def stop(self, why: str) -> None:
        """Stop hard, at once, from any state; a person must clear the fault afterwards."""

    def clear(self) -> None:
        """Clear a fault, after a person has looked at the car.

        Raises:
            PilotRefusal: The car has no fault, or the cause is still present.
        """

    def set_speed_limit(self, fraction: float) -> None:
        """Set the speed limit, above 0, up to 1; also while driving.

        Raises:
            PilotRefusal: The fraction is outside of that.
        """

    def manual(self, held: ManualInput) -> None:
        """Send a heartbeat of the operator; ignored unless the driver is `manual`. Heartbeats are not queued."""

    def use_model(self, path: Path) -> None:
        """Load a verified bundle while the car is disarmed; if this fails, the old one stays loaded.

        Raises:
            PilotRefusal: The car is not disarmed.
            BundleError: The bundle does not pass the checks.
        """

    def reload_calibration(self) -> None:
        """Read the calibration again, after the wizard wrote one, while the car is disarmed.

        Raises:
            PilotRefusal: The car is not disarmed.
            CalibrationError: The file does not pass the checks.
        """
