"""What is painted on the ground on top of the track: trails, waypoints, rays, and so on, as quads in metres.

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

TRAIL_S = 4.0
"""s of simulation that a trail is long."""
_RAMP = np.array([(64, 96, 255), (36, 190, 240), (80, 220, 110), (250, 222, 60), (255, 112, 40)], np.float64)
_HEAT_STEP = 0.2
"""m along the centre line of a cell of the heat map, about."""
_HEAT_LANES = 9


class Marks(NamedTuple):
    """P quads that are painted one after the other."""

    quads: Points
    """(P, 4, 2) metres."""
    colours: Points
    """(P, 3) sRGB."""
    opacity: Points
    """(P,) 0..1."""


def no_marks() -> Marks:
    """Nothing."""
    return Marks(np.zeros((0, 4, 2)), np.zeros((0, 3)), np.zeros(0))


def join_marks(parts: list[Marks]) -> Marks:
    """One after the other."""
    parts = [part for part in parts if len(part.quads)]
    if not parts:
        return no_marks()
    return Marks(*(np.concatenate(one) for one in zip(*parts, strict=True)))


def ramp_colours(shares: ArrayLike) -> Points:
    """(..., 3) colours from blue (0) over green to orange (1)."""
    place = np.clip(np.asarray(shares, np.float64), 0.0, 1.0) * (len(_RAMP) - 1)
    return np.stack([np.interp(place, np.arange(len(_RAMP)), _RAMP[:, c]) for c in range(3)], axis=-1)


def line_quads(starts: Points, ends: Points, width: float) -> Points:
    """(P, 4, 2) quads of straight lines (P, 2) to (P, 2)."""
    along = ends - starts
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) / length * (0.5 * width)
    return np.stack([starts + across, ends + across, ends - across, starts - across], axis=1)


def _uniform_marks(quads: Points, colour: Colour | Points, opacity: float | Points) -> Marks:
    count = len(quads)
    colours = np.array(np.broadcast_to(np.asarray(colour, np.float64), (count, 3)))
    return Marks(quads, colours, np.array(np.broadcast_to(np.asarray(opacity, np.float64), (count,))))


def trail_marks(stage: Stage, moment: Moment, width: float) -> Marks:
    """Where the cars were in the last seconds, coloured by speed and fading out."""
    count = max(1, round(TRAIL_S / stage.control_dt))
    rows = np.concatenate([moment.past[-count:], moment.rows[None]])
    at = np.stack([rows["x"], rows["y"]], axis=-1)
    along = np.diff(at, axis=0)
    length = np.hypot(along[..., 0], along[..., 1])
    kept = (length > 1e-3) & (length < JUMP_DISTANCE) & (rows["status"][1:] != ABSENT)
    unit = np.where(kept[..., None], along / np.maximum(length, 1e-9)[..., None], 0.0)
    mean = np.zeros_like(at)
    mean[:-1] += unit
    mean[1:] += unit
    size = np.maximum(np.hypot(mean[..., 0], mean[..., 1]), 1e-9)[..., None]
    across = np.stack([-mean[..., 1], mean[..., 0]], axis=-1) / size * (0.5 * width)
    left, right = at + across, at - across
    quads = np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=2)
    fresh = 1.0 - np.arange(len(rows) - 1)[::-1, None] / count
    fade = np.broadcast_to(0.9 * fresh, kept.shape)
    colours = ramp_colours(rows["speed"][1:] / stage.speed_top)
    return Marks(quads[kept], colours[kept], fade[kept])


def waypoint_marks(track: Track, width: float) -> Marks:
    """A square at each row of the centre line; every tenth is larger."""
    half = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * 0.5
    tenth = np.arange(len(track.center)) % 10 == 0
    size = np.where(tenth, 4.0 * width, 2.2 * width)
    quads = track.center[:, None, :] + half * size[:, None, None]
    colours = np.where(tenth[:, None], (255.0, 255.0, 255.0), (120.0, 220.0, 255.0))
    return _uniform_marks(quads, colours, 1.0)


def border_marks(track: Track, width: float) -> Marks:
    """Lines along the borders as the simulator has them: left red, right green."""
    parts = []
    for line, colour in ((track.left, (255, 70, 90)), (track.right, (70, 255, 130))):
        following = np.roll(line, -1, axis=0) if track.closed else line[1:]
        parts.append(_uniform_marks(line_quads(line[: len(following)], following, width), colour, 1.0))
    return join_marks(parts)


def ray_marks(start: Points, ends: Points, width: float) -> Marks:
    """Rays of a lidar from a place (2,) to where they end (P, 2), with a dot there."""
    half = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * (1.6 * width)
    beams = _uniform_marks(line_quads(np.broadcast_to(start, ends.shape), ends, 0.6 * width), (255, 90, 90), 0.45)
    return join_marks([beams, _uniform_marks(ends[:, None, :] + half, (255, 220, 120), 1.0)])


def predicted_path(row: NDArray[np.void], wheelbase: float, seconds: float, steer: float, speed: float) -> Points:
    """(12, 2) the way of a car that holds a steering angle (rad) and a speed (m/s), by its wheels alone."""
    time = np.linspace(0.0, seconds, 12)
    turn = speed * math.tan(steer) / wheelbase
    yaw = float(row["yaw"]) + turn * time
    dt = time[1] - time[0]
    middle = yaw[:-1] + 0.5 * turn * dt
    steps = np.stack([np.cos(middle), np.sin(middle)], axis=1) * (speed * dt)
    return np.array([float(row["x"]), float(row["y"])]) + np.vstack([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


def action_marks(
    stage: Stage, row: NDArray[np.void], choices: NDArray[np.float64] | None, width: float, seconds: float = 0.8
) -> Marks:
    """The way that the action leads in the next moments, and those of the other actions by their probability.

    Args:
        stage: for the wheelbase.
        row: the car.
        choices: (A, 3) degrees, m/s and probability of each action; None where only the action itself is known.
        width: m of the line.
        seconds: how far ahead.
    """
    base = stage.vehicle.front + stage.vehicle.rear
    chosen = np.array([[row["steer_command"], row["speed_command"], 1.0]], np.float64)
    parts = []
    for angle, speed, chance in () if choices is None else choices.tolist():
        if chance >= 0.01:
            way = predicted_path(row, base, seconds, math.radians(angle), speed)
            parts.append(_uniform_marks(line_quads(way[:-1], way[1:], width), (255, 255, 255), 0.15 + 0.6 * chance))
    way = predicted_path(row, base, seconds, math.radians(chosen[0, 0]), float(chosen[0, 1]))
    parts.append(_uniform_marks(line_quads(way[:-1], way[1:], 1.6 * width), (255, 80, 220), 0.95))
    return join_marks(parts)


class HeatMap:
    """Mean reward by place on the road, over everything that was driven so far."""

    def __init__(self, stage: Stage) -> None:
        """Cut the road into cells."""
        track = stage.track
        self._rewarded = np.array([car.rewarded for car in stage.cars])
        lengths = track.segment_lengths
        rows = np.arange(len(lengths) + 1) % len(track.center)
        s = np.concatenate([[0.0], np.cumsum(lengths)])
        count = max(8, round(float(s[-1]) / _HEAT_STEP))
        at = np.linspace(0.0, s[-1], count + 1)
        share = np.linspace(0.0, 1.0, _HEAT_LANES + 1)[None, :, None]
        left, right = (
            np.stack([np.interp(at, s, line[rows, axis]) for axis in (0, 1)], axis=1)[:, None]
            for line in (track.left, track.right)
        )
        corners = right + (left - right) * share
        quads = np.stack([corners[:-1, :-1], corners[1:, :-1], corners[1:, 1:], corners[:-1, 1:]], axis=2)
        self._quads = quads.reshape(-1, 4, 2)
        self._middles = self._quads.mean(axis=1)
        self._sums = np.zeros(len(self._quads))
        self._counts = np.zeros(len(self._quads))
        self._done = 0

    def marks(self, rows: NDArray[np.void]) -> Marks:
        """The map after `rows` (T, K); rows that were counted before are not counted again."""
        if len(rows) < self._done:
            self._sums[:], self._counts[:], self._done = 0.0, 0.0, 0
        for step in range(max(self._done, 1), len(rows)):
            row = rows[step]
            driven = (row["status"] != ABSENT) & (row["lap_time"] != rows["lap_time"][step - 1]) & self._rewarded
            for car in row[driven & (row["lap_time"] > 0.0)]:
                away = np.abs(self._middles - (car["x"], car["y"])).sum(axis=1)
                cell = int(away.argmin())
                self._sums[cell] += car["reward"]
                self._counts[cell] += 1.0
        self._done = len(rows)
        seen = self._counts > 0.0
        if not seen.any():
            return no_marks()
        mean = self._sums[seen] / self._counts[seen]
        low, high = np.percentile(mean, [2.0, 98.0])
        return _uniform_marks(self._quads[seen], ramp_colours((mean - low) / max(high - low, 1e-9)), 0.65)
