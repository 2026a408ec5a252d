"""Where frames come from: the seam that every camera fills, and the thread that takes them out of it.

picamera2                     camera of the Raspberry Pi
v4l2:/dev/video0              USB camera, through OpenCV
replay:FILE                   frames of an .npz file at their own rate, once
sim:SOCKET                    the simulator that stands in for the car
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from racer.car.checks import Fault, FrameChecks
from racer.car.mailbox import Frame, Mailbox
from racer.config.sensors import CameraConfig
from racer.errors import RacerError

KINDS = ("picamera2", "v4l2", "replay", "sim")


class CameraError(RacerError):
    """A camera that cannot be opened, or was named wrongly."""


class CameraSource(Protocol):
    """A camera that is running."""

    def read(self) -> Frame | None:
        """Wait for the next frame and return it; None where the camera has ended for good.

        Raises:
            OSError: it failed.
        """
        ...

    def close(self) -> None:
        """Stop the camera; a `read` that waits in another thread comes back."""
        ...


Measured = Callable[[int, float, float], None]
"""Takes what sensors measured at a time (monotonic ns): m/s and rad/s."""


def open_camera(words: str, config: CameraConfig, *, measured: Measured | None = None) -> CameraSource:
    """Open the camera that `words` name, with the size, the colour and the rate of the calibration.

    Args:
        measured: gets what the simulator's other sensors say; real cameras have none.

    Raises:
        CameraError: no such kind, or it cannot be opened.
        MissingExtra: what it needs is not installed.
    """
    kind, _, place = words.partition(":")
    if kind == "sim" and place:
        from racer.car.camera_sim import SimCamera

        return SimCamera(place, measured=measured)
    if kind == "replay" and place:
        from racer.car.camera_replay import ReplayCamera

        return ReplayCamera(place, rate_hz=config.rate_hz)
    if kind == "v4l2":
        from racer.car.camera_v4l2 import V4l2Camera

        return V4l2Camera(place or "/dev/video0", config)
    if words == "picamera2":
        from racer.car.camera_picamera2 import PiCamera

        return PiCamera(config)
    raise CameraError(f"`{words}` is no camera; give picamera2, v4l2:/dev/video0, replay:FILE or sim:SOCKET")


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
