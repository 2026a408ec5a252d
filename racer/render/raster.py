"""Fills polygons of a picture with the exact coverage of the camera's renderer (`racer.sim.fill`).

Running sums down the columns give the winding number averaged over each pixel. Its absolute value, limited to 1, fills
by the non-zero rule where the rings of a shape have the same orientation. Edges that two rings weight in opposite
directions cancel, so that a ribbon of triangles has no seams. Colours are mixed in linear light.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from racer.sim.dtypes import Array
from racer.sim.fill import SPARE, add_edge
from racer.sim.jit import device, kernel

_COVERAGE_MIN = 1e-6
"""Coverage up to which a pixel keeps its colour; rounding of the sums leaves less."""
_STEPS = 8191
"""Steps of the table that encodes linear light; fine enough for each of the 256 levels near black."""

Image = NDArray[np.uint8]
"""Picture, shape (H, W, 3), sRGB."""
Points = NDArray[np.float64]
"""Points, shape (..., 2)."""


def srgb_to_linear(colours: ArrayLike) -> NDArray[np.float64]:
    """Return the linear light 0..1 of sRGB values 0..255, of any shape (IEC 61966-2-1)."""
    encoded = np.asarray(colours, dtype=np.float64) / 255.0
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def _encode_table() -> NDArray[np.uint8]:
    """Return the sRGB values of the linear light k / _STEPS, shape (_STEPS + 1,)."""
    light = np.arange(_STEPS + 1) / _STEPS
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(encoded * 255.0).astype(np.uint8)


_LINEAR = srgb_to_linear(np.arange(256))
_ENCODED = _encode_table()


@device
def _add_rings(points: Array, ring_starts: Array, first: int, stop: int, x0: int, y0: int, sums: Array) -> None:
    """Add the closed rings `first` to `stop` - 1 to `sums` (H + SPARE, W), whose corner is the pixel (x0, y0)."""
    for ring in range(first, stop):
        last = ring_starts[ring + 1] - 1
        xa, ya = points[last, 0] - x0, points[last, 1] - y0
        for k in range(ring_starts[ring], last + 1):
            xb, yb = points[k, 0] - x0, points[k, 1] - y0
            add_edge(sums, xa, ya, xb, yb, 1.0)
            xa, ya = xb, yb


@kernel
def polygon_coverage(points: Array, ring_starts: Array, out: Array) -> None:
    """Fill `out` (H, W) float64 with the coverage 0..1 of one shape; other arguments as of `fill_polygons`."""
    height, width = out.shape
    sums = np.zeros((height + SPARE, width))
    _add_rings(points, ring_starts, 0, len(ring_starts) - 1, 0, 0, sums)
    winding = np.zeros(width)
    for row in range(height):
        for column in range(width):
            winding[column] += sums[row, column]
            out[row, column] = min(abs(winding[column]), 1.0)


@kernel
def fill_polygons(
    points: Array, ring_starts: Array, shape_starts: Array, colours: Array,
    # outputs
    image: Array,
) -> None:  # fmt: skip
    """Paint shapes over a picture, one after the other.

    Args:
        points: Vertices [pixels], shape (P, 2), float64.
        ring_starts: First point of each ring and the end, shape (R + 1,), int64.
        shape_starts: First ring of each shape and the end, shape (S + 1,), int64; rings of a shape are filled together.
        colours: Red, green, blue in linear light and opacity, 0..1, shape (S, 4), float64.
        image: Picture, shape (H, W, 3), uint8 sRGB, painted in place.
    """
    buffer = np.zeros(0)
    for shape in range(len(shape_starts) - 1):
        first, stop = shape_starts[shape], shape_starts[shape + 1]
        x_min, x_max, y_min, y_max = math.inf, -math.inf, math.inf, -math.inf
        for k in range(ring_starts[first], ring_starts[stop]):
            x_min, x_max = min(x_min, points[k, 0]), max(x_max, points[k, 0])
            y_min, y_max = min(y_min, points[k, 1]), max(y_max, points[k, 1])
        # With NaN no comparison holds, and the shape is skipped.
        if not (x_min < image.shape[1] and x_max > 0.0 and y_min < image.shape[0] and y_max > 0.0):
            continue
        # Sums and pixels only within the box of the shape.
        x0, y0 = int(max(x_min, 0.0)), int(max(y_min, 0.0))
        width = math.ceil(min(x_max, float(image.shape[1]))) - x0
        height = math.ceil(min(y_max, float(image.shape[0]))) - y0
        rows = height + SPARE + 1  # the last one holds the running sums
        if rows * width > len(buffer):
            buffer = np.zeros(rows * width)
        sums = buffer[: rows * width].reshape(rows, width)
        winding = sums[rows - 1]
        _add_rings(points, ring_starts, first, stop, x0, y0, sums[: rows - 1])
        opacity = colours[shape, 3]
        for row in range(height):
            for column in range(width):
                winding[column] += sums[row, column]
                weight = min(abs(winding[column]), 1.0) * opacity
                if weight > 1.0 - _COVERAGE_MIN:
                    weight = 1.0
                if weight > _COVERAGE_MIN:
                    # Mixed in linear light, and encoded by the table.
                    for channel in range(3):
                        under = _LINEAR[image[y0 + row, x0 + column, channel]]
                        light = under + (colours[shape, channel] - under) * weight
                        image[y0 + row, x0 + column, channel] = _ENCODED[int(light * _STEPS + 0.5)]
        sums[:] = 0.0


def paint_polygons(image: Image, rings: Points, colours: ArrayLike, opacity: ArrayLike) -> None:
    """Paint rings [pixels], shape (P, V, 2), one after the other.

    Args:
        image: Picture, painted in place.
        rings: Polygons.
        colours: sRGB, shape (P, 3).
        opacity: 0..1, shape (P,).
    """
    _paint(image, rings, np.arange(len(rings) + 1), colours, opacity)


def paint_shape(image: Image, rings: Points, colour: ArrayLike, opacity: float = 1.0) -> None:
    """Paint rings [pixels], shape (R, V, 2), of one orientation together as one shape of an sRGB colour (3,)."""
    _paint(image, rings, np.array([0, len(rings)]), colour, opacity)


def _paint(
    image: Image, rings: Points, shape_starts: NDArray[np.int64], colours: ArrayLike, opacity: ArrayLike
) -> None:
    """Paint rings (R, V, 2) as the shapes that start at these rings."""
    if len(rings) == 0:
        return
    paints = np.empty((len(shape_starts) - 1, 4))
    paints[:, :3] = srgb_to_linear(colours)
    paints[:, 3] = opacity
    ring_starts = np.arange(len(rings) + 1) * rings.shape[1]
    fill_polygons(np.ascontiguousarray(rings.reshape(-1, 2)), ring_starts, shape_starts, paints, image)
