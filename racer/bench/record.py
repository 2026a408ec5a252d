"""The record that `racer bench` prints: frozen names, so that figures of different days can be compared."""

from __future__ import annotations

import os
import platform
import sys
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
"""Keys of the record. What was not measured is null."""

Record = dict[str, float | str | None]


def empty_record() -> Record:
    """All keys, nothing measured."""
    return dict.fromkeys(KEYS)


def machine() -> str:
    """Processor, cores that this process may use, system, Python."""
    return f"{_processor()}, {cores()} cores, {platform.system()}, Python {platform.python_version()}"


def cores() -> int:
    """Cores that this process may use."""
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
    """Largest resident memory of this process so far, MB; None where the system does not tell."""
    try:
        import resource
    except ImportError:
        return None
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(size / (1e6 if sys.platform == "darwin" else 1e3), 1)
