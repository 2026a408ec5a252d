"""Lines seen through a lens, added to planes of sums.

Lines are rows of `points`, POINT numbers each: x, y, z in the camera frame, column, row, and metres ahead of the lens
(infinite where nothing is to be cut off behind it). All lines of a frame come through `trace_line`: compiled code that
many places call would be compiled for each of them.

Solids and walls of a frame, painted over what is there already, the far ones first.

A convex solid is painted at once: its visible faces share planes of sums, one of coverage and one of colour for each
channel, so that faces meet without a gap and the outline is exact. Faces are shaded by one distant light.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from racer.optics import PINHOLE
from racer.sim.appearance import CORNERS
from racer.sim.camera.lens import camera_to_pixel, rotate_to_camera
from racer.sim.fill import SPARE, add_edge
from racer.sim.jit import device, force_inline

POINT_SIZE = 6
_WHOLE_LINE = 1 << 10
"""Most pieces of a bent edge."""
_HORIZON_PIECES = 24


@force_inline
def project_point(rig: Any, points: Any, i: int, x: float, y: float, z: float, ahead: float) -> None:
    """Fill row i of `points`; behind a pinhole the pixel means nothing."""
    points[i, 0], points[i, 1], points[i, 2] = x, y, z
    points[i, 3], points[i, 4] = camera_to_pixel(rig, x, y, z)
    points[i, 5] = ahead


@device
def _trace_hard(sums: Any, box: Any, rig: Any, points: Any, i: int, j: int, weight: float) -> None:
    """Add an edge that has to be cut off behind the lens, or is bent by it; `box` grows around it.

    A bent edge is halved until each piece spans a small angle. What is cut off is out of the picture, and what would
    close the outline there is below it.
    """
    pinhole = rig["lens"] == PINHOLE
    x0, y0, z0 = points[i, 0], points[i, 1], points[i, 2]
    dx, dy, dz = points[j, 0] - x0, points[j, 1] - y0, points[j, 2] - z0
    d0 = z0 - rig["near"] if pinhole else points[i, 5] + rig["back"]
    d1 = points[j, 2] - rig["near"] if pinhole else points[j, 5] + rig["back"]
    if d0 < 0.0 and d1 < 0.0:
        return
    low = d0 / (d0 - d1) if d0 < 0.0 else 0.0
    high = d0 / (d0 - d1) if d1 < 0.0 else 1.0
    xa, ya, za, ua, va = x0 + low * dx, y0 + low * dy, z0 + low * dz, points[i, 3], points[i, 4]
    if low > 0.0:
        ua, va = camera_to_pixel(rig, xa, ya, za)
    limit = rig["bend_cos"] * rig["bend_cos"]
    at, step = 0, _WHOLE_LINE
    while at < _WHOLE_LINE:
        t = low + (high - low) * ((at + step) / _WHOLE_LINE)
        xb, yb, zb = x0 + t * dx, y0 + t * dy, z0 + t * dz
        if not pinhole and step > 1:
            dot = xa * xb + ya * yb + za * zb
            square = (xa * xa + ya * ya + za * za) * (xb * xb + yb * yb + zb * zb)
            if dot <= 0.0 or dot * dot < limit * square:
                step >>= 1
                continue
        if t < 1.0:
            ub, vb = camera_to_pixel(rig, xb, yb, zb)
        else:
            ub, vb = points[j, 3], points[j, 4]
        add_edge(sums, ua, va, ub, vb, weight)
        box[0], box[1] = min(box[0], min(ua, ub)), min(box[1], min(va, vb))
        box[2], box[3] = max(box[2], max(ua, ub)), max(box[3], max(va, vb))
        xa, ya, za, ua, va = xb, yb, zb, ub, vb
        at += step
        while step < _WHOLE_LINE and at & step == 0:
            step <<= 1


@device
def trace_line(sums: Any, box: Any, rig: Any, points: Any, first: int, count: int, closed: bool, weight: float) -> None:
    """Add the line through `count` rows of `points` to a plane; `box` grows around what is not quite plain."""
    near = rig["near"] if rig["lens"] == PINHOLE else math.inf
    stop = first + count
    for i in range(first, stop if closed else stop - 1):
        j = i + 1 if i + 1 < stop else first
        if points[i, 2] >= near and points[j, 2] >= near:
            add_edge(sums, points[i, 3], points[i, 4], points[j, 3], points[j, 4], weight)
        else:
            _trace_hard(sums, box, rig, points, i, j, weight)


@device
def trace_horizon(sums: Any, box: Any, rig: Any, points: Any) -> tuple[float, float]:
    """Add the horizon, below which all is ground; returns the first and the last row that it may be in."""
    width = rig["width"]
    if rig["lens"] == PINHOLE:
        # Rows where a ray is level: its upward part xc (u - column) / f + yc (v - row) / f + zc is 0.
        v0 = rig["row"] - (rig["zc"] * rig["focal"] - rig["xc"] * rig["column"]) / rig["yc"]
        v1 = rig["row"] - (rig["zc"] * rig["focal"] + rig["xc"] * (width - rig["column"])) / rig["yc"]
        points[0, 2], points[0, 3], points[0, 4] = math.inf, 0.0, v0
        points[1, 2], points[1, 3], points[1, 4] = math.inf, width, v1
        trace_line(sums, box, rig, points, 0, 2, False, 1.0)
        return min(v0, v1), max(v0, v1)
    for k in range(-1, _HORIZON_PIECES + 2):
        angle = math.pi * (min(max(k, 0), _HORIZON_PIECES) / _HORIZON_PIECES - 0.5)
        x, y, z = rotate_to_camera(rig, math.cos(angle), math.sin(angle), 0.0)
        project_point(rig, points, k + 1, x, y, z, math.inf)
    for end in (0, _HORIZON_PIECES + 2):
        # The ends lie beyond the picture; they are drawn out to the side, so that every column is crossed.
        points[end, 3] += 10.0 * (points[end, 3] - rig["column"])
        points[end, 4] += 10.0 * (points[end, 4] - rig["row"])
    trace_line(sums, box, rig, points, 0, _HORIZON_PIECES + 3, False, 1.0)
    return 0.0, rig["height"]


_ROOM = 2 * CORNERS
"""Rows of `points` from which on there is room to cut a polygon."""
_AMBIENT, _LIT = 0.55, 0.5
_ONE = np.float32(1.0)


@device
def _clip_polygon(points: Any, count: int, limit: float) -> int:
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


@device
def clear_box(box: Any) -> None:
    """A box that holds nothing."""
    box[0], box[1], box[2], box[3] = math.inf, math.inf, -math.inf, -math.inf


@device
def trace_polygon(sums: Any, box: Any, rig: Any, points: Any, count: int, limit: float, weights: Any) -> None:
    """Add the polygon in the first rows of `points` to the planes; `weights` for each, the first is coverage.

    `box` (first column, first row, last column, last row) grows around it.
    """
    behind = False
    for k in range(count):
        behind = behind or points[k, 2] < limit
    if behind:
        count = _clip_polygon(points, count, limit)
    for k in range(count):
        project_point(rig, points, k, points[k, 0], points[k, 1], points[k, 2], math.inf)
        u, v = points[k, 3], points[k, 4]
        box[0], box[1] = min(box[0], u), min(box[1], v)
        box[2], box[3] = max(box[2], u), max(box[3], v)
    for plane in range(len(weights) if count > 2 else 0):
        trace_line(sums[plane], box, rig, points, 0, count, True, weights[plane])


@device
def _set_face(points: Any, caps: Any, count: int, face: int) -> int:
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


@device
def draw_prism(canvas: Any, rig: Any, count: int, cap: int, side: int, opacity: float) -> None:
    """Paint the prism whose caps stand in `canvas.caps` (2, CORNERS, 3), camera frame, the lower one first.

    Seen from above the corners of a cap go counter-clockwise. `cap` and `side` are rows of `canvas.tints`.
    """
    points, weights, tints = canvas.points, canvas.weights, canvas.tints
    clear_box(canvas.box)
    for face in range(count + 2):
        corners = _set_face(points, canvas.caps, count, face)
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
        weights[0] = opacity
        for k in range(tints.shape[1]):
            weights[k + 1] = min(max(tints[side if face < count else cap, k] * shade, 0.0), 255.0) * opacity
        limit = rig["near"] if rig["lens"] == PINHOLE else 0.5 * toward / size
        trace_polygon(canvas.solid, canvas.box, rig, points, corners, limit, weights)
    compose(canvas)


@device
def _pixel_bounds(box: Any, width: int, height: int) -> tuple[int, int, int, int]:
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


@device
def _clear_below(sums: Any, row: int, x0: int, x1: int) -> None:
    for r in range(row, min(row + SPARE, len(sums))):
        for x in range(x0, x1):
            sums[r, x] = 0.0


@device
def compose(canvas: Any) -> None:
    """Sum the planes of a solid down the rows of its box and paint it into `light`; leaves the planes zero."""
    sums, light = canvas.solid, canvas.light
    channels, height, width = light.shape
    x0, x1, y0, y1 = _pixel_bounds(canvas.box, width, height)
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


@device
def compose_walls(canvas: Any, colours: Any, at: int) -> None:
    """The same for walls, which are all of one colour and may cover each other: only their coverage was summed."""
    sums, light = canvas.solid[0], canvas.light
    channels, height, width = light.shape
    x0, x1, y0, y1 = _pixel_bounds(canvas.box, width, height)
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
