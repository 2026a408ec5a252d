"""The passes over the pixels of a frame: blur, light, noise and tone, compression.

In the order of a real camera: what stands in the backdrop, the lens (defocus) and the movement while the shutter is
open, the light (exposure, tint, vignette, spots), the sensor (noise, rounding), its tone curve, and the compression.
All in float32 on one plane at a time, so that the compiler may work on eight pixels at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from racer.sim.disturb.effects import SPOTS
from racer.sim.disturb.jpeg import compress
from racer.sim.episode import bits_at
from racer.sim.jit import inlined

NOISE_SIZE = 1 << 14
"""Normal numbers that all frames take their noise from, each row from another place."""
_ZERO, _ONE, _HALF, _FULL = np.float32(0.0), np.float32(1.0), np.float32(0.5), np.float32(255.0)


class Bench(NamedTuple):
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


def make_bench(height: int, width: int, radius: int) -> Bench:
    """Room for frames of this size and blurs of this radius."""
    numbers = np.random.Generator(np.random.PCG64(20)).standard_normal(NOISE_SIZE).astype(np.float32)
    return Bench(
        np.zeros((height, width), np.float32),
        np.zeros((height, width), np.float32),
        np.zeros(width + 2 * radius, np.float32),
        np.zeros((2, width), np.float32),
        np.zeros((3, 8, -(-width // 8) * 8), np.float32),
        np.resize(numbers, NOISE_SIZE + width),
    )


@inlined
def smear(plane, out, line, taps, radius):  # type: ignore[no-untyped-def]
    """Blur the rows of `plane` into `out`; beyond the edges the last pixel goes on."""
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


@inlined
def smear_down(plane, out, taps, radius):  # type: ignore[no-untyped-def]
    """Blur the columns of `plane` into `out`, likewise."""
    height, width = plane.shape
    for y in range(height):
        row, to = plane[y], out[y]
        for x in range(width):
            to[x] = taps[0] * row[x]
        for k in range(1, radius + 1):
            weight, above, below = taps[k], plane[max(y - k, 0)], plane[min(y + k, height - 1)]
            for x in range(width):
                to[x] += weight * (above[x] + below[x])


@inlined
def spot_column(effect, k, turned, width):  # type: ignore[no-untyped-def]
    """Column of the middle of a spot when the car has turned by `turned` fields of view to the left."""
    turn = effect.spot_turn[k] + 0.5 * turned
    return width * (2.0 * (turn - np.floor(turn)) - 0.5)


@inlined
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


@inlined
def expose(plane, light, noise, effect, curve, key, turned, gain):  # type: ignore[no-untyped-def]
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
        grain = noise[int(bits_at(key, y) >> 50) :]
        for x in range(width):
            value = row[x] * factor[x] + added[x] + sigma * grain[x]
            row[x] = min(max(value, _ZERO), _FULL) + _HALF
        if effect.flat == 1:
            for x in range(width):
                row[x] = np.float32(np.int32(row[x]))
        else:
            for x in range(width):
                row[x] = np.float32(curve[np.uint8(row[x])])


@inlined
def disturb_plane(bench, effect, curve, taps, key, turned, gain):  # type: ignore[no-untyped-def]
    """Do all of it to `bench.plane`, whole grey levels, in place."""
    if effect.radius > 0:
        smear(bench.plane, bench.blurred, bench.line, taps[0], effect.radius)
        if effect.radius_down > 0:
            smear_down(bench.blurred, bench.plane, taps[1], effect.radius_down)
        else:
            bench.plane[:] = bench.blurred
    expose(bench.plane, bench.light, bench.noise, effect, curve, key, turned, gain)
    if effect.jpeg < 100.0:
        compress(bench.plane, effect.jpeg, bench.blocks[0], bench.blocks[1], bench.blocks[2])
