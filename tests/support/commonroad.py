"""The PyPI package commonroad-vehicle-models as an oracle for the vehicle model, and the table of docs/vehicle.md.

Sources: Althoff, Koschi, Manzinger, "CommonRoad: Vehicle Models"; functions `vehicle_dynamics_st` (single track,
linear tyres) and `vehicle_dynamics_std` (single track with Pacejka's tyres and wheel spin).
Print the table: `PYTHONPATH=tests python -m support.commonroad`.
"""

import dataclasses
import math

import numpy as np
from scipy.integrate import solve_ivp
from vehiclemodels.utils import tire_model
from vehiclemodels.vehicle_dynamics_st import vehicle_dynamics_st
from vehiclemodels.vehicle_dynamics_std import vehicle_dynamics_std
from vehiclemodels.vehicle_parameters import setup_vehicle_parameters

from support.vehicles import GRAVITY, hold, roll, vehicle

LINEAR = 1e5
"""A friction at which the brush tyre is linear: z is then below 1e-4."""
CASES = {
    # F1TENTH gym's car with one stiffness for both axles, as the oracle has one.
    "F1TENTH, 3 m/s, 0.028 rad": ("f1tenth", 3.0, 0.028),
    # The package's own vehicle 2, a BMW 320i.
    "BMW 320i, 20 m/s, 0.028 rad": ("bmw", 20.0, 0.028),
    # The same much gentler: the tyre's deviation falls with the slip.
    "BMW 320i, 20 m/s, 0.004 rad": ("bmw", 20.0, 0.004),
}
"""Car, speed and sudden steering angle. The largest slip is that angle, at the first moment: below 0.03 rad."""


def oracle_parameters(name):
    """Parameters of the package: its BMW, or that with the values of the F1TENTH gym's car."""
    p = setup_vehicle_parameters(vehicle_id=2)
    if name == "f1tenth":
        tire = dataclasses.replace(p.tire, p_dy1=1.0489, p_ky1=-4.718 * 1.0489)
        p = dataclasses.replace(p, m=3.74, a=0.15875, b=0.17145, h_s=0.074, I_z=0.04712, tire=tire)
    return p


def our_vehicle(p, friction=None):
    """The VEHICLE row with the same parameters; stiffness over load is C_S mu = -p_ky1."""
    return vehicle(
        mass=p.m, yaw_inertia=p.I_z, front=p.a, rear=p.b, cog_height=p.h_s,
        friction=p.tire.p_dy1 if friction is None else friction,
        stiffness_front=-p.tire.p_ky1, stiffness_rear=-p.tire.p_ky1,
        accel_max=p.longitudinal.a_max, brake_max=p.longitudinal.a_max, power_max=1e9, speed_gain=1e4,
        speed_max=60.0, steer_lag=0.0, steer_rate_max=1e9,
    )  # fmt: skip


def step_steer(p, speed, steer, seconds, dt, friction=None):
    """Both models through a sudden steering angle at constant speed: (ours, theirs), each (T, 4).

    Columns: yaw rate rad/s, slip angle of the chassis rad, x m, y m.
    """
    steps = round(seconds / dt)
    start = {"vx": speed, "steer": steer}
    ours = roll(our_vehicle(p, friction), hold(steer, speed, steps), start, dt=dt)[:, 0]
    theirs = solve_ivp(
        lambda t, x: vehicle_dynamics_st(list(x), [0.0, 0.0], p),
        (0.0, seconds), [0.0, 0.0, steer, speed, 0.0, 0.0, 0.0], t_eval=np.linspace(0.0, seconds, steps + 1),
        rtol=1e-9, atol=1e-12, method="LSODA",
    ).y  # fmt: skip
    slip = np.arctan2(ours["vy"], ours["vx"])
    return (
        np.stack([ours["yaw_rate"], slip, ours["x"], ours["y"]], axis=1),
        np.stack([theirs[5], theirs[6], theirs[0], theirs[1]], axis=1),
    )


def largest_slip(p, theirs, speed, steer):
    """Largest slip of both axles of their solution, rad (small angles, as their model has it)."""
    front = theirs[:, 1] + p.a * theirs[:, 0] / speed - steer
    rear = theirs[:, 1] - p.b * theirs[:, 0] / speed
    return float(max(np.abs(front).max(), np.abs(rear).max()))


def linear_errors(case, dt=1.0 / 120.0, friction=None):
    """(z, error of the yaw rate, error of the slip angle) of the largest slip, over two seconds.

    The yaw rate's error is relative to its peak, that of the chassis' slip angle (which nearly cancels in some turns)
    to the largest slip of an axle.
    """
    name, speed, steer = CASES[case]
    p = oracle_parameters(name)
    ours, theirs = step_steer(p, speed, steer, 2.0, dt, friction)
    mu = p.tire.p_dy1 if friction is None else friction
    slip = largest_slip(p, theirs, speed, steer)
    error = np.abs(ours - theirs).max(axis=0)
    return -p.tire.p_ky1 * slip / (3.0 * mu), float(error[0] / np.abs(theirs[:, 0]).max()), float(error[1] / slip)


def tire_curves(p, slips):
    """(ours, theirs) lateral force over load at slip angles, pure side slip."""
    from racer.sim.vehicle import tire_secant

    ours = [tire_secant(math.tan(a), -p.tire.p_ky1, p.tire.p_dy1) * math.tan(a) for a in slips]
    theirs = [-tire_model.formula_lateral(a, 0, 1.0, p.tire)[0] for a in slips]
    return np.array(ours), np.array(theirs)


def ramp_steer(p, speed, rate, seconds):
    """Largest lateral acceleration v r (m/s^2) of (ours, theirs) while the steering angle grows slowly."""
    dt = 1.0 / 120.0
    steps = round(seconds / dt)
    commands = hold(0.0, speed, steps)
    commands[:, 0, 0] = rate * dt * np.arange(steps)
    # The drift model drives the rear axle (T_se = 0) and brakes mostly in front.
    row = our_vehicle(p)
    row["front_drive"], row["front_brake"], row["steer_max"] = p.T_se, p.T_sb, 0.78
    ours = roll(row, commands, {"vx": speed})[:, 0]

    def flow(t, x):
        return vehicle_dynamics_std(list(x), [rate, 5.0 * (speed - x[3])], p)

    spin = speed / p.R_w
    theirs = solve_ivp(
        flow, (0.0, seconds), [0.0, 0.0, 0.0, speed, 0.0, 0.0, 0.0, spin, spin],
        t_eval=np.linspace(0.0, seconds, steps + 1), rtol=1e-5, atol=1e-7, method="LSODA",
    ).y  # fmt: skip
    vx, vy = theirs[3] * np.cos(theirs[6]), theirs[3] * np.sin(theirs[6])
    sideways = np.gradient(vy, dt) + vx * theirs[5]
    return float(np.abs(ours["ay"]).max()), float(np.abs(sideways).max()), ours, theirs


def table():
    """The rows of the table of measured errors, Markdown."""
    lines = [
        "| step of steering | z | yaw rate | slip angle | yaw rate, z = 0 | slip angle, z = 0 |",
        "|---|---|---|---|---|---|",
    ]
    for case in CASES:
        z, yaw_rate, slip = linear_errors(case)
        _, yaw_rate_linear, slip_linear = linear_errors(case, friction=LINEAR)
        values = (z, yaw_rate, slip, yaw_rate_linear, slip_linear)
        lines.append(f"| {case} | " + " | ".join(f"{100 * value:.1f} %" for value in values) + " |")
    return lines


if __name__ == "__main__":
    print("\n".join(table()))  # noqa: T201
    bmw = oracle_parameters("bmw")
    angles = np.linspace(0.001, 0.5, 500)
    a, b = tire_curves(bmw, angles)
    mu = bmw.tire.p_dy1
    print("curves: peaks", a.max() / mu, b.max() / mu, "theirs at", angles[b.argmax()])  # noqa: T201
    print("largest difference up to the peak", np.abs(a - b)[: b.argmax()].max() / mu)  # noqa: T201
    print("theirs at 0.5 rad", b[-1] / mu)  # noqa: T201
    for v in (10.0, 15.0):
        print("ramp", v, [x / mu / GRAVITY for x in ramp_steer(bmw, v, 0.03, 10.0)[:2]])  # noqa: T201
    for case in CASES:
        for dt in (1 / 120, 1 / 480, 1 / 1920, 1 / 7680):
            print(case, dt, linear_errors(case, dt), linear_errors(case, dt, LINEAR))  # noqa: T201
