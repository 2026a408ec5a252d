"""The single Gymnasium environment: a view of one world of the vector environment.

Both run the same physics, so its numbers equal those of world 0 of a batch, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from racer.env.batch import Observation
from racer.env.vector import RacerVectorEnv, check_options


class RacerEnv(gymnasium.Env[Observation, Any]):
    """One car on its track; arguments, spaces and episodes as in `RacerVectorEnv`."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 (Gymnasium's own form)

    def __init__(self, *, render_mode: str | None = None, **options: Any) -> None:
        """Take the arguments of `RacerVectorEnv` except `num_envs` and `autoreset_mode`.

        The default of `reward_path` is `python`: compiling pays off with many worlds only.
        """
        options.setdefault("reward_path", "python")
        # Gymnasium's own wrappers reset a single environment, so the batch must not.
        self.vector = RacerVectorEnv(1, render_mode=render_mode, autoreset_mode=AutoresetMode.DISABLED, **options)
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": self.vector.metadata["render_fps"]}
        self.render_mode = render_mode
        self.observation_space = self.vector.single_observation_space
        self.action_space = self.vector.single_action_space

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start a new episode.

        Args:
            seed: Seed of the streams.
            options: ``start_poses``, shape (4,) or (1, 4), as in `RacerVectorEnv.reset`.

        Raises:
            ValueError: An unknown option, or a pose that is not on a track.
        """
        check_options(options, ("start_poses",))
        if options and options.get("start_poses") is not None:
            poses = options["start_poses"]
            # One row for the one world; another shape gets the message of the batch.
            options = {"start_poses": [poses] if np.ndim(poses) == 1 else poses}
        # Seeds `np_random`, which Gymnasium's checks compare; the simulator has its own streams.
        super().reset(seed=seed)
        observation, info = self.vector.reset(seed=seed, options=options)
        return _first_observation(observation), _first_info(info)

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Hold an action for one control step."""
        observation, reward, terminated, truncated, info = self.vector.step(np.asarray(action)[None])
        first = float(reward[0]), bool(terminated[0]), bool(truncated[0])
        return _first_observation(observation), *first, _first_info(info)

    def render(self) -> NDArray[np.uint8] | None:
        """Return a picture from above, shape (H, W, 3), uint8; None without a render mode."""
        pictures = self.vector.render()
        return None if pictures is None else pictures[0]


def _first_observation(batch: Observation) -> Observation:
    return {sensor: values[0] for sensor, values in batch.items()}


def _first_info(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Return plain Python values of the first world, without the masks of the batch (`_key`)."""
    return {key: values.tolist()[0] for key, values in batch.items() if not key.startswith("_")}
