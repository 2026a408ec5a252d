"""Converts an action [degrees, m/s] into two pulses [µs], or refuses it. It never corrects an action.

An action that is NaN or outside the bounds of the policy's contract means that an earlier stage is broken: the gate
refuses it, and the pilot stops. Only speed is clipped on purpose, to the limit that the operator set. The actuator
checks the pulses again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

from racer.car.actuator.states import Pulses
from racer.car.calibration.calibration import Calibration, interpolate_throttle
from racer.contract import PolicyContract
from racer.errors import RacerError

SPEED_LIMIT_DEFAULT = 0.3
"""Fraction of the calibrated speed that a car may drive until the operator allows more."""

MappingName = Literal["table", "deepracer"]
"""How a speed becomes throttle: by the car's speed table, or as on a DeepRacer car."""

_TOLERANCE = 1e-3  # fraction of the range; a network's float32 arithmetic may miss a bound by this much


class GateRefusal(RacerError):
    """Raised for an action that must not reach the car; the pilot stops at once."""


def deepracer_throttle(speed: float, speed_max: float) -> float:
    """Return the throttle fraction, 0..1, of a speed [m/s] by DeepRacer's own mapping.

    The mapping is a parabola through throttle 1 at the model's top speed and 0.8 at half of it. Only the ratio to the
    model's top speed counts, so the real speed of the car is not controlled.

    f(v) = a v² + b v with a = (2·1.0 - 4·0.8) / max², b = (4·0.8 - 1.0) / max
    (aws-deepracer-navigation-pkg, deepracer_navigation_node.cpp).

    Args:
        speed: Speed of the action [m/s], at least 0.
        speed_max: Top speed of the model's action space [m/s].
    """
    part = speed / speed_max  # substituting v / max removes max from both coefficients
    return min(1.0, max(0.0, (2.0 - 4 * 0.8) * part * part + (4 * 0.8 - 1.0) * part))


class ActionBounds(NamedTuple):
    """Allowed range of an action: steering [degrees, left positive] and speed [m/s]."""

    steering_low: float
    steering_high: float
    speed_low: float
    speed_high: float

    @classmethod
    def of_contract(cls, contract: PolicyContract) -> ActionBounds:
        """Return the bounds of a policy's action space."""
        low, high = contract.action_space.low, contract.action_space.high
        return cls(low[0], high[0], low[1], high[1])

    @classmethod
    def of_calibration(cls, calibration: Calibration) -> ActionBounds:
        """Return the full forward range of the car, which is what manual control may request."""
        steering = calibration.steering
        return cls(-steering.max_deg_right, steering.max_deg_left, 0.0, calibration.speed_max)

    @property
    def steering_max(self) -> float:
        """Return the full lock of the policy [degrees], the larger of both sides."""
        return max(abs(self.steering_low), abs(self.steering_high))


class Gate:
    """Maps actions to pulses by one car's calibration.

    Args:
        calibration: Calibration of the car.
        bounds: Range of the actions that the policy, or manual control, may request.
        mapping: `table` for speeds in m/s, or `deepracer` for a model that was trained for DeepRacer cars.
        speed_limit: Fraction, above 0 and up to 1, of the throttle range (`deepracer`) or of the table's top speed
            (`table`).

    Raises:
        GateRefusal: The speed limit is out of range, or this car cannot execute the bounds.
    """

    def __init__(
        self,
        calibration: Calibration,
        bounds: ActionBounds,
        *,
        mapping: MappingName = "table",
        speed_limit: float = SPEED_LIMIT_DEFAULT,
    ) -> None:
        if not 0.0 < speed_limit <= 1.0:
            raise GateRefusal(f"speed limit {speed_limit:g}; give a fraction above 0, up to 1")
        if refusals := mapping_refusals(calibration, bounds, mapping=mapping):
            raise GateRefusal(refusals[0])
        self._steering = calibration.steering
        self._throttle = calibration.throttle
        self._bounds = bounds
        self._limit = speed_limit
        self._deepracer = mapping == "deepracer"
        self._speed_table = calibration.speed_table
        self._speed_top = calibration.speed_max * speed_limit

    @property
    def rest(self) -> Pulses:
        """Return the pulses for straight wheels and no throttle."""
        return Pulses(self._steering.centre_us, self._throttle.stop_us)

    def pulses(self, steering_deg: float, speed: float) -> Pulses:
        """Return the pulses for an action.

        Args:
            steering_deg: Angle of the front wheels [degrees], left positive.
            speed: Forward speed [m/s]; 0 stops, and is allowed even where the bounds begin above it.

        Raises:
            GateRefusal: The action is NaN or outside the bounds.
        """
        b = self._bounds
        self._check("steering", steering_deg, b.steering_low, b.steering_high, "degrees")
        if speed != 0.0:
            self._check("speed", speed, b.speed_low, b.speed_high, "m/s")
        return Pulses(self._steering_us(steering_deg), self._throttle_us(speed))

    def _check(self, name: str, value: float, low: float, high: float, unit: str) -> None:
        tolerance = _TOLERANCE * (high - low)
        # Written as a negation, because every comparison with NaN is false: `value < low or value > high` accepts it.
        if not low - tolerance <= value <= high + tolerance:
            raise GateRefusal(f"the policy commands {name} {value:g} {unit}; its contract allows {low:g}..{high:g}")

    def _steering_us(self, angle: float) -> int:
        s = self._steering
        end, full = (s.left_us, s.max_deg_left) if angle >= 0.0 else (s.right_us, s.max_deg_right)
        if self._deepracer:
            full = self._bounds.steering_max  # DeepRacer's cars turn to the full lock whatever its angle is
        # The action may exceed its bound by the tolerance, the pulse may not exceed the calibrated end.
        return s.centre_us + round((end - s.centre_us) * min(abs(angle) / full, 1.0))

    def _throttle_us(self, speed: float) -> int:
        t = self._throttle
        # Also a speed below 0 within the tolerance of the bounds: the gate never outputs reverse.
        if speed <= 0.0:
            return t.stop_us
        if self._deepracer:
            fraction = deepracer_throttle(speed, self._bounds.speed_high) * self._limit
        else:
            fraction = interpolate_throttle(self._speed_table, min(speed, self._speed_top))
        return t.fwd_start_us + round((t.fwd_max_us - t.fwd_start_us) * fraction)


def mapping_refusals(calibration: Calibration, bounds: ActionBounds, *, mapping: MappingName) -> list[str]:
    """Return the reasons why a car with this calibration cannot execute these bounds; empty if it can."""
    s = calibration.steering
    if mapping == "deepracer":
        # Both are divisors of this mapping.
        if bounds.speed_high <= 0.0 or bounds.steering_max <= 0.0:
            return ["the DeepRacer mapping needs a model that steers and drives"]
        return []
    reasons = []
    if bounds.steering_high > s.max_deg_left * (1 + _TOLERANCE):
        reasons.append(
            f"steers {bounds.steering_high:g} degrees to the left; this car's wheels reach {s.max_deg_left:g}"
        )
    if -bounds.steering_low > s.max_deg_right * (1 + _TOLERANCE):
        reasons.append(
            f"steers {-bounds.steering_low:g} degrees to the right; this car's wheels reach {s.max_deg_right:g}"
        )
    if not calibration.speed_table:
        reasons.append("the calibration has no speed table; measure one, or choose the DeepRacer mapping")
    elif bounds.speed_high > calibration.speed_max * (1 + _TOLERANCE):
        reasons.append(f"drives up to {bounds.speed_high:g} m/s; the speed table ends at {calibration.speed_max:g} m/s")
    return reasons


def bundle_refusals(
    contract: PolicyContract,
    calibration: Calibration,
    *,
    sensors: Sequence[str],
    mapping: MappingName = "table",
) -> list[str]:
    """Return every reason why this policy cannot drive this car, naming the sensor or the limit; empty if it can.

    Args:
        contract: Contract of the policy.
        calibration: Calibration of the car.
        sensors: Sensors of the car, by the contract's names.
        mapping: How speeds become throttle.
    """
    return sensor_refusals(contract, sensors) + mapping_refusals(
        calibration, ActionBounds.of_contract(contract), mapping=mapping
    )


def sensor_refusals(contract: PolicyContract, sensors: Sequence[str]) -> list[str]:
    """Return one message for each sensor that the policy needs and the car lacks."""
    return [
        "needs sensor `state`, which only the simulator has; train with camera or lidar"
        if sensor.name == "state"
        else f"needs sensor `{sensor.name}`, which this car does not have"
        for sensor in contract.sensors
        if sensor.name not in sensors
    ]


def mapping_warning(contract: PolicyContract, calibration: Calibration) -> str | None:
    """Return a warning where DeepRacer's mapping stretches the model's full lock to the car's; None if both agree."""
    full = ActionBounds.of_contract(contract).steering_max
    s = calibration.steering
    if math.isclose(full, s.max_deg_left, rel_tol=0.02) and math.isclose(full, s.max_deg_right, rel_tol=0.02):
        return None
    return (
        f"this model's full lock of {full:g} degrees becomes the car's "
        f"({s.max_deg_left:g} left, {s.max_deg_right:g} right)"
    )
