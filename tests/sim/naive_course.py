"""Slow and plain twins of the simulator's geometry, for the tests: numpy on whole polylines, nothing local.

Semantics: DeepRacer simapp `track_geom/track_data.py`.
"""

import math

import numpy as np

from racer.config.env import VehicleConfig
from racer.sim.world import World
from racer.track.track import Track

FRONT_POINT = 0.14
VEHICLE = VehicleConfig(
    name="plain", mass=1.8, yaw_inertia=0.0215, front=0.0817, rear=0.0823, cog_height=0.06, friction=0.8,
    stiffness_front=12.0, stiffness_rear=13.5, front_drive=0.5, front_brake=0.5, accel_max=4.9, brake_max=4.9,
    power_max=36.0, speed_gain=10.0, speed_max=4.0, steer_max_deg=30.0, steer_lag=0.05, steer_rate_max_deg=300.0,
    length=0.32352, width=0.1961, track_front=0.159, track_rear=0.162,
)  # fmt: skip


def ribbon(center, left, right=None, *, closed=True, name="made", walls="borders"):
    """A track from a centre line and distances (numbers or one for each row) to the borders."""
    center = np.asarray(center, float)
    right = left if right is None else right
    ahead = np.roll(center, -1, axis=0) - center
    behind = center - np.roll(center, 1, axis=0)
    if not closed:
        ahead[-1], behind[0] = behind[-1], ahead[0]
    chord = unit(ahead) + unit(behind)
    normal = unit(np.stack([-chord[:, 1], chord[:, 0]], axis=1))
    return Track(
        name=name,
        center=center,
        left=center + normal * np.reshape(np.broadcast_to(left, len(center)), (-1, 1)),
        right=center - normal * np.reshape(np.broadcast_to(right, len(center)), (-1, 1)),
        closed=closed,
        walls=walls,
    )


def unit(vectors):
    """Vectors over their lengths; zero stays zero."""
    return vectors / np.maximum(np.hypot(vectors[:, 0], vectors[:, 1]), 1e-12)[:, None]


def repeat_row(track, row):
    """The same track with one row twice."""
    index = np.sort(np.append(np.arange(len(track.center)), row))
    return Track(
        name=track.name, center=track.center[index], left=track.left[index], right=track.right[index],
        closed=track.closed, walls=track.walls,
    )  # fmt: skip


def ring(radius=2.0, rows=60, width=0.4, repeat=True, **rest):
    """A circle, counter-clockwise, `width` to either side; its last row repeats the first."""
    angle = 2 * np.pi * np.arange(rows) / rows
    track = ribbon(radius * np.stack([np.cos(angle), np.sin(angle)], axis=1), width, **rest)
    if not repeat:
        return track
    index = np.append(np.arange(rows), 0)
    return Track(
        name="ring", center=track.center[index], left=track.left[index], right=track.right[index], walls=track.walls
    )


def straight(length=6.0, rows=13, width=0.4):
    """An open track along x."""
    x = np.linspace(0.0, length, rows)
    return ribbon(np.stack([x, np.zeros(rows)], axis=1), width, closed=False, name="straight")


def figure_of_eight(size=3.0, rows=160, width=0.35):
    """A closed track that crosses itself."""
    t = 2 * np.pi * np.arange(rows) / rows + 0.3
    return ribbon(np.stack([size * np.sin(t), size * np.sin(t) * np.cos(t)], axis=1), width, name="eight")


def uneven(rows=70):
    """A closed track whose widths differ from row to row and side to side, its rows unevenly spaced."""
    t = np.sort(2 * np.pi * (np.arange(rows) + 0.6 * np.random.default_rng(3).random(rows)) / rows)
    r = 2.5 + 0.5 * np.cos(3 * t)
    left, right = 0.45 + 0.15 * np.sin(5 * t), 0.4 + 0.2 * np.cos(4 * t)
    return ribbon(np.stack([r * np.cos(t), r * np.sin(t)], axis=1), left, right, name="uneven")


def closing_gap():
    """A closed track whose last row ends 7 cm short of the first, as two published files do."""
    full = ring(rows=90, repeat=False)
    keep = slice(0, 89)
    gap = full.center[88] + (full.center[0] - full.center[88]) * 0.5
    assert np.hypot(*(gap - full.center[0])) > 0.05
    return Track(
        name="gap",
        center=np.vstack([full.center[keep], gap]),
        left=np.vstack([full.left[keep], 0.5 * (full.left[88] + full.left[0])]),
        right=np.vstack([full.right[keep], 0.5 * (full.right[88] + full.right[0])]),
    )


def load_route(path):
    """A DeepRacer route file as a `Track`, left and right by the direction of travel."""
    rows = np.load(path, allow_pickle=False).astype(float)
    center, inner, outer = rows[:, :2], rows[:, 2:4], rows[:, 4:6]
    closed = bool(np.hypot(*(center[0] - center[-1])) < 0.1)
    chord = np.roll(center, -1, axis=0) - np.roll(center, 1, axis=0)
    if not closed:
        chord[0], chord[-1] = center[1] - center[0], center[-1] - center[-2]
    across = inner - center
    inner_left = np.sum(chord[:, 0] * across[:, 1] - chord[:, 1] * across[:, 0]) > 0
    left, right = (inner, outer) if inner_left else (outer, inner)
    return Track(name=path.stem, center=center, left=left, right=right, closed=closed)


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


def make_world(tracks, worlds=1, **rest):
    """A `World` of the plain vehicle."""
    tracks = [tracks] if isinstance(tracks, Track) else tracks
    return World(tracks, VEHICLE, worlds, **rest)


def drive(world, steer, speed, steps=1):
    """Hold one action for all cars."""
    actions = np.empty((*world.cars.shape, 2))
    actions[..., 0], actions[..., 1] = steer, speed
    for _ in range(steps):
        world.step(actions)
    return world.telemetry
