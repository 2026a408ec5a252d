"""What `racer leaderboard page` shows: boards of `racer.race` as the page of `racer.report` takes them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from racer.race.leaderboard import Leaderboard
    from racer.race.standings import Board, Standing
    from racer.report.leaderboard_page import Lap, PageBoard, Row


def page_board(leaderboard: Leaderboard, board: Board, output: Path) -> PageBoard:
    """One board for a page that is written to `output`."""
    from racer.race.standings import heads
    from racer.report.leaderboard_page import Column, PageBoard

    columns = (
        *(Column(head=""), Column(head="label", words=True), Column(head="time s"), Column(head="gap s", minor=True)),
        *(Column(head="best lap s"), Column(head="penalty s", minor=True), Column(head="faults", minor=True)),
        *(Column(head="races", minor=True), Column(head="date", minor=True)),
        Column(head="bundle", words=True, minor=True),
    )
    leader = board.rows[0]
    lap = _lap(leaderboard, leader)
    title, _, told = heads(board).partition(": ")
    return PageBoard(
        title=title,
        told=told[0].upper() + told[1:],
        track=leaderboard.inputs(board.number).track,
        figures=_figures(board),
        columns=columns,
        rows=tuple(_row(leaderboard, board, row, output) for row in board.rows),
        lap=lap,
        whose=leader.result.label,
    )


def _figures(board: Board) -> tuple[tuple[str, str, str], ...]:
    ranked = [row for row in board.rows if row.place is not None]
    laps = [(row.result.best_lap_s, row.result.label) for row in board.rows if row.result.best_lap_s is not None]
    best = min(laps, default=None)
    newest = max(row.kept.added for row in board.rows)[:10]
    return (
        ("Best time", f"{ranked[0].result.score_s:.3f} s" if ranked else "–", ranked[0].result.label if ranked else ""),
        ("Best lap", "–" if best is None else f"{best[0]:.3f} s", "" if best is None else best[1]),
        ("Entrants", str(len(board.rows)), f"{len(ranked)} ranked"),
        ("Entries", str(sum(row.races for row in board.rows)), f"newest {newest}"),
    )


def _row(leaderboard: Leaderboard, board: Board, row: Standing, output: Path) -> Row:
    from racer.report.leaderboard_page import Row

    one = row.result
    first = board.rows[0].result.score_s
    gap = "" if one.score_s is None or first is None or one.score_s == first else f"+{one.score_s - first:.3f}"
    replay = _replay(leaderboard, row)
    return Row(
        cells=(
            "–" if row.place is None else str(row.place),
            one.label,
            one.status.replace("_", " ") if one.score_s is None else f"{one.score_s:.3f}",
            gap,
            "–" if one.best_lap_s is None else f"{one.best_lap_s:.3f}",
            f"{one.penalty_s:g}",
            str(one.off_tracks + one.collisions),
            str(row.races),
            row.kept.added[:10],
            one.sha256[:8],
        ),
        leads=row.place == 1,
        replay="" if replay is None else _link(replay, output),
    )


def _replay(leaderboard: Leaderboard, row: Standing) -> Path | None:
    """The replay of a row's race, where it is still the file that the race wrote."""
    told = row.kept.result.replay
    if told is None:
        return None
    path = leaderboard.path.resolve().parent / told
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != row.kept.replay_sha256:
        return None
    return path


def _link(path: Path, output: Path) -> str:
    try:
        return Path(os.path.relpath(path, output.resolve().parent)).as_posix()
    except ValueError:  # on another drive
        return ""


def _lap(leaderboard: Leaderboard, row: Standing) -> Lap | None:
    from racer.replay import ReplayError, read_replay
    from racer.report.leaderboard_page import fastest_lap

    path = _replay(leaderboard, row)
    if path is None:
        return None
    try:
        return fastest_lap(read_replay(path), row.result.label)
    except ReplayError:
        return None
