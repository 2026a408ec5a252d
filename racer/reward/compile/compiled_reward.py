"""Translations once they are made: kept on disk, compiled, and behind the seam.

cache           translations and verdicts on disk
kernel          what numba makes of a translation
compiled_path   the reward behind the seam: runs the kernel, makes trapped calls in plain Python

Rewards of a compiled kernel, with plain Python for the calls that the kernel leaves to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from racer.errors import RewardError
from racer.reward.call_guards import TIME_LIMIT_S, Deadline, PrintCapture, SharedNamesGuard
from racer.reward.compile.car_state import StateMismatch, fingerprint, restore_state, save_state
from racer.reward.compile.errors import ENDLESS, KINDS
from racer.reward.compile.kernel import OBJECT_NUMBERS, Kernel
from racer.reward.failure import FailureVerdict, RewardFailure, as_reward, verdict_of_exception, verdict_of_value
from racer.reward.protocol import RewardPath
from racer.reward.python_reward import PythonReward, params_of
from racer.reward.rows import Waypoints
from racer.reward.source import RewardCallable, RewardSource, compile_source, new_module
from racer.sim.dtypes import OBJECT_TELEMETRY, TELEMETRY

BUDGET_TEXT = "went round its loops 10,000,000 times in one call"
REPLAYS_MAX = 2000
"""Calls left to plain Python after which a share is looked at."""
REPLAY_SHARE = 0.02
"""Share of the calls above which plain Python takes over."""


class CompiledReward:
    """A compiled reward behind the seam.

    Args:
        source: of the user's file.
        kernel: its translation.
        n_worlds: N.
        n_cars: C.
        failure_folder: where the params of a call that went wrong are saved.

    Attributes:
        path: `compiled`; `python` from where plain Python had to take over.
        reason: why it is `python`, or what is left to plain Python; empty where there is nothing to say.
        source: name, file and text of what runs.
        replayed: calls that were made in plain Python.
    """

    def __init__(
        self,
        source: RewardSource,
        kernel: Kernel,
        n_worlds: int,
        n_cars: int = 1,
        *,
        failure_folder: str | Path | None = None,
        reason: str = "",
    ) -> None:
        self.path: RewardPath = "compiled"
        self.reason = reason
        self.source = source
        self.replayed = 0
        self._kernel = kernel
        self._shape = (n_worlds, n_cars)
        self._failure_folder = failure_folder
        self._code = compile_source(source)
        self._file = str(source.path)
        self._output = PrintCapture()
        self._deadline = Deadline(TIME_LIMIT_S)
        self._shared = SharedNamesGuard(self._file)
        count = n_worlds * n_cars
        self._calls = 0
        self.states = np.tile(kernel.initial, (count, 1))
        self._rewards = np.zeros(count)
        self._codes = np.zeros(count, np.int64)
        self._prints = np.zeros(1, np.int64)
        self._memory = np.zeros(max(1, kernel.memory))
        self._backup = np.zeros(max(1, kernel.regions))
        self._waypoints: Waypoints | None = None
        self._points = np.zeros(0)
        self._starts = np.zeros(1, np.int64)
        self._python: PythonReward | None = None
        self._pristine = ""
        self._spare: tuple[dict[str, Any], RewardCallable] | None = None
        self._taken: dict[int, RewardCallable] = {}

    @property
    def printed_lines(self) -> int:
        """How many lines user code has printed, or would have."""
        return int(self._prints[0]) + self._output.printed_lines + (self._python.printed_lines if self._python else 0)

    @property
    def first_prints(self) -> list[str]:
        """The first lines that were printed in plain Python; compiled calls only count theirs."""
        return list(self._output.first_prints) or (self._python.first_prints if self._python else [])

    @property
    def last_prints(self) -> list[str]:
        """The last lines that were printed in plain Python."""
        later = self._python.last_prints if self._python else []
        return later or list(self._output.last_prints)

    def compute(
        self,
        telemetry: NDArray[np.void],
        objects: NDArray[np.void] | None,
        waypoints: Waypoints,
        out: NDArray[np.float64],
    ) -> None:
        """See `racer.reward.seam.Reward.compute`."""
        if self._python is not None:
            self._python.compute(telemetry, objects, waypoints, out)
            return
        if telemetry.shape != self._shape:
            raise ValueError(f"made for {self._shape} cars, got telemetry of shape {telemetry.shape}")
        if waypoints is not self._waypoints:
            self._take_waypoints(waypoints)
        if (course := int(telemetry["course"].max())) >= len(waypoints):
            raise IndexError(f"course {course} of {len(waypoints)}: it has no waypoints")
        codes = self.run(telemetry, objects)
        if codes.any():
            with self._output, self._deadline, self._shared:
                self._replay(telemetry.reshape(-1), objects, waypoints)
        out[...] = self._rewards.reshape(self._shape)
        self._calls += len(codes)
        if self.replayed > REPLAYS_MAX and self.replayed > REPLAY_SHARE * self._calls:
            self.reason = f"{self.replayed} of {self._calls} calls needed plain Python"
            self._take_over()
        elif self._taken:
            self._take_over()

    def run(self, telemetry: NDArray[np.void], objects: NDArray[np.void] | None) -> NDArray[np.int64]:
        """Run the kernel; the code of each car, 0 where its reward stands."""
        rows = _rows(telemetry, TELEMETRY)
        things = _NO_OBJECTS if objects is None else _rows(objects, OBJECT_TELEMETRY)
        slots = 0 if objects is None else objects.shape[-1]
        kernel = self._kernel
        if len(self._memory) < kernel.memory + OBJECT_NUMBERS * slots:
            self._memory = np.zeros(kernel.memory + OBJECT_NUMBERS * slots)
        kernel.function(
            0,
            len(rows),
            rows.view(np.float64),
            rows.view(np.int32),
            rows.view(np.uint8),
            things.view(np.float64),
            things.view(np.uint8),
            slots,
            self._points,
            self._starts,
            self.states,
            kernel.table,
            self._memory,
            self._backup,
            self._rewards,
            self._prints,
            self._codes,
        )
        return self._codes

    def _take_waypoints(self, waypoints: Waypoints) -> None:
        counts = [len(points) for points in waypoints]
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        numbers = [float(x) for points in waypoints for point in points for x in point]
        self._points = np.array(numbers) if numbers else np.zeros(1)
        self._waypoints = waypoints

    # -- what the kernel leaves

    def _replay(self, flat: NDArray[np.void], objects: NDArray[np.void] | None, waypoints: Waypoints) -> None:
        things = None if objects is None else objects.reshape(len(flat), -1)
        for index in np.flatnonzero(self._codes).tolist():
            line, kind = divmod(int(self._codes[index]), KINDS)
            params = params_of(index, flat, things, waypoints)
            if kind == ENDLESS:
                advice = " Every loop must come to its end."
                self._fail(index, FailureVerdict(line or None, BUDGET_TEXT, advice), params)
            self._rewards[index] = self._call(index, params, params_of(index, flat, things, waypoints))
            self.replayed += 1

    def _call(self, index: int, params: dict[str, Any], again: dict[str, Any]) -> float:
        """One call in plain Python, from the car's state to its state afterwards."""
        module, function = self._spare or new_module(self.source, self._code)
        self._spare = None
        row = self.states[index]
        if self._kernel.layout:
            restore_state(module, self._kernel.layout, row)
        elif not self._pristine:
            self._pristine = fingerprint(module)
        try:
            value = function(params)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._fail(index, verdict_of_exception(error, self._file, function), again)
        number = as_reward(value)
        if number is None:
            if self._kernel.layout:
                restore_state(module, self._kernel.layout, row)
            verdict = verdict_of_value(value, self._file, function, params_copy(again))
            self._fail(index, verdict, again)
        self._keep(index, module, function)
        return number

    def _keep(self, index: int, module: dict[str, Any], function: RewardCallable) -> None:
        """Take the state back; where the row has no place for it, the module itself stays with the car."""
        layout = self._kernel.layout
        if not layout:
            if fingerprint(module) == self._pristine:
                self._spare = (module, function)
            else:
                self.reason = "a call in plain Python kept something between calls"
                self._taken[index] = function
            return
        row = self.states[index].copy()
        try:
            save_state(module, layout, row)
            same, _ = new_module(self.source, self._code)
            restore_state(same, layout, row)
            if fingerprint(same) == fingerprint(module):
                self.states[index] = row
                return
            self.reason = "a call in plain Python kept something that the kernel has no place for"
        except StateMismatch as error:
            self.reason = f"a call in plain Python kept something that the kernel has no place for: {error}"
        self._taken[index] = function

    def _take_over(self) -> None:
        """From the next control step on everything runs in plain Python, from the state that there is."""
        with self._output, self._deadline, self._shared:
            made = [new_module(self.source, self._code) for _ in range(len(self.states))]
        for row, (module, _) in zip(self.states, made, strict=True):
            restore_state(module, self._kernel.layout, row)
        functions = [self._taken.get(index, function) for index, (_, function) in enumerate(made)]
        self._python = PythonReward(self.source, *self._shape, failure_folder=self._failure_folder, functions=functions)
        self.path = "python"

    def _fail(self, index: int, verdict: FailureVerdict, params: dict[str, Any]) -> NoReturn:
        world, car = divmod(index, self._shape[1])
        failure = RewardFailure(
            file=self._file,
            verdict=verdict,
            car=f"car {index}" if self._shape[1] == 1 else f"car {car} of world {world}",
            step=int(params["steps"]),
            params=params,
        )
        saved = None if self._failure_folder is None else failure.save(self._failure_folder)
        raise RewardError(failure.message(saved)) from None


def _rows(table: NDArray[np.void], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """Flat rows in the layout that kernels read; numpy's functions may have packed it closer."""
    if table.dtype.itemsize != dtype.itemsize:
        table = table.astype(dtype)
    return np.ascontiguousarray(table).reshape(-1)


def params_copy(params: dict[str, Any]) -> dict[str, Any]:
    """A dict whose lists are its own."""
    return {
        key: [list(item) if isinstance(item, list) else item for item in value] if isinstance(value, list) else value
        for key, value in params.items()
    }


_NO_OBJECTS = np.zeros(1, OBJECT_TELEMETRY)
