"""Sampled states of tracks, as cars in training meet them: what reward functions are checked on.

Everything is driven in the simulator, so that a function that remembers sees real sequences. Car n of a sample is
one car: its rows follow each other in time, episode after episode, and an episode begins with `steps` = 2.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.config.env import VehicleConfig
from racer.config.read import read_vehicle
from racer.policy.pure_pursuit import PurePursuitPolicy
from racer.reward.rows import SCENARIOS, Sample, Scenario
from racer.sim.reset import OPEN_START
from racer.sim.world import World
from racer.track.track import Track

_RATE_HZ = 15.0
_STEERING_MAX, _SPEED_MIN, _SPEED_MAX = 30.0, 0.5, 4.0  # degrees, m/s: the widest actions of the default policy
_OBJECTS = 4
_PLACED_STEPS = 4
"""Control steps that a car drives on from where it was put."""


@dataclass(frozen=True, kw_only=True)
class _DrivingStyle:
    """How a car is driven: pure pursuit, times its shares, plus noise with a memory, within limits."""

    skill: float = 1.0
    """Share of pure pursuit's steering that is followed."""
    pace: float = 1.0
    """Factor on pure pursuit's speed."""
    bias: float = 0.0
    """Degrees."""
    noise: float = 0.0
    """Standard deviation of the steering, share of its range; that of the speed is in proportion."""
    memory: float = 0.8
    """Share of the noise that is left after a step."""
    speeds: tuple[float, float] = (_SPEED_MIN, _SPEED_MAX)
    grid: float = 0.0
    """Steering is rounded to multiples of this many degrees, and speed to 0.5 m/s, as a list of actions has it."""


_DRIVING_STYLES = (
    _DrivingStyle(),
    _DrivingStyle(noise=0.15),
    _DrivingStyle(noise=0.45),
    _DrivingStyle(pace=1.5, noise=0.1),
    _DrivingStyle(skill=0.0, noise=0.6, memory=0.0),
    _DrivingStyle(grid=15.0, noise=0.1),
    _DrivingStyle(skill=0.0, noise=0.3, memory=0.95),
    _DrivingStyle(bias=7.0, noise=0.05),
    _DrivingStyle(bias=-7.0, noise=0.05),
    _DrivingStyle(skill=0.0, bias=26.0, noise=0.1),
    _DrivingStyle(skill=0.7, pace=0.8, noise=0.2),
    _DrivingStyle(skill=0.0, grid=15.0, noise=0.6, memory=0.0),
)
"""From a driver who finishes laps to a policy that has learned nothing yet."""
_SLOW = (_DrivingStyle(speeds=(0.5, 0.6), noise=0.1), _DrivingStyle(speeds=(0.9, 1.1), noise=0.05))
"""For laps of many steps."""


def sample_track(
    track: Track,
    *,
    wheres: Sequence[Scenario] = SCENARIOS,
    vehicle: VehicleConfig | None = None,
    seed: int = 0,
    laps: float = 1.3,
) -> Iterator[Sample]:
    """Sample the states of one track; the same arguments give the same states.

    A time trial gives three samples: drivers of all kinds, slow laps, and cars put anywhere: beside the line, near
    the borders, off the road, turned round. A time trial backwards and one with objects give one each.

    Args:
        laps: how long the samples are, in laps of a fair driver.
    """
    vehicle = vehicle or read_vehicle("deepracer")
    fair = round(np.clip(laps * track.length / 1.5 * _RATE_HZ, 60, 900))
    for where in wheres:
        rng = np.random.default_rng([seed, SCENARIOS.index(where)])
        drive = _StateSampler(track, vehicle, where, rng)
        if where == "time_trial":
            yield drive.laps(_DRIVING_STYLES, fair)
            slow = round(np.clip(laps * track.length / 0.5 * _RATE_HZ, 60, 1800))
            yield _StateSampler(track, vehicle, where, rng).laps(_SLOW, slow)
            yield _StateSampler(track, vehicle, where, rng).anywhere(rounds=6, cars=60)
        elif where == "backward":
            yield drive.laps(_DRIVING_STYLES[:6], fair)
        else:
            yield drive.laps(_DRIVING_STYLES[:10] * 2, fair // 2 + 30)


class _StateSampler:
    """Drives one batch of cars and keeps what reward functions would be told."""

    def __init__(self, track: Track, vehicle: VehicleConfig, where: Scenario, rng: np.random.Generator) -> None:
        self._track, self._vehicle, self._where, self._rng = track, vehicle, where, rng
        self._rows: list[NDArray[np.void]] = []
        self._things: list[NDArray[np.void]] = []

    def laps(self, drivers: Sequence[_DrivingStyle], steps: int) -> Sample:
        """Drive for `steps` control steps; an episode that ends is followed by the next."""
        world = self._world(len(drivers))
        self._put_objects(world)
        world.place(self._starts(world, first=True))
        noise = np.zeros((len(drivers), 2))
        policy = _PursuitController(world)
        for _ in range(steps):
            self._step(world, self._commands(drivers, policy.look(), noise))
            ended = world.ended
            if ended.any():
                world.place(self._starts(world), ended)
        return self._sample(world)

    def anywhere(self, *, rounds: int, cars: int) -> Sample:
        """Put cars anywhere and let them drive a few steps, several times over."""
        world = self._world(cars)
        for _ in range(rounds):
            world.place(self._poses(world))
            for _ in range(_PLACED_STEPS):
                commands = self._rng.uniform((-_STEERING_MAX, _SPEED_MIN), (_STEERING_MAX, _SPEED_MAX), (cars, 2))
                commands[::7, 0] = 0.0
                self._step(world, commands)
        return self._sample(world)

    def _world(self, cars: int) -> World:
        objects = _OBJECTS if self._where == "objects" else 0
        return World([self._track], self._vehicle, cars, objects=objects, control_dt=1.0 / _RATE_HZ)

    def _step(self, world: World, commands: NDArray[np.float64]) -> None:
        waiting = world.ended.copy()
        world.step(commands[:, None])
        rows = world.telemetry.copy()
        rows["steps"][waiting] = 0.0  # as in the time trial: an ended episode is asked for once
        self._rows.append(rows)
        self._things.append(world.things.copy())

    def _sample(self, world: World) -> Sample:
        return Sample(
            track=self._track.name,
            where=self._where,
            telemetry=np.stack(self._rows),
            objects=np.stack(self._things) if self._where == "objects" else None,
            waypoints=world.waypoints(),
        )

    def _starts(self, world: World, *, first: bool = False) -> NDArray[np.float64]:
        """Poses on the line, a little beside it and a little turned; the first car starts at the start line."""
        count, length = len(world.cars), self._track.length
        poses = np.zeros((count, 1, 4))
        poses[..., 0] = 1.0 if self._where == "backward" else 0.0
        poses[:, 0, 1] = self._rng.uniform(0.0, length, count)
        if first:
            poses[:2, 0, 1] = 0.0
        if not self._track.closed:
            poses[..., 1] = OPEN_START
        poses[:, 0, 2] = 0.25 * 0.5 * self._track.widths.min() * self._rng.uniform(-1.0, 1.0, count)
        poses[:, 0, 3] = math.radians(10.0) * self._rng.uniform(-1.0, 1.0, count)
        return poses

    def _poses(self, world: World) -> NDArray[np.float64]:
        """Poses anywhere up to 0.25 m off the road, in any direction; some of them exact on the line or the row."""
        count, track = len(world.cars), self._track
        half = 0.5 * float(track.widths.max())
        poses = np.zeros((count, 1, 4))
        s = self._rng.uniform(0.0, 1.0, count)
        rows = np.concatenate([[0.0], np.cumsum(track.segment_lengths)])[: len(track.center)]
        # Progress on an open track is a share of the way that is left: some has to be.
        s = s * track.length if track.closed else OPEN_START + 0.7 * s * track.length
        s[::5] = self._rng.choice(rows[rows < (1.0 if track.closed else 0.7) * track.length], len(s[::5]))
        poses[:, 0, 1] = s
        poses[:, 0, 2] = (half + 0.25) * self._rng.uniform(-1.0, 1.0, count)
        poses[::6, 0, 2] = 0.0
        poses[:, 0, 3] = self._rng.uniform(-math.pi, math.pi, count)
        poses[::3, 0, 3] *= 0.1
        poses[::11, 0, 3] = math.pi
        poses[::12, 0, 3] = 0.0
        return poses

    def _put_objects(self, world: World) -> None:
        """One to four boxes for each car, on both sides; the driver does not see them. Every sixth one moves."""
        if self._where != "objects":
            return
        for n in range(len(world.cars)):
            count = 1 + n % _OBJECTS
            for slot in range(count):
                share = (slot + self._rng.uniform(0.2, 0.8)) / count
                aside = 0.25 * float(self._track.widths.min()) * self._rng.uniform(-1.0, 1.0)
                world.put_object(n, slot, s=share * self._track.length, lateral=aside)
                if (n + slot) % 6 == 5:
                    world.objects["speed"][n, slot] = 0.5

    def _commands(
        self, drivers: Sequence[_DrivingStyle], wanted: NDArray[np.float64], noise: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(N, 2) degrees and m/s; `noise` goes on from step to step."""
        fresh = self._rng.normal(size=noise.shape) * (_STEERING_MAX, 1.5)
        commands = wanted.copy()
        for n, driver in enumerate(drivers):
            noise[n] = driver.memory * noise[n] + math.sqrt(1.0 - driver.memory**2) * driver.noise * fresh[n]
            steering = driver.skill * wanted[n, 0] + driver.bias + noise[n, 0]
            speed = driver.pace * wanted[n, 1] + noise[n, 1]
            if driver.grid:
                steering, speed = driver.grid * round(steering / driver.grid), 0.5 * round(speed / 0.5)
            commands[n, 0] = min(max(steering, -_STEERING_MAX), _STEERING_MAX)
            commands[n, 1] = min(max(speed, driver.speeds[0]), driver.speeds[1])
        return commands


class _PursuitController:
    """Pure pursuit at the wheel of every car of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._policy = PurePursuitPolicy()
        self._distances = np.array(self._policy.sensors[0].settings["look_ahead_m"], np.float64)
        self._seen = np.zeros((len(world.cars), 1, self._policy.sensors[0].size), np.float32)

    def look(self) -> NDArray[np.float64]:
        """(N, 2) degrees and m/s that pure pursuit would command now."""
        self._world.observe_state(self._distances, self._seen)
        return np.asarray(self._policy.act({"state": self._seen[:, 0]}), np.float64)
