"""Gymnasium spaces of the sensors and of the actions.

One car in each world as a batch, alone or among boxes and bots: worlds, sensors and rewards, stepped together.

This is what all environments are made of; `vector.py` and `single.py` only speak Gymnasium to it.

From what a user names (track, reward, vehicle, ...) to a `TimeTrial`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
from racer.env.sensors.suite import Observation, SensorSuite
from racer.errors import ConfigError
from racer.reward.load import load_reward
from racer.reward.protocol import Reward
from racer.sim.dtypes import STEPS_MAX, EpisodeStatus
from racer.sim.randomize.distributions import Disturbances, action_delay_max
from racer.sim.telemetry import state_field_names
from racer.sim.world import StartOptions, World
from racer.track.load import load_tracks
from racer.track.track import Track

AnyActions = ContinuousActions | DiscreteActions


def observation_space(config: EnvConfig) -> spaces.Dict:
    """A Dict with the chosen sensors.

    `state` (8 + 4 K,) and `lidar` (rays,) are float32 in SI units, the sector lidars float32 zeros and ones; `camera`
    and `stereo` (height, width, channels) are uint8.
    """
    parts: dict[str, spaces.Space] = {}
    if "state" in config.sensors:
        width = len(state_field_names(len(config.look_ahead)))
        parts["state"] = spaces.Box(-math.inf, math.inf, (width,), np.float32)
    if "lidar" in config.sensors:
        lidar = config.lidar
        parts["lidar"] = spaces.Box(lidar.range_min, lidar.range_max, (lidar.rays,), np.float32)
    for name, width in (
        ("sector_lidar", config.sector_lidar.sectors),
        ("discretized_sector_lidar", config.discretized_sector_lidar.sectors * config.discretized_sector_lidar.values),
    ):
        if name in config.sensors:
            parts[name] = spaces.Box(0.0, 1.0, (width,), np.float32)
    for name, lenses in (("camera", 1), ("stereo", 2)):
        if name in config.sensors:
            camera = config.camera
            shape = (camera.height, camera.width, lenses * camera.channels)
            parts[name] = spaces.Box(0, 255, shape, np.uint8)
    return spaces.Dict(parts)


def action_space(actions: AnyActions) -> spaces.Box | spaces.Discrete:
    """Continuous: Box of degrees (left positive) and m/s. Discrete: the place in the list of actions."""
    if isinstance(actions, DiscreteActions):
        return spaces.Discrete(len(actions.table))
    return spaces.Box(np.array(actions.low, np.float32), np.array(actions.high, np.float32), dtype=np.float32)


class ActionDecoder:
    """Turns actions of the space into commands, (N, 2) float64 degrees and m/s."""

    def __init__(self, actions: AnyActions, *, worlds: int) -> None:
        """`worlds` is N."""
        self._worlds = worlds
        self._table = np.array(actions.table) if isinstance(actions, DiscreteActions) else None
        self._low, self._high = np.array(actions.low), np.array(actions.high)

    def __call__(self, actions: NDArray[np.generic]) -> NDArray[np.float64]:
        """Commands of a batch of actions; continuous ones are clipped to the space.

        Raises:
            ValueError: of another shape or type, an action is NaN, or not in the list.
        """
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
    """Control steps until `time_s` is reached, at least 1; rounding errors of the quotient do not add one."""
    return max(1, math.ceil(time_s / control_dt * (1.0 - 1e-12)))


class EpisodeListener(Protocol):
    """Somebody who is told of all that happens in a batch, before ended worlds are started again."""

    def started(self, telemetry: NDArray[np.void], which: NDArray[np.bool_] | None = None) -> None:
        """Cars were placed in the worlds that `which` (N,) marks, or in all; telemetry is (N,)."""

    def stepped(self, telemetry: NDArray[np.void], status: NDArray[np.int32], rewards: NDArray[np.float64]) -> None:
        """A control step was driven; all are (N,). Worlds that wait have `steps` 0."""


class TimeTrial:
    """N cars, each on its track with what the configuration puts beside it, driving laps.

    Attributes:
        world: the simulator.
        disturbances: what differs from episode to episode; None for nothing.
        rewards: (N,) float64 of the last step.
        terminated: (N,) bool: lap complete, off track, crashed, immobilized, reversed.
        truncated: (N,) bool: time up.
        sensing: the sensors; its `observation` is rewritten by each step.
        recorder: told of every placing and every step; None for nobody.
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
        """Make the buffers; `start` before the first step. Without a `reward` all rewards are 0.

        Raises:
            RacerError: the configured disturbance cannot be found or used.
        """
        disturbance = read_disturbance(config.disturbance)
        self.config = config
        self.reward = reward
        self.recorder: EpisodeListener | None = None
        start = config.start
        limit = config.time_limit_s
        self.world = World(
            tracks,
            vehicle,
            worlds,
            objects=config.objects,
            control_dt=1.0 / config.control_rate_hz,
            start=StartOptions(
                start.mode,
                start.advance,
                start.direction,
                start.lateral_share,
                math.radians(start.turned_deg),
            ),
            # The count of an episode starts at 1 before its first step.
            steps_max=STEPS_MAX if limit is None else 1 + control_steps_in(limit, 1.0 / config.control_rate_hz),
            seed=seed,
            action_delay_max=action_delay_max(disturbance),
            threads=threads,
        )
        self.disturbances = Disturbances(self.world, disturbance) if is_disturbed(disturbance) else None
        self.waypoints = self.world.waypoints()
        self.rewards = np.zeros(worlds)
        self.terminated = np.zeros(worlds, np.bool_)
        self.truncated = np.zeros(worlds, np.bool_)
        self.sensing = SensorSuite(self.world, config, self.disturbances)
        self._commands = np.zeros((worlds, 1, 2))

    @property
    def observation(self) -> Observation:
        """Sensor -> (N, ...) buffers, rewritten by each step."""
        return self.sensing.observation

    def start(self, which: NDArray[np.bool_] | None = None) -> None:
        """Start new episodes in all worlds or in those that `which` (N,) marks, and observe them."""
        cars = None if which is None else which[:, None]
        self._draw(cars)
        self.world.reset(cars)
        self._started(which)

    def place(self, poses: NDArray[np.float64], which: NDArray[np.bool_] | None = None) -> None:
        """Start episodes at given poses, (N, 4) of course, arc length m, lateral offset m, heading error rad."""
        cars = None if which is None else which[:, None]
        self._draw(cars)
        self.world.place(poses[:, None], cars)
        self._started(which)

    def _draw(self, which: NDArray[np.bool_] | None) -> None:
        if self.disturbances is not None:
            self.disturbances.draw(which)

    def _started(self, which: NDArray[np.bool_] | None) -> None:
        if which is None:
            self.rewards[:], self.terminated[:], self.truncated[:] = 0.0, False, False
        else:
            self.terminated[which] = False
            self.truncated[which] = False
        if self.recorder is not None:
            self.recorder.started(self.world.telemetry[:, 0], which)
        self.sensing.start(which)

    def step(self, commands: NDArray[np.float64]) -> None:
        """Hold `commands` (N, 2), degrees and m/s, for one control step; then judge, reward and observe.

        Worlds whose episode has ended stay as they are until they are started again; their reward is 0 and the
        reward function is not asked. They are not observed either: their streams of random numbers stand still.
        """
        waiting = self.world.ended[:, 0]
        self._commands[:, 0] = commands
        self.world.step(self._commands)
        self.world.telemetry["steps"][waiting] = 0.0
        status = self.world.status[:, 0]
        np.greater_equal(status, int(EpisodeStatus.LAP_COMPLETE), out=self.terminated)
        np.equal(status, int(EpisodeStatus.TIME_UP), out=self.truncated)
        self.terminated &= ~self.truncated
        if self.reward is not None:
            world = self.world
            self.reward.compute(world.telemetry, world.told_things, self.waypoints, self.rewards[:, None])
        if self.recorder is not None:
            self.recorder.stepped(self.world.telemetry[:, 0], status, self.rewards)
        self.sensing.observe(~waiting if waiting.any() else None)


TrackChoice = str | Path | Track | Sequence[str | Path | Track]
RewardChoice = str | Path | Callable[[dict[str, Any]], float] | Reward


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
    """Build a batch of time trials, or of another race with one car in each world.

    Args:
        track: a name, a path, a `Track`, or a list of them; several share the worlds.
        reward: a callable, a path, a name, or anything with the seam's `compute`; None for rewards of 0.
        config: an `EnvConfig`, or a mapping of its fields.
        race: in place of the configuration's own.
        reward_path: `auto` compiles the reward function where it can, which takes seconds the first time; `python`
            never does.

    Raises:
        RacerError: one of them cannot be found or used.
    """
    chosen = [track] if isinstance(track, (str, Path, Track)) else list(track)
    tracks: list[Track] = []
    for one in chosen:
        tracks.extend([one] if isinstance(one, Track) else load_tracks([str(one)]))
    if config is None or not isinstance(config, EnvConfig):
        config = make_env_config(config or {})
    if race is not None:
        config = make_env_config(config.model_dump() | {"objects": config.objects.model_dump() | {"race": race}})
    function: Reward | None
    if reward is None or hasattr(reward, "compute"):
        function = reward  # type: ignore[assignment]
    else:
        function = load_reward(reward, n_worlds=worlds, failure_folder=failure_folder, path=reward_path)
    return TimeTrial(
        tracks,
        vehicle if isinstance(vehicle, VehicleConfig) else read_vehicle(vehicle),
        config,
        worlds=worlds,
        reward=function,
        seed=seed,
        threads=threads,
    )


def make_env_config(fields: Mapping[str, Any]) -> EnvConfig:
    """An `EnvConfig` from plain fields, or a one-line ConfigError."""
    try:
        return EnvConfig(**fields)
    except ValidationError as error:
        raise ConfigError(explain(error, EnvConfig, "environment")) from None


def resolve_action_space(actions: Any) -> ContinuousActions | DiscreteActions:
    """An action space from a model, plain data as in model_metadata.json, or None for the default."""
    if actions is None:
        return ContinuousActions()
    if isinstance(actions, (ContinuousActions, DiscreteActions)):
        return actions
    return parse_action_space(actions)
