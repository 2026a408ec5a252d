"""The referee of a batch of worlds: counts laps, times and faults, and says who goes on, waits or is out.

Time is simulation time since the start of a trial, which control steps count; a line is crossed between two of them,
linearly in arc length. The clock runs on while a penalty is served.

Of two cars that touch, the one behind is at fault (`World.contacts`); the other one drives on. A car that waits to be
put back is off the road: nobody sees or touches it.
"""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from racer.config.rules import Rules
from racer.race.result import LapResult
from racer.sim.contact import BEHIND, NO_CONTACT
from racer.sim.dtypes import BACKWARD_STEPS, BOX, STUCK_STEPS, EpisodeStatus
from racer.sim.world import World

_ROUNDING = 1e-9


class TrialState(IntEnum):
    """How a car stands in its trial."""

    RACING = 0
    LIFTED = 1
    """Off the road until it is put back."""
    PAUSED = 2
    """It stands where its fault was."""
    DONE = 3


REFEREE_ROW = np.dtype(
    [
        ("stand", "i4"),  # a `Stand`
        ("due", "i8"),  # control step of the trial from which a car that waits may go on
        ("laps", "i4"),  # completed
        ("began", "f8"),  # s, when this lap began
        ("added", "f8"),  # s of penalties of this lap that are added to its time
        ("lap_penalty", "f8"),  # s of penalties of this lap
        ("lap_off_tracks", "i4"),
        ("lap_collisions", "i4"),
        ("penalty", "f8"),  # s, of the trial
        ("off_tracks", "i4"),
        ("collisions", "i4"),
        ("resets", "i4"),
        ("best", "f8"),  # s of the shortest lap; 0: none
        ("fault", "i4"),  # `Status` of the last fault
        ("s_before", "f8"),  # m, arc length of the front point a control step before the fault
        ("hit", "i4"),  # number of the box that was hit in the last fault; -1: none
        ("box", "i4"),  # the last box that was ever hit, likewise
        ("hits", "i4"),  # how often in a row it was this one
        ("seconds", "f8"),  # s, when the trial ended
    ]
)
"""What the referee knows of one car in one trial."""


class Referee:
    """See above.

    Attributes:
        rows: (N, C) TALLY.
        laps: for each world and car the laps of the trial so far.
        ended: for each world and car how the trial ended, a word and a reason; None where it has not.
        tick: control steps since the start.
        told: what happened at this step: (world, car, words).
    """

    def __init__(self, world: World, rules: Rules, trials: NDArray[np.int64]) -> None:
        """Before the start.

        Args:
            trials: (N,) number of the trial of each world, from 0.
        """
        self.world, self.rules = world, rules
        self._trials = trials
        shape = world.cars.shape
        self.rows = np.zeros(shape, REFEREE_ROW)
        self.rows["hit"] = self.rows["box"] = -1
        self.laps: list[list[list[LapResult]]] = [[[] for _ in range(shape[1])] for _ in range(shape[0])]
        self.ended: list[list[tuple[str, str] | None]] = [[None] * shape[1] for _ in range(shape[0])]
        self.tick = 0
        self.told: list[tuple[int, int, str]] = []
        self._alone = shape[1] == 1

    @property
    def now(self) -> float:
        """s since the start."""
        return self.tick * self.world.control_dt

    @property
    def racing(self) -> NDArray[np.bool_]:
        """(N, C) cars that drive."""
        return self.rows["stand"] == TrialState.RACING

    @property
    def over(self) -> bool:
        """Whether all trials have ended."""
        return bool((self.rows["stand"] == TrialState.DONE).all())

    def length_of(self, n: int, c: int) -> float:
        """m of arc of a car's lap."""
        course, car = self.world.tables.courses[self.world.cars["course"][n, c]], self.world.cars[n, c]
        if course["closed"]:
            return float(course["length"])
        return max(float(course["length"] - car["start_s"]), _ROUNDING)

    def judge(self, s_before: NDArray[np.float64], travelled_before: NDArray[np.float64]) -> None:
        """Judge the control step that was just driven.

        Args:
            s_before: (N, C) m, arc length of the front points before it.
            travelled_before: (N, C) m, likewise.
        """
        self.tick += 1
        status, racing = self.world.cars["status"], self.racing
        news = racing & (status >= EpisodeStatus.LAP_COMPLETE)
        if news.any():
            crashed = news & (status == EpisodeStatus.CRASHED)
            contacts = self.world.contacts() if crashed.any() else None
            for n, c in np.argwhere(news).tolist():
                touching = None if contacts is None else contacts[n, c]
                self._judge_one(n, c, touching, float(s_before[n, c]), float(travelled_before[n, c]))
        if self.now >= self.rules.limits.time_s - _ROUNDING:
            for n, c in np.argwhere(self.rows["stand"] != TrialState.DONE).tolist():
                self.end(n, c, EpisodeStatus.TIME_UP.word, f"it was not done after {self.rules.limits.time_s:g} s")

    def _judge_one(self, n: int, c: int, touching: NDArray[np.int8] | None, s: float, travelled: float) -> None:
        car = self.world.cars[n, c]
        status = EpisodeStatus(int(car["status"]))
        if status is EpisodeStatus.CRASHED and touching is not None and not (touching == BEHIND).any():
            status = _status_without_contact(car)
            car["status"] = int(status)
        if status is EpisodeStatus.LAP_COMPLETE:
            self._complete_lap(n, c, travelled)
        elif status in (
            EpisodeStatus.OFF_TRACK,
            EpisodeStatus.CRASHED,
            EpisodeStatus.IMMOBILIZED,
            EpisodeStatus.REVERSED,
        ):
            self._punish(n, c, status, s, touching)

    def _complete_lap(self, n: int, c: int, travelled: float) -> None:
        row, car, length = self.rows[n, c], self.world.cars[n, c], self.length_of(n, c)
        moved = float(car["travelled"]) - travelled
        if not self.world.tables.courses[car["course"]]["closed"]:
            # An open course has no arc length beyond its end, where the car is by now.
            moved = max(moved, math.hypot(float(car["vx"]), float(car["vy"])) * self.world.control_dt)
        share = min(max((length - travelled) / moved, 0.0), 1.0) if moved > 0.0 else 1.0
        crossed = (self.tick - 1 + share) * self.world.control_dt
        time_s = crossed - float(row["began"]) + float(row["added"])
        self._write_lap(n, c, time_s)
        row["laps"] += 1
        row["best"] = time_s if row["best"] == 0.0 else min(float(row["best"]), time_s)
        row["began"] = crossed
        self.told.append((n, c, f"lap {int(row['laps'])} in {time_s:.2f} s"))
        if row["laps"] >= self.rules.laps:
            self.end(n, c, "finished", "")
            return
        car["travelled"] -= length
        car["progress"] = 100.0 * car["travelled"] / length
        car["status"] = int(EpisodeStatus.IN_PROGRESS)

    def _write_lap(self, n: int, c: int, time_s: float | None) -> None:
        row = self.rows[n, c]
        lap = LapResult(
            trial=int(self._trials[n]) + 1,
            number=int(row["laps"]) + 1,
            time_s=time_s,
            penalty_s=float(row["lap_penalty"]),
            off_tracks=int(row["lap_off_tracks"]),
            collisions=int(row["lap_collisions"]),
        )
        self.laps[n][c].append(lap)
        for key in ("added", "lap_penalty", "lap_off_tracks", "lap_collisions"):
            row[key] = 0

    def _punish(self, n: int, c: int, status: EpisodeStatus, s: float, touching: NDArray[np.int8] | None) -> None:
        """Count a fault, and end the trial, pause the car, or take it off the road."""
        rules, row = self.rules, self.rows[n, c]
        penalties = rules.penalties
        crash = status is EpisodeStatus.CRASHED
        rule = rules.collision if crash else rules.off_track
        seconds = (
            penalties.collision_s
            if crash
            else penalties.off_track_s
            if status is EpisodeStatus.OFF_TRACK
            else penalties.stuck_s
        )
        row["fault"], row["s_before"] = int(status), s
        self._note_box(row, n, touching if crash else None)
        for key, counts in (("off_tracks", status is EpisodeStatus.OFF_TRACK), ("collisions", crash)):
            row[key] += counts
            row[f"lap_{key}"] += counts
        if rule == "end":
            self.end(n, c, status.word, f"its first fault ended it: {_FAULT_NAMES[status]}")
            return
        if rule != "pause" and row["resets"] >= rules.limits.resets:
            self.end(n, c, "resets", f"it would have been put back more than {rules.limits.resets} times")
            return
        row["penalty"] += seconds
        row["lap_penalty"] += seconds
        wait = seconds if penalties.served == "standing" else 0.0
        if penalties.served == "added":
            row["added"] += seconds
        row["due"] = self.tick + math.ceil(wait / self.world.control_dt - _ROUNDING)
        cost = f", {seconds:g} s" if seconds else ""
        self.told.append((n, c, f"{_FAULT_NAMES[status]}{cost}"))
        if rule == "pause":
            row["stand"] = int(TrialState.PAUSED)
            for key in ("vx", "vy", "yaw_rate", "ax", "ay"):
                self.world.cars[key][n, c] = 0.0
        else:
            self.lift(n, c)

    def _note_box(self, row: np.void, n: int, touching: NDArray[np.int8] | None) -> None:
        """Which box was hit, and how often in a row."""
        boxes = self.world.objects[n]["kind"] == BOX
        found = [] if touching is None else np.flatnonzero((touching[: len(boxes)] == BEHIND) & boxes).tolist()
        row["hit"] = found[0] if found else -1
        if found:
            row["hits"] = row["hits"] + 1 if row["hit"] == row["box"] else 1
            row["box"] = row["hit"]

    def lift(self, n: int, c: int) -> None:
        """Take a car off the road until it is put back."""
        self.rows["stand"][n, c] = int(TrialState.LIFTED)
        if not self._alone:
            self.world.cars["active"][n, c] = 0

    def end(self, n: int, c: int, word: str, reason: str) -> None:
        """End the trial of a car and take it off the road."""
        row, car = self.rows[n, c], self.world.cars[n, c]
        if row["stand"] == TrialState.DONE:
            return
        row["stand"] = int(TrialState.DONE)
        row["seconds"] = row["began"] if word == "finished" else self.now
        self.ended[n][c] = (word, reason)
        if word != "finished":
            self._write_lap(n, c, None)
            self.told.append((n, c, word.replace("_", " ")))
            if car["status"] <= EpisodeStatus.IN_PROGRESS:
                car["status"] = int(EpisodeStatus.TIME_UP)
        if not self._alone:
            car["active"] = 0

    def due(self) -> list[tuple[int, int]]:
        """Cars off the road that may be put back, in the order of worlds and slots."""
        ready = (self.rows["stand"] == TrialState.LIFTED) & (self.rows["due"] <= self.tick)
        return [(n, c) for n, c in np.argwhere(ready).tolist()]

    def end_pauses(self) -> None:
        """Let cars go on whose pause is over; those that still touch what they ran into are lifted."""
        over = (self.rows["stand"] == TrialState.PAUSED) & (self.rows["due"] <= self.tick)
        if not over.any():
            return
        contacts = self.world.contacts()
        for n, c in np.argwhere(over).tolist():
            if (contacts[n, c] != NO_CONTACT).any():
                self.lift(n, c)
                continue
            car = self.world.cars[n, c]
            car["status"] = int(EpisodeStatus.IN_PROGRESS)
            car["stuck_steps"] = car["backward_steps"] = 0
            self.rows["stand"][n, c] = int(TrialState.RACING)

    def progress(self) -> NDArray[np.float64]:
        """(N, C) laps driven, with the part of the present one."""
        laps = self.rows["laps"].astype(np.float64)
        part = np.clip(self.world.cars["progress"] / 100.0, 0.0, 1.0 - 1e-9)
        return np.where(laps >= self.rules.laps, laps, laps + part)


_FAULT_NAMES = {
    EpisodeStatus.OFF_TRACK: "off track",
    EpisodeStatus.CRASHED: "collision",
    EpisodeStatus.IMMOBILIZED: "stuck",
    EpisodeStatus.REVERSED: "driving backwards",
}


def _status_without_contact(car: np.void) -> EpisodeStatus:
    """How a car stands that somebody else ran into; as `racer.sim.step.judge` has it without the crash."""
    if car["wheels_on"] == 0:
        return EpisodeStatus.OFF_TRACK
    if car["progress"] >= 100.0:
        return EpisodeStatus.LAP_COMPLETE
    if car["stuck_steps"] >= STUCK_STEPS:
        return EpisodeStatus.IMMOBILIZED
    if car["backward_steps"] >= BACKWARD_STEPS:
        return EpisodeStatus.REVERSED
    return EpisodeStatus.IN_PROGRESS
