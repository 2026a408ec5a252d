"""`racer deepracer`: what is printed, what is written, what is refused."""

import json
import tarfile
from pathlib import Path

import pytest

from racer.cli.deepracer import app
from racer.config.read import read_train
from racer.errors import ConfigError
from support.commands import invoke

METADATA = {
    "action_space": [{"steering_angle": -20, "speed": 1.0}, {"steering_angle": 20, "speed": 1.0}],
    "sensor": ["FRONT_FACING_CAMERA"],
    "version": "5",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a model folder."""
    (tmp_path / "my_model" / "ip").mkdir(parents=True)
    (tmp_path / "my_model" / "reward_function.py").write_text("def reward_function(params):\n    return 1.0\n")
    (tmp_path / "my_model" / "model_metadata.json").write_text(json.dumps(METADATA))
    (tmp_path / "my_model" / "ip" / "hyperparameters.json").write_text('{"loss_type": "huber", "lr": 0.0005}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RACER_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def run(*arguments: str) -> str:
    """Run a command and give its output; errors of ours go up, as the command line's own boundary wants."""
    return invoke(app, *arguments).output


def test_import_tells_and_writes(home: Path) -> None:
    """Print facts, a note on each line and the next command; write the configuration."""
    lines = run("import", "my_model", "-o", "configs/mine.yaml", "--track", "easy_oval").splitlines()
    assert [line[:10].strip() for line in lines if not line.startswith("note ")] == [
        "track", "reward", "actions", "sensors", "learns by", "wrote", "train",
    ]  # fmt: skip
    assert lines[0] == "track     easy_oval, 16.8 m"
    assert "note      loss_type huber: racer's value loss is the mean squared error" in lines
    assert lines[-1] == "train     racer train --config configs/mine.yaml"
    config = read_train("mine")
    assert config.ppo.learning_rate == 0.0005 and config.track == ("easy_oval",)


def test_without_a_name_it_is_the_folders(home: Path) -> None:
    """Write NAME.yaml here, and do not overwrite it unless told to."""
    assert run("import", "my_model/").splitlines()[-1] == "train     racer train --config ./my_model.yaml"
    read_train(Path("./my_model.yaml"))
    Path("my_model.yaml").write_text("seed: 3\n")
    with pytest.raises(ConfigError, match=r"my_model\.yaml exists already"):
        run("import", "my_model")
    assert Path("my_model.yaml").read_text() == "seed: 3\n"
    run("import", "my_model", "-o", "my_model.yaml")
    assert read_train(Path("./my_model.yaml")).ppo.learning_rate == 0.0005


def test_a_download_is_imported_as_it_is(home: Path) -> None:
    """Unpack it beside itself, name the configuration after it, and quote a name with spaces."""
    with tarfile.open(home / "virtualmodel-my car.tar.gz", "w:gz") as tar:
        tar.add(home / "my_model", "x")
    lines = run("import", "virtualmodel-my car.tar.gz").splitlines()
    assert lines[-1] == "train     racer train --config './virtualmodel-my car.yaml'"
    config = read_train(Path("./virtualmodel-my car.yaml"))
    assert config.reward == str(home / "virtualmodel-my car" / "reward_function.py")


def test_mistakes_write_nothing(home: Path) -> None:
    """A broken folder or a strange name of the output leaves no file."""
    with pytest.raises(ConfigError, match=r"ends in \.yaml"):
        run("import", "my_model", "-o", "mine.json")
    (home / "my_model" / "model_metadata.json").write_text("{")
    with pytest.raises(ConfigError, match="not JSON"):
        run("import", "my_model")
    with pytest.raises(ConfigError, match="is not a folder"):
        run("import", "your_model")
    assert {file.name for file in home.iterdir()} == {"my_model"}
