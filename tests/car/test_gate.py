"""The pilot's gate: closed forms of the maps, boundary tables, and that nothing strange comes through."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.car.actuator.states import Pulses
from racer.car.calibration.calibration import Calibration, interpolate_throttle
from racer.car.gate import (
    SPEED_LIMIT_DEFAULT,
    ActionBounds,
    Gate,
    GateRefusal,
    bundle_refusals,
    deepracer_throttle,
    mapping_refusals,
    mapping_warning,
)
from racer.config.actions import ContinuousActions, DiscreteActions
from racer.contract import lidar_sensor, make_contract, state_sensor
from support.car_processes import calibration


def car(**changes):
    """A calibration with changes."""
    data = calibration("chip", **changes)
    data.pop("sha256")
    return Calibration.model_validate(data)


CAR = car()
BOUNDS = ActionBounds(-28.0, 30.0, 0.5, 3.0)
GATE = Gate(CAR, BOUNDS, speed_limit=1.0)


@pytest.mark.parametrize(
    ("angle", "us"), [(0.0, 1450), (30.0, 1700), (15.0, 1575), (-28.0, 1200), (-14.0, 1325), (0.1, 1451), (-0.1, 1449)]
)
def test_steering_is_linear_on_either_side(angle, us):
    """centre + (end - centre) * angle / full, each side with its own full lock."""
    assert GATE.pulses(angle, 0.0) == Pulses(us, 1446)


@pytest.mark.parametrize(
    ("speed", "us"),
    [(0.0, 1446), (0.5, 1420), (0.3, None), (1.5, 1370), (2.25, 1341), (3.0, 1311), (3.1, None), (-0.1, None)],
)
def test_speed_goes_by_the_table(speed, us):
    """fwd_start + share * (fwd_max - fwd_start), the share by straight lines between measured rows."""
    if us is None:
        with pytest.raises(GateRefusal, match="speed"):
            GATE.pulses(0.0, speed)
    else:
        assert GATE.pulses(0.0, speed).throttle_us == us


@pytest.mark.parametrize(
    ("angle", "speed", "good"),
    [
        (30.0 + 0.058, 1.0, True),
        (30.0 + 0.0581, 1.0, False),
        (-28.0 - 0.058, 1.0, True),
        (-28.0 - 0.0581, 1.0, False),
        (0.0, 3.0 + 0.0025, True),
        (0.0, 3.0 + 0.00251, False),
        (0.0, 0.5 - 0.0025, True),
        (0.0, 0.5 - 0.00251, False),
        (math.nan, 1.0, False),
        (0.0, math.nan, False),
        (math.inf, 1.0, False),
        (0.0, math.inf, False),
        (-math.inf, 1.0, False),
    ],
)
def test_what_the_contract_does_not_allow_is_refused(angle, speed, good):
    """A thousandth of the range is a network's rounding; more, and what is no number, is a bug above."""
    if good:
        assert 1200 <= GATE.pulses(angle, speed).steering_us <= 1700
    else:
        with pytest.raises(GateRefusal):
            GATE.pulses(angle, speed)


@given(st.floats(), st.floats(), st.sampled_from([0.01, 0.3, 1.0]), st.sampled_from(["table", "deepracer"]))
def test_no_float_reaches_beyond_the_calibration(angle, speed, limit, mapping):
    """Any two floats: a refusal, or pulses inside the calibrated range."""
    gate = Gate(CAR, BOUNDS, speed_limit=limit, mapping=mapping)
    try:
        pulses = gate.pulses(angle, speed)
    except GateRefusal:
        return
    assert 1200 <= pulses.steering_us <= 1700
    assert 1311 <= pulses.throttle_us <= 1446


def test_a_person_s_limit_cuts_the_speed():
    """30 % of the table's top speed by default: 0.9 m/s of 3, and what is slower is not touched."""
    gate = Gate(CAR, BOUNDS)
    assert SPEED_LIMIT_DEFAULT == 0.3
    assert gate.pulses(0.0, 3.0) == gate.pulses(0.0, 0.9) == GATE.pulses(0.0, 0.9)
    assert gate.pulses(0.0, 0.6) == GATE.pulses(0.0, 0.6) != gate.pulses(0.0, 0.9)
    assert gate.rest == Pulses(1450, 1446)


@pytest.mark.parametrize("limit", [0.0, -0.1, 1.001, math.nan])
def test_no_limit(limit):
    """A limit is a share."""
    with pytest.raises(GateRefusal, match="speed limit"):
        Gate(CAR, BOUNDS, speed_limit=limit)


@pytest.mark.parametrize(
    ("speed", "share"), [(4.0, 1.0), (2.0, 0.8), (1.0, 0.475), (0.0, 0.0), (3.9, 1.0), (-1.0, 0.0)]
)
def test_deepracer_s_parabola(speed, share):
    """f(v) = -1.2 (v/max)² + 2.2 v/max, cut to 0..1: through 1 at the top speed and 0.8 at half of it."""
    assert deepracer_throttle(speed, 4.0) == pytest.approx(share, abs=1e-12)


def test_deepracer_mapping_stretches_to_the_car():
    """The model's full lock is the car's on both sides; the limit is a share of the throttle."""
    bounds = ActionBounds(-20.0, 10.0, 1.0, 2.0)
    gate = Gate(CAR, bounds, mapping="deepracer", speed_limit=0.5)
    assert gate.pulses(-20.0, 2.0) == Pulses(1200, 1370)
    assert gate.pulses(10.0, 1.0) == Pulses(1575, 1382)
    assert gate.pulses(0.0, 0.0) == Pulses(1450, 1446)


def test_deepracer_mapping_needs_no_table_but_a_model_that_moves():
    """An imported car without a speed table drives old models."""
    bare = car(speed_table=[])
    assert mapping_refusals(bare, BOUNDS, mapping="deepracer") == []
    assert Gate(bare, BOUNDS, mapping="deepracer").pulses(0.0, 3.0).throttle_us == 1394
    for bounds in (ActionBounds(0.0, 10.0, 0.1, 1.0), ActionBounds(-1.0, 1.0, 0.1, 1.0)):
        assert mapping_refusals(bare, bounds, mapping="deepracer") == []
    for bounds in (ActionBounds(0.0, 0.0, 1.0, 2.0), ActionBounds(-1.0, 1.0, 0.0, 0.0)):
        with pytest.raises(GateRefusal, match="steers and drives"):
            Gate(bare, bounds, mapping="deepracer")


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        (ActionBounds(-28.0, 30.0, 0.1, 3.0), []),
        (ActionBounds(-28.02, 30.02, 0.1, 3.002), []),
        (ActionBounds(-28.0 * 1.001, 30.0 * 1.001, 0.1, 3.0 * 1.001), []),
        (ActionBounds(-28.0, 30.04, 0.1, 3.0), ["steers 30.04 degrees to the left; this car's wheels reach 30"]),
        (ActionBounds(-28.04, 30.0, 0.1, 3.0), ["steers 28.04 degrees to the right; this car's wheels reach 28"]),
        (ActionBounds(-28.0, 30.0, 0.1, 3.004), ["drives up to 3.004 m/s; the speed table ends at 3 m/s"]),
    ],
)
def test_limits_that_a_policy_exceeds_are_named(bounds, told):
    """At arming and at deploying: the limit, what the policy does and what the car reaches."""
    assert mapping_refusals(CAR, bounds, mapping="table") == told
    if told:
        with pytest.raises(GateRefusal) as error:
            Gate(CAR, bounds)
        assert str(error.value) == told[0]


def test_the_first_of_several_reasons_is_told():
    """One line, though there are three."""
    with pytest.raises(GateRefusal, match=r"^steers 31 degrees to the left"):
        Gate(CAR, ActionBounds(-31.0, 31.0, 0.1, 9.0))


def test_a_table_is_needed():
    """Speeds in m/s mean nothing on a car that was not measured."""
    told = mapping_refusals(car(speed_table=[]), BOUNDS, mapping="table")
    assert told == ["the calibration has no speed table; measure one, or choose the DeepRacer mapping"]


def contract(*sensors, space=None):
    """A contract with these sensors."""
    return make_contract(sensors=sensors, action_space=space or ContinuousActions(), control_rate_hz=15.0)


def test_every_reason_against_a_bundle_is_told():
    """Sensors first, then limits."""
    told = bundle_refusals(contract(state_sensor(), lidar_sensor()), CAR, sensors=["camera"])
    assert [words.split(";")[0] for words in told] == [
        "needs sensor `state`, which only the simulator has",
        "needs sensor `lidar`, which this car does not have",
        "steers 30 degrees to the right",
        "drives up to 4 m/s",
    ]
    small = DiscreteActions.grid([-20.0, 0.0, 25.0], [1.0, 2.5])
    assert bundle_refusals(contract(lidar_sensor(), space=small), CAR, sensors=["lidar"]) == []
    assert ActionBounds.of_contract(contract(lidar_sensor(), space=small)) == ActionBounds(-20.0, 25.0, 1.0, 2.5)


def test_a_person_may_ask_for_all_that_the_car_can_do():
    """Bounds of driving by hand are the calibration's."""
    assert ActionBounds.of_calibration(CAR) == ActionBounds(-28.0, 30.0, 0.0, 3.0)
    gate = Gate(CAR, ActionBounds.of_calibration(CAR), speed_limit=1.0)
    assert gate.pulses(-28.0, 0.2) == Pulses(1200, 1430)


@pytest.mark.parametrize(
    ("right", "warned"), [(30.0, False), (29.41, False), (29.39, True), (25.0, True)]
)  # fmt: skip
def test_stretched_steering_is_warned_of(right, warned):
    """Where a model's full lock is not the car's on both sides, by more than 2 %."""
    steering = CAR.steering.model_copy(update={"max_deg_right": right})
    told = mapping_warning(contract(lidar_sensor()), CAR.model_copy(update={"steering": steering}))
    assert (told is not None) is warned
    steering = steering.model_copy(update={"max_deg_right": 30.0, "max_deg_left": right})
    told = mapping_warning(contract(lidar_sensor()), CAR.model_copy(update={"steering": steering}))
    assert (told is not None) is warned
    if warned:
        assert told == f"this model's full lock of 30 degrees becomes the car's ({right:g} left, 30 right)"


@pytest.mark.parametrize(
    ("speed", "share"), [(0.0, 0.1), (1.0, 0.1), (1.5, 0.25), (2.0, 0.4), (3.0, 0.7), (4.0, 1.0), (9.0, 1.0)]
)
def test_interpolation(speed, share):
    """Straight between rows, held at the ends."""
    assert interpolate_throttle(((0.1, 1.0), (0.4, 2.0), (1.0, 4.0)), speed) == pytest.approx(share)


def test_full_lock_is_the_larger_side_s():
    """A model that steers less to one side is judged by the side on which it steers most."""
    even = CAR.model_copy(update={"steering": CAR.steering.model_copy(update={"max_deg_right": 30.0})})
    for angles in ([-10.0, 0.0, 30.0], [-30.0, 0.0, 10.0]):
        made = contract(lidar_sensor(), space=DiscreteActions.grid(angles, [1.0, 2.5]))
        assert mapping_warning(made, even) is None
