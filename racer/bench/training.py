"""Measures training: PPO on the environment against the same PPO on an environment that does nothing.

The three are timed by turns in one process, so that a machine that speeds up or slows down treats them alike.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from racer.bench.measure import ROUNDS
from racer.config.read import read_train
from racer.config.train import TrainConfig
from racer.env.vector import RacerVectorEnv
from racer.reward.seam import KernelReward
from racer.sim.jit import kernel
from racer.train.adapter import RacerVecEnv
from racer.train.ppo import Budget, contract_for, make_ppo, normalised

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

    def reset(self) -> dict[str, NDArray[np.float32]]:  # type: ignore[override]
        """The observations."""
        return {key: value.copy() for key, value in self._observation.items()}

    def step_async(self, actions: NDArray[Any]) -> None:
        """Nothing."""

    def step_wait(self) -> Any:
        """The same again."""
        return self.reset(), self._rewards.copy(), self._dones.copy(), self._infos

    def close(self) -> None:
        """Nothing."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Nothing is known of any world."""
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Nothing."""

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Nothing."""
        return [None] * self.num_envs

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Never."""
        return [False] * self.num_envs


def bench_train(track: str | None = None) -> dict[str, float]:
    """`train.*`: control steps per second of wall time, learning included, with the shipped default config."""
    config = read_train("default", changes={"track": track})
    import torch

    torch.set_num_threads(config.train.torch_threads)
    models = {
        "train.null_env_steps_per_s": _model(config, null=True, reward=None),
        "train.steps_per_s": _model(config, null=False, reward=KernelReward(speed_reward)),
        "train.steps_per_s_python_reward": _model(config, null=False, reward="default"),
    }
    steps = UPDATES * config.ppo.n_steps * config.train.worlds
    rates: dict[str, list[float]] = {key: [] for key in models}
    for key, model in models.items():
        model.learn(config.ppo.n_steps * config.train.worlds)
        assert rates[key] == []
    for _ in range(ROUNDS):
        for key, model in models.items():
            began = time.perf_counter()
            model.learn(steps, reset_num_timesteps=False)
            rates[key].append(steps / (time.perf_counter() - began))
    return {key: float(round(statistics.median(values))) for key, values in rates.items()}


def _model(config: TrainConfig, *, null: bool, reward: Any):  # type: ignore[no-untyped-def]
    env: VecEnv = RacerVecEnv(
        RacerVectorEnv(
            config.train.worlds,
            track=list(config.track),
            reward=reward,
            vehicle=config.vehicle,
            actions=config.action_space,
            config=config.env,
            autoreset_mode="SameStep",
        )
    )
    if null:
        env = NullVecEnv(env)
    contract = contract_for(config, run="bench", hashes={})
    return make_ppo(config, normalised(env, config.ppo.gamma), contract, Budget(config.train.total_steps, None))
