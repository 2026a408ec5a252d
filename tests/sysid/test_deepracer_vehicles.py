"""`deepracer` and `deepracer_2022` against the logs of DeepRacer's simulator and the radii of its steady turns."""

from pathlib import Path

import numpy as np
import pytest

from racer.config.read import read_vehicle
from racer.sysid.open_loop import open_loop_errors
from support.vehicle_pictures import LOGS, read_logs
from support.vehicles import steady_radius

BARS_2022, BARS_2026 = (0.05, 0.12, 0.30), (0.09, 0.15, 0.32)
"""Largest mean errors of the front point after 0.5, 1, 2 s [m]."""
STEADY_TURNS = {
    # command [degrees]: radii in the logs [m], speeds [m/s]
    "deepracer": {
        10: (1.77, 1.77, (2.0,)), 15: (1.15, 1.17, (1.2, 1.9)), 20: (1.1, 1.5, (1.0, 1.5)),
        25: (0.57, 0.61, (0.7, 0.9)), 30: (0.62, 0.80, (0.6, 1.0, 1.5, 2.0, 2.5)),
    },
    "deepracer_2022": {
        10: (2.7, 2.7, (1.0,)), 15: (1.15, 1.17, (1.2, 1.9)), 20: (1.1, 1.5, (1.0,)), 25: (0.57, 0.61, (0.7, 0.9)),
        30: (0.62, 0.80, (0.6, 1.0, 1.5)),
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "command", "speed"),
    [(name, command, speed) for name, rows in STEADY_TURNS.items() for command in rows for speed in rows[command][2]],
)
def test_steady_turns_are_within_12_percent_of_the_logs(name, command, speed):
    """Turn with the radius of the simulator's car, at the speed of its log."""
    low, high, _ = STEADY_TURNS[name][command]
    assert 0.88 * low <= steady_radius(read_vehicle(name), command, speed) <= 1.12 * high


@pytest.mark.parametrize(("command", "fastest"), [(10, 2.5), (20, 2.5), (30, 2.0)])
def test_the_radius_hardly_depends_on_the_speed(command, fastest):
    """Keep the radius within 2 % up to the speed at which the tyres give way."""
    radii = [steady_radius(read_vehicle("deepracer"), command, speed) for speed in (0.5, 1.0, 1.5, 2.0, fastest)]
    assert max(radii) < 1.02 * min(radii)


@pytest.fixture(scope="module")
def traces(shared_tracks):
    """Folder of the logs; they may not be copied into this repository."""
    folder = shared_tracks.parent / "traces"
    if not folder.is_dir():
        pytest.skip("the logs of DeepRacer's simulator are not here")
    return Path(folder)


@pytest.mark.parametrize(("name", "sets", "bars"), [
    ("deepracer", ["DeepRacer on AWS 2026"], BARS_2026),
    ("deepracer_2022", ["console 2022", "workshops 2020"], BARS_2022),
])  # fmt: skip
def test_open_loop_errors_of_the_logs(traces, name, sets, bars):
    """Predict the front point from the log's commands alone; and better than the geometry of the chassis does."""
    trace = [episode for label in sets for episode in read_logs(traces, LOGS[label])]
    errors = open_loop_errors(read_vehicle(name), trace)
    assert (errors <= np.array(bars)).all(), errors
    assert (errors < 0.5 * open_loop_errors(read_vehicle("deepracer_geometric"), trace)).all()
