"""Reading simtraces, and predicting them open loop."""

import csv
import io
import math

import numpy as np
import pytest

from racer.config.read import read_vehicle
from racer.sysid.open_loop import (
    OPEN_LOOP_DT,
    OpenLoop,
    SimtraceEpisode,
    SimtraceError,
    map_steering,
    open_loop_errors,
    read_simtrace,
)
from support.simulated_drives import excitation, record_simtrace

BASE = read_vehicle("deepracer_geometric")
HEADER = "episode,steps,X,Y,yaw,steer,throttle,action,reward,done,tstamp,episode_status"


def simtrace_text(count=30, *, episode=0, jitter=0.004, start=100.0, steer=10.0):
    """Rows of a car that drives along x at 1 m/s, as DeepRacer's simulator logs it: its times are not even."""
    rows = []
    for k in range(count):
        time = start + 0.067 * k + (jitter if k % 2 else 0.0)
        # A list in the action column, as continuous action spaces have it.
        rows.append(f"{episode},{k + 1}.0,{time - start:.4f},0.5,179.0,{steer},1.0,[1.0 2.0],1.0,False,{time:.4f},x")
    return "\n".join(rows) + "\n"


def read(tmp_path, *parts, header=HEADER):
    """Write and read a simtrace."""
    path = tmp_path / "a.csv"
    path.write_text("\n".join([header, "".join(parts)]))
    return read_simtrace(path)


def test_units_and_columns(tmp_path):
    """Degrees become radians, headings are unwrapped, other columns are ignored."""
    text = simtrace_text(20) + simtrace_text(20, episode=1).replace(",179.0,", ",-179.0,", 5)
    first, second = read(tmp_path, text)
    assert np.allclose(first.yaw, math.radians(179.0)) and np.allclose(first.steering, math.radians(10.0))
    assert np.allclose(first.x, first.times - 100.0) and (first.y == 0.5).all() and (first.speed == 1.0).all()
    assert np.allclose(np.diff(second.yaw)[4], math.radians(-2.0))


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (simtrace_text(20, episode=3) + simtrace_text(20, episode=3), [20, 20]),  # the next evaluation, step 1 again
        (simtrace_text(9), []),
        (simtrace_text(20).replace("0.6700,0.5,", "0.6700,2.5,"), [10]),  # a respawn in the middle, and back
        ("", []),
    ],
)
def test_stretches_end_at_breaks(tmp_path, text, counts):
    """A new episode, a jump, and too few rows."""
    assert [len(stretch.times) for stretch in read(tmp_path, text)] == counts


def test_gap_and_repeated_row(tmp_path):
    """A gap of time separates stretches; a row that is written twice counts once."""
    lines = simtrace_text(40).splitlines(keepends=True)
    repeated = lines[5].replace(",6.0,", ",7.0,", 1)
    stretches = read(tmp_path, "".join([*lines[:6], repeated, *lines[6:20], *lines[27:]]))
    assert [len(stretch.times) for stretch in stretches] == [20, 13]


def test_pairing_of_deepracer_is_kept(tmp_path):
    """A row's action takes effect after its pose there, also where the first action is repeated."""
    lines = simtrace_text(20).splitlines(keepends=True)
    lines[7] = lines[7].replace(",10.0,", ",-20.0,")
    (stretch,) = read(tmp_path, "".join(lines))
    assert np.flatnonzero(stretch.steering < 0.0).tolist() == [7]


def test_pairing_of_racer_is_shifted(tmp_path):
    """racer's rows hold the pose after the action, so an action belongs to the row before."""
    actions = excitation(10.0, np.random.default_rng(0))
    (stretch,) = read_simtrace(record_simtrace(tmp_path / "a.csv", 10.0, BASE, actions=actions))
    assert len(stretch.times) == len(actions) + 1
    assert np.allclose(np.degrees(stretch.steering[:-1]), actions[:, 0], atol=0.006)
    assert np.allclose(stretch.speed[:-1], actions[:, 1], atol=0.006)


def change(column, value, *, row=4):
    """The text of a simtrace with another value in one place."""
    rows = list(csv.reader(io.StringIO(simtrace_text())))
    rows[row][HEADER.split(",").index(column)] = value
    return "\n".join(map(",".join, rows))


@pytest.mark.parametrize(
    ("header", "text", "message"),
    [
        ("a,b", "1,2\n", "not a simtrace: no column `episode`, `steps`, `X`"),
        (HEADER.replace("yaw", "heading"), simtrace_text(), "no column `yaw`; needed are episode"),
        (HEADER, change("X", "far"), "line 6: `X` is 'far', not a number"),
        (HEADER, change("tstamp", "nan"), "line 6: `tstamp` is nan"),
        (HEADER, change("steer", "3000"), r"line 6: `steer` is 3000; a steering angle \[degrees\]"),
        (HEADER, simtrace_text() + "0,31.0,2.0\n", "line 32: `tstamp` is None"),
        (HEADER, '"' + "x" * 200_000, "not a CSV file: field larger"),
    ],
)
def test_refuses_what_is_not_a_simtrace(tmp_path, header, text, message):
    """The message names the file, the line, and what is expected."""
    with pytest.raises(SimtraceError, match=message):
        read(tmp_path, text, header=header)


def test_refuses_binary_and_missing_files(tmp_path):
    """Bytes that are not text, and a path without a file."""
    path = tmp_path / "a.csv"
    with pytest.raises(SimtraceError, match="cannot be read: No such file"):
        read_simtrace(path)
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(SimtraceError, match="not a text file"):
        read_simtrace(path)


def test_map_is_exact_at_its_pairs():
    """Odd, through the origin, linear in between, constant beyond the last pair; the identity without pairs."""
    pairs = ((10.0, 4.0), (20.0, 12.0))
    commands = np.radians([-30.0, -20.0, -5.0, 0.0, 10.0, 15.0, 25.0])
    assert np.allclose(np.degrees(map_steering(commands, pairs)), [-12.0, -12.0, -2.0, 0.0, 4.0, 8.0, 12.0])
    assert map_steering(commands, ()) is commands


def straight(count=60, *, speed=1.0, commanded=1.0, steering=0.0):
    """A stretch of a car that drives straight on at a constant speed."""
    times = np.arange(count) / 15.0
    zero = np.zeros(count)
    return SimtraceEpisode(times, speed * times, zero, zero, zero + steering, zero + commanded)


def test_straight_drive_is_predicted_exactly():
    """A car that keeps its commanded speed is where the log has it; one that is slower lags by its response.

    From v to the target u with dv/dt = k (u - v), explicit Euler steps: v_n = u + (v - u)(1 - k dt)^n, so the distance
    lacks (u - v) (t - dt sum (1 - k dt)^n).
    """
    vehicle = BASE.model_copy(update={"speed_gain": 6.0})
    assert open_loop_errors(vehicle, [straight()]).max() < 1e-9
    decay = (1.0 - 6.0 * OPEN_LOOP_DT) ** np.arange(1, 241)
    expected = 0.2 * (np.arange(1, 241) * OPEN_LOOP_DT - OPEN_LOOP_DT * np.cumsum(decay))
    assert np.allclose(open_loop_errors(vehicle, [straight(commanded=1.2)]), expected[[59, 119, 239]], atol=1e-9)


def test_own_trace_is_predicted(tmp_path):
    """racer's own trace, predicted with the vehicle that drove it; another vehicle is far off."""
    truth = BASE.model_copy(update={"steer_gain": 0.7, "steer_lag": 0.2})
    trace = read_simtrace(record_simtrace(tmp_path / "a.csv", 30.0, truth, seed=1))
    errors, others = open_loop_errors(truth, trace), open_loop_errors(BASE, trace)
    assert (errors < [0.006, 0.012, 0.025]).all() and (others > 10.0 * errors).all()


def test_prediction_changes_smoothly_with_delay():
    """Half a physics step of delay moves a prediction by half as much, which whole steps would not show."""
    episode = straight(steering=0.2)
    episode.steering[:20] = 0.0
    loop = OpenLoop([episode], (1.0,))
    start = int(np.flatnonzero(loop.starts == 12)[0])
    y = [
        loop.predict(BASE.model_copy(update={"steer_delay": part * OPEN_LOOP_DT}))[start, 0, 1]
        for part in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert (np.diff(y) < 0.0).all() and np.ptp(np.diff(y)) < 0.1 * abs(np.diff(y)).max()


def test_delay_is_a_shift_of_the_commands():
    """Steering that is delayed by a row is the steering of the row before."""
    rng = np.random.default_rng(2)
    now, late = straight(), straight()
    now.steering[:] = rng.uniform(-0.3, 0.3, 60)
    late.steering[1:] = now.steering[:-1]
    delayed = OpenLoop([now]).predict(BASE.model_copy(update={"steer_delay": 1.0 / 15.0}))
    assert np.allclose(delayed, OpenLoop([late]).predict(BASE), atol=1e-9)


def test_too_short_for_the_horizon():
    """A trace without a stretch of 2 s has no error."""
    with pytest.raises(SimtraceError, match="no stretch of this trace is 2 s long"):
        open_loop_errors(BASE, [straight(20)])
