"""Finds a named track, reward function, config, vehicle, disturbance or rule set, and writes whole files or none.

What is given is looked for in this order: a path to a file, the working directory's own folder (`./tracks`,
`./reward_functions`, `./configs`, `./configs/vehicle`, `./configs/disturbance`, `./configs/rules`), what the package
ships, and for tracks what `racer tracks fetch` downloaded. Only the standard library is used here.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from racer.errors import AssetError

AssetKind = Literal["track", "reward", "config", "vehicle", "disturbance", "rules"]


@dataclass(frozen=True, kw_only=True)
class _Shelf:
    """Where one kind of asset lies, and its suffixes; the first wins where two files share a name."""

    word: str
    folder: str
    suffixes: tuple[str, ...]


_SHELVES: dict[str, _Shelf] = {
    "track": _Shelf(word="track", folder="tracks", suffixes=(".yaml", ".yml", ".npy", ".csv")),
    "reward": _Shelf(word="reward function", folder="reward_functions", suffixes=(".py",)),
    "config": _Shelf(word="config", folder="configs", suffixes=(".yaml", ".yml")),
    "vehicle": _Shelf(word="vehicle", folder="configs/vehicle", suffixes=(".yaml", ".yml")),
    "disturbance": _Shelf(word="disturbance", folder="configs/disturbance", suffixes=(".yaml", ".yml")),
    "rules": _Shelf(word="rule set", folder="configs/rules", suffixes=(".yaml", ".yml")),
}


def shipped_root() -> Path:
    """The folder that holds the shipped `tracks`, `reward_functions` and `configs`.

    Inside the package in a wheel, beside it in a checkout or an editable install.
    """
    here = Path(__file__).resolve().parent
    packed = here / "shipped"
    return packed if packed.is_dir() else here.parent


def cache_dir() -> Path:
    """The folder for what can be made again: `RACER_CACHE_DIR`, or the user's cache folder / racer.

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
    """The file of a named asset, or of a path to one.

    Args:
        kind: what is looked for.
        name: a name (`oval`), a file name (`oval.yaml`) or a path; `~` is expanded.

    Raises:
        AssetError: nothing of that name; the message says where it looked and which name is near.
    """
    shelf = _SHELVES[kind]
    given = Path(name).expanduser()
    if given.is_file() and (given.suffix or len(given.parts) > 1):
        return given
    if len(given.parts) > 1 or given.is_absolute():
        raise AssetError(_missing_file_error(shelf, given))
    for _, folder in _search_folders(kind):
        for candidate in _candidates(folder, given.name, shelf):
            if candidate.is_file():
                return candidate
    raise AssetError(_unknown_name_error(kind, given.name))


def asset_names(kind: AssetKind) -> list[str]:
    """Every name that `find` knows without a path, sorted: local, shipped and (for tracks) fetched ones."""
    shelf = _SHELVES[kind]
    found: set[str] = set()
    for _, folder in _search_folders(kind):
        with contextlib.suppress(OSError):
            found.update(
                p.stem
                for p in folder.iterdir()
                if p.suffix in shelf.suffixes and p.is_file() and not p.name.startswith((".", "_"))
            )
    return sorted(found)


def did_you_mean(name: str, known: list[str]) -> str:
    """A sentence with the nearest known name, with a space before it; empty where none is near."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f" Did you mean `{near[0]}`?" if near else ""


def write_atomically(path: str | Path, data: bytes | str) -> Path:
    """Write a file so that a reader sees the old content or the new one, never a part of it.

    The data goes to a new file in the same folder, is flushed to the disk, and takes the place of `path`.
    Missing folders are made. Text is written as UTF-8 with the line ends that it has.

    Returns:
        The path that was written.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with fresh.open("xb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return target


def _search_folders(kind: AssetKind) -> list[tuple[str, Path]]:
    """Folders in the order of search, each with the words that a message uses for it."""
    shelf = _SHELVES[kind]
    places = [
        (f"./{shelf.folder}", Path.cwd() / shelf.folder),
        (f"the built-in {shelf.word}s", shipped_root() / shelf.folder),
    ]
    if kind == "track":
        places.append(("the fetched tracks", cache_dir() / "tracks"))
    return places


def _candidates(folder: Path, name: str, shelf: _Shelf) -> list[Path]:
    exact = [folder / name] if Path(name).suffix in shelf.suffixes else []
    return exact + [folder / f"{name}{suffix}" for suffix in shelf.suffixes]


def _unknown_name_error(kind: AssetKind, name: str) -> str:
    shelf = _SHELVES[kind]
    words = [words for words, _ in _search_folders(kind)]
    looked = ", ".join(words[:-1]) + f" and {words[-1]}"
    stem = Path(name).stem if Path(name).suffix in shelf.suffixes else name
    return f"No {shelf.word} `{name}` (looked in {looked}).{did_you_mean(stem, asset_names(kind))}"


def _missing_file_error(shelf: _Shelf, given: Path) -> str:
    if given.is_dir():
        return f"`{given}` is a folder; name the file of the {shelf.word} inside it."
    if not given.parent.is_dir():
        return f"No {shelf.word} `{given}` (there is no folder `{given.parent}`)."
    siblings = [p.name for p in given.parent.iterdir() if p.suffix in shelf.suffixes]
    near = difflib.get_close_matches(given.name, siblings, n=1, cutoff=0.6)
    hint = f" Did you mean `{given.parent / near[0]}`?" if near else ""
    return f"No {shelf.word} `{given}` (there is no such file).{hint}"
