"""The shape of a car: closed convex parts that turn outwards, fit its size, and mirror each other."""

import numpy as np
import pytest

from racer.sim.appearance import (
    BODY,
    CABIN,
    CAP_TINTS,
    CORNERS,
    COUNTS,
    HEADLAMP_PLAN,
    LAMPS,
    RINGS,
    SIDE_TINTS,
    TINTS,
    WHEELS,
    WING,
    mirrored,
)


def faces(part):
    """Both caps and the sides of a part, corners counter-clockwise as seen from outside."""
    low, high = RINGS[part][:, : COUNTS[part]]
    sides = [np.array([low[k - 1], low[k], high[k], high[k - 1]]) for k in range(len(low))]
    return [low[::-1], high, *sides]


def area(face):
    """The area vector of a face: half the sum of the cross products of its neighbouring corners."""
    return 0.5 * np.cross(face, np.roll(face, -1, axis=0)).sum(axis=0)


@pytest.mark.parametrize("part", range(len(RINGS)))
def test_parts_are_closed_and_turn_outwards(part):
    """Have area vectors that sum to zero, faces that all look away from the middle, and no corner beyond a face."""
    corners = RINGS[part][:, : COUNTS[part]].reshape(-1, 3)
    middle = corners.mean(axis=0)
    assert np.abs(sum(area(face) for face in faces(part))).max() < 1e-12
    for face in faces(part):
        outwards = area(face)
        assert outwards @ (face.mean(axis=0) - middle) > 0.0
        # Convex: 1e-2 allows for sides that are slightly twisted, where both rings taper differently.
        assert ((corners - face.mean(axis=0)) @ outwards <= 1e-2 * np.linalg.norm(outwards)).all()


def test_a_car_fits_its_size_and_stands_on_the_ground():
    """Reach from end to end and from side to side, by no more than a tenth too far, from the ground to the roof."""
    used = np.concatenate([RINGS[part][:, : COUNTS[part]].reshape(-1, 3) for part in range(CABIN, len(RINGS))])
    low, high = used.min(axis=0), used.max(axis=0)
    assert -0.55 < low[0] < -0.45 and 0.45 < high[0] < 0.55
    assert 0.45 < high[1] < 0.55 and low[1] == pytest.approx(-high[1])
    assert low[2] == pytest.approx(0.0, abs=0.02) and low[2] >= 0.0 and high[2] == pytest.approx(1.0)


@pytest.mark.parametrize("pair", [(WHEELS, WHEELS + 2), (WHEELS + 1, WHEELS + 3), (LAMPS, LAMPS + 1)])
def test_left_and_right_mirror_each_other(pair):
    """Give both sides the same corners but for their sign."""
    left, right = (RINGS[part][:, : COUNTS[part]].reshape(-1, 3) for part in pair)
    right = right * [1.0, -1.0, 1.0]
    order = [np.lexsort(np.round(corners, 9).T) for corners in (left, right)]
    assert np.allclose(left[order[0]], right[order[1]])
    assert left[:, 1].min() > 0.0


def test_parts_rest_on_each_other():
    """Put the cabin on the body, the wing above it and behind the cabin, and both headlamps on the bonnet."""
    body, cabin, wing = (RINGS[part][:, : COUNTS[part]] for part in (BODY, CABIN, WING))
    assert 0.0 <= cabin[0, :, 2].min() - body[1, :, 2].max() < 0.01
    assert wing[..., 2].min() > body[..., 2].max() and wing[..., 0].max() < cabin[..., 0].min()
    # Inside of a counter-clockwise ring: left of all its edges.
    ring = body[0, :, :2]
    edges = np.roll(ring, -1, axis=0) - ring
    for x, y in HEADLAMP_PLAN:
        away = np.array([x, y]) - ring
        assert (edges[:, 0] * away[:, 1] - edges[:, 1] * away[:, 0] > 0.0).all()


def test_tables_fit_together():
    """Give every part at most eight corners and tints that exist."""
    assert len(RINGS) == len(COUNTS) == len(CAP_TINTS) == len(SIDE_TINTS) and COUNTS.max() <= CORNERS
    assert max(CAP_TINTS.max(), SIDE_TINTS.max()) < len(TINTS)


def test_mirrored_rings_go_counter_clockwise():
    """Have a positive area by the shoelace formula: a square of 2 by 2 has 4."""
    ring = mirrored(((-1.0, 1.0), (1.0, 1.0)))
    x, y = ring.T
    assert 0.5 * np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) == pytest.approx(4.0)
