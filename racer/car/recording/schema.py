"""Defines topics, JSON schemas and limits of a drive's MCAP file, for writer and reader.

| topic | schema | holds |
|---|---|---|
| /drive | racer.Drive | version and header, once; the schema does not list the field `calibration` |
| /step, /actuator, /measured | racer.Step, ... | one row of the table; fields that are NaN are left out |
| /camera | foxglove.CompressedImage | JPEG or PNG in base64; and number, width, height and channels |
| /event | foxglove.Log | `name` is the kind of the event, `message` its text |

Viewers draw messages of the schemas `foxglove.*`; more fields than theirs are allowed.
"""

from __future__ import annotations

import functools
import json
from typing import Any, Final

from racer.car.recording.drive_file import TABLES

DRIVE: Final = "/drive"
CAMERA: Final = "/camera"
EVENT: Final = "/event"
ROWS: Final = {f"/{name}": name for name in TABLES}

CHUNK_BYTES: Final = 256 * 1024
"""Size at which a chunk is closed [bytes]."""
PICTURE_MAX: Final = 6 * 1024 * 1024
"""Maximum size of a picture's message [bytes]."""
ROW_MAX: Final = 1024 * 1024
"""Maximum size of any other message [bytes]; the header with its calibration is the largest."""
CHUNK_MAX: Final = 8 * 1024 * 1024
"""Maximum size of a chunk before and after decompression [bytes]: `CHUNK_BYTES` and one picture fit."""


def _schema(**properties: Any) -> dict[str, Any]:
    # Viewers accept one type for a property, and refuse a topic that has lists of types, `anyOf` or an object without
    # properties. So a value that may be missing is left out of the message.
    return {"type": "object", "properties": properties}


def _table(name: str) -> dict[str, Any]:
    dtype = TABLES[name].dtype
    return _schema(**{field: _NUMBER if dtype[field].kind == "f" else _COUNT for field in dtype.names or ()})


_TEXT: Final = {"type": "string"}
_COUNT: Final = {"type": "integer"}
_NUMBER: Final = {"type": "number"}
_TIMESTAMP: Final = _schema(sec=_COUNT, nsec=_COUNT)
_HEADER: Final = _schema(
    **dict.fromkeys(("format", "racer", "car_id", "started", "model", "model_sha256", "mapping", "notes"), _TEXT),
    version=_COUNT, started_ns=_COUNT, control_rate_hz=_NUMBER, bounds={"type": "array", "items": _NUMBER},
)  # fmt: skip
_IMAGE: Final = _schema(
    timestamp=_TIMESTAMP, frame_id=_TEXT, data={"type": "string", "contentEncoding": "base64"}, format=_TEXT,
    number=_COUNT, width=_COUNT, height=_COUNT, channels=_COUNT,
)  # fmt: skip
_LOG: Final = _schema(timestamp=_TIMESTAMP, level=_COUNT, message=_TEXT, name=_TEXT)


@functools.cache
def topic_schemas() -> dict[str, tuple[str, bytes]]:
    """Return name and JSON schema of the messages of each topic."""
    schemas: dict[str, tuple[str, dict[str, Any]]] = {DRIVE: ("racer.Drive", _HEADER)}
    schemas |= {topic: (f"racer.{name.capitalize()}", _table(name)) for topic, name in ROWS.items()}
    schemas |= {CAMERA: ("foxglove.CompressedImage", _IMAGE), EVENT: ("foxglove.Log", _LOG)}
    return {topic: (name, json.dumps(schema).encode()) for topic, (name, schema) in schemas.items()}
