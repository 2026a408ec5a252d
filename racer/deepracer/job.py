"""Reads what a DeepRacer job file sets beside the model: track, start, boxes and bots.

The keys are those of the simulator's `training_params.yaml`; DeepRacer-for-Cloud's `run.env` has them with `DR_OA_` and
`DR_H2B_` before.

The file is `training_params.yaml` (consoles) or `run.env` (DeepRacer-for-Cloud).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from racer.config.env import OBJECTS_MAX
from racer.config.read import read_yaml
from racer.deepracer.project import parse_integer, parse_number, quote_value
from racer.errors import ConfigError

OBJECT_ENV_NAMES = {
    "DR_OA_NUMBER_OF_OBSTACLES": "NUMBER_OF_OBSTACLES",
    "DR_OA_RANDOMIZE_OBSTACLE_LOCATIONS": "RANDOMIZE_OBSTACLE_LOCATIONS",
    "DR_OA_OBJECT_POSITIONS": "OBJECT_POSITIONS",
    "DR_OA_IS_OBSTACLE_BOT_CAR": "IS_OBSTACLE_BOT_CAR",
    "DR_H2B_NUMBER_OF_BOT_CARS": "NUMBER_OF_BOT_CARS",
    "DR_H2B_RANDOMIZE_BOT_CAR_LOCATIONS": "RANDOMIZE_BOT_CAR_LOCATIONS",
    "DR_H2B_BOT_CAR_SPEED": "BOT_CAR_SPEED",
    "DR_H2B_IS_LANE_CHANGE": "IS_LANE_CHANGE",
    "DR_H2B_LOWER_LANE_CHANGE_TIME": "LOWER_LANE_CHANGE_TIME",
    "DR_H2B_UPPER_LANE_CHANGE_TIME": "UPPER_LANE_CHANGE_TIME",
    "DR_H2B_LANE_CHANGE_DISTANCE": "LANE_CHANGE_DISTANCE",
    "DR_H2B_BOT_CAR_PENALTY": "BOT_CAR_PENALTY",
}
_BOTS = {
    "BOT_CAR_SPEED": ("speed", 4.0),
    "LOWER_LANE_CHANGE_TIME": ("wait_min_s", 600.0),
    "UPPER_LANE_CHANGE_TIME": ("wait_max_s", 600.0),
    "LANE_CHANGE_DISTANCE": ("lane_change", 20.0),
    "BOT_CAR_PENALTY": ("pause_s", 600.0),
}
"""The key, our field of `BotsConfig`, and the greatest value."""
_POSITION = re.compile(r"\s*([0-9.]+)\s*,\s*(-?1)\s*")

Switch = Callable[[str], bool]


def read_objects(data: dict[str, Any], race: str, where: str, switch: Switch) -> tuple[dict[str, Any], list[str]]:
    """Fields of `ObjectsConfig`, and a line for each thing that is not taken over.

    Args:
        race: RACE_TYPE in capitals.
        switch: gives a key's true or false, false where it is absent.

    Raises:
        ConfigError: a value is none.
    """
    if race == "OBJECT_AVOIDANCE":
        fields = _placed(data, "NUMBER_OF_OBSTACLES", "RANDOMIZE_OBSTACLE_LOCATIONS", where, switch)
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
    """`0.23,-1;0.46,1`, or a list of such pairs."""
    if not given:
        return []
    items = given if isinstance(given, list) else str(given).split(";")
    found = []
    for item in items:
        match = _POSITION.fullmatch(item if isinstance(item, str) else ",".join(map(str, item)))
        if match is None:
            raise ConfigError(
                f"{where}: OBJECT_POSITIONS has {quote_value(item)}; give a share of the lap and a lane: 0.23,-1"
            )
        found.append((parse_number(match[1], f"{where}: OBJECT_POSITIONS", 0.0, 1.0), int(match[2])))
    return found


_ENV_NAMES = {
    "DR_WORLD_NAME": "WORLD_NAME",
    "DR_RACE_TYPE": "RACE_TYPE",
    "DR_TRAIN_ALTERNATE_DRIVING_DIRECTION": "ALTERNATE_DRIVING_DIRECTION",
    "DR_TRAIN_REVERSE_DIRECTION": "REVERSE_DIR",
    "DR_TRAIN_ROUND_ROBIN_ADVANCE_DIST": "ROUND_ROBIN_ADVANCE_DIST",
    "DR_TRAIN_CHANGE_START_POSITION": "CHANGE_START_POSITION",
    "DR_ENABLE_DOMAIN_RANDOMIZATION": "ENABLE_DOMAIN_RANDOMIZATION",
    **OBJECT_ENV_NAMES,
}
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]*)=(.*)$")


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """Settings taken over from a job file, and notes for the user.

    Attributes:
        track: the world's name; None where the job does not say.
        start: fields of `StartConfig`.
        objects: fields of `ObjectsConfig`; empty for a time trial.
        notes: one line for each setting that is not taken over unchanged.
    """

    track: str | None = None
    start: dict[str, Any]
    objects: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_job(path: Path) -> TrainingJob:
    """Read `training_params.yaml` or `run.env`; keys without a meaning in racer are ignored.

    Raises:
        ConfigError: the file cannot be read, or a value is none.
    """
    data = read_yaml(path) if path.suffix in (".yaml", ".yml") else _read_env(path)
    start: dict[str, Any] = {}
    notes = []
    name = data.get("WORLD_NAME")
    if name is not None and not (isinstance(name, str) and name.strip()):
        raise ConfigError(f"{path}: WORLD_NAME is {quote_value(name)}; it should be the name of a track")
    race = str(data.get("RACE_TYPE", "TIME_TRIAL")).strip().upper()
    objects, told = read_objects(data, race, str(path), lambda key: _switch(data, key, path))
    notes += told
    if _switch(data, "REVERSE_DIR", path):
        start["direction"] = "backward"
    if _switch(data, "ALTERNATE_DRIVING_DIRECTION", path):
        start["direction"] = "alternate"
    if "ROUND_ROBIN_ADVANCE_DIST" in data:
        advance = parse_number(data["ROUND_ROBIN_ADVANCE_DIST"], f"{path}: ROUND_ROBIN_ADVANCE_DIST", 0.0, 1.0)
        start |= {"advance": advance} if advance > 0.0 else {}
    if not _switch(data, "CHANGE_START_POSITION", path, default=True):
        notes.append("CHANGE_START_POSITION false: racer's episodes start all around the track")
    if _switch(data, "ENABLE_DOMAIN_RANDOMIZATION", path):
        notes.append("ENABLE_DOMAIN_RANDOMIZATION: it changes lights and colours; here that is env.disturbance: mild")
    track = name.strip().rpartition("/")[2].removesuffix(".npy") if name else None
    return TrainingJob(track=track, start=start, objects=objects, notes=tuple(notes))


def _read_env(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not a text file") from None
    found = [match for line in text.splitlines() if (match := _ASSIGNMENT.match(line))]
    values = {match[1]: match[2].partition(" #")[0].strip().strip("\"'") for match in found}
    return {_ENV_NAMES[key]: value for key, value in values.items() if key in _ENV_NAMES and value}


def _switch(data: dict[str, Any], key: str, path: Path, *, default: bool = False) -> bool:
    given = data.get(key, default)
    word = str(given).strip().lower()
    if word not in ("true", "false", "1", "0", "yes", "no"):
        near = difflib.get_close_matches(word, ["true", "false"], n=1)
        hint = f" Did you mean `{near[0]}`?" if near else ""
        raise ConfigError(f"{path}: {key} is {quote_value(given)}; give true or false.{hint}")
    return word in ("true", "1", "yes")
