"""Lines seen through a lens, added to planes of sums.

Lines are rows of `points`, POINT numbers each: x, y, z in the camera frame, column, row, and metres ahead of the lens
(infinite where nothing is to be cut off behind it). All lines of a frame come through `trace_line`: compiled code that
many places call would be compiled for each of them.
"""

from __future__ import annotations

import math
from typing import Any

from racer.sim.camera.fill import add_edge
from racer.sim.camera.lens import to_camera, to_pixel
from racer.sim.camera.rows import PINHOLE
from racer.sim.jit import inlined, pasted

POINT = 6
_WHOLE = 1 << 10
"""Most pieces of a bent edge."""
_HORIZON = 24


@pasted
def project(rig: Any, points: Any, i: int, x: float, y: float, z: float, ahead: float) -> None:
    """Fill row i of `points`; behind a pinhole the pixel means nothing."""
    points[i, 0], points[i, 1], points[i, 2] = x, y, z
    points[i, 3], points[i, 4] = to_pixel(rig, x, y, z)
    points[i, 5] = ahead


@inlined
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
        ua, va = to_pixel(rig, xa, ya, za)
    limit = rig["bend_cos"] * rig["bend_cos"]
    at, step = 0, _WHOLE
    while at < _WHOLE:
        t = low + (high - low) * ((at + step) / _WHOLE)
        xb, yb, zb = x0 + t * dx, y0 + t * dy, z0 + t * dz
        if not pinhole and step > 1:
            dot = xa * xb + ya * yb + za * zb
            square = (xa * xa + ya * ya + za * za) * (xb * xb + yb * yb + zb * zb)
            if dot <= 0.0 or dot * dot < limit * square:
                step >>= 1
                continue
        if t < 1.0:
            ub, vb = to_pixel(rig, xb, yb, zb)
        else:
            ub, vb = points[j, 3], points[j, 4]
        add_edge(sums, ua, va, ub, vb, weight)
        box[0], box[1] = min(box[0], min(ua, ub)), min(box[1], min(va, vb))
        box[2], box[3] = max(box[2], max(ua, ub)), max(box[3], max(va, vb))
        xa, ya, za, ua, va = xb, yb, zb, ub, vb
        at += step
        while step < _WHOLE and at & step == 0:
            step <<= 1


@inlined
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


@inlined
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
    for k in range(-1, _HORIZON + 2):
        angle = math.pi * (min(max(k, 0), _HORIZON) / _HORIZON - 0.5)
        x, y, z = to_camera(rig, math.cos(angle), math.sin(angle), 0.0)
        project(rig, points, k + 1, x, y, z, math.inf)
    for end in (0, _HORIZON + 2):
        # The ends lie beyond the picture; they are drawn out to the side, so that every column is crossed.
        points[end, 3] += 10.0 * (points[end, 3] - rig["column"])
        points[end, 4] += 10.0 * (points[end, 4] - rig["row"])
    trace_line(sums, box, rig, points, 0, _HORIZON + 3, False, 1.0)
    return 0.0, rig["height"]
