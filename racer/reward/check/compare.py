"""The compiled path on the states of the check: what it gives, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.errors import RewardError
from racer.reward.check.calls import SampleCalls
from racer.reward.load import load_reward
from racer.reward.protocol import Reward
from racer.reward.rows import Sample
from racer.reward.source import RewardSource

_CARS = 8192
"""Of the batch that is timed."""
_REPEATS = 5


def compare_paths(source: RewardSource, kept: Sequence[tuple[Sample, SampleCalls]]) -> dict[str, Any]:
    """Which path runs and why, its cost, and the largest difference from plain Python.

    States from a car's first fault on are left out: training would have ended there.
    """
    reward = load_reward(source, n_worlds=1)
    reason = str(getattr(reward, "reason", ""))
    if reward.path != "compiled":
        return {"path": "python", "reason": reason or "there is no compiler for it"}
    greatest, count = 0.0, 0
    for sample, calls in kept:
        telemetry = _without_faults(sample, calls)
        reward = load_reward(source, n_worlds=telemetry.shape[1])
        out = np.zeros(telemetry.shape[1:])
        for t in range(calls.done):
            asked = telemetry["steps"][t, :, 0] >= 2.0
            if not asked.any():
                continue
            things = None if sample.objects is None else sample.objects[t]
            try:
                reward.compute(telemetry[t], things, sample.waypoints, out)
            except RewardError as error:
                return {"path": "python", "reason": f"compiled it fails where plain Python does not: {error}"}
            greatest = max(greatest, float(np.abs(out[asked, 0] - calls.values[t, asked]).max()))
            count += int(asked.sum())
        if reward.path != "compiled":  # it gave up on the way
            return {"path": "python", "reason": str(getattr(reward, "reason", ""))}
    return {
        "path": "compiled",
        "reason": reason or f"every part of it could be translated; checked on {count:,} states",
        "max_abs_difference": greatest,
        "us_per_call_compiled": _compiled_cost_us(source, *kept[0]),
    }


def _without_faults(sample: Sample, calls: SampleCalls) -> NDArray[np.void]:
    """The sample's telemetry with nothing asked from a car's first fault on."""
    telemetry = sample.telemetry.copy()
    telemetry["steps"][np.maximum.accumulate(calls.failed, axis=0)] = 0.0
    return telemetry


def _compiled_cost_us(source: RewardSource, sample: Sample, calls: SampleCalls) -> float | None:
    """us for each car in a large batch, the least of a few repeats; None where no state is sound."""
    rows = _without_faults(sample, calls)[: calls.done].reshape(-1, 1)
    rows = rows[rows["steps"][:, 0] >= 2.0]
    if not len(rows):
        return None
    batch = np.resize(rows, (_CARS, 1))
    reward: Reward = load_reward(source, n_worlds=_CARS)
    out = np.zeros((_CARS, 1))
    costs = []
    for _ in range(_REPEATS):
        begin = time.perf_counter()
        try:
            reward.compute(batch, None, sample.waypoints, out)
        except RewardError:  # a function that remembers may refuse rows that do not follow each other
            return None
        costs.append(time.perf_counter() - begin)
    return round(min(costs) * 1e6 / _CARS, 4)
