"""From what a user names (track, reward, vehicle, ...) to a `TimeTrial`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from racer.config.actions import ContinuousActions, DiscreteActions, parse_action_space
from racer.config.base import explain
from racer.config.env import EnvConfig
from racer.config.objects import RaceType
from racer.config.read import read_vehicle
from racer.config.train import DEFAULT_TRACK
from racer.config.vehicle import VehicleConfig
from racer.env.time_trial import TimeTrial
from racer.errors import ConfigError
from racer.reward.load import load_reward
from racer.reward.seam import Reward
from racer.track.load import load_tracks
from racer.track.track import Track

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
        config = env_config(config or {})
    if race is not None:
        config = env_config(config.model_dump() | {"objects": config.objects.model_dump() | {"race": race}})
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


def env_config(fields: Mapping[str, Any]) -> EnvConfig:
    """An `EnvConfig` from plain fields, or a one-line ConfigError."""
    try:
        return EnvConfig(**fields)
    except ValidationError as error:
        raise ConfigError(explain(error, EnvConfig, "environment")) from None


def any_action_space(actions: Any) -> ContinuousActions | DiscreteActions:
    """An action space from a model, plain data as in model_metadata.json, or None for the default."""
    if actions is None:
        return ContinuousActions()
    if isinstance(actions, (ContinuousActions, DiscreteActions)):
        return actions
    return parse_action_space(actions)
