"""The PCA9685 over I2C: sixteen channels, registers as in NXP's data sheet (PCA9685, rev. 4, section 7.3).

The chip keeps putting out its last pulses when the program that set them is gone, and also when it goes to sleep and
wakes again. So the first thing that is written is "all off".
"""

from __future__ import annotations

import time
from typing import Final, Protocol

from racer.car.actuator import limits
from racer.car.actuator.bus import BusError
from racer.car.actuator.words import Pulses

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


class Bus(Protocol):
    """The part of smbus2.SMBus that is used here."""

    def read_byte_data(self, i2c_addr: int, register: int) -> int: ...
    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None: ...
    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> list[int]: ...
    def write_i2c_block_data(self, i2c_addr: int, register: int, data: list[int]) -> None: ...
    def close(self) -> None: ...


def count(pulse_us: int) -> int:
    """Steps of 4.88 µs nearest to a pulse, never outside the absolute limits."""
    return max(COUNT_MIN, min(COUNT_MAX, (pulse_us * STEPS + limits.PERIOD_US // 2) // limits.PERIOD_US))


class Pca9685:
    """Steering and throttle on two channels of one chip."""

    def __init__(self, bus: Bus, address: int, *, steering: int, throttle: int) -> None:
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
            rows = [(register, [0, 0, count(pulse) & 0xFF, count(pulse) >> 8]) for register, pulse in wanted]
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
