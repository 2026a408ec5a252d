"""Records what a world does as a replay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import JsonValue

from racer.config.env import VehicleConfig
from racer.replay import (
    ABSENT,
    CAR_ROW,
    OBJECT_ROW,
    CarHeader,
    Replay,
    ReplayError,
    ReplayEvent,
    ReplayHeader,
    TrackHeader,
)
from racer.track.track import Track


class RecordedWorld(Protocol):
    """What a recorder reads after each control step: a `racer.sim.world.World`, or cars gathered from several."""

    @property
    def cars(self) -> NDArray[np.void]:
        """State of the cars, shape (N, C), of dtype `CAR`."""

    @property
    def objects(self) -> NDArray[np.void]:
        """Boxes and bots, shape (N, M), of dtype `OBJECT`."""

    @property
    def control_dt(self) -> float:
        """Length of a control step [s]."""

    @property
    def tracks(self) -> Sequence[Track]:
        """Tracks of the courses: course 2 k is track k, course 2 k + 1 its reverse."""

    @property
    def vehicle(self) -> VehicleConfig:
        """Vehicle of all cars."""


class GatheredCars(NamedTuple):
    """A `RecordedWorld` of cars and objects that were copied from several worlds."""

    cars: NDArray[np.void]
    objects: NDArray[np.void]
    control_dt: float
    tracks: Sequence[Track]
    vehicle: VehicleConfig


class _Tally(NamedTuple):
    """What has been counted so far, (K,) each."""

    status: NDArray[np.int32]
    laps: NDArray[np.int16]
    off_tracks: NDArray[np.int16]
    best: NDArray[np.float64]


LAP_COMPLETE, OFF_TRACK = 2, 3
"""As `racer.sim.dtypes.EpisodeStatus` has them; this room lies below the simulator."""


class ReplayRecorder:
    """Keeps what a `racer.sim.world.World` does: give it to `evaluate` as `watch`, or call it after each control step.

    All cars of all worlds are kept, world by world; a car of another world is a ghost. The track is the first car's.
    """

    def __init__(
        self,
        cars: Sequence[CarHeader],
        *,
        kind: str = "drive",
        seed: int | None = None,
        rules: Mapping[str, JsonValue] | None = None,
        rewards: Callable[[Any], NDArray[np.float64]] | None = None,
    ) -> None:
        """Nothing was seen yet.

        Args:
            cars: one for each car of the worlds, world by world.
            rewards: asked once for each step for the (N, C) rewards of the worlds; None where there are none.
        """
        self._cars = tuple(cars)
        self._told: dict[str, Any] = {"kind": kind, "seed": seed, "rules": None if rules is None else dict(rules)}
        self._rewards = rewards
        self._events: list[ReplayEvent] = []
        self._rows = np.zeros((256, len(cars)), CAR_ROW)
        self._things: list[NDArray[np.void]] = []
        self._count = 0
        self._world: RecordedWorld | None = None
        self._tally = _Tally(
            np.zeros(len(cars), np.int32),
            np.zeros(len(cars), np.int16),
            np.zeros(len(cars), np.int16),
            np.zeros(len(cars)),
        )

    @property
    def rows(self) -> NDArray[np.void]:
        """(T, K) ROW so far."""
        return self._rows[: self._count]

    @property
    def things(self) -> list[NDArray[np.void]]:
        """For each step so far (M,) THING."""
        return self._things

    @property
    def events(self) -> Sequence[ReplayEvent]:
        """Messages recorded so far."""
        return self._events

    def tell(self, text: str, *, car: int | None = None) -> None:
        """Write down an event at the last recorded step."""
        self._events.append(ReplayEvent(step=max(self._count - 1, 0), car=car, text=text))

    def __call__(self, world: RecordedWorld, **columns: NDArray[Any]) -> None:
        """Record the current state of the worlds; `columns` are (K,) values of CAR_ROW fields."""
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._world = world
        cars = world.cars.reshape(-1)
        row = self._rows[self._count]
        for key in ("x", "y", "yaw", "steer", "steer_command", "speed_command", "progress"):
            row[key] = cars[key]
        row["speed"] = np.hypot(cars["vx"], cars["vy"])
        row["lap_time"] = np.maximum(cars["steps"] - 1, 0) * world.control_dt
        if self._rewards is not None:
            row["reward"] = self._rewards(world).reshape(-1)
        row["status"] = np.where(cars["active"] != 0, cars["status"], ABSENT)
        self._count_faults(row)
        for key, values in columns.items():
            row[key] = values
        self._things.append(_object_rows(world.objects))
        self._count += 1

    def _count_faults(self, row: NDArray[np.void]) -> None:
        """Count laps and off-tracks where an episode has just ended so."""
        tally = self._tally
        news = (row["status"] != tally.status) & (row["status"] >= LAP_COMPLETE)
        lap = news & (row["status"] == LAP_COMPLETE)
        tally.laps[lap] += 1
        faster = lap & ((tally.best == 0.0) | (row["lap_time"] < tally.best))
        tally.best[faster] = row["lap_time"][faster]
        tally.off_tracks[news & (row["status"] == OFF_TRACK)] += 1
        tally.status[:] = row["status"]
        row["laps"], row["off_tracks"], row["best"] = tally.laps, tally.off_tracks, tally.best

    def replay(self) -> Replay:
        """What was seen so far.

        Raises:
            ReplayError: nothing was.
        """
        world = self._world
        if world is None:
            raise ReplayError("nothing was recorded, so there is nothing to replay")
        track = world.tracks[int(world.cars["course"][0, 0]) // 2]
        things = np.stack(self._things)
        header = ReplayHeader(
            control_rate_hz=1.0 / world.control_dt,
            track=TrackHeader(
                name=track.name,
                closed=track.closed,
                walls=track.walls,
                wall_offset=track.wall_offset,
                look=_json_fields(track.look),
                backwards=track.backwards,
                description=track.description,
            ),
            vehicle=world.vehicle,
            cars=self._cars,
            events=tuple(self._events),
            **self._told,
        )
        return Replay(
            header=header,
            rows=self.rows.copy(),
            things=things[:1] if (things == things[:1]).all() else things,
            center=np.asarray(track.center),
            left=np.asarray(track.left),
            right=np.asarray(track.right),
        )


def _object_rows(objects: NDArray[np.void]) -> NDArray[np.void]:
    """The (N, M) OBJECT rows of worlds as (N M,) THING."""
    flat = objects.reshape(-1)
    out = np.zeros(len(flat), OBJECT_ROW)
    for key in ("x", "y", "yaw", "length", "width", "height", "active", "kind"):
        out[key] = flat[key]
    out["world"] = np.repeat(np.arange(len(objects)), objects.shape[1])
    return out


def _json_fields(look: Any) -> dict[str, JsonValue]:
    """The fields of a `Look` as JSON has them."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(look).items()}
