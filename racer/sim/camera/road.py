"""What is painted on the ground, as lines: road, edge lines, centre line, start line."""

from __future__ import annotations

import math
from typing import Any

from racer.sim.camera.lens import out_of_view, to_camera, world_to_camera
from racer.sim.camera.scene import RUN_SIZE
from racer.sim.camera.trace import POINT, project, trace_line
from racer.sim.jit import inlined, pasted

ROAD_PLANE, INNER_PLANE, DASH_PLANE, START_PLANE, GROUND_PLANE = range(5)
PLANES = 5
"""Planes of sums, for each kind of surface; the last one is the ground up to the horizon."""
_ACROSS = 4 * RUN_SIZE
_PIECE, _QUAD = _ACROSS + 2, _ACROSS + 6
POINTS = _QUAD + 4
"""Rows of points that are being drawn: a run's four lines, one across, a piece of centre line, a quad."""
_FINE, _COARSE = 0.75, 1.5
"""Pixels of a period of the dashes: up to the first they are a line of their mean strength, from the second on they are
drawn one by one, and in between mixed, so that they do not flicker."""


@inlined
def _run_in_view(rig: Any, run: Any) -> bool:
    x, y, z = world_to_camera(rig, run["x"], run["y"], 0.0)
    reach = rig["reach"] + run["radius"]
    if x * x + y * y + z * z > reach * reach:
        return False
    return not out_of_view(rig, x, y, z, run["radius"])


@pasted
def _place(rig: Any, points: Any, i: int, x: float, y: float) -> None:
    """Fill row i of `points` for a point of the ground."""
    dx, dy = x - rig["x"], y - rig["y"]
    a, b = rig["cos"] * dx + rig["sin"] * dy, rig["sin"] * dx - rig["cos"] * dy
    cx, cy, cz = to_camera(rig, a, b, -rig["up"])
    project(rig, points, i, cx, cy, cz, a)


@pasted
def _between(rig: Any, points: Any, i: int, p: int, q: int, t: float) -> None:
    """Fill row i with the point at t (0..1) from row p to row q."""
    x0, y0, z0, a0 = points[p, 0], points[p, 1], points[p, 2], points[p, 5]
    x1, y1, z1, a1 = points[q, 0], points[q, 1], points[q, 2], points[q, 5]
    project(rig, points, i, x0 + t * (x1 - x0), y0 + t * (y1 - y0), z0 + t * (z1 - z0), a0 + t * (a1 - a0))


@inlined
def _place_run(rig: Any, points: Any, borders: Any, first: int, count: int, gain: float) -> None:
    """Place a run of rows: left and right rim of the road, then of the inner road, each in RUN_SIZE rows."""
    for r in range(count):
        row = borders[first + r]
        lx, ly, rx, ry = row["left_x"], row["left_y"], row["right_x"], row["right_y"]
        _place(rig, points, r, lx, ly)
        _place(rig, points, RUN_SIZE + r, rx, ry)
        _place(rig, points, 2 * RUN_SIZE + r, lx + gain * row["left_in_x"], ly + gain * row["left_in_y"])
        _place(rig, points, 3 * RUN_SIZE + r, rx + gain * row["right_in_x"], ry + gain * row["right_in_y"])


@inlined
def trace_road(sums: Any, box: Any, points: Any, rig: Any, scene: Any, borders: Any, runs: Any, gain: float) -> None:
    """Add the visible runs of road and of the inner road to their planes; `gain` times the edge lines' width."""
    first, count = scene["border_first"], scene["border_runs"]
    start, end = runs[first], runs[first + count - 1]
    head, tail = borders[start["first"]], borders[end["first"] + end["count"] - 1]
    closed = head["left_x"] == tail["left_x"] and head["left_y"] == tail["left_y"]
    before = closed and _run_in_view(rig, end)
    here = _run_in_view(rig, start)
    for k in range(count):
        after = _run_in_view(rig, runs[first + k + 1]) if k + 1 < count else closed and _run_in_view(rig, start)
        if here:
            rows = runs[first + k]["count"]
            _place_run(rig, points, borders, runs[first + k]["first"], rows, gain)
            for line in range(8):
                # The four rims, clockwise round the road; then its ends where the next run is not drawn, for else the
                # ends of both would cancel.
                if (line >= 6 and after) or (4 <= line < 6 and before):
                    continue
                begin, count_here, weight = line * RUN_SIZE, rows, 1.0 if line & 1 else -1.0
                if line >= 4:
                    end_row = (line & 1) * 2 * RUN_SIZE + (rows - 1 if line >= 6 else 0)
                    for axis in range(POINT):
                        points[_ACROSS, axis] = points[end_row, axis]
                        points[_ACROSS + 1, axis] = points[end_row + RUN_SIZE, axis]
                    begin, count_here, weight = _ACROSS, 2, -1.0 if line >= 6 else 1.0
                plane = sums[INNER_PLANE if (line & 1 if line >= 4 else line >= 2) else ROAD_PLANE]
                trace_line(plane, box, rig, points, begin, count_here, False, weight)
        before, here = here, after


@inlined
def _cut_piece(rig: Any, points: Any, low: float, high: float) -> None:
    """Set the quad to the part low..high (0..1) of the piece of centre line in `points`."""
    _between(rig, points, _QUAD, _PIECE, _PIECE + 1, low)
    _between(rig, points, _QUAD + 1, _PIECE, _PIECE + 1, high)
    _between(rig, points, _QUAD + 2, _PIECE + 2, _PIECE + 3, high)
    _between(rig, points, _QUAD + 3, _PIECE + 2, _PIECE + 3, low)


@inlined
def _length(points: Any, i: int, j: int, near: float) -> float:
    """Pixels from one point to another, in columns or in rows; very many where one is behind."""
    if points[i, 2] < near or points[j, 2] < near:
        return 1e9
    return max(abs(points[i, 3] - points[j, 3]), abs(points[i, 4] - points[j, 4]))


@inlined
def _place_piece(rig: Any, points: Any, piece: Any, gain: float) -> bool:
    """Place the corners of a piece of centre line; False where it is out of view."""
    x0, y0 = piece["x"], piece["y"]
    x1, y1 = x0 + piece["to_x"], y0 + piece["to_y"]
    x, y, z = world_to_camera(rig, 0.5 * (x0 + x1), 0.5 * (y0 + y1), 0.0)
    if out_of_view(rig, x, y, z, piece["radius"] * max(gain, 1.0)):
        return False
    wx, wy = gain * piece["across_x"], gain * piece["across_y"]
    _place(rig, points, _PIECE, x0 + wx, y0 + wy)
    _place(rig, points, _PIECE + 2, x0 - wx, y0 - wy)
    wx, wy = gain * piece["end_across_x"], gain * piece["end_across_y"]
    _place(rig, points, _PIECE + 1, x1 + wx, y1 + wy)
    _place(rig, points, _PIECE + 3, x1 - wx, y1 - wy)
    return True


@inlined
def trace_dashes(plane: Any, box: Any, points: Any, rig: Any, scene: Any, dashes: Any, runs: Any, gain: float) -> None:
    """Add the dashed centre line, `gain` times its width."""
    share = scene["dash_share"]
    for k in range(scene["dash_first"], scene["dash_first"] + scene["dash_runs"]):
        if not _run_in_view(rig, runs[k]):
            continue
        for r in range(runs[k]["first"], runs[k]["first"] + runs[k]["count"]):
            piece = dashes[r]
            if not _place_piece(rig, points, piece, gain):
                continue
            s, periods = piece["s"], piece["periods"]
            z0, z1 = points[_PIECE, 2], points[_PIECE + 1, 2]
            longest = _length(points, _PIECE, _PIECE + 1, rig["near"]) * max(z0, z1)
            fine = longest < _FINE * periods * min(z0, z1)
            begin, mean = float(int(s)), False
            while begin < s + periods:
                low, high = max(begin - s, 0.0), min(begin + share - s, periods)
                whole, weight = min(begin + 1.0 - s, periods), share
                if fine:
                    begin, low, high = math.inf, 0.0, periods
                elif whole > low:
                    # The dash, and then its whole period with what it lacks in strength.
                    _cut_piece(rig, points, low / periods, whole / periods)
                    period = _length(points, _QUAD, _QUAD + 1, rig["near"]) / (whole - low)
                    weight = min(max((period - _FINE) / (_COARSE - _FINE), 0.0), 1.0)
                    if mean:
                        high, weight = whole, (1.0 - weight) * share
                        mean = False
                    else:
                        mean = weight < 1.0
                if not mean:
                    begin += 1.0
                if high > low and weight > 0.0:
                    _cut_piece(rig, points, low / periods, high / periods)
                    trace_line(plane, box, rig, points, _QUAD, 4, True, weight)


@inlined
def trace_starts(plane: Any, box: Any, points: Any, rig: Any, scene: Any, starts: Any) -> bool:
    """Add the start line, and the finish line of an open track; False where nothing of them is in view."""
    seen = False
    for q in range(scene["start_first"], scene["start_first"] + scene["starts"]):
        for k in range(4):
            _place(rig, points, _QUAD + k, starts[q, k, 0], starts[q, k, 1])
        ax, ay = 0.5 * (starts[q, 0, 0] + starts[q, 2, 0]), 0.5 * (starts[q, 0, 1] + starts[q, 2, 1])
        x, y, z = world_to_camera(rig, ax, ay, 0.0)
        radius = 0.5 * math.hypot(starts[q, 2, 0] - starts[q, 0, 0], starts[q, 2, 1] - starts[q, 0, 1])
        if not out_of_view(rig, x, y, z, radius):
            trace_line(plane, box, rig, points, _QUAD, 4, True, 1.0)
            seen = True
    return seen
