"""A person's hand on the car: the newest heartbeat of a held button, and the pulses that it means."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from racer.car.actuator.states import CommandSource, Pulses
from racer.car.calibration.calibration import Calibration
from racer.car.gate import ActionBounds, Gate
from racer.car.link.protocol import ManualInput


@dataclass(frozen=True, slots=True)
class ManualOrder:
    """What a heartbeat asks for; see `racer.car.pilot.brain.Order`."""

    input_id: int
    captured_ns: int
    pulses: Pulses | None
    held: Pulses | None
    steering_deg: float
    speed: float
    asked_ns: int
    done_ns: int
    source: CommandSource = CommandSource.PERSON


class ManualControl:
    """Makes orders of heartbeats; the throttle is a share of what the speed limit allows.

    Attributes:
        order: of the newest heartbeat; straight and without throttle before the first one.
    """

    def __init__(
        self, calibration: Calibration, *, speed_limit: float, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.calibration = manual_calibration(calibration)
        self._clock = clock
        self._held = ManualInput(0, 0, 0.0, 0.0)
        self.limit(speed_limit)

    @property
    def bounds(self) -> ActionBounds:
        """All that the car can do forwards."""
        return ActionBounds.of_calibration(self.calibration)

    @property
    def rest(self) -> Pulses:
        """Wheels straight, no throttle."""
        return self._gate.rest

    def limit(self, share: float) -> None:
        """Change the speed limit.

        Raises:
            GateRefusal: not a share above 0, up to 1.
        """
        self._gate = Gate(self.calibration, self.bounds, speed_limit=share)
        self._speed_top = self.calibration.speed_max * share
        self.order = self._ordered(self._held)

    def hold(self, held: ManualInput) -> None:
        """A fresh heartbeat; an older one than the newest counts for nothing."""
        if held.number > self._held.number and held.heard_ns > self._held.heard_ns:
            self._held = held
            self.order = self._ordered(held)

    def _ordered(self, held: ManualInput) -> ManualOrder:
        """Raises GateRefusal where a share is no number in its range."""
        steering = self.calibration.steering
        angle = held.steering * (steering.max_deg_left if held.steering >= 0.0 else steering.max_deg_right)
        speed = held.throttle * self._speed_top
        pulses, still = self._gate.pulses(angle, speed), self._gate.pulses(angle, 0.0)
        now = self._clock()
        return ManualOrder(held.number, held.heard_ns, pulses, still, angle, speed, now, now)


def manual_calibration(calibration: Calibration) -> Calibration:
    """The calibration for a person driving: without a speed table a share of the throttle is what is asked anyway."""
    if calibration.speed_table:
        return calibration
    return calibration.model_copy(update={"speed_table": ((0.0, 0.0), (1.0, 1.0))})
