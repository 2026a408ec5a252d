"""A contact sheet of a recorded drive: frames at even times, and what was asked and applied, in one PNG."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from racer.car.drives.file import DriveError
from racer.car.drives.read import Drive, FrameEntry

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

COLUMNS: Final = 4
ROWS: Final = 4
TILE: Final = (240, 180)
_CAPTION: Final = 18
_MARGIN: Final = 12
_PLOT_HEIGHT: Final = 130
_PAPER, _INK, _FAINT = (255, 255, 255), (40, 40, 40), (205, 205, 205)
_ASKED, _APPLIED = (235, 140, 30), (25, 90, 190)


def contact_sheet(drive: Drive) -> bytes:
    """PNG of up to sixteen frames and two strips, steering and speed over time.

    Raises:
        DriveError: neither frames nor control steps, or a frame is damaged.
    """
    from PIL import Image, ImageDraw

    if not drive.frames and not len(drive.steps):
        raise DriveError(f"{drive.path} has nothing to show: no frames and no control steps")
    chosen = _chosen(drive)
    start = _start_ns(drive)
    rows = -(-len(chosen) // COLUMNS)
    width = COLUMNS * TILE[0] + (COLUMNS + 1) * _MARGIN
    tile_height = TILE[1] + _CAPTION + _MARGIN
    plots = 2 if len(drive.steps) > 1 else 0
    height = rows * tile_height + plots * (_PLOT_HEIGHT + 2 * _MARGIN + _CAPTION) + _MARGIN
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for k, entry in enumerate(chosen):
        left = _MARGIN + (k % COLUMNS) * (TILE[0] + _MARGIN)
        top = _MARGIN + (k // COLUMNS) * tile_height
        pixels = drive.pixels(entry)
        picture = Image.fromarray(pixels[:, :, 0] if entry.channels == 1 else pixels).convert("RGB")
        picture.thumbnail(TILE)
        if picture.width < TILE[0] and picture.height < TILE[1]:
            share = min(TILE[0] / picture.width, TILE[1] / picture.height)
            picture = picture.resize((round(picture.width * share), round(picture.height * share)))
        sheet.paste(picture, (left, top))
        pen.text((left, top + TILE[1] + 3), _caption(drive, entry, start), _INK)
    if plots:
        top = _MARGIN + rows * tile_height
        times = (drive.steps["sent_ns"].astype(np.int64) - start) / 1e9
        for name, field, unit in (("steering", "steering_deg", "degrees, left up"), ("speed", "speed", "m/s")):
            box = (_MARGIN + 40, top + _CAPTION, width - _MARGIN, top + _CAPTION + _PLOT_HEIGHT)
            _plot(pen, box, f"{name}, {unit}", times, drive.steps[f"asked_{field}"], drive.steps[f"applied_{field}"])
            top += _PLOT_HEIGHT + 2 * _MARGIN + _CAPTION
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _chosen(drive: Drive) -> list[FrameEntry]:
    """At most sixteen frames, even in time."""
    if len(drive.frames) <= ROWS * COLUMNS:
        return drive.frames
    at = np.array([entry.captured_ns for entry in drive.frames], np.float64)
    wanted = np.linspace(at[0], at[-1], ROWS * COLUMNS)
    return [drive.frames[k] for k in sorted({int(np.abs(at - one).argmin()) for one in wanted})]


def _start_ns(drive: Drive) -> int:
    firsts = [entry.captured_ns for entry in drive.frames[:1]] + [int(row["captured_ns"]) for row in drive.steps[:1]]
    return min(firsts)


def _caption(drive: Drive, entry: FrameEntry, start: int) -> str:
    """Time of the frame, and what was applied from it."""
    words = f"{(entry.captured_ns - start) / 1e9:.1f} s"
    rows = drive.steps[drive.steps["input_id"] == entry.number]
    if not len(rows):
        return words
    return f"{words}   {rows[0]['applied_steering_deg']:+.0f} deg   {rows[0]['applied_speed']:.2f} m/s"


def _plot(
    pen: ImageDraw,
    box: tuple[int, int, int, int],
    title: str,
    times: NDArray[np.float64],
    asked: NDArray[Any],
    applied: NDArray[Any],
) -> None:
    """Asked behind, applied in front, with a scale on the left; held from step to step."""
    left, top, right, bottom = box
    both = np.concatenate([asked, applied, [0.0]])
    both = both[np.isfinite(both)]
    low, high = float(both.min()), float(both.max())
    if high - low < 1e-6:
        high = low + 1.0
    span = max(float(times[-1] - times[0]), 1e-6)
    for value in sorted({low, 0.0, high}):
        y = bottom - (value - low) / (high - low) * (bottom - top)
        pen.line([(left, y), (right, y)], _FAINT)
        pen.text((_MARGIN, y - 6), f"{value:.3g}", _INK)
    pen.text((left, top - _CAPTION), title, _INK)
    pen.text((left + 190, top - _CAPTION), "asked", _ASKED)
    pen.text((left + 240, top - _CAPTION), "applied", _APPLIED)
    pen.text((right - 60, top - _CAPTION), f"{span:.1f} s", _INK)
    for values, colour in ((asked, _ASKED), (applied, _APPLIED)):
        points = []
        for k, value in enumerate(values.tolist()):
            if not np.isfinite(value):
                continue
            y = bottom - (value - low) / (high - low) * (bottom - top)
            after = times[min(k + 1, len(times) - 1)]
            points += [(left + (at - times[0]) / span * (right - left), y) for at in (times[k], after)]
        pen.line(points, colour, width=2)
