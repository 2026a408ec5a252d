"""`racer new`: a workspace whose files are what the commands take without options."""

from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from racer.assets import find_asset
from racer.cli.new import new
from racer.config.read import read_train
from racer.errors import AssetError, RacerError
from racer.track.load import load_track


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> str:
    """Run the command; errors of ours go up."""
    app = typer.Typer()
    app.command()(new)
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_workspace_is_what_train_takes(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Find the workspace's own configuration, track and reward function first when inside it."""
    assert "continue with  cd mine" in run("mine")
    monkeypatch.chdir(home / "mine")
    config = read_train()
    assert config.track == ("my_track",) and config.reward == "my_reward"
    assert find_asset("config", "default").resolve() == home / "mine/configs/default.yaml"
    assert find_asset("reward", config.reward).resolve() == home / "mine/reward_functions/my_reward.py"
    track = load_track(config.track[0])
    assert np.array_equal(track.center, load_track("willow_bend").center)
    assert Path(track.source).resolve() == home / "mine/tracks/my_track.yaml"


@pytest.mark.parametrize("spec", ["river_run", "generated:3", "easy_oval@1/2"])
def test_any_track_can_be_copied(spec: str) -> None:
    """Copy named, generated and scaled tracks, and change nothing in them."""
    run("mine", "--track", spec)
    copy, track = load_track("mine/tracks/my_track.yaml"), load_track(spec)
    assert np.array_equal(copy.center, track.center) and np.array_equal(copy.left, track.left)
    assert copy.closed == track.closed


def test_nothing_is_written_over(home: Path) -> None:
    """Refuse a folder that holds one of the files, and leave it as it was."""
    (home / "mine").mkdir()
    (home / "mine/README.md").write_text("my own")
    with pytest.raises(RacerError, match=r"`mine/README.md` exists"):
        run("mine")
    assert [p.name for p in (home / "mine").iterdir()] == ["README.md"]
    (home / "file").write_text("")
    with pytest.raises(RacerError, match="is a file"):
        run("file")
    with pytest.raises(AssetError, match="No track"):
        run("other", "--track", "no_such_track")
    assert not (home / "other").exists()


def test_a_folder_with_other_things_will_do(home: Path) -> None:
    """Make the workspace beside what is in the folder already."""
    (home / "mine").mkdir()
    (home / "mine/notes.txt").write_text("x")
    run("mine")
    assert (home / "mine/configs/default.yaml").is_file() and (home / "mine/notes.txt").read_text() == "x"
