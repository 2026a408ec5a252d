"""Moves frames from a camera to the mailbox in a thread, and tests a camera without driving.

CameraSource.read -> FrameChecks -> Mailbox (newest frame only) -> pilot
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
    """Thread that waits for frames, checks each, and puts the good ones into the mailbox.

    Args:
        source: Camera that is running.
        mailbox: Receives the good frames.
        checks: Checks of a frame.
        clock: Monotonic time [ns].
        recovery_frames: Number of good frames in a row after which a fault is over.
        show: Receives every frame, with or without a fault, to show it to a person.

    Attributes:
        fault: Fault of the camera; None if there is none.
        frames: Number of frames that arrived.
        last_ns: Capture time of the newest good frame [ns]; 0 before the first.
    """

    def __init__(
        self,
        source: CameraSource,
        mailbox: Mailbox,
        checks: FrameChecks,
        *,
        clock: Callable[[], int] = time.monotonic_ns,
        recovery_frames: int = RECOVERY_FRAMES,
        show: Callable[[CameraFrame], None] | None = None,
    ) -> None:
        self.fault: DrivingFault | None = None
        self.frames = 0
        self.last_ns = 0
        self._source = source
        self._mailbox = mailbox
        self._checks = checks
        self._clock = clock
        self._recovery_frames = recovery_frames
        self._show = show
        self._good_in_a_row = 0
        self._closing = False
        self._thread = threading.Thread(target=self.run, name="capture", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def run(self) -> None:
        """Move frames until the camera ends, fails, or is closed."""
        try:
            while self.step():
                pass
        except Exception as error:  # a camera's library may raise any error; the car stops and reports it
            if not self._closing:
                self.fault = DrivingFault("camera_failed", f"{type(error).__name__} {error}".strip())

    def step(self) -> bool:
        """Wait for one frame, check it and put it into the mailbox; return False if the camera has ended."""
        frame = self._source.read()
        if frame is None:
            if not self._closing:
                self.fault = DrivingFault("camera_ended")
            return False
        self.frames += 1
        # Shown before it is checked, so that a person can look at a picture with a fault.
        if self._show is not None:
            self._show(frame)
        fault = self._checks.check(frame, self._clock())
        if fault is not None:
            self.fault, self._good_in_a_row = fault, 0
            return True
        # Good frames reach the mailbox at once, but a fault lasts for some more: the car must not be armed between two
        # faults of a camera with a loose cable.
        self._good_in_a_row += 1
        if self._good_in_a_row >= self._recovery_frames:
            self.fault = None
        self.last_ns = frame.captured_ns
        self._mailbox.put(frame)
        return True

    def close(self) -> None:
        """Stop the camera and the thread."""
        self._closing = True
        self._source.close()  # ends a `read` that waits
        if self._thread.ident is not None:
            self._thread.join(1.0)


@dataclass(frozen=True, slots=True)
class CameraReport:
    """Result of a camera test.

    Attributes:
        frames: Number of frames that arrived.
        rate_hz: Mean rate of the good frames [Hz].
        interval: Times between good frames [ms]; None with fewer than two.
        fault: Last fault; None if there is none.
        last: Last good frame; None if there is none.
    """

    frames: int
    rate_hz: float
    interval: Percentiles | None
    fault: DrivingFault | None
    last: CameraFrame | None


def watch_camera(name: str, config: CameraConfig, *, seconds: float) -> CameraReport:
    """Run a camera without driving and report its rate and its faults.

    Args:
        name: Camera, as in `racer.car.camera.sources`.
        config: Camera of the calibration.
        seconds: Duration [s].

    Raises:
        CameraError: The camera cannot be opened.
    """
    box = Mailbox()
    shape = (config.height, config.width, config.channels)
    capture = CameraCapture(open_camera(name, config), box, FrameChecks(shape))
    capture.start()
    times: list[int] = []
    last: CameraFrame | None = None
    start = time.monotonic_ns()
    while time.monotonic_ns() - start < seconds * 1e9:
        time.sleep(0.002)
        if (frame := box.take()) is not None:
            last = frame
            times.append(frame.captured_ns)
    fault = capture.fault or (None if last else DrivingFault("frame_late", "none arrived at all"))
    capture.close()
    # The rate comes from the capture times, so that the start of the camera does not count.
    gaps = [after - before for before, after in itertools.pairwise(times)]
    rate = 1e9 * len(gaps) / sum(gaps) if gaps else 0.0
    return CameraReport(capture.frames, rate, percentiles(gaps), fault, last)


def save_png(frame: CameraFrame, path: Path) -> None:
    """Write a frame as a PNG picture.

    Args:
        frame: Frame with one or three channels.
        path: File to write.

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
