"""A USB camera through OpenCV and V4L2. Not tested with a real camera yet."""

from __future__ import annotations

import importlib
import time
from typing import Any

from racer.car.camera.source import CameraError
from racer.car.mailbox import Frame
from racer.config.sensors import CameraConfig
from racer.errors import MissingExtra


class V4l2Camera:
    """One buffer only, so that no old frame waits in the driver; BGR becomes RGB, or grey.

    Raises:
        CameraError: it cannot be opened, or gives another size than the calibration says.
        MissingExtra: OpenCV is not installed.
    """

    def __init__(self, device: str, config: CameraConfig, *, cv2: Any = None) -> None:
        if cv2 is None:
            try:
                cv2 = importlib.import_module("cv2")
            except ImportError:
                raise MissingExtra("A USB camera", "usb-camera") from None
        self._cv2: Any = cv2
        self._grey = config.colour == "grey"
        self._camera: Any = cv2.VideoCapture(device, cv2.CAP_V4L2)
        if not self._camera.isOpened():
            raise CameraError(f"camera {device} cannot be opened; see which there are with: ls /dev/video*")
        self._camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        self._camera.set(cv2.CAP_PROP_FRAME_WIDTH, config.width)
        self._camera.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height)
        if config.rate_hz is not None:
            self._camera.set(cv2.CAP_PROP_FPS, config.rate_hz)
        self._number = 0
        self._closed = False

    def read(self) -> Frame | None:
        """The next frame. Its time is that of its arrival: V4L2's own is lost in OpenCV, so exposure and transfer
        (10 to 40 ms) are not in it.

        Raises:
            OSError: the camera gives no more frames.
        """
        good, picture = self._camera.read()
        now = time.monotonic_ns()
        if self._closed:
            return None
        if not good:
            raise OSError("no frame came")
        cv2 = self._cv2
        self._number += 1
        if picture.ndim == 3:
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY if self._grey else cv2.COLOR_BGR2RGB)
        return Frame(self._number, now, picture[..., None] if picture.ndim == 2 else picture)

    def close(self) -> None:
        """Stop the camera."""
        self._closed = True
        self._camera.release()
