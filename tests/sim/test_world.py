"""The status table, contacts in a world, and what a step leaves alone; boundary values on each limit."""

import math

import numpy as np
import pytest

from racer.sim.contact import rectangles_overlap
from racer.sim.dtypes import BACKWARD_STEPS, STUCK_DISTANCE, STUCK_STEPS, EpisodeStatus
from racer.sim.world import PHYSICS_DT_MAX, World
from support.naive_course import VEHICLE, drive, make_world, naive_telemetry, ring, wheels
from support.tracks import straight


def at(world, s, lateral=0.0, turned=0.0, course=0, car=None):
    """Place all cars, or one, at rest."""
    poses = np.empty((*world.cars.shape, 4))
    poses[:] = (course, s, lateral, turned)
    which = None
    if car is not None:
        which = np.zeros(world.cars.shape, bool)
        which[:, car] = True
    world.place(poses, which)


def only_status(world):
    """The status of the only car."""
    return EpisodeStatus(int(world.status[0, 0]))


# --- Off track ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lateral", "on", "status"),
    [
        # Half width 0.4: wheel centres at +-0.0795 in front, +-0.081 behind.
        (0.4 - 0.082, 4, EpisodeStatus.IN_PROGRESS),
        (0.4 - 0.0800, 3, EpisodeStatus.IN_PROGRESS),  # the left rear wheel is out
        (0.4 - 0.0790, 2, EpisodeStatus.IN_PROGRESS),  # both left ones
        (0.4 + 0.0790, 2, EpisodeStatus.IN_PROGRESS),
        (0.4 + 0.0800, 1, EpisodeStatus.IN_PROGRESS),  # only the right rear one is left
        (0.4 + 0.0815, 0, EpisodeStatus.OFF_TRACK),
    ],
)
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_off_track_by_wheel_centres(lateral, on, status, side):
    """Check the number of wheels on the road and that a car is off with none."""
    world = make_world(straight())
    at(world, 3.0, side * lateral)
    drive(world, 0.0, 0.0)
    row = world.telemetry[0, 0]
    assert row["wheels_on_track"] == on
    assert row["all_wheels_on_track"] == (on == 4)
    assert row["is_offtrack"] == (on == 0)
    assert only_status(world) == status


def test_off_track_as_the_naive_polygon_has_it():
    """Drive hundreds of cars off a ring and check the step at which each ends against the naive road."""
    world = make_world(ring(radius=1.5, half_width=0.35), 300)
    rng = np.random.default_rng(0)
    poses = np.zeros((300, 1, 4))
    poses[..., 1], poses[..., 3] = rng.uniform(0, 9, (300, 1)), rng.uniform(-1, 1, (300, 1))
    world.place(poses)
    actions = rng.uniform([-30, 0.5], [30, 3.0], (300, 1, 2))
    for _ in range(25):
        running = ~world.ended[:, 0]
        world.step(actions)
        for n in np.flatnonzero(running):
            naive = naive_telemetry(world.tracks[0], world.cars[n, 0])
            if naive["wheel_clearance"] > 1e-9:
                assert (world.status[n, 0] == EpisodeStatus.OFF_TRACK) == (naive["wheels_on_track"] == 0)
    assert (world.status == EpisodeStatus.OFF_TRACK).sum() > 200


# --- Lap ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("track", [ring(radius=1.5, rows=120), ring(radius=1.5, rows=120, repeat=False)])
@pytest.mark.parametrize("course", [0, 1])
def test_lap_completes_where_it_started(track, course):
    """Drive a lap of a ring: it ends at the step in which the arc length gained reaches the length, not before."""
    world = make_world(track)
    at(world, 2.0, course=course)
    side = 1.0 if course == 0 else -1.0
    travelled = 0.0
    for _ in range(400):
        row, car = world.telemetry[0, 0], world.cars[0, 0]
        steer = side * 6.2 - 1.5 * row["heading_error"] - 100.0 * car["lateral"]
        travelled = float(car["travelled"])
        drive(world, float(np.clip(steer, -30, 30)), 1.2)
        if world.ended.all():
            break
        assert world.cars["travelled"][0, 0] < track.length
    assert only_status(world) == EpisodeStatus.LAP_COMPLETE
    assert travelled < track.length <= world.cars["travelled"][0, 0]
    assert world.telemetry["progress"].item() == 100.0


@pytest.mark.parametrize("rows", [7, 13, 101])
@pytest.mark.parametrize("course", [0, 1])
def test_open_track_completes_at_its_end(rows, course):
    """Drive a straight from many starts to its end: the front point passes it on the road, whatever is rounded."""
    starts = np.linspace(0.05, 4.0, 40)
    world = make_world(straight(5.0, rows), 40)
    poses = np.zeros((40, 1, 4))
    poses[:, 0, 0], poses[:, 0, 1] = course, starts
    world.place(poses)
    drive(world, 0.0, 2.0, 80)
    assert (world.status == EpisodeStatus.LAP_COMPLETE).all()
    assert (world.telemetry["progress"] == 100.0).all()


def test_a_fault_comes_before_a_completed_lap():
    """Check a car whose last step completes the lap and ends off the road, or in a box."""
    track = straight(5.0, half_width=0.3)
    for objects, status in ((0, EpisodeStatus.OFF_TRACK), (1, EpisodeStatus.CRASHED)):
        world = make_world(track, objects=objects)
        at(world, 4.5)
        # All but the last step's way is behind it; it now stands beyond the end.
        world.cars["x"] = 5.1 if objects == 0 else 4.9
        if objects:
            world.put_object(0, 0, s=5.0)
        drive(world, 0.0, 0.0)
        assert world.telemetry["progress"].item() == 100.0
        assert only_status(world) == status


# --- Stuck, reversed, time ------------------------------------------------------------------------------------------


def test_immobilized_after_fifteen_still_steps():
    """Check that standing ends an episode at the 15th step, not at the 14th."""
    world = make_world(straight())
    at(world, 2.0)
    drive(world, 0.0, 0.0, STUCK_STEPS - 1)
    assert only_status(world) == EpisodeStatus.IN_PROGRESS
    drive(world, 0.0, 0.0)
    assert only_status(world) == EpisodeStatus.IMMOBILIZED
    assert STUCK_STEPS == 15 and STUCK_DISTANCE == 0.0003


@pytest.mark.parametrize(("factor", "stuck"), [(0.99, True), (1.01, False)])
def test_immobilized_at_the_smallest_distance(factor, stuck):
    """Check a crawl of just less and just more than 0.0003 m in a control step."""
    world = make_world(straight())
    at(world, 2.0)
    speed = factor * STUCK_DISTANCE * 15.0
    world.cars["vx"] = speed
    drive(world, 0.0, speed, STUCK_STEPS)
    assert (only_status(world) == EpisodeStatus.IMMOBILIZED) == stuck


def test_one_move_starts_the_count_of_still_steps_again():
    """Check that the still steps must be in a row."""
    world = make_world(straight())
    at(world, 2.0)
    drive(world, 0.0, 0.0, STUCK_STEPS - 1)
    drive(world, 0.0, 1.0)
    world.cars["vx"] = 0.0
    drive(world, 0.0, 0.0, STUCK_STEPS - 1)
    assert only_status(world) == EpisodeStatus.IN_PROGRESS
    drive(world, 0.0, 0.0)
    assert only_status(world) == EpisodeStatus.IMMOBILIZED


def test_reversed_after_fifteen_steps_of_falling_progress():
    """Check that driving the wrong way ends an episode at the 15th such step; only falling steps in a row count."""
    world = make_world(ring(radius=3.0, rows=200))
    at(world, 4.0, turned=math.pi)
    drive(world, 0.0, 0.5, BACKWARD_STEPS - 1)
    assert only_status(world) == EpisodeStatus.IN_PROGRESS
    assert world.telemetry["progress"].item() < 0.0
    # It stands for a step: progress does not fall, the count starts again.
    world.cars["vx"] = 0.0
    drive(world, 0.0, 0.0)
    drive(world, 0.0, 0.5, BACKWARD_STEPS - 1)
    assert only_status(world) == EpisodeStatus.IN_PROGRESS
    drive(world, 0.0, 0.5)
    assert only_status(world) == EpisodeStatus.REVERSED
    assert BACKWARD_STEPS == 15


def test_driving_backwards_across_the_start_line_is_reversed_not_a_lap():
    """Check that crossing the seam the wrong way does not complete a lap."""
    world = make_world(ring(radius=3.0, rows=200))
    at(world, 0.3, turned=math.pi)
    drive(world, 0.0, 1.0, BACKWARD_STEPS)
    assert world.telemetry["progress"].item() < 0.0
    assert world.telemetry["projection_distance"].item() > 10.0
    assert only_status(world) == EpisodeStatus.REVERSED


def test_time_up_at_the_last_step():
    """Check the cut at `steps_max`, as steps are counted (2 after the first step)."""
    world = make_world(ring(), steps_max=6)
    world.reset()
    drive(world, 3.0, 0.5, 4)
    assert world.telemetry["steps"].item() == 5.0 and only_status(world) == EpisodeStatus.IN_PROGRESS
    drive(world, 3.0, 0.5)
    assert world.telemetry["steps"].item() == 6.0 and only_status(world) == EpisodeStatus.TIME_UP


def test_a_completed_lap_comes_before_time_up():
    """Check that the last step of the time may complete the lap."""
    world = make_world(straight(5.0), steps_max=2)
    at(world, 4.0)
    world.cars["x"] = 4.9
    drive(world, 0.0, 0.0)
    assert only_status(world) == EpisodeStatus.LAP_COMPLETE


# --- Contacts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gap", "hit"), [(1e-6, False), (-1e-6, True)])
@pytest.mark.parametrize("ahead", [True, False])
def test_car_against_box_at_its_margin(gap, hit, ahead):
    """Check the distance at which a box of 0.4 m by 0.3 m counts as hit: 0.05 m before its side."""
    # Ahead: half car + half box + margin = 0.16176 + 0.2 + 0.05; beside: 0.09805 + 0.15 + 0.05.
    world = make_world(straight(8.0, half_width=1.0), objects=1)
    reach = 0.5 * 0.32352 + 0.2 + 0.05 if ahead else 0.5 * 0.1961 + 0.15 + 0.05
    world.put_object(0, 0, s=4.0 + (reach + gap if ahead else 0.0), lateral=0.0 if ahead else reach + gap)
    at(world, 4.0)
    drive(world, 0.0, 0.0)
    assert (only_status(world) == EpisodeStatus.CRASHED) == hit
    assert world.telemetry["is_crashed"].item() == hit


def test_car_against_car():
    """Check that both of two touching cars have crashed, and that they count as they stand, without a margin."""
    for gap, status in ((1e-6, EpisodeStatus.IN_PROGRESS), (-1e-6, EpisodeStatus.CRASHED)):
        world = make_world(straight(8.0, half_width=1.0), cars=3)
        at(world, 3.0)
        at(world, 3.0 + VEHICLE.length + gap, car=1)
        at(world, 6.0, car=2)
        drive(world, 0.0, 0.0)
        assert world.status[0].tolist() == [status, status, EpisodeStatus.IN_PROGRESS]


def test_inactive_things_do_not_touch():
    """Check that empty slots of cars and of objects hold nothing."""
    world = make_world(straight(8.0), cars=2, objects=2)
    at(world, 3.0)
    world.cars["active"][:, 1] = 0
    world.put_object(0, 0, s=3.0)
    world.objects["active"] = 0
    drive(world, 0.0, 1.0)
    assert world.status[0, 0] == EpisodeStatus.IN_PROGRESS
    assert not world.object_telemetry["active"][:, 0].any()


def test_contacts_of_many_cars_as_the_rectangles_have_them():
    """Compare the crashed cars of random crowds with every pair of rectangles."""
    world = make_world(straight(6.0, half_width=1.5), 60, cars=5)
    rng = np.random.default_rng(3)
    poses = np.zeros((60, 5, 4))
    poses[..., 1:] = rng.uniform([2.0, -1.0, -3.0], [4.0, 1.0, 3.0], (60, 5, 3))
    world.place(poses)
    drive(world, 0.0, 0.0)
    boxes = [
        [(c["x"], c["y"], c["yaw"], VEHICLE.length, VEHICLE.width) for c in cars] for cars in world.cars
    ]  # fmt: skip
    for n in range(60):
        for i in range(5):
            hit = any(rectangles_overlap(*boxes[n][i], *boxes[n][j]) for j in range(5) if j != i)
            assert (world.status[n, i] == EpisodeStatus.CRASHED) == hit
    assert 50 < (world.status == EpisodeStatus.CRASHED).sum() < 250


# --- Episodes -------------------------------------------------------------------------------------------------------


def test_a_finished_car_stays_where_it_is():
    """Check that an ended car keeps state, status and telemetry until it is started again."""
    world = make_world(straight(half_width=0.3), 2)
    at(world, 2.0)
    world.cars["y"][0] = 0.6
    drive(world, 0.0, 1.0)
    assert world.ended[:, 0].tolist() == [True, False]
    car, row = world.cars[0].copy(), world.telemetry[0].copy()
    drive(world, 10.0, 1.0, 3)
    assert (world.cars[0] == car).all() and (world.telemetry[0] == row).all()
    assert world.cars["steps"][1, 0] == 5
    world.reset(np.array([[True], [False]]))
    assert world.ended[:, 0].tolist() == [False, False]


def test_words_and_numbers_of_the_status():
    """Check the words in logs, and which of them have ended."""
    assert [s.word for s in EpisodeStatus] == [
        "prepare", "in_progress", "lap_complete", "off_track", "crashed", "immobilized", "reversed", "time_up",
    ]  # fmt: skip
    world = make_world(straight(), len(EpisodeStatus))
    world.reset()
    world.cars["status"][:, 0] = list(EpisodeStatus)
    assert world.ended[:, 0].tolist() == [False, False, True, True, True, True, True, True]


@pytest.mark.parametrize("control_dt", [1 / 15, 1 / 10, 1 / 30, 1 / 7, 1.0, 1 / 120, 1 / 119])
def test_physics_steps_divide_the_control_step(control_dt):
    """Check the largest step, and that physics steps add up to the control step."""
    world = make_world(straight(), control_dt=control_dt)
    assert world.physics_dt <= PHYSICS_DT_MAX * (1 + 1e-9) and PHYSICS_DT_MAX == 1 / 120
    assert world.substeps * world.physics_dt == pytest.approx(control_dt, rel=1e-12)
    assert (world.substeps - 1) * PHYSICS_DT_MAX < control_dt


def test_waypoints_are_the_rows_of_the_file():
    """Check that reward functions get the rows, with the repeated last one, of each course."""
    track = ring(rows=12)
    world = World([track, straight()], VEHICLE, 1)
    forward, backward, *_ = world.waypoints()
    assert forward == tuple(map(tuple, track.center.tolist())) and len(forward) == 13
    assert backward == forward[::-1] and forward[0] == forward[-1]


def test_wheels_stand_where_the_vehicle_says():
    """Check the naive wheel centres that these tests rest on: wheelbase and track."""
    world = make_world(straight())
    at(world, 2.0)
    points = wheels(world.cars[0, 0])
    assert points[0] - points[2] == pytest.approx([VEHICLE.front + VEHICLE.rear, -0.0015])
    assert points[0][1] - points[1][1] == pytest.approx(VEHICLE.track_front)
    assert points[2][1] - points[3][1] == pytest.approx(VEHICLE.track_rear)
