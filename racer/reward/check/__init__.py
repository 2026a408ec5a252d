"""Checks of a user's reward function before training: its values, its errors and its cost per call.

In flow a reward file and the names of tracks, out flows a `CheckReport`. `report` starts a sandbox process and makes
the report, `run` drives the check in that process, `calls` calls the function on sampled states, `keys` finds the
params that it reads and the rules of DeepRacer's console that it breaks, `compare` compares its compiled path with
plain Python.
"""

from racer.lazy import lazy_attributes

__all__ = ["CheckReport", "check_reward"]
__getattr__ = lazy_attributes(__name__, {"CheckReport": "report", "check_reward": "report"})
