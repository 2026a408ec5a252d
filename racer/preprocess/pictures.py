"""The steps on batches of pictures, (B, H, W, C) uint8 to the same; whole numbers only, so exact on every machine.

Nothing is remembered here. The arithmetic of `grey` and `resize` is OpenCV's for 8 bits (modules/imgproc,
color_rgb.simd.hpp and resize.cpp), that of `area` by 2 as well.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from racer.config.preprocess import AnyStep, AreaStep, CropStep, GreyStep, MaskStep, ResizeStep, Shape

Pictures = NDArray[np.uint8]
Operation = Callable[[Pictures], Pictures]

_ONE = 2048
"""A weight of 1 in the 11-bit fixed point of a resize."""


def operation(step: AnyStep, shape: Shape) -> Operation:
    """What a step does with pictures of a shape; its tables are made here, once."""
    if isinstance(step, GreyStep):
        return grey
    if isinstance(step, CropStep):
        rows, columns = slice(step.top, shape[0] - step.bottom), slice(step.left, shape[1] - step.right)
        return lambda pictures: pictures[:, rows, columns]
    if isinstance(step, MaskStep):
        return lambda pictures: mask(pictures, step.rows)
    if isinstance(step, AreaStep):
        return lambda pictures: area(pictures, step.factor)
    if isinstance(step, ResizeStep):
        return Bilinear(shape, step.height, step.width)
    raise TypeError(f"step {step.step} is no operation on single pictures")


def grey(pictures: Pictures) -> Pictures:
    """Luma of RGB, (B, H, W, 3) to (B, H, W, 1)."""
    red, green, blue = (pictures[..., k].astype(np.int32) for k in range(3))
    luma = (9798 * red + 19235 * green + 3735 * blue + 16384) >> 15
    return luma.astype(np.uint8)[..., None]


def mask(pictures: Pictures, rows: int) -> Pictures:
    """A copy with the top `rows` black."""
    masked = pictures.copy()
    masked[:, :rows] = 0
    return masked


def area(pictures: Pictures, factor: int) -> Pictures:
    """Each factor x factor block as its mean, halves rounded up."""
    batch, height, width, channels = pictures.shape
    if factor == 2 and channels == 1:
        return _halved(pictures)
    small = height // factor, width // factor
    total = np.zeros((batch, *small, channels), np.uint32)
    for row in range(factor):
        for column in range(factor):
            total += pictures[:, row::factor, column::factor]
    count = factor * factor
    return ((2 * total + count) // (2 * count)).astype(np.uint8)


def _halved(pictures: Pictures) -> Pictures:
    """`area` by 2 of one channel: pixels side by side are the two bytes of a 16-bit word, whichever comes first."""
    batch, height, width, _ = pictures.shape
    words = np.ascontiguousarray(pictures).reshape(batch, height, width).view(np.uint16)
    pairs = words & 0xFF
    pairs += words >> 8
    total = pairs[:, 0::2] + pairs[:, 1::2]
    total += 2
    total >>= 2
    return total.astype(np.uint8)[..., None]


class Bilinear:
    """A resize between the four nearest pixels; half-pixel centres, edges repeated."""

    def __init__(self, shape: Shape, height: int, width: int) -> None:
        """Make the tables for pictures of `shape`."""
        self._top, self._bottom, top, bottom = _table(shape[0], height)
        self._left, self._right, left, right = _table(shape[1], width)
        # Beyond an outer column's centre OpenCV takes that column alone; of rows it takes both, which are the same.
        centre = (np.arange(width) + 0.5) * (shape[1] / width) - 0.5
        outside = (centre < 0.0) | (centre >= shape[1] - 1)
        left[outside], right[outside] = _ONE, 0
        self._weight_top, self._weight_bottom = top[:, None, None], bottom[:, None, None]
        self._weight_left, self._weight_right = left[:, None], right[:, None]

    def __call__(self, pictures: Pictures) -> Pictures:
        """(B, H, W, C) to (B, height, width, C)."""
        rows = np.take(pictures, self._left, axis=2) * self._weight_left
        rows += np.take(pictures, self._right, axis=2) * self._weight_right
        rows >>= 4
        upper = (np.take(rows, self._top, axis=1) * self._weight_top) >> 16
        upper += (np.take(rows, self._bottom, axis=1) * self._weight_bottom) >> 16
        upper += 2
        upper >>= 2
        return upper.astype(np.uint8)


def _table(size: int, wanted: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int32], NDArray[np.int32]]:
    """For each of `wanted` places: the two of `size` pixels that it lies between, and their weights."""
    centre = ((np.arange(wanted) + 0.5) * (size / wanted) - 0.5).astype(np.float32)
    first = np.floor(centre)
    share = centre - first
    below = first.astype(np.intp)
    last = size - 1
    return (
        np.clip(below, 0, last),
        np.clip(below + 1, 0, last),
        np.rint((np.float32(1.0) - share) * _ONE).astype(np.int32),
        np.rint(share * _ONE).astype(np.int32),
    )
