"""What a training's configuration means beyond the ranges of its numbers."""

import pytest
from pydantic import ValidationError

from racer.config.actions import ContinuousActions, DiscreteActions
from racer.config.read import read_train
from racer.config.train import DEFAULT_TRACK, PPOConfig, TrainConfig


def test_the_shipped_default_is_what_the_code_calls_default():
    """Name the same track, and the continuous space of +-30 degrees and 0.5..4 m/s, in the file and in code."""
    config = read_train()
    assert config.track == (DEFAULT_TRACK,)
    assert config.action_space == ContinuousActions()
    assert config.action_space.low == (-30.0, 0.5) and config.action_space.high == (30.0, 4.0)


def test_one_track_may_be_given_as_text():
    """Take one name like a list of one; keep the order of several."""
    assert TrainConfig(track="a").track == ("a",)
    assert TrainConfig(track=["b", "a"]).track == ("b", "a")


@pytest.mark.parametrize("track", [None, 3, [], [3], {"a": 1}, [None]])
def test_a_track_is_a_name(track):
    """Refuse anything else."""
    with pytest.raises(ValidationError):
        TrainConfig(track=track)


def test_an_action_space_is_told_by_its_form():
    """Take a list for a discrete space and a mapping for a continuous one."""
    rows = [{"steering_angle": -10, "speed": 1}, {"steering_angle": 10, "speed": 2}]
    assert TrainConfig(track="a", action_space=rows).action_space == DiscreteActions(tuple(rows))
    space = TrainConfig(track="a", action_space={"speed": {"low": 1, "high": 2}}).action_space
    assert isinstance(space, ContinuousActions) and space.low == (-30.0, 1.0)


@pytest.mark.parametrize(("steps", "worlds", "batch", "fine"), [(8, 4, 32, True), (8, 4, 33, False)])
def test_a_batch_fits_into_what_is_collected(steps, worlds, batch, fine):
    """Accept a batch of all collected steps, and not one more."""
    given = {"track": "a", "ppo": {"n_steps": steps, "batch_size": batch}, "train": {"worlds": worlds}}
    if fine:
        assert TrainConfig(**given).ppo.batch_size == batch
    else:
        with pytest.raises(ValidationError, match="33 is more than the 32 steps"):
            TrainConfig(**given)


@pytest.mark.parametrize(
    ("layers", "fine"),
    [((), True), ((1,), True), ((8192,) * 8, True), ((0,), False), ((8193,), False), ((1,) * 9, False)],
)
def test_layers(layers, fine):
    """Accept up to eight layers of 1..8192 units; none makes a linear policy."""
    if fine:
        assert PPOConfig(layers=layers).layers == layers
    else:
        with pytest.raises(ValidationError):
            PPOConfig(layers=layers)
