"""What the console remembers: events in words, and samples of the status for a telemetry file. Both are bounded."""

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
"""Ten minutes at 20 samples a second."""
_PLAIN_FIELDS = (
    "state", "reason", "driver", "model", "speed_limit", "steering_deg", "speed", "steering_us", "throttle_us",
    "rate_hz", "frames_dropped", "deadlines_missed",
)  # fmt: skip
_TIMING_FIELDS = ("latency", "inference")
_PERCENTILE_FIELDS = ("p50_ms", "p95_ms", "p99_ms")


class EventLog:
    """Events and samples of one console."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._begin_ns = clock()
        self._events: deque[tuple[float, str]] = deque(maxlen=EVENTS_MAX)
        self._samples: deque[tuple[float, PilotStatus]] = deque(maxlen=SAMPLES_MAX)
        self._last: tuple[str | None, str] = (None, "")
        self._lock = threading.Lock()

    def event(self, text: str) -> None:
        """Note what happened."""
        with self._lock:
            self._events.append((self._now(), text))

    def sample(self, status: PilotStatus) -> None:
        """Note the status; a change of state or reason is an event too."""
        seen = (status.state, status.reason)
        with self._lock:
            self._samples.append((self._now(), status))
            if seen != self._last:
                self._last = seen
                words = f"{status.state or 'no actuator'}{': ' if status.reason else ''}{status.reason}"
                self._events.append((self._now(), words))

    def events(self) -> list[dict[str, Any]]:
        """Newest first: seconds since the console began, and words."""
        with self._lock:
            return [{"at_s": round(at, 2), "text": text} for at, text in reversed(self._events)]

    def csv(self) -> str:
        """The samples as a table; what could not be measured is empty."""
        with self._lock:
            samples = list(self._samples)
        out = io.StringIO()
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(
            ["at_s", *_PLAIN_FIELDS, *(f"{name}_{share}" for name in _TIMING_FIELDS for share in _PERCENTILE_FIELDS)]
        )
        for at, status in samples:
            timings = [
                getattr(getattr(status, name), share, None) for name in _TIMING_FIELDS for share in _PERCENTILE_FIELDS
            ]
            rows.writerow([f"{at:.3f}", *(getattr(status, name) for name in _PLAIN_FIELDS), *timings])
        return out.getvalue()

    def _now(self) -> float:
        return (self._clock() - self._begin_ns) * 1e-9
