"""What came of a race.

From plain data, as `RaceResult.record` gives it, back to a result; for files and for other processes.

Who wins: scores by the rules, ranks, ties.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from racer.config.rules import RankingRules
from racer.errors import RacerError


@dataclass(frozen=True, kw_only=True)
class RulesId:
    """Which rules a race was run under: their name, and a hash of all that they say."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class LapResult:
    """One lap of one entrant.

    Attributes:
        trial: 1..; `number` counts the laps of a trial from 1.
        time_s: s of simulation with all penalties; None where the lap was not completed.
        penalty_s: s of penalties in it.
        off_tracks, collisions: how often.
    """

    trial: int
    number: int
    time_s: float | None
    penalty_s: float = 0.0
    off_tracks: int = 0
    collisions: int = 0


@dataclass(frozen=True, kw_only=True)
class EntrantResult:
    """What one entrant reached.

    Attributes:
        label: what the entrant is called.
        sha256: of its bundle; empty for what is none.
        rank: 1 is first; those of equal score share a rank; None where the rules rank it nowhere.
        score_s: s, what it is ranked by; None likewise.
        total_s: s of all laps of all trials with penalties; None where one of them was not completed.
        best_lap_s: s of the shortest completed lap; None where there is none.
        laps: all laps, trial by trial; the last one of a trial may be incomplete.
        progress: laps driven, all trials together, with the part of an incomplete one.
        penalty_s: s of all penalties.
        off_tracks, collisions: how often it left the road, and how often it ran into something by its own fault.
        resets: how often it was put back.
        status: `finished`; else how its first trial that was not finished ended: a fault's word, `time_up`, `resets`
            (too many) or `out`.
        reason: why, in words; empty where it finished.
    """

    label: str
    sha256: str
    rank: int | None
    score_s: float | None
    total_s: float | None
    best_lap_s: float | None
    laps: tuple[LapResult, ...]
    progress: float
    penalty_s: float
    off_tracks: int
    collisions: int
    resets: int
    status: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class RaceResult:
    """What came of a race.

    Attributes:
        track: its name.
        track_sha256: of the road itself.
        rules: which rules.
        seed: of all that happens by chance.
        race: `time_trial`, `object_avoidance`, `head_to_bot` or `head_to_head`.
        vehicle: its name.
        entrants: in the order in which they were entered.
        status: `done`, or `void` where it was broken off.
        seconds: s of simulation of the longest trial.
        replay: where it was written to, if it was.
    """

    track: str
    track_sha256: str
    rules: RulesId
    seed: int
    race: str
    vehicle: str
    entrants: tuple[EntrantResult, ...]
    status: str = "done"
    seconds: float = 0.0
    replay: Path | None = None

    @property
    def ranking(self) -> list[EntrantResult]:
        """The entrants by rank; those without one behind, by how far they came."""
        return sorted(self.entrants, key=lambda one: (one.rank is None, one.rank or 0, -one.progress))

    def record(self) -> dict[str, Any]:
        """Plain data for JSON; numbers are not rounded, so that equal records are equal races."""
        record = asdict(self)
        record["replay"] = None if self.replay is None else str(self.replay)
        return record


_RESULT_ADAPTER = TypeAdapter(RaceResult)
_ENTRANT_ADAPTER = TypeAdapter(EntrantResult)


class ResultError(RacerError):
    """Data that is no result of a race."""


def result_from_record(record: Any, *, source: str = "result") -> RaceResult:
    """A result from plain data.

    Raises:
        ResultError: it is none; the line says what is wrong with it.
    """
    return _validate(_RESULT_ADAPTER, record, source)


def entrant_from_record(record: Any, *, source: str = "result") -> EntrantResult:
    """One entrant's part of a result from plain data.

    Raises:
        ResultError: it is none; the line says what is wrong with it.
    """
    return _validate(_ENTRANT_ADAPTER, record, source)


def _validate(adapter: TypeAdapter[Any], record: Any, source: str) -> Any:
    try:
        # As JSON, where lists are tuples and text is a path; numbers come back bit for bit.
        return adapter.validate_json(json.dumps(record), strict=True)
    except (ValidationError, TypeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise ResultError(f"{source} is no result of a race: {where}: {first['msg']}") from None


TIE_TOLERANCE_S = 1e-9
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


def total_time(laps: Sequence[LapResult], count: int) -> float | None:
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
    return total_time(laps, count)


def rank_scores(scores: Sequence[float | None]) -> list[int | None]:
    """The rank of each score: 1 for the lowest; equal ones share a rank, and the next is as many further."""
    known = sorted(value for value in scores if value is not None)
    return [None if one is None else 1 + sum(other < one - TIE_TOLERANCE_S for other in known) for one in scores]
