"""Two PWM channels of the kernel (`/sys/class/pwm`), nanoseconds in text files. They too outlive their process."""

from __future__ import annotations

import os
from typing import Final

from racer.car.actuator import limits
from racer.car.actuator.bus import BusError
from racer.car.actuator.words import Pulses

_PERIOD_NS: Final = limits.PERIOD_US * 1000


class SysfsPwm:
    """Steering and throttle on two channels of one PWM chip's folder."""

    def __init__(self, folder: str, *, steering: int, throttle: int) -> None:
        self._folder = folder
        self._channels = (throttle, steering)
        for channel in self._channels:
            if not os.path.isdir(f"{folder}/pwm{channel}"):  # noqa: PTH112 (pathlib costs start-up time)
                _put(f"{folder}/export", channel)

    def start(self) -> None:
        """Silence both channels, then set the period, which must exceed a pulse that is left there."""
        self.write(None)
        for channel in self._channels:
            self._set(channel, "period", _PERIOD_NS)

    def write(self, pulses: Pulses | None) -> None:
        """Throttle first, then steering; all is read back."""
        for channel, pulse_us in zip(self._channels, _wanted(pulses), strict=True):
            self._set(channel, "duty_cycle", pulse_us * 1000)
            self._set(channel, "enable", int(pulses is not None))

    def _set(self, channel: int, name: str, value: int) -> None:
        path = f"{self._folder}/pwm{channel}/{name}"
        _put(path, value)
        with open(path, "rb") as file:  # noqa: PTH123
            if file.read().strip() != b"%d" % value:
                raise BusError(f"pwm{channel}/{name} did not take {value}")

    def close(self) -> None:
        """Nothing is held open."""


def _wanted(pulses: Pulses | None) -> tuple[int, int]:
    if pulses is None:
        return 0, 0
    low, high = limits.PULSE_MIN_US, limits.PULSE_MAX_US
    return max(low, min(high, pulses.throttle_us)), max(low, min(high, pulses.steering_us))


def _put(path: str, value: int) -> None:
    file = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(file, b"%d" % value)
    finally:
        os.close(file)
