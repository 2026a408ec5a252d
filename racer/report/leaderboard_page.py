"""Writes a leaderboard as one HTML page: tables, and tracks with the fastest laps of the leaders.

As in a run's report, the page holds no script, and every text that comes from a leaderboard is escaped. Rows come in as
text: `racer.cli.leaderboard` makes them from the boards of `racer.race`, which this room does not import.
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
    """One column; `words` aligns it to the left, `minor` leaves it out on a phone."""

    head: str
    words: bool = False
    minor: bool = False


@dataclass(frozen=True, kw_only=True)
class PageRow:
    """One row under the columns; `leads` marks the leader's. `replay` is a link from the page; empty for none."""

    cells: tuple[str, ...]
    leads: bool = False
    replay: str = ""


@dataclass(frozen=True, kw_only=True)
class PageBoard:
    """One table with its track.

    Attributes:
        title: Heading of the section.
        summary: Line below the title.
        track: Track of the board.
        figures: Headline figures: name, value and a small line below, each.
        columns: Columns of the table.
        rows: Rows of the table.
        lap: Fastest lap of the leader; None without a replay of it.
        driver: Label of the car that drove the lap.
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
    sections = [(board, _card(board, picture)) for board, picture in zip(boards, maps, strict=True)]
    return render_page(
        "leaderboard.html.j2", kind="leaderboard", title=title, summary=summary, maps=maps, sections=sections
    )


def _card(board: PageBoard, picture: TrackMap) -> FigureCard:
    """Return the track's picture, with the leader's lap where there is one."""
    caption, alt = f"{board.track.name}, {board.track.length:.1f} m", f"Track {board.track.name} from above"
    laps = [] if board.lap is None else [board.lap]
    speeds = [speed for _, speed in laps]
    if laps:
        caption, alt = f"{caption}: the fastest lap of {board.driver}", f"{alt} with a lap, coloured by speed"
    drawing = path_map(picture, [path for path, _ in laps], speeds, key=f"{picture.key}-lap", alt=alt)
    return FigureCard(drawing=drawing, ramp=ramp_legend(speeds, "m/s") if speeds else None, caption=caption)


def fastest_lap(replay: Replay, label: str) -> LapTrace | None:
    """Return the fastest lap of a car of a replay; None where it completed none."""
    names = [car.name for car in replay.header.cars]
    if label not in names:
        return None
    rows = replay.rows[:, names.index(label)]
    # Rows after the last completed lap are of an incomplete one and are dropped.
    ends = np.flatnonzero(np.diff(rows["laps"]) > 0) + 1
    laps = [rows[start:end] for start, end in pairwise([0, *ends.tolist()])]
    # The countdown before the first lap is left out: the lap's clock is zero during it.
    driven = [lap[lap["lap_time"] > 0.0] for lap in laps]
    driven = [lap for lap in driven if len(lap) > 1]
    if not driven:
        return None
    # The lap's clock rises until its end, so its highest reading ranks the laps.
    best = min(driven, key=lambda lap: float(lap["lap_time"].max()))
    path = np.stack([best["x"], best["y"]], axis=1).astype(np.float64)
    return path, best["speed"][1:].astype(np.float64)
