"""The pose history of a world: poses of its cars and objects at the last control steps, and in between.

A late frame shows the past; a history of poses instead of pictures makes any latency exact and costs little memory.
Between two control steps a car's pose is the cubic Hermite curve through both poses with both speeds. On a smooth path
its error is at most dt^4 / 384 times the fourth derivative, a micrometre on a circle of 1.5 m at 3 m/s; where the
acceleration jumps by a, it is below a dt^2 / 32, a millimetre. Objects move in straight lines.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from racer.sim.centerline import wrap_angle
from racer.sim.dtypes import Array, Car, Row, fields
from racer.sim.jit import device, kernel

if TYPE_CHECKING:
    from racer.sim.world import World

POSE_RECORD = np.dtype(
    [
        *fields("f8", "x", "y"),  # m
        ("yaw", "f8"),  # rad, -pi..pi
        *fields("f8", "vx", "vy"),  # m/s, in the world's frame; cars only
        ("yaw_rate", "f8"),  # rad/s; cars only
    ],
    align=True,
)
"""Pose of one car or object at the end of one control step."""


@device
def _write_pose(body: Row, record: Row) -> None:
    """Copy the pose of a CAR or OBJECT row."""
    record.x, record.y, record.yaw = body.x, body.y, body.yaw


@device
def _write_car_pose(car: Car, record: Row) -> None:
    """Copy the pose of a car, and its speeds in the world's frame."""
    _write_pose(car, record)
    cos_yaw, sin_yaw = math.cos(car.yaw), math.sin(car.yaw)
    record.vx = car.vx * cos_yaw - car.vy * sin_yaw
    record.vy = car.vx * sin_yaw + car.vy * cos_yaw
    record.yaw_rate = car.yaw_rate


@kernel
def record_poses(
    first: int, last: int, which: Array, cars: Array, objects: Array,
    # outputs
    ticks: Array, history: Array,
) -> None:  # fmt: skip
    """Append the present of the marked worlds of `first` to `last` - 1 to their history.

    Args:
        first: First world.
        last: World after the last one.
        which: Marked worlds, shape (N,), bool.
        cars: CAR, shape (N, C).
        objects: OBJECT, shape (N, M).
        ticks: Number of recorded control steps, shape (N,), int64, increased.
        history: POSE_RECORD ring of K control steps, shape (N, K, C + M); step t is at t modulo K.
    """
    for n in range(first, last):
        if not which[n]:
            continue
        ticks[n] += 1
        now = history[n, ticks[n] % history.shape[1]]
        for c in range(cars.shape[1]):
            _write_car_pose(cars[n, c], now[c])
        for m in range(objects.shape[1]):
            _write_pose(objects[n, m], now[cars.shape[1] + m])


@device
def _hermite(a: float, b: float, slope_a: float, slope_b: float, t: float) -> float:
    """Return the cubic through a and b with these slopes (per step), at `t` 0..1 of the way."""
    u = 1.0 - t
    return u * u * (1.0 + 2.0 * t) * a + t * t * (3.0 - 2.0 * t) * b + t * u * (u * slope_a - t * slope_b)


@device
def pose_at_age(
    body: int, tick: int, age: float, dt: float, is_car: bool, history: Array
) -> tuple[float, float, float]:
    """Return the pose (x [m], y [m], yaw [rad]) of a car or object some time before a control step.

    Args:
        body: Column of the history.
        tick: Control step of the world.
        age: Time before it [s], 0 or more; beyond the history, the oldest pose is returned.
        dt: Length of a control step [s].
        is_car: True for a car.
        history: POSE_RECORD of the world, shape (K, C + M).
    """
    steps = history.shape[0]
    back = age / dt
    whole = int(back)
    fraction = back - whole
    if whole >= steps - 1:
        whole, fraction = steps - 1, 0.0
    b = history[(tick - whole) % steps, body]
    if fraction < 1e-9:
        return b.x, b.y, b.yaw
    a = history[(tick - whole - 1) % steps, body]
    turn = wrap_angle(b.yaw - a.yaw)
    t = 1.0 - fraction
    if not is_car:
        return a.x + t * (b.x - a.x), a.y + t * (b.y - a.y), a.yaw + t * turn
    x = _hermite(a.x, b.x, dt * a.vx, dt * b.vx, t)
    y = _hermite(a.y, b.y, dt * a.vy, dt * b.vy, t)
    return x, y, a.yaw + _hermite(0.0, turn, dt * a.yaw_rate, dt * b.yaw_rate, t)


@kernel
def read_past_poses(
    first: int, last: int, which: Array, ages: Array, ticks: Array, dt: float, car_count: int, history: Array,
    # outputs
    poses: Array,
) -> None:  # fmt: skip
    """Read the poses of all cars and objects at the time of capture of each marked car's sensor.

    Args:
        first: First world.
        last: World after the last one.
        which: Marked cars, shape (N, C), bool.
        ages: Time since the capture [s], shape (N, C).
        ticks: Number of recorded control steps, shape (N,).
        dt: Length of a control step [s].
        car_count: C.
        history: POSE_RECORD, shape (N, K, C + M).
        poses: x, y [m] and yaw [rad], shape (N, C, C + M, 3).
    """
    for n in range(first, last):
        for c in range(car_count):
            if not which[n, c]:
                continue
            for body in range(poses.shape[2]):
                x, y, yaw = pose_at_age(body, ticks[n], ages[n, c], dt, body < car_count, history[n])
                pose = poses[n, c, body]
                pose[0], pose[1], pose[2] = x, y, yaw


@device
def _restore(pose: Array, body: Row) -> None:
    """Set the pose, shape (3,), of a CAR or OBJECT row."""
    body.x, body.y, body.yaw = pose[0], pose[1], pose[2]


@kernel
def restore_poses(
    first: int, last: int, index: int, which: Array, poses: Array, cars: Array, objects: Array,
    # outputs
    past_cars: Array, past_objects: Array,
) -> None:  # fmt: skip
    """Copy the rows of worlds with the poses at the capture of car `index`, for sensors that read rows.

    Args:
        first: First world.
        last: World after the last one.
        index: Car of the sensor.
        which: Marked cars, shape (N, C); the worlds are those whose car `index` is marked.
        poses: Poses of `read_past_poses`, shape (N, C, C + M, 3).
        cars: CAR, shape (N, C).
        objects: OBJECT, shape (N, M).
        past_cars: CAR, shape (N, C); all fields but the poses are of the present.
        past_objects: OBJECT, shape (N, M); the same.
    """
    for n in range(first, last):
        if not which[n, index]:
            continue
        for c in range(cars.shape[1]):
            past_cars[n, c] = cars[n, c]
            _restore(poses[n, index, c], past_cars[n, c])
        for m in range(objects.shape[1]):
            past_objects[n, m] = objects[n, m]
            _restore(poses[n, index, cars.shape[1] + m], past_objects[n, m])


class PoseHistory:
    """Poses of the cars and objects of a batch over the last control steps."""

    def __init__(self, world: World, longest: float) -> None:
        """Make the buffers for at least `longest` [s]."""
        self._world = world
        steps = math.ceil(longest / world.control_dt) + 2
        self._poses = np.zeros((len(world.cars), steps, world.cars.shape[1] + world.objects.shape[1]), POSE_RECORD)
        self._ticks = np.zeros(len(world.cars), np.int64)

    def start(self, which: NDArray[np.bool_]) -> None:
        """Replace the past of the marked cars (N, C) or worlds (N,) by standstill at their present poses.

        With all cars of a world, its objects are included.
        """
        world, count = self._world, self._world.cars.shape[1]
        mask = _car_mask(which, world)
        n, c = np.nonzero(mask)
        whole = mask.all(axis=1)
        for key in ("x", "y", "yaw"):
            self._poses[key][n, :, c] = world.cars[key][n, c][:, None]
            self._poses[key][whole, :, count:] = world.objects[key][whole][:, None]
        for key in ("vx", "vy", "yaw_rate"):
            self._poses[key][n, :, c] = 0.0

    def step(self, which: NDArray[np.bool_]) -> None:
        """Record the present of the worlds that `which` (N,) marks; call it after each of their control steps."""
        world = self._world
        world.run(record_poses, which, world.cars, world.objects, self._ticks, self._poses)

    def read(self, which: NDArray[np.bool_], ages: NDArray[np.float64], poses: NDArray[np.float64]) -> None:
        """Read the past poses for the sensors of the marked cars (N, C) or worlds (N,).

        Args:
            which: Marked cars or worlds.
            ages: Time since the capture [s], shape (N, C).
            poses: x, y [m] and yaw [rad], shape (N, C, C + M, 3), filled.
        """
        world, cars = self._world, self._world.cars.shape[1]
        mask = _car_mask(which, world)
        world.run(read_past_poses, mask, ages, self._ticks, world.control_dt, cars, self._poses, poses)


def _car_mask(which: NDArray[np.bool_], world: World) -> NDArray[np.bool_]:
    """Return marks of cars (N, C) from marks of cars or of worlds (N,)."""
    return which if which.ndim == 2 else np.repeat(which[:, None], world.cars.shape[1], axis=1)
