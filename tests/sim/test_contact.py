"""Overlap of oriented rectangles against a naive polygon intersection."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.sim.contact import rectangles_overlap


def corners(x, y, yaw, length, width):
    """(4, 2) corners in order."""
    local = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * [length / 2, width / 2]
    c, s = math.cos(yaw), math.sin(yaw)
    return local @ np.array([[c, s], [-s, c]]) + [x, y]


def naive_area(one, other):
    """Area of the intersection: one polygon clipped by the sides of the other (Sutherland, Hodgman)."""
    polygon = corners(*one)
    clip = corners(*other)
    for a, b in zip(clip, np.roll(clip, -1, axis=0), strict=True):
        inside = (b - a)[0] * (polygon - a)[:, 1] - (b - a)[1] * (polygon - a)[:, 0]
        kept = []
        for k in range(len(polygon)):
            j = (k + 1) % len(polygon)
            if inside[k] >= 0:
                kept.append(polygon[k])
            if (inside[k] < 0) != (inside[j] < 0):
                kept.append(polygon[k] + (polygon[j] - polygon[k]) * inside[k] / (inside[k] - inside[j]))
        if len(kept) < 3:
            return 0.0
        polygon = np.array(kept)
    x, y = polygon.T
    return 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))


def rectangle(rng):
    """A random rectangle near the origin, from slivers to long ones."""
    return (*rng.uniform(-0.5, 0.5, 2), rng.uniform(-7.0, 7.0), rng.uniform(0.02, 0.8), rng.uniform(0.02, 0.8))


def test_random_pairs_match_polygon_clipping():
    """Compare thousands of pairs; only those whose shared area is lost in rounding may differ."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(3000):
        one, other = rectangle(rng), rectangle(rng)
        area = naive_area(one, other)
        found = rectangles_overlap(*one, *other)
        assert found == rectangles_overlap(*other, *one)
        if area > 1e-12:
            assert found
            hits += 1
        elif found:
            # A gap can be narrower than rounding, not more: grown by a hair, they share an area.
            grown = (*one[:3], one[3] + 1e-9, one[4] + 1e-9)
            assert naive_area(grown, other) > 0.0
    assert 500 < hits < 2500


@pytest.mark.parametrize(
    ("x", "y", "yaw", "expected"),
    [
        (1.0, 0.0, 0.0, True),  # sides touch
        (math.nextafter(1.0, 2.0), 0.0, 0.0, False),  # one bit apart
        (1.0, 0.5, 0.0, True),  # corners touch
        (1.0, math.nextafter(0.5, 1.0), 0.0, False),
        (0.0, 0.0, 1.3, True),  # one inside the other
        (0.5 + 0.5 * math.hypot(1.0, 0.5) - 1e-9, 0.0, math.atan2(0.5, 1.0), True),  # a corner in a side
        (0.5 + 0.5 * math.hypot(1.0, 0.5) + 1e-9, 0.0, math.atan2(0.5, 1.0), False),
        (0.72, 0.0, math.pi / 2, True),  # across, 0.75 is where sides touch
        (0.78, 0.0, math.pi / 2, False),
        (0.70, 0.40, math.pi / 4, True),
        (0.95, 0.65, math.pi / 4, False),  # the circles overlap, a side separates
    ],
)
def test_touching_pairs(x, y, yaw, expected):
    """Check pairs that touch or miss by a hair; both are 1 m by 0.5 m."""
    assert rectangles_overlap(0.0, 0.0, 0.0, 1.0, 0.5, x, y, yaw, 1.0, 0.5) == expected


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-100, 100), st.floats(-100, 100), st.floats(-3, 3))
def test_overlap_does_not_depend_on_place_or_turn(seed, x, y, turn):
    """Check that moving and turning both rectangles together changes nothing beyond rounding."""
    rng = np.random.default_rng(seed)
    one, other = rectangle(rng), rectangle(rng)

    def moved(r, grow):
        c, s = math.cos(turn), math.sin(turn)
        return (x + c * r[0] - s * r[1], y + s * r[0] + c * r[1], r[2] + turn, r[3] + grow, r[4] + grow)

    if rectangles_overlap(*one, *other):
        assert rectangles_overlap(*moved(one, 1e-9), *moved(other, 1e-9))
    else:
        assert not rectangles_overlap(*moved(one, -1e-9), *moved(other, -1e-9))
