"""The `state` sensor against closed forms on a circle and a straight, and a naive search on an uneven track."""

import math

import numpy as np
import pytest

from racer.sim.telemetry import LOOK_AHEAD_FIELDS, STATE_FIELDS, state_field_names
from support.naive_course import drive, make_world, nearest, ring
from support.tracks import straight, uneven

AHEAD = np.array([0.3, 1.0, 2.5])


def observe(world):
    """(N, 8 + 4 K) rows of the sensor."""
    out = np.full((*world.cars.shape, len(STATE_FIELDS) + len(LOOK_AHEAD_FIELDS) * len(AHEAD)), np.nan, np.float32)
    world.observe_state(AHEAD, out)
    return out[:, 0]


def place(world, s, lateral=0.0, turned=0.0, course=0):
    """Place the only car."""
    world.place(np.array([[[course, s, lateral, turned]]], float))


def test_names_match_the_width_of_a_row():
    """Check the number of names, that none repeats, and the order of the look-ahead fields."""
    names = state_field_names(3)
    assert len(names) == 20 == len(set(names))
    assert names[:8] == list(STATE_FIELDS) and names[8:12] == ["ahead0_x", "ahead0_y", "ahead0_left", "ahead0_right"]


@pytest.mark.parametrize(("lateral", "turned"), [(0.0, 0.0), (0.2, 0.3), (-0.15, -1.0), (0.1, 3.0)])
def test_state_on_a_straight(lateral, turned):
    """Check offset and heading error, and the points ahead turned into the car's frame."""
    # The front point is 0.14 m ahead; its arc length is s + 0.14 cos(turned), its offset lateral + 0.14 sin(turned).
    world = make_world(straight(8.0, 17))
    place(world, 4.0, lateral, turned)
    row = observe(world)[0]
    assert row[0] == pytest.approx(lateral + 0.14 * math.sin(turned), abs=1e-6)
    assert row[1] == pytest.approx(turned, abs=1e-6)
    c, s = math.cos(turned), math.sin(turned)
    for k, ahead in enumerate(AHEAD):
        dx, dy = 0.14 * c + ahead, -lateral
        expected = [dx * c + dy * s, dy * c - dx * s, 0.4, 0.4]
        assert row[8 + 4 * k : 12 + 4 * k] == pytest.approx(expected, abs=1e-6)


def test_state_beyond_the_end_of_an_open_track():
    """Check that the rail goes on straight beyond the end."""
    world = make_world(straight(8.0, 17))
    place(world, 7.5)
    row = observe(world)[0]
    for k, ahead in enumerate(AHEAD):
        assert row[8 + 4 * k : 12 + 4 * k] == pytest.approx([0.14 + ahead, 0.0, 0.4, 0.4], abs=1e-6)


@pytest.mark.parametrize("course", [0, 1])
def test_state_on_a_circle_over_the_seam(course):
    """Check points ahead on a circle: (R sin(a / R), +-R (1 - cos(a / R))) from the front point."""
    # Of a polygon of 720 rows, sampled every 0.1 m: sagitta of a sample step, R (step / 2 R)^2 / 2 = 0.7 mm, and the
    # 0.14 m of the front point along the tangent instead of the arc, 0.14^2 / 2 R = 5 mm aside.
    radius = 2.0
    world = make_world(ring(radius=radius, rows=720))
    side = 1.0 if course == 0 else -1.0
    for s in (1.0, 12.3, 12.5):
        place(world, s, course=course)
        row = observe(world)[0]
        for k, ahead in enumerate(AHEAD):
            angle = (ahead + radius * math.atan(0.14 / radius)) / radius
            expected = [radius * math.sin(angle), side * radius * (1 - math.cos(angle))]
            assert row[8 + 4 * k : 10 + 4 * k] == pytest.approx(expected, abs=3e-3)


def test_motion_and_commands_are_the_cars():
    """Check speeds, yaw rate, measured steering, and the last command in rad and m/s."""
    world = make_world(ring(radius=3.0, rows=200, half_width=0.8))
    place(world, 0.5)
    drive(world, 10.0, 2.0, 4)
    row, car = observe(world)[0], world.cars[0, 0]
    measured = [car["vx"], car["vy"], car["yaw_rate"], car["steer"], math.radians(10.0), 2.0]
    assert row[2:8] == pytest.approx(measured, rel=1e-6)
    assert row[1] == pytest.approx(math.radians(world.telemetry["heading_error"].item()), abs=1e-6)


def test_widths_ahead_are_those_of_the_road_there():
    """Compare the look-ahead widths on an uneven track with a search of the borders at the point ahead."""
    # Widths are linear between samples 0.1 m apart; they bend where the nearest border row changes.
    track = uneven()
    world = make_world(track, 40)
    poses = np.zeros((40, 1, 4))
    poses[:, 0, 1] = np.linspace(0, track.length, 40, endpoint=False)
    world.place(poses)
    for car, row in zip(world.cars[:, 0], observe(world), strict=True):
        c, s = math.cos(car["yaw"]), math.sin(car["yaw"])
        for k in range(len(AHEAD)):
            x, y, left, right = row[8 + 4 * k : 12 + 4 * k]
            point = np.array([car["x"] + c * x - s * y, car["y"] + s * x + c * y])
            assert left == pytest.approx(nearest(track.left, True, point)[0], abs=0.02)
            assert right == pytest.approx(nearest(track.right, True, point)[0], abs=0.02)


def test_only_marked_and_active_cars_are_observed():
    """Check that other rows are left as they are."""
    world = make_world(ring(), 3)
    world.reset()
    out = np.full((3, 1, 20), 7.0, np.float32)
    world.observe_state(AHEAD, out, np.array([[True], [False], [True]]))
    assert (out[1] == 7.0).all() and (out[0] != 7.0).any() and (out[2] != 7.0).any()
