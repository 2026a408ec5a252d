"""Reads the calibrated range and the wiring from a calibration file, and opens the driver for this wiring.

The actuator checks the file itself and does not rely on earlier checks by other programs: the range is the last limit
on a pulse. Only the standard library is used here, so the file's model in `racer.car.calibration` is not available.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from racer.car.actuator import limits
from racer.car.actuator.drivers import BusError, OutputDriver, Pca9685, SysfsPwm
from racer.car.actuator.states import CalibratedRange, Pulses

CALIBRATION_FORMAT = "racer-calibration"
CALIBRATION_VERSION = 1
_BYTES_MAX = 1 << 20


class CalibrationRefused(Exception):
    """Raised for a calibration that cannot be used; the text contains the reason."""


@dataclass(frozen=True, slots=True)
class ActuatorSetup:
    """Calibrated range and wiring of the car, as the actuator needs them."""

    trim: CalibratedRange
    wiring: Wiring


def calibration_digest(data: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a calibration without its `sha256`, in one canonical spelling.

    Raises:
        ValueError: A number is NaN or infinite, which JSON does not allow.
    """
    rest = {key: value for key, value in data.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_calibration_json(path: str) -> dict[str, Any]:
    """Read a calibration file and check its hash, but not its values.

    Raises:
        CalibrationRefused: The file is missing, not readable, not a JSON object, of another format or version, or
            changed since it was written.
    """
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (pathlib costs start-up time)
            raw = file.read(_BYTES_MAX + 1)
    except OSError as error:
        raise CalibrationRefused(f"calibration {path} cannot be read: {error.strerror}") from None
    try:
        if len(raw) > _BYTES_MAX:
            raise ValueError(f"it is longer than {_BYTES_MAX} bytes")
        data = json.loads(raw.decode(), object_pairs_hook=_refuse_repeated_keys, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise CalibrationRefused(f"calibration {path} is not valid JSON: {error}") from None
    # The hash is checked last, so that a file of another format or version gets the message that helps.
    if not isinstance(data, dict) or data.get("format") != CALIBRATION_FORMAT:
        raise CalibrationRefused(f"{path} is not a racer calibration")
    if data.get("version") != CALIBRATION_VERSION or isinstance(data["version"], bool):
        raise CalibrationRefused(
            f"calibration {path} has version {data.get('version')!r}; this racer reads version {CALIBRATION_VERSION}"
        )
    if data.get("sha256") != calibration_digest(data):
        raise CalibrationRefused(f"calibration {path} was changed or damaged after it was written (its sha256 differs)")
    return data


def read_actuator_setup(path: str, car_id: str) -> ActuatorSetup:
    """Read the calibrated range and the wiring from a calibration file.

    Raises:
        CalibrationRefused: `read_calibration_json` refuses the file, it was made for another car, or its pulses are
            out of bounds or out of order.
    """
    data = read_calibration_json(path)
    if data.get("car_id") != car_id:
        raise CalibrationRefused(f"calibration {path} is of car `{data.get('car_id')}`, this is car `{car_id}`")
    try:
        return ActuatorSetup(_parse_range(data), _wiring_of_driver(data["driver"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise CalibrationRefused(f"calibration {path} is not complete: {type(error).__name__} {error}") from None
    except ValueError as error:
        raise CalibrationRefused(f"calibration {path}: {error}") from None


def default_calibration_path(environment: Mapping[str, str] = os.environ) -> str:
    """Return the path of this car's calibration: `RACER_CALIBRATION`, or the service's folder in `/var/lib`."""
    return environment.get("RACER_CALIBRATION") or "/var/lib/racer/calibration.json"


def own_car_id(environment: Mapping[str, str] = os.environ, root: str = "/") -> str:
    """Return the name of this car: `RACER_CAR_ID`, else the board's serial number, else the host name."""
    if given := environment.get("RACER_CAR_ID"):
        return given
    try:
        with open(f"{root}sys/firmware/devicetree/base/serial-number", "rb") as file:  # noqa: PTH123
            serial = file.read(64).strip(b"\0 \n").decode("ascii")
    except (OSError, UnicodeDecodeError):
        serial = ""
    return f"pi-{serial[-8:]}" if serial else f"host-{os.uname().nodename}"


def _parse_range(data: Mapping[str, Any]) -> CalibratedRange:
    steering, throttle = data["steering"], data["throttle"]
    left, centre, right = (_parse_pulse(steering, key) for key in ("left_us", "centre_us", "right_us"))
    if not _is_monotonic(steering, [right, centre, left], strict=True):
        raise ValueError(
            f"steering left {left}, centre {centre}, right {right} µs are not in the order that `invert` requires"
        )
    # Plateaus are allowed: a reverse that is not known has all its pulses at the stop. Forward needs a real range.
    keys = ("rev_max_us", "rev_start_us", "stop_us", "fwd_start_us", "fwd_max_us")
    row = [_parse_pulse(throttle, key) for key in keys]
    if not _is_monotonic(throttle, row, strict=False) or row[3] == row[4]:
        raise ValueError(
            f"throttle {', '.join(map(str, row))} µs from reverse to forward: not in the order that `invert` requires"
        )
    reverse = throttle["esc"]["reverse"]
    if reverse not in ("none", "direct", "double_tap"):
        raise ValueError(f"reverse is `{reverse}`")
    # Without reverse, no pulse beyond the stop is allowed: some speed controllers would reverse on it.
    backwards = row[2] if reverse == "none" else row[0]
    return CalibratedRange(
        min(left, right), centre, max(left, right), min(backwards, row[4]), row[2], max(backwards, row[4])
    )  # fmt: skip


def _parse_pulse(data: Mapping[str, Any], key: str) -> int:
    value = data[key]
    # `type`, not `isinstance`: true and false are instances of int, and JSON's 1500.0 is a float.
    if type(value) is not int or not limits.PULSE_MIN_US <= value <= limits.PULSE_MAX_US:
        raise ValueError(f"{key} is {value!r}; a pulse is {limits.PULSE_MIN_US}..{limits.PULSE_MAX_US} µs")
    return value


def _is_monotonic(part: Mapping[str, Any], row: list[int], *, strict: bool) -> bool:
    if type(part["invert"]) is not bool:
        raise ValueError("`invert` is true or false")
    sign = -1 if part["invert"] else 1
    steps = [sign * (b - a) for a, b in itertools.pairwise(row)]
    return all(step > 0 if strict else step >= 0 for step in steps)


def _wiring_of_driver(driver: Mapping[str, Any]) -> Wiring:
    # The text form is the only parser of a wiring, so that a file and an option are checked by the same code.
    numbers = [driver[key] for key in ("address", "steering_channel", "throttle_channel")]
    if type(driver["device"]) is not str or any(type(number) is not int for number in numbers):
        raise ValueError("the driver's device is text, its address and channels are whole numbers")
    if not 0x03 <= numbers[0] <= 0x77:
        raise ValueError(f"the driver's address is {numbers[0]}; I2C has 3..119")
    # Files of earlier versions, and those of chips at their nominal frequency, have no factor.
    factor = driver.get("frequency_factor", 1.0)
    if type(factor) not in (int, float):
        raise ValueError(f"the driver's frequency_factor is {factor!r}; it is a number")
    address = f":{numbers[0]}" if driver["kind"] == "pca9685" else ""
    end = "" if factor == 1.0 else f":{factor!r}"
    return parse_wiring(f"{driver['kind']}:{driver['device']}{address}:{numbers[1]}:{numbers[2]}{end}")


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        raise ValueError("a key is given twice")
    return data


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number that JSON allows")


class NullDriver:
    """Driver without outputs, for an actuator without a calibration."""

    def start(self) -> None:
        """Do nothing."""

    def write(self, pulses: Pulses | None) -> None:
        """Refuse pulses; the outputs are always off."""
        if pulses is not None:
            raise BusError("no driver")

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """Chip and channels of the car's two outputs.

    Attributes:
        kind: `pca9685`, `sysfs_pwm`, or `sim`, a simulated PCA9685.
        device: I2C bus number, folder of a PWM chip, or path of the simulated chip.
        address: I2C address of the PCA9685.
        frequency_factor: Measured frequency of the PCA9685, divided by the nominal one.
    """

    kind: str
    device: str
    address: int
    steering_channel: int
    throttle_channel: int
    frequency_factor: float = 1.0

    @property
    def text(self) -> str:
        """Return the text that `parse_wiring` reads."""
        address = f":{self.address}" if self.kind == "pca9685" else ""
        factor = "" if self.frequency_factor == 1.0 else f":{self.frequency_factor!r}"
        return f"{self.kind}:{self.device}{address}:{self.steering_channel}:{self.throttle_channel}{factor}"


def parse_wiring(text: str) -> Wiring:
    """Parse a wiring, for example `pca9685:1:0x40:1:0`, `sysfs_pwm:/sys/class/pwm/pwmchip0:0:1`, `sim:FILE`.

    After the device come the channels of steering and throttle; the default is 1 and 0. A PCA9685 may have a further
    number, its measured frequency divided by the nominal one: `pca9685:1:0x40:1:0:1.03`.

    Raises:
        ValueError: The text has another form.
    """
    kind, _, rest = text.partition(":")
    parts = rest.split(":")
    # No operating system opens a path with a NUL; such a text gets the message of a wrong form.
    if not parts[0] or "\0" in rest:
        parts = []
    # The simulated chip answers at any address, so its wiring has none.
    device_parts = {"pca9685": 2, "sysfs_pwm": 1, "sim": 1}.get(kind, 0)
    numbers = parts[device_parts:]
    if (
        not device_parts
        or len(parts) < device_parts
        or len(numbers) not in ((0, 2) if kind == "sysfs_pwm" else (0, 2, 3))
    ):
        raise ValueError(f"`{text}` is not a wiring; write pca9685:BUS:ADDRESS, sysfs_pwm:FOLDER or sim:FILE")
    device, address = parts[0], 0x40
    if kind == "pca9685":
        device, address = str(int(parts[0])), int(parts[1], 0)
    channels = [int(number) for number in numbers[:2]] or [1, 0]
    if min(channels) < 0 or max(channels) > 15 or channels[0] == channels[1]:
        raise ValueError(f"`{text}`: steering and throttle need two different channels of 0..15")
    factor = float(numbers[2]) if len(numbers) == 3 else 1.0
    if not limits.FREQUENCY_FACTOR_MIN <= factor <= limits.FREQUENCY_FACTOR_MAX:
        raise ValueError(
            f"`{text}`: the frequency factor is {factor:g}; it is {limits.FREQUENCY_FACTOR_MIN:g}.."
            f"{limits.FREQUENCY_FACTOR_MAX:g}, the measured frequency divided by the nominal one"
        )
    return Wiring(kind, device, address, channels[0], channels[1], factor)


def open_driver(wiring: Wiring) -> OutputDriver:
    """Return the driver for a wiring; it has not touched the outputs yet.

    Raises:
        OSError: The device does not exist, or the process may not use it.
        ImportError: smbus2 is not installed.
    """
    if wiring.kind == "sysfs_pwm":
        return SysfsPwm(wiring.device, steering=wiring.steering_channel, throttle=wiring.throttle_channel)
    bus: Any
    if wiring.kind == "sim":
        from racer.car.actuator.sim_chip import SimBus

        bus = SimBus(wiring.device)
    else:
        bus = _open_i2c(int(wiring.device))
    return Pca9685(
        bus,
        wiring.address,
        steering=wiring.steering_channel,
        throttle=wiring.throttle_channel,
        frequency_factor=wiring.frequency_factor,
    )


def _open_i2c(number: int) -> Any:
    """Open an I2C bus whose kernel driver gives up within a tick, instead of retrying for a second by default."""
    import fcntl

    try:
        from smbus2 import SMBus
    except ImportError:
        raise ImportError("an I2C bus needs smbus2; install it with: pip install 'racer[car]'") from None
    bus: Any = SMBus(number)  # its `fd` is typed as if the bus could be closed
    try:
        fcntl.ioctl(bus.fd, 0x0701, 0)  # I2C_RETRIES: `call_with_retries` alone tries again, and counts
        fcntl.ioctl(bus.fd, 0x0702, limits.BUS_SLOW_NS // 10_000_000)  # I2C_TIMEOUT, in units of 10 ms
    except OSError:
        pass  # an adapter without these settings keeps its own; `ActuatorProcess` still measures slow writes
    return bus
