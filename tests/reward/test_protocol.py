"""The protocol of rewards: a kernel over the whole batch."""

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest

from racer.errors import RewardError
from racer.reward.protocol import KernelReward, Reward


@numba.njit
def _double_speed(telemetry: Any, out: Any) -> None:
    for car in range(len(telemetry)):
        out[car] = 2.0 * telemetry[car].speed


def test_a_numba_kernel_fills_the_batch(telemetry: Callable[..., np.ndarray], waypoints: Any) -> None:
    """Run a compiled function as a reward, and give 0 to a car that was just placed."""
    rows = telemetry(3, 2, speed=np.arange(6.0).reshape(3, 2))
    rows["steps"][1, 1] = 1.0
    out = np.full((3, 2), np.nan)
    reward: Reward = KernelReward(_double_speed)
    reward.compute(rows, None, waypoints, out)
    assert reward.path == "kernel"
    assert out.tolist() == [[0.0, 2.0], [4.0, 0.0], [8.0, 10.0]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1.0001e5, -2e5])
def test_a_kernel_that_returns_no_reward_is_stopped(
    bad: float, telemetry: Callable[..., np.ndarray], waypoints: Any
) -> None:
    """Name the car and the step of the first reward out of range."""

    def kernel(rows: np.ndarray, out: np.ndarray) -> None:
        out[:] = 1.0
        out[3] = bad

    with pytest.raises(RewardError) as caught:
        KernelReward(kernel).compute(telemetry(4, steps=7), None, waypoints, np.zeros((4, 1)))
    assert str(caught.value) == (
        f"The reward kernel returned {bad} (car 3, step 7). It must return a finite number from -100000 to 100000."
    )


def test_limits_are_inside(telemetry: Callable[..., np.ndarray], waypoints: Any) -> None:
    """Accept exactly 1e5 and -1e5."""

    def kernel(rows: np.ndarray, out: np.ndarray) -> None:
        out[:] = [1e5, -1e5]

    out = np.zeros((2, 1))
    KernelReward(kernel).compute(telemetry(2), None, waypoints, out)
    assert out.ravel().tolist() == [1e5, -1e5]


def test_a_strided_buffer_is_refused(telemetry: Callable[..., np.ndarray], waypoints: Any) -> None:
    """Refuse an output that has no flat view, instead of writing into a copy."""
    with pytest.raises(ValueError, match="C-contiguous"):
        KernelReward(_double_speed).compute(telemetry(2, 2), None, waypoints, np.zeros((4, 4))[::2, ::2])
