"""Results of races: laps, entrants, scores and ranks, and their form as plain data for files and other processes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from racer.config.rules import RankingRules
from racer.errors import RacerError


@dataclass(frozen=True, kw_only=True)
class RulesId:
    """Rules of a race: their name, and a hash of their contents."""

    name: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class LapResult:
    """One lap of one entrant.

    Attributes:
        trial: Number of the trial, from 1.
        number: Number of the lap in its trial, from 1.
        time_s: Simulation time with all penalties [s]; None where the lap was not completed.
        penalty_s: Penalties in it [s].
        off_tracks: Times that the car left the road.
        collisions: Times that the car ran into something by its own fault.
    """

    trial: int
    number: int
    time_s: float | None
    penalty_s: float = 0.0
    off_tracks: int = 0
    collisions: int = 0


@dataclass(frozen=True, kw_only=True)
class EntrantResult:
    """Result of one entrant.

    Attributes:
        label: Name of the entrant.
        sha256: Hash of its bundle; empty for a policy without one.
        rank: Rank from 1; equal scores share a rank; None where it has no score.
        score_s: Time that ranks it [s]; None where the rules give it none.
        total_s: Sum of all laps of all trials with penalties [s]; None where a lap was not completed.
        best_lap_s: Time of the shortest completed lap [s]; None where there is none.
        laps: All laps, trial by trial; the last one of a trial may be incomplete.
        progress: Laps driven in all trials together, with the part of an incomplete one.
        penalty_s: Sum of all penalties [s].
        off_tracks: Times that it left the road.
        collisions: Times that it ran into something by its own fault.
        resets: Times that it was put back.
        status: `finished`; else how its first unfinished trial ended: the name of a fault's status, `time_up`, `resets`
            (too many) or `out`.
        reason: Explanation of the status; empty where it finished.
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
    """Result of a race.

    Attributes:
        track: Name of the track.
        track_sha256: Hash of the lines of the road.
        rules: Name and hash of the rules.
        seed: Seed of everything that was drawn.
        race: `time_trial`, `object_avoidance`, `head_to_bot` or `head_to_head`.
        vehicle: Name of the vehicle.
        entrants: Results in the order in which the entrants were given.
        status: `done`, or `void` where the race was ended early.
        seconds: Simulation time of the longest trial [s].
        replay: File of the replay; None where none was written.
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
        """The entrants by rank; unranked ones last, by progress."""
        return sorted(self.entrants, key=lambda entrant: (entrant.rank is None, entrant.rank or 0, -entrant.progress))

    def record(self) -> dict[str, Any]:
        """Return plain data for JSON; numbers are not rounded, so that equal records are equal races."""
        return asdict(self) | {"replay": None if self.replay is None else str(self.replay)}


_RESULT_ADAPTER = TypeAdapter(RaceResult)


class ResultError(RacerError):
    """Data that cannot be read as the result of a race."""


def result_from_record(record: Any) -> RaceResult:
    """Read a result from plain data, as `RaceResult.record` returns it.

    Raises:
        ResultError: A field is missing, unknown or of another type.
    """
    try:
        # Strict validation of JSON accepts lists for tuples and text for paths; numbers come back bit for bit.
        return _RESULT_ADAPTER.validate_json(json.dumps(record), strict=True)
    except (ValidationError, TypeError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        field = ".".join(map(str, first["loc"])) or "the whole"
        raise ResultError(f"result is not the result of a race: {field}: {first['msg']}") from None


TIE_TOLERANCE_S = 1e-9
"""Times that are closer than this are equal [s]: sums in another order may differ by it."""


def best_window(laps: Sequence[LapResult], window: int) -> float | None:
    """Return the least mean time [s] of `window` consecutive completed laps; None where there are no such laps.

    As DeepRacer's AVG_LAP_TIME. The laps of all trials count one after the other; an incomplete lap interrupts them.
    """
    # Laps 8, 7, None, 6, 6, 6 with a window of 3: only the last three have times in a row, their mean is 6.
    times = [math.nan if lap.time_s is None else lap.time_s for lap in laps]
    means = [sum(times[first : first + window]) / window for first in range(len(times) - window + 1)]
    return min((mean for mean in means if not math.isnan(mean)), default=None)


def best_lap(laps: Sequence[LapResult]) -> float | None:
    """Return the time of the shortest completed lap [s]; None where there is none."""
    return min((lap.time_s for lap in laps if lap.time_s is not None), default=None)


def total_time(laps: Sequence[LapResult], count: int) -> float | None:
    """Return the time of all laps [s]; None where fewer than `count` were completed."""
    times = [lap.time_s for lap in laps if lap.time_s is not None]
    return sum(times) if len(times) >= count else None


def score(laps: Sequence[LapResult], ranking: RankingRules, count: int) -> float | None:
    """Return the time [s] that ranks an entrant, the lower the better; None where it has no score.

    Args:
        laps: Laps of all trials.
        ranking: Rules of the ranking.
        count: Laps of all trials together under the rules.
    """
    if ranking.by == "best_lap":
        return best_lap(laps)
    if ranking.by == "best_window":
        return best_window(laps, ranking.window)
    return total_time(laps, count)


def rank_scores(scores: Sequence[float | None]) -> list[int | None]:
    """Return the rank of each score, from 1 for the lowest; equal scores share a rank: 5, 5, 7 s rank 1, 1, 3."""
    # A rank is one more than the number of clearly better scores.
    known = sorted(value for value in scores if value is not None)
    return [None if own is None else 1 + sum(other < own - TIE_TOLERANCE_S for other in known) for own in scores]
