"""The vehicle model against closed forms and conservation laws.

Contract: each test states its reference equation in a comment; tolerances come from the integrator (explicit Euler
in vx, linearly implicit Euler in vy and the yaw rate, step `DT`) or from double precision, not from what was seen.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.sim.dtypes import CAR, VEHICLE
from racer.sim.vehicle import BLEND_FAST, BLEND_SLOW, effective_steering, small_sin_cos, tire_secant
from racer.sim.world import vehicle_row
from support.vehicles import CONFIGS, DT, GRAVITY, hold, load_vehicle, roll, vehicle

MOTION = ("x", "y", "yaw", "vx", "vy", "yaw_rate", "steer")
DIRECT = {"steer_lag": 0.0, "steer_rate_max": 1e9, "speed_gain": 1e3}
"""Servo and speed controller without delay."""


def brush_slip(force, stiffness, force_max):
    """Slip of the brush tyre at a lateral force, in closed form.

    F / F_max = 3 z - 3 z^2 + z^3 = 1 - (1 - z)^3 with z = C s / (3 F_max), hence
    s = 3 F_max / C (1 - (1 - F / F_max)^(1/3)).
    """
    return 3.0 * force_max / stiffness * (1.0 - (1.0 - force / force_max) ** (1.0 / 3.0))


def slips(state, row):
    """(front, rear) tangents of the slip angles of a state."""
    side = state["vy"] + row["front"] * state["yaw_rate"]
    c, s = np.cos(state["steer"]), np.sin(state["steer"])
    front = (side * c - state["vx"] * s) / np.abs(state["vx"] * c + side * s)
    return front, (state["vy"] - row["rear"] * state["yaw_rate"]) / np.abs(state["vx"])


# --- Parts of the model ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("force_max", [0.5, 8.0])
def test_brush_tire_inverts_and_saturates(force_max):
    """Check the force curve against its closed-form inverse, and that it ends at the friction limit."""
    for share in np.linspace(0.01, 0.999, 50):
        slip = brush_slip(share * force_max, 60.0, force_max)
        assert tire_secant(slip, 60.0, force_max) * slip == pytest.approx(share * force_max, rel=1e-12)
    # Full sliding from z = 1 on: slip = 3 F_max / C.
    limit = 3.0 * force_max / 60.0
    for slip in (limit, 1.5 * limit, 40.0 * limit):
        assert tire_secant(slip, 60.0, force_max) * slip == pytest.approx(force_max, rel=1e-12)
    assert tire_secant(0.0, 60.0, force_max) == 60.0
    assert tire_secant(-limit / 2, 60.0, force_max) == tire_secant(limit / 2, 60.0, force_max)


def test_sine_series_is_accurate_up_to_the_largest_steering_angle():
    """Check the series against libm on the range of the configuration (steering below 45 degrees)."""
    # Remainders of the Taylor series: a^11 / 11! and a^12 / 12! at pi / 4.
    for angle in np.linspace(-math.pi / 4, math.pi / 4, 401):
        sine, cosine = small_sin_cos(angle)
        assert abs(sine - math.sin(angle)) <= (math.pi / 4) ** 11 / math.factorial(11)
        assert abs(cosine - math.cos(angle)) <= (math.pi / 4) ** 12 / math.factorial(12)


def test_servo_follows_the_exact_exponential():
    """Check the servo without its rate limit: delta(t) = target (1 - exp(-t / lag)), exact for any step."""
    lag, target = 0.05, 0.4
    for dt in (DT, DT / 7):
        states = roll(vehicle(steer_lag=lag, steer_rate_max=1e9), hold(target, 0.0, 60), dt=dt)
        time = dt * np.arange(61)
        assert np.abs(states["steer"][:, 0] - target * (1 - np.exp(-time / lag))).max() < 1e-14


def test_servo_keeps_its_rate_limit():
    """Check the rate-limited servo: a ramp up to target - rate lag, then the exponential."""
    # delta' = min(rate, (target - delta) / lag): delta = rate t until t1 = (target - rate lag) / rate, then
    # delta = target - rate lag exp(-(t - t1) / lag). The switch falls between two steps: error <= rate dt.
    lag, rate, target = 0.05, 5.0, 0.5
    states = roll(vehicle(steer_lag=lag, steer_rate_max=rate), hold(target, 0.0, 60))
    time = DT * np.arange(61)
    switch = (target - rate * lag) / rate
    exact = np.where(time < switch, rate * time, target - rate * lag * np.exp(-(time - switch) / lag))
    steer = states["steer"][:, 0]
    assert np.abs(steer - exact).max() <= rate * DT
    assert np.abs(np.diff(steer)).max() <= rate * DT * (1 + 1e-12)


def test_servo_errors_and_limits():
    """Check trim, gain and the mechanical stop: the target is clip(gain command + offset, +-stop)."""
    row = vehicle(steer_lag=0.0, steer_rate_max=1e9, steer_gain=0.9, steer_offset=0.03, steer_max=0.5)
    for command in (-0.9, -0.2, 0.0, 0.3, 0.9):
        reached = roll(row, hold(command, 0.0, 1))["steer"][-1, 0]
        assert reached == min(max(0.9 * command + 0.03, -0.5), 0.5)


# --- Straight ahead -------------------------------------------------------------------------------------------------


def test_acceleration_up_to_the_motor_limit():
    """Check v = a t below the power limit, and that the car goes straight exactly."""
    row = vehicle(**DIRECT, accel_max=3.0, power_max=1e6)
    states = roll(row, hold(0.0, 4.0, 120))
    time = DT * np.arange(121)
    assert np.abs(states["vx"][:, 0] - np.minimum(3.0 * time, 4.0)).max() < 1e-12
    # x = a t^2 / 2; the position moves with the new speed of a step: error a t dt / 2.
    assert abs(states["x"][120, 0] - 1.5) <= 3.0 * 1.0 * DT / 2 + 1e-9
    for key in ("y", "yaw", "vy", "yaw_rate"):
        assert not states[key].any()


def test_acceleration_at_the_power_limit():
    """Check P = m v dv/dt: v^2 = v0^2 + 2 P t / m."""
    row = vehicle(**DIRECT, accel_max=50.0, power_max=20.0, friction=1.5, speed_max=30.0)
    states = roll(row, hold(0.0, 30.0, 240), {"vx": 2.0})
    time = DT * np.arange(241)
    exact = np.sqrt(4.0 + 2.0 * 20.0 / row["mass"] * time)
    # Explicit Euler of v' = p / v: the local error is dt^2 |v''| / 2 = dt^2 p^2 / (2 v^3), with p = P / m; summed up
    # it is at most dt p / 2 (1 / v0 - 1 / v).
    p = 20.0 / row["mass"]
    assert np.abs(states["vx"][:, 0] - exact).max() <= DT * p / 2 * 0.5


@pytest.mark.parametrize(("driven", "load"), [("rear", "front"), ("front", "rear")])
def test_acceleration_at_the_friction_limit_with_load_transfer(driven, load):
    """Check a two-wheel drive with a strong motor: a = mu g l / (L -+ mu h)."""
    # Rear drive: m a = mu (m g l_f + m a h) / L; front drive: m a = mu (m g l_r - m a h) / L. The load lags by one
    # step, a fixed-point iteration with factor mu h / L, converged here.
    row = vehicle(**DIRECT, accel_max=50.0, power_max=1e6, speed_max=30.0, front_drive=float(driven == "front"))
    states = roll(row, hold(0.0, 30.0, 60))
    base = row["front"] + row["rear"]
    sign = -1.0 if driven == "rear" else 1.0
    exact = row["friction"] * GRAVITY * row[load] / (base + sign * row["friction"] * row["cog_height"])
    assert states["ax"][-1, 0] == pytest.approx(exact, rel=1e-12)


def test_braking_distance():
    """Check v^2 / (2 a) from the limit of the brakes."""
    # Speeds are exact (v falls by a dt each step); positions move with the new speed: short by v dt / 2. The last
    # step of the brakes, from below a dt, adds less than a dt^2.
    row = vehicle(**DIRECT, brake_max=4.0)
    for speed in (0.5, 2.0, 4.0):
        end = roll(row, hold(0.0, 0.0, 300), {"vx": speed})[-1, 0]
        assert end["vx"] == 0.0
        assert abs(end["x"] - speed**2 / 8.0) <= speed * DT / 2 + 4.0 * DT**2


def test_braking_distance_with_the_speed_controller():
    """Check the stop with a proportional controller: brakes at their limit down to a / k, then v' = -k v."""
    # x = (v0^2 - v1^2) / (2 a) + v1 / k with v1 = a / k.
    gain, brake, speed = 10.0, 4.9, 3.0
    end = roll(vehicle(speed_gain=gain, brake_max=brake), hold(0.0, 0.0, 1200), {"vx": speed})[-1, 0]
    slow = brake / gain
    assert abs(end["x"] - (speed**2 - slow**2) / (2 * brake) - slow / gain) <= speed * DT
    assert 0.0 <= end["vx"] < 1e-12


@pytest.mark.parametrize(("braked", "load"), [("front", "rear"), ("rear", "front")])
def test_braking_at_the_friction_limit_with_load_transfer(braked, load):
    """Check brakes on one axle that lock: a = mu g l / (L -+ mu h)."""
    # Front: m a = mu (m g l_r + m a h) / L; rear: m a = mu (m g l_f - m a h) / L.
    row = vehicle(**DIRECT, brake_max=50.0, front_brake=float(braked == "front"))
    states = roll(row, hold(0.0, 0.0, 30), {"vx": 4.0})
    sign = -1.0 if braked == "front" else 1.0
    base = row["front"] + row["rear"]
    exact = row["friction"] * GRAVITY * row[load] / (base + sign * row["friction"] * row["cog_height"])
    assert -states["ax"][-1, 0] == pytest.approx(exact, rel=1e-12)


def test_speed_controller_of_any_gain_does_not_overshoot():
    """Check that a controller faster than the physics step reaches its target and stays, whatever its gain."""
    for gain in (0.5, 10.0, 119.0, 121.0, 1e3, 1e6):
        speeds = roll(vehicle(speed_gain=gain), hold(0.0, 2.0, 240))["vx"][:, 0]
        assert speeds.max() <= 2.0 * (1 + 1e-12)
        assert (np.diff(speeds) >= -1e-12).all()


# --- Turns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steer", [0.05, 0.3, -0.5])
def test_kinematic_circle_at_crawling_speed(steer):
    """Check that the rear axle goes round at R = L / tan(delta) when slower than the blend."""
    row = vehicle(**DIRECT)
    speed = 0.08
    assert speed * (1 + abs(math.tan(steer)) * row["rear"] / 0.16) < BLEND_SLOW * 1.5
    start = {"vx": 0.06, "steer": steer}
    states = roll(row, hold(steer, 0.06, 1200), start)[2:, 0]
    base = row["front"] + row["rear"]
    # The yaw rate is v tan(delta) / L, the rear axle has no sideways speed.
    assert states["yaw_rate"] == pytest.approx(states["vx"] * math.tan(steer) / base, rel=1e-8)
    assert np.abs(states["vy"] - row["rear"] * states["yaw_rate"]).max() < 1e-9
    rear_x = states["x"] - row["rear"] * np.cos(states["yaw"])
    rear_y = states["y"] - row["rear"] * np.sin(states["yaw"])
    radius = base / math.tan(steer)
    center_x = rear_x - radius * np.sin(states["yaw"])
    center_y = rear_y + radius * np.cos(states["yaw"])
    # The mean heading of a step makes the chord of the circle v dt instead of 2 R sin(r dt / 2): relative error
    # (r dt)^2 / 24 of the path; a change of radius of R (r dt)^2 / 24.
    turn = abs(states["yaw_rate"]).max() * DT
    drift = np.hypot(center_x - center_x[0], center_y - center_y[0]).max()
    assert drift <= 2 * abs(radius) * turn**2 / 24 + 1e-7


@pytest.mark.parametrize("speed", [0.5, 1.5, 3.0])
def test_steady_turn_of_small_slip(speed):
    """Check the yaw rate v delta / (L + K v^2) with the understeer gradient K = (1/c_f - 1/c_r) / g."""
    # Stiffness per load makes K independent of the axle loads. The brush tyre is softer than linear by
    # z = c slip / (3 mu), slip = v r / (c g); sine and cosine by delta^2.
    row = vehicle(**DIRECT, cog_height=0.0)
    steer = 1e-3
    end = roll(row, hold(steer, speed, 1200), {"vx": speed})[-1, 0]
    base = row["front"] + row["rear"]
    gradient = (1 / row["stiffness_front"] - 1 / row["stiffness_rear"]) / GRAVITY
    exact = end["vx"] * steer / (base + gradient * end["vx"] ** 2)
    softer = end["vx"] * end["yaw_rate"] / (3 * row["friction"] * GRAVITY)
    assert end["yaw_rate"] == pytest.approx(exact, rel=softer + steer**2)


@pytest.mark.parametrize(("steer", "speed"), [(0.05, 3.5), (0.15, 2.0), (0.3, 1.2), (-0.3, 1.2), (0.5, 0.8)])
def test_steady_turn_with_the_tire_inverted_exactly(steer, speed):
    """Check a steady circle of rear drive: balance of forces, load transfer, friction circle, tyre inverse."""
    # Steady: m vx r l_r / L = F_f cos(delta), m vx r l_f / L = F_r, a_x = -r vy, f_x = m a_x + F_f sin(delta),
    # and each axle's slip from its lateral force. A steady state of the scheme is one of the equations: the
    # tolerance is what is left of the transient.
    row = vehicle(**DIRECT, front_drive=0.0)
    end = roll(row, hold(steer, speed, 3000), {"vx": speed})[-1, 0]
    base, mass = row["front"] + row["rear"], row["mass"]
    vx, vy, r, sign = end["vx"], end["vy"], end["yaw_rate"], math.copysign(1.0, steer)
    ax = -r * vy
    load_front = mass * (GRAVITY * row["rear"] - row["cog_height"] * ax) / base
    load_rear = mass * (GRAVITY * row["front"] + row["cog_height"] * ax) / base
    side_front = mass * vx * abs(r) * row["rear"] / base / math.cos(steer)
    side_rear = mass * vx * abs(r) * row["front"] / base
    drive = mass * ax + side_front * abs(math.sin(steer))
    limit_rear = math.sqrt((row["friction"] * load_rear) ** 2 - drive**2)
    slip_front = brush_slip(side_front, row["stiffness_front"] * load_front, row["friction"] * load_front)
    slip_rear = brush_slip(side_rear, row["stiffness_rear"] * load_rear, limit_rear)
    assert vy == pytest.approx(row["rear"] * r - sign * slip_rear * vx, abs=1e-9)
    delta = math.atan2(vy + row["front"] * r, vx) + sign * math.atan(slip_front)
    assert delta == pytest.approx(steer, abs=1e-9)
    assert end["ax"] == pytest.approx(ax, abs=1e-8)
    assert end["ay"] == pytest.approx(vx * r, abs=1e-8)


def test_saturated_skid_pad():
    """Check that a front-driven car pushed beyond its limit slides at the front with all of its grip."""
    # Front axle sliding: (m a_x)^2 + (m vx r l_r / L)^2 = (mu F_zf)^2, and a_x = -r vy; with the centre of gravity
    # on the ground F_zf = m g l_r / L. So (vx r)^2 + (vy r L / l_r)^2 = (mu g)^2.
    row = vehicle(**DIRECT, front_drive=1.0, cog_height=0.0)
    states = roll(row, hold(0.4, 2.2, 2400), {"vx": 1.0})
    end = states[-1, 0]
    base = row["front"] + row["rear"]
    front, rear = slips(end, row)
    limit = 3 * row["friction"]
    assert abs(front) * row["stiffness_front"] >= limit
    assert abs(rear) * row["stiffness_rear"] < limit
    used = math.hypot(end["vx"] * end["yaw_rate"], end["vy"] * end["yaw_rate"] * base / row["rear"])
    assert used == pytest.approx(row["friction"] * GRAVITY, rel=1e-4)
    # What the pad can give at most, mu g, is reached to within the drive force; a demand of
    # v^2 tan(delta) / L = 12.5 m/s^2 would be kinematic.
    assert 0.9 * row["friction"] * GRAVITY < end["vx"] * end["yaw_rate"] <= row["friction"] * GRAVITY


def test_power_oversteer_saturates_the_rear():
    """Check that full throttle on the rear axle in a turn breaks the rear loose, and on the front axle the front."""
    rows = np.stack([vehicle(**DIRECT, front_drive=share, accel_max=9.0, power_max=1e6) for share in (0.0, 1.0)])
    turn = roll(rows, hold(0.25, 1.4, 600, cars=2), {"vx": 1.4})[-1]
    start = {key: turn[key] for key in MOTION}
    push = roll(rows, hold(0.25, 4.0, 40, cars=2), start)[-1]
    front, rear = slips(push, rows)
    assert abs(rear[0]) > abs(front[0])
    assert abs(front[1]) > abs(rear[1])


@settings(max_examples=60, deadline=None)
@given(st.floats(0.5, 4.0), st.floats(-1.0, 1.0), st.floats(-12.0, 12.0), st.floats(-0.5, 0.5), st.floats(0.0, 4.0))
def test_total_force_stays_in_the_friction_circle(vx, vy, rate, steer, speed):
    """Check |F| <= mu m g in any slide: each axle keeps its circle, and the loads add up to m g."""
    # The first steps after a jump of the loads aside, this is exact; a sliver of 0.1 % of the lateral grip is left
    # to a wheel whose longitudinal force takes all of it: sqrt(1 + 1e-6).
    row = vehicle()
    states = roll(row, hold(steer, speed, 24), {"vx": vx, "vy": vy, "yaw_rate": rate, "steer": steer})[1:]
    fast = np.abs(states["vx"]) + np.abs(states["vy"]) > BLEND_FAST
    force = np.hypot(states["ax"], states["ay"])[fast]
    assert force.max(initial=0.0) <= row["friction"] * GRAVITY * (1.0 + 1e-6)


# --- Symmetry, conservation, robustness -----------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.floats(-1e3, 1e3), st.integers(0, 2**32 - 1))
def test_standstill_is_exact(steer, seed):
    """Check that a car told to stand at rest does not move by a single bit, with any trim."""
    row = vehicle(steer_offset=np.random.default_rng(seed).uniform(-0.1, 0.1))
    states = roll(row, hold(steer, 0.0, 50), {"x": 1.25, "y": -3.5, "yaw": 0.7})
    for key in ("x", "y", "yaw", "vx", "vy", "yaw_rate", "ax", "ay"):
        assert (states[key] == states[key][0]).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_left_and_right_are_mirror_images(seed):
    """Check that mirrored commands and a mirrored start give the mirrored drive, bit for bit."""
    rng = np.random.default_rng(seed)
    commands = np.repeat(rng.uniform([-0.5, 0.0], [0.5, 4.0], (40, 1, 2)), 2, axis=1)
    commands[:, 1, 0] *= -1.0
    start = {"vx": rng.uniform(0, 4), "vy": rng.uniform(-1, 1) * np.array([1, -1])}
    start["yaw_rate"] = rng.uniform(-8, 8) * np.array([1, -1])
    states = roll(np.repeat(vehicle(), 2), commands, start, substeps=8)
    for key in ("x", "vx", "ax"):
        assert (states[key][:, 0] == states[key][:, 1]).all()
    for key in ("y", "yaw", "vy", "yaw_rate", "steer", "ay"):
        assert (states[key][:, 0] == -states[key][:, 1]).all()


def test_the_world_has_no_preferred_direction():
    """Check that a turned start gives the turned path."""
    rng = np.random.default_rng(5)
    commands = np.repeat(rng.uniform([-0.5, 0.5], [0.5, 4.0], (60, 1, 2)), 3, axis=1)
    turned = np.array([0.0, 1.1, -2.9])
    states = roll(np.repeat(vehicle(), 3), commands, {"yaw": turned}, substeps=8)
    path = states["x"] + 1j * states["y"]
    # Rounding, of about 500 steps of 1e-16 on numbers of size 10, amplified by the chaos of slides.
    assert np.abs(path * np.exp(-1j * turned) - path[:, :1]).max() < 1e-9
    assert states["vx"][:, 1] == pytest.approx(states["vx"][:, 0], abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.3, 4.0), st.floats(-3.0, 3.0), st.floats(-20.0, 20.0), st.floats(-0.5, 0.5))
def test_energy_does_not_grow_without_drive(vx, vy, rate, steer):
    """Check m (vx^2 + vy^2) / 2 + I r^2 / 2 in slides without motor and (almost) without brakes."""
    # d/dt E = sum of f_y times the sideways speed of the wheel <= 0, as the force opposes it. The forces are those of
    # the sideways speeds at the end of the step, so a step may add the work of what these change in it, at most
    # dt |F|^2 / (2 m) <= dt^2 (mu g)^2 m / 2 of E, here twice the energy.
    row = vehicle(brake_max=1e-9, speed_max=30.0, steer_lag=0.0, steer_rate_max=1e9)
    states = roll(row, hold(steer, 0.0, 360), {"vx": vx, "vy": vy, "yaw_rate": rate, "steer": steer})[:, 0]
    energy = row["mass"] * (states["vx"] ** 2 + states["vy"] ** 2) + row["yaw_inertia"] * states["yaw_rate"] ** 2
    step = row["mass"] * (DT * row["friction"] * GRAVITY) ** 2
    assert energy.max() <= energy[0] + step
    # Above the blend with the kinematic model, which has no forces, it falls from step to step.
    fast = np.logical_and.accumulate(np.abs(states["vx"]) + np.abs(states["vy"]) > BLEND_FAST)
    assert (np.diff(energy) <= step)[fast[1:]].all()


RANGES = {
    "mass": (0.2, 20.0), "yaw_inertia": (1e-3, 1.0), "front": (0.03, 0.4), "rear": (0.03, 0.4),
    "cog_height": (0.0, 0.3), "friction": (0.01, 1.5), "stiffness_front": (0.5, 100.0),
    "stiffness_rear": (0.5, 100.0), "front_drive": (0.0, 1.0), "front_brake": (0.0, 1.0), "accel_max": (0.1, 50.0),
    "brake_max": (0.1, 50.0), "power_max": (0.1, 1e4), "speed_gain": (0.01, 1e4), "speed_max": (0.1, 30.0),
    "steer_max": (0.01, 0.785), "steer_lag": (0.0, 1.0), "steer_rate_max": (0.01, 1e3),
    "steer_offset": (-0.17, 0.17), "steer_gain": (0.1, 3.0), "throttle_gain": (0.1, 3.0),
}  # fmt: skip


def random_rows(rng, count):
    """(count,) VEHICLE rows with every value anywhere in its range, often at the ends."""
    rows = np.zeros(count, VEHICLE)
    for key, (low, high) in RANGES.items():
        rows[key] = rng.choice([np.full(count, low), np.full(count, high), rng.uniform(low, high, count)])
    return rows


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(1, DT), (8, DT), (120, DT), (30, DT / 4)]))
def test_any_car_with_any_commands_stays_finite(seed, steps):
    """Check that no parameters within wide ranges and no commands give NaN, or a yaw beyond half a turn."""
    rng = np.random.default_rng(seed)
    commands = rng.uniform([-2.0, -5.0], [2.0, 40.0], (30, 32, 2))
    states = roll(random_rows(rng, 32), commands, {"vx": rng.uniform(0, 4, 32)}, substeps=steps[0], dt=steps[1])
    for key in (*MOTION, "ax", "ay"):
        assert np.isfinite(states[key]).all(), key
    assert (np.abs(states["yaw"]) <= math.pi * (1 + 1e-12)).all()


def test_every_field_of_a_car_row_that_drive_leaves_is_untouched():
    """Check that driving writes the motion and nothing else."""
    start = {name: 1 for name in CAR.names if name not in ("vy", "yaw_rate", "ax", "ay")}
    states = roll(vehicle(), hold(0.2, 2.0, 3), start)
    changed = {name for name in CAR.names if (states[name][-1] != states[name][0]).any()}
    assert changed == {"x", "y", "yaw", "vx", "vy", "yaw_rate", "steer", "backlash_offset", "ax", "ay"}


def test_first_order_convergence():
    """Check that halving the step halves the error of a lively manoeuvre, within the grip and beyond."""
    commands = np.empty((30, 1, 2))
    time = np.arange(30) / 15
    commands[:, 0, 0] = 0.35 * np.sin(3.0 * time)
    commands[:, 0, 1] = 1.8 + 1.2 * np.cos(2.0 * time)
    start = {"vx": 1.5}

    def end(substeps):
        state = roll(vehicle(), commands, start, substeps=substeps, dt=1 / 15 / substeps)[-1, 0]
        return np.array([state[key] for key in ("x", "y", "yaw", "vx", "vy", "yaw_rate")])

    exact = 2 * end(2048) - end(1024)  # Richardson: free of the first order
    errors = [np.abs(end(substeps) - exact).max() for substeps in (8, 16, 32, 64)]
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert (orders > 0.7).all() and abs(orders[-1] - 1.0) < 0.1, (errors, orders)


# --- Configurations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_shipped_vehicle_drives(file):
    """Check that each vehicle file loads, has its own name, and reaches and keeps a speed in a turn."""
    config = load_vehicle(file.stem)
    assert config.name == file.stem
    row = vehicle_row(config)
    assert row["steer_max"] == pytest.approx(math.radians(config.steer_max_deg))
    end = roll(row, hold(0.05, 1.0, 600))[-1, 0]
    assert end["vx"] == pytest.approx(config.throttle_gain, rel=0.02)
    base, angle = config.front + config.rear, effective_steering(row[()], 0.05)
    gradient = (1 / config.stiffness_front - 1 / config.stiffness_rear) / GRAVITY
    assert end["yaw_rate"] == pytest.approx(end["vx"] * angle / (base + gradient * end["vx"] ** 2), rel=0.05)
    # Nothing shipped grips better than rubber on a floor was measured to.
    assert config.friction <= 1.1
    source = file.read_text()
    assert source.count("#") >= 10, "each value states its source"
