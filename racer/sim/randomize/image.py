"""Disturbances of a camera's frames: one EFFECT row for each camera and episode, and the passes over the pixels.

The passes have the order of a real camera: the lens (defocus) and the movement while the shutter is open, the light
(exposure, tint, vignette, spots), the sensor (noise, rounding), its tone curve, and the compression. All work in
float32 on one plane at a time, so that the compiler may vectorise them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.config.disturbance import DisturbanceConfig, disturbance_entries
from racer.sim.dtypes import Array, Row
from racer.sim.jit import device, kernel
from racer.sim.random import random_bits_at, random_uniform_at
from racer.sim.randomize.distributions import draw_value
from racer.sim.randomize.jpeg import compress_plane

SPOTS = 4
"""Number of spots, bright and dark by turns; each has a direction, so that it moves through the picture in a turn."""
TINTS = 3
"""Number of channels with a tint."""
EFFECT = np.dtype(
    [
        ("light", "f4", (TINTS,)),  # factor of each channel: exposure and tint
        ("vignette", "f4"),
        ("noise", "f4"),  # grey levels
        ("jpeg", "f4"),  # quality
        ("spot_turn", "f4", (SPOTS,)),  # direction of a spot, 0..1: 1 is two fields of view further to the left
        ("spot_row", "f4", (SPOTS,)),  # fraction of the height
        ("spot_size", "f4", (SPOTS,)),  # pixels, radius
        ("spot_add", "f4", (SPOTS,)),  # grey levels that are added in its middle
        ("spot_loss", "f4", (SPOTS,)),  # fraction of the light that is lost in its middle
        ("clutter", "f4"),  # fraction of the background's pieces that exist
        ("clutter_height", "f4"),  # rad, of the highest piece
        ("radius", "i4"),  # pixels, of the blur along rows; 0: none
        ("radius_down", "i4"),  # pixels, of the blur down the columns
        ("flat", "i4"),  # 1: the tone curve changes nothing
        ("key", "u8"),  # of the random stream of the frames
    ],
    align=True,
)
"""The image disturbances of one camera in one episode."""

_NAMES = list(disturbance_entries(DisturbanceConfig()))
_TINT, HUE, _SIZE = (_NAMES.index(name) for name in ("image.tint", "look.hue", "image.spot_size"))
"""Indices of the distributions that an episode draws from several times."""
_SPOT_NUMBERS = 1 << 33
"""First place of the spots in an episode's stream; tints, hues and the key of the frames follow."""
_TINT_NUMBERS = (1 << 33) + 1024
HUE_NUMBERS = (1 << 33) + 2048
_FRAME_KEY = (1 << 33) + 4096
_PIXELS = 160.0
"""Width of the frame for which blurs are configured [pixels]."""
_SPREAD = 2.5
"""Standard deviations of a blur that are kept on both sides."""
_MID = 127.5


def blur_radius_max(config: DisturbanceConfig, width: int) -> int:
    """Return the radius [pixels] of the widest blur that a configuration can draw for frames of this width."""
    motion, defocus = config.image.motion_blur.bounds[1], config.image.defocus.bounds[1]
    return math.ceil((0.5 * motion + _SPREAD * defocus) * width / _PIXELS) + 1


@device
def set_tone_curve(gamma: float, contrast: float, curve: Array) -> int:
    """Fill the tone curve (256,) uint8: 255 (v / 255)^gamma, then stretched by `contrast` about mid grey.

    Returns:
        1 for the identity, else 0.
    """
    flat = 1
    for level in range(256):
        value = 255.0 * (level / 255.0) ** gamma
        value = _MID + contrast * (value - _MID)
        curve[level] = np.uint8(min(max(value, 0.0), 255.0) + 0.5)
        if curve[level] != level:
            flat = 0
    return flat


@device
def set_blur_taps(motion: float, defocus: float, taps: Array) -> int:
    """Fill (R + 1,) float32 with the right half of a blur, its middle first; the taps of both halves sum to 1.

    A motion of `motion` pixels spreads a pixel evenly over motion + 1; `defocus` is the standard deviation of a normal
    distribution [pixels]. The blur is the convolution of both.

    Returns:
        The radius [pixels], at most R.
    """
    half = 0.5 * (motion + 1.0)
    radius = min(math.ceil(half - 0.5 + _SPREAD * defocus), taps.shape[0] - 1)
    reach = math.ceil(half - 0.5)
    total = 0.0
    for k in range(radius + 1):
        value = 0.0
        for m in range(-reach, reach + 1):
            # The part of pixel m that the motion covers.
            covered = min(m + 0.5, half) - max(m - 0.5, -half)
            away = float(k - m)
            if defocus > 0.0:
                value += covered * math.exp(-0.5 * away * away / (defocus * defocus))
            elif k == m:
                value += covered
        taps[k] = value
        total += value if k == 0 else 2.0 * value
    for k in range(radius + 1):
        taps[k] = taps[k] / total
    return radius


@device
def _set_spots(value: Row, source: Row, choices: Array, key: int, width: int, effect: Row) -> None:
    """Draw the spots of an EFFECT row from EPISODE_VALUES and the DISTRIBUTION of their size."""
    for k in range(SPOTS):
        at = _SPOT_NUMBERS + 8 * k
        effect.spot_turn[k] = random_uniform_at(key, at)
        effect.spot_row[k] = random_uniform_at(key, at + 1)
        effect.spot_size[k] = width * draw_value(source, choices, key, (at + 2) // 2)
        bright = k % 2 == 0
        effect.spot_add[k] = value.image_glare if bright else 0.0
        effect.spot_loss[k] = 0.0 if bright else value.image_shadow


@kernel
def set_effects(
    first: int, last: int, which: Array, keys: Array, drawn: Array, table: Array, choices: Array, width: int,
    # outputs
    effects: Array, curves: Array, taps: Array,
) -> None:  # fmt: skip
    """Set the effects of the marked cameras of worlds `first` to `last` - 1 to their episode's values.

    Args:
        first: First world.
        last: World after the last one.
        which: Marked cars, shape (N, C), bool.
        keys: Keys of the episodes, shape (N, C), uint64.
        drawn: EPISODE_VALUES, shape (N, C).
        table: DISTRIBUTION rows, of `distribution_rows`.
        choices: Values of all choices.
        width: Width of a frame [pixels].
        effects: EFFECT, shape (N, C).
        curves: Tone curves, shape (N, C, 256), uint8.
        taps: Blurs along rows and down columns, of `set_blur_taps`, shape (N, C, 2, R + 1), float32.
    """
    scale = width / _PIXELS
    for n in range(first, last):
        for c in range(effects.shape[1]):
            if not which[n, c]:
                continue
            effect, value, key = effects[n, c], drawn[n, c], keys[n, c]
            for k in range(TINTS):
                tint = value.image_tint
                if k > 0:
                    tint = draw_value(table[_TINT], choices, key, _TINT_NUMBERS + k)
                effect.light[k] = value.image_exposure * tint
            effect.vignette, effect.noise = value.image_vignette, value.image_noise
            effect.jpeg = value.image_jpeg_quality
            effect.clutter, effect.clutter_height = value.look_crowd, value.look_crowd_height_deg * math.pi / 180.0
            effect.flat = set_tone_curve(value.image_gamma, value.image_contrast, curves[n, c])
            defocus = scale * value.image_defocus
            effect.radius = set_blur_taps(scale * value.image_motion_blur, defocus, taps[n, c, 0])
            effect.radius_down = set_blur_taps(0.0, defocus, taps[n, c, 1])
            effect.key = random_bits_at(key, _FRAME_KEY)
            _set_spots(value, table[_SIZE], choices, key, width, effect)


def make_effects(
    worlds: int, cars: int, radius: int
) -> tuple[NDArray[np.void], NDArray[np.uint8], NDArray[np.float32]]:
    """Make the buffers of `set_effects`: effects, curves and taps of blurs of up to `radius` [pixels]."""
    return (
        np.zeros((worlds, cars), EFFECT),
        np.zeros((worlds, cars, 256), np.uint8),
        np.zeros((worlds, cars, 2, radius + 1), np.float32),
    )


NOISE_SIZE = 1 << 14
"""Normal numbers that all frames take their noise from, each row from another place; drawing them would be slow."""
_ZERO, _ONE, _HALF, _FULL = np.float32(0.0), np.float32(1.0), np.float32(0.5), np.float32(255.0)


class ImageBuffers(NamedTuple):
    """Buffers for the passes over one frame, reused for the next one."""

    plane: NDArray[np.float32]
    """The channel that is being changed, shape (H, W)."""
    blurred: NDArray[np.float32]
    """Shape (H, W)."""
    line: NDArray[np.float32]
    """A row with its edges repeated, shape (W + 2 R,)."""
    light: NDArray[np.float32]
    """Factor and addition of each pixel of a row, shape (2, W)."""
    blocks: NDArray[np.float32]
    """Buffers of `compress_plane`, shape (3, 8, W rounded up to a multiple of 8)."""
    noise: NDArray[np.float32]
    """Normal numbers, shape (NOISE_SIZE + W,)."""


def make_image_buffers(height: int, width: int, radius: int) -> ImageBuffers:
    """Make the buffers for frames of this size and blurs of this radius [pixels]."""
    numbers = np.random.Generator(np.random.PCG64(20)).standard_normal(NOISE_SIZE).astype(np.float32)
    return ImageBuffers(
        np.zeros((height, width), np.float32),
        np.zeros((height, width), np.float32),
        np.zeros(width + 2 * radius, np.float32),
        np.zeros((2, width), np.float32),
        np.zeros((3, 8, -(-width // 8) * 8), np.float32),
        np.resize(numbers, NOISE_SIZE + width),
    )


@device
def blur_rows(plane: Array, taps: Array, radius: int, line: Array, out: Array) -> None:
    """Blur the rows of `plane` (H, W) into `out`; beyond the edges the last pixel is repeated."""
    height, width = plane.shape
    for y in range(height):
        row, to = plane[y], out[y]
        for k in range(radius):
            line[k] = row[0]
            line[radius + width + k] = row[width - 1]
        for x in range(width):
            line[radius + x] = row[x]
            to[x] = taps[0] * row[x]
        for k in range(1, radius + 1):
            weight, left, right = taps[k], line[radius - k :], line[radius + k :]
            for x in range(width):
                to[x] += weight * (left[x] + right[x])


@device
def blur_columns(plane: Array, taps: Array, radius: int, out: Array) -> None:
    """Blur the columns of `plane` (H, W) into `out`; beyond the edges the last pixel is repeated."""
    height, width = plane.shape
    for y in range(height):
        row, to = plane[y], out[y]
        for x in range(width):
            to[x] = taps[0] * row[x]
        for k in range(1, radius + 1):
            weight, above, below = taps[k], plane[max(y - k, 0)], plane[min(y + k, height - 1)]
            for x in range(width):
                to[x] += weight * (above[x] + below[x])


@device
def spot_column(effect: Row, k: int, turned: float, width: int) -> float:
    """Return the column of the middle of a spot when the car has turned by `turned` fields of view to the left."""
    turn = effect.spot_turn[k] + 0.5 * turned
    return width * (2.0 * (turn - np.floor(turn)) - 0.5)


@device
def _light_row(effect: Row, y: int, height: int, turned: float, gain: float, light: Array) -> None:
    """Fill the factors and the additions of row `y`, shape (2, W): exposure, tint, vignette and spots."""
    factor, added = light[0], light[1]
    width = light.shape[1]
    middle, center = np.float32(0.5 * (width - 1)), np.float32(0.5 * (height - 1))
    corner = np.float32(1.0) / max(middle * middle + center * center, _ONE)
    up = (np.float32(y) - center) * (np.float32(y) - center)
    loss = effect.vignette * corner
    for x in range(width):
        aside = np.float32(x) - middle
        factor[x] = gain * (_ONE - loss * (aside * aside + up))
        added[x] = _ZERO
    for k in range(SPOTS):
        size = effect.spot_size[k]
        if effect.spot_add[k] == _ZERO and effect.spot_loss[k] == _ZERO:
            continue
        down = np.float32(y) - effect.spot_row[k] * np.float32(height)
        if down * down >= size * size:
            continue
        column = np.float32(spot_column(effect, k, turned, width))
        inverse = _ONE / (size * size)
        start, add, lost = _ONE - down * down * inverse, effect.spot_add[k], effect.spot_loss[k]
        for x in range(width):
            aside = np.float32(x) - column
            weight = max(start - aside * aside * inverse, _ZERO)
            weight = weight * weight
            factor[x] = factor[x] * (_ONE - lost * weight)
            added[x] += add * weight


@device
def apply_exposure(
    effect: Row, curve: Array, key: int, turned: float, gain: float, noise: Array, light: Array, plane: Array
) -> None:
    """Apply light, noise, rounding and tone curve to a plane in place; the result is integers.

    Args:
        effect: EFFECT row.
        curve: Tone curve, shape (256,), uint8.
        key: Key of the random stream of this frame and channel.
        turned: Turn of the car to the left [fields of view].
        gain: Factor of this channel.
        noise: Normal numbers, shape (NOISE_SIZE + W,), float32.
        light: Buffer, shape (2, W).
        plane: Grey levels, shape (H, W), float32.
    """
    height, width = plane.shape
    sigma = effect.noise
    for y in range(height):
        _light_row(effect, y, height, turned, gain, light)
        row, factor, added = plane[y], light[0], light[1]
        grain = noise[int(random_bits_at(key, y) >> 50) :]
        for x in range(width):
            value = row[x] * factor[x] + added[x] + sigma * grain[x]
            row[x] = min(max(value, _ZERO), _FULL) + _HALF
        if effect.flat == 1:
            for x in range(width):
                row[x] = np.float32(np.int32(row[x]))
        else:
            for x in range(width):
                row[x] = np.float32(curve[np.uint8(row[x])])


@device
def apply_effects(
    effect: Row, curve: Array, taps: Array, key: int, turned: float, gain: float, buffers: ImageBuffers
) -> None:
    """Apply all effects of a camera to the integer grey levels in `buffers.plane`, in place.

    Arguments as of `apply_exposure`; `taps` are those of `set_effects`, shape (2, R + 1).
    """
    if effect.radius > 0:
        blur_rows(buffers.plane, taps[0], effect.radius, buffers.line, buffers.blurred)
        if effect.radius_down > 0:
            blur_columns(buffers.blurred, taps[1], effect.radius_down, buffers.plane)
        else:
            buffers.plane[:] = buffers.blurred
    apply_exposure(effect, curve, key, turned, gain, buffers.noise, buffers.light, buffers.plane)
    if effect.jpeg < 100.0:
        compress_plane(effect.jpeg, buffers.blocks, buffers.plane)
