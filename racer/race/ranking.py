"""Who wins: scores by the rules, ranks, ties."""

from __future__ import annotations

from collections.abc import Sequence

from racer.config.rules import RankingRules
from racer.race.result import LapResult

SAME_S = 1e-9
"""s; times that are closer are equal: what sums in another order may differ by."""


def best_window(laps: Sequence[LapResult], window: int) -> float | None:
    """s, the least mean of `window` consecutive completed laps; None where there are no such laps.

    As DeepRacer's AVG_LAP_TIME. The laps of all trials count as one after the other; an incomplete one breaks the row.
    """
    means = []
    for first in range(len(laps) - window + 1):
        times = [lap.time_s for lap in laps[first : first + window]]
        if all(time is not None for time in times):
            means.append(sum(time for time in times if time is not None) / window)
    return min(means, default=None)


def best_lap(laps: Sequence[LapResult]) -> float | None:
    """s of the shortest completed lap; None where there is none."""
    return min((lap.time_s for lap in laps if lap.time_s is not None), default=None)


def total(laps: Sequence[LapResult], count: int) -> float | None:
    """s of all laps; None where fewer than `count` were completed."""
    times = [lap.time_s for lap in laps if lap.time_s is not None]
    return sum(times) if len(times) >= count else None


def score(laps: Sequence[LapResult], ranking: RankingRules, count: int) -> float | None:
    """s that rank an entrant, the lower the better; None where the rules rank it nowhere.

    Args:
        laps: of all trials.
        ranking: by what.
        count: laps that are driven under the rules, all trials together.
    """
    if ranking.by == "best_lap":
        return best_lap(laps)
    if ranking.by == "best_window":
        return best_window(laps, ranking.window)
    return total(laps, count)


def ranks(scores: Sequence[float | None]) -> list[int | None]:
    """The rank of each score: 1 for the lowest; equal ones share a rank, and the next is as many further."""
    known = sorted(value for value in scores if value is not None)
    return [None if one is None else 1 + sum(other < one - SAME_S for other in known) for one in scores]
