"""One car in each world as a batch, alone or among boxes and bots: worlds, sensors and rewards, stepped together.

This is what all environments are made of; `vector.py` and `single.py` only speak Gymnasium to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from racer.config.disturbance import differs
from racer.config.env import EnvConfig
from racer.config.read import read_disturbance
from racer.config.vehicle import VehicleConfig
from racer.env.sensing import Observation, Sensing
from racer.reward.seam import Reward
from racer.sim.disturb.disturb import Disturbances, action_delay_max
from racer.sim.status import STEPS_MAX, Status
from racer.sim.world import Start, World
from racer.track.track import Track


def steps_in(time_s: float, control_dt: float) -> int:
    """Control steps until `time_s` is reached, at least 1; rounding errors of the quotient do not add one."""
    return max(1, math.ceil(time_s / control_dt * (1.0 - 1e-12)))


class Recorder(Protocol):
    """Somebody who is told of all that happens in a batch, before ended worlds are started again."""

    def started(self, telemetry: NDArray[np.void], which: NDArray[np.bool_] | None = None) -> None:
        """Cars were placed in the worlds that `which` (N,) marks, or in all; telemetry is (N,)."""

    def stepped(self, telemetry: NDArray[np.void], status: NDArray[np.int32], rewards: NDArray[np.float64]) -> None:
        """A control step was driven; all are (N,). Worlds that wait have `steps` 0."""


class TimeTrial:
    """N cars, each on its track with what the configuration puts beside it, driving laps.

    Attributes:
        world: the simulator.
        disturbances: what differs from episode to episode; None for nothing.
        rewards: (N,) float64 of the last step.
        terminated: (N,) bool: lap complete, off track, crashed, immobilized, reversed.
        truncated: (N,) bool: time up.
        sensing: the sensors; its `observation` is rewritten by each step.
        recorder: told of every placing and every step; None for nobody.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        vehicle: VehicleConfig,
        config: EnvConfig,
        *,
        worlds: int,
        reward: Reward | None = None,
        seed: int = 0,
        threads: int | None = 1,
    ) -> None:
        """Make the buffers; `start` before the first step. Without a `reward` all rewards are 0.

        Raises:
            RacerError: the configured disturbance cannot be found or used.
        """
        disturbance = read_disturbance(config.disturbance)
        self.config = config
        self.reward = reward
        self.recorder: Recorder | None = None
        start = config.start
        limit = config.time_limit_s
        self.world = World(
            tracks,
            vehicle,
            worlds,
            objects=config.objects,
            control_dt=1.0 / config.control_rate_hz,
            start=Start(
                start.mode,
                start.advance,
                start.direction,
                start.lateral_share,
                math.radians(start.turned_deg),
            ),
            # The count of an episode starts at 1 before its first step.
            steps_max=STEPS_MAX if limit is None else 1 + steps_in(limit, 1.0 / config.control_rate_hz),
            seed=seed,
            action_delay_max=action_delay_max(disturbance),
            threads=threads,
        )
        self.disturbances = Disturbances(self.world, disturbance) if differs(disturbance) else None
        self.waypoints = self.world.waypoints()
        self.rewards = np.zeros(worlds)
        self.terminated = np.zeros(worlds, np.bool_)
        self.truncated = np.zeros(worlds, np.bool_)
        self.sensing = Sensing(self.world, config, self.disturbances)
        self._commands = np.zeros((worlds, 1, 2))

    @property
    def observation(self) -> Observation:
        """Sensor -> (N, ...) buffers, rewritten by each step."""
        return self.sensing.observation

    def start(self, which: NDArray[np.bool_] | None = None) -> None:
        """Start new episodes in all worlds or in those that `which` (N,) marks, and observe them."""
        cars = None if which is None else which[:, None]
        self._draw(cars)
        self.world.reset(cars)
        self._started(which)

    def place(self, poses: NDArray[np.float64], which: NDArray[np.bool_] | None = None) -> None:
        """Start episodes at given poses, (N, 4) of course, arc length m, lateral offset m, heading error rad."""
        cars = None if which is None else which[:, None]
        self._draw(cars)
        self.world.place(poses[:, None], cars)
        self._started(which)

    def _draw(self, which: NDArray[np.bool_] | None) -> None:
        if self.disturbances is not None:
            self.disturbances.draw(which)

    def _started(self, which: NDArray[np.bool_] | None) -> None:
        if which is None:
            self.rewards[:], self.terminated[:], self.truncated[:] = 0.0, False, False
        else:
            self.terminated[which] = False
            self.truncated[which] = False
        if self.recorder is not None:
            self.recorder.started(self.world.telemetry[:, 0], which)
        self.sensing.start(which)

    def step(self, commands: NDArray[np.float64]) -> None:
        """Hold `commands` (N, 2), degrees and m/s, for one control step; then judge, reward and observe.

        Worlds whose episode has ended stay as they are until they are started again; their reward is 0 and the
        reward function is not asked. They are not observed either: their streams of random numbers stand still.
        """
        waiting = self.world.ended[:, 0]
        self._commands[:, 0] = commands
        self.world.step(self._commands)
        self.world.telemetry["steps"][waiting] = 0.0
        status = self.world.status[:, 0]
        np.greater_equal(status, int(Status.LAP_COMPLETE), out=self.terminated)
        np.equal(status, int(Status.TIME_UP), out=self.truncated)
        self.terminated &= ~self.truncated
        if self.reward is not None:
            world = self.world
            self.reward.compute(world.telemetry, world.told_things, self.waypoints, self.rewards[:, None])
        if self.recorder is not None:
            self.recorder.stepped(self.world.telemetry[:, 0], status, self.rewards)
        self.sensing.observe(~waiting if waiting.any() else None)
