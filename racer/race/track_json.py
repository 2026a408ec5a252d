"""Writes a track as JSON that gives every number back to the last bit, for files and for other processes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from racer.track.track import Track, TrackAppearance

_LINES = ("center", "left", "right")


def track_to_json(track: Track) -> str:
    """Return a track as JSON."""
    lines = {key: getattr(track, key).tolist() for key in _LINES}
    facts = {key: getattr(track, key) for key in ("name", "closed", "walls", "wall_offset", "backwards", "description")}
    # Python writes floats with the fewest digits that read back to the same bits.
    return json.dumps(facts | {"look": vars(track.look)} | lines, allow_nan=False)


def track_from_json(text: str) -> Track:
    """Return the track that `track_to_json` wrote.

    Raises:
        KeyError: A field is missing.
        TypeError: A field has the wrong type, or is unknown.
        ValueError: The text is not JSON, or the lines do not fit together.
    """
    fields = json.loads(text)
    lines = {key: np.array(fields[key], np.float64) for key in _LINES}
    shape = lines["center"].shape
    if len(shape) != 2 or shape[1] != 2 or shape[0] < 3 or any(line.shape != shape for line in lines.values()):
        raise ValueError("the track's lines do not fit together")
    if not all(np.isfinite(line).all() for line in lines.values()):
        raise ValueError("the track's lines are not finite")
    look: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields["look"].items()
    }
    return Track(**fields | lines | {"look": TrackAppearance(**look)})
