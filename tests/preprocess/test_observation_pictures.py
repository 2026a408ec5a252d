"""The steps on pictures against naive twins, and against figures of OpenCV."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.config.network import AreaStep, CropStep, GreyStep, MaskStep, ResizeStep
from racer.preprocess.observation import BilinearResize, make_operation, mask_top_rows, shrink_by_area, to_grey

PATTERN = (np.arange(7 * 9) * 37 % 251).astype(np.uint8).reshape(1, 7, 9, 1)
SIZES = [(48, 80), (7, 9), (30, 41), (120, 160), (1, 1), (131, 170)]


def noise(*shape, seed=0):
    """Random pictures."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def naive_area(picture, factor):
    """Means of blocks as fractions, halves rounded up."""
    height, width, channels = picture.shape
    out = np.zeros((height // factor, width // factor, channels), np.uint8)
    for row, column, channel in np.ndindex(*out.shape):
        block = picture[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor, channel]
        out[row, column, channel] = math.floor(Fraction(int(block.sum()), factor * factor) + Fraction(1, 2))
    return out


def naive_place(k, size, wanted):
    """The two pixels about an output pixel's centre, and the share of the second."""
    centre = float(np.float32((k + 0.5) * (size / wanted) - 0.5))
    first = math.floor(centre)
    return min(max(first, 0), size - 1), min(max(first + 1, 0), size - 1), centre - first


def naive_bilinear(picture, height, width):
    """Real numbers, no fixed point."""
    out = np.zeros((height, width, picture.shape[2]))
    values = picture.astype(float)
    for row in range(height):
        top, bottom, down = naive_place(row, picture.shape[0], height)
        for column in range(width):
            left, right, across = naive_place(column, picture.shape[1], width)
            upper = values[top, left] * (1 - across) + values[top, right] * across
            lower = values[bottom, left] * (1 - across) + values[bottom, right] * across
            out[row, column] = upper * (1 - down) + lower * down
    return out


def test_grey_is_luma():
    """Be within a half of 0.299 R + 0.587 G + 0.114 B (BT.601), keep greys, black and white as they are."""
    pictures = noise(3, 20, 30, 3)
    exact = pictures @ np.array([0.299, 0.587, 0.114])
    made = to_grey(pictures)
    assert made.shape == (3, 20, 30, 1) and made.dtype == np.uint8
    assert np.abs(made[..., 0] - exact).max() <= 0.5 + 255 * 3 / 2**16  # weights are rounded to 2^-15
    same = np.repeat(np.arange(256, dtype=np.uint8)[None, None, :, None], 3, axis=3)
    assert (to_grey(same)[..., 0] == same[..., 0]).all()


def test_grey_as_opencv():
    """Give what cv2.cvtColor(..., COLOR_RGB2GRAY) of OpenCV 5.0.0 gave."""
    picture = (np.arange(3 * 2 * 3) * 41 % 256).astype(np.uint8).reshape(1, 3, 2, 3)
    assert to_grey(picture)[0, ..., 0].tolist() == [[33, 156], [100, 146], [90, 136]]


@given(
    st.sampled_from([2, 3, 4, 5]), st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.integers(0, 2**32 - 1)
)
@settings(max_examples=60, deadline=None)
def test_area_is_the_mean(factor, rows, columns, channels, seed):
    """Round the exact mean of every block, halves up."""
    pictures = noise(2, rows * factor, columns * factor, channels, seed=seed)
    made = shrink_by_area(pictures, factor)
    assert made.dtype == np.uint8
    for picture, small in zip(pictures, made, strict=True):
        assert (small == naive_area(picture, factor)).all()


def test_area_takes_crops_and_the_brightest():
    """Read pictures that are views of larger ones; four times 255 does not overflow."""
    whole = noise(2, 120, 160, 1)
    view = whole[:, 24:, 2:-4]
    assert (shrink_by_area(view, 2) == shrink_by_area(view.copy(), 2)).all()
    assert (shrink_by_area(np.full((1, 4, 4, 1), 255, np.uint8), 2) == 255).all()
    assert (shrink_by_area(np.full((1, 8, 8, 2), 255, np.uint8), 4) == 255).all()


def test_area_as_opencv():
    """Give what cv2.resize(..., INTER_AREA) of OpenCV 5.0.0 gave for factor 2."""
    picture = (np.arange(4 * 6) * 37 % 251).astype(np.uint8).reshape(1, 4, 6, 1)
    assert shrink_by_area(picture, 2)[0, ..., 0].tolist() == [[67, 78, 152], [197, 83, 94]]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_resize_is_bilinear(height, width, channels):
    """Stay at bilinear interpolation in real numbers.

    The fixed point cuts off two quarters, rounds by a half and has four weights to 2^-12 of 255: 1.25 at most.
    """
    pictures = noise(2, 24, 32, channels)
    made = BilinearResize((24, 32, channels), height, width)(pictures)
    assert made.shape == (2, height, width, channels) and made.dtype == np.uint8
    for picture, own in zip(pictures, made, strict=True):
        off = own - naive_bilinear(picture, height, width)
        assert np.abs(off).max() <= 1.25


@pytest.mark.parametrize(
    ("size", "rows", "expected"),
    [
        (
            (4, 5),
            [0, 1, 2, 3],
            [[45, 112, 179, 151, 61], [176, 180, 71, 138, 173], [100, 148, 215, 62, 97], [162, 116, 107, 174, 146]],
        ),
        (
            (10, 12),
            [0, 4, 9],
            [
                [0, 23, 51, 79, 106, 134, 162, 189, 217, 88, 22, 45],
                [217, 138, 105, 122, 84, 100, 128, 156, 184, 109, 76, 99],
                [241, 107, 41, 69, 96, 124, 152, 179, 207, 235, 169, 35],
            ],
        ),
    ],
)
def test_resize_as_opencv(size, rows, expected):
    """Give what cv2.resize(..., INTER_LINEAR) of OpenCV 5.0.0 gave, smaller and larger."""
    made = BilinearResize((7, 9, 1), *size)(PATTERN)
    assert made[0, rows, :, 0].tolist() == expected


def test_resize_to_the_same_size_changes_nothing():
    """Keep every pixel where the size stays."""
    pictures = noise(1, 12, 16, 2)
    assert (BilinearResize((12, 16, 2), 12, 16)(pictures) == pictures).all()


@pytest.mark.parametrize(
    "step",
    [
        CropStep(top=4, left=2),
        MaskStep(rows=5),
        AreaStep(factor=2),
        AreaStep(factor=3),
        ResizeStep(height=9, width=13),
        GreyStep(),
    ],
)
def test_pictures_do_not_know_their_batch(step):
    """Do the same with a picture alone as in a batch, and leave what was given as it was."""
    pictures = noise(5, 24, 36, 3)
    given_bytes = pictures.tobytes()
    work = make_operation(step, (24, 36, 3))
    together = work(pictures)
    for k in range(5):
        assert (work(pictures[k : k + 1])[0] == together[k]).all()
    assert pictures.tobytes() == given_bytes


def test_crop_and_mask():
    """Cut the stated rows and columns; blacken the top rows of a copy."""
    pictures = noise(2, 6, 8, 1)
    cut = make_operation(CropStep(top=1, bottom=2, left=3, right=1), (6, 8, 1))(pictures)
    assert (cut == pictures[:, 1:4, 3:7]).all()
    masked = mask_top_rows(pictures, 2)
    assert not masked[:, :2].any() and (masked[:, 2:] == pictures[:, 2:]).all() and pictures[:, :2].any()
