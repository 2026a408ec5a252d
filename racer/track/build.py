"""From the numbers of a file to a `Track`: the checks that every reader shares.

A message names the file and the row as the file counts it, and says what to do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.errors import TrackError
from racer.track import geometry
from racer.track.track import Track

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
