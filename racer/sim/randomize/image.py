"""What an episode does to a camera's frames, ready for the passes over the pixels: one EFFECT row for each camera.

The passes over the pixels of a frame: blur, light, noise and tone, compression.

In the order of a real camera: what is in the backdrop, the lens (defocus) and the movement while the shutter is
open, the light (exposure, tint, vignette, spots), the sensor (noise, rounding), its tone curve, and the compression.
All in float32 on one plane at a time, so that the compiler may work on eight pixels at once.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.config.disturbance import DisturbanceConfig, disturbance_entries
from racer.sim.jit import device, kernel
from racer.sim.randomize.distributions import draw_value, random_bits_at, random_uniform_at
from racer.sim.randomize.jpeg import compress_plane

SPOTS = 4
"""Bright and dark spots by turns; each has its place round the car, so that it moves as the car turns."""
TINTS = 3
EFFECT = np.dtype(
    [
        ("light", "f4", (TINTS,)),  # factor of each channel: exposure and tint
        ("vignette", "f4"),
        ("noise", "f4"),  # grey levels
        ("jpeg", "f4"),  # quality
        ("spot_turn", "f4", (SPOTS,)),  # 0..1, direction of a spot: 1 is two fields of view further round
        ("spot_row", "f4", (SPOTS,)),  # share of the height
        ("spot_size", "f4", (SPOTS,)),  # pixels, radius
        ("spot_add", "f4", (SPOTS,)),  # grey levels added in its middle
        ("spot_loss", "f4", (SPOTS,)),  # share of the light lost in its middle
        ("crowd", "f4"),  # share of the backdrop that is covered
        ("crowd_height", "f4"),  # rad
        ("radius", "i4"),  # of the smear along rows, pixels; 0: none
        ("radius_down", "i4"),  # of the spot down the columns
        ("flat", "i4"),  # 1: the tone curve changes nothing
        ("key", "u8"),  # of the stream that the frames draw from
    ],
    align=True,
)
"""The image disturbances of one camera in one episode."""

_NAMES = list(disturbance_entries(DisturbanceConfig()))
_TINT, HUE, _SIZE = (_NAMES.index(name) for name in ("image.tint", "look.hue", "image.spot_size"))
"""Places of these among the values: they are drawn several times over."""
_SPOT_NUMBERS = 1 << 33
"""Numbers of an episode's stream that belong to spots, tints and hues, besides those of the values."""
_TINT_NUMBERS = (1 << 33) + 1024
HUE_NUMBERS = (1 << 33) + 2048
_FRAME_KEY = (1 << 33) + 4096
_PIXELS = 160.0
"""Width of the frame that blurs are given for."""
_SPREAD = 2.5
"""Standard deviations of a blur that are kept on either side."""
_MID = 127.5


def blur_radius_max(config: DisturbanceConfig, width: int) -> int:
    """Pixels on either side of the widest smear that a configuration can draw for frames of this width."""
    motion, defocus = config.image.motion_blur.bounds[1], config.image.defocus.bounds[1]
    return math.ceil((0.5 * motion + _SPREAD * defocus) * width / _PIXELS) + 1


@device
def set_tone_curve(curve, gamma, contrast):  # type: ignore[no-untyped-def]
    """Fill the tone curve (256,) uint8: 255 (v / 255)^gamma, then stretched by `contrast` about mid grey.

    Returns:
        1 where it changes nothing.
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
def set_blur_taps(taps, motion, defocus):  # type: ignore[no-untyped-def]
    """Fill (R + 1,) float32 with the right half of a blur, its middle first; all taps of both halves add up to 1.

    A smear of `motion` pixels spreads a pixel evenly over motion + 1; `defocus` is a normal distribution.

    Returns:
        The radius in pixels, at most R.
    """
    half = 0.5 * (motion + 1.0)
    radius = min(math.ceil(half - 0.5 + _SPREAD * defocus), taps.shape[0] - 1)
    reach = math.ceil(half - 0.5)
    total = 0.0
    for k in range(radius + 1):
        value = 0.0
        for m in range(-reach, reach + 1):
            share = min(m + 0.5, half) - max(m - 0.5, -half)
            away = float(k - m)
            if defocus > 0.0:
                value += share * math.exp(-0.5 * away * away / (defocus * defocus))
            elif k == m:
                value += share
        taps[k] = value
        total += value if k == 0 else 2.0 * value
    for k in range(radius + 1):
        taps[k] = taps[k] / total
    return radius


@device
def _set_spots(effect, value, source, choices, key, width):  # type: ignore[no-untyped-def]
    for k in range(SPOTS):
        at = _SPOT_NUMBERS + 8 * k
        effect.spot_turn[k] = random_uniform_at(key, at)
        effect.spot_row[k] = random_uniform_at(key, at + 1)
        effect.spot_size[k] = width * draw_value(source, choices, key, (at + 2) // 2)
        bright = k % 2 == 0
        effect.spot_add[k] = value.image_glare if bright else 0.0
        effect.spot_loss[k] = 0.0 if bright else value.image_shadow


@kernel
def set_effects(first, last, which, keys, drawn, table, choices, width, effects, curves, taps):  # type: ignore[no-untyped-def]
    """Set the rows of the cameras that `which` (N, C) marks as their episode's values say.

    Args:
        keys: (N, C) uint64, of `draw_episodes`; `drawn` (N, C) DRAWN; `table` and `choices` of `sources`.
        width: pixels of a frame.
        effects: (N, C) EFFECT, written.
        curves: (N, C, 256) uint8, written: the tone curve.
        taps: (N, C, 2, R + 1) float32, written: the blur along rows and down columns, see `set_taps`.
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
            effect.vignette, effect.noise, effect.jpeg = (
                value.image_vignette,
                value.image_noise,
                value.image_jpeg_quality,
            )
            effect.crowd, effect.crowd_height = value.look_crowd, value.look_crowd_height_deg * math.pi / 180.0
            effect.flat = set_tone_curve(curves[n, c], value.image_gamma, value.image_contrast)
            defocus = scale * value.image_defocus
            effect.radius = set_blur_taps(taps[n, c, 0], scale * value.image_motion_blur, defocus)
            effect.radius_down = set_blur_taps(taps[n, c, 1], 0.0, defocus)
            effect.key = random_bits_at(key, _FRAME_KEY)
            _set_spots(effect, value, table[_SIZE], choices, key, width)


def make_effects(
    worlds: int, cars: int, radius: int
) -> tuple[NDArray[np.void], NDArray[np.uint8], NDArray[np.float32]]:
    """Rows, curves and taps for `set_effects`."""
    return (
        np.zeros((worlds, cars), EFFECT),
        np.zeros((worlds, cars, 256), np.uint8),
        np.zeros((worlds, cars, 2, radius + 1), np.float32),
    )


NOISE_SIZE = 1 << 14
"""Normal numbers that all frames take their noise from, each row from another place."""
_ZERO, _ONE, _HALF, _FULL = np.float32(0.0), np.float32(1.0), np.float32(0.5), np.float32(255.0)


class ImageBuffers(NamedTuple):
    """Room to work on one frame; used again for the next one."""

    plane: NDArray[np.float32]
    """(H, W)."""
    blurred: NDArray[np.float32]
    """(H, W)."""
    line: NDArray[np.float32]
    """(W + 2 R,)."""
    light: NDArray[np.float32]
    """(2, W): factor, and what is added."""
    blocks: NDArray[np.float32]
    """(3, 8, W rounded up to a multiple of 8)."""
    noise: NDArray[np.float32]
    """(NOISE_SIZE + W,)."""


def make_image_buffers(height: int, width: int, radius: int) -> ImageBuffers:
    """Room for frames of this size and blurs of this radius."""
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
def blur_rows(plane, out, line, taps, radius):  # type: ignore[no-untyped-def]
    """Blur the rows of `plane` into `out`; beyond the edges the last pixel is repeated."""
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
def blur_columns(plane, out, taps, radius):  # type: ignore[no-untyped-def]
    """Blur the columns of `plane` into `out`; beyond the edges the last pixel is repeated."""
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
def spot_column(effect, k, turned, width):  # type: ignore[no-untyped-def]
    """Column of the middle of a spot when the car has turned by `turned` fields of view to the left."""
    turn = effect.spot_turn[k] + 0.5 * turned
    return width * (2.0 * (turn - np.floor(turn)) - 0.5)


@device
def _light_row(light, effect, y, height, turned, gain):  # type: ignore[no-untyped-def]
    """Fill the factors and the additions of row `y`: exposure, tint, vignette and spots."""
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
        start, add, shade = _ONE - down * down * inverse, effect.spot_add[k], effect.spot_loss[k]
        for x in range(width):
            aside = np.float32(x) - column
            share = max(start - aside * aside * inverse, _ZERO)
            share = share * share
            factor[x] = factor[x] * (_ONE - shade * share)
            added[x] += add * share


@device
def apply_exposure(plane, light, noise, effect, curve, key, turned, gain):  # type: ignore[no-untyped-def]
    """Light, noise, rounding and tone curve, in place; leaves whole grey levels.

    Args:
        noise: (NOISE_SIZE + W,) float32.
        key: of the stream of this frame and channel.
        turned: fields of view that the car has turned to the left.
        gain: factor of this channel.
    """
    height, width = plane.shape
    sigma = effect.noise
    for y in range(height):
        _light_row(light, effect, y, height, turned, gain)
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
def apply_effects(bench, effect, curve, taps, key, turned, gain):  # type: ignore[no-untyped-def]
    """Do all of it to `bench.plane`, whole grey levels, in place."""
    if effect.radius > 0:
        blur_rows(bench.plane, bench.blurred, bench.line, taps[0], effect.radius)
        if effect.radius_down > 0:
            blur_columns(bench.blurred, bench.plane, taps[1], effect.radius_down)
        else:
            bench.plane[:] = bench.blurred
    apply_exposure(bench.plane, bench.light, bench.noise, effect, curve, key, turned, gain)
    if effect.jpeg < 100.0:
        compress_plane(bench.plane, effect.jpeg, bench.blocks[0], bench.blocks[1], bench.blocks[2])
