"""Lidars of the cars of a batch: delivers scans and sectors to the policies, late where configured."""

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
    """A lidar with the delivery of its scans.

    Attributes:
        ranges: Delivered ranges [m], shape (N, C, rays), float32.
        delivery: Number and age of the delivered scans; None where scans are taken at the control step.
    """

    def __init__(
        self, world: World, config: LidarConfig, *, past: PoseHistory | None, disturbances: Disturbances | None
    ) -> None:
        """Make the buffers; without a `past` every scan shows the present."""
        self._world = world
        self._disturbances = disturbances
        self._lidar = _lidar(config)
        self._scratch = lidar_scratch(len(world.cars), config.rays)
        self.ranges = np.zeros((*world.cars.shape, config.rays), np.float32)
        self.delivery = None if past is None else SensorLatency(world, past)
        bodies = world.cars.shape[1] + world.objects.shape[1]
        self._poses = np.zeros((*world.cars.shape, bodies, 3))
        self._past_cars, self._past_objects = world.cars.copy(), world.objects.copy()

    def start(self, which: NDArray[np.bool_]) -> None:
        """Prepare new episodes of the cars that `which` marks, shape (N, C)."""
        if self.delivery is not None and self._disturbances is not None:
            drawn = self._disturbances
            self.delivery.start(which, drawn.keys, _STREAM_NUMBER, drawn.values("lidar_delivery"))

    def observe(self, which: NDArray[np.bool_]) -> None:
        """Scan for the cars that `which` marks, shape (N, C), where a new scan is delivered."""
        world = self._world
        if self.delivery is None:
            self._scan(which, world.cars, world.objects)
            return
        fresh = self.delivery.deliver(which, self._poses)
        cars, objects = self._past_cars, self._past_objects
        for c in range(fresh.shape[1]):
            # Scans of different cars are of different times: restore all poses of this car's time.
            own = fresh & (np.arange(fresh.shape[1]) == c)
            world.run(restore_poses, c, own, self._poses, world.cars, world.objects, cars, objects)
            self._scan(own, cars, objects)
            # The noise was drawn from the stream of the copy.
            world.cars["rng"][own] = cars["rng"][own]

    def _scan(self, which: NDArray[np.bool_], cars: NDArray[np.void], objects: NDArray[np.void]) -> None:
        # The kernel takes a range of worlds: one call for each run of neighbouring worlds with a marked car.
        marked = which.any(axis=1)
        runs = np.flatnonzero(np.diff(marked, prepend=False, append=False)).reshape(-1, 2)
        batch = self._world.batch._replace(cars=cars, objects=objects)
        for first, last in runs.tolist():
            cast_rays(first, last, which, batch, self._world.tables, self._lidar, self._scratch, self.ranges)


def _lidar(config: LidarConfig) -> Lidar:
    view = math.radians(config.view_deg)
    # A full turn has as many gaps as rays, a narrower view a ray on either edge, a single ray points ahead.
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
"""Standard deviations of noise; an object farther than this beyond the limit is never read as nearer than it."""


class SectorLidarSensor:
    """A lidar that reports its scans by sectors.

    Attributes:
        sectors: Delivered zeros and ones, shape (N, C, sectors) or (N, C, sectors * values), float32.
        lidar: The lidar below; its range ends a little beyond the distance that counts.
    """

    def __init__(
        self,
        world: World,
        config: SectorLidarConfig | DiscretizedSectorLidarConfig,
        *,
        past: PoseHistory | None,
        disturbances: Disturbances | None,
    ) -> None:
        """Make the buffers; without a `past` every scan shows the present."""
        self._config = config
        limit = config.distance if isinstance(config, SectorLidarConfig) else config.clipping_dist
        lidar = LidarConfig(
            rays=config.rays,
            view_deg=config.view_deg,
            range_min=config.range_min,
            range_max=min(max(limit, config.range_min) + _NOISE_DEVIATIONS * config.noise + 0.01, 200.0),
            noise=config.noise,
        )
        self.lidar = LidarSensor(world, lidar, past=past, disturbances=disturbances)
        values = config.values if isinstance(config, DiscretizedSectorLidarConfig) else 1
        self.sectors: NDArray[np.float32] = np.zeros((*world.cars.shape, config.sectors * values), np.float32)

    def start(self, which: NDArray[np.bool_]) -> None:
        """Prepare new episodes of the cars that `which` marks, shape (N, C)."""
        self.lidar.start(which)

    def observe(self, which: NDArray[np.bool_]) -> None:
        """Scan for the cars that `which` marks, shape (N, C); the scans and sectors of the others stay."""
        self.lidar.observe(which)
        # Views of the same memory with one row for each car, shape (N C, ...).
        ranges = self.lidar.ranges.reshape(-1, self.lidar.ranges.shape[2])
        sectors = self.sectors.reshape(-1, self.sectors.shape[2])
        if isinstance(self._config, SectorLidarConfig):
            detect_sectors(ranges, self._config.distance, sectors)
        else:
            discretize_sectors(ranges, self._config.sectors, self._config.clipping_dist, sectors)
