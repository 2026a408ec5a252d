"""From a reward's source to its compiled path, or to the reason why there is none."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from racer.errors import RewardError
from racer.reward.compile.kernels.cache import folder_of, prune, read_verdict
from racer.reward.compile.kernels.kernel import load_kernel
from racer.reward.seam import Reward
from racer.reward.source import RewardSource, compile_source


def compiled_reward(
    source: RewardSource, n_worlds: int, n_cars: int, *, failure_folder: str | Path | None = None
) -> Reward | str:
    """The compiled path of a reward, or why it is left to plain Python.

    The first call with a text translates it and tries it out in another process; later ones load what that left.

    Raises:
        RewardError: the text has a syntax error, or needs more memory than it may.
    """
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed"
    from racer.reward.compile.kernels.compiled_path import CompiledReward
    from racer.reward.compile.trial.trial import try_out

    compile_source(source)
    folder = folder_of(source)
    verdict = read_verdict(folder)
    if verdict is None:
        prune()
        verdict = try_out(source, folder)
    if verdict["path"] == "refused":
        raise RewardError(str(verdict["reason"]))
    if verdict["path"] != "compiled":
        return str(verdict["reason"])
    try:
        kernel = load_kernel(folder, memory=verdict["memory"], regions=verdict["regions"], layout=verdict["layout"])
    except (OSError, ValueError, KeyError) as error:
        return f"its translation in {folder} cannot be read ({error})"
    return CompiledReward(source, kernel, n_worlds, n_cars, failure_folder=failure_folder, reason=_left(verdict))


def _left(verdict: dict[str, object]) -> str:
    """What is left to plain Python, in words."""
    traps = verdict.get("traps")
    if not isinstance(traps, list) or not traps:
        return ""
    lines = ", ".join(f"line {line} ({reason})" for line, reason in traps[:3])
    return f"plain Python is called for {lines}" + (" and others" if len(traps) > 3 else "")
