"""Reads from a recorded drive what a fit needs: commands, measurements, and the spans in which the car drove."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.car.actuator.states import ActuatorState
from racer.car.recording.drive_file import DriveError
from racer.car.recording.reader import RecordedDrive
from racer.sysid.rollout import DriveCommands

STEP_GAP_MAX_S = 0.5
"""Time without a control step after which the commands of the car are unknown [s]."""
STEERING_LEAD_S = 0.5
"""Steering before a span that is simulated too [s], because the wheels follow as soon as the car is armed."""
SPAN_MIN_S = 2.0
"""Shortest span that a fit can use [s]."""
POSE_WINDOW_S = 0.4
"""Time over which poses are compared [s]: long enough to move, short enough that errors do not accumulate."""

CHANNELS = ("speed", "yaw_rate", "pose")


@dataclass(frozen=True, slots=True)
class PoseWindows:
    """Pairs of poses.

    Attributes:
        first: Time of the first pose [s], shape (K,).
        last: Time of the last pose [s], shape (K,).
        moved: Motion in between in the first pose's frame [m, m, rad], shape (K, 3).
    """

    first: NDArray[np.float64]
    last: NDArray[np.float64]
    moved: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DrivenSpan:
    """Time span in which the car drove without interruption.

    Attributes:
        start: Start on the drive's clock [s].
        end: End on the drive's clock [s].
        speed_first: Speed at the start [m/s].
        samples: Times and values of `speed` [m/s] and `yaw_rate` [rad/s], each of shape (K,).
        windows: Pairs of poses; None if none were measured.
    """

    start: float
    end: float
    speed_first: float
    samples: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
    windows: PoseWindows | None

    def count(self, channel: str) -> int:
        """Return the number of measurements of a channel."""
        if channel == "pose":
            return 0 if self.windows is None else len(self.windows.first)
        return len(self.samples[channel][0])


@dataclass(frozen=True, slots=True)
class DriveData:
    """Commands and measurements of a drive, prepared for the comparison with the simulator."""

    commands: DriveCommands
    spans: tuple[DrivenSpan, ...]
    glass_to_wire: NDArray[np.float64]
    """Time from the capture of a frame until its command was on the bus [s], shape (K,)."""

    @property
    def seconds(self) -> float:
        """Return the total driving time [s]."""
        return sum(span.end - span.start for span in self.spans)

    def channels(self) -> tuple[str, ...]:
        """Return the channels of `CHANNELS` with at least ten measurements."""
        return tuple(name for name in CHANNELS if sum(span.count(name) for span in self.spans) >= 10)


def extract_drive_data(drive: RecordedDrive) -> DriveData:
    """Extract commands, spans and measurements from a drive.

    Raises:
        DriveError: The drive has too few control steps, or the car never drove for `SPAN_MIN_S`.
    """
    if len(drive.steps) < 10:
        raise DriveError(f"{drive.path} has {len(drive.steps)} control steps; a fit needs some seconds of driving")
    steps = drive.steps[np.argsort(drive.steps["sent_ns"], kind="stable")]
    zero = int(steps["sent_ns"][0])
    written = _written_times(drive)
    times = np.array([(written.get(int(row["input_id"]), int(row["sent_ns"])) - zero) / 1e9 for row in steps])
    times = np.maximum.accumulate(times)  # a later command never takes effect before an earlier one
    commands = DriveCommands(
        times, np.radians(steps["applied_steering_deg"]), steps["applied_speed"].astype(np.float64)
    )
    if not np.isfinite([commands.steering, commands.speed]).all():
        raise DriveError(f"{drive.path} has control steps whose applied action is not a number")
    spans = tuple(
        _make_span(drive.measured, zero, start, end)
        for start, end in _driven_intervals(drive, times, zero)
        if end - start >= SPAN_MIN_S
    )
    if not spans:
        raise DriveError(f"{drive.path}: the car never drove for {SPAN_MIN_S:g} s; record a longer drive")
    return DriveData(commands, spans, _capture_to_bus(drive))


def _written_times(drive: RecordedDrive) -> dict[int, int]:
    """Return when the command of each input was first on the bus, where the actuator reported it."""
    rows = drive.actuator[drive.actuator["written_ns"] > 0]
    written: dict[int, int] = {}
    sent = {int(row["input_id"]): int(row["sent_ns"]) for row in drive.steps[::-1]}
    for row in rows:
        number, at = int(row["input_id"]), int(row["written_ns"])
        if number in sent and at >= sent[number]:
            written.setdefault(number, at)
    return written


def _capture_to_bus(drive: RecordedDrive) -> NDArray[np.float64]:
    captured = {int(row["input_id"]): int(row["captured_ns"]) for row in drive.steps[::-1]}
    return np.array([(at - captured[number]) / 1e9 for number, at in _written_times(drive).items()])


def _driven_intervals(drive: RecordedDrive, times: NDArray[np.float64], zero: int) -> Iterator[tuple[float, float]]:
    """Return start and end [s] of each span without a gap in which the actuator reported DRIVING.

    Without any actuator status, every span without a gap counts.
    """
    # Spans between gaps of the commands are intersected with runs of DRIVING below.
    breaks = np.flatnonzero(np.diff(times) > STEP_GAP_MAX_S)
    starts = times[np.concatenate([[0], breaks + 1])]
    ends = times[np.concatenate([breaks, [len(times) - 1]])]
    rows = drive.actuator
    if not len(rows):
        yield from zip(starts.tolist(), ends.tolist(), strict=True)
        return
    at = (rows["now_ns"].astype(np.int64) - zero) / 1e9
    # Padded on both sides, so that a run that touches an end of the drive has both edges.
    moving = np.concatenate([[False], rows["state"] == ActuatorState.DRIVING, [False]]).astype(np.int8)
    edges = np.diff(moving)
    for first, last in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1, strict=True):
        for start, end in zip(starts, ends, strict=True):  # most intersections are empty, and too short to be used
            yield max(float(start), float(at[first])), min(float(end), float(at[last]))


def _make_span(measured: NDArray[np.void], zero: int, start: float, end: float) -> DrivenSpan:
    at = (measured["at_ns"].astype(np.int64) - zero) / 1e9
    inside = (at > start) & (at <= end)
    samples = {}
    for name in ("speed", "yaw_rate"):
        use = inside & np.isfinite(measured[name])
        samples[name] = (at[use], measured[name][use].astype(np.float64))
    first = samples["speed"][1][:3]  # the median of three: one slipping wheel must not set the start
    return DrivenSpan(
        start, end, float(np.median(first)) if len(first) else 0.0, samples, _make_windows(measured[inside], at[inside])
    )


def _make_windows(rows: NDArray[np.void], at: NDArray[np.float64]) -> PoseWindows | None:
    """Return pairs of poses with a distance of about `POSE_WINDOW_S`, each beginning in the middle of the last."""
    complete = np.isfinite([rows["x"], rows["y"], rows["yaw"]]).all(axis=0)
    rows, at = rows[complete], at[complete]
    if len(at) < 3:
        return None
    stride = max(round(POSE_WINDOW_S / max(float(np.median(np.diff(at))), 1e-3)), 1)
    first = np.arange(0, len(at) - stride, max(stride // 2, 1))
    last = first + stride
    # Poses that are missing in between would make a window too long.
    near = at[last] - at[first] < 2.0 * POSE_WINDOW_S + 1e-9
    first, last = first[near], last[near]
    moved = relative_motion(*(rows[name][k] for k in (first, last) for name in ("x", "y", "yaw")))
    return PoseWindows(at[first], at[last], moved)


def relative_motion(
    x0: NDArray[np.float64], y0: NDArray[np.float64], yaw0: NDArray[np.float64],
    x1: NDArray[np.float64], y1: NDArray[np.float64], yaw1: NDArray[np.float64],
) -> NDArray[np.float64]:  # fmt: skip
    """Return the motion from the first to the second poses, in the frames of the first ones.

    Returns:
        Motion forward and left [m] and turned angle in -pi..pi [rad], shape (K, 3).
    """
    dx, dy = x1 - x0, y1 - y0
    cos, sin = np.cos(yaw0), np.sin(yaw0)
    turned = (yaw1 - yaw0 + np.pi) % (2.0 * np.pi) - np.pi
    return np.stack([cos * dx + sin * dy, cos * dy - sin * dx, turned], axis=1)
