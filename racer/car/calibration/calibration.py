"""The calibration of one car: what pulse turns the wheels how far and drives how fast, and what its camera sees.

One JSON file, versioned and hashed, in microseconds, degrees and m/s. There are no defaults for a car that was not
measured: without a file that passes every check nothing moves. The actuator checks its part again on its own
(`racer.car.actuator.trim`); a test compares both.
"""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, ValidationError, field_validator, model_validator

from racer import __version__
from racer.assets import write_atomically
from racer.car.actuator.calibrated_range import (
    CALIBRATION_FORMAT,
    CALIBRATION_VERSION,
    CalibrationRefused,
    calibration_digest,
    read_calibration_json,
)
from racer.config.base import Config, explain
from racer.config.env import CameraConfig
from racer.errors import RacerError

PULSE_MIN_US = 900
PULSE_MAX_US = 2100
ARM_MIN_S = 2.0

Pulse = Annotated[int, Field(strict=True, ge=PULSE_MIN_US, le=PULSE_MAX_US)]
Channel = Annotated[int, Field(strict=True, ge=0, le=15)]


class CalibrationError(RacerError):
    """A calibration that is missing, damaged, of another car, or does not fit together."""


class DriverConfig(Config):
    """Where the car's two outputs are."""

    kind: Literal["pca9685", "sysfs_pwm", "sim"] = Field(description="`sim` is a simulated PCA9685")
    device: str = Field(
        pattern=r"^[^:\x00]+$",
        description="number of the I2C bus, folder of the PWM chip, or file of the simulated chip",
    )
    address: Annotated[int, Field(strict=True, ge=0x03, le=0x77)] = Field(
        default=0x40, description="of the PCA9685 on its bus"
    )
    steering_channel: Channel = 1
    throttle_channel: Channel = 0

    @model_validator(mode="after")
    def _usable(self) -> DriverConfig:
        if self.steering_channel == self.throttle_channel:
            raise ValueError("steering and throttle need two different channels")
        if self.kind == "pca9685" and not (self.device.isascii() and self.device.isdigit()):
            raise ValueError(f"the device of a pca9685 is the number of an I2C bus, not `{self.device}`")
        return self


class SteeringCalibration(Config):
    """Pulses and wheel angles of the steering."""

    left_us: Pulse = Field(description="µs, furthest left")
    centre_us: Pulse = Field(description="µs, straight ahead")
    right_us: Pulse = Field(description="µs, furthest right")
    max_deg_left: float = Field(gt=0.0, le=60.0, description="degrees at the wheels with `left_us`")
    max_deg_right: float = Field(gt=0.0, le=60.0, description="degrees at the wheels with `right_us`")
    invert: bool = Field(strict=True, description="true where a longer pulse steers to the right")

    @model_validator(mode="after")
    def _ordered(self) -> SteeringCalibration:
        if not _is_monotonic([self.right_us, self.centre_us, self.left_us], self.invert, strict=True):
            raise ValueError(
                f"left {self.left_us}, centre {self.centre_us} and right {self.right_us} µs do not go the way "
                f"that invert: {str(self.invert).lower()} says; swap left and right, or set invert the other way"
            )
        return self


class SpeedController(Config):
    """What the car's speed controller needs."""

    arm_s: float = Field(
        default=ARM_MIN_S, ge=ARM_MIN_S, le=30.0, description="s of neutral after which it is ready; at least 2"
    )
    reverse: Literal["none", "direct", "double_tap"] = Field(
        default="none", description="how it reverses; `double_tap`: brake, neutral, then reverse"
    )


class ThrottleCalibration(Config):
    """Pulses of the throttle, from reverse over stop to forward."""

    stop_us: Pulse = Field(description="µs, no movement")
    fwd_start_us: Pulse = Field(description="µs, the wheels just begin to turn forward")
    fwd_max_us: Pulse = Field(description="µs, as fast as this car may ever go forward")
    rev_start_us: Pulse = Field(description="µs, the wheels just begin to turn backward; `stop_us` if not known")
    rev_max_us: Pulse = Field(description="µs, as fast as this car may ever go backward; `stop_us` if not known")
    invert: bool = Field(strict=True, description="true where a shorter pulse drives forward")
    esc: SpeedController = SpeedController()

    @model_validator(mode="after")
    def _ordered(self) -> ThrottleCalibration:
        row = [self.rev_max_us, self.rev_start_us, self.stop_us, self.fwd_start_us, self.fwd_max_us]
        if not _is_monotonic(row, self.invert, strict=False) or self.fwd_start_us == self.fwd_max_us:
            raise ValueError(
                f"{', '.join(map(str, row))} µs (reverse max and start, stop, forward start and max) do not go the way "
                f"that invert: {str(self.invert).lower()} says"
            )
        return self


class Calibration(Config):
    """Everything that was measured on one car."""

    format: Literal["racer-calibration"] = CALIBRATION_FORMAT  # type: ignore[assignment]
    version: Literal[1] = CALIBRATION_VERSION  # type: ignore[assignment]
    car_id: str = Field(min_length=1, max_length=64, description="the car that it was measured on")
    driver: DriverConfig
    steering: SteeringCalibration
    throttle: ThrottleCalibration
    speed_table: tuple[tuple[float, float], ...] = Field(
        default=(), max_length=64, description="throttle 0..1 from `fwd_start_us` to `fwd_max_us`, and the speed in m/s"
    )
    camera: CameraConfig | None = Field(default=None, description="the car's real camera; none: not measured")
    created: str = Field(default="", max_length=40, description="date and time, UTC")
    tool: str = Field(default="", max_length=80, description="what wrote the file")

    @field_validator("speed_table")
    @classmethod
    def _rising(cls, table: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        rows = list(itertools.pairwise(table))
        if len(table) == 1 or any(a[0] >= b[0] or a[1] >= b[1] for a, b in rows):
            raise ValueError("needs at least two rows, and both throttle and speed must rise from row to row")
        if any(not (0.0 <= share <= 1.0 and 0.0 <= speed <= 30.0) for share, speed in table):
            raise ValueError("throttle is 0..1 and speed 0..30 m/s")
        return table

    @property
    def speed_max(self) -> float:
        """m/s, the fastest speed that was measured; 0 without a table."""
        return self.speed_table[-1][1] if self.speed_table else 0.0

    def to_json(self) -> str:
        """The file's text, with its hash."""
        data = self.model_dump(mode="json")
        return json.dumps(data | {"sha256": calibration_digest(data)}, indent=1) + "\n"


def stamp_calibration(calibration: Calibration, *, tool: str) -> Calibration:
    """The same with the time and the tool that made it."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return calibration.model_copy(update={"created": now, "tool": f"{tool}, racer {__version__}"})


def make_calibration(data: dict[str, Any], where: str) -> Calibration:
    """A calibration from its values.

    Raises:
        CalibrationError: naming the first value that cannot be used.
    """
    try:
        return Calibration.model_validate(data)
    except ValidationError as error:
        raise CalibrationError(explain(error, Calibration, where)) from None


def read_calibration(path: str | Path, *, car_id: str | None) -> Calibration:
    """A calibration file that passed every check.

    Args:
        car_id: of this car; None reads any car's, to look at it.

    Raises:
        CalibrationError: missing, damaged, changed by hand, out of bounds, or of another car.
    """
    try:
        data: dict[str, JsonValue] = read_calibration_json(str(path))
    except CalibrationRefused as error:
        raise CalibrationError(f"{error}; make a new one with `racer car calibration import` or the wizard") from None
    data.pop("sha256")
    calibration = make_calibration(data, f"calibration {path}")
    if car_id is not None and calibration.car_id != car_id:
        raise CalibrationError(
            f"calibration {path} is of car `{calibration.car_id}`, this is car `{car_id}`; calibrate this car, "
            "or set RACER_CAR_ID if it is the same one"
        )
    return calibration


def write_calibration(path: str | Path, calibration: Calibration) -> Path:
    """Write a calibration whole or not at all; the file that was there is kept as `.bak`."""
    target = Path(path)
    if target.is_file():
        write_atomically(target.with_name(target.name + ".bak"), target.read_bytes())
    return write_atomically(target, calibration.to_json())


def _is_monotonic(row: list[int], invert: bool, *, strict: bool) -> bool:
    sign = -1 if invert else 1
    steps = [sign * (b - a) for a, b in itertools.pairwise(row)]
    return all(step > 0 or (step == 0 and not strict) for step in steps)


def interpolate_throttle(table: tuple[tuple[float, float], ...], speed: float) -> float:
    """Throttle 0..1 for a speed in m/s, straight between the rows and held at the ends."""
    if speed <= table[0][1]:
        return table[0][0]
    for (a, low), (b, high) in itertools.pairwise(table):
        if speed <= high:
            return a + (b - a) * (speed - low) / (high - low)
    return table[-1][0]
