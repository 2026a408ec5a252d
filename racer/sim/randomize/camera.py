"""What an episode does to a camera: its mount and lens, the colours of the world, and the pixels of its frames."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.config.disturbance import is_disturbed
from racer.optics import fisheye_radius
from racer.sim.camera.camera import Camera
from racer.sim.camera.tables import (
    APPEARANCE_SIZE,
    BOXES,
    CENTER,
    CENTER_GAIN,
    EDGE,
    EDGE_GAIN,
    FIELD,
    HORIZON,
    ROAD,
    SKY,
    START,
    WALL,
)
from racer.sim.jit import device, kernel
from racer.sim.randomize.background import paint_background
from racer.sim.randomize.distributions import Disturbances, draw_value, random_bits_at
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
"""Frames that a thread should have at least; fewer are not worth waking it."""
_OBJECT_HUE_FIRST = 64
"""Number of the first thing among those that draw a hue; the colours of a look come before."""
_HALF_VIEW_MAX = 1.45
"""rad; a pinhole sees no further."""


@device
def _scale_colour(look, at, gain, source, choices, key):  # type: ignore[no-untyped-def]
    """Multiply the colour at `at` of a look by `gain` and by a hue, each channel's own."""
    for k in range(3):
        hue = draw_value(source, choices, key, HUE_NUMBERS + at + k)
        look[at + k] = min(look[at + k] * gain * hue, 255.0)


@kernel
def randomize_appearances(first, last, which, keys, drawn, table, choices, looks, paints):  # type: ignore[no-untyped-def]
    """Change the looks and paints of the cameras that `which` (N, C) marks, which are those of their tracks.

    Args:
        looks: (N, C, LOOK_SIZE) float32, changed in place; `paints` (N, C, C + M, 3), changed in place.
    """
    hue = table[HUE]
    for n in range(first, last):
        for c in range(looks.shape[1]):
            if not which[n, c]:
                continue
            look, value, key = looks[n, c], drawn[n, c], keys[n, c]
            _scale_colour(look, ROAD, value.look_road, hue, choices, key)
            _scale_colour(look, FIELD, value.look_field, hue, choices, key)
            _scale_colour(look, WALL, value.look_wall, hue, choices, key)
            _scale_colour(look, SKY, value.look_sky, hue, choices, key)
            _scale_colour(look, HORIZON, value.look_sky, hue, choices, key)
            _scale_colour(look, BOXES, 1.0, hue, choices, key)
            for at in (EDGE, CENTER, START):
                _scale_colour(look, at, value.look_tape, hue, choices, key)
                for k in range(3):
                    look[at + k] += value.look_tape_wear * (look[ROAD + k] - look[at + k])
            look[EDGE_GAIN] *= value.look_tape_width
            look[CENTER_GAIN] *= value.look_tape_width
            if value.look_crowd > 0.0:  # it is painted on a backdrop of one colour
                for k in range(3):
                    look[SKY + k] = 0.5 * (look[SKY + k] + look[HORIZON + k])
                    look[HORIZON + k] = look[SKY + k]
            for thing in range(paints.shape[2]):
                _scale_colour(
                    paints[n, c, thing],
                    0,
                    1.0,
                    hue,
                    choices,
                    random_bits_at(key, HUE_NUMBERS + _OBJECT_HUE_FIRST + thing),
                )


@device
def _read_plane(frame, channel, plane):  # type: ignore[no-untyped-def]
    """Copy a channel of a frame (H, W, channels) uint8 into `plane` (H, W) float32."""
    height, width, channels = frame.shape
    for y in range(height):
        row = plane[y]
        if channels == 1:  # side by side in memory, which the compiler makes use of
            line = frame[y].reshape(width)
            for x in range(width):
                row[x] = np.float32(line[x])
        else:
            for x in range(width):
                row[x] = np.float32(frame[y, x, channel])


@device
def _write_plane(plane, frame, channel):  # type: ignore[no-untyped-def]
    """The other way round."""
    height, width, channels = frame.shape
    for y in range(height):
        row = plane[y]
        if channels == 1:
            line = frame[y].reshape(width)
            for x in range(width):
                line[x] = np.uint8(row[x])
        else:
            for x in range(width):
                frame[y, x, channel] = np.uint8(row[x])


@kernel
def randomize_frames(first, last, which, ways, view, cameras, looks, seen, effects, curves, taps, frames, bench):  # type: ignore[no-untyped-def]
    """Change the frames of the marked cars numbered first..last-1, n * C + c, in place.

    Args:
        which: (N, C) bool.
        ways: (N, C) WAY, whose `frame` each frame draws its noise by.
        view: rad, of which two bring a spot round to where it was.
        seen: (N, C, C + M, 3), of the frames.
        effects, curves, taps: of `set_effects`.
        frames: (N, C, H, W, channels) uint8.
        bench: Bench, this call's own.
    """
    slots = which.shape[1]
    for number in range(first, last):
        n, c = number // slots, number % slots
        if not which[n, c]:
            continue
        frame, effect = frames[n, c], effects[n, c]
        channels = frame.shape[2]
        yaw = seen[n, c, c, 2]
        if effect.crowd > 0.0:
            paint_background(frame, cameras[n, c], looks[n, c, SKY : SKY + 3], yaw, effect)
        key = random_bits_at(effect.key, ways[n, c].frame + (1 << 40))
        for k in range(channels):
            _read_plane(frame, k, bench.plane)
            gain = effect.light[k if channels == 3 else 0]
            apply_effects(bench, effect, curves[n, c], taps[n, c], random_bits_at(key, k), yaw / view, gain)
            _write_plane(bench.plane, frame, k)


class CameraEffects:
    """The disturbances of the cameras of a world."""

    def __init__(self, world: World, camera: Camera, disturbances: Disturbances) -> None:
        """Make the buffers."""
        self._world, self._camera, self._disturbances = world, camera, disturbances
        config, width = disturbances.config, camera.config.width
        self._mount, self._look = is_disturbed(config, "camera"), is_disturbed(config, "look")
        self.changes_frames = is_disturbed(config, "image") or config.look.crowd.bounds[1] > 0.0
        self._radius = blur_radius_max(config, width)
        self._effects, self._curves, self._taps = make_effects(*world.cars.shape, self._radius)
        self._own = camera.rows.copy()
        self._benches: list[ImageBuffers] = []

    def start(self, which: NDArray[np.bool_]) -> None:
        """Set mounts, colours and effects of the cars that `which` (N, C) marks, once they have been placed."""
        world, camera, given = self._world, self._camera, self._disturbances
        if self._mount:
            self._set_mounts(which)
        camera.dress(which)
        if self._look:
            looks = camera.looks.view(np.float32).reshape(*which.shape, APPEARANCE_SIZE)
            world.run(
                randomize_appearances, which, given.keys, given.drawn, given.table, given.choices, looks, camera.paints
            )
        if self.changes_frames:
            width = camera.config.width
            rows = (self._effects, self._curves, self._taps)
            world.run(set_effects, which, given.keys, given.drawn, given.table, given.choices, width, *rows)

    def _set_mounts(self, which: NDArray[np.bool_]) -> None:
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

    def disturb(self, which: NDArray[np.bool_], ways: NDArray[np.void]) -> None:
        """Change the frames that have just been drawn for the cars that `which` (N, C) marks.

        Args:
            ways: (N, C) WAY of the camera.
        """
        if self.changes_frames:
            self._world.crew.run(self._disturb, which.size, _FRAMES_PER_THREAD_MIN, which, ways)

    def _disturb(self, first: int, last: int, which: NDArray[np.bool_], ways: NDArray[np.void]) -> None:
        """A range of the cameras, on a bench that no other thread has."""
        camera = self._camera
        try:
            bench = self._benches.pop()
        except IndexError:
            bench = make_image_buffers(camera.config.height, camera.config.width, self._radius)
        looks: Any = camera.looks.view(np.float32).reshape(*camera.looks.shape, APPEARANCE_SIZE)
        # About the field of view, and a whole part of half a turn: spots are where they were after a whole turn.
        view = math.pi / max(round(180.0 / camera.config.view_deg), 1)
        effects = (self._effects, self._curves, self._taps)
        randomize_frames(
            first, last, which, ways, view, camera.rows, looks, camera.seen, *effects, camera.frames, bench
        )
        self._benches.append(bench)
