"""Interpolates the time at which a car crosses the finish line, between two control steps."""

from __future__ import annotations

import math

import numpy as np

from racer.track.track import Track

_LENGTH_MIN = 1e-9


def lap_length(track: Track, start_s: float) -> float:
    """Return the arc length of a lap [m] that starts at `start_s` [m]; on an open track it ends at the track's end."""
    return track.length if track.closed else max(track.length - start_s, _LENGTH_MIN)


def crossing_fraction(car: np.void, travelled_before: float, track: Track, control_dt: float) -> float:
    """Return the fraction of the last control step, 0..1, that a car of a completed lap took to the line.

    The front point moves linearly in arc length: from 9.8 m of a 10 m lap, moving 0.8 m, the fraction is 1/4.

    Args:
        car: CAR row after the step.
        travelled_before: Distance driven in the lap before the step [m].
        track: Track of the car's course, in either direction.
        control_dt: Length of the control step [s].
    """
    moved = float(car["travelled"]) - travelled_before
    if not track.closed:
        # An open course has no arc length beyond its end, where the car is by now.
        moved = max(moved, math.hypot(float(car["vx"]), float(car["vy"])) * control_dt)
    rest = lap_length(track, float(car["start_s"])) - travelled_before
    return min(max(rest / moved, 0.0), 1.0) if moved > 0.0 else 1.0
