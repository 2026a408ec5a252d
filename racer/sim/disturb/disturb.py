"""The disturbances of a world: what each episode draws, and what it does to the car."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from racer.config.disturbance import DeliveryDisturbance, DisturbanceConfig, differs
from racer.sim.episode import DRAWN, disturb_vehicles, draw_episodes, sources
from racer.sim.world import World, vehicle_row


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
        self.drawn = np.zeros(shape, DRAWN)
        self._values = self.drawn.view(np.float64).reshape(*shape, -1)
        self.keys = np.zeros(shape, np.uint64)
        self.table, self.choices = sources(config)
        self._own = vehicle_row(world.vehicle).reshape(1)
        self._moves_vehicle = differs(config, "vehicle")

    def values(self, group: str) -> NDArray[np.float64]:
        """(N, C, K) float64, a view of the drawn values of one group, in the order of its configuration."""
        names = list(type(getattr(self.config, group)).model_fields)
        first = (DRAWN.names or ()).index(f"{group}_{names[0]}")
        return self._values[:, :, first : first + len(names)]

    def draw(self, which: NDArray[np.bool_] | None = None) -> None:
        """Draw the values of the coming episodes of the cars that `which` (N, C) marks; before they are placed."""
        world = self._world
        marked = world.everyone if which is None else which
        world.run(draw_episodes, marked, world.cars, self.table, self.choices, self.keys, self._values)
        if self._moves_vehicle:
            world.run(disturb_vehicles, marked, self._own, self.drawn, world.vehicles)
            late = np.rint(self.drawn["vehicle_action_delay"] / world.physics_dt)
            world.delay.steps[marked] = late[marked]


def longest_look(disturbances: Disturbances | None, group: str, *, control_dt: float, period: float) -> float:
    """s, the greatest age of a new frame: late, and captured some time before the control step it came to.

    Args:
        group: `camera_delivery` or `lidar_delivery`.
        period: s between captures.
    """
    given = DeliveryDisturbance() if disturbances is None else getattr(disturbances.config, group)
    return float(given.latency.bounds[1] + given.jitter.bounds[1] + 2.0 * control_dt + 2.0 * period)
