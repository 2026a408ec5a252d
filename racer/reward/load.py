"""From what the user names to a `Reward`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from racer.reward.protocol import Reward
from racer.reward.python_reward import PythonReward
from racer.reward.source import RewardCallable, RewardSource, read_source

__all__ = ["RewardSource", "load_reward", "read_source"]


def load_reward(
    what: str | Path | RewardSource | RewardCallable,
    *,
    n_worlds: int,
    n_cars: int = 1,
    failure_folder: str | Path | None = None,
    path: Literal["auto", "python"] = "auto",
) -> Reward:
    """Load a reward function for a batch of N worlds of C cars.

    Args:
        what: a name (`default`), a path to a Python file, its source, or a callable, which all cars share.
        n_worlds: N.
        n_cars: C.
        failure_folder: where the params of a call that went wrong are saved, as `reward_failure.json`.
        path: `auto` compiles what can be compiled and leaves the rest to plain Python; the first use of a text takes
            seconds, because it is tried out in another process. `python` compiles nothing.

    Returns:
        The reward. Its `path` says how it runs, and its `reason` why it is not compiled.

    Raises:
        RewardError: it cannot be found, read, compiled or run, or it holds no usable `reward_function`.
    """
    if not isinstance(what, (str, Path, RewardSource)):
        return PythonReward(what, n_worlds, n_cars, failure_folder=failure_folder)
    source = what if isinstance(what, RewardSource) else read_source(what)
    reason = ""
    if path == "auto":
        from racer.reward.compile.validation import compiled_reward

        made = compiled_reward(source, n_worlds, n_cars, failure_folder=failure_folder)
        if not isinstance(made, str):
            return made
        reason = made
    reward = PythonReward(source, n_worlds, n_cars, failure_folder=failure_folder)
    reward.reason = reason
    return reward
