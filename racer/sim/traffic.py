"""Boxes and bots: their placement at the start of an episode, and how bots drive.

A lane line runs midway between the centre line and a border. `lane` is the position across the road: 0 on the
centre line, 1 on the left border, -1 on the right one, so that the lane lines are at +-0.5.

The rules of placement are those of simapp `agent_ctrl/obstacles_agent_ctrl.py` and `bot_cars_agent_ctrl.py`; fractions
of the lap and gaps have the limits of DeepRacer's console. `spaced` and `random` positions count from the start of the
car, so that nothing blocks it there; `fixed` positions belong to the track, in its file's direction.

Bots follow a lane line, and change lanes where the configuration has lane changes. As in simapp, the constant speed of
a bot is that along the centre line, so that bots keep their distances in any lanes. A lane change takes a given length
of centre line; across the road it is a smoothstep, ``3 u^2 - 2 u^3``, which begins and ends along the lane lines. All
bots of a world stop for a while after one of them runs into a car from behind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.config.env import ObjectsConfig
from racer.sim.centerline import (
    CLEAR_REACH,
    borders_at,
    center_point_at,
    pose_at,
    project_on_centerline,
    wrap_angle,
)
from racer.sim.dtypes import BOT, BOX, Array, Batch, Car, Course, CourseTables, Object
from racer.sim.jit import device, force_inline, kernel
from racer.sim.random import next_uniform
from racer.track.geometry import enclosed_area
from racer.track.track import Track

KEPT, FIXED, SPACED, RANDOM = 0, 1, 2, 3
"""Placements; `KEPT` leaves objects as they are."""
LANE_LINE = 0.5
"""Position of a lane line, as a fraction of the way from the centre line to the border."""
START_CLEARANCE = 1.0
"""Arc on both sides of the car's start that is kept free [m] (simapp: closer than this, the car changes lanes)."""
BOX_SIZE = (0.4, 0.3, 0.25)
"""Length, width and height [m] (simapp `models/box_obstacle/model.sdf`)."""
BOT_SIZE = (0.32352, 0.1961, 0.125)
"""Length, width and height [m] (simapp `track_geom/constants.py`; the height is an estimate)."""
_PLACEMENTS = {"fixed": FIXED, "spaced": SPACED, "random": RANDOM}
_LANE_ALTERNATING, _LANE_RANDOM, _LANE_INNER, _LANE_OUTER = 0, 1, 2, 3
_LANES = {"alternating": _LANE_ALTERNATING, "random": _LANE_RANDOM, "inner": _LANE_INNER, "outer": _LANE_OUTER}


class ObjectPlan(NamedTuple):
    """Values of an `ObjectsConfig`, the argument of kernels."""

    placement: int
    kind: int
    lanes: int
    first: float
    """Least distance from the car's start, as a fraction of the lap."""
    last: float
    """Greatest distance from the car's start, as a fraction of the lap."""
    gap: float
    """Least distance between two objects, as a fraction of the lap."""
    fractions: NDArray[np.float64]
    """Fixed positions, as fractions of the lap, shape (M,)."""
    sides: NDArray[np.int64]
    """Lanes of fixed positions, shape (M,): 1 inner, -1 outer."""
    inner: NDArray[np.int64]
    """Side of the inner border of each course, shape (2 T,): 1 left, -1 right."""
    length: float
    """Length of an object [m]."""
    width: float
    """Width of an object [m]."""
    height: float
    """Height of an object [m]."""
    speed: float
    """Speed of bots along the centre line [m/s]."""
    wait_min: float
    """Least time between two lane changes [s]; infinite for none."""
    wait_max: float
    """Greatest time between two lane changes [s]."""
    change_length: float
    """Arc of a lane change [m]."""
    pause: float
    """Standstill of bots after one ran into a car [s]."""


def make_object_plan(config: ObjectsConfig | None, tracks: Sequence[Track]) -> ObjectPlan:
    """Make the plan of a configuration on these tracks; with None, objects keep the places that they are given."""
    keeps = config is None or config.slots == 0
    config = config or ObjectsConfig()
    bots = config.bots
    boxes = config.race == "object_avoidance"
    lanes = config.lanes
    if lanes == "placement":
        lanes = "random" if config.placement == "random" else "alternating"
    never = boxes or bots.lane_changes == "never"
    inner = [side for track in tracks for side in (inner_side(track), -inner_side(track))]
    return ObjectPlan(
        KEPT if keeps else _PLACEMENTS[config.placement],
        BOX if boxes else BOT,
        _LANES[lanes],
        config.first,
        config.last,
        config.gap,
        np.array([fraction for fraction, _ in config.positions], np.float64),
        np.array([lane for _, lane in config.positions], np.int64),
        np.array(inner, np.int64),
        *(BOX_SIZE if boxes else BOT_SIZE),
        0.0 if boxes else bots.speed,
        math.inf if never else bots.wait_min_s,
        math.inf if never else bots.wait_max_s,
        bots.lane_change,
        bots.pause_s,
    )


def inner_side(track: Track) -> int:
    """Return 1 where the inner border, which encloses less, is the left one, and for an open track; else -1."""
    if not track.closed or abs(enclosed_area(track.left)) <= abs(enclosed_area(track.right)):
        return 1
    return -1


@device
def lane_offset_at(course: Course, centerlines: Array, s: float, lane: float) -> float:
    """Return the distance of a lane from the centre line [m], left positive, at arc length `s` [m]."""
    left, right = borders_at(course, centerlines, s)
    return lane * (left if lane > 0.0 else right)


@force_inline
def _project_object(obj: Object, tables: CourseTables) -> None:
    """Set the projection of an object's centre, which reward functions get, near its `segment`."""
    course = tables.courses[obj.course]
    segment, along, lateral = project_on_centerline(course, tables.segments, obj.segment, obj.x, obj.y, CLEAR_REACH)
    obj.projected_s = tables.segments[course.first + segment].s + along
    obj.distance = abs(lateral)


@kernel
def locate_object(world: int, slot: int, tables: CourseTables, objects: Array) -> None:
    """Set the segment and the projection of an object from its `s` and its position.

    Args:
        world: World.
        slot: Number of the object in that world.
        tables: Tables of all courses.
        objects: OBJECT rows, shape (N, M), changed in place.
    """
    obj = objects[world, slot]
    obj.segment, _, _ = center_point_at(tables.courses[obj.course], tables.segments, obj.s)
    _project_object(obj, tables)


@device
def place_in_lane(obj: Object, tables: CourseTables, drift: float) -> None:
    """Set position and heading of an object from its course, `s` and `lane`.

    Args:
        obj: OBJECT row, changed in place.
        tables: Tables of all courses.
        drift: Rate of `lane` over arc length [1/m] during a lane change; 0: the object points along the road.
    """
    course = tables.courses[obj.course]
    obj.lateral = lane_offset_at(course, tables.centerlines, obj.s, obj.lane)
    obj.segment, obj.x, obj.y, heading, curvature = pose_at(course, tables, obj.s, obj.lateral)
    _project_object(obj, tables)
    if drift != 0.0:
        left, right = borders_at(course, tables.centerlines, obj.s)
        slope = drift * (left if obj.lane > 0.0 else right)
        # A path at a constant offset is 1 - curvature * offset times as long as the centre line.
        heading += math.atan2(slope, max(1.0 - curvature * obj.lateral, 0.1))
    obj.yaw = wrap_angle(heading)


@device
def _draw_distances(world: int, low: float, high: float, gap: float, objects: Array) -> None:
    """Draw `s` of all objects of a world in `low`..`high` [m], uniformly among all rows with gaps of at least `gap`.

    The gaps are taken out of the range, positions are drawn in the rest and sorted, and the gaps are put back: three
    objects with gaps of 2 in 0..10 are drawn in 0..6, and 1, 1.5, 5 become 1, 3.5, 9.
    """
    count = objects.shape[1]
    free = high - low - (count - 1) * gap
    if free < 0.0:
        free, gap = 0.0, (high - low) / (count - 1)
    for k in range(count):
        drawn = free * next_uniform(objects[world, 0])
        at = k
        while at > 0 and objects[world, at - 1].s > drawn:
            objects[world, at].s = objects[world, at - 1].s
            at -= 1
        objects[world, at].s = drawn
    for k in range(count):
        objects[world, k].s += low + k * gap


@device
def place_objects(world: int, batch: Batch, tables: CourseTables, plan: ObjectPlan, behind: float) -> None:
    """Place all objects of a world on the course of its first car, which was just placed.

    Args:
        world: World.
        batch: Rows of the worlds, changed in place.
        tables: Tables of all courses.
        plan: Placement.
        behind: Arc behind the first car that other cars occupy [m].
    """
    ego, objects = batch.cars[world, 0], batch.objects
    course = tables.courses[ego.course]
    count = objects.shape[1]
    whole = course.length if course.closed == 1 else course.length - ego.start_s
    low = max(plan.first * whole, START_CLEARANCE)
    high = max(min(plan.last * whole, whole - START_CLEARANCE - behind), low)
    if plan.placement == RANDOM:
        _draw_distances(world, low, high, plan.gap * whole, objects)
    for k in range(count):
        obj = objects[world, k]
        if plan.placement == FIXED:
            s = plan.fractions[k] * course.length
            if ego.course % 2 == 1:
                s = tables.segments[course.first + course.rows - 1].s - s
            side = plan.sides[k]
        else:
            if plan.placement == SPACED:
                obj.s = min(max((k + 1) * whole / (count + 1), low), high)
            s = ego.start_s + obj.s
            side = 1 if plan.lanes == _LANE_INNER or (plan.lanes == _LANE_ALTERNATING and k % 2 == 0) else -1
            if plan.lanes == _LANE_RANDOM:
                side = 1 if next_uniform(objects[world, 0]) < 0.5 else -1
        if course.closed == 1:
            s -= course.length * math.floor(s / course.length)
        obj.course, obj.s = ego.course, min(max(s, 0.0), course.length)
        obj.kind, obj.speed = plan.kind, plan.speed
        obj.length, obj.width, obj.height = plan.length, plan.width, plan.height
        obj.lane = obj.lane_from = obj.lane_to = LANE_LINE * side * plan.inner[ego.course]
        obj.changed = obj.pause = 0.0
        obj.change_in = _draw_wait(obj, plan)
        obj.active = 1
        place_in_lane(obj, tables, 0.0)


@device
def _draw_wait(obj: Object, plan: ObjectPlan) -> float:
    """Draw the time until the next lane change of a bot [s] from its stream; infinite where there are none."""
    if math.isinf(plan.wait_min):
        return math.inf
    return plan.wait_min + (plan.wait_max - plan.wait_min) * next_uniform(obj)


@device
def free_lane(world: int, car: Car, objects: Array, tables: CourseTables) -> float:
    """Return the lane opposite to the nearest object within `START_CLEARANCE` of a car; 0 where there is none."""
    course = tables.courses[car.course]
    nearest, lane = START_CLEARANCE, 0.0
    for k in range(objects.shape[1]):
        obj = objects[world, k]
        if obj.active == 0 or obj.course != car.course:
            continue
        gap = abs(obj.s - car.s)
        if course.closed == 1:
            gap = min(gap, course.length - gap)
        if gap < nearest:
            nearest, lane = gap, -obj.lane
    return lane


_ROUNDING = 1e-9
"""Remaining time at which a pause is over [s]: subtracted control steps do not sum to it exactly."""


@device
def step_bots(world: int, batch: Batch, tables: CourseTables, plan: ObjectPlan, dt: float) -> None:
    """Move the bots of a world for `dt` [s]; a bot that reaches the end of an open track leaves it."""
    objects = batch.objects
    for k in range(objects.shape[1]):
        bot = objects[world, k]
        if bot.active == 0 or bot.kind != BOT or bot.speed == 0.0:
            continue
        if bot.pause > _ROUNDING:
            bot.pause -= dt
            continue
        bot.pause = 0.0
        course = tables.courses[bot.course]
        bot.s += bot.speed * dt
        if course.closed == 1:
            bot.s -= course.length * math.floor(bot.s / course.length)
        elif bot.s > course.length:
            bot.active = 0
            continue
        place_in_lane(bot, tables, _advance_lane_change(bot, plan, dt))


@device
def _advance_lane_change(bot: Object, plan: ObjectPlan, dt: float) -> float:
    """Continue a lane change for `dt` [s], or begin one when its time has come.

    Returns:
        Rate of `lane` over arc length [1/m] at the end of this time.
    """
    if bot.lane_to == bot.lane_from:
        if bot.change_in > dt:
            bot.change_in -= dt
            return 0.0
        bot.lane_to = -bot.lane_from
        bot.changed = bot.speed * (dt - bot.change_in)
    else:
        bot.changed += bot.speed * dt
    u = bot.changed / plan.change_length
    if u >= 1.0:
        # The wait began when the change ended, within this step.
        beyond = (bot.changed - plan.change_length) / bot.speed
        bot.lane = bot.lane_from = bot.lane_to
        bot.changed = 0.0
        bot.change_in = max(_draw_wait(bot, plan) - beyond, 0.0)
        return 0.0
    across = bot.lane_to - bot.lane_from
    bot.lane = bot.lane_from + across * u * u * (3.0 - 2.0 * u)
    return across * 6.0 * u * (1.0 - u) / plan.change_length


@device
def pause_bots(world: int, objects: Array, plan: ObjectPlan) -> None:
    """Stop the bots of a world that are not stopped already."""
    for k in range(objects.shape[1]):
        bot = objects[world, k]
        if bot.active == 1 and bot.kind == BOT and bot.pause <= 0.0:
            bot.pause = plan.pause
