"""Reads a recorded drive without trusting it: up to its last whole record, sizes checked before unpacking."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from racer import __version__
from racer.car.recording.drive_file import (
    ACTUATOR_BYTES,
    ACTUATOR_DTYPE,
    AT_BYTES,
    DRIVE_MAGIC,
    DRIVE_SUFFIX,
    DRIVE_VERSION,
    FRAME_BYTES,
    HEAD_BYTES,
    MEASURED_BYTES,
    MEASURED_DTYPE,
    RECORD_MAX,
    START_BYTES,
    STEP_BYTES,
    STEP_DTYPE,
    DriveError,
    DriveHeader,
    FrameEncoding,
    RecordKind,
    jpeg_bytes,
)

_PIXELS_MAX: Final = 16 * 1024 * 1024
_TABLES: Final = {
    RecordKind.STEP: (STEP_DTYPE, STEP_BYTES.size),
    RecordKind.ACTUATOR: (ACTUATOR_DTYPE, ACTUATOR_BYTES.size),
    RecordKind.MEASURED: (MEASURED_DTYPE, MEASURED_BYTES.size),
}


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
    """Where a frame lies in its file, and what it is. `channels` is 1 (grey) or 3 (RGB)."""

    number: int
    captured_ns: int
    width: int
    height: int
    channels: int
    encoding: FrameEncoding
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class RecordedDrive:
    """A drive that was read.

    Attributes:
        steps, actuator, measured: rows of `STEP`, `ACTUATOR` and `MEASURED`, in the order in which they were written.
        frames: without their pixels, which `pixels` reads.
        damage: how the file ends, where it does not end with a whole record; empty: it does.
    """

    path: Path
    header: DriveHeader
    steps: NDArray[np.void]
    actuator: NDArray[np.void]
    measured: NDArray[np.void]
    events: list[DriveEvent] = field(default_factory=list)
    frames: list[FrameEntry] = field(default_factory=list)
    damage: str = ""

    @property
    def seconds(self) -> float:
        """From the first to the last row or frame, s."""
        ends = [
            (int(rows[name][0]), int(rows[name][-1]))
            for rows, name in ((self.steps, "sent_ns"), (self.actuator, "now_ns"), (self.measured, "at_ns"))
            if len(rows)
        ]
        if self.frames:
            ends.append((self.frames[0].captured_ns, self.frames[-1].captured_ns))
        return (max(end for _, end in ends) - min(start for start, _ in ends)) / 1e9 if ends else 0.0

    def jpeg(self, entry: FrameEntry) -> bytes:
        """A frame as JPEG, as it was kept or packed now."""
        if entry.encoding is FrameEncoding.JPEG:
            return self._content(entry)
        return jpeg_bytes(self.pixels(entry))

    def pixels(self, entry: FrameEntry) -> NDArray[np.uint8]:
        """(H, W, 1) grey or (H, W, 3) RGB.

        Raises:
            DriveError: the frame is damaged, or not of the size that it claims.
        """
        content = self._content(entry)
        shape = (entry.height, entry.width, entry.channels)
        size = entry.width * entry.height * entry.channels
        if entry.encoding is FrameEncoding.JPEG:
            made = _decode_jpeg(content, entry)
        else:
            try:
                flat = zlib.decompressobj().decompress(content, size + 1)
            except zlib.error as error:
                raise DriveError(f"{self.path}: frame {entry.number} is damaged ({error})") from None
            made = np.frombuffer(flat, np.uint8)
            if made.size == size:
                made = made.reshape(shape)
        if made.shape != shape:
            raise DriveError(f"{self.path}: frame {entry.number} is not of {entry.width}x{entry.height}")
        return made

    def _content(self, entry: FrameEntry) -> bytes:
        with self.path.open("rb") as file:
            file.seek(entry.offset)
            return file.read(entry.size)


def read_drive(path: Path | str) -> RecordedDrive:
    """Read a drive up to its last whole record; the frames' pixels stay on the disk.

    Raises:
        DriveError: no drive, of a newer version, or without a whole header.
    """
    path = Path(path)
    rows: dict[int, list[bytes]] = {kind: [] for kind in _TABLES}
    events: list[DriveEvent] = []
    frames: list[FrameEntry] = []
    try:
        with path.open("rb") as file:
            records = _records(file, path)
            header = _read_header(next(records, None), path)
            damage = ""
            for kind, content, offset in records:
                if kind in rows and len(content) == _TABLES[RecordKind(kind)][1]:
                    rows[kind].append(content)
                elif kind == RecordKind.EVENT:
                    events.append(_parse_event(content))
                elif kind == RecordKind.FRAME and (entry := _parse_frame_entry(content, offset)) is not None:
                    frames.append(entry)
                elif kind == 0:
                    damage = content.decode()
    except FileNotFoundError:
        raise DriveError(f"No drive {path} (there is no such file)") from None
    except IsADirectoryError:
        raise DriveError(f"{path} is a folder; a drive is a file that ends in {DRIVE_SUFFIX}") from None
    steps, actuator, measured = (np.frombuffer(b"".join(rows[kind]), dtype) for kind, (dtype, _) in _TABLES.items())
    return RecordedDrive(path, header, steps, actuator, measured, events, frames, damage)


def _records(file: BinaryIO, path: Path) -> Iterator[tuple[int, bytes, int]]:
    """Kind, content and its place of each whole record; kind 0 holds the words on what comes after the last one."""
    start = file.read(START_BYTES.size)
    if len(start) < START_BYTES.size or not start.startswith(DRIVE_MAGIC):
        raise DriveError(f"{path} is no recorded drive")
    _, version = START_BYTES.unpack(start)
    if version != DRIVE_VERSION:
        raise DriveError(
            f"{path} has version {version}, but racer {__version__} reads version {DRIVE_VERSION}; update racer"
        )
    at = START_BYTES.size
    total = path.stat().st_size
    while True:
        head = file.read(HEAD_BYTES.size)
        if not head:
            return
        if len(head) == HEAD_BYTES.size:
            kind, size, checksum = HEAD_BYTES.unpack(head)
            content = file.read(size) if kind > 0 and size <= RECORD_MAX else b""
            if len(content) == size and zlib.crc32(content, kind) == checksum and kind:
                yield kind, content, at + HEAD_BYTES.size
                at += HEAD_BYTES.size + size
                continue
        words = f"ends in the middle of a record; the last {max(total - at, 1)} of {total} bytes are not used"
        yield 0, words.encode(), at
        return


def _read_header(record: tuple[int, bytes, int] | None, path: Path) -> DriveHeader:
    if record is None or record[0] != RecordKind.HEADER:
        raise DriveError(f"{path} ends before its header; nothing was recorded")
    try:
        return DriveHeader.model_validate_json(record[1])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise DriveError(f"{path}: its header cannot be used: {where}: {first['msg']}") from None


def _parse_event(content: bytes) -> DriveEvent:
    """An event; one that this version cannot read is shown as it is."""
    try:
        data = json.loads(content[AT_BYTES.size :])
        return DriveEvent(AT_BYTES.unpack_from(content)[0], str(data["what"]), str(data["text"]))
    except (ValueError, KeyError, TypeError, struct.error, RecursionError):
        return DriveEvent(0, "unreadable", repr(content[:80]))


def _parse_frame_entry(content: bytes, offset: int) -> FrameEntry | None:
    if len(content) < FRAME_BYTES.size:
        return None
    number, captured_ns, width, height, channels, encoding = FRAME_BYTES.unpack_from(content)
    if (
        channels not in (1, 3)
        or encoding not in list(FrameEncoding)
        or not 0 < width * height * channels <= _PIXELS_MAX
    ):
        return None
    at, size = offset + FRAME_BYTES.size, len(content) - FRAME_BYTES.size
    return FrameEntry(number, captured_ns, width, height, channels, FrameEncoding(encoding), at, size)


def _decode_jpeg(content: bytes, entry: FrameEntry) -> NDArray[np.uint8]:
    """Pixels of a JPEG whose size is that of its entry."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=["JPEG"]) as picture:
            if picture.size != (entry.width, entry.height):
                return np.empty(0, np.uint8)
            made = np.asarray(picture.convert("L" if entry.channels == 1 else "RGB"))
            return made.reshape(entry.height, entry.width, entry.channels)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DriveError(f"frame {entry.number} is no JPEG ({error})") from None
