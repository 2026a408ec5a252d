"""Who races, and what actions of a policy are within its limits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.config.actions import SPEED_MAX, STEERING_MAX_DEG
from racer.policy.protocol import Policy

_ROUNDING = 1e-3
"""Degrees and m/s; a graph computes its limits in float32."""


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """One who races.

    Attributes:
        label: what results call it.
        policy: what drives; no other entrant's.
        sha256: of its bundle; empty for what is none.
    """

    label: str
    policy: Policy
    sha256: str = ""


def limits_of(policy: Policy) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(2,) lowest and (2,) highest steering angle (degrees) and speed (m/s): those of its contract, else of all."""
    space = getattr(getattr(policy, "contract", None), "action_space", None)
    low = (-STEERING_MAX_DEG, 0.0) if space is None else space.low
    high = (STEERING_MAX_DEG, SPEED_MAX) if space is None else space.high
    return np.array(low) - _ROUNDING, np.array(high) + _ROUNDING


def why_refused(action: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> str:
    """What is wrong with an action (2,), in words; empty where nothing is."""
    for value, least, most, word in zip(action, low, high, ("steering angle", "speed"), strict=True):
        unit = "degrees" if word == "steering angle" else "m/s"
        if np.isnan(value):
            return f"its {word} is not a number"
        if not least <= value <= most:
            return f"its {word} is {value:g} {unit}, its action space {least + _ROUNDING:g}..{most - _ROUNDING:g}"
    return ""
