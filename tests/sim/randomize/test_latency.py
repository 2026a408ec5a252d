"""Seeing the past: poses between control steps, and which frame is delivered when."""

import math
from itertools import pairwise

import numpy as np
import pytest

from racer.sim.randomize.latency import FRAME_STREAM, select_frames
from racer.sim.randomize.pose_history import PoseHistory
from racer.sim.world import World
from support.naive_course import ring
from support.vehicles import load_vehicle as vehicle

DT = 1.0 / 15.0
SPEED, RADIUS = 3.0, 1.5


def circling(world, t):
    """Put the car where it is at time t on a circle, and an object on a straight line."""
    angle = SPEED / RADIUS * t
    car, thing = world.cars[0, 0], world.objects[0, 0]
    car["x"], car["y"] = RADIUS * math.cos(angle), RADIUS * math.sin(angle)
    yaw = angle + 0.5 * math.pi - 0.1  # drifting
    car["yaw"] = math.remainder(yaw, 2.0 * math.pi)
    car["vx"], car["vy"], car["yaw_rate"] = SPEED * math.cos(0.1), SPEED * math.sin(0.1), SPEED / RADIUS
    thing["x"], thing["y"], thing["yaw"] = 2.0 * t, -t, math.remainder(3.0 + t, 2.0 * math.pi)
    return np.array([[car["x"], car["y"], yaw], [2.0 * t, -t, 3.0 + t]])


def remembered(steps=12, longest=0.4):
    """A past of a circling car after some steps, and the time now."""
    world = World([ring()], vehicle(), 1, objects=1)
    world.reset()
    past = PoseHistory(world, longest)
    everyone = np.ones(1, np.bool_)
    circling(world, 0.0)
    past.start(everyone)
    for step in range(1, steps + 1):
        circling(world, step * DT)
        past.step(everyone)
    return world, past, steps * DT


def look(past, age):
    """(2, 3) poses of car and object so long ago."""
    seen = np.zeros((1, 1, 2, 3))
    past.read(np.ones(1, np.bool_), np.array([[age]]), seen)
    return seen[0, 0]


@pytest.mark.parametrize("age", [0.0, 0.25 * DT, 0.5 * DT, DT, 1.7 * DT, 3.0 * DT, 4.9 * DT])
def test_poses_between_control_steps(age):
    """Find a car on a circle within the error of the cubic, x'''' dt^4 / 384, and an object exactly."""
    world, past, now = remembered()
    seen = look(past, age)
    wanted = circling(world, now - age)
    bound = 1.01 * SPEED**4 / RADIUS**3 * DT**4 / 384.0  # 5e-7 m
    assert np.hypot(*(seen[0, :2] - wanted[0, :2])) <= bound + 1e-12
    np.testing.assert_allclose(seen[1, :2], wanted[1, :2], atol=1e-12)
    turned = np.mod(seen[:, 2] - wanted[:, 2] + math.pi, 2.0 * math.pi) - math.pi
    np.testing.assert_allclose(turned, 0.0, atol=1e-9)


def test_whole_steps_are_exact():
    """Give back the very numbers that were remembered."""
    world, past, now = remembered()
    for back in range(4):
        circling(world, now - back * DT)
        car = world.cars[0, 0]
        assert look(past, back * DT)[0].tolist() == pytest.approx([car["x"], car["y"], car["yaw"]], abs=1e-12)


def test_a_jump_of_the_acceleration():
    """Stay within a dt^2 / 32 where the acceleration jumps in the middle of a step, 1.4 mm at 10 m/s^2."""
    world = World([ring()], vehicle(), 1)
    world.reset()
    past, everyone = PoseHistory(world, 0.1), np.ones(1, np.bool_)
    jump, knee = 10.0, 0.5 * DT

    def at(t):
        gained = max(t - knee, 0.0)
        return t + 0.5 * jump * gained**2, 1.0 + jump * gained

    car = world.cars[0, 0]
    car["yaw"] = car["vy"] = car["yaw_rate"] = car["y"] = 0.0
    car["x"], car["vx"] = at(0.0)
    past.start(everyone)
    past.step(everyone)
    car["x"], car["vx"] = at(DT)
    past.step(everyone)
    seen = np.zeros((1, 1, 1, 3))
    for share in np.linspace(0.0, 1.0, 21):
        past.read(everyone, np.array([[share * DT]]), seen)
        assert abs(seen[0, 0, 0, 0] - at((1.0 - share) * DT)[0]) <= jump * DT**2 / 32.0


def test_before_an_episode_all_things_stood_still():
    """Show the first pose for all that is older than the episode, and the oldest beyond the memory."""
    world, past, now = remembered(steps=2)
    first = circling(world, 0.0)
    for age in (now, now + 0.5 * DT, now + DT, 1e3):
        np.testing.assert_allclose(look(past, age)[:, :2], first[:, :2], atol=1e-12)
    world, past, now = remembered(steps=40, longest=0.2)
    oldest = look(past, 1e3)
    assert oldest[0, 0] == pytest.approx(circling(world, now - 4 * DT)[0, 0], abs=1e-9)


def test_only_marked_worlds():
    """Neither remember nor show the others."""
    world = World([ring()], vehicle(), 2)
    world.reset()
    past = PoseHistory(world, 0.2)
    past.start(np.ones(2, np.bool_))
    world.cars["x"] += 1.0
    past.step(np.array([True, False]))
    seen = np.full((2, 1, 1, 3), np.nan)
    past.read(np.ones(2, np.bool_), np.zeros((2, 1)), seen)
    assert seen[0, 0, 0, 0] == world.cars["x"][0, 0] and seen[1, 0, 0, 0] == world.cars["x"][1, 0] - 1.0
    seen[:] = np.nan
    past.read(np.array([False, True]), np.zeros((2, 1)), seen)
    assert np.isnan(seen[0]).all() and not np.isnan(seen[1]).any()


def delivered(steps, dt=DT, key=7, **fields):
    """(frame, age, fresh) at each control step of an episode."""
    world = World([ring()], vehicle(), 1, control_dt=dt)
    world.reset()
    ways = np.zeros((1, 1), FRAME_STREAM)
    ways["key"] = key
    for name, value in fields.items():
        ways[name] = value
    ages, fresh, marked = np.zeros((1, 1)), np.zeros((1, 1), np.bool_), np.ones((1, 1), np.bool_)
    out = []
    for step in range(steps + 1):
        world.cars["steps"] = 1 + step
        select_frames(0, 1, marked, world.cars, dt, ways, ages, fresh)
        out.append((int(ways["frame"][0, 0]), float(ages[0, 0]), bool(fresh[0, 0])))
    return out


def test_a_frame_for_each_control_step():
    """Deliver a new frame at each step, as old as the latency."""
    assert delivered(5, latency=0.05) == [(step, 0.05, True) for step in range(6)]


@pytest.mark.parametrize(
    ("rate", "latency", "phase"),
    [(30.0, 0.0, 0.0), (30.0, 0.05, 0.0), (30.0, 0.05, 0.3), (10.0, 0.02, 0.7), (7.0, 0.3, 0.1)],
)
def test_the_newest_frame_that_has_arrived(rate, latency, phase):
    """Deliver floor((t - latency) rate - phase), captured at (k + phase) / rate."""
    before = None
    for step, (frame, age, fresh) in enumerate(delivered(60, period=1.0 / rate, latency=latency, phase=phase)):
        now = step * DT
        assert frame == math.floor((now - latency) * rate - phase + 1e-9)
        assert age == pytest.approx(now - (frame + phase) / rate, abs=1e-12)
        assert latency - 1e-9 <= age <= latency + 1.0 / rate + 1e-9
        assert fresh == (frame != before)
        before = frame


@pytest.mark.parametrize("period", [0.0, 1.0 / 30.0, 0.1])
def test_jitter_drops_and_repeats_never_go_back(period):
    """Let frames come in order and no younger than their latency, and call fresh what is another frame."""
    rows = delivered(400, period=period, latency=0.03, jitter=0.05, drop=0.2, repeat=0.2)
    frames = [frame for frame, _, _ in rows]
    assert frames == sorted(frames)
    assert all(age >= 0.03 - 1e-9 for _, age, _ in rows)
    assert [fresh for _, _, fresh in rows] == [True] + [b != a for a, b in pairwise(frames)]
    assert 0.1 < np.mean([not fresh for _, _, fresh in rows]) < (0.7 if period < 0.1 else 0.9)


def test_rates_of_drops_and_repeats():
    """Keep the old frame in p of the steps, within five standard deviations, and let it grow old."""
    steps = 4000
    for field in ("drop", "repeat"):
        rows = delivered(steps, latency=0.05, **{field: 0.05})
        kept = sum(not fresh for _, _, fresh in rows)
        assert kept == pytest.approx(0.05 * steps, abs=5.0 * math.sqrt(0.05 * 0.95 * steps))
        for (frame, age, _), (then, later, fresh) in pairwise(rows):
            if not fresh:
                assert then == frame and later == pytest.approx(age + DT, abs=1e-12)


def test_a_dropped_frame_is_replaced_by_the_one_before():
    """Deliver at a high rate an older frame rather than none."""
    rows = delivered(2000, period=1.0 / 60.0, drop=0.1)
    newest = [math.floor(step * DT * 60.0 + 1e-9) for step in range(2001)]
    behind = np.array(newest) - [frame for frame, _, _ in rows]
    assert (behind == 0).mean() == pytest.approx(0.9, abs=0.03)
    assert (behind == 1).mean() == pytest.approx(0.09, abs=0.03)


def test_jitter_is_even():
    """Draw ages evenly between latency and latency plus jitter."""
    ages = np.array([age for _, age, _ in delivered(3000, latency=0.03, jitter=0.06)])
    assert 0.03 <= ages.min() < 0.031 and 0.089 < ages.max() <= 0.09
    assert ages.mean() == pytest.approx(0.06, abs=5.0 * 0.06 / math.sqrt(12.0 * 3000.0))


def test_frames_draw_by_their_key():
    """Deliver the same again with the same key, and something else with another."""
    fields = {"latency": 0.03, "jitter": 0.05, "drop": 0.2}
    assert delivered(50, **fields) == delivered(50, **fields) != delivered(50, key=8, **fields)
