"""Imports calibrations of DeepRacer and donkeycar cars.

DeepRacer (`/opt/aws/deepracer/calibration.json`): values are pulse widths [ns]. A command of -1..1 times `polarity`
goes from `mid` to `max` if positive and to `min` if negative (aws-deepracer-servo-pkg, servo_mgr.cpp,
servoSubscriber); positive steers left and drives forward.

donkeycar (`myconfig.py`, parsed and never executed): values are steps of a 12-bit PWM at 60 Hz, 4.07 µs each
(donkeycar cfg_complete.py, PWM_STEERING_THROTTLE). The file overrides donkeycar's defaults. A pulse that the file does
not set is refused, not guessed.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

from racer.car.calibration.calibration import (
    PULSE_MAX_US,
    PULSE_MIN_US,
    Calibration,
    CalibrationError,
    make_calibration,
    pulse_data,
    stamp_calibration,
)

DeepRacerPulses = tuple[int, int, int, bool]
"""Pulses for the commands -1, 0 and +1 [µs], and whether the direction is inverted."""

DEEPRACER_WHEEL_DEG = 30.0
"""Wheel angle at full lock of a DeepRacer car [degrees], from its action spaces; not measured on the car."""


def import_deepracer(path: str | Path, *, car_id: str, driver: dict[str, Any]) -> tuple[Calibration, list[str]]:
    """Import a DeepRacer car's file.

    Returns:
        The calibration, and notes on what to check on the car before driving.

    Raises:
        CalibrationError: The file is not a DeepRacer calibration, or has pulses out of bounds.
    """
    servo, motor = _read_deepracer(Path(path))
    (right, centre, left), (back, stop, forward) = servo[:3], motor[:3]
    pulses = pulse_data(
        steering=(left, centre, right),
        max_deg=(DEEPRACER_WHEEL_DEG, DEEPRACER_WHEEL_DEG),
        throttle=(stop, stop, forward, back),
        invert=(servo[3], motor[3]),
    )
    notes = [
        f"wheel angles: {DEEPRACER_WHEEL_DEG:g} degrees at full lock are assumed, measure them",
        "speed: the file has no speed table; measure one, or choose the DeepRacer mapping for DeepRacer models",
        "forward start: the file does not contain the pulse at which the wheels begin to turn",
        "reverse: switched off until a person says how the speed controller reverses",
    ]
    data = {"car_id": car_id, "driver": driver, **pulses}
    return stamp_calibration(make_calibration(data, str(path)), tool="DeepRacer import"), notes


def _read_deepracer(path: Path) -> tuple[DeepRacerPulses, DeepRacerPulses]:
    """Return the pulses of servo and motor."""
    try:
        data = json.loads(path.read_bytes())
        parts = data["Calibration"]
        return _deepracer_pulses(parts["Servo"]), _deepracer_pulses(parts["Motor"])
    except OSError as error:
        raise CalibrationError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CalibrationError(
            f"{path} is not a DeepRacer calibration ({type(error).__name__}: {error}); it should hold "
            "Calibration.Servo and Calibration.Motor with min, mid, max and polarity"
        ) from None


def _deepracer_pulses(values: dict[str, Any]) -> DeepRacerPulses:
    # `type`, because JSON's true and false are instances of int in Python.
    row = [values[key] for key in ("min", "mid", "max", "polarity")]
    if any(type(value) is not int for value in row) or row[3] not in (-1, 1):
        raise ValueError("min, mid and max are whole nanoseconds, polarity is 1 or -1")
    low, mid, high = (round(value / 1000) for value in row[:3])
    return (low, mid, high, False) if row[3] > 0 else (high, mid, low, True)


PWM_STEP_US = 1e6 / 60 / 4096
"""Duration of one PWM step [µs]: donkeycar runs its PCA9685 at 60 Hz."""
DONKEY_WHEEL_DEG = 25.0
"""Wheel angle at full lock of the common donkeycar chassis [degrees], as published; not measured on the car."""

_DONKEY_KEYS = {
    "left": "STEERING_LEFT_PWM",
    "right": "STEERING_RIGHT_PWM",
    "forward": "THROTTLE_FORWARD_PWM",
    "stop": "THROTTLE_STOPPED_PWM",
    "reverse": "THROTTLE_REVERSE_PWM",
}
# For example PCA9685.1:40.1: bus, address in hexadecimal digits with or without 0x, channel.
_PCA9685_PIN = re.compile(r"PCA9685\.(\d+):(?:0x)?([0-9a-fA-F]+)\.(\d+)")
_FILE_BYTES_MAX = 1 << 20


def import_donkey(path: str | Path, *, car_id: str) -> tuple[Calibration, list[str]]:
    """Import a donkeycar's file.

    Returns:
        The calibration, and notes on what to check on the car before driving.

    Raises:
        CalibrationError: The file is not a donkeycar configuration, or values are missing or out of bounds.
    """
    constants = _read_constants(Path(path))
    steps = {name: _pwm_step(path, constants, key) for name, key in _DONKEY_KEYS.items()}
    notes = [
        "steering centre: donkeycar has none, the middle between left and right is taken; trim it",
        f"wheel angles: {DONKEY_WHEEL_DEG:g} degrees at full lock are assumed, measure them",
        "speed: the file has no speed table; measure one",
        "reverse: switched off until a person says how the speed controller reverses",
    ]
    us = {}
    for name, step in steps.items():
        # Only the absolute limits cut a pulse; a difference of up to 1 µs is the rounding.
        us[name] = min(max(round(step * PWM_STEP_US), PULSE_MIN_US), PULSE_MAX_US)
        if abs(us[name] - step * PWM_STEP_US) > 1:
            notes.append(
                f"{_DONKEY_KEYS[name]} {step} is {step * PWM_STEP_US:.0f} µs; cut to {us[name]} µs, the absolute limit"
            )
    # A shorter pulse on the left means that a longer pulse steers to the right.
    centre = round((us["left"] + us["right"]) / 2)
    pulses = pulse_data(
        steering=(us["left"], centre, us["right"]),
        max_deg=(DONKEY_WHEEL_DEG, DONKEY_WHEEL_DEG),
        throttle=(us["stop"], us["stop"], us["forward"], us["reverse"]),
        invert=(us["left"] < us["right"], us["forward"] < us["stop"]),
    )
    data = {"car_id": car_id, "driver": _donkey_driver(constants), **pulses}
    return stamp_calibration(make_calibration(data, str(path)), tool="donkeycar import"), notes


def _read_constants(path: Path) -> dict[str, Any]:
    """Return every literal that the file assigns at its top level; later assignments win.

    The keys of a dictionary are added as names too: newer files keep all pulses in one `PWM_STEERING_THROTTLE`.
    """
    try:
        raw = path.read_bytes()
        if len(raw) > _FILE_BYTES_MAX:
            raise ValueError("it is far too long")
        tree = ast.parse(raw)  # parsed and never executed: the file may come from anywhere
    except OSError as error:
        raise CalibrationError(f"{path} cannot be read: {error.strerror}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CalibrationError(f"{path} is not a Python file: {error}") from None
    constants: dict[str, Any] = {}
    for statement in tree.body:
        if not isinstance(statement, ast.Assign):
            continue
        # Values that are computed cannot be read without running the file; they count as missing.
        try:
            value = ast.literal_eval(statement.value)
        except (ValueError, TypeError, RecursionError, MemoryError):
            continue
        for target in statement.targets:
            if isinstance(target, ast.Name):
                constants[target.id] = value
                if isinstance(value, dict):
                    constants |= {key: inner for key, inner in value.items() if isinstance(key, str)}
    return constants


def _pwm_step(path: str | Path, constants: dict[str, Any], key: str) -> int:
    if key not in constants:
        raise CalibrationError(
            f"{path} does not set {key}; copy it from donkeycar's config.py or run `donkey calibrate` first"
        )
    value = constants[key]
    if type(value) is not int or not 0 < value < 4096:
        raise CalibrationError(f"{path}: {key} is {value!r}; it should be a whole number of 1..4095")
    return value


def _donkey_driver(constants: dict[str, Any]) -> dict[str, Any]:
    """Return bus, address and channels: from the newer pins, the older single keys, or donkeycar's defaults."""
    pins = [_PCA9685_PIN.fullmatch(str(constants.get(key, ""))) for key in ("PWM_STEERING_PIN", "PWM_THROTTLE_PIN")]
    if pins[0] and pins[1]:
        (bus, address, steering), throttle = pins[0].groups(), pins[1].group(3)
        if pins[1].groups()[:2] != (bus, address):
            raise CalibrationError("steering and throttle are on two chips; racer's actuator owns one")
        bus, address, steering, throttle = int(bus), int(address, 16), int(steering), int(throttle)
    elif "PWM_STEERING_PIN" in constants:
        raise CalibrationError(
            f"pin `{constants['PWM_STEERING_PIN']}`: only pins of a PCA9685 can be imported; "
            "for others write the driver by hand"
        )
    else:
        address = constants.get("PCA9685_I2C_ADDR", 0x40)
        steering, throttle = constants.get("STEERING_CHANNEL", 1), constants.get("THROTTLE_CHANNEL", 0)
        bus = constants.get("PCA9685_I2C_BUSNUM")  # None is donkeycar's default, and means bus 1 on a Pi
    return {
        "kind": "pca9685",
        "device": "1" if bus is None else str(bus),
        "address": address,
        "steering_channel": steering,
        "throttle_channel": throttle,
    }
