"""A world: a batch of N independent races of C cars and M objects each, stepped together.

`World` owns the buffers; the kernels do the work. World i alone equals world i inside N, bit for bit, and a rerun
with the same seed on the same machine and versions is bit-equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

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
from racer.sim.reset import ALTERNATE, BACKWARD, EITHER, FORWARD, RANDOM, ROUND_ROBIN, draw_starts, place_worlds
from racer.sim.step import step_worlds
from racer.sim.telemetry import observe_state
from racer.sim.traffic import KEPT, locate_object, make_object_plan
from racer.sim.vehicle import clear_delay, make_action_delay
from racer.track.track import Track

PHYSICS_DT_MAX = 1.0 / 120.0
"""Longest physics step [s]."""
_MODES = {"round_robin": ROUND_ROBIN, "random": RANDOM}
_DIRECTIONS = {"forward": FORWARD, "backward": BACKWARD, "alternate": ALTERNATE, "either": EITHER}
_SLOTS_PER_WORLD = 256
"""Offset between the stream numbers of two worlds; cars use the lower half of the numbers, objects the upper."""
_EPISODE_STREAM = 0x5D1A7
"""Separates the streams of an episode's values, which are drawn once, from those that advance in each step."""
_WORLDS_PER_THREAD_MIN = 64
"""Least number of worlds for a thread; waking it for fewer costs more than it saves."""


CarIndex = NDArray[np.bool_] | tuple[int | slice, int | slice]
"""Cars of a world: a mask of shape (N, C), or an index of a world and a car."""


class StartOptions(NamedTuple):
    """Places and directions of the starts of episodes."""

    mode: str = "round_robin"
    """`round_robin`: each episode starts `advance` further; `random`: anywhere."""
    advance: float = 0.05
    """Distance between the starts of two episodes, as a fraction of the lap."""
    direction: str = "forward"
    """`forward`, `backward`, `alternate` (by episode) or `either` (at random)."""
    lateral_share: float = 0.0
    """Largest random offset, as a fraction of the half width."""
    heading_error_max: float = 0.0
    """Largest random heading error [rad]."""


class World:
    """N worlds of C cars and M objects.

    Attributes:
        cars: CAR, the state, shape (N, C).
        vehicles: VEHICLE, the parameters, shape (N, C).
        objects: OBJECT, shape (N, M).
        telemetry: TELEMETRY after the last step or start, shape (N, C).
        object_telemetry: OBJECT_TELEMETRY of the same control step, shape (N, C, M + C - 1).
        delay: Delays of the actions, and the delayed commands.
        pool: Threads that share its work.
        tracks: Tracks; course 2 k is track k, course 2 k + 1 its reverse.
        tables: Tables of all courses.
        control_dt: Length of a control step [s].
        physics_dt: Length of a physics step [s].
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
        steer_delay_max: float | None = None,
        first_world: int = 0,
        threads: int | None = 1,
    ) -> None:
        """Make the buffers; call `reset` or `place` before the first step.

        Args:
            tracks: Tracks that the worlds share.
            vehicle: Vehicle of all cars.
            worlds: N.
            cars: C.
            objects: Number of empty slots for `put_object`, or the objects that are placed at each start.
            control_dt: Length of a control step [s]; divided into physics steps of at most `PHYSICS_DT_MAX`.
            start: Places of the starts; None for the defaults.
            steps_max: Longest episode [control steps].
            seed: Seed of all random streams.
            action_delay_max: Largest delay that `delay.steps` will have [s].
            steer_delay_max: Largest `steer_delay` that `vehicles` will have [s]; None for that of `vehicle`.
            first_world: Number of the first world. Streams and starts depend on the number, not on the place in the
                batch.
            threads: Threads that share the worlds; None for one on each core.
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
        self.object_telemetry = np.zeros((worlds, cars, slots + cars - 1), OBJECT_TELEMETRY)
        steer_delay = vehicle.steer_delay if steer_delay_max is None else steer_delay_max
        longest = round(action_delay_max / self.physics_dt) + int(steer_delay / self.physics_dt + 0.5)
        self.delay = make_action_delay(worlds, cars, longest=longest, substeps=self.substeps)
        self.all_cars = np.ones((worlds, cars), np.bool_)
        self._starts = np.zeros((worlds, cars, 4))
        self.pool = WorkerPool(threads)
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
        mode, advance, direction, *limits = self.start
        start = (_MODES[mode], advance, _DIRECTIONS[direction], *limits)
        marked = self._marked(which)
        self.run(draw_starts, marked, self.world_ids, start, self.tables, self.cars, self._starts)
        self.place(self._starts, marked)

    def place(
        self,
        poses: NDArray[np.float64],
        which: NDArray[np.bool_] | None = None,
        *,
        objects: Literal["new", "kept"] = "new",
    ) -> None:
        """Start episodes at given poses.

        Args:
            poses: Course, arc length [m], lateral offset [m] and heading error [rad], shape (N, C, 4).
            which: Cars to place, shape (N, C); None for all.
            objects: Place the objects of a world again with its first car, or keep them where they are.
        """
        marked = self._marked(which)
        poses = np.ascontiguousarray(poses, np.float64)
        clear_delay(self.delay, marked)
        plan = self.plan if objects == "new" else self.plan._replace(placement=KEPT)
        self.run(place_worlds, marked, poses, self.tables, self.timing, plan, self.batch)

    def step(self, actions: NDArray[np.float64]) -> None:
        """Hold actions for one control step; updates state and telemetry.

        Args:
            actions: Steering angle [degrees], left positive, and speed [m/s], shape (N, C, 2), float64.
        """
        self.run(step_worlds, actions, self.tables, self.timing, self.plan, self.delay, self.batch)

    def remove(self, which: CarIndex) -> None:
        """Remove cars from the road: other cars neither sense nor touch them until they are placed again."""
        self.cars["active"][which] = 0

    def halt(self, which: CarIndex) -> None:
        """Stop cars where they are, without deceleration."""
        for key in ("vx", "vy", "yaw_rate", "ax", "ay"):
            self.cars[key][which] = 0.0

    def withdraw_crash(self, which: CarIndex) -> None:
        """Let cars continue whose crash another car caused; their telemetry reports no crash."""
        self.cars["status"][which] = int(EpisodeStatus.IN_PROGRESS)
        self.telemetry["is_crashed"][which] = False

    def start_next_lap(self, which: CarIndex) -> None:
        """Count the distance of cars that completed a lap from the line again; they keep their pose and speed."""
        cars = self.cars
        length = self.tables.courses["length"][cars["course"][which]]
        cars["travelled"][which] -= length
        cars["progress"][which] = 100.0 * cars["travelled"][which] / length
        cars["status"][which] = int(EpisodeStatus.IN_PROGRESS)

    def resume(self, which: CarIndex) -> None:
        """Let cars continue after a fault, with no steps counted as stuck or backward."""
        self.cars["status"][which] = int(EpisodeStatus.IN_PROGRESS)
        self.cars["stuck_steps"][which] = self.cars["backward_steps"][which] = 0

    def observe_state(
        self, distances: NDArray[np.float64], out: NDArray[np.float32], which: NDArray[np.bool_] | None = None
    ) -> None:
        """Fill the `state` sensor of the cars that `which` (N, C) marks.

        Args:
            distances: Arc lengths ahead [m], shape (K,).
            out: State rows (`racer.sim.telemetry`), shape (N, C, 8 + 4 K), float32.
            which: Cars to observe, shape (N, C); None for all.
        """
        self.run(observe_state, self._marked(which), self.cars, self.tables, distances, out)

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
        """Place a box beside the centre line of a track, in the file's direction of travel.

        Args:
            world: World.
            slot: Number of the object in that world.
            s: Arc length [m].
            lateral: Distance from the centre line [m], left positive.
            length: Length along the track [m].
            width: Width across the track [m].
            height: Height [m].
            track: Number of the track.
        """
        line = self.tracks[track]
        knots = np.concatenate([[0.0], np.cumsum(line.segment_lengths)])
        rows = np.vstack([line.center, line.center[:1]]) if line.closed else line.center
        course = self.tables.courses[2 * track]
        headings = self.tables.centerline(2 * track)["heading"]
        if line.closed:
            turns = round((headings[-1] - headings[0]) / (2.0 * math.pi))
            headings = np.append(headings, headings[0] + 2.0 * math.pi * turns)
        heading = float(np.interp(s, course["centerline_step"] * np.arange(len(headings)), headings))
        x = float(np.interp(s, knots, rows[:, 0])) - lateral * math.sin(heading)
        y = float(np.interp(s, knots, rows[:, 1])) + lateral * math.cos(heading)
        values = {"x": x, "y": y, "yaw": heading, "length": length, "width": width, "height": height, "s": s}
        values |= {"speed": 0.0, "lateral": lateral, "course": 2 * track, "kind": BOX, "active": 1}
        for name, value in values.items():
            self.objects[name][world, slot] = value
        locate_object(world, slot, self.tables, self.objects)

    @property
    def other_objects(self) -> NDArray[np.void] | None:
        """`object_telemetry` for reward functions; None where it has no rows."""
        return self.object_telemetry if self.object_telemetry.shape[2] else None

    def contacts(self) -> NDArray[np.int8]:
        """Return the contacts of each car with objects and other cars, shape (N, C, M + C - 1); see `find_contacts`."""
        out = np.zeros(self.object_telemetry.shape, np.int8)
        self.run(find_contacts, self.batch, self.tables, out)
        return out

    @property
    def status(self) -> NDArray[np.int32]:
        """`EpisodeStatus` of each car, shape (N, C)."""
        return self.cars["status"]

    @property
    def ended(self) -> NDArray[np.bool_]:
        """True where an episode has ended, by a fault, a completed lap or the time, shape (N, C)."""
        return self.status >= EpisodeStatus.LAP_COMPLETE

    def waypoints(self) -> list[tuple[tuple[float, float], ...]]:
        """Return the rows of each course's centre line [m], the waypoints of reward functions."""
        courses = [course for track in self.tracks for course in (track, track.reversed())]
        return [tuple((float(x), float(y)) for x, y in course.center) for course in courses]

    @property
    def batch(self) -> Batch:
        """Rows of all worlds, the argument of kernels."""
        return Batch(self.cars, self.vehicles, self.objects, self.telemetry, self.object_telemetry)

    @property
    def timing(self) -> StepTiming:
        """Times of a control step, the argument of kernels."""
        return StepTiming(self.substeps, self.physics_dt, self.steps_max)

    def close(self) -> None:
        """End the threads."""
        self.pool.close()

    def run(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call a kernel, ``function(first, last, *arguments)``, over all worlds, on the threads that share them."""
        self.pool.run(function, len(self.cars), _WORLDS_PER_THREAD_MIN, *arguments)

    def _marked(self, which: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Return the marks of cars, shape (N, C); None marks all."""
        return self.all_cars if which is None else which


def vehicle_row(vehicle: VehicleConfig) -> NDArray[np.void]:
    """Return the VEHICLE row of a configuration: degrees become radians, all other values are copied by name."""
    row = np.zeros((), VEHICLE)
    pairs = np.radians(np.array(vehicle.steer_map_deg, np.float64).reshape(-1, 2))
    row["steer_map_count"] = len(pairs)
    row["steer_map_commands"][: len(pairs)], row["steer_map_angles"][: len(pairs)] = pairs.T
    for name in VEHICLE.names or ():
        if name.startswith("steer_map_"):
            continue
        degrees = f"{name}_deg"
        row[name] = math.radians(getattr(vehicle, degrees)) if hasattr(vehicle, degrees) else getattr(vehicle, name)
    return row
