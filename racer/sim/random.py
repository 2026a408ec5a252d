"""Random numbers: a stream for each car, kept in `CAR.rng`, and numbers at a place of a stream.

SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014): the state is
one counter, so that a car's numbers depend on its own state alone, in any batch and thread.
Normal numbers come from a ziggurat of 256 layers (Marsaglia and Tsang, Journal of Statistical Software
5(8), 2000); the layer and the place in it use different bits (Doornik 2005).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from racer.sim.dtypes import Row
from racer.sim.jit import device

_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
_MASK = 0xFFFFFFFFFFFFFFFF
_UNIT = 2.0**-53

_LAYERS = 256
_TAIL = 3.6541528853610088
_AREA = 0.00492867323399


def _ziggurat() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the right edges and the heights of the layers under exp(-x^2 / 2), each of shape (_LAYERS + 1,).

    All layers have the area _AREA; the lowest one includes the tail beyond _TAIL.
    """
    edges, heights = np.zeros(_LAYERS + 1), np.zeros(_LAYERS + 1)
    edges[0] = _AREA / math.exp(-0.5 * _TAIL**2)
    edges[1] = _TAIL
    for layer in range(1, _LAYERS - 1):
        edges[layer + 1] = math.sqrt(-2.0 * math.log(_AREA / edges[layer] + math.exp(-0.5 * edges[layer] ** 2)))
    heights[:] = np.exp(-0.5 * edges**2)
    return edges, heights


_EDGES, _HEIGHTS = _ziggurat()


@device
def _mix(state: int) -> int:
    """Return the 64 bits of a counter (finaliser of SplitMix64)."""
    # `& _MASK` does nothing in compiled code; without the compiler it makes Python's integers wrap alike.
    mixed = ((state ^ (state >> 30)) * _MIX_1) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * _MIX_2) & _MASK
    return mixed ^ (mixed >> 31)


@device
def random_bits_at(key: int, number: int) -> int:
    """Return the 64 random bits with this number, 0 or more, in the stream of `key`."""
    return _mix((int(key) + _GOLDEN * (int(np.uint64(number)) + int(np.uint64(1)))) & _MASK)


@device
def random_uniform_at(key: int, number: int) -> float:
    """Return the number in [0, 1) with this number in the stream of `key`."""
    return (random_bits_at(key, number) >> 11) * _UNIT


@device
def next_bits(row: Row) -> int:
    """Draw 64 random bits from the stream of a CAR or OBJECT row, whose `rng` advances."""
    state = (int(row.rng) + _GOLDEN) & _MASK
    row.rng = state
    return _mix(state)


@device
def next_uniform(row: Row) -> float:
    """Draw a number in [0, 1) from the stream of a row."""
    return (next_bits(row) >> 11) * _UNIT


@device
def next_normal(row: Row) -> float:
    """Draw a number of the standard normal distribution from the stream of a row."""
    while True:
        bits = next_bits(row)
        layer = int(bits & 255)
        x = ((bits >> 11) * (2.0 * _UNIT) - 1.0) * _EDGES[layer]
        # Inside the part of the layer that lies under the curve at both ends: 99 % of the draws.
        if abs(x) < _EDGES[layer + 1]:
            return x
        if layer == 0:
            # The tail: Marsaglia's method for x > _TAIL.
            while True:
                beyond = -math.log(1.0 - next_uniform(row)) / _TAIL
                if -2.0 * math.log(1.0 - next_uniform(row)) >= beyond * beyond:
                    return _TAIL + beyond if x > 0.0 else -_TAIL - beyond
        low, high = _HEIGHTS[layer], _HEIGHTS[layer + 1]
        if low + next_uniform(row) * (high - low) < math.exp(-0.5 * x * x):
            return x


def seed_streams(seed: int, numbers: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Return the first states of the streams `numbers` (any shape) under `seed`, in the same shape.

    Neighbouring seeds and numbers give unrelated states; a state does not depend on the other numbers of the call.
    """
    state = np.full(numbers.shape, seed & _MASK, np.uint64)
    for word in (np.zeros_like(state), numbers.astype(np.uint64)):
        state = (state ^ word) + np.uint64(_GOLDEN)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(_MIX_1)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(_MIX_2)
        state ^= state >> np.uint64(31)
    return state
