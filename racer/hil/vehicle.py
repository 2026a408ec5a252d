"""Simulates the car on its road without end: counts laps and puts the car back after a fault, in place of episodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from racer.config.env import VehicleConfig
from racer.sim.dtypes import EpisodeStatus
from racer.sim.reset import OPEN_START
from racer.sim.world import World
from racer.track.track import Track

STEP_S = 1.0 / 120.0
"""Length of one step [s]; one physics step of the simulator."""

_LAP_SPEED_MIN = 0.5
"""Mean speed below which a lap takes too long [m/s]: 2 s for each metre of road."""


@dataclass(frozen=True, slots=True)
class HilLap:
    """One lap, completed or not.

    Attributes:
        completed: Whether it was driven to its end.
        time_s: Its time [s].
        progress: Progress at its end [%].
        ended_by: Why it ended.
    """

    completed: bool
    time_s: float
    progress: float
    ended_by: str


class SimVehicle:
    """One car on one track, driven by angles and speeds; time passes in steps of `STEP_S`.

    A lap begins when the car begins to move at its start, or where the last one ended. A car with no wheel on the road,
    or that hit something, is put back to the middle of the road where it left it, at rest, as a person would do.

    Args:
        track: Track to drive on.
        vehicle: Vehicle of the car.
        seed: Seed of the world.

    Attributes:
        laps: Laps that have ended.
        distance: Distance driven since the start [m].
    """

    def __init__(self, track: Track, vehicle: VehicleConfig, *, seed: int = 0) -> None:
        self.track = track
        self.world = World([track], vehicle, 1, control_dt=STEP_S, seed=seed)
        self.laps: list[HilLap] = []
        self.distance = 0.0
        self._action = np.zeros((1, 1, 2))
        self._time_s = 0.0
        self._started_s: float | None = None
        # At the start of an open track the rear wheels need road, too.
        self._place(0.0 if track.closed else OPEN_START)

    @property
    def speed(self) -> float:
        """Measured speed [m/s]."""
        return float(self.world.telemetry["speed_measured"][0, 0])

    def step(self, angle_deg: float, speed: float) -> HilLap | None:
        """Advance by one step; returns the lap that ended in it, or None.

        Args:
            angle_deg: Steering angle, left positive [deg].
            speed: Target speed [m/s].
        """
        car = self.world.cars[0, 0]
        self._action[0, 0] = angle_deg, speed
        before = car["x"], car["y"]
        # The rules of episodes that end a training's trial, such as standing still, do not apply here.
        car["status"], car["steps"], car["stuck_steps"], car["backward_steps"] = int(EpisodeStatus.IN_PROGRESS), 2, 0, 0
        self.world.step(self._action)
        self._time_s += STEP_S
        self.distance += float(np.hypot(car["x"] - before[0], car["y"] - before[1]))
        # A car that waits to be armed loses no time: the lap begins when it moves.
        if self._started_s is None and self.speed > 0.05:
            self._started_s = self._time_s
        return self._ended_lap()

    def _ended_lap(self) -> HilLap | None:
        car = self.world.cars[0, 0]
        status = EpisodeStatus(int(car["status"]))
        if status is EpisodeStatus.LAP_COMPLETE:
            lap = self._end_lap(True, 100.0, status)
            if self.track.closed:
                # The car keeps rolling: the next lap starts at the same moment, with the rest of the progress.
                car["travelled"] -= self.track.length
                self._started_s = self._time_s
            else:
                self._place(OPEN_START)
            return lap
        if status not in (EpisodeStatus.OFF_TRACK, EpisodeStatus.CRASHED):
            if self._started_s is None or self._time_s - self._started_s <= self.track.length / _LAP_SPEED_MIN:
                return None
            status = EpisodeStatus.TIME_UP
        lap = self._end_lap(False, float(car["progress"]), status)
        self._place(float(car["s"]))
        return lap

    def _end_lap(self, completed: bool, progress: float, status: EpisodeStatus) -> HilLap:
        # A lap that ended before the car moved, as after a push, took no time.
        started = self._time_s if self._started_s is None else self._started_s
        lap = HilLap(completed, round(self._time_s - started, 3), round(max(0.0, progress), 1), status.word)
        self.laps.append(lap)
        return lap

    def _place(self, s: float) -> None:
        """Place the car at rest; its lap begins when it moves."""
        self.world.place(np.array([[[0.0, s, 0.0, 0.0]]]))
        self._started_s = None
