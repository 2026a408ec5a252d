"""Places on the road for the referee: arc length and lateral offset to poses, and gaps round a lap."""

from __future__ import annotations

import math

import numpy as np

from racer.sim.objects import LANE
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
        return LANE if lateral >= 0.0 else -LANE

    def _at(self, s: float) -> tuple[np.void, np.void, float]:
        where = self.wrapped(s) / self._step
        count = len(self._rails)
        j = min(int(where), count - 1)
        k = (j + 1) % count if self.closed else min(j + 1, count - 1)
        return self._rails[j], self._rails[k], where - j if self.closed else min(where - j, 1.0)
