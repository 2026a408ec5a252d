"""A person as a policy: limits, how fast keys act, and how a gamepad does."""

import numpy as np
import pytest

from racer.config.read import read_vehicle
from racer.viewer.controls import ManualPolicy

VEHICLE = read_vehicle("deepracer")


def drive(person, steps):
    """Steering angle and speed after some control steps."""
    action = np.zeros((1, 2))
    for _ in range(steps):
        action = person.act({})
    assert action.shape == (1, 2) and action.dtype == np.float32
    return action[0].tolist()


def test_stands_still_at_first():
    """Ask for nothing before a key is pressed."""
    assert drive(ManualPolicy(VEHICLE, control_dt=1 / 15), 5) == [0.0, 0.0]


@pytest.mark.parametrize("turn", [-1.0, 1.0])
def test_keys_turn_to_the_limit_and_back(turn):
    """Reach the full angle in 0.3 s and no further; straight again 0.15 s after."""
    person = ManualPolicy(VEHICLE, control_dt=0.05)
    person.keys = (turn, 0.0)
    assert drive(person, 3)[0] == pytest.approx(0.5 * turn * VEHICLE.steer_max_deg)
    assert drive(person, 30)[0] == pytest.approx(turn * VEHICLE.steer_max_deg)
    person.keys = (0.0, 0.0)
    assert drive(person, 4)[0] == pytest.approx(0.0)


def test_throttle_brake_and_rolling():
    """Reach the top speed in 2 s, lose it in 3 s rolling, in 0.6 s braking, and never go backwards."""
    person = ManualPolicy(VEHICLE, control_dt=0.1)
    person.keys = (0.0, 1.0)
    assert drive(person, 10)[1] == pytest.approx(0.5 * VEHICLE.speed_max)
    assert drive(person, 20)[1] == pytest.approx(VEHICLE.speed_max)
    person.keys = (0.0, 0.0)
    assert drive(person, 15)[1] == pytest.approx(0.5 * VEHICLE.speed_max)
    person.keys = (0.0, -1.0)
    assert drive(person, 10)[1] == 0.0
    person.keys = (1.0, 1.0)
    drive(person, 3)
    person.reset()
    person.keys = (0.0, 0.0)
    assert drive(person, 1) == [0.0, 0.0]


def test_gamepad_steers_at_once():
    """Follow the stick directly, within the limits, and press the throttle by its share."""
    person = ManualPolicy(VEHICLE, control_dt=0.1)
    person.pad = (0.5, 0.5)
    steer, speed = drive(person, 1)
    assert steer == pytest.approx(0.5 * VEHICLE.steer_max_deg)
    assert speed == pytest.approx(0.025 * VEHICLE.speed_max)
    person.pad = (-7.0, 1.0)
    assert drive(person, 1)[0] == pytest.approx(-VEHICLE.steer_max_deg)
