"""A world: a batch of N independent races of C cars and M objects each, stepped together.

`World` owns the buffers; the kernels do the work. World i alone equals world i inside N, bit for bit, and a rerun
with the same seed on the same machine and versions is bit-equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.config.env import ObjectsConfig, VehicleConfig
from racer.sim.contact import find_contacts
from racer.sim.course import build_courses
from racer.sim.dtypes import (
    BOX,
    CAR,
    OBJECT,
    OBJECT_TELEMETRY,
    STEPS_MAX,
    TELEMETRY,
    VEHICLE,
    Batch,
    EpisodeStatus,
    StepTiming,
)
from racer.sim.jit import WorkerPool
from racer.sim.random import seed_streams
from racer.sim.reset import ALTERNATE, BACKWARD, EITHER, FORWARD, RANDOM, ROUND_ROBIN, place_worlds, reset_worlds
from racer.sim.step import step_worlds
from racer.sim.telemetry import observe_state, state_field_names
from racer.sim.traffic import KEPT, make_object_plan
from racer.sim.vehicle import clear_delay, make_action_delay
from racer.track.track import Track

PHYSICS_DT_MAX = 1.0 / 120.0
"""s, the longest physics step."""
_MODES = {"round_robin": ROUND_ROBIN, "random": RANDOM}
_DIRECTIONS = {"forward": FORWARD, "backward": BACKWARD, "alternate": ALTERNATE, "either": EITHER}
_SLOTS_PER_WORLD = 256
"""Offset between the car numbers of two worlds; objects have the upper half of the numbers."""
_EPISODE_STREAM = 0x5D1A7
"""Separates the streams of what is drawn once for an episode from those that cars drive by."""
_WORLDS_PER_THREAD_MIN = 64
"""Worlds that a thread should have at least; fewer are not worth waking it."""


CarIndex = NDArray[np.bool_] | tuple[int | slice, int | slice]
"""Cars of a world: a mask of shape (N, C), or an index of a world and a car."""


class StartOptions(NamedTuple):
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
        things: (N, C, M + C - 1) OBJECT_TELEMETRY of the same control step.
        delay: how long actions take to servo and motor, and what is on its way.
        crew: the threads that share its work.
        tracks: the tracks; course 2k is track k, course 2k + 1 its reverse.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        vehicle: VehicleConfig,
        worlds: int,
        *,
        cars: int = 1,
        objects: int | ObjectsConfig = 0,
        control_dt: float = 1.0 / 15.0,
        start: StartOptions | None = None,
        steps_max: int = STEPS_MAX,
        seed: int = 0,
        action_delay_max: float = 0.0,
        first_world: int = 0,
        threads: int | None = 1,
    ) -> None:
        """Make the buffers; `reset` before the first step.

        Args:
            objects: empty slots for `put_object`, or what is placed at each start.
            control_dt: seconds of a control step; divided into physics steps of at most 1/120 s.
            action_delay_max: s, the longest that `delay.steps` will be set to.
            first_world: number of the first world; streams and starts depend on it, not on the place in the batch.
            threads: threads that share the worlds; None for one on each core.
        """
        self.tracks = list(tracks)
        self.vehicle = vehicle
        self.tables = build_courses(self.tracks)
        self.control_dt = control_dt
        self.substeps = max(1, math.ceil(control_dt / PHYSICS_DT_MAX - 1e-9))
        self.physics_dt = control_dt / self.substeps
        self.start = start or StartOptions()
        self.steps_max = steps_max
        self.world_ids = np.arange(first_world, first_world + worlds, dtype=np.int64)
        self.cars = np.zeros((worlds, cars), CAR)
        self.vehicles = np.empty((worlds, cars), VEHICLE)
        self.vehicles[:] = vehicle_row(vehicle)
        self.plan = make_object_plan(objects if isinstance(objects, ObjectsConfig) else None, self.tracks)
        slots = objects.slots if isinstance(objects, ObjectsConfig) else objects
        self.objects = np.zeros((worlds, slots), OBJECT)
        self.telemetry = np.zeros((worlds, cars), TELEMETRY)
        self.things = np.zeros((worlds, cars, slots + cars - 1), OBJECT_TELEMETRY)
        longest = round(action_delay_max / self.physics_dt)
        self.delay = make_action_delay(worlds, cars, longest=longest, substeps=self.substeps)
        self.everyone = np.ones((worlds, cars), np.bool_)
        self.crew = WorkerPool(threads)
        self.seed(seed)

    def seed(
        self, seed: int, which: NDArray[np.bool_] | None = None, *, world_ids: NDArray[np.int64] | None = None
    ) -> None:
        """Set the random streams of the cars and objects, and count their episodes from zero.

        Args:
            seed: Seed of the streams.
            which: Worlds to seed, shape (N,); None seeds all of them.
            world_ids: New numbers of all worlds, shape (N,): worlds of one number draw the same; None keeps them.
        """
        if world_ids is not None:
            self.world_ids[:] = world_ids
        marked = slice(None) if which is None else which
        first = self.world_ids[marked, None] * _SLOTS_PER_WORLD
        slots = first + np.arange(self.cars.shape[1])
        self.cars["rng"][marked] = seed_streams(seed, slots)
        self.cars["stream"][marked] = seed_streams(seed ^ _EPISODE_STREAM, slots)
        self.cars["episode"][marked] = 0
        slots = first + _SLOTS_PER_WORLD // 2 + np.arange(self.objects.shape[1])
        self.objects["rng"][marked] = seed_streams(seed, slots)

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
        clear_delay(self.delay, marked)
        self.run(reset_worlds, marked, self.world_ids, how, self.batch, self.tables, self.clock, self.plan)

    def place(
        self,
        poses: NDArray[np.float64],
        which: NDArray[np.bool_] | None = None,
        *,
        objects: Literal["anew", "kept"] = "anew",
    ) -> None:
        """Start episodes at given poses: (N, C, 4) of course, arc length m, lateral offset m, heading error rad.

        Where the first car is among them, the objects of its world are placed again or kept where they are.
        """
        marked = self.everyone if which is None else which
        poses = np.ascontiguousarray(poses, np.float64)
        clear_delay(self.delay, marked)
        plan = self.plan if objects == "anew" else self.plan._replace(placement=KEPT)
        self.run(place_worlds, marked, poses, self.batch, self.tables, self.clock, plan)

    def step(self, actions: NDArray[np.float64]) -> None:
        """Hold actions (N, C, 2), degrees and m/s, for one control step; updates state and telemetry."""
        self.run(step_worlds, actions, self.delay, self.batch, self.tables, self.clock, self.plan)

    def remove(self, which: CarIndex) -> None:
        """Take cars off the road: other cars neither sense nor touch them until they are placed again."""
        self.cars["active"][which] = 0

    def halt(self, which: CarIndex) -> None:
        """Stop cars where they are, without deceleration."""
        for key in ("vx", "vy", "yaw_rate", "ax", "ay"):
            self.cars[key][which] = 0.0

    def withdraw_crash(self, which: CarIndex) -> None:
        """Let cars continue whose crash was the fault of another car; telemetry reports no crash either."""
        self.cars["status"][which] = int(EpisodeStatus.IN_PROGRESS)
        self.telemetry["is_crashed"][which] = False

    def start_next_lap(self, which: CarIndex) -> None:
        """Count the distance of cars that completed a lap from the line again; they keep their speed."""
        cars = self.cars
        length = self.tables.courses["length"][cars["course"][which]]
        cars["travelled"][which] -= length
        cars["progress"][which] = 100.0 * cars["travelled"][which] / length
        cars["status"][which] = int(EpisodeStatus.IN_PROGRESS)

    def resume(self, which: CarIndex) -> None:
        """Let cars continue after a fault, with no step counted as standing or backward."""
        self.cars["status"][which] = int(EpisodeStatus.IN_PROGRESS)
        self.cars["stuck_steps"][which] = self.cars["backward_steps"][which] = 0

    def observe_state(
        self, distances: NDArray[np.float64], out: NDArray[np.float32], which: NDArray[np.bool_] | None = None
    ) -> None:
        """Fill the `state` sensor, (N, C, 8 + 4 K) float32; see `racer.sim.observe`."""
        marked = self.everyone if which is None else which
        self.run(observe_state, marked, self.cars, self.tables, distances, out)

    def put_object(
        self,
        world: int,
        slot: int,
        *,
        s: float,
        lateral: float = 0.0,
        length: float = 0.4,
        width: float = 0.3,
        height: float = 0.25,
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
        thing = self.objects[world, slot]
        for name, value in (("x", x), ("y", y), ("yaw", heading), ("length", length), ("width", width)):
            thing[name] = value
        thing["height"], thing["speed"], thing["s"], thing["lateral"] = height, 0.0, s, lateral
        thing["course"], thing["segment"], thing["kind"], thing["active"] = 2 * track, 0, BOX, 1

    @property
    def told_things(self) -> NDArray[np.void] | None:
        """`things` for reward functions; None where there is room for none."""
        return self.things if self.things.shape[2] else None

    def contacts(self) -> NDArray[np.int8]:
        """Contact of each car with each other object, (N, C, M + C - 1): see `find_contacts`."""
        out = np.zeros(self.things.shape, np.int8)
        self.run(find_contacts, self.batch, self.tables, out)
        return out

    @property
    def status(self) -> NDArray[np.int32]:
        """(N, C) `Status` of each car."""
        return self.cars["status"]

    @property
    def ended(self) -> NDArray[np.bool_]:
        """(N, C) True where an episode has ended, by a fault, a completed lap or the time."""
        return self.status >= EpisodeStatus.LAP_COMPLETE

    def waypoints(self) -> list[tuple[tuple[float, float], ...]]:
        """For each course the rows of its centre line, as reward functions see them."""
        both = [t for track in self.tracks for t in (track, track.reversed())]
        return [tuple((float(x), float(y)) for x, y in track.center) for track in both]

    def state_names(self, look_ahead: int) -> list[str]:
        """Names of the elements of a `state` row."""
        return state_field_names(look_ahead)

    @property
    def batch(self) -> Batch:
        """The rows, as kernels take them."""
        return Batch(self.cars, self.vehicles, self.objects, self.telemetry, self.things)

    @property
    def clock(self) -> StepTiming:
        """The times, as kernels take them."""
        return StepTiming(self.substeps, self.physics_dt, self.steps_max)

    def close(self) -> None:
        """End the threads, if there are any."""
        self.crew.close()

    def run(self, function, *arguments) -> None:  # type: ignore[no-untyped-def]
        """Call a kernel, ``function(first, last, *arguments)``, over all worlds, on the threads that share them."""
        self.crew.run(function, len(self.cars), _WORLDS_PER_THREAD_MIN, *arguments)


def vehicle_row(vehicle: VehicleConfig) -> NDArray[np.void]:
    """One VEHICLE row: degrees become radians, the rest is copied by name."""
    row = np.zeros((), VEHICLE)
    assert VEHICLE.names is not None
    for name in VEHICLE.names:
        degrees = f"{name}_deg"
        row[name] = math.radians(getattr(vehicle, degrees)) if hasattr(vehicle, degrees) else getattr(vehicle, name)
    return row
