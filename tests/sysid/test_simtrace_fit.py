"""Fitting the vehicle to simtraces: known vehicles come back, and what a trace does not determine is kept."""

import numpy as np
import pytest

from racer.config.read import read_vehicle
from racer.sysid.open_loop import SimtraceError, read_simtrace
from racer.sysid.simtrace_fit import fit_simtraces, read_simtraces, simtrace_vehicle_yaml
from racer.sysid.simtrace_picture import draw_simtrace_fit
from support.paths import ROOT
from support.simulated_drives import excitation, record_simtrace

TRACES = ROOT.parent / "shared" / "traces"
BASE = read_vehicle("deepracer_geometric")
TRUTH = {"steer_gain": 0.8, "steer_lag": 0.15, "throttle_gain": 1.06, "speed_gain": 6.0}


def fit(tmp_path, truth, *, base=BASE, seconds=60.0, seed=1, actions=None, report=lambda fraction: None):
    """Fit `base` to the trace of a car that differs from `deepracer_geometric` by `truth`."""
    vehicle = BASE.model_copy(update=truth)
    path = record_simtrace(tmp_path / "a.csv", seconds, vehicle, seed=seed, actions=actions)
    return fit_simtraces(read_simtraces([path]), base, report=report)


def test_known_vehicle_comes_back(tmp_path):
    """Map, lags and gains of a car that racer simulated and logged; the open-loop error falls to a tenth."""
    fractions = []
    result = fit(tmp_path, TRUTH, report=fractions.append)
    for command in (5, 10, 15, 20, 25):
        assert abs(result[f"steer_{command}_deg"].value - 0.8 * command) < 0.3
    assert "does not determine it" in result["steer_30_deg"].why  # no command is larger than 25 degrees
    known = {"steer_lag": 0.15, "steer_delay": 0.0, "throttle_gain": 1.06, "throttle_lag": 1.0 / 6.0, "friction": 0.8}
    stated = {"steer_lag": 0.01, "steer_delay": 0.012, "throttle_gain": 0.01, "throttle_lag": 0.01, "friction": 0.05}
    for name, value in known.items():
        assert abs(result[name].value - value) < stated[name], result[name]
    assert (result.errors_after < 0.1 * result.errors_before).all()
    assert fractions == sorted(fractions) and fractions[0] == 0.0 and fractions[-1] == 1.0
    assert result.vehicle.steer_gain == 1.0 and dict(result.vehicle.steer_map_deg)[10.0] == pytest.approx(8.0, abs=0.3)


def test_known_map_and_delay_come_back(tmp_path):
    """A map that is not a straight line, and a delay of the steering alone."""
    pairs = ((10.0, 4.0), (20.0, 13.0), (30.0, 16.0))
    actions = excitation(40.0, np.random.default_rng(3))
    actions[:, 0] = np.round(actions[:, 0] * 1.2, -1)
    result = fit(tmp_path, {"steer_map_deg": pairs, "steer_delay": 0.05, "steer_lag": 0.2}, actions=actions)
    for command, angle in pairs:
        assert abs(result[f"steer_{command:g}_deg"].value - angle) < 0.4
    assert abs(result["steer_delay"].value - 0.05) < 0.015 and abs(result["steer_lag"].value - 0.2) < 0.02


def test_true_vehicle_stays(tmp_path):
    """A trace of the vehicle itself leaves it as it is, and its error is small before and after."""
    result = fit(tmp_path, {}, seconds=40.0)
    assert (result.errors_before < [0.01, 0.015, 0.03]).all() and (result.errors_after < [0.01, 0.015, 0.03]).all()
    for estimate in result.estimates:
        if not estimate.why and estimate.unit in ("", "s"):
            assert abs(estimate.value - estimate.before) < 0.03, estimate


def test_no_steering_keeps_the_steering(tmp_path):
    """Straight ahead at varying speed: the speed response is fitted, the steering is not made up."""
    actions = excitation(25.0, np.random.default_rng(2))
    actions[:, 0] = 0.0
    result = fit(tmp_path, TRUTH, actions=actions)
    assert result.commands_deg == ()
    for name in ("steer_lag", "steer_delay"):
        assert result[name].why == "no command of this trace steers" and result[name].value == result[name].before
    assert "does not determine it" in result["friction"].why
    before, after = BASE.model_dump(), result.vehicle.model_dump()
    changed = {name for name in before if before[name] != after[name]}
    assert changed - {"accel_max", "brake_max"} == {"throttle_gain", "speed_gain"}
    assert abs(result["throttle_gain"].value - 1.06) < 0.01


def test_few_levels_are_the_pairs_of_the_map(tmp_path):
    """A list of actions gives a pair for each of its angles; commands beyond keep the vehicle's value."""
    actions = excitation(40.0, np.random.default_rng(4))
    actions[:, 0] = np.round(actions[:, 0] / 12.5) * 10.0
    base = BASE.model_copy(update={"steer_map_deg": ((10.0, 9.0), (30.0, 21.0)), "steer_gain": 0.9})
    result = fit(tmp_path, {"steer_gain": 0.8}, base=base, actions=actions)
    assert result.commands_deg == (10.0, 20.0, 30.0)
    assert result["steer_10_deg"].before == pytest.approx(8.1) and result["steer_30_deg"].before == pytest.approx(18.9)
    assert result["steer_30_deg"].why and dict(result.vehicle.steer_map_deg)[30.0] == pytest.approx(18.9)
    assert abs(result["steer_20_deg"].value - 16.0) < 0.4


def test_too_few_rows(tmp_path):
    """Six seconds are not enough; the message says what is."""
    path = record_simtrace(tmp_path / "a.csv", 6.0, BASE)
    with pytest.raises(SimtraceError, match=r"\d+ rows have \d+ stretches of 2 s; a fit needs 150, about 15 s"):
        fit_simtraces(read_simtrace(path), BASE)


def test_mixed_kinds_and_empty_traces(tmp_path):
    """Simtraces and drives are not fitted together; a file without rows is named."""
    path = record_simtrace(tmp_path / "a.csv", 2.0, BASE)
    with pytest.raises(SimtraceError, match=r"2 logs were given, and .*b.mcap is not a simtrace"):
        read_simtraces([path, tmp_path / "b.mcap"])
    empty = tmp_path / "empty.csv"
    empty.write_text(path.read_text().splitlines()[0])
    with pytest.raises(SimtraceError, match=r"empty.csv has no ten rows"):
        read_simtraces([path, empty])


def test_vehicle_file_reads_back(tmp_path):
    """The file that is written is the fitted vehicle; the picture is a PNG."""
    path = record_simtrace(tmp_path / "a.csv", 20.0, BASE.model_copy(update=TRUTH), seed=5)
    trace = read_simtraces([path])
    result = fit_simtraces(trace, BASE)
    file = tmp_path / "mine.yaml"
    file.write_text(simtrace_vehicle_yaml(result, source="a.csv", name="mine"))
    assert read_vehicle(file) == result.vehicle.model_copy(update={"name": "mine"})
    text = file.read_text()
    assert "# Open-loop error: 0." in text and "# steer 10 deg: 8." in text and "- [10.0, 8." in text
    assert "# throttle lag (1 / speed_gain) of 0.1" in text
    assert draw_simtrace_fit(trace, result).startswith(b"\x89PNG")


@pytest.mark.skipif(not TRACES.exists(), reason="the logs of DeepRacer's simulator are not part of the project")
@pytest.mark.parametrize(
    ("logs", "bars"),
    [
        ("console-2022/evaluation-*.csv", (0.05, 0.12, 0.30)),
        ("workshops-2020/*.csv", (0.05, 0.12, 0.30)),
        ("droa-2026/*.csv", (0.09, 0.15, 0.32)),
    ],
)
def test_deepracer_logs(logs, bars):
    """Fitted to a log of AWS's simulator, the vehicle predicts it within the bars of `docs/vehicle.md` [m]."""
    result = fit_simtraces(read_simtraces(sorted(TRACES.glob(logs))), BASE)
    assert (result.errors_after < bars).all() and (result.errors_after < result.errors_before).all()
