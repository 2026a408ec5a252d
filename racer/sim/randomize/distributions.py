"""Distributions of disturbances: the values that each episode of a car draws at its start, and the randomised vehicle.

Number k of a stream is a hash of the stream's key and k (`racer.sim.random`), so that every value has a separate
place: a changed distribution changes no value but its own. The key is a hash of seed, world, slot and episode, and is
independent of the streams that advance in each step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.config.disturbance import (
    ENTRIES_ADDED,
    NORMAL_CUTOFF,
    DeliveryDisturbance,
    DisturbanceConfig,
    disturbance_entries,
    is_disturbed,
)
from racer.sim.dtypes import Array, Row
from racer.sim.jit import device, kernel
from racer.sim.random import random_bits_at, random_uniform_at
from racer.sim.world import World, vehicle_row

EPISODE_VALUES = np.dtype(
    [(name.replace(".", "_"), "f8") for name in disturbance_entries(DisturbanceConfig())], align=True
)
"""Values of one car's episode: each entry of the configuration under `group_name`, in the entry's unit.

NaN where the vehicle's own value applies.
"""

DISTRIBUTION = np.dtype(
    [("kind", "i4"), ("first", "i4"), ("count", "i4"), ("number", "i4"), ("a", "f8"), ("b", "f8")], align=True
)
"""One distribution: its kind, its rows of the choices, its place in an episode's stream, and its two parameters."""

NO_DISTRIBUTION, CHOICE, UNIFORM, LOG_UNIFORM, NORMAL = 0, 1, 2, 3, 4
_RADIANS = math.pi / 180.0
_DEADBAND_MAX = 0.9
"""Largest deadband of a randomised vehicle; at 1 it could not move."""


@device
def random_normal_at(key: int, number: int) -> float:
    """Return a number of the standard normal distribution, limited to `NORMAL_CUTOFF` deviations.

    It uses numbers 2 k and 2 k + 1 of the stream, by Box and Muller: sqrt(-2 ln u) cos(2 pi v).
    """
    u, v = 1.0 - random_uniform_at(key, 2 * number), random_uniform_at(key, 2 * number + 1)
    return min(max(math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v), -NORMAL_CUTOFF), NORMAL_CUTOFF)


def distribution_rows(config: DisturbanceConfig) -> tuple[NDArray[np.void], NDArray[np.float64]]:
    """Return the distributions of a configuration.

    Returns:
        (DISTRIBUTION rows in the order of EPISODE_VALUES, shape (K,); values of all choices).
    """
    table = np.zeros(len(EPISODE_VALUES.names or ()), DISTRIBUTION)
    choices: list[float] = []
    entries = disturbance_entries(config)
    places = [name for name in entries if name not in ENTRIES_ADDED] + list(ENTRIES_ADDED)
    for row, (name, entry) in zip(table, entries.items(), strict=True):
        row["number"] = places.index(name)
        if entry is None:
            row["kind"] = NO_DISTRIBUTION
        elif entry.kind in ("constant", "choice"):
            row["kind"], row["first"], row["count"] = CHOICE, len(choices), len(entry.values)
            choices.extend(entry.values)
        else:
            row["kind"] = {"uniform": UNIFORM, "log_uniform": LOG_UNIFORM, "normal": NORMAL}[entry.kind]
            row["a"], row["b"] = entry.values
    return table, np.array(choices, np.float64)


@device
def draw_value(source: Row, choices: Array, key: int, number: int) -> float:
    """Return the value of a DISTRIBUTION row at place `number` in the stream of `key`; NaN for no distribution."""
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
def draw_episode_values(
    first: int, last: int, which: Array, cars: Array, table: Array, choices: Array,
    # outputs
    keys: Array, values: Array,
) -> None:  # fmt: skip
    """Draw the values of the coming episode of the marked cars of worlds `first` to `last` - 1.

    Args:
        first: First world.
        last: World after the last one.
        which: Marked cars, shape (N, C), bool.
        cars: CAR, shape (N, C): the stream, and the number of the coming episode.
        table: DISTRIBUTION, shape (K,).
        choices: Values of all choices.
        keys: Keys of the episodes' streams, shape (N, C), uint64.
        values: Values in the order of EPISODE_VALUES, shape (N, C, K), float64.
    """
    for n in range(first, last):
        for c in range(cars.shape[1]):
            if not which[n, c]:
                continue
            keys[n, c] = random_bits_at(cars[n, c].stream, cars[n, c].episode)
            for k in range(table.shape[0]):
                values[n, c, k] = draw_value(table[k], choices, keys[n, c], table[k].number)


def randomize_vehicles(own: NDArray[np.void], drawn: NDArray[np.void], vehicles: NDArray[np.void]) -> None:
    """Randomise VEHICLE rows in place.

    Args:
        own: VEHICLE of the configuration.
        drawn: EPISODE_VALUES, shape (K,).
        vehicles: VEHICLE, shape (K,); values that are not drawn stay.
    """
    value = {name.removeprefix("vehicle_"): drawn[name] for name in drawn.dtype.names or ()}
    scale = value["wheelbase"]
    vehicles["mass"] = own["mass"] * value["mass"]
    vehicles["yaw_inertia"] = own["yaw_inertia"] * value["mass"]
    # The centre of gravity stays between the axles.
    vehicles["front"] = np.maximum(own["front"] * scale - value["cog_forward"], 1e-3)
    vehicles["rear"] = np.maximum(own["rear"] * scale + value["cog_forward"], 1e-3)
    for name in ("steer_offset", "steer_backlash"):
        vehicles[name] = own[name] + value[f"{name}_deg"] * _RADIANS
    for name in ("steer_gain", "throttle_gain"):
        vehicles[name] = own[name] * value[name]
    vehicles["throttle_deadband"] = np.minimum(own["throttle_deadband"] + value["throttle_deadband"], _DEADBAND_MAX)
    replaced = {
        "friction": value["friction"],
        "steer_lag": value["steer_lag"],
        "steer_rate_max": value["steer_rate_max_deg"] * _RADIANS,
        "steer_delay": value["steer_delay"],
        "speed_gain": 1.0 / value["throttle_lag"],
    }
    for name, values in replaced.items():
        vehicles[name] = np.where(np.isnan(values), vehicles[name], values)


def action_delay_max(config: DisturbanceConfig) -> float:
    """Return the largest action delay that can be drawn [s], an argument of `World`."""
    return config.vehicle.action_delay.bounds[1]


def steer_delay_max(config: DisturbanceConfig) -> float | None:
    """Return the largest steering delay that can be drawn [s], None for the vehicle's; an argument of `World`."""
    delay = config.vehicle.steer_delay
    return None if delay is None else delay.bounds[1]


class Disturbances:
    """Values that differ from episode to episode in the worlds of a batch.

    Attributes:
        drawn: EPISODE_VALUES of each car's present episode, shape (N, C).
        keys: Keys of the episodes' streams, shape (N, C), uint64.
        table: DISTRIBUTION rows of `distribution_rows`.
        choices: Values of all choices.
    """

    def __init__(self, world: World, config: DisturbanceConfig) -> None:
        """Make the buffers; call `draw` before each start."""
        self.config = config
        self._world = world
        shape = world.cars.shape
        self.drawn = np.zeros(shape, EPISODE_VALUES)
        self._values = self.drawn.view(np.float64).reshape(*shape, -1)
        self.keys = np.zeros(shape, np.uint64)
        self.table, self.choices = distribution_rows(config)
        self._own = vehicle_row(world.vehicle)
        self._moves_vehicle = is_disturbed(config, "vehicle")

    def __setstate__(self, state: dict[str, Any]) -> None:
        # pickle and copy turn the view into a separate array.
        self.__dict__ |= state
        self._values = self.drawn.view(np.float64).reshape(*self.drawn.shape, -1)

    def values(self, group: str) -> NDArray[np.float64]:
        """Return a view of the drawn values of a group, in the order of its configuration, shape (N, C, K), float64."""
        names = list(type(getattr(self.config, group)).model_fields)
        first = (EPISODE_VALUES.names or ()).index(f"{group}_{names[0]}")
        return self._values[:, :, first : first + len(names)]

    def draw(self, which: NDArray[np.bool_] | None = None) -> None:
        """Draw the values of the coming episodes of the cars that `which` (N, C) marks, before they are placed."""
        world = self._world
        marked = world.all_cars if which is None else which
        world.run(draw_episode_values, marked, world.cars, self.table, self.choices, self.keys, self._values)
        if self._moves_vehicle:
            vehicles = world.vehicles[marked]
            randomize_vehicles(self._own, self.drawn[marked], vehicles)
            world.vehicles[marked] = vehicles
            late = np.rint(self.drawn["vehicle_action_delay"] / world.physics_dt)
            world.delay.steps[marked] = late[marked]


def frame_age_max(disturbances: Disturbances | None, group: str, *, control_dt: float, period: float) -> float:
    """Return the greatest age of a new frame [s]: its latency, and the time since the last capture.

    Args:
        disturbances: Disturbances of the world; None for none.
        group: `camera_delivery` or `lidar_delivery`.
        control_dt: Length of a control step [s].
        period: Time between captures [s].
    """
    delivery = DeliveryDisturbance() if disturbances is None else getattr(disturbances.config, group)
    return float(delivery.latency.bounds[1] + delivery.jitter.bounds[1] + 2.0 * control_dt + 2.0 * period)
