"""Solids and walls of a frame, painted over what is there already, the far ones first.

A convex solid is painted at once: its visible faces share planes of sums, one of coverage and one of colour for each
channel, so that faces meet without a gap and the outline is exact. Faces are shaded by one distant light.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from racer.sim.camera.fill import SPARE
from racer.sim.camera.rows import PINHOLE
from racer.sim.camera.trace import project, trace_line
from racer.sim.jit import inlined

CORNERS = 8
"""Most corners of the two caps of a prism."""
_ROOM = 2 * CORNERS
"""Rows of `points` from which on there is room to cut a polygon."""
_AMBIENT, _LIT = 0.55, 0.5
_ONE = np.float32(1.0)


@inlined
def _clip(points: Any, count: int, limit: float) -> int:
    """Cut the polygon in the first rows of `points` off where z < limit; returns how many corners are left."""
    for k in range(count):
        for axis in range(3):
            points[_ROOM + k, axis] = points[k, axis]
    left = 0
    for k in range(count):
        p, q = _ROOM + k, _ROOM + (k + 1 if k + 1 < count else 0)
        zp, zq = points[p, 2], points[q, 2]
        if zp >= limit:
            for axis in range(3):
                points[left, axis] = points[p, axis]
            left += 1
        if (zp >= limit) != (zq >= limit):
            t = (limit - zp) / (zq - zp)
            for axis in range(2):
                points[left, axis] = points[p, axis] + t * (points[q, axis] - points[p, axis])
            points[left, 2] = limit
            left += 1
    return left


@inlined
def empty_box(box: Any) -> None:
    """A box that holds nothing."""
    box[0], box[1], box[2], box[3] = math.inf, math.inf, -math.inf, -math.inf


@inlined
def trace_polygon(sums: Any, box: Any, rig: Any, points: Any, count: int, limit: float, weights: Any) -> None:
    """Add the polygon in the first rows of `points` to the planes; `weights` for each, the first is coverage.

    `box` (first column, first row, last column, last row) grows around it.
    """
    behind = False
    for k in range(count):
        behind = behind or points[k, 2] < limit
    if behind:
        count = _clip(points, count, limit)
    for k in range(count):
        project(rig, points, k, points[k, 0], points[k, 1], points[k, 2], math.inf)
        u, v = points[k, 3], points[k, 4]
        box[0], box[1] = min(box[0], u), min(box[1], v)
        box[2], box[3] = max(box[2], u), max(box[3], v)
    for plane in range(len(weights) if count > 2 else 0):
        trace_line(sums[plane], box, rig, points, 0, count, True, weights[plane])


@inlined
def _face(points: Any, caps: Any, count: int, face: int) -> int:
    """Set the first rows of `points` to a face of a prism: its sides, then its lower and its upper cap."""
    if face >= count:
        for k in range(count):
            for axis in range(3):
                points[k, axis] = caps[1, k, axis] if face > count else caps[0, count - 1 - k, axis]
        return count
    following = face + 1 if face + 1 < count else 0
    for axis in range(3):
        points[0, axis], points[1, axis] = caps[0, face, axis], caps[0, following, axis]
        points[2, axis], points[3, axis] = caps[1, following, axis], caps[1, face, axis]
    return 4


@inlined
def draw_prism(canvas: Any, rig: Any, count: int, cap: int, side: int) -> None:
    """Paint the prism whose caps stand in `canvas.caps` (2, CORNERS, 3), camera frame, the lower one first.

    Seen from above the corners of a cap go counter-clockwise. `cap` and `side` are rows of `canvas.tints`.
    """
    points, weights, tints = canvas.points, canvas.weights, canvas.tints
    empty_box(canvas.box)
    for face in range(count + 2):
        corners = _face(points, canvas.caps, count, face)
        x, y, z, last = points[0, 0], points[0, 1], points[0, 2], corners - 1
        ax, ay, az = points[1, 0] - x, points[1, 1] - y, points[1, 2] - z
        bx, by, bz = points[last, 0] - x, points[last, 1] - y, points[last, 2] - z
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        toward = nx * x + ny * y + nz * z
        if toward >= 0.0:
            continue
        size = math.sqrt(nx * nx + ny * ny + nz * nz)
        lit = (nx * rig["light_x"] + ny * rig["light_y"] + nz * rig["light_z"]) / size
        shade = _AMBIENT + _LIT * max(lit, 0.0)
        weights[0] = 1.0
        for k in range(tints.shape[1]):
            weights[k + 1] = min(max(tints[side if face < count else cap, k] * shade, 0.0), 255.0)
        limit = rig["near"] if rig["lens"] == PINHOLE else 0.5 * toward / size
        trace_polygon(canvas.solid, canvas.box, rig, points, corners, limit, weights)
    _compose(canvas)


@inlined
def _pixels(box: Any, width: int, height: int) -> tuple[int, int, int, int]:
    """Columns x0..x1-1 and rows y0..y1-1 of the picture that were written to for a box; x0 = x1 for none."""
    if box[0] >= width or box[2] <= 0.0 or box[1] >= height:
        return 0, 0, 0, 0
    # What lies above the picture was added to, and taken from, its first row.
    return (
        int(max(box[0], 0.0)),
        min(int(min(box[2], float(width))) + 1, width),
        int(max(box[1], 0.0)),
        min(int(max(min(box[3], float(height)), 0.0)) + 1, height),
    )


@inlined
def _clear_below(sums: Any, row: int, x0: int, x1: int) -> None:
    for r in range(row, min(row + SPARE, len(sums))):
        for x in range(x0, x1):
            sums[r, x] = 0.0


@inlined
def _compose(canvas: Any) -> None:
    """Sum the planes of a solid down the rows of its box and paint it into `light`; leaves the planes zero."""
    sums, light = canvas.solid, canvas.light
    channels, height, width = light.shape
    x0, x1, y0, y1 = _pixels(canvas.box, width, height)
    running = canvas.cover[0]
    for p in range(channels + 1):
        for x in range(x0, x1):
            running[p, x] = 0.0
    for row in range(y0, y1):
        for p in range(channels + 1):
            added, total = sums[p, row, x0:x1], running[p, x0:x1]
            for x in range(x1 - x0):
                total[x] += added[x]
                added[x] = 0.0
        share = running[0, x0:x1]
        for k in range(channels):
            line, colour = light[k, row, x0:x1], running[k + 1, x0:x1]
            for x in range(x1 - x0):
                line[x] = line[x] * (_ONE - min(abs(share[x]), _ONE)) + abs(colour[x])
    for p in range(channels + 1):
        _clear_below(sums[p], y1, x0, x1)


@inlined
def compose_walls(canvas: Any, colours: Any, at: int) -> None:
    """The same for walls, which are all of one colour and may cover each other: only their coverage was summed."""
    sums, light = canvas.solid[0], canvas.light
    channels, height, width = light.shape
    x0, x1, y0, y1 = _pixels(canvas.box, width, height)
    total = canvas.cover[0, 0, x0:x1]
    for x in range(x1 - x0):
        total[x] = 0.0
    for row in range(y0, y1):
        added = sums[row, x0:x1]
        for x in range(x1 - x0):
            total[x] += added[x]
            added[x] = 0.0
        for k in range(channels):
            line, colour = light[k, row, x0:x1], colours[k, at]
            for x in range(x1 - x0):
                line[x] += min(abs(total[x]), _ONE) * (colour - line[x])
    _clear_below(sums, y1, x0, x1)
