"""Describes a recorded drive as text and as a picture, and checks that this build would send the same pulses.

The picture is a contact sheet: frames at even times, and the asked and applied actions over time, in one PNG.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from racer.car.actuator.states import ActuatorState, CommandSource, StopReason
from racer.car.calibration.calibration import make_calibration
from racer.car.gate import ActionBounds, Gate
from racer.car.recording.drive_file import DriveError, FrameEntry
from racer.car.recording.reader import RecordedDrive

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw


@dataclass(frozen=True, slots=True)
class PulseCheck:
    """Comparison of the pulses of a drive with those of this build's gate.

    Attributes:
        steps: Number of compared control steps.
        same: Number of steps with the same two pulses.
        first: Number of the first step that differs; None where all are equal.
    """

    steps: int
    same: int
    first: int | None


def check_pulses(drive: RecordedDrive) -> PulseCheck:
    """Send the recorded actions through this build's gate with the recorded calibration (catalogue R1).

    Raises:
        DriveError: The drive was recorded without calibration or bounds.
        GateRefusal: This build refuses an action that was sent then.
    """
    header = drive.header
    if header.calibration is None or header.bounds is None:
        raise DriveError(f"{drive.path} has no calibration or no bounds, so its pulses cannot be made again")
    data = {key: value for key, value in header.calibration.items() if key != "sha256"}
    calibration = make_calibration(data, f"{drive.path}: its calibration")
    gates: dict[float, Gate] = {}  # by speed limit, which the operator may change during a drive
    same, first = 0, None
    for row in drive.steps:
        limit = float(row["speed_limit"])
        if limit not in gates:
            gates[limit] = Gate(calibration, ActionBounds(*header.bounds), mapping=header.mapping, speed_limit=limit)
        pulses = gates[limit].pulses(float(row["asked_steering_deg"]), float(row["asked_speed"]))
        # The pilot sends neutral while the car does not drive, for any asked speed.
        throttle = pulses.throttle_us if row["applied_speed"] else gates[limit].rest.throttle_us
        if (pulses.steering_us, throttle) == (row["steering_us"], row["throttle_us"]):
            same += 1
        elif first is None:
            first = int(row["number"])
    return PulseCheck(len(drive.steps), same, first)


def drive_summary(drive: RecordedDrive) -> Iterator[tuple[str, str]]:
    """Yield a name and a line of text for each property of a drive."""
    header = drive.header
    yield "drive", f"{drive.seconds:.1f} s, {header.started or 'at an unknown time'}, racer {header.racer}"
    yield "car", header.car_id or "unknown"
    manual = sum(drive.steps["source"] == CommandSource.PERSON)
    yield "driver", f"{header.model or 'no policy'}; {manual} of {len(drive.steps)} control steps by a person"
    yield "steps", _steps_text(drive)
    yield "frames", f"{len(drive.frames)}{_frame_sizes_text(drive)}"
    channels = {"speed": "speed", "yaw_rate": "yaw rate", "x": "pose"}
    measured = ", ".join(text for name, text in channels.items() if np.isfinite(drive.measured[name]).any())
    yield (
        "measured",
        f"{len(drive.measured)} rows: {measured}" if measured else "nothing; `racer calibrate-sim` needs that",
    )
    for name, times in drive_timings(drive).items():
        yield name, _percentiles_text(times)
    if len(drive.actuator):
        last = drive.actuator[-1]
        yield (
            "actuator",
            f"{last['rejected']} commands rejected, {last['retries']} bus retries, {last['late']} late ticks",
        )
    if drive.damage:
        yield "damage", drive.damage


def drive_timings(drive: RecordedDrive) -> dict[str, NDArray[np.float64]]:
    """Return the durations of a drive [ms], each of shape (K,).

    Returns:
        `latency` from the capture of a frame to the bus, `policy` from its start to its answer, and `period` between
        control steps.
    """
    steps = drive.steps
    # Reversed, so that the first row of an input stays: later steps may repeat an input.
    captured = {int(row["input_id"]): int(row["captured_ns"]) for row in steps[::-1]}
    written = {
        int(row["input_id"]): int(row["written_ns"]) for row in drive.actuator[::-1] if int(row["written_ns"]) > 0
    }
    return {
        "latency": np.array([(at - captured[number]) / 1e6 for number, at in written.items() if number in captured]),
        "policy": (steps["answered_ns"].astype(np.int64) - steps["started_ns"].astype(np.int64)) / 1e6,
        "period": np.diff(steps["sent_ns"].astype(np.int64)) / 1e6,
    }


def state_changes(drive: RecordedDrive) -> Iterator[tuple[int, str]]:
    """Yield time [ns] and text of each event and each change of the actuator's state, in order of time."""
    changes = [(event.at_ns, f"{event.what}: {event.text}".rstrip(": ")) for event in drive.events]
    before = None
    for row in drive.actuator:
        now = (int(row["state"]), int(row["reason"]))
        if now != before:
            changes.append((int(row["now_ns"]), _state_text(*now)))
        before = now
    yield from sorted(changes)


def _state_text(state: int, reason: int) -> str:
    """Return names for the numbers of a status; unknown ones, of a later version, stay numbers."""
    name = ActuatorState(state).name if state in list(ActuatorState) else f"state {state}"
    cause = StopReason(reason).text if reason in list(StopReason) else f"reason {reason}"
    return f"{name}: {cause}" if cause else name


def _steps_text(drive: RecordedDrive) -> str:
    asked, applied = drive.steps["asked_speed"], drive.steps["applied_speed"]
    if not len(applied):
        return "none"
    moving = applied > 0.0
    cut = int((moving & (applied < asked - 1e-9)).sum())
    top = f"up to {applied.max():.2f} m/s" if moving.any() else "never moving"
    return f"{len(applied)} at {drive.header.control_rate_hz:g} Hz, {top}; speed cut by the limit in {cut}"


def _frame_sizes_text(drive: RecordedDrive) -> str:
    kinds = sorted({(f.width, f.height, f.channels, f.encoding.name.lower()) for f in drive.frames})
    size = sum(entry.size for entry in drive.frames)
    text = ", ".join(f"{w}x{h} {'grey' if c == 1 else 'colour'} {name}" for w, h, c, name in kinds)
    return f" of {text}, {size / 2**20:.1f} MiB" if kinds else ""


def _percentiles_text(times: NDArray[np.float64]) -> str:
    if not len(times):
        return "not known"
    p50, p95, p99 = np.percentile(times, [50, 95, 99])
    return f"p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms, longest {times.max():.1f} ms"


SHEET_COLUMNS: Final = 4
SHEET_ROWS: Final = 4
SHEET_TILE: Final = (240, 180)
_CAPTION: Final = 18
_MARGIN: Final = 12
_PLOT_HEIGHT: Final = 130
"""Sizes of the contact sheet [px]."""
_PAPER, _INK, _FAINT = (255, 255, 255), (40, 40, 40), (205, 205, 205)
_ASKED, _APPLIED = (235, 140, 30), (25, 90, 190)


def contact_sheet(drive: RecordedDrive) -> bytes:
    """Draw up to sixteen frames and two plots, steering and speed over time; returns a PNG.

    Raises:
        DriveError: The drive has neither frames nor control steps, or a frame is damaged.
    """
    from PIL import Image, ImageDraw

    if not drive.frames and not len(drive.steps):
        raise DriveError(f"{drive.path} has nothing to show: no frames and no control steps")
    chosen = _sample_frames(drive)
    start = min(
        [entry.captured_ns for entry in drive.frames[:1]] + [int(row["captured_ns"]) for row in drive.steps[:1]]
    )
    rows = -(-len(chosen) // SHEET_COLUMNS)
    width = SHEET_COLUMNS * SHEET_TILE[0] + (SHEET_COLUMNS + 1) * _MARGIN
    tile_height = SHEET_TILE[1] + _CAPTION + _MARGIN
    plots = 2 if len(drive.steps) > 1 else 0
    height = rows * tile_height + plots * (_PLOT_HEIGHT + 2 * _MARGIN + _CAPTION) + _MARGIN
    sheet = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(sheet)
    for k, entry in enumerate(chosen):
        left = _MARGIN + (k % SHEET_COLUMNS) * (SHEET_TILE[0] + _MARGIN)
        top = _MARGIN + (k // SHEET_COLUMNS) * tile_height
        pixels = drive.pixels(entry)
        picture = Image.fromarray(pixels[:, :, 0] if entry.channels == 1 else pixels).convert("RGB")
        picture.thumbnail(SHEET_TILE)  # shrinks only
        if picture.width < SHEET_TILE[0] and picture.height < SHEET_TILE[1]:
            scale = min(SHEET_TILE[0] / picture.width, SHEET_TILE[1] / picture.height)
            picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
        sheet.paste(picture, (left, top))
        pen.text((left, top + SHEET_TILE[1] + 3), _caption(drive, entry, start), _INK)
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


def _sample_frames(drive: RecordedDrive) -> list[FrameEntry]:
    """Return at most sixteen frames at even times."""
    if len(drive.frames) <= SHEET_ROWS * SHEET_COLUMNS:
        return drive.frames
    at = np.array([entry.captured_ns for entry in drive.frames], np.float64)
    times = np.linspace(at[0], at[-1], SHEET_ROWS * SHEET_COLUMNS)
    return [drive.frames[k] for k in sorted({int(np.abs(at - time).argmin()) for time in times})]


def _caption(drive: RecordedDrive, entry: FrameEntry, start: int) -> str:
    """Return the time of a frame, and the action that was applied for it."""
    time = f"{(entry.captured_ns - start) / 1e9:.1f} s"
    rows = drive.steps[drive.steps["input_id"] == entry.number]
    if not len(rows):
        return time
    return f"{time}   {rows[0]['applied_steering_deg']:+.0f} deg   {rows[0]['applied_speed']:.2f} m/s"


def _plot(
    pen: ImageDraw,
    box: tuple[int, int, int, int],
    title: str,
    times: NDArray[np.float64],
    asked: NDArray[Any],
    applied: NDArray[Any],
) -> None:
    """Plot asked values behind applied ones, held from step to step, with a scale on the left.

    Args:
        pen: Canvas of the sheet.
        box: Left, top, right and bottom [px].
        title: Title above the plot.
        times: Times of the steps [s], shape (K,).
        asked: Asked values, shape (K,).
        applied: Applied values, shape (K,).
    """
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
