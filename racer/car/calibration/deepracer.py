"""Reads the calibration of a DeepRacer car (`/opt/aws/deepracer/calibration.json`).

Its values are nanoseconds of pulse. A command of -1..1 times `polarity` goes from `mid` to `max` where positive and to
`min` where negative (aws-deepracer-servo-pkg, servo_mgr.cpp, servoSubscriber); positive steers left and drives forward.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from racer.car.calibration.calibration import Calibration, CalibrationError, make_calibration, stamped

WHEEL_DEG = 30.0
"""Degrees at full lock on either side of a DeepRacer car, as its action spaces say; not measured on the car."""


def import_deepracer(path: str | Path, *, car_id: str, driver: dict[str, Any]) -> tuple[Calibration, list[str]]:
    """A calibration from a DeepRacer car's file, and what to check on the car before driving.

    Raises:
        CalibrationError: not such a file, or pulses out of bounds.
    """
    servo, motor = _read(Path(path))
    data = {
        "car_id": car_id,
        "driver": driver,
        "steering": {
            "left_us": servo["high"],
            "centre_us": servo["mid"],
            "right_us": servo["low"],
            "max_deg_left": WHEEL_DEG,
            "max_deg_right": WHEEL_DEG,
            "invert": servo["invert"],
        },
        "throttle": {
            "stop_us": motor["mid"],
            "fwd_start_us": motor["mid"],
            "fwd_max_us": motor["high"],
            "rev_start_us": motor["mid"],
            "rev_max_us": motor["low"],
            "invert": motor["invert"],
        },
    }
    notes = [
        f"wheel angles: {WHEEL_DEG:g} degrees at full lock are assumed, measure them",
        "speed: the file has no speed table; measure one, or choose the DeepRacer mapping for DeepRacer models",
        "forward start: the file does not tell where the wheels begin to turn",
        "reverse: switched off until a person says how the speed controller reverses",
    ]
    return stamped(make_calibration(data, str(path)), tool="DeepRacer import"), notes


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        data = json.loads(path.read_bytes())
        parts = data["Calibration"]
        return _side(parts["Servo"]), _side(parts["Motor"])
    except OSError as error:
        raise CalibrationError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CalibrationError(
            f"{path} is no DeepRacer calibration ({type(error).__name__}: {error}); it should hold "
            "Calibration.Servo and Calibration.Motor with min, mid, max and polarity"
        ) from None


def _side(values: dict[str, Any]) -> dict[str, Any]:
    """What +1, 0 and -1 put out, in µs."""
    row = [values[key] for key in ("min", "mid", "max", "polarity")]
    if any(type(value) is not int for value in row) or row[3] not in (-1, 1):
        raise ValueError("min, mid and max are whole nanoseconds, polarity is 1 or -1")
    low, mid, high = (round(value / 1000) for value in row[:3])
    if row[3] < 0:
        low, high = high, low
    return {"low": low, "mid": mid, "high": high, "invert": row[3] < 0}
