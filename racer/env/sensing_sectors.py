"""Sector lidars of the cars of a batch: lidars whose scans are told by sectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from racer.config.sensors import DiscretizedSectorLidarConfig, LidarConfig, SectorLidarConfig
from racer.env.sensing_lidar import LidarSensing
from racer.sim.disturb.disturb import Disturbances
from racer.sim.disturb.past import Past
from racer.sim.sector_lidar import discretized_sectors, near_sectors
from racer.sim.world import World

_DEVIATIONS = 8.0
"""Standard deviations of the noise: what is farther beyond the distance that counts is never read as nearer."""


class SectorSensing:
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
        past: Past | None,
        disturbances: Disturbances | None,
    ) -> None:
        """Make the buffers; without a `past` every scan is of the present."""
        self._config = config
        counts = config.distance if isinstance(config, SectorLidarConfig) else config.clipping_dist
        lidar = LidarConfig(
            rays=config.rays,
            view_deg=config.view_deg,
            range_min=config.range_min,
            range_max=min(max(counts, config.range_min) + _DEVIATIONS * config.noise + 0.01, 200.0),
            noise=config.noise,
        )
        self.lidar = LidarSensing(world, lidar, past=past, disturbances=disturbances)
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
            near_sectors(ranges, self._config.distance, sectors)
        else:
            discretized_sectors(ranges, self._config.sectors, self._config.clipping_dist, sectors)
