"""Plane geometry against closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.track import geometry
from support.tracks import circle, eight_line


def test_enclosed_area() -> None:
    """Give a square its area, negative when clockwise."""
    square = np.array([[0, 0], [2, 0], [2, 2], [0, 2]], dtype=float)
    assert geometry.enclosed_area(square) == 4.0
    assert geometry.enclosed_area(square[::-1]) == -4.0


@given(st.floats(0.4, 20.0), st.integers(60, 400))
def test_radius_of_a_circle(radius: float, rows: int) -> None:
    """Measure the radius of a circle from its polygon, to the polygon's own error."""
    _, radii = geometry.turn_radii(circle(rows, radius), closed=True, over=1.5 * radius)
    assert radii == pytest.approx(radius, rel=0.12)


@pytest.mark.parametrize("rows", [20, 41, 90])
def test_radius_does_not_depend_on_the_rows(rows: int) -> None:
    """Measure the radius of a circle within 1 %, however many rows fall into the window of 0.3 m."""
    _, radii = geometry.turn_radii(circle(rows, 0.6), closed=True)
    assert radii == pytest.approx(0.6, rel=0.01)


def test_radius_of_a_straight_is_infinite() -> None:
    """Find no turn on a straight."""
    line = np.column_stack([np.linspace(0, 4, 9), np.zeros(9)])
    s, radii = geometry.turn_radii(line, closed=False)
    assert np.isinf(radii).all()
    assert 0.0 < s[0] < s[-1] < 4.0


def test_crossings_of_an_eight() -> None:
    """Find the one crossing of a figure of eight at its centre."""
    pairs, points = geometry.crossings(np.roll(eight_line(), 3, axis=0) + 1e-4, closed=True)
    assert len(pairs) == 1
    assert points[0] == pytest.approx([0.0, 0.0], abs=1e-3)


@given(st.integers(0, 2**32 - 1))
def test_crossings_match_a_naive_twin(seed: int) -> None:
    """Find the same pairs as a loop over all pairs with orientation tests."""
    line = np.random.default_rng(seed).uniform(-1, 1, (12, 2))

    def side(a, b, c) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    expected = []
    for i in range(12):
        for j in range(i + 2, 12):
            if i == 0 and j == 11:
                continue
            a, b, c, d = line[i], line[(i + 1) % 12], line[j], line[(j + 1) % 12]
            if side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0:
                expected.append([i, j])
    assert geometry.crossings(line, closed=True)[0].tolist() == expected


def test_resample_keeps_length_and_ends() -> None:
    """Space points evenly; keep both ends of an open line."""
    line = np.array([[0, 0], [1, 0], [1, 3]], dtype=float)
    points = geometry.resample(line, 9, closed=False)
    assert points[0].tolist() == [0, 0]
    assert points[-1].tolist() == [1, 3]
    assert geometry.step_lengths(points, closed=False) == pytest.approx(0.5)
    assert len(geometry.resample(line, 7, closed=True)) == 7


def test_borders_of_a_circle() -> None:
    """Offset a circle to both sides exactly."""
    left, right = geometry.borders_from_widths(circle(90, 3.0), np.full(90, 0.4), np.full(90, 0.7), closed=True)
    assert np.hypot(*left.T) == pytest.approx(2.6)
    assert np.hypot(*right.T) == pytest.approx(3.7)


def test_tangents_with_repeated_rows() -> None:
    """Give repeated rows one finite direction, also at both ends of a loop."""
    line = circle(40, 1.0)
    rows = np.vstack([line[:1], line[:20], line[19:], line[:1], line[:1]])
    along = geometry.tangents(rows, closed=True)
    assert np.einsum("ij,ij->i", along, rows) == pytest.approx(0.0, abs=1e-12)
    assert np.all(along[[0, 1, -1, -2]] == along[0])
