"""The generator: every seed gives a valid track, and the same one."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from racer.track import generator, geometry
from racer.track.check import check_track
from support.vehicles import wide_vehicle


def circumradii(points: np.ndarray) -> np.ndarray:
    """Radius of the circle through each row and its neighbours: a b c / (4 area)."""
    before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
    a, b, c = (np.hypot(*(p - q).T) for p, q in ((points, before), (after, points), (after, before)))
    u, v = points - before, after - before
    return a * b * c / np.maximum(2 * np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]), 1e-12)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**40))
@example(11769)  # its borders stood 1.12 m apart where the width changed inside a bend
def test_every_seed_is_valid(seed: int) -> None:
    """Keep length, width, radius and clearance; turn both ways; give check nothing to say."""
    track = generator.generate_track(seed)
    assert check_track(track, wide_vehicle()) == []
    assert track.closed
    assert 12.0 <= track.length <= 40.0
    assert track.widths.min() >= 0.7 * 0.98
    assert track.widths.max() <= 1.1 + 1e-9
    assert circumradii(track.center[:-1]).min() >= 0.7 - 1e-6
    # No part of the road overlaps another: the borders cross neither themselves nor each other.
    assert len(geometry.crossings(track.left, track.right, closed=True)[0]) == 0
    assert len(geometry.crossings(track.left, closed=True)[0]) == 0
    assert len(geometry.crossings(track.right, closed=True)[0]) == 0
    ahead = geometry.tangents(track.center[:-1], closed=True)
    after = np.roll(ahead, -1, axis=0)
    turned = ahead[:, 0] * after[:, 1] - ahead[:, 1] * after[:, 0]
    assert turned[turned > 0].sum() > 0.4
    assert turned[turned < 0].sum() < -0.4
    assert np.array_equal(track.center[0], track.center[-1])


def test_same_seed_same_track() -> None:
    """Repeat a seed bit for bit; give another seed another track."""
    first, again, other = generator.generate_track(7), generator.generate_track(7), generator.generate_track(8)
    assert first.name == "generated_7"
    assert np.array_equal(first.center, again.center)
    assert np.array_equal(first.left, again.left)
    assert first.center.shape != other.center.shape or not np.allclose(first.center, other.center)


def test_both_directions_occur() -> None:
    """Draw courses that run left round and right round."""
    areas = [geometry.enclosed_area(generator.generate_track(seed).center) for seed in range(20)]
    assert 4 <= sum(area > 0 for area in areas) <= 16


@pytest.mark.parametrize(("gap", "clear"), [(1.5, True), (1.0, False)])
def test_clearance(gap: float, clear: bool) -> None:
    """Refuse two straights nearer than width plus clearance."""
    half = gap / 2
    t = np.linspace(-np.pi / 2, np.pi / 2, 30)
    right = np.column_stack([3 + half * np.cos(t), half * np.sin(t)])
    loop = np.vstack([right, -right])
    loop = geometry.resample(loop, 80, closed=True)
    assert generator.is_clear(loop, np.full(80, 0.9)) == clear
