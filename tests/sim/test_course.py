"""The tables that the kernels read: rows, arc length, rails and walls."""

import itertools
import math

import numpy as np
import pytest

from racer.sim.course import build_courses, wall_lines
from support.naive_course import nearest, ring
from support.tracks import closing_gap, figure_of_eight, load_route, repeat_row, ribbon, straight, uneven

SHAPES = [ring(), ring(repeat=False), straight(), figure_of_eight(), uneven(), closing_gap(), repeat_row(uneven(), 9)]


def part(tables, table, index):
    """The rows of one course in the table of segments or of centre lines."""
    course = tables.courses[index]
    if table == "segments":
        return tables.segments[course["first"] : course["first"] + course["rows"]]
    return tables.centerline(index)


def test_segments_hold_the_rows_of_the_file():
    """Check rows, arc lengths, directions and borders of every course against the track in its direction."""
    tables = build_courses(SHAPES)
    assert len(tables.courses) == 2 * len(SHAPES)
    for index, way in enumerate(w for track in SHAPES for w in (track, track.reversed())):
        course, rows = tables.courses[index], part(tables, "segments", index)
        lengths = way.segment_lengths
        assert course["rows"] == len(way.center)
        assert course["segments"] == len(lengths)
        assert course["closed"] == way.closed
        assert course["backwards"] == index % 2
        assert course["length"] == pytest.approx(lengths.sum())
        assert (np.stack([rows["x"], rows["y"]], axis=1) == way.center).all()
        assert (np.stack([rows["left_x"], rows["left_y"]], axis=1) == way.left).all()
        assert (np.stack([rows["right_x"], rows["right_y"]], axis=1) == way.right).all()
        assert rows["s"] == pytest.approx(np.concatenate([[0], np.cumsum(lengths)])[: len(rows)])
        # Unit directions, and start + length * direction is the next row.
        assert np.hypot(rows["ux"], rows["uy"]) == pytest.approx(1.0)
        ends = (
            way.center[: len(lengths)]
            + rows["length"][: len(lengths), None] * np.stack([rows["ux"], rows["uy"]], axis=1)[: len(lengths)]
        )
        following = np.roll(way.center, -1, axis=0)[: len(lengths)]
        assert np.abs(ends - following).max() < 1e-9


def test_repeated_rows_take_the_direction_of_the_next_segment():
    """Check that a row without length looks where the next one goes, also over the seam."""
    track = repeat_row(ring(rows=12), 5)
    rows = part(build_courses([track]), "segments", 0)
    assert rows["length"][5] == 0.0
    assert (rows["ux"][5], rows["uy"][5]) == (rows["ux"][6], rows["uy"][6])
    # The last row repeats the first: its segment has no length and goes the first's way.
    assert rows["length"][-1] == 0.0
    assert (rows["ux"][-1], rows["uy"][-1]) == (rows["ux"][0], rows["uy"][0])


def test_rail_of_a_circle():
    """Check heading, curvature 1 / R and half widths on a circle of many rows."""
    # Sampling a polygon of n sides: headings are off by at most half a corner, pi / n; the curvature is the turn over
    # two steps, so off by at most a corner over two steps.
    radius, rows = 2.0, 720
    tables = build_courses([ring(radius=radius, rows=rows, half_width=0.4)])
    for index, sign in ((0, 1.0), (1, -1.0)):
        rail, step = part(tables, "centerlines", index), tables.courses[index]["centerline_step"]
        s = step * np.arange(len(rail))
        corner = 2 * math.pi / rows
        expected = math.pi / 2 + s / radius if sign > 0 else -math.pi / 2 - s / radius
        off = rail["heading"] - expected
        off = (off + math.pi) % (2 * math.pi) - math.pi
        assert np.abs(off).max() <= corner
        assert np.abs(rail["curvature"] - sign / radius).max() <= corner / (2 * step)
        sag = radius * (1 - math.cos(math.pi / rows))
        assert np.abs(rail["left"] - 0.4).max() <= 2 * sag + 1e-9
        assert np.abs(rail["right"] - 0.4).max() <= 2 * sag + 1e-9
        assert step <= 0.1
        assert len(rail) * step == pytest.approx(tables.courses[index]["length"])


def test_rail_of_an_open_track_ends_at_its_end():
    """Check the samples of a straight: from 0 to the length, both included."""
    tables = build_courses([straight(6.0)])
    rail = part(tables, "centerlines", 0)
    assert rail["x"] == pytest.approx(np.linspace(0, 6, 61))
    assert not rail["heading"].any() and not rail["curvature"].any()
    assert rail["left"] == pytest.approx(0.4) and rail["right"] == pytest.approx(0.4)


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_rail_widths_are_distances_to_the_borders(shape):
    """Compare the half widths of rails with a search of the whole borders."""
    track = SHAPES[shape]
    tables = build_courses([track])
    for index, way in enumerate((track, track.reversed())):
        for sample in part(tables, "centerlines", index)[::7]:
            point = np.array([sample["x"], sample["y"]])
            if track.name == "eight" and np.hypot(*point) < 1.2:
                continue  # the other leg's borders are nearer at the crossing
            assert sample["left"] == pytest.approx(nearest(way.left, way.closed, point)[0], abs=1e-9)
            assert sample["right"] == pytest.approx(nearest(way.right, way.closed, point)[0], abs=1e-9)


def test_walls_stand_on_the_borders_of_a_track_that_does_not_cross(shared_tracks):
    """Check that no piece of wall is missing, however uneven the width."""
    tracks = [t for t in SHAPES if t.name != "eight"]
    tracks += [load_route(p) for p in sorted((shared_tracks / "deepracer").glob("*.npy"))]
    for track in tracks:
        lines = wall_lines(track)
        assert len(lines) == 2, track.name
        for line, border in zip(lines, (track.left, track.right), strict=True):
            full = np.vstack([border, border[:1]]) if track.closed else border
            assert np.hypot(*np.diff(line, axis=0).T).sum() == pytest.approx(np.hypot(*np.diff(full, axis=0).T).sum())


def test_walls_leave_the_crossing_open():
    """Check that a figure of eight can be driven: no wall within half of the half width of its centre line."""
    track = figure_of_eight(half_width=0.35)
    lines = wall_lines(track)
    assert len(lines) > 2
    for line in lines:
        for middle in 0.5 * (line[1:] + line[:-1]):
            assert nearest(track.center, True, middle)[0] >= 0.5 * 0.35 - 1e-9


def test_wall_groups_hold_every_wall_once():
    """Check that the groups of all tracks join to the walls, and that each circle encloses its vertices."""
    tracks = [ring(rows=100), figure_of_eight(), ribbon(straight().center, 0.3, closed=False, walls="none"), uneven()]
    tables = build_courses(tracks)
    for index, track in enumerate(tracks):
        course = tables.courses[2 * index]
        assert course["wall_first"] == tables.courses[2 * index + 1]["wall_first"]
        assert course["wall_groups"] == tables.courses[2 * index + 1]["wall_groups"]
        pieces = []
        for group in tables.wall_groups[course["wall_first"] :][: course["wall_groups"]]:
            xy = tables.walls[group["first"] : group["first"] + group["count"]]
            xy = np.stack([xy["x"], xy["y"]], axis=1)
            assert len(xy) >= 2
            assert np.hypot(*(xy - [group["x"], group["y"]]).T).max() <= group["radius"] * (1 + 1e-12)
            pieces += [tuple(a) + tuple(b) for a, b in itertools.pairwise(xy)]
        expected = [tuple(a) + tuple(b) for line in wall_lines(track) for a, b in itertools.pairwise(line)]
        assert pieces == expected


def test_offset_walls_stand_off_the_borders():
    """Check walls at a distance outside the borders of a ring."""
    plain = ring(radius=2.0, rows=180, half_width=0.4)
    track = ring(radius=2.0, rows=180, half_width=0.4, repeat=False, walls="offset")
    object.__setattr__(track, "wall_offset", 0.25)
    inner, outer = wall_lines(track)
    assert np.hypot(*inner.T) == pytest.approx(2.0 - 0.4 - 0.25)
    assert np.hypot(*outer.T) == pytest.approx(2.0 + 0.4 + 0.25)
    assert len(wall_lines(plain)) == 2
