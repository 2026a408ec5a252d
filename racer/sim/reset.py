"""Where cars start: on the centre line or beside it, by turns or at random, in either direction."""

import math

from racer.sim.centerline import center_point_at
from racer.sim.contact import NO_CONTACT, classify_contact
from racer.sim.dtypes import EpisodeStatus
from racer.sim.jit import device, kernel
from racer.sim.random import next_uniform
from racer.sim.step import SEARCH_REACH, finish_step, locate_car
from racer.sim.telemetry import centerline_at
from racer.sim.traffic import KEPT, free_lane, lane_offset_at, place_objects

ROUND_ROBIN, RANDOM = 0, 1
FORWARD, BACKWARD, ALTERNATE, EITHER = 0, 1, 2, 3
OPEN_START = 0.25
"""m from the end of an open track to the chassis origin of a car that starts there: all wheels on the road."""
GRID_GAP = 0.75
"""m of arc between cars of one world at the start (simapp, head-to-model start spacing)."""
_GOLDEN = 0.6180339887498949
"""Spreads the first starts of the worlds evenly over the lap, whatever their number."""
PREPARE = int(EpisodeStatus.PREPARE)
_DEGREES = 180.0 / math.pi


@device
def half_width_at(course, rails, s):  # type: ignore[no-untyped-def]
    """m from the centre line to the nearer border at arc length `s`."""
    j = min(max(int(s / course.rail_step), 0), course.rail_count - 1)
    here = rails[course.rail_first + j]
    return min(here.left, here.right)


@device
def place_car(car, vehicle, index, s, lateral, turned, tables):  # type: ignore[no-untyped-def]
    """Put a car at rest on course `index`.

    Args:
        s: m, arc length of the chassis origin.
        lateral: m, left of the centre line.
        turned: rad, against the direction of the centre line.
    """
    course = tables.courses[index]
    segment, x, y = center_point_at(course, tables.segments, s)
    heading, _ = centerline_at(course, tables.rails, s)
    car.x = x - lateral * math.sin(heading)
    car.y = y + lateral * math.cos(heading)
    yaw = heading + turned
    car.yaw = yaw - 2.0 * math.pi * math.floor((yaw + math.pi) / (2.0 * math.pi))
    car.vx = car.vy = car.yaw_rate = car.steer = car.slack = car.ax = car.ay = 0.0
    car.steer_command = car.speed_command = 0.0
    car.course, car.segment, car.s = index, segment, s
    car.start_s = 0.0
    car.travelled = 0.0
    locate_car(car, vehicle, tables, SEARCH_REACH)
    car.start_s, car.travelled, car.progress = car.s, 0.0, 0.0
    car.steps = 1
    car.stuck_steps = car.backward_steps = 0
    car.status = PREPARE
    car.active = 1


@device
def shift_car(car, vehicle, lateral, tables):  # type: ignore[no-untyped-def]
    """Move a car that was just placed across the road, until its front point is `lateral` metres from the centre."""
    heading, _ = centerline_at(tables.courses[car.course], tables.rails, car.s)
    aside = lateral - car.lateral
    car.x -= aside * math.sin(heading)
    car.y += aside * math.cos(heading)
    locate_car(car, vehicle, tables, SEARCH_REACH)
    car.start_s, car.travelled, car.progress = car.s, 0.0, 0.0


@device
def reset_objects(world, which, batch, tables, plan):  # type: ignore[no-untyped-def]
    """Place the objects of a world whose first car starts again, and clear the starts.

    A car that starts beside an object takes the other lane (simapp `rollout_agent_ctrl`); what a car would still
    touch is left out of this episode.
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
            lateral = lane_offset_at(tables.courses[car.course], tables.rails, car.s, lane)
            shift_car(car, batch.vehicles[world, c], lateral, tables)
        for k in range(number):
            if car.active == 1 and classify_contact(world, c, k, batch, tables) != NO_CONTACT:
                objects[world, k].active = 0


@device
def kept_course(world, which, cars):  # type: ignore[no-untyped-def]
    """Course of a car of this world that is not started again, or -1: all cars of a world share a track."""
    for c in range(cars.shape[1]):
        if cars[world, c].active == 1 and not which[world, c]:
            return cars[world, c].course
    return -1


@kernel
def reset_worlds(first, last, which, world_ids, start, batch, tables, clock, plan):  # type: ignore[no-untyped-def]
    """Start a new episode for the cars that `which` (N, C) marks, as `start` says.

    Args:
        start: (mode, advance, direction, lateral_share, turned_max): `ROUND_ROBIN` or `RANDOM`; share of the lap from
            one start to the next; one of the directions; largest lateral offset as a share of the half width;
            largest heading error, rad.
        plan: ObjectPlan; objects are placed again with the first car.

    An open track always starts at its end. Each car draws from its own stream, so a world does not depend on others.
    Episodes go through the tracks by turns; a car that joins others goes where they are.
    """
    mode, advance, direction, lateral_share, turned_max = start
    cars = batch.cars
    tracks = tables.courses.shape[0] // 2
    for n in range(first, last):
        changed = False
        kept = kept_course(n, which, cars)
        for c in range(cars.shape[1]):
            if not which[n, c]:
                continue
            changed = True
            car = cars[n, c]
            turn = int(world_ids[n]) + car.episode
            backward = 0
            if (
                direction == BACKWARD
                or (direction == ALTERNATE and turn // tracks % 2 == 1)
                or (direction == EITHER and next_uniform(car) < 0.5)
            ):
                backward = 1
            index = 2 * (turn % tracks) + backward if kept < 0 else kept
            course = tables.courses[index]
            if mode == RANDOM:
                share = next_uniform(car)
            else:
                share = world_ids[n] * _GOLDEN + advance * car.episode
                share -= math.floor(share)
            lateral = lateral_share * (2.0 * next_uniform(car) - 1.0)
            turned = turned_max * (2.0 * next_uniform(car) - 1.0)
            s = share * course.length - GRID_GAP * c
            if course.closed == 1:
                s -= course.length * math.floor(s / course.length)
            else:
                s = OPEN_START + GRID_GAP * (cars.shape[1] - 1 - c)
            lateral *= half_width_at(course, tables.rails, s)
            place_car(car, batch.vehicles[n, c], index, s, lateral, turned, tables)
            car.episode += 1
        if changed:
            reset_objects(n, which, batch, tables, plan)
            finish_step(n, batch, tables, clock, plan)


@kernel
def place_worlds(first, last, which, poses, batch, tables, clock, plan):  # type: ignore[no-untyped-def]
    """Place the cars that `which` (N, C) marks at given poses.

    Args:
        poses: (N, C, 4) float64: course, arc length m, lateral offset m, heading error rad.
        plan: ObjectPlan; objects are placed again with the first car.
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
            finish_step(n, batch, tables, clock, plan)
