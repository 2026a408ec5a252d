"""From a steering command to the wheels: delay, map, lag and the radius of a steady turn, against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from racer.sim.vehicle import effective_steering
from racer.sim.world import World, vehicle_row
from support.naive_course import ring
from support.vehicles import DT, hold, load_vehicle, roll

PAIRS = ((5.0, 2.0), (10.0, 5.5), (20.0, 9.0), (30.0, 15.5))
DIRECT = {"steer_lag": 0.0, "steer_rate_max_deg": 1e6}
"""A servo without delay."""


def row(pairs=PAIRS, **changes):
    """The VEHICLE row of a car with a steering map."""
    return vehicle_row(load_vehicle(steer_map_deg=pairs, **changes))[()]


def angle_deg(vehicle, command_deg):
    """Effective angle [degrees] of a commanded one [degrees]."""
    return math.degrees(effective_steering(vehicle, math.radians(command_deg)))


def test_the_map_is_exact_at_its_pairs_linear_between_and_constant_beyond():
    """Check f(c_k) = a_k, f((c_k + c_k+1) / 2) = (a_k + a_k+1) / 2, and f(c) = a_last from the last pair on."""
    vehicle = row()
    nodes = np.array([(0.0, 0.0), *PAIRS])
    for command, angle in nodes:
        assert effective_steering(vehicle, math.radians(command)) == pytest.approx(math.radians(angle), abs=1e-16)
    for command, angle in 0.5 * (nodes[:-1] + nodes[1:]):
        assert angle_deg(vehicle, command) == pytest.approx(angle, abs=1e-12)
    for command in (30.0, 31.0, 90.0):
        assert effective_steering(vehicle, math.radians(command)) == vehicle["steer_map_angles"][3]


@settings(max_examples=100, deadline=None)
@given(st.floats(0.0, 60.0))
def test_the_map_is_odd_and_without_pairs_the_identity(command):
    """Check f(-c) = -f(c) and, of a car without a map, f(c) = c, bit for bit."""
    vehicle, size = row(), math.radians(command)
    assert effective_steering(vehicle, -size) == -effective_steering(vehicle, size)
    assert effective_steering(row(pairs=()), size) == size


def test_the_map_of_a_proportional_car_is_the_gain():
    """Drive with the map f(c) = 0.6 c as with a gain of 0.6, and apply gain and trim after the map."""
    commands = np.zeros((90, 1, 2))
    commands[..., 0], commands[..., 1] = 0.4 * np.sin(0.2 * np.arange(90))[:, None], 1.5
    mapped, scaled = row(((30.0, 18.0),)), row((), steer_gain=0.6)
    assert np.abs(roll(mapped, commands)["steer"] - roll(scaled, commands)["steer"]).max() < 1e-15
    # Target = gain map(command) + offset.
    vehicle = row(steer_gain=1.2, steer_offset_deg=1.0, **DIRECT)
    assert math.degrees(roll(vehicle, hold(math.radians(10.0), 0.0, 1))["steer"][-1, 0]) == pytest.approx(7.6)


@pytest.mark.parametrize("command", [5.0, 10.0, -15.0, 20.0, 30.0])
def test_the_radius_of_a_steady_turn_is_that_of_the_effective_angle(command):
    """Check R = L / tan(map(c)) at the rear axle, at a speed whose slip is negligible."""
    # The understeer gradient adds K v^2 / L to 1 with K = (1/c_f - 1/c_r) / g = 0.0009 s^2/m: 1e-3 at 0.4 m/s.
    vehicle, speed = row(**DIRECT), 0.4
    end = roll(vehicle, hold(math.radians(command), speed, 1200), {"vx": speed})[-1, 0]
    base = vehicle["front"] + vehicle["rear"]
    radius = base / math.tan(effective_steering(vehicle, math.radians(command)))
    assert end["vx"] / end["yaw_rate"] == pytest.approx(radius, rel=0.01)


@pytest.mark.parametrize("pairs", [
    [[10, 5], [5, 6]], [[10, 5], [10, 6]], [[0, 0], [10, 5]], [[-10, 5]], [[10, 45]], [[10, -1]], [[91, 10]],
    [[float(k), 1.0] for k in range(1, 10)],
])  # fmt: skip
def test_a_map_that_is_none_is_refused(pairs):
    """Refuse commands that do not increase from above 0, angles outside 0..45 degrees, and more than eight pairs."""
    with pytest.raises(ValidationError, match="steer_map_deg"):
        load_vehicle(steer_map_deg=pairs)
    assert load_vehicle(steer_map_deg=[[10, 6], [20, 5]]).steer_map_deg == ((10.0, 6.0), (20.0, 5.0))


# --- Delay ----------------------------------------------------------------------------------------------------------


def drive(world, commands):
    """(K, 2) wheel angle [rad] and speed after each control step."""
    out = []
    for command in commands:
        world.step(np.array([[command]]))
        world.cars["stuck_steps"] = 0
        out.append([float(world.cars[name][0, 0]) for name in ("steer", "vx")])
    return np.array(out)


def started(steer_delay, *, substeps=1, **rest):
    """A world of one car with a steering delay of so many physics steps."""
    world = World([ring()], load_vehicle(steer_delay=steer_delay * DT), 1, control_dt=substeps * DT, **rest)
    world.reset()
    return world


@pytest.mark.parametrize("late", [0, 1, 5, 7, 8, 9, 16, 19])
def test_the_steering_is_late_by_whole_physics_steps_and_the_speed_is_not(late):
    """Drive as a world of single physics steps whose steering commands come `late` of them later."""
    commands = np.random.default_rng(3).uniform([-20, 0.5], [20, 2.5], (12, 2))
    each = np.repeat(commands, 8, axis=0)
    shifted = np.column_stack([np.concatenate([np.zeros(late), each[:, 0]])[: len(each)], each[:, 1]])
    wanted = drive(started(0), shifted)
    np.testing.assert_allclose(drive(started(late, substeps=8), commands), wanted[7::8], atol=1e-9)
    np.testing.assert_allclose(drive(started(late), each), wanted, atol=1e-9)


@pytest.mark.parametrize(("late", "action_late"), [(3, 2), (7, 4), (5, 11), (8, 8), (6, 13)])
def test_the_delay_of_the_action_shifts_both_and_that_of_the_steering_adds_to_it(late, action_late):
    """Drive as with commands whose speed comes by one delay later and whose steering by the sum of both."""
    commands = np.random.default_rng(5).uniform([-20, 0.5], [20, 2.5], (12, 2))
    each = np.repeat(commands, 8, axis=0)
    shifted = np.zeros_like(each)
    shifted[late + action_late :, 0] = each[: -late - action_late, 0]
    shifted[action_late:, 1] = each[:-action_late, 1]
    world = started(late, substeps=8, action_delay_max=action_late * DT)
    world.delay.steps[:] = action_late
    np.testing.assert_allclose(drive(world, commands), drive(started(0), shifted)[7::8], atol=1e-9)


def test_the_answer_to_a_step_of_steering_is_the_lag_after_the_delay():
    """Check delta(t) = map(c) (1 - exp(-(t - delay) / lag)), and 0 before the delay, exactly."""
    lag, late, command = 0.14, 7, 20.0
    vehicle = load_vehicle(steer_map_deg=PAIRS, steer_lag=lag, steer_rate_max_deg=1e6, steer_delay=late * DT)
    world = World([ring()], vehicle, 1, control_dt=DT)
    world.reset()
    steer = drive(world, np.tile([command, 0.0], (60, 1)))[:, 0]
    after = np.maximum(DT * (np.arange(1, 61) - late), 0.0)
    exact = math.radians(9.0) * (1.0 - np.exp(-after / lag))
    assert (steer[:late] == 0.0).all() and np.abs(steer - exact).max() < 1e-14


def test_each_car_has_its_own_delay_and_map():
    """Take delay and map from the row of the car, up to the largest delay that the world was made for."""
    world = World([ring()], load_vehicle(**DIRECT), 3, steer_delay_max=8 * DT)
    world.reset()
    world.vehicles["steer_delay"] = np.array([[0.0], [8 * DT], [100 * DT]])
    world.vehicles[2, 0] = row(steer_delay=0.0, **DIRECT)
    world.step(np.full((3, 1, 2), 10.0))
    np.testing.assert_allclose(np.degrees(world.cars["steer"][:, 0]), [10.0, 0.0, 5.5])
    world.step(np.full((3, 1, 2), 10.0))
    np.testing.assert_allclose(np.degrees(world.cars["steer"][:, 0]), [10.0, 10.0, 5.5])
    # A longer delay than there is room for is shortened, not read from other memory.
    world.vehicles["steer_delay"] = 100 * DT
    world.reset()
    for _ in range(2):
        world.step(np.full((3, 1, 2), 10.0))
    np.testing.assert_allclose(np.degrees(world.cars["steer"][:, 0]), [10.0, 10.0, 5.5])
