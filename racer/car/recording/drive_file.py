"""Defines what a recorded drive holds in any file format: rows, header, events and pictures, and the limits of each.

Times are CLOCK_MONOTONIC of the car [ns], as everywhere on the car. Angles in degrees have `_deg` in their names;
measurements of sensors are in SI units and radians.

`FileStorage` writes a drive to a new file.
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
"""Version of the drives that are written now, MCAP files; `legacy.py` reads version 1."""
DRIVE_SUFFIX: Final = ".mcap"
PIXELS_MAX: Final = 16 * 1024 * 1024
"""Maximum size of a decoded picture [bytes]."""
KEPT_MAX: Final = 512 * 1024 * 1024
"""Maximum size of the rows, events and frame entries of one drive in memory [bytes]: about 5 hours at 60 Hz."""
JPEG_QUALITY: Final = 80
"""Quality of JPEG frames, 0 to 100: a frame of 160x120 takes about 4 kB."""


class FrameEncoding(IntEnum):
    """Encoding of the pixels of a frame."""

    DEFLATED = 1  # raw pixels, packed without loss; only in drives of version 1
    JPEG = 2
    PNG = 3  # without loss


STEP_DTYPE = np.dtype(
    [
        ("number", "<u8"),  # counts control steps
        ("input_id", "<u8"),  # number of the frame, or of the operator's heartbeat
        ("captured_ns", "<u8"),  # time of that frame or heartbeat
        ("started_ns", "<u8"),  # time at which the pilot began to process it
        ("answered_ns", "<u8"),  # time of the policy's answer
        ("sent_ns", "<u8"),  # time at which the command was sent to the actuator
        ("asked_steering_deg", "<f8"),  # action of the policy or the operator, left positive
        ("asked_speed", "<f8"),  # [m/s]
        ("applied_steering_deg", "<f8"),  # action that the pulses stand for
        ("applied_speed", "<f8"),  # [m/s], after the speed limit; 0 while the car does not drive
        ("speed_limit", "<f8"),  # fraction of the top speed, above 0, up to 1
        ("steering_us", "<u2"),  # pulses that were sent
        ("throttle_us", "<u2"),
        ("source", "u1"),  # a `racer.car.actuator.states.CommandSource`
    ]
)
"""One control step of the pilot."""

ACTUATOR_DTYPE = np.dtype(
    [
        ("now_ns", "<u8"),  # time of the status
        ("seq", "<u8"),  # number of the newest command on the bus
        ("input_id", "<u8"),  # input from which that command was made
        ("written_ns", "<u8"),  # time at which it was first on the bus
        ("rejected", "<u4"),  # rejected commands so far
        ("retries", "<u4"),  # repeated bus writes so far
        ("late", "<u4"),  # missed ticks so far
        ("steering_us", "<u2"),  # pulses on the wire; 0 is off
        ("throttle_us", "<u2"),
        ("state", "u1"),  # a `racer.car.actuator.states.ActuatorState`
        ("reason", "u1"),  # a `racer.car.actuator.states.StopReason`
    ]
)
"""One status of the actuator."""

MEASURED_DTYPE = np.dtype(
    [
        ("at_ns", "<u8"),
        ("speed", "<f8"),  # forward speed of a wheel or motor sensor [m/s]
        ("yaw_rate", "<f8"),  # yaw rate of a gyroscope, left positive [rad/s]
        ("x", "<f8"),  # position of the centre of gravity, from a mat or another camera [m]
        ("y", "<f8"),
        ("yaw", "<f8"),  # heading, counter-clockwise from x [rad]
    ]
)
"""Measurements of sensors at one time; NaN where a sensor is missing."""


class Table(NamedTuple):
    """Layout of one kind of rows.

    Attributes:
        dtype: Layout for numpy, little-endian.
        packed: The same layout as a struct, which refuses values out of range.
        time: Name of the field that orders the rows [ns].
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
    """The file is not a drive, was made by a newer version, or lacks what is requested."""


class DriveHeader(BaseModel):
    """Car, policy and settings of a drive."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal["racer-drive"] = DRIVE_FORMAT
    racer: str = Field(default=__version__, description="version of racer that recorded the drive")
    car_id: str = ""
    started: str = Field(default="", description="date and time, UTC")
    started_ns: int = Field(default=0, ge=0, description="the same moment on the clock of all rows [ns]")
    control_rate_hz: float = Field(default=15.0, gt=0.0)
    model: str = Field(default="", description="name of the policy; empty where a person drove")
    model_sha256: str = ""
    mapping: Literal["table", "deepracer"] = "table"
    bounds: tuple[float, float, float, float] | None = Field(
        default=None,
        description="bounds of the gate: lowest and highest angle [degrees], lowest and highest speed [m/s]",
    )
    calibration: dict[str, JsonValue] | None = Field(default=None, description="the car's whole calibration")
    notes: str = ""


@dataclass(frozen=True, slots=True)
class DriveEvent:
    """An event of a drive.

    Attributes:
        at_ns: Time of the event [ns].
        what: Kind in one word: `state`, `arm`, `stop`, `model`, `recorder`, `note`, `end` ...
        text: Description for a person.
    """

    at_ns: int
    what: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class FrameEntry:
    """Position of a frame in its file, and its properties.

    Attributes:
        channels: 1 (grey) or 3 (RGB).
        offset: Offset of the record that holds the frame [bytes].
        size: Size of the encoded picture [bytes].
        index: Position among the messages of that record, where it holds several.
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
    """Ends the reading of a file at its last good record; the message describes the rest."""


@dataclass(slots=True)
class DriveContent:
    """Content of a drive as a reader of one file format returns it.

    Attributes:
        read_picture: Returns the encoded picture of an entry from the open file.
        rows: Packed rows by the name of their table.
        damage: How the file ends, where it does not end as a closed drive does; else empty.
        kept: Memory of all rows, events and entries [bytes].
    """

    read_picture: Callable[[BinaryIO, FrameEntry], bytes]
    header: DriveHeader | None = None
    rows: dict[str, bytearray] = field(default_factory=lambda: {name: bytearray() for name in TABLES})
    events: list[DriveEvent] = field(default_factory=list)
    frames: list[FrameEntry] = field(default_factory=list)
    damage: str = ""
    kept: int = 0

    def add_row(self, table: str, packed: bytes) -> None:
        """Add one packed row."""
        self._reserve(len(packed))
        self.rows[table] += packed

    def add_event(self, event: DriveEvent) -> None:
        """Add an event."""
        self._reserve(256 + len(event.what) + len(event.text))
        self.events.append(event)

    def add_frame(self, entry: FrameEntry) -> None:
        """Add an entry; skip a picture that is impossible or larger than `PIXELS_MAX`."""
        pixels = entry.width * entry.height * entry.channels
        times = 0 <= entry.number < 2**64 and 0 <= entry.captured_ns < 2**64
        if times and min(entry.width, entry.height) > 0 and entry.channels in (1, 3) and pixels <= PIXELS_MAX:
            self._reserve(256)
            self.frames.append(entry)

    def _reserve(self, size: int) -> None:
        # The size is counted before anything is added: a small compressed file can hold very many rows.
        self.kept += size
        if self.kept > KEPT_MAX:
            raise DriveDamage(f"holds more than {KEPT_MAX >> 20} MiB of rows and events; the rest is not read")


def parse_header(data: bytes | dict[str, JsonValue], path: Path) -> DriveHeader:
    """Check a drive's header.

    Args:
        data: JSON text, or the object that was read from it.
        path: File of the drive, for messages.

    Raises:
        DriveError: A field is missing or wrong.
    """
    try:
        if isinstance(data, bytes):
            return DriveHeader.model_validate_json(data)
        return DriveHeader.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        field_path = ".".join(map(str, first["loc"])) or "the whole"
        raise DriveError(f"{path}: its header cannot be used: {field_path}: {first['msg']}") from None


def picture_bytes(pixels: NDArray[np.uint8], encoding: FrameEncoding = FrameEncoding.JPEG) -> bytes:
    """Encode a frame as JPEG or PNG.

    Args:
        pixels: Grey pixels (H, W) or (H, W, 1), or RGB pixels (H, W, 3).
        encoding: `JPEG` or `PNG`.

    Raises:
        ValueError: The pixels have another shape or type.
    """
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (1, 3))):
        raise ValueError(f"a frame is (H, W, 1) or (H, W, 3) of uint8, not {pixels.shape} of {pixels.dtype}")
    from PIL import Image

    buffer = io.BytesIO()
    # `quality` is an option of JPEG and `compress_level` one of PNG; the other format ignores it.
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels).save(
        buffer, encoding.name, quality=JPEG_QUALITY, compress_level=1
    )
    return buffer.getvalue()


class DriveStorage(Protocol):
    """Destination of a drive; every method may raise OSError."""

    path: Path

    def write(self, data: bytes) -> None:
        """Append all of `data`, or raise OSError and append nothing."""
        ...

    def sync(self) -> None:
        """Flush the file to the disk."""
        ...

    def free(self) -> int:
        """Return the free space of the disk [bytes]."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class FileStorage:
    """A new file.

    Raises:
        OSError: The file exists, or cannot be created.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append all of `data`; a part that a full disk still took is cut off again."""
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
        """Flush the file to the disk."""
        os.fdatasync(self._file)

    def free(self) -> int:
        """Return the free space of the disk [bytes]."""
        return shutil.disk_usage(self.path.parent).free

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def create_drive(folder: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> DriveStorage:
    """Create a file in a folder, named after the time; a number follows where that name exists.

    Raises:
        OSError: The folder cannot be written to.
    """
    name = f"drive-{now():%Y%m%d-%H%M%S}"
    for count in range(1, 1000):
        with contextlib.suppress(FileExistsError):
            return FileStorage(folder / f"{name}{f'-{count}' if count > 1 else ''}{DRIVE_SUFFIX}")
    raise FileExistsError(f"{folder} has a thousand drives of this second")


def utc_text() -> str:
    """Return date and time for a drive's header."""
    return datetime.now(UTC).isoformat(timespec="seconds")
