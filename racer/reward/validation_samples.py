"""The states on which a compiled reward is compared with plain Python: driven ones, and random rows.

Random rows have fields that are independent of each other, within what can occur, often at exact values that users
compare with. Driving takes seconds, so the samples are kept in the cache folder.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from racer.reward.kept_samples import kept_samples
from racer.reward.rows import Records, Sample, Waypoints
from racer.sim.dtypes import OBJECT_TELEMETRY, TELEMETRY

VALIDATION_TRACKS = ("easy_oval", "switchback", "river_run")
_STEPS = 90
"""Maximum number of control steps of a sample, from three places in it."""
_RANDOM_STEPS, _RANDOM_CARS, _RANDOM_OBJECTS = 40, 20, 3


def validation_samples() -> list[Sample]:
    """Return the samples, from the cache where it has them."""
    return kept_samples("validation", _make_samples)


def _make_samples() -> list[Sample]:
    from racer.reward.states import sample_track  # the simulator needs half a second to load
    from racer.track.load import load_track

    samples: list[Sample] = []
    for number, name in enumerate(VALIDATION_TRACKS):
        track = load_track(name)
        samples.extend(_cut_sample(sample) for sample in sample_track(track, seed=number, laps=0.7))
        waypoints = samples[-1].waypoints
        samples.append(_random_sample(name, waypoints, number, objects=False))
        samples.append(_random_sample(name, waypoints, number, objects=True))
    return samples


def _cut_sample(sample: Sample) -> Sample:
    """Return the beginning, the middle and the end of a sample, at most `_STEPS` control steps."""
    count, third = len(sample.telemetry), _STEPS // 3
    if count <= _STEPS:
        return sample
    rows = np.r_[0:third, count // 2 : count // 2 + third, count - third : count]
    objects = None if sample.objects is None else sample.objects[rows]
    return replace(sample, telemetry=sample.telemetry[rows], objects=objects)


# Limits of each numeric field of a random row, in the units of params.
_RANGES = {
    "heading": (-180.0, 180.0), "distance_from_center": (0.0, 1.0), "track_width": (0.4, 1.3),
    "progress": (-0.5, 100.0), "speed": (0.1, 4.0), "steering_angle": (-30.0, 30.0),
    "projection_distance": (0.0, 20.0), "sim_time": (0.0, 100.0), "speed_measured": (0.0, 4.0),
    "steering_angle_measured": (-30.0, 30.0), "slip_angle": (-180.0, 180.0), "yaw_rate": (-400.0, 400.0),
    "acceleration_forward": (-9.0, 9.0), "acceleration_left": (-9.0, 9.0), "heading_error": (-180.0, 180.0),
    "curvature": (-3.0, 3.0),
}  # fmt: skip
# Values that users compare with; of other fields the limits and 0.
_EXACT_VALUES = {
    "progress": (0.0, 100.0),
    "speed": (1.0, 2.0, 3.0, 4.0),
    "steering_angle": (-30.0, -15.0, 0.0, 15.0, 30.0),
}


def _random_sample(track: str, waypoints: Waypoints, seed: int, *, objects: bool) -> Sample:
    """Draw rows whose fields are independent of each other, each within its range."""
    rng = np.random.default_rng([7, seed, objects])
    shape = (_RANDOM_STEPS, _RANDOM_CARS, 1)
    rows = np.zeros(shape, TELEMETRY)
    assert TELEMETRY.names is not None
    for name in TELEMETRY.names:
        if TELEMETRY[name].kind == "b":
            rows[name] = rng.random(shape) < 0.5
    course = rng.integers(0, 2, shape)
    counts = np.array([len(points) for points in waypoints])[course]
    rows["course"] = course
    rows["closest_waypoint_prev"] = rng.integers(0, counts)
    rows["closest_waypoint_next"] = (rows["closest_waypoint_prev"] + 1) % counts
    points = np.concatenate([np.asarray(points) for points in waypoints])
    for axis, name in enumerate("xy"):
        rows[name] = rng.uniform(points[:, axis].min() - 1.0, points[:, axis].max() + 1.0, shape)
    # Mostly rising steps with some new episodes, so that functions that keep state are exercised.
    rows["steps"] = np.cumsum(rng.random(shape) < 0.9, axis=0) + 1.0
    rows["steps"][rng.random(shape) < 0.1] = 2.0
    # A fifth of the values is exact: users compare with 0, with the limits and with the actions of a list.
    for name, (low, high) in _RANGES.items():
        rows[name] = rng.uniform(low, high, shape)
        exact = rng.random(shape) < 0.2
        choices = _EXACT_VALUES.get(name, (low, 0.0 if low < 0.0 else low, high))
        rows[name][exact] = rng.choice(choices, int(exact.sum()))
    rows["track_length"] = 20.0 + seed
    rows["wheels_on_track"] = rng.integers(0, 5, shape)
    return Sample(
        track=track,
        where="objects" if objects else "time_trial",
        telemetry=rows,
        objects=_random_objects(rng, rows) if objects else None,
        waypoints=waypoints,
    )


def _random_objects(rng: np.random.Generator, rows: Records) -> Records:
    """Draw objects for each row, 30 % of them near the car, and the row's closest objects among them."""
    objects = np.zeros((*rows.shape, _RANDOM_OBJECTS), OBJECT_TELEMETRY)
    shape = objects.shape
    for name, low, high in (
        ("x", -5.0, 5.0),
        ("y", -5.0, 5.0),
        ("heading", -np.pi, np.pi),
        ("speed", 0.0, 2.0),
        ("distance", 0.0, 20.0),
        ("distance_from_center", 0.0, 0.5),
    ):
        objects[name] = rng.uniform(low, high, shape)
    near = rng.random(shape) < 0.3
    for axis in "xy":
        objects[axis][near] = (rows[axis][..., None] + rng.uniform(-0.8, 0.8, shape))[near]
    objects["is_left_of_center"] = rng.random(shape) < 0.5
    objects["active"] = True
    objects["active"][:, ::4, :, 1:] = False
    count = objects["active"].sum(axis=-1)
    rows["closest_object_prev"] = rng.integers(0, count)
    rows["closest_object_next"] = rng.integers(0, count)
    return objects
