"""What check finds, on tracks made to have it."""

from pathlib import Path

import numpy as np
import pytest

from racer.config.env import VehicleConfig
from racer.track import check, geometry
from racer.track.check import TrackFinding
from racer.track.npy import read_npy
from racer.track.track import Track
from racer.track.tum import read_csv
from support import tracks
from support.tracks import eight_line, ring_route, straight_route
from support.vehicles import load_vehicle

TIGHT = load_vehicle("jetracer").model_copy(
    update={"name": "tight", "front": 0.0817, "rear": 0.0823, "steer_max_deg": 30.0, "width": 0.1961}
)
"""A vehicle that turns in 0.164 m / tan(30 degrees) = 0.284 m."""
WIDE = TIGHT.model_copy(update={"name": "wide", "steer_max_deg": 15.0})
"""The same with half the steering angle: it turns in 0.612 m."""


def check_track(track: Track, vehicle: VehicleConfig = TIGHT) -> list[TrackFinding]:
    """Findings for a vehicle."""
    return check.check_track(track, vehicle)


def codes(track: Track, vehicle: VehicleConfig = TIGHT) -> dict[str, str]:
    """Code to level of all findings."""
    return {finding.code: finding.level for finding in check_track(track, vehicle)}


def only(track: Track, vehicle: VehicleConfig = TIGHT) -> TrackFinding:
    """The one finding."""
    (finding,) = check_track(track, vehicle)
    return finding


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


def bend(radius: float, turn_deg: float) -> np.ndarray:
    """Centre line of a straight of 4 m, an arc to the left, and a straight of 4 m; rows at 0.05 m."""
    turn = np.radians(turn_deg)
    t = np.linspace(0.0, turn, 60)
    arc = np.column_stack([radius * np.sin(t), radius - radius * np.cos(t)])
    end = arc[-1] + 4.0 * np.array([np.cos(turn), np.sin(turn)])
    line = np.vstack([[-4.0, 0.0], arc, end])
    return geometry.resample(line, round((8.0 + radius * turn) / 0.05), closed=False)


@pytest.mark.parametrize(("width", "level"), [(0.3, "error"), (0.9, "warning")])
def test_corner_tighter_than_the_car(width: float, level: str) -> None:
    """Call a hairpin of 0.15 m an error on a narrow road, a warning where the car can swing out."""
    assert codes(from_center(bend(0.15, 180.0), width, closed=False))["radius"] == level


def test_tight_corner_names_place_radius_and_vehicle() -> None:
    """Say where the line is tighter than the vehicle turns, both radii, and what to do; only for that vehicle."""
    track = from_center(bend(0.48, 180.0), 0.9, closed=False)
    assert check_track(track, TIGHT) == []
    finding = only(track, WIDE)
    assert (finding.level, finding.code) == ("warning", "radius")
    assert finding.message.startswith(f"tighter than this vehicle turns: radius 0.48 m at row {finding.row}, `wide` ")
    assert "`wide` needs 0.61 m" in finding.message
    assert "relax the bend" in finding.message
    # The arc begins 4 m along the line and is pi * 0.48 m long; rows are 0.05 m apart.
    assert finding.row is not None
    assert 80 <= finding.row <= 110


def test_tight_corners_are_counted_across_the_first_row() -> None:
    """Count two hairpins of a closed course as two, also where one of them holds row 0."""
    half = bend(0.5, 180.0)[40:-40]
    half -= [half[0, 0], 0.5]
    line = geometry.resample(np.vstack([half, -half]), 200, closed=True)
    for shift in (0, 100, 150):
        finding = only(from_center(np.roll(line, shift, axis=0), 0.6), WIDE)
        assert "1 more bend" in finding.message


@pytest.mark.parametrize(("turn_deg", "level"), [(60.0, "warning"), (90.0, "warning"), (180.0, "error")])
def test_cutting_a_corner(turn_deg: float, level: str) -> None:
    """Call a bend an error only where no line within the road is wide enough.

    From the outside over the inside to the outside of the road, a car of width c on a road of width w drives the
    radius r - h + 2 h / (1 - cos(turn / 2)) with h = (w - c) / 2. Here r = 0.4, h = 0.0769: 1.47 m at 60 degrees,
    0.85 m at 90 degrees, 0.48 m at 180 degrees.
    """
    track = from_center(bend(0.4, turn_deg), 0.35, closed=False)
    assert codes(track, WIDE)["radius"] == level


def test_ring_tighter_than_the_vehicle() -> None:
    """Name one bend where the whole course is one."""
    found = {f.code: f.message for f in check_track(tracks.ring(radius=0.5, half_width=0.25), WIDE)}
    assert found.keys() == {"length", "radius"}
    assert "more bend" not in found["radius"]


def test_crossing_course_is_a_warning() -> None:
    """Name the two rows of a figure of eight, and say nothing of its borders."""
    found = check_track(from_center(eight_line() + 1e-3, 0.6))
    assert [finding.code for finding in found] == ["crosses_itself"]
    assert found[0].row is not None
    assert "figure of eight" in found[0].message


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


def test_road_of_the_wrong_unit(tmp_path: Path) -> None:
    """Warn of a route times 100, with a way to scale it."""
    found = {f.code: f for f in check_track(load(tmp_path, 100.0 * ring_route(rows=600)))}
    assert found.keys() == {"spacing", "wide"}
    finding = found["wide"]
    assert finding.level == "warning"
    assert finding.message.startswith("the road is 80.00 m wide, 408 times the width of `tight`")
    assert "a.npy@0.01" in finding.message
    assert codes(load(tmp_path, ring_route(rows=120, radius=6.0, width=3.5))) == {}


@pytest.mark.parametrize("missing", [6, 20, 30])
def test_loop_without_some_rows(tmp_path: Path, missing: int) -> None:
    """Warn of a loop that is read as open, because rows are missing between its ends."""
    table = ring_route(rows=120)[:-missing]
    track = load(tmp_path, table)
    assert not track.closed
    finding = only(track)
    assert (finding.level, finding.code, finding.row) == ("warning", "open", 119 - missing)
    assert "repeat the first row at the end" in finding.message


def test_open_courses_are_not_loops(tmp_path: Path) -> None:
    """Say nothing of a straight, a half circle, and a course that comes back beside its start."""
    assert "open" not in codes(load(tmp_path, straight_route()))
    assert "open" not in codes(load(tmp_path, ring_route(rows=120)[:60]))
    assert "open" not in codes(from_center(bend(1.0, 180.0), 0.8, closed=False))
    assert "open" not in codes(from_center(bend(1.0, 90.0), 0.8, closed=False))


def test_two_laps_in_one_file(tmp_path: Path) -> None:
    """Warn of a road that lies on itself without a crossing."""
    once = ring_route(rows=121)[:-1]
    assert codes(load(tmp_path, np.vstack([once, once])))["road_overlaps"] == "warning"


def test_road_that_touches_itself() -> None:
    """Warn of two straights that are nearer than the road is wide, with what to do."""
    t = np.linspace(-np.pi / 2, np.pi / 2, 40)
    end = np.column_stack([4.0 + 0.4 * np.cos(t), 0.4 * np.sin(t)])
    loop = geometry.resample(np.vstack([end, -end]), 240, closed=True)
    found = {f.code: f.message for f in check_track(from_center(loop, 1.2))}
    assert found.keys() & {"road_overlaps", "border_crosses_itself"}
    assert all(";" in message for message in found.values())


def test_width_that_jumps(tmp_path: Path) -> None:
    """Warn where the width changes by half from one row to the next; not of a smooth change."""
    table = ring_route(rows=121)
    table[60:70, 4:] *= 1.4
    found = {f.code: f for f in check_track(load(tmp_path, table))}
    assert found["width_jump"].row == 60
    assert "from 0.80 m to 1.76 m" in found["width_jump"].message
    assert ";" in found["width_jump"].message


def test_ignored_columns_are_reported(tmp_path: Path) -> None:
    """Report the columns of a csv that were not read."""
    rows = "\n".join(f"{x},{y},0.4,0.4,3" for x, y in tracks.circle(100, 3.0))
    (tmp_path / "a.csv").write_text("x_m,y_m,w_tr_right_m,w_tr_left_m,grip\n" + rows)
    finding = only(read_csv(tmp_path / "a.csv"))
    assert (finding.level, finding.code) == ("warning", "file")
    assert "`grip`" in finding.message


def test_every_message_says_what_to_do(tmp_path: Path) -> None:
    """Give an advice after a semicolon in every finding."""
    table = np.insert(ring_route(), 30, ring_route()[30], axis=0)
    table[:, 4:] *= 1.2
    table[40:42, 2:4] = table[[41, 40], 2:4]
    found = [*check_track(load(tmp_path, table)), *check_track(load(tmp_path, straight_route(rows=5, length=3.0)))]
    found += check_track(load(tmp_path, ring_route(width=0.3)))
    found += check_track(from_center(eight_line() + 1e-3, 0.6))
    assert len({finding.code for finding in found}) >= 6
    for finding in found:
        assert ";" in finding.message, finding
