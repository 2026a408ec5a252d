"""Builds the tables that the kernels read from tracks: courses, segments, rails and walls.

Each track gives two courses, its own direction (2k) and the reverse (2k + 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.sim.dtypes import COURSE, RAIL, SEGMENT, WALL, WALL_GROUP
from racer.sim.locate import measure_rails
from racer.track.track import Track

RAIL_STEP = 0.1
"""m, the largest step between rail samples on a track for 1/18-scale cars; longer tracks get a longer one."""
RAIL_SAMPLES_MAX = 20_000
WALL_GROUP_SIZE = 16
"""Vertices of a wall group."""
_CHUNK = 256


class Courses(NamedTuple):
    """The tables of all courses of a world, and their waypoints."""

    courses: NDArray[np.void]
    """(2 T,) COURSE."""
    segments: NDArray[np.void]
    """SEGMENT, all courses one after another."""
    rails: NDArray[np.void]
    """RAIL, likewise."""
    walls: NDArray[np.void]
    """WALL vertices."""
    wall_groups: NDArray[np.void]
    """WALL_GROUP; both directions of a track share them."""


def build_courses(tracks: Sequence[Track]) -> Courses:
    """Tables of `tracks` in both directions."""
    courses = np.zeros(2 * len(tracks), COURSE)
    segments, rails, walls, groups = [], [], [], []
    first = rail_first = wall_first = vertex_first = 0
    for index, track in enumerate(tracks):
        track_walls, track_groups = build_walls(wall_lines(track))
        track_groups["first"] += vertex_first
        walls.append(track_walls)
        groups.append(track_groups)
        for backwards, course_track in enumerate((track, track.reversed())):
            rows = build_segments(course_track)
            rail, step = build_rail(course_track)
            courses[2 * index + backwards] = (
                first,
                len(rows),
                len(rows) if track.closed else len(rows) - 1,
                int(track.closed),
                rail_first,
                len(rail),
                wall_first,
                len(track_groups),
                int(course_track.backwards),
                track.length,
                step,
            )
            segments.append(rows)
            rails.append(rail)
            first += len(rows)
            rail_first += len(rail)
        wall_first += len(track_groups)
        vertex_first += len(track_walls)
    tables = Courses(
        courses, np.concatenate(segments), np.concatenate(rails), np.concatenate(walls), np.concatenate(groups)
    )
    measure_rails(tables.courses, tables.segments, tables.rails)
    return tables


def build_segments(track: Track) -> NDArray[np.void]:
    """(R,) SEGMENT of a track; a row without length takes its direction from the next row that has one."""
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
    out["length"][lengths_too_short(out["length"])] = 0.0
    if count < rows:
        out["ux"][-1], out["uy"][-1] = out["ux"][-2], out["uy"][-2]
    for side, border in (("left", track.left), ("right", track.right)):
        out[f"{side}_from"], out[f"{side}_count"] = _border_ranges(track, border)
    return out


def lengths_too_short(lengths: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Rows that count as repeated."""
    return lengths <= 1e-9


def _border_ranges(track: Track, border: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """For each centre segment, the border segments that can be nearest to one of its points: (first, count).

    Found at five points of each segment among the border segments near along the course, one more on either side.
    """
    rows = len(track.center)
    count = rows if track.closed else rows - 1
    lengths = track.segment_lengths
    s = np.concatenate([[0.0], np.cumsum(lengths)])[:rows]
    total = track.length
    a = border
    b = np.roll(border, -1, axis=0)
    if not track.closed:
        b[-1] = a[-1]
    edge = b - a
    square = np.maximum((edge**2).sum(axis=1), 1e-18)
    reach = float(2.0 * track.widths.max() + 2.0 * lengths.max())
    first = np.zeros(rows, np.int32)
    number = np.ones(rows, np.int32)
    steps = np.linspace(0.0, 1.0, 5)
    ends = np.roll(track.center, -1, axis=0)
    for begin in range(0, count, _CHUNK):
        part = np.arange(begin, min(begin + _CHUNK, count))
        apart = np.abs(s[part, None] - s[None, :])
        if track.closed:
            apart = np.minimum(apart, total - apart)
        low = np.full(len(part), rows, np.int64)
        high = np.full(len(part), -rows, np.int64)
        for step in steps:
            p = track.center[part] * (1 - step) + ends[part] * step
            away = p[:, None, :] - a[None, :, :]
            t = np.clip((away * edge[None]).sum(axis=2) / square[None], 0.0, 1.0)
            distance = ((away - t[..., None] * edge[None]) ** 2).sum(axis=2)
            distance[apart > reach] = np.inf
            offset = distance.argmin(axis=1) - part
            if track.closed:
                offset = (offset + rows // 2) % rows - rows // 2
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


def build_rail(track: Track) -> tuple[NDArray[np.void], float]:
    """The centre line at equal steps, with smoothed headings: (samples, step in metres).

    Headings are of the chord over one step either side, so that a polyline's corner is spread over two samples.
    Closed: sample j is at s = j * step, j = 0..n-1, and s = length is sample 0 again. Open: n includes the end.
    The distances to the borders are left at 0, for `measure_rails`.
    """
    total = track.length
    count = max(8, math.ceil(total / RAIL_STEP))
    count = min(count, RAIL_SAMPLES_MAX)
    step = total / count
    number = count if track.closed else count + 1
    at = step * np.arange(number)
    lengths = track.segment_lengths
    s = np.concatenate([[0.0], np.cumsum(lengths)])
    out = np.zeros(number, RAIL)

    def along(rows: NDArray[np.float64], where: NDArray[np.float64]) -> NDArray[np.float64]:
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
    """The walls of a track as polylines (K, 2), metres; none where the track has none.

    Where a track crosses itself, the pieces of wall that would stand on the road are left out.
    """
    if track.walls == "none":
        return []
    lines = []
    for border in (track.left, track.right):
        line = np.vstack([border, border[:1]]) if track.closed else border
        if track.walls == "offset":
            line = line + _outwards(track, border) * track.wall_offset
        keep = np.concatenate([[True], np.hypot(*np.diff(line, axis=0).T) > 1e-9])
        lines.extend(_clear_of_road(track, line[keep]))
    return lines


def _outwards(track: Track, border: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors from the centre line to a border, at each vertex of the wall line."""
    across = border - track.center
    unit = across / np.maximum(np.hypot(across[:, 0], across[:, 1]), 1e-9)[:, None]
    return np.vstack([unit, unit[:1]]) if track.closed else unit


def _clear_of_road(track: Track, line: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Pieces of a wall whose middle does not lie well inside the road, within half of its half width there.

    Half widths are measured to the nearest point of a border: rows of a file need not lie across the road.
    """
    edges = track.segment_vectors
    half = _half_widths(track)
    half = np.minimum(half, np.roll(half, -1))[: len(edges)]
    middle = 0.5 * (line[:-1] + line[1:])
    standing = np.empty(len(middle), bool)
    for begin in range(0, len(middle), _CHUNK):
        distance = _distances(middle[begin : begin + _CHUNK], track.center[: len(edges)], edges)
        standing[begin : begin + _CHUNK] = (distance > 0.5 * half).all(axis=1)
    pieces: list[NDArray[np.float64]] = []
    run = 0
    for index in range(len(standing) + 1):
        if index == len(standing) or not standing[index]:
            if index > run:
                pieces.append(line[run : index + 1])
            run = index + 1
    return pieces


def _half_widths(track: Track) -> NDArray[np.float64]:
    """(R,) distance from each row to the nearer border of its own stretch of the course, metres."""
    edges = len(track.segment_vectors)
    s = np.concatenate([[0.0], np.cumsum(track.segment_lengths)])
    reach = float(2.0 * track.widths.max() + 2.0 * track.segment_lengths.max())
    out = np.full(len(track.center), np.inf)
    for border in (track.left, track.right):
        ends = np.roll(border, -1, axis=0) if track.closed else border[1:]
        for begin in range(0, len(out), _CHUNK):
            rows = slice(begin, begin + _CHUNK)
            apart = np.abs(s[: len(out)][rows, None] - s[:edges])
            if track.closed:
                apart = np.minimum(apart, track.length - apart)
            distance = _distances(track.center[rows], border[:edges], ends[:edges] - border[:edges])
            out[rows] = np.minimum(out[rows], np.where(apart > reach, np.inf, distance).min(axis=1))
    return out


def _distances(
    points: NDArray[np.float64], starts: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(P, S) distances of points to segments."""
    square = np.maximum((edges**2).sum(axis=1), 1e-18)
    away = points[:, None] - starts
    t = np.clip((away * edges).sum(axis=2) / square, 0.0, 1.0)
    distance: NDArray[np.float64] = np.sqrt(((away - t[..., None] * edges) ** 2).sum(axis=2))
    return distance


def build_walls(lines: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """(WALL vertices, WALL_GROUP) of polylines; consecutive groups of a line share a vertex."""
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
