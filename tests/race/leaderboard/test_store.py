"""The leaderboard's file: what is kept comes back, stands up to a rerun, and survives what files go through."""

import json
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from racer.config.read import read_vehicle
from racer.config.rules import Rules
from racer.race.entrants import open_entrant
from racer.race.leaderboard import store, verify
from racer.race.leaderboard.standings import export_boards, standings
from racer.race.leaderboard.store import Leaderboard, LeaderboardError, current_environment
from racer.race.leaderboard.verify import compare_results, environment_changes
from racer.race.result import EntrantResult, LapResult, RaceResult, ResultError, RulesId, result_from_record
from racer.race.session import race
from racer.race.track_json import track_from_json, track_to_json
from racer.track.load import load_track
from support.bundles import write_driver, write_drivers

RULES = Rules(laps=1)
TRACK = load_track("easy_oval")
VEHICLE = read_vehicle("deepracer")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """Two drivers, the second one faster."""
    return write_drivers(tmp_path_factory.mktemp("bundles"), slow=1.5, fast=2.0)


@pytest.fixture(scope="module")
def driven(bundles):
    """One lap each."""
    return race([open_entrant(path) for path in bundles], TRACK, RULES, seed=3, vehicle=VEHICLE, rules_name="one lap")


def keep(path, result, bundles, **changes):
    """Keep a result."""
    given = {"track": TRACK, "rules": RULES, "vehicle": VEHICLE, "bundles": bundles, "now": NOON} | changes
    return Leaderboard(path).save(result, **given)


def test_what_is_kept_comes_back(tmp_path, driven, bundles):
    """Read the race and all that it was run with, to the last bit."""
    board = Leaderboard(tmp_path / "l.db")
    assert keep(board.path, driven, bundles) == 1
    (kept,) = board.races()
    assert kept.result == driven and kept.number == 1 and kept.added == "2026-01-01T12:00:00+00:00"
    assert kept.circumstances == current_environment()
    inputs = board.inputs(1)
    assert (inputs.rules, inputs.vehicle) == (RULES, VEHICLE)
    assert inputs.bundles == tuple(path.read_bytes() for path in bundles)
    for key in ("center", "left", "right"):
        assert getattr(inputs.track, key).tobytes() == getattr(TRACK, key).tobytes()
    assert inputs.track.look == TRACK.look and inputs.track.closed == TRACK.closed


def test_the_same_race_is_kept_once(tmp_path, driven, bundles):
    """Keep a race twice and find it once; another seed is another race, and shares track and bundles."""
    path = tmp_path / "l.db"
    assert [keep(path, driven, bundles), keep(path, driven, bundles)] == [1, 1]
    assert keep(path, replace(driven, seed=4), bundles) == 2
    with sqlite3.connect(path) as file:
        counts = [file.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("race", "bundle", "track")]
    file.close()
    assert counts == [2, 2, 1]


def test_a_replay_is_kept_by_its_place(tmp_path, driven, bundles):
    """Keep the way to a replay from the leaderboard's folder, and no path of this machine."""
    (tmp_path / "replays").mkdir()
    replay = tmp_path / "replays" / "r.replay"
    replay.write_bytes(b"x")
    keep(tmp_path / "l.db", replace(driven, replay=replay), bundles)
    (kept,) = Leaderboard(tmp_path / "l.db").races()
    assert kept.result.replay == Path("replays/r.replay")
    assert str(tmp_path).encode() not in (tmp_path / "l.db").read_bytes()


def test_what_cannot_be_kept(tmp_path, driven, bundles):
    """Refuse results that nobody could run again, and leave no file behind."""
    path = tmp_path / "l.db"
    scripted = replace(driven.entrants[0], sha256="")
    for result, files, told in (
        (replace(driven, status="void"), bundles, "void cannot be added"),
        (driven, bundles[:1], "has 2 entrants, but 1 bundles"),
        (driven, bundles[::-1], "is not the bundle that raced as slow"),
        (replace(driven, entrants=(scripted, driven.entrants[1])), bundles, "slow is not a bundle"),
        (replace(driven, replay=tmp_path / "none.replay"), bundles, "none.replay cannot be read"),
        (driven, [tmp_path / "gone", bundles[1]], "gone cannot be read"),
    ):
        with pytest.raises(LeaderboardError, match=told):
            keep(path, result, files)
    with pytest.raises(LeaderboardError, match="differ from the rules `one lap`"):
        keep(path, driven, bundles, rules=Rules(laps=2))
    assert not path.exists()


def test_a_rerun_is_equal_bit_for_bit(tmp_path, driven, bundles):
    """Verify a race from the file alone; then doubt a bit of it."""
    board = Leaderboard(tmp_path / "l.db")
    keep(board.path, driven, bundles)
    (kept,) = board.races()
    found = verify.verify(board, kept)
    assert not found.differences and found.summary == "race 1: equal, bit for bit (same machine and versions)"
    first = driven.entrants[0]
    doubted = replace(first, total_s=np.nextafter(first.total_s, 0.0).item())
    other = replace(kept, result=replace(driven, entrants=(doubted, driven.entrants[1])))
    assert "slow: total_s" in verify.verify(board, other).summary


def test_on_another_machine_a_control_step_is_allowed(tmp_path, driven, bundles, monkeypatch):
    """Verify with another numba: say so, and let times differ by a control step, no more."""
    board = Leaderboard(tmp_path / "l.db")
    keep(board.path, driven, bundles)
    (kept,) = board.races()
    monkeypatch.setattr(verify, "current_environment", lambda: current_environment() | {"numba": "9.9"})
    monkeypatch.setattr(verify, "run_guarded_race", lambda *_, **__: driven)
    for steps, stands in ((0.0, True), (1.0, True), (1.5, False)):
        first = driven.entrants[0]
        lap = replace(first.laps[0], time_s=first.laps[0].time_s + steps / 15.0)
        moved = replace(first, total_s=first.total_s + steps / 15.0, laps=(lap,))
        told = replace(kept, result=replace(driven, entrants=(moved, driven.entrants[1])))
        found = verify.verify(board, told)
        assert bool(found.differences) is not stands, found.summary
        assert "numba: " in found.summary and "now 9.9" in found.summary
    assert "total_s" in found.summary and "within one control step" not in found.summary


def entrant(label="a", score=10.0, **changes):
    """An entrant's part of a result."""
    fields = {
        **{"label": label, "sha256": "0" * 64, "rank": 1, "score_s": score, "total_s": score, "best_lap_s": score},
        **{"laps": (LapResult(trial=1, number=1, time_s=score),), "progress": 1.0, "penalty_s": 0.0, "off_tracks": 0},
        **{"collisions": 0, "resets": 0, "status": "finished"},
    }
    return EntrantResult(**fields | changes)


def result(*entrants, **changes):
    """A result."""
    fields = {"track": "t", "track_sha256": "1", "rules": RulesId(name="r", sha256="2"), "seed": 0}
    return RaceResult(**fields | {"race": "time_trial", "vehicle": "v", "entrants": entrants} | changes)


STEP = 1.0 / 15.0


@pytest.mark.parametrize(
    ("change", "exact", "near"),
    [
        ({}, "", ""),
        ({"off_tracks": 1}, "a: off_tracks 0, now 1", ""),
        ({"status": "time_up"}, "a: status finished, now time_up", "a: status finished, now time_up"),
        ({"total_s": 10.0 + STEP}, "a: total_s 10.0, now", ""),
        ({"total_s": 10.0 + 1.01 * STEP}, "a: total_s 10.0, now", "a: total_s 10.000 s, now 10.067 s"),
        ({"best_lap_s": None}, "a: best_lap_s 10.0, now None", "a: best_lap_s 10.000 s, now none"),
        ({"laps": ()}, "a: its laps", "a: 1 laps, now 0"),
        ({"laps": (LapResult(trial=1, number=1, time_s=12.0),)}, "a: its laps", "a: lap 1 of trial 1 10.000 s, now 12"),
        ({"label": "b"}, "other entrants", "other entrants"),
    ],
)
def test_what_a_comparison_finds(change, exact, near):
    """Compare two results in both ways."""
    one, other = result(entrant()), result(entrant(**change))
    for step, wanted in ((None, exact), (STEP, near)):
        found = list(compare_results(one, other, step_s=step))
        assert (found[0].startswith(wanted) if found else "") if wanted else not found, found


def test_changes_of_the_surroundings():
    """Tell what changed, appeared and went."""
    told = environment_changes({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "5", "d": "4"})
    assert told == ("b: 2, now 5", "c: 3, now unknown", "d: unknown, now 4")


def kept_results(tmp_path, monkeypatch, *results):
    """The boards of results that never were driven."""
    monkeypatch.setattr(store, "_checked_bundles", lambda result, bundles: {"0" * 64: b""})
    path = tmp_path / "s.db"
    for k, one in enumerate(results):
        fitting = replace(one, rules=RulesId(name=one.rules.name, sha256=RULES.sha256))
        keep(path, fitting, [], now=NOON + timedelta(days=k))
    return standings(Leaderboard(path).races())


def test_standings(tmp_path, monkeypatch):
    """Rank everybody's best race: ties share a place, the older one above; who is not ranked is last, by progress."""
    (board,) = kept_results(
        tmp_path,
        monkeypatch,
        result(entrant("ann", 12.0), entrant("bob", 10.0), seed=0),
        result(entrant("ann", 10.0), entrant("cy", None, progress=0.2, status="out"), seed=1),
        result(entrant("ann", 11.0), entrant("cy", None, progress=0.7, status="out"), entrant("di", 15.0), seed=2),
        result(entrant("eve", None, progress=0.5, status="time_up"), seed=3),
    )
    rows = [(row.place, row.result.label, row.stored.number, row.races) for row in board.rows]
    assert rows == [(1, "bob", 1, 1), (1, "ann", 2, 3), (3, "di", 3, 1), (None, "cy", 3, 2), (None, "eve", 4, 1)]


def test_what_cannot_be_compared_has_its_own_board(tmp_path, monkeypatch):
    """Part races by track."""
    boards = kept_results(
        tmp_path,
        monkeypatch,
        result(entrant("a")),
        result(entrant("a"), track="u", track_sha256="9"),
        result(entrant("b")),
    )
    assert [(board.first.result.track, [row.result.label for row in board.rows]) for board in boards] == [
        ("t", ["a", "b"]),
        ("u", ["a"]),
    ]


def test_exports(tmp_path, monkeypatch):
    """Write CSV that spreadsheets read back, JSON with every bit, and Markdown that shows labels as they are."""
    label, score = 'a "b", *c* | <d>', 10.0 / 3.0
    boards = kept_results(tmp_path, monkeypatch, result(entrant(label, score), entrant("e", None, status="out")))
    import csv
    import io

    rows = list(csv.DictReader(io.StringIO(export_boards(boards, "csv"))))
    assert [(row["place"], row["label"], row["status"]) for row in rows] == [("1", label, "finished"), ("", "e", "out")]
    assert float(rows[0]["score_s"]) == score
    (first, _) = json.loads(export_boards(boards, "json"))
    assert first["score_s"] == score and first["label"] == label and first["replay"] is None
    markdown = export_boards(boards, "md")
    assert 'a "b", \\*c\\* \\| \\<d\\>' in markdown and "| – | e | out |" in markdown


def test_a_result_comes_back_from_json():
    """Read what `record` wrote, numbers to the last bit; refuse what is none in one line."""
    one = result(entrant(score=1.0 / 3.0), replay=Path("x/y.replay"))
    assert result_from_record(json.loads(json.dumps(one.record()))) == one
    for change, told in (({"seed": "x"}, "seed"), ({"entrants": [{}]}, "entrants.0"), ({"more": 1}, "")):
        broken = one.record() | change
        if told:
            with pytest.raises(ResultError, match=told) as caught:
                result_from_record(broken)
            assert "\n" not in str(caught.value)


def test_a_track_comes_back_from_text():
    """Give every bit back, and refuse lines that do not fit."""
    assert track_to_json(track_from_json(track_to_json(TRACK))) == track_to_json(TRACK)
    told = json.loads(track_to_json(TRACK))
    for change in (
        {"center": told["left"][:-1]},
        {"center": [[0.0, 1.0]]},
        {"left": [[None, 1.0]] * len(told["left"])},
    ):
        with pytest.raises((TypeError, ValueError)):
            track_from_json(json.dumps(told | change))


def test_many_writers_at_once(tmp_path, driven, bundles):
    """Let eight threads keep five races each into a file that is not there yet, and find all forty."""
    path = tmp_path / "l.db"
    with ThreadPoolExecutor(8) as pool:
        seeds = [seed for worker in range(8) for seed in range(5 * worker, 5 * worker + 5)]
        numbers = list(pool.map(lambda seed: keep(path, replace(driven, seed=seed), bundles), seeds))
    assert sorted(numbers) == list(range(1, 41))
    assert sorted(kept.result.seed for kept in Leaderboard(path).races()) == list(range(40))


def test_a_busy_file_is_one_line(tmp_path, driven, bundles, monkeypatch):
    """Give up where somebody else does not stop writing; reading goes on meanwhile."""
    path = tmp_path / "l.db"
    keep(path, driven, bundles)
    monkeypatch.setattr(store, "WAIT_S", 0.01)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LeaderboardError, match="locked by another process"):
        keep(path, replace(driven, seed=9), bundles)
    assert len(Leaderboard(path).races()) == 1
    other.close()
    assert keep(path, replace(driven, seed=9), bundles) == 2


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, driven, bundles, monkeypatch):
    """Fill the file up in the middle of a race that is being kept."""
    path = tmp_path / "l.db"
    keep(path, driven, bundles)
    before = Leaderboard(path).races()
    pages = path.stat().st_size // 4096
    connect = store._connect

    def full(*arguments):
        connection = connect(*arguments)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(store, "_connect", full)
    fresh = write_driver(tmp_path / "new.bundle", speed=1.1)
    big = replace(driven, entrants=(entrant("new", sha256=store._sha256(fresh.read_bytes())),))
    with pytest.raises(LeaderboardError, match=r"could not be written .*its contents are unchanged"):
        keep(path, big, [fresh])
    monkeypatch.undo()
    assert Leaderboard(path).races() == before
    assert keep(path, big, [fresh]) == 2


def test_a_writer_that_dies_is_undone(tmp_path, driven, bundles):
    """Open a file beside the journal of a writer that stopped half way, as a crash leaves them."""
    path = tmp_path / "l.db"
    keep(path, driven, bundles)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("PRAGMA cache_size = 1")
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM entry")
    for k in range(40):
        other.execute("INSERT INTO rules VALUES (?, ?)", (str(k), "x" * 9000))
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for file in tmp_path.glob("l.db*"):
        shutil.copy(file, crashed / file.name)
    other.close()
    assert (crashed / "l.db-journal").stat().st_size > 0
    assert Leaderboard(crashed / "l.db").races() == Leaderboard(path).races()


def test_broken_and_strange_files_are_one_line(tmp_path, driven, bundles):
    """Refuse what is no leaderboard, a newer one, one with a trigger, a cut one; and leave it as it is."""
    good = tmp_path / "good.db"
    keep(good, driven, bundles)

    def changed(name, *statements):
        shutil.copy(good, tmp_path / name)
        with sqlite3.connect(tmp_path / name) as file:
            for statement in statements:
                file.execute(statement)
        file.close()

    changed("newer.db", "PRAGMA user_version = 2")
    changed("trigger.db", "CREATE TRIGGER t AFTER INSERT ON race BEGIN DELETE FROM entry; END")
    changed("column.db", "ALTER TABLE race ADD COLUMN more")
    changed("foreign.db", "PRAGMA application_id = 7")
    changed("result.db", "UPDATE race SET result = '{}'")
    changed("bundle.db", "UPDATE bundle SET data = x'00'")
    changed("track.db", "UPDATE track SET text = '{}'")
    (tmp_path / "text.db").write_text("not a database " * 100)
    (tmp_path / "cut.db").write_bytes(good.read_bytes()[:5000])
    for name, told in (
        ("newer.db", "has version 2, but racer .* reads leaderboards up to 1; update racer"),
        ("trigger.db", "other tables"),
        ("column.db", "other tables"),
        ("foreign.db", "not a leaderboard of racer"),
        ("result.db", "race 1 is damaged"),
        ("text.db", "not a leaderboard, or a damaged one"),
        ("cut.db", "damaged"),
        ("none.db", "the file does not exist"),
        ("bundle.db", "a bundle of race 1 is damaged"),
        ("track.db", "race 1 is damaged"),
    ):
        path = tmp_path / name
        before = path.read_bytes() if path.exists() else None
        with pytest.raises(LeaderboardError, match=told) as caught:
            Leaderboard(path).races()
            Leaderboard(path).inputs(1)
        assert "\n" not in str(caught.value)
        if name not in ("result.db", "bundle.db", "track.db", "none.db"):
            with pytest.raises(LeaderboardError, match=told):
                keep(path, driven, bundles)
        assert (path.read_bytes() if path.exists() else None) == before
    with pytest.raises(LeaderboardError, match="is a folder"):
        Leaderboard(tmp_path).races()
    with pytest.raises(LeaderboardError, match=r"folder .* does not exist"):
        keep(tmp_path / "no" / "l.db", driven, bundles)
    with pytest.raises(LeaderboardError, match="has no race 7; it holds 1"):
        Leaderboard(good).inputs(7)


def test_an_empty_file_becomes_a_leaderboard(tmp_path, driven, bundles):
    """Take a file of no bytes, as a writer leaves that was stopped at its first race."""
    path = tmp_path / "l.db"
    path.touch()
    with pytest.raises(LeaderboardError, match="not a leaderboard"):
        Leaderboard(path).races()
    assert keep(path, driven, bundles) == 1
