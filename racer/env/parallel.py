"""Several learning cars in one world, as a PettingZoo environment: with frozen policies, boxes and bots.

Needs the extra `multi`. The cars are the slots of one `World`, with the physics of all environments. A frozen policy
drives its car with its own contract's sensors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import gymnasium
import numpy as np
from numpy.typing import NDArray

from racer.config.env import EnvConfig, RaceType
from racer.config.train import DEFAULT_TRACK
from racer.env.batch import (
    ActionDecoder,
    TrackChoice,
    action_space,
    build_world,
    observation_space,
    resolve_action_space,
    resolve_env_config,
    resolve_tracks,
    resolve_vehicle_config,
)
from racer.env.sensors.suite import Observation, SensorSuite, env_config_for
from racer.errors import ConfigError, MissingExtra
from racer.policy.load import load_policy
from racer.policy.protocol import Policy
from racer.reward.load import load_reward
from racer.reward.protocol import Reward
from racer.sim.contact import BEHIND
from racer.sim.dtypes import EpisodeStatus
from racer.sim.randomize.distributions import Disturbances
from racer.sim.world import World

if TYPE_CHECKING:
    from racer.render.topdown import WorldRenderer

try:
    from pettingzoo import ParallelEnv
except ImportError:
    raise MissingExtra("Several learning cars (package `pettingzoo`)", "multi") from None


CARS_MAX = 8
"""Cars of one world, learning and frozen ones together."""
_STATUS_WORDS = {int(status): status.word for status in EpisodeStatus}


class FrozenCar:
    """A policy that does not learn, with its own sensors; it drives a slot of the first world.

    Attributes:
        slot: Index of its car in this episode.
    """

    def __init__(
        self, policy: Policy, world: World, config: EnvConfig, disturbances: Disturbances | None = None
    ) -> None:
        """Make the sensors of the policy.

        Raises:
            ConfigError: The policy was made for another control rate than the environment's.
            BundleError: The simulator lacks a sensor of the policy.
        """
        rate = policy.control_rate_hz
        if rate is not None and rate != config.control_rate_hz:
            raise ConfigError(
                f"frozen policy {policy.name} drives at {rate:g} Hz, the environment at {config.control_rate_hz:g} Hz; "
                f"set control_rate_hz: {rate:g}"
            )
        self._policy = policy
        own_config = env_config_for(policy.sensors, config.control_rate_hz)
        self._sensing = SensorSuite(world, own_config, disturbances, cars="all")
        self._own_car = np.zeros(world.cars.shape, np.bool_)
        self.slot = 0

    def start(self, slot: int) -> None:
        """Start a new episode, in which the policy drives the car in `slot`."""
        self.slot = slot
        self._own_car[:] = False
        self._own_car[0, slot] = True
        self._policy.reset()
        self._sensing.start(self._own_car)

    def observe(self) -> None:
        """Fill the sensors after a control step of its car."""
        self._sensing.observe(self._own_car)

    def act(self) -> NDArray[np.float64]:
        """Return the steering angle [degrees] and speed [m/s] for the newest observation, shape (2,)."""
        # A slice keeps the batch dimension that policies expect.
        row = slice(self.slot, self.slot + 1)
        observation = {sensor: values[0, row] for sensor, values in self._sensing.observation.items()}
        return np.asarray(self._policy.act(observation), np.float64)[0]


class RacerParallelEnv(ParallelEnv):
    """One world with several learning cars, the agents `car_0`, `car_1`, ...

    ### Description
    All cars start on a grid, 0.75 m of arc from slot to slot, and drive a lap of the same track. Each agent has its own
    sensors, reward and end of episode; spaces, sensors and units are those of `RacerVectorEnv`. Reward functions see
    the other cars as objects, in `objects_location` and the related keys.

    ### Contacts
    Where two cars touch, the one behind has crashed; level with each other, both have. The other car drives on.

    ### Episode End
    As in `RacerVectorEnv`, for each agent separately. Its car then leaves the road, and the agent leaves `agents`.
    Frozen cars leave the road in the same way; the episode ends with the last agent.

    ### Arguments
    | argument | default | meaning |
    |---|---|---|
    | `cars` | 2 | agents |
    | `frozen` | none | further cars: bundles, run folders, `pure_pursuit`, `random`, or a `Policy` each |
    | `grid` | `turns` | order on the grid: `turns` moves each car one place back in each episode, the last to the front; `kept` never does, agents then start before frozen cars |
    | others | | as in `RacerVectorEnv`; the default of `reward_path` is `python` |

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
        """Build the world; the class lists the arguments.

        Raises:
            RacerError: A named file cannot be found or used, or a frozen policy drives at another rate.
        """
        total = cars + len(frozen)
        if cars < 1 or total > CARS_MAX:
            raise ConfigError(f"{cars} learning and {len(frozen)} frozen cars; a world holds 1..{CARS_MAX}, one learns")
        if grid not in ("turns", "kept"):
            raise ConfigError(f"grid is `turns` or `kept`, not {grid!r}")
        if render_mode not in (None, "rgb_array"):
            raise ConfigError(f"render_mode is `rgb_array` or None, not {render_mode!r}")
        self.config = resolve_env_config(config, race)
        self.render_mode = render_mode
        self.metadata = dict(type(self).metadata, render_fps=round(self.config.control_rate_hz))
        self.possible_agents = [f"car_{k}" for k in range(cars)]
        self.agents: list[str] = []
        self.world, self.disturbances = build_world(
            resolve_tracks(track), resolve_vehicle_config(vehicle), self.config, cars=total, threads=threads
        )
        self._waypoints = self.world.waypoints()
        self.reward: Reward = (
            reward if hasattr(reward, "compute") else load_reward(reward, n_worlds=1, n_cars=cars, path=reward_path)
        )
        self.actions = resolve_action_space(actions)
        self._decode = ActionDecoder(self.actions, worlds=1)
        self._spaces = {
            agent: (observation_space(self.config), action_space(self.actions)) for agent in self.possible_agents
        }
        self._sensing = SensorSuite(self.world, self.config, self.disturbances, cars="all")
        self._frozen = [self._freeze(policy, k) for k, policy in enumerate(frozen)]
        self._turns = grid == "turns"
        self._episodes = 0
        self._slots = np.arange(total)
        # Unseeded environments draw a seed at the first reset, so that later resets continue its streams.
        self._seeded = False
        self._renderer: WorldRenderer | None = None

    def observation_space(self, agent: str) -> gymnasium.Space[Any]:
        """Return the observation space of an agent, the same object each time."""
        return self._spaces[agent][0]

    def action_space(self, agent: str) -> gymnasium.Space[Any]:
        """Return the action space of an agent, the same object each time."""
        return self._spaces[agent][1]

    def replace_frozen(self, k: int, policy: str | Policy) -> None:
        """Let another policy drive frozen car `k` (0..) from the next episode on, for example a younger self.

        Raises:
            RacerError: The policy cannot be found or used here.
        """
        self._frozen[k] = self._freeze(policy, k)

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Start a new episode of all cars. The same seed gives the same starts.

        `options` are ignored: PettingZoo's own conformance test passes a key that no environment has.
        """
        if seed is not None or not self._seeded:
            self.world.seed(int(np.random.default_rng().integers(2**63)) if seed is None else seed)
            self._seeded, self._episodes = True, 0
        self.agents = list(self.possible_agents)
        total = len(self._slots)
        # Car k of agents and frozen policies drives slot _slots[k] of the grid; slot 0 starts in front.
        self._slots = (np.arange(total) + (self._episodes if self._turns else 0)) % total
        self._episodes += 1
        if self.disturbances is not None:
            self.disturbances.draw()
        self.world.reset()
        self._sensing.start(self._cars_of(self.agents))
        for k, frozen in enumerate(self._frozen, len(self.possible_agents)):
            frozen.start(int(self._slots[k]))
        return self._observations(self.agents), {agent: self._info(agent) for agent in self.agents}

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Hold an action for each agent for one control step.

        Raises:
            ValueError: An agent has no action, or one outside its space.
            gymnasium.error.ResetNeeded: No agent is left.
        """
        driven = list(self.agents)
        if not driven:
            raise gymnasium.error.ResetNeeded("reset the environment: no agent is left in this episode")
        if missing := [agent for agent in driven if agent not in actions]:
            raise ValueError(f"no action for {missing[0]}; each of {', '.join(driven)} needs one")
        world = self.world
        commands = np.zeros((1, len(self._slots), 2))
        for agent in driven:
            commands[0, self._slot(agent)] = self._decode(np.asarray(actions[agent])[None])[0]
        # Before the step: a frozen car that ends in this step is observed once more, one that had ended is not.
        traffic = [frozen for frozen in self._frozen if not world.ended[0, frozen.slot]]
        for frozen in traffic:
            commands[0, frozen.slot] = frozen.act()
        world.step(commands)
        # Before rewards and status are read: the car ahead must not report a crash.
        self._withdraw_crashes_ahead()
        rewards = self._rewards()
        self._sensing.observe(self._cars_of(driven))
        for frozen in traffic:
            frozen.observe()
        observations = self._observations(driven)
        infos = {agent: self._info(agent) for agent in driven}
        status = {agent: int(world.status[0, self._slot(agent)]) for agent in driven}
        truncated = {agent: status[agent] == EpisodeStatus.TIME_UP for agent in driven}
        terminated = {agent: status[agent] >= EpisodeStatus.LAP_COMPLETE and not truncated[agent] for agent in driven}
        self.agents = [agent for agent in driven if not (terminated[agent] or truncated[agent])]
        # After the observations, so that agents still sense a car in the step in which its episode ends.
        world.remove(world.ended)
        return observations, {agent: rewards[agent] for agent in driven}, terminated, truncated, infos

    def render(self) -> NDArray[np.uint8] | None:
        """Return a picture from above, shape (H, W, 3), uint8; None without a render mode."""
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

    def _withdraw_crashes_ahead(self) -> None:
        """Let cars drive on that touch only what was behind them: of two cars, the one behind is at fault."""
        world = self.world
        crashed = (world.status == EpisodeStatus.CRASHED) & (world.cars["active"] == 1)
        if crashed.any():
            world.withdraw_crash(crashed & ~(world.contacts() == BEHIND).any(axis=2))

    def _rewards(self) -> dict[str, float]:
        """Return the reward of each agent. The reward function receives rows by agent, whatever slots they have."""
        # State that a reward function keeps belongs to an agent, so agent k must be row k in every episode.
        slots = self._slots[: len(self.possible_agents)]
        telemetry = np.ascontiguousarray(self.world.telemetry[:, slots])
        objects = self.world.other_objects
        rewards = np.zeros(telemetry.shape)
        own_objects = None if objects is None else np.ascontiguousarray(objects[:, slots])
        self.reward.compute(telemetry, own_objects, self._waypoints, rewards)
        return dict(zip(self.possible_agents, rewards[0].tolist(), strict=True))

    def _observations(self, agents: Sequence[str]) -> dict[str, Observation]:
        sensors = self._sensing.observation.items()
        return {agent: {name: values[0, self._slot(agent)].copy() for name, values in sensors} for agent in agents}

    def _cars_of(self, agents: Sequence[str]) -> NDArray[np.bool_]:
        """Return the mask of the cars that these agents drive, shape (1, C)."""
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
