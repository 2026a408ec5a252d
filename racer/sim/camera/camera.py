"""The camera of every car of a world: places it, draws the ground, draws the objects on it, writes the pixels.

Compiled kernels draw the frames, without a GPU. The contents of a frame are plain arrays with one row for each camera,
which may be changed at any time: mounts and lenses (`rows`), appearances of the world (`appearances`,
`object_colours`), and the poses of all cars and objects (`poses`).
"""

from __future__ import annotations

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
    Canvas,
    SceneTables,
    appearance_row,
    build_scene_tables,
    camera_row,
)
from racer.sim.dtypes import Array, Batch, CourseTables, Row
from racer.sim.fill import SPARE
from racer.sim.jit import device, kernel
from racer.sim.world import World
from racer.track.track import Track

_RED, _GREEN, _BLUE = GREY_WEIGHTS
_HALF = np.float32(0.5)


def make_canvas(height: int, width: int, channels: int, bodies: int, *, shaded_walls: int = 0) -> Canvas:
    """Make the buffers for frames of this size [pixels].

    Args:
        height: Rows of a frame.
        width: Columns of a frame.
        channels: 1 for grey, 3 for colour.
        bodies: Number of cars and objects.
        shaded_walls: Number of walls that are shaded one by one.
    """
    tints = np.array(TINTS, np.float64)
    if channels == 1:
        tints = np.array([[np.dot(GREY_WEIGHTS, colour)] for colour in tints])
    return Canvas(
        camera=np.zeros(1, PLACED_CAMERA),
        sums=np.zeros((PLANES, height + SPARE, width), np.float32),
        cover=np.zeros((2, PLANES, width), np.float32),
        light=np.zeros((channels, height, width), np.float32),
        colours=np.zeros((channels, APPEARANCE_SIZE), np.float32),
        points=np.zeros((POINTS, POINT_SIZE)),
        solid=np.zeros((1 + channels, height + SPARE, width), np.float32),
        box=np.zeros(4),
        weights=np.zeros(1 + channels),
        caps=np.zeros((2, CORNERS, 3)),
        tints=tints,
        visible=np.zeros(bodies, VISIBLE_OBJECT),
        parts=np.zeros(PARTS_MAX, np.int32),
        order=np.zeros(bodies, np.int32),
        segments=np.zeros((shaded_walls, 6)),
    )


@device
def set_colours(appearance: Array, colours: Array) -> None:
    """Spread the colours of an appearance over the channels, limited to 0..255; grey is their luma.

    Args:
        appearance: Row of an appearance, shape (APPEARANCE_SIZE,).
        colours: Colours in each channel, shape (K, APPEARANCE_SIZE), written.
    """
    for at in range(0, APPEARANCE_SIZE - 2, 3):
        if len(colours) == 1:
            grey = _RED * appearance[at] + _GREEN * appearance[at + 1] + _BLUE * appearance[at + 2]
            colours[0, at] = min(max(grey, 0.0), 255.0)
        else:
            for k in range(3):
                colours[k, at] = min(max(appearance[at + k], 0.0), 255.0)


@device
def write_frame(light: Array, channel: int, frame: Array) -> None:
    """Round the picture, shape (K, H, W), 0..255, into a frame (H, W, channels) from a channel on."""
    channels, height, width = light.shape
    for row in range(height):
        if frame.shape[2] == 1:
            # A row without the channel axis is contiguous, which the compiler vectorises.
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
    first: int, last: int, which: Array, batch: Batch, courses: CourseTables, scenes: SceneTables,
    # outputs
    cameras: CameraBatch, canvas: Canvas,
) -> None:  # fmt: skip
    """Draw the frames of the marked cars with the numbers `first` to `last` - 1, n C + c.

    Args:
        first: Number of the first car.
        last: Number after the last one.
        which: Marked cars, shape (N, C), bool.
        batch: Rows of the worlds, for sizes and presence; the poses are those of `cameras`.
        courses: Tables of all courses.
        scenes: Shapes of all tracks.
        cameras: Cameras, whose frames are written.
        canvas: Buffers, which no other call uses.
    """
    cars, vehicles = batch.cars, batch.vehicles
    slots = cars.shape[1]
    camera = canvas.camera[0]
    for number in range(first, last):
        n, c = number // slots, number % slots
        if not which[n, c] or cars[n, c].active == 0:
            continue
        mount, appearance, frame = cameras.mounts[n, c], cameras.appearances[n, c], cameras.frames[n, c]
        course = courses.courses[cars[n, c].course]
        scene = scenes.scenes[cars[n, c].course >> 1]
        set_colours(appearance, canvas.colours)
        pose = cameras.poses[n, c, c]
        # The mount is relative to the middle between the axles, a pose is that of the centre of gravity.
        middle = 0.5 * (vehicles[n, c].front - vehicles[n, c].rear)
        x, y = pose[0] + middle * np.cos(pose[2]), pose[1] + middle * np.sin(pose[2])
        channels, height, width = canvas.light.shape
        count = frame.shape[2] // channels
        for eye in range(count):
            aside = 0.5 * mount.baseline * (1 - 2 * eye) if count == 2 else 0.0
            place_camera(mount, x, y, pose[2], aside, width, height, camera)
            draw_ground(canvas, appearance, camera, scene, scenes)
            visible = collect_visible(n, c, batch, cameras.poses[n, c], camera, canvas.visible)
            draw_objects(canvas, appearance, camera, scene, course, courses, cameras.object_colours[n, c], visible)
            write_frame(canvas.light, eye * channels, frame)


@device
def _write_pose(body: Row, pose: Array) -> None:
    """Fill a pose, shape (3,), from a CAR or OBJECT row."""
    pose[0], pose[1], pose[2] = body.x, body.y, body.yaw


@kernel
def read_poses(
    first: int, last: int, which: Array, cars: Array, objects: Array,
    # outputs
    poses: Array,
) -> None:  # fmt: skip
    """Copy the present poses of all cars and objects, for the marked cameras of worlds `first` to `last` - 1.

    Args:
        first: First world.
        last: World after the last one.
        which: Marked cars, shape (N, C), bool.
        cars: CAR, shape (N, C).
        objects: OBJECT, shape (N, M).
        poses: x, y [m] and yaw [rad] for each camera, shape (N, C, C + M, 3).
    """
    slots = cars.shape[1]
    for n in range(first, last):
        for c in range(slots):
            if not which[n, c]:
                continue
            for j in range(slots):
                _write_pose(cars[n, j], poses[n, c, j])
            for m in range(objects.shape[1]):
                _write_pose(objects[n, m], poses[n, c, slots + m])


_FRAMES_PER_THREAD_MIN = 2
"""Least number of frames for a thread; waking it for fewer costs more than it saves."""


class Camera:
    """One camera, or a stereo pair, on every car of a world.

    Attributes:
        rows: CAMERA, the mount and the lens of each, shape (N, C).
        appearances: APPEARANCE, shape (N, C); reset to the track's whenever a car is on another one.
        object_colours: Colours of the cars and then the objects, float32 sRGB, shape (N, C, C + M, 3).
        poses: x, y [m] and yaw [rad] of the cars and then the objects, float64, shape (N, C, C + M, 3). A camera sits
            on its own car.
        frames: Frames, uint8, shape (N, C, H, W, channels); stereo: the left eye, then the right.
    """

    def __init__(self, world: World, config: CameraConfig, *, eyes: int = 1) -> None:
        """Make the buffers; `eyes` is 2 for a stereo pair.

        Raises:
            ConfigError: The configuration is a stereo pair in colour, or a lens whose picture folds over itself.
        """
        if eyes == 2 and config.colour != "grey":
            raise ConfigError("`stereo` has two grey channels; set camera.colour: grey")
        self.config = config
        self._world = world
        worlds, cars = world.cars.shape
        bodies = cars + world.objects.shape[1]
        self.rows = np.full((worlds, cars), camera_row(config), CAMERA)
        self.appearances = np.zeros((worlds, cars), APPEARANCE)
        self.object_colours = np.zeros((worlds, cars, bodies, 3), np.float32)
        self.poses = np.zeros((worlds, cars, bodies, 3))
        self.frames = np.zeros((worlds, cars, config.height, config.width, eyes * config.channels), np.uint8)
        self._track = np.full((worlds, cars), -1, np.int32)
        self._track_appearances = np.array([appearance_row(track.look) for track in world.tracks], APPEARANCE)
        self._scenes = build_scene_tables(world.tracks, [_has_visible_walls(track, config) for track in world.tracks])
        self._canvases: list[Canvas] = []
        self.reset_appearance(world.all_cars)

    def reset_appearance(self, which: NDArray[np.bool_]) -> None:
        """Set `appearances` and `object_colours` of the marked cameras, shape (N, C), to those of their tracks."""
        track = self._world.cars["course"] >> 1
        self.appearances[which] = self._track_appearances[track[which]]
        cars = self.rows.shape[1]
        self.object_colours[which, :cars] = np.resize(np.array(CAR_COLOURS, np.float32), (cars, 3))
        self.object_colours[which, cars:] = self.appearances["box"][which][:, None]
        self._track[which] = track[which]

    def update_poses(self, which: NDArray[np.bool_] | None = None) -> None:
        """Set `poses` of the cameras that `which` (N, C) marks, or of all, to the present ones of the world.

        A camera whose car is on another track than before takes over its appearance.
        """
        world = self._world
        marked = world.all_cars if which is None else which
        world.run(read_poses, marked, world.cars, world.objects, self.poses)
        moved = (self._track != world.cars["course"] >> 1) & marked
        if moved.any():
            self.reset_appearance(moved)

    def render(self, which: NDArray[np.bool_] | None = None) -> None:
        """Draw the `frames` of the cameras that `which` (N, C) marks, or of all, at their `poses`."""
        marked = self._world.all_cars if which is None else which
        self._world.pool.run(self._draw, marked.size, _FRAMES_PER_THREAD_MIN, marked)

    def appearance_numbers(self) -> NDArray[np.float32]:
        """Return a view of `appearances` as numbers, shape (N, C, APPEARANCE_SIZE)."""
        return self.appearances.view(np.float32).reshape(*self.appearances.shape, APPEARANCE_SIZE)

    def _draw(self, first: int, last: int, which: NDArray[np.bool_]) -> None:
        """Draw a range of the cameras on a canvas that no other thread uses."""
        config, world = self.config, self._world
        try:
            canvas = self._canvases.pop()
        except IndexError:
            canvas = make_canvas(config.height, config.width, config.channels, self.poses.shape[2])
        cameras = CameraBatch(self.rows, self.appearance_numbers(), self.object_colours, self.poses, self.frames)
        draw_frames(first, last, which, world.batch, world.tables, self._scenes, cameras, canvas)
        self._canvases.append(canvas)


def _has_visible_walls(track: Track, config: CameraConfig) -> bool:
    """Return True where the camera shows the walls of a track."""
    return track.walls != "none" and (config.walls == "all" or (config.walls == "apart" and track.walls == "offset"))
