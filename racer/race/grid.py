"""Places on the road for the referee: arc length and lateral offset to poses, and gaps round a lap.

Where cars start: alone at the line or around the lap, together on a grid of two lanes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from racer.config.rules import Rules, StartRules
from racer.sim.reset import OPEN_START
from racer.sim.traffic import LANE_LINE
from racer.sim.world import World

COURSE = 0
"""Races are driven in the direction of the track's file."""


class Lanes:
    """The lanes of the first course of a world.

    Attributes:
        length: m of arc.
        closed: whether it is a loop.
        inner: 1 where the inner border is the left one, else -1.
    """

    def __init__(self, world: World) -> None:
        course = world.tables.courses[COURSE]
        first, count = int(course["rail_first"]), int(course["rail_count"])
        self._rails = world.tables.rails[first : first + count]
        self._step = float(course["rail_step"])
        self.length, self.closed = float(course["length"]), bool(course["closed"])
        self.inner = int(world.plan.inner[COURSE])

    def wrapped(self, s: float) -> float:
        """`s` within the lap; on an open track within the road."""
        return s % self.length if self.closed else min(max(s, 0.0), self.length)

    def gap(self, s: float, to: float) -> float:
        """m of arc from `s` ahead to another place, the short way round."""
        gap = to - s
        return gap - self.length * math.floor(gap / self.length + 0.5) if self.closed else gap

    def lateral(self, s: float, lane: float) -> float:
        """m left of the centre line in a lane: 1 is the left border, -1 the right one."""
        before, after, part = self._at(s)
        side = "left" if lane > 0.0 else "right"
        return lane * float(before[side] + part * (after[side] - before[side]))

    def pose(self, s: float, lateral: float) -> tuple[float, float, float]:
        """x, y (m) and heading (rad) of a place; linear between samples of the centre line."""
        before, after, part = self._at(s)
        x, y = (float(before[key] + part * (after[key] - before[key])) for key in ("x", "y"))
        turn = float(after["heading"] - before["heading"])
        heading = float(before["heading"]) + part * (turn - 2.0 * math.pi * round(turn / (2.0 * math.pi)))
        return x - lateral * math.sin(heading), y + lateral * math.cos(heading), heading

    def nearer_lane(self, lateral: float) -> float:
        """The lane line on this side of the centre line."""
        return LANE_LINE if lateral >= 0.0 else -LANE_LINE

    def _at(self, s: float) -> tuple[np.void, np.void, float]:
        where = self.wrapped(s) / self._step
        count = len(self._rails)
        j = min(int(where), count - 1)
        k = (j + 1) % count if self.closed else min(j + 1, count - 1)
        return self._rails[j], self._rails[k], where - j if self.closed else min(where - j, 1.0)


_START_STREAM = 0x57A27
"""Sets the stream of starts apart from others of the same seed."""
_SLOT_STREAM = 0x510C5


def grid_slots(rules: Rules, entrants: int, *, seed: int, grid: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """(trials, entrants) the slot of each entrant in each trial; 0 is in front.

    Args:
        grid: (entrants,) the slots of the first trial; None: in the order of the entrants.
    """
    first = np.arange(entrants) if grid is None else np.asarray(grid)
    if rules.grid.order == "given":
        return np.tile(first, (rules.trials, 1))
    if rules.grid.order == "rotated":
        return (first + np.arange(rules.trials)[:, None]) % entrants
    lots = [np.random.default_rng((seed, _SLOT_STREAM, trial)).permutation(entrants) for trial in range(rules.trials)]
    return np.stack(lots)[:, first]


def grid_poses(lanes: Lanes, cars: int, spacing: float) -> NDArray[np.float64]:
    """(C, 4) poses of a grid, as `World.place` takes them: one slot behind the other, inner and outer lane by turns."""
    poses = np.zeros((cars, 4))
    for slot in range(cars):
        s = lanes.wrapped(-spacing * slot) if lanes.closed else OPEN_START + spacing * (cars - 1 - slot)
        lane = LANE_LINE * lanes.inner * (1 if slot % 2 == 0 else -1)
        poses[slot] = COURSE, s, lanes.lateral(s, lane), 0.0
    return poses


def solo_poses(lanes: Lanes, start: StartRules, trials: int, seed: int) -> NDArray[np.float64]:
    """(trials, 4) poses of cars that drive alone; trial k of a seed starts alike for everybody."""
    poses = np.zeros((trials, 4))
    for trial in range(trials):
        share = np.random.default_rng((seed, _START_STREAM, trial)).uniform(-1.0, 1.0, 2)
        s = OPEN_START if not lanes.closed else trial / trials * lanes.length if start.spread == "lap" else 0.0
        half = min(lanes.lateral(s, 1.0), -lanes.lateral(s, -1.0))
        poses[trial] = COURSE, s, start.lateral_share * half * share[0], math.radians(start.turned_deg) * share[1]
    return poses
