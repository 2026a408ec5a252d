"""Builds batches of simulated cars and steps one car for each world: what all environments are made of.

`build_world` is the one place that makes a `World` of N x C cars from a configuration; environments, races and the live
view use it. `TimeTrial` joins such a world (C = 1) with its sensors and reward function; `vector.py` and `single.py`
translate it to Gymnasium. The module also holds the Gymnasium spaces and the decoder of their actions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pydantic import ValidationError

from racer.config.actions import ContinuousActions, DiscreteActions, parse_action_space
from racer.config.base import explain
from racer.config.disturbance import is_disturbed
from racer.config.env import EnvConfig, RaceType, VehicleConfig
from racer.config.read import read_disturbance, read_vehicle
from racer.config.train import DEFAULT_TRACK
from racer.contract import PICTURES
from racer.env.sensors.suite import Observation, SensorSuite, env_config_for, sensor_specs
from racer.errors import ConfigError
from racer.policy.protocol import Policy
from racer.reward.load import load_reward
from racer.reward.protocol import Reward
from racer.sim.dtypes import STEPS_MAX, EpisodeStatus
from racer.sim.randomize.distributions import Disturbances, action_delay_max, steer_delay_max
from racer.sim.world import StartOptions, World
from racer.track.load import load_tracks
from racer.track.track import Track

AnyActions = ContinuousActions | DiscreteActions
TrackChoice = str | Path | Track | Sequence[str | Path | Track]
RewardChoice = str | Path | Callable[[dict[str, Any]], float] | Reward

DEFAULT_RATE_HZ = 15.0
"""Control rate of policies that accept any [Hz]; DeepRacer's own."""


def observation_space(config: EnvConfig) -> spaces.Dict:
    """Return the Gymnasium space of the sensors of a configuration: a Dict of one Box for each.

    Units are SI and float32; `camera` and `stereo` are uint8; the sector lidars hold zeros and ones.
    """
    # Only ranges and bytes have natural limits; the rest are zeros and ones.
    limits = {"state": (-math.inf, math.inf), "lidar": (config.lidar.range_min, config.lidar.range_max)}
    limits |= dict.fromkeys(PICTURES, (0, 255))
    return spaces.Dict(
        {
            sensor.name: spaces.Box(*limits.get(sensor.name, (0.0, 1.0)), sensor.shape, np.dtype(sensor.dtype).type)
            for sensor in sensor_specs(config)
        }
    )


def action_space(actions: AnyActions) -> spaces.Box | spaces.Discrete:
    """Return the Gymnasium space of actions.

    Continuous: a Box of the steering angle [degrees], left positive, and the speed [m/s]. Discrete: the index into the
    list of actions.
    """
    if isinstance(actions, DiscreteActions):
        return spaces.Discrete(len(actions.table))
    return spaces.Box(np.array(actions.low, np.float32), np.array(actions.high, np.float32), dtype=np.float32)


class ActionDecoder:
    """Turns actions of the space into commands: steering angle [degrees] and speed [m/s], shape (N, 2), float64."""

    def __init__(self, actions: AnyActions, *, worlds: int) -> None:
        """Prepare for a batch of N `worlds`."""
        self._worlds = worlds
        self._table = np.array(actions.table) if isinstance(actions, DiscreteActions) else None
        self._low, self._high = np.array(actions.low), np.array(actions.high)

    def __call__(self, actions: NDArray[np.generic]) -> NDArray[np.float64]:
        """Return the commands of a batch of actions; continuous ones are clipped to the space.

        Raises:
            ValueError: The shape or type is wrong, an action is NaN or is not in the list.
        """
        # A diverged network must fail here with a reason: numba kernels would carry NaN on without one.
        given = np.asarray(actions)
        shape = (self._worlds,) if self._table is not None else (self._worlds, 2)
        if given.shape != shape:
            raise ValueError(f"actions have shape {given.shape}; this environment takes {shape}")
        if self._table is not None:
            if given.dtype.kind not in "iu":
                raise ValueError(f"discrete actions are whole numbers, not {given.dtype}")
            outside = (given < 0) | (given >= len(self._table))
            if outside.any():
                raise ValueError(f"actions are 0..{len(self._table) - 1}, not {given[outside][0]}")
            return self._table[given]
        if given.dtype.kind not in "fiu":
            raise ValueError(f"continuous actions are numbers, not {given.dtype}")
        values = given.astype(np.float64)
        if np.isnan(values).any():
            raise ValueError("an action is NaN: the policy's network has diverged, or its observation is broken")
        return np.clip(values, self._low, self._high)


def control_steps_in(time_s: float, control_dt: float) -> int:
    """Return the number of control steps of `control_dt` [s] until `time_s` is reached, at least 1."""
    # The factor absorbs the rounding error of the quotient: 0.3 s of 0.1 s steps are 3 steps, not 4.
    return max(1, math.ceil(time_s / control_dt * (1.0 - 1e-12)))


def shared_control_rate(policies: Iterable[tuple[str, Policy]]) -> float:
    """Return the control rate [Hz] of policies that drive together, each given with its label.

    Raises:
        ConfigError: Two of them were made for different rates.
    """
    # One label for each rate is enough for the message.
    rates = {policy.control_rate_hz: label for label, policy in policies if policy.control_rate_hz is not None}
    if len(rates) > 1:
        used = ", ".join(f"`{label}` {rate:g} Hz" for rate, label in sorted(rates.items()))
        raise ConfigError(f"the policies use different control rates: {used}; cars that drive together need one rate")
    return next(iter(rates), DEFAULT_RATE_HZ)


def policy_env_config(policy: Policy, rate_hz: float) -> EnvConfig:
    """Return the configuration that gives a policy its sensors at a control rate [Hz].

    Raises:
        BundleError: The simulator lacks a sensor of the policy.
    """
    return env_config_for(policy.sensors, policy.control_rate_hz).model_copy(update={"control_rate_hz": rate_hz})


def build_world(
    tracks: Sequence[Track],
    vehicle: VehicleConfig,
    config: EnvConfig,
    *,
    worlds: int = 1,
    cars: int = 1,
    steps_max: int | None = None,
    seed: int = 0,
    threads: int | None = 1,
) -> tuple[World, Disturbances | None]:
    """Build N worlds of C cars, with boxes, bots, starts and disturbances as the configuration has them.

    Args:
        tracks: Tracks that the worlds share.
        vehicle: Vehicle of all cars.
        config: Rates, starts, objects, disturbance and time limit; its sensors are built by `SensorSuite`.
        worlds: N.
        cars: C, the cars of each world.
        steps_max: Longest episode [control steps]; None takes it from the configuration.
        seed: Seed of all random streams.
        threads: Threads that share the worlds; None uses one for each core. Results do not depend on it.

    Returns:
        The world, and what differs from episode to episode; None where nothing does.

    Raises:
        RacerError: The configured disturbance cannot be found or used.
    """
    disturbance = read_disturbance(config.disturbance)
    control_dt, start = 1.0 / config.control_rate_hz, config.start
    if steps_max is None:
        # The count of an episode starts at 1 before its first step.
        steps_max = STEPS_MAX if config.time_limit_s is None else 1 + control_steps_in(config.time_limit_s, control_dt)
    world = World(
        tracks,
        vehicle,
        worlds,
        cars=cars,
        objects=config.objects,
        control_dt=control_dt,
        start=StartOptions(
            start.mode, start.advance, start.direction, start.lateral_share, math.radians(start.turned_deg)
        ),
        steps_max=steps_max,
        seed=seed,
        action_delay_max=action_delay_max(disturbance),
        steer_delay_max=steer_delay_max(disturbance),
        threads=threads,
    )
    return world, Disturbances(world, disturbance) if is_disturbed(disturbance) else None


class EpisodeListener(Protocol):
    """Receives every start and every step of a batch, before ended worlds are started again."""

    def started(self, telemetry: NDArray[np.void], which: NDArray[np.bool_] | None = None) -> None:
        """Receive the telemetry, shape (N,), after cars were placed in the worlds that `which` marks, or in all."""

    def stepped(self, telemetry: NDArray[np.void], status: NDArray[np.int32], rewards: NDArray[np.float64]) -> None:
        """Receive a control step, each array of shape (N,). Worlds that wait have `steps` 0."""


class TimeTrial:
    """N worlds with one car each, on its track with what the configuration puts beside it.

    Attributes:
        world: Simulator.
        disturbances: What differs from episode to episode; None where nothing does.
        waypoints: Rows of the centre line of each course, for reward functions.
        rewards: Rewards of the last step, shape (N,), float64.
        truncated: True where the time is up, shape (N,).
        terminated: True where an episode ended otherwise: by a completed lap or a fault, shape (N,).
        sensing: Sensors; their `observation` is rewritten by each step.
        listener: Receives every start and every step; None for no listener.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        vehicle: VehicleConfig,
        config: EnvConfig,
        *,
        worlds: int,
        reward: Reward | None = None,
        seed: int = 0,
        threads: int | None = 1,
    ) -> None:
        """Make the buffers; call `start` before the first step. Without a `reward` all rewards are 0.

        Raises:
            RacerError: The configured disturbance cannot be found or used.
        """
        self.config, self.reward = config, reward
        self.listener: EpisodeListener | None = None
        self.world, self.disturbances = build_world(tracks, vehicle, config, worlds=worlds, seed=seed, threads=threads)
        self.waypoints = self.world.waypoints()
        self.rewards = np.zeros(worlds)
        self.terminated = np.zeros(worlds, np.bool_)
        self.truncated = np.zeros(worlds, np.bool_)
        self.sensing = SensorSuite(self.world, config, self.disturbances)
        # The world takes commands of shape (N, C, 2).
        self._commands = np.zeros((worlds, 1, 2))

    @property
    def observation(self) -> Observation:
        """Buffers of shape (N, ...) for each sensor, rewritten by each step."""
        return self.sensing.observation

    def start(self, which: NDArray[np.bool_] | None = None) -> None:
        """Start new episodes in all worlds or in those that `which` marks, shape (N,), and observe them."""
        cars = self._draw(which)
        self.world.reset(cars)
        self._started(which)

    def place(self, poses: NDArray[np.float64], which: NDArray[np.bool_] | None = None) -> None:
        """Start episodes at given poses.

        Args:
            poses: Course, arc length [m], lateral offset [m] and heading error [rad], shape (N, 4).
            which: Worlds to start, shape (N,); None for all.
        """
        cars = self._draw(which)
        self.world.place(poses[:, None], cars)
        self._started(which)

    def _draw(self, which: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """Draw the disturbances of new episodes; return the mask of their cars, shape (N, 1)."""
        cars = None if which is None else which[:, None]
        if self.disturbances is not None:
            self.disturbances.draw(cars)
        return cars

    def _started(self, which: NDArray[np.bool_] | None) -> None:
        marked = slice(None) if which is None else which
        self.terminated[marked] = self.truncated[marked] = False
        # A partial start keeps the rewards: those of the worlds' last steps have not been read yet.
        if which is None:
            self.rewards[:] = 0.0
        if self.listener is not None:
            self.listener.started(self.world.telemetry[:, 0], which)
        self.sensing.start(which)

    def start_next_lap(self) -> None:
        """Start the next episode of all cars at the speed and place at which they completed a lap."""
        cars, everywhere = self.world.cars, (slice(None), slice(None))
        self.world.start_next_lap(everywhere)
        self.world.resume(everywhere)
        cars["steps"] = 1
        # Frames are numbered from an episode's start: a sensor with its own rate would wait for the last lap's count.
        self.sensing.start()

    def step(self, commands: NDArray[np.float64]) -> None:
        """Hold commands for one control step; then update status, rewards and observations.

        Worlds whose episode has ended stay as they are until they are started again. Their reward is 0 without a call
        of the reward function, and no sensor observes them, so that their random streams do not advance.

        Args:
            commands: Steering angle [degrees] and speed [m/s], shape (N, 2).
        """
        world, waiting = self.world, self.world.ended[:, 0]
        self._commands[:, 0] = commands
        world.step(self._commands)
        telemetry, status = world.telemetry, world.status[:, 0]
        # The reward protocol and the recorders skip rows with `steps` 0.
        telemetry["steps"][waiting] = 0.0
        # The statuses are ordered: all from LAP_COMPLETE on end an episode, and TIME_UP alone only truncates it.
        np.greater_equal(status, int(EpisodeStatus.LAP_COMPLETE), out=self.terminated)
        np.equal(status, int(EpisodeStatus.TIME_UP), out=self.truncated)
        self.terminated &= ~self.truncated
        if self.reward is not None:
            self.reward.compute(telemetry, world.other_objects, self.waypoints, self.rewards[:, None])
        if self.listener is not None:
            self.listener.stepped(telemetry[:, 0], status, self.rewards)
        self.sensing.observe(~waiting if waiting.any() else None)


def make_time_trial(
    *,
    worlds: int,
    track: TrackChoice = DEFAULT_TRACK,
    reward: RewardChoice | None = "default",
    vehicle: str | Path | VehicleConfig = "deepracer",
    config: EnvConfig | Mapping[str, Any] | None = None,
    race: RaceType | None = None,
    reward_path: Literal["auto", "python"] = "auto",
    failure_folder: str | Path | None = None,
    seed: int = 0,
    threads: int | None = 1,
) -> TimeTrial:
    """Build a `TimeTrial` from names, files or objects.

    Args:
        worlds: N.
        track: Name, path, `Track`, or a list of them; several share the worlds.
        reward: Callable, path, name, or an object with the protocol's `compute`; None for rewards of 0.
        vehicle: Name, path or configuration.
        config: An `EnvConfig`, or a mapping of its fields.
        race: Replaces the race of the configuration.
        reward_path: `auto` compiles the reward function where it can, which takes seconds the first time; `python`
            never does.
        failure_folder: Where the params of a failed call are written.
        seed: Seed of all random streams.
        threads: Threads that share the worlds; None for one on each core.

    Raises:
        RacerError: One of them cannot be found or used.
    """
    function: Reward | None
    if reward is None or hasattr(reward, "compute"):
        function = reward  # type: ignore[assignment]
    else:
        function = load_reward(reward, n_worlds=worlds, failure_folder=failure_folder, path=reward_path)
    return TimeTrial(
        resolve_tracks(track),
        resolve_vehicle_config(vehicle),
        resolve_env_config(config, race),
        worlds=worlds,
        reward=function,
        seed=seed,
        threads=threads,
    )


def resolve_tracks(track: TrackChoice) -> list[Track]:
    """Load the tracks of a choice; `Track` objects are taken as they are."""
    # One name may stand for several tracks, such as `generated:1..50`.
    choices = [track] if isinstance(track, (str, Path, Track)) else track
    tracks: list[Track] = []
    for choice in choices:
        tracks += [choice] if isinstance(choice, Track) else load_tracks([str(choice)])
    return tracks


def resolve_vehicle_config(vehicle: str | Path | VehicleConfig) -> VehicleConfig:
    """Read the vehicle of a name or path; a configuration is taken as it is."""
    return vehicle if isinstance(vehicle, VehicleConfig) else read_vehicle(vehicle)


def resolve_env_config(config: EnvConfig | Mapping[str, Any] | None, race: RaceType | None) -> EnvConfig:
    """Return the configuration of a choice, with another race where one is given.

    Raises:
        ConfigError: A field is unknown or out of range.
    """
    try:
        if not isinstance(config, EnvConfig):
            config = EnvConfig(**(config or {}))
        if race is None:
            return config
        # Made again rather than copied, so that the race is checked against the other fields of `objects`.
        return EnvConfig(**config.model_dump() | {"objects": config.objects.model_dump() | {"race": race}})
    except ValidationError as error:
        raise ConfigError(explain(error, EnvConfig, "environment")) from None


def resolve_action_space(actions: Any) -> AnyActions:
    """Return the action space of a model, of plain data as in model_metadata.json, or of None for the default."""
    if actions is None:
        return ContinuousActions()
    if isinstance(actions, (ContinuousActions, DiscreteActions)):
        return actions
    return parse_action_space(actions)
