"""Effects of an episode on the cameras: mounts and lenses, the colours of the world, and the pixels of the frames."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from racer.config.disturbance import is_disturbed
from racer.optics import fisheye_radius
from racer.sim.camera import tables
from racer.sim.camera.camera import Camera, write_frame
from racer.sim.dtypes import Array, Row
from racer.sim.jit import device, kernel
from racer.sim.random import random_bits_at
from racer.sim.randomize.background import paint_background
from racer.sim.randomize.distributions import Disturbances, draw_value
from racer.sim.randomize.image import (
    HUE,
    HUE_NUMBERS,
    ImageBuffers,
    apply_effects,
    blur_radius_max,
    make_effects,
    make_image_buffers,
    set_effects,
)
from racer.sim.world import World

_FRAMES_PER_THREAD_MIN = 2
"""Least number of frames for a thread; waking it for fewer costs more than it saves."""
_OBJECT_HUE_FIRST = 64
"""Place of the first object's key among the hues; the colours of an appearance come before it."""
_FRAME_NUMBERS = 1 << 40
"""Offset that makes the numbers of frames, which may be negative, places of a stream."""
_HALF_VIEW_MAX = 1.45
"""Largest half of a pinhole's field of view [rad], below a right angle."""


@device
def _scale_colour(gain: float, source: Row, choices: Array, key: int, at: int, colours: Array) -> None:
    """Multiply the colour at index `at` by `gain` and by a hue, a separate factor for each channel."""
    for k in range(3):
        hue = draw_value(source, choices, key, HUE_NUMBERS + at + k)
        colours[at + k] = min(colours[at + k] * gain * hue, 255.0)


@kernel
def randomize_appearances(
    first: int, last: int, which: Array, keys: Array, drawn: Array, table: Array, choices: Array,
    # outputs
    appearances: Array, object_colours: Array,
) -> None:  # fmt: skip
    """Randomise the colours of the marked cameras of worlds `first` to `last` - 1, which are those of their tracks.

    Args:
        first: First world.
        last: World after the last one.
        which: Marked cars, shape (N, C), bool.
        keys: Keys of the episodes, shape (N, C), uint64.
        drawn: EPISODE_VALUES, shape (N, C).
        table: DISTRIBUTION rows, of `distribution_rows`.
        choices: Values of all choices.
        appearances: Shape (N, C, APPEARANCE_SIZE), float32, changed in place.
        object_colours: Shape (N, C, C + M, 3), float32, changed in place.
    """
    hue = table[HUE]
    for n in range(first, last):
        for c in range(appearances.shape[1]):
            if not which[n, c]:
                continue
            appearance, value, key = appearances[n, c], drawn[n, c], keys[n, c]
            _scale_colour(value.look_road, hue, choices, key, tables.ROAD, appearance)
            _scale_colour(value.look_field, hue, choices, key, tables.FIELD, appearance)
            _scale_colour(value.look_wall, hue, choices, key, tables.WALL, appearance)
            _scale_colour(value.look_sky, hue, choices, key, tables.SKY, appearance)
            _scale_colour(value.look_sky, hue, choices, key, tables.HORIZON, appearance)
            _scale_colour(1.0, hue, choices, key, tables.BOXES, appearance)
            for at in (tables.EDGE, tables.CENTER, tables.START):
                _scale_colour(value.look_tape, hue, choices, key, at, appearance)
                for k in range(3):
                    appearance[at + k] += value.look_tape_wear * (appearance[tables.ROAD + k] - appearance[at + k])
            appearance[tables.EDGE_GAIN] *= value.look_tape_width
            appearance[tables.CENTER_GAIN] *= value.look_tape_width
            if value.look_crowd > 0.0:  # the clutter needs a backdrop of one colour
                for k in range(3):
                    appearance[tables.SKY + k] = 0.5 * (appearance[tables.SKY + k] + appearance[tables.HORIZON + k])
                    appearance[tables.HORIZON + k] = appearance[tables.SKY + k]
            for body in range(object_colours.shape[2]):
                # A separate key, because an object's colour has the same index 0 as the road.
                object_key = random_bits_at(key, HUE_NUMBERS + _OBJECT_HUE_FIRST + body)
                _scale_colour(1.0, hue, choices, object_key, 0, object_colours[n, c, body])


@device
def _read_plane(frame: Array, channel: int, plane: Array) -> None:
    """Copy a channel of a frame (H, W, channels) uint8 into `plane` (H, W) float32."""
    height, width, channels = frame.shape
    for y in range(height):
        row = plane[y]
        if channels == 1:  # contiguous, which the compiler vectorises
            line = frame[y].reshape(width)
            for x in range(width):
                row[x] = np.float32(line[x])
        else:
            for x in range(width):
                row[x] = np.float32(frame[y, x, channel])


@kernel
def randomize_frames(
    first: int, last: int, which: Array, streams: Array, view: float, mounts: Array, appearances: Array, poses: Array,
    effects: Array, curves: Array, taps: Array,
    # outputs
    frames: Array, buffers: ImageBuffers,
) -> None:  # fmt: skip
    """Disturb the frames of the marked cars with the numbers `first` to `last` - 1, n C + c, in place.

    Args:
        first: Number of the first car.
        last: Number after the last one.
        which: Marked cars, shape (N, C), bool.
        streams: FRAME_STREAM, shape (N, C), whose `frame` selects the noise.
        view: Field of view [rad]; a turn by two of them brings a spot back to its place.
        mounts: CAMERA, shape (N, C).
        appearances: Shape (N, C, APPEARANCE_SIZE), float32.
        poses: Poses of the frames, shape (N, C, C + M, 3).
        effects: EFFECT of `set_effects`, shape (N, C).
        curves: Tone curves of `set_effects`.
        taps: Blurs of `set_effects`.
        frames: Frames, shape (N, C, H, W, channels), uint8.
        buffers: Buffers, which no other call uses.
    """
    slots = which.shape[1]
    for number in range(first, last):
        n, c = number // slots, number % slots
        if not which[n, c]:
            continue
        frame, effect = frames[n, c], effects[n, c]
        channels = frame.shape[2]
        yaw = poses[n, c, c, 2]
        if effect.clutter > 0.0:
            paint_background(mounts[n, c], appearances[n, c, tables.SKY : tables.SKY + 3], yaw, effect, frame)
        key = random_bits_at(effect.key, streams[n, c].frame + _FRAME_NUMBERS)
        for k in range(channels):
            _read_plane(frame, k, buffers.plane)
            gain = effect.light[k if channels == 3 else 0]
            apply_effects(effect, curves[n, c], taps[n, c], random_bits_at(key, k), yaw / view, gain, buffers)
            # Integers, which the rounding of `write_frame` keeps.
            write_frame(buffers.plane.reshape(1, frame.shape[0], frame.shape[1]), k, frame)


class CameraEffects:
    """Disturbances of the cameras of a world."""

    def __init__(self, world: World, camera: Camera, disturbances: Disturbances) -> None:
        """Make the buffers."""
        self._world, self._camera, self._disturbances = world, camera, disturbances
        config, width = disturbances.config, camera.config.width
        self._changes_mounts, self._changes_colours = is_disturbed(config, "camera"), is_disturbed(config, "look")
        self.changes_frames = is_disturbed(config, "image") or config.look.crowd.bounds[1] > 0.0
        self._radius = blur_radius_max(config, width)
        self._effects = make_effects(*world.cars.shape, self._radius)
        self._own = camera.rows.copy()
        self._buffers: list[ImageBuffers] = []

    def start(self, which: NDArray[np.bool_]) -> None:
        """Set mounts, colours and effects of the cars that `which` (N, C) marks, after they have been placed."""
        world, camera, disturbances = self._world, self._camera, self._disturbances
        values = (which, disturbances.keys, disturbances.drawn, disturbances.table, disturbances.choices)
        if self._changes_mounts:
            self._set_mounts(which)
        camera.reset_appearance(which)
        if self._changes_colours:
            world.run(randomize_appearances, *values, camera.appearance_numbers(), camera.object_colours)
        if self.changes_frames:
            world.run(set_effects, *values, camera.config.width, *self._effects)

    def _set_mounts(self, which: NDArray[np.bool_]) -> None:
        """Set mounts and focal lengths of the marked cameras, shape (N, C), to their episode's values."""
        rows, own, drawn = self._camera.rows[which], self._own[which], self._disturbances.drawn[which]
        config = self._camera.config
        rows["up"] = own["up"] * drawn["camera_height"]
        for name in ("left", "forward"):
            rows[name] = own[name] + drawn[f"camera_{name}"]
        for name in ("pitch", "roll", "yaw"):
            rows[name] = own[name] + np.radians(drawn[f"camera_{name}_deg"])
        half = math.radians(0.5 * config.view_deg) * drawn["camera_view"]
        if config.lens == "pinhole":
            reach = np.tan(np.minimum(half, _HALF_VIEW_MAX))
        else:
            reach = fisheye_radius(config.optics, half)
        rows["focal"] = 0.5 * config.width / reach
        self._camera.rows[which] = rows

    def disturb(self, which: NDArray[np.bool_], streams: NDArray[np.void]) -> None:
        """Disturb the frames that have just been drawn.

        Args:
            which: Marked cars, shape (N, C).
            streams: FRAME_STREAM of the camera, shape (N, C).
        """
        if self.changes_frames:
            self._world.pool.run(self._disturb, which.size, _FRAMES_PER_THREAD_MIN, which, streams)

    def _disturb(self, first: int, last: int, which: NDArray[np.bool_], streams: NDArray[np.void]) -> None:
        """Disturb a range of the frames with buffers that no other thread uses."""
        camera = self._camera
        try:
            buffers = self._buffers.pop()
        except IndexError:
            buffers = make_image_buffers(camera.config.height, camera.config.width, self._radius)
        # About the field of view, and an integer part of half a turn: after a whole turn spots are back in place.
        view = math.pi / max(round(180.0 / camera.config.view_deg), 1)
        cameras = (camera.rows, camera.appearance_numbers(), camera.poses)
        randomize_frames(first, last, which, streams, view, *cameras, *self._effects, camera.frames, buffers)
        self._buffers.append(buffers)
