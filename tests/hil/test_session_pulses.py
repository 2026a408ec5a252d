"""The simulated car's pulses, there and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from racer.car.actuator import limits
from racer.car.actuator.calibrated_range import read_actuator_setup
from racer.car.actuator.drivers import OSCILLATOR_HZ, PRESCALE_50_HZ, pulse_to_steps
from racer.car.calibration.calibration import read_calibration, write_calibration
from racer.car.gate import ActionBounds, Gate
from racer.config.env import CameraConfig
from racer.config.read import read_vehicle
from racer.hil.session import SIMULATED_CAR_ID, action_of_pulses, simulated_calibration

CAR = simulated_calibration(read_vehicle("deepracer"), CameraConfig(), chip="chip")
STEP_US = (PRESCALE_50_HZ + 1) * 1e6 / OSCILLATOR_HZ


def test_both_readers_take_the_file(tmp_path):
    """Write it and read it as pilot and as actuator."""
    write_calibration(tmp_path / "c.json", CAR)
    assert read_calibration(tmp_path / "c.json", car_id=SIMULATED_CAR_ID) == CAR
    trim = read_actuator_setup(str(tmp_path / "c.json"), SIMULATED_CAR_ID).trim
    assert (trim.steering_low, trim.steering_high) == (1200, 1700)
    assert limits.PULSE_MIN_US <= trim.throttle_low < trim.throttle_stop


@given(st.floats(-30.0, 30.0), st.floats(0.2, 4.0))
def test_action_comes_back_from_the_chip(angle, speed):
    """Send an action through gate and chip: what the car does differs by a step of the chip at most."""
    gate = Gate(CAR, ActionBounds(-30.0, 30.0, 0.1, 4.0), speed_limit=1.0)
    pulses = gate.pulses(angle, speed)
    found = action_of_pulses(
        CAR, pulse_to_steps(pulses.steering_us) * STEP_US, pulse_to_steps(pulses.throttle_us) * STEP_US
    )
    assert found[0] == pytest.approx(angle, abs=STEP_US * 30.0 / 250.0 + 1e-6)
    assert found[1] == pytest.approx(speed, abs=STEP_US * 4.0 / 135.0 + 1e-6)


@pytest.mark.parametrize("throttle_us", [None, 1446.0, pulse_to_steps(1446) * STEP_US, 1450.0, 2000.0])
def test_stop_is_a_stop(throttle_us):
    """No pulse, the stop, the chip's nearest step to it, and everything beyond it do not drive."""
    assert action_of_pulses(CAR, 1450.0, throttle_us) == (0.0, 0.0)


def test_without_a_steering_pulse_wheels_are_straight():
    """Switch the outputs off."""
    assert action_of_pulses(CAR, None, None) == (0.0, 0.0)
