"""What reward functions are told, against naive twins on real and made tracks, and boundary tables."""

import math

import numpy as np
import pytest

from racer.sim.jit import kernel
from racer.sim.telemetry import write_telemetry
from racer.track.track import Track
from support.naive_course import drive, make_world, naive_telemetry, nearest, ring
from support.tracks import closing_gap, figure_of_eight, load_route, repeat_row, ribbon, straight, uneven


@kernel
def _report(batch, tables):
    write_telemetry(batch.cars[0, 0], tables, 1.0 / 15.0, batch.telemetry[0, 0])


MADE = [ring(), ring(repeat=False), straight(), uneven(), closing_gap(), repeat_row(uneven(), 20)]
REACH = 0.5


def random_poses(track, count, course, rng):
    """Poses anywhere along a track, some of them off the road."""
    poses = np.zeros((count, 1, 4))
    half = 0.5 * track.widths.mean()
    poses[:, 0, 0], poses[:, 0, 1] = course, rng.uniform(0, track.length, count)
    poses[:, 0, 2], poses[:, 0, 3] = rng.uniform(-1.2, 1.2, count) * half, rng.uniform(-0.7, 0.7, count)
    return poses


def compare(track, count, rng):
    """Compare placed poses with the naive telemetry, both directions; returns how many were compared in full."""
    full = 0
    world = make_world(track, count)
    for course, way in enumerate((track, track.reversed())):
        world.place(random_poses(track, count, course, rng))
        for car, row in zip(world.cars[:, 0], world.telemetry[:, 0], strict=True):
            naive = naive_telemetry(way, car)
            for key in ("x", "y", "heading", "track_length"):
                assert row[key] == pytest.approx(naive[key], abs=1e-9), key
            assert row["is_reversed"] == bool(course)
            if naive["wheel_clearance"] > 1e-9:
                assert row["wheels_on_track"] == naive["wheels_on_track"]
                assert row["all_wheels_on_track"] == naive["all_wheels_on_track"]
                assert row["is_offtrack"] == (naive["wheels_on_track"] == 0)
            # Where a track crosses itself the simulator looks near the car only.
            apart = abs(row["projection_distance"] - naive["projection_distance"])
            apart = min(apart, abs(way.length - apart)) if way.closed else apart
            if apart > 1e-6:
                assert row["distance_from_center"] >= naive["distance_from_center"]
                continue
            full += 1
            assert row["distance_from_center"] == pytest.approx(naive["distance_from_center"], abs=1e-9)
            assert row["track_width"] == pytest.approx(naive["track_width"], abs=1e-6)
            if naive["margin_left"] > 1e-9:
                assert row["is_left_of_center"] == naive["is_left_of_center"]
            s = np.concatenate([[0.0], np.cumsum(way.segment_lengths)])
            prev, following = row["closest_waypoint_prev"], row["closest_waypoint_next"]
            assert following == (prev + 1) % len(way.center)
            assert s[prev] - 1e-6 <= naive["projection_distance"]
            assert naive["projection_distance"] <= (s[prev + 1] if prev + 1 < len(s) else s[-1]) + 1e-6 or (
                way.closed and naive["projection_distance"] > way.length - 1e-6 and prev == 0
            )
    return full


def test_telemetry_on_real_tracks(shared_tracks):
    """Compare 1900 placed poses on all route files, driven both ways, with the naive semantics of the simapp."""
    rng = np.random.default_rng(7)
    files = sorted((shared_tracks / "deepracer").glob("*.npy"))
    full = sum(compare(load_route(file), 60, rng) for file in files)
    assert full == 2 * 60 * len(files)


@pytest.mark.parametrize("index", range(len(MADE)))
def test_telemetry_on_made_tracks(index):
    """Compare placed poses on synthetic shapes: open, unequal, with repeated rows and with a gap."""
    assert compare(MADE[index], 120, np.random.default_rng(8)) == 240


@pytest.mark.parametrize("track", [ring(rows=24), uneven(), repeat_row(ring(rows=24), 7), closing_gap()])
def test_reversed_telemetry_mirrors_the_forward_one(track):
    """Check one pose seen in both directions: rows N-1-i, s -> L - s, left <-> right, progress from the same place."""
    count = 50
    rng = np.random.default_rng(5)
    world = make_world(track, count)
    poses = random_poses(track, count, 0, rng)
    world.place(poses)
    ahead = world.telemetry[:, 0].copy()
    points = world.cars[:, 0].copy()
    # The same front point from the other direction: the chassis on the other side of it.
    world.place(np.where(np.arange(4) == 0, 1.0, poses))
    for key in ("x", "y"):
        sign = np.cos(points["yaw"]) if key == "x" else np.sin(points["yaw"])
        world.cars[key][:, 0] = points[key] + 0.28 * sign
    world.cars["yaw"][:, 0] = points["yaw"] + math.pi
    front = (track.length - track.segment_lengths[-1] - ahead["projection_distance"]) % track.length
    s = world.tables.segments["s"][world.tables.courses[1]["first"] :][: len(track.center)]
    world.cars["segment"][:, 0] = np.clip(np.searchsorted(s, front) - 1, 0, len(track.center) - 1)
    drive(world, 0.0, 0.0)
    back = world.telemetry[:, 0]
    assert back["x"] == pytest.approx(ahead["x"]) and back["y"] == pytest.approx(ahead["y"])
    assert back["is_reversed"].all() and not ahead["is_reversed"].any()
    assert back["distance_from_center"] == pytest.approx(ahead["distance_from_center"], abs=1e-9)
    assert back["track_width"] == pytest.approx(ahead["track_width"], abs=1e-9)
    assert (back["is_left_of_center"] != ahead["is_left_of_center"]).all()
    # The reverse starts at the last row: short of the first by the closing segment, if that has a length.
    shift = track.segment_lengths[-1]
    both = (back["projection_distance"] + ahead["projection_distance"] + shift) / track.length
    assert np.abs(both - np.round(both)).max() < 1e-9
    # Strictly between two rows the pair of rows is the same one, seen from behind.
    rows = len(track.center)
    inside = np.abs(ahead["projection_distance"][:, None] - np.append(s, track.length)).min(axis=1) > 1e-6
    inside &= np.abs(front[:, None] - np.append(s, track.length)).min(axis=1) > 1e-6
    assert inside.sum() > count // 3
    prev = rows - 1 - ahead["closest_waypoint_next"][inside]
    # A closed track without a repeated row counts its closing segment from the other end.
    assert (back["closest_waypoint_prev"][inside] % rows == prev % rows).all()


def front_at(world, s, course=0, lateral=0.0):
    """Place the car so that its front point is at arc length s of a straight piece."""
    poses = np.zeros((*world.cars.shape, 4))
    track = world.tracks[0]
    poses[..., 0], poses[..., 2] = course, lateral
    poses[..., 1] = (s - 0.14) % track.length if track.closed else s - 0.14
    world.place(poses)
    return world.telemetry[0, 0]


@pytest.mark.parametrize(
    ("s", "expected"),
    [
        (0.5, (1, 2)),  # on row 1: bisect_right passes it
        (0.5 - 1e-6, (0, 1)),
        (0.75, (1, 2)),
        (5.5, (11, 12)),
        (6.0 - 1e-6, (11, 12)),
        (6.0, (12, 0)),  # the end of an open track: [N-1, 0], as bisect_right has it
        (6.1, (12, 0)),  # and beyond it
    ],
)
def test_closest_waypoints_along_a_straight(s, expected):
    """Check the pair of rows at rows, between them, and at the end of an open track of 13 rows."""
    world = make_world(straight(6.0, 13))
    row = front_at(world, s)
    assert (row["closest_waypoint_prev"], row["closest_waypoint_next"]) == expected


def square(repeat=True):
    """A square of 4 m sides from (-2, -2), counter-clockwise, with rows every metre."""
    side = np.arange(4.0)
    points = np.concatenate(
        [
            np.stack([side - 2, np.full(4, -2.0)], 1),
            np.stack([np.full(4, 2.0), side - 2], 1),
            np.stack([2 - side, np.full(4, 2.0)], 1),
            np.stack([np.full(4, -2.0), 2 - side], 1),
        ]
    )
    points = np.roll(points, 2, axis=0)  # row 0 in the middle of the left side
    track = ribbon(points, 0.4)
    if not repeat:
        return track
    index = np.append(np.arange(16), 0)
    return Track(name="square", center=track.center[index], left=track.left[index], right=track.right[index])


@pytest.mark.parametrize("repeat", [True, False])
@pytest.mark.parametrize(
    ("s", "expected", "distance"),
    [(0.0, (0, 1), 0.0), (1e-6, (0, 1), 1e-6), (16.0 - 1e-6, (15, None), 16.0 - 1e-6), (15.5, (15, None), 15.5)],
)
def test_closest_waypoints_at_the_seam(repeat, s, expected, distance):
    """Check the rows about the start of a closed track, whose last row may repeat the first."""
    row = front_at(make_world(square(repeat)), s % 16.0)
    following = expected[1] if expected[1] is not None else (16 if repeat else 0)
    assert (row["closest_waypoint_prev"], row["closest_waypoint_next"]) == (expected[0], following)
    assert row["projection_distance"] == pytest.approx(distance, abs=1e-9)


def test_the_repeated_last_row_is_followed_by_the_first():
    """Check [N-1, 0] on the zero-length segment between two equal rows (ndist = 1.0 in DeepRacer)."""
    world = make_world(square())
    front_at(world, 8.0)
    # Such a projection only comes from rounding: the kernel is handed one.
    world.cars["segment"], world.cars["s"] = 16, 16.0
    _report(world.batch, world.tables)
    row = world.telemetry[0, 0]
    assert (row["closest_waypoint_prev"], row["closest_waypoint_next"]) == (16, 0)


def test_progress_counts_from_the_start_of_the_episode():
    """Check that progress is the arc length gained over the length of the lap, from any start."""
    track = ring(rows=200)
    world = make_world(track)
    for s in (0.0, 3.0, track.length - 0.2):
        front_at(world, s)
        assert world.telemetry["progress"][0, 0] == 0.0
        begin = world.cars["s"][0, 0]
        drive(world, 4.7, 1.5, 30)
        gained = (world.cars["s"][0, 0] - begin) % track.length
        assert world.telemetry["progress"][0, 0] == pytest.approx(100 * gained / track.length)


def test_a_step_back_gives_a_small_negative_progress():
    """Check that 5 cm behind the start is -100 * 0.05 / L, also across the start line, not nearly 100."""
    world = make_world(square())
    for s in (8.0, 0.02):
        front_at(world, s)
        world.cars["x"] -= 0.05 * np.cos(world.cars["yaw"])
        world.cars["y"] -= 0.05 * np.sin(world.cars["yaw"])
        drive(world, 0.0, 0.0)
        assert world.telemetry["progress"][0, 0] == pytest.approx(-100 * 0.05 / 16.0)
        assert world.telemetry["projection_distance"][0, 0] == pytest.approx((s - 0.05) % 16.0)


def test_progress_ends_at_a_hundred():
    """Check 99.5 -> 100 on the last step of a lap, never more, on closed and open tracks."""
    for track in (square(), square(repeat=False), straight()):
        for start in (0.37, 1.1):
            world = make_world(track)
            front_at(world, start)
            goal = track.length if track.closed else track.length - start
            car = world.cars[0, 0]
            # Just before the end of the lap, as if driven there.
            end = (start + 0.995 * goal) % track.length if track.closed else start + 0.995 * goal
            kept = car["start_s"]
            front_at(world, end)
            world.cars["start_s"], world.cars["travelled"] = kept, 0.995 * goal
            drive(world, 0.0, 0.0)
            assert world.telemetry["progress"][0, 0] == pytest.approx(99.5)
            drive(world, 0.0, 3.0, 12)
            assert world.telemetry["progress"][0, 0] == 100.0


def test_steps_and_time_start_at_two():
    """Check steps: 1 after a start (the prepare step), 2 at the first call of a reward function, as floats."""
    world = make_world(ring(), control_dt=0.1)
    world.reset()
    assert world.telemetry["steps"].item() == 1.0
    for expected in (2.0, 3.0, 4.0):
        drive(world, 0.0, 1.0)
        assert world.telemetry["steps"].item() == expected
        assert world.telemetry["sim_time"].item() == pytest.approx(expected * 0.1)
    world.reset()
    assert world.telemetry["steps"].item() == 1.0


def test_commands_are_reported_as_commanded():
    """Check that speed and steering are the action's, and the measured ones those of the car."""
    world = make_world(ring(radius=5.0, half_width=1.5))
    world.reset()
    drive(world, -12.5, 3.25, 4)
    row, car = world.telemetry[0, 0], world.cars[0, 0]
    assert (row["speed"], row["steering_angle"]) == (3.25, -12.5)
    assert row["speed_measured"] == pytest.approx(math.hypot(car["vx"], car["vy"]))
    assert row["steering_angle_measured"] == pytest.approx(math.degrees(car["steer"]))
    assert row["slip_angle"] == pytest.approx(math.degrees(math.atan2(car["vy"], car["vx"])))
    assert row["yaw_rate"] == pytest.approx(math.degrees(car["yaw_rate"]))
    assert (row["acceleration_forward"], row["acceleration_left"]) == (car["ax"], car["ay"])
    assert 0 < row["speed_measured"] < 3.25


def test_heading_stays_within_half_a_turn():
    """Check -180..180 degrees over a whole circle."""
    world = make_world(ring(radius=0.6, half_width=0.3))
    world.reset()
    headings = [drive(world, 17.0, 0.8)["heading"].item() for _ in range(60)]
    assert max(headings) > 170 and min(headings) < -170
    assert np.abs(headings).max() <= 180.0


def test_things_are_reported_along_the_centre_line():
    """Check places, distances, sides, order and visibility of boxes and cars seen by each car."""
    world = make_world(square(), cars=2, objects=2)
    world.put_object(0, 0, s=3.25, lateral=0.2)
    world.put_object(0, 1, s=13.0, lateral=-0.1)
    poses = np.array([[[0, 9.0, 0.0, 0.0], [0, 11.0, 0.15, 0.0]]], float)
    world.place(poses)
    things, rows = world.object_telemetry[0], world.telemetry[0]
    # For the ego: box 0, box 1, the other car.
    assert things["distance"][0] == pytest.approx([3.25, 13.0, 11.14], abs=1e-6)
    assert things["distance"][1][:2] == pytest.approx([3.25, 13.0])
    assert things["distance"][1][2] == pytest.approx(9.14)
    assert things["distance_from_center"][0] == pytest.approx([0.2, 0.1, 0.15])
    assert things["is_left_of_center"][0].tolist() == [True, False, True]
    assert things["active"].all()
    # s = 3.25 is 1.25 m into the lower side, from its corner (-2, -2): left is up.
    assert (things["x"][0][0], things["y"][0][0]) == (pytest.approx(-0.75), pytest.approx(-1.8))
    assert (rows["closest_object_prev"][0], rows["closest_object_next"][0]) == (0, 2)
    assert (rows["closest_object_prev"][1], rows["closest_object_next"][1]) == (2, 1)
    # The other direction: s -> L - s, left -> right.
    poses[..., 0] = 1.0
    world.place(poses)
    assert world.object_telemetry["distance"][0, 0][:2] == pytest.approx([12.75, 3.0])
    assert world.object_telemetry["is_left_of_center"][0, 0][:2].tolist() == [False, True]


def test_object_in_camera_is_the_next_one_within_the_view():
    """Check the sides and the near limit of the view for the centre and the corners, which have a margin of 0.1 m.

    The camera is 0.13032555 m high and looks down by 0.2618 rad; the points of a box are 0.1 m high. A point at a
    horizontal distance a has the depth a cos p + 0.03032555 sin p, so that the near limit of 0.2 m is at 0.19893 m.
    """
    world = make_world(straight(20.0, 41, half_width=3.0), objects=1)
    pitch, drop = 0.2618, 0.13032555 - 0.1
    near = (0.2 - drop * math.sin(pitch)) / math.cos(pitch)

    def aside_of(ahead):
        """Distance at which a point `ahead` metres before the camera is on the edge of the view."""
        return (ahead * math.cos(pitch) + drop * math.sin(pitch)) * math.tan(0.5 * 1.13)

    # Corners are 0.05 m from the centre of a small box; of an ordinary one 0.25 m ahead or behind, and 0.2 m aside.
    for size, ahead, aside, seen in (
        ((0.0, 0.0), 1.0, 0.0, True),
        ((0.0, 0.0), near - 0.05 + 1e-6, 0.0, True), ((0.0, 0.0), near - 0.05 - 1e-6, 0.0, False),
        ((0.4, 0.3), 2.0, aside_of(2.25) + 0.2 - 1e-6, True), ((0.4, 0.3), 2.0, aside_of(2.25) + 0.2 + 1e-6, False),
        ((0.4, 0.3), 2.0, -aside_of(2.25) - 0.2 + 1e-6, True), ((0.4, 0.3), 2.0, -aside_of(2.25) - 0.2 - 1e-6, False),
    ):  # fmt: skip
        world.put_object(0, 0, s=5.0 + 0.14529379 + ahead, lateral=aside, length=size[0], width=size[1])
        world.place(np.array([[[0, 5.0, 0.0, 0.0]]]))
        assert world.telemetry["object_in_camera"].item() == seen, (ahead, aside)


def test_objects_are_cyclic_on_an_open_track():
    """Check that behind the first object is the last, and that an object level with the car counts as behind."""
    world = make_world(straight(20.0, 41), objects=3)
    for slot, s in enumerate((12.0, 4.0, 8.0)):
        world.put_object(0, slot, s=s, lateral=0.2)
    for s, expected in ((2.0, [0, 1]), (6.0, [1, 2]), (14.0, [0, 1]), (7.86, [2, 0])):
        world.place(np.array([[[0, s, 0.0, 0.0]]]), objects="kept")
        row = world.telemetry[0, 0]
        assert [row["closest_object_prev"], row["closest_object_next"]] == expected, s


@pytest.mark.parametrize("course", [0, 1])
def test_objects_are_projected_from_where_they_are(course):
    """Check a box that was put beside a corner: its nearest point of the line is not the one at its `s`."""
    track = square()
    world = make_world(track, objects=1)
    for s in (1.95, 1.98, 6.02):
        world.put_object(0, 0, s=s, lateral=-0.3)
        world.place(np.array([[[course, 9.0, 0.0, 0.0]]]))
        box, row = world.objects[0, 0], world.object_telemetry[0, 0, 0]
        distance, k, share, _ = nearest(track.center, True, np.array([box["x"], box["y"]]))
        projected = track.segment_lengths[:k].sum() + share * track.segment_lengths[k]
        assert row["distance_from_center"] == pytest.approx(distance, abs=1e-12)
        # The last row repeats the first unless the course is open there: the reverse starts at its arc length.
        last = world.tables.segments["s"][len(track.center) - 1]
        assert row["distance"] == pytest.approx((last - projected) % 16.0 if course else projected, abs=1e-9)
        assert abs(projected - s) > 1e-3


def test_things_on_another_track_are_not_there():
    """Check that a box of one track is neither seen nor hit by a car on another track that runs through its place."""
    world = make_world([straight(6.0), straight(8.0, 17)], objects=1)
    world.put_object(0, 0, s=3.0, track=0)
    for course, there in ((0, True), (2, False)):
        world.place(np.array([[[course, 2.9, 0.0, 0.0]]]))
        assert world.object_telemetry["active"].item() == there
        drive(world, 0.0, 0.5)
        assert world.telemetry["is_crashed"].item() == there


def test_boxes_stand_where_their_arc_length_says():
    """Check positions between rail samples: a box's centre projects to its s."""
    track = ring(rows=300)
    world = make_world(track, objects=1)
    for s in (0.0, 1.234, 7.77, track.length - 0.01):
        world.put_object(0, 0, s=s, lateral=0.1)
        box = world.objects[0, 0]
        angle = math.atan2(box["y"], box["x"]) % (2 * math.pi)
        assert angle * 2.0 == pytest.approx(s * 2 * math.pi * 2.0 / track.length, abs=2e-3)
        assert math.hypot(box["x"], box["y"]) == pytest.approx(1.9, abs=1e-3)


def test_a_figure_of_eight_is_followed_through_its_crossing():
    """Drive a whole lap of a track that crosses itself: progress grows steadily and the lap completes."""
    track = figure_of_eight(size=3.0, rows=240, half_width=0.35)
    world = make_world(track)
    front_at(world, 0.5)
    progress = [0.0]
    for _ in range(600):
        row = world.telemetry[0, 0]
        # Steer at the centre line: proportional to heading error and offset.
        side = row["distance_from_center"] * (1 if world.cars["lateral"][0, 0] > 0 else -1)
        steer = -1.2 * row["heading_error"] - 90.0 * side + math.degrees(0.164 * row["curvature"])
        drive(world, float(np.clip(steer, -30, 30)), 1.2)
        progress.append(world.telemetry["progress"].item())
        if world.ended.all():
            break
    assert progress[-1] == 100.0
    steps = np.diff(progress)
    assert steps.min() > -0.01 and steps.max() < 1.5
