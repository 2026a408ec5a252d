"""Our YAML track format: a course of segments, control points or rows.

`CourseConfig` lists the keys, their units and their ranges; docs/tracks.md shows examples. `read_course` reads a file,
`write_course` writes a track's rows exactly. A course that cannot be laid out is refused with the place in the file:
`segments[3]`, `points[0]`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from racer.assets import read_text, write_atomically
from racer.config.base import explain
from racer.errors import TrackError
from racer.track import curve
from racer.track.track import Track, TrackAppearance, make_track

# Bounds that no track of a model car reaches; they catch millimetres, and keep the number of rows small.
Positive = Annotated[float, Field(gt=0.0, le=1000.0)]
Byte = Annotated[int, Field(ge=0, le=255)]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e5, le=1e5)]


class _CourseModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SegmentConfig(_CourseModel):
    """A straight or an arc, with the width of the road at its end."""

    straight: Positive | Literal["auto"] | None = Field(
        None, description="length [m]; `auto` twice in a closed course: both are solved so that it closes"
    )
    arc: Annotated[float, Field(ge=-720.0, le=720.0)] | None = Field(None, description="turn [degrees], left positive")
    radius: Positive | None = Field(None, description="radius of an arc's centre line [m]")
    width: Positive | None = Field(None, description="width at the end of the segment, half to each side [m]")
    left: Positive | None = Field(None, description="distance to the left border at the end of the segment [m]")
    right: Positive | None = Field(None, description="distance to the right border at the end of the segment [m]")


class AppearanceConfig(_CourseModel):
    """Colours (sRGB 0..255) and widths [m]; a missing key has DeepRacer's value."""

    road: tuple[Byte, Byte, Byte] | None = None
    edge_line: tuple[Byte, Byte, Byte] | None = None
    center_line: tuple[Byte, Byte, Byte] | None = None
    field: tuple[Byte, Byte, Byte] | None = None
    wall: tuple[Byte, Byte, Byte] | None = None
    edge_line_width: Positive | None = None
    center_line_width: Positive | None = None
    dash_length: Positive | None = None
    dash_gap: Positive | None = None
    start_line_length: Positive | None = None
    wall_height: Positive | None = None


class CourseConfig(_CourseModel):
    """The content of a course's YAML file."""

    racer_track: Literal[1] = Field(description="version of the format")
    description: str = Field("", description="one line for people")
    closed: bool = Field(True, description="true: a loop; false: from one end to the other")
    direction: Literal["forward", "backward"] = Field("forward", description="`backward` reverses the travel direction")
    width: Positive | None = Field(None, description="default width, half to each side [m]")
    step: Annotated[float, Field(ge=0.02, le=2.0)] = Field(0.15, description="distance between rows [m]")
    origin: tuple[Number, Number, Number] = Field(
        (0.0, 0.0, 0.0), description="x [m], y [m] and heading [degrees] of the first segment's start"
    )
    start: Annotated[float, Field(ge=0.0)] = Field(
        0.0,
        description="arc length of a closed course from its first segment or point to the start line [m]",
    )
    walls: Literal["borders", "offset", "none"] = Field("borders", description="place of the walls")
    wall_offset: Annotated[float, Field(ge=0.0, le=100.0)] = Field(
        0.0, description="distance of the walls outside the borders [m]"
    )
    look: AppearanceConfig = Field(default_factory=lambda: AppearanceConfig())
    segments: list[SegmentConfig] | None = None
    points: list[Annotated[list[Number], Field(min_length=2, max_length=4)]] | None = Field(
        None, description="[x, y], [x, y, width] or [x, y, left, right] [m]; the curve passes through each"
    )
    rows: list[tuple[Number, Number, Number, Number, Number, Number]] | None = Field(
        None, description="[centre x, y, left x, y, right x, y] [m], kept exactly"
    )


def parse_course(data: Any, source: str) -> CourseConfig:
    """Check the content of a YAML file.

    Raises:
        TrackError: The message names the first key that is not allowed.
    """
    if not isinstance(data, dict) or "racer_track" not in data:
        raise TrackError(f"`{source}` is not a track; a YAML track begins with `racer_track: 1`.")
    try:
        course = CourseConfig.model_validate(data)
    except ValidationError as problem:
        raise TrackError(explain(problem, CourseConfig, f"`{source}`")) from None
    bodies = [key for key in ("segments", "points", "rows") if getattr(course, key) is not None]
    # Three ways to write a course; a second one would silently lose.
    if len(bodies) != 1:
        given = " and ".join(bodies) or "none of them"
        raise TrackError(f"`{source}` has {given}; give exactly one of segments, points or rows.")
    return course


CLOSING_MAX = 0.10
"""Largest distance between the ends of a closed course of segments [m]; the error is distributed along the course."""
CLOSING_DEG_MAX = 1.0
"""Largest difference of heading between the ends [degrees]."""


def rows_of_course(course: CourseConfig, source: str) -> curve.CenterlineRows:
    """Sample a course of segments or points.

    Raises:
        TrackError: The message names the segment or point that is wrong, or how far a loop is from closing.
    """
    if course.segments is not None:
        segments = _segments(course, course.segments, source)
        x, y, heading = course.origin
        start = (x, y, math.radians(heading))
        if course.closed:
            _check_closing(segments, source)
        return curve.sample_segments(segments, start, step=course.step, closed=course.closed, shift=course.start)
    points, left, right = _points(course, source)
    return curve.sample_spline(points, left, right, step=course.step, closed=course.closed, shift=course.start)


def _segments(course: CourseConfig, parts: list[SegmentConfig], source: str) -> list[curve.CurveSegment]:
    # Checked here and not by pydantic, because each message names the segment and what to write.
    for k, part in enumerate(parts):
        place = f"`{source}` segments[{k}]"
        if (part.straight is None) == (part.arc is None):
            raise TrackError(f"{place}: give either `straight: metres` or `arc: degrees` with `radius: metres`.")
        if (part.arc is None) != (part.radius is None) or part.arc == 0.0:
            raise TrackError(f"{place}: an arc needs degrees other than 0 and a radius; a straight has none.")
        if part.straight == "auto" and not course.closed:
            raise TrackError(f"{place}: `auto` only serves to close a course; give metres.")
        if part.width is not None and (part.left is not None or part.right is not None):
            raise TrackError(f"{place}: give `width`, or `left` and `right`.")
    lengths = solve_auto_lengths(parts, source) if course.closed else [_length(part) for part in parts]
    if course.width is None and not any(part.width or (part.left and part.right) for part in parts):
        raise TrackError(f"`{source}` has no width; give `width: metres`.")
    left, right = _side(parts, "left", course.width), _side(parts, "right", course.width)
    return [
        curve.CurveSegment(length=length, turn=math.radians(part.arc or 0.0), left=to_left, right=to_right)
        for part, length, to_left, to_right in zip(parts, lengths, left, right, strict=True)
    ]


def _length(part: SegmentConfig) -> float:
    """Return the length of a segment [m]; that of an arc is |turn| times radius."""
    if isinstance(part.straight, float):
        return part.straight
    return abs(math.radians(part.arc or 0.0)) * (part.radius or 0.0)


def _side(parts: list[SegmentConfig], side: str, width: float | None) -> list[float]:
    """Return the distance to one border at the end of each segment [m]; by default that of the segment before it."""
    given = [part.width / 2 if part.width else getattr(part, side) for part in parts]
    # Without a default, the segments before the first width take it: the caller checked that there is one.
    current = width / 2 if width else next(value for value in given if value)
    filled = []
    for value in given:
        current = value if value is not None else current
        filled.append(current)
    return filled


def _points(course: CourseConfig, source: str) -> tuple[NDArray[np.float64], ...]:
    points = course.points or []
    table = []
    for k, point in enumerate(points):
        # [x, y], [x, y, width] or [x, y, left, right]
        if len(point) == 2 and course.width is None:
            raise TrackError(f"`{source}` points[{k}] has no width; give [x, y, width] or `width:` for all.")
        sides = [point[2] / 2] * 2 if len(point) == 3 else point[2:] or [(course.width or 0.0) / 2] * 2
        if min(sides) <= 0.0:
            raise TrackError(f"`{source}` points[{k}]: a width is not above 0; give metres.")
        if k and point[:2] == points[k - 1][:2]:
            raise TrackError(f"`{source}` points[{k}] repeats the point before it; leave it out.")
        table.append([*point[:2], *sides])
    # Authors of a loop often repeat its first point; the spline closes by itself.
    if len(table) > 1 and course.closed and table[0][:2] == table[-1][:2]:
        table.pop()
    if len(table) < (4 if course.closed else 2):
        raise TrackError(f"`{source}` has {len(table)} points; a closed course needs 4, an open one 2.")
    columns = np.array(table, dtype=np.float64)
    return columns[:, :2], columns[:, 2], columns[:, 3]


def _check_closing(segments: list[curve.CurveSegment], source: str) -> None:
    # From the origin with heading 0, the end of a closed course is the origin with a whole number of turns.
    end = curve.segment_poses(segments, (0.0, 0.0, 0.0))[-1]
    gap = math.hypot(end[0], end[1])
    turn = math.degrees(math.remainder(end[2], 2 * math.pi))
    if gap > CLOSING_MAX or abs(turn) > CLOSING_DEG_MAX:
        raise TrackError(
            f"`{source}`: the last segment ends {gap:.2f} m and {turn:+.1f} degrees from the start; "
            "give two straights the length `auto`, change the arcs, or write `closed: false`."
        )


def solve_auto_lengths(segments: list[SegmentConfig], source: str) -> list[float]:
    """Return the lengths of all segments of a closed course [m], with the two `auto` straights solved.

    All headings are known, so the end of the course is linear in the two lengths a and b: with the unit vectors u and v
    along the two straights and the end e of the course without them, a u + b v = -e.

    Raises:
        TrackError: The course has another number of `auto` straights, they are parallel, or a length is negative.
    """
    lengths = [0.0 if part.straight == "auto" else _length(part) for part in segments]
    # Two unknown lengths solve the two equations of x and y; the heading does not depend on straights at all.
    unknown = [k for k, part in enumerate(segments) if part.straight == "auto"]
    if not unknown:
        return lengths
    if len(unknown) != 2:
        raise TrackError(f"`{source}` has {len(unknown)} straights of length `auto`; a closed course takes two.")
    headings = np.cumsum([0.0] + [math.radians(part.arc or 0.0) for part in segments])
    known = [
        curve.CurveSegment(length=length, turn=math.radians(part.arc or 0.0), left=1.0, right=1.0)
        for length, part in zip(lengths, segments, strict=True)
        if part.straight != "auto"
    ]
    end = curve.segment_poses(known, (0.0, 0.0, 0.0))[-1]
    # The columns are u and v. The determinant is the sine of the angle between them: 0.05 is 3 degrees, where an
    # error of 1 mm in e already moves the lengths by 2 cm.
    along = np.array([[math.cos(headings[k]), math.sin(headings[k])] for k in unknown]).T
    if abs(np.linalg.det(along)) < 0.05:
        raise TrackError(f"`{source}`: the two straights of length `auto` are parallel; choose another pair.")
    for k, length in zip(unknown, np.linalg.solve(along, -end[:2]).tolist(), strict=True):
        if length <= 0.0:
            raise TrackError(
                f"`{source}` segments[{k}]: to close the course this straight would be {length:.2f} m long; "
                "change the other segments."
            )
        lengths[k] = length
    return lengths


def load_yaml(path: Path) -> Any:
    """Return the plain data of a YAML file.

    Raises:
        TrackError: The file cannot be read.
    """
    # libyaml reads the rows of a converted track ten times faster; both loaders build plain data only.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(read_text(path, TrackError), Loader=loader)
    except yaml.YAMLError as problem:
        raise TrackError(f"{path}: cannot be read: {' '.join(str(problem).split())[:200]}.") from None


def read_course(path: Path, *, scale: float = 1.0) -> Track:
    """Read a track in our YAML format.

    Args:
        path: The file.
        scale: Factor on all coordinates and widths of the road.

    Raises:
        TrackError: The message names the place in the file.
    """
    return track_of_course(parse_course(load_yaml(path), str(path)), name=path.stem, source=str(path), scale=scale)


def track_of_course(course: CourseConfig, *, name: str, source: str, scale: float = 1.0) -> Track:
    """Make the track of a course.

    Args:
        course: Content of a file.
        name: Name of the track.
        source: The file, for messages.
        scale: Factor on all coordinates and widths of the road.

    Raises:
        TrackError: The course does not close, or leaves no road.
    """
    # Rows have their borders; segments and points get theirs from the widths.
    if course.rows is not None:
        table = np.array(course.rows, dtype=np.float64).reshape(-1, 6)
    else:
        table = rows_of_course(course, source).table(closed=course.closed)
    table *= scale
    track = make_track(
        table,
        name=name,
        closed=course.closed,
        source=source,
        walls=course.walls,
        wall_offset=course.wall_offset,
        look=TrackAppearance(**course.look.model_dump(exclude_none=True)),
        description=course.description,
    )
    # `backward` is the direction of the file itself, so that its track does not count as driven backwards.
    return track if course.direction == "forward" else replace(track.reversed(), backwards=False)


def write_course(track: Track, path: Path) -> None:
    """Write a track in our YAML format with its exact rows."""
    write_atomically(path, course_text(track))


def course_text(track: Track) -> str:
    """Return a track in our YAML format with its exact rows."""
    head: dict[str, Any] = {"racer_track": 1}
    if track.description:
        head["description"] = track.description
    # Description, offset and colours are left out where they have their defaults.
    head |= {"closed": track.closed, "walls": track.walls}
    if track.wall_offset:
        head["wall_offset"] = track.wall_offset
    default = TrackAppearance()
    look = {key: value for key, value in track.look.__dict__.items() if value != getattr(default, key)}
    if look:
        head["look"] = {key: list(value) if isinstance(value, tuple) else value for key, value in look.items()}
    table = np.hstack([track.center, track.left, track.right])
    lines = [f"  - [{', '.join(_plain_number(value) for value in row)}]" for row in table.tolist()]
    text = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return text + "# centre x, y, left x, y, right x, y in metres\nrows:\n" + "\n".join(lines) + "\n"


def _plain_number(value: float) -> str:
    """Return the shortest text that reads back as the same float, in a form that YAML 1.1 reads as a number."""
    # YAML 1.1 reads `1e-05` as text, since a float must have a point.
    text = repr(value)
    return text.replace("e", ".0e") if "e" in text and "." not in text else text
