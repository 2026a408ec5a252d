"""The random policy stays in its action space and repeats itself by its seed."""

import numpy as np

from racer.policy import RandomPolicy
from support.bundles import CONTINUOUS, DISCRETE

SEEN = {"state": np.zeros((1000, 48), dtype="f4")}


def test_continuous():
    """Fill the ranges evenly: means within 5 standard errors of the middle."""
    action = RandomPolicy(CONTINUOUS).act(SEEN)
    assert action.shape == (1000, 2) and action.dtype == np.float32
    assert (action >= CONTINUOUS.low).all() and (action <= CONTINUOUS.high).all()
    error = np.array([60, 3.5]) / np.sqrt(12 * 1000)
    assert (np.abs(action.mean(axis=0) - [0, 2.25]) < 5 * error).all()


def test_discrete():
    """Draw every action of the list and no other."""
    action = RandomPolicy(DISCRETE).act(SEEN)
    assert {tuple(row) for row in action.tolist()} == set(DISCRETE.table)


def test_seed():
    """Repeat after a full reset, go on after a partial one, and differ by seed."""
    policy, same, other = RandomPolicy(seed=1), RandomPolicy(seed=1), RandomPolicy(seed=2)
    first = policy.act(SEEN)
    np.testing.assert_array_equal(first, same.act(SEEN))
    assert not np.array_equal(first, other.act(SEEN))
    policy.reset(np.zeros(1000, dtype=bool))
    assert not np.array_equal(first, policy.act(SEEN))
    policy.reset()
    np.testing.assert_array_equal(first, policy.act(SEEN))
