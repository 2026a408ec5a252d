"""What check finds, on tracks made to have it."""

from pathlib import Path

import numpy as np
import pytest

from racer.track import geometry
from racer.track.check import TURN_RADIUS, check_track
from racer.track.npy import read_npy
from racer.track.track import Track
from support.tracks import eight_line, ring_route, straight_route


def codes(track: Track) -> dict[str, str]:
    """Code to level of all findings."""
    return {finding.code: finding.level for finding in check_track(track)}


def load(folder: Path, table: np.ndarray) -> Track:
    """Save and read a table."""
    np.save(folder / "a.npy", table)
    return read_npy(folder / "a.npy")


def from_center(center: np.ndarray, width: float, *, closed: bool = True) -> Track:
    """A track of constant width."""
    half = np.full(len(center), width / 2)
    left, right = geometry.borders_from_widths(center, half, half, closed=closed)
    return Track(name="t", center=center, left=left, right=right, closed=closed)


def test_good_track_has_no_findings(tmp_path: Path) -> None:
    """Say nothing of a plain ring and a plain straight."""
    assert check_track(load(tmp_path, ring_route())) == []
    assert check_track(load(tmp_path, straight_route())) == []


@pytest.mark.parametrize(("width", "level"), [(0.2, "error"), (0.3, "warning"), (0.5, None)])
def test_width(tmp_path: Path, width: float, level: str | None) -> None:
    """Grade the narrowest row: no room for the car, little room, enough."""
    assert codes(load(tmp_path, ring_route(width=width))).get("width") == level


@pytest.mark.parametrize(("length", "level"), [(1.5, "error"), (3.0, "warning"), (6.0, None)])
def test_length(tmp_path: Path, length: float, level: str | None) -> None:
    """Grade the length."""
    assert codes(load(tmp_path, straight_route(length=length))).get("length") == level


def test_turning_circle() -> None:
    """Take the radius from wheelbase and steering angle."""
    assert pytest.approx(0.28406, abs=1e-5) == TURN_RADIUS


@pytest.mark.parametrize(("width", "level"), [(0.3, "error"), (0.9, "warning")])
def test_corner_tighter_than_the_car(width: float, level: str) -> None:
    """Call a hairpin of 0.15 m an error on a narrow road, a warning where the car can swing out."""
    t = np.linspace(-np.pi / 2, np.pi / 2, 24)
    bend = np.column_stack([6 + 0.15 * np.cos(t), 0.15 * np.sin(t)])
    center = geometry.resample(np.vstack([[0.0, -0.15], bend, [0.0, 0.15]]), 240, closed=False)
    assert codes(from_center(center, width, closed=False))["radius"] == level


def test_crossing_course_is_a_warning() -> None:
    """Name the two rows of a figure of eight, and say nothing of its borders."""
    found = check_track(from_center(eight_line() + 1e-3, 0.6))
    assert [finding.code for finding in found] == ["crosses_itself"]
    assert found[0].row is not None


def test_seam_spacing_kink_and_midline(tmp_path: Path) -> None:
    """Warn of a repeated row, wide spacing, a kink, and a centre line off the middle."""
    table = np.insert(ring_route(), 30, ring_route()[30], axis=0)
    found = {f.code: f for f in check_track(load(tmp_path, table))}
    assert found.keys() == {"repeated_row"}
    assert found["repeated_row"].row == 31
    assert codes(load(tmp_path, straight_route(rows=8))) == {"spacing": "warning"}
    table = ring_route()
    table[:, 4:] *= 1.2
    assert codes(load(tmp_path, table)) == {"off_center": "warning"}
    corner = np.array([[x, 0.0] for x in np.arange(0, 4, 0.2)] + [[3.8, y] for y in np.arange(0.2, 4, 0.2)])
    assert codes(from_center(corner, 0.8, closed=False))["kink"] == "warning"


def test_border_that_crosses_itself(tmp_path: Path) -> None:
    """Warn of a border that crosses itself."""
    table = ring_route()
    table[40:42, 2:4] = table[[41, 40], 2:4]
    assert codes(load(tmp_path, table))["border_crosses_itself"] == "warning"
