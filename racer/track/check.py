"""Checks a track for one vehicle: size, widths, ends, crossings, corners and rows.

A track with an error cannot be driven; one with warnings can, but it may look or drive unlike what its author meant.
Each message says what was found, and after a semicolon what to do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from racer.config.env import VehicleConfig
from racer.track import geometry
from racer.track.track import Track

# Widths of the road, in widths of the vehicle. A road of 1.25 leaves a car of 0.2 m 2.5 cm at each side, one of two
# 10 cm. The widest published roads have 7 (DeepRacer, 1.46 m) and 15 (F1TENTH's example map, 3.0 m).
WIDTH_ERROR = 1.25
WIDTH_WARNING = 2.0
WIDE_WARNING = 20.0
LENGTH_ERROR = 2.0
LENGTH_WARNING = 5.0
SPACING_WARNING = 0.5
KINK_WARNING_DEG = 45.0
OFF_CENTER_WARNING = 0.1
GAP_WARNING = 0.35
"""Largest gap between the ends of a loop that lost rows, as a fraction of the length of its rest."""
RADIUS_TOLERANCE = 0.98
"""Fraction of the vehicle's turning radius that a bend may have: radii between rows are exact to about 2 %."""
JUMP_WARNING = 0.35
"""Change of the width from one row to the next that is a fault, as a fraction of the narrower one."""


@dataclass(frozen=True, kw_only=True)
class TrackFinding:
    """One error or warning.

    Attributes:
        level: A track with an `error` cannot be driven; with a `warning` it can.
        code: Short name for programs.
        message: Description with figures.
        row: Row of the finding, counted from 0; None for the track as a whole.
    """

    level: Literal["error", "warning"]
    code: str
    message: str
    row: int | None = None


def check_track(track: Track, vehicle: VehicleConfig) -> list[TrackFinding]:
    """Return all findings for a vehicle, errors first, then in the order of the checks."""
    notes = [_warning("file", note) for note in track.notes]
    findings = [
        *notes,
        *_size(track),
        *_widths(track, vehicle),
        *_ends(track),
        *_crossings(track),
        *_corners(track, vehicle),
        *_rows(track),
    ]
    return sorted(findings, key=lambda finding: finding.level != "error")


def _warning(code: str, message: str, row: int | None = None) -> TrackFinding:
    return TrackFinding(level="warning", code=code, message=message, row=row)


def _error(code: str, message: str, row: int | None = None) -> TrackFinding:
    return TrackFinding(level="error", code=code, message=message, row=row)


def _size(track: Track) -> Iterator[TrackFinding]:
    if track.length < LENGTH_WARNING:
        finding = _error if track.length < LENGTH_ERROR else _warning
        yield finding("length", f"only {track.length:.2f} m long; check that the file is in metres, or add rows")
    widths = geometry.signed_widths(track.center, track.left, track.right, closed=track.closed)
    turned = np.flatnonzero(widths <= 0.0)
    if len(turned):
        message = (
            f"the borders of {len(turned)} rows do not lie across the direction of travel; "
            "move the border points of these rows beside the centre line"
        )
        yield _warning("slanted_rows", message, int(turned[0]))
    middle = (track.left + track.right) / 2
    off = np.hypot(*(track.center - middle).T)
    row = int(np.argmax(off))
    if off[row] > OFF_CENTER_WARNING:
        message = (
            f"the centre line is {off[row]:.2f} m off the middle of the road; "
            "rewards measure from the centre line: move it, if that is not intended"
        )
        yield _warning("off_center", message, row)


def _widths(track: Track, vehicle: VehicleConfig) -> Iterator[TrackFinding]:
    row = int(np.argmin(track.widths))
    width = float(track.widths[row])
    if width < WIDTH_WARNING * vehicle.width:
        finding = _error if width < WIDTH_ERROR * vehicle.width else _warning
        message = f"only {width:.2f} m wide, `{vehicle.name}` is {vehicle.width:.2f} m; widen the road"
        yield finding("width", message, row)
    # The median, because a spike of one border is another fault.
    typical = float(np.median(track.widths))
    if typical > WIDE_WARNING * vehicle.width:
        ratio = typical / vehicle.width
        # The power of ten that gives the most usual road, 0.8 m: numbers in centimetres are 100 times too large.
        scale = 10.0 ** round(math.log10(0.8 / typical))
        example = f" (`{track.source or track.name}@{scale:g}`)" if scale < 1.0 else ""
        message = (
            f"the road is {typical:.2f} m wide, {ratio:.0f} times the width of `{vehicle.name}`; "
            f"if the file is not in metres, scale it{example}"
        )
        yield _warning("wide", message)
    rows = np.arange(len(track.center) if track.closed else len(track.center) - 1)
    before, after = track.widths[rows], track.widths[(rows + 1) % len(track.center)]
    change = np.abs(after - before)
    # Between distant rows a road may well become that much wider: its width then changes by less than the distance.
    jumps = np.flatnonzero((change > JUMP_WARNING * np.minimum(before, after)) & (change > track.segment_lengths))
    if len(jumps):
        row = int(jumps[0])
        more = f" ({len(jumps) - 1} more)" if len(jumps) > 1 else ""
        message = (
            f"the width jumps from {before[row]:.2f} m to {after[row]:.2f} m at the next row{more}; "
            "correct the border points there"
        )
        yield _warning("width_jump", message, (row + 1) % len(track.center))


def _ends(track: Track) -> Iterator[TrackFinding]:
    """Find a loop that is read as an open course, because rows between its ends are missing.

    The way from the last row to the first is then short, and leads on in about the direction of both ends.
    """
    if track.closed:
        return
    gap = track.center[0] - track.center[-1]
    distance = float(np.hypot(gap[0], gap[1]))
    along = geometry.tangents(track.center, closed=False)
    # 75 degrees (cos 0.26): a loop without a quarter of a circle has 45 at both ends, a course that comes back beside
    # its start has 90.
    ahead = min(float(gap @ along[-1]), float(gap @ along[0])) > 0.26 * distance
    if ahead and distance < GAP_WARNING * track.length:
        message = (
            f"the course is open, but the gap between its ends is only {distance:.2f} m; "
            "if it is a loop, add the missing rows and repeat the first row at the end (in a .yaml: `closed: true`)"
        )
        yield _warning("open", message, len(track.center) - 1)


def _crossings(track: Track) -> Iterator[TrackFinding]:
    own, _ = geometry.crossings(track.center, closed=track.closed)
    if len(own):
        first, second = own[0].tolist()
        places = f"rows {first} and {second}" if len(own) == 1 else f"{len(own)} times, first in rows {first}, {second}"
        message = f"the course crosses itself ({places}); right for a figure of eight, else correct the rows"
        yield _warning("crosses_itself", message, first)
        # Where the course crosses itself its borders do so, too: those findings would only repeat this one.
        return
    borders_cross = False
    for side in ("left", "right"):
        pairs, _ = geometry.crossings(getattr(track, side), closed=track.closed)
        if len(pairs):
            borders_cross = True
            first, second = pairs[0].tolist()
            message = (
                f"the {side} border crosses itself {len(pairs)} times (first in rows {first} and {second}); "
                "narrow the road or relax the bend there"
            )
            yield _warning("border_crosses_itself", message, first)
    pairs, _ = geometry.crossings(track.left, track.right, closed=track.closed)
    rows = (int(pairs[0, 0]), int(pairs[0, 1])) if len(pairs) else None
    if rows is None and not borders_cross:
        rows = _overlap(track)
    if rows:
        message = (
            f"the road overlaps itself (rows {rows[0]} and {rows[1]}); "
            "move the two parts away from each other, narrow the road, or leave out a second lap"
        )
        yield _warning("road_overlaps", message, rows[0])


def _overlap(track: Track) -> tuple[int, int] | None:
    """Return two rows of different parts of the course, of which one has a point on the road of the other.

    Roads can overlap where no lines cross: two laps in one file, or two straights that are nearer than the road is
    wide (the folds at their ends were cut off when the borders were made).
    """
    rows = geometry.distinct_rows(track.center, closed=track.closed)
    # At most about 600 rows, so that the matrix of all pairs is small.
    rows = rows[:: max(1, len(rows) // 600)]
    center, left, right = track.center[rows], track.left[rows], track.right[rows]
    to_left, to_right = np.hypot(*(left - center).T), np.hypot(*(right - center).T)
    at = np.concatenate([[0.0], np.cumsum(track.segment_lengths)])[rows]
    along = np.abs(at[:, None] - at[None])
    if track.closed:
        along = np.minimum(along, track.length - along)
    # The border of a bend of radius r is nearest to its own row for any r above the half width, and half a circle of
    # that radius is the longest part of the course that may lie around one point.
    separate = along > math.pi * np.maximum(to_left, to_right)[None]
    tangents = geometry.tangents(track.center, closed=track.closed)[rows]
    for points in (center, left, right):
        offset = points[:, None] - center[None]
        facing = np.where(geometry.cross(tangents[None], offset) > 0.0, to_left[None], to_right[None])
        # Borders that touch do not overlap, hence 90 %.
        pairs = np.argwhere(separate & (np.hypot(offset[..., 0], offset[..., 1]) < 0.9 * facing))
        if len(pairs):
            first, second = sorted(pairs[0].tolist())
            return int(rows[first]), int(rows[second])
    return None


def _corners(track: Track, vehicle: VehicleConfig) -> Iterator[TrackFinding]:
    """Find bends that are tighter than the vehicle turns: on the centre line (warning), within the road (error)."""
    s, radii = geometry.turn_radii(track.center, closed=track.closed)
    needed = vehicle.turn_radius
    bends = _runs(radii < RADIUS_TOLERANCE * needed, closed=track.closed)
    if not bends:
        return
    at = np.concatenate([[0.0], np.cumsum(track.segment_lengths)])[: len(track.center)]
    usable = (np.interp(s, at, track.widths) - vehicle.width) / 2
    widest = np.array([_widest_radius(radii[bend], float(usable[bend].min()), float(s[1] - s[0])) for bend in bends])
    worst, tightest = int(np.argmin(widest)), int(np.argmin([radii[bend].min() for bend in bends]))
    blocked = bool(widest[worst] < RADIUS_TOLERANCE * needed)
    bend = bends[worst if blocked else tightest]
    place = int(bend[np.argmin(radii[bend])])
    row = int(np.searchsorted(at, s[place], side="right") - 1)
    message = (
        f"tighter than this vehicle turns: radius {radii[place]:.2f} m at row {row}, "
        f"`{vehicle.name}` needs {needed:.2f} m"
    )
    if len(bends) > 1:
        message += f" ({len(bends) - 1} more bend{'s' * (len(bends) > 2)})"
    if blocked:
        message += f", and the widest line within the road has {max(float(widest[worst]), 0.0):.2f} m"
        yield _error("radius", f"{message}; relax the bend, widen the road, or use another vehicle", row)
    else:
        message += "; relax the bend, or accept that the car leaves the centre line there"
        yield _warning("radius", message, row)


def _runs(mask: NDArray[np.bool_], *, closed: bool) -> list[NDArray[np.intp]]:
    """Return the indices of each run of true values; on a closed course the last value is before the first."""
    if mask.all():
        return [np.arange(len(mask))]
    # Rotated to begin with a false value, no run is cut in two by the first row.
    first = int(np.argmin(mask)) if closed else 0
    indices = (np.arange(len(mask)) + first) % len(mask)
    edges = np.flatnonzero(np.diff(mask[indices].astype(int), prepend=0, append=0))
    return [indices[begin:end] for begin, end in edges.reshape(-1, 2)]


def _widest_radius(radii: NDArray[np.float64], usable: float, step: float) -> float:
    """Return the radius of the widest line through a bend within the road [m].

    The line is an arc that touches the outside of the road before and after the bend and the inside in its middle. The
    bend has radius r and angle a, and the centre of the car stays within h of the centre line. With the centre of the
    arc at distance d behind that of the bend, the arc touches the inside for R = d + r - h and the outside for
    R = d cos(a / 2) + r + h, so that R = r - h + 2 h / (1 - cos(a / 2)), which is r + h for a hairpin.

    Args:
        radii: Radius of the centre line along the bend [m], shape (K,).
        usable: Distance to each side that the centre of the car can use [m].
        step: Distance between the radii [m].
    """
    # A bend of more than a whole turn has no outside to begin at: R = r.
    angle = min(float((step / radii).sum()), 2.0 * math.pi)
    return len(radii) * step / angle - usable + 2.0 * usable / (1.0 - math.cos(angle / 2.0))


def _rows(track: Track) -> Iterator[TrackFinding]:
    lengths = track.segment_lengths
    row = int(np.argmax(lengths))
    if lengths[row] > SPACING_WARNING:
        message = (
            f"rows are up to {lengths[row]:.2f} m from each other; add some, at least one each {SPACING_WARNING} m"
        )
        yield _warning("spacing", message, row)
    # The closing segment of a repeated last row has no length by design.
    repeats = np.flatnonzero(lengths[: len(track.center) - 1] == 0.0)
    if len(repeats):
        count = f"{len(repeats)} rows repeat" if len(repeats) > 1 else "one row repeats"
        message = f"{count} the row before; delete it, or have rewards skip waypoints of distance 0"
        yield _warning("repeated_row", message, int(repeats[0]) + 1)
    # Repeated rows have no heading, so that the turn at a corner is taken between distinct rows.
    rows = geometry.distinct_rows(track.center, closed=track.closed)
    _, steps = geometry.segments(track.center[rows], closed=track.closed)
    heading = np.arctan2(steps[:, 1], steps[:, 0])
    turns = np.abs(np.remainder(np.diff(heading, append=heading[0]) + np.pi, 2 * np.pi) - np.pi)
    if not track.closed:
        turns[-1] = 0.0  # between the last segment of an open course and its first
    kink = int(np.argmax(turns))
    if math.degrees(turns[kink]) > KINK_WARNING_DEG:
        message = f"the centre line turns {math.degrees(turns[kink]):.0f} degrees at one row; round it with more rows"
        yield _warning("kink", message, int(rows[(kink + 1) % len(rows)]))
