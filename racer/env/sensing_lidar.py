"""The lidars of the cars of a batch: scans as they reach their policies, late or as they are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from racer.config.sensors import LidarConfig
from racer.sim.disturb.delivery import Delivery
from racer.sim.disturb.disturb import Disturbances
from racer.sim.disturb.past import Past, put_back
from racer.sim.lidar import Lidar, cast_rays, lidar_scratch, make_lidar
from racer.sim.world import World

_SENSOR = 1
"""Number of the sensor among those of a car."""


class LidarSensing:
    """A lidar, and the way of its scans.

    Attributes:
        ranges: (N, C, rays) float32, m, as delivered.
        delivery: which scan was delivered, and how old it is; None where scans are taken at the control step.
    """

    def __init__(
        self, world: World, config: LidarConfig, *, past: Past | None, disturbances: Disturbances | None
    ) -> None:
        """Make the buffers; without a `past` every scan is of the present."""
        self._world = world
        self._disturbances = disturbances
        self._lidar = _lidar(config)
        self._scratch = lidar_scratch(len(world.cars), config.rays)
        self.ranges = np.zeros((*world.cars.shape, config.rays), np.float32)
        self.delivery = None if past is None else Delivery(world, past)
        things = world.cars.shape[1] + world.objects.shape[1]
        self._seen = np.zeros((*world.cars.shape, things, 3))
        self._cars_then, self._objects_then = world.cars.copy(), world.objects.copy()

    def start(self, which: NDArray[np.bool_]) -> None:
        """New episodes of the cars that `which` (N, C) marks have begun."""
        if self.delivery is not None and self._disturbances is not None:
            given = self._disturbances
            self.delivery.start(which, given.keys, _SENSOR, given.values("lidar_delivery"))

    def observe(self, which: NDArray[np.bool_]) -> None:
        """Scan anew for the cars that `which` (N, C) marks, where the scan that is delivered is a new one."""
        world = self._world
        if self.delivery is None:
            self._scan(which, world.cars, world.objects)
            return
        fresh = self.delivery.see(which, self._seen)
        cars, objects = self._cars_then, self._objects_then
        for me in range(fresh.shape[1]):
            # Each car's scan is of a past of its own.
            mine = fresh & (np.arange(fresh.shape[1]) == me)
            world.run(put_back, me, mine, self._seen, world.cars, world.objects, cars, objects)
            self._scan(mine, cars, objects)
            world.cars["rng"][mine] = cars["rng"][mine]

    def _scan(self, which: NDArray[np.bool_], cars: NDArray[np.void], objects: NDArray[np.void]) -> None:
        marked = which.any(axis=1)
        runs = np.flatnonzero(np.diff(marked, prepend=False, append=False)).reshape(-1, 2)
        for first, last in runs.tolist():
            self._cast(first, last, which, cars, objects)

    def _cast(
        self, first: int, last: int, which: NDArray[np.bool_], cars: NDArray[np.void], objects: NDArray[np.void]
    ) -> None:
        world, tables = self._world, self._world.tables
        cast_rays(
            first,
            last,
            which,
            cars,
            objects,
            world.vehicles,
            tables.courses,
            tables.walls,
            tables.wall_groups,
            self._lidar,
            self._scratch,
            self.ranges,
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
