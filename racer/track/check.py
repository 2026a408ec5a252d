"""Checks a track: size, crossings, corners and rows.

A track with an error cannot be driven; one with warnings can, but it may look or drive unlike what its author meant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from racer.track import geometry
from racer.track.track import Track

CAR_WIDTH = 0.20
"""Width of a 1/18 car over its wheels [m]."""
TURN_RADIUS = 0.164 / math.tan(math.radians(30.0))
"""Turning radius of the car: wheelbase over the tangent of the largest steering angle, 0.284 [m]."""
# A road of 1.25 car widths leaves 2.5 cm at each side of the car, a road of two widths 10 cm.
WIDTH_ERROR = 1.25 * CAR_WIDTH
WIDTH_WARNING = 2.0 * CAR_WIDTH
LENGTH_ERROR = 2.0
LENGTH_WARNING = 5.0
SPACING_WARNING = 0.5
KINK_WARNING_DEG = 45.0
OFF_CENTER_WARNING = 0.1


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


def check_track(track: Track) -> list[TrackFinding]:
    """Return all findings, errors first, then in the order of the checks."""
    findings = [*_size(track), *_crossings(track), *_corners(track), *_rows(track)]
    return sorted(findings, key=lambda finding: finding.level != "error")


def _warning(code: str, message: str, row: int | None = None) -> TrackFinding:
    return TrackFinding(level="warning", code=code, message=message, row=row)


def _error(code: str, message: str, row: int | None = None) -> TrackFinding:
    return TrackFinding(level="error", code=code, message=message, row=row)


def _size(track: Track) -> Iterator[TrackFinding]:
    if track.length < LENGTH_WARNING:
        finding = _error if track.length < LENGTH_ERROR else _warning
        yield finding("length", f"only {track.length:.2f} m long")
    widths = geometry.signed_widths(track.center, track.left, track.right, closed=track.closed)
    turned = np.flatnonzero(widths <= 0.0)
    if len(turned):
        message = f"the borders of {len(turned)} rows do not lie across the direction of travel"
        yield _warning("slanted_rows", message, int(turned[0]))
    row = int(np.argmin(track.widths))
    width = float(track.widths[row])
    if width < WIDTH_WARNING:
        finding = _error if width < WIDTH_ERROR else _warning
        yield finding("width", f"only {width:.2f} m wide", row)
    middle = (track.left + track.right) / 2
    off = np.hypot(*(track.center - middle).T)
    row = int(np.argmax(off))
    if off[row] > OFF_CENTER_WARNING:
        yield _warning("off_center", f"the centre line is {off[row]:.2f} m off the middle of the road", row)


def _crossings(track: Track) -> Iterator[TrackFinding]:
    own, _ = geometry.crossings(track.center, closed=track.closed)
    for first, second in own.tolist():
        yield _warning("crosses_itself", f"the course crosses itself (rows {first} and {second})", first)
    # Where the course crosses itself its borders do so, too: those findings would only repeat this one.
    if len(own):
        return
    for side in ("left", "right"):
        pairs, _ = geometry.crossings(getattr(track, side), closed=track.closed)
        if len(pairs):
            first, second = pairs[0].tolist()
            message = f"the {side} border crosses itself {len(pairs)} times (first in rows {first} and {second})"
            yield _warning("border_crosses_itself", message, first)
    pairs, _ = geometry.crossings(track.left, track.right, closed=track.closed)
    if len(pairs):
        first, second = pairs[0].tolist()
        message = f"the left border crosses the right one (rows {first} and {second}): the road overlaps itself"
        yield _warning("road_overlaps", message, first)


def _corners(track: Track) -> Iterator[TrackFinding]:
    s, radii = geometry.turn_radii(track.center, closed=track.closed)
    at = np.concatenate([[0.0], np.cumsum(track.segment_lengths)])[: len(track.center)]
    # On the outside of a corner the car can drive half the road's width further out, less half its own width.
    widest = radii + np.interp(s, at, track.widths) / 2 - CAR_WIDTH / 2
    worst, tightest = int(np.argmin(widest)), int(np.argmin(radii))
    if widest[worst] < TURN_RADIUS:
        message = f"a corner of radius {radii[worst]:.2f} m; the car turns in {TURN_RADIUS:.2f} m at best"
        yield _error("radius", message, int(np.searchsorted(at, s[worst], side="right") - 1))
    elif radii[tightest] < TURN_RADIUS:
        message = f"the centre line turns in {radii[tightest]:.2f} m, the car in {TURN_RADIUS:.2f} m"
        yield _warning("radius", message, int(np.searchsorted(at, s[tightest], side="right") - 1))


def _rows(track: Track) -> Iterator[TrackFinding]:
    lengths = track.segment_lengths
    row = int(np.argmax(lengths))
    if lengths[row] > SPACING_WARNING:
        yield _warning("spacing", f"the distance between rows is up to {lengths[row]:.2f} m", row)
    # The closing segment of a repeated last row has no length by design.
    repeats = np.flatnonzero(lengths[: len(track.center) - 1] == 0.0)
    if len(repeats):
        count = f"{len(repeats)} rows repeat" if len(repeats) > 1 else "one row repeats"
        yield _warning("repeated_row", f"{count} the row before", int(repeats[0]) + 1)
    # Repeated rows have no heading, so that the turn at a corner is taken between distinct rows.
    rows = geometry.distinct_rows(track.center, closed=track.closed)
    _, steps = geometry.segments(track.center[rows], closed=track.closed)
    heading = np.arctan2(steps[:, 1], steps[:, 0])
    turns = np.abs(np.remainder(np.diff(heading, append=heading[0]) + np.pi, 2 * np.pi) - np.pi)
    if not track.closed:
        turns[-1] = 0.0  # between the last segment of an open course and its first
    kink = int(np.argmax(turns))
    if math.degrees(turns[kink]) > KINK_WARNING_DEG:
        message = f"the centre line turns {math.degrees(turns[kink]):.0f} degrees at one row"
        yield _warning("kink", message, int(rows[(kink + 1) % len(rows)]))
