"""What came of a race."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


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
