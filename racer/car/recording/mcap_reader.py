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
from mcap.records import Channel, Chunk, DataEnd, McapRecord, Message, Statistics
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
"""Exceptions of the libraries for damaged bytes; lz4 raises RuntimeError."""
_UNREADABLE: Final = (ValueError, LookupError, AttributeError, TypeError, OverflowError, struct.error, RecursionError)
"""Exceptions for a message of unexpected content."""


class _LimitedFile:
    """File that refuses to read more at once than a record may hold."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _RECORD_MAX:
            raise DriveDamage(f"a field of {size} bytes; at most {_RECORD_MAX}")
        return self._file.read(size)


def read_content(file: BinaryIO, path: Path) -> DriveContent:
    """Read all but the pictures, up to the last good chunk.

    Raises:
        DriveError: The header cannot be used, the version is newer, or the MCAP file is not a drive.
    """
    content = DriveContent(read_picture, damage=_NOT_CLOSED)
    total, good = os.fstat(file.fileno()).st_size, 0
    topics: dict[int, str] = {}
    counts: dict[int, int] = {}
    messages, chunks, ended = 0, 0, False
    problem = ""
    # `good` is the end of the last record that was taken whole; everything before it is used, nothing after it.
    try:
        for at, record in _records(file):
            if ended:
                # A damaged opcode may look like the end, or hide the last chunk: the rest of the file shows both.
                if isinstance(record, Chunk | Message):
                    raise DriveDamage("data after the end of the data")
                if isinstance(record, Statistics) and (record.message_count, record.chunk_count) != (messages, chunks):
                    raise DriveDamage(f"{record.message_count} messages were written, {messages} are left")
                continue
            if isinstance(record, DataEnd):
                content.damage, ended = "", True
            chunks += isinstance(record, Chunk)
            for index, item in enumerate(_items(record)):
                messages += isinstance(item, Message)
                if isinstance(item, Channel):
                    topic = item.topic if item.topic in _TOPICS else ""
                    # A channel is repeated unchanged; another topic is a damaged record that reads as a channel.
                    if topics.setdefault(item.id, topic) != topic:
                        raise DriveDamage(f"channel {item.id} changes its topic")
                elif isinstance(item, Message) and (taken := topics.get(item.channel_id)) != "":
                    # A gap in the count of a topic is a lost chunk, e.g. one with a damaged opcode.
                    if taken is None or item.sequence != counts.get(item.channel_id, 0):
                        raise DriveDamage("messages before it are missing")
                    counts[item.channel_id] = (item.sequence + 1) & 0xFFFFFFFF
                    _take(content, taken, item, at, index, path)
            good = file.tell()
    except EndOfFile:
        problem = "the file ends in the middle of a record" if good < total and not ended else ""
    except (DriveDamage, *_DAMAGES) as error:
        # The summary behind the data repeats what was read; only what it says of lost data counts.
        problem = f"the record cannot be used ({error})" if not ended or isinstance(error, DriveDamage) else ""
    if problem:
        content.damage = f"is damaged at byte {good}: {problem}; the last {total - good} of {total} bytes are not used"
    elif content.header is None and not content.damage:
        raise DriveError(f"{path} is an MCAP file but not a recorded drive: it has no {DRIVE} message")
    return content


def read_picture(file: BinaryIO, entry: FrameEntry) -> bytes:
    """Return the encoded picture of an entry.

    Raises:
        DriveError: The file was changed since the entry was read.
    """
    file.seek(entry.offset)
    try:
        items = next(items for _, record in _records(file, inside=True) if (items := _items(record)))
        message = items[entry.index]
        if not isinstance(message, Message):
            raise ValueError("its place holds another record")
        return base64.b64decode(json.loads(message.data)["data"], validate=True)
    except (DriveDamage, StopIteration, *_DAMAGES, *_UNREADABLE) as error:
        raise DriveError(f"frame {entry.number} cannot be read ({type(error).__name__}: {error})") from None


def _records(file: BinaryIO, *, inside: bool = False) -> Iterator[tuple[int, McapRecord]]:
    """Yield records, chunks still packed, each with the offset at which it can be read again.

    Args:
        file: The file, at its start or at the start of a record.
        inside: Whether the file is at a record, behind the magic bytes.
    """
    limited = cast(IO[bytes], _LimitedFile(file))
    reader = StreamReader(limited, skip_magic=inside, emit_chunks=True, record_size_limit=_RECORD_MAX)
    at = file.tell() if inside else 8
    for record in reader.records:
        yield at, record
        at = file.tell()


def _items(record: McapRecord) -> list[McapRecord]:
    """Return channels and messages of a record: those of a chunk, or the record itself."""
    if isinstance(record, Chunk):
        return breakup_chunk(_unpacked(record), validate_crc=True)
    return [record] if isinstance(record, Channel | Message) else []


def _unpacked(chunk: Chunk) -> Chunk:
    """Decompress a chunk; the stated size is checked first, and at most one byte more is ever decompressed."""
    size = chunk.uncompressed_size
    if size > CHUNK_MAX:
        raise DriveDamage(f"a chunk of {size} bytes; at most {CHUNK_MAX}")
    if chunk.compression == "zstd":
        decompressor = zstandard.ZstdDecompressor(max_window_size=CHUNK_MAX)
        data = decompressor.stream_reader(chunk.data).read(size + 1)
    elif chunk.compression == "lz4":
        data = lz4.frame.LZ4FrameDecompressor().decompress(chunk.data, max_length=size + 1)
    elif chunk.compression == "":
        data = chunk.data
    else:
        raise DriveDamage(f"compression `{chunk.compression[:20]}`; only zstd, lz4 and none are read")
    if len(data) != size:
        raise DriveDamage(f"a chunk that does not have its {size} bytes")
    return replace(chunk, compression="", data=data)


def _take(content: DriveContent, topic: str, message: Message, at: int, index: int, path: Path) -> None:
    """Add the content of a message; one that cannot be read becomes an event with its bytes."""
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
    # JSON has no NaN, so the writer leaves those fields out; the struct refuses None for a field of another type.
    default = {name: math.nan if dtype[name].kind == "f" else None for name in dtype.names or ()}
    return packed.pack(*(data.get(name, value) for name, value in default.items()))


def _event(data: dict[str, Any]) -> DriveEvent:
    at_ns = _time_ns(data)
    if not 0 <= at_ns < 2**64:
        raise ValueError("a time out of range")
    return DriveEvent(at_ns, str(data["name"]), str(data["message"]))


def _entry(data: dict[str, Any], at: int, index: int) -> FrameEntry:
    number, width, height, channels = (int(data[name]) for name in ("number", "width", "height", "channels"))
    size = len(data["data"]) * 3 // 4  # base64 writes three bytes as four characters
    return FrameEntry(number, _time_ns(data), width, height, channels, _ENCODINGS[data["format"]], at, size, index)


def _time_ns(data: dict[str, Any]) -> int:
    return int(data["timestamp"]["sec"]) * 10**9 + int(data["timestamp"]["nsec"])
