"""Simulated PCA9685 that outlives the process that set its pulses, like the real chip.

Its registers are a file that every process maps, with a log of every transaction and its monotonic time next to it. A
test, or the simulator in place of the car, reads the pulses from this file and injects faults into it. `SimBus` offers
the methods of smbus2 that the driver calls.
"""

from __future__ import annotations

import errno
import mmap
import os
import random
import struct
import time
from collections.abc import Sequence
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
_FAULT_RECORD: Final = struct.Struct("<III")  # fault, remaining transactions, amount; after the registers
_LOG_ROW: Final = struct.Struct("<qIBBBx16s")  # time [ns], process, fault, first register, length, data
_ALL_LED_ON_L: Final = 0xFA
# Values after power-on (data sheet, table 4): MODE1 asleep, MODE2 totem pole outputs, prescaler of 200 Hz.
_RESET_REGISTERS: Final = {MODE1: 0x11, 0x01: 0x04, PRESCALE: 0x1E}
_CHANNELS: Final = 16
FOREVER: Final = (1 << 32) - 1


class BusFault(IntEnum):
    """Fault that a bus transaction can have."""

    NONE = 0
    NACK = 1
    EIO = 2
    ENODEV = 3
    STUCK = 4
    SLOW = 5
    FLIP = 6


_ERRNO: Final = {BusFault.NACK: errno.EREMOTEIO, BusFault.EIO: errno.EIO, BusFault.ENODEV: errno.ENODEV}


class SimChip:
    """Registers and pending faults of the chip, in a file that every process maps."""

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
        """Set the registers to their values after power-on: asleep, every channel fully off."""
        self._map[:_REGISTERS] = bytes(_REGISTERS)
        for register, value in _RESET_REGISTERS.items():
            self._map[register] = value
        for channel in range(_CHANNELS):
            self._map[LED0_ON_L + 4 * channel + 3] = FULL_OFF

    def inject(self, fault: BusFault, *, times: int = FOREVER, amount: int = 0) -> None:
        """Inject a fault into the next `times` transactions.

        Args:
            fault: Kind of the fault.
            times: Number of transactions; `FOREVER` never ends.
            amount: Delay of SLOW [µs], or rate of FLIP [transactions with one flipped bit per thousand].
        """
        _FAULT_RECORD.pack_into(self._map, _REGISTERS, fault, times, amount)

    def take_fault(self) -> tuple[BusFault, int]:
        """Return the fault of this transaction and its amount, and count it."""
        fault, times, amount = _FAULT_RECORD.unpack_from(self._map, _REGISTERS)
        if not times:
            return BusFault.NONE, 0
        if times != FOREVER:
            _FAULT_RECORD.pack_into(self._map, _REGISTERS, fault, times - 1, amount)
        return BusFault(fault), amount

    def load(self, register: int) -> int:
        """Return a register; the registers that write all channels at once read as zero."""
        return 0 if _ALL_LED_ON_L <= register <= ALL_LED_OFF_H else self._map[register]

    def store(self, register: int, value: int) -> None:
        """Write a register by the rules of the chip: the prescaler only while asleep, RESTART never stays set."""
        if register == PRESCALE and not self._map[MODE1] & SLEEP:
            return
        if register == MODE1:
            value &= ~RESTART
        if _ALL_LED_ON_L <= register <= ALL_LED_OFF_H:
            for channel in range(_CHANNELS):
                self._map[LED0_ON_L + 4 * channel + register - _ALL_LED_ON_L] = value
        elif register < LED0_ON_L + 4 * _CHANNELS or register == PRESCALE:
            self._map[register] = value

    def store_block(self, register: int, data: Sequence[int]) -> None:
        """Write consecutive registers; without AUTO_INCREMENT all values go to the first one, as in the chip."""
        step = 1 if self._map[MODE1] & AUTO_INCREMENT else 0
        for offset, value in enumerate(data):
            self.store(register + offset * step, value)

    def pulse_us(self, channel: int) -> float | None:
        """Return the pulse of a channel [µs]; None is off."""
        first = LED0_ON_L + 4 * channel
        on_low, on_high, off_low, off_high = self._map[first : first + 4]
        if self._map[MODE1] & SLEEP or off_high & FULL_OFF:
            return None
        # The counter has 4096 steps per period; a pulse may begin at any step and wrap around.
        steps = ((off_high << 8 | off_low) - (on_high << 8 | on_low)) % STEPS
        return steps * (self._map[PRESCALE] + 1) * 1e6 / OSCILLATOR_HZ

    def close(self) -> None:
        """Close the mapped file; its registers stay."""
        self._map.close()


class SimBus:
    """Stand-in for `smbus2.SMBus` with one simulated chip, which answers at any address."""

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
        """Write consecutive registers."""
        fault, amount = self._apply_fault(register)
        if fault is BusFault.FLIP:
            data = self._flip_bit(data, amount)
        if fault is not BusFault.STUCK:  # a stuck chip acknowledges the write and keeps its registers
            self.chip.store_block(register, data)
        self._log_row(BusFault.STUCK if fault is BusFault.STUCK else BusFault.NONE, register, data)

    def read_i2c_block_data(self, i2c_addr: int, register: int, length: int) -> list[int]:
        """Read consecutive registers."""
        fault, amount = self._apply_fault(register)
        data = [self.chip.load(register + offset) for offset in range(length)]
        return self._flip_bit(data, amount) if fault is BusFault.FLIP else data

    def close(self) -> None:
        """Close the chip's file; the chip continues to output its last pulses."""
        self.chip.close()
        os.close(self._log)

    def _apply_fault(self, register: int) -> tuple[BusFault, int]:
        """Wait or raise OSError as the pending fault requires, and return the fault and its amount."""
        fault, amount = self.chip.take_fault()
        if fault is BusFault.SLOW:
            time.sleep(amount / 1e6)
        if number := _ERRNO.get(fault):
            self._log_row(fault, register, [])
            raise OSError(number, os.strerror(number))
        return fault, amount

    def _flip_bit(self, data: list[int], per_thousand: int) -> list[int]:
        """Return the data with one flipped bit in `per_thousand` of 1000 transactions."""
        if self._random.randrange(1000) >= per_thousand:
            return data
        at = self._random.randrange(len(data))
        return [value ^ (1 << self._random.randrange(8)) if k == at else value for k, value in enumerate(data)]

    def _log_row(self, fault: BusFault, register: int, data: list[int]) -> None:
        """Append one row to the log by a single write, so that a killed process leaves only whole rows."""
        row = _LOG_ROW.pack(time.monotonic_ns(), os.getpid(), fault, register, len(data), bytes(data))
        os.write(self._log, row)


def read_log(path: str | Path, channel: int) -> list[tuple[int, int, float | None]]:
    """Read the history of a channel from the chip's log.

    Returns:
        Monotonic time [ns], writing process and pulse [µs, None is off] of each successful write.
    """
    chip = _ReplayedChip()
    rows = []
    for time_ns, pid, fault, register, length, data in _LOG_ROW.iter_unpack(Path(f"{path}.log").read_bytes()):
        if fault == BusFault.NONE:
            chip.store_block(register, data[:length])
            rows.append((time_ns, pid, chip.pulse_us(channel)))
    return rows


def read_fault_log(path: str | Path) -> list[tuple[int, BusFault]]:
    """Return the monotonic time [ns] and the kind of each failed transaction."""
    rows = _LOG_ROW.iter_unpack(Path(f"{path}.log").read_bytes())
    return [(row[0], BusFault(row[2])) for row in rows if row[2] != BusFault.NONE]


class _ReplayedChip(SimChip):
    """Chip with registers in memory, to which a log is applied again."""

    def __init__(self) -> None:
        self._map = bytearray(_REGISTERS)  # type: ignore[assignment]
        self.reset()
