"""Notices when a file that somebody edits has changed and has come to rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path


def changes(path: Path, wait: Callable[[], object]) -> Iterator[str]:
    """Yield the file's text now, and again whenever it has changed.

    An editor may empty a file before it fills it, write it in pieces, or put a new one in its place: a text is
    yielded once a second look, one `wait` later, finds the same file. A file that is gone, empty or no text is
    waited for.

    Args:
        path: the file.
        wait: called between two looks; sleeps, or ends the watching by raising.
    """
    told: str | None = None
    before: tuple[tuple[int, int] | None, str | None] = (None, None)
    seen: tuple[int, int] | None = None
    while True:
        stamp = _stamp(path)
        if stamp is not None and (stamp != seen or told is None):
            now = (stamp, _text(path))
            if now == before and now[1]:
                seen = stamp
                if now[1] != told:
                    told = now[1]
                    yield told
            before = now
        wait()


def _stamp(path: Path) -> tuple[int, int] | None:
    """(mtime in ns, size), None where there is no file."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size


def _text(path: Path) -> str | None:
    """What the file holds; None where it cannot be read as text right now."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
