"""A bad cable between the simulated camera and the pilot: whole frames get lost on the way."""

import contextlib
import random
import socket
import threading

from racer.car.camera.sources import FRAME_HEADER, FRAME_MAGIC


class LossyCable:
    """Takes frames from one socket and hands most of them on to whoever connects to another; a context manager.

    Args:
        source: where the simulator serves its frames.
        path: where the pilot connects instead.
        loss: share of frames that are lost.
    """

    def __init__(self, source, path, loss, *, seed=0):
        self.source, self.loss = source, loss
        self.passed = self.lost = 0
        self._dice = random.Random(seed)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._run, name="cable", daemon=True)

    def __enter__(self):
        """Begin to listen."""
        self._thread.start()
        return self

    def __exit__(self, *_):
        """Hang up."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(2.0)

    def _run(self):
        while True:
            try:
                pilot, _ = self._listener.accept()
            except OSError:
                return
            camera = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            with pilot, camera, contextlib.suppress(OSError):
                camera.connect(self.source)
                self._hand_on(camera.makefile("rb"), pilot)

    def _hand_on(self, camera, pilot):
        while len(head := camera.read(FRAME_HEADER.size)) == FRAME_HEADER.size:
            if not head.startswith(FRAME_MAGIC):  # what else the simulator tells is as long as a frame's head
                pilot.sendall(head)
                continue
            _, height, width, channels, *_ = FRAME_HEADER.unpack(head)
            pixels = camera.read(height * width * channels)
            if self._dice.random() < self.loss:
                self.lost += 1
            else:
                self.passed += 1
                pilot.sendall(head + pixels)
