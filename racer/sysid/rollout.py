"""Simulates the vehicle for recorded commands, without a track; a fit compares the motion with the measured one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.sim.dtypes import CAR
from racer.sim.jit import kernel
from racer.sim.vehicle import drive_vehicle

ROLLOUT_DT = 1.0 / 120.0
"""Physics step [s]: the longest that the simulator uses."""


@dataclass(frozen=True, slots=True)
class DriveCommands:
    """Recorded commands; each holds from its time until that of the next one.

    Attributes:
        times: Times [s], increasing, shape (K,).
        steering: Steering angles [rad], left positive, shape (K,).
        speed: Speeds [m/s], shape (K,).
    """

    times: NDArray[np.float64]
    steering: NDArray[np.float64]
    speed: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SimulatedMotion:
    """Motion of the car after each physics step; every array has shape (T,).

    Attributes:
        times: Times [s].
        speed: Speeds [m/s].
        yaw_rate: Yaw rates [rad/s].
        x: Positions [m].
        y: Positions [m].
        yaw: Headings [rad], unwrapped.
    """

    times: NDArray[np.float64]
    speed: NDArray[np.float64]
    yaw_rate: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    yaw: NDArray[np.float64]


@kernel
def _roll(car, vehicle, steering, speed, dt, out):  # type: ignore[no-untyped-def]
    """Move one car by one command per physics step; write speed, yaw rate, x, y and yaw after each step to `out`."""
    for k in range(steering.shape[0]):
        drive_vehicle(car[0], vehicle[0], steering[k], speed[k], 1, dt)
        out[k, 0], out[k, 1] = car[0].vx, car[0].yaw_rate
        out[k, 2], out[k, 3], out[k, 4] = car[0].x, car[0].y, car[0].yaw


def roll_out(
    commands: DriveCommands, vehicle: NDArray[np.void], *, start: float, end: float, latency: float, speed: float = 0.0
) -> SimulatedMotion:
    """Simulate the car from `start` to `end` [s].

    Each physics step uses the mean of the commands that are effective during it. The motion is then a smooth function
    of the latency, which the fit's derivatives need; for a first-order lag the error is of order (dt / lag)^2.

    Args:
        commands: Recorded commands.
        vehicle: Row of the vehicle; not changed.
        start: Start time on the commands' clock [s].
        end: End time [s].
        latency: Time from a command to its effect [s]; the steering is later by the vehicle's `steer_delay`.
        speed: Initial speed [m/s]; the wheels are straight at the start.
    """
    steps = max(int(np.ceil((end - start) / ROLLOUT_DT)), 1)
    edges: NDArray[np.float64] = start + ROLLOUT_DT * np.arange(steps + 1, dtype=np.float64)
    reaching = edges - latency
    # The kernel changes its rows, so both are copies.
    car = np.zeros(1, CAR)
    car["vx"] = speed
    row = np.array([vehicle], vehicle.dtype)
    out = np.empty((steps, 5))
    steering = _interval_means(commands.times, commands.steering, reaching - float(row["steer_delay"][0]))
    _roll(car, row, steering, _interval_means(commands.times, commands.speed, reaching), ROLLOUT_DT, out)
    vx, rate, x, y, yaw = out.T
    return SimulatedMotion(edges[1:], vx, rate, x, y, np.unwrap(yaw))


def _interval_means(
    times: NDArray[np.float64], values: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the mean of a held signal between neighbouring edges; the signal is zero before the first command.

    The integral of a piecewise constant signal is piecewise linear, so interpolating it at the edges is exact.
    """
    # One second is added at both ends, so that every edge lies inside.
    times = np.concatenate([[min(edges[0], times[0]) - 1.0], times, [max(edges[-1], times[-1]) + 1.0]])
    held = np.concatenate([[0.0], values])
    integral = np.concatenate([[0.0], np.cumsum(held * np.diff(times))])
    return np.asarray(np.diff(np.interp(edges, times, integral)) / np.diff(edges))
