"""DeepRacer's route files: float64 (R, 6) = centre x, y, inner x, y, outer x, y [m].

The rows of a file are kept exactly, with its repeated rows. Inner and outer mean enclosed and enclosing; left and right
are derived from the geometry.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer.assets import write_atomically
from racer.errors import TrackError
from racer.track import geometry
from racer.track.track import Track, check_numbers, is_closed, make_track


def read_npy(path: Path, *, scale: float = 1.0) -> Track:
    """Read a DeepRacer route.

    Args:
        path: The `.npy` file.
        scale: Factor on all coordinates.

    Raises:
        TrackError: The file cannot be read without pickle, has other columns or types, or does not describe a road.
    """
    table = _load(path)
    if table.ndim != 2 or table.shape[1] != 6:
        shape = " x ".join(map(str, table.shape)) or "a single number"
        raise TrackError(
            f"`{path}` holds {shape}, not R x 6; a DeepRacer route has six columns: "
            "centre x, y, inner x, y, outer x, y."
        )
    if table.dtype.kind != "f":
        raise TrackError(
            f"`{path}` holds {table.dtype} from row 0 on; coordinates are floating point metres. "
            "Save it with array.astype(float)."
        )
    rows = table.astype(np.float64)
    # Before scaling, so that messages and the 10 cm of a closing gap are about the numbers of the file.
    check_numbers(rows, str(path), "row {}".format)
    rows *= scale
    return make_track(rows, name=path.stem, closed=is_closed(rows[:, :2] / scale), source=str(path))


def write_npy(track: Track, path: Path) -> None:
    """Write a DeepRacer route; a closed track ends with its first row.

    The border that encloses less is the inner one; on an open track it is the left one.
    """
    write_atomically(path, npy_bytes(track))


def npy_bytes(track: Track) -> bytes:
    """Return the content of the `.npy` file of a track."""
    # An open track encloses nothing; its left border is written first by convention.
    left_is_inner = not track.closed or (
        abs(geometry.enclosed_area(track.left)) <= abs(geometry.enclosed_area(track.right))
    )
    inner, outer = (track.left, track.right) if left_is_inner else (track.right, track.left)
    rows = np.hstack([track.center, inner, outer])
    if track.closed and float(np.hypot(*(rows[0, :2] - rows[-1, :2]))) > 0.1:
        rows = np.vstack([rows, rows[:1]])
    # Through memory, so that the file is written as a whole or not at all.
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    return buffer.getvalue()


def _load(path: Path) -> NDArray[np.generic]:
    try:
        # Mapped, so that a header that promises more than the file holds is refused before memory is allocated.
        table = np.load(path, mmap_mode="r", allow_pickle=False)
    except EOFError:
        raise TrackError(f"`{path}` is empty; copy the file again.") from None
    except OSError as problem:
        raise TrackError(f"`{path}` cannot be read: {problem.strerror or problem}.") from None
    except (ValueError, TypeError, SyntaxError, OverflowError) as problem:
        raise TrackError(f"`{path}` {_failure_reason(path, str(problem))}") from None
    if not isinstance(table, np.ndarray):
        table.close()
        raise TrackError(f"`{path}` is an archive of arrays (npz); save one array with numpy.save.")
    return np.array(table)


def _failure_reason(path: Path, problem: str) -> str:
    """Return why numpy refused a file; its exceptions do not distinguish a text file from a truncated array."""
    with path.open("rb") as file:
        magic = file.read(6)
    if magic != b"\x93NUMPY":
        return "is not a .npy file; save the array with numpy.save."
    if "object" in problem.lower() or "pickle" in problem.lower():
        return "holds pickled Python objects, which are not loaded; save it with array.astype(float)."
    return "is truncated or its header is broken; copy the file again."
