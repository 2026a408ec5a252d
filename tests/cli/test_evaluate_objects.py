"""`racer evaluate --race --objects`."""

import json

import pytest

from support.commands import racer


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command in this process."""
    return lambda *arguments: racer(capsys, monkeypatch, *arguments)


def test_a_race_is_chosen_by_name(run):
    """Put two bots on the road of a policy that was not trained for any."""
    said = run("evaluate", "pure_pursuit", "--race", "object_avoidance", "--objects", "2", "--laps", "2", "--json")
    record = json.loads(said.out)
    assert (said.code, record["race"]) == (0, "object_avoidance")
    assert record["crashes"] == sum(lap["status"] == "crashed" for lap in record["laps"])
    assert "head_to_bot" in run("evaluate", "pure_pursuit", "--race", "head_to_bot", "--laps", "1").out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--race", "rally"], "`race` is 'rally'"),
        (["--objects", "2"], "--objects needs a race with objects"),
    ],
)
def test_mistakes_are_one_line(run, words, told):
    """Name what was given and what is allowed."""
    said = run("evaluate", "pure_pursuit", *words)
    assert said.code == 1 and told in said.err and len(said.err.strip().splitlines()) == 1
