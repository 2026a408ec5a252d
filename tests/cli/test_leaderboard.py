"""`racer leaderboard`: races are kept, shown, exported, put on a page and run again."""

import sqlite3
from html.parser import HTMLParser

import pytest

from support.bundles import write_driver
from support.commands import racer


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Two drivers, the second one faster."""
    folder = tmp_path_factory.mktemp("bundles")
    return [write_driver(folder / f"{name}.bundle", speed=speed) for name, speed in (("slow", 1.5), ("fast", 2.0))]


class Links(HTMLParser):
    """Collects the targets of links, and that tags are closed."""

    def __init__(self, text):
        """Read a page."""
        super().__init__()
        self.links, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Remember it."""
        self.links += [value for key, value in attrs if tag == "a" and key == "href"]
        if tag not in ("meta", "link", "image", "path", "use"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Close the last one."""
        if tag in self.open:
            assert self.open.pop() == tag


def test_the_command(tmp_path, bundles, capsys, monkeypatch):
    """Race, show, export, make a page and verify as a user does."""
    monkeypatch.chdir(tmp_path)

    def board(*arguments):
        return racer(capsys, monkeypatch, "leaderboard", "m.db", *arguments)

    entrants = (f"Zoë={bundles[1]}", bundles[0])
    run = ("-t", "easy_oval", "--set", "laps=1", "--seed", "5", "--replay", "the replay.replay")
    said = board("add", "league", *entrants, *run)
    assert said.code == 0 and "kept as race 1 of m.db" in said.out and said.out.splitlines()[0].startswith("  1  Zoë")
    said = board()
    assert said.code == 0 and "easy_oval: time trial, rules league laps=1" in said.out and "Zoë" in said.out
    assert said == board("show")
    assert board("export", "-o", "t.csv").code == 0
    assert "Zoë" in (tmp_path / "t.csv").read_text(encoding="utf-8")
    assert board("page", "-o", "pages/p.html", "--title", "Ours").code == 0
    text = (tmp_path / "pages" / "p.html").read_text(encoding="utf-8")
    page = Links(text)
    assert page.links == ["../the%20replay.replay"] * 2 and not page.open
    assert "the fastest lap of Zoë" in text and "<h1>Ours</h1>" in text
    (tmp_path / "the replay.replay").write_bytes(b"another one")
    board("page", "-o", "pages/p.html")
    assert not Links((tmp_path / "pages" / "p.html").read_text(encoding="utf-8")).links
    said = board("verify", "1")
    assert (said.code, said.out) == (0, "race 1: equal, bit for bit (same machine and versions)\n")
    assert "has no race 2" in board("verify", "2").err
    with sqlite3.connect("m.db") as file:
        file.execute("UPDATE race SET result = replace(result, '\"off_tracks\": 0', '\"off_tracks\": 1')")
    file.close()
    said = board("verify")
    assert said.code == 1 and "differs: Zoë: " in said.out
    assert said.err == "error: 1 of 1 races differ from their rerun\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("no.db",), "No leaderboard no.db"),
        (("no.db", "verify"), "No leaderboard no.db"),
        (("no.db", "export", "-o", "t.xls"), "give .csv, .json or .md"),
        (("no.db", "add", "leage", "x.bundle"), "Did you mean `league`?"),
        (("no.db", "add", "league", "x.bundle"), "No policy `x.bundle`"),
        (("no.db", "add", "league", "=1=x.bundle"), "is not an entrant"),
        (("no.db", "page", "-o", "."), ". is a folder"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, monkeypatch, arguments, told):
    """Tell what is wrong, in one line, and make no file."""
    monkeypatch.chdir(tmp_path)
    said = racer(capsys, monkeypatch, "leaderboard", *arguments)
    assert said.code == 1 and told in said.err and said.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
