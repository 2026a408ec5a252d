"""What a driver must do, and how often a write is tried."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from racer.car.actuator import limits
from racer.car.actuator.words import Pulses


class BusError(OSError):
    """A write did not reach the chip, or the chip does not hold what was written."""


class Driver(Protocol):
    """Two outputs. Each call tries once, reads back what it wrote, and raises OSError where that differs."""

    def start(self) -> None:
        """Silence the outputs, whatever an earlier process left there, and set the period. Puts out no pulse."""

    def write(self, pulses: Pulses | None) -> None:
        """Put out these pulses from the next period on; None is off."""

    def close(self) -> None:
        """Let go of the device; the outputs stay as they are."""


def attempt(what: Callable[[], None], clock: Callable[[], int]) -> int:
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
