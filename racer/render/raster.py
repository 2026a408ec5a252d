"""Fill polygons of a picture with the exact coverage of the camera's renderer (`racer.sim.fill`).

Running sums down the columns give the winding number averaged over each pixel. The absolute value cut off at 1 fills
by the non-zero rule where the rings of a shape turn the same way. Edges that two rings share in opposite directions
cancel, so that a ribbon of triangles has no seams. Colours are mixed in linear light.

Paints marks and shapes in pixels with the simulator's exact anti-aliasing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from racer.sim.fill import SPARE, add_edge
from racer.sim.jit import device, kernel

_COVERAGE_MIN = 1e-6
_STEPS = 8191


def srgb_to_linear(colours: ArrayLike) -> NDArray[np.float64]:
    """Linear light 0..1 of sRGB values 0..255, of the same shape (IEC 61966-2-1)."""
    share = np.asarray(colours, dtype=np.float64) / 255.0
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def _encode_table() -> NDArray[np.uint8]:
    light = np.arange(_STEPS + 1) / _STEPS
    share = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(share * 255.0).astype(np.uint8)


_LINEAR = srgb_to_linear(np.arange(256))
_ENCODED = _encode_table()


@device
def _add_rings(sums: Any, points: Any, ring_starts: Any, first: int, stop: int, x0: int, y0: int) -> None:
    """Add the closed rings first..stop-1, seen from the corner (x0, y0), to `sums` (H + SPARE, W)."""
    for ring in range(first, stop):
        last = ring_starts[ring + 1] - 1
        xa, ya = points[last, 0] - x0, points[last, 1] - y0
        for k in range(ring_starts[ring], last + 1):
            xb, yb = points[k, 0] - x0, points[k, 1] - y0
            add_edge(sums, xa, ya, xb, yb, 1.0)
            xa, ya = xb, yb


@kernel
def polygon_coverage(points: Any, ring_starts: Any, out: Any) -> None:
    """Fill `out` (H, W) float64 with the coverage 0..1 of one shape; see `paint` for the arguments."""
    height, width = out.shape
    sums = np.zeros((height + SPARE, width))
    _add_rings(sums, points, ring_starts, 0, len(ring_starts) - 1, 0, 0)
    winding = np.zeros(width)
    for row in range(height):
        for column in range(width):
            winding[column] += sums[row, column]
            out[row, column] = min(abs(winding[column]), 1.0)


@kernel
def fill_polygons(image: Any, points: Any, ring_starts: Any, shape_starts: Any, colours: Any) -> None:
    """Paint shapes over `image` (H, W, 3) uint8 sRGB, one after the other.

    Args:
        image: painted in place.
        points: (P, 2) float64 vertices in pixels.
        ring_starts: (R + 1,) int64; ring r is the polygon of points ring_starts[r] to ring_starts[r + 1] - 1.
        shape_starts: (S + 1,) int64; the rings of each shape, which are filled together.
        colours: (S, 4) float64; red, green, blue in linear light and opacity, 0..1.
    """
    room = np.zeros(0)
    for shape in range(len(shape_starts) - 1):
        first, stop = shape_starts[shape], shape_starts[shape + 1]
        x_min, x_max, y_min, y_max = math.inf, -math.inf, math.inf, -math.inf
        for k in range(ring_starts[first], ring_starts[stop]):
            x_min, x_max = min(x_min, points[k, 0]), max(x_max, points[k, 0])
            y_min, y_max = min(y_min, points[k, 1]), max(y_max, points[k, 1])
        if not (x_min < image.shape[1] and x_max > 0.0 and y_min < image.shape[0] and y_max > 0.0):
            continue
        x0, y0 = int(max(x_min, 0.0)), int(max(y_min, 0.0))
        width = math.ceil(min(x_max, float(image.shape[1]))) - x0
        height = math.ceil(min(y_max, float(image.shape[0]))) - y0
        rows = height + SPARE + 1  # the last one holds the running sums
        if rows * width > len(room):
            room = np.zeros(rows * width)
        sums = room[: rows * width].reshape(rows, width)
        winding = sums[rows - 1]
        _add_rings(sums[: rows - 1], points, ring_starts, first, stop, x0, y0)
        opacity = colours[shape, 3]
        for row in range(height):
            for column in range(width):
                winding[column] += sums[row, column]
                share = min(abs(winding[column]), 1.0) * opacity
                if share > 1.0 - _COVERAGE_MIN:
                    share = 1.0
                if share > _COVERAGE_MIN:
                    for channel in range(3):
                        under = _LINEAR[image[y0 + row, x0 + column, channel]]
                        light = under + (colours[shape, channel] - under) * share
                        image[y0 + row, x0 + column, channel] = _ENCODED[int(light * _STEPS + 0.5)]
        sums[:] = 0.0


Image = NDArray[np.uint8]
Points = NDArray[np.float64]


def paint_polygons(image: Image, rings: Points, colours: ArrayLike, opacity: ArrayLike) -> None:
    """Paint rings (P, V, 2) in pixels one after the other; colours (P, 3) sRGB, opacity (P,)."""
    count = len(rings)
    if count == 0:
        return
    paints = np.empty((count, 4))
    paints[:, :3] = srgb_to_linear(colours)
    paints[:, 3] = opacity
    starts = np.arange(count + 1) * rings.shape[1]
    fill_polygons(image, np.ascontiguousarray(rings.reshape(-1, 2)), starts, np.arange(count + 1), paints)


def paint_shape(image: Image, rings: Points, colour: ArrayLike, opacity: float = 1.0) -> None:
    """Paint rings (R, V, 2) in pixels together as one shape; all turn the same way."""
    count = len(rings)
    if count == 0:
        return
    paints = np.empty((1, 4))
    paints[:, :3] = srgb_to_linear(colour)
    paints[:, 3] = opacity
    starts = np.arange(count + 1) * rings.shape[1]
    fill_polygons(image, np.ascontiguousarray(rings.reshape(-1, 2)), starts, np.array([0, count]), paints)
