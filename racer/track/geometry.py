"""Plane geometry of polylines: tangents at rows, borders from widths, crossings, radii, equal steps.

Points are (R, 2) float64 in the direction of travel [m]. A closed polyline joins its last row to its first; rows may
repeat.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Floats = NDArray[np.float64]


def segments(points: Points, *, closed: bool) -> tuple[Points, Points]:
    """Return start and vector of each segment [m], shape (S, 2): S = R on a closed polyline, R - 1 on an open one."""
    following = np.roll(points, -1, axis=0) if closed else points[1:]
    return points[: len(following)], following - points[: len(following)]


def step_lengths(points: Points, *, closed: bool) -> Floats:
    """Return the length of each segment [m], shape (S,)."""
    _, steps = segments(points, closed=closed)
    return np.hypot(steps[:, 0], steps[:, 1])


def distinct_rows(points: Points, *, closed: bool) -> NDArray[np.intp]:
    """Return the indices of the rows that differ from the row before them (cyclically on a closed polyline)."""
    # Compared exactly: a repeated row is a copy of the row before it.
    keep = np.ones(len(points), dtype=bool)
    keep[1:] = np.any(points[1:] != points[:-1], axis=1)
    rows = np.flatnonzero(keep)
    if closed and len(rows) > 1 and np.array_equal(points[rows[0]], points[rows[-1]]):
        rows = rows[:-1]
    return rows


def tangents(points: Points, *, closed: bool) -> Points:
    """Return the unit direction of travel at each row, shape (R, 2): the bisector of the segments before and after it.

    Repeated rows get the same direction. Where the line turns straight back, the direction is that of the segment
    after the row.
    """
    rows = distinct_rows(points, closed=closed)
    line = points[rows]
    if len(line) < 2:
        return np.tile([1.0, 0.0], (len(points), 1))
    following = np.roll(line, -1, axis=0) - line
    if not closed:
        following[-1] = following[-2]
    after = following / np.hypot(following[:, 0], following[:, 1])[:, None]
    before = np.roll(after, 1, axis=0)
    if not closed:
        before[0] = after[0]
    both = before + after
    size = np.hypot(both[:, 0], both[:, 1])
    spike = size < 1e-6
    # Two opposite unit vectors have no bisector.
    both[spike], size[spike] = after[spike], 1.0
    unit = both / size[:, None]
    # A repeated row belongs to the distinct row before it; a repeated first row at the end belongs to row 0.
    owner = np.searchsorted(rows, np.arange(len(points)), side="right") - 1
    if closed:
        tail = np.arange(len(points)) > rows[-1]
        owner[tail & np.all(points == points[0], axis=1)] = 0
    return unit[owner]


def left_normals(points: Points, *, closed: bool) -> Points:
    """Return the unit vector to the left of travel at each row, shape (R, 2)."""
    along = tangents(points, closed=closed)
    return np.column_stack([-along[:, 1], along[:, 0]])


def borders_from_widths(center: Points, left: Floats, right: Floats, *, closed: bool) -> tuple[Points, Points]:
    """Return the left and right border at given distances from a centre line, without folds in tight corners.

    Args:
        center: Centre line [m], shape (R, 2).
        left: Distance to the left border [m], shape (R,).
        right: Distance to the right border [m], shape (R,).
        closed: Whether the last row joins the first.
    """
    normal = left_normals(center, closed=closed)
    # A fold of a tight corner is a few road widths long; a longer loop is a crossing of the course, and stays.
    reach = 5.0 * float(np.max(left + right))
    return (
        remove_offset_loops(center + normal * left[:, None], center, reach, closed=closed),
        remove_offset_loops(center - normal * right[:, None], center, reach, closed=closed),
    )


def remove_offset_loops(border: Points, center: Points, reach: float, *, closed: bool) -> Points:
    """Cut the small loops of an offset line where a corner is tighter than the offset.

    Rows inside a loop move to the point where the border crosses itself, so that rows still correspond. A longer loop
    is a course that crosses itself, and is kept.

    Args:
        border: The offset line [m], shape (R, 2).
        center: The centre line of the same rows [m], shape (R, 2).
        reach: Length of centre line up to which a loop is cut [m].
        closed: Whether the last row joins the first.
    """
    pairs, points = crossings(border, closed=closed)
    if len(pairs) == 0:
        return border
    # Distances along the centre line, because those along the border shrink in the very corner that is measured.
    count = len(border)
    steps = step_lengths(center, closed=True)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    total, result = at[-1], border.copy()
    for (first, second), point in zip(pairs.tolist(), points, strict=True):
        inside = at[second] - at[first + 1]
        # On a closed line the two crossing segments bound two parts; the short one is the loop, also across row 0.
        if inside <= reach:
            result[first + 1 : second + 1] = point
        elif closed and total - inside <= reach:
            result[(np.arange(second + 1, first + 1 + count)) % count] = point
    return result


def crossings(line: Points, other: Points | None = None, *, closed: bool) -> tuple[NDArray[np.intp], Points]:
    """Find where a polyline crosses itself, or another one; segments that only share an end do not cross.

    The points p + t d and q + u e of two segments are equal for t = (q - p) x e / (d x e), u = (q - p) x d / (d x e);
    the segments cross where t and u are both within 0..1.

    Args:
        line: The polyline [m], shape (R, 2).
        other: The other polyline; None: the same one.
        closed: Whether the last row joins the first, on both.

    Returns:
        Rows (i, j) at the start of the two segments, shape (K, 2), i < j for one polyline; crossing points [m], (K, 2).
    """
    a, da = segments(line, closed=closed)
    b, db = (a, da) if other is None else segments(other, closed=closed)
    pairs: list[NDArray[np.intp]] = []
    where: list[Points] = []
    # Blocks of 256 segments against all bound the memory to 256 R values, where all pairs would need R^2.
    for first in range(0, len(a), 256):
        p, d = a[first : first + 256, None], da[first : first + 256, None]
        offset = b[None] - p
        turn = cross(d, db[None])
        with np.errstate(divide="ignore", invalid="ignore"):
            t = cross(offset, db[None]) / turn
            u = cross(offset, d) / turn
        hit = (turn != 0.0) & (t > 0.0) & (t < 1.0) & (u > 0.0) & (u < 1.0)
        i, j = np.nonzero(hit)
        if other is None:
            # Each pair of a polyline with itself occurs twice, as (i, j) and as (j, i).
            upper = i + first < j
            i, j = i[upper], j[upper]
        pairs.append(np.column_stack([i + first, j]))
        where.append(a[i + first] + t[i, j][:, None] * da[i + first])
    points = np.concatenate(where)
    return np.concatenate(pairs), points


def signed_widths(center: Points, left: Points, right: Points, *, closed: bool) -> Floats:
    """Return the width square to the line [m], shape (R,); negative where left and right are exchanged."""
    return np.asarray(cross(tangents(center, closed=closed), left - right))


def enclosed_area(points: Points) -> float:
    """Return the signed area of a polygon, counter-clockwise positive [m^2] (the shoelace formula)."""
    following = np.roll(points, -1, axis=0)
    return 0.5 * float(np.sum(cross(points, following)))


def resample(points: Points, count: int, *, closed: bool) -> Points:
    """Return `count` points at equal arc length; an open polyline keeps both ends, a closed one repeats no point."""
    steps = step_lengths(points, closed=closed)
    at = np.concatenate([[0.0], np.cumsum(steps)])
    line = np.vstack([points, points[:1]]) if closed else points
    stations = np.linspace(0.0, at[-1], count, endpoint=not closed)
    return np.column_stack([np.interp(stations, at, line[:, 0]), np.interp(stations, at, line[:, 1])])


def turn_radii(points: Points, *, closed: bool, step: float = 0.05, over: float = 0.3) -> tuple[Floats, Floats]:
    """Compute the radius of a line's turns, averaged over a short length so that a single kink does not dominate.

    The rows are taken as points of a smooth line whose heading at each row is the bisector of its segments and changes
    evenly in between, so that points of a circle give the radius of the circle.

    Args:
        points: The polyline [m], shape (R, 2).
        closed: Whether the last row joins the first.
        step: Spacing of the results [m].
        over: Length over which the change of heading is taken [m].

    Returns:
        Arc length of each result [m], shape (K,), and the radius there [m], shape (K,), infinite on a straight.
    """
    line = points[distinct_rows(points, closed=closed)]
    at = np.concatenate([[0.0], np.cumsum(step_lengths(line, closed=closed))])
    total = float(at[-1])
    along = tangents(line, closed=closed)
    angle = np.arctan2(along[:, 1], along[:, 0])
    heading = np.unwrap(np.append(angle, angle[0]) if closed else angle)
    over = min(over, total)
    if closed:
        # Continue the heading by whole turns beyond both ends, so that windows across row 0 see no jump.
        lap = heading[-1] - heading[0]
        at = np.concatenate([at[:-1] - total, at, at[1:] + total])
        heading = np.concatenate([heading[:-1] - lap, heading, heading[1:] + lap])
    count = max(8, round(total / step))
    s = np.arange(count) * (total / count) if closed else np.linspace(over / 2, total - over / 2, count)
    turned = np.abs(np.interp(s + over / 2, at, heading) - np.interp(s - over / 2, at, heading))
    with np.errstate(divide="ignore"):
        return np.asarray(s, dtype=np.float64), np.asarray(over / turned, dtype=np.float64)


def cross(a: Floats, b: Floats) -> Floats:
    """Return the cross products of vectors of shape (..., 2), positive where b is to the left of a."""
    product: NDArray[np.float64] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product
