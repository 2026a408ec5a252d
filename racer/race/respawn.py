"""Where a car is put back: near where its fault was, behind what it hit, never onto anything.

The rule is that of simapp (reset position; see the shared reference, 3.2): the arc length of the control step before
the fault, on the nearer lane line, along it and at rest; behind an object, in the opposite lane. Beyond that it looks
for a place that is free: further back, in either lane, with some road behind it that no other car comes along.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from racer.config.rules import RespawnRules
from racer.race.grid import COURSE, Lanes
from racer.sim.contact import BOX_MARGIN, check_rectangles_overlap
from racer.sim.dtypes import BOX
from racer.sim.telemetry import FRONT_POINT
from racer.sim.world import World

CLEAR_BEHIND = 1.5
"""m of road behind a place that should be free of oncoming cars."""
PATIENCE_S = 2.0
"""s that a car waits for such a place; then it takes one that is merely free."""
_SEARCH_STEP = 0.25
"""m from one place that is tried to the next."""
_SEARCH_REACH = 2.0
"""m behind the wanted place within which a patient car looks."""
_MARGIN = 0.1
"""m between a car that is put back and anything else, at least."""


@dataclass(frozen=True, kw_only=True)
class RespawnTarget:
    """Where a car should be put back: arc length of its front point, m, and the lane that is tried first."""

    s: float
    lane: float


def respawn_target(
    world: World, lanes: Lanes, rules: RespawnRules, n: int, c: int, *, s_before: float, hit: int, ahead: bool
) -> RespawnTarget:
    """Where a car should go on.

    Args:
        s_before: m, arc length of its front point a control step before the fault.
        hit: number of the box that it ran into; -1: none.
        ahead: beyond the box, out of mercy.
    """
    s = s_before - rules.back
    lane = lanes.nearer_lane(float(world.cars["lateral"][n, c]))
    if hit >= 0:
        box = world.objects[n, hit]
        lane = -lanes.nearer_lane(float(box["lateral"]))
        s = float(box["s"]) + (rules.behind if ahead else -rules.behind)
    if not lanes.closed:
        s = min(max(s, FRONT_POINT), lanes.length - FRONT_POINT)
    return RespawnTarget(s=s, lane=0.0 if rules.place == "center" else lane)


def find_respawn_pose(
    world: World, lanes: Lanes, rules: RespawnRules, n: int, c: int, wanted: RespawnTarget, *, patient: bool
) -> tuple[float, float, float, float] | None:
    """The pose for `World.place` of the first free place at or behind the wanted one; None where there is none now."""
    reach = _SEARCH_REACH if patient else 0.9 * lanes.length if lanes.closed else wanted.s
    tried = (wanted.lane, -wanted.lane) if wanted.lane != 0.0 else (0.0,)
    for k in range(int(reach / _SEARCH_STEP) + 1):
        s = wanted.s - k * _SEARCH_STEP - FRONT_POINT
        if not lanes.closed and s < 0.0:
            break
        s = lanes.wrapped(s)
        for lane in tried:
            lateral = lanes.lateral(s, lane)
            if _is_free(world, lanes, rules, n, c, s, lateral, clear=patient):
                return (float(COURSE), s, lateral, 0.0)
    return None


def _is_free(
    world: World, lanes: Lanes, rules: RespawnRules, n: int, c: int, s: float, lateral: float, *, clear: bool
) -> bool:
    """Whether a car may stand at a place: touches nothing, and has road to move off."""
    shape = world.vehicles[n, c]
    length, width = float(shape["length"]) + 2.0 * _MARGIN, float(shape["width"]) + 2.0 * _MARGIN
    here = (*lanes.pose(s, lateral), length, width)
    for thing in world.objects[n]:
        if thing["active"] == 0:
            continue
        margin = BOX_MARGIN if thing["kind"] == BOX else 0.0
        sides = float(thing["length"]) + margin, float(thing["width"]) + margin
        gap = lanes.gap(s, float(thing["s"]))
        beside = abs(float(thing["lateral"]) - lateral) >= 0.5 * (width + sides[1])
        if not beside and -0.5 * (length + sides[0]) < gap < FRONT_POINT + rules.behind - 1e-9:
            return False
        if _overlaps(here, thing, sides):
            return False
    for k, car in enumerate(world.cars[n]):
        if k == c or car["active"] == 0:
            continue
        other = world.vehicles[n, k]
        sides = float(other["length"]), float(other["width"])
        if _overlaps(here, car, sides):
            return False
        gap = lanes.gap(s, float(car["s"]) - FRONT_POINT)
        beside = abs(float(car["lateral"]) - lateral) >= 0.5 * (width + sides[1])
        behind = 0.5 * (length + sides[0]) + (CLEAR_BEHIND if clear else 0.0)
        if not beside and -behind < gap < 0.5 * (length + sides[0]):
            return False
    return True


def _overlaps(here: tuple[float, ...], thing: np.void, sides: tuple[float, float]) -> bool:
    return bool(check_rectangles_overlap(*here, float(thing["x"]), float(thing["y"]), float(thing["yaw"]), *sides))
