"""What is to be drawn, as plain data: the stage, which stays, and the moment, which passes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.config.vehicle import VehicleConfig
from racer.replay import ABSENT, CarHeader, Replay, ReplayError
from racer.sim.camera.rows import CAR_COLOURS
from racer.sim.status import Status
from racer.track.track import Colour, Look, Track

BOT_COLOUR: Colour = (150, 152, 158)
JUMP = 0.75
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


def stage_of(replay: Replay) -> Stage:
    """The stage of a replay.

    Raises:
        ReplayError: its track's look is not one.
    """
    header = replay.header
    fields = dict(header.track)
    try:
        look = Look(**{key: tuple(v) if isinstance(v, list) else v for key, v in header.track.look.items()})  # type: ignore[arg-type]
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


def blend(before: NDArray[np.void], after: NDArray[np.void], share: float) -> NDArray[np.void]:
    """Rows between two control steps; a car that was put somewhere stays until the later one.

    All but place, direction and speed are those of the earlier step until the later one is reached.
    """
    if share >= 1.0:
        return after
    out = before.copy()
    moved = np.hypot(after["x"] - before["x"], after["y"] - before["y"])
    driven = (moved <= JUMP) & (before["status"] != ABSENT) & (after["status"] != ABSENT)
    part = np.where(driven, share, 0.0)
    for key in ("x", "y", "steer", "speed", "lap_time", "progress"):
        gained = after[key] - before[key]
        if key in ("lap_time", "progress"):
            gained = np.where(gained < 0.0, 0.0, gained)
        out[key] = before[key] + gained * part
    turn = after["yaw"] - before["yaw"]
    out["yaw"] = before["yaw"] + (turn - 2.0 * np.pi * np.rint(turn / (2.0 * np.pi))) * part
    return out


def ranking(rows: NDArray[np.void]) -> list[int]:
    """Cars from first to last: as they were ranked, else by laps and progress; absent cars are left out."""
    here = np.flatnonzero(rows["status"] != ABSENT)
    ranked = rows["rank"][here] > 0
    place = np.where(ranked, rows["rank"][here], 1 << 14)
    order = np.lexsort((here, -rows["progress"][here], -rows["laps"][here].astype(np.int64), place))
    return [int(car) for car in here[order]]


def status_word(row: NDArray[np.void]) -> str:
    """How a car stands, in words; empty while it drives."""
    value = int(row["status"])
    if value in (ABSENT, Status.PREPARE, Status.IN_PROGRESS):
        return ""
    try:
        return Status(value).word.replace("_", " ")
    except ValueError:
        return f"status {value}"
