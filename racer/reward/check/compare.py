"""Compares the compiled path of a reward with plain Python on the states of a check, and measures its cost."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from racer.errors import RewardError
from racer.reward.check.calls import SampleCalls
from racer.reward.load import load_reward
from racer.reward.protocol import Reward
from racer.reward.rows import Records, Sample
from racer.reward.source import RewardSource

_REPEATS = 50
DIFFERENCE_MAX = 1e-9
"""Largest difference of a reward between the two paths; more is an error of racer's compiler."""


def compare_paths(
    reward: Reward, source: RewardSource, driven: Sequence[tuple[Sample, SampleCalls]], worlds: int
) -> dict[str, Any]:
    """Return which path runs and why, its cost, and the largest difference from plain Python.

    States from a car's first fault on are left out: training would have ended there.

    Args:
        reward: the loaded function, which shows the path; each sample then gets one for its number of cars.
        source: text of the file.
        driven: the samples with the results of plain Python.
        worlds: cars of the batch whose cost is measured.
    """
    reason = str(getattr(reward, "reason", ""))
    if reward.path != "compiled":
        return {"path": "python", "reason": reason or "it was not compiled"}
    difference_max, count = 0.0, 0
    for sample, calls in driven:
        telemetry = _until_first_fault(sample, calls)
        # One car for each car of the sample: state is kept from row to row.
        reward = load_reward(source, n_worlds=telemetry.shape[1])
        out = np.zeros(telemetry.shape[1:])
        for t in range(calls.done):
            rewarded = telemetry["steps"][t, :, 0] >= 2.0
            if not rewarded.any():
                continue
            objects = None if sample.objects is None else sample.objects[t]
            try:
                reward.compute(telemetry[t], objects, sample.waypoints, out)
            except RewardError as error:
                reason = f"compiled it fails where plain Python does not: {error}"
                return {"path": "compiled", "reason": reason, "max_abs_difference": math.inf}
            difference_max = max(difference_max, float(np.abs(out[rewarded, 0] - calls.values[t, rewarded]).max()))
            count += int(rewarded.sum())
        if reward.path != "compiled":  # plain Python has taken over during the sample
            return {"path": "python", "reason": str(getattr(reward, "reason", ""))}
    return {
        "path": "compiled",
        "reason": reason or f"every part of it could be translated; checked on {count:,} states",
        "max_abs_difference": difference_max,
        "us_per_call_compiled": _compiled_cost_us(source, *driven[0], worlds),
    }


def _until_first_fault(sample: Sample, calls: SampleCalls) -> Records:
    """Return the sample's telemetry without rewards from each car's first fault on."""
    telemetry = sample.telemetry.copy()
    # `accumulate` keeps a car failed from its first fault to the end of the drive.
    telemetry["steps"][np.maximum.accumulate(calls.failed, axis=0)] = 0.0
    return telemetry


def _compiled_cost_us(source: RewardSource, sample: Sample, calls: SampleCalls, worlds: int) -> float | None:
    """Return the time for each car in a batch [us], the shortest of some repeats; None where all calls fail."""
    rows = _until_first_fault(sample, calls)[: calls.done].reshape(-1, 1)
    rewarded = rows["steps"][:, 0] >= 2.0
    if not rewarded.any():
        return None
    # `resize` repeats the rows until the batch is full.
    batch, objects = np.resize(rows[rewarded], (worlds, 1)), None
    if sample.objects is not None:
        slots = sample.objects.shape[-1]
        objects = np.resize(sample.objects[: calls.done].reshape(-1, 1, slots)[rewarded], (worlds, 1, slots))
    reward = load_reward(source, n_worlds=worlds)
    out = np.zeros((worlds, 1))
    costs = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        try:
            reward.compute(batch, objects, sample.waypoints, out)
        except RewardError:  # a function with state may fail on rows that do not follow each other
            return None
        costs.append(time.perf_counter() - start)
    return round(min(costs) * 1e6 / worlds, 4)
