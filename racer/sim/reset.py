"""Starts of episodes: cars on the centre line or beside it, by turns or at random, in either direction."""

import math

from racer.sim.centerline import direction_at, half_width_at, pose_at, wrap_angle
from racer.sim.contact import NO_CONTACT, classify_contact
from racer.sim.dtypes import Array, Batch, Car, CourseTables, EpisodeStatus, StepTiming, Vehicle
from racer.sim.jit import device, kernel
from racer.sim.random import next_uniform
from racer.sim.step import SEARCH_REACH, finish_step, locate_car
from racer.sim.traffic import KEPT, ObjectPlan, free_lane, lane_offset_at, place_objects

ROUND_ROBIN, RANDOM = 0, 1
FORWARD, BACKWARD, ALTERNATE, EITHER = 0, 1, 2, 3
OPEN_START = 0.25
"""Distance from the end of an open track to the origin of a car that starts there [m]: all wheels are on the road."""
GRID_GAP = 0.75
"""Arc between cars of one world at the start [m] (simapp, head-to-model start spacing)."""
_GOLDEN = 0.6180339887498949
"""Golden ratio - 1: its multiples spread the first starts of any number of worlds evenly over the lap."""
PREPARE = int(EpisodeStatus.PREPARE)


@device
def _start_here(car: Car, vehicle: Vehicle, tables: CourseTables) -> None:
    """Locate a car that was moved to the start of its episode, and count its progress from there."""
    locate_car(car, vehicle, tables, SEARCH_REACH)
    car.start_s, car.travelled, car.progress = car.s, 0.0, 0.0


@device
def place_car(
    car: Car, vehicle: Vehicle, index: int, s: float, lateral: float, heading_error: float, tables: CourseTables
) -> None:
    """Place a car at rest on course `index`.

    Args:
        car: CAR row, changed in place.
        vehicle: VEHICLE row.
        index: Course.
        s: Arc length of the chassis origin [m].
        lateral: Distance from the centre line [m], left positive.
        heading_error: Heading relative to the centre line [rad].
        tables: Tables of all courses.
    """
    car.segment, car.x, car.y, heading, _ = pose_at(tables.courses[index], tables, s, lateral)
    car.yaw = wrap_angle(heading + heading_error)
    car.vx = car.vy = car.yaw_rate = car.steer = car.backlash_offset = car.ax = car.ay = 0.0
    car.steer_command = car.speed_command = 0.0
    car.course, car.s = index, s
    car.start_s = 0.0
    car.travelled = 0.0
    _start_here(car, vehicle, tables)
    car.steps = 1
    car.stuck_steps = car.backward_steps = 0
    car.status = PREPARE
    car.active = 1


@device
def shift_car(car: Car, vehicle: Vehicle, lateral: float, tables: CourseTables) -> None:
    """Move a car that was just placed across the road, until its front point is at `lateral` [m], left positive."""
    heading, _ = direction_at(tables.courses[car.course], tables.centerlines, car.s)
    shift = lateral - car.lateral
    car.x -= shift * math.sin(heading)
    car.y += shift * math.cos(heading)
    _start_here(car, vehicle, tables)


@device
def reset_objects(world: int, which: Array, batch: Batch, tables: CourseTables, plan: ObjectPlan) -> None:
    """Place the objects of a world whose first car is marked, and keep the starts of its cars clear.

    A car that starts beside an object takes the other lane (simapp `rollout_agent_ctrl`); an object that a car would
    touch even so is left out of this episode.
    """
    if plan.placement == KEPT or not which[world, 0]:
        return
    cars, objects = batch.cars, batch.objects
    number = objects.shape[1]
    place_objects(world, batch, tables, plan, GRID_GAP * (cars.shape[1] - 1))
    for c in range(cars.shape[1]):
        car = cars[world, c]
        lane = free_lane(world, car, objects, tables) if which[world, c] else 0.0
        if lane != 0.0:
            lateral = lane_offset_at(tables.courses[car.course], tables.centerlines, car.s, lane)
            shift_car(car, batch.vehicles[world, c], lateral, tables)
        for k in range(number):
            if car.active == 1 and classify_contact(world, c, k, batch, tables) != NO_CONTACT:
                objects[world, k].active = 0


@device
def _shared_course(world: int, which: Array, cars: Array) -> int:
    """Return the course of a car of this world that continues its episode, or -1 where no car does."""
    for c in range(cars.shape[1]):
        if cars[world, c].active == 1 and not which[world, c]:
            return cars[world, c].course
    return -1


@kernel
def draw_starts(
    first: int, last: int, which: Array, world_ids: Array, start: tuple[int, float, int, float, float],
    tables: CourseTables,
    # outputs
    cars: Array, poses: Array,
) -> None:  # fmt: skip
    """Draw the poses at which the marked cars of worlds `first` to `last` - 1 start their next episodes.

    An open track always starts at its end. Each car draws from its own stream, so that a world does not depend on
    others. Episodes use the tracks by turns; a car that joins others of its world uses their track.

    Args:
        first: First world.
        last: World after the last one.
        which: Marked cars, shape (N, C), bool.
        world_ids: Numbers of the worlds, shape (N,).
        start: Mode (`ROUND_ROBIN` or `RANDOM`), fraction of the lap from one start to the next, direction, largest
            lateral offset as a fraction of the half width, largest heading error [rad].
        tables: Tables of all courses.
        cars: CAR, shape (N, C), of which only `rng` is written.
        poses: Poses for `place_worlds`, shape (N, C, 4), float64.
    """
    mode, advance, direction, lateral_fraction, heading_error_max = start
    tracks = tables.courses.shape[0] // 2
    for n in range(first, last):
        shared = _shared_course(n, which, cars)
        for c in range(cars.shape[1]):
            if not which[n, c]:
                continue
            car = cars[n, c]
            turn = int(world_ids[n]) + car.episode
            backward = 0
            if (
                direction == BACKWARD
                or (direction == ALTERNATE and turn // tracks % 2 == 1)
                or (direction == EITHER and next_uniform(car) < 0.5)
            ):
                backward = 1
            index = 2 * (turn % tracks) + backward if shared < 0 else shared
            course = tables.courses[index]
            if mode == RANDOM:
                fraction = next_uniform(car)
            else:
                fraction = world_ids[n] * _GOLDEN + advance * car.episode
                fraction -= math.floor(fraction)
            lateral = lateral_fraction * (2.0 * next_uniform(car) - 1.0)
            heading_error = heading_error_max * (2.0 * next_uniform(car) - 1.0)
            s = fraction * course.length - GRID_GAP * c
            if course.closed == 1:
                s -= course.length * math.floor(s / course.length)
            else:
                s = OPEN_START + GRID_GAP * (cars.shape[1] - 1 - c)
            lateral *= half_width_at(course, tables.centerlines, s)
            pose = poses[n, c]
            pose[0], pose[1], pose[2], pose[3] = index, s, lateral, heading_error


@kernel
def place_worlds(
    first: int, last: int, which: Array, poses: Array, tables: CourseTables, timing: StepTiming, plan: ObjectPlan,
    # outputs
    batch: Batch,
) -> None:  # fmt: skip
    """Start new episodes of the marked cars of worlds `first` to `last` - 1 at given poses.

    Args:
        first: First world.
        last: World after the last one.
        which: Marked cars, shape (N, C), bool.
        poses: Course, arc length [m], lateral offset [m] and heading error [rad], shape (N, C, 4), float64.
        tables: Tables of all courses.
        timing: Times of a control step.
        plan: Placement of the objects; they are placed again with the first car.
        batch: Rows of the worlds.
    """
    for n in range(first, last):
        changed = False
        for c in range(batch.cars.shape[1]):
            if which[n, c]:
                changed = True
                car, pose = batch.cars[n, c], poses[n, c]
                place_car(car, batch.vehicles[n, c], int(pose[0]), pose[1], pose[2], pose[3], tables)
                car.episode += 1
        if changed:
            reset_objects(n, which, batch, tables, plan)
            finish_step(n, batch, tables, timing, plan)
