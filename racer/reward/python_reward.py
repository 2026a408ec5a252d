"""Rewards in plain Python: the user's function called once for each car, with a fresh dict."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from racer.errors import RewardError
from racer.reward.call_guards import TIME_LIMIT_S, Deadline, PrintCapture, SharedNamesGuard
from racer.reward.failure import FailureVerdict, RewardFailure, as_reward, verdict_of_exception, verdict_of_value
from racer.reward.protocol import FIRST_STEP, REWARD_MAX, RewardPath
from racer.reward.rows import Waypoints, params_rows
from racer.reward.source import RewardCallable, RewardSource, check_function, compile_source, new_function, read_source


class PythonReward:
    """A user's reward function behind the seam.

    A file is run once for each car, in a module of its own: its globals and class attributes belong to
    that car and survive the end of an episode. A callable is one object that all cars share, as it was given.

    Args:
        reward: the text of a file, or a callable.
        n_worlds: worlds of the batch, N.
        n_cars: cars of each world, C.
        failure_folder: where the params of a failed call are saved; None saves nothing.
        functions: one for each car, where they were made already, from the same file.
        time_limit_s: s that the calls of one control step may take together.

    Attributes:
        path: `python` for a file, `callable` for a callable.
        source: name, file and text of what runs.
        reason: why it does not run compiled, where that was tried.

    Raises:
        RewardError: the file cannot be compiled or run, or holds no usable `reward_function`.
    """

    def __init__(
        self,
        reward: RewardSource | RewardCallable,
        n_worlds: int,
        n_cars: int = 1,
        *,
        failure_folder: str | Path | None = None,
        functions: list[RewardCallable] | None = None,
        time_limit_s: float = TIME_LIMIT_S,
    ) -> None:
        self.path: RewardPath
        self.reason = ""
        self._deadline = Deadline(time_limit_s)
        self._shape = (n_worlds, n_cars)
        self._failure_folder = failure_folder
        self._output = PrintCapture()
        count = n_worlds * n_cars
        if isinstance(reward, RewardSource):
            self.path, self.source = "python", reward
            self._file = str(reward.path)
            code = compile_source(reward)
            with self._output, self._deadline, SharedNamesGuard(self._file):
                self._functions = functions or [new_function(reward, code) for _ in range(count)]
        else:
            self.path, self.source = "callable", read_source(reward)
            check_function(reward, self.source.name)
            self._file = _file_of(reward)
            self._functions = [reward] * count
        self._shared = SharedNamesGuard(self._file)

    @property
    def printed_lines(self) -> int:
        """How many lines user code has printed."""
        return self._output.printed_lines

    @property
    def first_prints(self) -> list[str]:
        """The first lines that user code has printed, 20 at most, cut to 300 characters."""
        return list(self._output.first_prints)

    @property
    def last_prints(self) -> list[str]:
        """The last lines that user code has printed, 20 at most, cut to 300 characters."""
        return list(self._output.last_prints)

    def compute(
        self,
        telemetry: NDArray[np.void],
        objects: NDArray[np.void] | None,
        waypoints: Waypoints,
        out: NDArray[np.float64],
    ) -> None:
        """See `racer.reward.seam.Reward.compute`."""
        if telemetry.shape != self._shape:
            raise ValueError(f"made for {self._shape} cars, got telemetry of shape {telemetry.shape}")
        flat = telemetry.reshape(-1)
        things = None if objects is None else objects.reshape(len(flat), -1)
        rewards = [0.0] * len(flat)
        # The loop that costs: one call, and for a plain float one comparison.
        low, high = -REWARD_MAX, REWARD_MAX
        cars = zip(flat["steps"].tolist(), self._functions, params_rows(flat, things, waypoints), strict=True)
        with self._output, self._deadline, self._shared:
            for index, (step, function, params) in enumerate(cars):
                if step < FIRST_STEP:
                    continue
                try:
                    value = function(params)
                except KeyboardInterrupt:
                    raise
                except BaseException as error:  # SystemExit too: a reward function ends no training that way
                    verdict = verdict_of_exception(error, self._file, function, limit_s=self._deadline.seconds)
                    self._fail(index, verdict, flat, things, waypoints)
                if type(value) is float and low <= value <= high:
                    rewards[index] = value
                elif (number := as_reward(value)) is not None:
                    rewards[index] = number
                else:
                    again = params_of(index, flat, things, waypoints)
                    verdict = verdict_of_value(value, self._file, function, again)
                    self._fail(index, verdict, flat, things, waypoints)
        out[...] = np.array(rewards).reshape(self._shape)

    def _fail(
        self,
        index: int,
        verdict: FailureVerdict,
        telemetry: NDArray[np.void],
        objects: NDArray[np.void] | None,
        waypoints: Waypoints,
    ) -> NoReturn:
        world, car = divmod(index, self._shape[1])
        failure = RewardFailure(
            file=self._file,
            verdict=verdict,
            car=f"car {index}" if self._shape[1] == 1 else f"car {car} of world {world}",
            step=int(telemetry["steps"][index]),
            params=params_of(index, telemetry, objects, waypoints),
        )
        saved = None if self._failure_folder is None else failure.save(self._failure_folder)
        raise RewardError(failure.message(saved)) from None


def params_of(
    index: int, telemetry: NDArray[np.void], objects: NDArray[np.void] | None, waypoints: Waypoints
) -> dict[str, object]:
    """One car's dict made anew: the one that user code had may have been changed by it."""
    row = slice(index, index + 1)
    return next(params_rows(telemetry[row], None if objects is None else objects[row], waypoints))


def _file_of(function: RewardCallable) -> str:
    """The file that a callable's code names; empty where Python does not know."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return code.co_filename if code is not None else ""
