"""Evaluations with boxes and bots: what decides what is on the road, and what is told."""

import json

import pytest

from racer.config.actions import ContinuousActions
from racer.config.env import ObjectsConfig
from racer.config.read import read_vehicle
from racer.contract import PolicyContract, TrainedOn, make_contract, state_sensor
from racer.evaluate import evaluate, training_objects
from support.policies import Steady, at_speed
from support.tracks import ring

VEHICLE = read_vehicle("deepracer")
BOXES = ObjectsConfig(race="object_avoidance", count=2)
BOTS = ObjectsConfig(race="head_to_bot", count=2)


def trained_with(objects):
    """A contract of a policy that was trained with these objects."""
    return make_contract(
        sensors=(state_sensor(),),
        action_space=ContinuousActions(),
        control_rate_hz=15.0,
        trained_on=TrainedOn(objects=objects),
    )


def test_a_policy_that_keeps_to_the_middle_hits_every_box():
    """Drive along the centre line of a road of 1 m: boxes in either lane reach within 0.05 m of it."""
    result = evaluate(at_speed(1.0), ring(), VEHICLE, laps=6, objects=BOXES)
    record = result.record()
    assert {lap.status for lap in result.laps} == {"crashed"} and result.completion_rate == 0.0
    assert (record["race"], record["crashes"], record["off_tracks"]) == ("object_avoidance", 6, 0)
    # At least 0.07 of the lap, at least a metre: where the first box may be, less what is between the middles.
    assert min(lap.progress for lap in result.laps) > 100 * (1.0 - 0.6) / 9.4
    assert result == evaluate(at_speed(1.0), ring(), VEHICLE, laps=6, objects=BOXES)
    assert result.laps != evaluate(at_speed(1.0), ring(), VEHICLE, laps=6, seed=1, objects=BOXES).laps


def test_the_same_policy_alone_completes_its_laps():
    """Drive without objects by default, and print the frozen keys alone."""
    result = evaluate(at_speed(1.0), ring(), VEHICLE, laps=3)
    assert result.completion_rate == 1.0 and result.race == "time_trial"
    assert not {"race", "crashes"} & set(result.record())


def test_the_contract_decides_unless_told_otherwise():
    """Put on the road what the policy was trained for; an explicit configuration comes first."""
    assert training_objects(Steady(3.0, 1.0)) == ObjectsConfig()
    for objects, race in ((None, "head_to_bot"), (BOXES, "object_avoidance"), (ObjectsConfig(), "time_trial")):
        policy = Steady(3.0, 1.0)
        policy.contract = trained_with(BOTS)
        assert training_objects(policy) == BOTS
        assert evaluate(policy, ring(), VEHICLE, laps=1, objects=objects).race == race


@pytest.mark.parametrize("objects", [BOXES, BOTS, ObjectsConfig()])
def test_the_contract_keeps_objects(objects):
    """Write and read a contract; one that says nothing of objects was trained alone."""
    contract = trained_with(objects)
    assert PolicyContract.from_json(contract.to_json()) == contract
    data = json.loads(contract.to_json())
    del data["trained_on"]["objects"]
    assert PolicyContract.from_json(json.dumps(data)).trained_on.objects == ObjectsConfig()
