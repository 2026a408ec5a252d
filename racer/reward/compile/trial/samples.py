"""The states that a translation is checked on: driven ones, and rows made up at random within what can occur.

Driving them takes seconds, so they are kept in the cache folder as plain arrays.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer.assets import cache_dir, write_atomically
from racer.reward.rows import Waypoints
from racer.reward.sample import Sample
from racer.sim.dtypes import OBJECT_TELEMETRY, TELEMETRY

TRACKS = ("easy_oval", "switchback", "river_run")
_STEPS = 90
"""Control steps of a sample that are kept, from several places in it."""
_RANDOM_STEPS, _RANDOM_CARS, _RANDOM_OBJECTS = 40, 20, 3


def check_samples() -> list[Sample]:
    """The samples, from the cache where they are there."""
    folder = cache_dir() / "rewards"
    path = folder / f"states-{_version()}.npz"
    try:
        return _read(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        samples = _make()
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **_packed(samples))  # type: ignore[arg-type]
        write_atomically(path, buffer.getvalue())
        return samples


def _version() -> str:
    reward = Path(__file__).parents[2]
    digest = hashlib.sha256()
    files = [Path(__file__), reward / "states.py", *sorted((reward.parent / "sim").rglob("*.py"))]
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _make() -> list[Sample]:
    from racer.reward.states import sample_track  # the simulator takes half a second to load
    from racer.track.load import load_track

    samples: list[Sample] = []
    for number, name in enumerate(TRACKS):
        track = load_track(name)
        samples.extend(_cut(sample) for sample in sample_track(track, seed=number, laps=0.7))
        waypoints = samples[-1].waypoints
        samples.append(_random(name, waypoints, number, objects=False))
        samples.append(_random(name, waypoints, number, objects=True))
    return samples


def _cut(sample: Sample) -> Sample:
    """The beginning, a middle and the end of a sample, at most `_STEPS` control steps."""
    count = len(sample.telemetry)
    if count > _STEPS:
        third = _STEPS // 3
        keep = np.r_[0:third, count // 2 : count // 2 + third, count - third : count]
    else:
        keep = np.arange(count)
    return Sample(
        track=sample.track,
        where=sample.where,
        telemetry=sample.telemetry[keep],
        objects=None if sample.objects is None else sample.objects[keep],
        waypoints=sample.waypoints,
    )


def _random(track: str, waypoints: Waypoints, seed: int, *, objects: bool) -> Sample:
    """Rows whose fields have nothing to do with each other, but each is what it can be."""
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
    rows["steps"] = np.cumsum(rng.random(shape) < 0.9, axis=0) + 1.0
    rows["steps"][rng.random(shape) < 0.1] = 2.0
    ranges = {
        "heading": (-180.0, 180.0),
        "distance_from_center": (0.0, 1.0),
        "track_width": (0.4, 1.3),
        "progress": (-0.5, 100.0),
        "speed": (0.1, 4.0),
        "steering_angle": (-30.0, 30.0),
        "projection_distance": (0.0, 20.0),
        "sim_time": (0.0, 100.0),
        "speed_measured": (0.0, 4.0),
        "steering_angle_measured": (-30.0, 30.0),
        "slip_angle": (-180.0, 180.0),
        "yaw_rate": (-400.0, 400.0),
        "acceleration_forward": (-9.0, 9.0),
        "acceleration_left": (-9.0, 9.0),
        "heading_error": (-180.0, 180.0),
        "curvature": (-3.0, 3.0),
    }
    special = {
        "progress": (0.0, 100.0),
        "speed": (1.0, 2.0, 3.0, 4.0),
        "steering_angle": (-30.0, -15.0, 0.0, 15.0, 30.0),
    }
    for name, (low, high) in ranges.items():
        rows[name] = rng.uniform(low, high, shape)
        exact = rng.random(shape) < 0.2
        rows[name][exact] = rng.choice(special.get(name, (low, 0.0 if low < 0.0 else low, high)), int(exact.sum()))
    rows["track_length"] = 20.0 + seed
    rows["wheels_on_track"] = rng.integers(0, 5, shape)
    things = None
    if objects:
        things = _random_objects(rng, rows)
    return Sample(
        track=track, where="objects" if objects else "time_trial", telemetry=rows, objects=things, waypoints=waypoints
    )


def _random_objects(rng: np.random.Generator, rows: NDArray[np.void]) -> NDArray[np.void]:
    things = np.zeros((*rows.shape, _RANDOM_OBJECTS), OBJECT_TELEMETRY)
    shape = things.shape
    for name, low, high in (
        ("x", -5.0, 5.0),
        ("y", -5.0, 5.0),
        ("heading", -np.pi, np.pi),
        ("speed", 0.0, 2.0),
        ("distance", 0.0, 20.0),
        ("distance_from_center", 0.0, 0.5),
    ):
        things[name] = rng.uniform(low, high, shape)
    near = rng.random(shape) < 0.3
    for axis in "xy":
        things[axis][near] = (rows[axis][..., None] + rng.uniform(-0.8, 0.8, shape))[near]
    things["is_left_of_center"] = rng.random(shape) < 0.5
    things["active"] = True
    things["active"][:, ::4, :, 1:] = False
    count = things["active"].sum(axis=-1)
    rows["closest_object_prev"] = rng.integers(0, count)
    rows["closest_object_next"] = rng.integers(0, count)
    return things


def _packed(samples: list[Sample]) -> dict[str, NDArray[np.generic]]:
    arrays: dict[str, NDArray[np.generic]] = {"names": np.array([f"{s.track} {s.where}" for s in samples])}
    for k, sample in enumerate(samples):
        arrays[f"telemetry{k}"] = sample.telemetry
        if sample.objects is not None:
            arrays[f"objects{k}"] = sample.objects
        arrays[f"points{k}"] = np.concatenate([np.asarray(points) for points in sample.waypoints])
        arrays[f"counts{k}"] = np.array([len(points) for points in sample.waypoints])
    return arrays


def _read(path: Path) -> list[Sample]:
    samples = []
    with np.load(path, allow_pickle=False) as file:
        for k, name in enumerate(file["names"].tolist()):
            track, where = name.split(" ")
            ends = np.cumsum(file[f"counts{k}"]).tolist()
            points = [tuple(row) for row in file[f"points{k}"].tolist()]
            waypoints = [tuple(points[first:last]) for first, last in zip([0, *ends[:-1]], ends, strict=True)]
            objects = file.get(f"objects{k}")
            samples.append(
                Sample(track=track, where=where, telemetry=file[f"telemetry{k}"], objects=objects, waypoints=waypoints)
            )
    return samples
