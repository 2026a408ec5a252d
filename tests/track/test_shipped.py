"""Every shipped track is a good track, and its own description holds."""

import numpy as np
import pytest

from racer import assets
from racer.config.read import read_vehicle
from racer.track import geometry
from racer.track.check import check_track
from racer.track.describe import format_widths, track_facts
from racer.track.load import load_track
from racer.track.track import Track
from support.paths import ROOT
from support.vehicles import CONFIGS, wide_vehicle

TRACKS = sorted(p.stem for p in (assets.shipped_root() / "tracks").glob("*.yaml"))
CROSSING = {"crossover"}
OPEN = {"river_run"}
RADIUS_MIN = 0.70
"""Least radius of a centre line [m]: AWS's cars turn in 0.62 to 0.80 m at full lock."""


def shipped(name: str) -> Track:
    """The shipped track, whatever lies in the working directory."""
    return load_track(assets.shipped_root() / "tracks" / f"{name}.yaml")


def test_there_are_enough() -> None:
    """Ship at least ten, among them an open one and one that crosses itself."""
    assert len(TRACKS) >= 10
    assert set(TRACKS) >= CROSSING | OPEN


@pytest.mark.parametrize("name", TRACKS)
def test_shipped_track(name: str) -> None:
    """Give check nothing to say but the one crossing; every track has a description and clean borders."""
    track = shipped(name)
    for vehicle in (read_vehicle(CONFIGS / "deepracer.yaml"), wide_vehicle()):
        found = check_track(track, vehicle)
        assert [finding.code for finding in found] == (["crosses_itself"] if name in CROSSING else [])
    assert track.closed == (name not in OPEN)
    assert 20 < len(track.description) <= 90
    assert 8.0 <= track.length <= 60.0
    assert 0.6 <= track.widths.min() <= track.widths.max() <= 1.45
    if name not in CROSSING:
        assert len(geometry.crossings(track.left, closed=track.closed)[0]) == 0
        assert len(geometry.crossings(track.right, closed=track.closed)[0]) == 0


def circumradii(points: np.ndarray, *, closed: bool) -> np.ndarray:
    """Radius of the circle through each row and its neighbours [m]: a b c / (4 area)."""
    if closed:
        points = np.vstack([points[-1:], points, points[:1]])
    before, here, after = points[:-2], points[1:-1], points[2:]
    a, b, c = (np.hypot(*(p - q).T) for p, q in ((here, before), (after, here), (after, before)))
    return a * b * c / np.maximum(2 * np.abs(geometry.cross(here - before, after - before)), 1e-12)


@pytest.mark.parametrize("name", TRACKS)
def test_no_bend_is_tighter_than_full_lock(name: str) -> None:
    """Keep every bend of every track above the radius of AWS's cars at full lock, measured at the rows."""
    track = shipped(name)
    rows = track.center[geometry.distinct_rows(track.center, closed=track.closed)]
    assert circumradii(rows, closed=track.closed).min() >= RADIUS_MIN - 1e-6


def test_default_track() -> None:
    """Keep the default at least 15 m long, at most 1.1 m wide, with both turns and one radius up to 0.8 m."""
    track = shipped("willow_bend")
    assert track.length >= 15.0
    assert track.widths.max() <= 1.1
    _, radii = geometry.turn_radii(track.center, closed=True)
    assert 0.6 <= radii.min() <= 0.8
    along = geometry.tangents(track.center[:-1], closed=True)
    after = np.roll(along, -1, axis=0)
    turned = along[:, 0] * after[:, 1] - along[:, 1] * after[:, 0]
    assert turned.max() > 0.1
    assert turned.min() < -0.1


def test_docs_table() -> None:
    """Find every shipped track in the docs with its length, width and smallest radius."""
    page = ROOT / "docs" / "tracks.md"
    text = page.read_text(encoding="utf-8")
    for name in TRACKS:
        track = shipped(name)
        facts = track_facts(track)
        widths = format_widths(facts).replace("..", " to ")
        assert f"| `{name}` | {track.length:.1f} | {widths} | {facts['radius_min_m']:.2f} |" in text
