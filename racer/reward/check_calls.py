"""Calls a reward function on sampled states and goes on where training would stop, to see all that is wrong with it."""

from __future__ import annotations

import contextlib
import time
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from racer.reward.failure import Verdict, as_reward, raised, returned
from racer.reward.printed import PrintCapture
from racer.reward.rows import params_rows
from racer.reward.sample import Sample
from racer.reward.seam import FIRST_STEP
from racer.reward.shared_names import SharedNames
from racer.reward.source import Function, RewardSource, new_function


@dataclass(kw_only=True)
class Fault:
    """One way in which calls went wrong.

    Attributes:
        kind: `exception`, or `value` for a returned value that is no reward.
        verdict: line, problem and advice of its first call.
        params: the dict of that call, without the waypoints.
        seen: how often, for each (where, track).
    """

    kind: str
    verdict: Verdict
    params: dict[str, Any]
    seen: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(kw_only=True)
class Calls:
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


_HOPELESS = 200
"""A sample in which this many calls have failed and none has given a reward is left."""

Wrap = Callable[[dict[str, Any]], dict[str, Any]]


class Caller:
    """Makes functions of one file, one for each car, and calls them.

    Attributes:
        faults: all that went wrong so far, one for each way.
        output: what the function printed.
    """

    def __init__(self, source: RewardSource, code: types.CodeType, *, hang_s: float, watchdog: Watchdog) -> None:
        """`hang_s`: s that a control step's calls may take before the watchdog bites."""
        self.faults: dict[tuple[Any, ...], Fault] = {}
        self.output = PrintCapture()
        self._source, self._code, self._file = source, code, str(source.path)
        self._hang_s, self._watchdog = hang_s, watchdog

    @contextlib.contextmanager
    def _user_code(self) -> Iterator[None]:
        self._watchdog.watch(self._hang_s)
        try:
            with self.output, SharedNames(self._file):
                yield
        finally:
            self._watchdog.rest()

    def functions(self, count: int) -> list[Function]:
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
        wrap: Wrap | None = None,
        quiet: bool = False,
    ) -> Calls:
        """Call fresh functions on a sample, each car its own.

        Args:
            steps: rows of the sample in the order of the calls; None for all.
            budget_s: s of wall time after which no further control step is begun.
            wrap: put around each dict.
            quiet: keep no faults; for calls in an order that never happens.
        """
        rows = list(range(len(sample.telemetry)) if steps is None else steps)
        shape = sample.telemetry.shape[:2]
        calls = Calls(values=np.full(shape, np.nan), failed=np.zeros(shape, bool), us_per_call=0.0, done=0, floats=True)
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
            if calls.failed.sum() >= _HOPELESS and not np.isfinite(calls.values).any():
                break
        calls.us_per_call = float(np.median(costs)) if costs else 0.0
        return calls

    def _step(
        self, sample: Sample, t: int, functions: list[Function], calls: Calls, wrap: Wrap | None, quiet: bool
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
        self, sample: Sample, t: int, n: int, function: Function, error: BaseException | None, value: object
    ) -> None:
        """Count a fault; its verdict is found out once for each way of going wrong."""
        verdict = None if error is None else raised(error, self._file, function)
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
                verdict = returned(value, self._file, function, dict(params))
            params.pop("waypoints")
            fault = self.faults[key] = Fault(kind=kind, verdict=verdict, params=params)
        where = (sample.where, sample.track)
        fault.seen[where] = fault.seen.get(where, 0) + 1


def _value_class(value: object) -> str:
    if type(value) is float:
        return "nan" if value != value else "large"
    return type(value).__name__
