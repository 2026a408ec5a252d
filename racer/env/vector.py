"""The Gymnasium vector environment: steps N worlds with one car each in one call.

`single.py` is a view of it with N = 1; both run the same physics.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from racer.config.env import RaceType
from racer.config.train import DEFAULT_TRACK
from racer.env.batch import (
    ActionDecoder,
    EpisodeListener,
    Observation,
    RewardChoice,
    TimeTrial,
    TrackChoice,
    action_space,
    make_time_trial,
    observation_space,
    resolve_action_space,
)
from racer.sim.dtypes import EpisodeStatus
from racer.sim.world import World

if TYPE_CHECKING:
    from racer.render.topdown import WorldRenderer

_STATUS_WORDS = np.array([status.word for status in EpisodeStatus], dtype=object)


class RacerVectorEnv(VectorEnv[Observation, NDArray[Any], NDArray[Any]]):
    """N worlds with a car in each.

    ### Description
    Each car drives laps of its track: alone (`racer/TimeTrial-v0`), around boxes (`racer/ObjectAvoidance-v0`) or among
    bots (`racer/HeadToBot-v0`). Tracks, reward, vehicle, sensors and actions are the user's choice.

    ### Action Space
    Continuous: ``Box((2,), float32)``, steering angle in degrees (left positive) and speed in m/s; clipped to the box.
    Discrete: ``Discrete(A)``, the index into the list of actions, as in DeepRacer's model_metadata.json.

    ### Observation Space
    A Dict with the chosen sensors, float32 in SI units; pictures are uint8.

    | sensor | shape | content |
    |---|---|---|
    | `state` | (8 + 4 K,) | `racer.sim.telemetry.state_field_names`: offset m, heading error rad, speeds m/s, yaw rate rad/s, steering rad, last command (rad, m/s), and for each of K look-ahead distances the centre-line point in the car's frame and the distances to the borders, m |
    | `lidar` | (rays,) | ranges in m from the right edge of the view to the left one |
    | `sector_lidar` | (sectors,) | 1 where something is near in that part of the view, else 0 |
    | `discretized_sector_lidar` | (sectors * values,) | for each sector a 1 at the distance of its nearest object or wall |
    | `camera`, `stereo` | (height, width, channels) | uint8 |

    ### Rewards
    What the user's `reward_function(params)` returns for the state after the step together with the action.

    ### Starting State
    At rest near the centre line, a share of the lap further each time or at random, with a small offset and heading error
    (`racer.config.env.StartConfig`). An open track starts at its end.

    ### Episode End
    Terminated: 1. lap complete, 2. off track (no wheel centre on the road), 3. crashed, 4. immobilized (15 steps),
    5. reversed (15 steps). Truncated: time up.

    ### Arguments
    | argument | default | meaning |
    |---|---|---|
    | `num_envs` | 1 | N |
    | `track` | the shipped default | name, path, `Track`, `generated:1..50`, or a list |
    | `reward` | `default` | callable, path or name |
    | `reward_path` | `auto` | `auto` compiles the reward where it can (seconds, the first time); `python` never does |
    | `vehicle` | `deepracer` | name or path |
    | `actions` | continuous ±30°, 0.5..4.0 m/s | as `action_space` of model_metadata.json |
    | `config` | `EnvConfig()` | rates, sensors, starts, objects, time limit |
    | `race` | that of `config` | `time_trial`, `object_avoidance` or `head_to_bot` |
    | `autoreset_mode` | NEXT_STEP | also SAME_STEP and DISABLED, as Gymnasium defines them |
    | `render_mode` | None | `rgb_array` |
    | `threads` | 1 | threads that share the worlds; None for one for each core |

    ### Version History
    * v0: first version.
    """  # noqa: E501

    def __init__(
        self,
        num_envs: int = 1,
        *,
        track: TrackChoice = DEFAULT_TRACK,
        reward: RewardChoice = "default",
        vehicle: Any = "deepracer",
        actions: Any = None,
        config: Any = None,
        race: RaceType | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        threads: int | None = 1,
        reward_path: Literal["auto", "python"] = "auto",
        failure_folder: str | None = None,
    ) -> None:
        """Build the batch; the class lists the arguments."""
        if num_envs < 1:
            raise ValueError(f"num_envs is {num_envs}; it must be at least 1")
        self.trial: TimeTrial = make_time_trial(
            worlds=num_envs,
            track=track,
            reward=reward,
            vehicle=vehicle,
            config=config,
            race=race,
            threads=threads,
            reward_path=reward_path,
            failure_folder=failure_folder,
        )
        self.num_envs = num_envs
        self.actions = resolve_action_space(actions)
        self.commands = ActionDecoder(self.actions, worlds=num_envs)
        self.single_observation_space = observation_space(self.trial.config)
        self.single_action_space = action_space(self.actions)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {
            "render_modes": ["rgb_array"],
            "render_fps": round(self.trial.config.control_rate_hz),
            "autoreset_mode": self.autoreset_mode,
        }
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode is `rgb_array` or None, not {render_mode!r}")
        self.render_mode = render_mode
        # Worlds whose episode ended in the last call, and worlds that were started at all.
        self._ended = np.zeros(num_envs, np.bool_)
        self._started = np.zeros(num_envs, np.bool_)
        self._renderer: WorldRenderer | None = None

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start new episodes in all worlds, or in those of ``options["reset_mask"]``.

        Args:
            seed: Seed of the whole batch: world i draws from stream i of that seed.
            options: ``reset_mask``, shape (N,), bool; the other worlds continue and keep their streams.
                ``start_poses``, shape (N, 4): course (2 k for track k, 2 k + 1 for its reverse), arc length of the
                chassis origin [m], lateral offset [m], left positive, and heading error [rad]; without it the starts
                are those of the configuration.

        Raises:
            ValueError: A list of seeds, an unknown option, a mask of another shape, or a pose that is not on a track.
            TypeError: A mask of another type.
        """
        check_options(options, ("reset_mask", "start_poses"))
        if isinstance(seed, list):
            raise ValueError("seed is a list; give one int for the whole batch: each world draws from its own stream")
        super().reset(seed=seed)
        which = None if options is None else options.get("reset_mask")
        if which is not None:
            _check_mask(which, self.num_envs)
        poses = None
        if options is not None and options.get("start_poses") is not None:
            poses = _start_poses(options["start_poses"], self.trial.world, which)
        # Without a seed the streams continue; only the first reset needs a fresh one.
        if seed is not None:
            self.trial.world.seed(seed, which)
        elif self._np_random is None:
            self.trial.world.seed(int(self.np_random.integers(2**63)))
        if poses is None:
            self.trial.start(which)
        else:
            self.trial.place(poses, which)
        reached = ... if which is None else which
        self._ended[reached], self._started[reached] = False, True
        return self._observation(), self._info(which)

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Hold an action in each world for one control step."""
        trial, waiting = self.trial, self._ended
        if not self._started.all():
            raise gymnasium.error.ResetNeeded("reset the environment before its first step")
        if self.autoreset_mode is AutoresetMode.DISABLED and waiting.any():
            raise gymnasium.error.ResetNeeded(
                f"{int(waiting.sum())} worlds have ended; reset them with options={{'reset_mask': mask}} first"
            )
        trial.step(self.commands(actions))
        # NEXT_STEP: worlds that ended in the call before ignore their action and return their first observation.
        if self.autoreset_mode is AutoresetMode.NEXT_STEP and waiting.any():
            trial.start(waiting)
            trial.rewards[waiting] = 0.0
        rewards = trial.rewards.copy()
        terminated, truncated = trial.terminated.copy(), trial.truncated.copy()
        self._ended = terminated | truncated
        finals: dict[str, Any] = {}
        # SAME_STEP: the last observation moves to the infos before the world starts again.
        if self.autoreset_mode is AutoresetMode.SAME_STEP and self._ended.any():
            finals = self._finals(self._ended)
            trial.start(self._ended)
            self._ended = np.zeros(self.num_envs, np.bool_)
        return self._observation(), rewards, terminated, truncated, self._info() | finals

    def _observation(self) -> Observation:
        # Copies, as the sensors rewrite their buffers in the next step.
        return {sensor: values.copy() for sensor, values in self.trial.observation.items()}

    def _info(self, which: NDArray[np.bool_] | None = None) -> dict[str, Any]:
        """Return infos in Gymnasium's layout: beside each key a mask `_key` of the worlds that it describes."""
        cars = self.trial.world.cars[:, 0]
        info = {
            "status": _STATUS_WORDS[cars["status"]],
            "progress": cars["progress"].copy(),
            "time_s": (cars["steps"] - 1) * self.trial.world.control_dt,
        }
        if which is None:
            return info | {f"_{key}": np.ones(self.num_envs, np.bool_) for key in info}
        # Gymnasium fills the entries of worlds without information with None or 0.
        for values in info.values():
            values[~which] = None if values.dtype == object else 0
        return info | {f"_{key}": which.copy() for key in info}

    def _finals(self, ended: NDArray[np.bool_]) -> dict[str, Any]:
        """Return `final_obs` and `final_info` of the worlds that ended, in Gymnasium's layout."""
        final = np.full(self.num_envs, None, dtype=object)
        for n in np.flatnonzero(ended):
            final[n] = {sensor: values[n].copy() for sensor, values in self.trial.observation.items()}
        return {
            "final_obs": final,
            "_final_obs": ended.copy(),
            "final_info": self._info(ended),
            "_final_info": ended.copy(),
        }

    def __getstate__(self) -> dict[str, Any]:
        # The renderer holds compiled kernels and draws the state of its world, so that a copy makes its own.
        return self.__dict__ | {"_renderer": None}

    def listen(self, listener: EpisodeListener | None) -> None:
        """Send every start and every step of the batch to a listener; None ends this."""
        self.trial.listener = listener

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Return a picture of each world from above, shape (H, W, 3), uint8; None without a render mode."""
        if self.render_mode is None:
            return None
        if self._renderer is None:
            from racer.render.topdown import WorldRenderer  # its kernels are compiled only where pictures are made

            self._renderer = WorldRenderer(self.trial.world)
        return tuple(self._renderer.draw(n) for n in range(self.num_envs))


def check_options(options: Mapping[str, Any] | None, allowed: tuple[str, ...]) -> None:
    """Refuse options of `reset` that an environment does not have: a misspelt one would silently do nothing.

    Raises:
        ValueError: An option is unknown.
    """
    for key in options or ():
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            names = ", ".join(f"`{name}`" for name in allowed)
            raise ValueError(f"unknown option `{key}` of reset; allowed are {names}.{hint}")


def _start_poses(given: Any, world: World, which: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Return poses of shape (N, 4) after a check of the rows that are used."""
    shape = (len(world.cars), 4)
    try:
        poses = np.array(given, np.float64)
    except (TypeError, ValueError):
        poses = np.zeros(0)
    if poses.shape != shape:
        raise ValueError(
            f"options['start_poses'] has shape {shape}: course, arc length [m], lateral offset [m] and heading error "
            f"[rad] of each world; not {np.shape(given) if isinstance(given, (np.ndarray, list)) else repr(given)}"
        )
    used = np.arange(len(poses)) if which is None else np.flatnonzero(which)
    for n, (course, s, lateral, _) in zip(used.tolist(), poses[used].tolist(), strict=True):
        where = f"options['start_poses'] of world {n}"
        if not np.isfinite(poses[n]).all():
            raise ValueError(f"{where} is not finite: {poses[n].tolist()}")
        if course not in range(2 * len(world.tracks)):
            raise ValueError(
                f"{where} has course {course:g}; the courses of this environment are 0..{2 * len(world.tracks) - 1}"
            )
        track = world.tracks[int(course) // 2]
        if not 0.0 <= s <= track.length:
            raise ValueError(f"{where} has arc length {s:g} m; {track.name} has 0..{track.length:.3f} m")
        # The width of the place itself is left to the simulator: off the road, the first step ends the episode.
        widest = max(float(np.hypot(*(side - track.center).T).max()) for side in (track.left, track.right))
        if abs(lateral) > widest:
            raise ValueError(f"{where} has lateral offset {lateral:g} m; the road is at most {widest:.3f} m to a side")
    # Rows of other worlds are not read, but kernels must not see NaN.
    return np.nan_to_num(poses)


def _check_mask(mask: Any, worlds: int) -> None:
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        given = mask.dtype if isinstance(mask, np.ndarray) else type(mask).__name__
        raise TypeError(f"options['reset_mask'] is a numpy array of bool, not {given}")
    if mask.shape != (worlds,) or not mask.any():
        raise ValueError(
            f"options['reset_mask'] has shape ({worlds},) and marks at least one world, "
            f"not shape {mask.shape} with {int(mask.sum())}"
        )
