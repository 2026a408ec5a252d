"""`racer race`: the table, JSON, the replay and the film, and mistakes in one line."""

import json
from pathlib import Path

import pytest

from racer.errors import ConfigError
from racer.race import guarded_race
from racer.race.entrants import parse_entrants
from racer.race.leaderboard.store import Leaderboard
from racer.replay import read_replay
from support.bundles import write_driver
from support.commands import racer, racer_alone
from support.processes import environment

QUICK = ("--track", "easy_oval", "--set", "laps=1", "--set", "countdown_s=0")


@pytest.fixture
def call(capsys, monkeypatch):
    """`racer race` in this process."""
    return lambda *arguments: racer(capsys, monkeypatch, "race", *arguments)


def test_a_race_prints_a_table(call):
    """Name the race, rank those who finish, and say why others do not."""
    said = call("league", "pure_pursuit", "wild=random", *QUICK, "--set", "limits.time_s=20", "--seed", 2)
    assert said.code == 0 and said.err == ""
    lines = said.out.splitlines()
    assert lines[0].startswith("time_trial on easy_oval, rules league")
    assert lines[1].split()[:4] == ["rank", "entrant", "total", "s"]
    assert lines[2].split()[:2] == ["1", "pure_pursuit"] and lines[2].split()[-1] == "finished"
    assert lines[3].split()[:2] == ["-", "wild"] and lines[3].split()[-1] == "time_up"
    assert lines[4] == "wild: it was not done after 20 s"


def test_json_is_the_record_and_repeats(call, tmp_path):
    """Print one object, the same for the same seed."""
    arguments = ("console", "pure_pursuit", "two=pure_pursuit", "--track", "easy_oval", "--set", "race=head_to_head")
    first = call(*arguments, "--json")
    record = json.loads(first.out)
    assert [one["rank"] for one in record["entrants"]] == [1, 2] and record["race"] == "head_to_head"
    assert [one["label"] for one in record["entrants"]] == ["pure_pursuit", "two"]
    assert len(record["entrants"][0]["laps"]) == 3 and len(record["rules"]["sha256"]) == 64
    again = call(*arguments, "--json", "--replay", tmp_path / "a.replay")
    assert json.loads(again.out) | {"replay": None} == record
    assert json.loads(again.out)["replay"] == str(tmp_path / "a.replay") and "wrote" in again.err
    replay = read_replay(tmp_path / "a.replay")
    assert replay.header.kind == "race" and [car.name for car in replay.header.cars] == ["pure_pursuit", "two"]
    assert replay.rows[-1]["laps"].tolist() == [3, 3]


def test_a_result_is_kept_on_a_leaderboard(call, tmp_path):
    """Race bundles, keep what came of it with the replay, and find it on the board."""
    bundle, board, replay = write_driver(tmp_path / "a.bundle", speed=2.0), tmp_path / "l.db", tmp_path / "a.replay"
    said = call("league", f"Ann={bundle}", bundle, *QUICK, "--leaderboard", board, "--replay", replay)
    assert said.code == 0 and said.out.splitlines()[-2:] == [f"wrote {replay}", f"kept as race 1 of {board}"]
    (kept,) = Leaderboard(board).races()
    assert [one.label for one in kept.result.entrants] == ["Ann", "a"] and kept.result.replay == Path("a.replay")
    said = call("league", bundle, *QUICK, "--leaderboard", board, "--json")
    assert json.loads(said.out)["number"] == 2 and "kept as race 2" in said.err


def test_a_model_that_hangs_voids_the_race(call, monkeypatch):
    """Say whose model it was, in one line, and print no result."""
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.setattr(guarded_race, "HEADLESS_DRIVER", "support.race_drivers:second_hangs")
    said = call("league", "pure_pursuit", "wild=random", *QUICK, "--model-s", "0.2")
    assert said.code == 1 and said.out == "" and said.err.count("\n") == 1
    assert "The race is void: the model of `wild` took" in said.err


def test_a_film_needs_no_display(tmp_path):
    """Make a GIF of a race in a process without a screen."""
    film = tmp_path / "race.gif"
    said = racer_alone("race", "simapp", "pure_pursuit", *QUICK, "--set", "trials=1", "--video", film)
    assert said.code == 0 and film.read_bytes()[:4] == b"GIF8"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("leage", "pure_pursuit"), "Did you mean `league`?"),
        (("league", "nobody.bundle"), "No policy `nobody.bundle`"),
        (("league", "pure_pursuit", "--set", "lap=1"), "Did you mean `laps`?"),
        (("league", "a=pure_pursuit", "a=random"), "two entrants are called `a`"),
        (("league", "=pure_pursuit"), "is not an entrant"),
        (("league", "pure_pursuit", "--track", "easy_ovl"), "Did you mean `easy_oval`?"),
        (("league", "pure_pursuit", "--video", "race.avi"), "A film is .mp4 or .gif"),
        (("league", "pure_pursuit", "--leaderboard", "no.db"), "`pure_pursuit` is not a bundle"),
        (("league", "pure_pursuit", "--replay", "."), ". is a folder; name a file in it"),
        (
            ("league", "pure_pursuit", "--replay", "/dev/null/a.replay"),
            "/dev/null is not a folder that you may write in",
        ),
        (("league", *["pure_pursuit"] * 9, "--set", "race=head_to_head"), "9 entrants in one head-to-head; at most 8"),
    ],
)
def test_mistakes_are_one_line(call, arguments, words):
    """Say what was wrong in one line and exit 1."""
    said = call(*arguments)
    assert said.code == 1 and words in said.err and said.err.count("\n") == 1 and said.out == ""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["runs/first/best.bundle"], ["first"]),
        (["a.bundle", "b.bundle"], ["a", "b"]),
        (["x/best.bundle", "y/best.bundle", "z/x/last.bundle"], ["x", "y", "x 2"]),
        (["one=a.bundle", "a.bundle"], ["one", "a"]),
        (["pure_pursuit", "pure_pursuit"], ["pure_pursuit", "pure_pursuit 2"]),
    ],
)
def test_labels(given, expected):
    """Call entrants by their files or runs, each differently."""
    assert [label for label, _ in parse_entrants(given)] == expected


def test_labels_that_are_given_twice():
    """Refuse to change a label that somebody chose."""
    with pytest.raises(ConfigError, match="give each its own label"):
        parse_entrants(["a=x", "a=y"])
