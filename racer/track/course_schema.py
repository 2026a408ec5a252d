"""The keys of our readable track format, their units and their ranges."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from racer.errors import TrackError

Positive = Annotated[float, Field(gt=0.0, le=1000.0)]
Byte = Annotated[int, Field(ge=0, le=255)]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e5, le=1e5)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SegmentPart(_Part):
    """A straight or an arc, with the width that the road has at its end."""

    straight: Positive | Literal["auto"] | None = Field(
        None, description="length in m; `auto` twice in a closed course: both are solved so that it closes"
    )
    arc: Annotated[float, Field(ge=-720.0, le=720.0)] | None = Field(None, description="turn in degrees, left positive")
    radius: Positive | None = Field(None, description="m, of an arc's centre line")
    width: Positive | None = Field(None, description="m, at the end of the segment, half to each side")
    left: Positive | None = Field(None, description="m to the left border at the end of the segment")
    right: Positive | None = Field(None, description="m to the right border at the end of the segment")


class LookPart(_Part):
    """Colours (sRGB 0..255) and widths in metres; what is left out is DeepRacer's."""

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


class Course(_Part):
    """A course as its YAML file says it."""

    racer_track: Literal[1] = Field(description="version of the format")
    description: str = Field("", description="one line for people")
    closed: bool = Field(True, description="true: a loop; false: from one end to the other")
    direction: Literal["forward", "backward"] = Field(
        "forward", description="`backward` drives what is written from its end to its start"
    )
    width: Positive | None = Field(None, description="m, where nothing else is said; half to each side")
    step: Annotated[float, Field(ge=0.02, le=2.0)] = Field(0.15, description="m between rows")
    origin: tuple[Number, Number, Number] = Field(
        (0.0, 0.0, 0.0), description="x m, y m and heading in degrees where the first segment starts"
    )
    start: Annotated[float, Field(ge=0.0)] = Field(
        0.0,
        description="m along a closed course, as written, from its first segment or point to the start line",
    )
    walls: Literal["borders", "offset", "none"] = Field("borders", description="where walls stand")
    wall_offset: Annotated[float, Field(ge=0.0, le=100.0)] = Field(0.0, description="m outside the borders")
    look: LookPart = Field(default_factory=lambda: LookPart())
    segments: list[SegmentPart] | None = None
    points: list[Annotated[list[Number], Field(min_length=2, max_length=4)]] | None = Field(
        None, description="[x, y], [x, y, width] or [x, y, left, right] in m; the curve goes through each"
    )
    rows: list[tuple[Number, Number, Number, Number, Number, Number]] | None = Field(
        None, description="[centre x, y, left x, y, right x, y] in m, kept exactly"
    )


def parse_course(data: Any, source: str) -> Course:
    """Check the content of a YAML file.

    Raises:
        TrackError: the first key that is wrong.
    """
    if not isinstance(data, dict):
        raise TrackError(f"`{source}` is no track: a YAML track begins with `racer_track: 1`.")
    try:
        course = Course.model_validate(data)
    except ValidationError as problem:
        raise TrackError(f"`{source}`: {_first_problem(problem)}") from None
    bodies = [key for key in ("segments", "points", "rows") if getattr(course, key) is not None]
    if len(bodies) != 1:
        given = " and ".join(bodies) or "none of them"
        raise TrackError(f"`{source}` has {given}; give exactly one of segments, points or rows.")
    return course


def _first_problem(problem: ValidationError) -> str:
    """One line for the first thing that pydantic found wrong."""
    errors = problem.errors(include_url=False)
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    if first["type"] == "extra_forbidden":
        wrong = str(first["loc"][-1])
        models: dict[str, type[BaseModel]] = {"segments": SegmentPart, "look": LookPart}
        model = models.get(str(first["loc"][0]), Course) if len(first["loc"]) > 1 else Course
        known = list(model.model_fields)
        near = difflib.get_close_matches(wrong, known, n=1)
        hint = f"Did you mean `{near[0]}`?" if near else f"Known keys: {', '.join(known)}."
        return f"unknown key `{place}`. {hint}"
    if first["type"] == "missing":
        return f"the key `{place}` is missing" + ("; write `racer_track: 1`." if place == "racer_track" else ".")
    return f"{place} is {first['input']!r:.60}: {first['msg'][0].lower()}{first['msg'][1:]}."
