"""The picture from behind a car, for people: the camera's picture with marks on the road, haze and detailed cars."""

from __future__ import annotations

import math

import numpy as np

from racer.sim.camera.camera import set_colours, write_frame
from racer.sim.camera.coverage import clear_box, compose, trace_polygon
from racer.sim.camera.ground import draw_ground
from racer.sim.camera.lens import place_camera, rotate_to_camera
from racer.sim.camera.objects import add_visible, draw_objects
from racer.sim.camera.tables import HORIZON, Canvas, SceneTables
from racer.sim.dtypes import Array, CourseTables, Row, fields
from racer.sim.jit import device, kernel

BODY_ROW = np.dtype(
    [
        ("pose", "f8", (3,)),  # x, y [m], yaw [rad]
        ("steer", "f8"),  # rad, of the front wheels
        *fields("f8", "length", "width", "height"),  # m
        *fields("f8", "front", "rear"),  # m, of the axles ahead of and behind the middle
        *fields("f8", "half_front", "half_rear"),  # m, from the middle to the hubs of the wheels
        ("opacity", "f8"),
        ("car", "i4"),  # 1: shaped like a car
    ],
    align=True,
)
"""A car or a box in a picture."""

_HAZE_M, _HAZE_SHARE = 14.0, 0.25
"""Length constant of the haze [m], and the fraction of the horizon's colour in the ground far away."""

_LIGHT = (-0.5, -0.3, 0.81)
"""Unit vector to the light, level frame: from behind the lens, so that the visible faces show their colours."""


@device
def _haze(light: Array, colours: Array, camera: Row) -> None:
    """Mix the colour of the horizon into the ground; the camera must have no roll."""
    channels, height, width = light.shape
    for row in range(height):
        down = -(camera.yc * (row + 0.5 - camera.row) / camera.focal + camera.zc)
        if down <= 0.0:
            continue
        # up / down is the distance of the row's ground in the direction of view.
        weight = np.float32(_HAZE_SHARE * (1.0 - math.exp(-camera.up / down / _HAZE_M)))
        for k in range(channels):
            line, colour = light[k, row], colours[k, HORIZON]
            for x in range(width):
                line[x] += weight * (colour - line[x])


@device
def _draw_mark(canvas: Canvas, camera: Row, quad: Array, colour: Array, opacity: float) -> None:
    """Paint a convex quad (4, 2) [m] on the ground."""
    points, weights = canvas.points, canvas.weights
    for k in range(4):
        dx, dy = quad[k, 0] - camera.x, quad[k, 1] - camera.y
        a, b = camera.cos * dx + camera.sin * dy, camera.sin * dx - camera.cos * dy
        points[k, 0], points[k, 1], points[k, 2] = rotate_to_camera(camera, a, b, -camera.up)
    weights[0] = opacity
    for k in range(len(weights) - 1):
        weights[k + 1] = opacity * min(max(colour[k], 0.0), 255.0)
    clear_box(canvas.box)
    trace_polygon(canvas.solid, canvas.box, camera, points, 4, camera.near, weights)
    compose(canvas)


@device
def _collect_bodies(bodies: Array, camera: Row, visible: Array) -> int:
    """Fill `visible` with the BODY_ROW rows in view; return their number."""
    count = 0
    for j in range(len(bodies)):
        body, before = bodies[j], count
        count = add_visible(body.pose, body.length, body.width, body.height, camera, count, visible)
        if count == before:
            continue
        obj = visible[before]
        obj.index, obj.car, obj.detailed, obj.opacity = j, body.car, 1, body.opacity
        obj.front, obj.rear = body.front, body.rear
        obj.half_front, obj.half_rear = body.half_front, body.half_rear
        obj.steer_cos, obj.steer_sin = math.cos(body.steer), math.sin(body.steer)
    return count


@kernel
def draw_chase(
    mount: Array, pose: Array, appearance: Array, courses: CourseTables, scenes: SceneTables,
    quads: Array, colours: Array, opacity: Array, bodies: Array, body_colours: Array,
    # outputs
    canvas: Canvas, frame: Array,
) -> None:  # fmt: skip
    """Draw one picture in colour through a pinhole without roll.

    Args:
        mount: CAMERA, mounted behind `pose`, shape (1,).
        pose: x, y [m], yaw [rad] that the camera follows, shape (3,).
        appearance: One appearance, shape (APPEARANCE_SIZE,), float32.
        courses: Tables of courses; the first course is drawn.
        scenes: Shapes of tracks; the first scene is drawn.
        quads: Marks on the road [m], shape (P, 4, 2), painted one after the other.
        colours: Colours of the marks, sRGB, shape (P, 3).
        opacity: Opacity of the marks, shape (P,).
        bodies: BODY_ROW rows of cars and boxes, shape (B,).
        body_colours: Colours of the bodies, sRGB, shape (B, 3).
        canvas: Buffers, with room for all walls.
        frame: Picture, shape (H, W, 3), uint8.
    """
    camera = canvas.camera[0]
    _, height, width = canvas.light.shape
    set_colours(appearance, canvas.colours)
    place_camera(mount[0], pose[0], pose[1], pose[2], 0.0, width, height, camera)
    camera.light_x, camera.light_y, camera.light_z = rotate_to_camera(camera, _LIGHT[0], _LIGHT[1], _LIGHT[2])
    draw_ground(canvas, appearance, camera, scenes.scenes[0], scenes)
    _haze(canvas.light, canvas.colours, camera)
    for p in range(len(quads)):
        _draw_mark(canvas, camera, quads[p], colours[p], opacity[p])
    count = _collect_bodies(bodies, camera, canvas.visible)
    draw_objects(canvas, appearance, camera, scenes.scenes[0], courses.courses[0], courses, body_colours, count)
    write_frame(canvas.light, 0, frame)
