"""The sensors of a batch of cars: what each sees, delivered to its policy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.config.env import EnvConfig
from racer.config.sensors import LidarConfig
from racer.sim.lidar import Lidar, cast_rays, lidar_scratch, make_lidar
from racer.sim.world import World

Observation = dict[str, NDArray[Any]]


class Sensing:
    """The sensors of one configuration on the first car of each world.

    Attributes:
        observation: sensor -> (N, ...) buffers, rewritten by each `observe`.
    """

    def __init__(self, world: World, config: EnvConfig) -> None:
        """Make the buffers."""
        self._world = world
        worlds = len(world.cars)
        self.observation: Observation = {}
        self._look_ahead = np.array(config.look_ahead, np.float64)
        if "state" in config.sensors:
            width = len(world.state_names(len(config.look_ahead)))
            self.observation["state"] = np.zeros((worlds, width), np.float32)
        if "lidar" in config.sensors:
            self._lidar = _lidar(config.lidar)
            self._scratch = lidar_scratch(worlds, config.lidar.rays)
            self.observation["lidar"] = np.zeros((worlds, config.lidar.rays), np.float32)

    def observe(self, which: NDArray[np.bool_] | None = None) -> None:
        """Fill the buffers of all worlds, or of those that `which` (N,) marks."""
        world = self._world
        if "state" in self.observation:
            out = self.observation["state"][:, None]
            world.observe_state(self._look_ahead, out, None if which is None else which[:, None])
        if "lidar" in self.observation:
            if which is None:
                self._cast(0, len(world.cars))
            else:
                runs = np.flatnonzero(np.diff(which, prepend=False, append=False)).reshape(-1, 2)
                for first, last in runs.tolist():
                    self._cast(first, last)

    def _cast(self, first: int, last: int) -> None:
        world, tables = self._world, self._world.tables
        cast_rays(
            first,
            last,
            world.cars,
            world.objects,
            world.vehicles,
            tables.courses,
            tables.walls,
            tables.wall_groups,
            self._lidar,
            self._scratch,
            self.observation["lidar"][:, None],
        )


def _lidar(config: LidarConfig) -> Lidar:
    view = math.radians(config.view_deg)
    # A full turn has as many gaps as rays, a narrower view a ray on either edge, a single ray looks ahead.
    gaps = config.rays if config.view_deg == 360.0 else max(config.rays - 1, 1)
    return make_lidar(
        rays=config.rays,
        angle_first=-view / 2.0 if config.rays > 1 else 0.0,
        angle_step=view / gaps,
        range_min=config.range_min,
        range_max=config.range_max,
        noise_sigma=config.noise,
    )
