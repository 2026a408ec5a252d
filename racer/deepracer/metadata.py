"""Translates `model_metadata.json`: the sensors, actions and algorithm of a DeepRacer model.

Meanings and defaults are those of the simulator's source (github aws-deepracer-community/deepracer-simapp at 01f5f01,
`markov/boto/s3/files/model_metadata.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from racer.assets import did_you_mean
from racer.config.actions import (
    SPEED_MAX,
    SPEED_MIN,
    STEERING_MAX_DEG,
    ContinuousActions,
    DiscreteActions,
    action_space_type,
    parse_action_space,
)
from racer.config.network import DEEPRACER_NAMES, CnnName
from racer.deepracer.project import parse_choice, parse_integer, parse_number, quote_value
from racer.errors import ConfigError

Algorithm = Literal["ppo", "sac"]
Actions = ContinuousActions | DiscreteActions

METADATA_VERSION = "5"
"""Version that logs contain: the one whose car follows the commands exactly, as racer's does."""
_VERSIONS = (1, 6)
_ALGORITHMS: dict[str, Algorithm] = {"clipped_ppo": "ppo", "sac": "sac"}
# Racer has one lens for all single cameras: a left camera is the left one of a stereo pair.
_CAMERAS = {
    "observation": "camera",
    "FRONT_FACING_CAMERA": "camera",
    "LEFT_CAMERA": "camera",
    "STEREO_CAMERAS": "stereo",
    "state": "state",  # racer's name, which its logs contain
}
_LIDARS = {
    "LIDAR": "lidar",
    "SECTOR_LIDAR": "sector_lidar",
    "DISCRETIZED_SECTOR_LIDAR": "discretized_sector_lidar",
}
"""DeepRacer's word to racer's."""
_OURS = {
    "camera": "FRONT_FACING_CAMERA",
    "stereo": "STEREO_CAMERAS",
    **{ours: word for word, ours in _LIDARS.items()},
}
"""Racer's word to DeepRacer's, for logs; DeepRacer has no counterpart of `state`."""
_NETWORKS = tuple(DEEPRACER_NAMES)
_KEYS = (
    "action_space",
    "action_space_type",
    "sensor",
    "neural_network",
    "training_algorithm",
    "version",
    "lidar_config",
)
_LIMITS = {"steering_angle": (-STEERING_MAX_DEG, STEERING_MAX_DEG), "speed": (SPEED_MIN, SPEED_MAX)}
_CONSOLE_ACTIONS_MAX = 30
"""Largest list of actions that AWS's console accepted; its simulator has no limit."""
_LIDAR_RAYS = 64
_LIDAR_NEAR, _LIDAR_FAR = 0.15, 12.0
"""Least and greatest range of the lidar [m] (simapp `sensors/constants.py`)."""
_LIDAR_SETTINGS: dict[str, dict[str, float]] = {
    "LIDAR": {"range_max": 1.0},
    "SECTOR_LIDAR": {"sectors": 8, "distance": 0.5},
}
"""Fields of `EnvConfig` for the lidars that `lidar_config` does not apply to.

Ranges are those beyond which DeepRacer's network receives no obstacles [m] (simapp `environments/constants.py`).
"""


@dataclass(frozen=True, kw_only=True)
class ModelMetadata:
    """Settings taken over from a `model_metadata.json`, and notes for the user.

    Attributes:
        actions: The action space.
        algorithm: `ppo` or `sac`.
        env: Fields of `EnvConfig`: the sensors and their settings.
        network: Network that reads pictures.
        notes: One line for each setting that is not taken over unchanged.
    """

    actions: Actions
    algorithm: Algorithm
    env: dict[str, Any]
    network: CnnName = "shallow"
    notes: tuple[str, ...] = field(default=())


def read_metadata(data: Mapping[str, Any], where: str) -> ModelMetadata:
    """Convert the content of a `model_metadata.json`.

    Args:
        data: Content of the file.
        where: The file, with which messages begin.

    Raises:
        ConfigError: DeepRacer would refuse it, or racer cannot drive it.
    """
    notes = unknown_keys(data, _KEYS, where)
    actions = _actions(data, where, notes)
    algorithm = _algorithm(data, actions, where)
    env = _sensors(data, where, notes)
    network = _network(data, env["sensors"], notes)
    return ModelMetadata(actions=actions, algorithm=algorithm, env=env, network=network, notes=tuple(notes))


def metadata_record(actions: Actions, algorithm: Algorithm, sensors: Iterable[str], network: str) -> dict[str, Any]:
    """Return the content of a `model_metadata.json` for a policy trained by racer."""
    if isinstance(actions, DiscreteActions):
        space: Any = [
            {"steering_angle": angle, "speed": speed, "index": k} for k, (angle, speed) in enumerate(actions.table)
        ]
    else:
        (left, slow), (right, fast) = actions.low, actions.high
        space = {"steering_angle": {"low": left, "high": right}, "speed": {"low": slow, "high": fast}}
    return {
        "action_space": space,
        "action_space_type": action_space_type(actions),
        "sensor": [_OURS.get(sensor, sensor) for sensor in sensors],
        "neural_network": network,
        "training_algorithm": next(word for word, ours in _ALGORITHMS.items() if ours == algorithm),
        "version": METADATA_VERSION,
    }


def unknown_keys(data: Mapping[str, Any], known: Iterable[str], where: str) -> list[str]:
    """Return a note for each key that DeepRacer does not have."""
    names = list(known)
    return [
        f"{quote_value(key)} in {where}: DeepRacer has no such key; left out.{did_you_mean(key, names)}"
        for key in data
        if key not in names
    ]


def _actions(data: Mapping[str, Any], where: str, notes: list[str]) -> Actions:
    if "action_space" not in data:
        raise ConfigError(f"{where}: `action_space` is missing")
    space = data["action_space"]
    if isinstance(space, dict) and len(space) == 1:
        # DeepRacer on AWS wraps it in a union, whose member is spelled `continous`.
        space = next((space[key] for key in ("discrete", "continuous", "continous") if key in space), space)
    # The form of the space decides; `action_space_type` is only compared with it, because old files lack it.
    kind = "discrete" if isinstance(space, list) else "continuous"
    if "action_space_type" in data:
        given = data["action_space_type"]
        word = "continuous" if isinstance(given, str) and given.strip().lower() == "continous" else given
        stated = parse_choice(word, ("discrete", "continuous"), f"{where}: `action_space_type`")
        if stated != kind:
            raise ConfigError(
                f"{where}: `action_space_type` is {stated}, but `action_space` is {_form(space)}; "
                "discrete is a list of actions, continuous has `low` and `high` of each"
            )
    elif kind == "continuous":
        notes.append(
            "action_space_type is absent, which DeepRacer takes for discrete; the ranges are taken as continuous"
        )
    # Numbers first, so that text such as "1.5" is a number before it is compared with the limits.
    plain = _discrete(space, where) if kind == "discrete" else _continuous(space, where)
    clipped = _clipped(plain)
    if clipped != plain:
        limits = f"{-STEERING_MAX_DEG:g}..{STEERING_MAX_DEG:g} degrees and {SPEED_MIN:g}..{SPEED_MAX:g} m/s"
        notes.append(f"action_space goes beyond {limits}; clipped, as DeepRacer does")
    if kind == "discrete" and len(space) > _CONSOLE_ACTIONS_MAX:
        notes.append(
            f"action_space has {len(space)} actions; AWS's console accepted {_CONSOLE_ACTIONS_MAX}; its simulator, "
            "DeepRacer-for-Cloud and racer take any number"
        )
    # Racer's own check finds what is left: too few or too many actions, and ranges that clipping made empty.
    try:
        return parse_action_space(clipped)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _form(space: Any) -> str:
    return "a list" if isinstance(space, list) else "an object" if isinstance(space, dict) else quote_value(space)


def _discrete(space: list[Any], where: str) -> list[dict[str, float]]:
    rows = []
    for k, action in enumerate(space):
        place = f"{where}: action {k} of `action_space`"
        if not isinstance(action, dict) or not {"steering_angle", "speed"} <= set(action):
            raise ConfigError(
                f"{place} is {quote_value(action)}; it needs `steering_angle` (degrees) and `speed` (m/s)"
            )
        rows.append(
            {key: parse_number(action[key], f"{place}, `{key}`,", -1e4, 1e4) for key in ("steering_angle", "speed")}
        )
    return rows


def _continuous(space: Any, where: str) -> dict[str, dict[str, float]]:
    ranges = {}
    for key in ("steering_angle", "speed"):
        part = space.get(key) if isinstance(space, dict) else None
        if not isinstance(part, dict) or not {"low", "high"} <= set(part):
            raise ConfigError(
                f"{where}: `action_space` is {_form(space)}; give a list of actions, or `steering_angle` and `speed` "
                "with `low` and `high`"
            )
        ranges[key] = {end: parse_number(part[end], f"{where}: `{key}.{end}`", -1e4, 1e4) for end in ("low", "high")}
        if ranges[key]["low"] >= ranges[key]["high"]:
            raise ConfigError(f"{where}: `{key}.low` {part['low']} must be below `{key}.high` {part['high']}")
    return ranges


def _clipped(space: Any, limits: tuple[float, float] = (-math.inf, math.inf)) -> Any:
    """Return an action space with every number inside the limits.

    A list holds actions, which hold a number for each quantity; ranges hold `low` and `high` for each quantity. The
    limits of a number are therefore those of the innermost key that is a quantity.
    """
    if isinstance(space, list):
        return [_clipped(action) for action in space]
    if isinstance(space, dict):
        return {key: _clipped(value, _LIMITS.get(key, limits)) for key, value in space.items()}
    return min(max(space, limits[0]), limits[1])


def _algorithm(data: Mapping[str, Any], actions: Actions, where: str) -> Algorithm:
    given = data.get("training_algorithm", "clipped_ppo")
    algorithm = _ALGORITHMS[parse_choice(given, _ALGORITHMS, f"{where}: `training_algorithm`")]
    if algorithm == "sac" and isinstance(actions, DiscreteActions):
        raise ConfigError(f"{where}: SAC needs a continuous action space, this one is a list of actions")
    return algorithm


def _network(data: Mapping[str, Any], sensors: list[str], notes: list[str]) -> CnnName:
    """Return the network that reads pictures."""
    given = data.get("neural_network", _NETWORKS[0])
    if given not in _NETWORKS:
        notes.append(
            f"neural_network {quote_value(given)}: not one of DeepRacer's; {_NETWORKS[0]} is used for pictures"
        )
        return DEEPRACER_NAMES[_NETWORKS[0]]
    network = DEEPRACER_NAMES[given]
    if not set(_CAMERAS.values()) - {"state"} & set(sensors):
        notes.append(f"neural_network {given}: it reads pictures; here a network of two layers reads the sensors")
    elif network == "deepest":
        notes.append(f"neural_network {given}: without its batch normalisation and dropout")
    return network


def _version(data: Mapping[str, Any], where: str) -> int:
    """Return the version; where the file gives none it is 2 with sensors and 1 without."""
    if "version" not in data:
        return 2 if "sensor" in data else 1
    return parse_integer(data["version"], f"{where}: `version`", *_VERSIONS)


def _sensors(data: Mapping[str, Any], where: str, notes: list[str]) -> dict[str, Any]:
    """Return the `EnvConfig` fields that match DeepRacer's sensors, or come nearest to them."""
    given = data.get("sensor", ["observation"])
    # DeepRacer's first cars had one camera, which files of version 1 call `observation`.
    if _version(data, where) == 1 and given != ["observation"]:
        notes.append("version 1 has no sensors; DeepRacer ignores `sensor` and uses the camera")
        given = ["observation"]
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, list):
        raise ConfigError(f'{where}: `sensor` is {quote_value(given)}; give a list such as ["FRONT_FACING_CAMERA"]')
    names = [parse_choice(name, (*_CAMERAS, *_LIDARS), f"{where}: `sensor`") for name in listed]
    cameras, lidars = [name for name in names if name in _CAMERAS], [name for name in names if name in _LIDARS]
    if len(cameras) != 1 or len(lidars) > 1:
        raise ConfigError(f"{where}: `sensor` is {quote_value(listed)}; give exactly one camera and at most one lidar")
    # Checked in any case: a broken `lidar_config` is an error also where no lidar uses it.
    discretized = _lidar_config(data, where)
    fields: dict[str, Any] = {"sensors": [_CAMERAS[cameras[0]], *(_LIDARS[lidar] for lidar in lidars)]}
    for lidar in lidars:
        fields[_LIDARS[lidar]] = {
            "rays": _LIDAR_RAYS,
            "range_min": _LIDAR_NEAR,
            **_LIDAR_SETTINGS.get(lidar, discretized),
        }
    return fields


def _lidar_config(data: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return `lidar_config` as fields of `DiscretizedSectorLidarConfig`, with DeepRacer's defaults for missing ones."""
    given = data.get("lidar_config", {})
    place = f"{where}: `lidar_config"
    if not isinstance(given, dict):
        raise ConfigError(
            f"{place}` is {quote_value(given)}; it should hold num_sectors, num_values_per_sector, clipping_dist"
        )
    sectors = parse_integer(given.get("num_sectors", 8), f"{place}.num_sectors`", 1, _LIDAR_RAYS)
    # Each sector is a whole number of rays, in DeepRacer as here.
    if _LIDAR_RAYS % sectors:
        raise ConfigError(f"{place}.num_sectors` is {sectors}; it must divide {_LIDAR_RAYS}")
    values = parse_integer(given.get("num_values_per_sector", 8), f"{place}.num_values_per_sector`", 1, 1000)
    # The distance lies between the lidar's own limits: beyond them a sector would never or always be free.
    far = parse_number(given.get("clipping_dist", 2.0), f"{place}.clipping_dist`", _LIDAR_NEAR, _LIDAR_FAR)
    return {"sectors": sectors, "values": values, "clipping_dist": far}
