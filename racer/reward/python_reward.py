"""Rewards in plain Python: the user's function called once for each car, with a new dict."""

from __future__ import annotations

import contextlib
import copyreg
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.errors import RewardError
from racer.reward.call_guards import TIME_LIMIT_S, Deadline, PrintCapture, SharedNamesGuard
from racer.reward.failure import FailureVerdict, as_reward, reward_error, verdict_of_exception, verdict_of_value
from racer.reward.module_state import restore_module_state, save_module_state
from racer.reward.params import FIRST_STEP
from racer.reward.protocol import REWARD_MAX, RewardPath
from racer.reward.rows import Records, Waypoints, params_of, params_rows
from racer.reward.source import RewardCallable, RewardSource, check_function, compile_source, new_module, read_source


class UserCodeReward:
    """Base of rewards that call user code: its guards, its output and the errors of its calls.

    Args:
        file: the user's file; empty where a callable has none.
        files: context in which user code runs, for the files that it reads.
        shape: worlds of the batch and cars in each world, (N, C).
        failure_folder: folder for the params of a failed call; None saves nothing.
        output: receives what user code prints; None makes a new capture.
        time_limit_s: maximum time of all calls of one control step [s].
    """

    def __init__(
        self,
        file: str,
        files: contextlib.AbstractContextManager[object],
        shape: tuple[int, int],
        failure_folder: str | Path | None,
        output: PrintCapture | None = None,
        time_limit_s: float = TIME_LIMIT_S,
    ) -> None:
        self._file, self._shape, self._failure_folder = file, shape, failure_folder
        self._output = output or PrintCapture()
        self._deadline = Deadline(time_limit_s)
        self._shared_names = SharedNamesGuard(file)
        self._files = files

    @property
    def printed_lines(self) -> int:
        """Number of lines that user code has printed."""
        return self._output.printed_lines

    @property
    def first_prints(self) -> list[str]:
        """The first lines that user code has printed, at most 20, cut to 300 characters."""
        return list(self._output.first_prints)

    @property
    def last_prints(self) -> list[str]:
        """The last lines that user code has printed, at most 20, cut to 300 characters."""
        return list(self._output.last_prints)

    def _error(self, index: int, verdict: FailureVerdict, params: dict[str, Any]) -> RewardError:
        n_cars, folder = self._shape[1], self._failure_folder
        return reward_error(verdict, self._file, params, index=index, n_cars=n_cars, folder=folder)


class PythonReward(UserCodeReward):
    """A user's reward function in plain Python.

    A file is run once for each car, each time in a separate module: its globals and class attributes belong to
    that car and survive the end of an episode. A callable is one object that all cars share, as it was given.

    Args:
        reward: the text of a file, or a callable.
        n_worlds: number of worlds of the batch, N.
        n_cars: cars in each world, C.
        failure_folder: folder for the params of a failed call; None saves nothing.
        functions: one function of this file for each car, where they exist already.
        output: receives what user code prints; None makes a new capture.
        time_limit_s: maximum time of all calls of one control step [s].
        reason: why the function does not run compiled.
        first_step: `steps` in the first call of an episode of a callable; a source has its own.

    Attributes:
        path: `python` for a file, `callable` for a callable.
        source: name, file and text of the function.
        reason: why the function does not run compiled; empty where that was not tried.

    Raises:
        RewardError: the file cannot be compiled or run, or has no usable `reward_function`.
    """

    def __init__(
        self,
        reward: RewardSource | RewardCallable,
        n_worlds: int,
        n_cars: int = 1,
        *,
        failure_folder: str | Path | None = None,
        functions: list[RewardCallable] | None = None,
        output: PrintCapture | None = None,
        time_limit_s: float = TIME_LIMIT_S,
        reason: str = "",
        first_step: int = FIRST_STEP,
    ) -> None:
        self.path: RewardPath
        self.reason = reason
        count = n_worlds * n_cars
        if isinstance(reward, RewardSource):
            self.path, self.source, file = "python", reward, str(reward.path)
        else:
            self.path, self.source = "callable", replace(read_source(reward), first_step=first_step)
            check_function(reward, self.source.name)
            # Tracebacks name the file of the wrapped function, not that of its decorator.
            file = getattr(getattr(inspect.unwrap(reward), "__code__", None), "co_filename", "")
        files = self.source.file_access()
        super().__init__(file, files, (n_worlds, n_cars), failure_folder, output, time_limit_s)
        if isinstance(reward, RewardSource):
            code = compile_source(reward)
            with self._output, self._deadline, self._files, self._shared_names:
                # Functions that are given come from a kernel that plain Python replaces, with the state of each car.
                self._functions = functions or [new_module(reward, code)[1] for _ in range(count)]
        else:
            self._functions = [reward] * count

    def __reduce__(self) -> tuple[Any, ...]:
        # Modules that were run from a text cannot be pickled; the copy runs the text again and takes over their values.
        if self.path == "callable":
            return copyreg.__newobj__, (type(self),), self.__dict__  # type: ignore[attr-defined]
        options = {
            "failure_folder": self._failure_folder,
            "time_limit_s": self._deadline.seconds,
            "reason": self.reason,
        }
        states = [save_module_state(function) for function in self._functions]
        return _copied_reward, (self.source, self._shape, options, states)

    def compute(
        self, telemetry: Records, objects: Records | None, waypoints: Waypoints, out: NDArray[np.float64]
    ) -> None:
        """Fill `out` as `racer.reward.protocol.Reward.compute` does; a failure leaves `out` unchanged.

        Raises:
            RewardError: user code raised, returned something that is not a reward, or took too long.
            ValueError: the telemetry has another shape than the batch.
        """
        if telemetry.shape != self._shape:
            raise ValueError(f"made for {self._shape} cars, got telemetry of shape {telemetry.shape}")
        rows = telemetry.reshape(-1)
        object_rows = None if objects is None else objects.reshape(len(rows), -1)
        rewards = [0.0] * len(rows)
        verdict = None
        # This loop is most of the cost of a training: one call, and one comparison where the result is a plain float.
        low, high = -REWARD_MAX, REWARD_MAX
        first = self.source.first_step
        every_params = params_rows(rows, object_rows, waypoints, first)
        cars = zip(rows["steps"].tolist(), self._functions, every_params, strict=True)
        with self._output, self._deadline, self._files, self._shared_names:
            for index, (step, function, params) in enumerate(cars):
                if step < FIRST_STEP:
                    continue
                try:
                    value = function(params)
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # SystemExit too: a reward function must not end a training with it
                    verdict = verdict_of_exception(error, self._file, function, limit_s=self._deadline.seconds)
                else:
                    if type(value) is float and low <= value <= high:
                        rewards[index] = value
                    elif (number := as_reward(value)) is not None:
                        rewards[index] = number
                    else:
                        again = params_of(index, rows, object_rows, waypoints, first)
                        verdict = verdict_of_value(value, self._file, function, again)
                if verdict is not None:
                    # Another dict: the function may have changed the one that it received.
                    raise self._error(index, verdict, params_of(index, rows, object_rows, waypoints, first))
        # Written at the end, so that a failed call leaves `out` as it was.
        out[...] = np.array(rewards).reshape(self._shape)


def _copied_reward(
    source: RewardSource, shape: tuple[int, int], options: dict[str, Any], states: list[dict[str, bytes]]
) -> PythonReward:
    """Return a reward from pickle or copy, with what each car's function kept."""
    reward = PythonReward(source, *shape, **options)
    for function, state in zip(reward._functions, states, strict=True):
        restore_module_state(function, state)
    return reward
