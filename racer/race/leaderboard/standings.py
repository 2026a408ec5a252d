"""Who leads a leaderboard: for each track, rules and vehicle the best race of everybody, as rows, text and files."""

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
_COLUMNS = (
    *("track", "race", "rules", "vehicle", "place", "label", "score_s", "total_s", "best_lap_s", "penalty_s"),
    *("off_tracks", "collisions", "resets", "status", "races", "number", "seed", "added", "bundle", "rules_sha256"),
    "replay",
)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One row: the best race of a label.

    Attributes:
        place: 1 leads; equal times share a place; None: the rules ranked it in no race.
        result: of that race.
        kept: that race.
        races: how many races of this label the board holds.
    """

    place: int | None
    result: EntrantResult
    kept: StoredRace
    races: int


@dataclass(frozen=True, kw_only=True)
class Board:
    """What can be compared: one track, the same rules, the same vehicle.

    Attributes:
        number: of a race on it, for its track.
    """

    track: str
    race: str
    rules: str
    rules_sha256: str
    vehicle: str
    number: int
    rows: tuple[Standing, ...]


def standings(races: Sequence[StoredRace]) -> list[Board]:
    """All boards of a leaderboard, in the order of their first races.

    A label's best race stands. Of equal times the older one is above, at the same place.
    """
    groups: dict[tuple[str, ...], list[StoredRace]] = {}
    for kept in races:
        result = kept.result
        groups.setdefault((result.track_sha256, result.rules.sha256, kept.vehicle), []).append(kept)
    return [_board(group) for group in groups.values()]


def _board(group: Sequence[StoredRace]) -> Board:
    owned: dict[str, list[tuple[EntrantResult, StoredRace]]] = {}
    for kept in group:
        for one in kept.result.entrants:
            owned.setdefault(one.label, []).append((one, kept))
    best = [(*min(own, key=_order), len(own)) for own in owned.values()]
    best.sort(key=lambda row: _order(row[:2]))
    scores = [one.score_s for one, _, _ in best]
    rows = [
        Standing(
            place=None if one.score_s is None else 1 + sum(s is not None and s < one.score_s for s in scores),
            result=one,
            kept=kept,
            races=races,
        )
        for one, kept, races in best
    ]
    first = group[0]
    return Board(
        track=first.result.track,
        race=first.result.race,
        rules=first.result.rules.name,
        rules_sha256=first.result.rules.sha256,
        vehicle=first.result.vehicle,
        number=first.number,
        rows=tuple(rows),
    )


def _order(row: tuple[EntrantResult, StoredRace]) -> tuple[bool, float, float, int]:
    """Ranked ones by time, the others by how far they came; the older one first."""
    one, kept = row
    return one.score_s is None, one.score_s or 0.0, -one.progress, kept.number


def board_records(boards: Sequence[Board]) -> list[dict[str, Any]]:
    """The rows of all boards as plain data; numbers are not rounded."""
    return [
        {
            "track": board.track,
            "race": board.race,
            "rules": board.rules,
            "vehicle": board.vehicle,
            "place": row.place,
            **{key: getattr(row.result, key) for key in _COLUMNS[5:14]},
            "races": row.races,
            "number": row.kept.number,
            "seed": row.kept.result.seed,
            "added": row.kept.added,
            "bundle": row.result.sha256,
            "rules_sha256": board.rules_sha256,
            "replay": None if row.kept.result.replay is None else row.kept.result.replay.as_posix(),
        }
        for board in boards
        for row in board.rows
    ]


def export_boards(boards: Sequence[Board], form: Format) -> str:
    """The boards as a CSV table, as JSON, or as Markdown tables."""
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
    """What a board is of, in words."""
    car = "" if board.vehicle == "deepracer" else f", {board.vehicle}"
    return f"{board.track}: {board.race.replace('_', ' ')}, rules {board.rules or board.rules_sha256[:8]}{car}"


COLUMN_TITLES = ("place", "label", "time s", "best lap s", "penalty s", "faults", "races", "race", "seed")


def row_cells(row: Standing) -> tuple[str, ...]:
    """A row for people, under `HEADS`; who is ranked nowhere shows in place of a time how it ended."""
    one = row.result
    return (
        "–" if row.place is None else str(row.place),
        one.label,
        one.status.replace("_", " ") if one.score_s is None else f"{one.score_s:.3f}",
        "–" if one.best_lap_s is None else f"{one.best_lap_s:.3f}",
        f"{one.penalty_s:g}",
        str(one.off_tracks + one.collisions),
        str(row.races),
        str(row.kept.number),
        str(row.kept.result.seed),
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
    """Text that Markdown shows as it is."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>()#+!|~" else letter for letter in text)
