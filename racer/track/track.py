"""A track as frozen arrays, and the checks that every reader of a track file shares.

Rows are the rows of the file in the direction of travel, because users' reward functions hold tables that index them:
row i of the centre line belongs to row i of both borders. On a closed track the last row usually repeats the first;
rows are joined cyclically (row R-1 to row 0), so that a repeated row makes one segment of length zero, and a file with
a small gap gets its closing segment. Rows may repeat anywhere: DeepRacer's files contain a repeated row where their
authors once joined the ends. Units are metres, x right, y up, angles counter-clockwise; left and right are by direction
of travel.

`make_track` makes a checked `Track` from the numbers of a file. Its messages name the file and the row as the file
counts it, and what to do.
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
    """Colours of a track (sRGB 0..255) and widths of its lines [m].

    The defaults are means measured from the textures and meshes of the DeepRacer simulator.
    """

    road: Colour = (64, 63, 61)
    edge_line: Colour = (223, 223, 222)
    center_line: Colour = (225, 143, 0)
    field: Colour = (126, 133, 65)
    wall: Colour = (36, 70, 81)
    edge_line_width: float = 0.076
    """Width of the white line inside each border [m]."""
    center_line_width: float = 0.026
    dash_length: float = 0.051
    dash_gap: float = 0.051
    start_line_length: float = 0.078
    """Extent along the road [m]; across, the line spans the road between the edge lines."""
    wall_height: float = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Track:
    """One course in one direction of travel.

    Attributes:
        name: Name for users, shown in results.
        center: Centre line [m], shape (R, 2), float64.
        left: Left border at each row [m], shape (R, 2), float64.
        right: Right border at each row [m], shape (R, 2), float64.
        closed: True for a loop, False for a point-to-point course.
        walls: `borders`: walls on the borders; `offset`: walls `wall_offset` outside the borders; `none`: no walls.
        wall_offset: Distance from the borders to the walls [m], for `offset`.
        look: Colours and line widths.
        source: The file or generator that the track is from, for messages and run folders.
        backwards: True where the direction of travel is the reverse of the file's.
        description: One line for people; empty where the file has none.
        notes: What the reader of the file left out, with what to do; `racer tracks check` reports them as warnings.
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
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key in ("center", "left", "right"):
            # A copy: the reader's table stays writable, and no later change of it can reach the track.
            rows = np.array(getattr(self, key), dtype=np.float64, order="C")
            rows.flags.writeable = False
            object.__setattr__(self, key, rows)

    @property
    def segment_vectors(self) -> NDArray[np.float64]:
        """Vector of each segment [m], shape (S, 2); S = R on a closed track (the last joins row 0), else R - 1."""
        return geometry.segments(self.center, closed=self.closed)[1]

    @property
    def segment_lengths(self) -> NDArray[np.float64]:
        """Length of each segment [m], shape (S,); zero where a row repeats."""
        return geometry.step_lengths(self.center, closed=self.closed)

    @property
    def length(self) -> float:
        """Length of the centre line [m]."""
        return float(self.segment_lengths.sum())

    @property
    def widths(self) -> NDArray[np.float64]:
        """Distance between the two borders at each row [m], shape (R,)."""
        across = self.left - self.right
        return np.hypot(across[:, 0], across[:, 1])

    def reversed(self) -> Track:
        """Return the course in the other direction: rows in reverse order, left and right exchanged."""
        return replace(
            self,
            center=self.center[::-1],
            left=self.right[::-1],
            right=self.left[::-1],
            backwards=not self.backwards,
        )


ROWS_MIN = 4
LENGTH_MIN = 0.5
"""Least length [m]; a car of 0.3 m cannot drive a shorter course."""
WIDTH_MIN = 0.05
"""Least distance between the borders [m]; a car is 0.2 m wide, so this finds only files without a road."""
EXTENT_MAX = 1e5
"""Largest coordinate [m]; a larger one is in another unit or broken."""

RowName = Callable[[int], str]


def make_track(
    table: NDArray[np.float64],
    *,
    name: str,
    source: str,
    closed: bool,
    row_name: RowName = "row {}".format,
    **rest: Any,
) -> Track:
    """Check the numbers of a file and make a `Track` from them.

    Args:
        table: Centre line in the direction of travel x, y, one border x, y, and the other border x, y [m], shape
            (R, 6). The borders are exchanged where the first one is to the right of the centre line.
        name: Name for users.
        source: The file, for messages.
        closed: Whether the course is a loop.
        row_name: Returns the name of row i in the file (`line 7`).
        rest: Further fields of `Track`.

    Raises:
        TrackError: A number is not finite, there are too few rows, the course is too short, or there is not a road
            between the borders.
    """
    check_numbers(table, source, row_name)
    center, left, right = table[:, :2], table[:, 2:4], table[:, 4:]
    length = float(geometry.step_lengths(center, closed=closed).sum())
    if length < LENGTH_MIN:
        raise TrackError(
            f"`{source}`: the centre line is {length:.3g} m long; a track needs at least {LENGTH_MIN} m. "
            "Are the numbers in metres?"
        )
    left, right = _by_direction(center, left, right, source, row_name, closed=closed)
    return Track(name=name, center=center, left=left, right=right, closed=closed, source=source, **rest)


def make_track_from_widths(
    line: NDArray[np.float64],
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    *,
    closed: bool,
    scale: float,
    **rest: Any,
) -> Track:
    """Make a track from a centre line and its widths; on a closed one the first row is repeated at the end.

    Args:
        line: Centre line [m], shape (R, 2).
        left: Distance to the left border [m], shape (R,).
        right: Distance to the right border [m], shape (R,).
        closed: Whether the course is a loop.
        scale: Factor on all coordinates and widths.
        rest: Further arguments of `make_track`.

    Raises:
        TrackError: As `make_track`.
    """
    table = repeat_first_row(np.column_stack([line, left, right]) * scale, closed=closed)
    borders = geometry.borders_from_widths(table[:, :2], table[:, 2], table[:, 3], closed=closed)
    return make_track(np.hstack([table[:, :2], *borders]), closed=closed, **rest)


def check_numbers(table: NDArray[np.float64], source: str, row_name: RowName) -> None:
    """Refuse a table with too few rows or with numbers that cannot be coordinates.

    Args:
        table: Rows of numbers [m], shape (R, K).
        source: The file, for messages.
        row_name: Returns the name of a row in the file.

    Raises:
        TrackError: The message names the first such row.
    """
    if len(table) < ROWS_MIN:
        raise TrackError(f"`{source}` has {len(table)} rows; a track needs at least {ROWS_MIN}.")
    checks = (
        (~np.isfinite(table), "a number is {:g}; give finite metres in every column"),
        (np.abs(table) > EXTENT_MAX, f"{{:g}} is beyond {EXTENT_MAX:g} m; give metres"),
    )
    for wrong, message in checks:
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise TrackError(f"`{source}` {row_name(int(row))}: {message.format(table[row, column])}.")


def is_closed(center: NDArray[np.float64]) -> bool:
    """Return whether the ends of a centre line (R, 2) belong together.

    They do where the last row repeats the first or is within 0.1 m of it (two published files end 5 to 9 cm short),
    and where one more step of ordinary length straight ahead would reach it.
    """
    gap = center[0] - center[-1]
    distance = float(np.hypot(gap[0], gap[1]))
    if distance <= 0.1:
        return True
    # The gap may be two ordinary steps long, and must lie within 60 degrees of the last direction (cos 60 = 0.5).
    steps = geometry.step_lengths(center, closed=False)
    ahead = geometry.tangents(center, closed=False)[-1]
    return distance <= 2.0 * float(steps.max()) and float(gap @ ahead) >= 0.5 * distance


def repeat_first_row(table: NDArray[np.float64], *, closed: bool) -> NDArray[np.float64]:
    """Append the first row to a closed table that does not repeat it (within a tenth of the median step)."""
    # A tenth of a step is rounding; a larger gap is a closing segment that the file leaves out.
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
    """Return the borders as left and right of travel; refuse borders that leave no road or change sides."""
    widths = np.hypot(*(left - right).T)
    # First, because borders that coincide have no sides to compare.
    row = int(np.argmin(widths))
    if widths[row] < WIDTH_MIN:
        raise TrackError(
            f"`{source}` {row_name(row)}: the borders leave a road of {widths[row]:.3g} m; "
            f"it must be at least {WIDTH_MIN} m wide. Move the borders outwards."
        )
    across = geometry.signed_widths(center, left, right, closed=closed)
    if np.sum(across) < 0.0:
        # Left and right are by direction of travel; a file's order (inner, outer) says nothing about that.
        left, right, across = right, left, -across
    # A few rows may point the wrong way (spikes of old files); a longer stretch means borders that cross.
    wrong = np.flatnonzero(across <= 0.0)
    if len(wrong) > max(2, len(center) // 20):
        raise TrackError(
            f"`{source}` {row_name(int(wrong[0]))}: the borders cross, left and right are exchanged "
            f"in {len(wrong)} of {len(center)} rows; keep each border on one side of the centre line."
        )
    return left, right
