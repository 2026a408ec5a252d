"""The seam between the pilot and who watches and commands it: the console knows a pilot by this and nothing else.

The pilot owns the camera, the policy, the gate and the connection to the actuator. Who commands never waits for it:
no method here blocks for longer than a lock, and each may be called from any thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from racer.errors import RacerError

DriverMode = Literal["policy", "manual"]
"""Who drives: the loaded policy, or a person who holds a button."""


class PilotRefusal(RacerError):
    """The pilot did not do what was asked; the text says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPercentiles:
    """Percentiles of a time over the last few seconds, ms."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotStatus:
    """What the pilot does. None means that it cannot be told or measured here, and is not shown.

    Attributes:
        state: name of the actuator's state (`racer.car.actuator.words.State`); None: no actuator is connected.
        reason: why the car does not move, in plain words; empty where nothing is wrong.
        driver: who drives, or would after `arm`.
        speed_limit: share of the calibrated speed, above 0, up to 1.
        model: name of the loaded policy; None: none is loaded.
        steering_deg, speed: what was asked last, degrees (left positive) and m/s.
        steering_us, throttle_us: what is on the wire, µs; 0 is off.
        rate_hz: control steps of the last second.
        frames_dropped, deadlines_missed: since the pilot started.
        latency: from the camera's capture to the actuator's write.
        inference: one run of the network.
        recording: the drive that is recorded, or was last, or why none is; empty: none yet.
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
    """The newest camera frame, for a person to look at.

    Attributes:
        number: rises with each new frame.
        captured_ns: when it was taken, CLOCK_MONOTONIC.
    """

    number: int
    captured_ns: int
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class ManualInput:
    """One heartbeat of a person who holds the button.

    Attributes:
        number: rises with each fresh heartbeat; the actuator's `input_id`.
        heard_ns: when it arrived, CLOCK_MONOTONIC; the actuator's deadline of 300 ms counts from here.
        steering: -1 (right) .. 1 (left) of the calibrated lock.
        throttle: 0..1 of what the speed limit allows.
    """

    number: int
    heard_ns: int
    steering: float
    throttle: float


class PilotLink(Protocol):
    """A pilot as the console sees it. `stop` may be called by anybody at any time and never raises."""

    def status(self) -> PilotStatus:
        """What it does now."""
        ...

    def picture(self) -> CameraPicture | None:
        """The newest frame as JPEG, encoded at most once a frame; None where no camera delivered one yet."""
        ...

    def arm(self, driver: DriverMode) -> None:
        """Ask the actuator to arm.

        Raises:
            PilotRefusal: no calibration, no fitting policy, too slow, or the actuator's own reason.
        """
        ...

    def start(self) -> None:
        """Drive, once armed.

        Raises:
            PilotRefusal: not armed.
        """
        ...

    def disarm(self) -> None:
        """Let go of the throttle and disarm: a soft stop."""
        ...

    def stop(self, why: str) -> None:
        """Stop hard, at once, from any state; a person has to clear the fault then."""
        ...

    def clear(self) -> None:
        """Clear a fault, after a person looked at the car.

        Raises:
            PilotRefusal: there is none, or its cause is still there.
        """
        ...

    def set_speed_limit(self, share: float) -> None:
        """Above 0, up to 1; also while driving.

        Raises:
            PilotRefusal: outside that.
        """
        ...

    def manual(self, held: ManualInput) -> None:
        """A fresh heartbeat of the person driving; ignored unless the driver is `manual`. Nothing is queued."""
        ...

    def use_model(self, path: Path) -> None:
        """Load a verified bundle; only while disarmed. The old one stays where this fails.

        Raises:
            PilotRefusal: the car is not disarmed.
            BundleError: the bundle does not pass.
        """
        ...

    def reload_calibration(self) -> None:
        """Read the calibration again, after the wizard wrote one; only while disarmed.

        Raises:
            PilotRefusal: the car is not disarmed.
            CalibrationError: the file does not pass.
        """
        ...
