"""The encoder of drives of version 1, which the product only reads. Kept here to make such files for the tests."""

import json
import zlib
from dataclasses import astuple

import numpy as np

from racer.car.recording.drive_file import ACTUATOR_DTYPE, STEP_DTYPE, TABLES, DriveHeader, FrameEncoding, picture_bytes
from racer.car.recording.legacy import AT_BYTES, FRAME_BYTES, HEAD_BYTES, MAGIC, START_BYTES, VERSION, Kind
from support.recorded_drives import picture, status, step


def start_bytes(header):
    """The first bytes of a drive."""
    return START_BYTES.pack(MAGIC, VERSION) + record_bytes(Kind.HEADER, header.model_dump_json().encode())


def record_bytes(kind, content):
    """One record."""
    return HEAD_BYTES.pack(kind, len(content), zlib.crc32(content, kind)) + content


def row_bytes(kind, row):
    """A record of a row, its values in the order of the fields."""
    return record_bytes(kind, TABLES[kind.name.lower()].packed.pack(*row))


def event_bytes(at_ns, what, text):
    """A record of an event."""
    return record_bytes(Kind.EVENT, AT_BYTES.pack(at_ns) + json.dumps({"what": what, "text": text}).encode())


def frame_bytes(number, captured_ns, pixels, encoding):
    """A record of a frame."""
    height, width = pixels.shape[:2]
    channels = 3 if pixels.shape[2:] == (3,) else 1
    packed = (
        picture_bytes(pixels)
        if encoding is FrameEncoding.JPEG
        else zlib.compress(np.ascontiguousarray(pixels).tobytes(), level=1)
    )
    head = FRAME_BYTES.pack(number, captured_ns, width, height, channels, encoding)
    return record_bytes(Kind.FRAME, head + packed)


def old_drive(path, *, steps=5, encoding=FrameEncoding.DEFLATED, header=None):
    """A whole drive with the content of `drives.record_drive`; its path."""
    data = start_bytes(header or DriveHeader(car_id="test-car")) + event_bytes(1, "state", "DRIVING")
    for number in range(steps):
        row, said = step(number), status(number)
        data += frame_bytes(number, row.captured_ns, picture(number), encoding)
        data += row_bytes(Kind.STEP, astuple(row))
        data += row_bytes(Kind.ACTUATOR, [getattr(said, name) for name in ACTUATOR_DTYPE.names])
        data += row_bytes(Kind.MEASURED, (row.sent_ns, 0.9, 0.1 * number, *[float("nan")] * 3))
    path.write_bytes(data + event_bytes(2, "end", "the recording was closed"))
    return path


assert STEP_DTYPE.names == tuple(step(0).__dataclass_fields__)
