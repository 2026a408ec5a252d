"""The translation of a reward beside plain Python, without a compiler and without another process."""

import ast
import hashlib
import math
import types
from pathlib import Path
from typing import Any

import numpy as np

from racer.reward.call_guards import PrintCapture
from racer.reward.compile.car_state import StateMismatch, fingerprint, restore_state, save_state
from racer.reward.compile.compiled_reward import CompiledReward
from racer.reward.compile.kernel import MODULE_FILE, Kernel
from racer.reward.compile.kernel_source import Translation
from racer.reward.compile.module_env import check_forbidden
from racer.reward.compile.translate import translate
from racer.reward.failure import as_reward
from racer.reward.rows import params_rows
from racer.reward.source import RewardSource, compile_source, new_module
from racer.sim.dtypes import OBJECT_TELEMETRY, TELEMETRY

FILE = Path("twin.py")


def random_rows(cars: int, seed: int, courses: Any) -> tuple[np.ndarray, np.ndarray]:
    """Telemetry of cars in made-up states, often round numbers, and three objects for each, some of them active."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((cars, 1), TELEMETRY)
    for name in TELEMETRY.names or ():
        if TELEMETRY[name].kind == "b":
            rows[name] = rng.random(rows.shape) < 0.5
        elif TELEMETRY[name].kind == "f":
            rows[name] = np.round(rng.uniform(-4, 4, rows.shape), rng.integers(0, 4))
    rows["course"] = rng.integers(0, len(courses), rows.shape)
    counts = np.array([len(points) for points in courses])[rows["course"]]
    rows["closest_waypoint_prev"] = rng.integers(0, counts)
    rows["closest_waypoint_next"] = rng.integers(0, counts)
    rows["steps"] = rng.integers(2, 9, rows.shape)
    things = np.zeros((cars, 1, 3), OBJECT_TELEMETRY)
    for name in ("x", "y", "speed", "distance"):
        things[name] = np.round(rng.uniform(-2, 2, things.shape), 1)
    things["active"] = rng.random(things.shape) < 0.6
    return rows, things


def source_of(text: str) -> RewardSource:
    """A source without a file."""
    return RewardSource(name="twin", path=FILE, text=text, sha256=hashlib.sha256(text.encode()).hexdigest())


def translated(text: str) -> Translation:
    """Translate a text."""
    source = source_of(text)
    check_forbidden(ast.parse(text))
    with PrintCapture():
        module, _ = new_module(source, compile_source(source))
    return translate(module, text, str(FILE))


def plain_kernel(translation: Translation) -> Kernel:
    """The translation run by Python itself: slow, but without a compiler."""
    space: dict[str, Any] = {"__name__": "racer_plain_kernel"}
    exec(compile(translation.text, MODULE_FILE, "exec"), space)
    space["math"] = types.SimpleNamespace(**{name: _without_overflow(value) for name, value in vars(math).items()})

    def function(*arguments: Any) -> None:
        with np.errstate(all="ignore"):
            space["kernel"](*arguments)

    return Kernel(
        function=function,
        table=translation.table,
        initial=translation.initial,
        memory=translation.memory,
        regions=translation.regions,
        layout=translation.layout,
    )


def _without_overflow(value: Any) -> Any:
    """A function of `math` that gives infinity where Python raises OverflowError, as compiled ones do."""

    def run(*args: Any) -> Any:
        try:
            return value(*args)
        except OverflowError:
            return math.inf

    return run if callable(value) else value


class Twins:
    """One text in plain Python and translated, each car with a module of its own.

    Attributes:
        gone: cars that plain Python would have to keep: what they hold fits no row.
        traps: calls that the translation left to plain Python although Python returns a reward.
        compared: calls whose compiled reward was compared with the one of plain Python.
        calls: all calls.
    """

    def __init__(self, text: str, cars: int) -> None:
        self.source = source_of(text)
        self.code = code = compile_source(self.source)
        self.translation = translated(text)
        self.kernel = plain_kernel(self.translation)
        self.reward = CompiledReward(self.source, self.kernel, cars)
        with PrintCapture():
            self.functions = [new_module(self.source, code)[1] for _ in range(cars)]
        self.traps = self.compared = self.calls = 0
        self.gone: set[int] = set()

    def step(self, rows: np.ndarray, things: np.ndarray | None, waypoints: Any) -> None:
        """One control step; it ends with an AssertionError where the two differ, and with None where Python fails."""
        self.reward.set_waypoints(waypoints)
        before = self.reward.states.copy()
        codes = self.reward.run(rows, things)
        flat = rows.reshape(-1)
        every = params_rows(flat, None if things is None else things.reshape(len(flat), -1), waypoints)
        for index, params in enumerate(every):
            if index in self.gone:
                continue
            self.calls += 1
            with PrintCapture():
                try:
                    expected = as_reward(self.functions[index](params))
                except Exception:
                    expected = None
            if expected is None:
                self.gone.add(index)
                assert codes[index] != 0, f"Python fails, the kernel gives {self.reward.rewards[index]!r}"
            elif codes[index] == 0:
                self.compared += 1
                got = self.reward.rewards[index]
                assert abs(got - expected) <= 1e-9 * (1 + abs(expected)), (got, expected)
            else:
                self.traps += 1
                assert np.array_equal(self.reward.states[index], before[index], equal_nan=True)
                module = self.functions[index].__globals__  # type: ignore[attr-defined]
                if not self._fits(module, self.reward.states[index]):
                    self.gone.add(index)

    def _fits(self, module: dict[str, Any], row: np.ndarray) -> bool:
        """Take a car's state into its row; whether that is all of it, as `CompiledReward` finds it out, too."""
        try:
            save_state(module, self.kernel.layout, row)
        except StateMismatch:
            return False
        same, _ = new_module(self.source, self.code)
        restore_state(same, self.kernel.layout, row)
        return fingerprint(same) == fingerprint(module)
