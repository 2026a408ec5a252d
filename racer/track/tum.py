"""Centre lines and race lines as text: the TUM race-track database and its variants in F1TENTH.

A centre line has x, y, width to the right, width to the left (right first). A race line has x, y and no width, or seven
columns s; x; y; psi; kappa; vx; ax. Columns are separated by commas, semicolons, tabs or blanks; lines that start with
`#` are comments, and the last one before the numbers may name the columns. Columns of unknown names are reported, since
a width under another name would be lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer.assets import read_text
from racer.errors import TrackError
from racer.track.track import Track, check_numbers, is_closed, make_track_from_widths

FULL_SIZE_WIDTH = 5.0
"""Mean width above which a road belongs to full-size cars [m]."""
SMALL_CAR_SCALE = 1.0 / 18.0

_WIDTHLESS = {2: (0, 1), 7: (1, 2)}
"""Columns of x and y in a race line, by its number of columns."""
_KNOWN_COLUMNS = frozenset(["x", "y", "w_tr_right", "w_tr_left", "s", "psi", "kappa", "vx", "ax"])
"""Names of the columns of centre lines and race lines, without their units."""


@dataclass(frozen=True, kw_only=True)
class CenterlineTable:
    """The numbers of a centre line's or race line's file.

    Attributes:
        points: Points [m], shape (R, 2).
        right: Width to the right [m], shape (R,); None where the file has none.
        left: Width to the left [m], shape (R,); None where the file has none.
        lines: Line numbers in the file, from 1, shape (R,).
        notes: Columns that were not read, for `Track.notes`.
    """

    points: NDArray[np.float64]
    right: NDArray[np.float64] | None
    left: NDArray[np.float64] | None
    lines: NDArray[np.intp]
    notes: tuple[str, ...] = ()


def read_csv(path: Path, *, scale: float | None = None, width: float | None = None) -> Track:
    """Read a centre line, or a race line with a given width.

    Args:
        path: The text file.
        scale: Factor on all coordinates and widths; None means 1/18 for a full-size circuit (a road wider than 5 m on
            average) and 1 otherwise.
        width: Width of the road in the file's metres, for a file without widths.

    Raises:
        TrackError: The file cannot be read, or needs a width.
    """
    line = read_line(path)
    if line.right is None or line.left is None:
        if width is None:
            raise TrackError(
                f"`{path}` is a race line without widths; give the road's width in the file's metres: "
                f"`{path}@width=10` (or --width 10)."
            )
        right = left = np.full(len(line.points), width / 2)
    elif width is not None:
        raise TrackError(f"`{path}` already has widths; leave out width={width:g}.")
    else:
        right, left = line.right, line.left
    if scale is None:
        scale = SMALL_CAR_SCALE if float(np.mean(right + left)) > FULL_SIZE_WIDTH else 1.0
    return track_from_widths(line, right, left, scale=scale, name=path.stem, source=str(path))


def track_from_widths(
    line: CenterlineTable,
    right: NDArray[np.float64],
    left: NDArray[np.float64],
    *,
    scale: float,
    name: str,
    source: str,
) -> Track:
    """Make a track from the centre line of a file and its widths.

    Args:
        line: The centre line.
        right: Width to the right [m], shape (R,).
        left: Width to the left [m], shape (R,).
        scale: Factor on all coordinates and widths.
        name: Name of the track.
        source: The file, for messages.
    """
    return make_track_from_widths(
        line.points,
        left,
        right,
        closed=is_closed(line.points),
        scale=scale,
        name=name,
        source=source,
        notes=line.notes,
        # The repeated first row of a closed course is in the file's first line.
        row_name=lambda row: f"line {line.lines[row % len(line.lines)]}",
    )


def read_line(path: Path) -> CenterlineTable:
    """Read the numbers of a centre line or race line.

    Raises:
        TrackError: The message names the line.
    """
    table, numbers, header = _read_table(path)
    columns, notes = _columns(path, header, table.shape[1])
    check_numbers(table[:, list(columns)], str(path), lambda row: f"line {numbers[row]}")
    points = table[:, list(columns[:2])]
    if len(columns) == 2:
        return CenterlineTable(points=points, right=None, left=None, lines=numbers, notes=notes)
    right, left = table[:, columns[2]], table[:, columns[3]]
    # A width of zero is allowed: the line may touch a border.
    bad = np.flatnonzero((right < 0.0) | (left < 0.0))
    if len(bad):
        raise TrackError(f"`{path}` line {numbers[bad[0]]}: a width is negative; give metres to each side.")
    return CenterlineTable(points=points, right=right, left=left, lines=numbers, notes=notes)


def _read_table(path: Path) -> tuple[NDArray[np.float64], NDArray[np.intp], str]:
    """Return all numbers, the line number of each row, and the text of the last comment before them."""
    rows: list[list[float]] = []
    numbers: list[int] = []
    header = ""
    for number, line in enumerate(read_text(path, TrackError).splitlines(), start=1):
        content = line.strip()
        # Some files name their columns in a first line without `#`; one that holds `nan` is a row with a bad number.
        if content.startswith("#") or (not rows and re.match(r"[A-Za-z]", content) and "nan" not in content.lower()):
            header = header if rows else content
            continue
        if not content:
            continue
        try:
            rows.append([float(part) for part in _split(content)])
        except ValueError:
            raise TrackError(f"`{path}` line {number}: `{content[:60]}` is not all numbers.") from None
        numbers.append(number)
        if len(rows[-1]) != len(rows[0]):
            raise TrackError(
                f"`{path}` line {number} has {len(rows[-1])} columns, line {numbers[0]} has {len(rows[0])}; "
                "is it truncated?"
            )
    if not rows:
        raise TrackError(f"`{path}` holds no numbers; a track in .csv has columns x, y, right, left.")
    return np.array(rows), np.array(numbers, dtype=np.intp), header


def _split(content: str) -> list[str]:
    # The semicolon first: files of TUM separate by `; `, and a comma could then only be part of a number.
    for separator in (";", ","):
        if separator in content:
            return [part.strip() for part in content.rstrip(separator + " ").split(separator)]
    return content.split()


def _columns(path: Path, header: str, count: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the columns of x, y and, where there are widths, right and left; and notes of columns that are ignored.

    Raises:
        TrackError: The columns have unknown names, or their number is not that of a known table.
    """
    # `x [m]` and `x (m)` are the name x with its unit.
    words = [re.sub(r"\s*[\[(][^\])]*[\])]$", "", word) for word in _split(header.lstrip("# "))]
    names = [re.sub(r"_(m|rad|radpm|mps2?)$", "", word.lower()) for word in words]
    # A header names every column in one word. A comment can be prose of as many words; it has no two names of columns.
    named = len(words) == count and all(re.fullmatch(r"[A-Za-z_]\w*", word) for word in words)
    if named and (not header.startswith("#") or sum(name in _KNOWN_COLUMNS for name in names) >= 2):
        return _named_columns(path, words, names)
    if count == 4:
        return (0, 1, 2, 3), ()
    if count in _WIDTHLESS:
        return _WIDTHLESS[count], ()
    raise TrackError(
        f"`{path}` has {count} columns; a centre line has 4 (x, y, width right, width left), "
        "a race line 2 (x, y) or 7 (s, x, y, psi, kappa, vx, ax)."
    )


def _named_columns(path: Path, words: list[str], names: list[str]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    unknown = [word for word, name in zip(words, names, strict=True) if name not in _KNOWN_COLUMNS]
    listed = f"unknown column{'s' * (len(unknown) > 1)} {', '.join(f'`{word}`' for word in unknown)}"
    known = "known are x_m, y_m and the widths w_tr_right_m, w_tr_left_m"
    has_widths = {"w_tr_right", "w_tr_left"} <= set(names)
    # A width under another name could be of either side or the whole width, and a race line's width would be wrong.
    if unknown and (not {"x", "y"} <= set(names) or (not has_widths and _may_hold_widths(names, unknown))):
        raise TrackError(f"`{path}` has {listed}; {known}. Rename the columns in the header.")
    missing = [name for name in ("x", "y") if name not in names]
    if missing:
        raise TrackError(f"`{path}` has no column `{missing[0]}_m`; {known}. Rename the columns in the header.")
    columns = tuple(names.index(name) for name in ("x", "y", *(("w_tr_right", "w_tr_left") if has_widths else ())))
    return columns, (f"{listed} ignored; {known}",) if unknown else ()


def _may_hold_widths(names: list[str], unknown: list[str]) -> bool:
    """Return whether unknown columns could be the widths of a centre line: by their words, or as all there is."""
    worded = any(re.search(r"left|right|width|^w_|^w$|border|wall", word.lower()) for word in unknown)
    return worded or len(unknown) == len(names) - 2
