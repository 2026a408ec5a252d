"""The corpus: reward functions in the style of published ones, through the whole way from text to rewards."""

from pathlib import Path

import pytest

from racer.reward.compile.errors import CannotCompile
from racer.reward.load import load_reward
from racer.reward.source import read_source
from support.reward_twins import Twins, random_rows

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.py"))
COURSES = (tuple((float(k), float(k % 3)) for k in range(8)), ((0.5, 0.5), (3.0, 1.0), (0.5, 0.5)))
SHARE_MIN = 0.9
"""Of the corpus that has to compile; the rest runs as plain Python."""


def test_the_corpus_is_large_enough() -> None:
    """Hold at least sixty functions."""
    assert len(CORPUS) >= 60


def test_every_translation_agrees() -> None:
    """Give what plain Python gives, call after call, in all that is translated; leave the rest with a reason."""
    left = []
    for file in CORPUS:
        try:
            twins = Twins(read_source(file).text, 3)
        except CannotCompile as error:
            assert error.reason
            left.append(file.stem)
            continue
        for seed in range(2):
            rows, things = random_rows(3, seed, COURSES)
            twins.step(rows, things if seed else None, COURSES)
    assert len(left) <= (1.0 - SHARE_MIN) * len(CORPUS), left


@pytest.mark.parametrize("file", CORPUS[:: len(CORPUS) // 4][:4], ids=lambda file: file.stem)
def test_some_are_usable_at_once(file: Path) -> None:
    """Compile, or say why not; the trial has compared every compiled one with plain Python."""
    reward = load_reward(file, n_worlds=2)
    assert reward.path == "compiled" or (reward.path == "python" and reward.reason)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nine_of_ten_compile() -> None:
    """Compile at least 90 % of the corpus, each agreeing with plain Python on every state of its trial."""
    left = {}
    for file in CORPUS:
        reward = load_reward(file, n_worlds=2)
        if reward.path != "compiled":
            left[file.stem] = reward.reason
    assert len(left) <= (1.0 - SHARE_MIN) * len(CORPUS), left
