"""DeepRacer routes: rows kept, sides by geometry, every irregularity, every bad file."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from racer.errors import TrackError
from racer.track import geometry
from racer.track.npy import npy_bytes, read_npy, write_npy
from support.tracks import ring_route, straight_route

Table = NDArray[np.float64]


def read(folder: Path, table: NDArray[np.generic], name: str = "a.npy"):
    """Save and read."""
    np.save(folder / name, table)
    return read_npy(folder / name)


@pytest.mark.parametrize("clockwise", [False, True])
def test_rows_are_kept_and_sides_are_by_direction(tmp_path: Path, clockwise: bool) -> None:
    """Keep all rows and the repeated last one; inner is left on counter-clockwise files only (1, 3)."""
    table = ring_route(clockwise=clockwise)
    track = read(tmp_path, table)
    assert track.closed
    assert np.array_equal(track.center, table[:, :2])
    inner, outer = (track.right, track.left) if clockwise else (track.left, track.right)
    assert np.array_equal(inner, table[:, 2:4])
    assert np.array_equal(outer, table[:, 4:])
    # A polygon of 59 equal chords.
    assert track.length == pytest.approx(59 * 2 * 2.0 * np.sin(np.pi / 59), rel=1e-12)


def test_open_course(tmp_path: Path) -> None:
    """Take a straight whose ends lie apart as open (1)."""
    track = read(tmp_path, straight_route())
    assert not track.closed
    assert track.length == pytest.approx(5.7)
    assert np.all(track.left[:, 1] == 0.3)


@pytest.mark.parametrize("gap_m", [0.05, 0.09])
def test_small_gap_is_closed_with_its_own_rows(tmp_path: Path, gap_m: float) -> None:
    """Close a loop that ends 5 to 9 cm short, without adding or dropping a row (1)."""
    angle = np.linspace(0.0, 2 * np.pi - gap_m / 2.0, 60)
    unit = np.column_stack([np.cos(angle), np.sin(angle)])
    table = np.hstack([2.0 * unit, 1.6 * unit, 2.4 * unit])
    track = read(tmp_path, table)
    assert track.closed
    assert len(track.center) == 60
    assert track.segment_lengths[-1] == pytest.approx(gap_m, rel=1e-2)


def test_loop_without_repeated_row_is_closed(tmp_path: Path) -> None:
    """Close a loop whose last row is one ordinary step before the first."""
    track = read(tmp_path, ring_route()[:-1])
    assert track.closed
    assert len(track.center) == 59


def test_old_seam(tmp_path: Path) -> None:
    """Survive a duplicated row in the middle: directions stay finite, the sides stay right (2)."""
    table = np.insert(ring_route(), 30, ring_route()[30], axis=0)
    track = read(tmp_path, table)
    assert track.segment_lengths[30] == 0.0
    along = geometry.tangents(track.center, closed=True)
    assert np.array_equal(along[30], along[31])
    assert np.allclose(np.hypot(*along.T), 1.0)
    assert np.array_equal(along[0], along[-1])


def test_short_first_segment(tmp_path: Path) -> None:
    """Survive one short segment at the start, as the cw and ccw files have (2)."""
    table = np.insert(ring_route(), 1, 0.4 * ring_route()[0] + 0.6 * ring_route()[1], axis=0)
    assert read(tmp_path, table).length == pytest.approx(read(tmp_path, ring_route(), "b.npy").length, rel=1e-3)


def test_center_off_the_midline(tmp_path: Path) -> None:
    """Keep a centre line that is no midline, and a width that varies (4)."""
    table = ring_route()
    table[:, 4:] += 0.4 * table[:, :2] * (1 + np.cos(np.linspace(0, 2 * np.pi, 60)))[:, None] / 2
    track = read(tmp_path, table)
    assert np.array_equal(track.right, table[:, 4:])
    assert np.ptp(track.widths) > 0.5


def test_uneven_spacing_and_sharp_row(tmp_path: Path) -> None:
    """Keep rows 0.05 to 0.95 m apart and a turn of 85 degrees at one row (5)."""
    keep = np.unique(np.concatenate([np.arange(0, 240, 12), np.arange(120, 160), [239]]))
    table = ring_route(rows=240, radius=3.0)[keep]
    track = read(tmp_path, table)
    assert track.segment_lengths[:-1].max() > 10 * track.segment_lengths[:-1].min()
    corner = np.array([[0, 0], [2, 0], [4, 0], [4.1, 1.14], [4.2, 2.3], [2, 2.3], [0, 2.3], [0, 0]], dtype=float)
    normals = geometry.left_normals(corner, closed=True)
    sharp = read(tmp_path, np.hstack([corner, corner + 0.3 * normals, corner - 0.3 * normals]), "b.npy")
    assert np.array_equal(sharp.center, corner)


def test_spike_and_crossing_borders(tmp_path: Path) -> None:
    """Survive a 180-degree spike and a border that crosses itself once (7)."""
    table = ring_route()
    table[20] = table[18]
    table[40:42, 2:4] = table[[41, 40], 2:4]
    track = read(tmp_path, table)
    assert np.array_equal(track.center, table[:, :2])
    assert np.isfinite(geometry.tangents(track.center, closed=True)).all()
    assert len(geometry.crossings(track.left, closed=True)[0]) >= 1


def bad_nan(table: Table) -> Table:
    """NaN in row 7."""
    table[7, 1] = np.nan
    return table


def bad_flat(table: Table) -> Table:
    """No road in row 9."""
    table[9, 4:] = table[9, 2:4]
    return table


def bad_cross(table: Table) -> Table:
    """Borders that change sides from row 30 on."""
    table[30:50] = table[30:50][:, [0, 1, 4, 5, 2, 3]]
    return table


BAD: list[tuple[Callable[[Table], NDArray[np.generic]], str]] = [
    (bad_nan, r"row 7: a number is nan; give finite metres"),
    (lambda t: t * 1e9, r"row 0: .* is beyond 100000 m; give metres"),
    (lambda t: t[:, :2], r"holds 60 x 2, not R x 6; a DeepRacer route has six columns"),
    (lambda t: t[:, :4], r"holds 60 x 4, not R x 6"),
    (lambda t: np.hstack([t, t[:, :2]]), r"holds 60 x 8, not R x 6"),
    (lambda t: t.ravel(), r"holds 360, not R x 6"),
    (lambda t: (10 * t).astype(np.int64), r"holds int64 from row 0 on; .* array\.astype\(float\)"),
    (lambda t: t > 0, r"holds bool"),
    (lambda t: t[:3], r"has 3 rows; a track needs at least 4"),
    (lambda t: t[:0], r"(has 0 rows|is truncated)"),
    (lambda t: t * 1e-3, r"is 0\.0126 m long; .* metres\?"),
    (bad_flat, r"row 9: the borders leave a road of 0 m; .* Move the borders apart"),
    (bad_cross, r"row 30: the borders cross, .* 20 of 60 rows"),
]


@pytest.mark.parametrize(("spoil", "message"), BAD)
def test_bad_numbers(tmp_path: Path, spoil: Callable[[Table], NDArray[np.generic]], message: str) -> None:
    """Refuse each bad table in one line with the file, the row and what to do (8)."""
    with pytest.raises(TrackError, match=message) as caught:
        read(tmp_path, spoil(ring_route()))
    assert str(tmp_path / "a.npy") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: b"", "is empty; copy the file again"),
        (lambda data: data[:500], "is truncated"),
        (lambda data: data[:40], "is truncated or its header is broken"),
        (
            lambda data: data.replace(b"(60, 6)", b"(9" + b"9" * 8 + b", 6)")[:2000],
            "is truncated or its header",
        ),
        (lambda data: b"x,y\n1,2\n", "is no .npy file"),
    ],
)
def test_bad_bytes(tmp_path: Path, spoil: Callable[[bytes], bytes], message: str) -> None:
    """Refuse files that are no whole .npy file."""
    np.save(tmp_path / "a.npy", ring_route())
    (tmp_path / "a.npy").write_bytes(spoil((tmp_path / "a.npy").read_bytes()))
    with pytest.raises(TrackError, match=message):
        read_npy(tmp_path / "a.npy")


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    """Refuse object arrays without unpickling them, and archives."""

    class Trap:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    np.save(tmp_path / "a.npy", np.array([[Trap()] * 6] * 5, dtype=object), allow_pickle=True)
    with pytest.raises(TrackError, match=r"holds pickled Python objects"):
        read_npy(tmp_path / "a.npy")
    assert not (tmp_path / "sprung").exists()
    np.savez(tmp_path / "b.npz", a=ring_route())
    (tmp_path / "b.npz").rename(tmp_path / "b.npy")
    with pytest.raises(TrackError, match=r"archive of arrays"):
        read_npy(tmp_path / "b.npy")


@pytest.mark.parametrize("table", [ring_route(), ring_route(clockwise=True)])
def test_round_trip_is_exact(tmp_path: Path, table: Table) -> None:
    """Write back the same bytes that were read."""
    track = read(tmp_path, table)
    write_npy(track, tmp_path / "b.npy")
    assert (tmp_path / "b.npy").read_bytes() == (tmp_path / "a.npy").read_bytes()


def test_written_loop_repeats_its_first_row(tmp_path: Path) -> None:
    """End a closed file with its first row, once; the reverse has the same inner border."""
    track = read(tmp_path, ring_route()[:-1])
    (tmp_path / "b.npy").write_bytes(npy_bytes(track.reversed()))
    table = np.load(tmp_path / "b.npy")
    assert table.shape == (60, 6)
    assert np.array_equal(table[0], table[-1])
    assert np.hypot(*table[5, 2:4]) < np.hypot(*table[5, 4:])


def test_float32_and_scale(tmp_path: Path) -> None:
    """Take float32, and scale every coordinate."""
    np.save(tmp_path / "a.npy", ring_route().astype(np.float32))
    track = read_npy(tmp_path / "a.npy", scale=0.5)
    assert track.length == pytest.approx(0.5 * read(tmp_path, ring_route(), "b.npy").length, rel=1e-6)
    assert track.widths == pytest.approx(0.4, rel=1e-6)
