"""Records the steps of driven episodes and formats them as rows of a simtrace CSV.

Columns, order and number formats: github aws-deepracer-community/deepracer-simapp at 01f5f01,
`markov/metrics/constants.py` (`StepMetrics`) and `markov/metrics/s3_metrics.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.config.actions import ContinuousActions, DiscreteActions
from racer.reward.rows import Waypoints
from racer.sim.dtypes import EpisodeStatus

HEADER = (
    "episode,steps,X,Y,yaw,steer,throttle,action,reward,done,all_wheels_on_track,progress,closest_waypoint,track_len,"
    "tstamp,episode_status,pause_duration,obstacle_crash_counter,wall_clock"
)
_FORMAT = "%d,%d,%.4f,%.4f,%.4f,%.2f,%.2f,%s,%.10g,%s,%s,%.4f,%d,%.2f,%.6f,%s,0.0,0,%.4f\n"
"""As SIM_TRACE_LOG has it, but for rewards, times and clocks: those are written out, so that small ones survive."""
_STATUS_NAMES = [status.word for status in EpisodeStatus]

_KEPT_FIELDS = (
    "all_wheels_on_track",
    "closest_waypoint_prev",
    "closest_waypoint_next",
    "steps",
    "x",
    "y",
    "heading",
    "track_length",
    "progress",
    "speed",
    "steering_angle",
    "course",
)
"""What is kept of `TELEMETRY`."""
_STEP = np.dtype(
    [("all_wheels_on_track", "?"), ("closest_waypoint_prev", "i4"), ("closest_waypoint_next", "i4")]
    + [(name, "f8") for name in _KEPT_FIELDS[3:-1]]
    + [("course", "i4"), ("status", "i4"), ("reward", "f8"), ("time", "f8"), ("wall", "f8")],
    align=True,
)
_CAPACITY_FIRST = 256
"""Steps of an episode for which there is room at first."""


@dataclass(frozen=True, eq=False)
class LoggedEpisode:
    """One episode that has ended.

    Attributes:
        world: in which it was driven.
        rows: (S,) its steps: the placing of the car first, the step that ended it last.
    """

    world: int
    rows: NDArray[np.void]

    @property
    def status(self) -> EpisodeStatus:
        """Status word of its end."""
        return EpisodeStatus(int(self.rows["status"][-1]))

    @property
    def reward(self) -> float:
        """Sum of its rewards."""
        return float(self.rows["reward"].sum())

    @property
    def began_s(self) -> float:
        """Simulation time when the car was placed [s]."""
        return float(self.rows["time"][0])

    @property
    def ended_s(self) -> float:
        """Simulation time after the last step [s]."""
        return float(self.rows["time"][-1])

    @property
    def progress(self) -> float:
        """Progress along the lap [%], 0..100."""
        return float(min(max(self.rows["progress"][-1], 0.0), 100.0))


class EpisodeTrace:
    """Watches the first worlds of a batch and hands out their episodes as they end.

    Attributes:
        time_s: the simulation's clock, that of all worlds.
    """

    def __init__(
        self, worlds: int, control_dt: float, *, time_s: float = 0.0, clock: Callable[[], float] = time.time
    ) -> None:
        """Watch the first `worlds` worlds; `clock` gives seconds of wall time."""
        self.time_s = time_s
        self._dt, self._clock = control_dt, clock
        self._worlds = np.arange(worlds)
        self._rows = np.zeros((worlds, _CAPACITY_FIRST), _STEP)
        self._counts = np.zeros(worlds, np.int64)
        self._new = np.zeros(worlds, _STEP)
        self._told = self._new[list(_KEPT_FIELDS)]

    def started(self, telemetry: NDArray[np.void], which: NDArray[np.bool_] | None = None) -> None:
        """Cars were placed: in all worlds, or in those that `which` (N,) marks.

        Args:
            telemetry: (N,) TELEMETRY after the placing.
        """
        marked = self._worlds if which is None else np.flatnonzero(which[: len(self._worlds)])
        if len(marked):
            self._take(telemetry)
            self._new["status"], self._new["reward"] = int(EpisodeStatus.PREPARE), 0.0
            self._counts[marked] = 0
            self._append(marked)

    def stepped(
        self, telemetry: NDArray[np.void], status: NDArray[np.int32], rewards: NDArray[np.float64]
    ) -> list[LoggedEpisode]:
        """A control step was driven; gives the episodes that ended with it, in the order of their worlds.

        Args:
            telemetry: (N,) TELEMETRY; worlds whose `steps` is 0 wait and are passed over.
            status: (N,) `Status`.
            rewards: (N,).
        """
        self.time_s += self._dt
        count = len(self._worlds)
        self._take(telemetry)
        self._new["status"], self._new["reward"] = status[:count], rewards[:count]
        driven = self._worlds[(self._new["steps"] > 1.0) & (self._counts > 0)]
        self._append(driven)
        ended = driven[self._new["status"][driven] >= int(EpisodeStatus.LAP_COMPLETE)]
        episodes = [LoggedEpisode(int(n), self._rows[n, : self._counts[n]].copy()) for n in ended]
        self._counts[ended] = 0
        return episodes

    def _take(self, telemetry: NDArray[np.void]) -> None:
        self._told[...] = telemetry[: len(self._worlds)][list(_KEPT_FIELDS)]
        self._new["time"], self._new["wall"] = self.time_s, self._clock()

    def _append(self, worlds: NDArray[np.int64]) -> None:
        if len(worlds) == 0:
            return
        if self._counts[worlds].max() >= self._rows.shape[1]:
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)], axis=1)
        self._rows[worlds, self._counts[worlds]] = self._new[worlds]
        self._counts[worlds] += 1


def simtrace(
    episodes: Sequence[LoggedEpisode],
    *,
    first: int,
    actions: ContinuousActions | DiscreteActions,
    waypoints: Waypoints,
) -> str:
    """Format episodes as a simtrace CSV.

    The row of the placing (`prepare`, step 1) names the action that the car is about to take, as in DeepRacer.

    Args:
        first: number of the first one, counted from 0 over all files.
        waypoints: the centre line of each course, as reward functions see it.
    """
    points = [np.array(line, np.float64) for line in waypoints]
    text = [HEADER, "\n"]
    for number, episode in enumerate(episodes, first):
        text.extend(map(_FORMAT.__mod__, zip(*_columns(number, episode.rows, actions, points), strict=True)))
    return "".join(text)


def _columns(
    number: int,
    rows: NDArray[np.void],
    actions: ContinuousActions | DiscreteActions,
    points: list[NDArray[np.float64]],
) -> list[Iterable[Any]]:
    """The columns of one episode, but for those that are constant here."""
    count = len(rows)
    steer, speed = rows["steering_angle"].copy(), rows["speed"].copy()
    if count > 1:
        steer[0], speed[0] = steer[1], speed[1]
    center = points[int(rows["course"][0])]
    ends = [center[rows[f"closest_waypoint_{end}"]] for end in ("prev", "next")]
    gaps = [np.hypot(rows["x"] - end[:, 0], rows["y"] - end[:, 1]) for end in ends]
    nearest = np.where(gaps[0] <= gaps[1], rows["closest_waypoint_prev"], rows["closest_waypoint_next"])
    columns: list[Iterable[Any]] = [
        [number] * count,
        rows["steps"].tolist(),
        rows["x"].tolist(),
        rows["y"].tolist(),
        rows["heading"].tolist(),
        steer.tolist(),
        speed.tolist(),
        _actions(steer, speed, actions),
        rows["reward"].tolist(),
        [False] * (count - 1) + [True],
        rows["all_wheels_on_track"].tolist(),
        rows["progress"].tolist(),
        nearest.tolist(),
        rows["track_length"].tolist(),
        rows["time"].tolist(),
        [_STATUS_NAMES[status] for status in rows["status"].tolist()],
        rows["wall"].tolist(),
    ]
    return columns


def _actions(
    steer: NDArray[np.float64], speed: NDArray[np.float64], actions: ContinuousActions | DiscreteActions
) -> list[Any]:
    """Return the index in the list of actions, or `[steering angle speed]`."""
    if isinstance(actions, DiscreteActions):
        table = np.array(actions.table)
        # Degrees and m/s differ in size; what was chosen is in the list, so that any scale finds it.
        return np.abs(steer[:, None] - table[:, 0] + 1j * (speed[:, None] - table[:, 1])).argmin(axis=1).tolist()
    return [f"[{angle:.4f} {rate:.4f}]" for angle, rate in zip(steer.tolist(), speed.tolist(), strict=True)]
