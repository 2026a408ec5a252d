"""Sector lidars: the rays of a lidar, told by sectors of the view.

DeepRacer's simulator makes them from the 64 ranges of its lidar (simapp `markov/filters/observation`, the binary and
the discretizing filter): sector j holds the rays ``j * rays / sectors`` on, from the right edge of the view to the left
one, and what counts is the nearest thing in it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ranges = NDArray[np.float32]


def nearest_of_sectors(ranges: Ranges, sectors: int) -> Ranges:
    """Least range of each sector, (N, sectors), from (N, rays) metres; `sectors` divides the rays."""
    worlds, rays = ranges.shape
    return np.asarray(ranges.reshape(worlds, sectors, rays // sectors).min(axis=2))


def near_sectors(ranges: Ranges, distance: float, out: NDArray[np.float32]) -> None:
    """Fill `out` (N, sectors): 1 where something is nearer than `distance` metres, else 0."""
    np.less(nearest_of_sectors(ranges, out.shape[1]), np.float32(distance), out=out, casting="unsafe")


def discretized_sectors(ranges: Ranges, sectors: int, clipping_dist: float, out: NDArray[np.float32]) -> None:
    """Fill `out` (N, sectors * values) with one row of `values` numbers for each sector.

    Value k of a row is 1 where the nearest thing is in the k-th part of 0..`clipping_dist` metres; a row is all 0
    where it is at `clipping_dist` or beyond.
    """
    worlds = len(ranges)
    values = out.shape[1] // sectors
    nearest = nearest_of_sectors(ranges, sectors)
    seen = nearest < np.float32(clipping_dist)
    # Just below the end, rounding of the quotient may reach it.
    part = np.minimum((nearest * (values / clipping_dist)).astype(np.int64), values - 1)
    out[:] = (seen[:, :, None] & (part[:, :, None] == np.arange(values))).reshape(worlds, -1)
