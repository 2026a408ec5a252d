"""Random streams of cars: known answers, independence and the normal distribution."""

import math

import numba
import numpy as np
import pytest

from racer.sim.dtypes import CAR
from racer.sim.jit import kernel
from racer.sim.random import next_bits, next_normal, next_uniform, seed_streams


@kernel
def _fill(car, uniforms, normals):
    for i in range(len(uniforms)):
        uniforms[i] = next_uniform(car)
    for i in range(len(normals)):
        normals[i] = next_normal(car)


def _draw(state, count):
    cars = np.zeros(1, CAR)
    cars["rng"] = state
    uniforms, normals = np.empty(count), np.empty(count)
    _fill(cars[0], uniforms, normals)
    return uniforms, normals


def test_bits_are_splitmix64():
    """Equal the published SplitMix64 sequence of seed 1234567."""
    cars = np.zeros(1, CAR)
    cars["rng"] = 1234567
    expected = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [int(next_bits(cars[0])) for _ in expected] == expected


def test_distributions():
    """Uniform and normal numbers pass moment, tail and Kolmogorov-Smirnov bounds."""
    count = 40_000
    uniforms, normals = _draw(7, count)
    assert uniforms.min() >= 0.0
    assert uniforms.max() < 1.0
    steps = np.arange(1, count + 1) / count
    limit = 1.95 / math.sqrt(count)  # 0.1 % level
    assert np.abs(np.sort(uniforms) - steps).max() < limit
    normal_cdf = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in np.sort(normals)])
    assert np.abs(normal_cdf - steps).max() < limit
    for moment, expected, spread in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert np.mean(normals**moment) == pytest.approx(expected, abs=4 * math.sqrt(spread / count))
    beyond = (np.abs(normals) > 3).mean()
    assert beyond == pytest.approx(0.0026998, abs=4 * math.sqrt(0.0027 / count))


def test_tail_is_reached():
    """Numbers beyond the ziggurat (3.65 sigma) occur on both sides as often as they should."""
    if numba.config.DISABLE_JIT:
        pytest.skip("too slow without the compiler")
    normals = np.concatenate([_draw(seed, 100_000)[1] for seed in (1, 2, 3)])
    expected = math.erfc(3.66 / math.sqrt(2)) * normals.size
    for side in (normals > 3.66, normals < -3.66):
        assert side.sum() == pytest.approx(expected / 2, abs=4 * math.sqrt(expected / 2))


def test_streams_differ_and_stand_alone():
    """A stream depends on its seed and number alone; neighbours share nothing."""
    streams = seed_streams(5, np.arange(1000).reshape(10, 100))
    assert streams.shape == (10, 100)
    assert streams.dtype == np.uint64
    assert len(np.unique(streams)) == 1000
    assert seed_streams(5, np.array([[123]]))[0, 0] == streams[1, 23]
    assert not np.isin(seed_streams(6, np.arange(1000)), streams).any()
    first, second = _draw(streams[0, 0], 4000)[0], _draw(streams[0, 1], 4000)[0]
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / math.sqrt(4000)
