"""Builds the tables that the kernels read from tracks: courses, segments, centre lines and walls.

Each track gives two courses, its own direction (2 k) and the reverse (2 k + 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from racer.sim.centerline import measure_border_distances
from racer.sim.dtypes import CENTERLINE, COURSE, SEGMENT, WALL, WALL_GROUP, CourseTables
from racer.sim.projection_limits import measure_projection_limits
from racer.track.geometry import cross
from racer.track.track import Track

CENTERLINE_STEP = 0.1
"""Largest step between samples of the centre line [m], on tracks of up to `CENTERLINE_SAMPLES_MAX` samples."""
CENTERLINE_SAMPLES_MAX = 20_000
"""Largest number of samples; a longer track has a longer step."""
WALL_GROUP_SIZE = 16
"""Vertices of a wall group."""
_CHUNK = 64
"""Segments whose distances are computed at once; bounds the memory for the matrices."""


def build_courses(tracks: Sequence[Track]) -> CourseTables:
    """Build the tables of `tracks` in both directions."""
    courses = np.zeros(2 * len(tracks), COURSE)
    segments: list[NDArray[np.void]] = []
    centerlines: list[NDArray[np.void]] = []
    walls: list[NDArray[np.void]] = []
    groups: list[NDArray[np.void]] = []
    for index, track in enumerate(tracks):
        track_walls, track_groups = build_walls(wall_lines(track))
        track_groups["first"] += sum(map(len, walls))
        for backwards, course_track in enumerate((track, track.reversed())):
            rows = build_segments(course_track)
            centerline, step = build_centerline(course_track)
            courses[2 * index + backwards] = (
                sum(map(len, segments)),
                len(rows),
                len(rows) if track.closed else len(rows) - 1,
                int(track.closed),
                sum(map(len, centerlines)),
                len(centerline),
                sum(map(len, groups)),
                len(track_groups),
                int(course_track.backwards),
                track.length,
                step,
            )
            segments.append(rows)
            centerlines.append(centerline)
        walls.append(track_walls)
        groups.append(track_groups)
    tables = CourseTables(courses, *map(np.concatenate, (segments, centerlines, walls, groups)))
    measure_border_distances(tables.courses, tables.segments, tables.centerlines)
    measure_projection_limits(tables.courses, tables.segments)
    return tables


def build_segments(track: Track) -> NDArray[np.void]:
    """Build the SEGMENT rows of a track, shape (R,).

    A row without length takes its direction from the next row that has one.
    """
    rows = len(track.center)
    out = np.zeros(rows, SEGMENT)
    out["x"], out["y"] = track.center.T
    out["left_x"], out["left_y"] = track.left.T
    out["right_x"], out["right_y"] = track.right.T
    lengths, vectors = track.segment_lengths, track.segment_vectors
    count = len(lengths)
    out["length"][:count] = lengths
    out["s"][1:] = np.cumsum(lengths[: rows - 1])
    moving = np.flatnonzero(lengths > 1e-9)
    after = np.searchsorted(moving, np.arange(count))
    following = moving[after % len(moving) if track.closed else np.minimum(after, len(moving) - 1)]
    out["ux"][:count] = vectors[following, 0] / lengths[following]
    out["uy"][:count] = vectors[following, 1] / lengths[following]
    out["length"][out["length"] <= 1e-9] = 0.0
    if count < rows:
        out["ux"][-1], out["uy"][-1] = out["ux"][-2], out["uy"][-2]
    for side, border in (("left", track.left), ("right", track.right)):
        out[f"{side}_from"], out[f"{side}_count"] = _border_ranges(track, border)
    out["is_folded"], out["folded_from"], out["folded_count"] = _folded_strips(track)
    return out


def _folded_strips(track: Track) -> tuple[NDArray[np.bool_], NDArray[np.int32], NDArray[np.int32]]:
    """Return (folded, first, count), shape (R,): the folded strips, and the strips that may overlap that of each row.

    A strip is folded where one of its two triangles is clockwise in the direction of travel. Strips near each other
    along the course whose bounding boxes overlap may overlap themselves; the count is 0 where none of them is folded.
    """
    left, right = track.left, track.right
    next_left, next_right = np.roll(left, -1, axis=0), np.roll(right, -1, axis=0)
    areas = np.minimum(cross(right - left, next_right - left), cross(next_right - left, next_left - left))
    rows, strips = len(left), len(track.segment_lengths)
    first, number = np.zeros(rows, np.int32), np.zeros(rows, np.int32)
    is_folded = (areas < -1e-9) & (np.arange(rows) < strips)
    folded = is_folded[:strips]
    if not folded.any():
        return is_folded, first, number
    arcs, reach = _row_arcs(track), _border_reach(track)
    corners = np.stack([left, right, next_left, next_right])
    low, high = corners.min(axis=0), corners.max(axis=0)
    index = np.arange(strips)
    for row in range(strips):
        offset = index - row
        arc = arcs[index] - arcs[row]
        if track.closed:
            offset = (offset + rows // 2) % rows - rows // 2
            arc = (arc + 0.5 * track.length) % track.length - 0.5 * track.length
        boxes = (low[row] <= high[index]) & (high[row] >= low[index])
        over = boxes.all(axis=1) & (np.abs(arc) <= reach)
        if (over & folded).any():
            first[row] = row + offset[over].min()
            number[row] = offset[over].max() - offset[over].min() + 1
    return is_folded, first % rows, number


def _border_ranges(track: Track, border: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the border segments that can be nearest to a point of each centre segment: (first, count), shape (R,).

    They are those nearest to five points of the segment, among the border segments near along the course, and one more
    on either side.
    """
    rows = len(track.center)
    count = rows if track.closed else rows - 1
    first = np.zeros(rows, np.int32)
    number = np.ones(rows, np.int32)
    arcs, reach = _row_arcs(track), _border_reach(track)
    for begin in range(0, count, _CHUNK):
        part = np.arange(begin, min(begin + _CHUNK, count))
        near = _rows_near(track, part)
        # The rows are those near any row of the chunk: rows that are near this one alone may not reach another leg.
        laps, index = np.divmod(near, rows)
        distance = np.abs(arcs[index] + laps * track.length - arcs[part, None])
        distant = (np.minimum(distance, track.length - distance) if track.closed else distance) > reach
        low = np.full(len(part), rows, np.int64)
        high = np.full(len(part), -rows, np.int64)
        for fraction in np.linspace(0.0, 1.0, 5):
            points = track.center[part] + fraction * track.segment_vectors[part]
            squares = _distances_squared(points, border, index, track.closed)
            offset = near[np.where(distant, np.inf, squares).argmin(axis=1)] - part
            low, high = np.minimum(low, offset), np.maximum(high, offset)
        if track.closed:
            first[part] = (part + low - 1) % rows
            number[part] = np.minimum(high - low + 3, rows)
        else:
            start = np.maximum(part + low - 1, 0)
            first[part] = start
            number[part] = np.minimum(part + high + 1, rows - 2) - start + 1
    first[count:] = first[count - 1]
    number[count:] = number[count - 1]
    return first, number


def _rows_near(track: Track, part: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the border rows within reach of a run of centre rows; below 0 or beyond R across the start line."""
    rows, s, reach = len(track.center), _row_arcs(track), _border_reach(track)
    if not track.closed:
        low, high = np.searchsorted(s, [s[part[0]] - reach, s[part[-1]] + reach])
        return np.arange(low, min(high, rows - 1))
    total = track.length
    turns = np.concatenate([s - total, s, s + total])
    low, high = np.searchsorted(turns, [s[part[0]] - reach, s[part[-1]] + reach])
    if high - low >= rows:
        middle = int(part[len(part) // 2])
        return np.arange(middle - rows // 2, middle - rows // 2 + rows)
    return np.arange(low, high) - rows


def _row_arcs(track: Track) -> NDArray[np.float64]:
    """Return the arc length at each row [m], shape (R,)."""
    return np.concatenate([[0.0], np.cumsum(track.segment_lengths)])[: len(track.center)]


def _border_reach(track: Track) -> float:
    """Return the arc within which a border's nearest row must be [m]: two widths of the road, and two row distances.

    A border is at most a width away across the road, and a row's length off along it.
    """
    return float(2.0 * track.widths.max() + 2.0 * track.segment_lengths.max())


def _distances_squared(
    points: NDArray[np.float64], border: NDArray[np.float64], rows: NDArray[np.int64], closed: bool
) -> NDArray[np.float64]:
    """Return squared distances [m^2], shape (P, K), from points (P, 2) to the segments that start at `rows` (K,)."""
    a = border[rows]
    following = (rows + 1) % len(border) if closed else np.minimum(rows + 1, len(border) - 1)
    edge = border[following] - a
    square = np.maximum((edge**2).sum(axis=1), 1e-18)
    away = points[:, None, :] - a[None, :, :]
    along = np.clip((away * edge[None]).sum(axis=2) / square[None], 0.0, 1.0)
    return ((away - along[..., None] * edge[None]) ** 2).sum(axis=2)


def build_centerline(track: Track) -> tuple[NDArray[np.void], float]:
    """Build the centre line at equal steps, with smoothed headings.

    Headings are of the chord over one step either side, so that a polyline's corner is spread over two samples. The
    distances to the borders are left at 0, for `measure_border_distances`.

    Returns:
        (CENTERLINE rows, step [m]). Closed: sample j is at s = j step, j = 0..n-1, and s = length is sample 0 again.
        Open: n includes the end.
    """
    total = track.length
    count = min(max(8, math.ceil(total / CENTERLINE_STEP)), CENTERLINE_SAMPLES_MAX)
    step = total / count
    number = count if track.closed else count + 1
    at: NDArray[np.float64] = step * np.arange(number, dtype=np.float64)
    lengths = track.segment_lengths
    s = np.concatenate([[0.0], np.cumsum(lengths)])
    out = np.zeros(number, CENTERLINE)

    def along(rows: NDArray[np.float64], where: NDArray[np.float64]) -> NDArray[np.float64]:
        """Interpolate rows (R, 2) at arc lengths (K,); shape (K, 2)."""
        knots = np.vstack([rows, rows[:1]]) if track.closed else rows
        inside = where % total if track.closed else np.clip(where, 0.0, total)
        return np.stack([np.interp(inside, s, knots[:, k]) for k in range(2)], axis=1)

    center = along(track.center, at)
    out["x"], out["y"] = center.T
    chord = along(track.center, at + step) - along(track.center, at - step)
    heading = np.unwrap(np.arctan2(chord[:, 1], chord[:, 0]))
    out["heading"] = heading
    if track.closed:
        turn = np.roll(heading, -1) - np.roll(heading, 1)
        turn = (turn + math.pi) % (2 * math.pi) - math.pi
        out["curvature"] = turn / (2 * step)
    else:
        out["curvature"] = np.gradient(heading, step)
    return out, step


def wall_lines(track: Track) -> list[NDArray[np.float64]]:
    """Return the walls of a track as polylines [m], shape (K, 2) each.

    Where a track crosses itself, the pieces of wall that would be on the road are left out.
    """
    if track.walls == "none":
        return []
    lines = []
    for border in (track.left, track.right):
        rows = np.arange(len(border) + 1) % len(border) if track.closed else np.arange(len(border))
        line = border[rows]
        if track.walls == "offset":
            across = line - track.center[rows]
            line = line + across / np.maximum(np.hypot(*across.T), 1e-9)[:, None] * track.wall_offset
        keep = np.concatenate([[True], np.hypot(*np.diff(line, axis=0).T) > 1e-9])
        lines.extend(_clear_of_road(track, line[keep], rows[keep]))
    return lines


def _clear_of_road(track: Track, line: NDArray[np.float64], rows: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """Return the pieces of a wall that are not on another part of the road; `rows` are those of the wall's vertices."""
    middle = 0.5 * (line[:-1] + line[1:])
    count = len(track.segment_vectors)
    s = _row_arcs(track)
    half = 0.5 * track.widths
    # Road within this arc of a wall is its own road: the inner wall of a bend comes near to it.
    elsewhere = 3.0 * float(half.max()) + 2.0 * track.wall_offset
    clear = np.ones(len(middle), bool)
    for begin in range(0, len(middle), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        arc = np.abs(s[rows[:-1][part], None] - s[None, :count])
        if track.closed:
            arc = np.minimum(arc, track.length - arc)
        away = np.sqrt(_distances_squared(middle[part], track.center, np.arange(count), track.closed))
        clear[part] = ~((arc > elsewhere) & (away < half[None, :count])).any(axis=1)
    pieces: list[NDArray[np.float64]] = []
    run = 0
    for index in range(len(clear) + 1):
        if index == len(clear) or not clear[index]:
            if index > run:
                pieces.append(line[run : index + 1])
            run = index + 1
    return pieces


def build_walls(lines: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """Return the (WALL, WALL_GROUP) rows of polylines [m], shape (K, 2) each; groups of a line share a vertex."""
    vertices: list[NDArray[np.float64]] = []
    groups = []
    first = 0
    for line in lines:
        for begin in range(0, len(line) - 1, WALL_GROUP_SIZE - 1):
            part = line[begin : begin + WALL_GROUP_SIZE]
            middle = 0.5 * (part.min(axis=0) + part.max(axis=0))
            radius = float(np.hypot(*(part - middle).T).max())
            groups.append((middle[0], middle[1], radius, first, len(part)))
            vertices.append(part)
            first += len(part)
    walls = np.zeros(first, WALL)
    if vertices:
        walls["x"], walls["y"] = np.concatenate(vertices).T
    return walls, np.array(groups, WALL_GROUP) if groups else np.zeros(0, WALL_GROUP)
