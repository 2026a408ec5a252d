"""Finds and reads the files of a DeepRacer model folder, or of the archive that a console lets users download.

Known layouts: a plain folder with the files; a model of DeepRacer-for-Cloud (`model/model_metadata.json`,
`ip/hyperparameters.json`, `reward_function.py`), its `custom_files/`; the download of a console or of DeepRacer on AWS,
as a folder or as the `.tar.gz` that it is (`virtualmodel-NAME.tar.gz`).
"""

from __future__ import annotations

import difflib
import json
import math
import tarfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from racer.assets import read_text, write_atomically
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
_ARCHIVED_MAX = 200
"""Most files that are taken from an archive: the names are those of one model."""
_TRACK_PLACES = ("", "routes", "tracks")
_BYTES_MAX = 1_000_000
"""Longest file that is read [bytes]; real ones have a few thousand."""


@dataclass(frozen=True, kw_only=True)
class ModelFolder:
    """The files of a model folder.

    Attributes:
        folder: The folder that the user named, or into which the archive was unpacked.
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
    """Find the files of a model folder; an archive's files are first unpacked into `model_folder`.

    Raises:
        ConfigError: The folder does not exist or lacks the reward function or `model_metadata.json`, or the archive
            cannot be unpacked.
    """
    folder = folder.expanduser()
    if folder.is_file():
        folder = _unpack(folder)
    if not folder.is_dir():
        raise ConfigError(f"{folder} is not a folder; name one with {METADATA} and {REWARD}")
    metadata = _find(folder, METADATA) or _raise_missing(folder, METADATA)
    reward = _find(folder, REWARD) or _raise_missing(folder, REWARD)
    tracks = sorted(path for place in _TRACK_PLACES for path in (folder / place).glob("*.npy"))
    return ModelFolder(
        folder=folder,
        reward=reward,
        metadata=metadata,
        hyperparameters=_find(folder, HYPERPARAMETERS),
        job=_find(folder, "job"),
        tracks=tuple(tracks),
    )


def model_folder(path: Path) -> Path:
    """Return the folder of a model: the path itself, or for an archive the folder beside it that has its name."""
    path = path.expanduser().resolve()
    if not path.is_file():
        return path
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz"))


def _unpack(archive: Path) -> Path:
    """Write the model's files of an archive into `model_folder`, without checkpoints and logs; return that folder."""
    files = _archived_files(archive)
    for part in (METADATA, REWARD):
        if not any(path.name in _NAMES[part] for path in files):
            raise ConfigError(
                f"{archive} holds no {part}; the download of the virtual model has it, or unpack the archive, add the "
                "file and name the folder"
            )
    folder = archive.parent / model_folder(archive).name
    try:
        for path, content in files.items():
            if (folder / path).exists() and (folder / path).read_bytes() != content:
                raise ConfigError(
                    f"{folder / path} exists already with other content; name that folder, or move it away"
                )
        for path, content in files.items():
            write_atomically(folder / path, content)
    except OSError as error:
        raise ConfigError(f"{archive} cannot be unpacked to {folder}: {error.strerror or error}") from None
    return folder


def _archived_files(archive: Path) -> dict[PurePosixPath, bytes]:
    """Return the contents of the model's files by their paths in the model's folder."""
    names = {name for part in _NAMES.values() for name in part}
    contents: dict[PurePosixPath, bytes] = {}
    try:
        # Read as a stream, and only regular files of known names, so that no member chooses where anything is written.
        with tarfile.open(archive, "r|*") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if not member.isfile() or ".." in path.parts or not (path.name in names or path.suffix == ".npy"):
                    continue
                # Routes have less than 100 kB; a larger array is something else, such as a log's.
                if member.size > _BYTES_MAX and path.suffix == ".npy":
                    continue
                if len(contents) == _ARCHIVED_MAX:
                    raise ConfigError(f"{archive} holds more than {_ARCHIVED_MAX} files of models; name one of them")
                if member.size > _BYTES_MAX:
                    raise ConfigError(
                        f"{path.name} in {archive} is {member.size:,} bytes long; at most {_BYTES_MAX:,} are read"
                    )
                file = tar.extractfile(member)
                contents[path] = b"" if file is None else file.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:
        raise ConfigError(
            f"{archive} is a file; unpack it and name the folder with {METADATA} and {REWARD} (it cannot be read as "
            f"a .tar.gz: {str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from None
    metadata = min((path for path in contents if path.name == METADATA), key=lambda path: len(path.parts), default=None)
    if metadata is None:
        return {}
    root = metadata.parent.parent if metadata.parent.name in _PLACES[1:] else metadata.parent
    places = (*_PLACES, *_TRACK_PLACES)
    inside = {path.relative_to(root): content for path, content in contents.items() if path.is_relative_to(root)}
    return {path: content for path, content in inside.items() if str(path.parent) in [place or "." for place in places]}


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
