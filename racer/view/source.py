"""Where what is watched comes from: one protocol for a replay and for a simulation that goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from racer.replay import Event, Replay
from racer.view.scene import Stage, stage_of


class Source(Protocol):
    """A drive that is remembered from its start on, and may go on.

    Attributes:
        stage: what does not change.
    """

    stage: Stage

    @property
    def rows(self) -> NDArray[np.void]:
        """(T, K) ROW of all control steps so far; at least one."""

    @property
    def length(self) -> int | None:
        """Control steps that there will ever be; None where nobody knows."""

    @property
    def events(self) -> Sequence[Event]:
        """What happened so far that is worth a line, in its order."""

    def things_at(self, step: int) -> NDArray[np.void]:
        """(M,) THING at one of the steps so far."""

    def step(self) -> bool:
        """Go on by a control step, so that there is one more row; False where it has ended."""

    def reset(self) -> None:
        """Start anew; a replay has nothing to do."""


class ReplaySource:
    """A replay: all of it is there from the start."""

    def __init__(self, replay: Replay) -> None:
        """Make the stage.

        Raises:
            ReplayError: its track cannot be shown.
        """
        self.stage = stage_of(replay)
        self._replay = replay

    @property
    def rows(self) -> NDArray[np.void]:
        """See `Source`."""
        return self._replay.rows

    @property
    def length(self) -> int | None:
        """See `Source`."""
        return len(self._replay.rows)

    @property
    def events(self) -> Sequence[Event]:
        """See `Source`."""
        return self._replay.header.events

    def things_at(self, step: int) -> NDArray[np.void]:
        """See `Source`."""
        return self._replay.things_at(step)

    def step(self) -> bool:
        """There is no more."""
        return False

    def reset(self) -> None:
        """Nothing to do."""
