"""Changes files for the store; each operation may fail, or be the last before a power cut.

The operations are one class so that a test can let each of them fail in turn. What must survive is flushed here.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

_PART_BYTES = 1 << 20
"""Size of one write [bytes], so that a test can interrupt a file in the middle."""


class Disk:
    """Whole files, renames and symbolic links, flushed."""

    def make_folder(self, path: Path) -> None:
        """Create a folder; an existing one is kept."""
        path.mkdir(parents=True, exist_ok=True)

    def write(self, path: Path, data: bytes) -> None:
        """Write a new file and flush it; not atomic, so only for files that are not in use yet."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        try:
            # A full disk writes less than asked, without an error, before it raises one.
            rest = memoryview(data)
            while rest:
                rest = rest[self.write_part(handle, rest[:_PART_BYTES]) :]
            self.flush(handle)
        finally:
            os.close(handle)

    def write_part(self, handle: int, data: memoryview) -> int:
        """Write a part; returns the number of written bytes."""
        return os.write(handle, data)

    def flush(self, handle: int) -> None:
        """Flush an open file to the medium."""
        os.fsync(handle)

    def flush_folder(self, path: Path) -> None:
        """Flush the names in a folder to the medium."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.flush(handle)
        finally:
            os.close(handle)

    def rename(self, old: Path, new: Path) -> None:
        """Rename atomically; an existing file or link is replaced."""
        os.replace(old, new)  # noqa: PTH105 (one spelling for files, links and folders)

    def link(self, path: Path, target: str) -> None:
        """Create a symbolic link."""
        path.symlink_to(target)

    def remove(self, path: Path) -> None:
        """Remove a file, link or folder, if it exists."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def replace_file(self, path: Path, data: bytes) -> None:
        """Replace a file; after a power cut it has the old content or the new one, never a part."""
        self._replace(path, lambda fresh: self.write(fresh, data))

    def replace_link(self, path: Path, target: str) -> None:
        """Replace a link; after a power cut it is the old one or the new one."""
        self._replace(path, lambda fresh: self.link(fresh, target))

    def _replace(self, path: Path, make: Callable[[Path], None]) -> None:
        # Write beside, rename over, flush the folder: before the rename the old file is whole, after it the new one.
        fresh = temporary_path(path)
        try:
            make(fresh)
            self.rename(fresh, path)
            self.flush_folder(path.parent)
        except Exception:
            self._forget(fresh)
            raise

    def _forget(self, path: Path) -> None:
        # A disk that just failed may fail again; the next installation removes the rest.
        with contextlib.suppress(OSError):
            self.remove(path)


def temporary_path(path: Path) -> Path:
    """Return a free name beside `path` that the store's clean-up recognises."""
    return path.with_name(f".fresh-{path.name}-{secrets.token_hex(6)}")
