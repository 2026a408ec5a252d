"""Checks a user's reward function on sampled states in a sandbox process and reports the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from racer.errors import RewardError
from racer.reward.params import FIRST_STEP
from racer.reward.rows import SCENARIOS, Scenario
from racer.reward.sandbox import HANG_S, SandboxResult, run_sandboxed
from racer.reward.source import read_source

CHECK_TRACKS = ("willow_bend", "hourglass", "thimble", "river_run")
"""Shipped tracks of different kinds: the default, one of varying width, a narrow one, and an open one."""

REPORT_KEYS = (
    "ok", "path", "reason", "keys", "errors", "us_per_call_python", "us_per_call_compiled", "max_abs_difference",
)  # fmt: skip
"""Keys of the JSON of `racer rewards check --json`."""

HISTORIES = {
    "none": "the reward depends on the state alone",
    "state": "it keeps state between calls and starts each episode without it",
    "episodes": "it keeps state between calls, and from one episode to the next",
    "random": "the same drive gives another reward each time, so a training cannot be repeated",
}
"""The text for each value of `CheckReport.history`."""

RACES: dict[str, tuple[Scenario, ...]] = {
    "time_trial": SCENARIOS,
    "object_avoidance": ("objects", "time_trial", "backward"),
    "head_to_bot": ("bots", "time_trial", "backward"),
}
"""The scenarios that are sampled for each race type; the first one is the race itself."""

_RACE_TEXTS = {"time_trial": "in a time trial", "objects": "in object avoidance", "bots": "head to bot"}
_OTHER_TEXTS = {
    "time_trial": "only without objects on the road",
    "backward": "only when the track is driven backwards",
    "objects": "only with objects on the road",
    "bots": "only with bots on the road",
}


def scenario_text(where: str, race: str) -> str:
    """Return when an error occurs.

    Args:
        where: The first scenario in which it occurs.
        race: Race type of the check.
    """
    return _RACE_TEXTS[where] if where == RACES[race][0] else _OTHER_TEXTS[where]


def stops_race(error: Mapping[str, Any], race: str) -> bool:
    """Return whether an error would stop a training for a race type, or breaks a `strict` rule."""
    # An unknown key alone stops no training: `params.get` returns its default.
    return error["kind"] != "unknown_key" and error["where"] in (RACES[race][0], "some_tracks")


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """Findings of a check.

    Attributes:
        ok: False where the race would stop on one of the tracks, or a `strict` rule is broken.
        path: `compiled` or `python`.
        reason: why this path.
        keys: the keys of params in use.
        errors: dicts of `kind` (`exception`, `value`, `load`, `timeout`, `process`, `difference`, `unknown_key`,
            `strict`),
            `message`, `file`, `line`, `track`, `where` (`time_trial`, `some_tracks`, `backward`, `objects`, `bots`),
            and `params`: those that caused it, without waypoints, or None.
        us_per_call_python: time for each car and step, including the making of its dict [us]; None where unknown.
        us_per_call_compiled: time for each car and step in the batch of a training [us]; None where it is not compiled.
        max_abs_difference: largest difference between the two paths; None where it is not compiled.
        history: a key of `HISTORIES`, or empty.
        states: number of states that the function was called with.
        tracks: names of the tracks.
        rewards: least, median and greatest reward; None without rewards.
        printed_lines: number of lines that it printed.
        race: race type of the check, a key of `RACES`.
    """

    ok: bool
    path: str = "python"
    reason: str = ""
    keys: list[str] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    us_per_call_python: float | None = None
    us_per_call_compiled: float | None = None
    max_abs_difference: float | None = None
    history: str = ""
    states: int = 0
    tracks: list[str] = field(default_factory=list)
    rewards: list[float] | None = None
    printed_lines: int = 0
    race: str = "time_trial"

    def record(self) -> dict[str, Any]:
        """Return the JSON of `racer rewards check --json`."""
        history = f"; {HISTORIES[self.history]}" if self.history not in ("", "none") else ""
        return {key: getattr(self, key) for key in REPORT_KEYS} | {"reason": self.reason + history}


def check_reward(
    file: str | Path,
    *,
    tracks: Sequence[str] = CHECK_TRACKS,
    strict: bool = False,
    race: str = "time_trial",
    first_step: int = FIRST_STEP,
    worlds: int = 64,
    seed: int = 0,
    hang_s: float = HANG_S,
    budget_s: float = 60.0,
    compile_s: float = 300.0,
) -> CheckReport:
    """Run a reward function on sampled states of tracks, with and without objects, in a separate process.

    Args:
        file: a name or a path.
        tracks: names, files, or generated tracks.
        strict: also check the rules of DeepRacer's console.
        race: race type that must not stop: `time_trial`, `object_avoidance` or `head_to_bot`.
        first_step: `steps` in the first call of an episode, 2 or 1.
        worlds: cars of the batch whose cost is measured, as many as a training has.
        seed: seed of the sampled states.
        hang_s: maximum processor time of one call [s].
        budget_s: maximum time of all calls [s]; slow functions are called on fewer states.
        compile_s: maximum time of compiling and of the compiled calls [s].

    Raises:
        RacerError: the file or a track cannot be found or read. Problems of the function itself are in the report.
    """
    if race not in RACES:
        raise RewardError(f"No race type `{race}`; give one of {', '.join(RACES)}.")
    source = read_source(file)
    request = {
        "file": str(source.path),
        "tracks": list(tracks),
        "strict": strict,
        "race": race,
        "first_step": first_step,
        "worlds": worlds,
        "seed": seed,
        "hang_s": hang_s,
        "budget_s": budget_s,
        "compile_s": compile_s,
    }
    outcome = run_sandboxed("racer.reward.check.run:run_check", request, file=str(source.path))
    # A process that ended early leaves its last saved result, which may lack these.
    facts: dict[str, Any] = {"errors": [], "reason": ""} | outcome.result
    # All calls in plain Python were made by then, so a hang in the compiler is not an error of the function.
    if outcome.ended_early and outcome.stage.get("where") == "compile":
        facts |= {"path": "python", "reason": f"compiling it failed ({_ending(outcome)})"}
    elif outcome.ended_early:
        facts["errors"].append(_ended_error(outcome, str(source.path), hang_s, race))
        facts["reason"] = facts["reason"] or "the check ended before it was compiled"
    return CheckReport(ok=not any(stops_race(error, race) for error in facts["errors"]), race=race, **facts)


def make_error(kind: str, message: str, file: str, line: int | None, *, where: str, track: str = "") -> dict[str, Any]:
    """Make an item of `CheckReport.errors`; its attributes are described there."""
    return {
        "kind": kind,
        "message": message,
        "file": file,
        "line": line,
        "track": track,
        "where": where,
        "params": None,
    }


def _ending(outcome: SandboxResult) -> str:
    if outcome.ended_early == "hang":
        return "it took too long"
    if outcome.ended_early == "memory":
        return "it took more memory than allowed"
    return f"{outcome.ended_early}{': ' if outcome.complaint else ''}{outcome.complaint}"


def _ended_error(outcome: SandboxResult, file: str, hang_s: float, race: str) -> dict[str, Any]:
    """Make the error of a process that user code has stopped or broken."""
    stage = outcome.stage.get("where", "load")
    where = stage if stage in _OTHER_TEXTS else RACES[race][0]
    when = "while the file was loaded" if stage == "load" else scenario_text(where, race)
    if outcome.ended_early == "hang":
        kind, message = "timeout", f"does not return within {hang_s:g} s of processor time ({when})."
    else:
        kind, message = "process", f"ended the process that ran it ({_ending(outcome)}; {when})."
    return make_error(kind, message, file, outcome.line, track=outcome.stage.get("track", ""), where=where)
