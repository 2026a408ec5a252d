"""Entrants and rules, races on a ring, and scripts for `policies.Scripted`."""

import math

import numpy as np

from racer.config.read import read_vehicle, validate
from racer.config.rules import Rules
from racer.race.entrants import Entrant
from racer.race.session import RaceSession, run_session
from support.policies import at_speed
from support.tracks import ring

LENGTH = 2.0 * math.pi * 1.5
VEHICLE = read_vehicle("deepracer")
DT = 1.0 / 15.0


def entrant(label, policy=None, speed=1.0):
    """An entrant who keeps to the centre line, unless a policy is given."""
    return Entrant(label=label, policy=at_speed(speed) if policy is None else policy)


def rules(**fields):
    """Rules without a countdown, one lap."""
    return validate(Rules, {"laps": 1, "countdown_s": 0.0} | fields, "test")


def run(entrants, given=None, *, track=None, seed=0, watch=None, **options):
    """A race on the ring."""
    track = ring() if track is None else track
    return run_session(RaceSession(entrants, track, given or rules(), VEHICLE, seed=seed, **options), watch=watch)[0]


def swerve(at=20, steps=12):
    """A script that leaves the ring to the right at 1 m/s."""
    return {k: np.array([-30.0, 1.5]) for k in range(at, at + steps)}


def stop(at=20, steps=25):
    """A script that stands still."""
    return {k: np.array([0.0, 0.0]) for k in range(at, at + steps)}
