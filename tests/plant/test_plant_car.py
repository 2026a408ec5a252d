"""The simulated car's pulses, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.car.actuator import limits
from racer.car.actuator.pca9685 import OSCILLATOR_HZ, PRESCALE_50_HZ, count
from racer.car.actuator.trim import read_setup
from racer.car.calibration.calibration import read_calibration, write_calibration
from racer.car.gate import ActionBounds, Gate
from racer.config.read import read_vehicle
from racer.config.sensors import CameraConfig
from racer.plant.car import CAR_ID, action_of, simulated_calibration

CAR = simulated_calibration(read_vehicle("deepracer"), CameraConfig(), chip="chip")
STEP_US = (PRESCALE_50_HZ + 1) * 1e6 / OSCILLATOR_HZ


def test_both_readers_take_the_file(tmp_path):
    """Write it and read it as pilot and as actuator."""
    write_calibration(tmp_path / "c.json", CAR)
    assert read_calibration(tmp_path / "c.json", car_id=CAR_ID) == CAR
    trim = read_setup(str(tmp_path / "c.json"), CAR_ID).trim
    assert (trim.steering_low, trim.steering_high) == (1200, 1700)
    assert limits.PULSE_MIN_US <= trim.throttle_low < trim.throttle_stop


@given(st.floats(-30.0, 30.0), st.floats(0.2, 4.0))
def test_action_comes_back_from_the_chip(angle, speed):
    """Send an action through gate and chip: what the car does differs by a step of the chip at most."""
    gate = Gate(CAR, ActionBounds(-30.0, 30.0, 0.1, 4.0), speed_limit=1.0)
    pulses = gate.pulses(angle, speed)
    found = action_of(CAR, count(pulses.steering_us) * STEP_US, count(pulses.throttle_us) * STEP_US)
    assert found[0] == pytest.approx(angle, abs=STEP_US * 30.0 / 250.0 + 1e-6)
    assert found[1] == pytest.approx(speed, abs=STEP_US * 4.0 / 135.0 + 1e-6)


@pytest.mark.parametrize("throttle_us", [None, 1446.0, count(1446) * STEP_US, 1450.0, 2000.0])
def test_stop_is_a_stop(throttle_us):
    """No pulse, the stop, the chip's nearest step to it, and everything beyond it do not drive."""
    assert action_of(CAR, 1450.0, throttle_us) == (0.0, 0.0)


def test_without_a_steering_pulse_wheels_are_straight():
    """Switch the outputs off."""
    assert action_of(CAR, None, None) == (0.0, 0.0)
