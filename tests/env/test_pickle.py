"""Environments survive pickle and copy in the middle of an episode, with every kind of reward and sensor."""

import copy
import pickle

import numpy as np
import pytest

from racer.env.single import RacerEnv
from racer.env.vector import RacerVectorEnv
from support.environments import BOTH, assert_same, driver, progress_reward
from support.tracks import ring

STATEFUL = """
import math
import threading

lock = threading.Lock()
history = []

class Memory:
    calls = 0

    def __init__(self):
        self.last = [0.0]

    @property
    def twice(self):
        return 2.0 * self.last[0]

memory = Memory()

def helper(value):
    helper.count = getattr(helper, "count", 0) + 1
    return math.sqrt(helper.count) + value

def reward_function(params):
    global total
    Memory.calls += 1
    history.append(params["speed"])
    total = sum(history)
    paid = memory.twice + helper(Memory.calls) + total
    memory.last[0] = params["progress"]
    return float(paid)
"""
EVERYTHING = {
    "sensors": ["state", "lidar", "sector_lidar", "camera"],
    "camera": {"width": 32, "height": 24, "rate_hz": 10.0},
    "disturbance": "real",
    "time_limit_s": 2.0,
}


@pytest.fixture(params=["callable", "default", "file"])
def reward(request, tmp_path):
    """A callable, the shipped default, and a file of the user."""
    (tmp_path / "mine.py").write_text(STATEFUL)
    return {"callable": progress_reward, "default": "default", "file": str(tmp_path / "mine.py")}[request.param]


@pytest.mark.parametrize("path", ["auto", "python"])
@pytest.mark.parametrize("clone", [lambda env: pickle.loads(pickle.dumps(env)), copy.deepcopy], ids=["pickle", "copy"])
def test_both_continue_alike(reward, path, clone):
    """The clone returns the same observations, rewards, ends and starts as the original, bit for bit."""
    env = RacerVectorEnv(3, track=ring(), reward=reward, reward_path=path, config=BOTH | {"time_limit_s": 2.0})
    env.reset(seed=3)
    actions = driver(env, seed=1)
    for _ in range(7):
        env.step(next(actions))
    twin = clone(env)
    ended = 0
    for _ in range(60):
        action = next(actions)
        one, other = env.step(action), twin.step(action)
        assert_same(one, other)
        ended += int((one[2] | one[3]).sum())
    assert ended >= 3, "starts after the end of an episode must occur"
    assert_same(env.reset(seed=8), twin.reset(seed=8))


@pytest.mark.parametrize("threads", [1, 2])
def test_disturbed_sensors_continue_alike(threads):
    """Late frames, noise and drawn vehicles are part of the state; threads start again in the clone."""
    env = RacerVectorEnv(2, track=ring(), config=EVERYTHING, reward=progress_reward, threads=threads)
    env.reset(seed=3)
    actions = driver(env, seed=2)
    for _ in range(5):
        env.step(next(actions))
    twin = pickle.loads(pickle.dumps(env))
    for _ in range(40):
        action = next(actions)
        assert_same(env.step(action), twin.step(action))
    for each in (env, twin):
        each.trial.world.close()


def test_the_single_environment_and_its_picture():
    """The clone draws the same picture."""
    env = RacerEnv(track=ring(), render_mode="rgb_array")
    env.reset(seed=0)
    env.render()
    twin = pickle.loads(pickle.dumps(env))
    for each in (env, twin):
        each.step(np.array([5.0, 1.0], np.float32))
    assert_same(env.render(), twin.render())


def test_the_function_of_the_file_is_kept(tmp_path):
    """The clone runs the text that the environment has read, also where the file is gone."""
    file = tmp_path / "mine.py"
    file.write_text(STATEFUL)
    env = RacerVectorEnv(2, track=ring(), reward=str(file), reward_path="python")
    env.reset(seed=0)
    data = pickle.dumps(env)
    file.unlink()
    twin = pickle.loads(data)
    action = np.full((2, 2), (5.0, 1.0), np.float32)
    assert_same(env.step(action), twin.step(action))
