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
"""SIM_TRACE_LOG with more digits of rewards, times and clocks, so that small values survive."""
_STATUS_NAMES = [status.word for status in EpisodeStatus]

_FLOATS = ("steps", "x", "y", "heading", "track_length", "progress", "speed", "steering_angle")
_KEPT = [("all_wheels_on_track", "?"), ("closest_waypoint_prev", "i4"), ("closest_waypoint_next", "i4")]
_KEPT += [*((name, "f8") for name in _FLOATS), ("course", "i4")]
_KEPT_FIELDS = [name for name, _ in _KEPT]
"""Fields of `TELEMETRY` that a trace keeps."""
_STEP = np.dtype([*_KEPT, ("status", "i4"), ("reward", "f8"), ("time", "f8"), ("wall", "f8")], align=True)
_CAPACITY_FIRST = 256
"""Steps that the buffer of an episode holds at first; it doubles when an episode is longer."""


@dataclass(frozen=True, eq=False)
class LoggedEpisode:
    """One episode that has ended.

    Attributes:
        world: Index of its world.
        rows: Its steps, shape (S,): the placing of the car first, the step that ended it last.
    """

    world: int
    rows: NDArray[np.void]

    @property
    def status(self) -> EpisodeStatus:
        """Status with which the episode ended."""
        return EpisodeStatus(int(self.rows["status"][-1]))

    @property
    def reward(self) -> float:
        """Sum of the rewards."""
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
    """Records the first worlds of a batch and returns their episodes as they end.

    Attributes:
        time_s: Clock of the simulation, the same for all worlds [s].
    """

    def __init__(
        self, worlds: int, control_dt: float, *, time_s: float = 0.0, clock: Callable[[], float] = time.time
    ) -> None:
        """Record the first `worlds` worlds.

        Args:
            worlds: Number of recorded worlds W.
            control_dt: Duration of a control step [s].
            time_s: Clock of the simulation at the start [s].
            clock: Returns the wall time [s].
        """
        self.time_s = time_s
        self._dt, self._clock = control_dt, clock
        self._worlds = np.arange(worlds)
        self._rows = np.zeros((worlds, _CAPACITY_FIRST), _STEP)
        self._counts = np.zeros(worlds, np.int64)
        self._new = np.zeros(worlds, _STEP)
        # A view of the telemetry's fields in `_new`: writing into it fills them all at once.
        self._kept = self._new[_KEPT_FIELDS]

    def started(self, telemetry: NDArray[np.void], which: NDArray[np.bool_] | None = None) -> None:
        """Begin the episodes of cars that were placed.

        Args:
            telemetry: TELEMETRY after the placing, shape (N,).
            which: Worlds in which the car was placed, shape (N,); None for all.
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
        """Record a control step; return the episodes that ended with it, in the order of their worlds.

        Args:
            telemetry: TELEMETRY, shape (N,); worlds whose `steps` is 0 wait and are left out.
            status: `EpisodeStatus` of each world, shape (N,).
            rewards: Reward of each world, shape (N,).
        """
        self.time_s += self._dt
        count = len(self._worlds)
        self._take(telemetry)
        self._new["status"], self._new["reward"] = status[:count], rewards[:count]
        # A count of 0 is a world whose episode has ended and whose car was not placed again.
        driven = self._worlds[(self._new["steps"] > 1.0) & (self._counts > 0)]
        self._append(driven)
        ended = driven[self._new["status"][driven] >= int(EpisodeStatus.LAP_COMPLETE)]
        episodes = [LoggedEpisode(int(n), self._rows[n, : self._counts[n]].copy()) for n in ended]
        self._counts[ended] = 0
        return episodes

    def _take(self, telemetry: NDArray[np.void]) -> None:
        self._kept[...] = telemetry[: len(self._worlds)][_KEPT_FIELDS]
        self._new["time"], self._new["wall"] = self.time_s, self._clock()

    def _append(self, worlds: NDArray[np.int64]) -> None:
        if len(worlds) == 0:
            return
        # Doubling keeps the cost of a step constant on average, whatever the length of an episode.
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
        episodes: The episodes.
        first: Number of the first one, counted from 0 over all files.
        actions: Action space, whose index is logged where it is discrete.
        waypoints: Centre line of each course, as reward functions receive it.
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
    """Return the columns of one episode that `_FORMAT` has places for, in its order."""
    count = len(rows)
    steer, speed = rows["steering_angle"].copy(), rows["speed"].copy()
    # Row 0 is the placing of the car, which has no action: DeepRacer logs the first action there.
    if count > 1:
        steer[0], speed[0] = steer[1], speed[1]
    center = points[int(rows["course"][0])]
    ends = [center[rows[f"closest_waypoint_{end}"]] for end in ("prev", "next")]
    # DeepRacer logs the nearer of the two waypoints that the car is between.
    gaps = [np.hypot(rows["x"] - end[:, 0], rows["y"] - end[:, 1]) for end in ends]
    nearest = np.where(gaps[0] <= gaps[1], rows["closest_waypoint_prev"], rows["closest_waypoint_next"])
    return [
        [number] * count,
        *(rows[name].tolist() for name in ("steps", "x", "y", "heading")),
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


def _actions(
    steer: NDArray[np.float64], speed: NDArray[np.float64], actions: ContinuousActions | DiscreteActions
) -> list[Any]:
    """Return the index of each action in the list, or `[steering_angle speed]` as text."""
    if isinstance(actions, DiscreteActions):
        table = np.array(actions.table)
        # The chosen action is in the list, so its distance is 0 and the units of the two parts do not matter.
        return np.abs(steer[:, None] - table[:, 0] + 1j * (speed[:, None] - table[:, 1])).argmin(axis=1).tolist()
    return [f"[{angle:.4f} {rate:.4f}]" for angle, rate in zip(steer.tolist(), speed.tolist(), strict=True)]
