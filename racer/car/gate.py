"""The pilot's gate: an action in degrees and m/s becomes two pulses, or is refused. It never mends an action.

A number that is no number, or that lies outside what the policy's own contract allows, means that something above is
broken: the gate refuses it, and the pilot stops. Only one thing is cut on purpose: speed, to the limit that the
person set. The actuator checks the pulses again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, Protocol

from racer.car.actuator.states import Pulses
from racer.car.calibration.calibration import Calibration, interpolate_throttle
from racer.contract import PolicyContract
from racer.errors import RacerError

SPEED_LIMIT_DEFAULT = 0.3
"""Share of the calibrated speed that a car may drive until a person allows more."""

_TOLERANCE = 1e-3  # of the range; a network's float32 arithmetic may miss a bound by this much


class FaultClass(IntEnum):
    """What a fault seen by the pilot leads to, after openpilot's three classes."""

    NO_ENTRY = 1  # the car cannot be armed
    SOFT_DISABLE = 2  # the throttle is let go of
    IMMEDIATE_DISABLE = 3  # the throttle is cut


class GateRefusal(RacerError):
    """An action that must not reach the car; the pilot stops at once."""

    fault_class = FaultClass.IMMEDIATE_DISABLE


class SpeedMapping(Protocol):
    """Share of the throttle, 0..1, for a speed in m/s; both are at least 0."""

    def __call__(self, speed: float) -> float: ...


@dataclass(frozen=True, slots=True)
class TableSpeed:
    """The calibrated table."""

    table: tuple[tuple[float, float], ...]

    def __call__(self, speed: float) -> float:
        """Straight between the measured rows."""
        return interpolate_throttle(self.table, speed)


@dataclass(frozen=True, slots=True)
class DeepRacerSpeed:
    """DeepRacer's own mapping: a parabola through the model's top speed at 1 and half of it at 0.8, whatever the m/s.

    f(v) = a v² + b v with a = (2·1.0 - 4·0.8) / max², b = (4·0.8 - 1.0) / max
    (aws-deepracer-navigation-pkg, deepracer_navigation_node.cpp).
    """

    model_max: float

    def __call__(self, speed: float) -> float:
        """Share of the throttle, 0..1."""
        part = speed / self.model_max
        return min(1.0, max(0.0, (2.0 - 4 * 0.8) * part * part + (4 * 0.8 - 1.0) * part))


@dataclass(frozen=True, slots=True)
class ActionBounds:
    """What may be asked for: degrees (left positive) and m/s."""

    steering_low: float
    steering_high: float
    speed_low: float
    speed_high: float

    @classmethod
    def of_contract(cls, contract: PolicyContract) -> ActionBounds:
        """The bounds of a policy's action space."""
        low, high = contract.action_space.low, contract.action_space.high
        return cls(low[0], high[0], low[1], high[1])

    @classmethod
    def of_calibration(cls, calibration: Calibration) -> ActionBounds:
        """All that the car can do forwards: the bounds of a person driving."""
        steering = calibration.steering
        return cls(-steering.max_deg_right, steering.max_deg_left, 0.0, calibration.speed_max)


class Gate:
    """Maps actions to pulses by one car's calibration.

    Args:
        bounds: what the policy, or a person, may ask for.
        mapping: `table` for speeds in m/s, or `deepracer` for a model that was made for those cars.
        speed_limit: 0..1, share of the throttle's range (`deepracer`) or of the table's top speed (`table`).
    """

    def __init__(
        self,
        calibration: Calibration,
        bounds: ActionBounds,
        *,
        mapping: Literal["table", "deepracer"] = "table",
        speed_limit: float = SPEED_LIMIT_DEFAULT,
    ) -> None:
        if not 0.0 < speed_limit <= 1.0:
            raise GateRefusal(f"speed limit {speed_limit:g}; it is a share above 0, up to 1")
        if refusals := mapping_refusals(calibration, bounds, mapping=mapping):
            raise GateRefusal(refusals[0])
        self._steering = calibration.steering
        self._throttle = calibration.throttle
        self._bounds = bounds
        self._limit = speed_limit
        self._deepracer = mapping == "deepracer"
        self._speed_top = calibration.speed_max * speed_limit
        self._share: SpeedMapping = (
            DeepRacerSpeed(bounds.speed_high) if self._deepracer else TableSpeed(calibration.speed_table)
        )
        self._angle_full = max(abs(bounds.steering_low), abs(bounds.steering_high))

    @property
    def rest(self) -> Pulses:
        """Wheels straight, no throttle."""
        return Pulses(self._steering.centre_us, self._throttle.stop_us)

    def pulses(self, steering_deg: float, speed: float) -> Pulses:
        """The pulses for an action.

        Args:
            steering_deg: at the wheels, left positive.
            speed: m/s, forwards; 0 stops.

        Raises:
            GateRefusal: not a number, or outside the bounds.
        """
        b = self._bounds
        self._check("steering", steering_deg, b.steering_low, b.steering_high, "degrees")
        if speed != 0.0:
            self._check("speed", speed, b.speed_low, b.speed_high, "m/s")
        return Pulses(self._steering_us(steering_deg), self._throttle_us(speed))

    def _check(self, what: str, value: float, low: float, high: float, unit: str) -> None:
        slack = _TOLERANCE * (high - low)
        if not low - slack <= value <= high + slack:  # also refuses NaN
            raise GateRefusal(f"the policy asked for {what} {value:g} {unit}; its contract allows {low:g}..{high:g}")

    def _steering_us(self, angle: float) -> int:
        s = self._steering
        end, full = (s.left_us, s.max_deg_left) if angle >= 0.0 else (s.right_us, s.max_deg_right)
        if self._deepracer:
            full = self._angle_full
        return s.centre_us + round((end - s.centre_us) * min(abs(angle) / full, 1.0))

    def _throttle_us(self, speed: float) -> int:
        t = self._throttle
        if speed <= 0.0:
            return t.stop_us
        share = self._share(speed) * self._limit if self._deepracer else self._share(min(speed, self._speed_top))
        return t.fwd_start_us + round((t.fwd_max_us - t.fwd_start_us) * share)


def mapping_refusals(
    calibration: Calibration, bounds: ActionBounds, *, mapping: Literal["table", "deepracer"]
) -> list[str]:
    """Why a car with this calibration cannot do what these bounds allow; empty where it can."""
    s = calibration.steering
    if mapping == "deepracer":
        full = max(abs(bounds.steering_low), abs(bounds.steering_high))
        if bounds.speed_high <= 0.0 or full <= 0.0:
            return ["the DeepRacer mapping needs a model that steers and drives"]
        return []
    told = []
    if bounds.steering_high > s.max_deg_left * (1 + _TOLERANCE):
        told.append(f"steers {bounds.steering_high:g} degrees to the left; this car's wheels reach {s.max_deg_left:g}")
    if -bounds.steering_low > s.max_deg_right * (1 + _TOLERANCE):
        told.append(
            f"steers {-bounds.steering_low:g} degrees to the right; this car's wheels reach {s.max_deg_right:g}"
        )
    if not calibration.speed_table:
        told.append("the calibration has no speed table; measure one, or choose the DeepRacer mapping")
    elif bounds.speed_high > calibration.speed_max * (1 + _TOLERANCE):
        told.append(f"drives up to {bounds.speed_high:g} m/s; the speed table ends at {calibration.speed_max:g} m/s")
    return told


def bundle_refusals(
    contract: PolicyContract,
    calibration: Calibration,
    *,
    sensors: Sequence[str],
    mapping: Literal["table", "deepracer"] = "table",
) -> list[str]:
    """Every reason why this policy cannot drive this car, each naming the sensor or the limit; empty where it can.

    Args:
        sensors: what the car has, by the contract's names.
    """
    told = sensor_refusals(contract, sensors)
    return told + mapping_refusals(calibration, ActionBounds.of_contract(contract), mapping=mapping)


def sensor_refusals(contract: PolicyContract, sensors: Sequence[str]) -> list[str]:
    """The sensors that a policy needs and a car lacks, each in words."""
    return [_missing_sensor_text(spec.name) for spec in contract.sensors if spec.name not in sensors]


def mapping_warning(contract: PolicyContract, calibration: Calibration) -> str | None:
    """What DeepRacer's mapping hides: a model's own full lock is stretched to the car's."""
    bounds = ActionBounds.of_contract(contract)
    full = max(abs(bounds.steering_low), abs(bounds.steering_high))
    s = calibration.steering
    if math.isclose(full, s.max_deg_left, rel_tol=0.02) and math.isclose(full, s.max_deg_right, rel_tol=0.02):
        return None
    return (
        f"this model's full lock of {full:g} degrees becomes the car's "
        f"({s.max_deg_left:g} left, {s.max_deg_right:g} right)"
    )


def _missing_sensor_text(name: str) -> str:
    if name == "state":
        return "needs sensor `state`, which only the simulator has; train with camera or lidar"
    return f"needs sensor `{name}`, which this car does not have"
