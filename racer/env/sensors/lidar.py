"""The lidars of the cars of a batch: scans as they reach their policies, late or as they are.

Sector lidars of the cars of a batch: lidars whose scans are told by sectors.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from racer.config.env import DiscretizedSectorLidarConfig, LidarConfig, SectorLidarConfig
from racer.sim.lidar import Lidar, cast_rays, detect_sectors, discretize_sectors, lidar_scratch, make_lidar
from racer.sim.randomize.distributions import Disturbances
from racer.sim.randomize.latency import SensorLatency
from racer.sim.randomize.pose_history import PoseHistory, restore_poses
from racer.sim.world import World

_STREAM_NUMBER = 1
"""Number of the sensor among those of a car."""


class LidarSensor:
    """A lidar, and the way of its scans.

    Attributes:
        ranges: (N, C, rays) float32, m, as delivered.
        delivery: which scan was delivered, and how old it is; None where scans are taken at the control step.
    """

    def __init__(
        self, world: World, config: LidarConfig, *, past: PoseHistory | None, disturbances: Disturbances | None
    ) -> None:
        """Make the buffers; without a `past` every scan is of the present."""
        self._world = world
        self._disturbances = disturbances
        self._lidar = _lidar(config)
        self._scratch = lidar_scratch(len(world.cars), config.rays)
        self.ranges = np.zeros((*world.cars.shape, config.rays), np.float32)
        self.delivery = None if past is None else SensorLatency(world, past)
        things = world.cars.shape[1] + world.objects.shape[1]
        self._seen = np.zeros((*world.cars.shape, things, 3))
        self._cars_then, self._objects_then = world.cars.copy(), world.objects.copy()

    def start(self, which: NDArray[np.bool_]) -> None:
        """New episodes of the cars that `which` (N, C) marks have begun."""
        if self.delivery is not None and self._disturbances is not None:
            given = self._disturbances
            self.delivery.start(which, given.keys, _STREAM_NUMBER, given.values("lidar_delivery"))

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
            world.run(restore_poses, me, mine, self._seen, world.cars, world.objects, cars, objects)
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


_NOISE_DEVIATIONS = 8.0
"""Standard deviations of the noise: what is farther beyond the distance that counts is never read as nearer."""


class SectorLidarSensor:
    """A lidar by sectors.

    Attributes:
        sectors: (N, C, sectors) or (N, C, sectors * values) float32, zeros and ones, as delivered.
        lidar: the lidar below; it looks only a little farther than what counts.
    """

    def __init__(
        self,
        world: World,
        config: SectorLidarConfig | DiscretizedSectorLidarConfig,
        *,
        past: PoseHistory | None,
        disturbances: Disturbances | None,
    ) -> None:
        """Make the buffers; without a `past` every scan is of the present."""
        self._config = config
        counts = config.distance if isinstance(config, SectorLidarConfig) else config.clipping_dist
        lidar = LidarConfig(
            rays=config.rays,
            view_deg=config.view_deg,
            range_min=config.range_min,
            range_max=min(max(counts, config.range_min) + _NOISE_DEVIATIONS * config.noise + 0.01, 200.0),
            noise=config.noise,
        )
        self.lidar = LidarSensor(world, lidar, past=past, disturbances=disturbances)
        values = config.values if isinstance(config, DiscretizedSectorLidarConfig) else 1
        self.sectors: NDArray[np.float32] = np.zeros((*world.cars.shape, config.sectors * values), np.float32)

    def start(self, which: NDArray[np.bool_]) -> None:
        """New episodes of the cars that `which` (N, C) marks have begun."""
        self.lidar.start(which)

    def observe(self, which: NDArray[np.bool_]) -> None:
        """Scan anew for the cars that `which` (N, C) marks; the others' scans, and so their sectors, stay."""
        self.lidar.observe(which)
        # A row for each car, (N C, ...): the same memory.
        ranges = self.lidar.ranges.reshape(-1, self.lidar.ranges.shape[2])
        sectors = self.sectors.reshape(-1, self.sectors.shape[2])
        if isinstance(self._config, SectorLidarConfig):
            detect_sectors(ranges, self._config.distance, sectors)
        else:
            discretize_sectors(ranges, self._config.sectors, self._config.clipping_dist, sectors)
