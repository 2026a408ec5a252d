"""A look at a camera without driving: how often it delivers, and what is wrong with it."""

from __future__ import annotations

import io
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from racer.assets import write_atomically
from racer.car.camera.capture import Capture
from racer.car.camera.opening import open_camera
from racer.car.checks import WELL_FRAMES, Fault, FrameChecks
from racer.car.mailbox import Frame, Mailbox
from racer.car.timing import Percentiles, percentiles
from racer.config.sensors import CameraConfig
from racer.errors import MissingExtra


@dataclass(frozen=True, slots=True)
class Look:
    """What a camera did for a while."""

    frames: int
    rate_hz: float
    interval: Percentiles | None
    fault: Fault | None
    last: Frame | None


def look(words: str, config: CameraConfig, *, seconds: float, sleep: Callable[[float], None] = time.sleep) -> Look:
    """Watch a camera.

    Raises:
        CameraError: it cannot be opened.
    """
    box = Mailbox()
    shape = (config.height, config.width, config.channels)
    capture = Capture(open_camera(words, config), box, FrameChecks(shape), well_after=WELL_FRAMES)
    capture.start()
    times: list[int] = []
    last: Frame | None = None
    start = time.monotonic_ns()
    while time.monotonic_ns() - start < seconds * 1e9:
        sleep(0.002)
        if (frame := box.take()) is not None:
            last = frame
            times.append(frame.captured_ns)
    fault = capture.fault or (None if last else Fault("frame_late", "none came at all"))
    capture.close()
    gaps = [after - before for before, after in itertools.pairwise(times)]
    rate = 1e9 * len(gaps) / sum(gaps) if gaps else 0.0
    return Look(capture.frames, rate, percentiles(gaps), fault, last)


def save_png(frame: Frame, path: Path) -> None:
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
