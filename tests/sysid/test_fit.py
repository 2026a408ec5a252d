"""Fitting the simulator to a drive: known parameters come back, and what a drive does not tell is not made up."""

import math

import numpy as np
import pytest

from racer.car.actuator.protocol import ActuatorStatus
from racer.car.actuator.states import ActuatorState, StopReason
from racer.car.recording.drive_file import DriveError, DriveHeader, FileStorage
from racer.car.recording.reader import read_drive
from racer.car.recording.recorder import ControlStep, DriveRecorder
from racer.config.read import read_vehicle
from racer.sim.world import vehicle_row
from racer.sysid.drive_data import extract_drive_data, relative_motion
from racer.sysid.fit import FIT_PARAMETERS, fit_vehicle, vehicle_yaml
from racer.sysid.rollout import ROLLOUT_DT, DriveCommands, roll_out
from support.simulated_drives import HELD, RATE_HZ, drive, excitation, record

TRUTH = {
    "steer_offset": math.radians(2.0), "steer_gain": 0.9, "steer_lag": 0.08, "throttle_gain": 1.15,
    "throttle_deadband": 0.05, "speed_gain": 1.0 / 0.16,
}  # fmt: skip
WANTED = {
    "steer_offset": 2.0, "steer_gain": 0.9, "steer_lag": 0.08, "throttle_gain": 1.15, "throttle_deadband": 0.05,
    "throttle_lag": 0.16, "latency": 7 / 120,
}  # fmt: skip
STATED = {
    "steer_offset": 0.15, "steer_gain": 0.015, "steer_lag": 0.008, "throttle_gain": 0.02, "throttle_deadband": 0.005,
    "throttle_lag": 0.01, "latency": 0.005,
}  # fmt: skip
"""The errors that docs/car-recording.md states for 20 s: degrees, shares and seconds."""


def fitted(path):
    """A fit that begins with `deepracer_geometric`."""
    return fit_vehicle(extract_drive_data(read_drive(path)), read_vehicle("deepracer_geometric"))


@pytest.mark.parametrize("channels", [("speed", "yaw_rate"), ("pose",)])
def test_known_parameters_come_back(tmp_path, channels):
    """Seven parameters of a simulated car within the stated errors, and within five of their own uncertainties."""
    fit = fitted(record(tmp_path / "a.mcap", 20.0, TRUTH, channels=channels, seed=1))
    assert fit.channels == channels
    for one in fit.estimates:
        assert not one.why
        assert abs(one.value - WANTED[one.name]) < STATED[one.name], one
        assert abs(one.value - WANTED[one.name]) < 5.0 * one.error < 5.0 * STATED[one.name], one
    assert all(one.after < 0.5 * one.before for one in fit.residuals)


def test_unchanged_car_stays(tmp_path):
    """A car that is as the vehicle file says is fitted to that file."""
    fit = fitted(record(tmp_path / "a.mcap", 10.0, {}, latency_steps=0, seed=2))
    for one in fit.estimates:
        assert abs(one.value - one.before) < 2.0 * STATED[one.name]


def test_outliers_do_not_matter(tmp_path):
    """Two of a hundred values far off, as a slipping wheel or a lost marker gives, move the fit by little."""
    path = record(tmp_path / "a.mcap", 20.0, TRUTH, seed=3)
    found = read_drive(path)
    measured = found.measured.copy()
    measured["speed"][::50] += 3.0
    measured["yaw_rate"][25::50] -= 10.0
    object.__setattr__(found, "measured", measured)
    fit = fit_vehicle(extract_drive_data(found), read_vehicle("deepracer_geometric"))
    for one in fit.estimates:
        assert abs(one.value - WANTED[one.name]) < STATED[one.name]


def test_speed_alone_tells_nothing_of_steering(tmp_path):
    """Without yaw rate or pose the steering keeps its values, with the reason."""
    fit = fitted(record(tmp_path / "a.mcap", 20.0, TRUTH, channels=("speed",), seed=4))
    for name in ("steer_offset", "steer_gain", "steer_lag"):
        assert fit[name].why == "needs yaw rate or pose, which was not measured"
        assert fit[name].value == fit[name].before
    for name in ("throttle_gain", "throttle_lag", "latency"):
        assert abs(fit[name].value - WANTED[name]) < STATED[name]
    assert fit.vehicle.steer_gain == 1.0


def test_yaw_rate_alone_is_warned_of(tmp_path):
    """Without speed the speed map is kept, and the steering is said to hang on it."""
    only = {name: value for name, value in TRUTH.items() if name.startswith("steer")}
    fit = fitted(record(tmp_path / "a.mcap", 20.0, only, channels=("yaw_rate",), seed=5))
    assert "needs speed or pose" in fit["throttle_gain"].why
    assert "no speed was measured" in fit.warnings[0]
    assert abs(fit["steer_offset"].value - 2.0) < 2.0 * STATED["steer_offset"]


def test_straight_drive_does_not_tell_the_steering_gain(tmp_path):
    """A wheel that was never turned has an offset, but no gain and no lag; the report says so."""
    actions = excitation(12.0, np.random.default_rng(6))
    actions[:, 0] = 0.0
    fit = fitted(record(tmp_path / "a.mcap", 12.0, TRUTH, seed=6, actions=actions))
    assert "does not determine it" in fit["steer_gain"].why and "does not determine it" in fit["steer_lag"].why
    assert abs(fit["steer_offset"].value - 2.0) < STATED["steer_offset"]
    assert fit.vehicle.steer_gain == 1.0


def test_one_speed_does_not_tell_gain_from_deadband(tmp_path):
    """At one speed gain and deadband cannot be told apart: at least one keeps its value."""
    actions = excitation(12.0, np.random.default_rng(7))
    actions[:, 1] = 1.0
    fit = fitted(record(tmp_path / "a.mcap", 12.0, TRUTH, seed=7, actions=actions))
    assert fit["throttle_gain"].why or fit["throttle_deadband"].why


def test_rollout_is_the_simulator(tmp_path):
    """On commands that begin with a physics step, the rollout moves as the World does, delay included."""
    actions, moved, _ = drive(4.0, TRUTH, latency_steps=5, seed=8)
    row = vehicle_row(read_vehicle("deepracer_geometric"))
    for name, value in TRUTH.items():
        row[name] = value
    times = np.arange(len(actions)) * HELD / RATE_HZ
    motion = roll_out(
        DriveCommands(times, np.radians(actions[:, 0]), actions[:, 1]), row, start=0.0, end=4.0, latency=5 * ROLLOUT_DT
    )  # fmt: skip
    every = round(1.0 / RATE_HZ / ROLLOUT_DT)
    assert np.allclose(motion.speed[every - 1 :: every], moved[:, 3], atol=1e-6)
    assert np.allclose(motion.yaw_rate[every - 1 :: every], moved[:, 4], atol=1e-6)
    turned = np.unwrap(moved[:, 2])
    assert np.allclose(np.diff(motion.yaw[every - 1 :: every]), np.diff(turned), atol=1e-6)


def test_rollout_changes_smoothly_with_latency():
    """Half a physics step of latency is felt as half of one, which whole steps would not show."""
    row = vehicle_row(read_vehicle("deepracer_geometric"))
    commands = DriveCommands(np.array([0.0, 0.5]), np.array([0.0, 0.3]), np.array([1.0, 1.0]))
    late = [
        roll_out(commands, row, start=0.0, end=0.6, latency=part * ROLLOUT_DT).yaw_rate[-1]
        for part in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    steps = np.diff(late)
    assert (steps < 0.0).all() and steps.min() / steps.max() < 2.0


def test_moved_in_frame():
    """Ahead is ahead whatever the heading; turns go the short way."""
    zero, one = np.zeros(1), np.ones(1)
    quarter = np.array([np.pi / 2])
    assert np.allclose(relative_motion(one, one, quarter, one, 3 * one, quarter), [[2.0, 0.0, 0.0]])
    assert np.allclose(relative_motion(zero, zero, quarter, -one, zero, zero), [[0.0, 1.0, -np.pi / 2]])
    assert np.allclose(relative_motion(zero, zero, 3.1 * one, zero, zero, -3.1 * one)[0, 2], 2 * np.pi - 6.2)


def rows_of(path, states, *, gap_ns=0, measured=True):
    """A drive of a control step every 50 ms in these states of the actuator, with a gap in the middle."""
    recorder = DriveRecorder(lambda: FileStorage(path), DriveHeader())
    at = 10**9
    for number, state in enumerate(states):
        at += 50_000_000 + (gap_ns if number == len(states) // 2 else 0)
        times = {"captured_ns": at - 40_000_000, "started_ns": at, "answered_ns": at, "sent_ns": at}
        asked = {"asked_steering_deg": 0.0, "asked_speed": 1.0, "applied_steering_deg": 0.0, "applied_speed": 1.0}
        recorder.step(
            ControlStep(number=number, input_id=number, **times, **asked, speed_limit=1.0, steering_us=1, throttle_us=1)
        )
        recorder.actuator(
            ActuatorStatus(state, StopReason.NONE, StopReason.NONE, 0, at, 0, number, number, at + 5, 1, 1, 0, 0, 0, "")
        )
        if measured:
            recorder.measured(at + 1, speed=1.0)
        recorder.drain()
    recorder.close()
    return read_drive(path)


def test_only_driving_counts(tmp_path):
    """Armed, stopping and stopped car: what the actuator does then, no policy asked for."""
    states = [ActuatorState.ARMED] * 50 + [ActuatorState.DRIVING] * 100 + [ActuatorState.HARD_STOP] * 50
    data = extract_drive_data(rows_of(tmp_path / "a.mcap", states))
    (span,) = data.spans
    assert span.end - span.start == pytest.approx(99 * 0.05)
    assert span.count("speed") == 99
    assert data.channels() == ("speed",)
    assert np.allclose(data.glass_to_wire, 0.040000005)


def test_gap_parts_a_drive(tmp_path):
    """Where control steps are missing nothing is compared."""
    data = extract_drive_data(rows_of(tmp_path / "a.mcap", [ActuatorState.DRIVING] * 200, gap_ns=2_000_000_000))
    assert [round(span.end - span.start, 2) for span in data.spans] == [4.95, 4.95]


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ([ActuatorState.DRIVING] * 5, "5 control steps"),
        ([ActuatorState.ARMED] * 100, "never drove for 2 s"),
        ([ActuatorState.DRIVING] * 30, "never drove for 2 s"),
    ],
)
def test_drives_that_tell_nothing(tmp_path, states, words):
    """Too short, or never driving: refused with the reason."""
    drive = rows_of(tmp_path / "a.mcap", states)
    with pytest.raises(DriveError, match=words):
        extract_drive_data(drive)


def test_nothing_measured(tmp_path):
    """Commands alone are nothing to fit to; the message names what would be."""
    data = extract_drive_data(rows_of(tmp_path / "a.mcap", [ActuatorState.DRIVING] * 100, measured=False))
    with pytest.raises(DriveError, match="wheel speed, a gyroscope's yaw rate, or poses"):
        fit_vehicle(data, read_vehicle("deepracer_geometric"))


def test_actions_that_are_no_numbers(tmp_path):
    """A drive with NaN among its applied actions is refused."""
    drive = rows_of(tmp_path / "a.mcap", [ActuatorState.DRIVING] * 100)
    steps = drive.steps.copy()
    steps["applied_speed"][3] = np.nan
    object.__setattr__(drive, "steps", steps)
    with pytest.raises(DriveError, match="not a number"):
        extract_drive_data(drive)


def test_vehicle_file_reads_back(tmp_path):
    """The file that is written is the vehicle that was fitted, with its errors as comments."""
    path = record(tmp_path / "a.mcap", 6.0, TRUTH, seed=9)
    data = extract_drive_data(read_drive(path))
    fit = fit_vehicle(data, read_vehicle("deepracer_geometric"))
    text = vehicle_yaml(fit, source=path.name, base="deepracer", name="mine", glass_to_wire=data.glass_to_wire)
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    assert read_vehicle(file) == fit.vehicle.model_copy(update={"name": "mine"})
    assert text.count("+-") == 1 + len(FIT_PARAMETERS) - 1  # the head explains it, and latency is no field
    assert "action_delay: 0.0" in text and "latency: {uniform: [0.040, 0.040]}" in text


def test_parameters_are_fields():
    """Every parameter but the two that are no fields is one of the vehicle's, in the same unit."""
    names = {one.name for one in FIT_PARAMETERS} - {"latency", "throttle_lag"}
    assert names <= set(vehicle_row(read_vehicle("deepracer_geometric")).dtype.names)
