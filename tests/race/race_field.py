"""A road, policies of known behaviour, and races between them."""

import math

import numpy as np
from test_evaluate import ring, straight

from racer.config.read import read_vehicle, validate
from racer.config.rules import Rules
from racer.contract import state_sensor
from racer.policy.pure_pursuit import PurePursuitPolicy, PurePursuitSettings
from racer.race.entrants import Entrant
from racer.race.session import race

LENGTH = 2.0 * math.pi * 1.5
VEHICLE = read_vehicle("deepracer")
DT = 1.0 / 15.0
__all__ = ["DT", "LENGTH", "VEHICLE", "Scripted", "at_speed", "entrant", "ring", "rules", "run", "straight"]


def at_speed(speed):
    """A pure pursuit that keeps one speed."""
    return PurePursuitPolicy(settings=PurePursuitSettings(speed_min=speed, speed_max=speed))


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


def entrant(label, policy=None, speed=1.0):
    """An entrant who keeps to the centre line, unless a policy is given."""
    return Entrant(label=label, policy=at_speed(speed) if policy is None else policy)


def rules(**fields):
    """Rules without a countdown, one lap."""
    return validate(Rules, {"laps": 1, "countdown_s": 0.0} | fields, "test")


def run(entrants, given=None, *, track=None, seed=0, **options):
    """A race on the ring."""
    track = ring() if track is None else track
    return race(entrants, track, given or rules(), seed=seed, vehicle=VEHICLE, **options)


def swerve(at=20, steps=12):
    """A script that leaves the ring to the right at 1 m/s."""
    return {k: np.array([-30.0, 1.5]) for k in range(at, at + steps)}


def stop(at=20, steps=25):
    """A script that stands still."""
    return {k: np.array([0.0, 0.0]) for k in range(at, at + steps)}
