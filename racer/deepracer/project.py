"""Finds and reads the files of a DeepRacer model folder.

Known layouts: a plain folder with the files; a model of DeepRacer-for-Cloud (`model/model_metadata.json`,
`ip/hyperparameters.json`, `reward_function.py`), its `custom_files/`; the download of a console or of DeepRacer on AWS.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from racer.errors import ConfigError

REWARD, METADATA, HYPERPARAMETERS = "reward_function.py", "model_metadata.json", "hyperparameters.json"
_NAMES = {
    REWARD: (REWARD, "reward.py"),
    METADATA: (METADATA,),
    HYPERPARAMETERS: (HYPERPARAMETERS,),
    "job": ("training_params.yaml", "run.env"),
}
"""For each part the names of its file, the best first; DeepRacer-for-Cloud once said `reward.py`."""
_PLACES = ("", "model", "ip", "custom_files", "custom-files")
_BYTES_MAX = 1_000_000
"""Of a JSON file; real ones have a few thousand."""


@dataclass(frozen=True, kw_only=True)
class ModelFolder:
    """The files of a model folder.

    Attributes:
        folder: what the user named.
        reward: `reward_function.py`.
        metadata: `model_metadata.json`.
        hyperparameters: `hyperparameters.json`; None where there is none.
        job: `training_params.yaml` or `run.env`, which name the track; None where there is none.
        tracks: route files (`.npy`) in the folder.
    """

    folder: Path
    reward: Path
    metadata: Path
    hyperparameters: Path | None
    job: Path | None
    tracks: tuple[Path, ...]


def find_project(folder: Path) -> ModelFolder:
    """Find the files of a model folder.

    Raises:
        ConfigError: no such folder, or the reward function or `model_metadata.json` is not in it.
    """
    folder = folder.expanduser()
    if folder.is_file():
        raise ConfigError(f"{folder} is a file; unpack it and name the folder with {METADATA} and {REWARD}")
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; name one with {METADATA} and {REWARD}")
    metadata = _find(folder, METADATA)
    reward = _find(folder, REWARD)
    if metadata is None:
        _missing(folder, METADATA)
    if reward is None:
        _missing(folder, REWARD)
    tracks = sorted(path for place in ("", "routes", "tracks") for path in (folder / place).glob("*.npy"))
    return ModelFolder(
        folder=folder,
        reward=reward,
        metadata=metadata,
        hyperparameters=_find(folder, HYPERPARAMETERS),
        job=_find(folder, "job"),
        tracks=tuple(tracks),
    )


def _find(folder: Path, part: str) -> Path | None:
    for name in _NAMES[part]:
        for place in _PLACES:
            if (folder / place / name).is_file():
                return folder / place / name
    return None


def _missing(folder: Path, part: str) -> NoReturn:
    looked = ", ".join(f"{place}/{part}" if place else part for place in _PLACES[:4])
    nested = next((path for depth in ("*", "*/*") for path in sorted(folder.glob(f"{depth}/{part}"))), None)
    if nested is None:
        raise ConfigError(f"{folder} holds no {part} (looked for {looked})")
    near = nested.parent.parent if nested.parent.name in _PLACES else nested.parent
    raise ConfigError(f"{folder} holds no {part} (looked for {looked}). Did you mean `{near}`?")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        ConfigError: not readable, not JSON, too long, a key twice, NaN, or no object.
    """
    try:
        if path.stat().st_size > _BYTES_MAX:
            raise ConfigError(f"{path} is {path.stat().st_size:,} bytes long; at most {_BYTES_MAX:,} are read")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not a text file") from None

    def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise ConfigError(f"{path} gives the key {quote_value(key)} twice; give it once")
        return dict(pairs)

    def no_number(word: str) -> NoReturn:
        raise ConfigError(f"{path} holds {word}, which is not a JSON number")

    try:
        data = json.loads(text, object_pairs_hook=once, parse_constant=no_number)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}: no JSON: {error.msg}") from None
    except (RecursionError, ValueError):
        raise ConfigError(f"{path} is not JSON that can be read") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path} holds {quote_value(data)}; it should hold an object with keys and values")
    return data


def parse_number(value: Any, where: str, low: float, high: float) -> float:
    """Return a number within `low`..`high`; like DeepRacer, accept one that is written as text.

    Raises:
        ConfigError: The value is not a number, or out of range; `where` begins the message.
    """
    try:
        found = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        found = math.nan
    if not low <= found <= high:
        raise ConfigError(f"{where} is {quote_value(value)}; give a number from {low:g} to {high:g}")
    return found


def parse_integer(value: Any, where: str, low: int, high: int) -> int:
    """Return a whole number within `low`..`high`; accept what `parse_number` accepts.

    Raises:
        ConfigError: The value is not a whole number, or out of range.
    """
    found = parse_number(value, where, low, high)
    if found != int(found):
        raise ConfigError(f"{where} is {quote_value(value)}; give a whole number from {low} to {high}")
    return int(found)


def quote_value(value: Any) -> str:
    """Format a value of a user's file for a message: JSON on one short line."""
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
