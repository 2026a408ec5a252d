"""Calls a reward function on sampled states, continues after failures, and finds out whether it keeps state."""

from __future__ import annotations

import contextlib
import time
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.reward.call_guards import PrintCapture, watched_user_code
from racer.reward.failure import FailureVerdict, as_reward, verdict_of_exception, verdict_of_value
from racer.reward.params import FIRST_STEP
from racer.reward.rows import Records, Sample, params_of, params_rows
from racer.reward.sandbox import SandboxProcess
from racer.reward.source import RewardCallable, RewardSource, new_module


@dataclass(kw_only=True)
class CallFault:
    """One way in which calls failed.

    Attributes:
        kind: `exception`, or `value` for a returned value that is not a reward.
        verdict: line, problem and advice of its first call.
        params: the dict of that call, without the waypoints.
        counts: number of failed calls for each (scenario, track).
        first_only: whether all of these calls were the first of an episode.
        seam_only: whether all of these calls were near the seam of a loop, where the last row repeats the first.
    """

    kind: str
    verdict: FailureVerdict
    params: dict[str, Any]
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    first_only: bool = True
    seam_only: bool = True


@dataclass(kw_only=True)
class SampleCalls:
    """Results of the calls on one sample.

    Attributes:
        values: rewards, shape (T, N); NaN where there was no call or the call failed.
        failed: mask of the failed calls, shape (T, N).
        us_per_call: time of making the dict and calling [us], median over the control steps.
        done: number of control steps that the time allowed.
        floats: False where a call returned something else than a Python float.
    """

    values: NDArray[np.float64]
    failed: NDArray[np.bool_]
    us_per_call: float = 0.0
    done: int = 0
    floats: bool = True


_FAILURES_MAX = 200
"""Failed calls without a single reward after which the rest of a sample is skipped."""

_SEAM_ROWS = 4
"""Rows on both sides of the seam of a loop that count as near it: functions look one to three rows ahead."""

ParamsWrapper = Callable[[dict[str, Any]], dict[str, Any]]


class RewardCaller:
    """Makes the functions of one file, one for each car, and calls them.

    Args:
        source: text of the file.
        code: the compiled text.
        hang_s: limit of the processor time of one call [s].
        watchdog: the sandbox process, which enforces the time limit.

    Attributes:
        faults: the faults so far, one for each way of failing.
        output: what the function printed.
    """

    def __init__(self, source: RewardSource, code: types.CodeType, *, hang_s: float, watchdog: SandboxProcess) -> None:
        self.faults: dict[tuple[Any, ...], CallFault] = {}
        self.output = PrintCapture()
        self._source, self._code, self._file = source, code, str(source.path)
        self._hang_s, self._watchdog = hang_s, watchdog

    def _user_code(self) -> contextlib.AbstractContextManager[None]:
        return watched_user_code(self._watchdog, self._hang_s, self._file, self.output)

    def functions(self, count: int) -> list[RewardCallable]:
        """Make `count` functions that share no state.

        Raises:
            RewardError: the file cannot be run, or has no usable `reward_function`.
        """
        made = []
        with self._user_code():
            for _ in range(count):
                self._watchdog.renew()
                made.append(new_module(self._source, self._code)[1])
        return made

    def call(
        self,
        sample: Sample,
        *,
        steps: Iterable[int] | None = None,
        budget_s: float = float("inf"),
        wrap: ParamsWrapper | None = None,
        quiet: bool = False,
    ) -> SampleCalls:
        """Call new functions on a sample, one for each car.

        Args:
            sample: the states.
            steps: rows of the sample in the order of the calls; None for all.
            budget_s: wall time after which no further control step starts [s].
            wrap: wraps each dict.
            quiet: record no faults, for calls in an order that never occurs.
        """
        rows = list(range(len(sample.telemetry)) if steps is None else steps)
        shape = sample.telemetry.shape[:2]
        calls = SampleCalls(values=np.full(shape, np.nan), failed=np.zeros(shape, bool))
        functions = self.functions(shape[1])
        costs: list[float] = []
        start = time.perf_counter()
        for t in rows:
            # Between control steps only: in a step that has begun all cars are called, so their histories stay equal.
            if time.perf_counter() - start > budget_s:
                break
            with self._user_code():
                cost = self._step(sample, t, functions, calls, wrap, quiet)
            calls.done += 1
            if cost is not None:
                costs.append(cost)
            # A function that always fails would cost an exception and a verdict in every state.
            if calls.failed.sum() >= _FAILURES_MAX and not np.isfinite(calls.values).any():
                break
        if costs:
            calls.us_per_call = float(np.median(costs))
        return calls

    def _step(
        self,
        sample: Sample,
        t: int,
        functions: list[RewardCallable],
        calls: SampleCalls,
        wrap: ParamsWrapper | None,
        quiet: bool,
    ) -> float | None:
        """Call the functions on one control step and return the time per call [us]; None without a call."""
        rows, objects = _rows_of(sample, t)
        rewarded = (rows["steps"] >= FIRST_STEP).tolist()
        values = [float("nan")] * len(rewarded)
        failures: list[tuple[int, BaseException | None, Any]] = []
        # Only the call and the making of its dict are timed; verdicts, which may repeat a call, come after.
        start = renewed = time.perf_counter()
        for n, params in enumerate(params_rows(rows, objects, sample.waypoints, self._source.first_step)):
            if not rewarded[n]:
                continue
            # Not before each call, as that takes a microsecond: a call has 95 to 100 % of its time.
            if (now := time.perf_counter()) > renewed + 0.05 * self._hang_s:
                self._watchdog.renew()
                renewed = now
            try:
                value = functions[n](params if wrap is None else wrap(params))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                failures.append((n, error, None))
                continue
            number = as_reward(value)
            if number is None:
                failures.append((n, None, value))
            else:
                values[n] = number
                calls.floats &= type(value) is float
        cost = (time.perf_counter() - start) * 1e6 / max(sum(rewarded), 1)
        calls.values[t] = values
        for n, problem, value in failures:
            calls.failed[t, n] = True
            if not quiet:
                self._record_fault(sample, t, n, functions[n], problem, value)
        return cost if any(rewarded) else None

    def _record_fault(
        self, sample: Sample, t: int, n: int, function: RewardCallable, error: BaseException | None, value: object
    ) -> None:
        """Count a failed call; the verdict is made once for each way of failing."""
        verdict = None if error is None else verdict_of_exception(error, self._file, function)
        # Exceptions are one fault by type and line, values by their class: thousands of calls make one message.
        key: tuple[Any, ...] = (
            ("value", _value_class(value)) if verdict is None else (type(error).__name__, verdict.line)
        )
        fault = self.faults.get(key)
        if fault is None:
            params = params_of(n, *_rows_of(sample, t), sample.waypoints, self._source.first_step)
            kind = "value" if verdict is None else "exception"
            if verdict is None:
                verdict = verdict_of_value(value, self._file, function, dict(params))
            params.pop("waypoints")
            fault = self.faults[key] = CallFault(kind=kind, verdict=verdict, params=params)
        where = (sample.where, sample.track)
        fault.counts[where] = fault.counts.get(where, 0) + 1
        row = sample.telemetry[t, n, 0]
        fault.first_only &= bool(row["steps"] == FIRST_STEP)
        # A function looks a few rows ahead or behind, so the failing call may be some rows away from the seam.
        last = len(sample.waypoints[row["course"]]) - 1
        behind, ahead = int(row["closest_waypoint_prev"]), int(row["closest_waypoint_next"])
        near = min(behind, ahead) < _SEAM_ROWS or last - max(behind, ahead) < _SEAM_ROWS
        fault.seam_only &= sample.closed and near


def _rows_of(sample: Sample, t: int) -> tuple[Records, Records | None]:
    """Return telemetry, shape (N,), and objects, shape (N, K), of one control step."""
    return sample.telemetry[t, :, 0], None if sample.objects is None else sample.objects[t, :, 0]


def _value_class(value: object) -> str:
    """Return the class of wrong values that count as one fault."""
    if type(value) is float:
        return "nan" if value != value else "large"
    return type(value).__name__


_STEPS = 120
_BUDGET_S = 5.0


def classify_history(caller: RewardCaller, sample: Sample, calls: SampleCalls) -> str:
    """Return how a reward depends on earlier calls, a key of `racer.reward.check.report.HISTORIES`.

    New functions are called on the same drive again, then on its states in the opposite order, then on its later
    episodes alone, without the first ones.

    Args:
        caller: makes and calls the functions.
        sample: the drive.
        calls: earlier calls on the same drive.

    Returns:
        The key; empty where no call gave a reward.
    """
    steps = range(min(_STEPS, calls.done))
    if not np.isfinite(calls.values[: len(steps)]).any():
        return ""

    def differs(states: Sample, order: Iterable[int]) -> bool:
        return _differ(caller.call(states, steps=order, quiet=True, budget_s=_BUDGET_S), calls)

    # The same states in the same order, with new functions: only chance is left to differ.
    if differs(sample, steps):
        return "random"
    # A function without state gives each state its reward in any order.
    if not differs(sample, reversed(steps)):
        return "none"
    # A function that resets its state in each episode does not miss the first one.
    later = _without_first_episodes(sample, len(steps))
    return "episodes" if later is not None and differs(later, steps) else "state"


def _differ(calls: SampleCalls, other: SampleCalls) -> bool:
    """Return whether both gave a reward for some state and the two rewards differ."""
    # Where one side has no reward, the call failed or was not made, so there is nothing to compare.
    both = np.isfinite(calls.values) & np.isfinite(other.values)
    a, b = calls.values[both], other.values[both]
    return bool((np.abs(a - b) > 1e-9 * np.maximum(1.0, np.abs(b))).any())


def _without_first_episodes(sample: Sample, steps: int) -> Sample | None:
    """Return the sample without the calls of each car's first episode; None where no car has a second episode."""
    telemetry: Records = sample.telemetry.copy()
    has_second = False
    for n in range(telemetry.shape[1]):
        starts = np.flatnonzero(telemetry["steps"][:steps, n, 0] == 2.0)
        first_end = int(starts[1]) if len(starts) > 1 else steps
        has_second |= len(starts) > 1
        telemetry["steps"][:first_end, n] = 0.0  # rows below step 2 are not called
    return replace(sample, telemetry=telemetry) if has_second else None
