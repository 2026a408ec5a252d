"""Where cars start: alone at the line or around the lap, together on a grid of two lanes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from racer.config.rules import Rules, StartRules
from racer.race.lanes import COURSE, Lanes
from racer.sim.objects import LANE
from racer.sim.placement import OPEN_START

_STARTS = 0x57A27
"""Sets the stream of starts apart from others of the same seed."""
_SLOTS = 0x510C5


def slots_of(rules: Rules, entrants: int, *, seed: int, grid: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """(trials, entrants) the slot of each entrant in each trial; 0 is in front.

    Args:
        grid: (entrants,) the slots of the first trial; None: in the order of the entrants.
    """
    first = np.arange(entrants) if grid is None else np.asarray(grid)
    if rules.grid.order == "given":
        return np.tile(first, (rules.trials, 1))
    if rules.grid.order == "rotated":
        return (first + np.arange(rules.trials)[:, None]) % entrants
    lots = [np.random.default_rng((seed, _SLOTS, trial)).permutation(entrants) for trial in range(rules.trials)]
    return np.stack(lots)[:, first]


def grid_poses(lanes: Lanes, cars: int, spacing: float) -> NDArray[np.float64]:
    """(C, 4) poses of a grid, as `World.place` takes them: one slot behind the other, inner and outer lane by turns."""
    poses = np.zeros((cars, 4))
    for slot in range(cars):
        s = lanes.wrapped(-spacing * slot) if lanes.closed else OPEN_START + spacing * (cars - 1 - slot)
        lane = LANE * lanes.inner * (1 if slot % 2 == 0 else -1)
        poses[slot] = COURSE, s, lanes.lateral(s, lane), 0.0
    return poses


def lone_poses(lanes: Lanes, start: StartRules, trials: int, seed: int) -> NDArray[np.float64]:
    """(trials, 4) poses of cars that drive alone; trial k of a seed starts alike for everybody."""
    poses = np.zeros((trials, 4))
    for trial in range(trials):
        share = np.random.default_rng((seed, _STARTS, trial)).uniform(-1.0, 1.0, 2)
        s = OPEN_START if not lanes.closed else trial / trials * lanes.length if start.spread == "lap" else 0.0
        half = min(lanes.lateral(s, 1.0), -lanes.lateral(s, -1.0))
        poses[trial] = COURSE, s, start.lateral_share * half * share[0], math.radians(start.turned_deg) * share[1]
    return poses
