"""Ranges of every number in every configuration model, taken from the models themselves."""

import math
from typing import get_args

import pytest
import yaml
from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError

from racer.config.env import EnvConfig, LidarConfig, StartConfig, VehicleConfig
from racer.config.train import BudgetConfig, PPOConfig, TrainConfig
from support.paths import ROOT

VEHICLE = yaml.safe_load((ROOT / "configs" / "vehicle" / "deepracer.yaml").read_text())
BASES = {
    # range_max may be anything above range_min.
    LidarConfig: {"range_min": 0.0},
    StartConfig: {},
    EnvConfig: {},
    PPOConfig: {},
    # Few steps would be below the default batch.
    BudgetConfig: {},
    TrainConfig: {"track": "a"},
    VehicleConfig: VEHICLE,
}


def numeric(field):
    """`int` or `float` where the field is one number, perhaps or None; else None."""
    kinds = {kind for kind in (get_args(field.annotation) or (field.annotation,)) if kind is not type(None)}
    return kinds.pop() if kinds in ({int}, {float}) else None


NUMBERS = [
    pytest.param(model, name, id=f"{model.__name__}.{name}")
    for model in BASES
    for name, field in model.model_fields.items()
    if numeric(field)
]


def accepts(model, name, value):
    """Whether a model takes a value for one of its keys; it must then keep it."""
    try:
        made = model(**(BASES[model] | {name: value}))
    except ValidationError as error:
        assert all(problem["loc"][:1] in ((name,), ()) for problem in error.errors())
        return False
    assert getattr(made, name) == value
    return True


def neighbours(kind, bound):
    """The next numbers below and above."""
    if kind is int:
        return bound - 1, bound + 1
    return math.nextafter(bound, -math.inf), math.nextafter(bound, math.inf)


@pytest.mark.parametrize(("model", "name"), NUMBERS)
def test_each_number_ends_exactly_where_it_says(model, name):
    """Accept the bound itself where it is inclusive, the next number inside; refuse the next one outside."""
    field = model.model_fields[name]
    kind = numeric(field)
    bounds = [one for one in field.metadata if isinstance(one, (Ge, Gt, Le, Lt))]
    assert any(isinstance(one, (Ge, Gt)) for one in bounds), "a number without a lowest value"
    for one in bounds:
        bound = kind(getattr(one, type(one).__name__.lower()))
        below, above = neighbours(kind, bound)
        inside, outside = (above, below) if isinstance(one, (Ge, Gt)) else (below, above)
        assert accepts(model, name, bound) is isinstance(one, (Ge, Le))
        if (model, name) != (LidarConfig, "range_min"):  # its highest value is range_max
            assert accepts(model, name, inside)
        assert not accepts(model, name, outside)


@pytest.mark.parametrize(("model", "name"), NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, False, "much", [1], {"a": 1}, 1j])
def test_no_number_takes_what_is_none(model, name, value):
    """Refuse infinities, NaN, booleans, words and lists everywhere; no number is a switch."""
    assert not accepts(model, name, value)


@pytest.mark.parametrize(("model", "name"), NUMBERS)
def test_numbers_have_defaults_inside_their_ranges(model, name):
    """Accept the default; pydantic does not look at it by itself."""
    field = model.model_fields[name]
    if not field.is_required():
        assert field.default is None or accepts(model, name, field.default)


@pytest.mark.parametrize("model", BASES)
def test_models_are_frozen_and_refuse_unknown_keys(model):
    """Refuse to be changed, and keys that nobody reads."""
    made = model(**BASES[model])
    with pytest.raises(ValidationError, match="frozen"):
        setattr(made, next(iter(type(made).model_fields)), 1)
    with pytest.raises(ValidationError, match="extra"):
        model(**BASES[model], nothing=1)


@pytest.mark.parametrize(
    ("low", "high", "fine"),
    [(0.0, 1.0, True), (0.15, 12.0, True), (1.0, 1.0, False), (2.0, 1.0, False)],
)
def test_lidar_ranges_are_in_order(low, high, fine):
    """Refuse a lidar whose least range is not below its greatest."""
    if fine:
        assert LidarConfig(range_min=low, range_max=high).range_max == high
    else:
        with pytest.raises(ValidationError, match="must be below"):
            LidarConfig(range_min=low, range_max=high)


@pytest.mark.parametrize(
    ("distances", "fine"),
    [
        ((0.0,), True),
        ((0.0, 1000.0), True),
        ((0.5, 1), True),
        ((), False),
        ((-0.1, 1.0), False),
        ((1.0, 1.0), False),
        ((2.0, 1.0), False),
        ((1.0, 1000.1), False),
        (tuple(range(50)), True),
        (tuple(range(51)), False),
    ],
)
def test_look_ahead_rises_within_its_range(distances, fine):
    """Accept 1..50 rising distances of 0..1000 m."""
    if fine:
        assert EnvConfig(look_ahead=distances).look_ahead == distances
    else:
        with pytest.raises(ValidationError):
            EnvConfig(look_ahead=distances)


@pytest.mark.parametrize(
    ("sensors", "fine"),
    [
        (("state",), True),
        (("lidar", "state"), True),
        ((), False),
        (("state", "state"), False),
        (("radar",), False),
    ],
)
def test_sensors_are_known_and_named_once(sensors, fine):
    """Keep the order that was given; refuse none, unknown ones and repeats."""
    if fine:
        assert EnvConfig(sensors=sensors).sensors == sensors
    else:
        with pytest.raises(ValidationError):
            EnvConfig(sensors=sensors)


@pytest.mark.parametrize(
    ("pairs", "angle"),
    [
        (((10.0, 5.0), (30.0, 15.0)), 15.0),
        # The largest effective angle may be reached before full lock; commands above it do not count.
        (((25.0, 17.0), (30.0, 15.0)), 17.0),
        (((20.0, 10.0), (40.0, 20.0)), 15.0),
        (((10.0, 12.0),), 12.0),
    ],
)
def test_turn_radius_through_a_steering_map(pairs: tuple[tuple[float, float], ...], angle: float) -> None:
    """Take the largest angle that the map gives for commands up to full lock."""
    update = {"front": 0.0817, "rear": 0.0823, "steer_max_deg": 30.0, "steer_map_deg": pairs}
    vehicle = VehicleConfig(**VEHICLE).model_copy(update=update)
    assert vehicle.turn_radius == pytest.approx(0.164 / math.tan(math.radians(angle)))


def test_turn_radius() -> None:
    """Take the radius from wheelbase and largest angle, 0.164 / tan(30 degrees), to the worse side."""
    update = {"front": 0.0817, "rear": 0.0823, "steer_max_deg": 30.0, "steer_map_deg": ()}
    vehicle = VehicleConfig(**VEHICLE).model_copy(update=update)
    assert vehicle.turn_radius == pytest.approx(0.28406, abs=1e-5)
    assert vehicle.model_copy(update={"steer_max_deg": 15.0}).turn_radius == pytest.approx(0.61206, abs=1e-5)
    # Of a command of 30 degrees a gain of 0.5 leaves 15; a gain above 1 does not pass the stops.
    assert vehicle.model_copy(update={"steer_gain": 0.5}).turn_radius == pytest.approx(0.61206, abs=1e-5)
    assert vehicle.model_copy(update={"steer_gain": 2.0}).turn_radius == pytest.approx(0.28406, abs=1e-5)
    # A trim of 5 degrees leaves 25 to the other side.
    expected = 0.164 / math.tan(math.radians(25.0))
    for offset in (5.0, -5.0):
        assert vehicle.model_copy(update={"steer_offset_deg": offset}).turn_radius == pytest.approx(expected)
    assert vehicle.model_copy(update={"steer_gain": 0.1, "steer_offset_deg": 5.0}).turn_radius == math.inf
