"""A training of a second: few worlds, few steps; it learns nothing much, and leaves all that a training leaves."""

from racer.config.read import read_train

WORLDS, STEPS = 16, 32
ROUND = WORLDS * STEPS
"""Steps between updates."""
SETTINGS = [
    f"train.worlds={WORLDS}",
    f"ppo.n_steps={STEPS}",
    "ppo.batch_size=128",
    f"train.total_steps={4 * ROUND}",
    f"train.evaluate_every={2 * ROUND}",
    "train.evaluate_laps=2",
]
TRACK = "easy_oval"


def tiny_config(*settings, **changes):
    """The shipped default, made tiny; `settings` and `changes` on top, as `read_train` has them."""
    return read_train("default", settings=[*SETTINGS, *settings], changes={"track": TRACK} | changes)
