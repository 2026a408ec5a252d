"""Distillation: a student with a camera imitates a teacher that reads the simulator's state (DAgger).

`session` runs the rounds, `rollout` drives them, `teacher` and `student` are the two policies, `frames` stores the
pictures with the teacher's labels, `monitor` records the progress. In: a `DistillConfig`, a teacher's bundle or the
settings to train one, and a run folder; out: the run's checkpoints, its metrics and a `DistillOutcome`.
"""

from racer.lazy import lazy_attributes

__all__ = ["DistillListener", "DistillOutcome", "DistillProgress", "distill"]

_MODULES = {
    "DistillListener": "monitor",
    "DistillOutcome": "session",
    "DistillProgress": "monitor",
    "distill": "session",
}
__getattr__ = lazy_attributes(__name__, _MODULES)
