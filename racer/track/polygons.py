"""Polygons of a picture of a track, in metres: ribbons of road, lines and dashes, cars.

A shape is an (R, V, 2) array: R closed rings of V vertices each, filled together. Ribbons consist of triangles that all
turn counter-clockwise: neighbours share their edges exactly, and where a border folds over itself in a tight corner, or
the road crosses itself, no area cancels another.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.config.env import VehicleConfig
from racer.track.track import Track

Points = NDArray[np.float64]


class CarPart(NamedTuple):
    """One polygon of a car in the car's frame (x ahead, y left) [m]; `colour` None means the car's colour."""

    outline: Points
    colour: tuple[int, int, int] | None
    opacity: float
    steered: bool


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
    """Turn all triangles counter-clockwise and drop those without area."""
    turn = _double_area(triangles)
    triangles[turn < 0.0] = triangles[turn < 0.0, ::-1]
    return triangles[turn != 0.0]


def _double_area(triangles: Points) -> Points:
    """Return twice the signed area of triangles (..., 3, 2), counter-clockwise positive."""
    ab, ac = triangles[..., 1, :] - triangles[..., 0, :], triangles[..., 2, :] - triangles[..., 0, :]
    return ab[..., 0] * ac[..., 1] - ab[..., 1] * ac[..., 0]


def _unit(vectors: Points) -> Points:
    length = np.hypot(vectors[:, 0], vectors[:, 1])[:, None]
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0.0)


def mitred_normals(line: Points, *, closed: bool = False) -> Points:
    """Return the mitred left normals of a line, shape (R, 2): a parallel line at distance d is `line + d * normals`.

    A mitre is at most twice as long as the distance. Repeated points get the normal of their neighbours.
    """
    steps = np.diff(line, axis=0, append=line[:1]) if closed else np.diff(line, axis=0)
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
    middle = np.where(np.any(middle != 0.0, axis=1, keepdims=True), middle, side[ahead])
    return middle / np.maximum(np.sum(middle * side[ahead], axis=1), 0.5)[:, None]


def line_triangles(line: Points, width: float, *, closed: bool = False) -> Points:
    """Return triangles (T, 3, 2) of a line of (R, 2) points of a given width [m]."""
    across = mitred_normals(line, closed=closed) * (0.5 * width)
    return ribbon(line + across, line - across, closed=closed)


def inset_borders(track: Track, distance: float) -> tuple[Points, Points]:
    """Return left and right lines at a distance inside the borders [m], limited to 0.45 of the width of the road."""
    width = np.minimum(distance, 0.45 * track.widths)[:, None]
    left, right = (mitred_normals(border, closed=track.closed) for border in (track.left, track.right))
    return track.left - left * width, track.right + right * width


def _center_points(track: Track) -> tuple[Points, Points]:
    """Return the centre line without repeated rows, with its first point again where it is closed, and arc lengths."""
    line = np.vstack([track.center, track.center[:1]]) if track.closed else track.center
    steps = np.hypot(*np.diff(line, axis=0).T)
    line = line[np.concatenate([[True], steps > 1e-9])]
    return line, np.concatenate([[0.0], np.cumsum(steps[steps > 1e-9])])


def dash_triangles(track: Track, width: float, dash: float, gap: float) -> Points:
    """Return triangles of the dashed centre line, with dashes and gaps scaled so that whole periods fill it.

    Args:
        track: the track.
        width: width of a dash [m].
        dash: length of a dash [m].
        gap: distance between two dashes [m].
    """
    line, s = _center_points(track)
    periods = max(1, round(s[-1] / (dash + gap)))
    starts = np.arange(periods) * (s[-1] / periods)
    ends = starts + dash * s[-1] / periods / (dash + gap)
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
    below = direction[0] * edges[:, 1] - direction[1] * edges[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        along = (starts[:, 0] * edges[:, 1] - starts[:, 1] * edges[:, 0]) / below
        part = (starts[:, 0] * direction[1] - starts[:, 1] * direction[0]) / below
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
    inwards = origin + along * (
        1e-6 if row == 0 else -1e-6
    )  # off the end by 1 um, so that the ray meets a border that ends here
    ends = []
    for sign, border in zip((1.0, -1.0), inset_borders(track, margin), strict=True):
        border = np.vstack([border, border[:1]]) if track.closed else border
        reach = _ray_distance(inwards, sign * side, border)
        ends.append(origin + sign * side * (reach if reach < 2.0 * half else half - margin))
    return along, ends[0], ends[1]


def start_line_quads(track: Track, length: float, margin: float) -> Points:
    """Return quads (1 or 2, 4, 2) of the start line, and of the finish line of an open track.

    Args:
        track: the track.
        length: extent along the road [m].
        margin: distance of its ends from the borders [m].
    """
    quads = []
    for row in (0,) if track.closed else (0, -1):
        along, left, right = _cross_section(track, row, margin)
        back, ahead = (-0.5, 0.5) if track.closed else (0.0, 1.0) if row == 0 else (-1.0, 0.0)
        a, b = along * (back * length), along * (ahead * length)
        quads.append(np.stack([left + b, right + b, right + a, left + a]))
    return np.stack(quads)


def direction_arrow(track: Track) -> Points:
    """Return two chevrons (2, 6, 2) on the road ahead of the start line that point in the direction of travel."""
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


_WHEEL, _GLASS, _LAMP = (22, 22, 24), (186, 214, 230), (255, 246, 205)
WHEEL_LENGTH, WHEEL_WIDTH = 0.070, 0.033
"""Size of a wheel [m] of a car 0.3235 m long and 0.196 m wide; scaled with the car."""


def _mirror_outline(half: list[tuple[float, float]]) -> Points:
    """Return a closed outline from its left half, listed from rear to front."""
    left = np.array(half)
    return np.vstack([left, left[::-1] * [1.0, -1.0]])


def car_parts(vehicle: VehicleConfig) -> list[CarPart]:
    """Return the polygons of a car from bottom to top; steered parts turn about their middle."""
    size = np.array([vehicle.length, vehicle.width])
    body = _mirror_outline([(-0.47, 0.27), (-0.43, 0.33), (-0.12, 0.36), (0.10, 0.34), (0.30, 0.27), (0.44, 0.25)])
    body = np.vstack([body[:6], [[0.485, 0.17], [0.485, -0.17]], body[6:]])
    screen = _mirror_outline([(0.03, 0.235), (0.16, 0.255)])
    roof = _mirror_outline([(-0.22, 0.22), (0.03, 0.235)])
    rear_screen = _mirror_outline([(-0.30, 0.24), (-0.22, 0.22)])
    wing = _mirror_outline([(-0.50, 0.40), (-0.43, 0.40)])
    lamp = np.array([[0.42, 0.235], [0.47, 0.18], [0.455, 0.12], [0.40, 0.17]])
    axles = ((vehicle.front, vehicle.track_front, True), (-vehicle.rear, vehicle.track_rear, False))
    wheel = np.array([[0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]]) * [WHEEL_LENGTH, WHEEL_WIDTH]
    wheel *= size / [0.3235, 0.196]
    parts = [CarPart(body * size * [1.04, 1.16], (0, 0, 0), 0.35, False)]
    for along, track, steered in axles:
        hubs = np.array([[along, 0.5 * track], [along, -0.5 * track]])
        parts += [CarPart(wheel + hub, _WHEEL, 1.0, steered) for hub in hubs]
    parts.append(CarPart(body * size, None, 1.0, False))
    parts += [CarPart(screen * size, _GLASS, 1.0, False), CarPart(roof * size, (0, 0, 0), 0.16, False)]
    parts += [CarPart(rear_screen * size, _GLASS, 0.55, False), CarPart(wing * size, (16, 16, 18), 0.9, False)]
    parts += [CarPart(lamp * size * [1.0, side], _LAMP, 1.0, False) for side in (1.0, -1.0)]
    return parts


def place_car_parts(parts: list[CarPart], poses: Points, scale: float) -> list[Points]:
    """Return the outlines (K, V, 2) of each part for K poses.

    Args:
        parts: polygons of a car.
        poses: x, y [m], yaw and optionally steering angle [rad], shape (K, 3 or 4).
        scale: factor on the size of the car.
    """
    yaw, steer = poses[:, 2], poses[:, 3] if poses.shape[1] > 3 else np.zeros(len(poses))
    placed = []
    for part in parts:
        outline = np.broadcast_to(part.outline, (len(poses), *part.outline.shape))
        if part.steered:
            hub = part.outline.mean(axis=0)
            outline = hub + rotate_points(part.outline - hub, steer)
        placed.append(poses[:, None, :2] + rotate_points(outline * scale, yaw))
    return placed


def rotate_points(points: Points, angles: Points) -> Points:
    """Rotate points (..., V, 2) by each of K angles [rad]; the result has shape (K, V, 2)."""
    c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
    x, y = points[..., 0], points[..., 1]
    return np.stack([c * x - s * y, s * x + c * y], axis=-1)
