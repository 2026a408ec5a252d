"""A leaderboard as one HTML page that needs nothing else: tables, and tracks with the leaders' fastest laps.

As in a run's report there is no script in it, its content security policy forbids scripts and requests of any kind, and
every text that comes from a leaderboard is escaped. What a leaderboard is stays with `racer.race`: this page is given
rows of text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from racer import __version__
from racer.replay import Replay
from racer.report.page_style import STYLE
from racer.report.run_maps import make_map, path_map, ramp_legend
from racer.track.track import Track

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_MORE_STYLE = """
td.place { font-weight: 650; width: 1%; } tr.best td.place { color: var(--c2); }
td.label { white-space: normal; overflow-wrap: anywhere; min-width: 13em; font-weight: 600; }
.board { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); gap: 18px; }
.board svg.map { max-height: 22rem; }
.board .card { grid-column: 1 / -1; } .board .scroll { max-height: none; }
.board .figures { margin: 0; grid-template-columns: 1fr 1fr; }
.board .figures div { display: flex; flex-direction: column; justify-content: center; }
h2 small { display: block; color: var(--soft); font-size: .9375rem; font-weight: 400; letter-spacing: 0; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 14px 0 0; padding: 0; list-style: none; }
@media (max-width: 900px) { .board { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 560px) { .minor { display: none; } th, td { padding: 6px 5px; } td.label { min-width: 6em; }
  .board .figures dd { font-size: 1.25rem; } }
"""

LapTrace = tuple[NDArray[np.float64], NDArray[np.float64]]
"""(T + 1, 2) metres of the way, and (T,) m/s on the piece that ends there."""


@dataclass(frozen=True, kw_only=True)
class PageColumn:
    """One column; `words` are set to the left, `minor` is left out on a phone."""

    head: str
    words: bool = False
    minor: bool = False


@dataclass(frozen=True, kw_only=True)
class PageRow:
    """One row under the columns; the leader's is marked. `replay` is a link from the page."""

    cells: tuple[str, ...]
    leads: bool = False
    replay: str = ""


@dataclass(frozen=True, kw_only=True)
class PageBoard:
    """One table with its track.

    Attributes:
        figures: word, figure and a small line below, each.
        lap: the leader's fastest lap; None where nobody kept it.
        whose: who drove it.
    """

    title: str
    told: str
    track: Track
    figures: tuple[tuple[str, str, str], ...]
    columns: tuple[PageColumn, ...]
    rows: tuple[PageRow, ...]
    lap: LapTrace | None = None
    whose: str = ""


def leaderboard_page(title: str, boards: Sequence[PageBoard], *, told: str = "") -> str:
    """The whole page as HTML.

    Raises:
        MissingExtra: Pillow is not installed.
    """
    links = "".join(f'<li><a href="#board{k}">{escape(one.title)}</a></li>' for k, one in enumerate(boards))
    nav = f'<nav aria-label="Boards"><ul>{links}</ul></nav>' if len(boards) > 1 else ""
    body = "".join(
        [
            f'<header><h1>{escape(title)}</h1><p class="lead">{escape(told)}</p>{nav}</header><main>',
            *(_section(board, k) for k, board in enumerate(boards)),
            "" if boards else '<p class="note">No race yet.</p>',
            f"</main><footer>Written by racer {escape(__version__)}. This page needs no network.</footer>",
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)} - racer leaderboard</title>\n<style>{STYLE}{_MORE_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _section(board: PageBoard, k: int) -> str:
    cells = "".join(
        f"<div><dt>{escape(word)}</dt><dd>{escape(value)} <small>{escape(small)}</small></dd></div>"
        for word, value, small in board.figures
    )
    return (
        f'<section id="board{k}"><h2>{escape(board.title)}<small>{escape(board.told)}</small></h2><div class="board">'
        f'{_picture(board, f"track{k}")}<dl class="figures">{cells}</dl>{_table(board)}</div></section>'
    )


def _picture(board: PageBoard, key: str) -> str:
    picture = make_map(board.track, key)
    name = escape(board.track.name)
    if board.lap is None:
        shown = path_map(picture, [], [], first=True, alt=f"Track {name} from above")
        return f"<figure>{shown}<figcaption>{name}, {board.track.length:.1f} m</figcaption></figure>"
    way, speed = board.lap
    shown = path_map(picture, [way], [speed], first=True, alt=f"Track {name} from above with a lap, coloured by speed")
    return (
        f"<figure>{shown}{ramp_legend([speed], 'm/s')}"
        f"<figcaption>{name}, {board.track.length:.1f} m: the fastest lap of {escape(board.whose)}</figcaption>"
        "</figure>"
    )


def _table(board: PageBoard) -> str:
    heads = "".join(
        f'<th scope="col"{_cell_classes(k, one)}>{escape(one.head)}</th>' for k, one in enumerate(board.columns)
    )
    replays = any(row.replay for row in board.rows)
    if replays:
        heads += '<th scope="col" class="words minor">replay</th>'
    rows = "".join(_row(row, board.columns, replays) for row in board.rows)
    return (
        f'<div class="card"><div class="scroll" tabindex="0" role="region" aria-label="{escape(board.title)}"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></div>"
    )


def _row(row: PageRow, columns: Sequence[PageColumn], replays: bool) -> str:
    inside = "".join(
        f"<td{_cell_classes(k, one)}>{escape(text)}</td>"
        for k, (text, one) in enumerate(zip(row.cells, columns, strict=True))
    )
    if replays:
        link = f'<a href="{escape(quote(row.replay))}">replay</a>' if row.replay else ""
        inside += f'<td class="words minor">{link}</td>'
    return f'<tr class="best">{inside}</tr>' if row.leads else f"<tr>{inside}</tr>"


def _cell_classes(k: int, column: PageColumn) -> str:
    """The classes of a cell; the first column is the place, the second the label."""
    kinds = [("place", "label")[k]] if k < 2 else []
    kinds += ["words"] if column.words else []
    kinds += ["minor"] if column.minor else []
    return f' class="{" ".join(kinds)}"' if kinds else ""


def fastest_lap(replay: Replay, label: str) -> LapTrace | None:
    """The fastest lap of a car of a replay; None where it completed none."""
    names = [car.name for car in replay.header.cars]
    if label not in names:
        return None
    rows = replay.rows[:, names.index(label)]
    ends = np.flatnonzero(np.diff(rows["laps"]) > 0) + 1
    laps = [rows[start:end] for start, end in pairwise([0, *ends.tolist()])]
    # Of the first one the countdown is left out, in which the clock stands.
    driven = [lap[lap["lap_time"] > 0.0] for lap in laps]
    driven = [lap for lap in driven if len(lap) > 1]
    if not driven:
        return None
    best = min(driven, key=lambda lap: float(lap["lap_time"].max()))
    way = np.stack([best["x"], best["y"]], axis=1).astype(np.float64)
    return way, best["speed"][1:].astype(np.float64)
