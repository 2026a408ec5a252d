"""Sensor latency: which frame is delivered to a policy at a control step.

Without a rate the sensor captures once for each control step, so that its frame is `latency` plus its jitter old when
it is delivered. With a rate it runs freely: frame k is captured at `(phase + k) / rate` seconds after the episode's
start (and before it, with negative k), arrives `latency` plus its jitter later, and the newest one that has arrived
is delivered. A dropped frame never arrives. A repeat delivers the frame of the step before, whatever has arrived.
The random values of a frame depend on its number alone, so that a capture delivered twice is the same frame.

Example: 20 Hz, 30 ms of latency, phase 0, no jitter. At a control step 100 ms after the start, frame 2 (captured at
100 ms) has not arrived; frame 1 (50 ms) arrived at 80 ms and is delivered with an age of 50 ms.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from racer.sim.dtypes import Array, Row
from racer.sim.jit import device, kernel
from racer.sim.random import random_bits_at, random_uniform_at

if TYPE_CHECKING:
    from racer.sim.randomize.pose_history import PoseHistory
    from racer.sim.world import World

FRAME_STREAM = np.dtype(
    [
        ("latency", "f8"),  # s
        ("jitter", "f8"),  # s, the largest
        ("drop", "f8"),  # fraction of the frames
        ("repeat", "f8"),  # fraction of the control steps
        ("period", "f8"),  # s between captures; 0: one for each control step
        ("phase", "f8"),  # fraction of the period
        ("age", "f8"),  # s since the capture of the delivered frame
        ("key", "u8"),  # of the random stream of its frames
        ("frame", "i8"),  # number of the delivered frame
        ("fresh", "i4"),  # 1: it was not delivered at the step before
    ],
    align=True,
)
"""The frames of one sensor of one car."""

FRAME_FIRST = -(1 << 20)
"""Least frame number; places in the stream count from it, so that frames before an episode's start have places too."""
_SENSOR_KEYS = 1 << 32
"""Place in an episode's stream of the first sensor's key."""
_NUMBERS_PER_FRAME = 3
"""Places of one frame in its stream: jitter, drop, repeat."""


@device
def frame_uniform(stream: Row, frame: int, place: int) -> float:
    """Return a number in [0, 1) of a frame; places: 0 for its jitter, 1 for drops, 2 for repeats."""
    return random_uniform_at(stream.key, _NUMBERS_PER_FRAME * (frame - FRAME_FIRST) + place)


@device
def _newest_arrived(stream: Row, now: float) -> int:
    """Return the newest frame of a sensor with a rate that has arrived at `now` [s]; at least the delivered one."""
    frame = math.floor((now - stream.latency) / stream.period - stream.phase + 1e-9)
    # Of 1000 frames one arrives, unless nearly all are dropped; the bound ends the search of the first step.
    oldest = max(stream.frame + 1, frame - 1000)
    while frame >= oldest:
        captured = (frame + stream.phase) * stream.period
        arrived = captured + stream.latency + stream.jitter * frame_uniform(stream, frame, 0) <= now + 1e-9
        if arrived and frame_uniform(stream, frame, 1) >= stream.drop:
            return frame
        frame -= 1
    return stream.frame


@device
def select_frame(step: int, dt: float, stream: Row) -> None:
    """Set the delivered frame of a control step and its age.

    Args:
        step: Control step of the episode, 0 at its start.
        dt: Length of a control step [s].
        stream: FRAME_STREAM row, changed in place.
    """
    now = step * dt
    delivered = stream.frame
    starts = step == 0
    if starts:
        delivered = FRAME_FIRST
        stream.frame = FRAME_FIRST
    frame = delivered
    if starts or frame_uniform(stream, step, 2) >= stream.repeat:
        if stream.period > 0.0:
            frame = _newest_arrived(stream, now)
        elif starts or frame_uniform(stream, step, 1) >= stream.drop:
            frame = step
    if stream.period > 0.0:
        stream.age = now - (frame + stream.phase) * stream.period
    elif frame != delivered:
        stream.age = stream.latency + stream.jitter * frame_uniform(stream, frame, 0)
    else:
        stream.age += dt
    stream.fresh = 1 if frame != delivered or starts else 0
    stream.frame = frame


@kernel
def select_frames(
    first: int, last: int, which: Array, cars: Array, dt: float,
    # outputs
    streams: Array, ages: Array, fresh: Array,
) -> None:  # fmt: skip
    """Select the frames of the marked cars of worlds `first` to `last` - 1.

    Args:
        first: First world.
        last: World after the last one.
        which: Marked cars, shape (N, C), bool.
        cars: CAR, shape (N, C), of which `steps` is the age of the episode [control steps].
        dt: Length of a control step [s].
        streams: FRAME_STREAM, shape (N, C).
        ages: Time since the capture [s], shape (N, C), float64.
        fresh: True where a car receives a new frame, shape (N, C), bool.
    """
    for n in range(first, last):
        for c in range(streams.shape[1]):
            fresh[n, c] = False
            if not which[n, c]:
                continue
            select_frame(cars[n, c].steps - 1, dt, streams[n, c])
            ages[n, c] = max(streams[n, c].age, 0.0)
            fresh[n, c] = streams[n, c].fresh == 1


@kernel
def set_frame_streams(
    first: int, last: int, which: Array, keys: Array, sensor: int, values: Array,
    # outputs
    streams: Array,
) -> None:  # fmt: skip
    """Set the frame streams of the marked cars of worlds `first` to `last` - 1 to their episode's values.

    Args:
        first: First world.
        last: World after the last one.
        which: Marked cars, shape (N, C), bool.
        keys: Keys of the episodes, shape (N, C), uint64.
        sensor: Number of the sensor among those of a car; each has a separate random stream.
        values: Values in the order of `DeliveryDisturbance`, shape (N, C, 5), float64.
        streams: FRAME_STREAM, shape (N, C).
    """
    for n in range(first, last):
        for c in range(keys.shape[1]):
            if not which[n, c]:
                continue
            stream, value = streams[n, c], values[n, c]
            stream.latency, stream.jitter, stream.drop = value[0], value[1], value[2]
            stream.repeat, stream.phase = value[3], value[4]
            stream.key = random_bits_at(keys[n, c], _SENSOR_KEYS + sensor)


class SensorLatency:
    """Delivery of the frames of one sensor of each car.

    Attributes:
        ages: Time since the capture of the delivered frame [s], float64, shape (N, C).
        fresh: Cars with a new frame, shape (N, C), bool.
        streams: FRAME_STREAM, shape (N, C).
    """

    def __init__(self, world: World, history: PoseHistory, *, period: float = 0.0) -> None:
        """Make the buffers; `period` is the time between captures [s], 0 for one at each control step."""
        self._world, self._history = world, history
        self.streams = np.zeros(world.cars.shape, FRAME_STREAM)
        self.streams["period"], self.streams["frame"] = period, FRAME_FIRST
        self.ages = np.zeros(world.cars.shape)
        self.fresh = np.zeros(world.cars.shape, np.bool_)

    def start(
        self, which: NDArray[np.bool_], keys: NDArray[np.uint64], sensor: int, values: NDArray[np.float64]
    ) -> None:
        """Set the values of new episodes; arguments as of `set_frame_streams`."""
        self._world.run(set_frame_streams, which, keys, sensor, values, self.streams)

    def deliver(self, which: NDArray[np.bool_], poses: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Select the frames of the cars that `which` (N, C) marks.

        Args:
            which: Marked cars, shape (N, C).
            poses: x, y [m] and yaw [rad], shape (N, C, C + M, 3); those of new frames are set to the capture's.

        Returns:
            `fresh`, shape (N, C), bool.
        """
        world = self._world
        world.run(select_frames, which, world.cars, world.control_dt, self.streams, self.ages, self.fresh)
        self._history.read(self.fresh, self.ages, poses)
        return self.fresh
