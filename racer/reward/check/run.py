"""The check itself, in the process that runs user code: `racer.reward.check` starts it and reads its answer."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.errors import RewardError
from racer.reward.check.calls import CallFault, RewardCaller, SampleCalls, classify_history
from racer.reward.check.compare import compare_paths
from racer.reward.check.keys import WatchedParams, named_keys, strict_problems, unknown_keys, used_keys
from racer.reward.check.report import EMPTY_RESULT
from racer.reward.rows import SCENARIOS, Sample
from racer.reward.sandbox import SandboxProcess
from racer.reward.source import RewardSource, compile_source, read_source
from racer.reward.states import sample_track
from racer.track.load import load_tracks

_KEY_STEPS = 40
"""Control steps of a sample in which the keys that calls ask for are noted."""


def run_check(request: Mapping[str, Any], process: SandboxProcess) -> dict[str, Any]:
    """Check a file; the request and the result are those of `racer.reward.check.check_reward`."""
    source = read_source(request["file"])
    examination = _CheckRun(source, request, process)
    try:
        examination.load()
    except RewardError as error:
        return examination.stopped(str(error), "load", "the file cannot be loaded")
    try:
        examination.drive()
    except RewardError as error:
        return examination.stopped(str(error), "process", "it cannot be run safely")
    return examination.result


class _CheckRun:
    """One check; `result` grows, and is left with the process after each part."""

    def __init__(self, source: RewardSource, request: Mapping[str, Any], process: SandboxProcess) -> None:
        self._source, self._request, self._process = source, request, process
        self._kept: list[tuple[Sample, SampleCalls]] = []
        self._tracks = load_tracks(list(request["tracks"]))
        self.result: dict[str, Any] = EMPTY_RESULT | {"tracks": [track.name for track in self._tracks]}

    def load(self) -> None:
        """Compile and run the file once, and read its text.

        Raises:
            RewardError: it cannot be loaded.
        """
        self._process.stage(where="load", track="")
        code = compile_source(self._source)
        self._named = named_keys(self._source.text)
        self._caller = RewardCaller(self._source, code, hang_s=self._request["hang_s"], watchdog=self._process)
        self._caller.functions(1)
        self._static = [_error("unknown_key", text, line, self._source) for _, line, text in unknown_keys(self._named)]
        if self._request["strict"]:
            problems = strict_problems(self._source.text, self._named)
            self._static += [_error("strict", text, line, self._source) for line, text in problems]

    def stopped(self, message: str, kind: str, reason: str) -> dict[str, Any]:
        """The result for a file that cannot be used any further."""
        prefix = re.match(re.escape(str(self._source.path)) + r":(?:(\d+):)? ?", message)
        line = int(prefix[1]) if prefix and prefix[1] else None
        text = message[prefix.end() :] if prefix else message
        self.result["errors"] = [*self.result["errors"], _error(kind, text, line, self._source)]
        self.result["reason"] = reason
        return self.result

    def drive(self) -> None:
        """Call the function on all samples, then look at keys, history and the compiled path."""
        asked: set[str] = set()
        budget_s = self._request["budget_s"] / (5 * len(self._tracks))  # five samples of each track
        for where in SCENARIOS:
            for track in self._tracks:
                for sample in sample_track(track, wheres=(where,), seed=self._request["seed"]):
                    self._process.stage(where=where, track=track.name)
                    calls = self._caller.call(sample, budget_s=budget_s)
                    self._kept.append((sample, calls))
                    few = range(min(_KEY_STEPS, calls.done))
                    begin = time.perf_counter()
                    self._caller.call(
                        sample, steps=few, wrap=lambda params: WatchedParams(params, asked), quiet=True, budget_s=1.0
                    )
                    budget_s = max(budget_s - 0.1 * (time.perf_counter() - begin), 0.2)
            self._update(asked)
        first, calls = self._kept[0]
        self._process.stage(where="history", track=first.track)
        self.result["history"] = classify_history(self._caller, first, calls)
        self._process.save(self.result)
        self._process.stage(where="compile", track="")
        self._process.watch(self._request["compile_s"])
        self.result |= compare_paths(self._source, self._kept)
        self._process.rest()

    def _update(self, asked: set[str]) -> None:
        """Bring the result up to date and leave it."""
        values = np.concatenate([calls.values[np.isfinite(calls.values)] for _, calls in self._kept])
        faults = list(self._caller.faults.values())
        raised = {fault.verdict.problem for fault in faults}
        errors = [self._fault_error(fault) for fault in faults]
        errors += [one for one in self._static if not any(_same_key(one["message"], problem) for problem in raised)]
        if self._request["strict"] and not all(calls.floats for _, calls in self._kept):
            errors.append(_error("strict", "The console takes a float; write return float(...).", None, self._source))
        self.result |= {
            "errors": errors,
            "keys": used_keys(self._named, asked),
            "us_per_call_python": round(self._kept[0][1].us_per_call, 3),
            "states": int(sum((sample.asked[: calls.done]).sum() for sample, calls in self._kept)),
            "rewards": _spread(values),
            "printed_lines": self._caller.output.printed_lines,
        }
        self._process.save(self.result)

    def _fault_error(self, fault: CallFault) -> dict[str, Any]:
        where, tracks = _fault_scenario(fault, self.result["tracks"])
        count = sum(fault.seen.values())
        words = {
            "time_trial": "in a time trial",
            "some_tracks": f"in a time trial on {', '.join(tracks)} only",
            "backward": "only when the track is driven backwards",
            "objects": "only with objects on the road",
        }[where]
        message = f"{fault.verdict.problem} ({words}; {count:,} calls).{fault.verdict.advice}"
        error = _error(fault.kind, message, fault.verdict.line, self._source)
        return error | {"track": ", ".join(tracks), "where": where, "params": _plain(fault.params)}


def _fault_scenario(fault: CallFault, tracks: list[str]) -> tuple[str, list[str]]:
    """What an error is to be called, and the tracks on which it was seen there."""
    for where in SCENARIOS:
        seen = [track for track in tracks if (where, track) in fault.seen]
        if seen:
            return ("some_tracks" if where == "time_trial" and len(seen) < len(set(tracks)) else where), seen
    return "time_trial", []


def _same_key(message: str, problem: str) -> bool:
    """True where an exception tells already that a key does not exist."""
    return problem.startswith("raised KeyError") and message.split("`")[1] in problem


def _error(kind: str, message: str, line: int | None, source: RewardSource) -> dict[str, Any]:
    return {
        "kind": kind,
        "message": message,
        "file": str(source.path),
        "line": line,
        "track": "",
        "where": "time_trial",
        "params": None,
    }


def _plain(params: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value.tolist() if isinstance(value, np.generic) else value for key, value in params.items()}


def _spread(values: NDArray[np.float64]) -> list[float] | None:
    """Least, middle and greatest reward."""
    return [float(value) for value in np.quantile(values, (0.0, 0.5, 1.0))] if len(values) else None
