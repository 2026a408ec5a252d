"""From the segments or control points of a course to the rows of its centre line.

A course that cannot be laid out is refused with the place in the file: `segments[3]`, `points[0]`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from racer.errors import TrackError
from racer.track import curve
from racer.track.course_schema import Course, SegmentPart

CLOSING_MAX = 0.10
"""Metres that a closed course of segments may end beside its start; it is pulled together."""
CLOSING_DEG_MAX = 1.0


def rows_of_course(course: Course, source: str) -> curve.Rows:
    """The rows of a course of segments or points.

    Raises:
        TrackError: with the segment or point that is wrong, or how far a loop is from closing.
    """
    if course.segments is not None:
        segments = _segments(course, course.segments, source)
        x, y, heading = course.origin
        start = (x, y, math.radians(heading))
        if course.closed:
            _check_closing(segments, source)
        return curve.rows_of_segments(segments, start, step=course.step, closed=course.closed, shift=course.start)
    points, left, right = _points(course, source)
    return curve.rows_of_points(points, left, right, step=course.step, closed=course.closed, shift=course.start)


def _segments(course: Course, parts: list[SegmentPart], source: str) -> list[curve.Segment]:
    for k, part in enumerate(parts):
        place = f"`{source}` segments[{k}]"
        if (part.straight is None) == (part.arc is None):
            raise TrackError(f"{place}: give either `straight: metres` or `arc: degrees` with `radius: metres`.")
        if (part.arc is None) != (part.radius is None) or part.arc == 0.0:
            raise TrackError(f"{place}: an arc needs degrees other than 0 and a radius; a straight has none.")
        if part.straight == "auto" and not course.closed:
            raise TrackError(f"{place}: `auto` only serves to close a course; give metres.")
        if part.width is not None and (part.left is not None or part.right is not None):
            raise TrackError(f"{place}: give `width`, or `left` and `right`.")
    lengths = solve_autos(parts, source) if course.closed else [_length(part) for part in parts]
    if course.width is None and not any(part.width or (part.left and part.right) for part in parts):
        raise TrackError(f"`{source}` has no width; give `width: metres`.")
    left, right = _side(parts, "left", course.width), _side(parts, "right", course.width)
    return [
        curve.Segment(length=length, turn=math.radians(part.arc or 0.0), left=to_left, right=to_right)
        for part, length, to_left, to_right in zip(parts, lengths, left, right, strict=True)
    ]


def _length(part: SegmentPart) -> float:
    if isinstance(part.straight, float):
        return part.straight
    return abs(math.radians(part.arc or 0.0)) * (part.radius or 0.0)


def _side(parts: list[SegmentPart], side: str, width: float | None) -> list[float]:
    """Distance to one border at the end of each segment; what is left out keeps the width before it."""
    own = [part.width / 2 if part.width else getattr(part, side) for part in parts]
    current = width / 2 if width else next(value for value in own if value)
    filled = []
    for value in own:
        current = value if value is not None else current
        filled.append(current)
    return filled


def _points(course: Course, source: str) -> tuple[NDArray[np.float64], ...]:
    points = course.points or []
    table = []
    for k, point in enumerate(points):
        if len(point) == 2 and course.width is None:
            raise TrackError(f"`{source}` points[{k}] has no width; give [x, y, width] or `width:` for all.")
        sides = [point[2] / 2] * 2 if len(point) == 3 else point[2:] or [(course.width or 0.0) / 2] * 2
        if min(sides) <= 0.0:
            raise TrackError(f"`{source}` points[{k}]: a width is not above 0; give metres.")
        if k and point[:2] == points[k - 1][:2]:
            raise TrackError(f"`{source}` points[{k}] repeats the point before it; leave it out.")
        table.append([*point[:2], *sides])
    if len(table) > 1 and course.closed and table[0][:2] == table[-1][:2]:
        table.pop()
    if len(table) < (4 if course.closed else 2):
        raise TrackError(f"`{source}` has {len(table)} points; a closed course needs 4, an open one 2.")
    columns = np.array(table, dtype=np.float64)
    return columns[:, :2], columns[:, 2], columns[:, 3]


def _check_closing(segments: list[curve.Segment], source: str) -> None:
    end = curve.ends(segments, (0.0, 0.0, 0.0))[-1]
    gap = math.hypot(end[0], end[1])
    turn = math.degrees(math.remainder(end[2], 2 * math.pi))
    if gap > CLOSING_MAX or abs(turn) > CLOSING_DEG_MAX:
        raise TrackError(
            f"`{source}`: the last segment ends {gap:.2f} m and {turn:+.1f} degrees from the start; "
            "give two straights the length `auto`, change the arcs, or write `closed: false`."
        )


def solve_autos(segments: list[SegmentPart], source: str) -> list[float]:
    """Lengths of all segments of a closed course, with the two `auto` straights solved so that it closes.

    The headings are known, so where the course ends is linear in the two lengths.

    Raises:
        TrackError: not two of them, parallel ones, or a length that would be negative.
    """
    lengths = [0.0 if part.straight == "auto" else _length(part) for part in segments]
    unknown = [k for k, part in enumerate(segments) if part.straight == "auto"]
    if not unknown:
        return lengths
    if len(unknown) != 2:
        raise TrackError(f"`{source}` has {len(unknown)} straights of length `auto`; a closed course takes two.")
    turned = np.cumsum([0.0] + [math.radians(part.arc or 0.0) for part in segments])
    known = [
        curve.Segment(length=length, turn=math.radians(part.arc or 0.0), left=1.0, right=1.0)
        for length, part in zip(lengths, segments, strict=True)
        if part.straight != "auto"
    ]
    end = curve.ends(known, (0.0, 0.0, 0.0))[-1]
    along = np.array([[math.cos(turned[k]), math.sin(turned[k])] for k in unknown]).T
    if abs(np.linalg.det(along)) < 0.05:
        raise TrackError(f"`{source}`: the two straights of length `auto` are parallel; choose another pair.")
    for k, length in zip(unknown, np.linalg.solve(along, -end[:2]).tolist(), strict=True):
        if length <= 0.0:
            raise TrackError(
                f"`{source}` segments[{k}]: to close the course this straight would be {length:.2f} m long; "
                "change the other segments."
            )
        lengths[k] = length
    return lengths
