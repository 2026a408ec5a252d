"""`racer rewards`: every command, its JSON, its exit code, its errors."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from racer.cli import rewards as rewards_watch
from racer.cli.rewards import app
from racer.errors import ConfigError, RewardError
from racer.reward.check import report
from racer.reward.params import NAMES, params_markdown
from support.commands import invoke


def test_params_prints_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print every key, with the brackets that rich would take for markup."""
    monkeypatch.setenv("COLUMNS", "300")
    result = CliRunner().invoke(app, ["params"])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()[1:]] == list(NAMES)
    assert "`[previous, next]`" in result.output
    assert "list[tuple[float, float]]" in result.output


def test_params_prints_the_docs_page() -> None:
    """Print the text of docs/reward-params.md, nothing added."""
    result = CliRunner().invoke(app, ["params", "--markdown"])
    assert result.exit_code == 0
    assert result.output == params_markdown()


GOOD = 'def reward_function(params):\n    return params["speed"]\n'


def run(*arguments: str, code: int = 0) -> str:
    """Run a command and give its output; errors of ours go up, as the command line's own boundary wants."""
    return invoke(app, *arguments, code=code).output


def test_check_prints_json_with_exactly_these_keys(home: Path) -> None:
    """Print the issue's keys and nothing else, and exit 0."""
    (home / "good.py").write_text(GOOD)
    record = json.loads(run("check", "good.py", "--track", "thimble", "--json"))
    assert list(record) == [
        "ok",
        "path",
        "reason",
        "keys",
        "errors",
        "us_per_call_python",
        "us_per_call_compiled",
        "max_abs_difference",
    ]
    assert record["ok"] is True and record["keys"] == ["speed"] and record["errors"] == []
    assert record["path"] in ("compiled", "python") and record["reason"]


def test_check_exits_1_where_training_would_stop(home: Path) -> None:
    """Tell the error with file, line and params, and exit 1."""
    (home / "bad.py").write_text('def reward_function(params):\n    return 1 / params["progress"] if 0 else None\n')
    printed = run("check", "bad.py", "--track", "thimble", code=1)
    assert "bad.py: NOT GOOD, a training would stop" in printed
    assert "error: bad.py:2: returned None (in a time trial" in printed
    assert "first on thimble, with progress=" in printed


def test_check_for_a_race_and_a_first_step(home: Path) -> None:
    """Pass what needs objects with --race, and what needs steps = 1 with --first-step; name both where they lack."""
    (home / "avoid.py").write_text(
        "def reward_function(params):\n    ahead = params['closest_objects'][1]\n"
        "    return 1.0 + 0.0 * params['objects_location'][ahead][0]\n"
    )
    printed = run("check", "avoid.py", "--track", "thimble", code=1)
    assert "error: avoid.py:3: raised IndexError" in printed and "--race object_avoidance" in printed
    printed = run("check", "avoid.py", "--track", "thimble", "--race", "object_avoidance")
    assert "avoid.py: good for object avoidance" in printed and "note: avoid.py:3: raised IndexError" in printed
    with pytest.raises(
        RewardError, match="No race type `rally`; give one of time_trial, object_avoidance, head_to_bot"
    ):
        run("check", "avoid.py", "--race", "rally")
    (home / "old.py").write_text(
        "class M:\n    n = None\ndef reward_function(params):\n    if params['steps'] == 1:\n        M.n = 0\n"
        "    M.n += 1\n    return float(M.n)\n"
    )
    assert "--first-step 1" in run("check", "old.py", "--track", "thimble", code=1)
    assert "old.py: good\n" in run("check", "old.py", "--track", "thimble", "--first-step", "1")


def test_plot_and_compare(home: Path) -> None:
    """Write pictures, by default named after the functions; refuse another format."""
    (home / "good.py").write_text(GOOD)
    assert run("plot", "good.py", "-t", "thimble") == "good.png: good on thimble, rewards 2 to 2\n"
    printed = run("compare", "good.py", "center_line", "-t", "thimble", "-o", "pictures/both.png")
    assert "center_line: rewards 0.001 to 1" in printed
    for name in ("good.png", "pictures/both.png"):
        assert (home / name).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfigError, match=r"a name that ends in \.png"):
        run("plot", "good.py", "-t", "thimble", "-o", "a.jpg")


def test_watch_goes_on_behind_a_broken_file(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check and draw at once, tell a broken file and keep the picture, draw again when it is mended."""
    checked: list[str] = []

    def quick_check(path: Path, *, tracks: list[str]) -> report.CheckReport:
        checked.append(path.read_text())
        return report.CheckReport(ok=True)

    monkeypatch.setattr(report, "check_reward", quick_check)
    path = home / "mine.py"
    path.write_text(GOOD)
    texts = iter(
        [None, None, "def reward_function(params):\n    return (\n", None, None, GOOD + "# mended\n", None, None]
    )
    pictures: list[bytes] = []

    def wait() -> None:
        if (home / "mine.png").exists():
            pictures.append((home / "mine.png").read_bytes())
        try:
            text = next(texts)
        except StopIteration:
            raise KeyboardInterrupt from None
        if text is not None:
            path.write_text(text)

    with pytest.raises(KeyboardInterrupt):
        rewards_watch.watch_reward("mine.py", "thimble", None, wait=wait)
    printed = capsys.readouterr().out
    assert [text.count("\n") for text in checked] == [2, 2, 3]
    assert printed.count("mine.py: good") == 3 and printed.count("drawn    mine.png") == 2
    assert "SyntaxError" in printed and printed.count("not drawn: mine.py:") == 1
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)


def test_new_writes_a_function_that_checks(home: Path) -> None:
    """Write the template where names are found, refuse to write over it, and check it."""
    printed = run("new", "my_idea")
    assert "wrote reward_functions/my_idea.py" in printed and "racer train --reward my_idea" in printed
    with pytest.raises(RewardError, match=r"`reward_functions/my_idea.py` exists"):
        run("new", "my_idea")
    record = json.loads(run("check", "my_idea", "-t", "thimble", "--json", "--strict", code=1))
    # The console has no heading_error; everything else suits it, and nothing would stop a training.
    assert [(error["kind"], "heading_error" in error["message"]) for error in record["errors"]] == [("strict", True)]


@pytest.mark.parametrize("name", ["../evil.txt", "a b", "", "sub/x.txt", ".py"])
def test_new_refuses_what_is_no_name(home: Path, name: str) -> None:
    """Refuse names that make no Python file."""
    with pytest.raises(RewardError):
        run("new", name)
    assert not list(home.rglob("*.py"))


def test_new_takes_a_path(home: Path) -> None:
    """Write to a file that is named."""
    assert "wrote mine.py" in run("new", "mine.py")
    assert "racer rewards check mine.py" in (home / "mine.py").read_text()
