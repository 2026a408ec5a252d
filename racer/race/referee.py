"""Referee of a batch of worlds: counts laps, times and faults, and decides which cars race, wait or are out.

Time is simulation time since the start of a trial, counted in control steps; a line is crossed between two of them,
interpolated linearly in arc length. The clock runs while a penalty is served.

Of two cars that touch, the one behind is at fault (`World.contacts`); the other one drives on. A car that waits to be
put back is off the road: no sensor detects it and no car touches it.
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
from racer.sim.lap_time import crossing_fraction, lap_length
from racer.sim.world import World
from racer.track.track import Track

_ROUNDING = 1e-9


class TrialState(IntEnum):
    """State of a car in its trial."""

    RACING = 0
    LIFTED = 1
    """Off the road until it is put back."""
    PAUSED = 2
    """Waiting where its fault was."""
    DONE = 3


REFEREE_ROW = np.dtype(
    [
        ("state", "i4"),  # a `TrialState`
        ("due", "i8"),  # control step of the trial from which a waiting car may continue
        ("laps", "i4"),  # completed laps
        ("lap_start", "f8"),  # time at which this lap began [s]
        ("added", "f8"),  # penalties of this lap that are added to its time [s]
        ("lap_penalty", "f8"),  # penalties of this lap [s]
        ("lap_off_tracks", "i4"),
        ("lap_collisions", "i4"),
        ("penalty", "f8"),  # penalties of the trial [s]
        ("off_tracks", "i4"),
        ("collisions", "i4"),
        ("resets", "i4"),  # how often the car was put back
        ("best", "f8"),  # time of the shortest lap [s]; 0 for none
        ("fault", "i4"),  # `EpisodeStatus` of the last fault
        ("s_before", "f8"),  # arc length of the front point a control step before the fault [m]
        ("hit", "i4"),  # index of the box that was hit in the last fault; -1 for none
        ("last_box", "i4"),  # index of the last box that was hit at all; -1 for none
        ("hits", "i4"),  # collisions in a row with that box
        ("seconds", "f8"),  # time at which the trial ended [s]
    ]
)
"""Counts of one car in one trial."""


class Referee:
    """Judges each control step of a batch of worlds.

    Attributes:
        rows: Counts of each car, shape (N, C), of dtype `REFEREE_ROW`.
        laps: Laps of the trial so far, for each world and car.
        ended: How the trial ended, a status and a reason, for each world and car; None while it runs.
        tick: Control steps since the start.
        messages: Events of this control step: world, car and text.
    """

    def __init__(self, world: World, rules: Rules, trials: NDArray[np.int64]) -> None:
        """Make the counts of a start.

        Args:
            world: Worlds to judge.
            rules: Rules of the race.
            trials: Number of the trial of each world, from 0, shape (N,).
        """
        self.world, self.rules = world, rules
        self._trials = trials
        shape = world.cars.shape
        self.rows = np.zeros(shape, REFEREE_ROW)
        self.rows["hit"] = self.rows["last_box"] = -1
        self.laps: list[list[list[LapResult]]] = [[[] for _ in range(shape[1])] for _ in range(shape[0])]
        self.ended: list[list[tuple[str, str] | None]] = [[None] * shape[1] for _ in range(shape[0])]
        self.tick = 0
        self.messages: list[tuple[int, int, str]] = []
        self._alone = shape[1] == 1

    @property
    def now(self) -> float:
        """Time since the start [s]."""
        return self.tick * self.world.control_dt

    @property
    def racing(self) -> NDArray[np.bool_]:
        """Cars that drive, shape (N, C)."""
        return self.rows["state"] == TrialState.RACING

    @property
    def over(self) -> bool:
        """Whether all trials have ended."""
        return bool((self.rows["state"] == TrialState.DONE).all())

    def length_of(self, n: int, c: int) -> float:
        """Return the arc length of a car's lap [m]; on an open track it ends at the track's end."""
        return lap_length(self._track_of(n, c), float(self.world.cars["start_s"][n, c]))

    def _track_of(self, n: int, c: int) -> Track:
        # Course 2 k is track k, course 2 k + 1 its reverse.
        return self.world.tracks[int(self.world.cars["course"][n, c]) // 2]

    def judge(self, s_before: NDArray[np.float64], travelled_before: NDArray[np.float64]) -> None:
        """Judge the control step that was just driven.

        Args:
            s_before: Arc length of the front points before it [m], shape (N, C).
            travelled_before: Distance driven in the lap before it [m], shape (N, C).
        """
        self.tick += 1
        # A judged car races again with another status, or leaves the state RACING, so each fault counts once.
        status, racing = self.world.cars["status"], self.racing
        changed = racing & (status >= EpisodeStatus.LAP_COMPLETE)
        if changed.any():
            crashed = changed & (status == EpisodeStatus.CRASHED)
            contacts = self.world.contacts() if crashed.any() else None
            for n, c in np.argwhere(changed).tolist():
                touching = None if contacts is None else contacts[n, c]
                self._judge_car(n, c, touching, float(s_before[n, c]), float(travelled_before[n, c]))
        if self.now >= self.rules.limits.time_s - _ROUNDING:
            for n, c in np.argwhere(self.rows["state"] != TrialState.DONE).tolist():
                # A lap that was completed in this very step has been counted above.
                self.end(n, c, EpisodeStatus.TIME_UP.word, f"it was not done after {self.rules.limits.time_s:g} s")

    def _judge_car(self, n: int, c: int, touching: NDArray[np.int8] | None, s: float, travelled: float) -> None:
        car = self.world.cars[n, c]
        status = EpisodeStatus(int(car["status"]))
        # A car in contact that is behind none of the others is not at fault: it gets its status without the contact.
        if status is EpisodeStatus.CRASHED and touching is not None and not (touching == BEHIND).any():
            status = _status_without_contact(car)
            car["status"] = int(status)
        if status is EpisodeStatus.LAP_COMPLETE:
            self._complete_lap(n, c, travelled)
        elif status in _FAULT_NAMES:
            self._punish(n, c, status, s, touching)

    def _complete_lap(self, n: int, c: int, travelled: float) -> None:
        row, car, control_dt = self.rows[n, c], self.world.cars[n, c], self.world.control_dt
        fraction = crossing_fraction(car, travelled, self._track_of(n, c), control_dt)
        crossed = (self.tick - 1 + fraction) * control_dt
        time_s = crossed - float(row["lap_start"]) + float(row["added"])
        self._write_lap(n, c, time_s)
        row["laps"] += 1
        row["best"] = time_s if row["best"] == 0.0 else min(float(row["best"]), time_s)
        row["lap_start"] = crossed
        self.messages.append((n, c, f"lap {int(row['laps'])} in {time_s:.2f} s"))
        if row["laps"] >= self.rules.laps:
            self.end(n, c, "finished", "")
        else:
            self.world.start_next_lap((n, c))

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
        """Count a fault, then end the trial, pause the car, or take it off the road."""
        rules, row = self.rules, self.rows[n, c]
        penalties = rules.penalties
        off_track, crash = status is EpisodeStatus.OFF_TRACK, status is EpisodeStatus.CRASHED
        rule = rules.collision if crash else rules.off_track
        costs = {EpisodeStatus.CRASHED: penalties.collision_s, EpisodeStatus.OFF_TRACK: penalties.off_track_s}
        seconds = costs.get(status, penalties.stuck_s)
        row["fault"], row["s_before"] = int(status), s
        self._note_box(row, n, touching if crash else None)
        for key, counts in (("off_tracks", off_track), ("collisions", crash)):
            row[key] += counts
            row[f"lap_{key}"] += counts
        if rule == "end":
            self.end(n, c, status.word, f"its first fault ended it: {_FAULT_NAMES[status]}")
            return
        # A paused car stays where it is, so only rules that put back use up resets.
        if rule != "pause" and row["resets"] >= rules.limits.resets:
            self.end(n, c, "resets", f"it would have been put back more than {rules.limits.resets} times")
            return
        row["penalty"] += seconds
        row["lap_penalty"] += seconds
        wait = seconds if penalties.served == "standing" else 0.0
        if penalties.served == "added":
            row["added"] += seconds
        # 2.0 s of 1/15 s steps are 30 steps; the rounding term keeps 30.000000001 from becoming 31.
        row["due"] = self.tick + math.ceil(wait / self.world.control_dt - _ROUNDING)
        cost = f", {seconds:g} s" if seconds else ""
        self.messages.append((n, c, f"{_FAULT_NAMES[status]}{cost}"))
        if rule == "pause":
            row["state"] = int(TrialState.PAUSED)
            self.world.halt((n, c))
        else:
            self._lift(n, c)

    def _note_box(self, row: np.void, n: int, touching: NDArray[np.int8] | None) -> None:
        """Write which box was hit, and how often in a row."""
        boxes = self.world.objects[n]["kind"] == BOX
        hit = [] if touching is None else np.flatnonzero((touching[: len(boxes)] == BEHIND) & boxes).tolist()
        row["hit"] = hit[0] if hit else -1
        if hit:
            row["hits"] = row["hits"] + 1 if row["hit"] == row["last_box"] else 1
            row["last_box"] = row["hit"]

    def _lift(self, n: int, c: int) -> None:
        """Take a car off the road until it is put back."""
        self.rows["state"][n, c] = int(TrialState.LIFTED)
        # Where a car is alone in its world, bots stand while it waits, so it need not be removed.
        if not self._alone:
            self.world.remove((n, c))

    def release(self, n: int, c: int) -> None:
        """Let a car race that was put back on the road."""
        self.rows["state"][n, c] = int(TrialState.RACING)
        self.rows["resets"][n, c] += 1

    def forget_hits(self, n: int, c: int) -> None:
        """Count collisions with a box from zero, after the car was put ahead of it."""
        self.rows["hits"][n, c] = 0

    def end(self, n: int, c: int, status: str, reason: str) -> None:
        """End the trial of a car and take it off the road.

        Args:
            n: World.
            c: Car.
            status: `finished`, the name of a fault's status, `time_up`, `resets` or `out`.
            reason: Explanation; empty where the car finished.
        """
        row, car = self.rows[n, c], self.world.cars[n, c]
        if row["state"] == TrialState.DONE:
            return
        row["state"] = int(TrialState.DONE)
        # A finished car's last lap ended when the next one would have started, between two control steps.
        row["seconds"] = row["lap_start"] if status == "finished" else self.now
        self.ended[n][c] = (status, reason)
        if status != "finished":
            self._write_lap(n, c, None)
            self.messages.append((n, c, status.replace("_", " ")))
            # An ended status keeps the kernels from driving the car on.
            if car["status"] <= EpisodeStatus.IN_PROGRESS:
                car["status"] = int(EpisodeStatus.TIME_UP)
        if not self._alone:
            self.world.remove((n, c))

    def due(self) -> list[tuple[int, int]]:
        """Return the cars off the road that may be put back, in the order of worlds and slots."""
        ready = (self.rows["state"] == TrialState.LIFTED) & (self.rows["due"] <= self.tick)
        return [(n, c) for n, c in np.argwhere(ready).tolist()]

    def end_pauses(self) -> None:
        """Let cars continue whose pause is over; those that still touch something are taken off the road."""
        over = (self.rows["state"] == TrialState.PAUSED) & (self.rows["due"] <= self.tick)
        if not over.any():
            return
        contacts = self.world.contacts()
        for n, c in np.argwhere(over).tolist():
            if (contacts[n, c] != NO_CONTACT).any():
                self._lift(n, c)
            else:
                self.world.resume((n, c))
                self.rows["state"][n, c] = int(TrialState.RACING)

    def progress(self) -> NDArray[np.float64]:
        """Return the laps driven, with the part of the current one, shape (N, C)."""
        laps = self.rows["laps"].astype(np.float64)
        # Below 1: a lap counts from `_complete_lap` on, not before.
        part = np.clip(self.world.cars["progress"] / 100.0, 0.0, 1.0 - 1e-9)
        return np.where(laps >= self.rules.laps, laps, laps + part)


_FAULT_NAMES = {
    EpisodeStatus.OFF_TRACK: "off track",
    EpisodeStatus.CRASHED: "collision",
    EpisodeStatus.IMMOBILIZED: "stuck",
    EpisodeStatus.REVERSED: "driving backwards",
}


def _status_without_contact(car: np.void) -> EpisodeStatus:
    """Return the status of a car that another one ran into, by the rules of `racer.sim.step` without the crash."""
    # The order is that of the kernel: the first condition that holds decides.
    if car["wheels_on"] == 0:
        return EpisodeStatus.OFF_TRACK
    if car["progress"] >= 100.0:
        return EpisodeStatus.LAP_COMPLETE
    if car["stuck_steps"] >= STUCK_STEPS:
        return EpisodeStatus.IMMOBILIZED
    if car["backward_steps"] >= BACKWARD_STEPS:
        return EpisodeStatus.REVERSED
    return EpisodeStatus.IN_PROGRESS
