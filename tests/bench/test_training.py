"""PPO is measured on an environment that is trained on, and on one that does nothing."""

import numpy as np
import pytest

from racer.bench import training
from racer.bench.training import NullVecEnv, bench_train, speed_reward
from racer.env.vector import RacerVectorEnv
from racer.errors import RacerError
from racer.reward.protocol import KernelReward
from racer.sim.dtypes import TELEMETRY
from racer.train.ppo.vec_env import RacerVecEnv
from support.tiny_training import SETTINGS, TRACK

KEYS = {"train.null_env_steps_per_s", "train.steps_per_s", "train.steps_per_s_python_reward"}


def test_quick_bench_gives_all_figures():
    """Measure a tiny training."""
    lines = []
    record = bench_train(TRACK, settings=SETTINGS, updates=1, rounds=1, laps_min=0, report=lines.append)
    assert set(record) == KEYS and all(value > 0.0 for value in record.values())
    assert lines == ["train: warming up", "train: round 1 of 1"]


def test_training_that_never_laps_is_refused():
    """Fail where the cars drove no laps in the last round: an untrained policy is another workload."""
    with pytest.raises(RacerError, match=r"the cars of train.steps_per_s drove \d+ laps in the last round"):
        bench_train("long_haul", settings=SETTINGS, updates=1, rounds=1, laps_min=1)


def test_models_differ_in_the_environment_alone(monkeypatch):
    """Give all three the same network, updates and shapes; the null one has the first's spaces and ends nothing."""
    seen = []
    make = training._model

    def kept(config, reward):
        seen.append((reward, *make(config, reward)))
        return seen[-1][1:]

    monkeypatch.setattr(training, "_model", kept)
    bench_train(TRACK, settings=SETTINGS, updates=2, rounds=1, laps_min=0)
    assert {model.num_timesteps for _, model, _ in seen} == {3 * 512}
    assert len({str(model.policy) for _, model, _ in seen}) == 1
    null = next(model for reward, model, _ in seen if reward is None)
    assert isinstance(null.get_env().venv, NullVecEnv)
    assert next(adapter for reward, _, adapter in seen if reward is None).finished == []
    assert any(adapter.finished for reward, _, adapter in seen if reward is not None)


def test_null_environment_hands_out_copies():
    """Cost what any environment must: a fresh batch of observations each step, no rewards, no ends."""
    null = NullVecEnv(RacerVecEnv(RacerVectorEnv(3, reward=lambda params: 1.0, autoreset_mode="SameStep")))
    first, rewards, dones, infos = null.step(np.zeros((3, 2)))
    first["state"][:] = 9.0
    assert not np.array_equal(null.step(np.zeros((3, 2)))[0]["state"], first["state"])
    assert rewards.tolist() == [0.0] * 3 and not dones.any() and infos == [{}] * 3


def test_kernel_reward_is_what_it_says():
    """Reward measured speed, half of it off the road, through the same seam as a user's function."""
    telemetry = np.zeros((3, 1), TELEMETRY)
    telemetry["steps"] = [[2], [2], [1]]
    telemetry["speed_measured"] = [[2.0], [3.0], [4.0]]
    telemetry["all_wheels_on_track"] = [[True], [False], [True]]
    out = np.full((3, 1), 9.0)
    KernelReward(speed_reward).compute(telemetry, None, [], out)
    assert out[:, 0].tolist() == [2.0, 1.5, 0.0]
