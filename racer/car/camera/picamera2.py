"""The Raspberry Pi's own camera through picamera2 and libcamera. Not tested with a real camera yet.

picamera2 comes with the operating system and must fit its libcamera: the virtual environment has to be made with
`python3 -m venv --system-site-packages`.
"""

from __future__ import annotations

import importlib
import time
from typing import Any

import numpy as np

from racer.car.camera.source import CameraError
from racer.car.mailbox import Frame
from racer.config.sensors import CameraConfig

BUFFERS = 3
"""With fewer than two every other frame is lost (picamera2 issue 787)."""


class PiCamera:
    """Frames with the sensor's own time.

    Raises:
        CameraError: picamera2 or libcamera cannot be imported, or there is no camera.
    """

    def __init__(self, config: CameraConfig, *, make: Any = None) -> None:
        if make is None:
            try:
                make = importlib.import_module("picamera2").Picamera2
            except ImportError as error:
                raise CameraError(
                    f"picamera2 cannot be imported ({error}); install python3-picamera2 with apt, and make the "
                    "virtual environment with --system-site-packages"
                ) from None
        self._grey = config.colour == "grey"
        self._size = (config.height, config.width)
        try:
            self._camera: Any = make()
            rate = config.rate_hz or 30.0
            settings = self._camera.create_video_configuration(
                main={"size": (config.width, config.height), "format": "YUV420" if self._grey else "BGR888"},
                buffer_count=BUFFERS,
                queue=False,
                controls={"FrameRate": rate},
            )
            self._camera.configure(settings)
            self._camera.start()
        except (RuntimeError, IndexError) as error:
            raise CameraError(f"the Pi's camera cannot be opened: {error}; see: rpicam-hello --list-cameras") from None
        self._number = 0
        self._closed = False

    def read(self) -> Frame | None:
        """The next frame. The sensor's time is CLOCK_BOOTTIME; what the Pi slept is taken off."""
        if self._closed:
            return None
        request = self._camera.capture_request()
        try:
            picture = request.make_array("main")
            slept = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
            captured_ns = int(request.get_metadata()["SensorTimestamp"]) - slept
        finally:
            request.release()
        height, width = self._size
        self._number += 1
        if self._grey:
            picture = picture[:height, :width, None]  # the luma plane of YUV420
        return Frame(self._number, captured_ns, np.ascontiguousarray(picture))

    def close(self) -> None:
        """Stop the camera."""
        self._closed = True
        self._camera.stop()
        self._camera.close()
