"""A USB camera through OpenCV and V4L2. Not tested with a real camera yet, only with films through the real OpenCV."""

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
        CameraError: it cannot be opened, gives no picture, or one of another size than the calibration says.
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
        self._check_size(device, (config.height, config.width))

    def _check_size(self, device: str, size: tuple[int, int]) -> None:
        """By a picture: V4L2 may answer with the size that was asked for and give another (OpenCV issue 29254)."""
        good, picture = self._camera.read()
        if good and picture.shape[:2] == size:
            return
        self.close()
        if not good:
            raise CameraError(f"camera {device} opens but gives no picture; does another program use it?")
        (height, width), (asked_height, asked_width) = picture.shape[:2], size
        raise CameraError(
            f"camera {device} gives {width} x {height} pixels and the calibration says {asked_width} x {asked_height}; "
            "write what it gives there, or a size that it has: v4l2-ctl --list-formats-ext"
        )

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
