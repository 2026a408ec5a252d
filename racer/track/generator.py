"""Generates closed tracks for a 1/18 car from a seed: straights and round corners, left and right.

Algorithm: draw a polygon whose corners lie at random distances around a centre, stretch it, and round its corners.
Repeat where a corner does not fit, the course turns one way only, or its road would overlap itself. The same seed gives
the same track on any machine with the same numpy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.track import curve, geometry
from racer.track.track import Track, make_track

RADIUS_MIN = 0.7
"""Least radius of the centre line [m]: that of AWS's car at full lock (0.62 m when slow) with room to correct."""
RADIUS_MAX = 2.5
"""Greatest drawn radius [m]."""
WIDTH_RANGE = (0.7, 1.1)
"""Widths of the road [m]."""
LENGTH_RANGE = (12.0, 40.0)
"""Lengths of the centre line [m]."""
# Borders, walls and off-track areas of two parts of the road must stay separate.
CLEARANCE = 0.25
"""Least distance between two parts of the road [m]."""
STEP = 0.15
"""Distance between rows [m]."""
TWIST_RANGE = (0.5, 2.6)
"""Range of the least sum of turns to either side [rad]; a course draws one value of it for each seed."""
_DRAWS_MAX = 50_000


@dataclass(frozen=True, kw_only=True)
class _Corner:
    turn: float
    radius: float
    tangent: float


def generate_track(seed: int) -> Track:
    """Generate the track `generated_<seed>`: closed, 12 to 40 m long, 0.7 to 1.1 m wide, radii of at least 0.7 m.

    Args:
        seed: An integer of at least 0.

    Raises:
        RuntimeError: No draw gave a track; not known for any seed.
    """
    # All draws come from one stream in one order; a change of the order would change the track of every seed.
    rng = np.random.default_rng(seed)
    twist = float(rng.uniform(*TWIST_RANGE))
    for _ in range(_DRAWS_MAX):
        segments = _draw(rng, twist)
        if segments is not None and (track := _track(segments, seed)) is not None:
            return track
    raise RuntimeError(f"seed {seed} gave no track in {_DRAWS_MAX} draws")


def _draw(rng: np.random.Generator, twist: float) -> list[curve.CurveSegment] | None:
    """Draw one course of straights and arcs; None where a corner does not fit its polygon."""
    count = int(rng.integers(5, 12))
    angles = np.sort((np.arange(count) + rng.uniform(-0.35, 0.35, count)) * 2 * np.pi / count)
    reach = rng.uniform(0.35, 1.0, count)
    polygon = np.column_stack([np.cos(angles), np.sin(angles)]) * reach[:, None] * (rng.uniform(1.0, 1.8), 1.0)
    target_length = rng.uniform(LENGTH_RANGE[0] + 1.0, LENGTH_RANGE[1] * 0.95)
    # Round corners cut the polygon short, hence 1.1; the margins keep the length within LENGTH_RANGE in most draws.
    polygon *= 1.1 * target_length / float(geometry.step_lengths(polygon, closed=True).sum())
    # The angles increase, so that a polygon is counter-clockwise; half of the tracks turn the other way.
    if rng.random() < 0.5:
        polygon = polygon[::-1]
    corners = _corners(polygon, rng, twist)
    if corners is None:
        return None
    halves = _half_widths(rng, 2 * count)
    edges = geometry.step_lengths(polygon, closed=True)
    segments: list[curve.CurveSegment] = []
    for k, corner in enumerate(corners):
        straight = float(edges[k - 1]) - corners[k - 1].tangent - corner.tangent
        arc = corner.radius * abs(corner.turn)
        for length, turn in ((straight, 0.0), (arc, corner.turn)):
            half = halves[len(segments)]
            segments.append(curve.CurveSegment(length=length, turn=turn, left=half, right=half))
    # Even segments are straights; the longest one holds the start line.
    longest = max(range(0, len(segments), 2), key=lambda k: segments[k].length)
    return segments[longest:] + segments[:longest]


def _corners(polygon: NDArray[np.float64], rng: np.random.Generator, twist: float) -> list[_Corner] | None:
    """Draw round corners that fit: each takes at most half of either edge, less 0.15 m of straight."""
    edges = np.roll(polygon, -1, axis=0) - polygon
    lengths = np.hypot(edges[:, 0], edges[:, 1])
    heading = np.arctan2(edges[:, 1], edges[:, 0])
    # The turn at corner k is between edge k - 1 and edge k, mapped to -180..180 degrees.
    turns = np.remainder(heading - np.roll(heading, 1) + np.pi, 2 * np.pi) - np.pi
    # A hairpin of more than 150 degrees needs edges that are too long; a kink of less than 8 is hardly a corner.
    if np.max(np.abs(turns)) > math.radians(150) or np.min(np.abs(turns)) < math.radians(8):
        return None
    if min(turns[turns > 0].sum(), -turns[turns < 0].sum()) < twist:
        return None
    corners = []
    for k, turn in enumerate(turns.tolist()):
        room = (min(lengths[k - 1], lengths[k]) - 0.3) / 2
        # An arc of radius r that turns by a touches both edges at r tan(a / 2) from the corner of the polygon.
        half = math.tan(abs(turn) / 2)
        radius = min(float(rng.uniform(RADIUS_MIN, RADIUS_MAX)), room / half)
        if radius < RADIUS_MIN:
            return None
        corners.append(_Corner(turn=turn, radius=radius, tangent=radius * half))
    return corners


def _half_widths(rng: np.random.Generator, count: int) -> list[float]:
    """Draw the half-widths at the ends of the segments [m]: constant on half of the tracks, else changing."""
    low, high = WIDTH_RANGE
    even = float(rng.uniform(low, high))
    if rng.random() < 0.5:
        return [even / 2] * count
    return [float(w) / 2 for w in rng.uniform(max(low, even - 0.15), min(high, even + 0.15), count)]


def _track(segments: list[curve.CurveSegment], seed: int) -> Track | None:
    """Make the track; None where its length or width is out of range or its road is too near to itself."""
    length = sum(segment.length for segment in segments)
    if not LENGTH_RANGE[0] <= length <= LENGTH_RANGE[1]:
        return None
    # The start line is a quarter along the longest straight, so that a car can accelerate before the first corner.
    start = 0.25 * segments[0].length
    rows = curve.sample_segments(segments, (0.0, 0.0, 0.0), step=STEP, closed=True, shift=start)
    if not is_clear(rows.center, rows.left + rows.right):
        return None
    table = rows.table(closed=True)
    # Where the width changes quickly inside a bend, the distance of the borders can leave the range a little.
    across = np.hypot(*(table[:, 2:4] - table[:, 4:]).T)
    if across.min() < 0.98 * WIDTH_RANGE[0] or across.max() > WIDTH_RANGE[1] + 1e-9:
        return None
    return make_track(
        table,
        name=f"generated_{seed}",
        closed=True,
        source=f"generated:{seed}",
        description=f"Generated from seed {seed}.",
    )


def is_clear(center: NDArray[np.float64], widths: NDArray[np.float64]) -> bool:
    """Return whether the road of a closed centre line keeps `CLEARANCE` to itself.

    Two points belong to different parts of the road where the centre line between them is longer than the half circle
    whose diameter is the needed distance (with 5 % tolerance for the sampling).

    Args:
        center: Evenly spaced points without a repeated row [m], shape (R, 2).
        widths: Width of the road at each point [m], shape (R,).
    """
    step = float(geometry.step_lengths(center, closed=True).mean())
    need = float(widths.max()) + CLEARANCE
    # All pairs: a track of 40 m has 270 rows, so that this is a small matrix.
    distance = np.hypot(*(center[:, None] - center[None]).transpose(2, 0, 1))
    rows = np.arange(len(center))
    along = np.abs(rows[:, None] - rows[None])
    along = np.minimum(along, len(center) - along) * step
    return bool(np.all(distance[along > math.pi / 2 * need * 1.05] >= need))
