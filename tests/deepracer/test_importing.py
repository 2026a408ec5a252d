"""A model folder as a configuration."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from racer.config.read import read_train
from racer.config.train import TrainConfig
from racer.deepracer.importing import ImportedModel, import_project
from racer.errors import AssetError, ConfigError, RewardError, TrackError
from racer.track.load import load_track
from racer.track.npy import write_npy

REWARD = 'def reward_function(params):\n    return float(params["speed"])\n'
METADATA: dict[str, Any] = {
    "action_space": [
        {"steering_angle": -30, "speed": 1.0, "index": 0},
        {"steering_angle": 0, "speed": 3.0, "index": 1},
        {"steering_angle": 30, "speed": 2.0, "index": 2},
    ],
    "sensor": ["FRONT_FACING_CAMERA"],
    "neural_network": "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW",
    "version": "4",
}
RANGES = {"steering_angle": {"low": -30, "high": 30}, "speed": {"low": 1, "high": 2}}
SAC = METADATA | {"action_space": RANGES, "action_space_type": "continuous", "training_algorithm": "sac"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and cache."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    monkeypatch.setenv("RACER_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "home"


def model(folder: Path, metadata: dict[str, Any] = METADATA, **files: str) -> Path:
    """A model folder with a reward function and metadata; `files` replaces and adds, dots written as `__`."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"reward_function__py": REWARD, "model_metadata__json": json.dumps(metadata)} | files
    for name, text in content.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def reread(imported: ImportedModel, folder: Path) -> TrainConfig:
    """The configuration as `racer train --config` reads it."""
    file = folder / "written.yaml"
    file.write_text(imported.to_yaml(folder))
    return read_train(file)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """The file gives the same configuration, with every note as a comment above it."""
    folder = model(tmp_path / "m")
    imported = import_project(folder)
    assert reread(imported, tmp_path) == imported.config
    config = imported.config
    assert config.track == ("willow_bend",) and config.reward == str(folder / "reward_function.py")
    assert config.action_space.table == ((-30.0, 1.0), (0.0, 3.0), (30.0, 2.0))  # type: ignore[union-attr]
    assert config.env.sensors == ("camera",) and config.network == "shallow"
    assert any("names no track" in note for note in imported.notes)
    assert any("no hyperparameters.json" in note for note in imported.notes)
    comments = " ".join(line[4:] for line in imported.to_yaml(folder).splitlines() if line.startswith("# "))
    assert all(" ".join(note.split()) in " ".join(comments.split()) for note in imported.notes)


def test_a_lap_gives_the_steps_of_an_update(tmp_path: Path) -> None:
    """A car drives one lap between updates: length over mean speed (2 m/s here) times 15 steps a second."""
    folder = model(tmp_path / "m", hyperparameters__json='{"num_episodes_between_training": 8}')
    config = import_project(folder, track="easy_oval").config
    assert config.track == ("easy_oval",)
    assert config.train.worlds == 8
    assert config.ppo.n_steps == 8 * math.ceil(load_track("easy_oval").length / 2.0 * 15.0 / 8)  # whole batches


def test_relative_paths_work_from_anywhere(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder given relative to the working directory gives absolute paths; also for local tracks and options."""
    write_npy(load_track("easy_oval"), model(home / "m") / "mine.npy")
    config = import_project(Path("m")).config
    assert config.track == (str(home / "m" / "mine.npy"),) and config.reward == str(home / "m" / "reward_function.py")
    (home / "tracks").mkdir()
    write_npy(load_track("easy_oval"), home / "tracks" / "local.npy")
    assert import_project(Path("m"), track="local").config.track == (str(home / "tracks" / "local.npy"),)
    assert import_project(Path("m"), track="m/mine.npy@0.5").config.track == (str(home / "m" / "mine.npy") + "@0.5",)
    monkeypatch.chdir(tmp_path)
    assert load_track(config.track[0]).length == pytest.approx(load_track("easy_oval").length)


def test_names_stay_names(tmp_path: Path) -> None:
    """Shipped, fetched and generated tracks keep their names, options too."""
    folder = model(tmp_path / "m")
    (tmp_path / "cache" / "tracks").mkdir(parents=True)
    write_npy(load_track("easy_oval"), tmp_path / "cache" / "tracks" / "reinvent_base.npy")
    for name in ("hourglass", "hourglass@0.9", "generated:3..4", "reinvent_base"):
        assert import_project(folder, track=name).config.track == (name,)


def test_where_the_track_comes_from(tmp_path: Path) -> None:
    """--track, then the folder's route, then its job; each wins over the next."""
    folder = model(tmp_path / "m", training_params__yaml="WORLD_NAME: hourglass\nREVERSE_DIR: true\n")
    imported = import_project(folder)
    assert imported.config.track == ("hourglass",) and imported.config.env.start.direction == "backward"
    write_npy(load_track("easy_oval"), folder / "route.npy")
    assert import_project(folder).config.track == (str(folder / "route.npy"),)
    assert import_project(folder, track="clover").config.track == ("clover",)
    write_npy(load_track("easy_oval"), folder / "other.npy")
    with pytest.raises(ConfigError, match=r"several tracks \(other\.npy, route\.npy\); choose one with --track"):
        import_project(folder)


def test_sac(tmp_path: Path) -> None:
    """A SAC model trains with SAC and its own settings; cars stay racer's, the buffer holds what memory holds."""
    imported = import_project(model(tmp_path / "m", SAC, hyperparameters__json='{"lr": 0.0005, "sac_alpha": 0.1}'))
    config = reread(imported, tmp_path)
    assert config == imported.config and config.algorithm == "sac"
    sac = config.sac
    assert (sac.learning_rate, sac.learning_rate_end, sac.ent_coef) == (0.0005, 1.0, 0.1)
    assert (sac.batch_size, sac.gamma) == (64, 0.999)
    assert config.train == TrainConfig().train and sac.buffer_size == 50_000  # 2 * 120 * 160 bytes a step: 1.9 GB
    assert any(note.startswith("sac.buffer_size 50000: pictures") for note in imported.notes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def reward_function(params)\n", "SyntaxError"),
        ("def reward_functoin(params):\n    return 1.0\n", "Did you mean `reward_functoin`"),
        ("", "has no `reward_function`"),
        ("x = '\0'\n", "reward_function.py"),
    ],
)
def test_rewards_refused(tmp_path: Path, text: str, told: str) -> None:
    """Refuse a file that holds no reward function, in one line."""
    with pytest.raises(RewardError) as caught:
        import_project(model(tmp_path / "m", reward_function__py=text))
    assert told in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "class Paid:\n    def __call__(self, params):\n        return 1.0\n\nreward_function = Paid()\n",
        "import math as reward_function\n",
        "if True:\n    def reward_function(p):\n        return 1.0\n",
    ],
)
def test_ways_to_define_it(tmp_path: Path, text: str) -> None:
    """Let every way through in which the name may come to be; whether it is usable, training says."""
    import_project(model(tmp_path / "m", reward_function__py=text))


def test_user_code_is_not_run(tmp_path: Path) -> None:
    """Import runs none of the folder's code."""
    text = f"open({str(tmp_path / 'ran')!r}, 'w').close()\n{REWARD}"
    import_project(model(tmp_path / "m", reward_function__py=text))
    assert not (tmp_path / "ran").exists()


def test_tracks_refused(tmp_path: Path) -> None:
    """Say what is wrong with a track; a published one that is not here can be fetched."""
    folder = model(tmp_path / "m", training_params__yaml="WORLD_NAME: reinvent_base\n")
    with pytest.raises(AssetError, match="racer tracks fetch reinvent_base"):
        import_project(folder)
    with pytest.raises(AssetError, match="Did you mean `hourglass`"):
        import_project(folder, track="hourglas")
    (folder / "bad.npy").write_bytes(b"x")
    with pytest.raises(TrackError, match=r"bad\.npy"):
        import_project(folder)
    np.save(folder / "bad.npy", np.zeros((4, 2)))
    with pytest.raises(TrackError, match="R x 6"):
        import_project(folder)


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"model_metadata__json": "{"}, "not JSON"),
        ({"hyperparameters__json": "[]"}, "should hold an object"),
        ({"hyperparameters__json": '{"lr": 1}'}, "`lr` is 1"),
        ({"training_params__yaml": "WORLD_NAME: [1]\n"}, "WORLD_NAME is [1]"),
    ],
)
def test_malformed_files_are_one_line(tmp_path: Path, files: dict[str, str], told: str) -> None:
    """Refuse each malformed file in one line that names it."""
    with pytest.raises(ConfigError) as caught:
        import_project(model(tmp_path / "m", **files))
    name = next(iter(files)).replace("__", ".")
    assert told in str(caught.value) and name in str(caught.value) and "\n" not in str(caught.value)


def test_notes_with_line_breaks_stay_comments(tmp_path: Path) -> None:
    """A key of a hostile file cannot break out of the comments."""
    folder = model(tmp_path / "m\nseed: 7", METADATA | {"x\nseed: 9": 1})
    config = reread(import_project(folder), tmp_path)
    assert config.seed == 0


def test_real_tracks(tmp_path: Path, shared_tracks: Path) -> None:
    """Import with DeepRacer's own route file beside the model."""
    route = shared_tracks / "deepracer" / "reinvent_base.npy"
    if not route.exists():
        pytest.skip("no reinvent_base.npy among the real tracks")
    folder = model(tmp_path / "m")
    (folder / route.name).write_bytes(route.read_bytes())
    config = import_project(folder).config
    assert config.ppo.n_steps == 16 * math.ceil(17.709 / 2.0 * 15.0 / 16)
