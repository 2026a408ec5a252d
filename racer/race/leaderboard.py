"""A leaderboard: results of races, with all that it takes to run them again, in one file.

A race is kept with its track, rules, vehicle and the entrants' bundles, so that `leaderboard_verify` can rerun it from
the file alone. What is in several races is kept once, by its sha256.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from racer.config.rules import Rules
from racer.config.vehicle import VehicleConfig
from racer.race.entrants import SIZE_MAX, check_label
from racer.race.leaderboard_file import LeaderboardError, opened
from racer.race.result import RaceResult
from racer.race.result_read import ResultError, result_of
from racer.race.track_text import text_of_track, track_of_text
from racer.runs import circumstances
from racer.track.track import Track

_PACKAGES = ("numpy", "numba", "onnxruntime")
"""What the numbers of a race come from, beside racer, Python and the processor."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A race of a leaderboard.

    Attributes:
        number: of the race in this file, from 1.
        added: when, UTC.
        result: what came of it; `replay` is relative to the file's folder.
        vehicle: sha256 of the vehicle's parameters.
        replay_sha256: of the replay's file; empty where there is none.
        circumstances: machine and versions that it was run with.
    """

    number: int
    added: str
    result: RaceResult
    vehicle: str
    replay_sha256: str
    circumstances: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a race was run with."""

    track: Track
    rules: Rules
    vehicle: VehicleConfig
    bundles: tuple[bytes, ...]
    """Of the entrants, in their order."""


class Leaderboard:
    """The leaderboard in a file; each call opens the file and closes it again."""

    def __init__(self, path: Path | str) -> None:
        """Nothing is read yet; the first `keep` makes the file."""
        self.path = Path(path)

    def keep(
        self,
        result: RaceResult,
        *,
        track: Track,
        rules: Rules,
        vehicle: VehicleConfig,
        bundles: Sequence[Path],
        now: datetime | None = None,
    ) -> int:
        """Add a race, whole or not at all; one that is there already, to the last bit, is not added again.

        Args:
            bundles: the entrants' files, in the order of the result.
            now: when it was raced; now.

        Returns:
            The number of the race.

        Raises:
            LeaderboardError: it cannot be kept, or the file cannot be written.
        """
        data = _entries(result, bundles)
        if rules.sha256 != result.rules.sha256:
            raise LeaderboardError(f"These are not the rules `{result.rules.name}` that the race was run under")
        replay, replay_sha256 = self._replay(result.replay)
        told = json.dumps(replace(result, replay=None).record(), allow_nan=False)
        track_text, vehicle_text = text_of_track(track), vehicle.model_dump_json()
        keys = _sha256(track_text.encode()), rules.sha256, _sha256(vehicle_text.encode())
        around = json.dumps(here())
        with opened(self.path, to="write") as file:
            same = "SELECT id FROM race WHERE (track, rules, vehicle, seed, result, circumstances) = (?, ?, ?, ?, ?, ?)"
            if (found := file.execute(same, (*keys, result.seed, told, around)).fetchone()) is not None:
                return int(found[0])
            new = "INSERT OR IGNORE INTO"
            file.execute(f"{new} track VALUES (?, ?, ?)", (keys[0], track.name, track_text))
            file.execute(f"{new} rules VALUES (?, ?)", (keys[1], rules.model_dump_json()))
            file.execute(f"{new} vehicle VALUES (?, ?, ?)", (keys[2], result.vehicle, vehicle_text))
            file.executemany(f"{new} bundle VALUES (?, ?)", data.items())
            added = (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")
            row = (added, *keys, result.seed, told, replay, replay_sha256, around)
            number = file.execute("INSERT INTO race VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row).lastrowid
            assert number is not None
            for slot, one in enumerate(result.entrants):
                times = one.rank, one.score_s, one.total_s, one.best_lap_s
                file.execute(
                    "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (number, slot, one.label, one.sha256, *times, one.status),
                )
        return number

    def races(self) -> list[Kept]:
        """All races, the oldest first.

        Raises:
            LeaderboardError: there is no leaderboard, or no good one.
        """
        asked = "SELECT id, added, result, vehicle, replay, replay_sha256, circumstances FROM race ORDER BY id"
        with opened(self.path, to="read") as file:
            return [self._kept(row) for row in file.execute(asked)]

    def inputs(self, number: int) -> Inputs:
        """What a race was run with.

        Raises:
            LeaderboardError: there is no such race, or what it was run with is damaged.
        """
        with opened(self.path, to="read") as file:
            row = file.execute(
                "SELECT track.text, rules.text, vehicle.text FROM race JOIN track ON track.sha256 = race.track "
                "JOIN rules ON rules.sha256 = race.rules JOIN vehicle ON vehicle.sha256 = race.vehicle "
                "WHERE race.id = ?",
                (number,),
            ).fetchone()
            if row is None:
                count = file.execute("SELECT count(*) FROM race").fetchone()[0]
                raise LeaderboardError(f"{self.path} has no race {number}; it holds {count}")
            asked = "SELECT sha256, data FROM entry JOIN bundle ON sha256 = entry.bundle WHERE race = ? ORDER BY slot"
            bundles = file.execute(asked, (number,)).fetchall()
        for sha256, data in bundles:
            if not isinstance(data, bytes) or _sha256(data) != sha256:
                raise LeaderboardError(f"{self.path}: a bundle of race {number} is damaged (its sha256 differs)")
        try:
            return Inputs(
                track=track_of_text(row[0]),
                rules=Rules.model_validate_json(row[1]),
                vehicle=VehicleConfig.model_validate_json(row[2]),
                bundles=tuple(data for _, data in bundles),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(number, error) from None

    def _kept(self, row: Sequence[Any]) -> Kept:
        number, added, told, vehicle, replay, replay_sha256, around = row
        try:
            result = result_of(json.loads(told))
            if replay is not None:
                result = replace(result, replay=Path(replay))
            return Kept(
                number=int(number),
                added=str(added),
                result=result,
                vehicle=str(vehicle),
                replay_sha256=str(replay_sha256 or ""),
                circumstances={str(key): str(value) for key, value in json.loads(around).items()},
            )
        except (AttributeError, TypeError, ValueError, ResultError) as error:
            raise self._damaged(number, error) from None

    def _damaged(self, number: object, error: Exception) -> LeaderboardError:
        return LeaderboardError(f"{self.path}: race {number} is damaged: {' '.join(str(error).split())[:200]}")

    def _replay(self, path: Path | None) -> tuple[str | None, str | None]:
        """A replay's path from the file's folder, and its sha256."""
        if path is None:
            return None, None
        try:
            digest = _sha256(path.read_bytes())
        except OSError as error:
            raise LeaderboardError(f"Replay {path} cannot be read: {error.strerror or error}") from None
        try:
            return Path(os.path.relpath(path.resolve(), self.path.resolve().parent)).as_posix(), digest
        except ValueError:  # on another drive
            return path.resolve().as_posix(), digest


def _entries(result: RaceResult, bundles: Sequence[Path]) -> dict[str, bytes]:
    """sha256 -> file of the entrants' bundles, checked against the result."""
    if result.status != "done":
        raise LeaderboardError(f"A race that is {result.status} is not kept")
    if len(bundles) != len(result.entrants):
        raise LeaderboardError(f"{len(result.entrants)} raced, {len(bundles)} bundles are given")
    data = {}
    for one, path in zip(result.entrants, bundles, strict=True):
        check_label(one.label)
        if not one.sha256:
            raise LeaderboardError(f"{one.label} is no bundle; a leaderboard keeps races between bundles")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise LeaderboardError(f"Bundle {path} cannot be read: {error.strerror or error}") from None
        if _sha256(content) != one.sha256 or len(content) > SIZE_MAX:
            raise LeaderboardError(f"{path} is not the bundle that raced as {one.label} (sha256 differs)")
        data[one.sha256] = content
    return data


def here() -> dict[str, str]:
    """Machine and versions that decide a race's last bits."""
    told = circumstances()
    versions = {name: str(told["packages"].get(name)) for name in _PACKAGES}
    machine = {"system": told["machine"]["system"], "processor": _processor() or told["machine"]["processor"]}
    return {"racer": told["racer"], "python": told["python"], **versions, **machine}


def _processor() -> str:
    """The processor's model as the system names it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
