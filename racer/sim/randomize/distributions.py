"""What an episode's disturbances are: drawn once for each car at its start, and put into its VEHICLE row.

Number k of a stream is a hash of the stream's key and k (SplitMix64's finaliser over a counter), so that every value
has a separate place: what one distribution draws moves no other. The key is a hash of seed, world, slot and
episode, and has nothing to do with the streams that cars drive by.

The disturbances of a world: what each episode draws, and what it does to the car.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from racer.config.disturbance import (
    NORMAL_CUTOFF,
    DeliveryDisturbance,
    DisturbanceConfig,
    disturbance_entries,
    is_disturbed,
)
from racer.sim.jit import device, kernel
from racer.sim.world import World, vehicle_row

EPISODE_VALUES = np.dtype(
    [(name.replace(".", "_"), "f8") for name in disturbance_entries(DisturbanceConfig())], align=True
)
"""The values of one car's episode: each entry of the configuration under `group_name`, in its own unit; NaN where the
vehicle's own value applies."""

DISTRIBUTION = np.dtype([("kind", "i4"), ("first", "i4"), ("count", "i4"), ("a", "f8"), ("b", "f8")], align=True)
"""One distribution: what it is, which rows of the choices are its, and its two numbers."""

NO_DISTRIBUTION, CHOICE, UNIFORM, LOG_UNIFORM, NORMAL = 0, 1, 2, 3, 4
_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
_MASK = 0xFFFFFFFFFFFFFFFF
_UNIT = 2.0**-53
_RADIANS = math.pi / 180.0


@device
def random_bits_at(key, number):  # type: ignore[no-untyped-def]
    """The 64 random bits with this number, 0 or more, in the stream of `key`."""
    state = (int(key) + _GOLDEN * (int(np.uint64(number)) + int(np.uint64(1)))) & _MASK
    mixed = ((state ^ (state >> 30)) * _MIX_1) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * _MIX_2) & _MASK
    return mixed ^ (mixed >> 31)


@device
def random_uniform_at(key, number):  # type: ignore[no-untyped-def]
    """The number in [0, 1) with this number in the stream of `key`."""
    return (random_bits_at(key, number) >> 11) * _UNIT


@device
def random_normal_at(key, number):  # type: ignore[no-untyped-def]
    """A number of the standard normal distribution, cut off at `CUT`; takes numbers 2k and 2k + 1 of the stream.

    By Box and Muller: sqrt(-2 ln u) cos(2 pi v).
    """
    u, v = 1.0 - random_uniform_at(key, 2 * number), random_uniform_at(key, 2 * number + 1)
    return min(max(math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v), -NORMAL_CUTOFF), NORMAL_CUTOFF)


def distribution_rows(config: DisturbanceConfig) -> tuple[NDArray[np.void], NDArray[np.float64]]:
    """The distributions of a configuration as (K,) SOURCE rows in the order of DRAWN, and the values of choices."""
    table = np.zeros(len(EPISODE_VALUES.names or ()), DISTRIBUTION)
    choices: list[float] = []
    for row, given in zip(table, disturbance_entries(config).values(), strict=True):
        if given is None:
            row["kind"] = NO_DISTRIBUTION
        elif given.kind in ("constant", "choice"):
            row["kind"], row["first"], row["count"] = CHOICE, len(choices), len(given.values)
            choices.extend(given.values)
        else:
            row["kind"] = {"uniform": UNIFORM, "log_uniform": LOG_UNIFORM, "normal": NORMAL}[given.kind]
            row["a"], row["b"] = given.values
    return table, np.array(choices, np.float64)


@device
def draw_value(source, choices, key, number):  # type: ignore[no-untyped-def]
    """The value of one distribution: the one with this number in the stream of `key`."""
    a, b = source.a, source.b
    if source.kind == CHOICE:
        return choices[source.first + int(random_uniform_at(key, 2 * number) * source.count)]
    if source.kind == UNIFORM:
        return min(a + (b - a) * random_uniform_at(key, 2 * number), b)
    if source.kind == LOG_UNIFORM:
        return min(max(a * math.exp(math.log(b / a) * random_uniform_at(key, 2 * number)), a), b)
    if source.kind == NORMAL:
        return a + b * random_normal_at(key, number)
    return math.nan


@kernel
def draw_episode_values(first, last, which, cars, table, choices, keys, values):  # type: ignore[no-untyped-def]
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
            keys[n, c] = random_bits_at(cars[n, c].stream, cars[n, c].episode)
            for k in range(table.shape[0]):
                values[n, c, k] = draw_value(table[k], choices, keys[n, c], k)


@kernel
def randomize_vehicles(first, last, which, own, drawn, vehicles):  # type: ignore[no-untyped-def]
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


def action_delay_max(config: DisturbanceConfig) -> float:
    """s, the longest action delay that can be drawn; what `World` wants to know."""
    return config.vehicle.action_delay.bounds[1]


class Disturbances:
    """What differs from episode to episode in the worlds of a batch.

    Attributes:
        drawn: (N, C) DRAWN, the values of each car's present episode.
        keys: (N, C) uint64, of the streams that belong to the episodes.
        table, choices: the distributions, of `sources`.
    """

    def __init__(self, world: World, config: DisturbanceConfig) -> None:
        """Make the buffers; `draw` before each start."""
        self.config = config
        self._world = world
        shape = world.cars.shape
        self.drawn = np.zeros(shape, EPISODE_VALUES)
        self._values = self.drawn.view(np.float64).reshape(*shape, -1)
        self.keys = np.zeros(shape, np.uint64)
        self.table, self.choices = distribution_rows(config)
        self._own = vehicle_row(world.vehicle).reshape(1)
        self._moves_vehicle = is_disturbed(config, "vehicle")

    def values(self, group: str) -> NDArray[np.float64]:
        """(N, C, K) float64, a view of the drawn values of one group, in the order of its configuration."""
        names = list(type(getattr(self.config, group)).model_fields)
        first = (EPISODE_VALUES.names or ()).index(f"{group}_{names[0]}")
        return self._values[:, :, first : first + len(names)]

    def draw(self, which: NDArray[np.bool_] | None = None) -> None:
        """Draw the values of the coming episodes of the cars that `which` (N, C) marks; before they are placed."""
        world = self._world
        marked = world.everyone if which is None else which
        world.run(draw_episode_values, marked, world.cars, self.table, self.choices, self.keys, self._values)
        if self._moves_vehicle:
            world.run(randomize_vehicles, marked, self._own, self.drawn, world.vehicles)
            late = np.rint(self.drawn["vehicle_action_delay"] / world.physics_dt)
            world.delay.steps[marked] = late[marked]


def frame_age_max(disturbances: Disturbances | None, group: str, *, control_dt: float, period: float) -> float:
    """s, the greatest age of a new frame: late, and captured some time before the control step it came to.

    Args:
        group: `camera_delivery` or `lidar_delivery`.
        period: s between captures.
    """
    given = DeliveryDisturbance() if disturbances is None else getattr(disturbances.config, group)
    return float(given.latency.bounds[1] + given.jitter.bounds[1] + 2.0 * control_dt + 2.0 * period)
