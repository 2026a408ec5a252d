"""Samples a course at equal steps: straights and arcs (`sample_segments`), or a cubic spline (`sample_spline`).

Each row has a point of the centre line and the width to each side. Lengths are in metres, angles in radians, left
positive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.track import geometry

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class CurveSegment:
    """A straight (turn 0) or an arc of a circle.

    Attributes:
        length: Length of the centre line [m].
        turn: Change of heading over the segment [rad], left positive.
        left: Distance to the left border at the segment's end [m].
        right: Distance to the right border at the segment's end [m].
    """

    length: float
    turn: float
    left: float
    right: float


@dataclass(frozen=True, kw_only=True)
class CenterlineRows:
    """A centre line at equal steps; a closed one does not repeat its first row.

    Lengths are in metres, but for a road in a map's image, which is in pixels.

    Attributes:
        center: Points [m], shape (R, 2).
        left: Distance to the left border [m], shape (R,).
        right: Distance to the right border [m], shape (R,).
    """

    center: Floats
    left: Floats
    right: Floats

    def table(self, *, closed: bool) -> Floats:
        """Return centre line, left and right border [m], shape (R, 6); a closed course repeats its first row."""
        borders = geometry.borders_from_widths(self.center, self.left, self.right, closed=closed)
        table = np.hstack([self.center, *borders])
        return np.vstack([table, table[:1]]) if closed else table


def segment_poses(segments: list[CurveSegment], start: tuple[float, float, float]) -> Floats:
    """Return x, y [m] and heading [rad] at the start of each segment and at the end of the last, shape (K + 1, 3)."""
    poses = [np.array(start, dtype=np.float64)]
    for segment in segments:
        poses.append(_along(poses[-1], segment, np.array([segment.length]))[0])
    return np.array(poses)


def sample_segments(
    segments: list[CurveSegment],
    start: tuple[float, float, float],
    *,
    step: float,
    closed: bool,
    shift: float = 0.0,
) -> CenterlineRows:
    """Sample straights and arcs.

    The width changes smoothly from the end of one segment to the end of the next; on a closed course the last segment
    precedes the first. Where a closed course ends a little beside its start (rounded numbers), the error is distributed
    evenly along the course.

    Args:
        segments: The course.
        start: x, y [m] and heading [rad] of the first segment's start.
        step: Wanted distance between rows [m].
        closed: Whether the end joins the start.
        shift: Arc length of the first row on a closed course [m].
    """
    poses = segment_poses(segments, start)
    lengths = np.array([segment.length for segment in segments])
    edges = np.concatenate([[0.0], np.cumsum(lengths)])
    s = _stations(edges[-1], step, closed=closed, shift=shift)
    # Segment of each station; the clip keeps the end of the course in the last segment.
    which = np.clip(np.searchsorted(edges, s, side="right") - 1, 0, len(segments) - 1)
    center = np.empty((len(s), 2))
    for k, segment in enumerate(segments):
        here = which == k
        center[here] = _along(poses[k], segment, s[here] - edges[k])[:, :2]
    if closed:
        # A linear share of the error: none at the start, all of it at the end, so that the loop closes without a step.
        center -= (s / edges[-1])[:, None] * (poses[-1, :2] - poses[0, :2])
    part = _smoothstep((s - edges[which]) / lengths[which])
    sides = []
    for widths in (np.array([g.left for g in segments]), np.array([g.right for g in segments])):
        # A width is that of a segment's end, so that segment k begins with the width of segment k - 1.
        before = np.roll(widths, 1)
        if not closed:
            before[0] = widths[0]
        sides.append(before[which] + part * (widths[which] - before[which]))
    return CenterlineRows(center=center, left=sides[0], right=sides[1])


def sample_spline(
    points: Floats, left: Floats, right: Floats, *, step: float, closed: bool, shift: float = 0.0
) -> CenterlineRows:
    """Sample the cubic spline through control points, parametrised by the square root of the chords.

    Centripetal parameters keep the curve close to unevenly spaced points (Lee, "Choosing nodes in parametric curve
    interpolation", Computer-Aided Design 21, 1989).

    Args:
        points: Control points [m], shape (K, 2); a closed curve does not repeat its first.
        left: Distance to the left border at each point [m], shape (K,).
        right: Distance to the right border [m], shape (K,).
        step: Wanted distance between rows [m].
        closed: Whether the last point joins the first.
        shift: Arc length of the first row on a closed course [m].
    """
    knots = np.vstack([points, points[:1]]) if closed else points
    chords = geometry.step_lengths(knots, closed=False)
    u = np.concatenate([[0.0], np.cumsum(np.sqrt(chords))])
    # The arc length has no closed form: measure it along 200 chords for each point, and invert it by interpolation.
    fine_u = np.linspace(0.0, u[-1], 200 * len(points) + 1)
    fine = _spline(u, knots, fine_u, closed=closed)
    at = np.concatenate([[0.0], np.cumsum(geometry.step_lengths(fine, closed=False))])
    s = _stations(at[-1], step, closed=closed, shift=shift)
    where = np.interp(s, at, fine_u)
    center = _spline(u, knots, where, closed=closed)
    which = np.clip(np.searchsorted(u, where, side="right") - 1, 0, len(chords) - 1)
    part = _smoothstep((where - u[which]) / (u[which + 1] - u[which]))
    sides = []
    for widths in (left, right):
        ring = np.append(widths, widths[0]) if closed else widths
        sides.append(ring[which] + part * (ring[which + 1] - ring[which]))
    return CenterlineRows(center=center, left=sides[0], right=sides[1])


def _along(pose: Floats, segment: CurveSegment, s: Floats) -> Floats:
    """Return poses (K, 3) at distances s [m] along a segment that starts at a pose.

    On an arc of signed radius r from heading h0 to h: x = x0 + r (sin h - sin h0), y = y0 - r (cos h - cos h0).
    """
    x, y, heading = pose
    headings = heading + segment.turn * s / segment.length
    if segment.turn == 0.0:
        return np.column_stack([x + s * np.cos(heading), y + s * np.sin(heading), headings])
    radius = segment.length / segment.turn
    return np.column_stack(
        [
            x + radius * (np.sin(headings) - np.sin(heading)),
            y - radius * (np.cos(headings) - np.cos(heading)),
            headings,
        ]
    )


def _stations(total: float, step: float, *, closed: bool, shift: float) -> Floats:
    """Return arc lengths of rows at equal distances near `step`; at least 8, so that any loop has an inside [m]."""
    count = max(8, round(total / step))
    # On a loop the last station is one step before the first; the rows begin at `shift`, where the start line is.
    if closed:
        return np.asarray((shift + np.arange(count) * (total / count)) % total)
    return np.linspace(0.0, total, count + 1)


def _smoothstep(part: Floats) -> Floats:
    """Map 0..1 to 0..1 with zero slope at both ends, so that borders have no kinks."""
    return part * part * (3.0 - 2.0 * part)


def _spline(u: Floats, knots: Floats, at: Floats, *, closed: bool) -> Floats:
    """Return values of the interpolating cubic spline, periodic or natural.

    Press et al., Numerical Recipes, section 3.3: `bend` holds the second derivatives, which solve equation 3.3.7; the
    last lines are 3.3.3 with the coefficients of 3.3.2 and 3.3.4.
    """
    h = np.diff(u)
    slopes = np.diff(knots, axis=0) / h[:, None]
    count = len(knots) - 1 if closed else len(knots)
    matrix, right = np.zeros((count, count)), np.zeros((count, 2))
    # Row i of the matrix couples the bends at knots i - 1, i and i + 1; on a loop the indices wrap around.
    inner = range(count) if closed else range(1, count - 1)
    for i in inner:
        before, after = h[i - 1], h[i % len(h)]
        matrix[i, (i - 1) % count] += before
        matrix[i, i] += 2.0 * (before + after)
        matrix[i, (i + 1) % count] += after
        right[i] = 6.0 * (slopes[i % len(h)] - slopes[i - 1])
    # A natural spline has no bend at its ends.
    if not closed:
        matrix[0, 0] = matrix[-1, -1] = 1.0
    bend = np.linalg.solve(matrix, right)
    if closed:
        bend = np.vstack([bend, bend[:1]])
    # Interval k of each parameter, and the weights a, b of its two knots (3.3.2).
    k = np.clip(np.searchsorted(u, at, side="right") - 1, 0, len(h) - 1)
    a = ((u[k + 1] - at) / h[k])[:, None]
    b = 1.0 - a
    curve: Floats = a * knots[k] + b * knots[k + 1]
    return curve + ((a**3 - a) * bend[k] + (b**3 - b) * bend[k + 1]) * (h[k] ** 2)[:, None] / 6.0
