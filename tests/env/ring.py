"""A ring as a track, and batches of single environments, for the tests of environments."""

import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from racer.env.single import RacerEnv
from racer.track.track import Track

RADIUS = 1.5
HALF_WIDTH = 0.5
DISCRETE = [{"steering_angle": angle, "speed": speed} for angle in (-25, 0, 7, 25) for speed in (0.6, 2.5)]
BOTH = {"sensors": ("state", "lidar"), "lidar": {"rays": 16, "noise": 0.05}}


def ring(rows=240, **changes):
    """A ring driven counter-clockwise, 2 pi R long but for the chords; row 0 at angle 0, the last row repeats it."""
    angle = np.linspace(0.0, 2.0 * np.pi, rows + 1)
    angle[-1] = 0.0
    out = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lines = {
        "name": "ring",
        "center": RADIUS * out,
        "left": (RADIUS - HALF_WIDTH) * out,
        "right": (RADIUS + HALF_WIDTH) * out,
    }
    return Track(**(lines | changes))


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
