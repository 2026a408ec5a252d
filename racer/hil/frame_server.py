"""Sends frames of the simulated camera, with a real camera's latency, and measurements to the pilot that connects."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections import deque

from racer.car.camera.sources import pack_frame, pack_measurement
from racer.car.mailbox import CameraFrame

_FRAMES_MAX = 64
_MEASUREMENTS_MAX = 512
"""Lengths of the queues: 2 s of frames at 30 Hz, and 8 s of measurements at 60 Hz; a full queue drops the oldest."""
_WAIT_S = 0.5
"""Longest wait for a frame [s], so that `close` is noticed."""


class FrameServer:
    """Serves one pilot after the other; frames wait until they are due, and a slow reader misses frames.

    Args:
        path: Path of the socket.
        latency_ns: Time from the capture of a frame to its sending [ns].

    Attributes:
        sent: Number of frames that were sent.
        connected: Set once a pilot has connected; earlier frames are lost.
    """

    def __init__(self, path: str, *, latency_ns: int) -> None:
        self.sent = 0
        self.connected = threading.Event()
        self._latency_ns = latency_ns
        self._path = path
        self._waiting: deque[CameraFrame] = deque(maxlen=_FRAMES_MAX)
        self._sensed: deque[bytes] = deque(maxlen=_MEASUREMENTS_MAX)
        self._news = threading.Condition()
        self._closing = False
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108
        # A file that is left of a killed process would make `bind` fail, so it is removed above.
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._run, name="frame server", daemon=True)
        self._thread.start()

    def put(self, frame: CameraFrame) -> None:
        """Queue a frame that was just taken."""
        with self._news:
            self._waiting.append(frame)
            self._news.notify()

    def sense(self, at_ns: int, speed: float, yaw_rate: float) -> None:
        """Queue a measurement of speed [m/s] and yaw rate [rad/s] at its time [ns]; it is sent with the next frame."""
        self._sensed.append(pack_measurement(at_ns, speed, yaw_rate))

    def close(self) -> None:
        """Close the connection and the socket."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._news:
            self._news.notify()
        self._thread.join(1.0)

    def _run(self) -> None:
        while not self._closing:
            try:
                peer, _ = self._listener.accept()
            except OSError:  # `close` shut the listener down
                return
            with peer, contextlib.suppress(OSError):
                self._serve(peer)

    def _serve(self, peer: socket.socket) -> None:
        # Frames of the time before this pilot would look like a slow camera.
        self._waiting.clear()
        self._sensed.clear()
        self.connected.set()
        while not self._closing:
            frame = self._next()
            while self._sensed:
                peer.sendall(self._sensed.popleft())
            if frame is not None:
                peer.sendall(pack_frame(frame))
                self.sent += 1

    def _next(self) -> CameraFrame | None:
        """Wait for the next frame and until it is due; of several that are due, return the newest."""
        with self._news:
            if not self._waiting and not self._closing:
                self._news.wait(_WAIT_S)
            if self._closing or not self._waiting:
                return None
            frame = self._waiting.popleft()
        left = frame.captured_ns + self._latency_ns - time.monotonic_ns()
        if left > 0:
            time.sleep(left / 1e9)
        # More frames can have become due during the sleep, or while the pilot did not read.
        with self._news:
            while self._waiting and self._waiting[0].captured_ns + self._latency_ns <= time.monotonic_ns():
                frame = self._waiting.popleft()
        return frame
