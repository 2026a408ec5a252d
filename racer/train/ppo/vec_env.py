"""Adapts racer's vector environment to stable-baselines3.

SB3 stores a batch of observations one step after receiving it, so every returned batch is a separate copy. It expects
an ended world to start again in the same step, with the last observation of the episode in `terminal_observation`.
Pictures are returned as the network takes them: preprocessed, frames stacked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from racer.config.actions import DiscreteActions
from racer.contract import PolicyContract
from racer.env.vector import RacerVectorEnv
from racer.export.network import observation_space
from racer.preprocess import Preprocessor


@dataclass(frozen=True, slots=True)
class EpisodeSummary:
    """Result of one episode.

    Attributes:
        reward: Sum of the raw rewards.
        steps: Number of control steps.
        progress: Driven part of the lap [%].
        status: How it ended: the word of an `EpisodeStatus`.
        time_s: Simulated duration [s].
    """

    reward: float
    steps: int
    progress: float
    status: str
    time_s: float


class RacerVecEnv(VecEnv):
    """`RacerVectorEnv` in SAME_STEP mode as an SB3 `VecEnv`.

    A continuous policy acts in -1..1, which is mapped to the action space's own range.

    Attributes:
        finished: Episodes that ended since the list was last cleared.
        raw_observation: The last observation, before the preprocessing.
    """

    def __init__(self, env: RacerVectorEnv, contract: PolicyContract | None = None) -> None:
        """Wrap an environment whose `autoreset_mode` is SAME_STEP.

        Args:
            env: The environment.
            contract: Contract of the policy, whose network gets preprocessed observations; None for the sensors' own.

        Raises:
            ValueError: The environment resets in another way.
        """
        if env.autoreset_mode.value != "SameStep":
            raise ValueError("SB3 resets in the same step: make the environment with autoreset_mode=SAME_STEP")
        self.env = env
        self._discrete = isinstance(env.actions, DiscreteActions)
        action_space: spaces.Space[Any] = env.single_action_space
        if not self._discrete:
            self._half_low, self._half_high = 0.5 * np.array(env.actions.low), 0.5 * np.array(env.actions.high)
            action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        space = env.single_observation_space
        self._preprocess: Preprocessor | None = None
        if contract is not None:
            space = observation_space(contract)
            # By name: policy and value network may share a sensor, which is preprocessed once.
            sensors = {sensor.name: sensor for sensor in (*contract.sensors, *contract.network.value_sensors)}
            self._preprocess = Preprocessor(tuple(sensors.values()), contract.preprocessing)
        super().__init__(env.num_envs, space, action_space)
        self.finished: list[EpisodeSummary] = []
        self.raw_observation: dict[str, NDArray[Any]] = {}
        self._infos: list[dict[str, Any]] = [{} for _ in range(env.num_envs)]
        self._sums = np.zeros(env.num_envs)
        self._counts = np.zeros(env.num_envs, np.int64)
        self._actions: NDArray[Any] = np.zeros(0)
        self._seed: int | None = None

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed the next reset; one seed serves the whole batch."""
        self._seed = seed
        return [seed] * self.num_envs

    def reset(self) -> dict[str, NDArray[Any]]:
        """Start new episodes everywhere."""
        observation, _ = self.env.reset(seed=self._seed)
        self._seed = None
        self._sums[:], self._counts[:] = 0.0, 0
        if self._preprocess is not None:
            # New episodes begin with an empty frame ring.
            self._preprocess.reset()
        return self._inputs(observation)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions for `step_wait`."""
        if not self._discrete:
            # -1 and 1 give the ends of the range exactly, without a rounding error that the environment would clip.
            fractions = np.asarray(actions, np.float64)
            actions = (1.0 - fractions) * self._half_low + (1.0 + fractions) * self._half_high
        self._actions = actions

    def step_wait(self) -> Any:
        """Step all worlds; return (observation, rewards (N,), dones (N,), infos)."""
        observation, rewards, terminated, truncated, info = self.env.step(self._actions)
        # Before SB3 normalises the rewards: episodes report the raw sums.
        self._sums += rewards
        self._counts += 1
        dones = terminated | truncated
        infos = self._infos  # one empty dictionary for each world; SB3 only reads them
        if dones.any():
            infos = infos.copy()
            for n in np.flatnonzero(dones):
                infos[n] = self._finish(int(n), info, bool(truncated[n]))
            self._sums[dones], self._counts[dones] = 0.0, 0
            if self._preprocess is not None:
                self._preprocess.reset(dones)
        return self._inputs(observation), rewards.astype(np.float32), dones, infos

    def _inputs(self, observation: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        self.raw_observation = observation
        return observation if self._preprocess is None else self._preprocess(observation)

    def _finish(self, n: int, info: dict[str, Any], cut_off: bool) -> dict[str, Any]:
        """Record the episode that ended in world `n`; return the info that SB3 expects of it."""
        final = info["final_info"]
        episode = EpisodeSummary(
            float(self._sums[n]),
            int(self._counts[n]),
            float(final["progress"][n]),
            str(final["status"][n]),
            float(final["time_s"][n]),
        )
        self.finished.append(episode)
        # SB3 bootstraps the value of a truncated episode from its last observation.
        last = info["final_obs"][n]
        if self._preprocess is not None:
            last = self._preprocess.peek(last, n)
        return {
            "terminal_observation": {key: value.copy() for key, value in last.items()},
            "TimeLimit.truncated": cut_off,
            "episode": {"r": episode.reward, "l": episode.steps, "t": episode.time_s},
        }

    def close(self) -> None:
        """End the environment."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of the batch, once for each world."""
        return [getattr(self.env, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set an attribute of the batch."""
        setattr(self.env, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Call a method of the batch, once."""
        return [getattr(self.env, method_name)(*args, **kwargs)]

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """Return False for each world: the batch has no Gymnasium wrappers."""
        return [False] * len(list(self._get_indices(indices)))
