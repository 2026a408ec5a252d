"""The seam between the simulator and whatever gives rewards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from racer.errors import RewardError
from racer.reward.rows import Waypoints

REWARD_MAX = 1e5
"""Largest absolute reward. Source: deepracer-simapp, `agent_ctrl/rollout_agent_ctrl.py`."""

FIRST_STEP = 2
"""`steps` in the first call of an episode. Rows below it (a car just placed, a slot without a car) get 0."""

RewardPath = Literal["compiled", "python", "callable", "kernel"]


class Reward(Protocol):
    """Gives each car of a batch its reward, once for each control step.

    Attributes:
        path: how it runs: `compiled`, `python` (a module for each car), `callable` (one object for all
            cars) or `kernel` (a function over the whole batch).
    """

    path: RewardPath

    def compute(
        self,
        telemetry: NDArray[np.void],
        objects: NDArray[np.void] | None,
        waypoints: Waypoints,
        out: NDArray[np.float64],
    ) -> None:
        """Fill `out` with the rewards of the control step that `telemetry` describes.

        Rows with `steps` below 2 get 0 and are not asked for: DeepRacer gives no reward for the placing of
        a car.

        Args:
            telemetry: (N, C) `TELEMETRY`.
            objects: (N, C, K) `OBJECT_TELEMETRY`, or None where there is nothing else on the road.
            waypoints: indexed by `telemetry["course"]`: the centre line of that course as a tuple of (x, y)
                tuples of floats, in the direction of travel.
            out: (N, C) float64.

        Raises:
            RewardError: the reward is not a finite number within +-`REWARD_MAX`, or user code raised.
                `out` keeps what it held or holds what was computed; it is not to be used.
        """
        ...


class KernelReward:
    """A function over the whole batch behind the same seam, for measurements and tests.

    Args:
        function: called as ``function(telemetry, out)`` with (N·C,) `TELEMETRY` and (N·C,) float64, both
            views of the caller's buffers; a numba function fits.
    """

    path: RewardPath = "kernel"

    def __init__(self, function: Callable[[NDArray[np.void], NDArray[np.float64]], object]) -> None:
        self._function = function

    def compute(
        self,
        telemetry: NDArray[np.void],
        objects: NDArray[np.void] | None,
        waypoints: Waypoints,
        out: NDArray[np.float64],
    ) -> None:
        """See `Reward.compute`; the function sees neither objects nor waypoints."""
        if not out.flags.c_contiguous:
            raise ValueError("out must be C-contiguous: the kernel writes through a flat view of it")
        flat_out, flat = out.reshape(-1), telemetry.reshape(-1)
        self._function(flat, flat_out)
        flat_out[flat["steps"] < FIRST_STEP] = 0.0
        within = np.abs(flat_out) <= REWARD_MAX  # False for NaN
        if not within.all():
            car = int(np.argmin(within))
            raise RewardError(
                f"The reward kernel returned {flat_out[car]} (car {car}, step {int(flat['steps'][car])}). "
                "It must return a finite number from -100000 to 100000."
            )
