"""Keeps results of races, with all inputs that are needed to run them again, in one SQLite file.

A race is stored with its track, rules, vehicle and the entrants' bundles; an input of several races is stored once, by
its sha256. Every change is one transaction with SQLite's rollback journal: writers wait for each other, and a change
that a full disk, a stop or a power cut interrupts is undone when the file is next opened. A file with other tables,
triggers or views, or of a newer version, is not changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from racer import __version__
from racer.config.env import VehicleConfig
from racer.config.rules import Rules
from racer.errors import RacerError
from racer.race.entrants import BUNDLE_BYTES_MAX, check_label
from racer.race.result import RaceResult, ResultError, result_from_record
from racer.race.track_json import track_from_json, track_to_json
from racer.runs import describe_environment
from racer.track.track import Track

APPLICATION_ID = 0x72616372
"""`application_id` of leaderboard files: "racr"."""
FILE_VERSION = 1
WAIT_S = 30.0
"""Time to wait for another writer [s]."""

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
"""`race.result` is the whole result as JSON and decides; `entry` repeats the parts of it that SQL queries need."""


class LeaderboardError(RacerError):
    """A leaderboard cannot be read or written, or an entry cannot be run again."""


@contextlib.contextmanager
def open_database(path: Path, *, to: Literal["read", "write"]) -> Iterator[sqlite3.Connection]:
    """Open a leaderboard's file, and commit one transaction whole or not at all.

    Args:
        path: The file; opening it to write makes it.
        to: `read` or `write`.

    Raises:
        LeaderboardError: The file is missing, not a leaderboard, newer, damaged or busy, or the disk is full.
    """
    with _sqlite_errors(path):
        connection = _connect(path, to)
        try:
            # A file of unknown origin: no functions in its schema, and only rows that refer to existing rows.
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA foreign_keys = ON")
            # IMMEDIATE takes the lock now: two writers that both read first could never commit.
            connection.execute("BEGIN IMMEDIATE" if to == "write" else "BEGIN")
            _check_file(connection, path, to)
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()  # without a COMMIT this undoes all changes


def _connect(path: Path, to: Literal["read", "write"]) -> sqlite3.Connection:
    if path.is_dir():
        raise LeaderboardError(f"{path} is a folder; name a leaderboard's file in it, as in {path / 'league.db'}")
    if to == "read" and not path.is_file():
        raise LeaderboardError(
            f"No leaderboard {path} (the file does not exist); `racer leaderboard {path} add` makes one"
        )
    if not path.parent.is_dir():
        raise LeaderboardError(f"{path} cannot be made: folder {path.parent} does not exist")
    # Reading may have to undo what an interrupted writer left, so it may write where it is allowed to.
    mode = "rwc" if to == "write" else "rw" if os.access(path, os.W_OK) else "ro"
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=WAIT_S, isolation_level=None)


def _check_file(connection: sqlite3.Connection, path: Path, to: Literal["read", "write"]) -> None:
    application, version = (
        connection.execute(f"PRAGMA {key}").fetchone()[0] for key in ("application_id", "user_version")
    )
    tables = [
        row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
    ]
    # An empty file, as one that was just made, gets the tables in the same transaction.
    if to == "write" and not tables and application == version == 0:
        for table in TABLES:
            connection.execute(table)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FILE_VERSION}")
        return
    if application != APPLICATION_ID:
        raise LeaderboardError(f"{path} is not a leaderboard of racer")
    if version > FILE_VERSION:
        raise LeaderboardError(
            f"{path} has version {version}, "
            f"but racer {__version__} reads leaderboards up to {FILE_VERSION}; update racer"
        )
    # Statements are compared as text, so that triggers, views and changed columns are found.
    if sorted(tables) != sorted(TABLES):
        raise LeaderboardError(f"{path} has other tables than a leaderboard's; it was changed or damaged")


_SQLITE_MESSAGES = {
    ("SQLITE_FULL", "SQLITE_IOERR"): "could not be written ({}); its contents are unchanged",
    ("SQLITE_BUSY", "SQLITE_LOCKED"): f"has been locked by another process for more than {WAIT_S:g} s; try again",
    ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH"): (
        "cannot be opened for this ({}); check its permissions"
    ),
    ("SQLITE_NOTADB", "SQLITE_CORRUPT"): "is not a leaderboard, or a damaged one ({})",
}
"""Beginnings of SQLite's error names (extended ones add a suffix), and the end of the message."""


@contextlib.contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into a `LeaderboardError` of one line."""
    try:
        yield
    except sqlite3.Error as error:
        for names, text in _SQLITE_MESSAGES.items():
            if getattr(error, "sqlite_errorname", "").startswith(names):
                raise LeaderboardError(f"{path} {text.format(error)}") from None
        raise


_PACKAGES = ("numpy", "numba", "onnxruntime")
"""Packages whose versions decide the last bits of a race, beside racer, Python and the processor."""


@dataclass(frozen=True, kw_only=True)
class StoredRace:
    """A race of a leaderboard.

    Attributes:
        number: Number of the race in this file, from 1.
        added: Time at which it was added, UTC.
        result: Its result; `replay` is relative to the file's folder.
        vehicle: Hash (sha256) of the vehicle's parameters.
        replay_sha256: Hash of the replay's file; empty where there is none.
        circumstances: Machine and versions of the run.
    """

    number: int
    added: str
    result: RaceResult
    vehicle: str
    replay_sha256: str
    circumstances: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class RaceInputs:
    """Inputs of a race.

    Attributes:
        track: Track of the race.
        rules: Rules of the race.
        vehicle: Vehicle of all entrants.
        bundles: Contents of the entrants' bundles, in their order.
    """

    track: Track
    rules: Rules
    vehicle: VehicleConfig
    bundles: tuple[bytes, ...]


class Leaderboard:
    """The leaderboard in a file; each call opens the file and closes it again."""

    def __init__(self, path: Path | str) -> None:
        """Read nothing yet; the first `save` makes the file."""
        self.path = Path(path)

    def save(
        self,
        result: RaceResult,
        *,
        track: Track,
        rules: Rules,
        vehicle: VehicleConfig,
        bundles: Sequence[Path],
        now: datetime | None = None,
    ) -> int:
        """Add a race, whole or not at all; an equal race, to the last bit, is not added again.

        Args:
            result: Result of the race.
            track: Track of the race.
            rules: Rules of the race.
            vehicle: Vehicle of all entrants.
            bundles: Files of the entrants, in the order of the result.
            now: Time at which it is added; None for now.

        Returns:
            The number of the race.

        Raises:
            LeaderboardError: The inputs do not match the result, or the file cannot be written.
        """
        data = _checked_bundles(result, bundles)
        if rules.sha256 != result.rules.sha256:
            raise LeaderboardError(f"The rules given differ from the rules `{result.rules.name}` of the race")
        replay, replay_sha256 = self._replay(result.replay)
        # Without the replay's path: the same race with another replay file is the same race.
        result_text = json.dumps(replace(result, replay=None).record(), allow_nan=False)
        track_text, vehicle_text = track_to_json(track), vehicle.model_dump_json()
        keys = _sha256(track_text.encode()), rules.sha256, _sha256(vehicle_text.encode())
        circumstances = json.dumps(current_environment())
        with open_database(self.path, to="write") as file:
            same = "SELECT id FROM race WHERE (track, rules, vehicle, seed, result, circumstances) = (?, ?, ?, ?, ?, ?)"
            if (row := file.execute(same, (*keys, result.seed, result_text, circumstances)).fetchone()) is not None:
                return int(row[0])
            # Inputs that an earlier race has stored are kept once.
            new = "INSERT OR IGNORE INTO"
            file.execute(f"{new} track VALUES (?, ?, ?)", (keys[0], track.name, track_text))
            file.execute(f"{new} rules VALUES (?, ?)", (keys[1], rules.model_dump_json()))
            file.execute(f"{new} vehicle VALUES (?, ?, ?)", (keys[2], result.vehicle, vehicle_text))
            file.executemany(f"{new} bundle VALUES (?, ?)", data.items())
            added = (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")
            row = (added, *keys, result.seed, result_text, replay, replay_sha256, circumstances)
            number = file.execute("INSERT INTO race VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row).lastrowid
            assert number is not None
            entries = [
                (number, slot, e.label, e.sha256, e.rank, e.score_s, e.total_s, e.best_lap_s, e.status)
                for slot, e in enumerate(result.entrants)
            ]
            file.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", entries)
        return number

    def races(self) -> list[StoredRace]:
        """Return all races, the oldest first.

        Raises:
            LeaderboardError: The file is missing, not a leaderboard, or damaged.
        """
        query = "SELECT id, added, result, vehicle, replay, replay_sha256, circumstances FROM race ORDER BY id"
        with open_database(self.path, to="read") as file:
            return [self._stored(row) for row in file.execute(query)]

    def inputs(self, number: int) -> RaceInputs:
        """Return the inputs of a race.

        Raises:
            LeaderboardError: The file does not hold this race, or its inputs are damaged.
        """
        with open_database(self.path, to="read") as file:
            row = file.execute(
                "SELECT track.text, rules.text, vehicle.text FROM race JOIN track ON track.sha256 = race.track "
                "JOIN rules ON rules.sha256 = race.rules JOIN vehicle ON vehicle.sha256 = race.vehicle "
                "WHERE race.id = ?",
                (number,),
            ).fetchone()
            if row is None:
                count = file.execute("SELECT count(*) FROM race").fetchone()[0]
                raise LeaderboardError(f"{self.path} has no race {number}; it holds {count}")
            query = "SELECT sha256, data FROM entry JOIN bundle ON sha256 = entry.bundle WHERE race = ? ORDER BY slot"
            bundles = file.execute(query, (number,)).fetchall()
        # A bundle runs as an entrant again, so it must be the one that raced.
        for sha256, data in bundles:
            if not isinstance(data, bytes) or _sha256(data) != sha256:
                raise LeaderboardError(f"{self.path}: a bundle of race {number} is damaged (its sha256 differs)")
        try:
            return RaceInputs(
                track=track_from_json(row[0]),
                rules=Rules.model_validate_json(row[1]),
                vehicle=VehicleConfig.model_validate_json(row[2]),
                bundles=tuple(data for _, data in bundles),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(number, error) from None

    def _stored(self, row: Sequence[Any]) -> StoredRace:
        number, added, result_text, vehicle, replay, replay_sha256, circumstances = row
        # SQLite does not enforce the types of columns, so a changed file may hold anything.
        try:
            result = result_from_record(json.loads(result_text))
            if replay is not None:
                result = replace(result, replay=Path(replay))
            return StoredRace(
                number=int(number),
                added=str(added),
                result=result,
                vehicle=str(vehicle),
                replay_sha256=str(replay_sha256 or ""),
                circumstances={str(key): str(value) for key, value in json.loads(circumstances).items()},
            )
        except (AttributeError, TypeError, ValueError, ResultError) as error:
            raise self._damaged(number, error) from None

    def _damaged(self, number: object, error: Exception) -> LeaderboardError:
        return LeaderboardError(f"{self.path}: race {number} is damaged: {' '.join(str(error).split())[:200]}")

    def _replay(self, path: Path | None) -> tuple[str | None, str | None]:
        """Return a replay's path from the file's folder, and its sha256."""
        if path is None:
            return None, None
        digest = _sha256(_read_bytes(path, "Replay"))
        try:
            return Path(os.path.relpath(path.resolve(), self.path.resolve().parent)).as_posix(), digest
        except ValueError:  # Windows has no relative path to another drive
            return path.resolve().as_posix(), digest


def _checked_bundles(result: RaceResult, bundles: Sequence[Path]) -> dict[str, bytes]:
    """Return the contents of the entrants' bundles by sha256, checked against the result."""
    if result.status != "done":
        raise LeaderboardError(f"A race that is {result.status} cannot be added; run it again")
    if len(bundles) != len(result.entrants):
        raise LeaderboardError(f"The race has {len(result.entrants)} entrants, but {len(bundles)} bundles are given")
    data = {}
    for entrant, path in zip(result.entrants, bundles, strict=True):
        check_label(entrant.label)
        if not entrant.sha256:
            raise LeaderboardError(f"{entrant.label} is not a bundle; a leaderboard keeps races between bundles")
        content = _read_bytes(path, "Bundle")
        if _sha256(content) != entrant.sha256 or len(content) > BUNDLE_BYTES_MAX:
            raise LeaderboardError(f"{path} is not the bundle that raced as {entrant.label} (sha256 differs)")
        data[entrant.sha256] = content
    return data


def _read_bytes(path: Path, kind: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LeaderboardError(f"{kind} {path} cannot be read: {error.strerror or error}") from None


def current_environment() -> dict[str, str]:
    """Return the machine and versions that decide a race's last bits."""
    facts = describe_environment()
    versions = {name: str(facts["packages"].get(name)) for name in _PACKAGES}
    machine = {"system": facts["machine"]["system"], "processor": _processor() or facts["machine"]["processor"]}
    return {"racer": facts["racer"], "python": facts["python"], **versions, **machine}


def _processor() -> str:
    """Return the processor's model as the system names it; empty where it is unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
