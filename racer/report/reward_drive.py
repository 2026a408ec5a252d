"""Drives that show what a reward function pays: cars that keep a lane, a speed and a heading, whatever physics says.

Each car is put from place to place along the road, one control step apart, so a function that remembers sees a
steady drive with rising `steps` and `progress`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from racer.config.read import read_vehicle
from racer.reward.states import Sample
from racer.sim.placement import OPEN_START
from racer.sim.world import World
from racer.track.track import Track

CONTROL_DT = 1.0 / 15.0
_DEGREES = 180.0 / math.pi


def steady_drive(
    track: Track,
    *,
    steps: int,
    start: ArrayLike = 0.0,
    share: ArrayLike = 0.0,
    speed: ArrayLike = 2.0,
    heading_error: ArrayLike = 0.0,
    steering: NDArray[np.float64] | None = None,
    advance: float | None = None,
) -> Sample:
    """N cars that drive for `steps` control steps; the arguments are (N,) or one value for all.

    Args:
        start: m of arc at which the episode begins.
        share: of the half width to the left (0..1) or right (0..-1) border.
        speed: m/s, commanded and measured.
        heading_error: degrees, against the direction of the road.
        steering: (N,) degrees commanded; None follows the road's curvature.
        advance: m that all cars move on in a control step; None takes what their speed gives.
    """
    given = [np.asarray(value, np.float64) for value in (start, share, speed, heading_error)]
    shapes = [value.shape for value in given] + ([] if steering is None else [steering.shape])
    cars = np.broadcast_shapes(*shapes, (1,))[0]
    start, share, speed, heading_error = (np.broadcast_to(value, cars) for value in given)
    vehicle = read_vehicle("deepracer")
    world = World([track], vehicle, cars, control_dt=CONTROL_DT)
    places = np.concatenate([[0.0], np.cumsum(track.segment_lengths)])
    sides = [np.hypot(*(border - track.center).T) for border in (track.left, track.right)]
    left, right = (np.append(side, side[0]) if track.closed else side for side in sides)
    begin = start if track.closed else np.maximum(start, OPEN_START)
    rows = []
    for k in range(steps):
        travelled = (speed * CONTROL_DT if advance is None else np.full(cars, advance)) * (k + 1)
        s = begin + travelled
        beyond = np.zeros(cars, bool) if track.closed else s > track.length - OPEN_START
        s = s % track.length if track.closed else np.minimum(s, track.length - OPEN_START)
        side = np.where(share > 0.0, np.interp(s, places, left), np.interp(s, places, right))
        poses = np.stack([np.zeros(cars), s, share * side, np.radians(heading_error)], axis=-1)
        world.place(poses[:, None])
        # The heading error counts at the car's point, 0.14 m ahead of the origin that is placed here.
        poses[:, 3] += np.radians(heading_error - world.telemetry["heading_error"][:, 0])
        world.place(poses[:, None])
        row = world.telemetry.copy()[:, 0]
        row["steps"] = np.where(beyond, 0.0, k + 2.0)
        goal = track.length if track.closed else track.length - 2.0 * OPEN_START
        row["progress"] = np.minimum(100.0 * travelled / goal, 100.0)
        row["sim_time"] = CONTROL_DT * (k + 1)
        row["speed"] = row["speed_measured"] = speed
        followed = np.clip(np.degrees(np.arctan((vehicle.front + vehicle.rear) * row["curvature"])), -30.0, 30.0)
        row["steering_angle"] = row["steering_angle_measured"] = followed if steering is None else steering
        row["yaw_rate"] = speed * row["curvature"] * _DEGREES
        row["is_offtrack"] = row["wheels_on_track"] == 0
        rows.append(row)
    telemetry: NDArray[np.void] = np.stack(rows)[..., None]
    return Sample(track=track.name, where="time_trial", telemetry=telemetry, objects=None, waypoints=world.waypoints())
