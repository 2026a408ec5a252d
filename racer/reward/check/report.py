"""Checks a user's reward function on sampled states before a training trusts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from racer.reward.sandbox import HANG_S, SandboxResult, run_sandboxed
from racer.reward.source import read_source

CHECK_TRACKS = ("willow_bend", "hourglass", "thimble", "river_run")
"""Shipped tracks of different kinds: the default, one of varying width, a narrow one, and an open one."""

REPORT_KEYS: tuple[str, ...] = (
    "ok",
    "path",
    "reason",
    "keys",
    "errors",
    "us_per_call_python",
    "us_per_call_compiled",
    "max_abs_difference",
)  # fmt: skip
"""Of the JSON."""

HISTORIES = {
    "none": "the reward depends on the state alone",
    "state": "it keeps state between calls and begins each episode afresh",
    "episodes": "it keeps state between calls, and from one episode to the next",
    "random": "the same drive gives another reward each time, so a training cannot be repeated",
}
"""What is told for each word of `CheckReport.history`."""

_STOPPING = ("time_trial", "some_tracks")
_NOT_STOPPING = ("unknown_key",)


EMPTY_RESULT: dict[str, Any] = {
    "path": "python",
    "reason": "",
    "keys": [],
    "errors": [],
    "us_per_call_python": None,
    "us_per_call_compiled": None,
    "max_abs_difference": None,
    "history": "",
    "states": 0,
    "tracks": [],
    "rewards": None,
    "printed_lines": 0,
}
"""What is known of a function before anything was found out."""


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What a check found.

    Attributes:
        ok: False where a time trial would stop on one of the tracks, or a `strict` rule is broken.
        path: `compiled` or `python`.
        reason: why.
        keys: the keys of params in use.
        errors: dicts of `kind` (`exception`, `value`, `load`, `timeout`, `process`, `unknown_key`, `strict`),
            `message`, `file`, `line`, `track`, `where` (`time_trial`, `some_tracks`, `backward`, `objects`), and
            `params`: those that caused it, without waypoints, or None.
        us_per_call_python: us for each car and step, the making of its dict included; None where unknown.
        us_per_call_compiled: likewise inside a large batch; None where it is not compiled.
        max_abs_difference: between the two paths, over all states; None where it is not compiled.
        history: a word of `HISTORIES`, or empty.
        states: states that it was called with.
        tracks: names of the tracks.
        rewards: least, median and greatest reward, None without any.
        printed_lines: how many lines it printed.
    """

    ok: bool
    path: str
    reason: str
    keys: list[str]
    errors: list[dict[str, Any]]
    us_per_call_python: float | None
    us_per_call_compiled: float | None
    max_abs_difference: float | None
    history: str
    states: int
    tracks: list[str]
    rewards: list[float] | None
    printed_lines: int

    def record(self) -> dict[str, Any]:
        """What `racer rewards check --json` prints."""
        remembers = f"; {HISTORIES[self.history]}" if self.history not in ("", "none") else ""
        return {key: getattr(self, key) for key in REPORT_KEYS} | {"reason": self.reason + remembers}


def check_reward(
    file: str | Path,
    *,
    tracks: Sequence[str] = CHECK_TRACKS,
    strict: bool = False,
    seed: int = 0,
    hang_s: float = HANG_S,
    budget_s: float = 60.0,
    compile_s: float = 300.0,
) -> CheckReport:
    """Run a reward function over sampled states of tracks, with and without objects, in a process of its own.

    Args:
        file: a name or a path.
        tracks: names, files, or generated tracks.
        strict: also hold it to the rules of DeepRacer's console.
        seed: of the sampled states.
        hang_s: s that the calls of one control step may take.
        budget_s: s for all calls; slow functions are called on fewer states.
        compile_s: s for compiling and for the compiled calls.

    Raises:
        RacerError: the file or a track cannot be found or read. What is wrong with the function itself is in the
            report.
    """
    source = read_source(file)
    request = {
        "file": str(source.path),
        "tracks": list(tracks),
        "strict": strict,
        "seed": seed,
        "hang_s": hang_s,
        "budget_s": budget_s,
        "compile_s": compile_s,
    }
    answer = run_sandboxed("racer.reward.check.run:run_check", request, file=str(source.path))
    facts = EMPTY_RESULT | answer.result
    facts["errors"] = list(facts["errors"])
    if answer.ended_early:
        if answer.stage.get("where") == "compile":
            facts["path"], facts["reason"] = "python", f"compiling it did not work ({_ending(answer)})"
        else:
            facts["errors"].append(_ended_error(answer, str(source.path), hang_s))
            facts["reason"] = facts["reason"] or "it did not get as far as being compiled"
    stops = [error for error in facts["errors"] if error["where"] in _STOPPING and error["kind"] not in _NOT_STOPPING]
    return CheckReport(ok=not stops, **facts)


def _ending(answer: SandboxResult) -> str:
    if answer.ended_early == "hang":
        return "it took too long"
    if answer.ended_early == "memory":
        return "it took more memory than it may"
    return f"{answer.ended_early}{': ' if answer.complaint else ''}{answer.complaint}"


def _ended_error(answer: SandboxResult, file: str, hang_s: float) -> dict[str, Any]:
    """The error of a process that user code has stopped or broken."""
    stage = answer.stage.get("where", "load")
    doing = {
        "load": "while the file was loaded",
        "backward": "only when the track is driven backwards",
        "objects": "only with objects on the road",
    }.get(stage, "in a time trial")
    if answer.ended_early == "hang":
        kind, message = "timeout", f"does not come back within {hang_s:g} s ({doing})."
    else:
        kind, message = "process", f"ended the process that ran it ({_ending(answer)}; {doing})."
    return {
        "kind": kind,
        "message": message,
        "file": file,
        "line": answer.line,
        "track": answer.stage.get("track", ""),
        "where": stage if stage in ("backward", "objects") else "time_trial",
        "params": None,
    }
