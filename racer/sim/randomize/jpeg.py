"""JPEG artefacts: each 8 x 8 block loses the part that its quantised cosine coefficients do not hold.

The discrete cosine transform and the table for brightness (Annex K.1, table K.1) of ITU-T T.81; the table is scaled
by quality as in the Independent JPEG Group's code. Left out are the entropy coding, which is lossless, and the coarser
colours: each channel is compressed like brightness.
"""

from __future__ import annotations

import math

import numpy as np

from racer.sim.dtypes import Array
from racer.sim.jit import device

QUANTIZATION_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)
"""Quantisation steps at quality 50; row: frequency down the columns, column: along the rows."""

# 0.5 cos(k pi / 16): the factors of an orthonormal transform of length 8.
_A, _B, _C, _D, _E, _F, _G = (np.float32(0.5 * math.cos(k * math.pi / 16.0)) for k in (4, 1, 2, 3, 5, 6, 7))
_ROUND = np.float32(1.5 * 2**23)
"""Adding and subtracting this number rounds a float32 below 2^22 to an integer, half to even."""
_MID = np.float32(128.0)
_HALF, _ZERO, _FULL = np.float32(0.5), np.float32(0.0), np.float32(255.0)


@device
def forward_dct(a: Array, count: int) -> None:
    """Transform the first `count` columns of `a` (8, L) float32 in place: orthonormal DCT-II."""
    a0, a1, a2, a3, a4, a5, a6, a7 = a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]
    for i in range(count):
        # The even part depends on sums, the odd part on differences of mirrored rows.
        s0, s1, s2, s3 = a0[i] + a7[i], a1[i] + a6[i], a2[i] + a5[i], a3[i] + a4[i]
        d0, d1, d2, d3 = a0[i] - a7[i], a1[i] - a6[i], a2[i] - a5[i], a3[i] - a4[i]
        p, q, r, t = s0 + s3, s1 + s2, s0 - s3, s1 - s2
        a0[i], a4[i] = _A * (p + q), _A * (p - q)
        a2[i], a6[i] = _C * r + _F * t, _F * r - _C * t
        a1[i] = _B * d0 + _D * d1 + _E * d2 + _G * d3
        a3[i] = _D * d0 - _G * d1 - _B * d2 - _E * d3
        a5[i] = _E * d0 - _B * d1 + _G * d2 + _D * d3
        a7[i] = _G * d0 - _E * d1 + _D * d2 - _B * d3


@device
def inverse_dct(a: Array, count: int) -> None:
    """Invert `forward_dct` in place."""
    a0, a1, a2, a3, a4, a5, a6, a7 = a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]
    for i in range(count):
        p, q = _A * (a0[i] + a4[i]), _A * (a0[i] - a4[i])
        r, t = _C * a2[i] + _F * a6[i], _F * a2[i] - _C * a6[i]
        s0, s1, s2, s3 = p + r, q + t, q - t, p - r
        o1, o3, o5, o7 = a1[i], a3[i], a5[i], a7[i]
        d0 = _B * o1 + _D * o3 + _E * o5 + _G * o7
        d1 = _D * o1 - _G * o3 - _B * o5 - _E * o7
        d2 = _E * o1 - _B * o3 + _G * o5 + _D * o7
        d3 = _G * o1 - _E * o3 + _D * o5 - _B * o7
        a0[i], a7[i] = s0 + d0, s0 - d0
        a1[i], a6[i] = s1 + d1, s1 - d1
        a2[i], a5[i] = s2 + d2, s2 - d2
        a3[i], a4[i] = s3 + d3, s3 - d3


@device
def set_quantization_steps(quality: float, steps: Array) -> None:
    """Fill `steps` (8, L) float32 with the quantisation of adjacent blocks; row: frequency along the rows.

    The steps are transposed, because blocks are quantised between the transforms of columns and rows.
    """
    scale = 5000.0 / quality if quality < 50.0 else 200.0 - 2.0 * quality
    for j in range(8):
        for u in range(8):
            step = np.floor((QUANTIZATION_TABLE[u, j] * scale + 50.0) / 100.0)
            steps[j, u] = min(max(step, 1.0), 255.0)
        for i in range(8, steps.shape[1]):
            steps[j, i] = steps[j, i - 8]


@device
def transpose_blocks(a: Array, b: Array) -> None:
    """Transpose each 8 x 8 block of `a` (8, 8 B) into `b`."""
    for block in range(a.shape[1] // 8):
        at = 8 * block
        for u in range(8):
            for j in range(8):
                b[j, at + u] = a[u, at + j]


@device
def quantise(b: Array, steps: Array) -> None:
    """Round each coefficient (8, L) to a multiple of its step, in place."""
    for j in range(8):
        row, step = b[j], steps[j]
        for i in range(b.shape[1]):
            row[i] = ((row[i] / step[i] + _ROUND) - _ROUND) * step[i]


@device
def compress_plane(quality: float, blocks: Array, plane: Array) -> None:
    """Compress and decompress a plane in place; the result is rounded to integers.

    Blocks over the edge are filled with the last row and column.

    Args:
        quality: Quality of the compression, 1 to 100.
        blocks: Buffers, shape (3, 8, W rounded up to a multiple of 8), float32.
        plane: Grey levels, integers, shape (H, W), float32.
    """
    a, b, steps = blocks[0], blocks[1], blocks[2]
    height, width = plane.shape
    wide = a.shape[1]
    set_quantization_steps(quality, steps)
    for top in range(0, height, 8):
        for u in range(8):
            line, row = plane[min(top + u, height - 1)], a[u]
            for x in range(width):
                row[x] = line[x] - _MID
            for x in range(width, wide):
                row[x] = row[width - 1]
        forward_dct(a, wide)
        transpose_blocks(a, b)
        forward_dct(b, wide)
        quantise(b, steps)
        inverse_dct(b, wide)
        transpose_blocks(b, a)
        inverse_dct(a, wide)
        for u in range(min(8, height - top)):
            line, row = plane[top + u], a[u]
            for x in range(width):
                line[x] = min(max((row[x] + _ROUND) - _ROUND + _MID, _ZERO), _FULL)
