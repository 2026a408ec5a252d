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
    """A Dict with the chosen sensors.

    `state` (8 + 4 K,) and `lidar` (rays,) are float32 in SI units, the sector lidars float32 zeros and ones; `camera`
    and `stereo` (height, width, channels) are uint8.
    """
    parts: dict[str, spaces.Space] = {}
    if "state" in config.sensors:
        width = len(field_names(len(config.look_ahead)))
        parts["state"] = spaces.Box(-math.inf, math.inf, (width,), np.float32)
    if "lidar" in config.sensors:
        lidar = config.lidar
        parts["lidar"] = spaces.Box(lidar.range_min, lidar.range_max, (lidar.rays,), np.float32)
    for name, width in (
        ("sector_lidar", config.sector_lidar.sectors),
        ("discretized_sector_lidar", config.discretized_sector_lidar.sectors * config.discretized_sector_lidar.values),
    ):
        if name in config.sensors:
            parts[name] = spaces.Box(0.0, 1.0, (width,), np.float32)
    for name, lenses in (("camera", 1), ("stereo", 2)):
        if name in config.sensors:
            camera = config.camera
            shape = (camera.height, camera.width, lenses * camera.channels)
            parts[name] = spaces.Box(0, 255, shape, np.uint8)
    return spaces.Dict(parts)


def action_space(actions: AnyActions) -> spaces.Box | spaces.Discrete:
    """Continuous: Box of degrees (left positive) and m/s. Discrete: the place in the list of actions."""
    if isinstance(actions, DiscreteActions):
        return spaces.Discrete(len(actions.table))
    return spaces.Box(np.array(actions.low, np.float32), np.array(actions.high, np.float32), dtype=np.float32)


class Commands:
    """Turns actions of the space into commands, (N, 2) float64 degrees and m/s."""

    def __init__(self, actions: AnyActions, *, worlds: int) -> None:
        """`worlds` is N."""
        self._worlds = worlds
        self._table = np.array(actions.table) if isinstance(actions, DiscreteActions) else None
        self._low, self._high = np.array(actions.low), np.array(actions.high)

    def __call__(self, actions: NDArray[np.generic]) -> NDArray[np.float64]:
        """Commands of a batch of actions; continuous ones are clipped to the space.

        Raises:
            ValueError: of another shape or type, an action is NaN, or not in the list.
        """
        given = np.asarray(actions)
        shape = (self._worlds,) if self._table is not None else (self._worlds, 2)
        if given.shape != shape:
            raise ValueError(f"actions have shape {given.shape}; this environment takes {shape}")
        if self._table is not None:
            if given.dtype.kind not in "iu":
                raise ValueError(f"discrete actions are whole numbers, not {given.dtype}")
            outside = (given < 0) | (given >= len(self._table))
            if outside.any():
                raise ValueError(f"actions are 0..{len(self._table) - 1}, not {given[outside][0]}")
            return self._table[given]
        if given.dtype.kind not in "fiu":
            raise ValueError(f"continuous actions are numbers, not {given.dtype}")
        values = given.astype(np.float64)
        if np.isnan(values).any():
            raise ValueError("an action is NaN: the policy's network has diverged, or its observation is broken")
        return np.clip(values, self._low, self._high)
