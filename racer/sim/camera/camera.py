"""One frame after the other: place the camera, draw the ground, draw the objects on it, write the pixels.

The camera of every car of a world: frames drawn in compiled kernels, without a GPU.

What a frame shows is in plain arrays, one row for each camera, that may be changed at any time: where the cameras sit
and their lenses (`rows`), what the world looks like (`looks`, `paints`), and where everything is (`seen`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.config.env import CameraConfig
from racer.errors import ConfigError
from racer.sim.appearance import CAR_COLOURS, CORNERS, TINTS
from racer.sim.camera.coverage import POINT_SIZE
from racer.sim.camera.ground import PLANES, POINTS, draw_ground
from racer.sim.camera.lens import PLACED_CAMERA, place_camera
from racer.sim.camera.objects import PARTS_MAX, VISIBLE_OBJECT, collect_visible, draw_objects
from racer.sim.camera.tables import (
    APPEARANCE,
    APPEARANCE_SIZE,
    CAMERA,
    GREY_WEIGHTS,
    CameraBatch,
    appearance_row,
    build_scene_tables,
    camera_row,
)
from racer.sim.fill import SPARE
from racer.sim.jit import device, kernel
from racer.sim.world import World
from racer.track.track import Track

_RED, _GREEN, _BLUE = GREY_WEIGHTS
_HALF = np.float32(0.5)


class Canvas(NamedTuple):
    """Room to draw one frame in; used again for the next one."""

    rig: NDArray[np.void]
    """(1,) RIG."""
    sums: NDArray[np.float32]
    """(PLANES, H + SPARE, W), zero between frames."""
    cover: NDArray[np.float32]
    """(2, PLANES, W)."""
    light: NDArray[np.float32]
    """(K, H, W), sRGB 0..255; K is 1 for grey."""
    colours: NDArray[np.float32]
    """(K, LOOK_SIZE), the look in each channel."""
    points: NDArray[np.float64]
    """(POINTS, POINT), points of the lines that are being drawn."""
    solid: NDArray[np.float32]
    """(1 + K, H + SPARE, W), coverage and colour of one solid, zero between solids."""
    box: NDArray[np.float64]
    """(4,) pixels: first column, first row, last column, last row of a solid."""
    weights: NDArray[np.float64]
    """(1 + K,) what an edge of a face counts in each plane of `solid`."""
    caps: NDArray[np.float64]
    """(2, CORNERS, 3), the two ends of a prism in the camera frame."""
    tints: NDArray[np.float64]
    """(6, K), colours of the parts of a car."""
    things: NDArray[np.void]
    """THING rows."""
    parts: NDArray[np.int32]
    """Parts of a thing, the first to be painted first."""
    order: NDArray[np.int32]
    """Which of them is painted first, second, ..."""
    segments: NDArray[np.float64]
    """(S, 6), walls that are shaded one by one; (0, 6) where all have one colour."""


def make_canvas(height: int, width: int, channels: int, things: int, *, shaded_walls: int = 0) -> Canvas:
    """Room for frames of this size, with this many cars and objects, and walls that are shaded one by one."""
    tints = np.array(TINTS, np.float64)
    if channels == 1:
        tints = np.array([[np.dot(GREY_WEIGHTS, colour)] for colour in tints])
    return Canvas(
        np.zeros(1, PLACED_CAMERA),
        np.zeros((PLANES, height + SPARE, width), np.float32),
        np.zeros((2, PLANES, width), np.float32),
        np.zeros((channels, height, width), np.float32),
        np.zeros((channels, APPEARANCE_SIZE), np.float32),
        np.zeros((POINTS, POINT_SIZE)),
        np.zeros((1 + channels, height + SPARE, width), np.float32),
        np.zeros(4),
        np.zeros(1 + channels),
        np.zeros((2, CORNERS, 3)),
        tints,
        np.zeros(things, VISIBLE_OBJECT),
        np.zeros(PARTS_MAX, np.int32),
        np.zeros(things, np.int32),
        np.zeros((shaded_walls, 6)),
    )


@device
def set_colours(colours: Any, look: Any) -> None:
    """Spread the colours of a look over the channels, held within 0..255; grey is their luma."""
    for at in range(0, APPEARANCE_SIZE - 2, 3):
        if len(colours) == 1:
            grey = _RED * look[at] + _GREEN * look[at + 1] + _BLUE * look[at + 2]
            colours[0, at] = min(max(grey, 0.0), 255.0)
        else:
            for k in range(3):
                colours[k, at] = min(max(look[at + k], 0.0), 255.0)


@device
def write_frame(light: Any, frame: Any, channel: int) -> None:
    """Round the picture, a mixture of colours within 0..255, into a frame (H, W, channels) from a channel on."""
    channels, height, width = light.shape
    for row in range(height):
        if frame.shape[2] == 1:
            line, out = light[0, row], frame[row].reshape(width)
            for x in range(width):
                out[x] = np.uint8(line[x] + _HALF)
        else:
            for k in range(channels):
                line = light[k, row]
                for x in range(width):
                    frame[row, x, channel + k] = np.uint8(line[x] + _HALF)


@kernel
def draw_frames(
    first: int, last: int, marked: Any, eyes: Any, batch: Any, courses: Any, scenes: Any, canvas: Any
) -> None:
    """Draw the frames of the marked cars numbered first..last-1, n * C + c.

    `marked` (N, C) bool; `eyes` `Eyes`; `batch` `Batch`, for sizes and who is there, poses come from `eyes.seen`;
    `courses` `Courses` and `scenes` `Scenes`, the tracks; `canvas` this call's own.
    """
    cars, vehicles, objects = batch.cars, batch.vehicles, batch.objects
    slots = cars.shape[1]
    rig = canvas.rig[0]
    for number in range(first, last):
        n, c = number // slots, number % slots
        if not marked[n, c] or cars[n, c]["active"] == 0:
            continue
        camera, look, frame = eyes.cameras[n, c], eyes.looks[n, c], eyes.frames[n, c]
        course = courses.courses[cars[n, c]["course"]]
        scene = scenes.scenes[cars[n, c]["course"] >> 1]
        set_colours(canvas.colours, look)
        pose = eyes.seen[n, c, c]
        middle = 0.5 * (vehicles[n, c]["front"] - vehicles[n, c]["rear"])
        x, y = pose[0] + middle * np.cos(pose[2]), pose[1] + middle * np.sin(pose[2])
        channels, height, width = canvas.light.shape
        count = frame.shape[2] // channels
        for eye in range(count):
            aside = 0.5 * camera["baseline"] * (1 - 2 * eye) if count == 2 else 0.0
            place_camera(rig, camera, x, y, pose[2], aside, width, height)
            draw_ground(canvas, look, rig, scene, scenes)
            found = collect_visible(canvas.things, rig, n, c, eyes.seen[n, c], cars, vehicles, objects)
            draw_objects(canvas, look, rig, scene, course, courses, eyes.paints[n, c], found)
            write_frame(canvas.light, frame, eye * channels)


@kernel
def read_poses(first: int, last: int, marked: Any, cars: Any, objects: Any, seen: Any) -> None:
    """Fill `seen` (N, C, C + M, 3) of the marked cameras of worlds first..last-1 with where everything is."""
    slots = cars.shape[1]
    for n in range(first, last):
        for c in range(slots):
            if not marked[n, c]:
                continue
            for j in range(slots):
                car = cars[n, j]
                seen[n, c, j, 0], seen[n, c, j, 1], seen[n, c, j, 2] = car["x"], car["y"], car["yaw"]
            for m in range(objects.shape[1]):
                thing, j = objects[n, m], slots + m
                seen[n, c, j, 0], seen[n, c, j, 1], seen[n, c, j, 2] = thing["x"], thing["y"], thing["yaw"]


_FRAMES_PER_THREAD_MIN = 2
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
        self.looks = np.zeros((worlds, cars), APPEARANCE)
        self.paints = np.zeros((worlds, cars, things, 3), np.float32)
        self.seen = np.zeros((worlds, cars, things, 3))
        self.frames = np.zeros((worlds, cars, config.height, config.width, eyes * config.channels), np.uint8)
        self._track = np.full((worlds, cars), -1, np.int32)
        self._looks = np.array([appearance_row(track.look) for track in world.tracks], APPEARANCE)
        self._scenes = build_scene_tables(world.tracks, [_has_visible_walls(track, config) for track in world.tracks])
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
        world.run(read_poses, marked, world.cars, world.objects, self.seen)
        moved = self._track != world.cars["course"] >> 1
        moved &= marked
        if moved.any():
            self.dress(moved)

    def render(self, which: NDArray[np.bool_] | None = None) -> None:
        """Draw what `seen` holds into `frames`, for all or for the cameras that `which` (N, C) marks."""
        marked = self._world.everyone if which is None else which
        self._world.crew.run(self._draw, marked.size, _FRAMES_PER_THREAD_MIN, marked)

    def _draw(self, first: int, last: int, marked: NDArray[np.bool_]) -> None:
        """Draw a range of the cameras on a canvas that no other thread has."""
        config, world = self.config, self._world
        try:
            canvas = self._canvases.pop()
        except IndexError:
            canvas = make_canvas(config.height, config.width, config.channels, self.paints.shape[2])
        looks = self.looks.view(np.float32).reshape(*self.looks.shape, APPEARANCE_SIZE)
        eyes = CameraBatch(self.rows, looks, self.paints, self.seen, self.frames)
        draw_frames(first, last, marked, eyes, world.batch, world.tables, self._scenes, canvas)
        self._canvases.append(canvas)


def _has_visible_walls(track: Track, config: CameraConfig) -> bool:
    """True where the walls of a track are to be seen."""
    return track.walls != "none" and (config.walls == "all" or (config.walls == "apart" and track.walls == "offset"))
