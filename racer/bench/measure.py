"""Holds the record that `racer bench` prints and the timing rules of all benchmarks.

The names are frozen, so that figures of different days can be compared. Timing: pinned to one core, processor time
(which other processes on the machine disturb least), the median of five rounds.
"""

from __future__ import annotations

import contextlib
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

KEYS = (
    "sim.control_steps_per_s_per_core",
    "sim.control_steps_per_s",
    "lidar.rays64_control_steps_per_s_per_core",
    "lidar.rays1080_control_steps_per_s_per_core",
    "reward.us_per_call_python",
    "reward.us_per_call_compiled",
    "train.steps_per_s",
    "train.steps_per_s_python_reward",
    "train.null_env_steps_per_s",
    "memory.peak_mb",
    "machine",
)
"""Keys of the record; a value that was not measured is null."""

BenchRecord = dict[str, float | str | None]


def empty_record() -> BenchRecord:
    """Return a record with all keys and no values."""
    return dict.fromkeys(KEYS)


def machine() -> str:
    """Describe the machine: processor, cores that this process may use, system, Python."""
    return f"{_processor()}, {cores()} cores, {platform.system()}, Python {platform.python_version()}"


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def peak_mb() -> float | None:
    """Return the peak resident memory of this process [MB]; None where the system does not report it."""
    try:
        import resource
    except ImportError:
        return None
    # Kilobytes on Linux, bytes on macOS.
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(size / (1e6 if sys.platform == "darwin" else 1e3), 1)


ROUNDS = 5
"""Rounds of which a figure is the median."""

StatusCallback = Callable[[str], None]
"""Receives a short text on what is being measured."""


def ignore_status(text: str) -> None:
    """Discard the text."""


@contextlib.contextmanager
def pinned() -> Iterator[None]:
    """Keep this process on one core inside the block, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    # Not the first core, which often serves the interrupts of devices.
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
    """Return the median time of `work` over some rounds [s]: processor time, or wall time where threads share it.

    `prepare` runs before each round and is not timed.
    """
    clock = time.perf_counter if wall else time.process_time
    seconds = []
    # The median, because a round that other processes disturb is longer, never shorter.
    for _ in range(rounds):
        prepare()
        started_s = clock()
        work()
        seconds.append(clock() - started_s)
    return statistics.median(seconds)
