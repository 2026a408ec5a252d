"""Finds and reads the files of a DeepRacer model folder.

Known layouts: a plain folder with the files; a model of DeepRacer-for-Cloud (`model/model_metadata.json`,
`ip/hyperparameters.json`, `reward_function.py`), its `custom_files/`; the download of a console or of DeepRacer on AWS.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from racer.assets import read_text
from racer.errors import ConfigError

REWARD, METADATA, HYPERPARAMETERS = "reward_function.py", "model_metadata.json", "hyperparameters.json"
_NAMES = {
    REWARD: (REWARD, "reward.py"),
    METADATA: (METADATA,),
    HYPERPARAMETERS: (HYPERPARAMETERS,),
    "job": ("training_params.yaml", "run.env"),
}
"""Names of the file of each part, the best first; early versions of DeepRacer-for-Cloud wrote `reward.py`."""
_PLACES = ("", "model", "ip", "custom_files", "custom-files")
_BYTES_MAX = 1_000_000
"""Largest JSON file that is read [bytes]; real ones have a few thousand."""


@dataclass(frozen=True, kw_only=True)
class ModelFolder:
    """The files of a model folder.

    Attributes:
        folder: Folder that the user named.
        reward: `reward_function.py`.
        metadata: `model_metadata.json`.
        hyperparameters: `hyperparameters.json`; None where the folder has none.
        job: `training_params.yaml` or `run.env`, which name the track; None where the folder has none.
        tracks: Route files (`.npy`) in the folder.
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
        ConfigError: The folder does not exist, or lacks the reward function or `model_metadata.json`.
    """
    folder = folder.expanduser()
    if folder.is_file():
        raise ConfigError(f"{folder} is a file; unpack it and name the folder with {METADATA} and {REWARD}")
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; name one with {METADATA} and {REWARD}")
    metadata = _find(folder, METADATA) or _raise_missing(folder, METADATA)
    reward = _find(folder, REWARD) or _raise_missing(folder, REWARD)
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
    # The better name in any place wins over the best place.
    for name in _NAMES[part]:
        for place in _PLACES:
            if (folder / place / name).is_file():
                return folder / place / name
    return None


def _raise_missing(folder: Path, part: str) -> NoReturn:
    # A download is often unpacked one or two folders deeper than the folder that the user names.
    looked = ", ".join(f"{place}/{part}" if place else part for place in _PLACES[:4])
    nested = next((path for depth in ("*", "*/*") for path in sorted(folder.glob(f"{depth}/{part}"))), None)
    if nested is None:
        raise ConfigError(f"{folder} holds no {part} (looked for {looked})")
    near = nested.parent.parent if nested.parent.name in _PLACES else nested.parent
    raise ConfigError(f"{folder} holds no {part} (looked for {looked}). Did you mean `{near}`?")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        ConfigError: The file cannot be read, is too long or is not JSON, gives a key twice, holds NaN, or does not hold
            an object.
    """
    text = read_text(path, ConfigError, bytes_max=_BYTES_MAX)

    def check_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise ConfigError(f"{path} gives the key {quote_value(key)} twice; give it once")
        return dict(pairs)

    # Python's parser accepts NaN and Infinity, which JSON does not have.
    def refuse_constant(constant: str) -> NoReturn:
        raise ConfigError(f"{path} holds {constant}, which is not a JSON number")

    try:
        data = json.loads(text, object_pairs_hook=check_keys, parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}: not JSON: {error.msg}") from None
    except (RecursionError, ValueError):
        # Nested too deeply, or an integer of more digits than Python converts.
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
        number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    # Comparisons with NaN are false, so that this refuses it too.
    if not low <= number <= high:
        raise ConfigError(f"{where} is {quote_value(value)}; give a number from {low:g} to {high:g}")
    return number


def parse_integer(value: Any, where: str, low: float, high: float) -> int:
    """Return a whole number within `low`..`high`; accept what `parse_number` accepts.

    Raises:
        ConfigError: The value is not a whole number, or out of range.
    """
    number = parse_number(value, where, low, high)
    if number != int(number):
        raise ConfigError(f"{where} is {quote_value(value)}; give a whole number from {low:g} to {high:g}")
    return int(number)


def parse_choice(value: Any, choices: Iterable[str], where: str) -> str:
    """Return one of the choices, which the user may write in any case.

    Raises:
        ConfigError: The value is none of them; `where` begins the message, which suggests the nearest choice.
    """
    names = {choice.lower(): choice for choice in choices}
    given = value.strip().lower() if isinstance(value, str) else ""
    if given not in names:
        near = difflib.get_close_matches(given, names, n=1)
        hint = f" Did you mean `{names[near[0]]}`?" if near else ""
        raise ConfigError(f"{where} is {quote_value(value)}; allowed are {', '.join(names.values())}.{hint}")
    return names[given]


def quote_value(value: Any) -> str:
    """Format a value of a user's file for a message: JSON on one short line."""
    text = json.dumps(value, ensure_ascii=True, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
