"""Both paths side by side over sampled states."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from racer.reward.compile.endings import ENDLESS, KINDS
from racer.reward.compile.kernels.compiled_path import CompiledReward
from racer.reward.compile.kernels.kernel import Kernel
from racer.reward.compile.state.rows import Mismatch, take_state
from racer.reward.failure import as_reward, raised
from racer.reward.printed import PrintCapture
from racer.reward.rows import params_rows
from racer.reward.sample import Sample
from racer.reward.shared_names import SharedNames
from racer.reward.source import FUNCTION, NeedsMemory, RewardSource, compile_source, new_module

STATES_MIN = 300
TOLERANCE = 1e-9
REPLAY_SHARE = 0.02
PLAIN_S = 0.5
"""s for the calls of a function that is not compiled."""


class Comparison:
    """Compares a kernel with plain Python; each car of a sample has a module of its own.

    A state that the kernel leaves to plain Python agrees by definition, but it is counted. Where plain Python fails,
    the kernel must not give a reward.

    Attributes:
        states: how many were compared.
        differences: what was found wrong, in words.
        replays: how often each line left a driven state to plain Python.
        greatest: the largest difference.
    """

    def __init__(
        self,
        source: RewardSource,
        kernel: Kernel,
        watch: Callable[[float], None],
        rest: Callable[[], None],
        hang_s: float,
    ) -> None:
        self._source, self._kernel = source, kernel
        self._code = compile_source(source)
        self._shared = SharedNames(str(source.path))
        self._watch, self._rest, self._hang_s = watch, rest, hang_s
        self.states = self.driven = self.failed = 0
        self.greatest = 0.0
        self.differences: list[str] = []
        self.replays: Counter[int] = Counter()

    def run(self, sample: Sample, seconds: float) -> None:
        """Compare on one sample, for some seconds."""
        cars = sample.telemetry.shape[1]
        self._watch(self._hang_s)
        with PrintCapture(), self._shared:
            made = [new_module(self._source, self._code) for _ in range(cars)]
        self._rest()
        reward = CompiledReward(self._source, self._kernel, cars)
        reward._take_waypoints(sample.waypoints)
        alive = np.ones(cars, bool)
        begin = time.perf_counter()
        for t, rows in enumerate(sample.telemetry):
            if time.perf_counter() - begin > seconds or self.differences:
                return
            rows = rows.copy()
            rows["steps"][~alive] = 0.0
            things = None if sample.objects is None else sample.objects[t]
            codes = reward.run(rows, things)
            flat = rows.reshape(-1)
            every = params_rows(flat, None if things is None else things.reshape(len(flat), -1), sample.waypoints)
            self._watch(self._hang_s)
            with PrintCapture(), self._shared:
                for index, params in enumerate(every):
                    if flat["steps"][index] >= 2.0:
                        alive[index] = self._one(index, params, made[index], codes, reward, sample)
            self._rest()

    def _one(
        self,
        index: int,
        params: dict[str, Any],
        made: tuple[dict[str, Any], Callable[..., Any]],
        codes: np.ndarray,
        reward: CompiledReward,
        sample: Sample,
    ) -> bool:
        """Compare one call; False where the car cannot go on."""
        line, kind = divmod(int(codes[index]), KINDS)
        if kind == ENDLESS:
            self.failed += 1
            return False
        module, function = made
        told = f"{sample.track}, step {params['steps']:g}"
        try:
            number = as_reward(function(params))
            problem = "returned no reward"
        except MemoryError as error:
            raise too_much_memory(error, self._source, function, told) from None
        except Exception as error:
            number, problem = None, f"raised {type(error).__name__}"
        self.states += 1
        if number is None:
            self.failed += 1
            if not kind:
                self.differences.append(f"plain Python {problem} where the kernel gave a reward ({told})")
            return False

        self.driven += 1
        if kind:
            self.replays[line] += 1

            try:
                take_state(module, self._kernel.layout, reward.states[index])
            except Mismatch:
                return False
            return True
        difference = abs(number - float(reward._rewards[index]))
        self.greatest = max(self.greatest, difference)
        if not difference <= TOLERANCE * (1.0 + abs(number)):
            given = float(reward._rewards[index])
            self.differences.append(f"the kernel gave {given!r} and plain Python {number!r} ({told})")
        return True

    def verdict(self) -> dict[str, Any]:
        """Whether the kernel can be trusted."""
        facts: dict[str, Any] = {
            "states": self.states,
            "failed": self.failed,
            "replayed": sum(self.replays.values()),
            "max_abs_difference": self.greatest,
        }
        if self.differences:
            return {"path": "python", "reason": self.differences[0], **facts}
        if self.states and self.states == self.failed:
            return {"path": "python", "reason": "plain Python fails on every state", **facts}
        if self.states < STATES_MIN:
            return {"path": "python", "reason": f"only {self.states} states could be compared in time", **facts}
        if sum(self.replays.values()) > REPLAY_SHARE * max(1, self.driven):
            line, _ = self.replays.most_common(1)[0]
            share = 100.0 * sum(self.replays.values()) / self.driven
            reason = f"line {line} needs plain Python (in all {share:.0f} % of the calls do)"
            return {"path": "python", "reason": reason, "line": line, **facts}
        return {"path": "compiled", "reason": "", **facts}


def call_plainly(source: RewardSource, sample: Sample, watch: Callable[[float], None], hang_s: float) -> None:
    """Call a function that is not compiled on some states, only to see that it does not take too much memory.

    Raises:
        NeedsMemory: it does.
    """
    watch(hang_s)
    begin = time.perf_counter()
    with PrintCapture(), SharedNames(str(source.path)):
        _, function = new_module(source, compile_source(source))
        for row in sample.telemetry:
            for params in params_rows(row[0, :1], None, sample.waypoints):
                told = f"{sample.track}, step {params['steps']:g}"
                try:
                    function(params)
                except MemoryError as error:
                    raise too_much_memory(error, source, function, told) from None
                except Exception:  # plain Python will tell, with the car and the step
                    continue
            if time.perf_counter() - begin > PLAIN_S:
                return


def too_much_memory(error: MemoryError, source: RewardSource, function: Callable[..., Any], told: str) -> NeedsMemory:
    """The one line for a call that took too much memory."""
    verdict = raised(error, str(source.path), function)
    return NeedsMemory(f"{source.path}:{verdict.line}: {FUNCTION} {verdict.problem} ({told}).{verdict.advice}")
