"""Calls a reward function on sampled states and goes on where training would stop, to see all that is wrong with it.

What a reward function remembers: whether the same state always gives the same reward.
"""

from __future__ import annotations

import contextlib
import time
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from racer.reward.call_guards import PrintCapture, SharedNamesGuard
from racer.reward.failure import FailureVerdict, as_reward, verdict_of_exception, verdict_of_value
from racer.reward.protocol import FIRST_STEP
from racer.reward.rows import Sample, params_rows
from racer.reward.source import RewardCallable, RewardSource, new_function


@dataclass(kw_only=True)
class CallFault:
    """One way in which calls went wrong.

    Attributes:
        kind: `exception`, or `value` for a returned value that is no reward.
        verdict: line, problem and advice of its first call.
        params: the dict of that call, without the waypoints.
        seen: how often, for each (where, track).
    """

    kind: str
    verdict: FailureVerdict
    params: dict[str, Any]
    seen: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(kw_only=True)
class SampleCalls:
    """What the calls of one sample gave.

    Attributes:
        values: (T, N) float64, NaN where nothing was asked or the call went wrong.
        failed: (T, N) True where a call went wrong.
        us_per_call: median over the control steps, of making the dict and calling.
        done: control steps that there was time for.
        floats: False where a call returned something else than a Python float.
    """

    values: NDArray[np.float64]
    failed: NDArray[np.bool_]
    us_per_call: float
    done: int
    floats: bool


class Watchdog(Protocol):
    """Ends the process where user code does not come back."""

    def watch(self, seconds: float) -> None:
        """User code may run for this long from now on."""

    def rest(self) -> None:
        """No user code runs from here on."""


_FAILURES_MAX = 200
"""A sample in which this many calls have failed and none has given a reward is left."""

ParamsWrapper = Callable[[dict[str, Any]], dict[str, Any]]


class RewardCaller:
    """Makes functions of one file, one for each car, and calls them.

    Attributes:
        faults: all that went wrong so far, one for each way.
        output: what the function printed.
    """

    def __init__(self, source: RewardSource, code: types.CodeType, *, hang_s: float, watchdog: Watchdog) -> None:
        """`hang_s`: s that a control step's calls may take before the watchdog bites."""
        self.faults: dict[tuple[Any, ...], CallFault] = {}
        self.output = PrintCapture()
        self._source, self._code, self._file = source, code, str(source.path)
        self._hang_s, self._watchdog = hang_s, watchdog

    @contextlib.contextmanager
    def _user_code(self) -> Iterator[None]:
        self._watchdog.watch(self._hang_s)
        try:
            with self.output, SharedNamesGuard(self._file):
                yield
        finally:
            self._watchdog.rest()

    def functions(self, count: int) -> list[RewardCallable]:
        """Fresh functions that share nothing.

        Raises:
            RewardError: the file cannot be run, or holds no usable `reward_function`.
        """
        with self._user_code():
            return [new_function(self._source, self._code) for _ in range(count)]

    def call(
        self,
        sample: Sample,
        *,
        steps: Iterable[int] | None = None,
        budget_s: float = float("inf"),
        wrap: ParamsWrapper | None = None,
        quiet: bool = False,
    ) -> SampleCalls:
        """Call fresh functions on a sample, each car its own.

        Args:
            steps: rows of the sample in the order of the calls; None for all.
            budget_s: s of wall time after which no further control step is begun.
            wrap: put around each dict.
            quiet: keep no faults; for calls in an order that never happens.
        """
        rows = list(range(len(sample.telemetry)) if steps is None else steps)
        shape = sample.telemetry.shape[:2]
        calls = SampleCalls(
            values=np.full(shape, np.nan), failed=np.zeros(shape, bool), us_per_call=0.0, done=0, floats=True
        )
        functions = self.functions(shape[1])
        costs: list[float] = []
        begin = time.perf_counter()
        for t in rows:
            if time.perf_counter() - begin > budget_s:
                break
            with self._user_code():
                cost = self._step(sample, t, functions, calls, wrap, quiet)
            calls.done += 1
            if cost is not None:
                costs.append(cost)
            if calls.failed.sum() >= _FAILURES_MAX and not np.isfinite(calls.values).any():
                break
        calls.us_per_call = float(np.median(costs)) if costs else 0.0
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
        """One control step; returns its us per call, None where nothing was asked."""
        rows = sample.telemetry[t, :, 0]
        things = None if sample.objects is None else sample.objects[t, :, 0]
        asked = (rows["steps"] >= FIRST_STEP).tolist()
        values = [float("nan")] * len(asked)
        wrong: list[tuple[int, BaseException | None, Any]] = []
        begin = time.perf_counter()
        for n, params in enumerate(params_rows(rows, things, sample.waypoints)):
            if not asked[n]:
                continue
            try:
                value = functions[n](params if wrap is None else wrap(params))
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                wrong.append((n, error, None))
                continue
            number = as_reward(value)
            if number is None:
                wrong.append((n, None, value))
            else:
                values[n] = number
                calls.floats &= type(value) is float
        cost = (time.perf_counter() - begin) * 1e6 / max(sum(asked), 1)
        calls.values[t] = values
        for n, problem, value in wrong:
            calls.failed[t, n] = True
            if not quiet:
                self._keep(sample, t, n, functions[n], problem, value)
        return cost if any(asked) else None

    def _keep(
        self, sample: Sample, t: int, n: int, function: RewardCallable, error: BaseException | None, value: object
    ) -> None:
        """Count a fault; its verdict is found out once for each way of going wrong."""
        verdict = None if error is None else verdict_of_exception(error, self._file, function)
        key: tuple[Any, ...] = (
            ("value", _value_class(value)) if verdict is None else (type(error).__name__, verdict.line)
        )
        fault = self.faults.get(key)
        if fault is None:
            one = sample.telemetry[t, n : n + 1, 0]
            things = None if sample.objects is None else sample.objects[t, n : n + 1, 0]
            params = next(params_rows(one, things, sample.waypoints))
            kind = "value" if verdict is None else "exception"
            if verdict is None:
                verdict = verdict_of_value(value, self._file, function, dict(params))
            params.pop("waypoints")
            fault = self.faults[key] = CallFault(kind=kind, verdict=verdict, params=params)
        where = (sample.where, sample.track)
        fault.seen[where] = fault.seen.get(where, 0) + 1


def _value_class(value: object) -> str:
    if type(value) is float:
        return "nan" if value != value else "large"
    return type(value).__name__


_STEPS = 120
_BUDGET_S = 5.0


def classify_history(caller: RewardCaller, sample: Sample, calls: SampleCalls) -> str:
    """A word of `racer.reward.check.HISTORIES`; empty where no call gave a reward.

    The same drive is given again to fresh functions; then its states in the opposite order; then its later episodes
    alone, without those before.
    """
    steps = range(min(_STEPS, calls.done))
    if not np.isfinite(calls.values[: len(steps)]).any():
        return ""
    again = caller.call(sample, steps=steps, quiet=True, budget_s=_BUDGET_S)
    if _differ(again, calls):
        return "random"
    opposite = caller.call(sample, steps=iter(reversed(steps)), quiet=True, budget_s=_BUDGET_S)
    if not _differ(opposite, calls):
        return "none"
    later = _without_first_episodes(sample, len(steps))
    if later is None:
        return "state"
    return "episodes" if _differ(caller.call(later, steps=steps, quiet=True, budget_s=_BUDGET_S), calls) else "state"


def _differ(one: SampleCalls, other: SampleCalls) -> bool:
    """True where both gave a reward and they are not the same."""
    both = np.isfinite(one.values) & np.isfinite(other.values)
    a, b = one.values[both], other.values[both]
    return bool((np.abs(a - b) > 1e-9 * np.maximum(1.0, np.abs(b))).any())


def _without_first_episodes(sample: Sample, steps: int) -> Sample | None:
    """The sample with each car's first episode not asked for; None where no car has a second one."""
    telemetry: NDArray[np.void] = sample.telemetry.copy()
    found = False
    for n in range(telemetry.shape[1]):
        begins = np.flatnonzero(telemetry["steps"][:steps, n, 0] == 2.0)
        first_end = int(begins[1]) if len(begins) > 1 else steps
        found |= len(begins) > 1
        telemetry["steps"][:first_end, n] = 0.0
    if not found:
        return None
    return Sample(
        track=sample.track,
        where=sample.where,
        telemetry=telemetry,
        objects=sample.objects,
        waypoints=sample.waypoints,
    )
