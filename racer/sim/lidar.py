"""Lidar: the range of every ray of every car, to walls, objects and the other cars.

Walls are swept, not rays: each wall vertex gets one angle, in units of rays, and the half-open range of
rays between two joined vertices belongs to the segment between them, so that neighbouring segments share no
ray and leave none out. On a segment from a to a + e, seen from the sensor at the origin, the ray of unit
direction d has

    1 / range = cross(d, e) / cross(a, e),

which is linear in d: one division for a segment, two multiplications for a ray of it, and the nearest wall is
the largest 1 / range. A rectangle is a loop of four segments.

Sensor frame: x along the car, y to its left; the sensor is `forward` metres ahead of the car's origin.
Rectangles of cars and objects are centred on their x, y. A car does not see itself, nor what drives on
another track.

Sector lidars: the rays of a lidar, reduced to sectors of the view.

DeepRacer's simulator makes them from the 64 ranges of its lidar (simapp `markov/filters/observation`, the binary and
the discretizing filter): sector j holds the rays ``j * rays / sectors`` on, from the right edge of the view to the left
one, and what counts is the nearest thing in it.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.sim.jit import device, kernel
from racer.sim.random import next_normal

CHUNK_VERTICES = 256
"""Most vertices that are swept at once; a wall group has at most this many."""

_TAN_22_5 = math.tan(math.pi / 8.0)
_QUARTER, _HALF, _FULL = math.pi / 4.0, math.pi / 2.0, math.pi
_TINY = 1e-12
_TOUCHING = 1e-6


class Lidar(NamedTuple):
    """One lidar, as `cast_rays` takes it; made by `make_lidar`. Radians and metres."""

    angle_first: float
    angle_step: float
    range_min: float
    range_max: float
    noise_sigma: float
    forward: float
    ray_x: NDArray[np.float64]
    ray_y: NDArray[np.float64]


def make_lidar(
    *,
    rays: int,
    angle_first: float,
    angle_step: float,
    range_min: float = 0.0,
    range_max: float,
    noise_sigma: float = 0.0,
    forward: float = 0.0,
) -> Lidar:
    """A lidar whose ray i points to ``angle_first + i * angle_step`` radians left of the car's heading.

    `angle_step` is positive, and the rays make at most one full turn: the last may not pass the first.
    `noise_sigma` and the ranges are in metres.

    Raises:
        ValueError: no rays, or more than one turn.
    """
    if rays < 1 or angle_step <= 0.0 or (rays - 1) * angle_step > 2.0 * math.pi + 1e-9:
        raise ValueError(f"{rays} rays of {angle_step} rad make more than one turn, or none")
    start = math.remainder(angle_first, 2.0 * math.pi)
    angles = start + angle_step * np.arange(rays)
    return Lidar(
        float(start),
        float(angle_step),
        float(range_min),
        float(range_max),
        float(noise_sigma),
        float(forward),
        np.cos(angles),
        np.sin(angles),
    )


def lidar_scratch(worlds: int, rays: int) -> NDArray[np.float64]:
    """Room for `cast_rays`: one row for each world, of which a call uses only row `first`."""
    return np.empty((worlds, 4 * CHUNK_VERTICES + rays))


@device
def _fast_atan2(x: float, y: float) -> float:
    """atan2(y, x) within 2e-14 rad; 0 at the origin. No branches, so that a loop of it is vectorised.

    The polynomial interpolates atan(q) / q in q^2 at Chebyshev nodes over |q| <= tan(22.5 degrees).
    """
    across, along = abs(x), abs(y)
    steep = along > across
    small = across if steep else along
    large = along if steep else across
    beyond = small > _TAN_22_5 * large
    q = (small - large if beyond else small) / ((small + large if beyond else large) + 1e-300)
    z = q * q
    p = 0.03066449210747943 * z - 0.05874643588228212
    p = p * z + 0.07563741384790575
    p = p * z - 0.09078397493924625
    p = p * z + 0.11110385477729276
    p = p * z - 0.14285690442522134
    p = p * z + 0.19999999605285537
    p = p * z - 0.33333333330806336
    p = p * z + 0.9999999999999734
    a = p * q + (_QUARTER if beyond else 0.0)
    a = _HALF - a if steep else a
    a = _FULL - a if x < 0.0 else a
    return -a if y < 0.0 else a


@device
def _sweep(xs: Any, ys: Any, turns: Any, edges: Any, lidar: Any, nearest: Any) -> None:
    """Sweep the polyline of vertices (xs, ys) in the sensor frame over the rays."""
    count, rays = len(xs), len(lidar.ray_x)
    ray_x, ray_y = lidar.ray_x, lidar.ray_y
    period = 2.0 * math.pi / lidar.angle_step
    per_rad = 1.0 / lidar.angle_step
    for k in range(count):
        turn = (_fast_atan2(xs[k], ys[k]) - lidar.angle_first) * per_rad
        turn = turn + period if turn < 0.0 else turn
        turn = turn - period if turn >= period else turn
        turns[k] = turn
        edges[k] = np.ceil(turn) if turn < rays else rays  # the first ray that is not before this vertex
    half = 0.5 * period
    for k in range(count - 1):
        forth = turns[k + 1] >= turns[k]
        low = k if forth else k + 1
        high = k + 1 if forth else k
        start, stop = int(edges[low]), int(edges[high])
        spread = turns[high] - turns[low]
        if start == stop and spread < half:
            continue
        ex, ey = xs[k + 1] - xs[k], ys[k + 1] - ys[k]
        distance = xs[k] * ey - ys[k] * ex
        if abs(distance) < _TINY:
            distance = -_TINY if distance < 0.0 else _TINY
        nx, ny = ey / distance, -ex / distance
        # The segment is seen the short way round: over start..stop, or over both ends of the fan of rays. A
        # spread of half a turn means that the sensor touches the segment, and either way may be the short
        # one; then rays of both are tried, and those that look away drop out because their 1 / range is
        # negative.
        margin = _TOUCHING * period
        for part in range(0 if spread < half + margin else 1, 3 if spread > half - margin else 1):
            begin = start if part == 0 else (0 if part == 1 else stop)
            end = stop if part == 0 else (start if part == 1 else rays)
            for ray in range(np.uint64(begin), np.uint64(end)):  # unsigned: no test for negative indices
                inverse = ray_x[ray] * nx + ray_y[ray] * ny
                if inverse > nearest[ray]:
                    nearest[ray] = inverse


@device
def _sweep_walls(
    course: Any,
    walls: Any,
    groups: Any,
    x: float,
    y: float,
    c: float,
    s: float,
    scratch: Any,
    lidar: Any,
    nearest: Any,
) -> None:
    """Sweep the walls of a course that are in reach; joined groups are swept as one polyline."""
    xs, ys = scratch[:CHUNK_VERTICES], scratch[CHUNK_VERTICES : 2 * CHUNK_VERTICES]
    turns, edges = scratch[2 * CHUNK_VERTICES : 3 * CHUNK_VERTICES], scratch[3 * CHUNK_VERTICES : 4 * CHUNK_VERTICES]
    stop = course["wall_first"] + course["wall_groups"]
    first, count = 0, 0
    for g in range(course["wall_first"], stop + 1):
        near, joined = False, False
        if g < stop:
            group = groups[g]
            reach = lidar.range_max + group["radius"]
            near = (group["x"] - x) ** 2 + (group["y"] - y) ** 2 <= reach * reach
            joined = near and group["first"] == first + count and count + group["count"] <= CHUNK_VERTICES
            if joined and count > 0:
                # Groups of one line repeat the vertex where they meet: a segment without length.
                end, begin = walls[first + count - 1], walls[first + count]
                joined = end["x"] == begin["x"] and end["y"] == begin["y"]
            if joined:
                count += group["count"]
        if joined:
            continue
        vertices = walls[first : first + count]
        for k in range(count):
            dx, dy = vertices[k]["x"] - x, vertices[k]["y"] - y
            xs[k], ys[k] = c * dx + s * dy, c * dy - s * dx
        _sweep(xs[:count], ys[:count], turns, edges, lidar, nearest)
        count = 0
        if near:
            first, count = groups[g]["first"], groups[g]["count"]


@device
def _sweep_rectangle(
    dx: float, dy: float, yaw: float, length: float, width: float, scratch: Any, lidar: Any, nearest: Any
) -> None:
    """Sweep a rectangle centred at (dx, dy) and turned by `yaw` in the sensor frame."""
    reach = lidar.range_max + 0.5 * (length + width)
    if dx * dx + dy * dy > reach * reach:
        return
    xs, ys = scratch[:CHUNK_VERTICES], scratch[CHUNK_VERTICES : 2 * CHUNK_VERTICES]
    c, s = math.cos(yaw), math.sin(yaw)
    for k in range(5):
        u = 0.5 * length if k == 0 or k >= 3 else -0.5 * length
        v = -0.5 * width if 2 <= k <= 3 else 0.5 * width
        xs[k], ys[k] = dx + c * u - s * v, dy + s * u + c * v
    _sweep(
        xs[:5],
        ys[:5],
        scratch[2 * CHUNK_VERTICES : 3 * CHUNK_VERTICES],
        scratch[3 * CHUNK_VERTICES : 4 * CHUNK_VERTICES],
        lidar,
        nearest,
    )


@device
def _cast_car(
    n: int,
    i: int,
    cars: Any,
    objects: Any,
    vehicles: Any,
    courses: Any,
    walls: Any,
    wall_groups: Any,
    lidar: Any,
    work: Any,
    out: Any,
) -> None:
    """Fill one row of `out` with what car i of world n measures; `work` is a row of the scratch."""
    rays = len(lidar.ray_x)
    nearest = work[4 * CHUNK_VERTICES : 4 * CHUNK_VERTICES + rays]
    car = cars[n, i]
    c, s = math.cos(car["yaw"]), math.sin(car["yaw"])
    x, y = car["x"] + c * lidar.forward, car["y"] + s * lidar.forward
    nearest[:] = 0.0
    _sweep_walls(courses[car["course"]], walls, wall_groups, x, y, c, s, work, lidar, nearest)
    for j in range(cars.shape[1] + objects.shape[1]):
        # Other cars first, then objects; courses 2k and 2k + 1 are the two directions of one track.
        if j < cars.shape[1]:
            other = cars[n, j]
            if j == i or other["active"] == 0 or other["course"] >> 1 != car["course"] >> 1:
                continue
            px, py, yaw = other["x"], other["y"], other["yaw"]
            length, width = vehicles[n, j]["length"], vehicles[n, j]["width"]
        else:
            thing = objects[n, j - cars.shape[1]]
            if thing["active"] == 0 or thing["course"] >> 1 != car["course"] >> 1:
                continue
            px, py, yaw = thing["x"], thing["y"], thing["yaw"]
            length, width = thing["length"], thing["width"]
        dx, dy = px - x, py - y
        _sweep_rectangle(c * dx + s * dy, c * dy - s * dx, yaw - car["yaw"], length, width, work, lidar, nearest)
    for ray in range(rays):
        inverse = nearest[ray]
        noise = lidar.noise_sigma * next_normal(car) if lidar.noise_sigma > 0.0 else 0.0
        distance = lidar.range_max
        if inverse * lidar.range_max > 1.0:
            distance = min(max(1.0 / inverse + noise, lidar.range_min), lidar.range_max)
        out[n, i, ray] = distance


@kernel
def cast_rays(
    first: int,
    last: int,
    which: Any,
    cars: Any,
    objects: Any,
    vehicles: Any,
    courses: Any,
    walls: Any,
    wall_groups: Any,
    lidar: Any,
    scratch: Any,
    out: Any,
) -> None:
    """Fill `out` with the ranges that those active cars of worlds first..last-1 measure that `which` (N, C) marks.

    `cars` (N, C) CAR, of which only `rng` is written; `objects` (N, M) OBJECT; `vehicles` (N, C) VEHICLE;
    `courses` COURSE, `walls` WALL and `wall_groups` WALL_GROUP rows, at most `CHUNK` vertices in a group;
    `lidar` from `make_lidar`; `scratch` from `lidar_scratch`, which calls on other worlds may share; `out`
    (N, C, rays) float32, metres. Ranges lie in range_min..range_max. A ray that meets nothing reads exactly
    range_max; noise is added to the others, before clipping. Rows of other cars, and of slots without a car, are
    left as they are.
    """
    work = scratch[first]
    for n in range(first, last):
        for i in range(cars.shape[1]):
            if which[n, i] and cars[n, i]["active"] == 1:
                _cast_car(n, i, cars, objects, vehicles, courses, walls, wall_groups, lidar, work, out)


Ranges = NDArray[np.float32]


def sector_minima(ranges: Ranges, sectors: int) -> Ranges:
    """Least range of each sector, (N, sectors), from (N, rays) metres; `sectors` divides the rays."""
    worlds, rays = ranges.shape
    return np.asarray(ranges.reshape(worlds, sectors, rays // sectors).min(axis=2))


def detect_sectors(ranges: Ranges, distance: float, out: NDArray[np.float32]) -> None:
    """Fill `out` (N, sectors): 1 where something is nearer than `distance` metres, else 0."""
    np.less(sector_minima(ranges, out.shape[1]), np.float32(distance), out=out, casting="unsafe")


def discretize_sectors(ranges: Ranges, sectors: int, clipping_dist: float, out: NDArray[np.float32]) -> None:
    """Fill `out` (N, sectors * values) with one row of `values` numbers for each sector.

    Value k of a row is 1 where the nearest thing is in the k-th part of 0..`clipping_dist` metres; a row is all 0
    where it is at `clipping_dist` or beyond.
    """
    worlds = len(ranges)
    values = out.shape[1] // sectors
    nearest = sector_minima(ranges, sectors)
    seen = nearest < np.float32(clipping_dist)
    # Just below the end, rounding of the quotient may reach it.
    part = np.minimum((nearest * (values / clipping_dist)).astype(np.int64), values - 1)
    out[:] = (seen[:, :, None] & (part[:, :, None] == np.arange(values))).reshape(worlds, -1)
