"""A policy that draws its actions; the least that a race or a test needs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from racer.config.actions import ContinuousActions, DiscreteActions
from racer.contract import SensorSpec, state_sensor


class RandomPolicy:
    """Draws every action evenly from an action space, from a seed; a full reset starts the stream again."""

    name = "random"
    control_rate_hz = None

    def __init__(self, action_space: ContinuousActions | DiscreteActions | None = None, *, seed: int = 0) -> None:
        self.action_space = action_space or ContinuousActions()
        self.sensors: tuple[SensorSpec, ...] = (state_sensor(),)
        self._seed = seed
        self._random = np.random.default_rng(seed)

    def act(self, observation: Mapping[str, NDArray], /) -> NDArray[np.float32]:
        """(B, 2) float32 degrees and m/s; of the observation only the batch size is used."""
        batch = len(next(iter(observation.values())))
        if isinstance(self.action_space, DiscreteActions):
            table = np.asarray(self.action_space.table, dtype=np.float32)
            return table[self._random.integers(len(table), size=batch)]
        drawn = self._random.uniform(self.action_space.low, self.action_space.high, size=(batch, 2))
        return drawn.astype(np.float32)

    def reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Start the stream again where all cars start anew."""
        if mask is None:
            self._random = np.random.default_rng(self._seed)
