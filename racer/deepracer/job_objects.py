"""Boxes and bots of a DeepRacer job: its names and ours.

The keys are those of the simulator's `training_params.yaml`; DeepRacer-for-Cloud's `run.env` has them with `DR_OA_` and
`DR_H2B_` before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from racer.config.objects import OBJECTS_MAX
from racer.deepracer.project import number, shown, whole
from racer.errors import ConfigError

ENV_NAMES = {
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
                bots[field] = number(data[key], f"{where}: {key}", 0.0, most)
        return {"race": "head_to_bot", "bots": bots} | fields, []
    if race == "TIME_TRIAL":
        return {}, []
    return {}, [f"RACE_TYPE {shown(race)}: racer trains a time trial, alone on the track"]


def _placed(data: dict[str, Any], count: str, randomize: str, where: str, switch: Switch) -> dict[str, Any]:
    fields: dict[str, Any] = {"placement": "random" if switch(randomize) else "spaced"}
    if count in data:
        fields["count"] = whole(data[count], f"{where}: {count}", 1, OBJECTS_MAX)
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
                f"{where}: OBJECT_POSITIONS has {shown(item)}; give a share of the lap and a lane: 0.23,-1"
            )
        found.append((number(match[1], f"{where}: OBJECT_POSITIONS", 0.0, 1.0), int(match[2])))
    return found
