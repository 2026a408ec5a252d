"""Holds what a viewer shows as plain data, and the clock that moves through it.

`Stage` stays the same while something is watched; `Moment` is what changes. A `PlaybackSource` gives the rows of a
replay, or of a simulation that is still driven; `Playback` turns clock time into a place in them, forwards and back.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from racer.config.env import VehicleConfig
from racer.replay import ABSENT, CarHeader, Replay, ReplayError, ReplayEvent
from racer.sim.appearance import CAR_COLOURS
from racer.sim.dtypes import EpisodeStatus
from racer.sim.recorder import ReplayRecorder
from racer.track.track import Colour, Track, TrackAppearance

JUMP_DISTANCE = 0.75
"""Distance [m]; a car that moves further in one control step was put there."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """What does not change while something is watched.

    Attributes:
        track: Track of all cars.
        vehicle: Vehicle of all cars.
        control_dt: Length of a control step [s].
        cars: Headers of the cars.
        speed_top: Speed at the upper end of the colours of trails [m/s].
    """

    track: Track
    vehicle: VehicleConfig
    control_dt: float
    cars: tuple[CarHeader, ...]
    speed_top: float

    def colour(self, car: int) -> Colour:
        """Return the colour of a car."""
        return CAR_COLOURS[car % len(CAR_COLOURS)]


@dataclass(frozen=True, kw_only=True, eq=False)
class Moment:
    """Everything that moves, at one time.

    Attributes:
        at: Control steps since the start, with a fraction.
        rows: Cars, positions interpolated between two control steps, shape (K,), of dtype `CAR_ROW`.
        objects: Boxes and bots, shape (M,), of dtype `OBJECT_ROW`.
        past: Cars up to this moment, for trails and averages, shape (T, K), of dtype `CAR_ROW`.
        event: Text of the newest event; empty for none.
    """

    at: float
    rows: NDArray[np.void]
    objects: NDArray[np.void]
    past: NDArray[np.void]
    event: str = ""

    def objects_of(self, world: int) -> NDArray[np.void]:
        """Return the boxes and bots of one world; cars of other worlds (ghosts) do not meet them."""
        return self.objects[(self.objects["active"] != 0) & (self.objects["world"] == world)]


def stage_from_replay(replay: Replay) -> Stage:
    """Make the stage of a replay.

    Raises:
        ReplayError: The track's appearance has unknown fields.
    """
    header = replay.header
    fields = dict(header.track)
    try:
        look = TrackAppearance(**{key: tuple(v) if isinstance(v, list) else v for key, v in header.track.look.items()})  # type: ignore[arg-type]
    except TypeError:
        raise ReplayError(
            f"the appearance of the replay's track `{header.track.name}` has unknown fields; update racer"
        ) from None
    track = Track(**(fields | {"look": look}), center=replay.center, left=replay.left, right=replay.right)
    return Stage(
        track=track,
        vehicle=header.vehicle,
        control_dt=1.0 / header.control_rate_hz,
        cars=header.cars,
        # The fastest hundredth is left out: a single spin would darken all trails.
        speed_top=max(float(np.percentile(replay.rows["speed"], 99.0)), 0.5),
    )


def interpolate_rows(before: NDArray[np.void], after: NDArray[np.void], fraction: float) -> NDArray[np.void]:
    """Return rows between two control steps; a car that was placed elsewhere keeps its earlier row until the later one.

    All fields except position, direction, speed and progress are those of the earlier step.

    Args:
        before: Rows of the earlier step, shape (K,).
        after: Rows of the later step, shape (K,).
        fraction: Part of the step that has passed, 0..1.
    """
    if fraction >= 1.0:
        return after
    out = before.copy()
    # A respawned car would slide across the road otherwise.
    moved = np.hypot(after["x"] - before["x"], after["y"] - before["y"])
    driven = (moved <= JUMP_DISTANCE) & (before["status"] != ABSENT) & (after["status"] != ABSENT)
    part = np.where(driven, fraction, 0.0)
    for key in ("x", "y", "steer", "speed", "lap_time", "progress"):
        gained = after[key] - before[key]
        if key in ("lap_time", "progress"):  # they fall back to 0 where a lap begins
            gained = np.maximum(gained, 0.0)
        out[key] = before[key] + gained * part
    # The smaller turn, across the jump from pi to -pi.
    turn = after["yaw"] - before["yaw"]
    out["yaw"] = before["yaw"] + (turn - 2.0 * np.pi * np.rint(turn / (2.0 * np.pi))) * part
    return out


def rank_cars(rows: NDArray[np.void]) -> list[int]:
    """Return the cars from first to last, by recorded rank, else by laps and progress; absent cars are left out."""
    here = np.flatnonzero(rows["status"] != ABSENT)
    # Drives without rules have rank 0 throughout; they are ordered by laps and progress.
    ranked = rows["rank"][here] > 0
    place = np.where(ranked, rows["rank"][here], 1 << 14)
    order = np.lexsort((here, -rows["progress"][here], -rows["laps"][here].astype(np.int64), place))
    return [int(car) for car in here[order]]


def status_text(row: NDArray[np.void]) -> str:
    """Return the status of a car as text; empty while it drives."""
    value = int(row["status"])
    if value in (ABSENT, EpisodeStatus.PREPARE, EpisodeStatus.IN_PROGRESS):
        return ""
    try:
        return EpisodeStatus(value).word.replace("_", " ")
    except ValueError:  # of a newer version
        return f"status {value}"


class PlaybackSource(Protocol):
    """A drive that is kept from its start on, and may continue.

    Attributes:
        stage: What does not change.
    """

    stage: Stage

    @property
    def rows(self) -> NDArray[np.void]:
        """Cars at all control steps so far, at least one, shape (T, K), of dtype `CAR_ROW`."""

    @property
    def length(self) -> int | None:
        """Number of control steps at the end; None while it is unknown."""

    @property
    def events(self) -> Sequence[ReplayEvent]:
        """Events so far, in their order."""

    def objects_at(self, step: int) -> NDArray[np.void]:
        """Return the boxes and bots at one of the steps so far, shape (M,), of dtype `OBJECT_ROW`."""

    def step(self) -> bool:
        """Drive a control step, which adds a row; return False where the drive has ended."""

    def reset(self) -> None:
        """Start again; without effect on a replay."""


class ReplaySource:
    """A `PlaybackSource` of a replay: all rows exist from the start."""

    def __init__(self, replay: Replay) -> None:
        """Make the stage.

        Raises:
            ReplayError: The replay's track cannot be shown.
        """
        self.stage = stage_from_replay(replay)
        self.rows, self.events, self.objects_at = replay.rows, replay.header.events, replay.objects_at
        self.length = len(replay.rows)

    def step(self) -> bool:
        """Return False: a replay has no further steps."""
        return False

    def reset(self) -> None:
        """Keep everything as it is."""


class RecordedSource:
    """The part of a `PlaybackSource` that reads from the recorder of a simulation.

    Attributes:
        stage: What does not change.
        recorder: Records every control step.
    """

    stage: Stage
    recorder: ReplayRecorder

    @property
    def rows(self) -> NDArray[np.void]:
        """Cars at all control steps so far, shape (T, K), of dtype `CAR_ROW`."""
        return self.recorder.rows

    @property
    def events(self) -> Sequence[ReplayEvent]:
        """Events so far, in their order."""
        return self.recorder.events

    def objects_at(self, step: int) -> NDArray[np.void]:
        """Return the boxes and bots at one of the steps so far, shape (M,), of dtype `OBJECT_ROW`."""
        return self.recorder.objects[step]


SPEED_MIN, SPEED_MAX = 0.25, 64.0
"""Slowest and fastest playback, as multiples of real time."""
_EVENT_S = 2.5
"""Simulation time for which an event is shown [s]."""
_WORK_S = 0.012
"""Part of a frame that driving may take [s]; a machine that is too slow for a speed shows a lower one."""


class Playback:
    """A position in a source that moves with the clock.

    Attributes:
        source: What is played.
        at: Control steps since the start, with a fraction.
        paused: True while the clock has no effect.
        speed: Speed as a multiple of real time.
    """

    def __init__(self, source: PlaybackSource, *, clock: Callable[[], float] = time.perf_counter) -> None:
        """Begin at the start of the source, at normal speed; `clock` [s] limits the work in a frame."""
        self.source = source
        self.at = 0.0
        self.paused = False
        self.speed = 1.0
        self._clock = clock

    @property
    def ended(self) -> bool:
        """True where the last row of a source that has ended is shown."""
        return self.source.length is not None and self.at >= self.source.length - 1

    def tick(self, seconds: float) -> None:
        """Let clock time [s] pass."""
        if not self.paused:
            self._move_to(self.at + seconds * self.speed / self.source.stage.control_dt, limited=True)

    def step(self, steps: int = 1) -> None:
        """Pause, and move to the next whole control step, or back to one."""
        self.paused = True
        # From 7.5 a step ahead leads to 8 and a step back to 7; the tolerance absorbs sums of frame times.
        whole = math.floor(self.at + 1e-9) if steps > 0 else math.ceil(self.at - 1e-9)
        self._move_to(float(whole + steps))

    def seek(self, at: float) -> None:
        """Move to a control step between the start and the last recorded row."""
        self.at = min(max(at, 0.0), float(len(self.source.rows) - 1))

    def skip(self, seconds: float) -> None:
        """Move ahead or back by simulation time [s], within the recorded rows."""
        self.seek(self.at + seconds / self.source.stage.control_dt)

    def restart(self) -> None:
        """Start the source again."""
        self.source.reset()
        self.at = 0.0

    def moment(self) -> Moment:
        """Return what is shown now."""
        rows = self.source.rows
        first = min(int(self.at), len(rows) - 1)
        after = min(first + 1, len(rows) - 1)
        return Moment(
            at=self.at,
            rows=interpolate_rows(rows[first], rows[after], self.at - first) if after > first else rows[first],
            objects=self.source.objects_at(first),
            past=rows[: first + 1],
            event=self._newest_event(first),
        )

    def _newest_event(self, step: int) -> str:
        # The newest event counts, also where an older one still lies within the time.
        reach = _EVENT_S / self.source.stage.control_dt
        return next((event.text for event in reversed(self.source.events) if step - reach < event.step <= step), "")

    def _move_to(self, target: float, *, limited: bool = False) -> None:
        """Move as far as the source goes, and where `limited` as far as a frame's time allows."""
        # At least one step a frame, so that also a slow simulation advances.
        end = self._clock() + _WORK_S
        while len(self.source.rows) - 1 < target:
            if not self.source.step() or (limited and self._clock() > end):
                break
        self.seek(target)
