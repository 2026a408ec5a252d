"""Boxes and bots: where they are put at the start of an episode, and what a lane is.

A lane line runs midway between the centre line and a border. `lane` is the position across the road: 0 on the
centre line, 1 on the left border, -1 on the right one, so the lane lines are at +-0.5.

Rules of placing: simapp `agent_ctrl/obstacles_agent_ctrl.py` and `bot_cars_agent_ctrl.py`; shares of the lap and gaps
as DeepRacer's console allows them. `spaced` and `random` count from the start of the car, so that nothing blocks it
there; `fixed` positions are of the track, in its file's direction.

Bots: scripted cars that follow a lane line, and change lanes where the configuration asks for it.

As in DeepRacer's simulator (simapp `agent_ctrl/bot_cars_agent_ctrl.py`) a bot's constant speed is that along the centre
line, so bots keep their distances for ever, whichever lanes they are in. A lane change takes a given length of centre
line; across the road it is a smoothstep, ``3 u^2 - 2 u^3``: it begins and ends along the lane lines. All bots of a
world stand for a while after one of them ran into a car from behind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.config.env import ObjectsConfig
from racer.sim.centerline import center_point_at
from racer.sim.dtypes import BOT, BOX
from racer.sim.jit import device
from racer.sim.random import next_uniform
from racer.sim.telemetry import centerline_at
from racer.track.geometry import enclosed_area
from racer.track.track import Track

KEPT, FIXED, SPACED, RANDOM = 0, 1, 2, 3
"""Placements; `KEPT` leaves objects as they are."""
LANE_LINE = 0.5
"""Where a lane line is, as a share of the way from the centre line to the border."""
START_CLEARANCE = 1.0
"""m of arc on either side of the car's start that are kept free (simapp: closer than this, the car changes lanes)."""
BOX_SIZE = (0.4, 0.3, 0.25)
"""m, length, width and height (simapp `models/box_obstacle/model.sdf`)."""
BOT_SIZE = (0.32352, 0.1961, 0.125)
"""m (simapp `track_geom/constants.py`; the height is an estimate)."""
_PLACEMENTS = {"fixed": FIXED, "spaced": SPACED, "random": RANDOM}
_LANE_ALTERNATING, _LANE_RANDOM, _LANE_INNER, _LANE_OUTER = 0, 1, 2, 3
_LANES = {"alternating": _LANE_ALTERNATING, "random": _LANE_RANDOM, "inner": _LANE_INNER, "outer": _LANE_OUTER}


class ObjectPlan(NamedTuple):
    """An `ObjectsConfig` as kernels take it."""

    placement: int
    kind: int
    lanes: int
    first: float
    """Least share of the lap from the car's start."""
    last: float
    gap: float
    shares: NDArray[np.float64]
    """(M,) shares of the lap of fixed positions."""
    sides: NDArray[np.int64]
    """(M,) their lanes: 1 inner, -1 outer."""
    inner: NDArray[np.int64]
    """(2 T,) for each course: 1 where its inner border is the left one, else -1."""
    length: float
    width: float
    height: float
    speed: float
    wait_min: float
    """s, least time between two lane changes; infinite where there are none."""
    wait_max: float
    change_length: float
    """m of arc that a lane change takes."""
    pause: float
    """s for which bots stand after one ran into a car."""


def make_object_plan(config: ObjectsConfig | None, tracks: Sequence[Track]) -> ObjectPlan:
    """The plan of a configuration on these tracks; None leaves objects as they are put by hand."""
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
        np.array([share for share, _ in config.positions], np.float64),
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
    """1 where the inner border, which encloses less, is the left one; -1 else. On an open track it is the left one."""
    if not track.closed or abs(enclosed_area(track.left)) <= abs(enclosed_area(track.right)):
        return 1
    return -1


@device
def border_distances_at(course, rails, s):  # type: ignore[no-untyped-def]
    """(left, right): m from the centre line to the borders at arc length `s`, linear between rail samples."""
    where = s / course.rail_step
    j = int(where)
    if course.closed == 1:
        part = where - j
        j = j % course.rail_count
        k = j + 1 if j + 1 < course.rail_count else 0
    else:
        j = min(max(j, 0), course.rail_count - 1)
        part = min(max(where - j, 0.0), 1.0)
        k = min(j + 1, course.rail_count - 1)
    a, b = rails[course.rail_first + j], rails[course.rail_first + k]
    return a.left + part * (b.left - a.left), a.right + part * (b.right - a.right)


@device
def lane_offset_at(course, rails, s, lane):  # type: ignore[no-untyped-def]
    """m left of the centre line at arc length `s` in a lane."""
    left, right = border_distances_at(course, rails, s)
    return lane * (left if lane > 0.0 else right)


@device
def place_in_lane(thing, tables, drift):  # type: ignore[no-untyped-def]
    """Set place and heading of an object from its course, `s` and `lane`.

    Args:
        drift: lane per metre of arc, of a lane change that is under way; 0: the object points along the road.
    """
    course = tables.courses[thing.course]
    thing.segment, x, y = center_point_at(course, tables.segments, thing.s)
    heading, curvature = centerline_at(course, tables.rails, thing.s)
    thing.lateral = lane_offset_at(course, tables.rails, thing.s, thing.lane)
    thing.x = x - thing.lateral * math.sin(heading)
    thing.y = y + thing.lateral * math.cos(heading)
    if drift != 0.0:
        left, right = border_distances_at(course, tables.rails, thing.s)
        aside = drift * (left if thing.lane > 0.0 else right)
        heading += math.atan2(aside, max(1.0 - curvature * thing.lateral, 0.1))
    thing.yaw = heading - 2.0 * math.pi * math.floor((heading + math.pi) / (2.0 * math.pi))


@device
def _random_distances(world, objects, low, high, gap):  # type: ignore[no-untyped-def]
    """Draw `s` of all objects of a world in `low`..`high`, each `gap` beyond the one before, all such rows alike."""
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
def place_objects(world, batch, tables, plan, behind):  # type: ignore[no-untyped-def]
    """Put all objects of a world on the course of its first car, which was just placed.

    Args:
        behind: m of arc behind the first car that other cars take up.
    """
    ego, objects = batch.cars[world, 0], batch.objects
    course = tables.courses[ego.course]
    count = objects.shape[1]
    whole = course.length if course.closed == 1 else course.length - ego.start_s
    low = max(plan.first * whole, START_CLEARANCE)
    high = max(min(plan.last * whole, whole - START_CLEARANCE - behind), low)
    if plan.placement == RANDOM:
        _random_distances(world, objects, low, high, plan.gap * whole)
    for k in range(count):
        thing = objects[world, k]
        if plan.placement == FIXED:
            s = plan.shares[k] * course.length
            if ego.course % 2 == 1:
                s = tables.segments[course.first + course.rows - 1].s - s
            side = plan.sides[k]
        else:
            if plan.placement == SPACED:
                thing.s = min(max((k + 1) * whole / (count + 1), low), high)
            s = ego.start_s + thing.s
            side = 1 if plan.lanes == _LANE_INNER or (plan.lanes == _LANE_ALTERNATING and k % 2 == 0) else -1
            if plan.lanes == _LANE_RANDOM:
                side = 1 if next_uniform(objects[world, 0]) < 0.5 else -1
        if course.closed == 1:
            s -= course.length * math.floor(s / course.length)
        thing.course, thing.s = ego.course, min(max(s, 0.0), course.length)
        thing.kind, thing.speed = plan.kind, plan.speed
        thing.length, thing.width, thing.height = plan.length, plan.width, plan.height
        thing.lane = thing.lane_from = thing.lane_to = LANE_LINE * side * plan.inner[ego.course]
        thing.changed = thing.pause = 0.0
        thing.change_in = draw_lane_change_wait(thing, plan)
        thing.active = 1
        place_in_lane(thing, tables, 0.0)


@device
def draw_lane_change_wait(thing, plan):  # type: ignore[no-untyped-def]
    """s until the next lane change of a bot, from its own stream; infinite where there are none."""
    if math.isinf(plan.wait_min):
        return math.inf
    return plan.wait_min + (plan.wait_max - plan.wait_min) * next_uniform(thing)


@device
def free_lane(world, car, objects, tables):  # type: ignore[no-untyped-def]
    """The lane opposite to the nearest object within `START_CLEAR` of a car; 0 where there is none."""
    course = tables.courses[car.course]
    nearest, lane = START_CLEARANCE, 0.0
    for k in range(objects.shape[1]):
        thing = objects[world, k]
        if thing.active == 0 or thing.course != car.course:
            continue
        gap = abs(thing.s - car.s)
        if course.closed == 1:
            gap = min(gap, course.length - gap)
        if gap < nearest:
            nearest, lane = gap, -thing.lane
    return lane


_ROUNDING = 1e-9
"""s; a pause is over when this little is left of a sum of control steps."""


@device
def step_bots(world, batch, tables, plan, dt):  # type: ignore[no-untyped-def]
    """Move the bots of a world for `dt` seconds; one that reaches the end of an open track leaves it."""
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
        place_in_lane(bot, tables, advance_lane_change(bot, plan, dt))


@device
def advance_lane_change(bot, plan, dt):  # type: ignore[no-untyped-def]
    """Continue a lane change for `dt` seconds, or begin one when its time has come.

    Returns:
        drift: lane per metre of arc at the end of these seconds.
    """
    if bot.lane_to == bot.lane_from:
        if bot.change_in > dt:
            bot.change_in -= dt
            return 0.0
        bot.lane_to = -bot.lane_from
        bot.changed = bot.speed * (dt - bot.change_in)
    else:
        bot.changed += bot.speed * dt
    share = bot.changed / plan.change_length
    if share >= 1.0:
        beyond = (bot.changed - plan.change_length) / bot.speed
        bot.lane = bot.lane_from = bot.lane_to
        bot.changed = 0.0
        bot.change_in = max(draw_lane_change_wait(bot, plan) - beyond, 0.0)
        return 0.0
    way = bot.lane_to - bot.lane_from
    bot.lane = bot.lane_from + way * share * share * (3.0 - 2.0 * share)
    return way * 6.0 * share * (1.0 - share) / plan.change_length


@device
def pause_bots(world, objects, plan):  # type: ignore[no-untyped-def]
    """Make the bots of a world stand, unless they do already."""
    for k in range(objects.shape[1]):
        bot = objects[world, k]
        if bot.active == 1 and bot.kind == BOT and bot.pause <= 0.0:
            bot.pause = plan.pause
