"""Drives by hand: converts the heartbeats of the held button in the console to orders."""

from __future__ import annotations

import time
from collections.abc import Callable

from racer.car.actuator.states import CommandSource, Pulses
from racer.car.calibration.calibration import Calibration
from racer.car.gate import ActionBounds, Gate
from racer.car.link.protocol import ManualInput
from racer.car.pilot.inference import DriveOrder


class ManualControl:
    """Makes orders from heartbeats; the throttle is a fraction of the speed that the speed limit allows.

    Args:
        calibration: Calibration of the car.
        speed_limit: Fraction of the car's top speed, above 0, up to 1.
        clock: Monotonic time [ns].

    Attributes:
        calibration: Calibration with a speed table.
        order: Order of the newest heartbeat; straight and without throttle before the first.
    """

    def __init__(
        self, calibration: Calibration, *, speed_limit: float, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.calibration = manual_calibration(calibration)
        self._clock = clock
        self._held = ManualInput(0, 0, 0.0, 0.0)
        self.set_speed_limit(speed_limit)

    @property
    def bounds(self) -> ActionBounds:
        """Return the full forward range of the car."""
        return ActionBounds.of_calibration(self.calibration)

    @property
    def rest(self) -> Pulses:
        """Return the pulses for straight wheels and no throttle."""
        return self._gate.rest

    def set_speed_limit(self, fraction: float) -> None:
        """Change the speed limit.

        Raises:
            GateRefusal: The fraction is not above 0, up to 1.
        """
        # The gate checks the fraction, before anything changes.
        self._gate = Gate(self.calibration, self.bounds, speed_limit=fraction)
        self._speed_max = self.calibration.speed_max * fraction
        self.order = self._make_order(self._held)

    def hold(self, held: ManualInput) -> None:
        """Accept a heartbeat; one that is not newer than the last in both number and time is ignored."""
        if held.number > self._held.number and held.heard_ns > self._held.heard_ns:
            self._held = held
            self.order = self._make_order(held)

    def _make_order(self, held: ManualInput) -> DriveOrder:
        """Make the order of a heartbeat; raises GateRefusal if a value is NaN or out of its range."""
        # Each side has its own full lock; left is positive.
        steering = self.calibration.steering
        angle = held.steering * (steering.max_deg_left if held.steering >= 0.0 else steering.max_deg_right)
        speed = held.throttle * self._speed_max
        pulses, still = self._gate.pulses(angle, speed), self._gate.pulses(angle, 0.0)
        now = self._clock()
        return DriveOrder(CommandSource.PERSON, held.number, held.heard_ns, pulses, still, angle, speed, now, now)


def manual_calibration(calibration: Calibration) -> Calibration:
    """Return the calibration, with a table of the throttle 0..1 as its own speed if no speed was measured."""
    if calibration.speed_table:
        return calibration
    return calibration.model_copy(update={"speed_table": ((0.0, 0.0), (1.0, 1.0))})
