"""A world: a batch of N independent races of C cars and M objects each, stepped together.

`World` owns the buffers; the kernels do the work. World i alone equals world i inside N, bit for bit, and a rerun
with the same seed on the same machine and versions is bit-equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.config.vehicle import VehicleConfig
from racer.sim.course import build_courses
from racer.sim.dtypes import CAR, OBJECT, OBJECT_TELEMETRY, TELEMETRY, VEHICLE, Batch, Clock
from racer.sim.jit import Crew
from racer.sim.observe import field_names, observe_state
from racer.sim.placement import (
    ALTERNATE,
    BACKWARD,
    EITHER,
    FORWARD,
    RANDOM,
    ROUND_ROBIN,
    place_worlds,
    start_worlds,
)
from racer.sim.random import seed_streams
from racer.sim.status import STEPS_MAX, Status
from racer.sim.step import step_worlds
from racer.track.track import Track

PHYSICS_DT_MAX = 1.0 / 120.0
"""s, the longest physics step."""
_MODES = {"round_robin": ROUND_ROBIN, "random": RANDOM}
_DIRECTIONS = {"forward": FORWARD, "backward": BACKWARD, "alternate": ALTERNATE, "either": EITHER}
_SLOTS_MAX = 256
"""Cars of a world are numbered apart from those of the next by this."""
_LEAST = 64
"""Worlds that a thread should have at least; fewer are not worth waking it."""


class Start(NamedTuple):
    """How episodes start."""

    mode: str = "round_robin"
    """`round_robin`: each episode starts `advance` of a lap further; `random`: anywhere."""
    advance: float = 0.05
    direction: str = "forward"
    """`forward`, `backward`, `alternate` (by episode) or `either` (by chance)."""
    lateral_share: float = 0.0
    """Largest random offset, as a share of the half width."""
    turned_max: float = 0.0
    """Largest random heading error, rad."""


class World:
    """N worlds of C cars and M objects.

    Attributes:
        cars: (N, C) CAR, the state.
        vehicles: (N, C) VEHICLE, the parameters.
        objects: (N, M) OBJECT.
        telemetry: (N, C) TELEMETRY after the last step or start.
        things: (N, C, M + C - 1) OBJECT_TELEMETRY, likewise.
        tracks: the tracks; course 2k is track k, course 2k + 1 its reverse.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        vehicle: VehicleConfig,
        worlds: int,
        *,
        cars: int = 1,
        objects: int = 0,
        control_dt: float = 1.0 / 15.0,
        start: Start | None = None,
        steps_max: int = STEPS_MAX,
        seed: int = 0,
        first_world: int = 0,
        threads: int | None = 1,
    ) -> None:
        """Make the buffers; `reset` before the first step.

        Args:
            control_dt: seconds of a control step; divided into physics steps of at most 1/120 s.
            first_world: number of the first world; streams and starts depend on it, not on the place in the batch.
            threads: threads that share the worlds; None for one on each core.
        """
        self.tracks = list(tracks)
        self.vehicle = vehicle
        self.tables = build_courses(self.tracks)
        self.control_dt = control_dt
        self.substeps = max(1, math.ceil(control_dt / PHYSICS_DT_MAX - 1e-9))
        self.physics_dt = control_dt / self.substeps
        self.start = start or Start()
        self.steps_max = steps_max
        self.world_ids = np.arange(first_world, first_world + worlds, dtype=np.int64)
        self.cars = np.zeros((worlds, cars), CAR)
        self.vehicles = np.empty((worlds, cars), VEHICLE)
        self.vehicles[:] = vehicle_row(vehicle)
        self.objects = np.zeros((worlds, objects), OBJECT)
        self.telemetry = np.zeros((worlds, cars), TELEMETRY)
        self.things = np.zeros((worlds, cars, objects + cars - 1), OBJECT_TELEMETRY)
        self.everyone = np.ones((worlds, cars), np.bool_)
        self._crew = Crew(threads)
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Set the random streams of all cars and count their episodes from zero."""
        slots = self.world_ids[:, None] * _SLOTS_MAX + np.arange(self.cars.shape[1])
        self.cars["rng"] = seed_streams(seed, slots)
        self.cars["episode"] = 0

    def reset(self, which: NDArray[np.bool_] | None = None) -> None:
        """Start new episodes, of all cars or of those that `which` (N, C) marks."""
        start = self.start
        how = (
            _MODES[start.mode],
            start.advance,
            _DIRECTIONS[start.direction],
            start.lateral_share,
            start.turned_max,
        )
        marked = self.everyone if which is None else which
        self._run(start_worlds, marked, self.world_ids, how, self.batch, self.tables, self.clock)

    def place(self, poses: NDArray[np.float64], which: NDArray[np.bool_] | None = None) -> None:
        """Start episodes at given poses: (N, C, 4) of course, arc length m, lateral offset m, heading error rad."""
        marked = self.everyone if which is None else which
        poses = np.ascontiguousarray(poses, np.float64)
        self._run(place_worlds, marked, poses, self.batch, self.tables, self.clock)

    def step(self, actions: NDArray[np.float64]) -> None:
        """Hold actions (N, C, 2), degrees and m/s, for one control step; updates state and telemetry."""
        self._run(step_worlds, actions, self.batch, self.tables, self.clock)

    def observe_state(
        self, distances: NDArray[np.float64], out: NDArray[np.float32], which: NDArray[np.bool_] | None = None
    ) -> None:
        """Fill the `state` sensor, (N, C, 8 + 4 K) float32; see `racer.sim.observe`."""
        marked = self.everyone if which is None else which
        self._run(observe_state, marked, self.cars, self.tables, distances, out)

    def put_object(
        self,
        world: int,
        slot: int,
        *,
        s: float,
        lateral: float = 0.0,
        length: float = 0.4,
        width: float = 0.3,
        track: int = 0,
    ) -> None:
        """Put a box beside the centre line of a world's track, in the file's direction of travel."""
        way = self.tracks[track]
        places = np.concatenate([[0.0], np.cumsum(way.segment_lengths)])
        rows = np.vstack([way.center, way.center[:1]]) if way.closed else way.center
        course = self.tables.courses[2 * track]
        headings = self.tables.rails["heading"][course["rail_first"] :][: course["rail_count"]]
        if way.closed:
            turns = round((headings[-1] - headings[0]) / (2.0 * math.pi))
            headings = np.append(headings, headings[0] + 2.0 * math.pi * turns)
        heading = float(np.interp(s, course["rail_step"] * np.arange(len(headings)), headings))
        x = float(np.interp(s, places, rows[:, 0])) - lateral * math.sin(heading)
        y = float(np.interp(s, places, rows[:, 1])) + lateral * math.cos(heading)
        self.objects[world, slot] = (x, y, heading, length, width, 0.0, s, lateral, 2 * track, 0, 1)

    @property
    def status(self) -> NDArray[np.int32]:
        """(N, C) `Status` of each car."""
        return self.cars["status"]

    @property
    def ended(self) -> NDArray[np.bool_]:
        """(N, C) True where an episode has ended, by a fault, a completed lap or the time."""
        return self.status >= Status.LAP_COMPLETE

    def waypoints(self) -> list[tuple[tuple[float, float], ...]]:
        """For each course the rows of its centre line, as reward functions see them."""
        both = [t for track in self.tracks for t in (track, track.reversed())]
        return [tuple((float(x), float(y)) for x, y in track.center) for track in both]

    def state_names(self, look_ahead: int) -> list[str]:
        """Names of the elements of a `state` row."""
        return field_names(look_ahead)

    @property
    def batch(self) -> Batch:
        """The rows, as kernels take them."""
        return Batch(self.cars, self.vehicles, self.objects, self.telemetry, self.things)

    @property
    def clock(self) -> Clock:
        """The times, as kernels take them."""
        return Clock(self.substeps, self.physics_dt, self.steps_max)

    def close(self) -> None:
        """End the threads, if there are any."""
        self._crew.close()

    def _run(self, function, *arguments) -> None:  # type: ignore[no-untyped-def]
        self._crew.run(function, len(self.cars), _LEAST, *arguments)


def vehicle_row(vehicle: VehicleConfig) -> NDArray[np.void]:
    """One VEHICLE row: degrees become radians, the rest is copied by name."""
    row = np.zeros((), VEHICLE)
    assert VEHICLE.names is not None
    for name in VEHICLE.names:
        degrees = f"{name}_deg"
        row[name] = math.radians(getattr(vehicle, degrees)) if hasattr(vehicle, degrees) else getattr(vehicle, name)
    return row
