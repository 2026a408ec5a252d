"""Files that a reward function reads: a run copies them, and reads its copies from then on.

A reward function may read a table when it is loaded, or in a call. The file may change during a training, be gone when
the run is resumed, or have a name that is relative to the folder in which the training was started. So the first read
of a file copies it into the run folder, and every later read, also by `racer train --resume` and `racer report`, gets
the copy. A file that was not there is remembered too. Names stay those that the function uses: a relative one is
resolved in the folder in which the training was started, an absolute one stays as it is.

While user code runs, `open`, `os.open` and `os.stat` (for `os.path.exists`) are replaced for its thread. Python's and
numpy's functions that read files use one of them. The listing of a folder is not recorded, nor are files of Python and
its packages.

Example: the function of a training that was started in `/home/me/race` calls `np.load("table.npy")`. Then the folder
`runs/a/reward_files` holds `0-table.npy` and `files.json`:

    {"/home/me/race/table.npy": "0-table.npy", "/home/me/race/missing.npy": null}
"""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from racer.assets import write_atomically
from racer.errors import RewardError

INDEX = "files.json"
COPY_MAX = 256 * 2**20
"""Largest file that is copied [bytes]; a larger one is read in its place."""
_SYSTEM = ("/proc", "/sys", "/dev", "/etc")
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT

# The replaced functions, the originals while they are replaced, the files of each thread in which user code runs, and
# the threads that are copying a file, which use the originals.
_datasource: Any = np.lib._datasource
_PLACES: tuple[tuple[Any, str], ...] = (
    (builtins, "open"),
    (io, "open"),
    (os, "open"),
    (os, "stat"),
    (_datasource, "open"),  # of np.loadtxt and np.genfromtxt, which hold the original `open`
)
_originals: dict[tuple[int, str], Callable[..., Any]] = {}
_active: dict[int, list[RunFiles]] = {}
_copying: set[int] = set()
_lock = threading.RLock()


class RunFiles:
    """The files that the reward function of a run reads; user code runs inside the context.

    Args:
        folder: Folder of the copies; made with the first one.
        start: Folder in which the training was started; relative names are resolved there.
        record: Whether files that have no copy yet are copied; else they are read in their place.

    Raises:
        RewardError: The list of the copies cannot be read.
    """

    def __init__(self, folder: Path, start: Path, *, record: bool) -> None:
        self.folder, self.start, self._record = folder, start, record
        self._copies: dict[str, str | None] = _read_index(folder / INDEX)
        self._written: set[str] = set()

    def __enter__(self) -> RunFiles:
        with _lock:
            if not _active:
                _install()
            _active.setdefault(threading.get_ident(), []).append(self)
        return self

    def __exit__(self, *error: object) -> None:
        with _lock:
            thread = threading.get_ident()
            _active[thread].pop()
            if not _active[thread]:
                del _active[thread]
            if not _active:
                _uninstall()

    def resolve(self, name: str, *, write: bool) -> str:
        """Return the file to use in place of the one that user code names.

        Args:
            name: The name, absolute or relative.
            write: Whether user code writes it; such a file belongs to the function and is not copied.

        Raises:
            FileNotFoundError: The file was not there when it was first read.
        """
        if "://" in name:  # numpy reads addresses too
            return name
        path = os.path.normpath(self.start / name)
        if write:
            self._written.add(path)
            return path
        # A replaced function may call another one, with the copy: `np.loadtxt` looks whether its file exists.
        if path in self._written or Path(path).is_relative_to(self.folder.absolute()):
            return path
        if path not in self._copies:
            if not self._record or any(Path(path).is_relative_to(folder) for folder in _left_out()):
                return path
            self._copy(path)
        if path not in self._copies:
            return path
        copy = self._copies[path]
        if copy is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return str(self.folder.absolute() / copy)

    def _copy(self, path: str) -> None:
        """Copy a file, or note that it is not there; a folder, a device or a very large file stays without a copy."""
        file = Path(path)
        if not file.exists():
            self._copies[path] = None
        elif file.is_file() and file.stat().st_size <= COPY_MAX:
            copy = f"{len(self._copies)}-{file.name}"
            write_atomically(self.folder / copy, file.read_bytes())
            self._copies[path] = copy
        else:
            return
        write_atomically(self.folder / INDEX, json.dumps(self._copies, indent=1) + "\n")


def _read_index(path: Path) -> dict[str, str | None]:
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RewardError(f"{path} cannot be read ({error})") from None
    # A run may come from another person: a copy is a file of the folder itself.
    if not isinstance(index, dict) or not all(
        copy is None or (isinstance(copy, str) and Path(copy).name == copy) for copy in index.values()
    ):
        raise RewardError(f"{path} does not list the copies of files")
    return index


def _left_out() -> tuple[str, ...]:
    """Return the folders of Python, its packages and the system, whose files are not copied."""
    paths = sysconfig.get_paths()
    racer = str(Path(__file__).parents[1])
    return (*_SYSTEM, racer, *(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")))


def _install() -> None:
    for owner, name in _PLACES:
        original = getattr(owner, name)
        _originals[id(owner), name] = original
        setattr(owner, name, _Redirected(original, name))


def _uninstall() -> None:
    for owner, name in _PLACES:
        setattr(owner, name, _originals.pop((id(owner), name)))


class _Redirected:
    """Replacement of a function whose first argument is a path; an object, as a function would bind as a method."""

    def __init__(self, original: Callable[..., Any], name: str) -> None:
        self._original, self._name = original, name

    def __call__(self, *args: Any, **named: Any) -> Any:
        thread = threading.get_ident()
        files = _active.get(thread)
        key = {"open": "file", "stat": "path"}.get(self._name, "path")
        path = args[0] if args else named.get(key, named.get("path"))
        # Numbers are descriptors of files that are open; `dir_fd` gives another folder for relative names.
        if not files or thread in _copying or not isinstance(path, (str, bytes, os.PathLike)) or named.get("dir_fd"):
            return self._original(*args, **named)
        _copying.add(thread)
        try:
            path = files[-1].resolve(os.fsdecode(path), write=_writes(args[1:], named))
        finally:
            _copying.discard(thread)
        if args:
            return self._original(path, *args[1:], **named)
        return self._original(**{name: path if name in (key, "path") else value for name, value in named.items()})


def _writes(args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Return whether a call of `open` (by its mode) or `os.open` (by its flags) writes; `os.stat` has neither."""
    mode = args[0] if args else named.get("mode", named.get("flags", "r"))
    return bool(mode & _WRITE_FLAGS) if isinstance(mode, int) else bool(set(str(mode)) & set("wax+"))
