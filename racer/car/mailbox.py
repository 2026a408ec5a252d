"""A frame, and the one place where the newest of them waits. Frames are never queued: a new one replaces the old.

The newest camera frame for another process to look at: a file that both map, written without waiting for anybody.

The writer counts up before and after each frame; a reader that finds the two counts different, or changed while it
copied, has met a half frame and takes the next one. Nothing but a person looks at these pictures.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class CameraFrame:
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
        self._frame: CameraFrame | None = None

    def put(self, frame: CameraFrame) -> None:
        """Leave the newest frame; the one that nobody took is dropped and counted."""
        with self._lock:
            if self._frame is not None:
                self.dropped += 1
            self._frame = frame

    def take(self) -> CameraFrame | None:
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


_FRAME_HEADER: Final = struct.Struct("<QQHHH2x")
"""Number, capture time in monotonic nanoseconds, height, width, channels."""
_COUNT: Final = struct.Struct("<Q")
_FRAME_AT: Final = 2 * _COUNT.size + _FRAME_HEADER.size
SHARED_PIXELS_MAX: Final = 4 * 1024 * 1024
"""Bytes; larger frames are not shown. The page of a file that was never written takes no memory."""
_READ_TRIES: Final = 3


class SharedFrame:
    """Both ends; the file is made where it is missing."""

    def __init__(self, path: str | Path) -> None:
        size = _FRAME_AT + SHARED_PIXELS_MAX
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size < size:
                os.ftruncate(file, size)
            self._map = mmap.mmap(file, size)
        finally:
            os.close(file)

    def put(self, frame: CameraFrame) -> None:
        """Show a frame, whatever is wrong with it; what is no picture is left out."""
        pixels = frame.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 3:
            return
        if not 0 < pixels.nbytes <= SHARED_PIXELS_MAX or pixels.shape[2] not in (1, 3):
            return
        count = _COUNT.unpack_from(self._map, 0)[0] + 1
        _COUNT.pack_into(self._map, 0, count)
        _FRAME_HEADER.pack_into(self._map, 2 * _COUNT.size, frame.number % (1 << 64), frame.captured_ns, *pixels.shape)
        self._map[_FRAME_AT : _FRAME_AT + pixels.nbytes] = pixels.tobytes()
        _COUNT.pack_into(self._map, _COUNT.size, count)

    def count(self) -> int:
        """Rises with each frame, whoever writes; 0 before the first one."""
        return int(_COUNT.unpack_from(self._map, _COUNT.size)[0])

    def newest(self) -> CameraFrame | None:
        """The newest frame; None where there is none, or only halves were met."""
        for _ in range(_READ_TRIES):
            count = self.count()
            number, captured_ns, height, width, channels = _FRAME_HEADER.unpack_from(self._map, 2 * _COUNT.size)
            size = height * width * channels
            if count == 0 or not 0 < size <= SHARED_PIXELS_MAX or channels not in (1, 3):
                return None
            data = bytes(self._map[_FRAME_AT : _FRAME_AT + size])
            if count == _COUNT.unpack_from(self._map, 0)[0] == self.count():
                return CameraFrame(number, captured_ns, np.frombuffer(data, np.uint8).reshape(height, width, channels))
        return None

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()
