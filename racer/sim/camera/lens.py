"""Kernels of a camera in its place: from the world to pixels, and what is out of view.

Frames, pixels and the equations of both lenses are those of `racer.optics`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from racer import optics
from racer.optics import PINHOLE
from racer.sim.jit import device, force_inline

level_to_camera, fisheye_radius = device(optics.level_to_camera), device(optics.fisheye_radius)

PLACED_CAMERA = np.dtype(
    [
        ("x", "f8"),  # m, of the lens in the world
        ("y", "f8"),
        ("up", "f8"),
        ("cos", "f8"),  # of the heading
        ("sin", "f8"),
        # camera = matrix * level
        ("xa", "f8"),
        ("xb", "f8"),
        ("xc", "f8"),
        ("ya", "f8"),
        ("yb", "f8"),
        ("yc", "f8"),
        ("za", "f8"),
        ("zb", "f8"),
        ("zc", "f8"),
        ("focal", "f8"),
        ("column", "f8"),
        ("row", "f8"),
        ("width", "f8"),
        ("height", "f8"),
        ("k1", "f8"),
        ("k2", "f8"),
        ("k3", "f8"),
        ("k4", "f8"),
        ("near", "f8"),  # m along the axis (pinhole); nearer things are cut off
        ("back", "f8"),  # m behind the lens at which the ground is cut off (fisheye)
        ("angle", "f8"),  # rad, of the corners of the picture and a little more (fisheye)
        ("cos_angle", "f8"),
        ("outside", "f8"),  # pixels from the axis at which everything beyond that angle is put
        ("bend_cos", "f8"),  # cosine of the angle that a straight piece may span (fisheye)
        ("rim_left", "f8"),  # length of the normal of each side of what a pinhole sees, (f, pixels from the axis)
        ("rim_right", "f8"),
        ("rim_top", "f8"),
        ("rim_bottom", "f8"),
        ("reach", "f8"),  # m, how far the ground is drawn
        ("light_x", "f8"),  # where the light is, camera frame
        ("light_y", "f8"),
        ("light_z", "f8"),
        ("lens", "i4"),
    ],
    align=True,
)
"""A camera in its place, ready to draw."""

_NEAR = 0.02
_REACH_PIXELS = 16.0
_REACH_LEAST = 30.0
_TAN_22_5 = math.tan(math.pi / 8.0)
_LIGHT_X, _LIGHT_Y, _LIGHT_UP = 0.36, 0.24, 0.9
"""Unit vector of the world to the one light."""


@force_inline
def rotate_to_camera(rig: Any, a: float, b: float, c: float) -> tuple[float, float, float]:
    """A level point (forward, right, up) in the camera frame."""
    return (
        rig["xa"] * a + rig["xb"] * b + rig["xc"] * c,
        rig["ya"] * a + rig["yb"] * b + rig["yc"] * c,
        rig["za"] * a + rig["zc"] * c,
    )


@device
def place_camera(rig: Any, camera: Any, x: float, y: float, yaw: float, aside: float, width: int, height: int) -> None:
    """Place a camera on a car at (x, y, yaw), the middle between its axles; `aside` m further left."""
    c, s = math.cos(yaw), math.sin(yaw)
    left = camera["left"] + aside
    rig["x"] = x + c * camera["forward"] - s * left
    rig["y"] = y + s * camera["forward"] + c * left
    rig["up"] = camera["up"]
    rig["cos"], rig["sin"] = math.cos(yaw + camera["yaw"]), math.sin(yaw + camera["yaw"])
    right, down, ahead = level_to_camera(camera["pitch"], camera["roll"])
    rig["xa"], rig["xb"], rig["xc"] = right
    rig["ya"], rig["yb"], rig["yc"] = down
    rig["za"], rig["zb"], rig["zc"] = ahead
    rig["focal"], rig["column"], rig["row"] = camera["focal"], camera["column"], camera["row"]
    rig["k1"], rig["k2"], rig["k3"], rig["k4"] = camera["k1"], camera["k2"], camera["k3"], camera["k4"]
    rig["width"], rig["height"] = width, height
    rig["lens"] = camera["lens"]
    a, b = rig["cos"] * _LIGHT_X + rig["sin"] * _LIGHT_Y, rig["sin"] * _LIGHT_X - rig["cos"] * _LIGHT_Y
    rig["light_x"], rig["light_y"], rig["light_z"] = rotate_to_camera(rig, a, b, _LIGHT_UP)
    up = camera["up"]
    rig["near"] = min(_NEAR, 0.25 * up)
    rig["back"] = 20.0 * up
    if ahead[2] > 0.0:  # the axis behind the lens meets the ground: cut off nearer than that
        rig["back"] = min(20.0 * up, 0.5 * up * ahead[0] / ahead[2])
    rig["reach"] = max(_REACH_PIXELS * rig["focal"] * up, _REACH_LEAST)
    f = camera["focal"]
    rig["rim_left"], rig["rim_right"] = math.hypot(f, camera["column"]), math.hypot(f, width - camera["column"])
    rig["rim_top"], rig["rim_bottom"] = math.hypot(f, camera["row"]), math.hypot(f, height - camera["row"])
    if rig["lens"] != PINHOLE:
        wide = max(rig["column"], width - rig["column"])
        high = max(rig["row"], height - rig["row"])
        corner = math.sqrt(wide * wide + high * high)
        angle = 0.0
        while angle < optics.ANGLE_MAX and rig["focal"] * fisheye_radius(rig, angle) < corner:
            angle += 0.02
        rig["angle"] = angle + 0.06
        rig["cos_angle"] = math.cos(rig["angle"])
        rig["outside"] = 1.6 * corner
        rig["bend_cos"] = math.cos(math.sqrt(0.64 / rig["focal"]))


@force_inline
def world_to_camera(rig: Any, x: float, y: float, up: float) -> tuple[float, float, float]:
    """A point of the world in the camera frame."""
    dx, dy = x - rig["x"], y - rig["y"]
    return rotate_to_camera(rig, rig["cos"] * dx + rig["sin"] * dy, rig["sin"] * dx - rig["cos"] * dy, up - rig["up"])


@device
def _fast_atan2(y: float, x: float) -> float:
    """atan2(y, x) for y >= 0 within 1e-11 rad; least squares fit of atan(q) / q at Chebyshev nodes."""
    steep = y > abs(x)
    small, large = (abs(x), y) if steep else (y, abs(x))
    beyond = small > _TAN_22_5 * large
    q = (small - large if beyond else small) / (small + large if beyond else large)
    z = q * q
    p = 0.047129956242307605 * z - 0.08459108224365497
    p = p * z + 0.1104105395685148
    p = p * z - 0.14281639238888247
    p = p * z + 0.1999988589773471
    p = p * z - 0.33333332127863896
    p = p * z + 0.9999999999791285
    a = p * q + (0.25 * math.pi if beyond else 0.0)
    a = 0.5 * math.pi - a if steep else a
    return math.pi - a if x < 0.0 else a


@device
def _fisheye_pixel(rig: Any, x: float, y: float, z: float) -> tuple[float, float]:
    aside = math.sqrt(x * x + y * y)
    if aside < 1e-12:
        return rig["column"], rig["row"]
    if z < rig["cos_angle"] * math.sqrt(aside * aside + z * z):
        scale = rig["outside"] / aside
    else:
        scale = rig["focal"] * fisheye_radius(rig, _fast_atan2(aside, z)) / aside
    return rig["column"] + scale * x, rig["row"] + scale * y


@force_inline
def camera_to_pixel(rig: Any, x: float, y: float, z: float) -> tuple[float, float]:
    """Column and row of a point; through a pinhole it must be ahead."""
    if rig["lens"] != PINHOLE:
        return _fisheye_pixel(rig, x, y, z)
    scale = rig["focal"] / z
    return rig["column"] + scale * x, rig["row"] + scale * y


@device
def is_out_of_view(rig: Any, x: float, y: float, z: float, radius: float) -> bool:
    """True where nothing of a ball can be in the picture; its middle is in the camera frame."""
    if rig["lens"] != PINHOLE:
        away = math.sqrt(x * x + y * y + z * z)
        if away <= radius:
            return False
        # The angle to the axis exceeds `angle` plus what the ball fills: cos(a) < cos(angle + b), where that is right.
        fills = math.asin(radius / away)
        return rig["angle"] + fills < math.pi and z < away * math.cos(rig["angle"] + fills)
    if z < rig["near"] - radius:
        return True
    f = rig["focal"]
    left, right = rig["column"], rig["width"] - rig["column"]
    top, bottom = rig["row"], rig["height"] - rig["row"]
    return (
        f * x + left * z < -radius * rig["rim_left"]
        or right * z - f * x < -radius * rig["rim_right"]
        or bottom * z - f * y < -radius * rig["rim_bottom"]
        or f * y + top * z < -radius * rig["rim_top"]
    )
