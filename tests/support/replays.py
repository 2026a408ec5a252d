"""A replay made by hand: cars that circle a ring at known places, one row for each control step."""

import numpy as np

from racer.config.read import read_vehicle
from racer.replay import CAR_ROW, OBJECT_ROW, CarHeader, Replay, ReplayHeader, TrackHeader
from support.tracks import ring

RADIUS, RATE, SPEED = 1.5, 15.0, 1.5
STEP = SPEED / RATE / RADIUS
"""rad around the ring in a control step."""


def ring_replay(cars=2, steps=60, *, boxes=0, name="ring", rate=RATE, rewarded=False, worlds=None, track=None):
    """Car k starts k quarters ahead; after 40 steps car 0 completes a lap, and car 1 is off the track at the end."""
    track = track or ring(name)
    rows = np.zeros((steps, cars), CAR_ROW)
    for k in range(cars):
        angle = k * np.pi / 2.0 + STEP * np.arange(steps)
        rows["x"][:, k], rows["y"][:, k] = RADIUS * np.cos(angle), RADIUS * np.sin(angle)
        rows["yaw"][:, k] = np.remainder(angle + np.pi / 2.0 + np.pi, 2.0 * np.pi) - np.pi
        rows["progress"][:, k] = 2.0 * np.arange(steps)
        rows["lap_time"][:, k] = np.arange(steps) / rate
        rows["reward"][1:, k] = 0.5 + k
    rows["speed"], rows["speed_command"], rows["status"] = SPEED, SPEED, 1
    rows["steer"], rows["steer_command"] = 0.1, 6.0
    if steps > 41:
        rows["laps"][40:, 0], rows["best"][40:, 0] = 1, 40 / rate
        rows["lap_time"][40:, 0] -= 40 / rate
        rows["progress"][40:, 0] -= 80.0
    if cars > 1:
        rows["status"][-1, 1], rows["off_tracks"][-1, 1] = 3, 1
    things = np.zeros((1, boxes), OBJECT_ROW)
    for k in range(boxes):
        angle = np.pi + 0.4 * k
        things[0, k] = (RADIUS * np.cos(angle), RADIUS * np.sin(angle), 0.3, 0.4, 0.3, 0.25, 1, 0, 0)
    worlds = worlds or [0] * cars
    header = ReplayHeader(
        kind="race",
        control_rate_hz=rate,
        track=TrackHeader(name=name),
        vehicle=read_vehicle("deepracer"),
        cars=tuple(
            CarHeader(name=f"car {k}", policy="by hand", world=worlds[k], rewarded=rewarded) for k in range(cars)
        ),
        seed=4,
    )
    return Replay(header=header, rows=rows, objects=things, center=track.center, left=track.left, right=track.right)
