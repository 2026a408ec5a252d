"""Polygons of a picture of a track, in metres: ribbons of road, lines and dashes, cars.

A shape is an (R, V, 2) array: R closed rings of V vertices each, filled together. Ribbons consist of triangles that all
turn counter-clockwise: neighbours share their edges exactly, and where a border folds over itself in a tight corner, or
the road crosses itself, no area cancels another.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from racer.track import geometry
from racer.track.track import Track

Points = NDArray[np.float64]


def ribbon(left: Points, right: Points, *, closed: bool = False) -> Points:
    """Return triangles (T, 3, 2) of the narrow strip between two lines of (R, 2) points, row by row."""
    count = len(left) if closed else len(left) - 1
    here = np.arange(count)
    there = (here + 1) % len(left)
    a, b, c, d = left[here], left[there], right[there], right[here]
    return _make_counter_clockwise(np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)]))


def road_triangles(left: Points, right: Points, *, closed: bool) -> Points:
    """Return triangles (T, 3, 2) between two borders whose rows may be far from square, as in some DeepRacer files.

    The triangulation starts at the narrowest row and advances on the border that gives the shorter next line across:
    with a[i] and b[j] as the current ends, i advances where |a[i+1] - b[j]| <= |a[i] - b[j+1]|, else j.
    """
    rows = len(left)
    # At the narrowest row the two ends are surely opposite each other, also where rows are slanted.
    if closed:
        first = int(np.argmin(np.hypot(*(left - right).T)))
        order = np.arange(first, first + rows + 1) % rows
        left, right, rows = left[order], right[order], rows + 1
    triangles, i, j = [], 0, 0
    a, b = [complex(*point) for point in left], [complex(*point) for point in right]
    # Each pass adds one triangle and advances one border, so that 2 (R - 1) triangles cover the road.
    while i < rows - 1 or j < rows - 1:
        if j == rows - 1 or (i < rows - 1 and abs(a[i + 1] - b[j]) <= abs(a[i] - b[j + 1])):
            triangles.append((left[i], left[i + 1], right[j]))
            i += 1
        else:
            triangles.append((left[i], right[j + 1], right[j]))
            j += 1
    return _make_counter_clockwise(np.array(triangles))


def _make_counter_clockwise(triangles: Points) -> Points:
    """Turn all triangles counter-clockwise and drop those without area."""
    a, b, c = (triangles[..., k, :] for k in range(3))
    turn = geometry.cross(b - a, c - a)
    triangles[turn < 0.0] = triangles[turn < 0.0, ::-1]
    return triangles[turn != 0.0]


def _unit(vectors: Points) -> Points:
    length = np.hypot(vectors[:, 0], vectors[:, 1])[:, None]
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0.0)


def mitred_normals(line: Points, *, closed: bool = False) -> Points:
    """Return the mitred left normals of a line, shape (R, 2): a parallel line at distance d is `line + d * normals`.

    A mitre is at most twice as long as the distance. Repeated points get the normal of their neighbours.
    """
    _, steps = geometry.segments(line, closed=closed)
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    kept = np.flatnonzero(lengths > 1e-9)
    if len(kept) == 0:
        return np.zeros_like(line)
    # All points of a run of repeated points use the last step of non-zero length before and the next one after.
    rows = np.arange(len(line))
    ahead = np.searchsorted(kept, rows)
    back = ahead - 1
    if closed:
        ahead, back = ahead % len(kept), back % len(kept)
    else:
        ahead, back = np.minimum(ahead, len(kept) - 1), np.maximum(back, 0)
    units = _unit(steps)[kept]
    side = np.stack([-units[:, 1], units[:, 0]], axis=1)
    middle = _unit(side[back] + side[ahead])
    # Where the line turns straight back the sum is zero, and the normal is that of the next step.
    middle = np.where(np.any(middle != 0.0, axis=1, keepdims=True), middle, side[ahead])
    # A mitre of length 1 / cos(turn / 2) keeps both parallels at the distance; 0.5 limits it to twice the distance.
    return middle / np.maximum(np.sum(middle * side[ahead], axis=1), 0.5)[:, None]


def line_triangles(line: Points, width: float, *, closed: bool = False) -> Points:
    """Return triangles (T, 3, 2) of a line of (R, 2) points of a given width [m]."""
    across = mitred_normals(line, closed=closed) * (0.5 * width)
    return ribbon(line + across, line - across, closed=closed)


def inset_borders(track: Track, distance: float) -> tuple[Points, Points]:
    """Return left and right lines at a distance inside the borders [m], limited to 0.45 of the width of the road."""
    # On a very narrow road the two lines would meet or change sides.
    width = np.minimum(distance, 0.45 * track.widths)[:, None]
    left, right = (mitred_normals(border, closed=track.closed) for border in (track.left, track.right))
    return track.left - left * width, track.right + right * width


def _center_points(track: Track) -> tuple[Points, Points]:
    """Return the centre line without repeated rows, with its first point again where it is closed, and arc lengths."""
    line = np.vstack([track.center, track.center[:1]]) if track.closed else track.center
    steps = geometry.step_lengths(line, closed=False)
    line = line[np.concatenate([[True], steps > 1e-9])]
    return line, np.concatenate([[0.0], np.cumsum(steps[steps > 1e-9])])


def dash_triangles(track: Track, width: float, dash: float, gap: float) -> Points:
    """Return triangles of the dashed centre line, with dashes and gaps scaled so that whole periods fill it.

    Args:
        track: The track.
        width: Width of a dash [m].
        dash: Length of a dash [m].
        gap: Distance between two dashes [m].
    """
    line, s = _center_points(track)
    # A whole number of periods, so that the last gap of a loop is as long as the others.
    periods = max(1, round(s[-1] / (dash + gap)))
    starts = np.arange(periods) * (s[-1] / periods)
    ends = starts + dash * s[-1] / periods / (dash + gap)
    # Rows, starts and ends of dashes all become cuts, so that each piece is wholly painted or wholly bare.
    cuts = np.unique(np.concatenate([s, starts, ends]))
    points = np.stack([np.interp(cuts, s, line[:, axis]) for axis in (0, 1)], axis=1)
    rows = np.interp(cuts, s, np.arange(len(s)))
    side = mitred_normals(line)
    across = np.stack([np.interp(rows, np.arange(len(s)), side[:, axis]) for axis in (0, 1)], axis=1)
    across *= 0.5 * width
    middles = 0.5 * (cuts[1:] + cuts[:-1])
    painted = np.flatnonzero(middles < ends[np.searchsorted(starts, middles, side="right") - 1])
    left, right = points + across, points - across
    pieces = [ribbon(np.stack([left[k], left[k + 1]]), np.stack([right[k], right[k + 1]])) for k in painted]
    return np.concatenate(pieces)


def _ray_distance(origin: Points, direction: Points, line: Points) -> float:
    """Return the distance along a ray to a line [m]; infinity where the ray does not meet it."""
    edges, starts = np.diff(line, axis=0), line[:-1] - origin
    # The ray o + t d meets the edge p + u e at t = (p - o) x e / (d x e), u = (p - o) x d / (d x e).
    below = geometry.cross(direction, edges)
    with np.errstate(divide="ignore", invalid="ignore"):
        along = geometry.cross(starts, edges) / below
        part = geometry.cross(starts, direction) / below
    return float(np.min(along[(along > 0.0) & (part >= 0.0) & (part <= 1.0)], initial=np.inf))


def _cross_section(track: Track, row: int, margin: float) -> tuple[Points, Points, Points]:
    """Return the unit vector along the road at one end of the centre line, and the points left and right of it.

    The section is square across the road, which rows of a file need not be, and ends `margin` [m] before the borders.
    """
    line, _ = _center_points(track)
    origin = line[row]
    along = _unit(line[1:2] - line[:1] if row == 0 else line[-1:] - line[-2:-1])[0]
    side = np.array([-along[1], along[0]])
    half = 0.5 * abs(float(side @ (track.left[row] - track.right[row])))
    # Off the end by 1 um, so that the ray meets a border that ends here.
    inwards = origin + along * (1e-6 if row == 0 else -1e-6)
    ends = []
    for sign, border in zip((1.0, -1.0), inset_borders(track, margin), strict=True):
        border = np.vstack([border, border[:1]]) if track.closed else border
        reach = _ray_distance(inwards, sign * side, border)
        # A border farther than the road is wide belongs to another part of the track.
        ends.append(origin + sign * side * (reach if reach < 2.0 * half else half - margin))
    return along, ends[0], ends[1]


def start_line_quads(track: Track, length: float, margin: float) -> Points:
    """Return quads (1 or 2, 4, 2) of the start line, and of the finish line of an open track.

    Args:
        track: The track.
        length: Extent along the road [m].
        margin: Distance of its ends from the borders [m].
    """
    quads = []
    for row in (0,) if track.closed else (0, -1):
        along, left, right = _cross_section(track, row, margin)
        # The line of a loop is centred on row 0; those of an open track lie wholly inside its ends.
        back, ahead = (-0.5, 0.5) if track.closed else (0.0, 1.0) if row == 0 else (-1.0, 0.0)
        a, b = along * (back * length), along * (ahead * length)
        quads.append(np.stack([left + b, right + b, right + a, left + a]))
    return np.stack(quads)


def direction_arrow(track: Track) -> Points:
    """Return two chevrons (2, 6, 2) on the road ahead of the start line that point in the direction of travel."""
    line, s = _center_points(track)
    _, left, right = _cross_section(track, 0, 0.0)
    width = float(np.hypot(*(left - right)))
    # Corners of a chevron that points along x, in widths of the road.
    chevron = np.array([[0.30, 0.0], [0.02, 0.24], [-0.12, 0.24], [0.16, 0.0], [-0.12, -0.24], [0.02, -0.24]])
    rings = []
    for ahead in (0.55, 0.85):
        # On a very short open track the arrow stays on the road.
        at = min(ahead * width, 0.8 * s[-1])
        k = min(int(np.searchsorted(s, at, side="right")) - 1, len(s) - 2)
        along = _unit(line[k + 1 : k + 2] - line[k : k + 1])[0]
        turn = np.array([along, [-along[1], along[0]]])
        rings.append(line[k] + along * (at - s[k]) + chevron * width @ turn)
    return np.stack(rings)
