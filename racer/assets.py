"""Finds a track, reward function, config, vehicle, disturbance or rule set by name, and writes files as a whole.

A name is looked for in this order: as a path to a file; in the working directory (`./tracks`, `./reward_functions`,
`./configs`, `./configs/vehicle`, `./configs/disturbance`, `./configs/rules`); in the package; for tracks, among those
that `racer tracks fetch` downloaded. Only the standard library is used here.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import secrets
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from racer.errors import AssetError, RacerError

AssetKind = Literal["track", "reward", "config", "vehicle", "disturbance", "rules"]


@dataclass(frozen=True, kw_only=True)
class _AssetFolder:
    """Folder and suffixes of one kind of asset; the first suffix wins where two files share a name."""

    noun: str
    folder: str
    suffixes: tuple[str, ...] = (".yaml", ".yml")


_FOLDERS: dict[str, _AssetFolder] = {
    "track": _AssetFolder(noun="track", folder="tracks", suffixes=(".yaml", ".yml", ".npy", ".csv")),
    "reward": _AssetFolder(noun="reward function", folder="reward_functions", suffixes=(".py",)),
    "config": _AssetFolder(noun="config", folder="configs"),
    "vehicle": _AssetFolder(noun="vehicle", folder="configs/vehicle"),
    "disturbance": _AssetFolder(noun="disturbance", folder="configs/disturbance"),
    "rules": _AssetFolder(noun="rule set", folder="configs/rules"),
}


def shipped_root() -> Path:
    """Return the folder that holds the shipped `tracks`, `reward_functions` and `configs`.

    It is inside the package in a wheel, and beside the package in a checkout or an editable install.
    """
    package = Path(__file__).resolve().parent
    shipped = package / "shipped"
    return shipped if shipped.is_dir() else package.parent


def cache_dir() -> Path:
    """Return the folder for files that can be made again: `RACER_CACHE_DIR`, or `racer` in the user's cache folder.

    The folder need not exist yet.
    """
    if chosen := os.environ.get("RACER_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "racer"


def find_asset(kind: AssetKind, name: str | Path) -> Path:
    """Return the file of a named asset.

    Args:
        kind: Kind of the asset.
        name: A name (`oval`), a file name (`oval.yaml`) or a path; `~` is expanded.

    Raises:
        AssetError: There is nothing of that name; the message lists the places and the nearest name.
    """
    given = Path(name).expanduser()
    # A file without a suffix in the working directory, such as a bundle called `default`, does not hide a name.
    if given.is_file() and (given.suffix or len(given.parts) > 1):
        return given
    if len(given.parts) > 1 or given.is_absolute():
        raise AssetError(_missing_file_error(_FOLDERS[kind], given))
    # The user's own folders come first: a local file replaces the shipped one of its name.
    suffixes = _FOLDERS[kind].suffixes
    for _, folder in _search_folders(kind):
        exact = [folder / given.name] if given.suffix in suffixes else []
        for candidate in exact + [folder / f"{given.name}{suffix}" for suffix in suffixes]:
            if candidate.is_file():
                return candidate
    raise AssetError(_unknown_name_error(kind, given.name))


def asset_names(kind: AssetKind) -> list[str]:
    """Return every name that `find_asset` finds, sorted: local, shipped and (for tracks) fetched ones."""
    names: set[str] = set()
    for _, folder in _search_folders(kind):
        # A folder that does not exist or may not be read has no names.
        with contextlib.suppress(OSError):
            names.update(
                file.stem
                for file in folder.iterdir()
                if file.suffix in _FOLDERS[kind].suffixes and file.is_file() and not file.name.startswith((".", "_"))
            )
    return sorted(names)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean ...?` with the nearest known name; empty where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean `{near[0]}`?" if near else ""


def write_atomically(path: str | Path, data: bytes | str) -> Path:
    """Write a file so that a reader receives the old content or the new one, never a part of it.

    The data goes to a new file in the same folder, is flushed to the disk, and replaces `path`. Missing folders are
    made. Text is written as UTF-8 with its own line ends.

    Args:
        path: File to write.
        data: Its whole content.

    Returns:
        The path that was written.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # A rename is atomic only inside one file system, so the temporary file lies beside the target.
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            # Without it a power cut may leave the new name with an empty file.
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        # Also after Ctrl-C: nothing else would ever remove the temporary file.
        temporary.unlink(missing_ok=True)
        raise
    return target


def read_text(path: Path, error_type: type[RacerError], *, bytes_max: int | None = None) -> str:
    """Return the text of a user's file in UTF-8, without a byte order mark.

    Args:
        path: File to read.
        error_type: Error of the caller's room.
        bytes_max: Length of a file that is refused before it is read [bytes]; None for any length.

    Raises:
        RacerError: Of type `error_type`; the file cannot be read, is too long, or is not text.
    """
    try:
        if bytes_max is not None and (size := path.stat().st_size) > bytes_max:
            raise error_type(f"{path}: is {size:,} bytes long; at most {bytes_max:,} are read")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise error_type(f"{path}: is not a text file") from None
    except OSError as error:
        raise error_type(f"{path}: cannot be read: {error.strerror or error}") from None


def _search_folders(kind: AssetKind) -> list[tuple[str, Path]]:
    """Return the folders in the order of search, each with its name in a message."""
    noun, folder = _FOLDERS[kind].noun, _FOLDERS[kind].folder
    folders = [(f"./{folder}", Path.cwd() / folder), (f"the built-in {noun}s", shipped_root() / folder)]
    if kind == "track":
        folders.append(("the fetched tracks", cache_dir() / "tracks"))
    return folders


def _unknown_name_error(kind: AssetKind, name: str) -> str:
    places = [place for place, _ in _search_folders(kind)]
    stem = Path(name).stem if Path(name).suffix in _FOLDERS[kind].suffixes else name
    return (
        f"No {_FOLDERS[kind].noun} `{name}` (looked in {', '.join(places[:-1])} and {places[-1]})."
        f"{did_you_mean(stem, asset_names(kind))}"
    )


def _missing_file_error(folder: _AssetFolder, given: Path) -> str:
    if given.is_dir():
        return f"`{given}` is a folder; name the file of the {folder.noun} inside it."
    if not given.parent.is_dir():
        return f"No {folder.noun} `{given}` (the folder `{given.parent}` does not exist)."
    siblings = [file.name for file in given.parent.iterdir() if file.suffix in folder.suffixes]
    near = difflib.get_close_matches(given.name, siblings, n=1, cutoff=0.6)
    hint = f" Did you mean `{given.parent / near[0]}`?" if near else ""
    return f"No {folder.noun} `{given}` (the file does not exist).{hint}"
