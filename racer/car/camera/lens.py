"""Warps the picture of the car's real camera to the view that a policy was trained with, by a table built once.

Every pixel of the contract's picture is a ray. Below the horizon the ray meets the ground at a point, and the table
holds the pixel of the real camera that shows this point; this compensates another height and position of the lens, for
everything on the ground. At or above the horizon, and far away, only the direction of the ray counts. A ray outside the
real camera's field of view gets the nearest pixel at the edge and is marked as not visible; the pilot refuses to arm if
too many of the pixels that the network uses are affected.

The lens model is that of `racer.optics`. The picture is computed in integers, so it is identical on every machine.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from racer.config.env import CameraConfig
from racer.config.network import AnyPreprocessStep, CropStep, GreyStep, MaskStep
from racer.errors import RacerError
from racer.optics import level_to_camera, pixel_rays, project
from racer.preprocess.observation import to_grey

VISIBLE_FRACTION_MIN: Final = 0.98
"""Of the pixels that the network looks at, the real camera must see at least this share."""

_FAR_M: Final = 30.0
"""Ground further away than this counts as a direction; a car's height makes less than half a pixel there."""

_FIXED_POINT_ONE: Final = 2048

Array = NDArray[np.float64]


class LensRefusal(RacerError):
    """A real camera that cannot show what the contract's camera shows."""


class CameraRemap:
    """Makes the contract's raw picture from the real camera's.

    Attributes:
        visible: (H, W) bool, what the real camera sees of the contract's picture.
    """

    def __init__(self, real: CameraConfig, wanted: CameraConfig) -> None:
        """Make the table.

        Raises:
            LensRefusal: the contract wants colour and the camera is grey.
        """
        if wanted.colour == "rgb" and real.colour == "grey":
            raise LensRefusal("the policy sees in colour, this car's camera is grey")
        self.shape = (real.height, real.width, real.channels)
        self._to_grey = real.colour == "rgb" and wanted.colour == "grey"
        self._same = _camera_geometry(real) == _camera_geometry(wanted)
        self.visible = np.ones((wanted.height, wanted.width), np.bool_)
        if not self._same:
            column, row, seen = _map_pixels(real, wanted)
            self.visible = seen
            self._table(column, row, real)

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, channels) of the real camera to that of the contract's; the same array where nothing changes."""
        if self._to_grey:
            pixels = to_grey(pixels[None])[0]
        if self._same:
            return pixels
        flat = pixels.reshape(-1, pixels.shape[2])
        out = np.take(flat, self._corners[0], axis=0) * self._weights[0]
        for corner, weight in zip(self._corners[1:], self._weights[1:], strict=True):
            out += np.take(flat, corner, axis=0) * weight
        out += _FIXED_POINT_ONE * _FIXED_POINT_ONE // 2
        out //= _FIXED_POINT_ONE * _FIXED_POINT_ONE
        return out.astype(np.uint8)

    def _table(self, column: Array, row: Array, real: CameraConfig) -> None:
        """For each pixel its four neighbours in the real picture, and their weights in fixed point."""
        x = np.clip(column - 0.5, 0.0, real.width - 1.0)
        y = np.clip(row - 0.5, 0.0, real.height - 1.0)
        left = np.minimum(x.astype(np.int64), real.width - 2)
        top = np.minimum(y.astype(np.int64), real.height - 2)
        right_part = np.rint((x - left) * _FIXED_POINT_ONE).astype(np.int32)
        low_part = np.rint((y - top) * _FIXED_POINT_ONE).astype(np.int32)
        upper = [
            (_FIXED_POINT_ONE - right_part) * (_FIXED_POINT_ONE - low_part),
            right_part * (_FIXED_POINT_ONE - low_part),
        ]
        lower = [(_FIXED_POINT_ONE - right_part) * low_part, right_part * low_part]
        first = top * real.width + left
        self._corners = [first, first + 1, first + real.width, first + real.width + 1]
        self._weights = [weight[..., None].astype(np.uint32) for weight in (*upper, *lower)]


def make_remap(real: CameraConfig, wanted: CameraConfig, steps: tuple[AnyPreprocessStep, ...] = ()) -> CameraRemap:
    """The table from a car's calibrated camera to a contract's.

    Args:
        steps: the contract's preprocessing; what it cuts off or masks need not be seen.

    Raises:
        LensRefusal: the real camera sees too little of it, with the share and where it is missing.
    """
    remap = CameraRemap(real, wanted)
    needed = needed_pixels(wanted, steps)
    share = float(remap.visible[needed].mean())
    if share < VISIBLE_FRACTION_MIN:
        missing = needed & ~remap.visible
        raise LensRefusal(
            f"this car's camera sees {share:.0%} of what the policy looks at, "
            f"at least {VISIBLE_FRACTION_MIN:.0%} is needed; "
            f"it is missing {_missing_side(missing)}: use a wider lens, or aim it as the contract says "
            f"({wanted.view_deg:g} degrees wide, {wanted.pitch_deg:g} down, {wanted.up:g} m up)"
        )
    return remap


def needed_pixels(wanted: CameraConfig, steps: tuple[AnyPreprocessStep, ...]) -> NDArray[np.bool_]:
    """(H, W) bool: the pixels that steps on the raw picture do not cut off or mask; later steps keep all."""
    needed = np.zeros((wanted.height, wanted.width), np.bool_)
    top, bottom, left, right = 0, wanted.height, 0, wanted.width
    for step in steps:
        if isinstance(step, CropStep):
            top, bottom = top + step.top, bottom - step.bottom
            left, right = left + step.left, right - step.right
        elif isinstance(step, MaskStep):
            top = top + step.rows
            break
        elif not isinstance(step, GreyStep):
            break
    needed[top:bottom, left:right] = True
    return needed


def _camera_geometry(camera: CameraConfig) -> dict[str, object]:
    kept = camera.model_dump()
    for key in ("colour", "walls", "rate_hz", "baseline"):
        del kept[key]
    return kept


def _map_pixels(real: CameraConfig, wanted: CameraConfig) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Where the real camera sees what each pixel of the wanted one shows: column, row, and whether at all."""
    level = pixel_rays(wanted.optics) @ _mount(wanted)  # forward, right, up
    from_lens = np.array([wanted.forward, -wanted.left, wanted.up])
    to_lens = np.array([real.forward, -real.left, real.up])
    turn, back = _yaw_matrix(wanted), _yaw_matrix(real).T
    in_car = level @ turn.T
    down = -in_car[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(down > 1e-9, wanted.up / np.maximum(down, 1e-9), np.inf)
    near = reach * np.hypot(in_car[..., 0], in_car[..., 1]) < _FAR_M
    ground = from_lens + np.where(near, reach, 0.0)[..., None] * in_car
    seen_from = np.where(near[..., None], ground - to_lens, in_car)
    camera = (seen_from @ back.T) @ _mount(real).T
    column, row, ahead = project(real.optics, camera)
    inside = ahead & (column >= 0.0) & (column <= real.width) & (row >= 0.0) & (row <= real.height)
    return column, row, inside


def _yaw_matrix(camera: CameraConfig) -> Array:
    """Matrix from level axes (forward, right, up) at the camera's heading to those of the car."""
    c, s = math.cos(math.radians(camera.yaw_deg)), math.sin(math.radians(camera.yaw_deg))
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def _mount(camera: CameraConfig) -> Array:
    """Matrix from level axes (forward, right, up) to the camera's (right, down, ahead)."""
    return np.array(level_to_camera(math.radians(camera.pitch_deg), math.radians(camera.roll_deg)))


def _missing_side(missing: NDArray[np.bool_]) -> str:
    """Where most of the missing pixels are."""
    rows, columns = np.nonzero(missing)
    height, width = missing.shape
    up, across = rows.mean() / height - 0.5, columns.mean() / width - 0.5
    sides = max(
        (-up, "above"), (up, "below"), (-across, "on the left"), (across, "on the right"), key=lambda side: side[0]
    )
    return sides[1] if sides[0] > 0.1 else "all around"
