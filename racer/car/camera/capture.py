"""The thread between a camera and the mailbox."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from racer.car.camera.source import CameraSource
from racer.car.checks import Fault, FrameChecks
from racer.car.mailbox import Frame, Mailbox


class Capture:
    """The thread between a camera and the mailbox: it waits for frames, checks each, and keeps only the newest.

    Args:
        show: gets every frame as it came, for a person to look at.

    Attributes:
        fault: what is wrong with the camera; None where all is well.
        frames: how many came. last_ns: when the newest good one was taken.
    """

    def __init__(
        self,
        source: CameraSource,
        mailbox: Mailbox,
        checks: FrameChecks,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        well_after: int,
        show: Callable[[Frame], None] | None = None,
    ) -> None:
        self.fault: Fault | None = None
        self.frames = 0
        self.last_ns = 0
        self.first_ns = 0
        self._source = source
        self._mailbox = mailbox
        self._checks = checks
        self._clock = clock
        self._well_after = well_after
        self._show = show
        self._well = 0
        self._closing = False
        self._thread = threading.Thread(target=self.run, name="capture", daemon=True)

    def start(self) -> None:
        """Begin to take frames."""
        self._thread.start()

    def run(self) -> None:
        """Take frames until the camera ends, fails, or is closed."""
        try:
            while self.step():
                pass
        except Exception as error:  # whatever a camera's library raises: the car stops and says why
            if not self._closing:
                self.fault = Fault("camera_failed", f"{type(error).__name__} {error}".strip())

    def step(self) -> bool:
        """Take one frame; False where the camera has ended."""
        frame = self._source.read()
        if frame is None:
            if not self._closing:
                self.fault = Fault("camera_ended")
            return False
        self.frames += 1
        if self._show is not None:
            self._show(frame)
        fault = self._checks.look(frame, self._clock())
        if fault is not None:
            self.fault, self._well = fault, 0
            return True
        self._well += 1
        if self._well >= self._well_after:
            self.fault = None
        self.first_ns = self.first_ns or frame.captured_ns
        self.last_ns = frame.captured_ns
        self._mailbox.put(frame)
        return True

    def close(self) -> None:
        """Stop the camera and the thread."""
        self._closing = True
        self._source.close()
        if self._thread.ident is not None:
            self._thread.join(1.0)
