"""Reads what a DeepRacer job file sets beside the model: track, start, boxes and bots.

The file is `training_params.yaml` (consoles) or `run.env` (DeepRacer-for-Cloud). Keys are those of the first;
DeepRacer-for-Cloud puts `DR_` and a section such as `OA_` (object avoidance) or `H2B_` (head to bot) before them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from racer.assets import did_you_mean, read_text
from racer.config.env import OBJECTS_MAX
from racer.config.read import read_yaml
from racer.deepracer.project import parse_integer, parse_number, quote_value
from racer.errors import ConfigError

_BOTS = {
    "BOT_CAR_SPEED": ("speed", 4.0),
    "LOWER_LANE_CHANGE_TIME": ("wait_min_s", 600.0),
    "UPPER_LANE_CHANGE_TIME": ("wait_max_s", 600.0),
    "LANE_CHANGE_DISTANCE": ("lane_change", 20.0),
    "BOT_CAR_PENALTY": ("pause_s", 600.0),
}
"""Key to field of `BotsConfig` and greatest value."""
_POSITION = re.compile(r"\s*([0-9.]+)\s*,\s*(-?1)\s*")

Switch = Callable[[str], bool]


def read_objects(data: dict[str, Any], race: str, where: str, switch: Switch) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of `ObjectsConfig`, and one line for each setting that is not taken over.

    Args:
        data: Content of the file.
        race: RACE_TYPE in capitals.
        where: The file, with which messages begin.
        switch: Returns whether a key is true; False where it is absent.

    Raises:
        ConfigError: A value cannot be used.
    """
    if race == "OBJECT_AVOIDANCE":
        fields = _placed(data, "NUMBER_OF_OBSTACLES", "RANDOMIZE_OBSTACLE_LOCATIONS", where, switch)
        # Given positions win over their number and over random places.
        if positions := _positions(data.get("OBJECT_POSITIONS"), where):
            fields = {"placement": "fixed", "positions": positions}
        still = switch("IS_OBSTACLE_BOT_CAR")
        notes = ["IS_OBSTACLE_BOT_CAR: the obstacles are boxes here, not standing cars"] if still else []
        return {"race": "object_avoidance"} | fields, notes
    if race in ("HEAD_TO_BOT", "HEAD_TO_BOT_RACING"):
        fields = _placed(data, "NUMBER_OF_BOT_CARS", "RANDOMIZE_BOT_CAR_LOCATIONS", where, switch)
        bots: dict[str, Any] = {"lane_changes": "random" if switch("IS_LANE_CHANGE") else "never"}
        for key, (field, most) in _BOTS.items():
            if key in data:
                bots[field] = parse_number(data[key], f"{where}: {key}", 0.0, most)
        return {"race": "head_to_bot", "bots": bots} | fields, []
    if race == "TIME_TRIAL":
        return {}, []
    return {}, [f"RACE_TYPE {quote_value(race)}: racer trains a time trial, alone on the track"]


def _placed(data: dict[str, Any], count: str, randomize: str, where: str, switch: Switch) -> dict[str, Any]:
    fields: dict[str, Any] = {"placement": "random" if switch(randomize) else "spaced"}
    if count in data:
        fields["count"] = parse_integer(data[count], f"{where}: {count}", 1, OBJECTS_MAX)
    return fields


def _positions(given: Any, where: str) -> list[tuple[float, int]]:
    """Return fraction of the lap and lane of each object, from `0.23,-1;0.46,1` or a list of such pairs."""
    if not given:
        return []
    items = given if isinstance(given, list) else str(given).split(";")
    positions = []
    for item in items:
        match = _POSITION.fullmatch(item if isinstance(item, str) else ",".join(map(str, item)))
        if match is None:
            raise ConfigError(
                f"{where}: OBJECT_POSITIONS has {quote_value(item)}; give a fraction of the lap and a lane: 0.23,-1"
            )
        positions.append((parse_number(match[1], f"{where}: OBJECT_POSITIONS", 0.0, 1.0), int(match[2])))
    return positions


_BOX_KEYS = ("NUMBER_OF_OBSTACLES", "RANDOMIZE_OBSTACLE_LOCATIONS", "OBJECT_POSITIONS", "IS_OBSTACLE_BOT_CAR")
_BOT_KEYS = ("NUMBER_OF_BOT_CARS", "RANDOMIZE_BOT_CAR_LOCATIONS", "IS_LANE_CHANGE", *_BOTS)
_ENV_NAMES = {
    "DR_WORLD_NAME": "WORLD_NAME",
    "DR_RACE_TYPE": "RACE_TYPE",
    "DR_TRAIN_ALTERNATE_DRIVING_DIRECTION": "ALTERNATE_DRIVING_DIRECTION",
    "DR_TRAIN_REVERSE_DIRECTION": "REVERSE_DIR",
    "DR_TRAIN_ROUND_ROBIN_ADVANCE_DIST": "ROUND_ROBIN_ADVANCE_DIST",
    "DR_TRAIN_CHANGE_START_POSITION": "CHANGE_START_POSITION",
    "DR_TRAIN_START_POSITION_OFFSET": "START_POSITION_OFFSET",
    "DR_ENABLE_DOMAIN_RANDOMIZATION": "ENABLE_DOMAIN_RANDOMIZATION",
    **{f"DR_OA_{key}": key for key in _BOX_KEYS},
    **{f"DR_H2B_{key}": key for key in _BOT_KEYS},
}
"""Name in `run.env` to key of `training_params.yaml`."""
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]*)=(.*)$")


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """Settings taken over from a job file, and notes for the user.

    Attributes:
        track: Name of the world; None where the file gives none.
        start: Fields of `StartConfig`.
        objects: Fields of `ObjectsConfig`; empty for a time trial.
        notes: One line for each setting that is not taken over unchanged.
    """

    track: str | None = None
    start: dict[str, Any]
    objects: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_job(path: Path) -> TrainingJob:
    """Read `training_params.yaml` or `run.env`; keys without a meaning in racer are ignored.

    Raises:
        ConfigError: The file cannot be read, or a value cannot be used.
    """
    data = read_yaml(path) if path.suffix in (".yaml", ".yml") else _read_env(path)
    start: dict[str, Any] = {}
    name = data.get("WORLD_NAME")
    if name is not None and not (isinstance(name, str) and name.strip()):
        raise ConfigError(f"{path}: WORLD_NAME is {quote_value(name)}; it should be the name of a track")
    race = str(data.get("RACE_TYPE", "TIME_TRIAL")).strip().upper()
    objects, notes = read_objects(data, race, str(path), lambda key: _switch(data, key, path))
    # Alternating wins over reversed, because it includes both directions.
    if _switch(data, "REVERSE_DIR", path):
        start["direction"] = "backward"
    if _switch(data, "ALTERNATE_DRIVING_DIRECTION", path):
        start["direction"] = "alternate"
    if "ROUND_ROBIN_ADVANCE_DIST" in data:
        advance = parse_number(data["ROUND_ROBIN_ADVANCE_DIST"], f"{path}: ROUND_ROBIN_ADVANCE_DIST", 0.0, 1.0)
        # 0 would start every episode at one place, which racer's configuration does not have.
        start |= {"advance": advance} if advance > 0.0 else {}
    # The default of a job file is true, unlike that of the other switches.
    if not _switch(data, "CHANGE_START_POSITION", path, default=True):
        notes.append("CHANGE_START_POSITION false: racer's episodes start all around the track")
    if "START_POSITION_OFFSET" in data:
        offset = parse_number(data["START_POSITION_OFFSET"], f"{path}: START_POSITION_OFFSET", -1e6, 1e6)
        if offset != 0.0:
            notes.append(
                f"START_POSITION_OFFSET {offset:g}: it moves the start of the first episode; racer's cars start all "
                "around the track from the first episode on (env.start)"
            )
    if _switch(data, "ENABLE_DOMAIN_RANDOMIZATION", path):
        notes.append("ENABLE_DOMAIN_RANDOMIZATION: it changes lights and colours; here that is env.disturbance: mild")
    # The name may be the path of the route file.
    track = name.strip().rpartition("/")[2].removesuffix(".npy") if name else None
    return TrainingJob(track=track, start=start, objects=objects, notes=tuple(notes))


def _read_env(path: Path) -> dict[str, Any]:
    """Return the known keys of a `run.env`; a key without a value counts as absent."""
    lines = read_text(path, ConfigError).splitlines()
    assignments = [match for line in lines if (match := _ASSIGNMENT.match(line))]
    values = {match[1]: match[2].partition(" #")[0].strip().strip("\"'") for match in assignments}
    return {_ENV_NAMES[key]: value for key, value in values.items() if key in _ENV_NAMES and value}


def _switch(data: dict[str, Any], key: str, path: Path, *, default: bool = False) -> bool:
    given = data.get(key, default)
    word = str(given).strip().lower()
    if word not in ("true", "false", "1", "0", "yes", "no"):
        hint = did_you_mean(word, ("true", "false"))
        raise ConfigError(f"{path}: {key} is {quote_value(given)}; give true or false.{hint}")
    return word in ("true", "1", "yes")
