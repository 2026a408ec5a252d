"""Marks on the ground: widths, colours, gaps, and the ways that are drawn ahead of a car."""

import math

import numpy as np
import pytest

from racer.viewer import marks
from racer.viewer.playback import Playback, ReplaySource
from support.replays import RADIUS, STEP, ring_replay
from support.tracks import ring


def moment_at(at, **options):
    """A moment of a ring drive, and its stage."""
    source = ReplaySource(ring_replay(**options))
    playback = Playback(source)
    playback.seek(at)
    return playback.moment(), source.stage


def area(quads):
    """Area of each quad (shoelace)."""
    x, y = quads[..., 0], quads[..., 1]
    return 0.5 * np.abs((x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1))


def test_ramp_runs_from_its_first_to_its_last_colour():
    """Clip to the ends, and pass through the middle colour half way."""
    got = marks.ramp_colours([-1.0, 0.0, 0.5, 1.0, 2.0])
    assert np.array_equal(got[0], got[1]) and np.array_equal(got[3], got[4])
    assert got[2].tolist() == [80.0, 220.0, 110.0]


def test_lines_have_their_width():
    """Cover length times width."""
    quads = marks.line_quads(np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[3.0, 4.0], [1.0, 2.0]]), 0.1)
    assert area(quads).tolist() == pytest.approx([0.5, 0.1])


def test_trail_covers_where_the_car_was():
    """Lie on the ring behind the car, as long as it drove, coloured by its speed, fainter with age."""
    moment, stage = moment_at(30.0, cars=1)
    trail = marks.trail_marks(stage, moment, 0.02)
    # The moment is the last row: 30 pieces of which each is a chord.
    assert len(trail.quads) == 30
    assert area(trail.quads).sum() == pytest.approx(30 * 2 * RADIUS * math.sin(STEP / 2) * 0.02, rel=0.01)
    assert np.abs(np.hypot(*trail.quads.mean(axis=1).T) - RADIUS).max() < 0.01
    assert np.allclose(trail.colours, marks.ramp_colours(1.5 / stage.speed_top))


def test_trail_fades_and_ends():
    """Show the last seconds only, the oldest faintest."""
    moment, stage = moment_at(200.5, cars=1, steps=300)
    trail = marks.trail_marks(stage, moment, 0.02)
    count = round(marks.TRAIL_S / stage.control_dt)
    assert len(trail.quads) == count
    assert trail.opacity.tolist() == pytest.approx([0.9 * (k + 1) / count for k in range(count)])


def test_trail_has_a_gap_where_a_car_was_put_somewhere():
    """Draw no line across the field."""
    replay = ring_replay(cars=1)
    replay.rows["x"][20:] += 5.0
    source = ReplaySource(replay)
    playback = Playback(source)
    playback.seek(30.0)
    trail = marks.trail_marks(source.stage, playback.moment(), 0.02)
    assert len(trail.quads) == 29 and area(trail.quads).max() < 0.02 * 0.2


def test_waypoints_and_borders_are_those_of_the_track():
    """Mark every row of the centre line, and follow both borders all around."""
    track = ring()
    points = marks.waypoint_marks(track, 0.01)
    assert np.allclose(points.quads.mean(axis=1), track.center)
    large = area(points.quads) > 0.001
    assert np.flatnonzero(large).tolist() == list(range(0, len(track.center), 10))
    lines = marks.border_marks(track, 0.01)
    length = sum(np.hypot(*np.diff(line, axis=0, append=line[:1]).T).sum() for line in (track.left, track.right))
    assert area(lines.quads).sum() == pytest.approx(0.01 * length)


@pytest.mark.parametrize(("steer", "speed"), [(0.0, 2.0), (0.3, 1.5), (-0.4, 3.0)])
def test_way_ahead_is_the_circle_of_the_wheels(steer, speed):
    """Drive a circle of radius wheelbase / tan(steer), as long as speed times time."""
    row = ring_replay(cars=1).rows[0, 0]
    way = marks.predicted_path(row, 0.164, 0.8, steer, speed)
    assert np.hypot(*np.diff(way, axis=0).T).sum() == pytest.approx(0.8 * speed, rel=1e-6)
    turned = 0.8 * speed * math.tan(steer) / 0.164
    yaw = float(row["yaw"])
    if steer:
        radius = 0.164 / math.tan(steer)
        end = [
            RADIUS + radius * (math.sin(yaw + turned) - math.sin(yaw)),
            radius * (math.cos(yaw) - math.cos(yaw + turned)),
        ]
    else:
        end = [RADIUS + 1.6 * math.cos(yaw), 1.6 * math.sin(yaw)]
    assert way[-1].tolist() == pytest.approx(end, abs=0.06)


def test_wishes_are_as_strong_as_they_are_likely():
    """Draw the action that was chosen, and others by their probability; leave out the unlikely."""
    moment, stage = moment_at(10.0)
    row = moment.rows[0]
    alone = marks.action_marks(stage, row, None, 0.01)
    assert len(alone.quads) == 11
    choices = np.array([[-20.0, 1.0, 0.7], [0.0, 1.0, 0.295], [20.0, 1.0, 0.005]])
    all_of_them = marks.action_marks(stage, row, choices, 0.01)
    assert len(all_of_them.quads) == 33
    assert all_of_them.opacity[0] > all_of_them.opacity[11] > 0.15


def test_rays_end_in_dots():
    """Draw a beam and a dot for each ray."""
    ends = np.array([[1.0, 0.0], [0.0, 2.0]])
    got = marks.ray_marks(np.zeros(2), ends, 0.01)
    assert len(got.quads) == 4 and np.allclose(got.quads[2:].mean(axis=1), ends)


def test_heat_map_is_the_mean_reward_of_each_place():
    """Colour the cells that were driven through by their mean, each row counted once; unrewarded cars do not count."""
    moment, stage = moment_at(59.0, rewarded=True)
    heat = marks.HeatMap(stage)
    first = heat.marks(moment.past[:30])
    again = heat.marks(moment.past[:30])
    assert np.array_equal(first.quads, again.quads) and len(first.quads) > 5
    whole = heat.marks(moment.past)
    fresh = marks.HeatMap(stage).marks(moment.past)
    assert np.array_equal(whole.quads, fresh.quads) and np.array_equal(whole.colours, fresh.colours)
    # Car 0 earns 0.5 a step, car 1 1.5: where only one of them was, the colours are the ends of the ramp.
    middles = whole.quads.mean(axis=1)
    start = np.argmin(np.hypot(middles[:, 0] - RADIUS * math.cos(0.3), middles[:, 1] - RADIUS * math.sin(0.3)))
    end = np.argmin(np.hypot(middles[:, 0], middles[:, 1] + RADIUS))
    assert np.allclose(whole.colours[start], marks.ramp_colours(0.0)) and np.allclose(
        whole.colours[end], marks.ramp_colours(1.0)
    )
    unrewarded, other = moment_at(59.0)
    assert len(marks.HeatMap(other).marks(unrewarded.past).quads) == 0


def test_heat_map_starts_anew_after_a_restart():
    """Forget what was, where there are fewer rows than before."""
    moment, stage = moment_at(59.0, rewarded=True)
    heat = marks.HeatMap(stage)
    heat.marks(moment.past)
    assert len(heat.marks(moment.past[:3]).quads) == len(marks.HeatMap(stage).marks(moment.past[:3]).quads)
