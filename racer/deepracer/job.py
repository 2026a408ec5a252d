"""What a DeepRacer training job said besides: `training_params.yaml` (consoles) or `run.env` (DeepRacer-for-Cloud)."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from racer.config.read import read_yaml
from racer.deepracer.job_objects import ENV_NAMES, read_objects
from racer.deepracer.project import number, shown
from racer.errors import ConfigError

_ENV_NAMES = {
    "DR_WORLD_NAME": "WORLD_NAME",
    "DR_RACE_TYPE": "RACE_TYPE",
    "DR_TRAIN_ALTERNATE_DRIVING_DIRECTION": "ALTERNATE_DRIVING_DIRECTION",
    "DR_TRAIN_REVERSE_DIRECTION": "REVERSE_DIR",
    "DR_TRAIN_ROUND_ROBIN_ADVANCE_DIST": "ROUND_ROBIN_ADVANCE_DIST",
    "DR_TRAIN_CHANGE_START_POSITION": "CHANGE_START_POSITION",
    "DR_ENABLE_DOMAIN_RANDOMIZATION": "ENABLE_DOMAIN_RANDOMIZATION",
    **ENV_NAMES,
}
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Z][A-Z0-9_]*)=(.*)$")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is taken over, and what a user should know.

    Attributes:
        track: the world's name; None where the job does not say.
        start: fields of `StartConfig`.
        objects: fields of `ObjectsConfig`; empty for a time trial.
        notes: a line for each thing that is not taken over as it stands.
    """

    track: str | None = None
    start: dict[str, Any]
    objects: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_job(path: Path) -> Job:
    """Read `training_params.yaml` or `run.env`; keys that racer has no use for are left out in silence.

    Raises:
        ConfigError: the file cannot be read, or a value is none.
    """
    data = read_yaml(path) if path.suffix in (".yaml", ".yml") else _read_env(path)
    start: dict[str, Any] = {}
    notes = []
    name = data.get("WORLD_NAME")
    if name is not None and not (isinstance(name, str) and name.strip()):
        raise ConfigError(f"{path}: WORLD_NAME is {shown(name)}; it should be the name of a track")
    race = str(data.get("RACE_TYPE", "TIME_TRIAL")).strip().upper()
    objects, told = read_objects(data, race, str(path), lambda key: _switch(data, key, path))
    notes += told
    if _switch(data, "REVERSE_DIR", path):
        start["direction"] = "backward"
    if _switch(data, "ALTERNATE_DRIVING_DIRECTION", path):
        start["direction"] = "alternate"
    if "ROUND_ROBIN_ADVANCE_DIST" in data:
        advance = number(data["ROUND_ROBIN_ADVANCE_DIST"], f"{path}: ROUND_ROBIN_ADVANCE_DIST", 0.0, 1.0)
        start |= {"advance": advance} if advance > 0.0 else {}
    if not _switch(data, "CHANGE_START_POSITION", path, default=True):
        notes.append("CHANGE_START_POSITION false: racer's episodes start all around the track")
    if _switch(data, "ENABLE_DOMAIN_RANDOMIZATION", path):
        notes.append("ENABLE_DOMAIN_RANDOMIZATION: it changes lights and colours; here that is env.disturbance: mild")
    track = name.strip().rpartition("/")[2].removesuffix(".npy") if name else None
    return Job(track=track, start=start, objects=objects, notes=tuple(notes))


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
        raise ConfigError(f"{path}: {key} is {shown(given)}; give true or false.{hint}")
    return word in ("true", "1", "yes")
