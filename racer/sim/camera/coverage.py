"""Lines and convex solids seen through a lens, added to planes of sums (`racer.sim.fill`) and painted.

Points of lines are rows of `points`, `POINT_SIZE` numbers each: x, y, z in the camera frame [m], column, row [pixels],
and the distance ahead of the lens [m] (infinite where nothing is to be cut off behind it). All lines of a frame pass
through `trace_line`: an inlined function is compiled again for each of its callers.

A convex solid is painted at once: its visible faces share planes of sums, one of coverage and one of colour for each
channel, so that faces meet without a gap and the outline is exact. Faces are shaded by one distant light.
"""

from __future__ import annotations

import math

import numpy as np

from racer.optics import PINHOLE
from racer.sim.appearance import CORNERS
from racer.sim.camera.lens import camera_to_pixel, rotate_to_camera
from racer.sim.camera.tables import Canvas
from racer.sim.dtypes import Array, Row
from racer.sim.fill import SPARE, add_edge
from racer.sim.jit import device, force_inline

POINT_SIZE = 6
_WHOLE_LINE = 1 << 10
"""Largest number of pieces of a bent edge; a power of 2."""
_HORIZON_PIECES = 24
"""Straight pieces of a fisheye's horizon before they are bent."""


@force_inline
def project_point(camera: Row, points: Array, i: int, x: float, y: float, z: float, ahead: float) -> None:
    """Fill row i of `points` from a point in the camera frame; behind a pinhole its pixel is meaningless."""
    points[i, 0], points[i, 1], points[i, 2] = x, y, z
    points[i, 3], points[i, 4] = camera_to_pixel(camera, x, y, z)
    points[i, 5] = ahead


@device
def _trace_hard(sums: Array, box: Array, camera: Row, points: Array, i: int, j: int, weight: float) -> None:
    """Add an edge that is cut off behind the lens, or bent by the lens; `box` grows around it.

    A bent edge is halved until each piece spans a small angle. The part that is cut off is out of the picture, and the
    edge that would close the outline there is below the picture.

    The pieces are dyadic: `step` of `_WHOLE_LINE` parts begin at `at`. A piece that spans too much is halved; after one
    that fits, the step doubles as long as `at` is a multiple of it.
    """
    pinhole = camera.lens == PINHOLE
    x0, y0, z0 = points[i, 0], points[i, 1], points[i, 2]
    dx, dy, dz = points[j, 0] - x0, points[j, 1] - y0, points[j, 2] - z0
    d0 = z0 - camera.near if pinhole else points[i, 5] + camera.back
    d1 = points[j, 2] - camera.near if pinhole else points[j, 5] + camera.back
    if d0 < 0.0 and d1 < 0.0:
        return
    low = d0 / (d0 - d1) if d0 < 0.0 else 0.0
    high = d0 / (d0 - d1) if d1 < 0.0 else 1.0
    xa, ya, za, ua, va = x0 + low * dx, y0 + low * dy, z0 + low * dz, points[i, 3], points[i, 4]
    if low > 0.0:
        ua, va = camera_to_pixel(camera, xa, ya, za)
    limit = camera.bend_cos * camera.bend_cos
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
            ub, vb = camera_to_pixel(camera, xb, yb, zb)
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
def trace_line(
    sums: Array, box: Array, camera: Row, points: Array, first: int, count: int, closed: bool, weight: float
) -> None:
    """Add the line through `count` rows of `points` to a plane; `box` grows around its edges that are cut or bent."""
    near = camera.near if camera.lens == PINHOLE else math.inf
    stop = first + count
    for i in range(first, stop if closed else stop - 1):
        j = i + 1 if i + 1 < stop else first
        if points[i, 2] >= near and points[j, 2] >= near:
            add_edge(sums, points[i, 3], points[i, 4], points[j, 3], points[j, 4], weight)
        else:
            _trace_hard(sums, box, camera, points, i, j, weight)


@device
def trace_horizon(sums: Array, box: Array, camera: Row, points: Array) -> tuple[float, float]:
    """Add the horizon, below which is the ground; return the first and the last row that it may cross."""
    width = camera.width
    if camera.lens == PINHOLE:
        # Rows where a ray is level: its upward part xc (u - column) / f + yc (v - row) / f + zc is 0.
        v0 = camera.row - (camera.zc * camera.focal - camera.xc * camera.column) / camera.yc
        v1 = camera.row - (camera.zc * camera.focal + camera.xc * (width - camera.column)) / camera.yc
        points[0, 2], points[0, 3], points[0, 4] = math.inf, 0.0, v0
        points[1, 2], points[1, 3], points[1, 4] = math.inf, width, v1
        trace_line(sums, box, camera, points, 0, 2, False, 1.0)
        return min(v0, v1), max(v0, v1)
    for k in range(-1, _HORIZON_PIECES + 2):
        angle = math.pi * (min(max(k, 0), _HORIZON_PIECES) / _HORIZON_PIECES - 0.5)
        x, y, z = rotate_to_camera(camera, math.cos(angle), math.sin(angle), 0.0)
        project_point(camera, points, k + 1, x, y, z, math.inf)
    for end in (0, _HORIZON_PIECES + 2):
        # The ends lie beyond the picture; they are moved outwards, so that the line crosses every column.
        points[end, 3] += 10.0 * (points[end, 3] - camera.column)
        points[end, 4] += 10.0 * (points[end, 4] - camera.row)
    trace_line(sums, box, camera, points, 0, _HORIZON_PIECES + 3, False, 1.0)
    return 0.0, camera.height


_ROOM = 2 * CORNERS
"""First row of `points` with room to cut a polygon."""
_AMBIENT, _LIT = 0.55, 0.5
"""Brightness of a face without light, and that added by light from straight above the face."""
_ONE = np.float32(1.0)


@device
def _clip_polygon(points: Array, count: int, limit: float) -> int:
    """Cut off the part z < limit of the polygon in the first rows of `points`; return its number of corners.

    By Sutherland and Hodgman: an edge that crosses the limit adds the crossing, a corner within it stays.
    """
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
def clear_box(box: Array) -> None:
    """Set an empty box."""
    box[0], box[1], box[2], box[3] = math.inf, math.inf, -math.inf, -math.inf


@device
def trace_polygon(
    sums: Array, box: Array, camera: Row, points: Array, count: int, limit: float, weights: Array
) -> None:
    """Add the polygon in the first rows of `points` to the planes, with a weight for each; the first is coverage.

    `box` (first column, first row, last column, last row) grows around it.
    """
    behind = False
    for k in range(count):
        behind = behind or points[k, 2] < limit
    if behind:
        count = _clip_polygon(points, count, limit)
    for k in range(count):
        project_point(camera, points, k, points[k, 0], points[k, 1], points[k, 2], math.inf)
        u, v = points[k, 3], points[k, 4]
        box[0], box[1] = min(box[0], u), min(box[1], v)
        box[2], box[3] = max(box[2], u), max(box[3], v)
    for plane in range(len(weights) if count > 2 else 0):
        trace_line(sums[plane], box, camera, points, 0, count, True, weights[plane])


@device
def _set_face(points: Array, caps: Array, count: int, face: int) -> int:
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
def draw_prism(canvas: Canvas, camera: Row, count: int, cap: int, side: int, opacity: float) -> None:
    """Paint the prism between the caps in `canvas.caps` (2, CORNERS, 3), camera frame, the lower one first.

    Seen from above the corners of a cap are counter-clockwise. `cap` and `side` are rows of `canvas.tints`.
    """
    points, weights, tints = canvas.points, canvas.weights, canvas.tints
    clear_box(canvas.box)
    for face in range(count + 2):
        corners = _set_face(points, canvas.caps, count, face)
        x, y, z, last = points[0, 0], points[0, 1], points[0, 2], corners - 1
        ax, ay, az = points[1, 0] - x, points[1, 1] - y, points[1, 2] - z
        bx, by, bz = points[last, 0] - x, points[last, 1] - y, points[last, 2] - z
        nx, ny, nz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        # The face is visible where its outward normal n points to the lens: n . p < 0 for any of its points.
        toward = nx * x + ny * y + nz * z
        if toward >= 0.0:
            continue
        size = math.sqrt(nx * nx + ny * ny + nz * nz)
        lit = (nx * camera.light_x + ny * camera.light_y + nz * camera.light_z) / size
        shade = _AMBIENT + _LIT * max(lit, 0.0)
        weights[0] = opacity
        for k in range(tints.shape[1]):
            weights[k + 1] = min(max(tints[side if face < count else cap, k] * shade, 0.0), 255.0) * opacity
        limit = camera.near if camera.lens == PINHOLE else 0.5 * toward / size
        trace_polygon(canvas.solid, canvas.box, camera, points, corners, limit, weights)
    compose(canvas)


@device
def _pixel_bounds(box: Array, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the pixels that were written for a box: columns x0 to x1 - 1, rows y0 to y1 - 1; x0 = x1 for none."""
    if box[0] >= width or box[2] <= 0.0 or box[1] >= height:
        return 0, 0, 0, 0
    # Edges above the picture count in its first row.
    return (
        int(max(box[0], 0.0)),
        min(int(min(box[2], float(width))) + 1, width),
        int(max(box[1], 0.0)),
        min(int(max(min(box[3], float(height)), 0.0)) + 1, height),
    )


@device
def _clear_below(sums: Array, row: int, x0: int, x1: int) -> None:
    """Set the spare rows of a plane that edges of the last row wrote to, from `row` on, to zero."""
    for r in range(row, min(row + SPARE, len(sums))):
        for x in range(x0, x1):
            sums[r, x] = 0.0


@device
def compose(canvas: Canvas) -> None:
    """Sum the planes of a solid down the rows of its box, paint it into `light`, and set the planes to zero."""
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
        covered = running[0, x0:x1]
        for k in range(channels):
            line, colour = light[k, row, x0:x1], running[k + 1, x0:x1]
            for x in range(x1 - x0):
                line[x] = line[x] * (_ONE - min(abs(covered[x]), _ONE)) + abs(colour[x])
    for p in range(channels + 1):
        _clear_below(sums[p], y1, x0, x1)


@device
def compose_walls(canvas: Canvas, colours: Array, at: int) -> None:
    """Paint walls as `compose` paints solids.

    Walls have one colour and may cover each other, so that only their coverage is summed.
    """
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
