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


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("small", "small"),
        ("DEEP_CONVOLUTIONAL_NETWORK_SHALLOW", "shallow"),
        ("deep_convolutional_network", "deep"),
        ("DEEP_CONVOLUTIONAL_NETWORK_DEEP", "deepest"),
    ],
)
def test_networks_have_deepracers_names(given, name):
    """Take DeepRacer's name of a network for ours."""
    assert TrainConfig(network=given).network == name


@pytest.mark.parametrize("name", ["camera", "camera_shallow", "camera_deep"])
def test_policies_by_sight(name):
    """See the camera alone, learn with a critic that sees the state, by the network that the file's name says."""
    config = read_train(name)
    assert config.env.sensors == ("camera",) and config.driven.sensors == ("camera", "state")
    assert config.network == {"camera": "small"}.get(name, name.removeprefix("camera_"))


def test_the_environment_shows_what_any_network_sees():
    """Add what only the critic sees, each sensor once, in the policy's order first."""
    config = TrainConfig(env={"sensors": ["lidar", "camera"]}, critic_sensors=["state", "lidar"])
    assert config.driven.sensors == ("lidar", "camera", "state")
    assert TrainConfig().driven == TrainConfig().env


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"critic_sensors": ["state", "state"]}, "each sensor may be named once"),
        ({"critic_sensors": ["state"], "algorithm": "sac"}, "critic_sensors are for algorithm ppo"),
        ({"env": {"sensors": ["camera"]}, "preprocess": {"crop_top": 120}}, "step crop leaves nothing"),
        ({"env": {"sensors": ["stereo"]}, "preprocess": {"shrink": 8}}, "network small cannot read a picture as small"),
        ({"critic_sensors": ["camera"], "preprocess": {"shrink": 7}}, "step area by 7 does not divide"),
        ({"env": {"sensors": ["camera"]}, "algorithm": "sac"}, "sac.buffer_size 300000 of such pictures is too much"),
    ],
)
def test_pictures_that_cannot_be_used(given, told):
    """Say before anything is made what does not fit together."""
    with pytest.raises(ValidationError, match=told):
        TrainConfig(**given)


def test_the_most_pictures_that_sac_remembers_are_told():
    """Accept as many as the message says, and not one more."""
    with pytest.raises(ValidationError, match="at most 111848"):  # 2^32 / (2 * 120 * 160)
        TrainConfig(env={"sensors": ["camera"]}, algorithm="sac", sac={"buffer_size": 111_849})
    TrainConfig(env={"sensors": ["camera"]}, algorithm="sac", sac={"buffer_size": 111_848})


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
