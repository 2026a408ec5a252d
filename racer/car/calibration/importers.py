"""Imports calibrations of DeepRacer and donkeycar cars.

DeepRacer (`/opt/aws/deepracer/calibration.json`): values are pulse widths [ns]. A command of -1..1 times `polarity`
goes from `mid` to `max` if positive and to `min` if negative (aws-deepracer-servo-pkg, servo_mgr.cpp,
servoSubscriber); positive steers left and drives forward.

donkeycar (`myconfig.py`, parsed and never executed): `DRIVE_TRAIN_TYPE` chooses which settings count
(donkeycar/templates/complete.py, add_drivetrain). Values are steps of a 12-bit PWM at 60 Hz, 4.07 µs each, times a
scale (donkeycar/parts/actuator.py, PulseController). The file overrides donkeycar's defaults. A pulse that the file
does not set is refused, not guessed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from racer.car.calibration.calibration import (
    PULSE_MAX_US,
    PULSE_MIN_US,
    Calibration,
    CalibrationError,
    make_calibration,
    pulse_data,
    stamp_calibration,
)
from racer.car.calibration.python_constants import read_constants

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
    calibration = make_calibration(data, str(path))
    notes += _frequency_note(calibration)
    return stamp_calibration(calibration, tool="DeepRacer import"), notes


def _frequency_note(calibration: Calibration) -> list[str]:
    if calibration.driver.kind != "pca9685" or calibration.driver.frequency_factor != 1.0:
        return []
    return [
        "PWM frequency: clones of the PCA9685 are off by some percent, and so are their pulses; check stop and centre, "
        "or measure the frequency and import again with --frequency-factor MEASURED/NOMINAL"
    ]


def _read_deepracer(path: Path) -> tuple[DeepRacerPulses, DeepRacerPulses]:
    """Return the pulses of servo and motor."""
    try:
        parts = json.loads(path.read_bytes())["Calibration"]
        servo, motor = ([parts[name][key] for key in _DEEPRACER_KEYS] for name in ("Servo", "Motor"))
    except OSError as error:
        raise CalibrationError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CalibrationError(
            f"{path} is not a DeepRacer calibration ({type(error).__name__}: {error}); it should hold "
            "Calibration.Servo and Calibration.Motor with min, mid, max and polarity"
        ) from None
    return _deepracer_pulses(servo, f"{path}: Calibration.Servo"), _deepracer_pulses(
        motor, f"{path}: Calibration.Motor"
    )


_DEEPRACER_KEYS = ("min", "mid", "max", "polarity")


def _deepracer_pulses(values: list[Any], where: str) -> DeepRacerPulses:
    # `type`, because JSON's true and false are instances of int in Python.
    for key, value in zip(_DEEPRACER_KEYS, values, strict=True):
        if key == "polarity":
            if type(value) not in (int, float) or value not in (-1, 1):
                raise CalibrationError(f"{where}.polarity is {value!r}; it should be 1 or -1")
        elif type(value) not in (int, float) or not math.isfinite(value):
            raise CalibrationError(f"{where}.{key} is {value!r}; it should be a number of nanoseconds")
        elif not PULSE_MIN_US <= round(value / 1000) <= PULSE_MAX_US:
            raise CalibrationError(f"{where}.{key} is {value} ns; a pulse is {PULSE_MIN_US}..{PULSE_MAX_US} µs here")
    low, mid, high = (round(value / 1000) for value in values[:3])
    if not low < mid < high:
        raise CalibrationError(
            f"{where}: min {values[0]}, mid {values[1]} and max {values[2]} ns; `mid` must lie between `min` and `max`"
        )
    return (low, mid, high, False) if values[3] > 0 else (high, mid, low, True)


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
_DRIVE_TRAINS = ("PWM_STEERING_THROTTLE", "I2C_SERVO")
"""Drive trains of a servo and a speed controller on a PCA9685; all others drive a motor in another way."""
_PINS = {"PWM_STEERING_PIN": "PCA9685.1:40.1", "PWM_THROTTLE_PIN": "PCA9685.1:40.0"}
_CHANNELS = {"STEERING_CHANNEL": 1, "THROTTLE_CHANNEL": 0}
"""Defaults of donkeycar for settings of the wiring that a file may leave out."""
# For example PCA9685.1:40.1: bus, address in hexadecimal digits with or without 0x, channel.
_PCA9685_PIN = re.compile(r"PCA9685\.(\d+):(?:0x)?([0-9a-fA-F]+)\.(\d+)")


class _DonkeySettings(NamedTuple):
    """Settings of the drive train that a file chooses.

    Attributes:
        steps: PWM steps by the keys of `_DONKEY_KEYS`, after donkeycar's scale.
        driver: Fields of `DriverConfig`.
        notes: What to check on the car.
    """

    steps: dict[str, int]
    driver: dict[str, Any]
    notes: list[str]


def import_donkey(path: str | Path, *, car_id: str, frequency_factor: float = 1.0) -> tuple[Calibration, list[str]]:
    """Import a donkeycar's file.

    Args:
        path: The file, `myconfig.py` or a whole configuration.
        car_id: Identifier of the car.
        frequency_factor: Measured frequency of the car's PCA9685, divided by the nominal one.

    Returns:
        The calibration, and notes on what to check on the car before driving.

    Raises:
        CalibrationError: The file is not a donkeycar configuration, its drive train is not a servo and a speed
            controller on a PCA9685, or values are missing or out of bounds.
    """
    settings = _donkey_settings(str(path), read_constants(Path(path)))
    notes = [
        "steering centre: donkeycar has none, the middle between left and right is taken; trim it",
        f"wheel angles: {DONKEY_WHEEL_DEG:g} degrees at full lock are assumed, measure them",
        "speed: the file has no speed table; measure one",
        "reverse: switched off until a person says how the speed controller reverses",
        *settings.notes,
    ]
    cuts, us = [], {}
    for name, step in settings.steps.items():
        pulse = step * PWM_STEP_US / frequency_factor
        # Only the absolute limits cut a pulse; a difference of up to 1 µs is the rounding.
        us[name] = min(max(round(pulse), PULSE_MIN_US), PULSE_MAX_US)
        if abs(us[name] - pulse) > 1:
            cuts.append(f"{_DONKEY_KEYS[name]} {step} is {pulse:.0f} µs; cut to {us[name]} µs, the absolute limit")
    _check_order(str(path), settings.steps, us)
    # A shorter pulse on the left means that a longer pulse steers to the right.
    centre = round((us["left"] + us["right"]) / 2)
    pulses = pulse_data(
        steering=(us["left"], centre, us["right"]),
        max_deg=(DONKEY_WHEEL_DEG, DONKEY_WHEEL_DEG),
        throttle=(us["stop"], us["stop"], us["forward"], us["reverse"]),
        invert=(us["left"] < us["right"], us["forward"] < us["stop"]),
    )
    driver = settings.driver | {"frequency_factor": float(frequency_factor)}
    calibration = make_calibration({"car_id": car_id, "driver": driver, **pulses}, str(path))
    return stamp_calibration(calibration, tool="donkeycar import"), [*notes, *_frequency_note(calibration), *cuts]


def _check_order(where: str, steps: dict[str, int], us: dict[str, int]) -> None:
    """Refuse pulses whose order no servo or speed controller has, in the terms of donkeycar's file."""
    if abs(us["left"] - us["right"]) < 2:
        both = "are both" if steps["left"] == steps["right"] else "are too near:"
        raise CalibrationError(
            f"{where}: STEERING_LEFT_PWM and STEERING_RIGHT_PWM {both} {steps['left']}; run `donkey calibrate` again"
        )
    # The product is negative where both ends are on one side; reverse may equal stop, forward may not.
    if us["forward"] == us["stop"] or (us["forward"] - us["stop"]) * (us["reverse"] - us["stop"]) > 0:
        raise CalibrationError(
            f"{where}: THROTTLE_STOPPED_PWM {steps['stop']} must lie between THROTTLE_REVERSE_PWM {steps['reverse']} "
            f"and THROTTLE_FORWARD_PWM {steps['forward']}; run `donkey calibrate` again"
        )


def _donkey_settings(path: str, constants: Mapping[str, Any]) -> _DonkeySettings:
    drive_train, notes = _choose_drive_train(path, constants)
    # I2C_SERVO has its settings as separate names of the file, PWM_STEERING_THROTTLE as the keys of a dictionary.
    where, chosen = path, constants
    if drive_train == "PWM_STEERING_THROTTLE":
        where, chosen = f"{path}: {drive_train}", _setting(path, constants, drive_train)
        if not isinstance(chosen, dict):
            raise CalibrationError(f"{where} is {chosen!r}; it should be a dictionary of constants")
    scales = dict.fromkeys(("STEERING", "THROTTLE"), 1.0)
    if drive_train == "PWM_STEERING_THROTTLE":
        for part in scales:
            _refuse_inverted(where, chosen, f"PWM_{part}_INVERTED")
            scales[part] = _scale(where, chosen, f"PWM_{part}_SCALE", notes)
        driver = _driver_of_pins(where, chosen, notes)
    else:
        driver = _driver_of_channels(where, chosen, notes)
    steps = {}
    for name, key in _DONKEY_KEYS.items():
        steps[name] = _pwm_steps(where, chosen, key, scales[key.partition("_")[0]])
    return _DonkeySettings(steps, driver, notes)


def _choose_drive_train(path: str, constants: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Return the drive train of the file, and a note where the file does not name one."""
    if "DRIVE_TRAIN_TYPE" in constants:
        name = constants["DRIVE_TRAIN_TYPE"]
        if name not in _DRIVE_TRAINS:
            raise CalibrationError(
                f"{path}: DRIVE_TRAIN_TYPE is {name!r}; only a steering servo and a speed controller on a PCA9685 can "
                f"be imported ({', '.join(_DRIVE_TRAINS)})"
            )
        return name, []
    if not all(key in constants for key in _DONKEY_KEYS.values()):
        return "PWM_STEERING_THROTTLE" if "PWM_STEERING_THROTTLE" in constants else "I2C_SERVO", []
    if "PWM_STEERING_THROTTLE" in constants:
        raise CalibrationError(
            f"{path} sets pulses both in PWM_STEERING_THROTTLE and as separate names; add the line DRIVE_TRAIN_TYPE = "
            '"PWM_STEERING_THROTTLE" or DRIVE_TRAIN_TYPE = "I2C_SERVO", whichever drives the car'
        )
    return "I2C_SERVO", [
        "DRIVE_TRAIN_TYPE: not set; I2C_SERVO is assumed, as in older releases of donkeycar. donkeycar 5 ignores these "
        "pulses without that line"
    ]


def _setting(where: str, settings: Mapping[str, Any], key: str) -> Any:
    if key not in settings:
        raise CalibrationError(
            f"{where} does not set {key}; copy it from donkeycar's config.py or run `donkey calibrate` first"
        )
    return settings[key]


def _pwm_steps(where: str, settings: Mapping[str, Any], key: str, scale: float) -> int:
    """Return the steps that donkeycar sends to the chip."""
    value = _setting(where, settings, key)
    if type(value) is not int or not 0 < value < 4096:
        raise CalibrationError(f"{where}: {key} is {value!r}; it should be a whole number of 1..4095")
    steps = int(value * scale)
    if not 0 < steps < 4096:
        raise CalibrationError(f"{where}: {key} {value} times the scale {scale:g} is not within 1..4095 steps")
    return steps


def _scale(where: str, settings: Mapping[str, Any], key: str, notes: list[str]) -> float:
    scale = settings.get(key, 1.0)
    if type(scale) not in (int, float) or not 0.0 < scale < 4096.0:
        raise CalibrationError(f"{where}: {key} is {scale!r}; it should be a number above 0")
    if scale != 1.0:
        notes.append(f"{key} {scale:g}: the pulses are those that donkeycar sends to the chip, after this scale")
    return float(scale)


def _refuse_inverted(where: str, settings: Mapping[str, Any], key: str) -> None:
    if settings.get(key):
        raise CalibrationError(
            f"{where}: {key} is {settings[key]!r}; the car's circuit inverts the signal and racer's actuator does not, "
            "so that every pulse would be a wrong one"
        )


def _driver_of_pins(where: str, settings: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    # A file without either pin has donkeycar's usual wiring; one of them alone says that the wiring is another.
    if not any(key in settings for key in _PINS):
        settings = _PINS
        notes.append(f"{', '.join(_PINS)}: not set; {' and '.join(_PINS.values())} are assumed, check the wiring")
    chips, channels = [], []
    for key in _PINS:
        pin = _setting(where, settings, key)
        match = _PCA9685_PIN.fullmatch(str(pin))
        if match is None:
            raise CalibrationError(
                f"{where}: {key} is {pin!r}; only pins of a PCA9685 can be imported; "
                "for others write the driver by hand"
            )
        chips.append((int(match[1]), int(match[2], 16)))
        channels.append(int(match[3]))
    if chips[0] != chips[1]:
        raise CalibrationError(f"{where}: steering and throttle are on two chips; racer's actuator owns one")
    (bus, address), (steering, throttle) = chips[0], channels
    return _driver(where, bus, address, steering, throttle)


def _driver_of_channels(where: str, settings: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    absent = [key for key in _CHANNELS if key not in settings]
    if absent:
        assumed = " and ".join(str(_CHANNELS[key]) for key in absent)
        notes.append(f"{', '.join(absent)}: not set; {assumed} assumed, check the wiring")
    numbers: dict[str, Any] = _CHANNELS | {"PCA9685_I2C_ADDR": 0x40, "PCA9685_I2C_BUSNUM": None}
    numbers |= {key: settings[key] for key in numbers if key in settings}
    # None is donkeycar's default for the bus, and means bus 1 on a Pi.
    if numbers["PCA9685_I2C_BUSNUM"] is None:
        numbers["PCA9685_I2C_BUSNUM"] = 1
    for key, value in numbers.items():
        if type(value) is not int:
            raise CalibrationError(f"{where}: {key} is {value!r}; it should be a whole number")
    steering, throttle, address, bus = numbers.values()
    return _driver(where, bus, address, steering, throttle)


def _driver(where: str, bus: int, address: int, steering: int, throttle: int) -> dict[str, Any]:
    """Return the fields of `DriverConfig`, which checks their ranges."""
    if steering == throttle:
        raise CalibrationError(
            f"{where}: steering and throttle are both on channel {steering}; use two different channels"
        )
    return {
        "kind": "pca9685",
        "device": str(bus),
        "address": address,
        "steering_channel": steering,
        "throttle_channel": throttle,
    }
