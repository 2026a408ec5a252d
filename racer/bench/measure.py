"""Timing rules: pinned to one core, processor time, median of five."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Iterator

ROUNDS = 5

Tell = Callable[[str], None]
"""Told what is being measured, in a few words."""


def silent(text: str) -> None:
    """Tell nobody."""


@contextlib.contextmanager
def pinned() -> Iterator[None]:
    """Keep this process on one core inside the block, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def median_s(
    work: Callable[[], object],
    *,
    prepare: Callable[[], object] = lambda: None,
    wall: bool = False,
    rounds: int = ROUNDS,
) -> float:
    """Median seconds of `work` over some rounds, of processor time, or of wall time where threads share it.

    `prepare` runs before each round and is not timed.
    """
    clock = time.perf_counter if wall else time.process_time
    seconds = []
    for _ in range(rounds):
        prepare()
        began = clock()
        work()
        seconds.append(clock() - began)
    return statistics.median(seconds)
