"""Action spaces: limits, messages, the forms of model_metadata.json."""

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from racer.config.actions import (
    Action,
    ActionSpace,
    ContinuousActions,
    DiscreteActions,
    action_space_difference,
    action_space_type,
    describe_action_space,
    parse_action_space,
)
from racer.errors import ConfigError


def continuous(low_angle=-30, high_angle=30, low_speed=0.5, high_speed=4.0):
    """Plain data of a continuous space."""
    return {
        "steering_angle": {"low": low_angle, "high": high_angle},
        "speed": {"low": low_speed, "high": high_speed},
    }


def test_default_is_the_issues():
    """Steer -30..30 degrees and drive 0.5..4 m/s where nothing is said."""
    space = ContinuousActions()
    assert (space.low, space.high) == ((-30.0, 0.5), (30.0, 4.0))
    assert parse_action_space({}) == space


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (continuous(), None),
        (continuous(-30, -29.9), None),
        (continuous(-30.001), "action_space.steering_angle.low: -30.001 is outside -30..30 degrees"),
        (continuous(high_angle=30.001), "action_space.steering_angle.high: 30.001 is outside"),
        (continuous(low_speed=0.1), None),
        (continuous(low_speed=0.099), "action_space.speed.low: 0.099 is outside 0.1..4 m/s"),
        (continuous(high_speed=4.001), "action_space.speed.high: 4.001 is outside"),
        (continuous(5, 5), "action_space.steering_angle: low 5 must be below high 5"),
        (continuous(low_speed=3, high_speed=2), "action_space.speed: low 3 must be below high 2"),
        (continuous(low_speed=float("nan")), "action_space.speed.low: Input should be a finite number"),
        (continuous(low_speed=True), "action_space.speed.low: Input should be a valid number"),
        (continuous(low_speed="1"), "action_space.speed.low: Input should be a valid number"),
        ({"steering": {}}, "action_space.steering: Extra inputs are not permitted"),
        ([{"steering_angle": 0, "speed": 1}] * 2, None),
        ([{"steering_angle": 0, "speed": 1}] * 1000, None),
        (
            [{"steering_angle": 0, "speed": 1}],
            "action_space: 1 actions are listed; a discrete space has 2..1000",
        ),
        ([{"steering_angle": 0, "speed": 1}] * 1001, "action_space: 1001 actions are listed"),
        ([], "action_space: 0 actions are listed"),
        (
            [{"steering_angle": 0, "speed": 1}, {"steering_angle": -31, "speed": 1}],
            "action_space.1.steering_angle",
        ),
        ([{"steering_angle": 0, "speed": 1}, {"steering_angle": 0}], "action_space.1.speed: Field required"),
        ("continuous", "action_space: an action space is a list of actions (discrete) or"),
        (None, "action_space: an action space is a list"),
    ],
)
def test_limits(data, said):
    """Accept the limits themselves, refuse what is beyond in one line that says where and what is allowed."""
    if said is None:
        parse_action_space(data)
        return
    with pytest.raises(ConfigError) as caught:
        parse_action_space(data)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_as_a_field_of_a_model():
    """Tell a list from a mapping in a model, and write the same JSON back."""

    class Holder(BaseModel):
        model_config = ConfigDict(extra="forbid")
        actions: ActionSpace = ContinuousActions()

    rows = [{"steering_angle": -10.0, "speed": 1.0}, {"steering_angle": 10.0, "speed": 2.0}]
    assert isinstance(Holder().actions, ContinuousActions)
    assert Holder(actions=rows).model_dump(mode="json") == {"actions": rows}
    text = Holder(actions=continuous(-20, 25, 1, 2)).model_dump_json()
    assert Holder.model_validate_json(text).actions == parse_action_space(continuous(-20, 25, 1, 2))


def test_grid_and_table():
    """List every angle with every speed, speeds fastest."""
    space = DiscreteActions.grid([-30, 0], [1, 2])
    assert space.table == ((-30, 1), (-30, 2), (0, 1), (0, 2))
    assert (space.low, space.high) == ((-30, 1), (0, 2))
    assert space.root[1] == Action(steering_angle=-30, speed=2)


def test_frozen():
    """Refuse to change a space that is in use."""
    with pytest.raises(ValidationError):
        ContinuousActions().speed = None  # type: ignore[assignment]


def test_difference_names_both():
    """Say nothing of equal spaces and name both of unlike ones."""
    discrete = DiscreteActions.grid([-30, 30], [1])
    assert action_space_difference(ContinuousActions(), ContinuousActions()) is None
    said = action_space_difference(ContinuousActions(), discrete)
    assert said == (
        "action space continuous, steering -30..30 degrees, speed 0.5..4 m/s, "
        "against discrete, 2 actions (-30 deg at 1 m/s, 30 deg at 1 m/s)"
    )
    assert [action_space_type(each) for each in (ContinuousActions(), discrete)] == ["continuous", "discrete"]
    assert describe_action_space(discrete) in said
