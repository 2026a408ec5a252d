"""Each car's own stream of random numbers, kept in `CAR.rng`.

SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014): the state is
one counter, so that a car's numbers depend on its own state alone, whatever batch or thread it runs in.
Normal numbers come from a ziggurat of 256 layers (Marsaglia and Tsang, Journal of Statistical Software
5(8), 2000); the layer and the place in it use different bits (Doornik 2005).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    """Right edges and heights of the layers under exp(-x^2 / 2); all have the same area."""
    edges, heights = np.zeros(_LAYERS + 1), np.zeros(_LAYERS + 1)
    edges[0] = _AREA / math.exp(-0.5 * _TAIL**2)
    edges[1] = _TAIL
    for layer in range(1, _LAYERS - 1):
        edges[layer + 1] = math.sqrt(-2.0 * math.log(_AREA / edges[layer] + math.exp(-0.5 * edges[layer] ** 2)))
    heights[:] = np.exp(-0.5 * edges**2)
    return edges, heights


_EDGES, _HEIGHTS = _ziggurat()


@device
def next_bits(car: Any) -> Any:
    """64 random bits from this car's stream; `car` is a `CAR` row, whose `rng` moves on."""
    # `& _MASK` does nothing in compiled code; without the compiler it makes Python's integers wrap alike.
    state = (int(car["rng"]) + _GOLDEN) & _MASK
    car["rng"] = state
    mixed = ((state ^ (state >> 30)) * _MIX_1) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * _MIX_2) & _MASK
    return mixed ^ (mixed >> 31)


@device
def next_uniform(car: Any) -> float:
    """A number in [0, 1) from this car's stream."""
    return (next_bits(car) >> 11) * _UNIT


@device
def next_normal(car: Any) -> float:
    """A number from the standard normal distribution from this car's stream."""
    while True:
        bits = next_bits(car)
        layer = int(bits & 255)
        x = ((bits >> 11) * (2.0 * _UNIT) - 1.0) * _EDGES[layer]
        if abs(x) < _EDGES[layer + 1]:
            return x
        if layer == 0:
            while True:
                beyond = -math.log(1.0 - next_uniform(car)) / _TAIL
                if -2.0 * math.log(1.0 - next_uniform(car)) >= beyond * beyond:
                    return _TAIL + beyond if x > 0.0 else -_TAIL - beyond
        low, high = _HEIGHTS[layer], _HEIGHTS[layer + 1]
        if low + next_uniform(car) * (high - low) < math.exp(-0.5 * x * x):
            return x


def seed_streams(seed: int, numbers: NDArray[np.integer]) -> NDArray[np.uint64]:
    """First states of the streams `numbers` (any shape) under `seed`, of the same shape.

    Neighbouring seeds and numbers give unrelated states; a stream does not depend on what else is asked for.
    """
    state = np.full(numbers.shape, seed & _MASK, np.uint64)
    for word in (np.zeros_like(state), numbers.astype(np.uint64)):
        state = (state ^ word) + np.uint64(_GOLDEN)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(_MIX_1)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(_MIX_2)
        state ^= state >> np.uint64(31)
    return state
