"""The lidar of the first car of each world: scans as they reach its policy, late or as they are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from racer.config.sensors import LidarConfig
from racer.sim.disturb import Disturbances
from racer.sim.disturb_delivery import Delivery
from racer.sim.disturb_past import Past, put_back
from racer.sim.lidar import Lidar, cast_rays, lidar_scratch, make_lidar
from racer.sim.world import World

_SENSOR = 1
"""Number of the sensor among those of a car."""


class LidarSensing:
    """A lidar, and the way of its scans.

    Attributes:
        ranges: (N, rays) float32, m, as delivered.
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
        self.ranges = np.zeros((len(world.cars), config.rays), np.float32)
        self.delivery = None if past is None else Delivery(world, past)
        things = world.cars.shape[1] + world.objects.shape[1]
        self._seen = np.zeros((*world.cars.shape, things, 3))
        self._cars_then, self._objects_then = world.cars.copy(), world.objects.copy()

    def start(self, which: NDArray[np.bool_]) -> None:
        """New episodes have begun in the worlds that `which` (N,) marks."""
        if self.delivery is not None and self._disturbances is not None:
            given = self._disturbances
            self.delivery.start(which[:, None], given.keys, _SENSOR, given.values("lidar_delivery"))

    def observe(self, which: NDArray[np.bool_]) -> None:
        """Scan anew in the worlds that `which` (N,) marks, where the scan that is delivered is a new one."""
        world = self._world
        if self.delivery is None:
            self._scan(which, world.cars, world.objects)
            return
        fresh = self.delivery.see(which, self._seen)
        cars, objects = self._cars_then, self._objects_then
        world.run(put_back, fresh, self._seen, world.cars, world.objects, cars, objects)
        self._scan(fresh, cars, objects)
        world.cars["rng"][fresh] = cars["rng"][fresh]

    def _scan(self, which: NDArray[np.bool_], cars: NDArray[np.void], objects: NDArray[np.void]) -> None:
        runs = np.flatnonzero(np.diff(which, prepend=False, append=False)).reshape(-1, 2)
        for first, last in runs.tolist():
            self._cast(first, last, cars, objects)

    def _cast(self, first: int, last: int, cars: NDArray[np.void], objects: NDArray[np.void]) -> None:
        world, tables = self._world, self._world.tables
        cast_rays(
            first,
            last,
            cars,
            objects,
            world.vehicles,
            tables.courses,
            tables.walls,
            tables.wall_groups,
            self._lidar,
            self._scratch,
            self.ranges[:, None],
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
