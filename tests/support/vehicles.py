"""Rolls single vehicles through commands without a world, for the tests of the vehicle model."""

import math

import numpy as np
import yaml

from racer.config.env import VehicleConfig
from racer.sim.dtypes import CAR
from racer.sim.jit import kernel
from racer.sim.vehicle import drive_vehicle
from racer.sim.world import vehicle_row
from support.paths import ROOT

CONFIGS = ROOT / "configs" / "vehicle"
DT = 1.0 / 120.0
GRAVITY = 9.81


def load_vehicle(name="deepracer_geometric", **changes):
    """A shipped `VehicleConfig` with some values changed."""
    values = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    return VehicleConfig(**(values | changes))


def wide_vehicle(**changes):
    """A car of DeepRacer's size that turns in 0.61 m and answers the wheel slowly, as AWS's simulator has it.

    AWS's cars of 2020 to 2026 turn in 0.62 to 0.80 m at full lock, and reach 63 % of an angle in 0.15 to 0.4 s.
    """
    values = {
        "name": "wide", "mass": 1.8, "yaw_inertia": 0.0215, "front": 0.0817, "rear": 0.0823, "cog_height": 0.06,
        "friction": 1.0, "stiffness_front": 12.0, "stiffness_rear": 13.5, "front_drive": 0.5, "front_brake": 0.5,
        "accel_max": 5.8, "brake_max": 5.8, "power_max": 36.0, "speed_gain": 10.0, "speed_max": 4.0,
        "steer_max_deg": 15.0, "steer_lag": 0.2, "steer_rate_max_deg": 300.0,
        "length": 0.32352, "width": 0.1961, "track_front": 0.159, "track_rear": 0.162,
    }  # fmt: skip
    return VehicleConfig(**(values | changes))


def vehicle(**changes):
    """The VEHICLE row of `deepracer_geometric` with some values changed; values may leave the config's ranges."""
    row = vehicle_row(load_vehicle())
    for key, value in changes.items():
        row[key] = value
    return row


@kernel
def _roll(cars, vehicles, commands, substeps, dt, states):
    for t in range(commands.shape[0]):
        for n in range(cars.shape[0]):
            drive_vehicle(cars[n], vehicles[n], commands[t, n, 0], commands[t, n, 1], substeps, dt)
            states[t + 1, n] = cars[n]


def roll(vehicles, commands, start=None, substeps=1, dt=DT):
    """States (T + 1, N) CAR of N cars that hold each of T commands (T, N, 2), rad and m/s, for `substeps` steps.

    One command for all (two numbers and `steps`) is given by `hold`.
    """
    vehicles = np.atleast_1d(np.asarray(vehicles))
    commands = np.ascontiguousarray(commands, np.float64)
    cars = np.zeros(len(vehicles), CAR)
    for key, value in (start or {}).items():
        cars[key] = value
    states = np.zeros((len(commands) + 1, len(vehicles)), CAR)
    states[0] = cars
    if math.isclose(dt, 0.0):
        raise ValueError("dt is zero")
    _roll(cars, vehicles, commands, substeps, dt, states)
    return states


def hold(steer, speed, steps, cars=1):
    """(T, N, 2) the same command at every step; `steer` and `speed` may hold one value for each car."""
    out = np.empty((steps, cars, 2))
    out[..., 0], out[..., 1] = steer, speed
    return out


def steady_radius(config, command_deg, speed, seconds=5.0):
    """Radius [m] of the circle that a vehicle ends in, under a commanded angle [degrees] and speed [m/s]."""
    end = roll(vehicle_row(config), hold(math.radians(command_deg), speed, round(seconds / DT)), {"vx": speed})[-1, 0]
    return float(math.hypot(end["vx"], end["vy"]) / end["yaw_rate"])
