"""Paints marks and shapes in pixels with the simulator's exact anti-aliasing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from racer.sim.picture.raster import paint, srgb_to_linear

Image = NDArray[np.uint8]
Points = NDArray[np.float64]


def paint_each(image: Image, rings: Points, colours: ArrayLike, opacity: ArrayLike) -> None:
    """Paint rings (P, V, 2) in pixels one after the other; colours (P, 3) sRGB, opacity (P,)."""
    count = len(rings)
    if count == 0:
        return
    paints = np.empty((count, 4))
    paints[:, :3] = srgb_to_linear(colours)
    paints[:, 3] = opacity
    starts = np.arange(count + 1) * rings.shape[1]
    paint(image, np.ascontiguousarray(rings.reshape(-1, 2)), starts, np.arange(count + 1), paints)


def paint_shape(image: Image, rings: Points, colour: ArrayLike, opacity: float = 1.0) -> None:
    """Paint rings (R, V, 2) in pixels together as one shape; all turn the same way."""
    count = len(rings)
    if count == 0:
        return
    paints = np.empty((1, 4))
    paints[:, :3] = srgb_to_linear(colour)
    paints[:, 3] = opacity
    starts = np.arange(count + 1) * rings.shape[1]
    paint(image, np.ascontiguousarray(rings.reshape(-1, 2)), starts, np.array([0, count]), paints)
