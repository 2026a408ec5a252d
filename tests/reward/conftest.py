"""Hand-made telemetry for the reward room."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from racer.reward.load import load_reward
from racer.reward.python_reward import PythonReward
from racer.sim.dtypes import OBJECT_TELEMETRY, TELEMETRY

WAYPOINTS = (
    ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)),
    ((0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0)),
)
"""Two courses: a track and its reverse."""


@pytest.fixture
def waypoints() -> tuple[Any, ...]:
    """Waypoints of two courses."""
    return WAYPOINTS


@pytest.fixture
def telemetry() -> Callable[..., np.ndarray]:
    """Make (N, C) rows; every numeric field has a value of its own, so that a mix-up shows."""

    def make(n_worlds: int = 1, n_cars: int = 1, **values: Any) -> np.ndarray:
        rows = np.zeros((n_worlds, n_cars), TELEMETRY)
        for place, name in enumerate(TELEMETRY.names):
            rows[name] = place % 2 if TELEMETRY[name] == np.bool_ else place + (TELEMETRY[name].kind == "f") / 4
        rows["course"] = 0
        rows["steps"] = 2.0
        for name, value in values.items():
            rows[name] = value
        return rows

    return make


@pytest.fixture
def objects() -> Callable[..., np.ndarray]:
    """Make (N, C, K) other things, all active, every field with a value of its own."""

    def make(n_worlds: int = 1, n_cars: int = 1, count: int = 2) -> np.ndarray:
        rows = np.zeros((n_worlds, n_cars, count), OBJECT_TELEMETRY)
        for place, name in enumerate(n for n in OBJECT_TELEMETRY.names if n != "active"):
            rows[name] = np.arange(rows.size).reshape(rows.shape) + 10.0 * place
        rows["is_left_of_center"] = np.arange(count) % 2 == 0
        rows["active"] = True
        return rows

    return make


@pytest.fixture
def reward_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a user's file."""

    def write(text: str | bytes, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


@pytest.fixture
def load(reward_file: Callable[..., Path]) -> Callable[..., PythonReward]:
    """Load a reward from a text."""

    def make(text: str | bytes, n_worlds: int = 1, n_cars: int = 1, **options: Any) -> PythonReward:
        reward = load_reward(reward_file(text), n_worlds=n_worlds, n_cars=n_cars, path="python", **options)
        assert isinstance(reward, PythonReward)
        return reward

    return make


@pytest.fixture
def ask(telemetry: Callable[..., np.ndarray], waypoints: tuple[Any, ...]) -> Callable[..., np.ndarray]:
    """Compute the rewards of one control step and return them."""

    def compute(reward: PythonReward, rows: np.ndarray | None = None, things: Any = None) -> np.ndarray:
        given = telemetry(*reward._shape) if rows is None else rows
        out = np.full(given.shape, 777.0)
        reward.compute(given, things, waypoints, out)
        return out

    return compute
