"""What a reward function remembers: whether the same state always gives the same reward."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from racer.reward.check_calls import Caller, Calls
from racer.reward.sample import Sample

_STEPS = 120
_BUDGET_S = 5.0


def history_of(caller: Caller, sample: Sample, calls: Calls) -> str:
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


def _differ(one: Calls, other: Calls) -> bool:
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
