"""What an episode does to a camera's frames, ready for the passes over the pixels: one EFFECT row for each camera."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from racer.config.disturbance import DisturbanceConfig, entries
from racer.sim.episode import bits_at, draw_value, uniform_at
from racer.sim.jit import inlined, kernel

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

_NAMES = list(entries(DisturbanceConfig()))
_TINT, HUE, _SIZE = (_NAMES.index(name) for name in ("image.tint", "look.hue", "image.spot_size"))
"""Places of these among the values: they are drawn several times over."""
_SPOT_NUMBERS = 1 << 33
"""Numbers of an episode's stream that belong to spots, tints and hues, apart from the values' own."""
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


@inlined
def set_curve(curve, gamma, contrast):  # type: ignore[no-untyped-def]
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


@inlined
def set_taps(taps, motion, defocus):  # type: ignore[no-untyped-def]
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


@inlined
def _set_spots(effect, value, source, choices, key, width):  # type: ignore[no-untyped-def]
    for k in range(SPOTS):
        at = _SPOT_NUMBERS + 8 * k
        effect.spot_turn[k] = uniform_at(key, at)
        effect.spot_row[k] = uniform_at(key, at + 1)
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
            effect.flat = set_curve(curves[n, c], value.image_gamma, value.image_contrast)
            defocus = scale * value.image_defocus
            effect.radius = set_taps(taps[n, c, 0], scale * value.image_motion_blur, defocus)
            effect.radius_down = set_taps(taps[n, c, 1], 0.0, defocus)
            effect.key = bits_at(key, _FRAME_KEY)
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
