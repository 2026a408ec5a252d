"""Drives the simulator's vehicle by a list of commands, on no track: what a fit compares with what was measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.sim.dtypes import CAR
from racer.sim.jit import kernel
from racer.sim.vehicle import drive_vehicle

ROLLOUT_DT = 1.0 / 120.0
"""s, a physics step: the simulator's longest."""


@dataclass(frozen=True, slots=True)
class DriveCommands:
    """What was commanded: each holds from its time until the next one's.

    Attributes:
        times: (K,) s, rising.
        steering: (K,) rad, left positive. speed: (K,) m/s.
    """

    times: NDArray[np.float64]
    steering: NDArray[np.float64]
    speed: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SimulatedMotion:
    """How the car moved, (T,) each: s, m/s, rad/s, m, m, rad (unwrapped)."""

    times: NDArray[np.float64]
    speed: NDArray[np.float64]
    yaw_rate: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    yaw: NDArray[np.float64]


@kernel
def _roll(car, vehicle, steering, speed, dt, out):  # type: ignore[no-untyped-def]
    """Move one car by a command for each physics step; speed, yaw rate, x, y and yaw after each into `out`."""
    for k in range(steering.shape[0]):
        drive_vehicle(car[0], vehicle[0], steering[k], speed[k], 1, dt)
        out[k, 0], out[k, 1] = car[0].vx, car[0].yaw_rate
        out[k, 2], out[k, 3], out[k, 4] = car[0].x, car[0].y, car[0].yaw


def roll_out(
    commands: DriveCommands, vehicle: NDArray[np.void], *, start: float, end: float, latency: float, speed: float = 0.0
) -> SimulatedMotion:
    """Move a car from `start` to `end`, s.

    In each physics step the car gets the mean of what reaches it in that time, so that the motion changes smoothly with
    the latency; for a lag of first order that is the same but for a part in (dt / lag)^2.

    Args:
        vehicle: Row of the vehicle; not changed.
        latency: s from a command's time to its effect.
        speed: m/s at the start; the wheels stand straight.
    """
    steps = max(int(np.ceil((end - start) / ROLLOUT_DT)), 1)
    edges: NDArray[np.float64] = start + ROLLOUT_DT * np.arange(steps + 1, dtype=np.float64)
    reaching = edges - latency
    car = np.zeros(1, CAR)
    car["vx"] = speed
    row = np.empty(1, vehicle.dtype)
    row[0] = vehicle
    out = np.empty((steps, 5))
    steering, speeds = (
        _interval_means(commands, commands.steering, reaching),
        _interval_means(commands, commands.speed, reaching),
    )
    _roll(car, row, steering, speeds, ROLLOUT_DT, out)
    vx, rate, x, y, yaw = out.T
    return SimulatedMotion(edges[1:], vx, rate, x, y, np.unwrap(yaw))


def _interval_means(
    commands: DriveCommands, values: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean of a held signal between neighbouring edges; nothing (zero) before the first command."""
    times = np.concatenate(
        [[min(edges[0], commands.times[0]) - 1.0], commands.times, [max(edges[-1], commands.times[-1]) + 1.0]]
    )
    held = np.concatenate([[0.0], values])
    integral = np.concatenate([[0.0], np.cumsum(held * np.diff(times))])
    return np.asarray(np.diff(np.interp(edges, times, integral)) / np.diff(edges))
