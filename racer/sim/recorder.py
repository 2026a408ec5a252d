"""Records the cars and objects of worlds as a replay."""

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
from racer.sim.dtypes import EpisodeStatus
from racer.sim.lap_time import crossing_fraction
from racer.track.track import Track


class RecordedWorld(Protocol):
    """Source of a recorder, which reads it after each control step: a `World`, or `GatheredCars` of several."""

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


class ReplayRecorder:
    """Records a `racer.sim.world.World`: the `watch` argument of `evaluate`, or called after each control step.

    It keeps all cars of all worlds, world by world; a car of another world is a ghost. The track is the first car's.
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
        """Make an empty recording.

        Args:
            cars: Descriptions of all cars, world by world.
            kind: Kind of the replay, for its header.
            seed: Seed, for its header.
            rules: Rules of the race, for its header.
            rewards: Returns the rewards of the worlds, shape (N, C), once for each step; None for no rewards.
        """
        self._cars = tuple(cars)
        self._header: dict[str, Any] = {"kind": kind, "seed": seed, "rules": None if rules is None else dict(rules)}
        self._rewards = rewards
        self._events: list[ReplayEvent] = []
        self._rows = np.zeros((256, len(cars)), CAR_ROW)
        self._objects: list[NDArray[np.void]] = []
        self._count = 0
        self._world: RecordedWorld | None = None
        # Laps, off-tracks, best lap time and last status; a caller's own columns do not change the counts.
        self._tally = np.zeros(len(cars), CAR_ROW)
        # Distance of the cars in their lap at the step before [m], and the times of the laps that they completed [s].
        self._travelled = np.zeros(len(cars))
        self._lap_times = np.zeros(len(cars))
        # Time between the line and the first counted step of a flying lap [s].
        self._lead = np.zeros(len(cars))

    @property
    def rows(self) -> NDArray[np.void]:
        """Recorded cars, shape (T, K), of dtype `CAR_ROW`."""
        return self._rows[: self._count]

    @property
    def objects(self) -> list[NDArray[np.void]]:
        """Recorded boxes and bots of each step, shape (M,), of dtype `OBJECT_ROW`."""
        return self._objects

    @property
    def events(self) -> Sequence[ReplayEvent]:
        """Recorded messages."""
        return self._events

    def add_event(self, text: str, *, car: int | None = None) -> None:
        """Add an event at the last recorded step."""
        self._events.append(ReplayEvent(step=max(self._count - 1, 0), car=car, text=text))

    def __call__(self, world: RecordedWorld, **columns: NDArray[Any]) -> None:
        """Record the current state of the worlds; `columns` are values of CAR_ROW fields, shape (K,)."""
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._world = world
        cars = world.cars.reshape(-1)
        row = self._rows[self._count]
        for key in ("x", "y", "yaw", "steer", "steer_command", "speed_command", "progress"):
            row[key] = cars[key]
        row["speed"] = np.hypot(cars["vx"], cars["vy"])
        row["lap_time"] = self._times(cars, world)
        if self._rewards is not None:
            row["reward"] = self._rewards(world).reshape(-1)
        row["status"] = np.where(cars["active"] != 0, cars["status"], ABSENT)
        self._count_faults(row)
        for key, values in columns.items():
            row[key] = values
        self._objects.append(_object_rows(world.objects))
        self._count += 1

    def _times(self, cars: NDArray[np.void], world: RecordedWorld) -> NDArray[np.float64]:
        """Return the time of each car's lap so far [s], shape (K,); of a completed lap the time at the line."""
        self._lead[cars["steps"] <= 1] = 0.0
        times = np.maximum(cars["steps"] - 1, 0) * world.control_dt + self._lead
        completed = cars["status"] == EpisodeStatus.LAP_COMPLETE
        for k in np.flatnonzero(completed & (self._tally["status"] != EpisodeStatus.LAP_COMPLETE)):
            track = world.tracks[int(cars["course"][k]) // 2]
            fraction = crossing_fraction(cars[k], float(self._travelled[k]), track, world.control_dt)
            self._lap_times[k] = (cars["steps"][k] - 2 + fraction) * world.control_dt + self._lead[k]
            # A car that drives on begins its next lap at the line, within this step.
            self._lead[k] = (1.0 - fraction) * world.control_dt
        self._travelled[:] = cars["travelled"]
        return np.where(completed, self._lap_times, times)

    def _count_faults(self, row: NDArray[np.void]) -> None:
        """Count the laps and off-tracks of the cars whose episode has just ended."""
        tally = self._tally
        changed = row["status"] != tally["status"]
        lap = changed & (row["status"] == EpisodeStatus.LAP_COMPLETE)
        tally["laps"][lap] += 1
        faster = lap & ((tally["best"] == 0.0) | (row["lap_time"] < tally["best"]))
        tally["best"][faster] = row["lap_time"][faster]
        tally["off_tracks"][changed & (row["status"] == EpisodeStatus.OFF_TRACK)] += 1
        tally["status"] = row["status"]
        for key in ("laps", "off_tracks", "best"):
            row[key] = tally[key]

    def replay(self) -> Replay:
        """Return the recording so far.

        Raises:
            ReplayError: The recording is empty.
        """
        world = self._world
        if world is None:
            raise ReplayError("nothing was recorded, so there is nothing to replay")
        track = world.tracks[int(world.cars["course"][0, 0]) // 2]
        objects = np.stack(self._objects)
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
            **self._header,
        )
        return Replay(
            header=header,
            rows=self.rows.copy(),
            objects=objects[:1] if (objects == objects[:1]).all() else objects,
            center=np.asarray(track.center),
            left=np.asarray(track.left),
            right=np.asarray(track.right),
        )


def _object_rows(objects: NDArray[np.void]) -> NDArray[np.void]:
    """Return the OBJECT rows (N, M) of worlds as `OBJECT_ROW` rows (N M,)."""
    flat = objects.reshape(-1)
    out = np.zeros(len(flat), OBJECT_ROW)
    for key in ("x", "y", "yaw", "length", "width", "height", "active", "kind"):
        out[key] = flat[key]
    out["world"] = np.repeat(np.arange(len(objects)), objects.shape[1])
    return out


def _json_fields(look: Any) -> dict[str, JsonValue]:
    """Return the fields of a track's appearance as JSON values."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(look).items()}
