"""Where a drive is written to: a new file, or what a test puts in its place."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from racer.car.drives.file import SUFFIX


class Storage(Protocol):
    """Where a drive goes; every method may raise OSError."""

    path: Path

    def write(self, data: bytes) -> None:
        """All of `data` at the end, or OSError and none of it."""
        ...

    def sync(self) -> None:
        """Force to the disk what was written."""
        ...

    def free(self) -> int:
        """Bytes free on the disk."""
        ...

    def close(self) -> None:
        """No more."""
        ...


class FileStorage:
    """A new file.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._size = 0

    def write(self, data: bytes) -> None:
        """All of `data` at the end; a part that the disk still took is cut off again."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            raise
        self._size += len(data)

    def sync(self) -> None:
        """Force to the disk what was written."""
        os.fdatasync(self._file)

    def free(self) -> int:
        """Bytes free on the disk."""
        return shutil.disk_usage(self.path.parent).free

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def new_drive(folder: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Storage:
    """A new file in a folder, named after the time; a number follows where that name is taken.

    Raises:
        OSError: the folder cannot be written to.
    """
    name = f"drive-{now():%Y%m%d-%H%M%S}"
    for count in range(1, 1000):
        with contextlib.suppress(FileExistsError):
            return FileStorage(folder / f"{name}{f'-{count}' if count > 1 else ''}{SUFFIX}")
    raise FileExistsError(f"{folder} has a thousand drives of this second")


def utc() -> str:
    """Date and time for a drive's header."""
    return datetime.now(UTC).isoformat(timespec="seconds")
