"""What every camera is: the seam that it fills, and the error of one that cannot be opened.

The Raspberry Pi's own camera through picamera2 and libcamera. Not tested with a real camera yet.

picamera2 comes with the operating system and must fit its libcamera: the virtual environment has to be made with
`python3 -m venv --system-site-packages`.

A USB camera through OpenCV and V4L2. Not tested with a real camera yet, only with films through the real OpenCV.

Recorded frames as a camera: an .npz file with `frames` (K, H, W, channels) uint8, and perhaps `captured_ns` (K,).

Frames of the simulator that stands in for the car, over a Unix socket with whole messages kept apart by a header.

What a wheel sensor and a gyroscope would measure comes over the same cable, in messages of its own between the frames.

Which camera to open, in words.

picamera2                     camera of the Raspberry Pi
v4l2:/dev/video0              USB camera, through OpenCV
replay:FILE                   frames of an .npz file at their own rate, once
sim:SOCKET                    the simulator that stands in for the car
"""

from __future__ import annotations

import contextlib
import importlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from racer.car.mailbox import CameraFrame
from racer.config.env import CameraConfig
from racer.errors import MissingExtra, RacerError


class CameraError(RacerError):
    """A camera that cannot be opened, or was named wrongly."""


class CameraSource(Protocol):
    """A camera that is running."""

    def read(self) -> CameraFrame | None:
        """Wait for the next frame and return it; None where the camera has ended for good.

        Raises:
            OSError: it failed.
        """
        ...

    def close(self) -> None:
        """Stop the camera; a `read` that waits in another thread comes back."""
        ...


MeasurementCallback = Callable[[int, float, float], None]
"""Takes what sensors measured at a time (monotonic ns): m/s and rad/s."""


PICAMERA_BUFFERS = 3
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
                buffer_count=PICAMERA_BUFFERS,
                queue=False,
                controls={"FrameRate": rate},
            )
            self._camera.configure(settings)
            self._camera.start()
        except (RuntimeError, IndexError) as error:
            raise CameraError(f"the Pi's camera cannot be opened: {error}; see: rpicam-hello --list-cameras") from None
        self._number = 0
        self._closed = False

    def read(self) -> CameraFrame | None:
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
        return CameraFrame(self._number, captured_ns, np.ascontiguousarray(picture))

    def close(self) -> None:
        """Stop the camera."""
        self._closed = True
        self._camera.stop()
        self._camera.close()


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

    def read(self) -> CameraFrame | None:
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
        return CameraFrame(self._number, now, picture[..., None] if picture.ndim == 2 else picture)

    def close(self) -> None:
        """Stop the camera."""
        self._closed = True
        self._camera.release()


REPLAY_RATE_HZ: Final = 30.0


class ReplayCamera:
    """Gives recorded frames at the pace at which they were taken, with times of now; ends after the last.

    Raises:
        CameraError: no such file, or one without frames.
    """

    def __init__(self, path: str | Path, *, rate_hz: float | None = None) -> None:
        try:
            with np.load(path, allow_pickle=False) as found:
                frames = found["frames"]
                times = found["captured_ns"].astype(np.int64) if "captured_ns" in found else None
        except (OSError, ValueError, KeyError) as error:
            raise CameraError(f"{path} holds no recorded frames: {error}") from None
        if frames.ndim != 4 or frames.dtype != np.uint8 or not len(frames):
            raise CameraError(f"{path}: `frames` is {frames.dtype} {frames.shape}, not uint8 (K, H, W, channels)")
        self._frames: NDArray[np.uint8] = frames
        step = 1e9 / (rate_hz or REPLAY_RATE_HZ)
        self._offsets = times - times[0] if times is not None else (np.arange(len(frames)) * step).astype(np.int64)
        self._start_ns = time.monotonic_ns()
        self._at = 0
        self._closed = threading.Event()

    def read(self) -> CameraFrame | None:
        """The next frame, when it is due."""
        if self._at >= len(self._frames):
            return None
        due = self._start_ns + int(self._offsets[self._at])
        if self._closed.wait(max(0, due - time.monotonic_ns()) / 1e9):
            return None
        frame = CameraFrame(self._at, due, self._frames[self._at])
        self._at += 1
        return frame

    def close(self) -> None:
        """End."""
        self._closed.set()


FRAME_HEADER: Final = struct.Struct("<4sHHHHQQ")
"""Magic, height, width, channels, nothing, number, capture time in monotonic nanoseconds; then the pixels."""
FRAME_MAGIC: Final = b"RCF1"
MEASUREMENT_HEADER: Final = struct.Struct("<4sQdd")
"""Magic, monotonic nanoseconds, m/s and rad/s; as long as a frame's header."""
MEASUREMENT_MAGIC: Final = b"RCM1"
assert MEASUREMENT_HEADER.size == FRAME_HEADER.size


def pack_frame(frame: CameraFrame) -> bytes:
    """Header and pixels."""
    height, width, channels = frame.pixels.shape
    return (
        FRAME_HEADER.pack(FRAME_MAGIC, height, width, channels, 0, frame.number, frame.captured_ns)
        + frame.pixels.tobytes()
    )


def pack_measurement(at_ns: int, speed: float, yaw_rate: float) -> bytes:
    """What was measured, m/s and rad/s."""
    return MEASUREMENT_HEADER.pack(MEASUREMENT_MAGIC, at_ns, speed, yaw_rate)


class SocketCamera:
    """The receiving end.

    Args:
        measured: gets what the other sensors say.

    Raises:
        CameraError: nobody serves this path.
    """

    def __init__(self, path: str, *, measured: MeasurementCallback | None = None) -> None:
        self._measured = measured
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise CameraError(f"no simulator at {path}: {error.strerror}") from None

    def read(self) -> CameraFrame | None:
        """The next frame; None where the simulator hung up.

        Raises:
            OSError: what came is no frame.
        """
        while (head := self._exactly(FRAME_HEADER.size)) is not None and head[:4] == MEASUREMENT_MAGIC:
            if self._measured is not None:
                self._measured(*MEASUREMENT_HEADER.unpack(head)[1:])
        if head is None:
            return None
        magic, height, width, channels, _, number, captured_ns = FRAME_HEADER.unpack(head)
        if magic != FRAME_MAGIC:
            raise OSError("this is no frame of a simulator")
        data = self._exactly(height * width * channels)
        if data is None:
            return None
        return CameraFrame(number, captured_ns, np.frombuffer(data, np.uint8).reshape(height, width, channels))

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _exactly(self, count: int) -> bytearray | None:
        data = bytearray(count)
        view, at = memoryview(data), 0
        while at < count:
            got = self._socket.recv_into(view[at:])
            if not got:
                return None
            at += got
        return data


def open_camera(words: str, config: CameraConfig, *, measured: MeasurementCallback | None = None) -> CameraSource:
    """Open the camera that `words` name, with the size, the colour and the rate of the calibration.

    Args:
        measured: gets what the simulator's other sensors say; real cameras have none.

    Raises:
        CameraError: no such kind, or it cannot be opened.
        MissingExtra: what it needs is not installed.
    """
    kind, _, place = words.partition(":")
    if kind == "sim" and place:
        return SocketCamera(place, measured=measured)
    if kind == "replay" and place:
        return ReplayCamera(place, rate_hz=config.rate_hz)
    if kind == "v4l2":
        return V4l2Camera(place or "/dev/video0", config)
    if words == "picamera2":
        return PiCamera(config)
    raise CameraError(f"`{words}` is no camera; give picamera2, v4l2:/dev/video0, replay:FILE or sim:SOCKET")
