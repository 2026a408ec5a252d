"""Keeps the console's events, and samples of the status for a telemetry file; both are bounded."""

from __future__ import annotations

import csv
import io
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from racer.car.link.protocol import PilotStatus

EVENTS_MAX = 500
SAMPLES_MAX = 12_000
"""Number of kept samples: ten minutes at 20 Hz."""
_PLAIN_FIELDS = (
    "state", "reason", "driver", "model", "speed_limit", "steering_deg", "speed", "steering_us", "throttle_us",
    "rate_hz", "frames_dropped", "deadlines_missed",
)  # fmt: skip
_TIMING_FIELDS = ("latency", "inference")
_PERCENTILE_FIELDS = ("p50_ms", "p95_ms", "p99_ms")


class EventLog:
    """Events and samples of one console; any thread may call it.

    Args:
        clock: Clock of the car, CLOCK_MONOTONIC [ns].
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._begin_ns = clock()
        self._events: deque[tuple[float, str]] = deque(maxlen=EVENTS_MAX)
        self._samples: deque[tuple[float, PilotStatus]] = deque(maxlen=SAMPLES_MAX)
        self._last: tuple[str | None, str] = (None, "")
        self._lock = threading.Lock()

    def event(self, text: str) -> None:
        """Add an event."""
        with self._lock:
            self._events.append((self._now(), text))

    def sample(self, status: PilotStatus) -> None:
        """Add a sample of the status; a change of state or reason is an event, too."""
        state = (status.state, status.reason)
        with self._lock:
            self._samples.append((self._now(), status))
            if state != self._last:
                self._last = state
                text = f"{status.state or 'no actuator'}{': ' if status.reason else ''}{status.reason}"
                self._events.append((self._now(), text))

    def events(self) -> list[dict[str, Any]]:
        """Return all events, the newest first: time since the start of the console [s], and text."""
        with self._lock:
            return [{"at_s": round(at, 2), "text": text} for at, text in reversed(self._events)]

    def csv(self) -> str:
        """Return the samples as a table; a value that could not be measured is empty."""
        with self._lock:  # copied, so that the pilot's samples do not wait while the table is written
            samples = list(self._samples)
        out = io.StringIO()
        rows = csv.writer(out, lineterminator="\n")
        percentiles = [(name, percentile) for name in _TIMING_FIELDS for percentile in _PERCENTILE_FIELDS]
        rows.writerow(["at_s", *_PLAIN_FIELDS, *map("_".join, percentiles)])
        for at, status in samples:
            # A timing is None until something was measured.
            timings = [getattr(getattr(status, name), percentile, None) for name, percentile in percentiles]
            rows.writerow([f"{at:.3f}", *(getattr(status, name) for name in _PLAIN_FIELDS), *timings])
        return out.getvalue()

    def _now(self) -> float:
        return (self._clock() - self._begin_ns) * 1e-9
