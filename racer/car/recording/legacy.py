"""Reads drives of version 1, the format before MCAP. Nothing writes it; `docs/decisions/0009-the-drive-format.md`.

    magic, version | record | record | ...        record = kind, length, checksum, content

Each record has its own checksum, so a file whose writer was killed, or whose disk was full, is good up to its last
whole record. Rows are plain little-endian numbers, header and events are JSON, frames are JPEG or deflated pixels.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO, Final

from racer import __version__
from racer.car.recording.drive_file import (
    TABLES,
    DriveContent,
    DriveDamage,
    DriveError,
    DriveEvent,
    FrameEncoding,
    FrameEntry,
    parse_header,
)

VERSION: Final = 1
MAGIC: Final = b"RACERDRV"
RECORD_MAX: Final = 16 * 1024 * 1024
"""Maximum size of one record [bytes]."""

START_BYTES: Final = struct.Struct("<8sH6x")
HEAD_BYTES: Final = struct.Struct("<B3xII")
FRAME_BYTES: Final = struct.Struct("<QQHHBB2x")
AT_BYTES: Final = struct.Struct("<Q")


class Kind(IntEnum):
    """Kind of a record; a reader skips unknown kinds."""

    HEADER = 1
    STEP = 2
    FRAME = 3
    ACTUATOR = 4
    MEASURED = 5
    EVENT = 6


_TABLES: Final = {Kind.STEP: "step", Kind.ACTUATOR: "actuator", Kind.MEASURED: "measured"}


def read_content(file: BinaryIO, path: Path) -> DriveContent:
    """Read all but the pictures, up to the last whole record.

    Raises:
        DriveError: The file is not a drive, is of another version, or has no whole header.
    """
    content = DriveContent(read_picture)
    try:
        for kind, data, offset in _records(file, path):
            if content.header is None:
                if kind != Kind.HEADER:
                    break
                content.header = parse_header(data, path)
            else:
                _take(content, kind, data, offset)
    except DriveDamage as damage:
        content.damage = str(damage)
    return content


def read_picture(file: BinaryIO, entry: FrameEntry) -> bytes:
    """Return the encoded picture of an entry."""
    file.seek(entry.offset)
    return file.read(entry.size)


def _take(content: DriveContent, kind: int, data: bytes, offset: int) -> None:
    if kind in _TABLES:
        table = _TABLES[Kind(kind)]
        if len(data) == TABLES[table].packed.size:
            content.add_row(table, data)
    elif kind == Kind.EVENT:
        content.add_event(_event(data))
    elif kind == Kind.FRAME and len(data) >= FRAME_BYTES.size:
        number, captured_ns, width, height, channels, encoding = FRAME_BYTES.unpack_from(data)
        if encoding in (FrameEncoding.DEFLATED, FrameEncoding.JPEG):
            at, size = offset + FRAME_BYTES.size, len(data) - FRAME_BYTES.size
            entry = FrameEntry(number, captured_ns, width, height, channels, FrameEncoding(encoding), at, size)
            content.add_frame(entry)


def _records(file: BinaryIO, path: Path) -> Iterator[tuple[int, bytes, int]]:
    """Yield kind, content and its offset of each whole record; raise `DriveDamage` for what follows the last one."""
    start = file.read(START_BYTES.size)
    if len(start) < START_BYTES.size:
        raise DriveError(f"{path} is not a recorded drive")
    _, version = START_BYTES.unpack(start)
    if version != VERSION:
        raise DriveError(f"{path} has version {version}, but racer {__version__} reads version {VERSION}; update racer")
    at = START_BYTES.size
    total = os.fstat(file.fileno()).st_size
    while head := file.read(HEAD_BYTES.size):
        if len(head) == HEAD_BYTES.size:
            kind, size, checksum = HEAD_BYTES.unpack(head)
            data = file.read(size) if kind > 0 and size <= RECORD_MAX else b""
            # A run of zeros, as a file system leaves after a power cut, has a valid checksum: hence kind > 0.
            if len(data) == size and zlib.crc32(data, kind) == checksum and kind:
                yield kind, data, at + HEAD_BYTES.size
                at += HEAD_BYTES.size + size
                continue
        unused = max(total - at, 1)
        raise DriveDamage(f"ends in the middle of a record; the last {unused} of {total} bytes are not used")


def _event(data: bytes) -> DriveEvent:
    """Return an event; for one that cannot be read, an event with its bytes."""
    try:
        values = json.loads(data[AT_BYTES.size :])
        return DriveEvent(AT_BYTES.unpack_from(data)[0], str(values["what"]), str(values["text"]))
    except (ValueError, KeyError, TypeError, struct.error, RecursionError):
        return DriveEvent(0, "unreadable", repr(data[:80]))
