"""The record's frozen names, and what is said of the machine."""

import os

from racer.bench.measure import KEYS, cores, empty_record, machine, peak_mb

FROZEN = [
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
]


def test_keys_are_frozen():
    """Keep the names of the record: figures of different days are compared by them. Later parts add theirs."""
    assert list(KEYS)[: len(FROZEN)] == FROZEN
    assert empty_record() == dict.fromkeys(KEYS)


def test_machine_is_named():
    """Name processor, cores and Python on one line."""
    told = machine()
    assert f"{cores()} cores" in told and "Python 3." in told and "\n" not in told
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_peak_memory_grows_with_what_is_held():
    """Count what was held at the worst moment, in MB."""
    before = peak_mb()
    held = bytearray(b"x") * (300 * 1_000_000)
    after = peak_mb()
    del held
    assert after >= before and (after > 300.0) and peak_mb() >= after
