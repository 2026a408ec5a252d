"""From what the user names to a `Reward`."""

from __future__ import annotations

from pathlib import Path

from racer.reward.python_path import PythonReward
from racer.reward.seam import Reward
from racer.reward.source import Function, RewardSource, read_source

__all__ = ["RewardSource", "load_reward", "read_source"]


def load_reward(
    what: str | Path | RewardSource | Function,
    *,
    n_worlds: int,
    n_cars: int = 1,
    failure_folder: str | Path | None = None,
) -> Reward:
    """Load a reward function for a batch of N worlds of C cars.

    Args:
        what: a name (`default`), a path to a Python file, a file's text that was read before, or a callable, which
            all cars share.
        n_worlds: N.
        n_cars: C.
        failure_folder: where the params of a call that went wrong are saved, as `reward_failure.json`.

    Raises:
        RewardError: it cannot be found, read, compiled or run, or it holds no usable `reward_function`.
    """
    reward = read_source(what) if isinstance(what, (str, Path)) else what
    return PythonReward(reward, n_worlds, n_cars, failure_folder=failure_folder)
