"""Ranks the races of a leaderboard: for each track, rules and vehicle the best race of every label.

Boards are returned as rows, and exported as CSV, JSON and Markdown.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from racer.race.leaderboard.store import StoredRace
from racer.race.result import EntrantResult

Format = Literal["csv", "json", "md"]
_RESULT_COLUMNS = (
    *("label", "score_s", "total_s", "best_lap_s", "penalty_s", "off_tracks", "collisions", "resets", "status"),
)
"""Columns that are fields of an `EntrantResult`."""
_COLUMNS = (
    *("track", "race", "rules", "vehicle", "place", *_RESULT_COLUMNS),
    *("races", "number", "seed", "added", "bundle", "rules_sha256", "replay"),
)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One row of a board: the best race of a label.

    Attributes:
        place: Place from 1; equal times share a place; None where the label has a score in no race.
        result: Its result in that race.
        stored: That race.
        races: Number of races of this label on the board.
    """

    place: int | None
    result: EntrantResult
    stored: StoredRace
    races: int


@dataclass(frozen=True, kw_only=True)
class Board:
    """Races that can be compared: on one track, under the same rules, with the same vehicle.

    Attributes:
        first: Its oldest race, which names the track, the kind of race, the rules and the vehicle of all.
        rows: Rows by place.
    """

    first: StoredRace
    rows: tuple[Standing, ...]


def standings(races: Sequence[StoredRace]) -> list[Board]:
    """Return all boards of a leaderboard, in the order of their first races.

    A label is listed with its best race. Of equal times the older one is above, at the same place.
    """
    groups: dict[tuple[str, ...], list[StoredRace]] = {}
    for stored in races:
        result = stored.result
        groups.setdefault((result.track_sha256, result.rules.sha256, stored.vehicle), []).append(stored)
    return [_board(group) for group in groups.values()]


def _board(group: Sequence[StoredRace]) -> Board:
    by_label: dict[str, list[tuple[EntrantResult, StoredRace]]] = {}
    for stored in group:
        for result in stored.result.entrants:
            by_label.setdefault(result.label, []).append((result, stored))
    # `_order` also breaks ties by age, so the older of two equal races is listed.
    best = [(*min(entries, key=_order), len(entries)) for entries in by_label.values()]
    best.sort(key=lambda row: _order(row[:2]))
    # A place is one more than the number of better scores: 5, 5 and 7 s take the places 1, 1 and 3.
    scores = [result.score_s for result, _, _ in best]
    rows = [
        Standing(
            place=None if result.score_s is None else 1 + sum(s is not None and s < result.score_s for s in scores),
            result=result,
            stored=stored,
            races=races,
        )
        for result, stored, races in best
    ]
    return Board(first=group[0], rows=tuple(rows))


def _order(row: tuple[EntrantResult, StoredRace]) -> tuple[bool, float, float, int]:
    """Return the sort key of a row: by time, then those without a time by progress; the older one first."""
    result, stored = row
    return result.score_s is None, result.score_s or 0.0, -result.progress, stored.number


def board_records(boards: Sequence[Board]) -> list[dict[str, Any]]:
    """Return the rows of all boards as plain data; numbers are not rounded."""
    return [
        {
            "track": board.first.result.track,
            "race": board.first.result.race,
            "rules": board.first.result.rules.name,
            "vehicle": board.first.result.vehicle,
            "place": row.place,
            **{key: getattr(row.result, key) for key in _RESULT_COLUMNS},
            "races": row.races,
            "number": row.stored.number,
            "seed": row.stored.result.seed,
            "added": row.stored.added,
            "bundle": row.result.sha256,
            "rules_sha256": board.first.result.rules.sha256,
            "replay": None if row.stored.result.replay is None else row.stored.result.replay.as_posix(),
        }
        for board in boards
        for row in board.rows
    ]


def export_boards(boards: Sequence[Board], form: Format) -> str:
    """Return the boards as a CSV table, as JSON, or as Markdown tables."""
    if form == "json":
        return json.dumps(board_records(boards), indent=1, allow_nan=False) + "\n"
    if form == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(board_records(boards))
        return text.getvalue()
    return "\n".join(_markdown(board) for board in boards)


def board_title(board: Board) -> str:
    """Return the title of a board: track, kind of race, rules, and the vehicle where it is not the default."""
    race = board.first.result
    car = "" if race.vehicle == "deepracer" else f", {race.vehicle}"
    return f"{race.track}: {race.race.replace('_', ' ')}, rules {race.rules.name or race.rules.sha256[:8]}{car}"


COLUMN_TITLES = ("place", "label", "time s", "best lap s", "penalty s", "faults", "races", "race", "seed")


def row_cells(row: Standing) -> tuple[str, ...]:
    """Return the texts of a row, under `COLUMN_TITLES`; a row without a place shows its status in place of a time."""
    result = row.result
    return (
        "–" if row.place is None else str(row.place),
        result.label,
        result.status.replace("_", " ") if result.score_s is None else f"{result.score_s:.3f}",
        "–" if result.best_lap_s is None else f"{result.best_lap_s:.3f}",
        f"{result.penalty_s:g}",
        str(result.off_tracks + result.collisions),
        str(row.races),
        str(row.stored.number),
        str(row.stored.result.seed),
    )


def _markdown(board: Board) -> str:
    lines = [
        f"## {_escape_markdown(board_title(board))}",
        "",
        f"| {' | '.join(COLUMN_TITLES)} |",
        f"|{'---|' * len(COLUMN_TITLES)}",
    ]
    lines += [f"| {' | '.join(map(_escape_markdown, row_cells(row)))} |" for row in board.rows]
    return "\n".join(lines) + "\n"


def _escape_markdown(text: str) -> str:
    """Return text with Markdown's special characters escaped."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>()#+!|~" else letter for letter in text)
