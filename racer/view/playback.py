"""When is now: time of simulation against time of the clock, forwards and back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from racer.view.scene import Moment, blend
from racer.view.source import Source

SPEEDS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Times real time."""
NORMAL = SPEEDS.index(1.0)
_EVENT_S = 2.5
"""s of simulation for which an event is shown."""
_WORK_S = 0.012
"""s of a frame that a simulation may take; a machine that is too slow for a speed shows a lower one."""


class Playback:
    """A place in a source that moves with the clock.

    Attributes:
        at: control steps since the start, with a fraction.
        paused: the clock is not followed.
        gear: index into `SPEEDS`.
    """

    def __init__(self, source: Source, *, clock: Callable[[], float] = time.perf_counter) -> None:
        """At the start of the source, at normal speed. `clock` tells seconds, for the limit of work in a frame."""
        self.source = source
        self.at = 0.0
        self.paused = False
        self.gear = NORMAL
        self._clock = clock

    @property
    def speed(self) -> float:
        """Times real time."""
        return SPEEDS[self.gear]

    @property
    def ended(self) -> bool:
        """Whether the last row of a source that does not go on is shown."""
        return self.source.length is not None and self.at >= self.source.length - 1

    def tick(self, seconds: float) -> None:
        """Let `seconds` of the clock pass."""
        if not self.paused:
            self._go_to(self.at + seconds * self.speed / self.source.stage.control_dt, limited=True)

    def step(self, steps: int = 1) -> None:
        """Pause, and go to the next whole control step, or back to one."""
        self.paused = True
        whole = math.floor(self.at + 1e-9) if steps > 0 else math.ceil(self.at - 1e-9)
        self._go_to(float(whole + steps))

    def seek(self, at: float) -> None:
        """Go to a place between the start and what there is."""
        self.at = min(max(at, 0.0), float(len(self.source.rows) - 1))

    def skip(self, seconds: float) -> None:
        """Go ahead or back by seconds of simulation, within what there is."""
        self.seek(self.at + seconds / self.source.stage.control_dt)

    def restart(self) -> None:
        """From the start, anew."""
        self.source.reset()
        self.at = 0.0

    def moment(self) -> Moment:
        """What is to be seen now."""
        rows = self.source.rows
        first = min(int(self.at), len(rows) - 1)
        after = min(first + 1, len(rows) - 1)
        return Moment(
            at=self.at,
            rows=blend(rows[first], rows[after], self.at - first) if after > first else rows[first],
            things=self.source.things_at(first),
            past=rows[: first + 1],
            said=self._said(first),
        )

    def _said(self, step: int) -> str:
        """The newest event of the last seconds."""
        reach = _EVENT_S / self.source.stage.control_dt
        said = [event.text for event in self.source.events if step - reach < event.step <= step]
        return said[-1] if said else ""

    def _go_to(self, wanted: float, *, limited: bool = False) -> None:
        """Move on as far as the source goes, and where `limited` as far as a frame's time allows."""
        end = self._clock() + _WORK_S
        while len(self.source.rows) - 1 < wanted:
            if not self.source.step() or (limited and self._clock() > end):
                break
        self.at = min(max(wanted, 0.0), float(len(self.source.rows) - 1))
