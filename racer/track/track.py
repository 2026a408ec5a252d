"""A track: centre line, left border and right border as frozen arrays.

Rows are the file's own rows in the direction of travel, because users' reward functions hold tables that
index
them: row i of the centre line belongs to row i of both borders. On a closed track the last row usually
repeats the first; rows are joined cyclically (row R-1 to row 0), so that a repeated row makes one segment
of length zero and a file with a small gap gets its closing segment. Rows may repeat anywhere (DeepRacer
files have an old seam). Metres, x right, y up, angles counter-clockwise; left and right are by direction of
travel.

From the numbers of a file to a `Track`: the checks that every reader shares.

A message names the file and the row as the file counts it, and says what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from racer.errors import TrackError
from racer.track import geometry

Walls = Literal["borders", "offset", "none"]
Colour = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class TrackAppearance:
    """How a track is painted: sRGB colours 0..255 and widths in metres.

    Defaults: means measured from the DeepRacer simulator's textures and meshes (shared reference, tracks.md).
    """

    road: Colour = (64, 63, 61)
    edge_line: Colour = (223, 223, 222)
    center_line: Colour = (225, 143, 0)
    field: Colour = (126, 133, 65)
    wall: Colour = (36, 70, 81)
    edge_line_width: float = 0.076
    """White line inside each border."""
    center_line_width: float = 0.026
    dash_length: float = 0.051
    dash_gap: float = 0.051
    start_line_length: float = 0.078
    """Along the road; across, it spans the road between the edge lines."""
    wall_height: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Track:
    """One course in one direction of travel.

    Attributes:
        name: what users call it; shown in results.
        center: (R, 2) float64 centre line, metres.
        left: (R, 2) float64 left border at each row.
        right: (R, 2) float64 right border at each row.
        closed: True for a loop, False for a point-to-point course.
        walls: `borders` puts walls on the borders, `offset` at `wall_offset` metres outside them, `none`
            has none.
        look: colours and line widths.
        source: the file or generator it came from, for messages and run folders.
        backwards: True where this is the reverse of the file's own direction.
        description: one line for people; empty where the file has none.
    """

    name: str
    center: NDArray[np.float64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    closed: bool = True
    walls: Walls = "borders"
    wall_offset: float = 0.0
    look: TrackAppearance = field(default_factory=TrackAppearance)
    source: str = ""
    backwards: bool = False
    description: str = ""

    def __post_init__(self) -> None:
        for key in ("center", "left", "right"):
            rows = np.array(getattr(self, key), dtype=np.float64, order="C")
            rows.flags.writeable = False
            object.__setattr__(self, key, rows)

    @property
    def segment_vectors(self) -> NDArray[np.float64]:
        """(S, 2) vectors; S = R on a closed track (the last joins row 0), R - 1 on an open one."""
        following = np.roll(self.center, -1, axis=0) if self.closed else self.center[1:]
        return following - self.center[: len(following)]

    @property
    def segment_lengths(self) -> NDArray[np.float64]:
        """(S,) length of each segment in metres; zero where a row repeats."""
        vectors = self.segment_vectors
        return np.hypot(vectors[:, 0], vectors[:, 1])

    @property
    def length(self) -> float:
        """Length of the centre line in metres."""
        return float(self.segment_lengths.sum())

    @property
    def widths(self) -> NDArray[np.float64]:
        """(R,) distance between the two borders at each row, metres."""
        across = self.left - self.right
        return np.hypot(across[:, 0], across[:, 1])

    def reversed(self) -> Track:
        """The same course driven the other way: rows in reverse order, left and right exchanged."""
        return replace(
            self,
            center=self.center[::-1],
            left=self.right[::-1],
            right=self.left[::-1],
            backwards=not self.backwards,
        )


ROWS_MIN = 4
LENGTH_MIN = 0.5
"""Metres; anything shorter is no course for a car of 0.3 m."""
WIDTH_MIN = 0.05
"""Metres between the borders at any row; a car is 0.2 m wide, so this only catches files without a road."""
EXTENT_MAX = 1e5
"""Metres; beyond it a coordinate is in another unit or broken."""

RowName = Callable[[int], str]


def make_track(
    *,
    name: str,
    center: NDArray[np.float64],
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    source: str,
    closed: bool | None = None,
    row_name: RowName | None = None,
    **rest: Any,
) -> Track:
    """A checked `Track`.

    Args:
        name: what users call it.
        center: (R, 2) centre line, metres, in the direction of travel.
        left: (R, 2) one border.
        right: (R, 2) the other; they are exchanged where the geometry says so.
        source: the file, for messages.
        closed: whether it is a loop; None derives it from the ends.
        row_name: how the file counts row i (`line 7`); by default `row i`.
        rest: further fields of `Track`.

    Raises:
        TrackError: not finite, too few rows, too short, or no road between the borders.
    """
    row_name = row_name or (lambda row: f"row {row}")
    check_numbers(np.hstack([center, left, right]), source, row_name)
    if closed is None:
        closed = is_closed(center)
    length = float(geometry.step_lengths(center, closed=closed).sum())
    if length < LENGTH_MIN:
        raise TrackError(
            f"`{source}`: the centre line is {length:.3g} m long; a track needs at least {LENGTH_MIN} m. "
            "Are the numbers in metres?"
        )
    left, right = _by_direction(center, left, right, source, row_name, closed=closed)
    return Track(name=name, center=center, left=left, right=right, closed=closed, source=source, **rest)


def check_numbers(table: NDArray[np.float64], source: str, row_name: RowName) -> None:
    """Refuse too few rows and numbers that are no coordinates.

    Raises:
        TrackError: with the first such row.
    """
    if len(table) < ROWS_MIN:
        raise TrackError(f"`{source}` has {len(table)} rows; a track needs at least {ROWS_MIN}.")
    bad = ~np.isfinite(table)
    if bad.any():
        row = int(np.flatnonzero(bad.any(axis=1))[0])
        value = table[row][bad[row]][0]
        raise TrackError(f"`{source}` {row_name(row)}: a number is {value}; give finite metres in every column.")
    far = np.abs(table) > EXTENT_MAX
    if far.any():
        row = int(np.flatnonzero(far.any(axis=1))[0])
        raise TrackError(
            f"`{source}` {row_name(row)}: {table[row][far[row]][0]:g} is beyond {EXTENT_MAX:g} m; give metres."
        )


def is_closed(center: NDArray[np.float64]) -> bool:
    """Whether the ends of a centre line belong together.

    They do where the last row repeats the first, comes within 0.1 m of it (two published files end 5 to 9
    cm short), or where one more ordinary step straight ahead would reach it.
    """
    gap = center[0] - center[-1]
    distance = float(np.hypot(gap[0], gap[1]))
    if distance <= 0.1:
        return True
    steps = geometry.step_lengths(center, closed=False)
    ahead = geometry.tangents(center, closed=False)[-1]
    return distance <= 2.0 * float(steps.max()) and float(gap @ ahead) >= 0.5 * distance


def repeat_first_row(table: NDArray[np.float64], *, closed: bool) -> NDArray[np.float64]:
    """Append the first row to a closed table that does not repeat it (within a tenth of an ordinary step)."""
    gap = float(np.hypot(*(table[0, :2] - table[-1, :2])))
    steps = geometry.step_lengths(table[:, :2], closed=False)
    if not closed or gap <= 0.1 * float(np.median(steps)):
        return table
    return np.vstack([table, table[:1]])


def _by_direction(
    center: NDArray[np.float64],
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    source: str,
    row_name: RowName,
    *,
    closed: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Borders as left and right of travel; refuse those that leave no road or change sides."""
    widths = np.hypot(*(left - right).T)
    row = int(np.argmin(widths))
    if widths[row] < WIDTH_MIN:
        raise TrackError(
            f"`{source}` {row_name(row)}: the borders leave a road of {widths[row]:.3g} m; "
            f"it must be at least {WIDTH_MIN} m wide. Move the borders apart."
        )
    across = geometry.signed_widths(center, left, right, closed=closed)
    if np.sum(across) < 0.0:
        left, right, across = right, left, -across
    # A few rows may point the wrong way (spikes of old files); a longer stretch means borders that cross.
    wrong = np.flatnonzero(across <= 0.0)
    if len(wrong) > max(2, len(center) // 20):
        raise TrackError(
            f"`{source}` {row_name(int(wrong[0]))}: the borders cross, left and right are exchanged "
            f"in {len(wrong)} of {len(center)} rows; keep each border on one side of the centre line."
        )
    return left, right
