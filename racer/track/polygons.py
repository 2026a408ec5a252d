"""The shapes of a picture in metres: ribbons of road, lines and dashes, cars. See `racer.sim.picture.picture`.

A shape is an (R, V, 2) array: R closed rings of V vertices each, filled together. Ribbons are made of
triangles that all turn the same way: neighbours share their edges exactly, and where a border folds over
itself in a tight corner, or the road crosses itself, nothing cancels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from racer.track.track import Track

Points = NDArray[np.float64]


def ribbon(left: Points, right: Points, *, closed: bool = False) -> Points:
    """Triangles (T, 3, 2) of the narrow strip between two lines of (R, 2) points, row by row."""
    count = len(left) if closed else len(left) - 1
    here = np.arange(count)
    there = (here + 1) % len(left)
    a, b, c, d = left[here], left[there], right[there], right[here]
    return _make_counter_clockwise(np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)]))


def road_triangles(left: Points, right: Points, *, closed: bool) -> Points:
    """Triangles (T, 3, 2) between two borders; rows may be far askew, as in some DeepRacer files.

    From the narrowest row on, step ahead on that border which gives the shorter next line across.
    """
    rows = len(left)
    if closed:
        first = int(np.argmin(np.hypot(*(left - right).T)))
        order = np.arange(first, first + rows + 1) % rows
        left, right, rows = left[order], right[order], rows + 1
    triangles, i, j = [], 0, 0
    a, b = [complex(*point) for point in left], [complex(*point) for point in right]
    while i < rows - 1 or j < rows - 1:
        if j == rows - 1 or (i < rows - 1 and abs(a[i + 1] - b[j]) <= abs(a[i] - b[j + 1])):
            triangles.append((left[i], left[i + 1], right[j]))
            i += 1
        else:
            triangles.append((left[i], right[j + 1], right[j]))
            j += 1
    return _make_counter_clockwise(np.array(triangles))


def _make_counter_clockwise(triangles: Points) -> Points:
    """The triangles, counter-clockwise all, without those that have no area."""
    turn = _double_area(triangles)
    triangles[turn < 0.0] = triangles[turn < 0.0, ::-1]
    return triangles[turn != 0.0]


def _double_area(triangles: Points) -> Points:
    """Twice the signed area of triangles (..., 3, 2), counter-clockwise positive."""
    ab, ac = triangles[..., 1, :] - triangles[..., 0, :], triangles[..., 2, :] - triangles[..., 0, :]
    return ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0]


def _unit(vectors: Points) -> Points:
    length = np.hypot(vectors[:, 0], vectors[:, 1])[:, None]
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0.0)


def mitred_normals(line: Points, *, closed: bool = False) -> Points:
    """(R, 2) left normals of a line, mitred: a parallel line at distance d is `line + d * normals`.

    Mitres are at most twice as long as the distance. Repeated points get the normal of their neighbours.
    """
    steps = np.diff(line, axis=0, append=line[:1]) if closed else np.diff(line, axis=0)
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    kept = np.flatnonzero(lengths > 1e-9)
    if len(kept) == 0:
        return np.zeros_like(line)
    # Of a run of repeated points, all look back to the last step with a length and ahead to the next one.
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
    middle = np.where(np.any(middle != 0.0, axis=1, keepdims=True), middle, side[ahead])
    return middle / np.maximum(np.sum(middle * side[ahead], axis=1), 0.5)[:, None]


def line_triangles(line: Points, width: float, *, closed: bool = False) -> Points:
    """Triangles of a line of (R, 2) points drawn `width` metres wide."""
    across = mitred_normals(line, closed=closed) * (0.5 * width)
    return ribbon(line + across, line - across, closed=closed)


def inset_borders(track: Track, distance: float) -> tuple[Points, Points]:
    """Left and right lines `distance` metres inside the borders, at most 0.45 of the width of the road."""
    width = np.minimum(distance, 0.45 * track.widths)[:, None]
    left, right = (mitred_normals(border, closed=track.closed) for border in (track.left, track.right))
    return track.left - left * width, track.right + right * width


def _center_points(track: Track) -> tuple[Points, Points]:
    """Centre line without repeated rows, joined up where it is closed, and the arc length at each point."""
    line = np.vstack([track.center, track.center[:1]]) if track.closed else track.center
    steps = np.hypot(*np.diff(line, axis=0).T)
    line = line[np.concatenate([[True], steps > 1e-9])]
    return line, np.concatenate([[0.0], np.cumsum(steps[steps > 1e-9])])


def dash_triangles(track: Track, width: float, dash: float, gap: float) -> Points:
    """Triangles of the dashed centre line; a whole number of periods fits a closed track."""
    line, s = _center_points(track)
    periods = max(1, round(s[-1] / (dash + gap)))
    starts = np.arange(periods) * (s[-1] / periods)
    ends = starts + dash * s[-1] / periods / (dash + gap)
    cuts = np.unique(np.concatenate([s, starts, ends]))
    points = np.stack([np.interp(cuts, s, line[:, axis]) for axis in (0, 1)], axis=1)
    shares = np.interp(cuts, s, np.arange(len(s)))
    side = mitred_normals(line)
    across = np.stack([np.interp(shares, np.arange(len(s)), side[:, axis]) for axis in (0, 1)], axis=1)
    across *= 0.5 * width
    middles = 0.5 * (cuts[1:] + cuts[:-1])
    painted = np.flatnonzero(middles < ends[np.searchsorted(starts, middles, side="right") - 1])
    left, right = points + across, points - across
    pieces = [ribbon(np.stack([left[k], left[k + 1]]), np.stack([right[k], right[k + 1]])) for k in painted]
    return np.concatenate(pieces)


def _ray_distance(origin: Points, direction: Points, line: Points) -> float:
    """How far a ray from a point runs until it meets a line, metres; infinity where it does not."""
    edges, starts = np.diff(line, axis=0), line[:-1] - origin
    below = direction[0] * edges[:, 1] - direction[1] * edges[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (starts[:, 0] * edges[:, 1] - starts[:, 1] * edges[:, 0]) / below
        part = (starts[:, 0] * direction[1] - starts[:, 1] * direction[0]) / below
    return float(np.min(along[(along > 0.0) & (part >= 0.0) & (part <= 1.0)], initial=np.inf))


def _cross_section(track: Track, row: int, margin: float) -> tuple[Points, Points, Points]:
    """Unit vector along the road at one end of the centre line, and the points left and right of it.

    Square across the road, which rows of a file need not be, and `margin` metres short of the borders.
    """
    line, _ = _center_points(track)
    origin = line[row]
    along = _unit(line[1:2] - line[:1] if row == 0 else line[-1:] - line[-2:-1])[0]
    side = np.array([-along[1], along[0]])
    half = 0.5 * abs(float(side @ (track.left[row] - track.right[row])))
    inwards = origin + along * (1e-6 if row == 0 else -1e-6)  # so that a border that ends here is met
    ends = []
    for sign, border in zip((1.0, -1.0), inset_borders(track, margin), strict=True):
        border = np.vstack([border, border[:1]]) if track.closed else border
        reach = _ray_distance(inwards, sign * side, border)
        ends.append(origin + sign * side * (reach if reach < 2.0 * half else half - margin))
    return along, ends[0], ends[1]


def start_line_quads(track: Track, length: float, margin: float) -> Points:
    """Quads (1 or 2, 4, 2) of the start line, and of the finish line of an open track."""
    quads = []
    for row in (0,) if track.closed else (0, -1):
        along, left, right = _cross_section(track, row, margin)
        back, ahead = (-0.5, 0.5) if track.closed else (0.0, 1.0) if row == 0 else (-1.0, 0.0)
        a, b = along * (back * length), along * (ahead * length)
        quads.append(np.stack([left + b, right + b, right + a, left + a]))
    return np.stack(quads)


def direction_arrow(track: Track) -> Points:
    """A pair of chevrons on the road ahead of the start line that points in the direction of travel."""
    line, s = _center_points(track)
    _, left, right = _cross_section(track, 0, 0.0)
    width = float(np.hypot(*(left - right)))
    chevron = np.array([[0.30, 0.0], [0.02, 0.24], [-0.12, 0.24], [0.16, 0.0], [-0.12, -0.24], [0.02, -0.24]])
    rings = []
    for ahead in (0.55, 0.85):
        at = min(ahead * width, 0.8 * s[-1])
        k = min(int(np.searchsorted(s, at, side="right")) - 1, len(s) - 2)
        along = _unit(line[k + 1 : k + 2] - line[k : k + 1])[0]
        turn = np.array([along, [-along[1], along[0]]])
        rings.append(line[k] + along * (at - s[k]) + chevron * width @ turn)
    return np.stack(rings)
