"""How long each entrant's model takes, and how far a race is, in a small file that two processes share."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer.policy.protocol import Policy


class Stopwatch:
    """Who is asked and how long everybody took, and which share of the race is driven.

    Rows are (since, total), s: `since` is 0 while the model is not asked; a last one is (1 from the start on, share).
    `time.monotonic` is one clock for all processes of a machine.
    """

    def __init__(self, path: Path, count: int) -> None:
        """Map the file for `count` models; a new one is all zeros."""
        if not path.is_file():
            path.write_bytes(bytes(16 * (count + 1)))
        rows: NDArray[np.float64] = np.memmap(path, np.float64, "r+", shape=(count + 1, 2))
        self._rows, self._race = rows[:-1], rows[-1]

    def taken(self) -> NDArray[np.float64]:
        """(K,) s that each model took so far, with what goes on now."""
        since, total = self._rows[:, 0].copy(), self._rows[:, 1].copy()
        return np.where(since > 0.0, total + np.maximum(time.monotonic() - since, 0.0), total)

    def asked(self) -> NDArray[np.bool_]:
        """(K,) whether each model is asked now."""
        return self._rows[:, 0] > 0.0

    def start(self, k: int) -> None:
        """Model `k` is asked from now on."""
        self._rows[k, 0] = time.monotonic()

    def stop(self, k: int) -> None:
        """It has answered."""
        row = self._rows[k]
        row[1] += time.monotonic() - row[0]
        row[0] = 0.0

    def clear(self) -> None:
        """A race begins anew; nobody has taken any time yet."""
        self._rows[:] = 0.0

    @property
    def share(self) -> float | None:
        """Of the race that is driven; None before its first control step."""
        return float(self._race[1]) if self._race[0] else None

    def tell(self, share: float) -> None:
        """So much of the race is driven."""
        self._race[1], self._race[0] = share, 1.0


class Timed:
    """A policy whose time is taken; otherwise the same."""

    def __init__(self, policy: Policy, watch: Stopwatch, k: int) -> None:
        self._policy, self._watch, self._k = policy, watch, k
        self.name, self.sensors, self.control_rate_hz = policy.name, policy.sensors, policy.control_rate_hz
        self.contract = getattr(policy, "contract", None)

    def act(self, observation: Mapping[str, NDArray], /) -> NDArray[np.float32]:
        """Ask it."""
        self._watch.start(self._k)
        actions = self._policy.act(observation)
        self._watch.stop(self._k)
        return actions

    def reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Let it forget."""
        self._policy.reset(mask)
