"""A distillation of seconds: few cars, small pictures, a small network. `bundles.write_driver` makes a teacher."""

from racer.config.read import read_distill

WORLDS, STEPS = 8, 8
ROUND = WORLDS * STEPS
"""Frames of a round."""
SETTINGS = [
    "env.disturbance=none",
    "env.camera={width: 40, height: 30}",
    "preprocess={frames: 2}",
    "layers=[16]",
    "dagger.rounds=4",
    f"dagger.worlds={WORLDS}",
    f"dagger.steps={STEPS}",
    "dagger.gradient_steps=4",
    "dagger.batch_size=32",
    "dagger.teacher_rounds=2",
    "dagger.memory_mb=1",
    "dagger.evaluate_every=2",
    "dagger.evaluate_laps=1",
    "dagger.threads=1",
    "dagger.precision=float32",
    "teacher.train={worlds: 8, total_steps: 512, evaluate_every: 512, evaluate_laps: 1}",
    "teacher.ppo={n_steps: 32, batch_size: 64}",
]
TRACK = "easy_oval"


def tiny_distillation(*settings, **changes):
    """The shipped configuration, made tiny; `settings` and `changes` on top."""
    return read_distill(settings=[*SETTINGS, *settings], changes={"track": TRACK} | changes)
