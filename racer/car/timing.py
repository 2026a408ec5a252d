"""Measures the pilot's loop: percentiles of times over the last samples, and counts since the start."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

SAMPLES_KEPT: Final = 600
"""Samples of a window: 40 s at 15 Hz."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of a time [ms], and the number of samples."""

    p50: float
    p95: float
    p99: float
    max: float
    count: int


def percentiles(samples_ns: Iterable[int]) -> Percentiles | None:
    """Return the percentiles of samples [ns], each a real sample without interpolation; None without samples."""
    values = np.sort(np.fromiter(samples_ns, np.int64)) / 1e6
    if not len(values):
        return None

    def at(fraction: float) -> float:
        # Nearest rank: the smallest sample that at least this fraction of all samples does not exceed.
        return float(values[min(len(values) - 1, int(np.ceil(fraction * len(values))) - 1)])

    return Percentiles(at(0.5), at(0.95), at(0.99), float(values[-1]), len(values))


class PilotTiming:
    """Times and counts of the pilot's loop; of each time [ns] the last `SAMPLES_KEPT` samples are kept.

    Attributes:
        inference: Time from the preprocessing of a frame to its action.
        frame_age: Age of the frame when the network started.
        glass_to_wheel: Time from the capture of a frame to the first bus write of its command.
        late: Delay of the start of a control step.
        steps: Number of control steps.
        missed: Number of control steps that were skipped.
        repeated: Number of control steps without a new frame.
    """

    def __init__(self) -> None:
        self.inference: deque[int] = deque(maxlen=SAMPLES_KEPT)
        self.frame_age: deque[int] = deque(maxlen=SAMPLES_KEPT)
        self.glass_to_wheel: deque[int] = deque(maxlen=SAMPLES_KEPT)
        self.late: deque[int] = deque(maxlen=SAMPLES_KEPT)
        self.steps = 0
        self.missed = 0
        self.repeated = 0
        self._sent: deque[tuple[int, int]] = deque(maxlen=32)
        self._written = -1

    def sent(self, number: int, captured_ns: int) -> None:
        """Note the first command that was made from a frame."""
        self._sent.append((number, captured_ns))

    def written(self, number: int, written_ns: int) -> None:
        """Note the actuator's report that a command made from this frame is on the bus."""
        # The actuator repeats the newest command in every status; only the first report of a frame is a sample.
        if number == self._written:
            return
        for sent, captured_ns in self._sent:
            if sent == number and written_ns >= captured_ns:
                self.glass_to_wheel.append(written_ns - captured_ns)
                self._written = number

    def record(self) -> dict[str, object]:
        """Return times [ms] and counts as plain data, for a status line or a log."""
        out: dict[str, object] = {"steps": self.steps, "missed": self.missed, "repeated": self.repeated}
        for name in ("inference", "frame_age", "glass_to_wheel", "late"):
            times = percentiles(getattr(self, name))
            if times is not None:
                out[f"{name}_ms"] = [round(value, 2) for value in (times.p50, times.p95, times.p99, times.max)]
        return out


class Pacer:
    """Absolute deadlines: step k is due at start + k * period, however late others were; missed ones are skipped.

    Example with a period of 100 ns from time 0: the step of 100 begins at 350, so those of 200 and 300 are skipped, and
    the next deadline is 400.
    """

    def __init__(self, period_ns: int, now_ns: int) -> None:
        self.period_ns = period_ns
        self.due_ns = now_ns

    def next(self, now_ns: int) -> int:
        """Set the deadline of the next step on the grid and return how many were skipped."""
        self.due_ns += self.period_ns
        if self.due_ns > now_ns:
            return 0
        skipped = (now_ns - self.due_ns) // self.period_ns + 1
        self.due_ns += skipped * self.period_ns
        return skipped
