"""`steps` in the first call of an episode is 2, or 1 for functions of DeepRacer's earlier simulator."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from racer.reward.load import load_reward, read_source
from racer.reward.rows import params_rows
from support.reward_twins import random_rows

COURSES = (((0.0, 0.0), (1.0, 0.0), (0.0, 0.0)),)
TEXT = "def reward_function(params):\n    return params['steps'] + (1 / 0 if params['steps'] < {low} else 0.0)\n"


@pytest.mark.parametrize("first_step", [1, 2])
@pytest.mark.parametrize("path", ["python", "auto"])
def test_steps_begin_where_they_are_told_to(reward_file: Callable[..., Path], path: Any, first_step: int) -> None:
    """Count from the first step on both paths; a car that was just placed gets no call with either."""
    rows, _ = random_rows(4, 1, COURSES)
    rows["steps"][:, 0] = [1, 2, 3, 9]
    reward = load_reward(reward_file(TEXT.format(low=first_step)), n_worlds=4, path=path, first_step=first_step)
    assert reward.path == ("compiled" if path == "auto" else "python")
    out = np.zeros((4, 1))
    reward.compute(rows, None, COURSES, out)
    assert out.ravel().tolist() == [0.0, first_step, first_step + 1, first_step + 7]


def test_a_callable_counts_too() -> None:
    """Take the first step for a callable."""
    rows, _ = random_rows(1, 1, COURSES)
    rows["steps"] = 2
    out = np.zeros((1, 1))
    load_reward(lambda params: params["steps"], n_worlds=1, first_step=1).compute(rows, None, COURSES, out)
    assert out.item() == 1.0


def test_rows_are_not_changed(reward_file: Callable[..., Path]) -> None:
    """Leave the telemetry as it is, and a source without a choice at 2."""
    rows, _ = random_rows(30, 1, COURSES)
    before = rows.copy()
    steps = [params["steps"] for params in params_rows(rows[:, 0], None, COURSES, 1)]
    assert steps == (rows["steps"][:, 0] - 1).tolist() and (rows == before).all()
    assert read_source(reward_file(TEXT.format(low=1))).first_step == 2
