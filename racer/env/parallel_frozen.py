"""A car of a world of several that does not learn: a policy drives it, by sensors of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from racer.config.env import EnvConfig
from racer.env.sensing import Sensing
from racer.env.sensors import config_for
from racer.errors import ConfigError
from racer.policy.protocol import Policy
from racer.sim.disturb.disturb import Disturbances
from racer.sim.world import World


class Frozen:
    """A policy with its sensors, in whichever slot of the first world it drives."""

    def __init__(
        self, policy: Policy, world: World, config: EnvConfig, disturbances: Disturbances | None = None
    ) -> None:
        """Give it the sensors that it wants.

        Raises:
            ConfigError: it wants to be asked at another rate than the environment's.
            BundleError: it needs a sensor that the simulator cannot give.
        """
        rate = policy.control_rate_hz
        if rate is not None and rate != config.control_rate_hz:
            raise ConfigError(
                f"frozen policy {policy.name} drives at {rate:g} Hz, the environment at {config.control_rate_hz:g} Hz; "
                f"set control_rate_hz: {rate:g}"
            )
        self._policy = policy
        self._sensing = Sensing(world, config_for(policy.sensors, config.control_rate_hz), disturbances, cars="all")
        self._mine = np.zeros(world.cars.shape, np.bool_)
        self.slot = 0

    def start(self, slot: int) -> None:
        """A new episode has begun, in which it drives the car in `slot`."""
        self.slot = slot
        self._mine[:] = False
        self._mine[0, slot] = True
        self._policy.reset()
        self._sensing.start(self._mine)

    def observe(self) -> None:
        """Look, after a control step of its car."""
        self._sensing.observe(self._mine)

    def act(self) -> NDArray[np.float64]:
        """(2,) degrees and m/s, from what it saw last."""
        slot = self.slot
        seen = {sensor: values[0, slot : slot + 1] for sensor, values in self._sensing.observation.items()}
        return np.asarray(self._policy.act(seen), np.float64)[0]
