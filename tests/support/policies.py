"""Policies of known behaviour."""

import numpy as np

from racer.contract import state_sensor
from racer.policy.pure_pursuit import PurePursuitPolicy, PurePursuitSettings


def at_speed(speed):
    """A pure pursuit that keeps one speed, in a car that turns as it is commanded to."""
    return PurePursuitPolicy(
        settings=PurePursuitSettings(speed_min=speed, speed_max=speed, delay_s=0.15, steering_gain=1.0)
    )


class Steady:
    """Holds one command and counts how often it is asked; asks for any sensors."""

    name = "steady"

    def __init__(self, steering, speed, sensors=None, rate=None):
        self.command = (steering, speed)
        self.sensors = sensors or (state_sensor(),)
        self.control_rate_hz = rate
        self.asked, self.resets = 0, 0
        self.first = None

    def act(self, observation):
        """The same for all."""
        if self.asked == 0:
            self.first = {key: values.copy() for key, values in observation.items()}
        self.asked += 1
        return np.tile(np.float32(self.command), (len(next(iter(observation.values()))), 1))

    def reset(self, mask=None):
        """Count."""
        self.resets += 1
        assert mask is None and self.asked == 0


class Scripted:
    """Drives like another policy, but for some of the times that it is asked.

    `script` maps the number of a call, from 0, to the action for all cars; or to an error to raise.
    """

    name = "scripted"
    control_rate_hz = None

    def __init__(self, script, speed=1.0, sensors=None):
        self._script, self._below, self.calls = script, at_speed(speed), 0
        self.sensors = sensors or (state_sensor(),)
        self.resets = []

    def act(self, observation):
        """As the script has it."""
        told = self._script.get(self.calls)
        self.calls += 1
        if isinstance(told, Exception):
            raise told
        actions = self._below.act(observation)
        if told is not None:
            actions[:] = told
        return actions

    def reset(self, mask=None):
        """Remember it."""
        self.resets.append(None if mask is None else mask.copy())
