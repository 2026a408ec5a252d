"""The past of a world: where its cars and objects were at the last control steps, and in between.

A late frame shows the past; remembering poses instead of pictures makes any latency exact and costs no memory.
Between two control steps a car's pose is the cubic Hermite curve through both poses with both speeds. On a smooth path
it is off by at most dt^4 / 384 times the fourth derivative, a micrometre on a circle of 1.5 m at 3 m/s; where the
acceleration jumps by a, by less than a dt^2 / 32, a millimetre. Objects go straight.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from racer.sim.jit import device, kernel

if TYPE_CHECKING:
    from racer.sim.world import World

POSE_RECORD = np.dtype(
    [
        ("x", "f8"),  # m
        ("y", "f8"),
        ("yaw", "f8"),  # rad, -pi..pi
        ("vx", "f8"),  # m/s, in the world's frame; cars only
        ("vy", "f8"),
        ("yaw_rate", "f8"),  # rad/s; cars only
    ],
    align=True,
)
"""Where one thing was at the end of one control step."""


@device
def _write_pose(row, thing):  # type: ignore[no-untyped-def]
    row.x, row.y, row.yaw = thing.x, thing.y, thing.yaw


@device
def _write_car_pose(row, car):  # type: ignore[no-untyped-def]
    row.x, row.y, row.yaw = car.x, car.y, car.yaw
    cos_yaw, sin_yaw = math.cos(car.yaw), math.sin(car.yaw)
    row.vx = car.vx * cos_yaw - car.vy * sin_yaw
    row.vy = car.vx * sin_yaw + car.vy * cos_yaw
    row.yaw_rate = car.yaw_rate


@kernel
def record_poses(first, last, which, cars, objects, ticks, past):  # type: ignore[no-untyped-def]
    """Write the present of the worlds that `which` (N,) marks behind their past; `ticks` (N,) int64 moves on."""
    for n in range(first, last):
        if not which[n]:
            continue
        ticks[n] += 1
        now = past[n, ticks[n] % past.shape[1]]
        for c in range(cars.shape[1]):
            _write_car_pose(now[c], cars[n, c])
        for m in range(objects.shape[1]):
            _write_pose(now[cars.shape[1] + m], objects[n, m])


@kernel
def clear_poses(first, last, which, cars, objects, past):  # type: ignore[no-untyped-def]
    """Let the cars that `which` (N, C) marks have stood where they are for ever; with all of a world, its objects."""
    for n in range(first, last):
        everyone = True
        for c in range(cars.shape[1]):
            if not which[n, c]:
                everyone = False
                continue
            for k in range(past.shape[1]):
                row = past[n, k, c]
                _write_pose(row, cars[n, c])
                row.vx = row.vy = row.yaw_rate = 0.0
        if everyone:
            for k in range(past.shape[1]):
                for m in range(objects.shape[1]):
                    _write_pose(past[n, k, cars.shape[1] + m], objects[n, m])


@device
def _hermite(a, b, slope_a, slope_b, part):  # type: ignore[no-untyped-def]
    """The cubic through a and b with these slopes (per step), at `part` 0..1 of the way."""
    u = 1.0 - part
    return (
        u * u * (1.0 + 2.0 * part) * a
        + part * part * (3.0 - 2.0 * part) * b
        + part * u * (u * slope_a - part * slope_b)
    )


@device
def pose_at_age(thing, tick, age, dt, is_car, past):  # type: ignore[no-untyped-def]
    """Where a thing was `age` seconds before the control step `tick` of its world: (x, y, yaw).

    Args:
        thing: column of `past`.
        age: s, 0 or more; beyond the history, the oldest pose is used.
        dt: s of a control step.
        past: (K, C + M) PAST of the world.
    """
    steps = past.shape[0]
    back = age / dt
    whole = int(back)
    part = back - whole
    if whole >= steps - 1:
        whole, part = steps - 1, 0.0
    b = past[(tick - whole) % steps, thing]
    if part < 1e-9:
        return b.x, b.y, b.yaw
    a = past[(tick - whole - 1) % steps, thing]
    turned = b.yaw - a.yaw
    turned -= 2.0 * math.pi * math.floor((turned + math.pi) / (2.0 * math.pi))
    at = 1.0 - part
    if not is_car:
        return a.x + at * (b.x - a.x), a.y + at * (b.y - a.y), a.yaw + at * turned
    x = _hermite(a.x, b.x, dt * a.vx, dt * b.vx, at)
    y = _hermite(a.y, b.y, dt * a.vy, dt * b.vy, at)
    return x, y, a.yaw + _hermite(0.0, turned, dt * a.yaw_rate, dt * b.yaw_rate, at)


@kernel
def read_past_poses(first, last, which, ages, ticks, dt, cars, past, seen):  # type: ignore[no-untyped-def]
    """Fill `seen` (N, C, C + M, 3) with the poses of all things of a world as each car's sensor saw them.

    Args:
        which: (N, C) bool, the cars to fill.
        ages: (N, C) float64, s since the capture.
    """
    for n in range(first, last):
        for c in range(seen.shape[1]):
            if not which[n, c]:
                continue
            for thing in range(seen.shape[2]):
                is_car = thing < cars.shape[1]
                x, y, yaw = pose_at_age(thing, ticks[n], ages[n, c], dt, is_car, past[n])
                pose = seen[n, c, thing]
                pose[0], pose[1], pose[2] = x, y, yaw


@kernel
def restore_poses(first, last, me, which, seen, cars, objects, cars_then, objects_then):  # type: ignore[no-untyped-def]
    """Copies of the rows of a world, put where the sensor of its car `me` saw them; for sensors that read rows.

    Args:
        which: (N, C) bool; worlds whose car `me` is marked.
        seen: (N, C, C + M, 3) of `see_past`.
        cars_then, objects_then: written; all but the poses is of the present.
    """
    for n in range(first, last):
        if not which[n, me]:
            continue
        for c in range(cars.shape[1]):
            cars_then[n, c] = cars[n, c]
            cars_then[n, c].x = seen[n, me, c, 0]
            cars_then[n, c].y = seen[n, me, c, 1]
            cars_then[n, c].yaw = seen[n, me, c, 2]
        for m in range(objects.shape[1]):
            objects_then[n, m] = objects[n, m]
            thing = cars.shape[1] + m
            objects_then[n, m].x = seen[n, me, thing, 0]
            objects_then[n, m].y = seen[n, me, thing, 1]
            objects_then[n, m].yaw = seen[n, me, thing, 2]


class PoseHistory:
    """Where the things of a batch were over the last control steps."""

    def __init__(self, world: World, longest: float) -> None:
        """Remember at least `longest` seconds."""
        self._world = world
        steps = math.ceil(longest / world.control_dt) + 2
        self._poses = np.zeros((len(world.cars), steps, world.cars.shape[1] + world.objects.shape[1]), POSE_RECORD)
        self._ticks = np.zeros(len(world.cars), np.int64)

    def start(self, which: NDArray[np.bool_]) -> None:
        """Forget the past of the cars or worlds that `which` marks, with all cars of a world that of its objects."""
        world = self._world
        world.run(clear_poses, _car_mask(which, world), world.cars, world.objects, self._poses)

    def step(self, which: NDArray[np.bool_]) -> None:
        """Remember the present of the worlds that `which` (N,) marks, after each of their control steps."""
        world = self._world
        world.run(record_poses, which, world.cars, world.objects, self._ticks, self._poses)

    def see(self, which: NDArray[np.bool_], ages: NDArray[np.float64], seen: NDArray[np.float64]) -> None:
        """Fill `seen` (N, C, C + M, 3) of the cars or worlds that `which` marks with the poses `ages` (N, C) s ago."""
        world = self._world
        world.run(
            read_past_poses, _car_mask(which, world), ages, self._ticks, world.control_dt, world.cars, self._poses, seen
        )


def _car_mask(which: NDArray[np.bool_], world: World) -> NDArray[np.bool_]:
    """(N, C) from marks of cars, or of worlds (N,)."""
    return which if which.ndim == 2 else np.repeat(which[:, None], world.cars.shape[1], axis=1)
