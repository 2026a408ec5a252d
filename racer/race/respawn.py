"""Finds where a car is put back: near its fault, behind what it hit, and never onto another car or object.

The rule is that of DeepRacer's simulator (its reset position): the arc length of the control step before the fault, on
the nearer lane line, along it and at rest; after a box, behind it in the opposite lane. Beyond that rule the search
takes the first free place: further back, in either lane, with some road behind it that is free of oncoming cars.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from racer.config.rules import RespawnRules
from racer.race.grid import COURSE, Lanes
from racer.sim.contact import check_rectangles_overlap
from racer.sim.dtypes import BOX, BOX_MARGIN
from racer.sim.telemetry import FRONT_POINT
from racer.sim.world import World

CLEAR_BEHIND = 1.5
"""Length of road behind a place that should be free of oncoming cars [m]."""
PATIENCE_S = 2.0
"""Time for which a car waits for such a place [s]; then it takes one that is only free itself."""
_SEARCH_STEP = 0.25
"""Distance from one tried place to the next [m]."""
_SEARCH_REACH = 2.0
"""Distance behind the target within which a patient car searches [m]."""
_MARGIN = 0.1
"""Least distance between a car that is put back and any other car or object [m]."""


class RespawnTarget(NamedTuple):
    """Where a car should be put back.

    Attributes:
        s: Arc length of its front point [m].
        lane: Lane that is tried first: 1 is the left border, -1 the right one.
    """

    s: float
    lane: float


def respawn_target(
    world: World, lanes: Lanes, rules: RespawnRules, n: int, c: int, *, s_before: float, hit: int, ahead: bool
) -> RespawnTarget:
    """Return where a car should continue.

    Args:
        world: World of the car.
        lanes: Lanes of the course.
        rules: Rules of putting cars back.
        n: World number.
        c: Car number.
        s_before: Arc length of its front point a control step before the fault [m].
        hit: Index of the box that it ran into; -1 for none.
        ahead: Put the car beyond the box instead of behind it.
    """
    # After leaving the road: where the front point was, a little further back, on the lane line of that side.
    s = s_before - rules.back
    lane = lanes.nearer_lane(float(world.cars["lateral"][n, c]))
    if hit >= 0:
        # After a box: at a distance from it, in the lane that it does not occupy.
        box = world.objects[n, hit]
        lane = -lanes.nearer_lane(float(box["lateral"]))
        s = float(box["s"]) + (rules.behind if ahead else -rules.behind)
    if not lanes.closed:
        # An open road has no place before its start or beyond its end.
        s = min(max(s, FRONT_POINT), lanes.length - FRONT_POINT)
    return RespawnTarget(s=s, lane=0.0 if rules.place == "center" else lane)


def find_respawn_pose(
    world: World, lanes: Lanes, rules: RespawnRules, n: int, c: int, target: RespawnTarget, *, patient: bool
) -> tuple[float, float, float, float] | None:
    """Return the pose, for `World.place`, of the first free place at or behind the target; None where none is free.

    Args:
        world, lanes, rules, n, c: As in `respawn_target`.
        target: Place that is tried first.
        patient: Require road without oncoming cars, and search only near the target.
    """
    row = world.vehicles[n, c]
    size = float(row["length"]) + 2.0 * _MARGIN, float(row["width"]) + 2.0 * _MARGIN
    obstacles = _find_obstacles(world, rules, n, c, clear_m=CLEAR_BEHIND if patient else 0.0)
    # An impatient car searches almost a whole lap back, so that only a full road can refuse it.
    reach = _SEARCH_REACH if patient else 0.9 * lanes.length if lanes.closed else target.s
    lanes_tried = (target.lane, -target.lane) if target.lane != 0.0 else (0.0,)
    for k in range(int(reach / _SEARCH_STEP) + 1):
        # Targets are places of the front point; poses are places of the car's origin.
        s = target.s - k * _SEARCH_STEP - FRONT_POINT
        if not lanes.closed and s < 0.0:
            break
        s = lanes.wrapped(s)
        for lane in lanes_tried:
            lateral = lanes.lateral(s, lane)
            if not any(_blocks(obstacle, lanes, s, lateral, size) for obstacle in obstacles):
                return (float(COURSE), s, lateral, 0.0)
    return None


class _Obstacle(NamedTuple):
    """A box, a bot or another car.

    Attributes:
        row: Its state.
        size: Length and width [m].
        s: Arc length of its middle [m].
        ahead: Road that it needs free ahead of it, beyond touching [m].
        behind: Road that it needs free behind it [m]; None where not touching is enough.
    """

    row: np.void
    size: tuple[float, float]
    s: float
    ahead: float
    behind: float | None


def _find_obstacles(world: World, rules: RespawnRules, n: int, c: int, *, clear_m: float) -> list[_Obstacle]:
    """Return all that car `c` must not be put onto; `clear_m` is the free road that other cars need ahead [m]."""
    obstacles = []
    for row in world.objects[n][world.objects[n]["active"] != 0]:
        margin = BOX_MARGIN if row["kind"] == BOX else 0.0
        size = float(row["length"]) + margin, float(row["width"]) + margin
        # Just below the distance at which `respawn_target` puts a car behind a box, so that this place itself is free.
        obstacles.append(_Obstacle(row, size, float(row["s"]), 0.0, FRONT_POINT + rules.behind - 1e-9))
    for k, row in enumerate(world.cars[n]):
        if k != c and row["active"] != 0:
            size = float(world.vehicles[n, k]["length"]), float(world.vehicles[n, k]["width"])
            obstacles.append(_Obstacle(row, size, float(row["s"]) - FRONT_POINT, clear_m, None))
    return obstacles


def _blocks(obstacle: _Obstacle, lanes: Lanes, s: float, lateral: float, size: tuple[float, float]) -> bool:
    """Return whether an obstacle keeps a car of a size [m], with margins, from a place given by `s` and `lateral`."""
    row, touching = obstacle.row, 0.5 * (size[0] + obstacle.size[0])
    gap = lanes.gap(s, obstacle.s)
    in_lane = abs(float(row["lateral"]) - lateral) < 0.5 * (size[1] + obstacle.size[1])
    # A negative gap is an obstacle behind the place, which may be a car that comes along.
    if in_lane and -(touching + obstacle.ahead) < gap < (touching if obstacle.behind is None else obstacle.behind):
        return True
    # Gaps are along the centre line; in a bend rectangles of neighbouring lanes may still overlap.
    other = float(row["x"]), float(row["y"]), float(row["yaw"])
    return bool(check_rectangles_overlap(*lanes.pose(s, lateral), *size, *other, *obstacle.size))
