"""Runs a kept race again and compares: bit for bit on the same machine and versions, else to one control step."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from racer.bundle import read_bundle
from racer.race.guarded_race import MODEL_TIME_MAX_S, ProgressCallback, RaceEntry, run_guarded_race
from racer.race.leaderboard.store import Leaderboard, LeaderboardError, RaceInputs, StoredRace, current_environment
from racer.race.result import EntrantResult, RaceResult

_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a rerun told.

    Attributes:
        number: of the race.
        changed: how machine and versions differ from those of the first run; empty: they do not.
        differences: what differs more than it may; empty: the race stands.
    """

    number: int
    changed: tuple[str, ...]
    differences: tuple[str, ...]

    @property
    def told(self) -> str:
        """One line for people."""
        if self.differences:
            more = f" and {len(self.differences) - 1} more" if len(self.differences) > 1 else ""
            found = f"differs: {self.differences[0]}{more}"
        else:
            found = "equal status, times within one control step" if self.changed else "equal, bit for bit"
        where = f"other {'; '.join(self.changed)}" if self.changed else "same machine and versions"
        return f"race {self.number}: {found} ({where})"


def verify(
    board: Leaderboard,
    kept: StoredRace,
    *,
    model_s: float = MODEL_TIME_MAX_S,
    threads: int | None = 1,
    report: ProgressCallback = lambda share: None,
) -> Verification:
    """Run a race again from what the leaderboard's file holds; arguments are those of `race_apart`.

    Raises:
        LeaderboardError: the file is damaged, or the rules mean something else here.
        RacerError: the race cannot be run.
    """
    inputs = board.inputs(kept.number)
    _check_rules(kept, inputs)
    again = _rerun(kept, inputs, model_s, threads, report)
    changed = environment_changes(kept.circumstances, current_environment())
    found = compare_results(kept.result, again, step_s=None if not changed else _control_step(inputs))
    return Verification(number=kept.number, changed=changed, differences=tuple(found))


def environment_changes(then: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """What of machine and versions differs, in words."""
    keys = [*then, *(key for key in now if key not in then)]
    pairs = [(key, then.get(key, "unknown"), now.get(key, "unknown")) for key in keys]
    return tuple(f"{key}: {before}, now {after}" for key, before, after in pairs if before != after)


def compare_results(one: RaceResult, other: RaceResult, *, step_s: float | None) -> Iterator[str]:
    """What differs between two runs of one race, in words.

    Args:
        step_s: s by which times may differ; None: nothing may differ in any bit.
    """
    if [entrant.label for entrant in one.entrants] != [entrant.label for entrant in other.entrants]:
        yield "other entrants"
        return
    for before, after in zip(one.entrants, other.entrants, strict=True):
        if step_s is None:
            yield from _exact_differences(before, after)
        elif before.status != after.status:
            yield f"{before.label}: status {before.status}, now {after.status}"
        else:
            yield from _close_differences(before, after, step_s)
    if step_s is None and replace(one, replay=None, entrants=()) != replace(other, replay=None, entrants=()):
        yield "the race's own figures"


def _exact_differences(before: EntrantResult, after: EntrantResult) -> Iterator[str]:
    for key in vars(before):
        if getattr(before, key) != getattr(after, key):
            if key == "laps":
                yield f"{before.label}: its laps"
            else:
                yield f"{before.label}: {key} {getattr(before, key)}, now {getattr(after, key)}"


def _close_differences(before: EntrantResult, after: EntrantResult, step_s: float) -> Iterator[str]:
    times = [(key, getattr(before, key), getattr(after, key)) for key in ("score_s", "total_s", "best_lap_s")]
    if len(before.laps) != len(after.laps):
        yield f"{before.label}: {len(before.laps)} laps, now {len(after.laps)}"
    for lap, again in zip(before.laps, after.laps, strict=False):
        times.append((f"lap {lap.number} of trial {lap.trial}", lap.time_s, again.time_s))
    for word, first, second in times:
        if (first is None) != (second is None) or (
            first is not None and second is not None and abs(first - second) > step_s + _ROUNDING
        ):
            yield f"{before.label}: {word} {_format_time(first)}, now {_format_time(second)}"


def _format_time(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f} s"


def _check_rules(kept: StoredRace, inputs: RaceInputs) -> None:
    if inputs.rules.sha256 != kept.result.rules.sha256:
        raise LeaderboardError(
            f"race {kept.number}: its rules say something else here than they did; look at the disturbance "
            f"`{inputs.rules.disturbance}`"
        )


def _rerun(
    kept: StoredRace, inputs: RaceInputs, model_s: float, threads: int | None, report: ProgressCallback
) -> RaceResult:
    with tempfile.TemporaryDirectory(prefix="racer_verify_") as name:
        entries = []
        for k, (one, data) in enumerate(zip(kept.result.entrants, inputs.bundles, strict=True)):
            path = Path(name) / f"{k}.bundle"
            path.write_bytes(data)
            entries.append(RaceEntry(path=path, label=one.label))
        return run_guarded_race(
            entries,
            inputs.track,
            inputs.rules,
            vehicle=inputs.vehicle,
            seed=kept.result.seed,
            rules_name=kept.result.rules.name,
            model_s=model_s,
            threads=threads,
            report=report,
        )


def _control_step(inputs: RaceInputs) -> float:
    """s; all entrants of a race share a control rate."""
    with tempfile.TemporaryDirectory(prefix="racer_verify_") as name:
        path = Path(name) / "first.bundle"
        path.write_bytes(inputs.bundles[0])
        return 1.0 / read_bundle(path).contract.control_rate_hz
