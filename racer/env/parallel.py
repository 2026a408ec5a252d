"""A car of a world of several that does not learn: a policy drives it, by sensors of its own.

Several learning cars in one world, for PettingZoo: against each other, frozen policies, boxes and bots.

Needs the extra `multi`. There is no second physics: the cars are the slots of one `World`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import gymnasium
import numpy as np
from numpy.typing import NDArray

from racer.config.disturbance import is_disturbed
from racer.config.env import EnvConfig, RaceType, VehicleConfig
from racer.config.read import read_disturbance, read_vehicle
from racer.config.train import DEFAULT_TRACK
from racer.env.batch import (
    ActionDecoder,
    TrackChoice,
    action_space,
    control_steps_in,
    make_env_config,
    observation_space,
    resolve_action_space,
)
from racer.env.sensors.suite import Observation, SensorSuite, env_config_for
from racer.errors import ConfigError, MissingExtra
from racer.policy.load import load_policy
from racer.policy.protocol import Policy
from racer.reward.load import load_reward
from racer.reward.protocol import Reward
from racer.sim.contact import BEHIND
from racer.sim.dtypes import STEPS_MAX, EpisodeStatus
from racer.sim.randomize.distributions import Disturbances, action_delay_max
from racer.sim.world import StartOptions, World
from racer.track.load import load_tracks
from racer.track.track import Track

if TYPE_CHECKING:
    from racer.render.topdown import WorldRenderer


class FrozenCar:
    """A policy with its sensors, in whichever slot of the first world it drives."""

    def __init__(
        self, policy: Policy, world: World, config: EnvConfig, disturbances: Disturbances | None = None
    ) -> None:
        """Give it the sensors that it wants.

        Raises:
            ConfigError: it wants to be asked at another rate than the environment's.
            BundleError: it needs a sensor that the simulator cannot give.
        """
        rate = policy.control_rate_hz
        if rate is not None and rate != config.control_rate_hz:
            raise ConfigError(
                f"frozen policy {policy.name} drives at {rate:g} Hz, the environment at {config.control_rate_hz:g} Hz; "
                f"set control_rate_hz: {rate:g}"
            )
        self._policy = policy
        self._sensing = SensorSuite(
            world, env_config_for(policy.sensors, config.control_rate_hz), disturbances, cars="all"
        )
        self._mine = np.zeros(world.cars.shape, np.bool_)
        self.slot = 0

    def start(self, slot: int) -> None:
        """A new episode has begun, in which it drives the car in `slot`."""
        self.slot = slot
        self._mine[:] = False
        self._mine[0, slot] = True
        self._policy.reset()
        self._sensing.start(self._mine)

    def observe(self) -> None:
        """Look, after a control step of its car."""
        self._sensing.observe(self._mine)

    def act(self) -> NDArray[np.float64]:
        """(2,) degrees and m/s, from what it saw last."""
        slot = self.slot
        seen = {sensor: values[0, slot : slot + 1] for sensor, values in self._sensing.observation.items()}
        return np.asarray(self._policy.act(seen), np.float64)[0]


try:
    from pettingzoo import ParallelEnv
except ImportError:
    raise MissingExtra("Several learning cars (package `pettingzoo`)", "multi") from None


CARS_MAX = 8
"""Cars of one world, learning and frozen ones together."""
_STATUS_WORDS = {int(status): status.word for status in EpisodeStatus}


class RacerParallelEnv(ParallelEnv):
    """One world with several learning cars, the agents `car_0`, `car_1`, ...

    ### Description
    All cars start on a grid, 0.75 m of arc apart, and drive a lap of the same track. Each agent has its own sensors,
    reward and end of episode; spaces, sensors and units are those of `RacerVectorEnv`. Rewards see the other cars as
    objects, in `objects_location` and its like.

    ### Contacts
    Where two cars touch, the one behind has crashed; level with each other, both have. The other drives on.

    ### Episode End
    As in `RacerVectorEnv`, for each agent by itself. Its car then leaves the road, and it leaves `agents`. Frozen cars
    leave the road likewise; the episode ends with the last agent.

    ### Arguments
    | argument | default | meaning |
    |---|---|---|
    | `cars` | 2 | agents |
    | `frozen` | none | further cars: bundles, run folders, `pure_pursuit`, `random`, or a `Policy` each |
    | `grid` | `turns` | who starts where: `turns` moves everybody one place back in each episode, the last to the front; `kept` never does, agents then start before frozen cars |
    | others | | as in `RacerVectorEnv`; `reward_path` is `python` unless told otherwise |

    ### Version History
    * v0: first version.
    """  # noqa: E501

    metadata = {"name": "racer_parallel_v0", "render_modes": ["rgb_array"], "is_parallelizable": True}  # noqa: RUF012

    def __init__(
        self,
        cars: int = 2,
        *,
        frozen: Sequence[str | Policy] = (),
        grid: Literal["turns", "kept"] = "turns",
        track: TrackChoice = DEFAULT_TRACK,
        reward: Any = "default",
        vehicle: Any = "deepracer",
        actions: Any = None,
        config: EnvConfig | Mapping[str, Any] | None = None,
        race: RaceType | None = None,
        reward_path: Literal["auto", "python"] = "python",
        render_mode: str | None = None,
        threads: int | None = 1,
    ) -> None:
        """See the class.

        Raises:
            RacerError: something named cannot be found or used, or a frozen policy drives at another rate.
        """
        total = cars + len(frozen)
        if cars < 1 or total > CARS_MAX:
            raise ConfigError(f"{cars} learning and {len(frozen)} frozen cars; a world holds 1..{CARS_MAX}, one learns")
        if grid not in ("turns", "kept"):
            raise ConfigError(f"grid is `turns` or `kept`, not {grid!r}")
        if render_mode not in (None, "rgb_array"):
            raise ConfigError(f"render_mode is `rgb_array` or None, not {render_mode!r}")
        self.config = _resolve_config(config, race)
        self.render_mode = render_mode
        self.metadata = dict(type(self).metadata, render_fps=round(self.config.control_rate_hz))
        self.possible_agents = [f"car_{k}" for k in range(cars)]
        self.agents: list[str] = []
        self.world, self.disturbances = _make_world(
            _resolve_tracks(track), vehicle, self.config, cars=total, threads=threads
        )
        self._waypoints = self.world.waypoints()
        self.reward: Reward = (
            reward if hasattr(reward, "compute") else load_reward(reward, n_worlds=1, n_cars=cars, path=reward_path)
        )
        self.actions = resolve_action_space(actions)
        self._commands = ActionDecoder(self.actions, worlds=1)
        self._spaces = {
            agent: (observation_space(self.config), action_space(self.actions)) for agent in self.possible_agents
        }
        self._sensing = SensorSuite(self.world, self.config, self.disturbances, cars="all")
        self._frozen = [self._freeze(one, k) for k, one in enumerate(frozen)]
        self._turns = grid == "turns"
        self._episodes = 0
        self._slots = np.arange(total)
        self._seeded = False
        self._renderer: WorldRenderer | None = None

    def observation_space(self, agent: str) -> gymnasium.Space[Any]:
        """The same object each time."""
        return self._spaces[agent][0]

    def action_space(self, agent: str) -> gymnasium.Space[Any]:
        """The same object each time."""
        return self._spaces[agent][1]

    def replace_frozen(self, k: int, policy: str | Policy) -> None:
        """Let another policy drive frozen car `k` (0..) from the next episode on: a younger self, for example.

        Raises:
            RacerError: it cannot be found or used here.
        """
        self._frozen[k] = self._freeze(policy, k)

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Start a new episode of all cars. The same seed gives the same starts; `options` are ignored."""
        if seed is not None or not self._seeded:
            self.world.seed(int(np.random.default_rng().integers(2**63)) if seed is None else seed)
            self._seeded, self._episodes = True, 0
        self.agents = list(self.possible_agents)
        total = len(self._slots)
        # Who drives which car of the grid; slot 0 starts in front.
        self._slots = (np.arange(total) + (self._episodes if self._turns else 0)) % total
        self._episodes += 1
        if self.disturbances is not None:
            self.disturbances.draw()
        self.world.reset()
        self._sensing.start(self._of_agents(self.agents))
        for k, one in enumerate(self._frozen):
            one.start(int(self._slots[len(self.possible_agents) + k]))
        return self._observations(self.agents), {agent: self._info(agent) for agent in self.agents}

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Hold an action for each agent for one control step.

        Raises:
            ValueError: an agent has no action, or one that is none.
            gymnasium.error.ResetNeeded: no agent is left.
        """
        driven = list(self.agents)
        if not driven:
            raise gymnasium.error.ResetNeeded("reset the environment: no agent is left in this episode")
        if missing := [agent for agent in driven if agent not in actions]:
            raise ValueError(f"no action for {missing[0]}; each of {', '.join(driven)} needs one")
        commands = np.zeros((1, len(self._slots), 2))
        for agent in driven:
            commands[0, self._slot(agent)] = self._commands(np.asarray(actions[agent])[None])[0]
        traffic = [one for one in self._frozen if not self.world.ended[0, one.slot]]
        for one in traffic:
            commands[0, one.slot] = one.act()
        self.world.step(commands)
        self._clear_the_innocent()
        rewards = self._rewards()
        self._sensing.observe(self._of_agents(driven))
        for one in traffic:
            one.observe()
        observations = self._observations(driven)
        infos = {agent: self._info(agent) for agent in driven}
        status = {agent: int(self.world.status[0, self._slot(agent)]) for agent in driven}
        truncated = {agent: status[agent] == EpisodeStatus.TIME_UP for agent in driven}
        terminated = {agent: status[agent] >= EpisodeStatus.LAP_COMPLETE and not truncated[agent] for agent in driven}
        self.agents = [agent for agent in driven if not (terminated[agent] or truncated[agent])]
        self.world.cars["active"][self.world.ended] = 0
        return observations, {agent: rewards[agent] for agent in driven}, terminated, truncated, infos

    def render(self) -> NDArray[np.uint8] | None:
        """A picture from above, (H, W, 3) uint8."""
        if self.render_mode is None:
            return None
        if self._renderer is None:
            from racer.render.topdown import WorldRenderer  # its kernels are compiled only where pictures are made

            self._renderer = WorldRenderer(self.world)
        return self._renderer.draw(0)

    def close(self) -> None:
        """End the threads."""
        self.world.close()

    def _freeze(self, policy: str | Policy, k: int) -> FrozenCar:
        loaded = load_policy(policy, seed=k) if isinstance(policy, str) else policy
        return FrozenCar(loaded, self.world, self.config, self.disturbances)

    def _slot(self, agent: str) -> int:
        return int(self._slots[self.possible_agents.index(agent)])

    def _clear_the_innocent(self) -> None:
        """Of two cars that touched only the one behind has crashed."""
        world = self.world
        crashed = world.status == EpisodeStatus.CRASHED
        if not (crashed & (world.cars["active"] == 1)).any():
            return
        innocent = crashed & (world.cars["active"] == 1) & ~(world.contacts() == BEHIND).any(axis=2)
        world.cars["status"][innocent] = int(EpisodeStatus.IN_PROGRESS)
        world.telemetry["is_crashed"][innocent] = False

    def _rewards(self) -> dict[str, float]:
        """Of each agent that still drives or has just ended; rows are agents, whatever slots they have."""
        slots = self._slots[: len(self.possible_agents)]
        telemetry = np.ascontiguousarray(self.world.telemetry[:, slots])
        things = self.world.told_things
        out = np.zeros(telemetry.shape)
        told = None if things is None else np.ascontiguousarray(things[:, slots])
        self.reward.compute(telemetry, told, self._waypoints, out)
        return dict(zip(self.possible_agents, out[0].tolist(), strict=True))

    def _observations(self, agents: Sequence[str]) -> dict[str, Observation]:
        told = self._sensing.observation
        slots = {agent: self._slot(agent) for agent in agents}
        return {agent: {name: seen[0, slot].copy() for name, seen in told.items()} for agent, slot in slots.items()}

    def _of_agents(self, agents: Sequence[str]) -> NDArray[np.bool_]:
        """(1, C) True for the cars that these agents drive."""
        cars = np.zeros(self.world.cars.shape, np.bool_)
        cars[0, [self._slot(agent) for agent in agents]] = True
        return cars

    def _info(self, agent: str) -> dict[str, Any]:
        car = self.world.cars[0, self._slot(agent)]
        return {
            "status": _STATUS_WORDS[int(car["status"])],
            "progress": float(car["progress"]),
            "time_s": float((car["steps"] - 1) * self.world.control_dt),
        }


def _resolve_config(config: EnvConfig | Mapping[str, Any] | None, race: RaceType | None) -> EnvConfig:
    made = config if isinstance(config, EnvConfig) else make_env_config(config or {})
    if race is None:
        return made
    return make_env_config(made.model_dump() | {"objects": made.objects.model_dump() | {"race": race}})


def _resolve_tracks(track: TrackChoice) -> list[Track]:
    chosen = track if isinstance(track, Sequence) and not isinstance(track, str) else [track]
    return [one for each in chosen for one in ([each] if isinstance(each, Track) else load_tracks([str(each)]))]


def _make_world(
    tracks: list[Track], vehicle: Any, config: EnvConfig, *, cars: int, threads: int | None
) -> tuple[World, Disturbances | None]:
    """One world of `cars` cars as the configuration says, and what differs from episode to episode."""
    disturbance = read_disturbance(config.disturbance)
    start, limit = config.start, config.time_limit_s
    world = World(
        tracks,
        vehicle if isinstance(vehicle, VehicleConfig) else read_vehicle(vehicle),
        1,
        cars=cars,
        objects=config.objects,
        control_dt=1.0 / config.control_rate_hz,
        start=StartOptions(
            start.mode, start.advance, start.direction, start.lateral_share, math.radians(start.turned_deg)
        ),
        steps_max=STEPS_MAX if limit is None else 1 + control_steps_in(limit, 1.0 / config.control_rate_hz),
        action_delay_max=action_delay_max(disturbance),
        threads=threads,
    )
    return world, Disturbances(world, disturbance) if is_disturbed(disturbance) else None
