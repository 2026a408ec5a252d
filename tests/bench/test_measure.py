"""The rules of timing: pinned, processor time, median; with a clock of our own."""

import os
import time

import pytest

from racer.bench import measure
from racer.bench.measure import median_s, pinned

needs_affinity = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system cannot pin")


class Clock:
    """A clock that the work moves on."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@needs_affinity
def test_pinned_is_one_core_inside_and_all_after():
    """Keep to one core in the block, and give the others back after it, also after an error."""
    before = os.sched_getaffinity(0)
    with pytest.raises(ValueError, match="x"), pinned():
        assert len(os.sched_getaffinity(0)) == 1
        raise ValueError("x")
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize(("wall", "name"), [(False, "process_time"), (True, "perf_counter")])
def test_median_of_the_rounds_by_the_right_clock(monkeypatch, wall, name):
    """Take the median of five, of processor time or of wall time; what prepares a round is not timed."""
    clock, left = Clock(), [5.0, 1.0, 100.0, 2.0, 3.0]
    monkeypatch.setattr(time, name, clock)
    other = "perf_counter" if name == "process_time" else "process_time"
    monkeypatch.setattr(time, other, lambda: pytest.fail("the other clock was read"))

    def work():
        clock.now += left.pop(0)

    def prepare():
        clock.now += 1000.0

    assert median_s(work, prepare=prepare, wall=wall) == pytest.approx(3.0)
    assert left == [] and measure.ROUNDS == 5
