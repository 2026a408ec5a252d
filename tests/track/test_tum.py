"""Centre lines and race lines as text: dialects, scale, rings, widths, bad lines."""

import functools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.errors import TrackError
from racer.track import geometry
from racer.track.tum import read_csv
from support import tracks
from support.tracks import eight_line

circle = functools.partial(tracks.circle, rows=100, radius=50.0)


def put(
    path: Path, points: np.ndarray, *, right: float = 6.0, left: float = 5.0, header: str = "", sep: str = ","
) -> Path:
    """Write a centre line with constant widths."""
    lines = [sep.join(map(repr, [float(x), float(y), right, left])) for x, y in points]
    path.write_text(header + "\n".join(lines) + "\n")
    return path


TUM = "# x_m,y_m,w_tr_right_m,w_tr_left_m\n"


def test_ring_gets_its_first_row_repeated_and_scaled(tmp_path: Path) -> None:
    """Scale a full-size circuit by 1/18, right width to the right; repeat the first row of the open ring."""
    track = read_csv(put(tmp_path / "a.csv", circle(), header=TUM))
    assert track.closed
    assert len(track.center) == 101
    assert np.array_equal(track.center[0], track.center[-1])
    assert np.hypot(*track.center.T) == pytest.approx(50 / 18)
    assert np.hypot(*track.right.T) == pytest.approx(56 / 18)
    assert np.hypot(*track.left.T) == pytest.approx(45 / 18)


def test_scale_given_or_small(tmp_path: Path) -> None:
    """Take the scale that is given; leave a road of small-car size as it is."""
    path = put(tmp_path / "a.csv", circle(), header=TUM)
    assert np.hypot(*read_csv(path, scale=1.0).center.T) == pytest.approx(50.0)
    small = put(tmp_path / "b.csv", circle(radius=3.0), right=0.5, left=0.5)
    assert np.hypot(*read_csv(small).center.T) == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("header", "sep"),
    [
        ("", ","),
        ("# x_m, y_m, w_tr_right_m, w_tr_left_m\n", ", "),
        ("x_m;y_m;w_tr_right_m;w_tr_left_m\n", ";"),
        ("", "\t"),
    ],
)
def test_dialects(tmp_path: Path, header: str, sep: str) -> None:
    """Read each dialect of header and separator alike."""
    track = read_csv(put(tmp_path / "a.csv", circle(), header=header, sep=sep), scale=1.0)
    assert np.hypot(*track.right.T) == pytest.approx(56.0)


def test_columns_by_name(tmp_path: Path) -> None:
    """Follow the header where it names another order."""
    path = put(tmp_path / "a.csv", circle(), header="# x_m,y_m,w_tr_left_m,w_tr_right_m\n")
    assert np.hypot(*read_csv(path, scale=1.0).left.T) == pytest.approx(44.0)


def test_race_lines_need_a_width(tmp_path: Path) -> None:
    """Refuse x, y alone with the way out; take a width in the file's metres."""
    path = tmp_path / "line.csv"
    path.write_text("# x_m,y_m\n" + "\n".join(f"{x},{y}" for x, y in circle()))
    with pytest.raises(TrackError, match=r"race line without widths; .*@width=10"):
        read_csv(path)
    track = read_csv(path, width=9.0)
    assert track.widths == pytest.approx(9.0 / 18, rel=1e-6)


def test_f1tenth_race_line(tmp_path: Path) -> None:
    """Read seven columns after three comment lines; keep the repeated last row once."""
    points = np.vstack([circle(radius=4.0), circle(radius=4.0)[:1]])
    rows = "\n".join(f"{i}; {x}; {y}; 0; 0; 5; 0" for i, (x, y) in enumerate(points))
    path = tmp_path / "line.csv"
    path.write_text("# a\n# b\n# s_m; x_m; y_m; psi_rad; kappa_radpm; vx_mps; ax_mps2\n" + rows)
    track = read_csv(path, width=1.0)
    assert track.closed
    assert len(track.center) == 101


def test_open_line(tmp_path: Path) -> None:
    """Take a line whose ends lie apart as open, without adding a row."""
    points = np.column_stack([np.arange(20.0), np.zeros(20)])
    track = read_csv(put(tmp_path / "a.csv", points, right=0.5, left=0.4))
    assert not track.closed
    assert len(track.center) == 20
    assert np.all(track.left[:, 1] == 0.4)


def test_figure_of_eight(tmp_path: Path) -> None:
    """Keep left left on a course that crosses itself, where inside and outside mean nothing."""
    track = read_csv(put(tmp_path / "a.csv", eight_line(), right=0.3, left=0.5))
    along = geometry.tangents(track.center, closed=True)
    to_left = track.left - track.center
    assert along[:, 0] * to_left[:, 1] - along[:, 1] * to_left[:, 0] == pytest.approx(0.5)
    assert len(geometry.crossings(track.center, closed=True)[0]) == 1


def test_fixed_width_in_a_tight_corner(tmp_path: Path) -> None:
    """Cut the loop that a fixed width makes in a corner tighter than the width."""
    t = np.arange(160) * 2 * np.pi / 160
    points = np.column_stack([4 * np.cos(t), 0.5 * np.sin(t)])  # radius 0.0625 at the ends
    track = read_csv(put(tmp_path / "a.csv", points, right=0.3, left=0.3))
    assert len(geometry.crossings(track.left, closed=True)[0]) == 0
    assert np.abs(track.left[:, 0]).max() < 4 - 0.3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no numbers"),
        ("# x_m,y_m\n", "holds no numbers"),
        ("1,2,3,4\n1,2,3\n", "line 2 has 3 columns, line 1 has 4"),
        ("# c\n1,2,3,4\n1,2,x,4\n", "line 3: `1,2,x,4` is not all numbers"),
        ("1,2,3\n" * 9, "has 3 columns; a centre line has 4"),
        ("\n".join(f"{i},0,1,1" for i in range(9)) + "\n9,nan,1,1\n", "line 10: a number is nan"),
        ("\n".join(f"{i},0,1,1" for i in range(9)) + "\n9,0,-1,1\n", "line 10: a width is negative"),
        ("\n".join(f"{i},0,0,0" for i in range(9)), "line 1: the borders leave a road of 0 m"),
        ("1,2,3,4\n" * 3, "has 3 rows; a track needs at least 4"),
        ("1,2,3,4\n" * 9, "is 0 m long"),
    ],
)
def test_bad_text(tmp_path: Path, text: str, message: str) -> None:
    """Refuse each bad file in one line with the line's number."""
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(TrackError, match=message) as caught:
        read_csv(path)
    assert "\n" not in str(caught.value)


NAMED = "\n".join(f"{x},{y},0.5,0.4" for x, y in circle(radius=4.0))
"""Rows of a small centre line with two widths."""


@pytest.mark.parametrize("width", [None, 1.0])
@pytest.mark.parametrize("header", ["x,y,left,right", "# x, y, width_right, width_left", "x_m,y_m,w_left,w_tr_right_m"])
def test_widths_under_other_names(tmp_path: Path, header: str, width: float | None) -> None:
    """Refuse widths of unknown names with the names that are known, whether or not a width is given."""
    path = tmp_path / "a.csv"
    path.write_text(f"{header}\n{NAMED}\n")
    unknown = [name.strip(" #") for name in header.split(",") if "left" in name or "width" in name]
    with pytest.raises(TrackError, match=r"unknown columns?.*known are.*w_tr_right_m, w_tr_left_m") as caught:
        read_csv(path, width=width)
    assert all(f"`{name}`" in str(caught.value) for name in unknown if not name.startswith("w_tr"))
    assert "race line" not in str(caught.value)


def test_misspelt_coordinates(tmp_path: Path) -> None:
    """Refuse a header of single words without x and y, which would be read by position."""
    path = tmp_path / "a.csv"
    path.write_text(f"lat,lon,w_tr_right_m,w_tr_left_m\n{NAMED}\n")
    with pytest.raises(TrackError, match="unknown columns `lat`, `lon`; known are x_m, y_m"):
        read_csv(path)


def test_other_columns_are_noted(tmp_path: Path) -> None:
    """Read a centre line with more columns than are known, and keep a note of them."""
    rows = "\n".join(f"{x},{y},0.5,0.4,7,1" for x, y in circle(radius=4.0))
    (tmp_path / "a.csv").write_text(f"x_m,y_m,w_tr_right_m,w_tr_left_m,grip,bank\n{rows}\n")
    track = read_csv(tmp_path / "a.csv")
    assert np.hypot(*track.right.T) == pytest.approx(4.5)
    assert len(track.notes) == 1
    assert "`grip`, `bank`" in track.notes[0]
    assert read_csv(put(tmp_path / "b.csv", circle(), header=TUM)).notes == ()


def test_prose_before_the_numbers(tmp_path: Path) -> None:
    """Take a comment of prose as prose, even one with as many commas as the file has columns."""
    for header in ("# made by hand, in March, checked, and used\n", "# x is forward here\n", "# one,two,three,four\n"):
        path = put(tmp_path / "a.csv", circle(), header=header)
        assert np.hypot(*read_csv(path, scale=1.0).right.T) == pytest.approx(56.0)


def test_units_in_the_header(tmp_path: Path) -> None:
    """Follow names that have their unit in brackets."""
    path = put(tmp_path / "a.csv", circle(), header="x [m], y [m], w_tr_left (m), w_tr_right (m)\n")
    assert np.hypot(*read_csv(path, scale=1.0).left.T) == pytest.approx(44.0)


def test_binary_file(tmp_path: Path) -> None:
    """Refuse bytes that are no text."""
    (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00\x81" * 20)
    with pytest.raises(TrackError, match="is not a text file"):
        read_csv(tmp_path / "a.csv")


@given(st.text(max_size=200))
def test_any_text_is_a_track_or_one_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Never answer with anything but a track or a TrackError."""
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TrackError):
        read_csv(path)
