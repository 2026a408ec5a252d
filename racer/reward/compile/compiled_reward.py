"""Rewards of a compiled kernel, with plain Python for the calls that the kernel leaves to it.

In each control step the kernel writes the reward of every car and a code. Code 0 means that the reward is valid. Any
other code names a line and a kind of trap: that call is repeated in plain Python, in a module whose state is restored
from the car's row, and the state after the call is saved to the row. Two things end the compiled path for good:
more than 2 % of the calls need plain Python, or a call keeps something that the row has no place for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.reward.compile.car_state import StateMismatch, fingerprint, restore_state, save_state
from racer.reward.compile.errors import ENDLESS, KINDS
from racer.reward.compile.kernel import OBJECT_NUMBERS, Kernel
from racer.reward.failure import FailureVerdict, as_reward, verdict_of_exception, verdict_of_value
from racer.reward.protocol import RewardPath
from racer.reward.python_reward import PythonReward, UserCodeReward
from racer.reward.rows import Records, Waypoints, params_of
from racer.reward.source import RewardCallable, RewardSource, compile_source, new_module
from racer.sim.dtypes import OBJECT_TELEMETRY, TELEMETRY

BUDGET_TEXT = "ran 10,000,000 loop iterations in one call"
REPLAYS_MAX = 2000
"""Calls in plain Python below which their fraction of all calls is not judged."""
REPLAY_FRACTION_MAX = 0.02
"""Fraction of the calls in plain Python above which everything runs in plain Python."""
_NO_OBJECTS = np.zeros(1, OBJECT_TELEMETRY)


class CompiledReward(UserCodeReward):
    """A compiled reward.

    Args:
        source: text of the user's file.
        kernel: its translation.
        n_worlds: number of worlds, N.
        n_cars: cars in each world, C.
        failure_folder: folder for the params of a failed call; None saves nothing.
        reason: which lines run in plain Python; empty where there are none.

    Attributes:
        path: `compiled`; `python` after plain Python has taken over.
        reason: why it is `python`, or which lines run in plain Python; may be empty.
        source: name, file and text of the function.
        replayed: number of calls in plain Python.
        states: the state that each car keeps between calls, shape (N * C, numbers of a state).
        rewards: the rewards of the last control step, shape (N * C,).
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
        super().__init__(str(source.path), source.file_access(), (n_worlds, n_cars), failure_folder)
        self.path: RewardPath = "compiled"
        self.reason = reason
        self.source = source
        self.replayed = 0
        self._kernel = kernel
        self._code = compile_source(source)
        count = n_worlds * n_cars
        self._calls = 0
        self.states = np.tile(kernel.initial, (count, 1))
        self.rewards = np.zeros(count)
        self._codes = np.zeros(count, np.int64)
        self._prints = np.zeros(1, np.int64)
        self._memory = np.zeros(max(1, kernel.memory))
        self._backup = np.zeros(max(1, kernel.regions))
        self._waypoints: Waypoints | None = None
        self._points = np.zeros(0)
        self._starts = np.zeros(1, np.int64)
        self._python: PythonReward | None = None
        # Without a layout, a module whose fingerprint is still that of a new one serves the next replayed call.
        self._unchanged = ""
        self._spare: tuple[dict[str, Any], RewardCallable] | None = None
        self._detached: dict[int, RewardCallable] = {}

    @property
    def printed_lines(self) -> int:
        """Number of lines that user code has printed, or would have printed in plain Python."""
        return int(self._prints[0]) + self._output.printed_lines

    def compute(
        self, telemetry: Records, objects: Records | None, waypoints: Waypoints, out: NDArray[np.float64]
    ) -> None:
        """Fill `out` as `racer.reward.protocol.Reward.compute` does.

        Raises:
            RewardError: user code raised, returned something that is not a reward, or did not end a loop.
            ValueError: the telemetry has another shape than the batch.
            IndexError: a course has no waypoints.
        """
        if self._python is not None:
            self._python.compute(telemetry, objects, waypoints, out)
            return
        if telemetry.shape != self._shape:
            raise ValueError(f"made for {self._shape} cars, got telemetry of shape {telemetry.shape}")
        # The simulator passes the same object in every step, so an identity test is enough.
        if waypoints is not self._waypoints:
            self.set_waypoints(waypoints)
        # The kernel reads without bounds checks, so a wrong course must not reach it.
        if (course := int(telemetry["course"].max())) >= len(waypoints):
            raise IndexError(f"course {course} of {len(waypoints)}: it has no waypoints")
        codes = self.run(telemetry, objects)
        if codes.any():
            with self._output, self._deadline, self._files, self._shared_names:
                self._replay(telemetry.reshape(-1), objects, waypoints)
        out[...] = self.rewards.reshape(self._shape)
        self._calls += len(codes)
        # Both paths cost more than plain Python alone where many calls need both.
        if self.replayed > REPLAYS_MAX and self.replayed > REPLAY_FRACTION_MAX * self._calls:
            self.reason = f"{self.replayed} of {self._calls} calls needed plain Python"
            self._switch_to_python()
        elif self._detached:
            self._switch_to_python()

    def run(self, telemetry: Records, objects: Records | None) -> NDArray[np.int64]:
        """Run the kernel and return the code of each car, shape (N * C,); 0 where its reward is valid.

        Args:
            telemetry: rows of `TELEMETRY`, shape (N, C).
            objects: rows of `OBJECT_TELEMETRY`, shape (N, C, K); None without objects.
        """
        rows = _flat_rows(telemetry, TELEMETRY)
        object_rows = _NO_OBJECTS if objects is None else _flat_rows(objects, OBJECT_TELEMETRY)
        slots = 0 if objects is None else objects.shape[-1]
        kernel = self._kernel
        if len(self._memory) < kernel.memory + OBJECT_NUMBERS * slots:
            self._memory = np.zeros(kernel.memory + OBJECT_NUMBERS * slots)
        # The kernel indexes flat typed views of the same bytes by the offsets of the fields, see `SIGNATURE`.
        kernel.function(
            0, len(rows), rows.view(np.float64), rows.view(np.int32), rows.view(np.uint8),
            object_rows.view(np.float64), object_rows.view(np.uint8), slots, self._points, self._starts,
            self.states, kernel.table, self._memory, self._backup, self.rewards, self._prints, self._codes,
        )  # fmt: skip
        return self._codes

    def set_waypoints(self, waypoints: Waypoints) -> None:
        """Copy the waypoints of all courses into one array for the kernel."""
        counts = [len(points) for points in waypoints]
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        numbers = [float(x) for points in waypoints for point in points for x in point]
        self._points = np.array(numbers) if numbers else np.zeros(1)
        self._waypoints = waypoints

    # -- calls that the kernel leaves to plain Python

    def _replay(self, rows: Records, objects: Records | None, waypoints: Waypoints) -> None:
        object_rows = None if objects is None else objects.reshape(len(rows), -1)
        for index in np.flatnonzero(self._codes).tolist():
            line, kind = divmod(int(self._codes[index]), KINDS)
            make_params = partial(params_of, index, rows, object_rows, waypoints, self.source.first_step)
            if kind == ENDLESS:
                verdict = FailureVerdict(line or None, BUDGET_TEXT, " Every loop must come to its end.")
                raise self._error(index, verdict, make_params())
            self.rewards[index] = self._call(index, make_params)
            self.replayed += 1

    def _call(self, index: int, make_params: Callable[[], dict[str, Any]]) -> float:
        """Make one call in plain Python, from the car's state to its state afterwards."""
        module, function = self._spare or new_module(self.source, self._code)
        self._spare = None
        row = self.states[index]
        # Without a layout the function keeps nothing, so a module serves any car as long as it stays unchanged.
        if self._kernel.layout:
            restore_state(module, self._kernel.layout, row)
        elif not self._unchanged:
            self._unchanged = fingerprint(module)
        try:
            value = function(make_params())
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self._error(index, verdict_of_exception(error, self._file, function), make_params()) from None
        number = as_reward(value)
        if number is None:
            if self._kernel.layout:  # the verdict repeats the call, so from the same state
                restore_state(module, self._kernel.layout, row)
            verdict = verdict_of_value(value, self._file, function, make_params())
            raise self._error(index, verdict, make_params())
        self._store_state(index, module, function)
        return number

    def _store_state(self, index: int, module: dict[str, Any], function: RewardCallable) -> None:
        """Save the state of a module to the car's row; where it does not fit, the car keeps the module's function."""
        layout = self._kernel.layout
        if not layout:
            if fingerprint(module) == self._unchanged:
                self._spare = (module, function)
            else:
                self.reason = "a call in plain Python kept something between calls"
                self._detached[index] = function
            return
        row = self.states[index].copy()
        reason = "a call in plain Python kept something that the kernel has no place for"
        try:
            save_state(module, layout, row)
            # The row holds the whole state only if a new module restored from it equals this one.
            same, _ = new_module(self.source, self._code)
            restore_state(same, layout, row)
            if fingerprint(same) == fingerprint(module):
                self.states[index] = row
                return
        except StateMismatch as error:
            reason += f": {error}"
        self.reason = reason
        self._detached[index] = function

    def _switch_to_python(self) -> None:
        """Run everything in plain Python from the next control step on, with the state of each car."""
        with self._output, self._deadline, self._files, self._shared_names:
            modules = [new_module(self.source, self._code) for _ in range(len(self.states))]
        for row, (module, _) in zip(self.states, modules, strict=True):
            restore_state(module, self._kernel.layout, row)
        # A detached car continues with its module, which has more state than the row.
        functions = [self._detached.get(index, function) for index, (_, function) in enumerate(modules)]
        self._python = PythonReward(
            self.source, *self._shape, failure_folder=self._failure_folder, functions=functions, output=self._output
        )
        self.path = "python"


def _flat_rows(table: Records, dtype: np.dtype[np.void]) -> Records:
    """Return flat rows in the layout that kernels read; numpy's functions may have packed the fields closer."""
    if table.dtype.itemsize != dtype.itemsize:
        table = table.astype(dtype)
    return np.ascontiguousarray(table).reshape(-1)
