"""The time trial as a batch: worlds, their sensors and their rewards, stepped together.

This is what all environments are made of; `vector.py` and `single.py` only speak Gymnasium to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from racer.config.env import EnvConfig
from racer.config.vehicle import VehicleConfig
from racer.reward.seam import Reward
from racer.sim.lidar import cast_rays, lidar_scratch, make_lidar
from racer.sim.status import STEPS_MAX, Status
from racer.sim.world import Start, World
from racer.track.track import Track

Observation = dict[str, NDArray[np.float32]]


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
    """N cars, each alone on its track, driving laps.

    Attributes:
        world: the simulator.
        rewards: (N,) float64 of the last step.
        terminated: (N,) bool: lap complete, off track, crashed, immobilized, reversed.
        truncated: (N,) bool: time up.
        observation: sensor -> (N, ...) float32 buffers, rewritten by each step.
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
        """Make the buffers; `start` before the first step. Without a `reward` all rewards are 0."""
        self.config = config
        self.reward = reward
        self.recorder: Recorder | None = None
        start = config.start
        limit = config.time_limit_s
        self.world = World(
            tracks,
            vehicle,
            worlds,
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
            threads=threads,
        )
        self.waypoints = self.world.waypoints()
        self.rewards = np.zeros(worlds)
        self.terminated = np.zeros(worlds, np.bool_)
        self.truncated = np.zeros(worlds, np.bool_)
        self.observation: Observation = {}
        self._commands = np.zeros((worlds, 1, 2))
        self._look_ahead = np.array(config.look_ahead, np.float64)
        if "state" in config.sensors:
            width = len(self.world.state_names(len(config.look_ahead)))
            self.observation["state"] = np.zeros((worlds, width), np.float32)
        if "lidar" in config.sensors:
            lidar = config.lidar
            view = math.radians(lidar.view_deg)
            # A full turn has as many gaps as rays, a narrower view a ray on either edge, a single ray looks ahead.
            gaps = lidar.rays if lidar.view_deg == 360.0 else max(lidar.rays - 1, 1)
            self._lidar = make_lidar(
                rays=lidar.rays,
                angle_first=-view / 2.0 if lidar.rays > 1 else 0.0,
                angle_step=view / gaps,
                range_min=lidar.range_min,
                range_max=lidar.range_max,
                noise_sigma=lidar.noise,
            )
            self._scratch = lidar_scratch(worlds, lidar.rays)
            self.observation["lidar"] = np.zeros((worlds, lidar.rays), np.float32)

    def start(self, which: NDArray[np.bool_] | None = None) -> None:
        """Start new episodes in all worlds or in those that `which` (N,) marks, and observe them."""
        self.world.reset(None if which is None else which[:, None])
        self._started(which)

    def place(self, poses: NDArray[np.float64], which: NDArray[np.bool_] | None = None) -> None:
        """Start episodes at given poses, (N, 4) of course, arc length m, lateral offset m, heading error rad."""
        self.world.place(poses[:, None], None if which is None else which[:, None])
        self._started(which)

    def _started(self, which: NDArray[np.bool_] | None) -> None:
        if which is None:
            self.rewards[:], self.terminated[:], self.truncated[:] = 0.0, False, False
        else:
            self.terminated[which] = False
            self.truncated[which] = False
        if self.recorder is not None:
            self.recorder.started(self.world.telemetry[:, 0], which)
        self._observe(which)

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
            self.reward.compute(self.world.telemetry, None, self.waypoints, self.rewards[:, None])
        if self.recorder is not None:
            self.recorder.stepped(self.world.telemetry[:, 0], status, self.rewards)
        self._observe(~waiting if waiting.any() else None)

    def _observe(self, which: NDArray[np.bool_] | None) -> None:
        world = self.world
        if "state" in self.observation:
            out = self.observation["state"][:, None]
            world.observe_state(self._look_ahead, out, None if which is None else which[:, None])
        if "lidar" in self.observation:
            if which is None:
                self._cast(0, len(world.cars))
            else:
                runs = np.flatnonzero(np.diff(which, prepend=False, append=False)).reshape(-1, 2)
                for first, last in runs.tolist():
                    self._cast(first, last)

    def _cast(self, first: int, last: int) -> None:
        world, tables = self.world, self.world.tables
        cast_rays(
            first,
            last,
            world.cars,
            world.objects,
            world.vehicles,
            tables.courses,
            tables.walls,
            tables.wall_groups,
            self._lidar,
            self._scratch,
            self.observation["lidar"][:, None],
        )
