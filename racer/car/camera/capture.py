"""The thread between a camera and the mailbox.

A look at a camera without driving: how often it delivers, and what is wrong with it.
"""

from __future__ import annotations

import io
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from racer.assets import write_atomically
from racer.car.camera.sources import CameraSource, open_camera
from racer.car.faults import RECOVERY_FRAMES, DrivingFault, FrameChecks
from racer.car.mailbox import CameraFrame, Mailbox
from racer.car.timing import Percentiles, percentiles
from racer.config.env import CameraConfig
from racer.errors import MissingExtra


class CameraCapture:
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
        show: Callable[[CameraFrame], None] | None = None,
    ) -> None:
        self.fault: DrivingFault | None = None
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
                self.fault = DrivingFault("camera_failed", f"{type(error).__name__} {error}".strip())

    def step(self) -> bool:
        """Take one frame; False where the camera has ended."""
        frame = self._source.read()
        if frame is None:
            if not self._closing:
                self.fault = DrivingFault("camera_ended")
            return False
        self.frames += 1
        if self._show is not None:
            self._show(frame)
        fault = self._checks.check(frame, self._clock())
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


@dataclass(frozen=True, slots=True)
class CameraReport:
    """What a camera did for a while."""

    frames: int
    rate_hz: float
    interval: Percentiles | None
    fault: DrivingFault | None
    last: CameraFrame | None


def watch_camera(
    words: str, config: CameraConfig, *, seconds: float, sleep: Callable[[float], None] = time.sleep
) -> CameraReport:
    """Watch a camera.

    Raises:
        CameraError: it cannot be opened.
    """
    box = Mailbox()
    shape = (config.height, config.width, config.channels)
    capture = CameraCapture(open_camera(words, config), box, FrameChecks(shape), well_after=RECOVERY_FRAMES)
    capture.start()
    times: list[int] = []
    last: CameraFrame | None = None
    start = time.monotonic_ns()
    while time.monotonic_ns() - start < seconds * 1e9:
        sleep(0.002)
        if (frame := box.take()) is not None:
            last = frame
            times.append(frame.captured_ns)
    fault = capture.fault or (None if last else DrivingFault("frame_late", "none came at all"))
    capture.close()
    gaps = [after - before for before, after in itertools.pairwise(times)]
    rate = 1e9 * len(gaps) / sum(gaps) if gaps else 0.0
    return CameraReport(capture.frames, rate, percentiles(gaps), fault, last)


def save_png(frame: CameraFrame, path: Path) -> None:
    """Write a frame as a picture.

    Raises:
        MissingExtra: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("Writing a picture", "car") from None
    pixels = frame.pixels[..., 0] if frame.pixels.shape[2] == 1 else frame.pixels
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    write_atomically(path, buffer.getvalue())
