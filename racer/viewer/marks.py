"""Makes the marks on the ground above the track (trails, waypoints, rays, ...) as quads in metres.

Every view projects the same marks, so that each overlay works from above and from behind a car.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from racer.replay import ABSENT
from racer.track.track import Colour, Track
from racer.viewer.playback import JUMP_DISTANCE, Moment, Stage

Points = NDArray[np.float64]

PATH_S = 0.8
"""Time ahead for which the paths of actions are drawn [s]."""
TRAIL_S = 4.0
"""Length of a trail [s of simulation]."""
_RAMP = np.array([(64, 96, 255), (36, 190, 240), (80, 220, 110), (250, 222, 60), (255, 112, 40)], np.float64)
_HEAT_STEP = 0.2
"""Length of a cell of the heat map along the centre line, about [m]."""
_HEAT_LANES = 9
"""Cells of the heat map across the road."""
SQUARE = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
"""Corners of a square."""


class Marks(NamedTuple):
    """P quads that are painted in their order.

    Attributes:
        quads: Corners [m], shape (P, 4, 2).
        colours: Colours in sRGB, 0..255, shape (P, 3).
        opacity: Opacity 0..1, shape (P,).
    """

    quads: Points
    colours: Points
    opacity: Points


def no_marks() -> Marks:
    """Return marks without quads."""
    return Marks(np.zeros((0, 4, 2)), np.zeros((0, 3)), np.zeros(0))


def join_marks(parts: list[Marks]) -> Marks:
    """Join marks in their order."""
    return Marks(*(np.concatenate(arrays) for arrays in zip(no_marks(), *parts, strict=True)))


def ramp_colours(values: ArrayLike) -> Points:
    """Return colours from blue (0) over green to orange (1), shape (..., 3)."""
    # Linear between the colours of the ramp, channel by channel.
    place = np.clip(np.asarray(values, np.float64), 0.0, 1.0) * (len(_RAMP) - 1)
    return np.stack([np.interp(place, np.arange(len(_RAMP)), _RAMP[:, c]) for c in range(3)], axis=-1)


def line_quads(starts: Points, ends: Points, width: float) -> Points:
    """Return the quads of P straight lines, shape (P, 4, 2), from their starts and ends, shape (P, 2), all [m]."""
    along = ends - starts
    # Lines without length get a width of 0 instead of a division by 0.
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) / length * (0.5 * width)
    return np.stack([starts + across, ends + across, ends - across, starts - across], axis=1)


def _uniform_marks(quads: Points, colour: Colour | Points, opacity: float | Points) -> Marks:
    count = len(quads)
    colours = np.array(np.broadcast_to(np.asarray(colour, np.float64), (count, 3)))
    return Marks(quads, colours, np.array(np.broadcast_to(np.asarray(opacity, np.float64), (count,))))


def trail_marks(stage: Stage, moment: Moment, width: float) -> Marks:
    """Return trails of the cars over the last seconds, coloured by speed and fading out; `width` [m]."""
    count = max(1, round(TRAIL_S / stage.control_dt))
    rows = np.concatenate([moment.past[-count:], moment.rows[None]])
    at = np.stack([rows["x"], rows["y"]], axis=-1)
    along = np.diff(at, axis=0)
    length = np.hypot(along[..., 0], along[..., 1])
    # No trail for a car at rest, across a respawn, or of an absent car.
    kept = (length > 1e-3) & (length < JUMP_DISTANCE) & (rows["status"][1:] != ABSENT)
    # Neighbouring quads share their corners: across at a point is the normal of the mean direction of both segments.
    unit = np.where(kept[..., None], along / np.maximum(length, 1e-9)[..., None], 0.0)
    mean = np.zeros_like(at)
    mean[:-1] += unit
    mean[1:] += unit
    size = np.maximum(np.hypot(mean[..., 0], mean[..., 1]), 1e-9)[..., None]
    across = np.stack([-mean[..., 1], mean[..., 0]], axis=-1) / size * (0.5 * width)
    left, right = at + across, at - across
    quads = np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=2)
    # 1 at the newest segment, 0 at the oldest.
    fresh = 1.0 - np.arange(len(rows) - 1)[::-1, None] / count
    fade = np.broadcast_to(0.9 * fresh, kept.shape)
    colours = ramp_colours(rows["speed"][1:] / stage.speed_top)
    return Marks(quads[kept], colours[kept], fade[kept])


def waypoint_marks(track: Track, width: float) -> Marks:
    """Return a square at each row of the centre line; every tenth is larger. `width` is that of lines [m]."""
    half = SQUARE * 0.5
    tenth = np.arange(len(track.center)) % 10 == 0
    size = np.where(tenth, 4.0 * width, 2.2 * width)
    quads = track.center[:, None, :] + half * size[:, None, None]
    colours = np.where(tenth[:, None], (255.0, 255.0, 255.0), (120.0, 220.0, 255.0))
    return _uniform_marks(quads, colours, 1.0)


def border_marks(track: Track, width: float) -> Marks:
    """Return lines along the borders of the simulator's road, left red and right green; `width` [m]."""
    parts = []
    for line, colour in ((track.left, (255, 70, 90)), (track.right, (70, 255, 130))):
        # A closed border has a segment from its last row to its first.
        following = np.roll(line, -1, axis=0) if track.closed else line[1:]
        parts.append(_uniform_marks(line_quads(line[: len(following)], following, width), colour, 1.0))
    return join_marks(parts)


def ray_marks(start: Points, ends: Points, width: float) -> Marks:
    """Return the rays of a lidar with a dot at each end.

    Args:
        start: Place of the lidar [m], shape (2,).
        ends: Ends of the rays [m], shape (P, 2).
        width: Width of lines [m].
    """
    half = SQUARE * (1.6 * width)
    beams = _uniform_marks(line_quads(np.broadcast_to(start, ends.shape), ends, 0.6 * width), (255, 90, 90), 0.45)
    return join_marks([beams, _uniform_marks(ends[:, None, :] + half, (255, 220, 120), 1.0)])


def predicted_path(row: NDArray[np.void], wheelbase: float, seconds: float, steer: float, speed: float) -> Points:
    """Return the path of a car that holds its action, by the kinematic single-track model [m], shape (12, 2).

    Args:
        row: The car.
        wheelbase: Distance between the axles [m].
        seconds: Time ahead [s].
        steer: Steering angle [rad].
        speed: Speed [m/s].
    """
    time = np.linspace(0.0, seconds, 12)
    turn = speed * math.tan(steer) / wheelbase
    yaw = float(row["yaw"]) + turn * time
    dt = time[1] - time[0]
    # Midpoint rule: each step uses the heading in its middle.
    middle = yaw[:-1] + 0.5 * turn * dt
    steps = np.stack([np.cos(middle), np.sin(middle)], axis=1) * (speed * dt)
    return np.array([float(row["x"]), float(row["y"])]) + np.vstack([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def action_marks(stage: Stage, row: NDArray[np.void], probabilities: NDArray[np.float64] | None, width: float) -> Marks:
    """Return the path of the current action, and the paths of other actions with an opacity by their probability.

    Args:
        stage: Gives the wheelbase.
        row: The car.
        probabilities: Steering angle [degrees], speed [m/s] and probability of each action, shape (A, 3); None where
            only the current action is known.
        width: Width of the lines [m].
    """
    base = stage.vehicle.front + stage.vehicle.rear

    def path(angle: float, speed: float, line: float) -> Points:
        points = predicted_path(row, base, PATH_S, math.radians(angle), speed)
        return line_quads(points[:-1], points[1:], line)

    others = [] if probabilities is None else probabilities.tolist()
    parts = [
        _uniform_marks(path(angle, speed, width), (255, 255, 255), 0.15 + 0.6 * probability)
        for angle, speed, probability in others
        if probability >= 0.01
    ]
    current = path(float(row["steer_command"]), float(row["speed_command"]), 1.6 * width)
    return join_marks([*parts, _uniform_marks(current, (255, 80, 220), 0.95)])


class HeatMap:
    """Mean reward by place on the road, over all rows so far."""

    def __init__(self, stage: Stage) -> None:
        """Divide the road into cells."""
        track = stage.track
        self._rewarded = np.array([car.rewarded for car in stage.cars])
        lengths = track.segment_lengths
        rows = np.arange(len(lengths) + 1) % len(track.center)
        s = np.concatenate([[0.0], np.cumsum(lengths)])
        # Cells have equal arc lengths; their borders are interpolated between the track's rows.
        count = max(8, round(float(s[-1]) / _HEAT_STEP))
        at = np.linspace(0.0, s[-1], count + 1)
        across = np.linspace(0.0, 1.0, _HEAT_LANES + 1)[None, :, None]
        left, right = (
            np.stack([np.interp(at, s, line[rows, axis]) for axis in (0, 1)], axis=1)[:, None]
            for line in (track.left, track.right)
        )
        corners = right + (left - right) * across
        quads = np.stack([corners[:-1, :-1], corners[1:, :-1], corners[1:, 1:], corners[:-1, 1:]], axis=2)
        self._quads = quads.reshape(-1, 4, 2)
        self._middles = self._quads.mean(axis=1)
        self._sums = np.zeros(len(self._quads))
        self._counts = np.zeros(len(self._quads))
        self._done = 0

    def marks(self, rows: NDArray[np.void]) -> Marks:
        """Return the map of rows, shape (T, K); rows of earlier calls are not counted again."""
        # Fewer rows than counted: playback was moved back or started again, so everything is counted again.
        if len(rows) < self._done:
            self._sums[:], self._counts[:], self._done = 0.0, 0.0, 0
        for step in range(max(self._done, 1), len(rows)):
            row = rows[step]
            # Rewards count where lap time changed: a waiting car repeats its last row.
            driven = (row["status"] != ABSENT) & (row["lap_time"] != rows["lap_time"][step - 1]) & self._rewarded
            for car in row[driven & (row["lap_time"] > 0.0)]:
                # The cell with the nearest middle, in the 1-norm, which is cheaper and as good for small cells.
                cell = int(np.abs(self._middles - (car["x"], car["y"])).sum(axis=1).argmin())
                self._sums[cell] += car["reward"]
                self._counts[cell] += 1.0
        self._done = len(rows)
        driven_cells = self._counts > 0.0
        if not driven_cells.any():
            return no_marks()
        mean = self._sums[driven_cells] / self._counts[driven_cells]
        # A few extreme cells must not leave the others in one colour.
        low, high = np.percentile(mean, [2.0, 98.0])
        return _uniform_marks(self._quads[driven_cells], ramp_colours((mean - low) / max(high - low, 1e-9)), 0.65)
