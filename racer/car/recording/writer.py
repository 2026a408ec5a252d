"""Packs a drive into the bytes of an MCAP file; the recorder passes them to its storage."""

from __future__ import annotations

import base64
import io
import json
import math
from typing import Any, Final

import numpy as np
from mcap.writer import CompressionType, IndexType, Writer
from numpy.typing import NDArray

from racer import __version__
from racer.car.recording.drive_file import DRIVE_VERSION, TABLES, DriveHeader, FrameEncoding, picture_bytes
from racer.car.recording.schema import CAMERA, CHUNK_BYTES, DRIVE, EVENT, PICTURE_MAX, ROW_MAX, topic_schemas

_LOG_INFO: Final = 2
"""Level of an event in `foxglove.Log`."""


class _Outbox(io.BytesIO):
    """Buffer between the library and the storage; positions count from the start of the file.

    The library writes positions into its index, so `tell` must continue where bytes were taken.
    """

    def __init__(self) -> None:
        super().__init__()
        self._taken = 0

    def tell(self) -> int:
        return self._taken + super().tell()

    def take(self) -> bytes:
        data = self.getvalue()
        self._taken += len(data)
        self.seek(0)
        self.truncate()
        return data


class DriveWriter:
    """Packs one drive as MCAP: chunks of zstd, each with a checksum, and whole whenever bytes are taken.

    Each topic counts its messages, so that a reader detects a missing chunk.

    Raises:
        TypeError, ValueError, struct.error: (all methods) A value cannot be packed; the drive is unchanged.
    """

    def __init__(self, header: DriveHeader) -> None:
        self._outbox = _Outbox()
        self._writer = Writer(
            self._outbox, chunk_size=CHUNK_BYTES, compression=CompressionType.ZSTD, index_types=IndexType.ALL
        )
        self._writer.start(library=f"racer {__version__}")
        self._channels: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        for topic, (name, schema) in topic_schemas().items():
            schema_id = self._writer.register_schema(name, "jsonschema", schema)
            self._channels[topic] = self._writer.register_channel(topic, "json", schema_id)
            self._counts[topic] = 0
        self._add(
            DRIVE, header.started_ns, {"version": DRIVE_VERSION} | json.loads(header.model_dump_json(exclude_none=True))
        )

    def row(self, table: str, values: tuple[Any, ...]) -> None:
        """Add a row, its values in the order of the table's fields."""
        dtype, packed, time = TABLES[table]
        # Packing refuses a value that its field cannot hold; unpacking makes Python's numbers of numpy's.
        plain = packed.unpack(packed.pack(*values))
        row = dict(zip(dtype.names or (), plain, strict=True))
        self._add(f"/{table}", row[time], {k: v for k, v in row.items() if math.isfinite(v)})

    def event(self, at_ns: int, what: str, text: str) -> None:
        """Add an event."""
        self._add(EVENT, at_ns, {"timestamp": _stamp(at_ns), "level": _LOG_INFO, "name": what, "message": text})

    def frame(self, number: int, captured_ns: int, pixels: NDArray[np.uint8], encoding: FrameEncoding) -> None:
        """Add a frame of (H, W) or (H, W, 1) grey or (H, W, 3) RGB pixels."""
        picture = picture_bytes(pixels, encoding)
        height, width = pixels.shape[:2]
        size = {"width": width, "height": height, "channels": 3 if pixels.shape[2:] == (3,) else 1}
        message = {"timestamp": _stamp(captured_ns), "frame_id": "camera", "format": encoding.name.lower()}
        self._add(
            CAMERA, captured_ns, message | {"number": number} | size | {"data": base64.b64encode(picture).decode()}
        )

    def take(self) -> bytes:
        """Close the chunk and return all bytes since the last call."""
        self._writer.flush()
        return self._outbox.take()

    def finish(self) -> bytes:
        """Return the end of the file: the remaining bytes, and the index with which viewers seek."""
        self._writer.finish()
        return self._outbox.take()

    def _add(self, topic: str, at_ns: int, message: dict[str, Any]) -> None:
        data = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
        limit = PICTURE_MAX if topic == CAMERA else ROW_MAX
        if len(data) > limit:
            raise ValueError(f"a message of {len(data)} bytes is too large for {topic}; at most {limit}")
        count = self._counts[topic]
        self._writer.add_message(self._channels[topic], at_ns, data, at_ns, count & 0xFFFFFFFF)
        self._counts[topic] = count + 1


def _stamp(at_ns: int) -> dict[str, int]:
    return {"sec": at_ns // 10**9, "nsec": at_ns % 10**9}
