"""Our YAML: closed forms of segments and curves, closing, widths, direction, round trips, bad files."""

import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.errors import TrackError
from racer.track import geometry
from racer.track.course import course_text, parse_course, read_course, track_of_course, write_course
from racer.track.npy import npy_bytes, read_npy
from racer.track.track import TrackAppearance
from support.tracks import ring_route

OVAL = [{"straight": 4.0}, {"arc": 180.0, "radius": 1.5}, {"straight": 4.0}, {"arc": 180.0, "radius": 1.5}]
SQUARE = [[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]]


def course(**keys: object):
    """The track of a course given by its keys."""
    return track_of_course(parse_course({"racer_track": 1} | keys, "t.yaml"), name="t", source="t.yaml")


def test_length_and_borders_of_an_oval() -> None:
    """Lay two straights and two half circles: length 8 + 3 pi, borders at half the width, even rows."""
    track = course(width=1.0, segments=OVAL, step=0.02)
    assert track.closed
    assert track.length == pytest.approx(8 + 3 * math.pi, rel=1e-5)
    assert track.widths == pytest.approx(1.0)
    assert np.array_equal(track.center[0], track.center[-1])
    assert np.array_equal(track.left[0], track.left[-1])
    steps = track.segment_lengths[:-1]
    assert np.ptp(steps) < 1e-5
    assert np.all(track.left[:, 1] <= track.center[:, 1].max())


def test_start_and_origin() -> None:
    """Put the first segment at the origin, and row 0 at the start line."""
    track = course(width=1.0, segments=OVAL, origin=[2.0, 1.0, 90.0], start=1.5)
    assert track.center[0] == pytest.approx([2.0, 2.5])
    assert track.left[0] == pytest.approx([1.5, 2.5])


def test_direction_backward() -> None:
    """Drive what is written from its end: rows reversed, sides exchanged, and not marked as reversed."""
    forward, backward = (
        course(width=1.0, segments=OVAL),
        course(width=1.0, segments=OVAL, direction="backward"),
    )
    assert np.array_equal(backward.center, forward.center[::-1])
    assert np.array_equal(backward.left, forward.right[::-1])
    assert not backward.backwards


def test_auto_straights_close_the_course() -> None:
    """Solve two straights so that the course closes: this rectangle needs 1 and 5 m."""
    corner = {"arc": 90.0, "radius": 1.0}
    parts = [
        {"straight": 5.0},
        corner,
        {"straight": 1.0},
        corner,
        {"straight": "auto"},
        corner,
        {"straight": "auto"},
        corner,
    ]
    assert course(width=0.5, segments=parts, step=0.05).length == pytest.approx(12 + 2 * math.pi, rel=1e-4)


def test_widths_are_reached_at_the_end_of_a_segment() -> None:
    """Ease from width to width along a segment; halfway it is the mean."""
    parts = [{"straight": 4.0, "width": 1.0}, {"straight": 4.0, "left": 0.6, "right": 0.2}, {"straight": 2.0}]
    track = course(closed=False, width=0.5, segments=parts, step=0.1)
    assert track.left[0] == pytest.approx([0.0, 0.5])
    assert track.left[40] == pytest.approx([4.0, 0.5])
    assert track.left[60] == pytest.approx([6.0, 0.55])
    assert track.left[-1] == pytest.approx([10.0, 0.6])
    assert track.right[-1] == pytest.approx([10.0, -0.2])


@pytest.mark.parametrize("closed", [True, False])
def test_curve_goes_through_its_points(closed: bool) -> None:
    """Pass every control point, and match a quarter turn of a circle where the points lie on one."""
    angle = np.arange(12) * 2 * np.pi / 12
    points = (2 * np.column_stack([np.cos(angle), np.sin(angle)])).tolist()
    track = course(closed=closed, width=0.4, points=points, step=0.02)
    nearest = np.hypot(*(track.center[:, None] - np.array(points)[None]).transpose(2, 0, 1)).min(axis=0)
    assert nearest.max() < 0.011
    if closed:
        assert np.hypot(*track.center.T) == pytest.approx(2.0, abs=2e-3)
        assert track.length == pytest.approx(4 * math.pi, rel=1e-3)


def test_widths_of_points() -> None:
    """Take [x, y], [x, y, width] and [x, y, left, right]."""
    points = [[0.0, 0.0], [4.0, 0.0, 1.0], [4.0, 4.0, 0.2, 0.6], [0.0, 4.0]]
    track = course(width=0.8, points=points, step=0.02)
    at = np.hypot(*(track.center - (4.0, 4.0)).T).argmin()
    assert np.hypot(*(track.left - track.center)[at]) == pytest.approx(0.2, abs=5e-3)
    assert np.hypot(*(track.right - track.center)[at]) == pytest.approx(0.6, abs=5e-3)


def test_look_and_walls() -> None:
    """Carry look and walls; what is left out stays DeepRacer's."""
    track = course(width=1.0, segments=OVAL, walls="offset", wall_offset=0.3, look={"road": [1, 2, 3], "dash_gap": 0.1})
    assert (track.walls, track.wall_offset) == ("offset", 0.3)
    assert track.look == TrackAppearance(road=(1, 2, 3), dash_gap=0.1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_round_trip_is_exact(seed: int, closed: bool) -> None:
    """Write any track as YAML and read back every number, bit for bit."""
    rng = np.random.default_rng(seed)
    radii = rng.uniform(1.5, 3.0, 40)
    angle = np.arange(40) * 2 * np.pi / 40
    points = [[float(r * math.cos(a)), float(r * math.sin(a))] for r, a in zip(radii, angle, strict=True)]
    track = course(
        closed=closed,
        width=0.3,
        points=points,
        walls="none",
        description="a: b # c",
        look={"wall_height": 0.5},
    )
    again = track_of_course(parse_course(yaml.safe_load(course_text(track)), "x"), name="t", source="t.yaml")
    for key in ("center", "left", "right"):
        assert np.array_equal(getattr(again, key), getattr(track, key))
    for key in ("closed", "walls", "wall_offset", "look", "description", "backwards"):
        assert getattr(again, key) == getattr(track, key)


def test_between_formats(tmp_path: Path) -> None:
    """Go from npy to YAML to npy without a change of one bit."""
    np.save(tmp_path / "a.npy", ring_route())
    write_course(read_npy(tmp_path / "a.npy"), tmp_path / "b.yaml")
    assert npy_bytes(read_course(tmp_path / "b.yaml")) == (tmp_path / "a.npy").read_bytes()


def test_scale(tmp_path: Path) -> None:
    """Scale centre line and borders of a file."""
    write_course(course(width=1.0, segments=OVAL), tmp_path / "a.yaml")
    track = read_course(tmp_path / "a.yaml", scale=0.5)
    assert track.widths == pytest.approx(0.5)


def test_crossing_course_keeps_its_sides() -> None:
    """Lay a figure of eight: left and right stay by direction, the crossing stays open."""
    parts = [
        {"straight": 1.6},
        {"arc": 270, "radius": 1.6},
        {"straight": 3.2},
        {"arc": -270, "radius": 1.6},
        {"straight": 1.6},
    ]
    track = course(width=0.9, segments=parts)
    widths = geometry.signed_widths(track.center, track.left, track.right, closed=True)
    assert widths == pytest.approx(0.9, rel=1e-2)
    assert len(geometry.crossings(track.center, closed=True)[0]) == 1


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"segments": OVAL}, r"has no width; give `width: metres`"),
        ({"width": 1.0}, r"has none of them; give exactly one of segments, points or rows"),
        ({"width": 1.0, "segments": OVAL, "points": SQUARE}, r"has segments and points; give exactly one"),
        ({"width": 1.0, "segmets": OVAL}, r"unknown key `segmets`. Did you mean `segments`\?"),
        (
            {"width": 1.0, "segments": [{"arc": 90, "radios": 1}]},
            r"unknown key `segments\[0\].radios`. Did you mean `radius`",
        ),
        (
            {"width": 1.0, "look": {"rode": [1, 2, 3]}, "segments": OVAL},
            r"unknown key `look.rode`. Did you mean `road`",
        ),
        ({"width": -1.0, "segments": OVAL}, r"`width` is -1.0: input should be greater than 0"),
        (
            {"width": 1.0, "segments": OVAL[:3]},
            r"ends 3.00 m and \+180.0 degrees from the start; .*closed: false",
        ),
        (
            {"width": 1.0, "segments": [{"arc": 90}]},
            r"segments\[0\]: an arc needs degrees other than 0 and a radius",
        ),
        ({"width": 1.0, "segments": [{"width": 1.0}]}, r"segments\[0\]: give either `straight"),
        ({"width": 1.0, "segments": [*OVAL, {"straight": "auto"}]}, r"has 1 straights of length `auto`"),
        (
            {"width": 1.0, "segments": [{"straight": "auto"}, OVAL[1], {"straight": "auto"}, OVAL[1]]},
            r"the two straights of length `auto` are parallel",
        ),
        (
            {"width": 1.0, "closed": False, "segments": [{"straight": "auto"}]},
            r"segments\[0\]: `auto` only serves",
        ),
        ({"points": SQUARE}, r"points\[0\] has no width"),
        ({"width": 1.0, "points": SQUARE[:3]}, r"has 3 points; a closed course needs 4"),
        ({"width": 1.0, "points": [SQUARE[0], *SQUARE]}, r"points\[1\] repeats the point before it"),
        ({"width": 1.0, "points": [*SQUARE[:3], [0.0, float("nan")]]}, r"`points\[3\]\[1\]` is nan"),
        ({"rows": [[0, 0, 0, 1, 0, -1]] * 2}, r"has 2 rows; a track needs at least 4"),
        ({"racer_track": 2, "width": 1.0, "segments": OVAL}, r"`racer_track` is 2: input should be 1"),
    ],
)
def test_bad_courses(keys: dict[str, object], message: str) -> None:
    """Refuse each bad course in one line with the place."""
    with pytest.raises(TrackError, match=message) as caught:
        course(**keys)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("`t.yaml`")


def test_a_straight_that_would_be_negative() -> None:
    """Say how long an `auto` straight would have to be."""
    corner = {"arc": 90.0, "radius": 1.0}
    parts = [
        {"straight": 2.0},
        corner,
        {"straight": "auto"},
        corner,
        {"straight": "auto"},
        {"arc": 90, "radius": 4.0},
        corner,
    ]
    with pytest.raises(TrackError, match=r"this straight would be -\d\.\d\d m long"):
        course(width=0.5, segments=parts)


@pytest.mark.parametrize("text", ["", "- 1\n", "a: [1, 2\n", "just text", "\x00"])
def test_bad_yaml_files(tmp_path: Path, text: str) -> None:
    """Refuse what is no YAML, or no mapping, naming the file."""
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(TrackError, match=r"a\.yaml"):
        read_course(tmp_path / "a.yaml")
