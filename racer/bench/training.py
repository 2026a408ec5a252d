"""Measures training: PPO on the environment against the same PPO on an environment that does nothing.

The three are timed by turns in one process, so that a machine that speeds up or slows down treats them alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.vec_env import VecEnv

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
"""Updates of a timed piece: collecting and learning."""


@kernel
def speed_reward(telemetry, out):  # type: ignore[no-untyped-def]
    """A reward that costs next to nothing: measured speed, halved off the road."""
    for n in range(len(telemetry)):
        row = telemetry[n]
        out[n] = row.speed_measured if row.all_wheels_on_track else 0.5 * row.speed_measured


class NullVecEnv(VecEnv):
    """Takes actions and gives the same observations, rewards of 0 and no ends."""

    def __init__(self, like: VecEnv) -> None:
        """Of the same shape as `like`."""
        super().__init__(like.num_envs, like.observation_space, like.action_space)
        rng = np.random.default_rng(0)
        assert hasattr(self.observation_space, "spaces")
        self._observation = {
            key: rng.standard_normal((self.num_envs, *space.shape)).astype(np.float32)
            for key, space in self.observation_space.spaces.items()
        }
        self._rewards = np.zeros(self.num_envs, np.float32)
        self._dones = np.zeros(self.num_envs, np.bool_)
        self._infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]

    def reset(self) -> dict[str, NDArray[np.float32]]:
        """Return the observations."""
        return {key: value.copy() for key, value in self._observation.items()}

    def step_async(self, actions: NDArray[Any]) -> None:
        """Nothing."""

    def step_wait(self) -> Any:
        """Return the same observations, rewards of 0 and no ends."""
        return self.reset(), self._rewards.copy(), self._dones.copy(), self._infos

    def close(self) -> None:
        """Nothing."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return None: the worlds have no attributes."""
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Nothing."""

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Nothing."""
        return [None] * self.num_envs

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Never."""
        return [False] * self.num_envs


def bench_train(
    track: str | None = None,
    *,
    settings: Sequence[str] = (),
    updates: int = UPDATES,
    rounds: int = ROUNDS,
    laps_min: int = 1,
    tell: StatusCallback = ignore_status,
) -> dict[str, float]:
    """Measure `train.*`: control steps per second of wall time, learning included, with the shipped default config.

    Args:
        track: name or file; None for the configuration's.
        settings: `key.key=value` on top of the configuration, for a quick test.
        updates: of each timed piece.
        laps_min: laps that the cars must have driven in the last round, by each reward.

    Raises:
        RacerError: the cars did not learn to lap, so nothing like a training was measured.
    """
    config = read_train("default", settings=settings, changes={"track": track})
    torch.set_num_threads(config.train.torch_threads)
    rewards: dict[str, Any] = {
        "train.null_env_steps_per_s": None,
        "train.steps_per_s": KernelReward(speed_reward),
        "train.steps_per_s_python_reward": load_reward("default", n_worlds=config.train.worlds, path="python"),
    }
    pairs = {key: _model(config, reward) for key, reward in rewards.items()}
    once = config.ppo.n_steps * config.train.worlds
    rates: dict[str, list[float]] = {key: [] for key in pairs}
    for number in range(rounds + 1):
        tell(f"train: round {number} of {rounds}" if number else "train: warming up")
        for key, (model, adapter) in pairs.items():
            adapter.finished = []
            steps = updates * once if number else once
            began = time.perf_counter()
            model.learn(steps, reset_num_timesteps=False)
            if number:
                rates[key].append(steps / (time.perf_counter() - began))
    for key, (_, adapter) in pairs.items():
        laps = sum(episode.status == EpisodeStatus.LAP_COMPLETE.word for episode in adapter.finished)
        if rewards[key] is not None and laps < laps_min:
            raise RacerError(f"bench: the cars of {key} drove {laps} laps in the last round; the figures mean nothing")
    return {key: round(statistics.median(values)) for key, values in rates.items()}


def _model(config: TrainConfig, reward: Any) -> tuple[PPO | SAC, RacerVecEnv]:
    """Return PPO and the environment behind it; without a reward PPO drives a null one of the same shape."""
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
    env = NullVecEnv(adapter) if reward is None else adapter
    contract = training_contract(config, run="bench", hashes={})
    budget = TrainingBudget(config.train.total_steps, None)
    return make_model(config, normalize_rewards(env, config.ppo.gamma), contract, budget), adapter
