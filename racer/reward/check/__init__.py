"""Checks of a user's reward function before training: its values, its errors and its cost per call.

In flow a reward file and the names of tracks, out flows a `CheckReport`. `report` starts a sandbox process and makes
the report, `run` drives the check in that process, `calls` calls the function on sampled states, `keys` finds the
params that it reads and the rules of DeepRacer's console that it breaks, `compare` compares its compiled path with
plain Python.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from racer.reward.check.report import CheckReport, check_reward

__all__ = ["CheckReport", "check_reward"]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from racer.reward.check import report

    return getattr(report, name)
