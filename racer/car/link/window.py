"""The newest camera frame for another process to look at: a file that both map, written without waiting for anybody.

The writer counts up before and after each frame; a reader that finds the two counts different, or changed while it
copied, has met a half frame and takes the next one. Nothing but a person looks at these pictures.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import Final

import numpy as np

from racer.car.mailbox import Frame

_HEAD: Final = struct.Struct("<QQHHH2x")
"""Number, capture time in monotonic nanoseconds, height, width, channels."""
_COUNT: Final = struct.Struct("<Q")
_FRAME_AT: Final = 2 * _COUNT.size + _HEAD.size
PIXELS_MAX: Final = 4 * 1024 * 1024
"""Bytes; larger frames are not shown. The page of a file that was never written takes no memory."""
_TRIES: Final = 3


class FrameWindow:
    """Both ends; the file is made where it is missing."""

    def __init__(self, path: str | Path) -> None:
        size = _FRAME_AT + PIXELS_MAX
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size < size:
                os.ftruncate(file, size)
            self._map = mmap.mmap(file, size)
        finally:
            os.close(file)

    def put(self, frame: Frame) -> None:
        """Show a frame, whatever is wrong with it; what is no picture is left out."""
        pixels = frame.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.ndim != 3:
            return
        if not 0 < pixels.nbytes <= PIXELS_MAX or pixels.shape[2] not in (1, 3):
            return
        count = _COUNT.unpack_from(self._map, 0)[0] + 1
        _COUNT.pack_into(self._map, 0, count)
        _HEAD.pack_into(self._map, 2 * _COUNT.size, frame.number % (1 << 64), frame.captured_ns, *pixels.shape)
        self._map[_FRAME_AT : _FRAME_AT + pixels.nbytes] = pixels.tobytes()
        _COUNT.pack_into(self._map, _COUNT.size, count)

    def count(self) -> int:
        """Rises with each frame, whoever writes; 0 before the first one."""
        return int(_COUNT.unpack_from(self._map, _COUNT.size)[0])

    def newest(self) -> Frame | None:
        """The newest frame; None where there is none, or only halves were met."""
        for _ in range(_TRIES):
            count = self.count()
            number, captured_ns, height, width, channels = _HEAD.unpack_from(self._map, 2 * _COUNT.size)
            size = height * width * channels
            if count == 0 or not 0 < size <= PIXELS_MAX or channels not in (1, 3):
                return None
            data = bytes(self._map[_FRAME_AT : _FRAME_AT + size])
            if count == _COUNT.unpack_from(self._map, 0)[0] == self.count():
                return Frame(number, captured_ns, np.frombuffer(data, np.uint8).reshape(height, width, channels))
        return None

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()
