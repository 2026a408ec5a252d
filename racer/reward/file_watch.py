"""Notices when a file that is being edited has changed and is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path


def watch_file(path: Path, wait: Callable[[], object]) -> Iterator[str]:
    """Yield the file's text now, and again whenever it has changed.

    An editor may empty a file before it fills it, write it in pieces, or put a new one in its place: a text is
    yielded once a second read, one `wait` later, finds the same file. A file that is gone, empty or not text is
    waited for.

    Args:
        path: The file.
        wait: Called between two reads; sleeps, or ends the watching by raising.
    """
    yielded: str | None = None
    previous: tuple[tuple[int, int] | None, str | None] = (None, None)
    stamp_yielded: tuple[int, int] | None = None
    while True:
        stamp = _file_stamp(path)
        # An unchanged stamp saves reading the file.
        if stamp is not None and (stamp != stamp_yielded or yielded is None):
            text = _file_text(path)
            # Equal in two reads: the editor has finished. An empty text is one that is still to be written.
            if (stamp, text) == previous and text:
                stamp_yielded = stamp
                if text != yielded:
                    yielded = text
                    yield text
            previous = (stamp, text)
        wait()


def _file_stamp(path: Path) -> tuple[int, int] | None:
    """Return (modification time [ns], size [bytes]), None where the file does not exist."""
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_mtime_ns, info.st_size


def _file_text(path: Path) -> str | None:
    """Return the text of the file; None where it cannot be read as text right now."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
