"""A simulated PCA9685 that behaves as the real one where it matters: it outlives the process that set its pulses.

Its registers are a file that every process maps; beside it lies a log of every transaction with monotonic times. A
test, or the simulator that stands in for the car, reads the pulses from the same file and puts faults into it.
Any object with smbus2's methods can stand in its place; `SimBus` has them.
"""

from __future__ import annotations

import errno
import mmap
import os
import random
import struct
import time
from enum import IntEnum
from pathlib import Path
from typing import Final

from racer.car.actuator.drivers import (
    ALL_LED_OFF_H,
    AUTO_INCREMENT,
    FULL_OFF,
    LED0_ON_L,
    MODE1,
    OSCILLATOR_HZ,
    PRESCALE,
    RESTART,
    SLEEP,
    STEPS,
)

_REGISTERS: Final = 256
_FAULT_RECORD: Final = struct.Struct("<III")
_LOG_ROW: Final = struct.Struct("<qIBBBx16s")
_ALL_LED_ON_L: Final = 0xFA
_RESET_REGISTERS: Final = {MODE1: 0x11, 0x01: 0x04, PRESCALE: 0x1E}
_CHANNELS: Final = 16
FOREVER: Final = (1 << 32) - 1


class BusFault(IntEnum):
    """What a transaction can meet."""

    NONE = 0
    NACK = 1
    EIO = 2
    ENODEV = 3
    STUCK = 4
    SLOW = 5
    FLIP = 6


_ERRNO: Final = {BusFault.NACK: errno.EREMOTEIO, BusFault.EIO: errno.EIO, BusFault.ENODEV: errno.ENODEV}


class SimChip:
    """The chip: registers and faults in a file that is mapped, its log beside it."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        size = _REGISTERS + _FAULT_RECORD.size
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fresh = os.fstat(file).st_size < size
            if fresh:
                os.ftruncate(file, size)
            self._map = mmap.mmap(file, size)
        finally:
            os.close(file)
        if fresh:
            self.reset()

    def reset(self) -> None:
        """Registers as after switching on: asleep, every channel full off."""
        self._map[:_REGISTERS] = bytes(_REGISTERS)
        for register, value in _RESET_REGISTERS.items():
            self._map[register] = value
        for channel in range(_CHANNELS):
            self._map[LED0_ON_L + 4 * channel + 3] = FULL_OFF

    def inject(self, fault: BusFault, *, times: int = FOREVER, amount: int = 0) -> None:
        """Let the next `times` transactions meet a fault.

        Args:
            amount: of SLOW, microseconds; of FLIP, transactions in a thousand that have one bit turned.
        """
        _FAULT_RECORD.pack_into(self._map, _REGISTERS, fault, times, amount)

    def take_fault(self) -> tuple[BusFault, int]:
        """The fault that this transaction meets, and its amount."""
        fault, times, amount = _FAULT_RECORD.unpack_from(self._map, _REGISTERS)
        if not times:
            return BusFault.NONE, 0
        if times != FOREVER:
            _FAULT_RECORD.pack_into(self._map, _REGISTERS, fault, times - 1, amount)
        return BusFault(fault), amount

    def load(self, register: int) -> int:
        """A register; those that write all channels at once read as zero."""
        return 0 if _ALL_LED_ON_L <= register <= ALL_LED_OFF_H else self._map[register]

    def store(self, register: int, value: int) -> None:
        """Write a register as the chip does."""
        if register == PRESCALE and not self._map[MODE1] & SLEEP:
            return
        if register == MODE1:
            value &= ~RESTART
        if _ALL_LED_ON_L <= register <= ALL_LED_OFF_H:
            for channel in range(_CHANNELS):
                self._map[LED0_ON_L + 4 * channel + register - _ALL_LED_ON_L] = value
        elif register < LED0_ON_L + 4 * _CHANNELS or register == PRESCALE:
            self._map[register] = value

    def pulse_us(self, channel: int) -> float | None:
        """What a channel puts out; None is off."""
        return _pulse_us(self._map, channel)

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()


class SimBus:
    """smbus2.SMBus for one simulated chip at any address."""

    def __init__(self, path: str | Path) -> None:
        self.chip = SimChip(path)
        self._log = os.open(f"{path}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._random = random.Random(1)

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None:
        """Write one register."""
        self.write_i2c_block_data(i2c_addr, register, [value])

    def read_byte_data(self, i2c_addr: int, register: int) -> int:
        """Read one register."""
        return self.read_i2c_block_data(i2c_addr, register, 1)[0]

    def write_i2c_block_data(self, i2c_addr: int, register: int, data: list[int]) -> None:
        """Write registers one after the other."""
        fault, amount = self._meet(register)
        if fault is BusFault.FLIP:
            data = self._flipped(data, amount)
        if fault is not BusFault.STUCK:
            step = 1 if self.chip.load(MODE1) & AUTO_INCREMENT else 0
            for offset, value in enumerate(data):
                self.chip.store(register + offset * step, value)
        self._note(BusFault.STUCK if fault is BusFault.STUCK else BusFault.NONE, register, data)

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> list[int]:
        """Read registers one after the other."""
        fault, amount = self._meet(register)
        data = [self.chip.load(register + offset) for offset in range(length)]
        return self._flipped(data, amount) if fault is BusFault.FLIP else data

    def close(self) -> None:
        """Let go of the chip; it goes on."""
        self.chip.close()
        os.close(self._log)

    def _meet(self, register: int) -> tuple[BusFault, int]:
        fault, amount = self.chip.take_fault()
        if fault is BusFault.SLOW:
            time.sleep(amount / 1e6)
        if number := _ERRNO.get(fault):
            self._note(fault, register, [])
            raise OSError(number, os.strerror(number))
        return fault, amount

    def _flipped(self, data: list[int], per_thousand: int) -> list[int]:
        if self._random.randrange(1000) >= per_thousand:
            return data
        at = self._random.randrange(len(data))
        return [value ^ (1 << self._random.randrange(8)) if k == at else value for k, value in enumerate(data)]

    def _note(self, fault: BusFault, register: int, data: list[int]) -> None:
        """One row, written after the fact and in one piece, so that a killed process leaves a whole log."""
        row = _LOG_ROW.pack(time.monotonic_ns(), os.getpid(), fault, register, len(data), bytes(data))
        os.write(self._log, row)


def read_log(path: str | Path, channel: int) -> list[tuple[int, int, float | None]]:
    """What a channel put out since the chip's log began.

    Returns:
        Monotonic nanoseconds, process that wrote, and pulse in µs or None, for each write that got through.
    """
    registers = bytearray(_REGISTERS)
    for register, value in _RESET_REGISTERS.items():
        registers[register] = value
    chip = _ReplayedChip(registers)
    rows = []
    for time_ns, pid, fault, register, length, data in _LOG_ROW.iter_unpack(Path(f"{path}.log").read_bytes()):
        if fault == BusFault.NONE:
            step = 1 if registers[MODE1] & AUTO_INCREMENT else 0
            for offset in range(length):
                chip.store(register + offset * step, data[offset])
            rows.append((time_ns, pid, _pulse_us(registers, channel)))
    return rows


def read_fault_log(path: str | Path) -> list[tuple[int, BusFault]]:
    """Monotonic nanoseconds and kind of each transaction that failed."""
    rows = _LOG_ROW.iter_unpack(Path(f"{path}.log").read_bytes())
    return [(row[0], BusFault(row[2])) for row in rows if row[2] != BusFault.NONE]


class _ReplayedChip(SimChip):
    """The chip's rules over registers in memory."""

    def __init__(self, registers: bytearray) -> None:
        self._map = registers  # type: ignore[assignment]
        self.reset()


def _pulse_us(registers: mmap.mmap | bytearray, channel: int) -> float | None:
    on_low, on_high, off_low, off_high = registers[LED0_ON_L + 4 * channel : LED0_ON_L + 4 * channel + 4]
    if registers[MODE1] & SLEEP or off_high & FULL_OFF:
        return None
    steps = ((off_high << 8 | off_low) - (on_high << 8 | on_low)) % STEPS
    return steps * (registers[PRESCALE] + 1) * 1e6 / OSCILLATOR_HZ
