"""Single environments, batches of them, and random drivers, for the tests of environments."""

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from racer.env.single import RacerEnv
from support.tracks import ring

RADIUS = 1.5
HALF_WIDTH = 0.5
DISCRETE = [{"steering_angle": angle, "speed": speed} for angle in (-25, 0, 7, 25) for speed in (0.6, 2.5)]
BOTH = {"sensors": ("state", "lidar"), "lidar": {"rays": 16, "noise": 0.05}}


def progress_reward(params):
    """A reward that depends on much: where, how fast, which way."""
    return params["progress"] + params["speed"] * params["distance_from_center"] - params["heading"] / 7.0


def single(world=0, **options):
    """The single environment that stands for one world of a batch: its stream and starts are that world's."""
    env = RacerEnv(**({"track": ring(), "reward": progress_reward} | options))
    env.vector.trial.world.world_ids[:] = world
    return env


def singles(worlds, mode=AutoresetMode.NEXT_STEP, **options):
    """Gymnasium's own vector environment over single environments: the oracle of ours."""
    return SyncVectorEnv([lambda n=n: single(n, **options) for n in range(worlds)], autoreset_mode=mode)


def driver(env, seed=0):
    """Actions of random cars that mostly keep to the ring for a while, of the vector environment's space."""
    random = np.random.default_rng(seed)
    while True:
        if env.single_action_space.shape == ():
            yield random.choice([2, 3, 4, 5, 5, 5, 7], size=env.num_envs)
        else:
            steer = random.normal(5.0, 12.0, env.num_envs)
            yield np.stack([steer, random.uniform(0.0, 4.5, env.num_envs)], axis=1).astype(np.float32)


def assert_same(one, other, path=""):
    """Assert that two nested results are equal: keys, types, dtypes, shapes and every bit."""
    assert type(one) is type(other), path
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            assert_same(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, np.ndarray):
        assert (one.dtype, one.shape) == (other.dtype, other.shape), path
        if one.dtype == object:
            for n, (a, b) in enumerate(zip(one, other, strict=True)):
                assert_same(a, b, f"{path}[{n}]")
        else:
            assert one.tobytes() == other.tobytes(), (path, one, other)
    elif isinstance(one, (tuple, list)):
        assert len(one) == len(other), path
        for n, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{path}[{n}]")
    else:
        assert one == other, path


# What the checker recommends of any environment in degrees and metres; Gymnasium's own MuJoCo ones get it too.
RECOMMENDATIONS = [
    pytest.mark.filterwarnings("ignore:.*we recommend using a symmetric and normalized space:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*Box observation space (min|max)imum value is -?infinity:UserWarning"),
    pytest.mark.filterwarnings("ignore:We recommend you to use a symmetric and normalized:UserWarning"),
]


def with_recommendations(test):
    """Let the checkers recommend what units other than SI would be for; all else stays an error."""
    for mark in RECOMMENDATIONS:
        test = mark(test)
    return test
