"""What is to be drawn, as plain data: the stage, which stays, and the moment, which passes.

Where what is watched comes from: one protocol for a replay and for a simulation that goes on.

When is now: time of simulation against time of the clock, forwards and back.
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
from racer.track.track import Colour, Track, TrackAppearance

JUMP_DISTANCE = 0.75
"""m; a car that moves further than this in one control step was put there."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Stage:
    """What does not change while something is watched; `speed_top` (m/s) is the end of the colours of trails."""

    track: Track
    vehicle: VehicleConfig
    control_dt: float
    cars: tuple[CarHeader, ...]
    speed_top: float

    def colour(self, car: int) -> Colour:
        """A car's own colour."""
        return CAR_COLOURS[car % len(CAR_COLOURS)]


@dataclass(frozen=True, kw_only=True, eq=False)
class Moment:
    """Everything that moves, at one time.

    Attributes:
        at: control steps since the start, with a fraction.
        rows: (K,) ROW, positions between two control steps.
        things: (M,) THING.
        past: (T, K) ROW up to this moment, for trails and averages.
    """

    at: float
    rows: NDArray[np.void]
    things: NDArray[np.void]
    past: NDArray[np.void]
    said: str = ""
    """What has just happened, for people."""

    def things_of(self, world: int) -> NDArray[np.void]:
        """What stands or drives on the road in one world; that of others are ghosts' own."""
        return self.things[(self.things["active"] != 0) & (self.things["world"] == world)]


def stage_from_replay(replay: Replay) -> Stage:
    """The stage of a replay.

    Raises:
        ReplayError: its track's look is not one.
    """
    header = replay.header
    fields = dict(header.track)
    try:
        look = TrackAppearance(**{key: tuple(v) if isinstance(v, list) else v for key, v in header.track.look.items()})  # type: ignore[arg-type]
    except TypeError:
        raise ReplayError(f"the replay's track `{header.track.name}` is painted in a way that is not known") from None
    track = Track(**(fields | {"look": look}), center=replay.center, left=replay.left, right=replay.right)
    return Stage(
        track=track,
        vehicle=header.vehicle,
        control_dt=1.0 / header.control_rate_hz,
        cars=header.cars,
        speed_top=max(float(np.percentile(replay.rows["speed"], 99.0)), 0.5),
    )


def interpolate_rows(before: NDArray[np.void], after: NDArray[np.void], share: float) -> NDArray[np.void]:
    """Rows between two control steps; a car that was put somewhere stays until the later one.

    All but place, direction and speed are those of the earlier step until the later one is reached.
    """
    if share >= 1.0:
        return after
    out = before.copy()
    moved = np.hypot(after["x"] - before["x"], after["y"] - before["y"])
    driven = (moved <= JUMP_DISTANCE) & (before["status"] != ABSENT) & (after["status"] != ABSENT)
    part = np.where(driven, share, 0.0)
    for key in ("x", "y", "steer", "speed", "lap_time", "progress"):
        gained = after[key] - before[key]
        if key in ("lap_time", "progress"):
            gained = np.where(gained < 0.0, 0.0, gained)
        out[key] = before[key] + gained * part
    turn = after["yaw"] - before["yaw"]
    out["yaw"] = before["yaw"] + (turn - 2.0 * np.pi * np.rint(turn / (2.0 * np.pi))) * part
    return out


def rank_cars(rows: NDArray[np.void]) -> list[int]:
    """Cars from first to last: as they were ranked, else by laps and progress; absent cars are left out."""
    here = np.flatnonzero(rows["status"] != ABSENT)
    ranked = rows["rank"][here] > 0
    place = np.where(ranked, rows["rank"][here], 1 << 14)
    order = np.lexsort((here, -rows["progress"][here], -rows["laps"][here].astype(np.int64), place))
    return [int(car) for car in here[order]]


def status_text(row: NDArray[np.void]) -> str:
    """How a car stands, in words; empty while it drives."""
    value = int(row["status"])
    if value in (ABSENT, EpisodeStatus.PREPARE, EpisodeStatus.IN_PROGRESS):
        return ""
    try:
        return EpisodeStatus(value).word.replace("_", " ")
    except ValueError:
        return f"status {value}"


class PlaybackSource(Protocol):
    """A drive that is remembered from its start on, and may go on.

    Attributes:
        stage: what does not change.
    """

    stage: Stage

    @property
    def rows(self) -> NDArray[np.void]:
        """(T, K) ROW of all control steps so far; at least one."""

    @property
    def length(self) -> int | None:
        """Control steps that there will ever be; None where nobody knows."""

    @property
    def events(self) -> Sequence[ReplayEvent]:
        """What happened so far that is worth a line, in its order."""

    def things_at(self, step: int) -> NDArray[np.void]:
        """(M,) THING at one of the steps so far."""

    def step(self) -> bool:
        """Go on by a control step, so that there is one more row; False where it has ended."""

    def reset(self) -> None:
        """Start anew; a replay has nothing to do."""


class ReplaySource:
    """A replay: all of it is there from the start."""

    def __init__(self, replay: Replay) -> None:
        """Make the stage.

        Raises:
            ReplayError: its track cannot be shown.
        """
        self.stage = stage_from_replay(replay)
        self._replay = replay

    @property
    def rows(self) -> NDArray[np.void]:
        """See `Source`."""
        return self._replay.rows

    @property
    def length(self) -> int | None:
        """See `Source`."""
        return len(self._replay.rows)

    @property
    def events(self) -> Sequence[ReplayEvent]:
        """See `Source`."""
        return self._replay.header.events

    def things_at(self, step: int) -> NDArray[np.void]:
        """See `Source`."""
        return self._replay.things_at(step)

    def step(self) -> bool:
        """There is no more."""
        return False

    def reset(self) -> None:
        """Nothing to do."""


SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Times real time."""
NORMAL = SPEEDS.index(1.0)
_EVENT_S = 2.5
"""s of simulation for which an event is shown."""
_WORK_S = 0.012
"""s of a frame that a simulation may take; a machine that is too slow for a speed shows a lower one."""


class Playback:
    """A place in a source that moves with the clock.

    Attributes:
        at: control steps since the start, with a fraction.
        paused: the clock is not followed.
        gear: index into `SPEEDS`.
    """

    def __init__(self, source: PlaybackSource, *, clock: Callable[[], float] = time.perf_counter) -> None:
        """At the start of the source, at normal speed. `clock` tells seconds, for the limit of work in a frame."""
        self.source = source
        self.at = 0.0
        self.paused = False
        self.gear = NORMAL
        self._clock = clock

    @property
    def speed(self) -> float:
        """Times real time."""
        return SPEEDS[self.gear]

    @property
    def ended(self) -> bool:
        """Whether the last row of a source that does not go on is shown."""
        return self.source.length is not None and self.at >= self.source.length - 1

    def tick(self, seconds: float) -> None:
        """Let `seconds` of the clock pass."""
        if not self.paused:
            self._go_to(self.at + seconds * self.speed / self.source.stage.control_dt, limited=True)

    def step(self, steps: int = 1) -> None:
        """Pause, and go to the next whole control step, or back to one."""
        self.paused = True
        whole = math.floor(self.at + 1e-9) if steps > 0 else math.ceil(self.at - 1e-9)
        self._go_to(float(whole + steps))

    def seek(self, at: float) -> None:
        """Go to a place between the start and what there is."""
        self.at = min(max(at, 0.0), float(len(self.source.rows) - 1))

    def skip(self, seconds: float) -> None:
        """Go ahead or back by seconds of simulation, within what there is."""
        self.seek(self.at + seconds / self.source.stage.control_dt)

    def restart(self) -> None:
        """From the start, anew."""
        self.source.reset()
        self.at = 0.0

    def moment(self) -> Moment:
        """What is to be seen now."""
        rows = self.source.rows
        first = min(int(self.at), len(rows) - 1)
        after = min(first + 1, len(rows) - 1)
        return Moment(
            at=self.at,
            rows=interpolate_rows(rows[first], rows[after], self.at - first) if after > first else rows[first],
            things=self.source.things_at(first),
            past=rows[: first + 1],
            said=self._said(first),
        )

    def _said(self, step: int) -> str:
        """The newest event of the last seconds."""
        reach = _EVENT_S / self.source.stage.control_dt
        said = [event.text for event in self.source.events if step - reach < event.step <= step]
        return said[-1] if said else ""

    def _go_to(self, wanted: float, *, limited: bool = False) -> None:
        """Move on as far as the source goes, and where `limited` as far as a frame's time allows."""
        end = self._clock() + _WORK_S
        while len(self.source.rows) - 1 < wanted:
            if not self.source.step() or (limited and self._clock() > end):
                break
        self.at = min(max(wanted, 0.0), float(len(self.source.rows) - 1))
