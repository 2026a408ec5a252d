"""What a driver must do, and how often a write is tried.

The PCA9685 over I2C: sixteen channels, registers as in NXP's data sheet (PCA9685, rev. 4, section 7.3).

The chip keeps putting out its last pulses when the program that set them is gone, and also when it goes to sleep and
wakes again. So the first thing that is written is "all off".

Two PWM channels of the kernel (`/sys/class/pwm`), nanoseconds in text files. They too outlive their process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final, Protocol

from racer.car.actuator import limits
from racer.car.actuator.states import Pulses


class BusError(OSError):
    """A write did not reach the chip, or the chip does not hold what was written."""


class OutputDriver(Protocol):
    """Two outputs. Each call tries once, reads back what it wrote, and raises OSError where that differs."""

    def start(self) -> None:
        """Silence the outputs, whatever an earlier process left there, and set the period. Puts out no pulse."""

    def write(self, pulses: Pulses | None) -> None:
        """Put out these pulses from the next period on; None is off."""

    def close(self) -> None:
        """Let go of the device; the outputs stay as they are."""


def call_with_retries(what: Callable[[], None], clock: Callable[[], int]) -> int:
    """Call `what` until it comes through, three times at most; none of them begins after a tick.

    Returns:
        How many times it was tried again.

    Raises:
        BusError: it failed for good.
    """
    start = clock()
    for retries in range(limits.BUS_RETRIES + 1):
        try:
            what()
        except OSError as error:
            failed = str(error)
        else:
            failed = ""
        if not failed:
            return retries
        if clock() - start > limits.BUS_SLOW_NS:
            break
    raise BusError(failed)


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
_OSCILLATOR_START_S: Final = 0.0006  # the data sheet asks for 500 µs

COUNT_MIN: Final = -(-limits.PULSE_MIN_US * STEPS // limits.PERIOD_US)
COUNT_MAX: Final = limits.PULSE_MAX_US * STEPS // limits.PERIOD_US


class I2cBus(Protocol):
    """The part of smbus2.SMBus that is used here."""

    def read_byte_data(self, i2c_addr: int, register: int) -> int: ...
    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None: ...
    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> list[int]: ...
    def write_i2c_block_data(self, i2c_addr: int, register: int, data: list[int]) -> None: ...
    def close(self) -> None: ...


def pulse_to_steps(pulse_us: int) -> int:
    """Steps of 4.88 µs nearest to a pulse, never outside the absolute limits."""
    return max(COUNT_MIN, min(COUNT_MAX, (pulse_us * STEPS + limits.PERIOD_US // 2) // limits.PERIOD_US))


class Pca9685:
    """Steering and throttle on two channels of one chip."""

    def __init__(self, bus: I2cBus, address: int, *, steering: int, throttle: int) -> None:
        self._bus = bus
        self._address = address
        self._steering = LED0_ON_L + 4 * steering
        self._throttle = LED0_ON_L + 4 * throttle

    def start(self) -> None:
        """All off; then 50 Hz, which can be set only while the chip sleeps; then awake, still off."""
        write = self._bus.write_byte_data
        write(self._address, ALL_LED_OFF_H, FULL_OFF)
        write(self._address, MODE1, SLEEP | AUTO_INCREMENT)
        write(self._address, PRESCALE, PRESCALE_50_HZ)
        write(self._address, MODE1, AUTO_INCREMENT)
        time.sleep(_OSCILLATOR_START_S)
        self.write(None)

    def write(self, pulses: Pulses | None) -> None:
        """Throttle first, then steering; read back both, and that the chip is awake at 50 Hz."""
        if pulses is None:
            self._bus.write_byte_data(self._address, ALL_LED_OFF_H, FULL_OFF)
            for register in (self._throttle, self._steering):
                if not self._bus.read_byte_data(self._address, register + 3) & FULL_OFF:
                    raise BusError("the chip did not go off")
        else:
            wanted = ((self._throttle, pulses.throttle_us), (self._steering, pulses.steering_us))
            rows = [
                (register, [0, 0, pulse_to_steps(pulse) & 0xFF, pulse_to_steps(pulse) >> 8])
                for register, pulse in wanted
            ]
            for register, row in rows:
                self._bus.write_i2c_block_data(self._address, register, row)
            for register, row in rows:
                if list(self._bus.read_i2c_block_data(self._address, register, 4)) != row:
                    raise BusError("the chip does not hold what was written")
        self._check_mode()

    def _check_mode(self) -> None:
        """A chip that lost its supply for a moment sleeps at another rate."""
        if self._bus.read_byte_data(self._address, MODE1) & ~RESTART != AUTO_INCREMENT:
            raise BusError("the chip was reset")
        if self._bus.read_byte_data(self._address, PRESCALE) != PRESCALE_50_HZ:
            raise BusError("the chip's rate is not 50 Hz")

    def close(self) -> None:
        """Close the bus."""
        self._bus.close()


_PERIOD_NS: Final = limits.PERIOD_US * 1000


class SysfsPwm:
    """Steering and throttle on two channels of one PWM chip's folder."""

    def __init__(self, folder: str, *, steering: int, throttle: int) -> None:
        self._folder = folder
        self._channels = (throttle, steering)
        for channel in self._channels:
            if not os.path.isdir(f"{folder}/pwm{channel}"):  # noqa: PTH112 (pathlib costs start-up time)
                _write_attribute(f"{folder}/export", channel)

    def start(self) -> None:
        """Silence both channels, then set the period, which must exceed a pulse that is left there."""
        self.write(None)
        for channel in self._channels:
            self._set(channel, "period", _PERIOD_NS)

    def write(self, pulses: Pulses | None) -> None:
        """Throttle first, then steering; all is read back."""
        for channel, pulse_us in zip(self._channels, _clamp_pulses(pulses), strict=True):
            self._set(channel, "duty_cycle", pulse_us * 1000)
            self._set(channel, "enable", int(pulses is not None))

    def _set(self, channel: int, name: str, value: int) -> None:
        path = f"{self._folder}/pwm{channel}/{name}"
        _write_attribute(path, value)
        with open(path, "rb") as file:  # noqa: PTH123
            if file.read().strip() != b"%d" % value:
                raise BusError(f"pwm{channel}/{name} did not take {value}")

    def close(self) -> None:
        """Nothing is held open."""


def _clamp_pulses(pulses: Pulses | None) -> tuple[int, int]:
    if pulses is None:
        return 0, 0
    low, high = limits.PULSE_MIN_US, limits.PULSE_MAX_US
    return max(low, min(high, pulses.throttle_us)), max(low, min(high, pulses.steering_us))


def _write_attribute(path: str, value: int) -> None:
    file = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(file, b"%d" % value)
    finally:
        os.close(file)
