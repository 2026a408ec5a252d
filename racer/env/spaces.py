"""Gymnasium spaces of the sensors and of the actions."""

from __future__ import annotations

import math

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from racer.config.actions import ContinuousActions, DiscreteActions
from racer.config.env import EnvConfig
from racer.sim.observe import field_names

AnyActions = ContinuousActions | DiscreteActions


def observation_space(config: EnvConfig) -> spaces.Dict:
    """A Dict with the chosen sensors: `state` (8 + 4 K,) and `lidar` (rays,), float32, SI units."""
    parts: dict[str, spaces.Space] = {}
    if "state" in config.sensors:
        width = len(field_names(len(config.look_ahead)))
        parts["state"] = spaces.Box(-math.inf, math.inf, (width,), np.float32)
    if "lidar" in config.sensors:
        lidar = config.lidar
        parts["lidar"] = spaces.Box(lidar.range_min, lidar.range_max, (lidar.rays,), np.float32)
    return spaces.Dict(parts)


def action_space(actions: AnyActions) -> spaces.Box | spaces.Discrete:
    """Continuous: Box of degrees (left positive) and m/s. Discrete: the place in the list of actions."""
    if isinstance(actions, DiscreteActions):
        return spaces.Discrete(len(actions.table))
    return spaces.Box(np.array(actions.low, np.float32), np.array(actions.high, np.float32), dtype=np.float32)


class Commands:
    """Turns actions of the space into commands, (N, 2) float64 degrees and m/s."""

    def __init__(self, actions: AnyActions) -> None:
        self._table = np.array(actions.table) if isinstance(actions, DiscreteActions) else None
        self._low, self._high = np.array(actions.low), np.array(actions.high)

    def __call__(self, actions: NDArray[np.generic]) -> NDArray[np.float64]:
        """Commands of a batch of actions; continuous ones are clipped to the space.

        Raises:
            ValueError: an action is NaN, or not in the list.
        """
        if self._table is not None:
            index = np.asarray(actions).reshape(-1)
            if index.dtype.kind not in "iu":
                raise ValueError(f"discrete actions are whole numbers, not {index.dtype}")
            if index.size and not (0 <= index.min() and index.max() < len(self._table)):
                raise ValueError(
                    f"actions are 0..{len(self._table) - 1}, one is outside: {index.tolist()[:8]}"
                )
            return self._table[index]
        values = np.asarray(actions, np.float64).reshape(-1, 2)
        if np.isnan(values).any():
            raise ValueError(
                "an action is NaN: the policy's network has diverged, or its observation is broken"
            )
        return np.clip(values, self._low, self._high)
