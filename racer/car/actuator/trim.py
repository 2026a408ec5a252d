"""What the actuator takes from a calibration file, checked here on its own, whoever checked it before."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from racer.car.actuator import limits
from racer.car.actuator.wiring import Wiring, parse_wiring
from racer.car.actuator.words import Trim

FORMAT = "racer-calibration"
VERSION = 1
_BYTES_MAX = 1 << 20


class Refused(Exception):
    """A calibration that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What the actuator needs to know of the car."""

    trim: Trim
    wiring: Wiring


def digest(data: Mapping[str, Any]) -> str:
    """SHA-256 over a calibration without its `sha256`, in one canonical spelling.

    Raises:
        ValueError: a number that JSON does not have.
    """
    rest = {key: value for key, value in data.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_json(path: str) -> dict[str, Any]:
    """A calibration file as it is, its hash checked, its values not.

    Raises:
        Refused: missing, not readable, no JSON object, another format or version, or changed since it was written.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (pathlib costs start-up time)
            raw = file.read(_BYTES_MAX + 1)
    except OSError as error:
        raise Refused(f"calibration {path} cannot be read: {error.strerror}") from None
    try:
        if len(raw) > _BYTES_MAX:
            raise ValueError("it is far too long")
        data = json.loads(raw.decode(), object_pairs_hook=_no_repeats, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(f"calibration {path} is no JSON: {error}") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise Refused(f"{path} is no racer calibration")
    if data.get("version") != VERSION or isinstance(data["version"], bool):
        raise Refused(f"calibration {path} has version {data.get('version')!r}; this racer reads version {VERSION}")
    if data.get("sha256") != digest(data):
        raise Refused(f"calibration {path} was changed or damaged after it was written (its sha256 differs)")
    return data


def read_setup(path: str, car_id: str) -> Setup:
    """The trim and wiring of a calibration file.

    Raises:
        Refused: see `read_json`; or made for another car; or pulses out of bounds or out of order.
    """
    data = read_json(path)
    if data.get("car_id") != car_id:
        raise Refused(f"calibration {path} is of car `{data.get('car_id')}`, this is car `{car_id}`")
    try:
        return Setup(_trim(data), _wiring(data["driver"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise Refused(f"calibration {path} is not complete: {type(error).__name__} {error}") from None
    except ValueError as error:
        raise Refused(f"calibration {path}: {error}") from None


def default_calibration(environment: Mapping[str, str] = os.environ) -> str:
    """Where this car's calibration lies: `RACER_CALIBRATION`, or the service's own folder of `/var/lib`."""
    return environment.get("RACER_CALIBRATION") or "/var/lib/racer/calibration.json"


def own_car_id(environment: Mapping[str, str] = os.environ, root: str = "/") -> str:
    """The name of this car: `RACER_CAR_ID`, else the board's serial number, else the host's name."""
    if given := environment.get("RACER_CAR_ID"):
        return given
    try:
        with open(f"{root}sys/firmware/devicetree/base/serial-number", "rb") as file:  # noqa: PTH123
            serial = file.read(64).strip(b"\0 \n").decode("ascii")
    except (OSError, UnicodeDecodeError):
        serial = ""
    return f"pi-{serial[-8:]}" if serial else f"host-{os.uname().nodename}"


def _trim(data: Mapping[str, Any]) -> Trim:
    steering, throttle = data["steering"], data["throttle"]
    left, centre, right = (_pulse(steering, key) for key in ("left_us", "centre_us", "right_us"))
    if not _rising(steering, [right, centre, left], strict=True):
        raise ValueError(f"steering left {left}, centre {centre}, right {right} µs do not go the way of `invert`")
    keys = ("rev_max_us", "rev_start_us", "stop_us", "fwd_start_us", "fwd_max_us")
    row = [_pulse(throttle, key) for key in keys]
    if not _rising(throttle, row, strict=False) or row[3] == row[4]:
        raise ValueError(
            f"throttle {', '.join(map(str, row))} µs from reverse to forward do not go the way of `invert`"
        )
    reverse = throttle["esc"]["reverse"]
    if reverse not in ("none", "direct", "double_tap"):
        raise ValueError(f"reverse is `{reverse}`")
    backwards = row[2] if reverse == "none" else row[0]
    return Trim(
        min(left, right), centre, max(left, right), min(backwards, row[4]), row[2], max(backwards, row[4])
    )  # fmt: skip


def _pulse(data: Mapping[str, Any], key: str) -> int:
    value = data[key]
    if type(value) is not int or not limits.PULSE_MIN_US <= value <= limits.PULSE_MAX_US:
        raise ValueError(f"{key} is {value!r}; a pulse is {limits.PULSE_MIN_US}..{limits.PULSE_MAX_US} µs")
    return value


def _rising(part: Mapping[str, Any], row: list[int], *, strict: bool) -> bool:
    if type(part["invert"]) is not bool:
        raise ValueError("`invert` is true or false")
    sign = -1 if part["invert"] else 1
    steps = [sign * (b - a) for a, b in itertools.pairwise(row)]
    return all(step > 0 if strict else step >= 0 for step in steps)


def _wiring(driver: Mapping[str, Any]) -> Wiring:
    numbers = [driver[key] for key in ("address", "steering_channel", "throttle_channel")]
    if type(driver["device"]) is not str or any(type(number) is not int for number in numbers):
        raise ValueError("the driver's device is text, its address and channels are whole numbers")
    if not 0x03 <= numbers[0] <= 0x77:
        raise ValueError(f"the driver's address is {numbers[0]}; I2C has 3..119")
    address = f":{numbers[0]}" if driver["kind"] == "pca9685" else ""
    return parse_wiring(f"{driver['kind']}:{driver['device']}{address}:{numbers[1]}:{numbers[2]}")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        raise ValueError("a key is given twice")
    return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
