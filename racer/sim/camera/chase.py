"""The picture from behind a car, for people: what the camera draws, with marks on the road, haze and detailed cars."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from racer.sim.camera.camera import set_colours, write_frame
from racer.sim.camera.coverage import clear_box, compose, trace_polygon
from racer.sim.camera.ground import draw_ground
from racer.sim.camera.lens import place_camera, rotate_to_camera
from racer.sim.camera.objects import add_thing, draw_objects
from racer.sim.camera.tables import HORIZON
from racer.sim.jit import device, kernel

BODY_ROW = np.dtype(
    [
        ("pose", "f8", (3,)),  # x, y [m], yaw [rad]
        ("steer", "f8"),  # rad, of the front wheels
        ("length", "f8"),
        ("width", "f8"),
        ("height", "f8"),
        ("front", "f8"),  # m, of the front axle ahead of the middle
        ("rear", "f8"),
        ("half_front", "f8"),  # m, from the middle to the hubs of the front wheels
        ("half_rear", "f8"),
        ("opacity", "f8"),
        ("car", "i4"),  # 1: shaped like a car
    ],
    align=True,
)
"""A car or a box to be drawn."""

_HAZE_M, _HAZE_SHARE = 14.0, 0.25
"""Distance over which the ground takes on the colour of the horizon [m], and how much of it far away."""

_LIGHT = (-0.5, -0.3, 0.81)
"""Unit vector to the light, level frame: behind the lens, so that the faces that are seen show their colours."""


@device
def _haze(light: Any, colours: Any, rig: Any) -> None:
    """Mix the colour of the horizon into the ground of a camera that is level across."""
    channels, height, width = light.shape
    for row in range(height):
        down = -(rig["yc"] * (row + 0.5 - rig["row"]) / rig["focal"] + rig["zc"])
        if down <= 0.0:
            continue
        share = np.float32(_HAZE_SHARE * (1.0 - math.exp(-rig["up"] / down / _HAZE_M)))
        for k in range(channels):
            line, colour = light[k, row], colours[k, HORIZON]
            for x in range(width):
                line[x] += share * (colour - line[x])


@device
def _draw_mark(canvas: Any, rig: Any, quad: Any, colour: Any, opacity: float) -> None:
    """Paint a convex quad (4, 2) [m] on the ground."""
    points, weights = canvas.points, canvas.weights
    for k in range(4):
        dx, dy = quad[k, 0] - rig["x"], quad[k, 1] - rig["y"]
        a, b = rig["cos"] * dx + rig["sin"] * dy, rig["sin"] * dx - rig["cos"] * dy
        points[k, 0], points[k, 1], points[k, 2] = rotate_to_camera(rig, a, b, -rig["up"])
    weights[0] = opacity
    for k in range(len(weights) - 1):
        weights[k + 1] = opacity * min(max(colour[k], 0.0), 255.0)
    clear_box(canvas.box)
    trace_polygon(canvas.solid, canvas.box, rig, points, 4, rig["near"], weights)
    compose(canvas)


@device
def _collect(things: Any, rig: Any, bodies: Any) -> int:
    """Fill `things` with the bodies in view; returns how many."""
    count = 0
    for j in range(len(bodies)):
        body, before = bodies[j], count
        count = add_thing(things, count, rig, body["pose"], body["length"], body["width"], body["height"])
        if count == before:
            continue
        thing = things[before]
        thing["index"], thing["car"], thing["detailed"], thing["opacity"] = j, body["car"], 1, body["opacity"]
        thing["front"], thing["rear"] = body["front"], body["rear"]
        thing["half_front"], thing["half_rear"] = body["half_front"], body["half_rear"]
        thing["steer_cos"], thing["steer_sin"] = math.cos(body["steer"]), math.sin(body["steer"])
    return count


@kernel
def draw_chase(
    camera: Any,
    pose: Any,
    look: Any,
    tables: Any,
    scenes: Any,
    quads: Any,
    colours: Any,
    opacity: Any,
    bodies: Any,
    paints: Any,
    canvas: Any,
    frame: Any,
) -> None:
    """Draw one picture in colour through a pinhole that is level across.

    Args:
        camera: (1,) CAMERA, mounted behind `pose`.
        pose: x, y [m], yaw [rad] that the camera follows, shape (3,).
        look: One look, (LOOK_SIZE,) float32.
        tables: `Courses`; the first course is drawn.
        scenes: `Scenes`; the first scene is drawn.
        quads: Marks on the road [m], shape (P, 4, 2), painted one after the other.
        colours: Of the marks [sRGB], shape (P, 3).
        opacity: Of the marks, shape (P,).
        bodies: (B,) BODY_ROW, cars and boxes.
        paints: Colours of the bodies [sRGB], shape (B, 3).
        canvas: Room for the frame, with room for all walls.
        frame: (H, W, 3) uint8, output.
    """
    rig = canvas.rig[0]
    _, height, width = canvas.light.shape
    set_colours(canvas.colours, look)
    place_camera(rig, camera[0], pose[0], pose[1], pose[2], 0.0, width, height)
    rig["light_x"], rig["light_y"], rig["light_z"] = rotate_to_camera(rig, _LIGHT[0], _LIGHT[1], _LIGHT[2])
    draw_ground(canvas, look, rig, scenes.scenes[0], scenes)
    _haze(canvas.light, canvas.colours, rig)
    for p in range(len(quads)):
        _draw_mark(canvas, rig, quads[p], colours[p], opacity[p])
    count = _collect(canvas.things, rig, bodies)
    draw_objects(canvas, look, rig, scenes.scenes[0], tables.courses[0], tables, paints, count)
    write_frame(canvas.light, frame, 0)
