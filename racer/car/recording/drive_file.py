"""What a recorded drive holds, whatever the file's format: rows, header, events and pictures, and the limits of each.

Times are CLOCK_MONOTONIC of the car in nanoseconds, as everywhere on the car. Angles in degrees
say so in their names; what sensors measured is in SI units and radians.

Where a drive is written to: a new file, or what a test puts in its place.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO, Final, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from racer import __version__
from racer.errors import RacerError

DRIVE_FORMAT: Final = "racer-drive"
DRIVE_VERSION: Final = 2
"""Of drives that are written now, MCAP files; version 1 is `legacy.py`."""
DRIVE_SUFFIX: Final = ".mcap"
PIXELS_MAX: Final = 16 * 1024 * 1024
"""Maximum size of a decoded picture [bytes]."""
KEPT_MAX: Final = 512 * 1024 * 1024
"""Maximum size of the rows, events and frame entries of one drive in memory [bytes]: about 5 hours at 60 Hz."""
JPEG_QUALITY: Final = 80
"""About 4 kB for a frame of 160x120."""


class FrameEncoding(IntEnum):
    """How a frame is kept."""

    DEFLATED = 1  # the pixels themselves, packed without loss; in drives of version 1
    JPEG = 2
    PNG = 3  # without loss


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


class Table(NamedTuple):
    """One kind of rows.

    Attributes:
        dtype: what numpy reads, little-endian.
        packed: the same as a struct, which refuses values out of range.
        time: name of the field that orders the rows [ns].
    """

    dtype: np.dtype[np.void]
    packed: struct.Struct
    time: str


TABLES: Final = {
    "step": Table(STEP_DTYPE, struct.Struct("<6Q5dHHB"), "sent_ns"),
    "actuator": Table(ACTUATOR_DTYPE, struct.Struct("<4QIIIHHBB"), "now_ns"),
    "measured": Table(MEASURED_DTYPE, struct.Struct("<Q5d"), "at_ns"),
}


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


@dataclass(frozen=True, slots=True)
class DriveEvent:
    """Something that happened once.

    Attributes:
        what: one word: `state`, `arm`, `stop`, `model`, `recorder`, `note`, `end` ...
        text: in plain words.
    """

    at_ns: int
    what: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class FrameEntry:
    """Where a frame lies in its file, and what it is.

    Attributes:
        channels: 1 (grey) or 3 (RGB).
        offset: of the record that holds it [bytes].
        size: of the encoded picture [bytes].
        index: position among the messages of that record, where it holds several.
    """

    number: int
    captured_ns: int
    width: int
    height: int
    channels: int
    encoding: FrameEncoding
    offset: int
    size: int
    index: int = 0


class DriveDamage(Exception):
    """Ends the reading of a file at its last good record; the message says what follows it."""


@dataclass(slots=True)
class DriveContent:
    """What a reader of one file format returns.

    Attributes:
        read_picture: returns the encoded picture of an entry from the open file.
        rows: packed rows by the name of their table.
        damage: how the file ends, where it does not end as a closed drive; empty: it does.
    """

    read_picture: Callable[[BinaryIO, FrameEntry], bytes]
    header: DriveHeader | None = None
    rows: dict[str, bytearray] = field(default_factory=lambda: {name: bytearray() for name in TABLES})
    events: list[DriveEvent] = field(default_factory=list)
    frames: list[FrameEntry] = field(default_factory=list)
    damage: str = ""
    kept: int = 0

    def add_row(self, table: str, packed: bytes) -> None:
        """Keep one packed row."""
        self._reserve(len(packed))
        self.rows[table] += packed

    def add_event(self, event: DriveEvent) -> None:
        """Keep an event."""
        self._reserve(256 + len(event.what) + len(event.text))
        self.events.append(event)

    def add_frame(self, entry: FrameEntry) -> None:
        """Keep an entry; skip a picture that is impossible or larger than `PIXELS_MAX`."""
        pixels = entry.width * entry.height * entry.channels
        times = 0 <= entry.number < 2**64 and 0 <= entry.captured_ns < 2**64
        if times and min(entry.width, entry.height) > 0 and entry.channels in (1, 3) and pixels <= PIXELS_MAX:
            self._reserve(256)
            self.frames.append(entry)

    def _reserve(self, size: int) -> None:
        # Counted before anything is kept: a small compressed file can hold very many rows.
        self.kept += size
        if self.kept > KEPT_MAX:
            raise DriveDamage(f"holds more than {KEPT_MAX >> 20} MiB of rows and events; the rest is not read")


def parse_header(data: bytes | dict[str, JsonValue], path: Path) -> DriveHeader:
    """Check a drive's header, JSON text or what was read from it.

    Raises:
        DriveError: a field is missing or wrong.
    """
    try:
        if isinstance(data, bytes):
            return DriveHeader.model_validate_json(data)
        return DriveHeader.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise DriveError(f"{path}: its header cannot be used: {where}: {first['msg']}") from None


def picture_bytes(pixels: NDArray[np.uint8], encoding: FrameEncoding) -> bytes:
    """Encode a frame of (H, W) or (H, W, 1) grey or (H, W, 3) RGB pixels as JPEG or PNG.

    Raises:
        ValueError: pixels of another shape or type.
    """
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3))):
        raise ValueError(f"a frame is (H, W, 1) or (H, W, 3) of uint8, not {pixels.shape} of {pixels.dtype}")
    if encoding is FrameEncoding.JPEG:
        return jpeg_bytes(pixels)
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


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
