"""A race that goes on while it is watched."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from racer.race.session import RaceSession, make_recorder
from racer.replay import ReplayEvent
from racer.viewer.playback import Stage


class RaceSource:
    """See `racer.view.source.Source`: the first trial of a race. It ends with the race."""

    def __init__(self, make: Callable[[], RaceSession], *, watch: Callable[[RaceSession], None] | None = None) -> None:
        """Start the race.

        Args:
            make: makes the contest anew, for a restart.
            watch: called after each control step.
        """
        self._make, self._watch = make, watch
        self._contest: RaceSession | None = None
        self._over = False
        self.reset()
        contest = self.contest
        self.stage = Stage(
            track=contest.track,
            vehicle=contest.vehicle,
            control_dt=contest.control_dt,
            cars=contest.cars,
            speed_top=contest.vehicle.speed_max,
        )

    @property
    def contest(self) -> RaceSession:
        """The race that goes on."""
        assert self._contest is not None
        return self._contest

    @property
    def rows(self) -> NDArray[np.void]:
        """See `Source`."""
        return self.recorder.rows

    @property
    def length(self) -> int | None:
        """Nobody knows before the end."""
        return len(self.recorder.rows) if self._over else None

    @property
    def events(self) -> Sequence[ReplayEvent]:
        """See `Source`."""
        return self.recorder.events

    def things_at(self, step: int) -> NDArray[np.void]:
        """See `Source`."""
        return self.recorder.things[step]

    def step(self) -> bool:
        """Drive a control step."""
        if self._over or not self.contest.step():
            self._over = True
            return False
        self.contest.record(self.recorder)
        if self._watch is not None:
            self._watch(self.contest)
        return True

    def reset(self) -> None:
        """Race anew."""
        if self._contest is not None:
            self._contest.close()
        self._contest = self._make()
        self._contest.start()
        self.recorder = make_recorder(self._contest)
        self._contest.tell_countdown(self.recorder)
        self._over = False

    def finish(self) -> None:
        """Drive to the end."""
        while self.step():
            pass
