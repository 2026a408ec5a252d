"""The centre line of a ring-shaped road in a picture of free space.

The centre line is where the distance to what the ring encloses equals the distance to what encloses the
ring. That is one closed curve whatever the borders look like, so that there are no side branches to prune
as a thinned skeleton has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.errors import MissingExtra, TrackError
from racer.track import geometry

Mask = NDArray[np.bool_]
ROAD_PIXELS_MIN = 3.0
"""Median half-width of the road in pixels below which there is nothing to measure."""


@dataclass(frozen=True, kw_only=True)
class Corridor:
    """A ring-shaped road, counter-clockwise; pixels, x to the right, y up from the lower left corner.

    Attributes:
        center: (R, 2) centre line, evenly spaced, no repeated row.
        left: (R,) distance to the enclosed side.
        right: (R,) distance to the enclosing side.
    """

    center: NDArray[np.float64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]


def find_corridor(free: Mask, *, at: NDArray[np.intp] | None, near: NDArray[np.intp] | None, source: str) -> Corridor:
    """Trace the road through the free space.

    Args:
        free: (H, W) True where the picture is free; row 0 is the top.
        at: (K, 2) pixels (row, column) that are known to be on the road; its component is taken.
        near: (1, 2) pixel that is on the road in most maps; prefers the component that holds it.
        source: the file, for messages.

    Raises:
        TrackError: no component of the free space is a ring.
        MissingExtra: scipy or contourpy is not installed.
    """
    try:
        import contourpy
        from scipy import ndimage
    except ImportError:
        raise MissingExtra("Finding the road of a map image", "train") from None

    road, enclosed = _ring(free, at, near, source)
    rows, columns = np.nonzero(road)
    top, side = max(rows.min() - 2, 0), max(columns.min() - 2, 0)
    cut = (slice(top, rows.max() + 3), slice(side, columns.max() + 3))
    road, enclosed = np.pad(road[cut], 1), np.pad(enclosed[cut], 1)
    # Distances are to pixel centres; the border runs half a pixel before the first pixel that is not free.
    inner = ndimage.distance_transform_edt(~enclosed) - 0.5
    outer = ndimage.distance_transform_edt(road | enclosed) - 0.5
    lines: list[NDArray[np.float64]] = contourpy.contour_generator(z=inner - outer).lines(0.0)  # type: ignore[assignment]
    line = max(lines, key=lambda points: float(geometry.step_lengths(points, closed=False).sum()))[:-1]
    half = float(np.median(ndimage.map_coordinates(inner, line[:, ::-1].T, order=1)))
    if half < ROAD_PIXELS_MIN:
        raise TrackError(f"`{source}`: the road is {2 * half:.1f} pixels wide; use an image of finer resolution.")
    line = _smooth(line, half)
    left = ndimage.map_coordinates(inner, line[:, ::-1].T, order=1)
    right = ndimage.map_coordinates(outer, line[:, ::-1].T, order=1)
    center = np.column_stack([line[:, 0] + side - 0.5, free.shape[0] - (line[:, 1] + top - 0.5)])
    if geometry.enclosed_area(center) < 0.0:
        center, left, right = center[::-1], left[::-1], right[::-1]
    return Corridor(center=center, left=left, right=right)


def _smooth(line: NDArray[np.float64], half: float) -> NDArray[np.float64]:
    """Round off the steps of the pixels, and space the rows at a quarter of the road's half-width."""
    from scipy import ndimage

    length = float(geometry.step_lengths(line, closed=True).sum())
    fine = geometry.resample(line, max(16, round(length)), closed=True)
    fine = ndimage.gaussian_filter1d(fine, sigma=0.35 * half, axis=0, mode="wrap")
    return geometry.resample(fine, max(16, round(length / (half / 4))), closed=True)


def _ring(free: Mask, at: NDArray[np.intp] | None, near: NDArray[np.intp] | None, source: str) -> tuple[Mask, Mask]:
    """The road with small obstacles filled in, and what it encloses.

    Where nothing is known of the place, components that touch the edge of the picture come last (the
    outside of a map with thin border lines is as free as the road), then one at `near` goes before larger
    ones.
    """
    from scipy import ndimage

    labels, _ = ndimage.label(free)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    if at is not None:
        votes = np.bincount(labels[at[:, 0], at[:, 1]], minlength=len(sizes))
        votes[0] = 0
        order = [int(np.argmax(votes))] if votes.any() else []
    else:
        edge = set(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]).tolist())
        here = set(labels[near[:, 0], near[:, 1]].tolist()) if near is not None else set()
        largest = np.argsort(-sizes)[:20].tolist()
        order = sorted((k for k in largest if sizes[k] > 0), key=lambda k: (k in edge, k not in here))
    for label in order:
        component = labels == label
        holes, count = ndimage.label(ndimage.binary_fill_holes(component) & ~component)
        if count == 0:
            continue
        hole_sizes = np.bincount(holes.ravel())
        hole_sizes[0] = 0
        enclosed = holes == int(np.argmax(hole_sizes))
        if hole_sizes.max() >= 0.05 * sizes[label]:
            return component | ((holes > 0) & ~enclosed), enclosed
    raise TrackError(
        f"`{source}`: no ring-shaped road in the free space; give a centre line csv beside the yaml "
        "(x, y, width right, width left)."
    )
