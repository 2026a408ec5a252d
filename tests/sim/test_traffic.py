"""Bots: speed, lanes, lane changes, pauses."""

import math

import numpy as np
import pytest

from racer.config.env import ObjectsConfig
from racer.sim.jit import kernel
from racer.sim.traffic import step_bots
from racer.sim.world import StartOptions
from support.naive_course import drive, make_world, ring
from support.tracks import straight

DT = 1.0 / 15.0


def bots(count=1, placement="spaced", lanes="placement", **rest):
    """A configuration of bots that are spaced around the lap."""
    return ObjectsConfig(race="head_to_bot", count=count, placement=placement, lanes=lanes, bots=rest)


@kernel
def _step_bots(batch, tables, plan, dt):
    """The bots of the first world alone, without cars in their way."""
    step_bots(0, batch, tables, plan, dt)


def circling(steps, radius=3.0, rows=300, **rest):
    """(steps + 1, M) OBJECT of a ring's bots."""
    world = make_world(ring(radius=radius, rows=rows, half_width=0.5), objects=bots(**rest))
    world.reset()
    frames = [world.objects[0].copy()]
    for _ in range(steps):
        _step_bots(world.batch, world.tables, world.plan, DT)
        frames.append(world.objects[0].copy())
    return np.stack(frames)


def test_bots_keep_speed_and_lane_on_a_circle():
    """Check r = R -+ w / 2, the angle v t / R at three speeds, and the heading along the circle, all to 2e-6."""
    # The chords of 2000 rows are 1 - cos(pi / 2000) = 1.2e-6 m off the circle.
    world = make_world(ring(radius=1.0, rows=2000, half_width=0.3), objects=bots(3))
    world.reset()
    speed = np.array([0.2, 1.0, 4.0])
    world.objects["speed"] = speed
    start = np.arctan2(world.objects["y"], world.objects["x"])[0]
    for step in range(1, 40):
        _step_bots(world.batch, world.tables, world.plan, DT)
        things = world.objects[0]
        assert np.hypot(things["x"], things["y"]) == pytest.approx([0.85, 1.15, 0.85], abs=2e-6)
        angle = np.arctan2(things["y"], things["x"])
        error = np.angle(np.exp(1j * (angle - start - speed * DT * step)))
        # The polygon is shorter than the circle by pi^2 / (6 * 2000^2) = 4.1e-7 of the way.
        assert np.abs(error - 4.1e-7 * speed * DT * step).max() < 2e-6
        assert np.cos(things["yaw"] - angle - math.pi / 2) == pytest.approx(1.0, abs=1e-9)
        assert (things["speed"] == speed).all() and np.abs(things["yaw"]).max() <= math.pi


def test_bots_keep_their_distances():
    """Check that s of each bot moves on alike for several laps, also through lane changes."""
    frames = circling(500, radius=1.5, rows=200, count=3, speed=1.7, lane_changes="random")
    length = ring(radius=1.5, rows=200, half_width=0.5).length
    gaps = (frames["s"][:, 1:] - frames["s"][:, :1]) % length
    assert np.abs(gaps - gaps[0]).max() < 1e-9
    assert len(np.unique(np.sign(frames["lateral"]), axis=0)) > 2


@pytest.mark.parametrize(("speed", "waits"), [(0.2, (3.0, 5.0)), (1.0, (3.0, 5.0)), (2.0, (0.5, 0.5))])
def test_lane_changes_take_a_metre(speed, waits):
    """Check when they begin, 1.0 m of arc from lane line to lane line by 3 u^2 - 2 u^3, and the waits in between."""
    steps = 280
    frames = circling(steps, count=1, speed=speed, lane_changes="random", wait_min_s=waits[0], wait_max_s=waits[1])
    travelled = speed * DT * np.arange(steps + 1)
    lane = frames["lane"][:, 0]
    under_way = frames["lane_to"][:, 0] != frames["lane_from"][:, 0]
    assert set(lane[~under_way]) == {0.5, -0.5}
    edges = np.flatnonzero(np.diff(under_way.astype(int)))
    begins, ends = edges[::2], edges[1::2]
    assert len(ends) >= 1
    for begin, end in zip(begins, ends, strict=False):
        began = travelled[begin + 1] - frames["changed"][begin + 1, 0]
        assert travelled[begin] <= began + 1e-9 <= travelled[begin + 1] + 2e-9
        inside = slice(begin + 1, end + 1)
        u = travelled[inside] - began
        assert u.max() < 1.0 + 1e-9 <= travelled[end + 1] - began + 2e-9
        side = lane[begin]
        assert lane[inside] == pytest.approx(side * (1.0 - 2.0 * (3.0 * u**2 - 2.0 * u**3)), abs=1e-9)
        assert lane[end + 1] == -side
    starts = travelled[begins + 1] - frames["changed"][begins + 1, 0]
    times = np.diff(np.concatenate([[0.0], starts])) / speed
    times[1:] -= 1.0 / speed  # the metre of the change before
    assert times.min() >= waits[0] - 1e-9 and times.max() <= waits[1] + 1e-9


def test_a_bot_that_changes_lanes_points_where_it_goes():
    """Check the heading against the way that was driven, and that it never jumps."""
    frames = circling(300, count=1, speed=0.3, lane_changes="random", wait_min_s=0.0, wait_max_s=1.0)
    dx, dy = np.diff(frames["x"][:, 0]), np.diff(frames["y"][:, 0])
    middle = np.angle(np.exp(1j * frames["yaw"][:-1, 0]) + np.exp(1j * frames["yaw"][1:, 0]))
    error = np.angle(np.exp(1j * (np.arctan2(dy, dx) - middle)))
    # Where a change begins or ends within a step, half a step of its curvature 6 * 0.5 m / (1 m)^2 is missed.
    assert np.abs(error).max() < 3.0 * 0.3 * DT
    turned = np.abs(np.angle(np.exp(1j * np.diff(frames["yaw"][:, 0]))))
    assert turned.max() < (3.0 + 1.0 / 2.7) * 0.3 * DT * 1.2


def test_bots_change_lanes_at_times_of_their_own():
    """Check that bots, worlds and episodes wait for different times, all within 3..5 s and spread over them."""
    world = make_world(ring(radius=3.0), 100, objects=bots(3, lane_changes="random"))
    waits = []
    for _ in range(2):
        world.reset()
        waits.append(world.objects["change_in"].copy())
    wait = np.stack(waits)
    assert len(np.unique(wait)) == wait.size
    assert wait.min() >= 3.0 and wait.max() <= 5.0 and wait.min() < 3.05 and wait.max() > 4.95
    assert abs(wait.mean() - 4.0) < 4 * 2.0 / math.sqrt(12 * wait.size)


def test_bots_without_lane_changes_never_change():
    """Check the default: the same lanes after longer than the longest wait."""
    frames = circling(200, radius=1.5, rows=200, count=3, speed=0.5)
    assert (frames["lane"] == frames["lane"][0]).all() and np.isinf(frames["change_in"]).all()


def test_all_bots_stand_after_one_ran_into_the_car():
    """Let a bot hit a standing car from behind: all bots stand for 2 s, 30 control steps, and the car may go on."""
    world = make_world(straight(20.0, 41, half_width=1.0), objects=bots(3, speed=1.0, lanes="inner"))
    world.place(np.array([[[0.0, 1.0, 0.0, 0.0]]]))
    bot = world.objects[0, 0]
    # The front of the bot 0.2 m behind the rear of the car: 3 control steps of 1 / 15 m.
    pose = [0.0, bot["s"] + 0.32352 + 0.2 - 1e-6, bot["lateral"], 0.0]
    world.place(np.array([[pose]]), objects="kept")
    s = [world.objects["s"][0].copy()]
    for step in range(36):
        drive(world, 0.0, 0.0 if step < 4 else 1.0)
        assert not world.telemetry["is_crashed"].item() and not world.ended.any()
        s.append(world.objects["s"][0].copy())
    moved = np.diff(np.stack(s), axis=0)
    assert (moved[:3] > 0.06).all() and (moved[3:33] == 0.0).all() and (moved[33:] > 0.06).all()


def test_bots_stand_where_no_car_drives():
    """Check that a world whose car has ended stands still with its bots."""
    world = make_world(straight(half_width=0.6), 2, objects=bots(2, speed=0.5))
    world.reset()
    world.cars["y"][0] = 5.0
    drive(world, 0.0, 0.5)
    assert world.ended[:, 0].tolist() == [True, False]
    before = world.objects.copy()
    drive(world, 0.0, 0.5)
    assert (world.objects[0] == before[0]).all() and (world.objects["s"][1] > before["s"][1]).all()


def test_a_bot_leaves_an_open_track_at_its_end():
    """Check that it is gone when it has passed the last row, and not before."""
    world = make_world(straight(6.0, half_width=0.6), objects=bots(1, speed=1.0), start=StartOptions())
    world.reset()
    world.objects["s"] = 5.9
    drive(world, 0.0, 0.3)
    assert world.objects["active"].item() == 1 and world.objects["s"].item() == pytest.approx(5.9 + DT)
    drive(world, 0.0, 0.3)
    assert world.objects["active"].item() == 0 and not world.object_telemetry["active"].item()
