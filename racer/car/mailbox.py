"""The newest camera frame, between threads (`Mailbox`) and between processes (`SharedFrame`); frames are never queued.

`SharedFrame` is a file that both processes map, and the writer never waits. The writer increments one count before and
one after each frame; a reader that finds them different, or changed while it copied, has met a half-written frame and
reads again. Only a person looks at these pictures.
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
    """One picture of a camera, unchanged.

    Attributes:
        number: Number of the frame; rises with each capture.
        captured_ns: Time of the capture, CLOCK_MONOTONIC [ns].
        pixels: Pixels, shape (H, W, channels), uint8.
    """

    number: int
    captured_ns: int
    pixels: NDArray[np.uint8]


class Mailbox:
    """A single slot between the capture thread and the pilot.

    Attributes:
        dropped: Number of frames that were replaced before they were taken.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._lock = threading.Lock()
        self._frame: CameraFrame | None = None

    def put(self, frame: CameraFrame) -> None:
        """Put the newest frame; a frame that still waits is dropped and counted."""
        with self._lock:
            if self._frame is not None:
                self.dropped += 1
            self._frame = frame

    def take(self) -> CameraFrame | None:
        """Return the newest frame once; None if no frame has arrived since."""
        with self._lock:
            frame, self._frame = self._frame, None
            return frame


_FRAME_HEADER: Final = struct.Struct("<QQHHH2x")
"""Number, capture time in monotonic nanoseconds, height, width, channels."""
_COUNT: Final = struct.Struct("<Q")
_FRAME_AT: Final = 2 * _COUNT.size + _FRAME_HEADER.size
SHARED_PIXELS_MAX: Final = 4 * 1024 * 1024
"""Largest frame that is shown [bytes]; pages of the file that are never written take no memory."""
_READ_TRIES: Final = 3


class SharedFrame:
    """Writer and reader of the shared file, which is created if it does not exist.

    The file begins with two counts, then the header of the frame and its pixels. The writer sets the first count before
    it writes, and the second one to the same number afterwards.

    Args:
        path: The file.
    """

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
        """Write a frame, with or without a fault; ignore one whose pixels are not a picture."""
        pixels = frame.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 3:
            return
        if not 0 < pixels.nbytes <= SHARED_PIXELS_MAX or pixels.shape[2] not in (1, 3):
            return
        # From the file, not from this process: a restarted pilot continues the count, and the reader sees a new frame.
        count = _COUNT.unpack_from(self._map, 0)[0] + 1
        _COUNT.pack_into(self._map, 0, count)
        _FRAME_HEADER.pack_into(self._map, 2 * _COUNT.size, frame.number % (1 << 64), frame.captured_ns, *pixels.shape)
        self._map[_FRAME_AT : _FRAME_AT + pixels.nbytes] = pixels.tobytes()
        _COUNT.pack_into(self._map, _COUNT.size, count)

    def count(self) -> int:
        """Return the number of frames of all writers; 0 before the first."""
        return int(_COUNT.unpack_from(self._map, _COUNT.size)[0])

    def newest(self) -> CameraFrame | None:
        """Return the newest frame; None if there is none, or if each try met a half-written one."""
        for _ in range(_READ_TRIES):
            count = self.count()
            number, captured_ns, height, width, channels = _FRAME_HEADER.unpack_from(self._map, 2 * _COUNT.size)
            size = height * width * channels
            # The header may be half-written too, so its numbers are checked before they select bytes.
            if count == 0 or not 0 < size <= SHARED_PIXELS_MAX or channels not in (1, 3):
                return None
            data = bytes(self._map[_FRAME_AT : _FRAME_AT + size])
            # Equal counts after the copy: no write began or ended meanwhile.
            if count == _COUNT.unpack_from(self._map, 0)[0] == self.count():
                return CameraFrame(number, captured_ns, np.frombuffer(data, np.uint8).reshape(height, width, channels))
        return None

    def close(self) -> None:
        """Close the file."""
        self._map.close()
