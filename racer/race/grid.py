"""Computes places on the road for a race: grids, starts, lanes, and the poses and gaps that the referee needs."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from racer.config.rules import Rules, StartRules
from racer.sim.reset import OPEN_START
from racer.sim.traffic import LANE_LINE
from racer.sim.world import World

COURSE = 0
"""Course of all races: the direction of the track's file."""


class Lanes:
    """Arc lengths, lanes and poses on the first course of a world.

    Attributes:
        length: Arc length of the course [m].
        closed: True for a loop.
        inner: 1 where the inner border is the left one, else -1.
    """

    def __init__(self, world: World) -> None:
        course = world.tables.courses[COURSE]
        self._centerline = world.tables.centerline(COURSE)
        self._step = float(course["centerline_step"])
        self.length, self.closed = float(course["length"]), bool(course["closed"])
        self.inner = int(world.plan.inner[COURSE])

    def wrapped(self, s: float) -> float:
        """Return an arc length [m] within the lap; on an open track within the road."""
        return s % self.length if self.closed else min(max(s, 0.0), self.length)

    def gap(self, s: float, to: float) -> float:
        """Return the arc length [m] from `s` ahead to another place; on a loop the shorter way, maybe negative."""
        gap = to - s
        # Maps the gap to [-length / 2, length / 2): on a 20 m lap 19 m ahead is 1 m behind.
        return gap - self.length * math.floor(gap / self.length + 0.5) if self.closed else gap

    def lateral(self, s: float, lane: float) -> float:
        """Return the lateral offset [m] of a lane, left positive: lane 1 is the left border, -1 the right one."""
        before, after, fraction = self._at(s)
        side = "left" if lane > 0.0 else "right"
        return lane * float(before[side] + fraction * (after[side] - before[side]))

    def pose(self, s: float, lateral: float) -> tuple[float, float, float]:
        """Return x, y [m] and heading [rad] of a place, linear between samples of the centre line."""
        before, after, fraction = self._at(s)
        x, y = (float(before[key] + fraction * (after[key] - before[key])) for key in ("x", "y"))
        # Headings are interpolated along the smaller turn, across the jump from pi to -pi.
        turn = float(after["heading"] - before["heading"])
        heading = float(before["heading"]) + fraction * (turn - 2.0 * math.pi * round(turn / (2.0 * math.pi)))
        return x - lateral * math.sin(heading), y + lateral * math.cos(heading), heading

    def nearer_lane(self, lateral: float) -> float:
        """Return the lane line on this side of the centre line."""
        return LANE_LINE if lateral >= 0.0 else -LANE_LINE

    def _at(self, s: float) -> tuple[np.void, np.void, float]:
        """Return the samples before and after a place, and the fraction of the way between them."""
        # Samples are at equal arc lengths; a loop's last sample is followed by its first.
        where = self.wrapped(s) / self._step
        count = len(self._centerline)
        j = min(int(where), count - 1)
        k = (j + 1) % count if self.closed else min(j + 1, count - 1)
        return self._centerline[j], self._centerline[k], where - j if self.closed else min(where - j, 1.0)


_START_STREAM = 0x57A27
"""Separates the stream of starts from other streams of the same seed."""
_SLOT_STREAM = 0x510C5


def grid_slots(rules: Rules, entrants: int, *, seed: int, grid: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Return the slot of each entrant in each trial, shape (trials, entrants); slot 0 is in front.

    Args:
        rules: Rules with the order of the grid.
        entrants: Number of entrants.
        seed: Seed of the race.
        grid: Slots of the first trial, shape (entrants,); None for the order of the entrants.
    """
    first = np.arange(entrants) if grid is None else np.asarray(grid)
    if rules.grid.order == "given":
        return np.tile(first, (rules.trials, 1))
    if rules.grid.order == "rotated":
        return (first + np.arange(rules.trials)[:, None]) % entrants
    # Each trial has its own stream: drawing more trials does not change the earlier ones.
    lots = [np.random.default_rng((seed, _SLOT_STREAM, trial)).permutation(entrants) for trial in range(rules.trials)]
    return np.stack(lots)[:, first]


def grid_poses(lanes: Lanes, cars: int, spacing: float) -> NDArray[np.float64]:
    """Return the poses of a grid, as `World.place` takes them, shape (C, 4).

    Args:
        lanes: Lanes of the course.
        cars: Number of slots, one behind the other, on the inner and the outer lane by turns.
        spacing: Arc length from slot to slot [m].
    """
    poses = np.zeros((cars, 4))
    for slot in range(cars):
        s = lanes.wrapped(-spacing * slot) if lanes.closed else OPEN_START + spacing * (cars - 1 - slot)
        # Slot 0, in front, is on the inner lane.
        lane = LANE_LINE * lanes.inner * (1 if slot % 2 == 0 else -1)
        poses[slot] = COURSE, s, lanes.lateral(s, lane), 0.0
    return poses


def solo_poses(lanes: Lanes, start: StartRules, trials: int, seed: int) -> NDArray[np.float64]:
    """Return the poses of cars that drive alone, shape (trials, 4); trial k of a seed is the same for all entrants."""
    poses = np.zeros((trials, 4))
    for trial in range(trials):
        offset, turn = np.random.default_rng((seed, _START_STREAM, trial)).uniform(-1.0, 1.0, 2)
        # On an open track every start is at its beginning, else a lap would be shorter than the road.
        s = OPEN_START if not lanes.closed else trial / trials * lanes.length if start.spread == "lap" else 0.0
        # Borders may be uneven: the offset is a share of the narrower side.
        half = min(lanes.lateral(s, 1.0), -lanes.lateral(s, -1.0))
        poses[trial] = COURSE, s, start.lateral_share * half * offset, math.radians(start.turned_deg) * turn
    return poses
