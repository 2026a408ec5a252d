"""Action spaces: the steering angles [degrees] and speeds [m/s] of a policy, as in DeepRacer's model_metadata.json.

Limits: 2..1000 discrete actions, steering -30..30 degrees, left positive, speed 0.1..4.0 m/s. This module is their one
place; only the gate of the car restates them, because it checks actions independently.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from racer.errors import ConfigError

# DeepRacer's limits: its simulator clips to these angles and speeds, and its console offers no others.
STEERING_MAX_DEG = 30.0
SPEED_MIN = 0.1
SPEED_MAX = 4.0
ACTIONS_MIN = 2
ACTIONS_MAX = 1000
"""DeepRacer's simulator has no limit; published lists have up to 63. A larger one is a mistake, or a hostile bundle."""


def _invalid_value(text: str) -> PydanticCustomError:
    # A ValueError would reach the user as "Value error, ..."; the text goes in by name, because it may hold braces.
    return PydanticCustomError("action_space", "{text}", {"text": text})


def _within(low: float, high: float, quantity: str) -> AfterValidator:
    def check(value: float) -> float:
        if not low <= value <= high:
            raise _invalid_value(f"{value:g} is outside {low:g}..{high:g} {quantity}")
        return value

    return AfterValidator(check)


# Strict: in a list of actions, `true` or a number in quotes is a slip and not a speed.
_Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_SteeringBounds = _within(-STEERING_MAX_DEG, STEERING_MAX_DEG, "degrees of steering")
Steering = Annotated[_Number, _SteeringBounds, Field(description="degrees, left positive")]
Speed = Annotated[_Number, _within(SPEED_MIN, SPEED_MAX, "m/s of speed"), Field(description="m/s")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Action(_Frozen):
    """One discrete action: steering angle [degrees, left positive] and speed [m/s]."""

    steering_angle: Steering
    speed: Speed


class _Range(_Frozen):
    # The subclasses give the bounds their types, and so their limits.
    _unit: ClassVar[str]
    low: float
    high: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise _invalid_value(f"low {self.low:g} must be below high {self.high:g} ({self._unit})")
        return self


class SteeringRange(_Range):
    """Steering angles from `low` to `high` [degrees], left positive."""

    _unit = "degrees"
    low: Steering
    high: Steering


class SpeedRange(_Range):
    """Speeds from `low` to `high` [m/s]."""

    _unit = "m/s"
    low: Speed
    high: Speed


class ContinuousActions(_Frozen):
    """Any steering angle and speed within a range; the default is the range that a track needs."""

    steering_angle: SteeringRange = SteeringRange(low=-STEERING_MAX_DEG, high=STEERING_MAX_DEG)
    speed: SpeedRange = SpeedRange(low=0.5, high=SPEED_MAX)

    @property
    def low(self) -> tuple[float, float]:
        """Lowest steering angle [degrees] and speed [m/s]."""
        return self.steering_angle.low, self.speed.low

    @property
    def high(self) -> tuple[float, float]:
        """Highest steering angle [degrees] and speed [m/s]."""
        return self.steering_angle.high, self.speed.high


class DiscreteActions(RootModel[tuple[Action, ...]]):
    """A list of 2..1000 actions; the policy chooses one by its index."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="after")
    def _count(self) -> DiscreteActions:
        if not ACTIONS_MIN <= len(self.root) <= ACTIONS_MAX:
            raise _invalid_value(
                f"{len(self.root)} actions are listed; a discrete space has {ACTIONS_MIN}..{ACTIONS_MAX}"
            )
        return self

    @classmethod
    def grid(cls, steering_angles: Iterable[float], speeds: Iterable[float]) -> DiscreteActions:
        """Combine every steering angle [degrees] with every speed [m/s], speeds varying fastest."""
        return cls(tuple(Action(steering_angle=a, speed=v) for a, v in itertools.product(steering_angles, speeds)))

    @property
    def table(self) -> tuple[tuple[float, float], ...]:
        """Steering angle [degrees] and speed [m/s] of each action, shape (A, 2)."""
        return tuple((action.steering_angle, action.speed) for action in self.root)

    @property
    def low(self) -> tuple[float, float]:
        """Lowest steering angle [degrees] and speed [m/s] in the list."""
        return min(row[0] for row in self.table), min(row[1] for row in self.table)

    @property
    def high(self) -> tuple[float, float]:
        """Highest steering angle [degrees] and speed [m/s] in the list."""
        return max(row[0] for row in self.table), max(row[1] for row in self.table)


def _kind(value: Any) -> str | None:
    """Return the tag of the space that a value describes; None for a value that is not a space."""
    # By the shape alone: the user's file names no type, and a default is a model already.
    if isinstance(value, list | tuple | DiscreteActions):
        return "discrete"
    return "continuous" if isinstance(value, dict | ContinuousActions) else None


ActionSpace = Annotated[
    Annotated[ContinuousActions, Tag("continuous")] | Annotated[DiscreteActions, Tag("discrete")],
    Discriminator(
        _kind,
        custom_error_type="action_space",
        custom_error_message="an action space is a list of actions (discrete) or "
        "`steering_angle` and `speed` with `low` and `high` (continuous)",
    ),
]
"""Field type for models: a list is a discrete space, a mapping is a continuous one."""

_ADAPTER: TypeAdapter[ContinuousActions | DiscreteActions] = TypeAdapter(ActionSpace)


def action_space_type(space: ContinuousActions | DiscreteActions) -> str:
    """Return `continuous` or `discrete`, the value of `action_space_type` in model_metadata.json."""
    return "discrete" if isinstance(space, DiscreteActions) else "continuous"


def parse_action_space(data: Any) -> ContinuousActions | DiscreteActions:
    """Read an action space from plain data, a list or a mapping.

    Raises:
        ConfigError: One line about the first value that is not allowed.
    """
    try:
        return _ADAPTER.validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        # pydantic puts the tag of the union's member into the location, which the user's file does not contain.
        where = ".".join(str(part) for part in first["loc"] if part not in ("continuous", "discrete"))
        raise ConfigError(f"action_space{'.' + where if where else ''}: {first['msg']}") from None


def describe_action_space(space: ContinuousActions | DiscreteActions) -> str:
    """Describe an action space for messages."""
    # The text is for messages about a mismatch, where the numbers show what differs.
    if isinstance(space, DiscreteActions):
        listed = ", ".join(f"{angle:g} deg at {speed:g} m/s" for angle, speed in space.table)
        return f"discrete, {len(space.table)} actions ({listed})"
    (left, slow), (right, fast) = space.low, space.high
    return f"continuous, steering {left:g}..{right:g} degrees, speed {slow:g}..{fast:g} m/s"


def action_space_difference(
    first: ContinuousActions | DiscreteActions, second: ContinuousActions | DiscreteActions
) -> str | None:
    """Describe both action spaces where they differ; None where they are equal."""
    if first == second:
        return None
    return f"action space {describe_action_space(first)}, against {describe_action_space(second)}"
