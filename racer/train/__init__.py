"""Trains policies in run folders: reinforcement learning (`ppo`) and imitation of a teacher (`distill`).

In: a checked configuration, tracks and a reward function; out: a run folder with checkpoints that are bundles,
metrics and evaluations. `run_folder` creates and reopens the folders, `checkpoint` writes, evaluates and restores
checkpoints, `workspace` makes the folder of `racer new`. A training runs with `racer.train.ppo.train`, a distillation
with `racer.train.distill.distill`.
"""

from racer.lazy import lazy_attributes

__all__ = ["make_workspace", "new_distillation", "new_run", "resumed_config", "resumed_distillation"]

_MODULES = dict.fromkeys(__all__, "run_folder") | {"make_workspace": "workspace"}
__getattr__ = lazy_attributes(__name__, _MODULES)
