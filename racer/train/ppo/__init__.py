"""Training with stable-baselines3's PPO and SAC on the batched simulator.

`session` runs a training in a run folder, `learner` builds the algorithm, `vec_env` adapts the environment, `monitor`
records the progress. In: a `TrainConfig` and a run folder; out: its checkpoints, its metrics and a `TrainingOutcome`.
"""

from racer.lazy import lazy_attributes

__all__ = ["RacerVecEnv", "TrainingListener", "TrainingOutcome", "TrainingProgress", "train"]

_MODULES = {
    "RacerVecEnv": "vec_env",
    "TrainingListener": "monitor",
    "TrainingOutcome": "session",
    "TrainingProgress": "monitor",
    "train": "session",
}
__getattr__ = lazy_attributes(__name__, _MODULES)
