"""Defines the calibration of one car, and reads, checks and writes its file.

A calibration maps wheel angles [degrees] and speeds [m/s] to pulses [µs] and describes the real camera. It is one JSON
file, versioned and hashed. A car that was not measured has no default: without a file that passes every check nothing
moves. The actuator checks its part again independently (`racer.car.actuator.calibrated_range`); a test compares both.
"""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

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
FREQUENCY_FACTOR_MIN = 0.9
FREQUENCY_FACTOR_MAX = 1.1
# The five numbers repeat `racer.car.actuator.limits`; a test compares them.

# Strict: a file with 1500.0 or "1500" was not written by racer, and the actuator refuses it too.
Pulse = Annotated[int, Field(strict=True, ge=PULSE_MIN_US, le=PULSE_MAX_US)]
Channel = Annotated[int, Field(strict=True, ge=0, le=15)]


class CalibrationError(RacerError):
    """Raised for a calibration that is missing, damaged, of another car, or inconsistent."""


class DriverConfig(Config):
    """Chip and channels of the car's two outputs."""

    kind: Literal["pca9685", "sysfs_pwm", "sim"] = Field(description="`sim` is a simulated PCA9685")
    device: str = Field(
        pattern=r"^[^:\x00]+$",
        description="number of the I2C bus, folder of the PWM chip, or file of the simulated chip",
    )
    address: Annotated[int, Field(strict=True, ge=0x03, le=0x77)] = Field(
        default=0x40, description="I2C address of the PCA9685"
    )
    steering_channel: Channel = 1
    throttle_channel: Channel = 0
    frequency_factor: float = Field(
        default=1.0,
        strict=True,
        ge=FREQUENCY_FACTOR_MIN,
        le=FREQUENCY_FACTOR_MAX,
        description="measured frequency of the PCA9685, divided by the nominal one; clones are off by some percent",
    )

    @model_serializer(mode="wrap")
    def _without_default_factor(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A nominal chip's file stays as it was before the field existed, so that earlier versions read it too.
        data: dict[str, Any] = handler(self)
        if self.frequency_factor == 1.0:
            data.pop("frequency_factor", None)
        return data

    @model_validator(mode="after")
    def _usable(self) -> DriverConfig:
        if self.kind == "sysfs_pwm" and self.frequency_factor != 1.0:
            raise ValueError("sysfs_pwm takes pulses in nanoseconds; its frequency_factor is 1")
        if self.steering_channel == self.throttle_channel:
            raise ValueError("steering and throttle need two different channels")
        # `isdigit` accepts digits of every script, also of those that no I2C device has in its name.
        if self.kind == "pca9685" and not (self.device.isascii() and self.device.isdigit()):
            raise ValueError(f"the device of a pca9685 is the number of an I2C bus, not `{self.device}`")
        return self


class SteeringCalibration(Config):
    """Pulses and wheel angles of the steering."""

    left_us: Pulse = Field(description="pulse at the furthest left [µs]")
    centre_us: Pulse = Field(description="pulse straight ahead [µs]")
    right_us: Pulse = Field(description="pulse at the furthest right [µs]")
    max_deg_left: float = Field(gt=0.0, le=60.0, description="wheel angle at `left_us` [degrees]")
    max_deg_right: float = Field(gt=0.0, le=60.0, description="wheel angle at `right_us` [degrees]")
    invert: bool = Field(strict=True, description="true if a longer pulse steers to the right")

    @model_validator(mode="after")
    def _ordered(self) -> SteeringCalibration:
        if not _is_monotonic([self.right_us, self.centre_us, self.left_us], self.invert, strict=True):
            raise ValueError(
                f"left {self.left_us}, centre {self.centre_us} and right {self.right_us} µs are not in the order that "
                f"invert: {str(self.invert).lower()} requires; swap left and right, or change invert"
            )
        return self


class SpeedController(Config):
    """Properties of the car's speed controller."""

    arm_s: float = Field(
        default=ARM_MIN_S, ge=ARM_MIN_S, le=30.0, description="neutral after which it is ready [s], at least 2"
    )
    reverse: Literal["none", "direct", "double_tap"] = Field(
        default="none", description="how it reverses; `double_tap`: brake, neutral, then reverse"
    )


class ThrottleCalibration(Config):
    """Pulses of the throttle, from reverse over stop to forward."""

    stop_us: Pulse = Field(description="pulse of no movement [µs]")
    fwd_start_us: Pulse = Field(description="pulse at which the wheels begin to turn forward [µs]")
    fwd_max_us: Pulse = Field(description="pulse of the highest speed that this car may drive [µs]")
    rev_start_us: Pulse = Field(
        description="pulse at which the wheels begin to turn backward [µs]; `stop_us` if not known"
    )
    rev_max_us: Pulse = Field(
        description="pulse of the highest speed that this car may reverse [µs]; `stop_us` if not known"
    )
    invert: bool = Field(strict=True, description="true if a shorter pulse drives forward")
    esc: SpeedController = SpeedController()

    @model_validator(mode="after")
    def _ordered(self) -> ThrottleCalibration:
        # Equal neighbours are allowed where a pulse is not known; forward needs a real range.
        row = [self.rev_max_us, self.rev_start_us, self.stop_us, self.fwd_start_us, self.fwd_max_us]
        if not _is_monotonic(row, self.invert, strict=False) or self.fwd_start_us == self.fwd_max_us:
            raise ValueError(
                f"{', '.join(map(str, row))} µs (reverse max and start, stop, forward start and max) are not in the "
                f"order that invert: {str(self.invert).lower()} requires"
            )
        return self


class Calibration(Config):
    """Calibration of one car: wiring, steering, throttle, speeds and camera."""

    format: Literal["racer-calibration"] = CALIBRATION_FORMAT  # type: ignore[assignment]
    version: Literal[1] = CALIBRATION_VERSION  # type: ignore[assignment]
    car_id: str = Field(min_length=1, max_length=64, description="identifier of the car that was measured")
    driver: DriverConfig
    steering: SteeringCalibration
    throttle: ThrottleCalibration
    speed_table: tuple[tuple[float, float], ...] = Field(
        default=(),
        max_length=64,
        description="rows of throttle, 0..1 from `fwd_start_us` to `fwd_max_us`, and measured speed [m/s]",
    )
    camera: CameraConfig | None = Field(default=None, description="the car's real camera; null if not measured")
    created: str = Field(default="", max_length=40, description="date and time of writing, UTC")
    tool: str = Field(default="", max_length=80, description="program that wrote the file")

    @field_validator("speed_table")
    @classmethod
    def _rising(cls, table: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        # A table that rises strictly can be inverted: the gate looks up the throttle of a speed.
        rows = list(itertools.pairwise(table))
        if len(table) == 1 or any(a[0] >= b[0] or a[1] >= b[1] for a, b in rows):
            raise ValueError("needs at least two rows, and both throttle and speed must rise from row to row")
        if any(not (0.0 <= throttle <= 1.0 and 0.0 <= speed <= 30.0) for throttle, speed in table):
            raise ValueError("throttle is 0..1 and speed 0..30 m/s")
        return table

    @property
    def speed_max(self) -> float:
        """Return the highest measured speed [m/s]; 0 without a table."""
        return self.speed_table[-1][1] if self.speed_table else 0.0

    def to_json(self) -> str:
        """Return the text of the file, with its hash."""
        # The hash covers the values and not their layout, so that both readers compute it from the parsed data.
        data = self.model_dump(mode="json")
        return json.dumps(data | {"sha256": calibration_digest(data)}, indent=1) + "\n"


def stamp_calibration(calibration: Calibration, *, tool: str) -> Calibration:
    """Return the calibration with the present time and the name of the tool that made it."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return calibration.model_copy(update={"created": now, "tool": f"{tool}, racer {__version__}"})


def make_calibration(data: dict[str, Any], source: str) -> Calibration:
    """Return the calibration with these values.

    Args:
        data: Values by their keys in the file.
        source: File or tool that the values come from, for error messages.

    Raises:
        CalibrationError: A value cannot be used; the message names the first one.
    """
    try:
        return Calibration.model_validate(data)
    except ValidationError as error:
        raise CalibrationError(explain(error, Calibration, source)) from None


def pulse_data(
    *,
    steering: tuple[int, int, int],
    max_deg: tuple[float, float],
    throttle: tuple[int, int, int, int],
    invert: tuple[bool, bool],
    reverse: str = "none",
) -> dict[str, Any]:
    """Return the values of steering and throttle for `make_calibration`; the start of reverse counts as not known.

    Args:
        steering: Pulses at the furthest left, straight ahead and at the furthest right [µs].
        max_deg: Wheel angles at the furthest left and right [degrees].
        throttle: Pulses of stop, forward start, forward maximum and reverse maximum [µs].
        invert: Whether longer pulses steer to the right, and whether shorter pulses drive forward.
        reverse: How the speed controller reverses.
    """
    left, centre, right = steering
    stop, fwd_start, fwd_max, rev_max = throttle
    return {
        "steering": {
            "left_us": left, "centre_us": centre, "right_us": right,
            "max_deg_left": max_deg[0], "max_deg_right": max_deg[1], "invert": invert[0],
        },
        "throttle": {
            "stop_us": stop, "fwd_start_us": fwd_start, "fwd_max_us": fwd_max, "rev_start_us": stop,
            "rev_max_us": rev_max, "invert": invert[1], "esc": {"reverse": reverse},
        },
    }  # fmt: skip


def read_calibration(path: str | Path, *, car_id: str | None) -> Calibration:
    """Read a calibration file and check everything in it.

    Args:
        path: The file.
        car_id: Identifier of this car; None accepts a calibration of any car, to show it.

    Raises:
        CalibrationError: The file is missing, damaged, changed by hand, out of bounds, or of another car.
    """
    try:
        data: dict[str, JsonValue] = read_calibration_json(str(path))
    except CalibrationRefused as error:
        raise CalibrationError(f"{error}; make a new one with `racer car calibration import` or the wizard") from None
    data.pop("sha256")  # checked by `read_calibration_json`; not a field of the calibration
    calibration = make_calibration(data, f"calibration {path}")
    if car_id is not None and calibration.car_id != car_id:
        raise CalibrationError(
            f"calibration {path} is of car `{calibration.car_id}`, this is car `{car_id}`; calibrate this car, "
            "or set RACER_CAR_ID if it is the same one"
        )
    return calibration


def write_calibration(path: str | Path, calibration: Calibration) -> Path:
    """Write a calibration atomically, keep the replaced file as `.bak`, and return the path."""
    target = Path(path)
    # The backup is written whole before the file changes, so that a power cut leaves one of the two.
    if target.is_file():
        write_atomically(target.with_name(target.name + ".bak"), target.read_bytes())
    return write_atomically(target, calibration.to_json())


def _is_monotonic(row: list[int], invert: bool, *, strict: bool) -> bool:
    # Deliberately not shared with the actuator, which checks the same file with separate code.
    sign = -1 if invert else 1
    steps = [sign * (b - a) for a, b in itertools.pairwise(row)]
    return all(step > 0 or (step == 0 and not strict) for step in steps)


def interpolate_throttle(table: tuple[tuple[float, float], ...], speed: float) -> float:
    """Return the throttle, 0..1, for a speed: linear between the rows and constant beyond the first and last row.

    Args:
        table: Rows of throttle, 0..1, and speed [m/s], both increasing; at least two.
        speed: Speed [m/s].
    """
    # Inverse of the table: throttle is the value, speed the argument. Both rise strictly, so no division is by zero.
    if speed <= table[0][1]:
        return table[0][0]
    for (a, low), (b, high) in itertools.pairwise(table):
        if speed <= high:
            return a + (b - a) * (speed - low) / (high - low)
    return table[-1][0]
