"""The camera of every car of a world: frames drawn in compiled kernels, without a GPU.

What a frame shows is in plain arrays, one row for each camera, that may be changed at any time: where the cameras sit
and their lenses (`rows`), what the world looks like (`looks`, `paints`), and where everything is (`seen`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from racer.config.sensors import CameraConfig
from racer.errors import ConfigError
from racer.sim.camera.draw import Canvas, draw_frames, look_around, make_canvas
from racer.sim.camera.rows import CAMERA, CAR_COLOURS, LOOK, LOOK_SIZE, Eyes, camera_row, look_row
from racer.sim.camera.scene import build_scenes
from racer.sim.world import World
from racer.track.track import Track

_LEAST = 2
"""Frames that a thread should have at least; fewer are not worth waking it."""


class Camera:
    """One camera, or a stereo pair, on every car of a world.

    Attributes:
        rows: (N, C) CAMERA, the mount and the lens of each.
        looks: (N, C) LOOK, colours of the world as each sees it; set from the track whenever a car is on another one.
        paints: (N, C, C + M, 3) float32 sRGB, colours of the cars and then the objects.
        seen: (N, C, C + M, 3) float64 x, y, yaw of the cars and then the objects; a camera sits on its own car.
        frames: (N, C, H, W, channels) uint8; stereo: the left eye, then the right.
    """

    def __init__(self, world: World, config: CameraConfig, *, eyes: int = 1) -> None:
        """Make the buffers. `eyes` is 2 for a stereo pair.

        Raises:
            ConfigError: a stereo pair in colour, or a lens whose picture would fold over itself.
        """
        if eyes == 2 and config.colour != "grey":
            raise ConfigError("`stereo` has two grey channels; set camera.colour: grey")
        self.config = config
        self._world = world
        worlds, cars = world.cars.shape
        things = cars + world.objects.shape[1]
        self.rows = np.full((worlds, cars), camera_row(config), CAMERA)
        self.looks = np.zeros((worlds, cars), LOOK)
        self.paints = np.zeros((worlds, cars, things, 3), np.float32)
        self.seen = np.zeros((worlds, cars, things, 3))
        self.frames = np.zeros((worlds, cars, config.height, config.width, eyes * config.channels), np.uint8)
        self._track = np.full((worlds, cars), -1, np.int32)
        self._looks = np.array([look_row(track.look) for track in world.tracks], LOOK)
        self._scenes = build_scenes(world.tracks, [_walled(track, config) for track in world.tracks])
        self._canvases: list[Canvas] = []
        self.dress()

    def dress(self, which: NDArray[np.bool_] | None = None) -> None:
        """Set `looks` and `paints` to those of the tracks, for all or for the cameras that `which` (N, C) marks."""
        track = self._world.cars["course"] >> 1
        marked = np.ones(track.shape, np.bool_) if which is None else which
        self.looks[marked] = self._looks[track[marked]]
        cars = self.rows.shape[1]
        palette = np.array([CAR_COLOURS[j % len(CAR_COLOURS)] for j in range(cars)], np.float32)
        self.paints[marked, :cars] = palette
        self.paints[marked, cars:] = self.looks["box"][marked][:, None]
        self._track[marked] = track[marked]

    def look(self, which: NDArray[np.bool_] | None = None) -> None:
        """Fill `seen` with where everything is now; cars that came to another track get its look."""
        world = self._world
        marked = world.everyone if which is None else which
        world.run(look_around, marked, world.cars, world.objects, self.seen)
        moved = self._track != world.cars["course"] >> 1
        moved &= marked
        if moved.any():
            self.dress(moved)

    def render(self, which: NDArray[np.bool_] | None = None) -> None:
        """Draw what `seen` holds into `frames`, for all or for the cameras that `which` (N, C) marks."""
        marked = self._world.everyone if which is None else which
        self._world.crew.run(self._draw, marked.size, _LEAST, marked)

    def _draw(self, first: int, last: int, marked: NDArray[np.bool_]) -> None:
        """Draw a range of the cameras on a canvas that no other thread has."""
        config, world = self.config, self._world
        try:
            canvas = self._canvases.pop()
        except IndexError:
            canvas = make_canvas(config.height, config.width, config.channels, self.paints.shape[2])
        looks = self.looks.view(np.float32).reshape(*self.looks.shape, LOOK_SIZE)
        eyes = Eyes(self.rows, looks, self.paints, self.seen, self.frames)
        draw_frames(first, last, marked, eyes, world.batch, world.tables, self._scenes, canvas)
        self._canvases.append(canvas)


def _walled(track: Track, config: CameraConfig) -> bool:
    """True where the walls of a track are to be seen."""
    return track.walls != "none" and (config.walls == "all" or (config.walls == "apart" and track.walls == "offset"))
