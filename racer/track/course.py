"""Our own readable track format: YAML with segments, control points or plain rows.

The keys and their units are the fields of `racer.track.course_schema.Course`; docs/tracks.md shows examples.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from racer.assets import write_atomically
from racer.errors import TrackError
from racer.track import geometry
from racer.track.build import make_track
from racer.track.course_layout import rows_of_course
from racer.track.course_schema import Course, parse_course
from racer.track.track import Look, Track

# libyaml reads the rows of a converted track ten times faster; both loaders build plain data only.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_course(path: Path, *, scale: float = 1.0) -> Track:
    """Read our YAML.

    Args:
        path: the file.
        scale: factor on all coordinates and widths of the road.

    Raises:
        TrackError: what is wrong, and where in the file.
    """
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise TrackError(f"`{path}` cannot be read: {' '.join(str(problem).split())[:200]}.") from None
    return track_of_course(parse_course(data, str(path)), name=path.stem, source=str(path), scale=scale)


def track_of_course(course: Course, *, name: str, source: str, scale: float = 1.0) -> Track:
    """The track that a course describes.

    Raises:
        TrackError: it does not close, or leaves no road.
    """
    if course.rows is not None:
        table = np.array(course.rows, dtype=np.float64).reshape(-1, 6)
    else:
        rows = rows_of_course(course, source)
        borders = geometry.borders_from_widths(rows.center, rows.left, rows.right, closed=course.closed)
        table = np.hstack([rows.center, *borders])
        if course.closed:
            table = np.vstack([table, table[:1]])
    table *= scale
    track = make_track(
        name=name,
        center=table[:, :2],
        left=table[:, 2:4],
        right=table[:, 4:6],
        closed=course.closed,
        source=source,
        walls=course.walls,
        wall_offset=course.wall_offset,
        look=Look(**course.look.model_dump(exclude_none=True)),
        description=course.description,
    )
    if course.direction == "forward":
        return track
    back = track.reversed()
    return Track(**{**back.__dict__, "backwards": False})


def write_course(track: Track, path: Path) -> None:
    """Write a track as our YAML with its rows, exactly as they are."""
    write_atomically(path, course_text(track))


def course_text(track: Track) -> str:
    """The YAML text of a track's rows."""
    head: dict[str, Any] = {"racer_track": 1}
    if track.description:
        head["description"] = track.description
    head |= {"closed": track.closed, "walls": track.walls}
    if track.wall_offset:
        head["wall_offset"] = track.wall_offset
    plain = Look()
    look = {key: value for key, value in track.look.__dict__.items() if value != getattr(plain, key)}
    if look:
        head["look"] = {key: list(value) if isinstance(value, tuple) else value for key, value in look.items()}
    table = np.hstack([track.center, track.left, track.right])
    lines = [f"  - [{', '.join(_plain(value) for value in row)}]" for row in table.tolist()]
    text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return text + "# centre x, y, left x, y, right x, y in metres\nrows:\n" + "\n".join(lines) + "\n"


def _plain(value: float) -> str:
    """Shortest text that reads back as the same float, in a form that YAML 1.1 takes as a number."""
    text = repr(value)
    return text.replace("e", ".0e") if "e" in text and "." not in text else text
