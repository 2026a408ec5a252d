"""Reads a drive that is an MCAP file, up to its last good chunk, with limits on all that it holds in memory.

The library reads the records in order, without the index at the end, which a killed writer leaves out. It trusts the
lengths inside a record and decompresses whatever a chunk holds, so both are checked here first.
"""

from __future__ import annotations

import base64
import json
import math
import os
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

import lz4.frame
import zstandard
from mcap.exceptions import EndOfFile, McapError
from mcap.records import Channel, Chunk, DataEnd, McapRecord, Message
from mcap.stream_reader import StreamReader, breakup_chunk

from racer import __version__
from racer.car.recording.drive_file import (
    DRIVE_VERSION,
    TABLES,
    DriveContent,
    DriveDamage,
    DriveError,
    DriveEvent,
    FrameEncoding,
    FrameEntry,
    parse_header,
)
from racer.car.recording.schema import CAMERA, CHUNK_MAX, DRIVE, EVENT, PICTURE_MAX, ROW_MAX, ROWS

_RECORD_MAX: Final = CHUNK_MAX + 1024
_ENCODINGS: Final = {"jpeg": FrameEncoding.JPEG, "png": FrameEncoding.PNG}
_TOPICS: Final = frozenset({DRIVE, CAMERA, EVENT, *ROWS})
_NOT_CLOSED: Final = "was not closed, as after a crash or on a full disk; the last fraction of a second may be missing"
_DAMAGES: Final = (McapError, struct.error, ValueError, OverflowError, RuntimeError, zstandard.ZstdError)
"""What the libraries raise for bytes that are not what they should be; lz4 raises RuntimeError."""
_UNREADABLE: Final = (ValueError, LookupError, AttributeError, TypeError, OverflowError, struct.error, RecursionError)
"""What a message with other content raises."""


class _LimitedFile:
    """A file that refuses to read more at once than a record may hold."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _RECORD_MAX:
            raise DriveDamage(f"a field of {size} bytes; at most {_RECORD_MAX}")
        return self._file.read(size)


def read_content(file: BinaryIO, path: Path) -> DriveContent:
    """Read all but the pictures, up to the last good chunk.

    Raises:
        DriveError: a header that cannot be used, a newer version, or an MCAP file of something else.
    """
    content = DriveContent(read_picture, damage=_NOT_CLOSED)
    total, good = os.fstat(file.fileno()).st_size, 0
    topics: dict[int, str] = {}
    counts: dict[int, int] = {}
    why = ""
    try:
        for at, record in _records(file):
            if isinstance(record, DataEnd):
                content.damage = ""
                break
            for index, item in enumerate(_items(record)):
                if isinstance(item, Channel):
                    topics[item.id] = item.topic if item.topic in _TOPICS else ""
                elif isinstance(item, Message) and (topic := topics.get(item.channel_id)) != "":
                    # A gap in the count of a topic is a chunk that was lost, e.g. one whose opcode was damaged.
                    if topic is None or item.sequence != counts.get(item.channel_id, 0):
                        raise DriveDamage("messages before it are missing")
                    counts[item.channel_id] = (item.sequence + 1) & 0xFFFFFFFF
                    _take(content, topic, item, at, index, path)
            good = file.tell()
    except EndOfFile:
        why = "the file ends in the middle of a record" if good < total else ""
    except (DriveDamage, *_DAMAGES) as error:
        why = f"the record cannot be used ({error})"
    if why:
        content.damage = f"is damaged at byte {good}: {why}; the last {total - good} of {total} bytes are not used"
    elif content.header is None and not content.damage:
        raise DriveError(f"{path} is an MCAP file but not a recorded drive: it has no {DRIVE} message")
    return content


def read_picture(file: BinaryIO, entry: FrameEntry) -> bytes:
    """Return the encoded picture of an entry.

    Raises:
        DriveError: the file was changed since the entry was read.
    """
    file.seek(entry.offset)
    try:
        items: list[McapRecord] = next(found for _, record in _records(file, inside=True) if (found := _items(record)))
        message = items[entry.index]
        if not isinstance(message, Message):
            raise ValueError("there is another record in its place")
        return base64.b64decode(json.loads(message.data)["data"], validate=True)
    except (DriveDamage, StopIteration, *_DAMAGES, *_UNREADABLE) as error:
        raise DriveError(f"frame {entry.number} cannot be read ({type(error).__name__}: {error})") from None


def _records(file: BinaryIO, *, inside: bool = False) -> Iterator[tuple[int, McapRecord]]:
    """Yield records, chunks still packed, and an offset from which reading finds each of them again."""
    limited = cast(IO[bytes], _LimitedFile(file))
    reader = StreamReader(limited, skip_magic=inside, emit_chunks=True, record_size_limit=_RECORD_MAX)
    at = file.tell() if inside else 8
    for record in reader.records:
        yield at, record
        at = file.tell()


def _items(record: McapRecord) -> list[McapRecord]:
    """Channels and messages of a record: those of a chunk, or itself."""
    if isinstance(record, Chunk):
        return breakup_chunk(_unpacked(record), validate_crc=True)
    return [record] if isinstance(record, Channel | Message) else []


def _unpacked(chunk: Chunk) -> Chunk:
    """Decompress a chunk; its size is checked before, and no more than that is ever decompressed."""
    size = chunk.uncompressed_size
    if size > CHUNK_MAX:
        raise DriveDamage(f"a chunk of {size} bytes; at most {CHUNK_MAX}")
    if chunk.compression == "zstd":
        window = zstandard.ZstdDecompressor(max_window_size=CHUNK_MAX)
        data = window.stream_reader(chunk.data).read(size + 1)
    elif chunk.compression == "lz4":
        data = lz4.frame.LZ4FrameDecompressor().decompress(chunk.data, max_length=size + 1)
    elif chunk.compression == "":
        data = chunk.data
    else:
        raise DriveDamage(f"compression `{chunk.compression[:20]}`; zstd, lz4 and none are known")
    if len(data) != size:
        raise DriveDamage(f"a chunk that is not of its {size} bytes")
    return replace(chunk, compression="", data=data)


def _take(content: DriveContent, topic: str, message: Message, at: int, index: int, path: Path) -> None:
    """Keep what a message holds; one that cannot be read becomes an event that shows it."""
    try:
        if len(message.data) > (PICTURE_MAX if topic == CAMERA else ROW_MAX):
            raise ValueError("too large")
        data = json.loads(message.data)
        if topic in ROWS:
            content.add_row(ROWS[topic], _packed(ROWS[topic], data))
        elif topic == CAMERA:
            content.add_frame(_entry(data, at, index))
        elif topic == EVENT:
            content.add_event(_event(data))
        elif content.header is None:
            version = data.pop("version")
            if version != DRIVE_VERSION:
                raise DriveError(
                    f"{path} has version {version!r:.20}, but racer {__version__} reads version {DRIVE_VERSION}; "
                    "update racer"
                )
            content.header = parse_header(data, path)
    except _UNREADABLE:
        content.add_event(DriveEvent(0, "unreadable", f"{topic} {message.data[:80]!r}"))


def _packed(table: str, data: dict[str, Any]) -> bytes:
    dtype, packed, _ = TABLES[table]
    missing = (math.nan if dtype[name].kind == "f" else None for name in dtype.names or ())
    return packed.pack(*(data.get(name, other) for name, other in zip(dtype.names or (), missing, strict=True)))


def _event(data: dict[str, Any]) -> DriveEvent:
    stamp = data["timestamp"]
    at_ns = int(stamp["sec"]) * 10**9 + int(stamp["nsec"])
    if not 0 <= at_ns < 2**64:
        raise ValueError("no such time")
    return DriveEvent(at_ns, str(data["name"]), str(data["message"]))


def _entry(data: dict[str, Any], at: int, index: int) -> FrameEntry:
    stamp = data["timestamp"]
    captured_ns = int(stamp["sec"]) * 10**9 + int(stamp["nsec"])
    width, height, channels = (int(data[name]) for name in ("width", "height", "channels"))
    size = len(data["data"]) * 3 // 4
    encoding = _ENCODINGS[data["format"]]
    return FrameEntry(int(data["number"]), captured_ns, width, height, channels, encoding, at, size, index)
