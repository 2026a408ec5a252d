"""The simulated car on its road, for ever: laps counted, faults forgiven, no episode that ends."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from racer.config.env import VehicleConfig
from racer.sim.dtypes import EpisodeStatus
from racer.sim.reset import OPEN_START
from racer.sim.world import World
from racer.track.track import Track

STEP_S = 1.0 / 120.0
"""s of one step; a physics step of the simulator."""

_LAP_SPEED_MIN = 0.5
"""m/s below which a lap takes too long: 2 s for each metre of road."""


@dataclass(frozen=True, slots=True)
class HilLap:
    """One lap or what became of it: whether it was driven whole, its time, how far it came (0..100), why it ended."""

    completed: bool
    time_s: float
    progress: float
    ended_by: str

    def record(self) -> dict[str, object]:
        """Plain data."""
        return asdict(self)


class SimVehicle:
    """One car on one track, driven by angles and speeds; time passes in steps of `STEP_S`.

    A lap begins when the car begins to move at its start, or where the last one ended. A car with no wheel on the road,
    or that hit something, is put back to the middle of the road where it left it, at rest: a person would.

    Attributes:
        laps: those that are over.
        distance: m of arc since the start of all, as the odometer of the road has it.
    """

    def __init__(self, track: Track, vehicle: VehicleConfig, *, seed: int = 0) -> None:
        self.track = track
        self.world = World([track], vehicle, 1, control_dt=STEP_S, seed=seed)
        self.laps: list[HilLap] = []
        self.distance = 0.0
        self._action = np.zeros((1, 1, 2))
        self._time_s = 0.0
        self._began_s: float | None = None
        self._put(0.0 if track.closed else OPEN_START)

    @property
    def speed(self) -> float:
        """m/s, measured."""
        return float(self.world.telemetry["speed_measured"][0, 0])

    def step(self, angle_deg: float, speed: float) -> HilLap | None:
        """Let one step pass; the lap that ended in it, if one did."""
        car = self.world.cars[0, 0]
        self._action[0, 0] = angle_deg, speed
        before = car["x"], car["y"]
        car["status"], car["steps"], car["stuck_steps"], car["backward_steps"] = int(EpisodeStatus.IN_PROGRESS), 2, 0, 0
        self.world.step(self._action)
        self._time_s += STEP_S
        self.distance += float(np.hypot(car["x"] - before[0], car["y"] - before[1]))
        if self._began_s is None and self.speed > 0.05:
            self._began_s = self._time_s
        return self._judged()

    def _judged(self) -> HilLap | None:
        car = self.world.cars[0, 0]
        status = EpisodeStatus(int(car["status"]))
        progress = float(car["progress"])
        if status is EpisodeStatus.LAP_COMPLETE:
            lap = self._over(True, 100.0, status.word)
            if self.track.closed:
                car["travelled"] -= self.track.length
                self._began_s = self._time_s
            else:
                self._put(OPEN_START)
            return lap
        if status in (EpisodeStatus.OFF_TRACK, EpisodeStatus.CRASHED):
            lap = self._over(False, progress, status.word)
            self._put(float(car["s"]))
            return lap
        if self._began_s is not None and self._time_s - self._began_s > self.track.length / _LAP_SPEED_MIN:
            lap = self._over(False, progress, EpisodeStatus.TIME_UP.word)
            self._put(float(car["s"]))
            return lap
        return None

    def _over(self, completed: bool, progress: float, word: str) -> HilLap:
        began = self._time_s if self._began_s is None else self._began_s
        lap = HilLap(completed, round(self._time_s - began, 3), round(max(0.0, progress), 1), word)
        self.laps.append(lap)
        return lap

    def _put(self, s: float) -> None:
        """Place the car at rest; its lap begins when it moves."""
        self.world.place(np.array([[[0.0, s, 0.0, 0.0]]]))
        self._began_s = None
