"""Which frame a policy is given at a control step: the way of frames from the sensor to the policy.

Without a rate the sensor captures once for each control step, so that its frame is `latency` plus its jitter old when
the policy asks. With a rate it runs freely: frame k is captured `(phase + k) / rate` seconds after the episode's
start (and before it, with negative k), arrives `latency` plus its jitter later, and the newest one that has arrived
is given. A dropped frame never arrives. A repeat gives the frame of the step before, whatever has arrived.
What a frame draws depends on its number alone, so a capture given twice is the same frame.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from racer.sim.jit import device, kernel
from racer.sim.randomize.distributions import random_bits_at, random_uniform_at

if TYPE_CHECKING:
    from racer.sim.randomize.pose_history import PoseHistory
    from racer.sim.world import World

FRAME_STREAM = np.dtype(
    [
        ("latency", "f8"),  # s
        ("jitter", "f8"),  # s, the longest
        ("drop", "f8"),  # share of the frames
        ("repeat", "f8"),  # share of the control steps
        ("period", "f8"),  # s between captures; 0: one for each control step
        ("phase", "f8"),  # share of the period
        ("age", "f8"),  # s since the capture of the frame that is given
        ("key", "u8"),  # of the stream that frames draw from
        ("frame", "i8"),  # number of the frame that is given
        ("fresh", "i4"),  # 1: it was not given at the step before
    ],
    align=True,
)
"""The frames of one sensor of one car."""

FRAME_FIRST = -(1 << 20)
"""Frames are numbered from here, so that those before an episode's start have numbers of the stream as well."""
_SENSOR_KEYS = 1 << 32
"""Numbers of an episode's stream from which on the sensors have their keys."""
_NUMBERS_PER_FRAME = 3
"""Numbers that belong to one frame: jitter, drop, repeat."""


@device
def frame_uniform(way, frame, which):  # type: ignore[no-untyped-def]
    """A number in [0, 1) of a frame: 0 for its jitter, 1 whether it is dropped, 2 whether a step repeats."""
    return random_uniform_at(way.key, _NUMBERS_PER_FRAME * (frame - FRAME_FIRST) + which)


@device
def _newest_arrived(way, now):  # type: ignore[no-untyped-def]
    """Newest frame number of a sensor with a separate rate that has arrived at `now` [s]; at least the given one."""
    frame = math.floor((now - way.latency) / way.period - way.phase + 1e-9)
    oldest = max(way.frame + 1, frame - 1000)
    while frame >= oldest:
        captured = (frame + way.phase) * way.period
        arrived = captured + way.latency + way.jitter * frame_uniform(way, frame, 0) <= now + 1e-9
        if arrived and frame_uniform(way, frame, 1) >= way.drop:
            return frame
        frame -= 1
    return way.frame


@device
def select_frame(way, step, dt):  # type: ignore[no-untyped-def]
    """Set the frame that is given at control step `step` of an episode, 0 at its start, and its age.

    Args:
        way: WAY row, changed in place.
        dt: s of a control step.
    """
    now = step * dt
    given = way.frame
    starts = step == 0
    if starts:
        given = FRAME_FIRST
        way.frame = FRAME_FIRST
    frame = given
    if starts or frame_uniform(way, step, 2) >= way.repeat:
        if way.period > 0.0:
            frame = _newest_arrived(way, now)
        elif starts or frame_uniform(way, step, 1) >= way.drop:
            frame = step
    if way.period > 0.0:
        way.age = now - (frame + way.phase) * way.period
    elif frame != given:
        way.age = way.latency + way.jitter * frame_uniform(way, frame, 0)
    else:
        way.age += dt
    way.fresh = 1 if frame != given or starts else 0
    way.frame = frame


@kernel
def select_frames(first, last, which, cars, dt, ways, ages, fresh):  # type: ignore[no-untyped-def]
    """Choose the frames of the cars that `which` (N, C) marks.

    Args:
        cars: (N, C) CAR, of which `steps` is the age of the episode [control steps].
        ways: (N, C) WAY, changed in place.
        ages: (N, C) float64, written: s since the capture.
        fresh: (N, C) bool, written: whether the car is given a frame that it was not given before.
    """
    for n in range(first, last):
        for c in range(ways.shape[1]):
            fresh[n, c] = False
            if not which[n, c]:
                continue
            select_frame(ways[n, c], cars[n, c].steps - 1, dt)
            ages[n, c] = max(ways[n, c].age, 0.0)
            fresh[n, c] = ways[n, c].fresh == 1


@kernel
def set_frame_streams(first, last, which, keys, sensor, values, ways):  # type: ignore[no-untyped-def]
    """Set the ways, (N, C) WAY, of the cars that `which` (N, C) marks as their episode's values say.

    Args:
        keys: (N, C) uint64, of `draw_episodes`.
        sensor: number of the sensor among those of a car; each has a separate stream.
        values: (N, C, 5) float64, in the order of `DeliveryDisturbance`.
    """
    for n in range(first, last):
        for c in range(keys.shape[1]):
            if not which[n, c]:
                continue
            way, value = ways[n, c], values[n, c]
            way.latency, way.jitter, way.drop, way.repeat, way.phase = value[0], value[1], value[2], value[3], value[4]
            way.key = random_bits_at(keys[n, c], _SENSOR_KEYS + sensor)


class SensorLatency:
    """The frames of one sensor of each car: which capture is given at a control step, and what it saw.

    Attributes:
        ages: (N, C) float64, s since the capture of the frame that is given.
        fresh: (N, C) bool, cars with a frame that was not given before.
        ways: (N, C) WAY.
    """

    def __init__(self, world: World, past: PoseHistory, *, period: float = 0.0) -> None:
        """Make the buffers; `period` is s between captures, 0 for one at each control step."""
        self._world, self._past = world, past
        self.ways = np.zeros(world.cars.shape, FRAME_STREAM)
        self.ways["period"], self.ways["frame"] = period, FRAME_FIRST
        self.ages = np.zeros(world.cars.shape)
        self.fresh = np.zeros(world.cars.shape, np.bool_)

    def start(
        self, which: NDArray[np.bool_], keys: NDArray[np.uint64], sensor: int, values: NDArray[np.float64]
    ) -> None:
        """Take over an episode's values; see `set_ways`."""
        self._world.run(set_frame_streams, which, keys, sensor, values, self.ways)

    def see(self, which: NDArray[np.bool_], seen: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Choose the frames of the cars that `which` (N, C) marks.

        Args:
            seen: (N, C, C + M, 3), filled where the frame is a new one with the poses that it shows.

        Returns:
            `fresh`, (N, C) bool.
        """
        world = self._world
        world.run(select_frames, which, world.cars, world.control_dt, self.ways, self.ages, self.fresh)
        self._past.see(self.fresh, self.ages, seen)
        return self.fresh
