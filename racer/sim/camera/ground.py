"""The ground of a frame: field, road, edge lines, centre line, start line, and the sky above.

Each kind of surface is a plane of sums (`racer.sim.fill`) that its edges are added to; then all planes are summed down
the rows and mixed. The inner road lies in the road, lines and dashes in the inner road, so that a pixel's colour is

    field + c0 (edge - field) + c1 (road - edge) + c2 (1 - c3) (center - road) + c3 (start - road)

with the covered fractions c: exact where several kinds share a pixel. Where a road crosses itself, it counts once.
"""

from __future__ import annotations

import math

import numpy as np

from racer.sim.camera.coverage import POINT_SIZE, project_point, trace_horizon, trace_line
from racer.sim.camera.lens import is_out_of_view, rotate_to_camera, world_to_camera
from racer.sim.camera.tables import (
    CENTER,
    CENTER_GAIN,
    EDGE,
    EDGE_GAIN,
    FIELD,
    HORIZON,
    ROAD,
    RUN_SIZE,
    SKY,
    START,
    Canvas,
    SceneTables,
)
from racer.sim.dtypes import Array, Row
from racer.sim.fill import SPARE
from racer.sim.jit import device, force_inline

ROAD_PLANE, INNER_PLANE, DASH_PLANE, START_PLANE, GROUND_PLANE = range(5)
PLANES = 5
"""Number of planes of sums, one for each kind of surface; the last is the ground up to the horizon."""
_ACROSS = 4 * RUN_SIZE
_PIECE, _QUAD = _ACROSS + 2, _ACROSS + 6
POINTS = _QUAD + 4
"""Rows of `points`: four lines of a run, a line across it, a piece of centre line, a quad."""
_FINE, _COARSE = 0.75, 1.5
"""Length of a period of the dashes [pixels] up to which they are a line of their mean strength, and from which on they
are drawn one by one. In between both are mixed, so that dashes do not flicker."""


@device
def _run_in_view(camera: Row, run: Row) -> bool:
    """Return True where a run may be in the picture and in reach."""
    x, y, z = world_to_camera(camera, run.x, run.y, 0.0)
    reach = camera.reach + run.radius
    if x * x + y * y + z * z > reach * reach:
        return False
    return not is_out_of_view(camera, x, y, z, run.radius)


@force_inline
def _place(camera: Row, points: Array, i: int, x: float, y: float) -> None:
    """Fill row i of `points` for a point of the ground [m]."""
    dx, dy = x - camera.x, y - camera.y
    a, b = camera.cos * dx + camera.sin * dy, camera.sin * dx - camera.cos * dy
    cx, cy, cz = rotate_to_camera(camera, a, b, -camera.up)
    project_point(camera, points, i, cx, cy, cz, a)


@force_inline
def _between(camera: Row, points: Array, i: int, p: int, q: int, t: float) -> None:
    """Fill row i with the point at t (0..1) from row p to row q."""
    x0, y0, z0, a0 = points[p, 0], points[p, 1], points[p, 2], points[p, 5]
    x1, y1, z1, a1 = points[q, 0], points[q, 1], points[q, 2], points[q, 5]
    project_point(camera, points, i, x0 + t * (x1 - x0), y0 + t * (y1 - y0), z0 + t * (z1 - z0), a0 + t * (a1 - a0))


@device
def _place_run(camera: Row, points: Array, borders: Array, first: int, count: int, gain: float) -> None:
    """Place the rows of a run: left and right rim of the road, then of the inner road, each in RUN_SIZE rows."""
    for r in range(count):
        row = borders[first + r]
        lx, ly, rx, ry = row.left_x, row.left_y, row.right_x, row.right_y
        _place(camera, points, r, lx, ly)
        _place(camera, points, RUN_SIZE + r, rx, ry)
        _place(camera, points, 2 * RUN_SIZE + r, lx + gain * row.left_in_x, ly + gain * row.left_in_y)
        _place(camera, points, 3 * RUN_SIZE + r, rx + gain * row.right_in_x, ry + gain * row.right_in_y)


@device
def trace_road(
    sums: Array, box: Array, points: Array, camera: Row, scene: Row, borders: Array, runs: Array, gain: float
) -> None:
    """Add the visible runs of the road and of the inner road to their planes.

    `gain` is a factor on the width of the edge lines.
    """
    first, count = scene.border_first, scene.border_runs
    start, end = runs[first], runs[first + count - 1]
    head, tail = borders[start.first], borders[end.first + end.count - 1]
    closed = head.left_x == tail.left_x and head.left_y == tail.left_y
    before = closed and _run_in_view(camera, end)
    here = _run_in_view(camera, start)
    for k in range(count):
        after = _run_in_view(camera, runs[first + k + 1]) if k + 1 < count else closed and _run_in_view(camera, start)
        if here:
            rows = runs[first + k].count
            _place_run(camera, points, borders, runs[first + k].first, rows, gain)
            for line in range(8):
                # Lines 0 to 3 are the rims, clockwise round the road; 4 and 5 close the start of the run, 6 and 7 its
                # end, but only where the neighbouring run is not drawn: the ends of both would cancel.
                if (line >= 6 and after) or (4 <= line < 6 and before):
                    continue
                begin, count_here, weight = line * RUN_SIZE, rows, 1.0 if line & 1 else -1.0
                if line >= 4:
                    end_row = (line & 1) * 2 * RUN_SIZE + (rows - 1 if line >= 6 else 0)
                    for axis in range(POINT_SIZE):
                        points[_ACROSS, axis] = points[end_row, axis]
                        points[_ACROSS + 1, axis] = points[end_row + RUN_SIZE, axis]
                    begin, count_here, weight = _ACROSS, 2, -1.0 if line >= 6 else 1.0
                plane = sums[INNER_PLANE if (line & 1 if line >= 4 else line >= 2) else ROAD_PLANE]
                trace_line(plane, box, camera, points, begin, count_here, False, weight)
        before, here = here, after


@device
def _cut_piece(camera: Row, points: Array, low: float, high: float) -> None:
    """Set the quad to the part low..high (0..1) of the piece of centre line in `points`."""
    _between(camera, points, _QUAD, _PIECE, _PIECE + 1, low)
    _between(camera, points, _QUAD + 1, _PIECE, _PIECE + 1, high)
    _between(camera, points, _QUAD + 2, _PIECE + 2, _PIECE + 3, high)
    _between(camera, points, _QUAD + 3, _PIECE + 2, _PIECE + 3, low)


@device
def _length(points: Array, i: int, j: int, near: float) -> float:
    """Return the distance of two points [pixels], the larger of columns and rows; huge where one is behind the lens."""
    if points[i, 2] < near or points[j, 2] < near:
        return 1e9
    return max(abs(points[i, 3] - points[j, 3]), abs(points[i, 4] - points[j, 4]))


@device
def _place_piece(camera: Row, points: Array, piece: Row, gain: float) -> bool:
    """Place the corners of a piece of centre line; return False where it is out of view."""
    x0, y0 = piece.x, piece.y
    x1, y1 = x0 + piece.to_x, y0 + piece.to_y
    x, y, z = world_to_camera(camera, 0.5 * (x0 + x1), 0.5 * (y0 + y1), 0.0)
    if is_out_of_view(camera, x, y, z, piece.radius * max(gain, 1.0)):
        return False
    wx, wy = gain * piece.across_x, gain * piece.across_y
    _place(camera, points, _PIECE, x0 + wx, y0 + wy)
    _place(camera, points, _PIECE + 2, x0 - wx, y0 - wy)
    wx, wy = gain * piece.end_across_x, gain * piece.end_across_y
    _place(camera, points, _PIECE + 1, x1 + wx, y1 + wy)
    _place(camera, points, _PIECE + 3, x1 - wx, y1 - wy)
    return True


@device
def trace_dashes(
    plane: Array, box: Array, points: Array, camera: Row, scene: Row, dashes: Array, runs: Array, gain: float
) -> None:
    """Add the dashed centre line; `gain` is a factor on its width."""
    painted = scene.dash_share
    for k in range(scene.dash_first, scene.dash_first + scene.dash_runs):
        if not _run_in_view(camera, runs[k]):
            continue
        for r in range(runs[k].first, runs[k].first + runs[k].count):
            piece = dashes[r]
            if not _place_piece(camera, points, piece, gain):
                continue
            # Lengths along the piece are in periods: dash k covers k - s to k + painted - s of 0..periods.
            s, periods = piece.s, piece.periods
            z0, z1 = points[_PIECE, 2], points[_PIECE + 1, 2]
            longest = _length(points, _PIECE, _PIECE + 1, camera.near) * max(z0, z1)
            fine = longest < _FINE * periods * min(z0, z1)
            begin, mean = float(int(s)), False
            while begin < s + periods:
                low, high = max(begin - s, 0.0), min(begin + painted - s, periods)
                whole, weight = min(begin + 1.0 - s, periods), painted
                if fine:
                    begin, low, high = math.inf, 0.0, periods
                elif whole > low:
                    # Between _FINE and _COARSE the dash is drawn with a part of its strength, and then, in a second
                    # round of the loop, its whole period with the rest.
                    _cut_piece(camera, points, low / periods, whole / periods)
                    period = _length(points, _QUAD, _QUAD + 1, camera.near) / (whole - low)
                    weight = min(max((period - _FINE) / (_COARSE - _FINE), 0.0), 1.0)
                    if mean:
                        high, weight = whole, (1.0 - weight) * painted
                        mean = False
                    else:
                        mean = weight < 1.0
                if not mean:
                    begin += 1.0
                if high > low and weight > 0.0:
                    _cut_piece(camera, points, low / periods, high / periods)
                    trace_line(plane, box, camera, points, _QUAD, 4, True, weight)


@device
def trace_starts(plane: Array, box: Array, points: Array, camera: Row, scene: Row, starts: Array) -> bool:
    """Add the start line, and the finish line of an open track; return True where one is in view."""
    drawn = False
    for q in range(scene.start_first, scene.start_first + scene.starts):
        for k in range(4):
            _place(camera, points, _QUAD + k, starts[q, k, 0], starts[q, k, 1])
        ax, ay = 0.5 * (starts[q, 0, 0] + starts[q, 2, 0]), 0.5 * (starts[q, 0, 1] + starts[q, 2, 1])
        x, y, z = world_to_camera(camera, ax, ay, 0.0)
        radius = 0.5 * math.hypot(starts[q, 2, 0] - starts[q, 0, 0], starts[q, 2, 1] - starts[q, 0, 1])
        if not is_out_of_view(camera, x, y, z, radius):
            trace_line(plane, box, camera, points, _QUAD, 4, True, 1.0)
            drawn = True
    return drawn


_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
"""Numbers of the pictures' type: with a plain 1.0 the compiler would compute in float64."""


@device
def mix_ground(
    sums: Array, cover: Array, light: Array, colours: Array, camera: Row, first: int, last: int, starts: bool
) -> None:
    """Sum all planes down the rows, paint the picture, and set the planes to zero.

    Args:
        sums: Planes, shape (PLANES, H + SPARE, W).
        cover: Buffer, shape (2, PLANES, W).
        light: Picture, shape (K, H, W), float32, written.
        colours: Colours in each channel, shape (K, APPEARANCE_SIZE).
        camera: PLACED_CAMERA row.
        first: First row that may show ground.
        last: Last row that may show sky.
        starts: True where a start line was drawn.
    """
    channels, height, width = light.shape
    running, covered = cover[0], cover[1]
    running[:] = 0.0
    covered[GROUND_PLANE, :] = _ONE
    covered[START_PLANE, :] = _ZERO
    for row in range(height):
        if row >= first:
            for p in range(PLANES):
                # Most rows of these two planes are empty, and their fractions stay as they are.
                if (p == GROUND_PLANE and row > last + 1) or (p == START_PLANE and not starts):
                    continue
                added, total, out = sums[p, row], running[p], covered[p]
                for x in range(width):
                    total[x] += added[x]
                    added[x] = _ZERO
                    out[x] = min(abs(total[x]), _ONE)
        for k in range(channels):
            line = light[k, row]
            if row <= last:
                _paint_sky(line, colours[k, SKY], colours[k, HORIZON], camera, row)
            if row >= first:
                _paint_ground(line, covered, colours[k], row <= last)
    for p in range(PLANES):
        for row in range(height, height + SPARE):
            for x in range(width):
                sums[p, row, x] = 0.0


@device
def _paint_sky(line: Array, top: float, horizon: float, camera: Row, row: int) -> None:
    """Paint a row of sky, from the colour of the horizon to that of the sky at 45 degrees up."""
    rise = camera.yc * (row + 0.5 - camera.row) + camera.xc * (0.5 - camera.column)
    start, slope = np.float32(rise / camera.focal + camera.zc), np.float32(camera.xc / camera.focal)
    for x in range(len(line)):
        line[x] = horizon + (top - horizon) * min(max(start + slope * np.float32(x), _ZERO), _ONE)


@device
def _paint_ground(line: Array, covered: Array, colours: Array, sky: bool) -> None:
    """Paint a row of ground by the equation of the module; `sky` is True where the row shows sky as well."""
    road, inner, dash, start, ground = covered[0], covered[1], covered[2], covered[3], covered[4]
    field = colours[FIELD]
    to_edge, to_road = colours[EDGE] - field, colours[ROAD] - colours[EDGE]
    to_center, to_start = colours[CENTER] - colours[ROAD], colours[START] - colours[ROAD]
    if sky:
        for x in range(len(line)):
            line[x] += ground[x] * (field - line[x])
    else:
        for x in range(len(line)):
            line[x] = field
    for x in range(len(line)):
        # The ends of a straight start line reach into the edge lines of a bend, which are painted over it.
        across = min(start[x], inner[x])
        lines = dash[x] * (_ONE - across) * to_center + across * to_start
        line[x] += road[x] * to_edge + inner[x] * to_road + lines


@device
def draw_ground(canvas: Canvas, appearance: Array, camera: Row, scene: Row, tables: SceneTables) -> None:
    """Paint sky and ground into `canvas.light`; `scene` is a row of the tables."""
    sums, box, light = canvas.sums, canvas.box, canvas.light
    low, high = trace_horizon(sums[GROUND_PLANE], box, camera, canvas.points)
    height = light.shape[1]
    first, last = int(min(max(low, 0.0), float(height))), int(min(max(high, -1.0), float(height)))
    if high < 0.0:  # int() would round it up to 0
        last = -1
    starts = False
    if first < height:
        points = canvas.points
        trace_road(sums, box, points, camera, scene, tables.borders, tables.border_runs, appearance[EDGE_GAIN])
        dashes, runs = tables.dashes, tables.dash_runs
        trace_dashes(sums[DASH_PLANE], box, points, camera, scene, dashes, runs, appearance[CENTER_GAIN])
        starts = trace_starts(sums[START_PLANE], box, points, camera, scene, tables.starts)
    mix_ground(sums, canvas.cover, light, canvas.colours, camera, first, last, starts)
