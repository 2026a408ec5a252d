"""Slow and plain twins of the simulator's geometry, for the tests: numpy on whole polylines, nothing local.

Semantics: DeepRacer simapp `track_geom/track_data.py`.
"""

import functools
import math

import numpy as np

from racer.config.env import VehicleConfig
from racer.sim.world import World
from racer.track.track import Track
from support import tracks

FRONT_POINT = 0.14
VEHICLE = VehicleConfig(
    name="plain", mass=1.8, yaw_inertia=0.0215, front=0.0817, rear=0.0823, cog_height=0.06, friction=0.8,
    stiffness_front=12.0, stiffness_rear=13.5, front_drive=0.5, front_brake=0.5, accel_max=4.9, brake_max=4.9,
    power_max=36.0, speed_gain=10.0, speed_max=4.0, steer_max_deg=30.0, steer_lag=0.05, steer_rate_max_deg=300.0,
    length=0.32352, width=0.1961, track_front=0.159, track_rear=0.162,
)  # fmt: skip


ring = functools.partial(tracks.ring, radius=2.0, half_width=0.4, rows=60)
"""The ring of the simulator's tests."""


def polyline(points, closed):
    """(S, 2) starts and (S, 2) vectors of the segments."""
    following = np.roll(points, -1, axis=0) if closed else points[1:]
    return points[: len(following)], following - points[: len(following)]


def nearest(points, closed, p):
    """(distance, segment, share of it, foot) of the nearest point of a polyline; the first of equals."""
    a, e = polyline(points, closed)
    square = np.maximum((e**2).sum(axis=1), 1e-300)
    t = np.clip(((p - a) * e).sum(axis=1) / square, 0.0, 1.0)
    foot = a + t[:, None] * e
    distance = np.hypot(*(p - foot).T)
    k = int(distance.argmin())
    return distance[k], k, t[k], foot[k]


def in_polygon(points, p):
    """Even-odd rule."""
    x, y = points.T
    x2, y2 = np.roll(x, -1), np.roll(y, -1)
    crosses = (y > p[1]) != (y2 > p[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        at = x + (p[1] - y) / (y2 - y) * (x2 - x)
    return bool((crosses & (p[0] < at)).sum() % 2)


def on_road(track, p):
    """Inside the outer border and not inside the inner one; between the borders of an open track."""
    if track.closed:
        return in_polygon(track.left, p) != in_polygon(track.right, p)
    return in_polygon(np.vstack([track.left, track.right[::-1]]), p)


def border_clearance(track, p):
    """Distance to the nearest border, m."""
    ends = [] if track.closed else [np.stack([track.left[k], track.right[k]]) for k in (0, -1)]
    lines = [(track.left, track.closed), (track.right, track.closed), *((end, False) for end in ends)]
    return min(nearest(line, closed, p)[0] for line, closed in lines)


def wheels(car, vehicle=VEHICLE):
    """(4, 2) wheel centres."""
    c, s = math.cos(car["yaw"]), math.sin(car["yaw"])
    out = []
    for along, across in (
        (vehicle.front, vehicle.track_front / 2), (vehicle.front, -vehicle.track_front / 2),
        (-vehicle.rear, vehicle.track_rear / 2), (-vehicle.rear, -vehicle.track_rear / 2),
    ):  # fmt: skip
        out.append((car["x"] + along * c - across * s, car["y"] + along * s + across * c))
    return np.array(out)


def naive_telemetry(track, car):
    """What the simapp would say of a pose, as a dict; `foot` is the projection."""
    front = np.array([car["x"], car["y"]]) + FRONT_POINT * np.array([math.cos(car["yaw"]), math.sin(car["yaw"])])
    distance, segment, share, foot = nearest(track.center, track.closed, front)
    left, right = nearest(track.left, track.closed, foot)[3], nearest(track.right, track.closed, foot)[3]
    lengths = track.segment_lengths
    s = float(lengths[:segment].sum() + share * lengths[segment])
    on = [on_road(track, p) for p in wheels(car)]
    return {
        "x": front[0],
        "y": front[1],
        "heading": math.degrees(car["yaw"]),
        "distance_from_center": distance,
        "track_width": float(np.hypot(*(left - right))),
        "is_left_of_center": bool(np.hypot(*(front - left)) < np.hypot(*(front - right))),
        "margin_left": abs(np.hypot(*(front - left)) - np.hypot(*(front - right))),
        "projection_distance": s,
        "track_length": float(lengths.sum()),
        "wheels_on_track": sum(on),
        "all_wheels_on_track": all(on),
        "wheel_clearance": min(border_clearance(track, p) for p in wheels(car)),
        "segment": segment,
    }


def make_world(track, worlds=1, **rest):
    """A `World` of the plain vehicle."""
    return World([track] if isinstance(track, Track) else track, VEHICLE, worlds, **rest)


def drive(world, steer, speed, steps=1):
    """Hold one action for all cars."""
    actions = np.empty((*world.cars.shape, 2))
    actions[..., 0], actions[..., 1] = steer, speed
    for _ in range(steps):
        world.step(actions)
    return world.telemetry
