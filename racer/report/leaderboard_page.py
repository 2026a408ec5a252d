"""Writes a leaderboard as one HTML page: tables, and tracks with the fastest laps of the leaders.

As in a run's report, the page holds no script, and every text that comes from a leaderboard is escaped. The page is
given rows of text; `racer.race` makes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from racer.replay import Replay
from racer.report.pages import FigureCard, render_page
from racer.report.run_maps import TrackMap, make_map, path_map, ramp_legend
from racer.track.track import Track

LapTrace = tuple[NDArray[np.float64], NDArray[np.float64]]
"""x and y of the path [m], shape (T + 1, 2), and the speed on the piece that ends there [m/s], shape (T,)."""


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
        summary: the line below the title.
        figures: word, figure and a small line below, each.
        lap: the leader's fastest lap; None without a replay of it.
        driver: label of the car that drove the lap.
    """

    title: str
    summary: str
    track: Track
    figures: tuple[tuple[str, str, str], ...]
    columns: tuple[PageColumn, ...]
    rows: tuple[PageRow, ...]
    lap: LapTrace | None = None
    driver: str = ""


def leaderboard_page(title: str, boards: Sequence[PageBoard], *, summary: str = "") -> str:
    """Return the whole page as HTML.

    Raises:
        MissingExtra: Jinja2, matplotlib or Pillow is not installed.
    """
    maps = [make_map(board.track, f"track{k}") for k, board in enumerate(boards)]
    sections = [
        (board, [_classes(k, column) for k, column in enumerate(board.columns)], _card(board, picture))
        for board, picture in zip(boards, maps, strict=True)
    ]
    return render_page(
        "leaderboard.html.j2", kind="leaderboard", title=title, summary=summary, maps=maps, sections=sections
    )


def _card(board: PageBoard, picture: TrackMap) -> FigureCard:
    """Return the track's picture, with the leader's lap where there is one."""
    name, key = board.track.name, f"{picture.key}-lap"
    about = f"{name}, {board.track.length:.1f} m"
    if board.lap is None:
        drawing = path_map(picture, [], [], key=key, alt=f"Track {name} from above")
        return FigureCard(drawing=drawing, caption=about)
    way, speed = board.lap
    alt = f"Track {name} from above with a lap, coloured by speed"
    return FigureCard(
        drawing=path_map(picture, [way], [speed], key=key, alt=alt),
        ramp=ramp_legend([speed], "m/s"),
        caption=f"{about}: the fastest lap of {board.driver}",
    )


def _classes(k: int, column: PageColumn) -> str:
    """Return the classes of a column's cells; the first column is the place, the second the label."""
    names = [("place", "label")[k]] if k < 2 else []
    names += ["words"] if column.words else []
    names += ["minor"] if column.minor else []
    return " ".join(names)


def fastest_lap(replay: Replay, label: str) -> LapTrace | None:
    """Return the fastest lap of a car of a replay; None where it completed none."""
    names = [car.name for car in replay.header.cars]
    if label not in names:
        return None
    rows = replay.rows[:, names.index(label)]
    ends = np.flatnonzero(np.diff(rows["laps"]) > 0) + 1
    laps = [rows[start:end] for start, end in pairwise([0, *ends.tolist()])]
    # The countdown before the first lap is left out: the lap's clock is zero during it.
    driven = [lap[lap["lap_time"] > 0.0] for lap in laps]
    driven = [lap for lap in driven if len(lap) > 1]
    if not driven:
        return None
    best = min(driven, key=lambda lap: float(lap["lap_time"].max()))
    way = np.stack([best["x"], best["y"]], axis=1).astype(np.float64)
    return way, best["speed"][1:].astype(np.float64)
