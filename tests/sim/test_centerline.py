"""Projection, nearest borders and the road: closed forms, ties, and courses that fold and cross."""

import math

import numpy as np
import pytest

from racer.sim.centerline import CLEAR_REACH, center_point_at, nearest_border_points, project_on_centerline
from racer.sim.centerline import is_on_road as on_road_near
from racer.sim.course import build_courses
from racer.sim.jit import kernel
from racer.track.track import Track
from support.naive_course import in_polygon, make_world, nearest, on_road, ring
from support.tracks import closing_gap, figure_of_eight, load_route, repeat_row, ribbon, straight, uneven


@kernel
def _project(course, segments, near, points, reach, out):
    for n in range(points.shape[0]):
        segment, along, lateral = project_on_centerline(course, segments, near, points[n, 0], points[n, 1], reach)
        out[n, 0], out[n, 1], out[n, 2] = segment, along, lateral


@kernel
def _on_road(course, segments, near, points, reach, out):
    for n in range(points.shape[0]):
        out[n] = on_road_near(course, segments, near, points[n, 0], points[n, 1], reach)


@kernel
def _borders(course, segments, points, out):
    for n in range(points.shape[0]):
        at, x, y = center_point_at(course, segments, points[n])
        out[n, 0], out[n, 1] = x, y
        out[n, 2], out[n, 3], out[n, 4], out[n, 5] = nearest_border_points(course, segments, at, x, y)


def projected(track, points, near=0, reach=1e9, index=0):
    """(segment, along, lateral) of points, looking `reach` metres from segment `near`."""
    tables = build_courses([track])
    points = np.atleast_2d(np.asarray(points, float))
    out = np.zeros((len(points), 3))
    _project(tables.courses[index], tables.segments, near, points, reach, out)
    return out


SHAPES = {
    "ring": ring(), "open ring": ring(repeat=False), "straight": straight(), "uneven": uneven(),
    "gap": closing_gap(), "repeated": repeat_row(uneven(), 20), "repeated first": repeat_row(uneven(), 0),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("backwards", [False, True])
def test_projection_equals_the_naive_one(shape, backwards):
    """Compare with a search of the whole polyline."""
    track = SHAPES[shape].reversed() if backwards else SHAPES[shape]
    rng = np.random.default_rng(1)
    rows = rng.integers(0, len(track.center), 400)
    points = track.center[rows] + rng.uniform(-0.3, 0.3, (400, 2))
    s = np.concatenate([[0.0], np.cumsum(track.segment_lengths)])
    # The compiled table of the reverse is course 1 of the track as it was given.
    found = projected(SHAPES[shape], points, index=int(backwards))
    for point, (segment, along, lateral) in zip(points, found, strict=True):
        distance, k, share, _ = nearest(track.center, track.closed, point)
        assert abs(lateral) == pytest.approx(distance, abs=1e-12)
        apart = abs(s[int(segment)] + along - s[k] - share * track.segment_lengths[k])
        assert min(apart, abs(track.length - apart) if track.closed else apart) < 1e-9


def zigzag(rows=12):
    """A closed track whose centre line turns by up to 100 degrees at its rows, which are 0.3 to 0.9 m apart."""
    angle = 2.0 * np.pi * np.arange(rows) / rows
    radius = np.where(np.arange(rows) % 2 == 0, 1.0, 1.45)
    return ribbon(radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1), 0.2, name="zigzag")


@pytest.mark.parametrize("made", [*SHAPES, "zigzag"])
@pytest.mark.parametrize("reach", [CLEAR_REACH, 0.5])
def test_projection_is_the_nearest_of_the_whole_line(made, reach):
    """Compare points on the road and far beyond it with a search of the whole line, from any segment to begin with."""
    track = SHAPES.get(made) or zigzag()
    rng = np.random.default_rng(6)
    for near in rng.integers(0, len(track.segment_lengths), 30):
        points = track.center[rng.integers(0, len(track.center), 60)] + rng.normal(0.0, 1.0, (60, 2))
        beside = track.center[near] + rng.uniform(-0.6, 0.6, (60, 2))
        for point, (_, _, lateral) in zip(
            [*points, *beside], projected(track, np.vstack([points, beside]), near=near, reach=reach), strict=True
        ):
            assert abs(lateral) == pytest.approx(nearest(track.center, track.closed, point)[0], abs=1e-12)


def test_course_that_crosses_itself_has_no_limits():
    """Check that a course is searched near the car alone if and only if it crosses itself, also at a row."""
    turn = 2.0 * np.pi * np.arange(160) / 160
    at_row = ribbon(3.0 * np.stack([np.sin(turn), np.sin(turn) * np.cos(turn)], axis=1), 0.3)
    for track, crosses in ((figure_of_eight(), True), (at_row, True), (ring(), False), (zigzag(), False)):
        segments = build_courses([track]).segments
        for side in ("left_limit", "right_limit"):
            assert np.isinf(segments[side]).all() == crosses and np.isinf(segments[side]).any() == crosses


def test_limits_of_a_projection_have_closed_forms():
    """Check half the distance to a parallel leg, and the radius of a bend: the greatest disc that fits there.

    A polygon inscribed in a circle of radius R has k / (k + 1) R where the nearest segment that is not compared is k
    rows away: here 4 rows of 0.05 m are within `CLEAR_REACH`.
    """
    x = np.linspace(0.0, 6.0, 61)
    turn = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 33)[1:-1]
    right = np.stack([6.0 + 0.4 * np.cos(turn), 0.4 + 0.4 * np.sin(turn)], axis=1)
    line = np.vstack([np.stack([x, 0.0 * x], axis=1), right, np.stack([x[::-1], 0.0 * x + 0.8], axis=1)])
    segments = build_courses([ribbon(line, 0.2, closed=False)]).segments[: len(line)]
    assert segments["left_limit"][20:40] == pytest.approx(0.4, rel=2e-3)
    bend = build_courses([ring(radius=0.8, half_width=0.3, rows=100)]).segments[1:100]
    assert (bend["left_limit"] >= 0.8 * 0.75).all() and (bend["left_limit"] <= 0.8).all()
    assert (bend["right_limit"] >= 0.99).all()


def test_projection_of_a_vertex_belongs_to_the_row_itself():
    """Check that a point on row k, or outside a corner there, is on segment k at 0, as `bisect_right` has it."""
    # Outside a corner both segments are equally near; rounding must not choose.
    track = ring(rows=12, repeat=True)
    for k in range(12):
        out = track.center[k] * np.linspace(1.0, 1.15, 40)[:, None]
        found = projected(track, out, near=(k - 1) % 12)
        assert (found[:, 0] == k).all()
        assert (found[:, 1] == 0.0).all()


def test_projection_on_a_repeated_row_belongs_to_the_later_one():
    """Check [k + 1, k + 2] on a row that occurs twice as k and k + 1 (`bisect_right` passes both)."""
    track = repeat_row(ring(rows=12), 5)
    assert (track.center[5] == track.center[6]).all()
    for near in (4, 5, 6, 7):
        assert projected(track, track.center[5], near=near, reach=1.0)[0, 0] == 6


def test_seam_of_a_closed_track():
    """Check that the start point is arc length 0 of row 0, from either side, with or without a repeated row."""
    for track in (ring(rows=40), ring(rows=40, repeat=False)):
        last = len(track.center) - 1
        for near in (0, 1, last, last - 1):
            segment, along, _ = projected(track, track.center[0], near=near, reach=1.0)[0]
            assert (segment, along) == (0, 0.0)


def test_projection_beyond_the_ends_of_an_open_track():
    """Check that points before and behind an open track stay at its ends."""
    track = straight(6.0, 13)
    segment, along, lateral = projected(track, (-0.3, 0.2), near=0)[0]
    assert (segment, along) == (0, 0.0) and lateral == pytest.approx(math.hypot(0.3, 0.2))
    segment, along, lateral = projected(track, (6.5, -0.2), near=11)[0]
    assert (segment, along) == (11, 0.5) and lateral == pytest.approx(-math.hypot(0.5, 0.2))


def test_last_row_of_an_open_track_may_repeat():
    """Check side and direction at the end of an open track that turns right round and ends in a repeated row."""
    t = np.linspace(0.0, math.pi, 30)
    bend = ribbon(2.0 * np.stack([np.cos(t), np.sin(t)], axis=1), 0.4, closed=False)
    track = repeat_row(bend, 29)
    rows = build_courses([track]).segments[:31]
    assert (rows["ux"][29], rows["uy"][29]) == (rows["ux"][28], rows["uy"][28])
    assert (rows["ux"][30], rows["uy"][30]) == (rows["ux"][28], rows["uy"][28])
    for side in (-0.1, 0.1):
        # Beyond the end the course looks down; its left is +x.
        assert projected(track, (-2.0 + side, -0.2), near=28)[0, 2] * side > 0


def test_lateral_offset_is_left_positive():
    """Check the sign on a counter-clockwise ring: inside is left, R - r to the rounding of the polygon."""
    # Chord error of a polygon: R (1 - cos(pi / n)).
    track = ring(radius=2.0, rows=200)
    sag = 2.0 * (1 - math.cos(math.pi / 200))
    for radius in (1.7, 1.95, 2.05, 2.3):
        angle = np.linspace(0.1, 6.0, 50)
        points = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        assert np.abs(projected(track, points)[:, 2] - (2.0 - radius)).max() <= sag
        assert np.abs(projected(track, points, index=1)[:, 2] - (radius - 2.0)).max() <= sag


def test_projection_is_local_where_a_track_crosses_itself():
    """Check that at the crossing of a figure of eight the leg is that of where the car was."""
    track = figure_of_eight(rows=160)
    s = np.concatenate([[0.0], np.cumsum(track.segment_lengths)])
    # The legs cross at the origin: t = pi and t = 2 pi.
    first = int(np.argmin(np.hypot(*track.center[:80].T)))
    second = 80 + int(np.argmin(np.hypot(*track.center[80:].T)))
    for leg in (first, second):
        segment, along, _ = projected(track, (0.01, 0.02), near=leg - 4, reach=0.9)[0]
        assert abs(s[int(segment)] + along - s[leg]) < 0.2


def test_borders_equal_the_naive_search(shared_tracks):
    """Compare the nearest border points with a search of the whole border, along synthetic and real courses."""
    tracks = [*SHAPES.values(), *(load_route(p) for p in sorted((shared_tracks / "deepracer").glob("*.npy")))]
    for track in tracks:
        tables = build_courses([track])
        for index, way in enumerate((track, track.reversed())):
            where = np.random.default_rng(2).uniform(0, way.length, 60)
            out = np.zeros((60, 6))
            _borders(tables.courses[index], tables.segments, where, out)
            for row in out:
                for border, found in ((way.left, row[2:4]), (way.right, row[4:6])):
                    distance = nearest(border, way.closed, row[:2])[0]
                    assert np.hypot(*(found - row[:2])) == pytest.approx(distance, abs=1e-9), way.name


@pytest.mark.parametrize("shape", SHAPES)
def test_road_is_the_polygon_between_the_borders(shape):
    """Compare thousands of points, on the road and off it, with point in outer minus point in inner polygon."""
    track = SHAPES[shape]
    tables = build_courses([track])
    rng = np.random.default_rng(4)
    for k in rng.integers(0, len(track.center) - 1, 12):
        points = track.center[k] + rng.uniform(-0.8, 0.8, (100, 2))
        out = np.zeros(100, bool)
        _on_road(tables.courses[0], tables.segments, int(k), points, 3.0, out)
        assert (out == [on_road(track, p) for p in points]).all()


@pytest.mark.parametrize("slant", [0.5, 0.9])
def test_road_of_folded_strips_is_the_polygon(slant):
    """Check rows so far from across the road that the lines between their borders leave it: the strips fold."""
    angle = np.linspace(0.0, 2.0 * np.pi, 121)[:-1]
    shifted = angle + slant * np.sin(3.0 * angle) / 3.0 * 2.9
    outer, inner = (np.stack([np.cos(a), np.sin(a)], axis=1) for a in (angle, shifted))
    track = Track(name="folded", center=2.0 * outer, left=1.7 * inner, right=2.3 * outer)
    tables = build_courses([track])
    assert (tables.segments["folded_count"] > 0).any()
    rng = np.random.default_rng(5)
    for k in rng.integers(0, 120, 30):
        points = track.center[k] + rng.uniform(-0.6, 0.6, (60, 2))
        out = np.zeros(60, bool)
        _on_road(tables.courses[0], tables.segments, int(k), points, 4.0, out)
        assert (out == [on_road(track, p) for p in points]).all()


def test_borders_of_a_crossing_are_those_of_the_leg():
    """Check the width along a course that crosses itself: that of its own leg, also in the crossing."""
    track = figure_of_eight(rows=300)
    tables = build_courses([track])
    assert tables.segments["left_count"].max() <= 12 and tables.segments["right_count"].max() <= 12
    for index in range(2):
        rows = tables.centerline(index)
        assert rows["left"] == pytest.approx(0.35, abs=0.01) and rows["right"] == pytest.approx(0.35, abs=0.01)


def test_road_reaches_round_a_tight_inner_border():
    """Check that a wheel in the inside of a hairpin is on the road although its arc is far from the car's."""
    # An inner border of radius 0.1 m under a centre line of 0.5 m: 0.2 m at the border are 1 m of arc.
    t = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    track = ribbon(0.5 * np.stack([np.cos(t), np.sin(t)], axis=1), 0.4)
    world = make_world(track)
    poses = np.zeros((1, 1, 4))
    # The front point is beyond the inner border's centre: wheels behind it are a third of a turn back.
    poses[0, 0] = (0, 0.4, 0.30, 0.0)
    world.place(poses)
    car = world.cars[0, 0]
    c, s = math.cos(car["yaw"]), math.sin(car["yaw"])
    wheels = [
        (car["x"] + a * c - b * s, car["y"] + a * s + b * c)
        for a, b in ((0.0817, 0.0795), (0.0817, -0.0795), (-0.0823, 0.081), (-0.0823, -0.081))
    ]
    expected = sum(in_polygon(track.right, np.array(p)) != in_polygon(track.left, np.array(p)) for p in wheels)
    assert car["wheels_on"] == expected
