"""Frames of the simulator that stands in for the car, over a Unix socket with whole messages kept apart by a header.

What a wheel sensor and a gyroscope would measure comes over the same cable, in messages of its own between the frames.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Final

import numpy as np

from racer.car.camera.source import CameraError, Measured
from racer.car.mailbox import Frame

HEADER: Final = struct.Struct("<4sHHHHQQ")
"""Magic, height, width, channels, nothing, number, capture time in monotonic nanoseconds; then the pixels."""
MAGIC: Final = b"RCF1"
SENSED: Final = struct.Struct("<4sQdd")
"""Magic, monotonic nanoseconds, m/s and rad/s; as long as a frame's header."""
SENSED_MAGIC: Final = b"RCM1"
assert SENSED.size == HEADER.size


def pack_frame(frame: Frame) -> bytes:
    """Header and pixels."""
    height, width, channels = frame.pixels.shape
    return HEADER.pack(MAGIC, height, width, channels, 0, frame.number, frame.captured_ns) + frame.pixels.tobytes()


def pack_sensed(at_ns: int, speed: float, yaw_rate: float) -> bytes:
    """What was measured, m/s and rad/s."""
    return SENSED.pack(SENSED_MAGIC, at_ns, speed, yaw_rate)


class SimCamera:
    """The receiving end.

    Args:
        measured: gets what the other sensors say.

    Raises:
        CameraError: nobody serves this path.
    """

    def __init__(self, path: str, *, measured: Measured | None = None) -> None:
        self._measured = measured
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise CameraError(f"no simulator at {path}: {error.strerror}") from None

    def read(self) -> Frame | None:
        """The next frame; None where the simulator hung up.

        Raises:
            OSError: what came is no frame.
        """
        while (head := self._exactly(HEADER.size)) is not None and head[:4] == SENSED_MAGIC:
            if self._measured is not None:
                self._measured(*SENSED.unpack(head)[1:])
        if head is None:
            return None
        magic, height, width, channels, _, number, captured_ns = HEADER.unpack(head)
        if magic != MAGIC:
            raise OSError("this is no frame of a simulator")
        data = self._exactly(height * width * channels)
        if data is None:
            return None
        return Frame(number, captured_ns, np.frombuffer(data, np.uint8).reshape(height, width, channels))

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _exactly(self, count: int) -> bytearray | None:
        data = bytearray(count)
        view, at = memoryview(data), 0
        while at < count:
            got = self._socket.recv_into(view[at:])
            if not got:
                return None
            at += got
        return data
