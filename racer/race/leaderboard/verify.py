"""Runs a stored race again and compares: bit for bit on the same machine and versions, else to one control step."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from racer.bundle import read_bundle
from racer.race.guarded_race import MODEL_TIME_MAX_S, ProgressCallback, RaceEntry, run_guarded_race
from racer.race.leaderboard.store import Leaderboard, LeaderboardError, StoredRace, current_environment
from racer.race.result import EntrantResult, RaceResult

_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Outcome of running a race again.

    Attributes:
        number: Number of the race.
        changed: Differences of machine and versions from those of the first run.
        differences: Values that differ more than they may; empty where the race is confirmed.
    """

    number: int
    changed: tuple[str, ...]
    differences: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One line for people."""
        if self.differences:
            more = f" and {len(self.differences) - 1} more" if len(self.differences) > 1 else ""
            outcome = f"differs: {self.differences[0]}{more}"
        else:
            outcome = "equal status, times within one control step" if self.changed else "equal, bit for bit"
        where = f"other {'; '.join(self.changed)}" if self.changed else "same machine and versions"
        return f"race {self.number}: {outcome} ({where})"


def verify(
    board: Leaderboard,
    stored: StoredRace,
    *,
    model_s: float = MODEL_TIME_MAX_S,
    report: ProgressCallback = lambda fraction: None,
) -> Verification:
    """Run a race again from the leaderboard's file.

    Args:
        board: Leaderboard that holds the race.
        stored: The race.
        model_s: Wall time of each entrant's model [s].
        report: Called every 0.05 s with the fraction that is driven.

    Raises:
        LeaderboardError: The file is damaged, or the rules have other contents here.
        RacerError: The race cannot be run.
    """
    inputs = board.inputs(stored.number)
    if inputs.rules.sha256 != stored.result.rules.sha256:
        raise LeaderboardError(
            f"race {stored.number}: its rules have other contents here than when it was run; restore the disturbance "
            f"`{inputs.rules.disturbance}`"
        )
    changed = environment_changes(stored.circumstances, current_environment())
    with tempfile.TemporaryDirectory(prefix="racer_verify_") as name:
        entries = []
        for k, (entrant, data) in enumerate(zip(stored.result.entrants, inputs.bundles, strict=True)):
            path = Path(name) / f"{k}.bundle"
            path.write_bytes(data)
            entries.append(RaceEntry(path=path, label=entrant.label))
        # All entrants of a race share a control rate.
        step_s = 1.0 / read_bundle(entries[0].path).contract.control_rate_hz if changed else None
        again = run_guarded_race(
            entries,
            inputs.track,
            inputs.rules,
            vehicle=inputs.vehicle,
            seed=stored.result.seed,
            rules_name=stored.result.rules.name,
            model_s=model_s,
            report=report,
        )
    differences = compare_results(stored.result, again, step_s=step_s)
    return Verification(number=stored.number, changed=changed, differences=tuple(differences))


def environment_changes(then: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Return the differences of machine and versions, as texts."""
    pairs = [(key, then.get(key, "unknown"), now.get(key, "unknown")) for key in {**then, **now}]
    return tuple(f"{key}: {before}, now {after}" for key, before, after in pairs if before != after)


def compare_results(first: RaceResult, second: RaceResult, *, step_s: float | None) -> Iterator[str]:
    """Yield the differences between two runs of one race, as texts.

    Args:
        first: Result of the first run.
        second: Result of the second run.
        step_s: Largest allowed difference of times [s]; None requires every bit to be equal.
    """
    if [entrant.label for entrant in first.entrants] != [entrant.label for entrant in second.entrants]:
        yield "other entrants"
        return
    for before, after in zip(first.entrants, second.entrants, strict=True):
        if step_s is None:
            yield from _exact_differences(before, after)
        elif before.status != after.status:
            yield f"{before.label}: status {before.status}, now {after.status}"
        else:
            yield from _close_differences(before, after, step_s)
    # Entrants were compared one by one above; a rerun writes no replay.
    if step_s is None and replace(first, replay=None, entrants=()) != replace(second, replay=None, entrants=()):
        yield "the race's own figures"


def _exact_differences(before: EntrantResult, after: EntrantResult) -> Iterator[str]:
    for key, value in vars(before).items():
        if value != (now := getattr(after, key)):
            yield f"{before.label}: its laps" if key == "laps" else f"{before.label}: {key} {value}, now {now}"


def _close_differences(before: EntrantResult, after: EntrantResult, step_s: float) -> Iterator[str]:
    times = [(key, getattr(before, key), getattr(after, key)) for key in ("score_s", "total_s", "best_lap_s")]
    if len(before.laps) != len(after.laps):
        yield f"{before.label}: {len(before.laps)} laps, now {len(after.laps)}"
    # Laps that only one run has were reported above; the common ones are compared.
    for lap, again in zip(before.laps, after.laps, strict=False):
        times.append((f"lap {lap.number} of trial {lap.trial}", lap.time_s, again.time_s))
    for name, first, second in times:
        if (first is None) != (second is None) or (
            first is not None and second is not None and abs(first - second) > step_s + _ROUNDING
        ):
            yield f"{before.label}: {name} {_format_time(first)}, now {_format_time(second)}"


def _format_time(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f} s"
