"""Loading of a reward function: from a name, a file, a source or a callable to a `Reward`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from racer.reward.params import FIRST_STEP
from racer.reward.protocol import Reward
from racer.reward.python_reward import PythonReward
from racer.reward.source import RewardCallable, RewardSource, read_source

__all__ = ["RewardSource", "load_reward", "read_source"]


def load_reward(
    reward: str | Path | RewardSource | RewardCallable,
    *,
    n_worlds: int,
    n_cars: int = 1,
    failure_folder: str | Path | None = None,
    path: Literal["auto", "python"] = "auto",
    first_step: int | None = None,
) -> Reward:
    """Load a reward function for a batch of N worlds of C cars.

    Args:
        reward: a name (`default`), a path to a Python file, its source, or a callable, which all cars share.
        n_worlds: number of worlds, N.
        n_cars: cars in each world, C.
        failure_folder: folder for `reward_failure.json`, the params of a call that failed; None saves nothing.
        path: `auto` compiles what can be compiled and runs the rest in plain Python; the first use of a text takes
            seconds, because another process validates it. `python` compiles nothing.
        first_step: `steps` in the first call of an episode: 2, or 1 as in DeepRacer's simulator until 2021; None for
            that of the source, or 2.

    Returns:
        The reward. Its `path` is the way it runs, its `reason` the cause where it is not compiled.

    Raises:
        RewardError: the function cannot be found, read, compiled or run, or the file has no usable
            `reward_function`.
    """
    # A callable is one object for all cars, so it stays as it is; only the text of a file is compiled.
    if not isinstance(reward, (str, Path, RewardSource)):
        first = FIRST_STEP if first_step is None else first_step
        return PythonReward(reward, n_worlds, n_cars, failure_folder=failure_folder, first_step=first)
    source = reward if isinstance(reward, RewardSource) else read_source(reward)
    if first_step is not None:
        source = replace(source, first_step=first_step)
    reason = ""
    if path == "auto":
        # Imported here: a reward in plain Python needs none of the compiler's modules.
        from racer.reward.compile.validation import compiled_reward

        compiled = compiled_reward(source, n_worlds, n_cars, failure_folder=failure_folder)
        if not isinstance(compiled, str):
            return compiled
        reason = compiled
    return PythonReward(source, n_worlds, n_cars, failure_folder=failure_folder, reason=reason)
