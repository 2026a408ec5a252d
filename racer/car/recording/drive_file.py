"""A recorded drive on disk: one file that only grows, readable up to where it ends, whatever ended it.

    magic, version | record | record | ...        record = kind, length, checksum, content

Each record has its own checksum, so that a file whose writer was killed, or whose disk was full, is good up to its last
whole record. Rows are plain little-endian numbers, header and events are JSON; nothing is pickled. Frames are JPEG, or
the packed pixels themselves where the drive shall be played through a pilot again bit for bit.

Times are CLOCK_MONOTONIC of the car in nanoseconds, as everywhere on the car. Angles in degrees
say so in their names; what sensors measured is in SI units and radians.

Where a drive is written to: a new file, or what a test puts in its place.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from racer import __version__
from racer.errors import RacerError

DRIVE_FORMAT: Final = "racer-drive"
DRIVE_VERSION: Final = 1
DRIVE_SUFFIX: Final = ".drive"
DRIVE_MAGIC: Final = b"RACERDRV"
RECORD_MAX: Final = 16 * 1024 * 1024
"""Bytes of one record; a whole frame of a large camera fits."""
PIXELS_MAX: Final = 16 * 1024 * 1024
JPEG_QUALITY: Final = 80
"""About 4 kB for a frame of 160x120."""

START_BYTES: Final = struct.Struct("<8sH6x")
HEAD_BYTES: Final = struct.Struct("<B3xII")
STEP_BYTES: Final = struct.Struct("<6Q5dHHB")
ACTUATOR_BYTES: Final = struct.Struct("<4QIIIHHBB")
MEASURED_BYTES: Final = struct.Struct("<Q5d")
FRAME_BYTES: Final = struct.Struct("<QQHHBB2x")
AT_BYTES: Final = struct.Struct("<Q")


class RecordKind(IntEnum):
    """What a record is; a reader skips kinds that it does not know."""

    HEADER = 1
    STEP = 2
    FRAME = 3
    ACTUATOR = 4
    MEASURED = 5
    EVENT = 6


class FrameEncoding(IntEnum):
    """How a frame is kept."""

    DEFLATED = 1  # the pixels themselves, packed without loss
    JPEG = 2


STEP_DTYPE = np.dtype(
    [
        ("number", "<u8"),  # counts control steps
        ("input_id", "<u8"),  # number of the frame, or of the person's heartbeat
        ("captured_ns", "<u8"),  # when that was taken
        ("started_ns", "<u8"),  # when the pilot began with it
        ("answered_ns", "<u8"),  # when the policy had answered
        ("sent_ns", "<u8"),  # when the command was sent to the actuator
        ("asked_steering_deg", "<f8"),  # by the policy or the person, left positive
        ("asked_speed", "<f8"),  # m/s
        ("applied_steering_deg", "<f8"),  # what the pulses mean
        ("applied_speed", "<f8"),  # m/s, after the speed limit; 0 while the car does not drive
        ("speed_limit", "<f8"),  # share, above 0, up to 1
        ("steering_us", "<u2"),  # pulses that were sent
        ("throttle_us", "<u2"),
        ("source", "u1"),  # a `racer.car.actuator.words.Source`
    ]
)
"""One control step of the pilot."""

ACTUATOR_DTYPE = np.dtype(
    [
        ("now_ns", "<u8"),  # when it was so
        ("seq", "<u8"),  # the newest command on the bus
        ("input_id", "<u8"),  # what that was made from
        ("written_ns", "<u8"),  # when it was first on the bus
        ("rejected", "<u4"),  # commands that were not accepted, so far
        ("retries", "<u4"),  # bus writes tried again, so far
        ("late", "<u4"),  # ticks missed, so far
        ("steering_us", "<u2"),  # on the wire; 0 is off
        ("throttle_us", "<u2"),
        ("state", "u1"),  # a `racer.car.actuator.words.State`
        ("reason", "u1"),  # a `racer.car.actuator.words.Reason`
    ]
)
"""What the actuator said it does."""

MEASURED_DTYPE = np.dtype(
    [
        ("at_ns", "<u8"),
        ("speed", "<f8"),  # m/s, forwards; from a wheel or motor sensor
        ("yaw_rate", "<f8"),  # rad/s, left positive; from a gyroscope
        ("x", "<f8"),  # m, y too: where the centre of gravity is, from a mat or another camera
        ("y", "<f8"),
        ("yaw", "<f8"),  # rad, counter-clockwise from x
    ]
)
"""What sensors measured at one time; NaN where there was none."""


class DriveError(RacerError):
    """A file that is no drive, was made by a newer version, or lacks what is asked for."""


class DriveHeader(BaseModel):
    """What was driven, by whom, and with which settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal["racer-drive"] = DRIVE_FORMAT
    racer: str = Field(default=__version__, description="version that recorded it")
    car_id: str = ""
    started: str = Field(default="", description="date and time, UTC")
    started_ns: int = Field(default=0, ge=0, description="the same moment on the clock of all rows")
    control_rate_hz: float = Field(default=15.0, gt=0.0)
    model: str = Field(default="", description="name of the policy; empty: a person drove")
    model_sha256: str = ""
    mapping: Literal["table", "deepracer"] = "table"
    bounds: tuple[float, float, float, float] | None = Field(
        default=None, description="what the gate allowed: lowest and highest degrees, lowest and highest m/s"
    )
    calibration: dict[str, JsonValue] | None = Field(default=None, description="the car's calibration, whole")
    notes: str = ""


def start_bytes(header: DriveHeader) -> bytes:
    """The first bytes of a drive."""
    return START_BYTES.pack(DRIVE_MAGIC, DRIVE_VERSION) + record_bytes(
        RecordKind.HEADER, header.model_dump_json().encode()
    )


def record_bytes(kind: RecordKind, content: bytes) -> bytes:
    """One record."""
    return HEAD_BYTES.pack(kind, len(content), zlib.crc32(content, kind)) + content


def step_bytes(row: tuple[Any, ...]) -> bytes:
    """A record of a `STEP`, its values in the order of the fields."""
    return record_bytes(RecordKind.STEP, STEP_BYTES.pack(*row))


def actuator_bytes(row: tuple[Any, ...]) -> bytes:
    """A record of an `ACTUATOR`, its values in the order of the fields."""
    return record_bytes(RecordKind.ACTUATOR, ACTUATOR_BYTES.pack(*row))


def measured_bytes(row: tuple[Any, ...]) -> bytes:
    """A record of a `MEASURED`, its values in the order of the fields."""
    return record_bytes(RecordKind.MEASURED, MEASURED_BYTES.pack(*row))


def event_bytes(row: tuple[Any, ...]) -> bytes:
    """A record of an event: its time in ns, one word, and the text."""
    at_ns, what, text = row
    return record_bytes(RecordKind.EVENT, AT_BYTES.pack(at_ns) + json.dumps({"what": what, "text": text}).encode())


def frame_bytes(number: int, captured_ns: int, pixels: NDArray[np.uint8], encoding: FrameEncoding) -> bytes:
    """A record of a frame of (H, W) or (H, W, 1) grey or (H, W, 3) RGB pixels.

    Raises:
        ValueError: pixels of another shape or type.
    """
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3))):
        raise ValueError(f"a frame is (H, W, 1) or (H, W, 3) of uint8, not {pixels.shape} of {pixels.dtype}")
    height, width = pixels.shape[:2]
    channels = 3 if pixels.shape[2:] == (3,) else 1
    packed = (
        jpeg_bytes(pixels)
        if encoding is FrameEncoding.JPEG
        else zlib.compress(np.ascontiguousarray(pixels).tobytes(), level=1)
    )
    head = FRAME_BYTES.pack(number, captured_ns, width, height, channels, encoding)
    return record_bytes(RecordKind.FRAME, head + packed)


def jpeg_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """Pixels as JPEG; (H, W), (H, W, 1) or (H, W, 3)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


class DriveStorage(Protocol):
    """Where a drive goes; every method may raise OSError."""

    path: Path

    def write(self, data: bytes) -> None:
        """All of `data` at the end, or OSError and none of it."""
        ...

    def sync(self) -> None:
        """Force to the disk what was written."""
        ...

    def free(self) -> int:
        """Bytes free on the disk."""
        ...

    def close(self) -> None:
        """No more."""
        ...


class FileStorage:
    """A new file.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._size = 0

    def write(self, data: bytes) -> None:
        """All of `data` at the end; a part that the disk still took is cut off again."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    def sync(self) -> None:
        """Force to the disk what was written."""
        os.fdatasync(self._file)

    def free(self) -> int:
        """Bytes free on the disk."""
        return shutil.disk_usage(self.path.parent).free

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def create_drive(folder: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> DriveStorage:
    """A new file in a folder, named after the time; a number follows where that name is taken.

    Raises:
        OSError: the folder cannot be written to.
    """
    name = f"drive-{now():%Y%m%d-%H%M%S}"
    for count in range(1, 1000):
        with contextlib.suppress(FileExistsError):
            return FileStorage(folder / f"{name}{f'-{count}' if count > 1 else ''}{DRIVE_SUFFIX}")
    raise FileExistsError(f"{folder} has a thousand drives of this second")


def utc_text() -> str:
    """Date and time for a drive's header."""
    return datetime.now(UTC).isoformat(timespec="seconds")
