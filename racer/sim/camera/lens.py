"""Geometry of a placed camera: from the world to pixels, and what is out of view.

Frames, pixels and the equations of both lenses are those of `racer.optics`.
"""

from __future__ import annotations

import math

import numpy as np

from racer import optics
from racer.optics import PINHOLE
from racer.sim.dtypes import Row, fields
from racer.sim.jit import device, force_inline

level_to_camera, fisheye_radius = device(optics.level_to_camera), device(optics.fisheye_radius)

PLACED_CAMERA = np.dtype(
    [
        *fields("f8", "x", "y", "up"),  # m, of the lens in the world
        *fields("f8", "cos", "sin"),  # of the heading
        # camera = matrix * level
        *fields("f8", "xa", "xb", "xc"),  # rows of the matrix from the level to the camera frame
        *fields("f8", "ya", "yb", "yc"),
        *fields("f8", "za", "zb", "zc"),
        *fields("f8", "focal", "column", "row", "width", "height"),  # pixels
        *fields("f8", "k1", "k2", "k3", "k4"),  # distortion of the fisheye lens
        ("near", "f8"),  # m along the axis at which the view begins (pinhole)
        ("back", "f8"),  # m behind the lens up to which the ground is drawn (fisheye)
        ("angle", "f8"),  # rad to the axis, of the corners of the picture with a margin (fisheye)
        ("cos_angle", "f8"),
        ("outside", "f8"),  # pixels from the axis, the place of everything beyond that angle
        ("bend_cos", "f8"),  # cosine of the largest angle of a straight piece (fisheye)
        # length of the normal (f, pixels from the axis) of each side of the view of a pinhole
        *fields("f8", "rim_left", "rim_right", "rim_top", "rim_bottom"),
        ("reach", "f8"),  # m, distance up to which the ground is drawn
        *fields("f8", "light_x", "light_y", "light_z"),  # unit vector to the light, camera frame
        ("lens", "i4"),
    ],
    align=True,
)
"""A camera at a pose, ready to draw."""

_NEAR = 0.02
"""Distance from which on a pinhole draws [m]; at most a quarter of its height above the ground."""
_REACH_PIXELS = 16.0
"""The ground is drawn up to 1 / `_REACH_PIXELS` pixels below the horizon: focal * up / distance of a level camera."""
_REACH_LEAST = 30.0
"""The ground is drawn at least up to this distance [m]."""
_TAN_22_5 = math.tan(math.pi / 8.0)
_LIGHT_X, _LIGHT_Y, _LIGHT_UP = 0.36, 0.24, 0.9
"""Unit vector to the one light, world frame."""


@force_inline
def rotate_to_camera(camera: Row, a: float, b: float, c: float) -> tuple[float, float, float]:
    """Return a level point (forward, right, up) [m] in the camera frame."""
    return (
        camera.xa * a + camera.xb * b + camera.xc * c,
        camera.ya * a + camera.yb * b + camera.yc * c,
        camera.za * a + camera.zc * c,
    )


@device
def place_camera(
    mount: Row, x: float, y: float, yaw: float, aside: float, width: int, height: int, camera: Row
) -> None:
    """Set the PLACED_CAMERA row of a mount on a car.

    Args:
        mount: CAMERA row.
        x: Middle between the axles of the car [m].
        y: Middle between the axles of the car [m].
        yaw: Heading of the car [rad].
        aside: Offset of the lens to the left [m], of one eye of a stereo pair.
        width: Columns of the picture.
        height: Rows of the picture.
        camera: PLACED_CAMERA row, written.
    """
    c, s = math.cos(yaw), math.sin(yaw)
    left = mount.left + aside
    camera.x = x + c * mount.forward - s * left
    camera.y = y + s * mount.forward + c * left
    camera.up = mount.up
    camera.cos, camera.sin = math.cos(yaw + mount.yaw), math.sin(yaw + mount.yaw)
    right, down, ahead = level_to_camera(mount.pitch, mount.roll)
    camera.xa, camera.xb, camera.xc = right
    camera.ya, camera.yb, camera.yc = down
    camera.za, camera.zb, camera.zc = ahead
    camera.focal, camera.column, camera.row = mount.focal, mount.column, mount.row
    camera.k1, camera.k2, camera.k3, camera.k4 = mount.k1, mount.k2, mount.k3, mount.k4
    camera.width, camera.height = width, height
    camera.lens = mount.lens
    a, b = camera.cos * _LIGHT_X + camera.sin * _LIGHT_Y, camera.sin * _LIGHT_X - camera.cos * _LIGHT_Y
    camera.light_x, camera.light_y, camera.light_z = rotate_to_camera(camera, a, b, _LIGHT_UP)
    up = mount.up
    camera.near = min(_NEAR, 0.25 * up)
    camera.back = 20.0 * up
    if ahead[2] > 0.0:  # the axis behind the lens meets the ground: draw only nearer ground
        camera.back = min(20.0 * up, 0.5 * up * ahead[0] / ahead[2])
    camera.reach = max(_REACH_PIXELS * camera.focal * up, _REACH_LEAST)
    f = mount.focal
    camera.rim_left, camera.rim_right = math.hypot(f, mount.column), math.hypot(f, width - mount.column)
    camera.rim_top, camera.rim_bottom = math.hypot(f, mount.row), math.hypot(f, height - mount.row)
    if camera.lens != PINHOLE:
        # The smallest angle in steps of 0.02 rad that reaches the farthest corner.
        wide = max(camera.column, width - camera.column)
        high = max(camera.row, height - camera.row)
        corner = math.sqrt(wide * wide + high * high)
        angle = 0.0
        while angle < optics.ANGLE_MAX and camera.focal * fisheye_radius(camera, angle) < corner:
            angle += 0.02
        camera.angle = angle + 0.06
        camera.cos_angle = math.cos(camera.angle)
        camera.outside = 1.6 * corner
        camera.bend_cos = math.cos(math.sqrt(0.64 / camera.focal))


@force_inline
def world_to_camera(camera: Row, x: float, y: float, up: float) -> tuple[float, float, float]:
    """Return a point of the world [m] in the camera frame."""
    dx, dy = x - camera.x, y - camera.y
    return rotate_to_camera(
        camera, camera.cos * dx + camera.sin * dy, camera.sin * dx - camera.cos * dy, up - camera.up
    )


@device
def _fast_atan2(y: float, x: float) -> float:
    """Return atan2(y, x) for y >= 0 within 1e-11 rad; a least squares fit of atan(q) / q at Chebyshev nodes."""
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
def _fisheye_pixel(camera: Row, x: float, y: float, z: float) -> tuple[float, float]:
    """Return column and row of a point in the camera frame; beyond the angle of the corners, out of the picture."""
    aside = math.sqrt(x * x + y * y)
    if aside < 1e-12:
        return camera.column, camera.row
    if z < camera.cos_angle * math.sqrt(aside * aside + z * z):
        scale = camera.outside / aside
    else:
        scale = camera.focal * fisheye_radius(camera, _fast_atan2(aside, z)) / aside
    return camera.column + scale * x, camera.row + scale * y


@force_inline
def camera_to_pixel(camera: Row, x: float, y: float, z: float) -> tuple[float, float]:
    """Return column and row of a point in the camera frame; with a pinhole it must be ahead of the lens."""
    if camera.lens != PINHOLE:
        return _fisheye_pixel(camera, x, y, z)
    scale = camera.focal / z
    return camera.column + scale * x, camera.row + scale * y


@device
def is_out_of_view(camera: Row, x: float, y: float, z: float, radius: float) -> bool:
    """Return True where no part of a ball can be in the picture; its centre [m] is in the camera frame."""
    if camera.lens != PINHOLE:
        away = math.sqrt(x * x + y * y + z * z)
        if away <= radius:
            return False
        # The angle of its centre to the axis exceeds `angle` plus that of its radius; cosines compare only below pi.
        fills = math.asin(radius / away)
        return camera.angle + fills < math.pi and z < away * math.cos(camera.angle + fills)
    if z < camera.near - radius:
        return True
    f = camera.focal
    # The distance to each side of the view's pyramid, times the length of the side's normal.
    left, right = camera.column, camera.width - camera.column
    top, bottom = camera.row, camera.height - camera.row
    return (
        f * x + left * z < -radius * camera.rim_left
        or right * z - f * x < -radius * camera.rim_right
        or bottom * z - f * y < -radius * camera.rim_bottom
        or f * y + top * z < -radius * camera.rim_top
    )
