"""Sector lidars against tables made by hand and a naive twin."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.sim.lidar import detect_sectors, discretize_sectors, sector_minima


def ranges(*rows):
    """(N, rays) float32."""
    return np.array(rows, np.float32)


def test_sectors_hold_neighbouring_rays_from_right_to_left():
    """Check which rays belong to which sector: eight rays in four sectors, the nearest of each."""
    seen = sector_minima(ranges([1, 2, 0.4, 3, 5, 5, 0.2, 0.3], [9, 8, 7, 6, 5, 4, 3, 2]), 4)
    assert seen.tolist() == ranges([1, 0.4, 5, 0.2], [8, 6, 4, 2]).tolist()


def test_a_single_near_ray_sets_its_sector():
    """Put one near thing on each of 64 rays: the bit of sector ray // 8 is set, no other."""
    out = np.full((64, 8), 7.0, np.float32)
    everywhere = np.full((64, 64), 12.0, np.float32)
    everywhere[np.arange(64), np.arange(64)] = 0.2
    detect_sectors(everywhere, 0.5, out)
    assert (out == (np.arange(8) == np.arange(64)[:, None] // 8)).all()


@pytest.mark.parametrize(
    ("distance", "bit"),
    [(0.15, 1.0), (0.49, 1.0), (np.nextafter(np.float32(0.5), np.float32(0)), 1.0), (0.5, 0.0), (0.51, 0.0), (12, 0)],
)
def test_near_is_nearer_than_half_a_metre(distance, bit):
    """Check the edge: at the distance itself nothing is near."""
    out = np.zeros((1, 1), np.float32)
    detect_sectors(ranges([12.0, distance]), 0.5, out)
    assert out.item() == bit


@pytest.mark.parametrize(
    ("distance", "value"),
    [
        (0.15, 0), (0.2499, 0), (0.25, 1), (0.4999, 1), (0.5, 2), (0.75, 3), (1.0, 4), (1.25, 5), (1.5, 6), (1.7499, 6),
        (1.75, 7), (1.9999, 7), (2.0, None), (2.0001, None), (12.0, None),
    ],
)  # fmt: skip
def test_default_discretized_distances(distance, value):
    """Check 8 parts of 2 m, each 0.25 m, and that nothing is seen at 2 m and beyond."""
    out = np.full((1, 8), 7.0, np.float32)
    discretize_sectors(ranges([12.0, distance]), 1, 2.0, out)
    assert out[0].tolist() == [float(k == value) for k in range(8)]


def test_rows_of_sectors_follow_each_other():
    """Write out two worlds of two sectors with three values by hand."""
    out = np.zeros((2, 6), np.float32)
    discretize_sectors(ranges([0.2, 5.0, 2.9, 1.0], [9.0, 9.0, 3.0, 2.0]), 2, 3.0, out)
    assert out.tolist() == [[1, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1]]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([1, 2, 4, 8, 16, 32, 64]),
    st.integers(1, 40),
    st.floats(0.25, 12.0, width=32),
    st.integers(0, 2**32 - 1),
)
def test_sectors_match_a_naive_twin(sectors, values, clipping_dist, seed):
    """Compare with loops over rays; a range on the edge of two parts may round to either."""
    rng = np.random.default_rng(seed)
    seen = np.where(rng.random((3, 64)) < 0.5, rng.uniform(0.15, 12.0, (3, 64)), 12.0).astype(np.float32)
    seen[0, 0] = clipping_dist
    out = np.zeros((3, sectors * values), np.float32)
    discretize_sectors(seen, sectors, clipping_dist, out)
    part = clipping_dist / values
    for world in range(3):
        for sector in range(sectors):
            nearest = min(float(one) for one in seen[world, sector * 64 // sectors : (sector + 1) * 64 // sectors])
            row = out[world].reshape(sectors, values)[sector]
            if nearest >= clipping_dist:
                assert not row.any()
                continue
            allowed = {min(int((nearest + hair) / part), values - 1) for hair in (-1e-6, 0.0, 1e-6)}
            assert row.sum() == 1.0 and int(row.argmax()) in allowed
