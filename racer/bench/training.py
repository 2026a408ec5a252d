"""Measures training: PPO on the environment against the same PPO on an environment that does nothing.

The null environment and two rewards, compiled and plain Python, are timed by turns in one process, so that a change of
the machine's speed affects all three.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import PPO, SAC

from racer.bench.measure import ROUNDS, StatusCallback, ignore_status
from racer.config.read import read_train
from racer.config.train import TrainConfig
from racer.env.vector import RacerVectorEnv
from racer.errors import RacerError
from racer.reward.load import load_reward
from racer.reward.protocol import KernelReward
from racer.sim.dtypes import EpisodeStatus
from racer.sim.jit import kernel
from racer.train.ppo.learner import TrainingBudget, make_model, normalize_rewards, training_contract
from racer.train.ppo.vec_env import RacerVecEnv

UPDATES = 6
"""Updates in a timed part; each collects and learns."""


@kernel
def speed_reward(telemetry, out):  # type: ignore[no-untyped-def]
    """Write the measured speed, halved off the road: a reward at almost no cost."""
    for n in range(len(telemetry)):
        row = telemetry[n]
        out[n] = row.speed_measured if row.all_wheels_on_track else 0.5 * row.speed_measured


class NullVecEnv(RacerVecEnv):
    """Returns the same observations, rewards of 0 and no ends for any actions, instead of stepping the simulator."""

    def __init__(self, like: RacerVecEnv) -> None:
        """Take the worlds and spaces of `like`."""
        super().__init__(like.env)
        random = np.random.default_rng(0)
        assert isinstance(self.observation_space, spaces.Dict)
        self._observation = {
            key: random.standard_normal((self.num_envs, *space.shape)).astype(np.float32)  # type: ignore[misc]
            for key, space in self.observation_space.spaces.items()
        }

    def reset(self) -> dict[str, NDArray[Any]]:
        """Return a copy of the observations: the least that any environment has to do."""
        return {key: value.copy() for key, value in self._observation.items()}

    def step_wait(self) -> Any:
        """Return the same observations, rewards of 0 and no ends."""
        return self.reset(), np.zeros(self.num_envs, np.float32), np.zeros(self.num_envs, np.bool_), self._infos


def bench_train(
    track: str | None = None,
    *,
    settings: Sequence[str] = (),
    updates: int = UPDATES,
    rounds: int = ROUNDS,
    laps_min: int = 1,
    report: StatusCallback = ignore_status,
) -> dict[str, float]:
    """Measure `train.*`: control steps per second of wall time, learning included, with the shipped default config.

    Args:
        track: Name or file; None for the configuration's.
        settings: `key.key=value` on top of the configuration, for a quick test.
        updates: Updates in a timed part.
        rounds: Timed parts of each of the three; the result is their median.
        laps_min: Least number of laps that the cars complete in the last round with each reward.
        report: Receives what is being measured.

    Raises:
        RacerError: The cars did not learn to lap, so the workload was not that of a training.
    """
    config = read_train("default", settings=settings, changes={"track": track})
    torch.set_num_threads(config.train.torch_threads)
    rewards: dict[str, Any] = {
        "train.null_env_steps_per_s": None,
        "train.steps_per_s": KernelReward(speed_reward),
        "train.steps_per_s_python_reward": load_reward("default", n_worlds=config.train.worlds, path="python"),
    }
    pairs = {key: _model(config, reward) for key, reward in rewards.items()}
    update_steps = config.ppo.n_steps * config.train.worlds
    rates: dict[str, list[float]] = {key: [] for key in pairs}
    # Round 0 compiles and fills caches; it is not timed.
    for number in range(rounds + 1):
        report(f"train: round {number} of {rounds}" if number else "train: warming up")
        for key, (model, adapter) in pairs.items():
            adapter.finished = []  # so that the check below counts the last round alone
            steps = updates * update_steps if number else update_steps
            started_s = time.perf_counter()
            model.learn(steps, reset_num_timesteps=False)
            if number:
                rates[key].append(steps / (time.perf_counter() - started_s))
    # A policy that leaves the road at once has short episodes and other costs than one that laps.
    for key, (_, adapter) in pairs.items():
        laps = sum(episode.status == EpisodeStatus.LAP_COMPLETE.word for episode in adapter.finished)
        if rewards[key] is not None and laps < laps_min:
            raise RacerError(f"bench: the cars of {key} drove {laps} laps in the last round; the figures mean nothing")
    return {key: round(statistics.median(values)) for key, values in rates.items()}


def _model(config: TrainConfig, reward: Any) -> tuple[PPO | SAC, RacerVecEnv]:
    """Return PPO and its environment; without a reward PPO drives a null environment of the same shape."""
    adapter = RacerVecEnv(
        RacerVectorEnv(
            config.train.worlds,
            track=list(config.track),
            reward=reward or KernelReward(speed_reward),
            vehicle=config.vehicle,
            actions=config.action_space,
            config=config.env,
            autoreset_mode="SameStep",
        )
    )
    # The learner around it is the same, so the difference is the cost of the environment.
    env = NullVecEnv(adapter) if reward is None else adapter
    contract = training_contract(config, run="bench", hashes={})
    budget = TrainingBudget(config.train.total_steps, None)
    return make_model(config, normalize_rewards(env, config.ppo.gamma), contract, budget), adapter
