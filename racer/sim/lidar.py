"""Lidar: the range of every ray of every car, to walls, objects and other cars; and sectors of such scans.

The kernel sweeps walls instead of rays: each wall vertex gets one angle, in units of rays, and the half-open range of
rays between two joined vertices belongs to the segment between them, so that neighbouring segments share no
ray and leave none out. On a segment from a to a + e, seen from the sensor at the origin, the ray of unit
direction d has

    1 / range = cross(d, e) / cross(a, e),

which is linear in d: one division for a segment, two multiplications for each of its rays, and the nearest wall is
the largest 1 / range. A rectangle is a loop of four segments.

Example: with 1 degree between rays, vertices at 10.4 and 12.6 degrees give the segment the rays 11 and 12.

Sensor frame: x along the car, y to its left; the sensor is `forward` metres ahead of the car's origin. Rectangles of
cars and objects are centred on their x, y. A scan shows neither its own car nor bodies on another track.

Sectors follow DeepRacer's simulator, which makes them from the 64 ranges of its lidar (simapp
`markov/filters/observation`, the binary and the discretizing filter): sector j holds the rays from ``j * rays /
sectors`` on, from the right edge of the view to the left one, and its value depends on its least range.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.sim.dtypes import Array, Batch, Car, CourseTables, Row
from racer.sim.jit import device, kernel
from racer.sim.random import next_normal

CHUNK_VERTICES = 256
"""Largest number of vertices that are swept at once; a wall group has at most this many."""

_TAN_22_5 = math.tan(math.pi / 8.0)
_QUARTER, _HALF, _FULL = math.pi / 4.0, math.pi / 2.0, math.pi
_TINY = 1e-12
_TOUCHING = 1e-6


class Lidar(NamedTuple):
    """One lidar, made by `make_lidar`; the argument of `cast_rays`. Angles in rad, lengths in m."""

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
    """Make a lidar whose ray i points to ``angle_first + i * angle_step`` [rad] left of the car's heading.

    Args:
        rays: Number of rays.
        angle_first: Angle of the first ray [rad].
        angle_step: Angle between rays [rad], positive; the last ray may not pass the first.
        range_min: Least range [m].
        range_max: Greatest range [m], the value of a ray without an echo.
        noise_sigma: Standard deviation of the noise [m].
        forward: Position of the sensor ahead of the car's origin [m].

    Raises:
        ValueError: no rays, or more than one turn.
    """
    if rays < 1 or angle_step <= 0.0 or (rays - 1) * angle_step > 2.0 * math.pi + 1e-9:
        raise ValueError(f"{rays} rays of {angle_step} rad make more than one turn, or none")
    start = math.remainder(angle_first, 2.0 * math.pi)
    angles = start + angle_step * np.arange(rays)
    # Floats: an integer would be another numba type, and so another compilation.
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
    """Make the buffers of `cast_rays`: one row for each world, of which a call uses only row `first`."""
    return np.empty((worlds, 4 * CHUNK_VERTICES + rays))


@device
def _fast_atan2(x: float, y: float) -> float:
    """Return atan2(y, x) within 2e-14 rad; 0 at the origin. It has no branches, so that a loop of it is vectorised.

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
def _sweep(work: Array, count: int, lidar: Lidar) -> None:
    """Sweep the polyline of the first `count` vertices over the rays.

    Args:
        work: Row of the scratch: xs, ys of the vertices in the sensor frame [m], room for turns and edges, and the
            largest 1 / range of each ray so far, updated.
        count: Number of vertices.
        lidar: Sensor.
    """
    xs, ys, turns = work[:CHUNK_VERTICES], work[CHUNK_VERTICES:], work[2 * CHUNK_VERTICES :]
    edges, nearest = work[3 * CHUNK_VERTICES :], work[4 * CHUNK_VERTICES :]
    rays = len(lidar.ray_x)
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
        # The segment covers the short way round: start..stop, or both ends of the fan of rays. A spread of half a
        # turn means that the sensor touches the segment, and either way may be the short one; then the rays of
        # both are tried, and those that point away drop out because their 1 / range is negative.
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
    tables: CourseTables, car: Car, c: float, s: float, x: float, y: float, work: Array, lidar: Lidar
) -> None:
    """Sweep the walls in reach of the sensor at (x, y) [m]; c and s are cosine and sine of the car's heading."""
    course, walls, groups = tables.courses[car.course], tables.walls, tables.wall_groups
    xs, ys = work[:CHUNK_VERTICES], work[CHUNK_VERTICES:]
    stop = course.wall_first + course.wall_groups
    first, count = 0, 0
    # first..first + count are the vertices to be swept next; the round after the last group sweeps the rest.
    for g in range(course.wall_first, stop + 1):
        near, joined = False, False
        if g < stop:
            group = groups[g]
            reach = lidar.range_max + group.radius
            near = (group.x - x) ** 2 + (group.y - y) ** 2 <= reach * reach
            joined = near and group.first == first + count and count + group.count <= CHUNK_VERTICES
            if joined and count > 0:
                # Groups of one line repeat the vertex where they meet: a segment without length.
                end, begin = walls[first + count - 1], walls[first + count]
                joined = end.x == begin.x and end.y == begin.y
            if joined:
                count += group.count
        if joined:
            continue
        vertices = walls[first : first + count]
        for k in range(count):
            dx, dy = vertices[k].x - x, vertices[k].y - y
            xs[k], ys[k] = c * dx + s * dy, c * dy - s * dx
        _sweep(work, count, lidar)
        count = 0
        if near:
            first, count = groups[g].first, groups[g].count


@device
def _sweep_body(
    car: Car, other: Row, shape: Row, c: float, s: float, x: float, y: float, work: Array, lidar: Lidar
) -> None:
    """Sweep the rectangle of another body, where it is on the car's track and in reach.

    Args:
        car: CAR row of the sensor's car.
        other: CAR or OBJECT row.
        shape: Row with the length and the width of the other.
        c: Cosine of the car's heading.
        s: Sine of the car's heading.
        x: Position of the sensor [m].
        y: Position of the sensor [m].
        work: Row of the scratch.
        lidar: Sensor.
    """
    # Courses 2 k and 2 k + 1 are the two directions of one track.
    if other.active == 0 or other.course >> 1 != car.course >> 1:
        return
    px, py, length, width = other.x - x, other.y - y, shape.length, shape.width
    dx, dy, yaw = c * px + s * py, c * py - s * px, other.yaw - car.yaw
    reach = lidar.range_max + 0.5 * (length + width)
    if dx * dx + dy * dy > reach * reach:
        return
    xs, ys = work[:CHUNK_VERTICES], work[CHUNK_VERTICES:]
    cos_yaw, sin_yaw = math.cos(yaw), math.sin(yaw)
    for k in range(5):  # the first corner closes the loop
        u = 0.5 * length if k == 0 or k >= 3 else -0.5 * length
        v = -0.5 * width if 2 <= k <= 3 else 0.5 * width
        xs[k], ys[k] = dx + cos_yaw * u - sin_yaw * v, dy + sin_yaw * u + cos_yaw * v
    _sweep(work, 5, lidar)


@device
def _cast_car(n: int, i: int, batch: Batch, tables: CourseTables, lidar: Lidar, work: Array, out: Array) -> None:
    """Fill one scan, shape (rays,), of car i of world n; `work` is a row of the scratch."""
    cars, objects = batch.cars, batch.objects
    rays = len(lidar.ray_x)
    nearest = work[4 * CHUNK_VERTICES : 4 * CHUNK_VERTICES + rays]
    car = cars[n, i]
    c, s = math.cos(car.yaw), math.sin(car.yaw)
    x, y = car.x + c * lidar.forward, car.y + s * lidar.forward
    nearest[:] = 0.0
    _sweep_walls(tables, car, c, s, x, y, work, lidar)
    for j in range(cars.shape[1]):
        if j != i:
            _sweep_body(car, cars[n, j], batch.vehicles[n, j], c, s, x, y, work, lidar)
    for m in range(objects.shape[1]):
        _sweep_body(car, objects[n, m], objects[n, m], c, s, x, y, work, lidar)
    for ray in range(rays):
        inverse = nearest[ray]
        # Each ray draws, with or without an echo, so that the stream does not depend on what is in reach.
        noise = lidar.noise_sigma * next_normal(car) if lidar.noise_sigma > 0.0 else 0.0
        distance = lidar.range_max
        if inverse * lidar.range_max > 1.0:
            distance = min(max(1.0 / inverse + noise, lidar.range_min), lidar.range_max)
        out[ray] = distance


@kernel
def cast_rays(
    first: int, last: int, which: Array, batch: Batch, tables: CourseTables, lidar: Lidar,
    # outputs
    scratch: Array, out: Array,
) -> None:  # fmt: skip
    """Measure the ranges of the marked active cars of worlds `first` to `last` - 1.

    A range lies in range_min..range_max. A ray without an echo reads exactly range_max; noise is added to the others,
    before clipping. Rows of other cars, and of slots without a car, are left as they are.

    Args:
        first: First world.
        last: World after the last one.
        which: Marked cars, shape (N, C), bool.
        batch: Rows of the worlds, of which only `CAR.rng` is written.
        tables: Tables of all courses, with at most `CHUNK_VERTICES` vertices in a wall group.
        lidar: Sensor, of `make_lidar`.
        scratch: Buffers of `lidar_scratch`, which calls on other worlds may share.
        out: Ranges [m], shape (N, C, rays), float32.
    """
    work, cars = scratch[first], batch.cars
    for n in range(first, last):
        for i in range(cars.shape[1]):
            if which[n, i] and cars[n, i].active == 1:
                _cast_car(n, i, batch, tables, lidar, work, out[n, i])


Ranges = NDArray[np.float32]


def sector_minima(ranges: Ranges, sectors: int) -> Ranges:
    """Return the least range of each sector [m], shape (N, sectors), of ranges (N, rays); `sectors` divides rays."""
    worlds, rays = ranges.shape
    return np.asarray(ranges.reshape(worlds, sectors, rays // sectors).min(axis=2))


def detect_sectors(ranges: Ranges, distance: float, out: NDArray[np.float32]) -> None:
    """Fill `out` (N, sectors) from ranges (N, rays): 1 where the least range is below `distance` [m], else 0."""
    np.less(sector_minima(ranges, out.shape[1]), np.float32(distance), out=out, casting="unsafe")


def discretize_sectors(ranges: Ranges, sectors: int, clipping_dist: float, out: NDArray[np.float32]) -> None:
    """Fill `out`, shape (N, sectors * values), with `values` numbers for each sector.

    Value k of a sector is 1 where its least range is in the k-th part of 0..`clipping_dist` [m]; all values are 0
    where it is `clipping_dist` or more.
    """
    worlds = len(ranges)
    values = out.shape[1] // sectors
    nearest = sector_minima(ranges, sectors)
    in_reach = nearest < np.float32(clipping_dist)
    # Just below the end, the rounded quotient may reach it.
    part = np.minimum((nearest * (values / clipping_dist)).astype(np.int64), values - 1)
    out[:] = (in_reach[:, :, None] & (part[:, :, None] == np.arange(values))).reshape(worlds, -1)
