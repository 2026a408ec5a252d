"""`racer bench`: pure JSON on standard output, progress on standard error; with a bench that takes no time."""

import json

import pytest

from racer.bench import simulation
from racer.bench.measure import KEYS
from racer.errors import RacerError


@pytest.fixture
def run(run, monkeypatch):
    """Run a command in this process, on a bench of small sizes."""
    for name, worlds in (("bench_sim", 4), ("bench_lidar", 2), ("bench_reward", 2)):
        full = getattr(simulation, name)
        small = lambda track, *, report, full=full, worlds=worlds: full(track, worlds=worlds, rounds=1, report=report)  # noqa: E731
        monkeypatch.setattr(simulation, name, small)
    return run


@pytest.mark.parametrize("part", ["sim", "lidar", "reward"])
def test_json_holds_all_keys_and_the_part_alone(run, part):
    """Print one JSON object with every key; what was not measured is null; progress goes to standard error."""
    said = run("bench", part, "--track", "easy_oval", "--json")
    assert said.code == 0
    record = json.loads(said.out)
    assert list(record) == list(KEYS)
    filled = {key.split(".")[0] for key, value in record.items() if value is not None}
    assert filled == {part, "memory", "machine"}
    assert said.err.splitlines() and all(line.startswith(f"measuring {part}: ") for line in said.err.splitlines())


def test_table_tells_what_was_measured(run):
    """Print a line for each figure."""
    said = run("bench", "sim", "--track", "easy_oval")
    assert [line.split()[0] for line in said.out.splitlines()] == [
        "sim.control_steps_per_s_per_core",
        "sim.control_steps_per_s",
        "memory.peak_mb",
        "machine",
    ]


def test_workload_without_laps_fails(run, monkeypatch):
    """Exit 1 with one line, and print no figures."""

    def refused(track, *, report):
        raise RacerError("bench: only 3% of the cars completed a lap")

    monkeypatch.setattr(simulation, "bench_sim", refused)
    assert run("bench", "sim", "--json") == (1, "", "error: bench: only 3% of the cars completed a lap\n")


def test_unknown_part_exits_2(run):
    """Leave usage to the command line's own messages."""
    assert run("bench", "brakes").code == 2
