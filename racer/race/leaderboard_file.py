"""The file of a leaderboard: an SQLite database with tables of ours and nothing else in it.

Every change is one transaction with SQLite's rollback journal: writers wait for each other, and what a full disk, a
stop or a power cut interrupts is undone by whoever opens the file next. A file of other tables, with triggers or views,
or of a newer version is not touched.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from racer import __version__
from racer.errors import RacerError

APPLICATION = 0x72616372
"""`application_id` of our files: "racr"."""
VERSION = 1
WAIT_S = 30.0
"""s to wait for another writer."""

TABLES = (
    "CREATE TABLE track (sha256 TEXT PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL)",
    "CREATE TABLE rules (sha256 TEXT PRIMARY KEY, text TEXT NOT NULL)",
    "CREATE TABLE vehicle (sha256 TEXT PRIMARY KEY, name TEXT NOT NULL, text TEXT NOT NULL)",
    "CREATE TABLE bundle (sha256 TEXT PRIMARY KEY, data BLOB NOT NULL)",
    "CREATE TABLE race (id INTEGER PRIMARY KEY, added TEXT NOT NULL, track TEXT NOT NULL REFERENCES track, "
    "rules TEXT NOT NULL REFERENCES rules, vehicle TEXT NOT NULL REFERENCES vehicle, seed INTEGER NOT NULL, "
    "result TEXT NOT NULL, replay TEXT, replay_sha256 TEXT, circumstances TEXT NOT NULL)",
    "CREATE TABLE entry (race INTEGER NOT NULL REFERENCES race, slot INTEGER NOT NULL, label TEXT NOT NULL, "
    "bundle TEXT NOT NULL REFERENCES bundle, rank INTEGER, score_s REAL, total_s REAL, best_lap_s REAL, "
    "status TEXT NOT NULL, PRIMARY KEY (race, slot))",
    "CREATE INDEX entry_label ON entry (label)",
)
"""`race.result` is the whole result as JSON and what counts; `entry` repeats of it what a query may ask for."""


class LeaderboardError(RacerError):
    """A leaderboard cannot be read or written, or an entry does not stand up to a rerun."""


@contextlib.contextmanager
def opened(path: Path, *, to: Literal["read", "write"]) -> Iterator[sqlite3.Connection]:
    """A connection to a leaderboard's file; to write, in a transaction that is kept whole or not at all.

    Raises:
        LeaderboardError: one line: no such file, no leaderboard, a newer one, damaged, busy, or a full disk.
    """
    with _explained(path):
        connection = _connect(path, to)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("BEGIN IMMEDIATE" if to == "write" else "BEGIN")
            _check(connection, path, to)
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()  # what was not committed is undone


def _connect(path: Path, to: Literal["read", "write"]) -> sqlite3.Connection:
    if path.is_dir():
        raise LeaderboardError(f"{path} is a folder; name a leaderboard's file in it, as in {path / 'league.db'}")
    if to == "read" and not path.is_file():
        raise LeaderboardError(
            f"No leaderboard {path} (there is no such file); `racer leaderboard {path} add` makes one"
        )
    if not path.parent.is_dir():
        raise LeaderboardError(f"{path} cannot be made: there is no folder {path.parent}")
    # Reading may have to undo what an interrupted writer left, so it may write where it is allowed to.
    mode = "rwc" if to == "write" else "rw" if os.access(path, os.W_OK) else "ro"
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=WAIT_S, isolation_level=None)


def _check(connection: sqlite3.Connection, path: Path, to: Literal["read", "write"]) -> None:
    application, version = (
        connection.execute(f"PRAGMA {key}").fetchone()[0] for key in ("application_id", "user_version")
    )
    found = [row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")]
    if to == "write" and not found and application == version == 0:
        for table in TABLES:
            connection.execute(table)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        return
    if application != APPLICATION:
        raise LeaderboardError(f"{path} is no leaderboard of racer")
    if version > VERSION:
        raise LeaderboardError(
            f"{path} has version {version}, but racer {__version__} reads leaderboards up to {VERSION}; update racer"
        )
    if sorted(found) != sorted(TABLES):
        raise LeaderboardError(f"{path} has other tables than a leaderboard's; it was changed or damaged")


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """SQLite's errors as one line of ours."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            told = f"{path} could not be written ({error}); it holds what it held before"
        elif name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            told = f"{path} is being written by somebody else for more than {WAIT_S:g} s; try again"
        elif name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
            told = f"{path} cannot be opened for this ({error}); look at its permissions"
        elif name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            told = f"{path} is no leaderboard, or a damaged one ({error})"
        else:
            raise
        raise LeaderboardError(told) from None
