"""A frame, and the one place where the newest of them waits. Frames are never queued: a new one replaces the old."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture as a camera gave it.

    Attributes:
        number: rises with each capture.
        captured_ns: when it was taken, CLOCK_MONOTONIC.
        pixels: (H, W, channels) uint8.
    """

    number: int
    captured_ns: int
    pixels: NDArray[np.uint8]


class Mailbox:
    """A single slot between the capture thread and the pilot.

    Attributes:
        taken: frames that somebody took. dropped: frames that were replaced before anybody took them.
    """

    def __init__(self) -> None:
        self.taken = 0
        self.dropped = 0
        self._lock = threading.Lock()
        self._frame: Frame | None = None

    def put(self, frame: Frame) -> None:
        """Leave the newest frame; the one that nobody took is dropped and counted."""
        with self._lock:
            if self._frame is not None:
                self.dropped += 1
            self._frame = frame

    def take(self) -> Frame | None:
        """The newest frame, once; None where none came since."""
        with self._lock:
            frame, self._frame = self._frame, None
            if frame is not None:
                self.taken += 1
            return frame

    def clear(self) -> None:
        """Forget a frame that waits; it counts as dropped."""
        with self._lock:
            if self._frame is not None:
                self.dropped += 1
            self._frame = None
