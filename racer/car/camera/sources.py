"""Camera drivers behind one protocol, `CameraSource`, and `open_camera`, which selects one by name.

| name             | camera |
|------------------|--------|
| picamera2        | Raspberry Pi camera through picamera2 and libcamera; not tested with a real camera yet |
| v4l2:/dev/video0 | USB camera through OpenCV and V4L2; tested with video files through the real OpenCV only |
| replay:FILE      | recorded frames, played once at their recorded rate |
| sim:SOCKET       | the simulator in place of the car |

picamera2 comes with the operating system and must match its libcamera, so the virtual environment needs
`python3 -m venv --system-site-packages`.

A replay file is an .npz file with `frames`, uint8, shape (K, H, W, channels), and optionally `captured_ns` [ns],
shape (K,).

The simulator sends frames over a Unix stream socket, each message behind a header. The simulated wheel sensor and
gyroscope use the same socket, in separate messages between the frames.
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
    """Raised for a camera that cannot be opened, or whose name is unknown."""


class CameraSource(Protocol):
    """A camera that is running."""

    def read(self) -> CameraFrame | None:
        """Wait for the next frame and return it; None if the camera has ended for good.

        Raises:
            OSError: The camera failed.
        """

    def close(self) -> None:
        """Stop the camera; a `read` that waits in another thread returns."""


MeasurementCallback = Callable[[int, float, float], None]
"""Receives a measurement: monotonic time [ns], speed [m/s] and yaw rate [rad/s]."""


PICAMERA_BUFFERS = 3
"""Number of frame buffers; with fewer than two every other frame is lost (picamera2 issue 787)."""


class PiCamera:
    """Raspberry Pi camera; frames carry the capture time of the sensor.

    Raises:
        CameraError: picamera2 or libcamera cannot be imported, or no camera is connected.
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
        # picamera2 names formats by the order of bytes in a word: "BGR888" is an array of red, green, blue.
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
        """Return the next frame.

        The sensor's time is CLOCK_BOOTTIME, which continues during suspend; the suspended time is subtracted to get
        CLOCK_MONOTONIC, the clock of every deadline.
        """
        if self._closed:
            return None
        # A request holds one of the camera's few buffers until it is released.
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
    """USB camera. One buffer only, so that no old frame waits in the driver; BGR becomes RGB or grey.

    Raises:
        CameraError: The camera cannot be opened, delivers no picture, or another size than the calibration states.
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
            raise CameraError(f"camera {device} cannot be opened; list the cameras with: ls /dev/video*")
        self._camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # each further buffer adds a frame period to the latency
        # OpenCV ignores a value that the camera does not support; `_check_size` compares the real picture.
        self._camera.set(cv2.CAP_PROP_FRAME_WIDTH, config.width)
        self._camera.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height)
        if config.rate_hz is not None:
            self._camera.set(cv2.CAP_PROP_FPS, config.rate_hz)
        self._number = 0
        self._closed = False
        self._check_size(device, (config.height, config.width))

    def _check_size(self, device: str, size: tuple[int, int]) -> None:
        """Check the size of a real picture: V4L2 may confirm a size and deliver another one (OpenCV issue 29254)."""
        good, picture = self._camera.read()
        if good and picture.shape[:2] == size:
            return
        self.close()
        if not good:
            raise CameraError(f"camera {device} opens but gives no picture; does another program use it?")
        (height, width), (wanted_height, wanted_width) = picture.shape[:2], size
        raise CameraError(
            f"camera {device} gives {width} x {height} pixels, not the {wanted_width} x {wanted_height} of the "
            "calibration; enter this size there, or one that the camera supports: v4l2-ctl --list-formats-ext"
        )

    def read(self) -> CameraFrame | None:
        """Return the next frame.

        Its time is that of its arrival, because OpenCV drops the time of V4L2. Exposure and transfer (10 to 40 ms) are
        therefore missing from its age.

        Raises:
            OSError: The camera delivers no more frames.
        """
        good, picture = self._camera.read()  # waits for the next frame
        now = time.monotonic_ns()
        if self._closed:
            return None
        if not good:
            raise OSError("no frame arrived")
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
    """Plays recorded frames at their recorded pace with current times; ends after the last one.

    Raises:
        CameraError: The file does not exist or holds no frames.
    """

    def __init__(self, path: str | Path, *, rate_hz: float | None = None) -> None:
        try:
            with np.load(path, allow_pickle=False) as arrays:
                frames = arrays["frames"]
                times = arrays["captured_ns"].astype(np.int64) if "captured_ns" in arrays else None
        except (OSError, ValueError, KeyError) as error:
            raise CameraError(f"{path} holds no recorded frames: {error}") from None
        if frames.ndim != 4 or frames.dtype != np.uint8 or not len(frames):
            raise CameraError(f"{path}: `frames` is {frames.dtype} {frames.shape}, not uint8 (K, H, W, channels)")
        self._frames: NDArray[np.uint8] = frames
        # Times of a recording belong to another clock: only their differences are used, from now on.
        step = 1e9 / (rate_hz or REPLAY_RATE_HZ)
        self._offsets = times - times[0] if times is not None else (np.arange(len(frames)) * step).astype(np.int64)
        self._start_ns = time.monotonic_ns()
        self._at = 0
        self._closed = threading.Event()

    def read(self) -> CameraFrame | None:
        """Wait until the next frame is due and return it."""
        if self._at >= len(self._frames):
            return None
        due = self._start_ns + int(self._offsets[self._at])
        # An event instead of a sleep, so that `close` ends the wait.
        if self._closed.wait(max(0, due - time.monotonic_ns()) / 1e9):
            return None
        frame = CameraFrame(self._at, due, self._frames[self._at])
        self._at += 1
        return frame

    def close(self) -> None:
        """Stop the replay."""
        self._closed.set()


FRAME_HEADER: Final = struct.Struct("<4sHHHHQQ")
"""Magic, height, width, channels, padding, number, monotonic capture time [ns]; the pixels follow."""
FRAME_MAGIC: Final = b"RCF1"
MEASUREMENT_HEADER: Final = struct.Struct("<4sQdd")
"""Magic, monotonic time [ns], speed [m/s], yaw rate [rad/s].

It has the length of a frame's header, so that a receiver can read one header before it inspects the magic."""
MEASUREMENT_MAGIC: Final = b"RCM1"
assert MEASUREMENT_HEADER.size == FRAME_HEADER.size


def pack_frame(frame: CameraFrame) -> bytes:
    """Return a frame as bytes: header and pixels."""
    height, width, channels = frame.pixels.shape
    return (
        FRAME_HEADER.pack(FRAME_MAGIC, height, width, channels, 0, frame.number, frame.captured_ns)
        + frame.pixels.tobytes()
    )


def pack_measurement(at_ns: int, speed: float, yaw_rate: float) -> bytes:
    """Return a measurement as bytes: speed [m/s] and yaw rate [rad/s] at a monotonic time [ns]."""
    return MEASUREMENT_HEADER.pack(MEASUREMENT_MAGIC, at_ns, speed, yaw_rate)


class SocketCamera:
    """Camera of the simulator: receives frames and measurements from a Unix socket.

    Args:
        measured: Receives the measurements of the other simulated sensors.

    Raises:
        CameraError: No simulator listens at this path.
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
        """Return the next frame; None if the simulator closed the connection.

        Raises:
            OSError: The received bytes are not a frame.
        """
        while (head := self._exactly(FRAME_HEADER.size)) is not None and head[:4] == MEASUREMENT_MAGIC:
            if self._measured is not None:
                self._measured(*MEASUREMENT_HEADER.unpack(head)[1:])
        if head is None:
            return None
        magic, height, width, channels, _, number, captured_ns = FRAME_HEADER.unpack(head)
        if magic != FRAME_MAGIC:
            raise OSError("received bytes that are not a frame of the simulator")
        data = self._exactly(height * width * channels)
        if data is None:
            return None
        return CameraFrame(number, captured_ns, np.frombuffer(data, np.uint8).reshape(height, width, channels))

    def close(self) -> None:
        """Close the connection."""
        # Closing a socket does not wake a thread that waits in `recv`; the shutdown does.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _exactly(self, count: int) -> bytearray | None:
        """Receive this many bytes; None if the connection is closed before."""
        data = bytearray(count)
        view, at = memoryview(data), 0
        while at < count:
            received = self._socket.recv_into(view[at:])
            if not received:
                return None
            at += received
        return data


def open_camera(name: str, config: CameraConfig, *, measured: MeasurementCallback | None = None) -> CameraSource:
    """Open a camera by its name, with the size, colour and rate of the calibration.

    Args:
        name: Name of the camera as in the module's table, for example `v4l2:/dev/video0`.
        config: Camera of the calibration.
        measured: Receives the measurements of the simulator's other sensors; real cameras have none.

    Raises:
        CameraError: The name is unknown, or the camera cannot be opened.
        MissingExtra: A package that the camera needs is not installed.
    """
    kind, _, place = name.partition(":")
    if kind == "sim" and place:
        return SocketCamera(place, measured=measured)
    if kind == "replay" and place:
        return ReplayCamera(place, rate_hz=config.rate_hz)
    if kind == "v4l2":
        return V4l2Camera(place or "/dev/video0", config)
    if name == "picamera2":
        return PiCamera(config)
    raise CameraError(f"unknown camera `{name}`; use picamera2, v4l2:/dev/video0, replay:FILE or sim:SOCKET")
