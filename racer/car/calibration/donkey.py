"""Reads the calibration out of a donkeycar's `myconfig.py`, without running it.

Its values are steps of a 12-bit PWM at 60 Hz, 4.07 µs each (donkeycar cfg_complete.py, PWM_STEERING_THROTTLE).
The file overrides donkeycar's defaults; what stands neither in the file nor can be measured is refused, not guessed.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from racer.car.calibration.calibration import (
    PULSE_MAX_US,
    PULSE_MIN_US,
    Calibration,
    CalibrationError,
    make_calibration,
    stamped,
)

STEP_US = 1e6 / 60 / 4096
WHEEL_DEG = 25.0
"""Degrees at full lock of the common donkeycar chassis, as published; not measured on the car."""

_KEYS = {
    "left": "STEERING_LEFT_PWM",
    "right": "STEERING_RIGHT_PWM",
    "forward": "THROTTLE_FORWARD_PWM",
    "stop": "THROTTLE_STOPPED_PWM",
    "reverse": "THROTTLE_REVERSE_PWM",
}
_PIN = re.compile(r"PCA9685\.(\d+):(?:0x)?([0-9a-fA-F]+)\.(\d+)")
_FILE_MAX = 1 << 20


def import_donkey(path: str | Path, *, car_id: str) -> tuple[Calibration, list[str]]:
    """A calibration from a donkeycar's file, and what to check on the car before driving.

    Raises:
        CalibrationError: not such a file, or values that are missing or out of bounds.
    """
    found = _values(Path(path))
    steps = {name: _step(path, found, key) for name, key in _KEYS.items()}
    notes = [
        "steering centre: donkeycar has none, the middle between left and right is taken; trim it",
        f"wheel angles: {WHEEL_DEG:g} degrees at full lock are assumed, measure them",
        "speed: the file has no speed table; measure one",
        "reverse: switched off until a person says how the speed controller reverses",
    ]
    us = {}
    for name, step in steps.items():
        us[name] = min(max(round(step * STEP_US), PULSE_MIN_US), PULSE_MAX_US)
        if abs(us[name] - step * STEP_US) > 1:
            notes.append(f"{_KEYS[name]} {step} is {step * STEP_US:.0f} µs; cut to {us[name]} µs, the absolute limit")
    centre = round((us["left"] + us["right"]) / 2)
    data = {
        "car_id": car_id,
        "driver": _driver(found),
        "steering": {
            "left_us": us["left"],
            "centre_us": centre,
            "right_us": us["right"],
            "max_deg_left": WHEEL_DEG,
            "max_deg_right": WHEEL_DEG,
            "invert": us["left"] < us["right"],
        },
        "throttle": {
            "stop_us": us["stop"],
            "fwd_start_us": us["stop"],
            "fwd_max_us": us["forward"],
            "rev_start_us": us["stop"],
            "rev_max_us": us["reverse"],
            "invert": us["forward"] < us["stop"],
        },
    }
    return stamped(make_calibration(data, str(path)), tool="donkeycar import"), notes


def _values(path: Path) -> dict[str, Any]:
    """Every plain constant that the file assigns at its top level, dictionaries opened; later ones win."""
    try:
        raw = path.read_bytes()
        if len(raw) > _FILE_MAX:
            raise ValueError("it is far too long")
        tree = ast.parse(raw)
    except OSError as error:
        raise CalibrationError(f"{path} cannot be read: {error.strerror}") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CalibrationError(f"{path} is no Python file: {error}") from None
    found: dict[str, Any] = {}
    for statement in tree.body:
        if not isinstance(statement, ast.Assign):
            continue
        try:
            value = ast.literal_eval(statement.value)
        except (ValueError, TypeError, RecursionError, MemoryError):
            continue
        for target in statement.targets:
            if isinstance(target, ast.Name):
                found[target.id] = value
                if isinstance(value, dict):
                    found |= {key: inner for key, inner in value.items() if isinstance(key, str)}
    return found


def _step(path: str | Path, found: dict[str, Any], key: str) -> int:
    if key not in found:
        raise CalibrationError(
            f"{path} does not set {key}; copy it from donkeycar's config.py or run `donkey calibrate` first"
        )
    value = found[key]
    if type(value) is not int or not 0 < value < 4096:
        raise CalibrationError(f"{path}: {key} is {value!r}; it should be a whole number of 1..4095")
    return value


def _driver(found: dict[str, Any]) -> dict[str, Any]:
    """Bus, address and channels: from the pins of the newer form, or the older single keys, or donkeycar's defaults."""
    pins = [_PIN.fullmatch(str(found.get(key, ""))) for key in ("PWM_STEERING_PIN", "PWM_THROTTLE_PIN")]
    if pins[0] and pins[1]:
        (bus, address, steering), throttle = pins[0].groups(), pins[1].group(3)
        if pins[1].groups()[:2] != (bus, address):
            raise CalibrationError("steering and throttle are on two chips; racer's actuator owns one")
        bus, address = int(bus), int(address, 16)
        return _pca9685(bus, address, int(steering), int(throttle))
    if "PWM_STEERING_PIN" in found:
        raise CalibrationError(
            f"pin `{found['PWM_STEERING_PIN']}`: only pins of a PCA9685 can be imported; "
            "for others write the driver by hand"
        )
    numbers = [
        found.get(key, default)
        for key, default in (("PCA9685_I2C_ADDR", 0x40), ("STEERING_CHANNEL", 1), ("THROTTLE_CHANNEL", 0))
    ]
    bus = found.get("PCA9685_I2C_BUSNUM")
    return _pca9685(1 if bus is None else bus, *numbers)


def _pca9685(bus: Any, address: Any, steering: Any, throttle: Any) -> dict[str, Any]:
    return {
        "kind": "pca9685",
        "device": str(bus),
        "address": address,
        "steering_channel": steering,
        "throttle_channel": throttle,
    }
