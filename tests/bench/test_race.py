"""The races' workloads: what is timed is run to its end and repeats."""

import pytest

from racer.bench import race as bench
from racer.errors import RacerError


def test_both_races_are_measured(monkeypatch):
    """Run small ones: faster than real time, and the network is asked as often as the driver."""
    monkeypatch.setattr(bench, "CARS_TOGETHER", 2)
    monkeypatch.setattr(bench, "ALONE", 3)
    monkeypatch.setattr(bench, "TRIALS", 1)
    monkeypatch.setattr(bench, "_ROUNDS", 2)
    record = bench.bench_race("easy_oval")
    assert record["race.camera_8_times_real_time"] > 0.0 and record["race.state_3x1_wall_s"] > 0.0


def test_a_car_that_does_not_finish_is_no_measurement(monkeypatch):
    """Fail where a car is too fast for the road."""
    monkeypatch.setattr(bench, "CARS_TOGETHER", 1)
    monkeypatch.setattr(bench, "_SPEEDS", (0.05, 0.05))
    monkeypatch.setattr(bench, "read_rules", lambda name, settings: _short(name, settings))
    with pytest.raises(RacerError, match="did not finish"):
        bench.bench_race("easy_oval")


def _short(name, settings):
    from racer.config.rules import read_rules

    return read_rules(name, settings=[*settings, "limits.time_s=2"])
