"""Sampled states of tracks, like those that cars in training meet: reward functions are checked on them.

Everything is driven in the simulator, so that a function that keeps state gets real sequences. Car n of a sample is
one car: its rows follow each other in time, episode after episode, and an episode begins with `steps` = 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from racer.config.env import VehicleConfig
from racer.config.read import read_vehicle
from racer.policy.pure_pursuit import PurePursuitPolicy
from racer.reward.rows import SCENARIOS, Records, Sample, Scenario
from racer.sim.reset import OPEN_START
from racer.sim.world import World
from racer.track.track import Track

_RATE_HZ = 15.0
_STEERING_MAX, _SPEED_MIN, _SPEED_MAX = 30.0, 0.5, 4.0  # degrees, m/s: the widest actions of the default policy
_OBJECTS = 4
_PLACED_STEPS = 4
"""Control steps that a car drives from a random pose."""


@dataclass(frozen=True, kw_only=True)
class _DrivingStyle:
    """How a car is driven: pure pursuit, weakened or sped up, plus a bias and correlated noise, within limits."""

    skill: float = 1.0
    """Fraction of pure pursuit's steering that is used."""
    pace: float = 1.0
    """Factor on pure pursuit's speed."""
    bias: float = 0.0
    """Constant steering [degrees]."""
    noise: float = 0.0
    """Standard deviation of the steering noise, as a fraction of the range; the speed noise is in proportion."""
    memory: float = 0.8
    """Fraction of the noise that is left after a step."""
    speeds: tuple[float, float] = (_SPEED_MIN, _SPEED_MAX)
    grid: float = 0.0
    """Steering is rounded to multiples of this [degrees], and speed to 0.5 m/s, as in a list of discrete actions."""


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
"""From a driver that finishes laps to a policy that has learned nothing yet."""
_SLOW = (_DrivingStyle(speeds=(0.5, 0.6), noise=0.1), _DrivingStyle(speeds=(0.9, 1.1), noise=0.05))
"""For laps of many steps."""


def sample_track(
    track: Track,
    *,
    scenarios: Sequence[Scenario] = SCENARIOS,
    vehicle: VehicleConfig | None = None,
    seed: int = 0,
    laps: float = 1.3,
) -> Iterator[Sample]:
    """Sample the states of one track; the same arguments give the same states.

    A time trial gives three samples: drivers of all kinds, slow laps, and cars placed anywhere: beside the line, near
    the borders, off the road, turned round. A time trial backwards, one with boxes and one with bots give one each.

    Args:
        track: the track to drive on.
        scenarios: the scenarios to sample.
        vehicle: the vehicle of all cars; None takes the default one.
        seed: seed of the random numbers.
        laps: length of the samples, in laps of an average driver.
    """
    vehicle = vehicle or read_vehicle("deepracer")
    # Control steps of an average driver at 1.5 m/s, and of a slow one at 0.5 m/s.
    steps, slow_steps = (
        round(np.clip(laps * track.length / speed * _RATE_HZ, 60, limit)) for speed, limit in ((1.5, 900), (0.5, 1800))
    )
    for scenario in scenarios:
        # A scenario has the same states whichever other scenarios are sampled.
        rng = np.random.default_rng([seed, [*SCENARIOS, "bots"].index(scenario)])
        sampler = partial(_StateSampler, track, vehicle, scenario, rng)
        if scenario == "time_trial":
            yield sampler().sample_laps(_DRIVING_STYLES, steps)
            yield sampler().sample_laps(_SLOW, slow_steps)
            yield sampler().sample_anywhere(rounds=6, cars=60)
        elif scenario == "backward":
            yield sampler().sample_laps(_DRIVING_STYLES[:6], steps)
        else:
            yield sampler().sample_laps(_DRIVING_STYLES[:10] * 2, steps // 2 + 30)


class _StateSampler:
    """Drives one batch of cars and records the telemetry that reward functions would get."""

    def __init__(self, track: Track, vehicle: VehicleConfig, scenario: Scenario, rng: np.random.Generator) -> None:
        self._track, self._vehicle, self._scenario, self._rng = track, vehicle, scenario, rng
        self._rows: list[Records] = []
        self._objects: list[Records] = []

    def sample_laps(self, drivers: Sequence[_DrivingStyle], steps: int) -> Sample:
        """Drive for `steps` control steps; an episode that ends is followed by the next."""
        world = self._make_world(len(drivers))
        self._place_objects(world)
        world.place(self._start_poses(world, first=True))
        noise = np.zeros((len(drivers), 2))
        pursue = _pursuit_controller(world)
        for _ in range(steps):
            self._step(world, self._actions(drivers, pursue(), noise))
            ended = world.ended
            if ended.any():
                world.place(self._start_poses(world), ended)
        return self._sample(world)

    def sample_anywhere(self, *, rounds: int, cars: int) -> Sample:
        """Place cars anywhere and drive them a few steps, several times."""
        world = self._make_world(cars)
        for _ in range(rounds):
            world.place(self._random_poses(world))
            for _ in range(_PLACED_STEPS):
                actions = self._rng.uniform((-_STEERING_MAX, _SPEED_MIN), (_STEERING_MAX, _SPEED_MAX), (cars, 2))
                actions[::7, 0] = 0.0
                self._step(world, actions)
        return self._sample(world)

    def _make_world(self, cars: int) -> World:
        objects = _OBJECTS if self._scenario in ("objects", "bots") else 0
        return World([self._track], self._vehicle, cars, objects=objects, control_dt=1.0 / _RATE_HZ)

    def _step(self, world: World, actions: NDArray[np.float64]) -> None:
        # A car that has ended waits for its new pose; the step before gave the last reward of its episode.
        waiting = world.ended.copy()
        world.step(actions[:, None])
        rows = world.telemetry.copy()
        rows["steps"][waiting] = 0.0  # as in a training: the end of an episode is rewarded once
        self._rows.append(rows)
        self._objects.append(world.object_telemetry.copy())

    def _sample(self, world: World) -> Sample:
        return Sample(
            track=self._track.name,
            where=self._scenario,
            telemetry=np.stack(self._rows),
            objects=np.stack(self._objects) if self._scenario in ("objects", "bots") else None,
            waypoints=world.waypoints(),
            closed=bool(self._track.closed),
        )

    def _start_poses(self, world: World, *, first: bool = False) -> NDArray[np.float64]:
        """Draw poses near the line, a little turned; the first two cars of a drive start at the start line.

        A pose is (direction, arc length [m], lateral offset [m], heading error [rad]); the shape is (N, 1, 4).
        """
        count, length = len(world.cars), self._track.length
        poses = np.zeros((count, 1, 4))
        poses[..., 0] = 1.0 if self._scenario == "backward" else 0.0
        poses[:, 0, 1] = self._rng.uniform(0.0, length, count)
        if first:
            poses[:2, 0, 1] = 0.0
        # Laps of an open track go from one end to the other.
        if not self._track.closed:
            poses[..., 1] = OPEN_START
        poses[:, 0, 2] = 0.25 * 0.5 * self._track.widths.min() * self._rng.uniform(-1.0, 1.0, count)
        poses[:, 0, 3] = math.radians(10.0) * self._rng.uniform(-1.0, 1.0, count)
        return poses

    def _random_poses(self, world: World) -> NDArray[np.float64]:
        """Draw poses up to 0.25 m off the road in any direction; some of them are exactly on the line or on a row."""
        count, track = len(world.cars), self._track
        half_width = 0.5 * float(track.widths.max())
        poses = np.zeros((count, 1, 4))
        s = self._rng.uniform(0.0, 1.0, count)
        rows = np.concatenate([[0.0], np.cumsum(track.segment_lengths)])[: len(track.center)]
        # Progress on an open track is relative to the distance that is left, which must not be 0.
        s = s * track.length if track.closed else OPEN_START + 0.7 * s * track.length
        s[::5] = self._rng.choice(rows[rows < (1.0 if track.closed else 0.7) * track.length], len(s[::5]))
        poses[:, 0, 1] = s
        poses[:, 0, 2] = (half_width + 0.25) * self._rng.uniform(-1.0, 1.0, count)
        poses[::6, 0, 2] = 0.0
        poses[:, 0, 3] = self._rng.uniform(-math.pi, math.pi, count)
        poses[::3, 0, 3] *= 0.1
        poses[::11, 0, 3] = math.pi
        poses[::12, 0, 3] = 0.0
        return poses

    def _place_objects(self, world: World) -> None:
        """Place one to four objects for each car, on both sides; the driver ignores them.

        Every sixth box moves, and each bot does, at 0.5 to 1.5 m/s.
        """
        if self._scenario not in ("objects", "bots"):
            return
        for n in range(len(world.cars)):
            count = 1 + n % _OBJECTS
            for slot in range(count):
                fraction = (slot + self._rng.uniform(0.2, 0.8)) / count
                lateral = 0.25 * float(self._track.widths.min()) * self._rng.uniform(-1.0, 1.0)
                world.put_object(n, slot, s=fraction * self._track.length, lateral=lateral)
                if self._scenario == "bots":
                    world.objects["speed"][n, slot] = self._rng.uniform(0.5, 1.5)
                elif (n + slot) % 6 == 5:
                    world.objects["speed"][n, slot] = 0.5

    def _actions(
        self, drivers: Sequence[_DrivingStyle], pursuit: NDArray[np.float64], noise: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Apply the driving styles to the actions of pure pursuit; `noise` is updated from step to step.

        Actions and noise are (steering [degrees], speed [m/s]), shape (N, 2).
        """
        white = self._rng.normal(size=noise.shape) * (_STEERING_MAX, 1.5)
        actions = pursuit.copy()
        for n, driver in enumerate(drivers):
            # First-order autoregression; the factor keeps the variance of the noise at driver.noise^2.
            noise[n] = driver.memory * noise[n] + math.sqrt(1.0 - driver.memory**2) * driver.noise * white[n]
            steering = driver.skill * pursuit[n, 0] + driver.bias + noise[n, 0]
            speed = driver.pace * pursuit[n, 1] + noise[n, 1]
            if driver.grid:
                steering, speed = driver.grid * round(steering / driver.grid), 0.5 * round(speed / 0.5)
            actions[n, 0] = min(max(steering, -_STEERING_MAX), _STEERING_MAX)
            actions[n, 1] = min(max(speed, driver.speeds[0]), driver.speeds[1])
        return actions


def _pursuit_controller(world: World) -> Callable[[], NDArray[np.float64]]:
    """Return pure pursuit for every car of a world: its actions (steering [degrees], speed [m/s]), shape (N, 2)."""
    policy = PurePursuitPolicy()
    distances = np.array(policy.sensors[0].settings["look_ahead_m"], np.float64)
    observed = np.zeros((len(world.cars), 1, policy.sensors[0].size), np.float32)

    def actions() -> NDArray[np.float64]:
        world.observe_state(distances, observed)
        return np.asarray(policy.act({"state": observed[:, 0]}), np.float64)

    return actions
