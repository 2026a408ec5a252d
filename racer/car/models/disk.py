"""The few things that the store does to a disk, each of which may fail or be the last one before the power goes.

They are one class so that a test can let each of them fail in turn. Whatever must survive is flushed here.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

_PART_BYTES = 1 << 20


class Disk:
    """Whole files, renames and symbolic links, flushed."""

    def make_folder(self, path: Path) -> None:
        """A folder, which may be there already."""
        path.mkdir(parents=True, exist_ok=True)

    def write(self, path: Path, data: bytes) -> None:
        """A new file with this content, flushed. It is not atomic: use it where nobody looks yet."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self.write_part(handle, rest[:_PART_BYTES]) :]
            self.flush(handle)
        finally:
            os.close(handle)

    def write_part(self, handle: int, data: memoryview) -> int:
        """How many bytes were taken."""
        return os.write(handle, data)

    def flush(self, handle: int) -> None:
        """To the medium."""
        os.fsync(handle)

    def flush_folder(self, path: Path) -> None:
        """The names in a folder, to the medium."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.flush(handle)
        finally:
            os.close(handle)

    def rename(self, old: Path, new: Path) -> None:
        """At once; a file or link that was there is replaced."""
        os.replace(old, new)  # noqa: PTH105 (one spelling for files, links and folders)

    def link(self, path: Path, target: str) -> None:
        """A new symbolic link."""
        path.symlink_to(target)

    def remove(self, path: Path) -> None:
        """A file, link or folder, if it is there."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def replace_file(self, path: Path, data: bytes) -> None:
        """The old content or the new one, never a part."""
        self._replace(path, lambda fresh: self.write(fresh, data))

    def replace_link(self, path: Path, target: str) -> None:
        """The old link or the new one."""
        self._replace(path, lambda fresh: self.link(fresh, target))

    def _replace(self, path: Path, make: Callable[[Path], None]) -> None:
        fresh = temporary_path(path)
        try:
            make(fresh)
            self.rename(fresh, path)
            self.flush_folder(path.parent)
        except Exception:
            self._forget(fresh)
            raise

    def _forget(self, path: Path) -> None:
        # A disk that just failed may fail again; the next install sweeps what is left.
        with contextlib.suppress(OSError):
            self.remove(path)


def temporary_path(path: Path) -> Path:
    """A name beside `path` that is not taken, and that the store's sweep recognises."""
    return path.with_name(f".fresh-{path.name}-{secrets.token_hex(6)}")
