"""Drives a race while a window shows it."""

from __future__ import annotations

from collections.abc import Callable

from racer.race.session import RaceSession
from racer.viewer.playback import RecordedSource, Stage


class RaceSource(RecordedSource):
    """A `racer.viewer.playback.PlaybackSource` of the first trial of a race; it ends with the race.

    Attributes:
        session: The race that is driven now.
    """

    _over: bool

    def __init__(self, make: Callable[[], RaceSession], *, watch: Callable[[RaceSession], None] | None = None) -> None:
        """Start the race.

        Args:
            make: Makes the race; called again for a restart.
            watch: Called after each control step.
        """
        self._make, self._watch = make, watch
        self.session = make()
        self._start()
        self.stage = Stage(
            track=self.session.track,
            vehicle=self.session.vehicle,
            control_dt=self.session.control_dt,
            cars=self.session.cars,
            speed_top=self.session.vehicle.speed_max,
        )

    @property
    def length(self) -> int | None:
        """Control steps of the race; None before its end."""
        return len(self.recorder.rows) if self._over else None

    def step(self) -> bool:
        """Drive a control step; return False where the race has ended."""
        if self._over or not self.session.step():
            # From here on `length` is known, and the window stops at the last row.
            self._over = True
            return False
        if self._watch is not None:
            self._watch(self.session)
        return True

    def reset(self) -> None:
        """Start the same race again."""
        self.session.close()
        self.session = self._make()
        self._start()

    def finish(self) -> None:
        """Drive to the end of the race."""
        while self.step():
            pass

    def _start(self) -> None:
        self.session.start()
        self.recorder = self.session.start_recording()
        self._over = False
