"""Drives a check of a reward function in the sandbox process; `racer.reward.check.report` starts it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from racer.errors import RewardError
from racer.reward.check.calls import CallFault, RewardCaller, SampleCalls, classify_history
from racer.reward.check.compare import DIFFERENCE_MAX, compare_paths
from racer.reward.check.keys import WatchedParams, named_keys, strict_problems, unknown_keys, used_keys
from racer.reward.check.report import RACES, make_error, scenario_text
from racer.reward.compile.kernel import compile_something
from racer.reward.compile.validation import validate_in
from racer.reward.kept_samples import kept_track_samples
from racer.reward.load import load_reward
from racer.reward.params import FIRST_STEP
from racer.reward.rows import Sample
from racer.reward.sandbox import SandboxProcess
from racer.reward.source import RewardSource, compile_source, read_source
from racer.reward.validation_samples import validation_samples
from racer.track.load import load_tracks

_KEY_STEPS = 40
"""Control steps of a sample in which the keys that calls read are recorded."""
_FIRST_STEP_STEPS = 120
"""Control steps that are called again with `steps` = 1 at the beginning of an episode."""


def run_check(request: Mapping[str, Any], process: SandboxProcess) -> dict[str, Any]:
    """Check a file.

    Args:
        request: the arguments of `racer.reward.check.report.check_reward`.
        process: the sandbox process.

    Returns:
        The fields of `CheckReport` that are known, without `ok`.
    """
    source = replace(read_source(request["file"]), first_step=request["first_step"])
    run = _CheckRun(source, request, process)
    try:
        run.load()
    except RewardError as error:
        return run.failed_result(str(error), "load", "the file cannot be loaded")
    try:
        run.call_on_samples()
    except RewardError as error:
        return run.failed_result(str(error), "process", "it cannot be run safely")
    return run.result


def prepare_run_check(request: Mapping[str, Any]) -> None:
    """Load into this process what the next check of a request will need: its samples, and a compiler in use."""
    import racer.reward.compile.translate  # noqa: F401

    for track in load_tracks(list(request["tracks"])):
        for where in RACES[request["race"]]:
            kept_track_samples(track, where, request["seed"])
    validation_samples()
    compile_something()


class _CheckRun:
    """One check; `result` grows, and the process saves it after each part."""

    def __init__(self, source: RewardSource, request: Mapping[str, Any], process: SandboxProcess) -> None:
        self._source, self._request, self._process = source, request, process
        self._file = str(source.path)
        self._scenarios = RACES[request["race"]]
        self._first_step_faults: dict[int, bool] = {}
        self._driven: list[tuple[Sample, SampleCalls]] = []
        self._tracks = load_tracks(list(request["tracks"]))
        self.result: dict[str, Any] = {"errors": [], "tracks": [track.name for track in self._tracks]}

    def load(self) -> None:
        """Compile and run the file once, and read the keys in its text.

        Raises:
            RewardError: the file cannot be loaded.
        """
        self._process.stage(where="load", track="")
        code = self._code = compile_source(self._source)
        self._named = named_keys(self._source.text)
        self._caller = RewardCaller(self._source, code, hang_s=self._request["hang_s"], watchdog=self._process)
        self._caller.functions(1)
        self._text_errors = [self._error("unknown_key", text, line) for _, line, text in unknown_keys(self._named)]
        if self._request["strict"]:
            problems = strict_problems(self._source.text, self._named)
            self._text_errors += [self._error("strict", text, line) for line, text in problems]

    def failed_result(self, message: str, kind: str, reason: str) -> dict[str, Any]:
        """Add the error of a file that cannot be used further, and return the result."""
        # Messages begin with `file:line: `; the report has file and line in separate fields.
        prefix = re.match(re.escape(self._file) + r":(?:(\d+):)? ?", message)
        line = int(prefix[1]) if prefix and prefix[1] else None
        text = message[prefix.end() :] if prefix else message
        self.result["errors"] = [*self.result["errors"], self._error(kind, text, line)]
        self.result["reason"] = reason
        return self.result

    def call_on_samples(self) -> None:
        """Call the function on all samples; then find its keys, its history and its compiled path.

        Raises:
            RewardError: the function changes names that all of Python uses.
        """
        called: set[str] = set()
        budget_s = self._request["budget_s"] / (5 * len(self._tracks))  # five samples of each track
        for where in self._scenarios:
            for track in self._tracks:
                for sample in kept_track_samples(track, where, self._request["seed"]):
                    self._process.stage(where=where, track=track.name)
                    calls = self._caller.call(sample, budget_s=budget_s)
                    self._driven.append((sample, calls))
                    # Keys are recorded in separate calls: a watched dict would distort the measured time.
                    few = range(min(_KEY_STEPS, calls.done))
                    start = time.perf_counter()
                    self._caller.call(
                        sample, steps=few, wrap=lambda params: WatchedParams(params, called), quiet=True, budget_s=1.0
                    )
                    budget_s = max(budget_s - 0.1 * (time.perf_counter() - start), 0.2)
            self._update(called)
        first, calls = self._driven[0]
        self._process.stage(where="history", track=first.track)
        # The race itself comes first, so this is its drive of all driving styles on the first track.
        self.result["history"] = classify_history(self._caller, first, calls)
        # Saved before the compiler runs: a hang there must not lose the findings.
        self._process.save(self.result)
        self._process.stage(where="compile", track="")
        with validate_in(self._process):
            reward = load_reward(self._source, n_worlds=1)
        self._process.watch(self._request["compile_s"])
        self.result |= compare_paths(reward, self._source, self._driven, self._request["worlds"])
        self._process.rest()
        # NaN counts as a difference.
        difference = self.result.get("max_abs_difference")
        if difference is not None and not difference <= DIFFERENCE_MAX:
            self.result["errors"].append(self._difference_error(difference))

    def _update(self, called: set[str]) -> None:
        """Update the result and save it."""
        values = np.concatenate([calls.values[np.isfinite(calls.values)] for _, calls in self._driven])
        faults = list(self._caller.faults.values())
        problems = {fault.verdict.problem for fault in faults}
        errors = [self._fault_error(fault) for fault in faults]
        # A KeyError and the unknown key in the text are one mistake: the error that has a state is kept.
        errors += [e for e in self._text_errors if not any(_same_key(e["message"], problem) for problem in problems)]
        if self._request["strict"] and not all(calls.floats for _, calls in self._driven):
            errors.append(self._error("strict", "The console takes a float; write return float(...).", None))
        self.result |= {
            "errors": errors,
            "keys": used_keys(self._named, called),
            "us_per_call_python": round(self._driven[0][1].us_per_call, 3),
            "states": int(sum((sample.rewarded[: calls.done]).sum() for sample, calls in self._driven)),
            "rewards": np.quantile(values, (0.0, 0.5, 1.0)).tolist() if len(values) else None,
            "printed_lines": self._caller.output.printed_lines,
        }
        self._process.save(self.result)

    def _difference_error(self, difference: float) -> dict[str, Any]:
        what = f"differ by {difference:.1e}" if math.isfinite(difference) else self.result["reason"]
        if not math.isfinite(difference):
            self.result["max_abs_difference"] = None  # JSON has no infinity
        message = (
            f"Compiled and in plain Python it gives other rewards ({what}): an error of racer's compiler, please "
            "report it. Until then train with --set reward_path=python."
        )
        return self._error("difference", message, None)

    def _error(self, kind: str, message: str, line: int | None) -> dict[str, Any]:
        """Make an error that does not depend on the scenario."""
        return make_error(kind, message, self._file, line, where=self._scenarios[0])

    def _fault_error(self, fault: CallFault) -> dict[str, Any]:
        where, tracks = self._fault_scenario(fault)
        if where == "some_tracks":
            when = f"{scenario_text(self._scenarios[0], self._request['race'])} on {', '.join(tracks)} only"
        else:
            when = scenario_text(where, self._request["race"])
        problem, line = fault.verdict.problem, fault.verdict.line
        count = f"{sum(fault.counts.values()):,} calls"
        if fault.first_only:
            count += f", all of them at `steps` = {self._source.first_step}"
        message = f"{problem} ({when}; {count}).{fault.verdict.advice}{self._advice(fault)}"
        error = make_error(fault.kind, message, self._file, line, track=", ".join(tracks), where=where)
        error["params"] = {k: v.tolist() if isinstance(v, np.generic) else v for k, v in fault.params.items()}
        return error

    def _fault_scenario(self, fault: CallFault) -> tuple[str, list[str]]:
        """Return the first scenario in which a fault occurs, and the tracks on which it occurs there."""
        tracks = self.result["tracks"]
        for where in self._scenarios:
            failing = [track for track in tracks if (where, track) in fault.counts]
            if failing:
                some = where == self._scenarios[0] and len(failing) < len(set(tracks))
                return ("some_tracks" if some else where), failing
        return self._scenarios[0], []

    def _advice(self, fault: CallFault) -> str:
        """Return the cause of a fault where the states of its calls show it, as a sentence with a space before it."""
        if fault.seam_only and not fault.first_only and "ZeroDivisionError" in fault.verdict.problem:
            return (
                " All of these calls are near the seam of a loop, where the last row of `waypoints` repeats the first: "
                "count rows with % (len(waypoints) - 1)."
            )
        if self._source.first_step == FIRST_STEP and self._needs_first_step(fault):
            return (
                " It needs a call at `steps` = 1, which DeepRacer's simulator made until 2021: check and train it with "
                "--first-step 1."
            )
        # With objects it runs, and it reads their keys: it was written for another race.
        keys = {key for key in self._named if key.startswith(("objects_", "closest_objects"))}
        if keys and self._scenarios[0] == "time_trial" and not any(where == "objects" for where, _ in fault.counts):
            return " It passes with objects on the road: check it with --race object_avoidance or --race head_to_bot."
        return ""

    def _needs_first_step(self, fault: CallFault) -> bool:
        """Return whether a fault is gone where an episode begins with `steps` = 1."""
        if id(fault) in self._first_step_faults:
            return self._first_step_faults[id(fault)]
        scenario = next(iter(fault.counts))
        sample, calls = next((s, c) for s, c in self._driven if (s.where, s.track) == scenario and c.failed.any())
        few = range(min(_FIRST_STEP_STEPS, calls.done))
        if not calls.failed[: len(few)].any() or "steps" not in self._named:
            return False
        source = replace(self._source, first_step=1)
        caller = RewardCaller(source, self._code, hang_s=self._request["hang_s"], watchdog=self._process)
        passes = not caller.call(sample, steps=few, quiet=True, budget_s=1.0).failed.any()
        self._first_step_faults[id(fault)] = passes
        return passes


def _same_key(message: str, problem: str) -> bool:
    """Return whether a KeyError reports already that a key does not exist."""
    return problem.startswith("raised KeyError") and message.split("`")[1] in problem
