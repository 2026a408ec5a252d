"""Recorded frames as a camera: an .npz file with `frames` (K, H, W, channels) uint8, and perhaps `captured_ns` (K,)."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from racer.car.camera.source import CameraError
from racer.car.mailbox import Frame

RATE_HZ: Final = 30.0


class ReplayCamera:
    """Gives recorded frames at the pace at which they were taken, with times of now; ends after the last.

    Raises:
        CameraError: no such file, or one without frames.
    """

    def __init__(self, path: str | Path, *, rate_hz: float | None = None) -> None:
        try:
            with np.load(path, allow_pickle=False) as found:
                frames = found["frames"]
                times = found["captured_ns"].astype(np.int64) if "captured_ns" in found else None
        except (OSError, ValueError, KeyError) as error:
            raise CameraError(f"{path} holds no recorded frames: {error}") from None
        if frames.ndim != 4 or frames.dtype != np.uint8 or not len(frames):
            raise CameraError(f"{path}: `frames` is {frames.dtype} {frames.shape}, not uint8 (K, H, W, channels)")
        self._frames: NDArray[np.uint8] = frames
        step = 1e9 / (rate_hz or RATE_HZ)
        self._offsets = times - times[0] if times is not None else (np.arange(len(frames)) * step).astype(np.int64)
        self._start_ns = time.monotonic_ns()
        self._at = 0
        self._closed = threading.Event()

    def read(self) -> Frame | None:
        """The next frame, when it is due."""
        if self._at >= len(self._frames):
            return None
        due = self._start_ns + int(self._offsets[self._at])
        if self._closed.wait(max(0, due - time.monotonic_ns()) / 1e9):
            return None
        frame = Frame(self._at, due, self._frames[self._at])
        self._at += 1
        return frame

    def close(self) -> None:
        """End."""
        self._closed.set()
