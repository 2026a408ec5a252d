"""One frame after the other: place the camera, draw the ground, draw what stands on it, write the pixels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.sim.camera.fill import SPARE
from racer.sim.camera.ground import draw_ground
from racer.sim.camera.lens import RIG, set_rig
from racer.sim.camera.road import PLANES, POINTS
from racer.sim.camera.rows import GREY_WEIGHTS, LOOK_SIZE
from racer.sim.camera.solids import CORNERS
from racer.sim.camera.things import GLASS, GLASS_COLOUR, PARTS_MAX, THING, WHEEL, WHEEL_COLOUR, collect, draw_standing
from racer.sim.camera.trace import POINT
from racer.sim.jit import inlined, kernel

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
    """(3, K), colours of the parts of a car."""
    things: NDArray[np.void]
    """THING rows."""
    parts: NDArray[np.int32]
    """Parts of a thing, the first to be painted first."""
    order: NDArray[np.int32]
    """Which of them is painted first, second, ..."""


def make_canvas(height: int, width: int, channels: int, things: int) -> Canvas:
    """Room for frames of this size, with this many cars and objects."""
    tints = np.zeros((3, channels))
    for row, colour in ((WHEEL, WHEEL_COLOUR), (GLASS, GLASS_COLOUR)):
        tints[row] = colour if channels == 3 else np.dot(GREY_WEIGHTS, colour)
    return Canvas(
        np.zeros(1, RIG),
        np.zeros((PLANES, height + SPARE, width), np.float32),
        np.zeros((2, PLANES, width), np.float32),
        np.zeros((channels, height, width), np.float32),
        np.zeros((channels, LOOK_SIZE), np.float32),
        np.zeros((POINTS, POINT)),
        np.zeros((1 + channels, height + SPARE, width), np.float32),
        np.zeros(4),
        np.zeros(1 + channels),
        np.zeros((2, CORNERS, 3)),
        tints,
        np.zeros(things, THING),
        np.zeros(PARTS_MAX, np.int32),
        np.zeros(things, np.int32),
    )


@inlined
def _set_colours(colours: Any, look: Any) -> None:
    """Spread the colours of a look over the channels, held within 0..255; grey is their luma."""
    for at in range(0, LOOK_SIZE - 2, 3):
        if len(colours) == 1:
            grey = _RED * look[at] + _GREEN * look[at + 1] + _BLUE * look[at + 2]
            colours[0, at] = min(max(grey, 0.0), 255.0)
        else:
            for k in range(3):
                colours[k, at] = min(max(look[at + k], 0.0), 255.0)


@inlined
def write(light: Any, frame: Any, channel: int) -> None:
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
        _set_colours(canvas.colours, look)
        pose = eyes.seen[n, c, c]
        middle = 0.5 * (vehicles[n, c]["front"] - vehicles[n, c]["rear"])
        x, y = pose[0] + middle * np.cos(pose[2]), pose[1] + middle * np.sin(pose[2])
        channels, height, width = canvas.light.shape
        count = frame.shape[2] // channels
        for eye in range(count):
            aside = 0.5 * camera["baseline"] * (1 - 2 * eye) if count == 2 else 0.0
            set_rig(rig, camera, x, y, pose[2], aside, width, height)
            draw_ground(canvas, look, rig, scene, scenes)
            found = collect(canvas.things, rig, n, c, eyes.seen[n, c], cars, vehicles, objects)
            draw_standing(canvas, look, rig, scene, course, courses, eyes.paints[n, c], found)
            write(canvas.light, frame, eye * channels)


@kernel
def look_around(first: int, last: int, marked: Any, cars: Any, objects: Any, seen: Any) -> None:
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
