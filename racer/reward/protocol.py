"""The protocol between the simulator and rewards, and rewards of a function over the whole batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from racer.errors import RewardError
from racer.reward.params import FIRST_STEP
from racer.reward.rows import Records, Waypoints

REWARD_MAX = 1e5
"""Largest absolute reward. Source: deepracer-simapp, `agent_ctrl/rollout_agent_ctrl.py`."""

RewardPath = Literal["compiled", "python", "callable", "kernel"]


class Reward(Protocol):
    """Gives each car of a batch its reward, once for each control step.

    Attributes:
        path: how it runs: `compiled`, `python` (a module for each car), `callable` (one object for all
            cars) or `kernel` (a function over the whole batch).
    """

    path: RewardPath

    def compute(
        self, telemetry: Records, objects: Records | None, waypoints: Waypoints, out: NDArray[np.float64]
    ) -> None:
        """Fill `out` with the rewards of the control step that `telemetry` describes.

        Rows with `steps` below 2 get 0 without a call: DeepRacer gives no reward for the placing of a car.

        Args:
            telemetry: the state of each car after the step, `TELEMETRY`, shape (N, C).
            objects: the other objects on the road, `OBJECT_TELEMETRY`, shape (N, C, K); None without objects.
            waypoints: for each course (`telemetry["course"]` is the index) its centre line as a tuple of (x, y)
                tuples of floats [m], in the direction of travel.
            out: receives the rewards, shape (N, C).

        Raises:
            RewardError: a reward is not a finite number within +-`REWARD_MAX`, or user code raised. The contents of
                `out` are then undefined.
        """
        ...


class KernelReward:
    """Reward of a function over the whole batch, for measurements and tests.

    Args:
        function: called as ``function(telemetry, out)`` with `TELEMETRY` and float64 arrays of shape (N * C,), both
            views of the caller's buffers; a numba function fits.
    """

    path: RewardPath = "kernel"

    def __init__(self, function: Callable[[Records, NDArray[np.float64]], object]) -> None:
        self._function = function

    def compute(
        self, telemetry: Records, objects: Records | None, waypoints: Waypoints, out: NDArray[np.float64]
    ) -> None:
        """Fill `out` as `Reward.compute` does; the function receives neither objects nor waypoints.

        Raises:
            RewardError: a reward is not a finite number within +-`REWARD_MAX`.
            ValueError: `out` is not C-contiguous.
        """
        if not out.flags.c_contiguous:
            raise ValueError("out must be C-contiguous: the kernel writes through a flat view of it")
        rewards, rows = out.reshape(-1), telemetry.reshape(-1)
        # The function computes all rows; those that get no reward are overwritten.
        self._function(rows, rewards)
        rewards[rows["steps"] < FIRST_STEP] = 0.0
        valid = np.abs(rewards) <= REWARD_MAX  # False for NaN
        if not valid.all():
            car = int(np.argmin(valid))
            raise RewardError(
                f"The reward kernel returned {rewards[car]} (car {car}, step {int(rows['steps'][car])}). "
                "It must return a finite number from -100000 to 100000."
            )
