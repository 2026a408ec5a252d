"""Where the car's outputs are wired, in words, and the driver for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from racer.car.actuator import limits
from racer.car.actuator.bus import BusError, Driver
from racer.car.actuator.words import Pulses


class NoDriver:
    """Drives nothing: what runs when no calibration says where the car is wired."""

    def start(self) -> None:
        """Do nothing."""

    def write(self, pulses: Pulses | None) -> None:
        """Refuse pulses; off is what it always is."""
        if pulses is not None:
            raise BusError("no driver")

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """Where the car's two outputs are.

    Attributes:
        kind: `pca9685`, `sysfs_pwm`, or `sim`, a simulated PCA9685.
        device: I2C bus number, folder of a PWM chip, or path of the simulated chip.
        address: of the PCA9685.
    """

    kind: str
    device: str
    address: int
    steering_channel: int
    throttle_channel: int

    @property
    def text(self) -> str:
        """The words that `parse_wiring` reads."""
        address = f":{self.address}" if self.kind == "pca9685" else ""
        return f"{self.kind}:{self.device}{address}:{self.steering_channel}:{self.throttle_channel}"


def parse_wiring(text: str) -> Wiring:
    """A wiring from words: `pca9685:1:0x40:1:0`, `sysfs_pwm:/sys/class/pwm/pwmchip0:0:1`, `sim:FILE`.

    The last two numbers are the channels of steering and throttle, 1 and 0 where left out.

    Raises:
        ValueError: another form.
    """
    kind, _, rest = text.partition(":")
    parts = rest.split(":")
    if not parts[0] or "\0" in rest:
        parts = []
    if kind == "pca9685" and len(parts) in (2, 4):
        device, address = str(int(parts[0])), int(parts[1], 0)
        channels = [int(part) for part in parts[2:]] or [1, 0]
    elif kind in ("sysfs_pwm", "sim") and len(parts) in (1, 3):
        device, address = parts[0], 0x40
        channels = [int(part) for part in parts[1:]] or [1, 0]
    else:
        raise ValueError(f"`{text}` is no wiring; write pca9685:BUS:ADDRESS, sysfs_pwm:FOLDER or sim:FILE")
    if min(channels) < 0 or max(channels) > 15 or channels[0] == channels[1]:
        raise ValueError(f"`{text}`: steering and throttle need two different channels of 0..15")
    return Wiring(kind, device, address, channels[0], channels[1])


def open_driver(wiring: Wiring) -> Driver:
    """The driver for a wiring; it has not touched the outputs yet.

    Raises:
        OSError: no such device, or no right to use it.
        ImportError: smbus2 is not installed.
    """
    if wiring.kind == "sysfs_pwm":
        from racer.car.actuator.sysfs_pwm import SysfsPwm

        return SysfsPwm(wiring.device, steering=wiring.steering_channel, throttle=wiring.throttle_channel)
    from racer.car.actuator.pca9685 import Pca9685

    bus: Any
    if wiring.kind == "sim":
        from racer.car.actuator.sim_chip import SimBus

        bus = SimBus(wiring.device)
    else:
        bus = _open_i2c(int(wiring.device))
    return Pca9685(bus, wiring.address, steering=wiring.steering_channel, throttle=wiring.throttle_channel)


def _open_i2c(number: int) -> Any:
    """An I2C bus whose kernel driver gives up within a tick (its own default is a second, tried several times)."""
    import fcntl

    try:
        from smbus2 import SMBus
    except ImportError:
        raise ImportError("an I2C bus needs smbus2; install it with: pip install 'racer[car]'") from None
    bus: Any = SMBus(number)  # its `fd` is typed as if the bus could be closed
    try:
        fcntl.ioctl(bus.fd, 0x0701, 0)  # I2C_RETRIES; ours are counted
        fcntl.ioctl(bus.fd, 0x0702, limits.BUS_SLOW_NS // 10_000_000)  # I2C_TIMEOUT, in units of 10 ms
    except OSError:
        pass  # adapters without these keep their own; `attempt` still sees that they were slow
    return bus
