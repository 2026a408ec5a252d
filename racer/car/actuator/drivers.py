"""Drivers of the two outputs behind one protocol, `OutputDriver`, and the retries of their writes.

`Pca9685` is the chip of NXP over I2C: sixteen channels, registers as in its data sheet (PCA9685, rev. 4, section 7.3).
`SysfsPwm` uses two PWM channels of the Linux kernel (`/sys/class/pwm`): text files that hold times [ns].

Both continue to output their last pulses after the process that set them has ended, and the PCA9685 also when it
sleeps and wakes again. `start` therefore switches all outputs off before it does anything else.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import Final, Protocol, TypeVarTuple

from racer.car.actuator import limits
from racer.car.actuator.states import Pulses

Arguments = TypeVarTuple("Arguments")


class BusError(OSError):
    """Raised if a write did not reach the chip, or if the chip does not hold what was written."""


class OutputDriver(Protocol):
    """Two outputs. Each call tries once, reads back what it wrote, and raises OSError if the values differ."""

    def start(self) -> None:
        """Switch both outputs off, whatever an earlier process left there, and set the period; output no pulse."""

    def write(self, pulses: Pulses | None) -> None:
        """Output these pulses from the next period on; None is off."""

    def close(self) -> None:
        """Close the device; the outputs stay as they are."""


def call_with_retries(call: Callable[[*Arguments], None], *arguments: *Arguments, clock: Callable[[], int]) -> int:
    """Call a method of a driver until it succeeds: at most three times, and no attempt begins after a tick.

    Args:
        call: Method, which raises OSError if it fails.
        arguments: Arguments of the method.
        clock: Monotonic time [ns].

    Returns:
        Number of further attempts after the first.

    Raises:
        BusError: The last attempt failed.
    """
    start = clock()
    for retries in range(limits.BUS_RETRIES + 1):
        try:
            call(*arguments)
        except OSError as error:
            failure = str(error)
            if clock() - start > limits.BUS_SLOW_NS:
                break
        else:
            return retries
    raise BusError(failure)


MODE1: Final = 0x00
LED0_ON_L: Final = 0x06
ALL_LED_OFF_H: Final = 0xFD
PRESCALE: Final = 0xFE
SLEEP: Final = 0x10
AUTO_INCREMENT: Final = 0x20
RESTART: Final = 0x80
FULL_OFF: Final = 0x10
STEPS: Final = 4096
OSCILLATOR_HZ: Final = 25_000_000
PRESCALE_50_HZ: Final = round(OSCILLATOR_HZ * limits.PERIOD_US / 1_000_000 / STEPS) - 1
"""Prescaler for pulses of 50 Hz (section 7.3.5): f = oscillator / (4096 (prescale + 1)), so 121."""
_OSCILLATOR_START_S: Final = 0.0006  # the data sheet requires 500 µs


class I2cBus(Protocol):
    """The methods of smbus2.SMBus that `Pca9685` calls."""

    def read_byte_data(self, i2c_addr: int, register: int) -> int:
        """Read one register."""

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None:
        """Write one register."""

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> list[int]:
        """Read consecutive registers."""

    def write_i2c_block_data(self, i2c_addr: int, register: int, data: list[int]) -> None:
        """Write consecutive registers."""

    def close(self) -> None:
        """Close the bus."""


def pulse_to_steps(pulse_us: int, frequency_factor: float = 1.0) -> int:
    """Return the steps nearest to a pulse [µs], never outside the absolute limits.

    A step lasts 4.88 µs divided by `frequency_factor`, the measured frequency of the chip divided by the nominal one.
    """
    steps_per_us = STEPS * frequency_factor / limits.PERIOD_US
    # Rounded inwards, up for the lowest and down for the highest, so that no pulse exceeds the absolute limits.
    lowest = math.ceil(limits.PULSE_MIN_US * steps_per_us)
    highest = math.floor(limits.PULSE_MAX_US * steps_per_us)
    return max(lowest, min(highest, math.floor(pulse_us * steps_per_us + 0.5)))


class Pca9685:
    """Steering and throttle on two channels of one PCA9685.

    Args:
        bus: I2C bus of the chip.
        address: I2C address of the chip.
        steering: Channel of the steering, 0..15.
        throttle: Channel of the throttle, 0..15.
        frequency_factor: Measured frequency of the chip, divided by the nominal one.
    """

    def __init__(
        self, bus: I2cBus, address: int, *, steering: int, throttle: int, frequency_factor: float = 1.0
    ) -> None:
        self._bus = bus
        self._address = address
        self._frequency_factor = frequency_factor
        self._steering = LED0_ON_L + 4 * steering
        self._throttle = LED0_ON_L + 4 * throttle

    def start(self) -> None:
        """Switch all outputs off, set 50 Hz, which the chip accepts only while it sleeps, and wake it, still off."""
        write = self._bus.write_byte_data
        write(self._address, ALL_LED_OFF_H, FULL_OFF)
        write(self._address, MODE1, SLEEP | AUTO_INCREMENT)
        write(self._address, PRESCALE, PRESCALE_50_HZ)
        write(self._address, MODE1, AUTO_INCREMENT)
        time.sleep(_OSCILLATOR_START_S)
        self.write(None)

    def write(self, pulses: Pulses | None) -> None:
        """Write the throttle first, then the steering; read back both, and check that the chip is awake at 50 Hz."""
        if pulses is None:
            self._bus.write_byte_data(self._address, ALL_LED_OFF_H, FULL_OFF)
            for register in (self._throttle, self._steering):
                if not self._bus.read_byte_data(self._address, register + 3) & FULL_OFF:
                    raise BusError("the chip did not go off")
        else:
            pairs = ((self._throttle, pulses.throttle_us), (self._steering, pulses.steering_us))
            # The four registers of a channel: the step at which the pulse begins (0) and the one at which it ends, low
            # byte first. Bit 4 of the last, full off, is 0 because a pulse has fewer than 4096 steps.
            counts = [(register, pulse_to_steps(pulse, self._frequency_factor)) for register, pulse in pairs]
            rows = [(register, [0, 0, *count.to_bytes(2, "little")]) for register, count in counts]
            for register, row in rows:
                self._bus.write_i2c_block_data(self._address, register, row)
            for register, row in rows:
                if list(self._bus.read_i2c_block_data(self._address, register, 4)) != row:
                    raise BusError("the chip does not hold what was written")
        self._check_mode()

    def _check_mode(self) -> None:
        """Raise BusError if the chip lost its supply for a moment: then it sleeps, at the rate after power-on."""
        if self._bus.read_byte_data(self._address, MODE1) & ~RESTART != AUTO_INCREMENT:
            raise BusError("the chip was reset")
        if self._bus.read_byte_data(self._address, PRESCALE) != PRESCALE_50_HZ:
            raise BusError("the chip's rate is not 50 Hz")

    def close(self) -> None:
        """Close the bus."""
        self._bus.close()


_PERIOD_NS: Final = limits.PERIOD_US * 1000


class SysfsPwm:
    """Steering and throttle on two channels of one PWM chip of the kernel.

    Args:
        folder: Folder of the chip, for example `/sys/class/pwm/pwmchip0`.
        steering: Channel of the steering.
        throttle: Channel of the throttle.
    """

    def __init__(self, folder: str, *, steering: int, throttle: int) -> None:
        self._folder = folder
        self._channels = (throttle, steering)
        for channel in self._channels:
            if not os.path.isdir(f"{folder}/pwm{channel}"):  # noqa: PTH112 (pathlib costs start-up time)
                _write_attribute(f"{folder}/export", channel)

    def start(self) -> None:
        """Switch both channels off, then set the period.

        The kernel refuses a period below the present pulse, so the pulse of an earlier process is removed first.
        """
        self.write(None)
        for channel in self._channels:
            self._set(channel, "period", _PERIOD_NS)

    def write(self, pulses: Pulses | None) -> None:
        """Write the throttle first, then the steering; read back every value."""
        pulses_us = (pulses.throttle_us, pulses.steering_us) if pulses else (0, 0)
        for channel, pulse_us in zip(self._channels, pulses_us, strict=True):
            if pulses is not None:
                pulse_us = max(limits.PULSE_MIN_US, min(limits.PULSE_MAX_US, pulse_us))
            self._set(channel, "duty_cycle", pulse_us * 1000)
            self._set(channel, "enable", int(pulses is not None))

    def _set(self, channel: int, name: str, value: int) -> None:
        path = f"{self._folder}/pwm{channel}/{name}"
        _write_attribute(path, value)
        with open(path, "rb") as file:  # noqa: PTH123
            if file.read().strip() != b"%d" % value:
                raise BusError(f"pwm{channel}/{name} did not take {value}")

    def close(self) -> None:
        """Do nothing: no file stays open between two calls."""


def _write_attribute(path: str, value: int) -> None:
    # `os.write` reports the kernel's error at once; a buffered file would raise it only when it is closed.
    file = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(file, b"%d" % value)
    finally:
        os.close(file)
