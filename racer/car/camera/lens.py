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
"""Smallest fraction of the pixels that the network uses which the real camera must show."""

_FAR_M: Final = 30.0
"""Distance from which a point of the ground counts as a direction [m].

The difference of the heights of two lenses is less than half a pixel there."""

_FIXED_POINT_ONE: Final = 2048
"""Weight 1 along one axis, 11 bits: the product of two weights and a pixel, 22 + 8 bits, fits into 32 bits."""

Array = NDArray[np.float64]


class LensRefusal(RacerError):
    """Raised for a real camera that cannot show the view of the contract's camera."""


class CameraRemap:
    """Converts the picture of the real camera to the raw picture of the contract's camera.

    Args:
        real: The car's camera, as calibrated.
        wanted: The camera that the policy was trained with.

    Attributes:
        shape: Shape of the real camera's picture, (height, width, channels).
        visible: Pixels of the contract's picture that the real camera shows, shape (H, W), bool.

    Raises:
        LensRefusal: The contract needs colour and the camera is grey.
    """

    def __init__(self, real: CameraConfig, wanted: CameraConfig) -> None:
        if wanted.colour == "rgb" and real.colour == "grey":
            raise LensRefusal("the policy needs a colour picture; this car's camera is grey")
        self.shape = (real.height, real.width, real.channels)
        self._to_grey = real.colour == "rgb" and wanted.colour == "grey"
        self._same = _camera_geometry(real) == _camera_geometry(wanted)
        self.visible = np.ones((wanted.height, wanted.width), np.bool_)
        if not self._same:
            column, row, self.visible = _map_pixels(real, wanted)
            self._make_table(column, row, real)

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the contract's picture, uint8; the same array if nothing changes.

        Args:
            pixels: Picture of the real camera, shape `self.shape`, uint8.
        """
        if self._to_grey:
            pixels = to_grey(pixels[None])[0]
        if self._same:
            return pixels
        # Bilinear interpolation in integers: the sum of four weighted neighbours, plus half for rounding, divided by 1.
        flat = pixels.reshape(-1, pixels.shape[2])
        out = np.take(flat, self._corners[0], axis=0) * self._weights[0]
        for corner, weight in zip(self._corners[1:], self._weights[1:], strict=True):
            out += np.take(flat, corner, axis=0) * weight
        out += _FIXED_POINT_ONE * _FIXED_POINT_ONE // 2
        out //= _FIXED_POINT_ONE * _FIXED_POINT_ONE
        return out.astype(np.uint8)

    def _make_table(self, column: Array, row: Array, real: CameraConfig) -> None:
        """Compute the four neighbours of each pixel in the real picture, and their weights in fixed point."""
        # Pixel centres are at half integers. Points outside move to the nearest pixel at the edge, and the last column
        # and row are the right and lower neighbours of the ones before, with weight 1.
        x = np.clip(column - 0.5, 0.0, real.width - 1.0)
        y = np.clip(row - 0.5, 0.0, real.height - 1.0)
        left = np.minimum(x.astype(np.int64), real.width - 2)
        top = np.minimum(y.astype(np.int64), real.height - 2)
        right_part = np.rint((x - left) * _FIXED_POINT_ONE).astype(np.int32)
        low_part = np.rint((y - top) * _FIXED_POINT_ONE).astype(np.int32)
        weights = [
            across * down
            for down in (_FIXED_POINT_ONE - low_part, low_part)
            for across in (_FIXED_POINT_ONE - right_part, right_part)
        ]
        first = top * real.width + left
        self._corners = [first, first + 1, first + real.width, first + real.width + 1]
        self._weights = [weight[..., None].astype(np.uint32) for weight in weights]


def make_remap(real: CameraConfig, wanted: CameraConfig, steps: tuple[AnyPreprocessStep, ...] = ()) -> CameraRemap:
    """Return the conversion from a car's calibrated camera to a contract's.

    Args:
        real: The car's camera, as calibrated.
        wanted: The camera that the policy was trained with.
        steps: The contract's preprocessing; pixels that it crops or masks may be missing.

    Raises:
        LensRefusal: The real camera shows too little; the message holds the fraction and the side that is missing.
    """
    remap = CameraRemap(real, wanted)
    needed = needed_pixels(wanted, steps)
    fraction = float(remap.visible[needed].mean())
    if fraction < VISIBLE_FRACTION_MIN:
        missing = needed & ~remap.visible
        raise LensRefusal(
            f"this car's camera shows {fraction:.0%} of the picture that the policy uses, "
            f"at least {VISIBLE_FRACTION_MIN:.0%} is needed; "
            f"it is missing {_missing_side(missing)}: use a wider lens, or mount it as in the contract "
            f"({wanted.view_deg:g} degrees wide, {wanted.pitch_deg:g} down, {wanted.up:g} m up)"
        )
    return remap


def needed_pixels(wanted: CameraConfig, steps: tuple[AnyPreprocessStep, ...]) -> NDArray[np.bool_]:
    """Return the pixels of the raw picture that the preprocessing neither crops nor masks, shape (H, W), bool."""
    needed = np.zeros((wanted.height, wanted.width), np.bool_)
    top, bottom, left, right = 0, wanted.height, 0, wanted.width
    for step in steps:
        if isinstance(step, CropStep):
            top, bottom = top + step.top, bottom - step.bottom
            left, right = left + step.left, right - step.right
        elif isinstance(step, MaskStep):
            top = top + step.rows
            break  # a later step works on another picture, whose pixels depend on all that are left
        elif not isinstance(step, GreyStep):
            break
    needed[top:bottom, left:right] = True
    return needed


def _camera_geometry(camera: CameraConfig) -> dict[str, object]:
    return camera.model_dump(exclude={"colour", "walls", "rate_hz", "baseline"})


def _map_pixels(real: CameraConfig, wanted: CameraConfig) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return where the real camera shows the view of each wanted pixel: column, row, and whether it does, (H, W)."""
    level = pixel_rays(wanted.optics) @ _mount(wanted)  # forward, right, up
    from_lens = np.array([wanted.forward, -wanted.left, wanted.up])
    to_lens = np.array([real.forward, -real.left, real.up])
    turn, back = _yaw_matrix(wanted), _yaw_matrix(real).T
    in_car = level @ turn.T
    down = -in_car[..., 2]
    # A ray meets the ground at `reach` = height / downward component; at or above the horizon it never does.
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.where(down > 1e-9, wanted.up / np.maximum(down, 1e-9), np.inf)
    near = reach * np.hypot(in_car[..., 0], in_car[..., 1]) < _FAR_M
    ground = from_lens + np.where(near, reach, 0.0)[..., None] * in_car
    # Far points count as directions, which are the same from both lenses.
    seen_from = np.where(near[..., None], ground - to_lens, in_car)
    camera = (seen_from @ back.T) @ _mount(real).T
    column, row, ahead = project(real.optics, camera)
    inside = ahead & (column >= 0.0) & (column <= real.width) & (row >= 0.0) & (row <= real.height)
    return column, row, inside


def _yaw_matrix(camera: CameraConfig) -> Array:
    """Return the matrix from level axes (forward, right, up) at the camera's heading to those of the car."""
    c, s = math.cos(math.radians(camera.yaw_deg)), math.sin(math.radians(camera.yaw_deg))
    return np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])


def _mount(camera: CameraConfig) -> Array:
    """Return the matrix from level axes (forward, right, up) to the camera's (right, down, ahead)."""
    return np.array(level_to_camera(math.radians(camera.pitch_deg), math.radians(camera.roll_deg)))


def _missing_side(missing: NDArray[np.bool_]) -> str:
    """Return the side on which most of the missing pixels are."""
    rows, columns = np.nonzero(missing)
    height, width = missing.shape
    up, across = rows.mean() / height - 0.5, columns.mean() / width - 0.5
    distance, side = max((-up, "above"), (up, "below"), (-across, "on the left"), (across, "on the right"))
    return side if distance > 0.1 else "all around"
