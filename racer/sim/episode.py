"""What an episode's disturbances are: drawn once for each car at its start, and put into its VEHICLE row.

Number k of a stream is a hash of the stream's key and k (SplitMix64's finaliser over a counter), so that every value
has a place of its own: what one distribution draws moves no other. The key is a hash of seed, world, slot and
episode, and has nothing to do with the streams that cars drive by.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from racer.config.disturbance import CUT, DisturbanceConfig, entries
from racer.sim.jit import inlined, kernel

DRAWN = np.dtype([(name.replace(".", "_"), "f8") for name in entries(DisturbanceConfig())], align=True)
"""The values of one car's episode: each entry of the configuration under `group_name`, in its own unit; NaN where the
vehicle's own value stands."""

SOURCE = np.dtype([("kind", "i4"), ("first", "i4"), ("count", "i4"), ("a", "f8"), ("b", "f8")], align=True)
"""One distribution: what it is, which rows of the choices are its, and its two numbers."""

NOTHING, CHOICE, UNIFORM, LOG_UNIFORM, NORMAL = 0, 1, 2, 3, 4
_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
_MASK = 0xFFFFFFFFFFFFFFFF
_UNIT = 2.0**-53
_RADIANS = math.pi / 180.0


@inlined
def bits_at(key, number):  # type: ignore[no-untyped-def]
    """The 64 random bits with this number, 0 or more, in the stream of `key`."""
    state = (int(key) + _GOLDEN * (int(np.uint64(number)) + int(np.uint64(1)))) & _MASK
    mixed = ((state ^ (state >> 30)) * _MIX_1) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * _MIX_2) & _MASK
    return mixed ^ (mixed >> 31)


@inlined
def uniform_at(key, number):  # type: ignore[no-untyped-def]
    """The number in [0, 1) with this number in the stream of `key`."""
    return (bits_at(key, number) >> 11) * _UNIT


@inlined
def normal_at(key, number):  # type: ignore[no-untyped-def]
    """A number of the standard normal distribution, cut off at `CUT`; takes numbers 2k and 2k + 1 of the stream.

    By Box and Muller: sqrt(-2 ln u) cos(2 pi v).
    """
    u, v = 1.0 - uniform_at(key, 2 * number), uniform_at(key, 2 * number + 1)
    return min(max(math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v), -CUT), CUT)


def sources(config: DisturbanceConfig) -> tuple[NDArray[np.void], NDArray[np.float64]]:
    """The distributions of a configuration as (K,) SOURCE rows in the order of DRAWN, and the values of choices."""
    table = np.zeros(len(DRAWN.names or ()), SOURCE)
    choices: list[float] = []
    for row, given in zip(table, entries(config).values(), strict=True):
        if given is None:
            row["kind"] = NOTHING
        elif given.kind in ("constant", "choice"):
            row["kind"], row["first"], row["count"] = CHOICE, len(choices), len(given.values)
            choices.extend(given.values)
        else:
            row["kind"] = {"uniform": UNIFORM, "log_uniform": LOG_UNIFORM, "normal": NORMAL}[given.kind]
            row["a"], row["b"] = given.values
    return table, np.array(choices, np.float64)


@inlined
def draw_value(source, choices, key, number):  # type: ignore[no-untyped-def]
    """The value of one distribution: the one with this number in the stream of `key`."""
    a, b = source.a, source.b
    if source.kind == CHOICE:
        return choices[source.first + int(uniform_at(key, 2 * number) * source.count)]
    if source.kind == UNIFORM:
        return min(a + (b - a) * uniform_at(key, 2 * number), b)
    if source.kind == LOG_UNIFORM:
        return min(max(a * math.exp(math.log(b / a) * uniform_at(key, 2 * number)), a), b)
    if source.kind == NORMAL:
        return a + b * normal_at(key, number)
    return math.nan


@kernel
def draw_episodes(first, last, which, cars, table, choices, keys, values):  # type: ignore[no-untyped-def]
    """Draw the values of the coming episode of the cars that `which` (N, C) marks.

    Args:
        cars: (N, C) CAR: the stream and the number of the episode that comes.
        table, choices: of `sources`.
        keys: (N, C) uint64, written: the key of the episode's stream.
        values: (N, C, K) float64, written, in the order of DRAWN.
    """
    for n in range(first, last):
        for c in range(cars.shape[1]):
            if not which[n, c]:
                continue
            keys[n, c] = bits_at(cars[n, c].stream, cars[n, c].episode)
            for k in range(table.shape[0]):
                values[n, c, k] = draw_value(table[k], choices, keys[n, c], k)


@kernel
def disturb_vehicles(first, last, which, own, drawn, vehicles):  # type: ignore[no-untyped-def]
    """Write the VEHICLE rows of the cars that `which` (N, C) marks: `own`, (1,) VEHICLE, as `drawn` changes it."""
    for n in range(first, last):
        for c in range(vehicles.shape[1]):
            if not which[n, c]:
                continue
            car, value, base = vehicles[n, c], drawn[n, c], own[0]
            if not math.isnan(value.vehicle_friction):
                car.friction = value.vehicle_friction
            car.mass = base.mass * value.vehicle_mass
            car.yaw_inertia = base.yaw_inertia * value.vehicle_mass
            car.front = max(base.front * value.vehicle_wheelbase - value.vehicle_cog_forward, 1e-3)
            car.rear = max(base.rear * value.vehicle_wheelbase + value.vehicle_cog_forward, 1e-3)
            car.steer_offset = base.steer_offset + value.vehicle_steer_offset_deg * _RADIANS
            car.steer_gain = base.steer_gain * value.vehicle_steer_gain
            car.steer_backlash = base.steer_backlash + value.vehicle_steer_backlash_deg * _RADIANS
            if not math.isnan(value.vehicle_steer_lag):
                car.steer_lag = value.vehicle_steer_lag
            if not math.isnan(value.vehicle_steer_rate_max_deg):
                car.steer_rate_max = value.vehicle_steer_rate_max_deg * _RADIANS
            car.throttle_gain = base.throttle_gain * value.vehicle_throttle_gain
            car.throttle_deadband = min(base.throttle_deadband + value.vehicle_throttle_deadband, 0.9)
            if not math.isnan(value.vehicle_throttle_lag):
                car.speed_gain = 1.0 / value.vehicle_throttle_lag
