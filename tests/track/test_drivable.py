"""Laps of a tracker on the shipped and on generated tracks: every one can be driven by the vehicles of DeepRacer."""

import numpy as np
import pytest

from racer.config.read import read_vehicle
from racer.evaluate import evaluate
from racer.track.generator import generate_track
from racer.track.load import load_track
from racer.track.track import Track
from support.paths import ROOT
from support.trackers import VehicleTracker
from support.vehicles import CONFIGS, wide_vehicle

TRACKS = sorted(path.stem for path in (ROOT / "tracks").glob("*.yaml"))
STARTS = 8
VEHICLES = {"default": read_vehicle(CONFIGS / "deepracer.yaml"), "wide": wide_vehicle()}
"""The default, and a car that turns no tighter than AWS's."""


def assert_drivable(track: Track, vehicle: str, speed_max: float) -> None:
    """Complete laps from all starts in both directions, always with the middle of the car between the borders."""
    config = VEHICLES[vehicle]
    for course in (track, track.reversed()):
        outside: list[float] = []

        def watch(world, outside=outside) -> None:
            telemetry = world.telemetry[world.cars["status"] == 0]
            if len(telemetry):
                outside.append(float(np.max(telemetry["distance_from_center"] / (telemetry["track_width"] / 2))))

        result = evaluate(VehicleTracker(config, speed_max=speed_max), course, config, laps=STARTS, seed=1, watch=watch)
        failures = [(k, lap.status, round(lap.progress)) for k, lap in enumerate(result.laps) if not lap.completed]
        assert not failures, f"{course.name}, backwards {course.backwards}, {vehicle} at {speed_max} m/s: {failures}"
        assert max(outside) < 1.0


@pytest.mark.parametrize("name", TRACKS)
def test_shipped_track_is_drivable(name: str) -> None:
    """Drive every shipped track with the car that turns widest."""
    assert_drivable(load_track(ROOT / "tracks" / f"{name}.yaml"), "wide", 1.5)


def test_generated_tracks_are_drivable() -> None:
    """Drive three generated tracks."""
    for seed in range(3):
        assert_drivable(generate_track(seed), "wide", 1.5)


@pytest.mark.slow
@pytest.mark.parametrize("speed_max", [1.0, 2.0])
@pytest.mark.parametrize("vehicle", list(VEHICLES))
@pytest.mark.parametrize("name", TRACKS)
def test_shipped_track_at_other_speeds(name: str, vehicle: str, speed_max: float) -> None:
    """Drive every shipped track slowly and faster, also with the default vehicle."""
    assert_drivable(load_track(ROOT / "tracks" / f"{name}.yaml"), vehicle, speed_max)


@pytest.mark.slow
@pytest.mark.parametrize("vehicle", list(VEHICLES))
@pytest.mark.parametrize("seed", range(40))
def test_generated_track_at_speed(seed: int, vehicle: str) -> None:
    """Drive forty generated tracks faster."""
    assert_drivable(generate_track(seed), vehicle, 2.0)
