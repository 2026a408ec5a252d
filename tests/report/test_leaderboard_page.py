"""The page of a leaderboard: whole, closed to scripts and networks, and everything on it escaped."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from racer.config.read import read_vehicle
from racer.replay import CAR_ROW, OBJECT_ROW, CarHeader, Replay, ReplayHeader, TrackHeader
from racer.report.leaderboard_page import PageBoard, PageColumn, PageRow, fastest_lap, leaderboard_page
from racer.track.load import load_track

EVIL = "<script>alert(\"1\")</script> & 'x'"
COLUMNS = (
    PageColumn(head=""),
    PageColumn(head="label", words=True),
    PageColumn(head="time s"),
    PageColumn(head="date", minor=True),
)


def board(**changes):
    """A board of two rows."""
    fields = {
        "title": "easy_oval",
        "summary": "Time trial, rules league",
        "track": load_track("easy_oval"),
        "figures": (("Best time", "9.000 s", "Ann"), ("Entrants", "2", "1 ranked")),
        "columns": COLUMNS,
        "rows": (
            PageRow(cells=("1", "Ann", "9.000", "2026-01-01"), leads=True, replay="a b.replay"),
            PageRow(cells=("–", EVIL, "out", "2026-01-02")),
        ),
    }
    return PageBoard(**fields | changes)


def parsed(page):
    """The page's body as a tree: it is well-formed as XML too."""
    body = re.search(r"<body>.*</body>", page, re.S).group()
    return ElementTree.fromstring(body)


def test_the_page_is_whole_and_well_formed():
    """Parse the page and find each table with its rows, its picture and its leader."""
    tree = parsed(leaderboard_page("Ours", [board(), board(title="second")], summary="4 races"))
    assert [h.text for h in tree.iter("h1")] == ["Ours"]
    assert [h.text for h in tree.iter("h2")] == ["easy_oval", "second"]
    tables = list(tree.iter("table"))
    assert [len(list(table.iter("tr"))) for table in tables] == [3, 3]
    assert len(list(tree.iter("image"))) == 2 and len({image.get("id") for image in tree.iter("image")}) == 2
    (best,) = [row for row in tables[0].iter("tr") if row.get("class") == "best"]
    assert [cell.text for cell in best.iter("td")][:2] == ["1", "Ann"]
    sections = [section.get("id") for section in tree.iter("section")]
    assert [a.get("href") for a in tree.find(".//nav").iter("a")] == [f"#{name}" for name in sections]


def test_nothing_gets_out_of_its_text():
    """Show markup in labels, titles and figures as text."""
    evil = board(
        title=EVIL,
        summary=EVIL,
        driver=EVIL,
        figures=((EVIL, EVIL, EVIL),),
        rows=(PageRow(cells=(EVIL,) * 4, replay='"><script>'),),
    )
    page = leaderboard_page(EVIL, [evil, evil], summary=EVIL)
    assert "<script" not in page and EVIL in "".join(parsed(page).itertext())


def test_the_page_needs_nothing_else():
    """Forbid scripts and requests, and ask for none."""
    page = leaderboard_page("x", [board()])
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    found = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert all(link.startswith(("data:", "#")) or link == "a%20b.replay" for link in found)
    assert "http" not in page.replace("http-equiv", "")


def test_an_empty_leaderboard_has_a_page():
    """Say so where there is no race."""
    assert "No race yet." in "".join(parsed(leaderboard_page("x", [])).itertext())


def test_on_a_phone_minor_columns_go():
    """Mark head and cells of a minor column alike."""
    tree = parsed(leaderboard_page("x", [board()]))
    rows = list(tree.iter("tr"))
    marks = [["minor" in (cell.get("class") or "") for cell in row] for row in rows]
    assert marks == [[False, False, False, True, True]] * 3


def replay(rows):
    """A replay of two cars on a straight line, `rows` of (laps, lap_time) for the second one."""
    made = np.zeros((len(rows), 2), CAR_ROW)
    made["x"], made["speed"] = np.arange(len(rows))[:, None], np.arange(len(rows))[:, None] * 0.5
    made["laps"][:, 1], made["lap_time"][:, 1] = zip(*rows, strict=True)
    track = load_track("easy_oval")
    header = ReplayHeader(
        control_rate_hz=15.0,
        track=TrackHeader(name="t"),
        vehicle=read_vehicle("deepracer"),
        cars=(CarHeader(name="a"), CarHeader(name="b")),
    )
    return Replay(
        header=header,
        rows=made,
        objects=np.zeros((1, 0), OBJECT_ROW),
        center=track.center,
        left=track.left,
        right=track.right,
    )


def test_the_fastest_lap_is_cut_out():
    """Leave the countdown out, and take the shorter of two laps though an unfinished one is shorter still."""
    first = [(0, 0.0)] * 3 + [(0, 1.0), (0, 2.0), (0, 3.0)]
    second, third = [(1, 0.5), (1, 1.5)], [(2, 0.5)]
    way, speed = fastest_lap(replay(first + second + third), "b")
    assert way[:, 0].tolist() == [6.0, 7.0] and speed.tolist() == [3.5]
    assert fastest_lap(replay(first), "b") is None
    assert fastest_lap(replay(first + second), "c") is None


def test_a_lap_is_drawn():
    """Draw the leader's lap over the track, and say whose it is."""
    lap = load_track("easy_oval").center[:50], np.linspace(1.0, 3.0, 49)
    page = leaderboard_page("x", [board(lap=lap, driver="Ann")])
    tree = parsed(page)
    assert "the fastest lap of Ann" in "".join(tree.itertext()) and len(list(tree.iter("path"))) > 10


@pytest.mark.parametrize("name", ["willow_bend", "easy_oval"])
def test_shipped_tracks_have_a_picture(name):
    """Draw tracks without a lap."""
    assert "data:image/png;base64," in leaderboard_page("x", [board(track=load_track(name))])
