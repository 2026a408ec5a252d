"""A run folder is made after everything was checked, and opened for what may be changed only."""

import pytest

from racer.errors import AssetError, BundleError, ConfigError, RacerError, RunError
from racer.export.network import build_policy
from racer.reward.source import compile_source, new_module
from racer.train import run_folder
from racer.train.ppo.learner import training_contract
from racer.train.run_folder import learning_rate_note, new_run, resumed_config
from racer.trained_policy import recorded_reward
from support.tiny_training import TRACK, tiny_config


@pytest.fixture
def bundle(tmp_path):
    """Write a bundle of an untrained policy that fits a configuration."""
    import numpy as np

    from racer.export.checkpoint import write_checkpoint

    def write(config):
        contract = training_contract(config, run="x", hashes={})
        observations = {s.name: np.zeros((3, *s.shape), s.dtype) for s in contract.sensors}
        for key in observations:
            observations[key][1:] = np.random.default_rng(0).normal(size=observations[key][1:].shape)
        path = tmp_path / "given.bundle"
        write_checkpoint(path, policy=build_policy(contract), contract=contract, observations=observations)
        return path

    return write


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"track": "easy_ovl"}, "Did you mean `easy_oval`"),
        ({"reward": "defalt"}, "Did you mean `default`"),
        ({"vehicle": "deepracr"}, "Did you mean `deepracer`"),
    ],
)
def test_a_mistake_leaves_no_folder(tmp_path, changes, told):
    """Refuse unknown names before anything is made."""
    with pytest.raises(RacerError, match=told):
        new_run(tiny_config(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_reward_that_cannot_run_leaves_no_folder(tmp_path):
    """Refuse a syntax error before anything is made, with the line of the user's file."""
    file = tmp_path / "bad.py"
    file.write_text("def reward_function(params)\n    return 1\n")
    with pytest.raises(RacerError, match=r"bad.py:1: SyntaxError"):
        new_run(tiny_config(reward=str(file)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_tracks_of_the_same_name_get_files_of_their_own(tmp_path):
    """Number files where two tracks share a name."""
    run = new_run(tiny_config(track=[TRACK, TRACK, "zigzag"]), tmp_path / "run")
    assert [file.name for file in run.tracks] == ["easy_oval.yaml", "easy_oval-2.yaml", "zigzag.yaml"]
    assert all(file.is_file() for file in run.tracks)


def test_missing_package_is_told_before_the_training(tmp_path, monkeypatch):
    """Do not train up to the first checkpoint without onnxruntime."""
    monkeypatch.setattr(run_folder, "find_spec", lambda name: None)
    with pytest.raises(RacerError, match=r"onnxruntime.*pip install 'racer\[train\]'"):
        new_run(tiny_config(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["action_space.speed.high=3.0"], r"speed 0.5..3 m/s, against continuous.*speed 0.5..4 m/s"),
        (
            ["action_space=[{steering_angle: -20.0, speed: 1.0}, {steering_angle: 20.0, speed: 1.0}]"],
            r"action space discrete, 2 actions .*, against continuous",
        ),
        (["env.sensors=[lidar]"], r"observation space lidar float32\[64\], against state float32\[48\]"),
        (["env.look_ahead=[1.0]"], r"observation space state float32\[12\], against state float32\[48\]"),
        (["env.look_ahead=[0.3, 0.6, 0.9, 1.2, 1.6, 2.0, 2.5, 3.0, 3.6, 4.3]"], r"4.3.*against.*4.2"),
        (["ppo.layers=[32]"], r"network is \[32\] tanh, that one's is \[64, 64\] tanh; set ppo.layers"),
        (["ppo.activation=relu"], r"network is \[64, 64\] relu, that one's is \[64, 64\] tanh"),
    ],
)
def test_start_from_what_does_not_fit_is_refused_with_both_named(tmp_path, bundle, settings, told):
    """Refuse another action space, observation space or network, name both, leave no folder."""
    given = bundle(tiny_config())
    with pytest.raises(RunError, match=told) as caught:
        new_run(tiny_config(*settings), tmp_path / "run", start_from=given)
    assert str(caught.value).startswith(f"--from {given}: ")
    assert not (tmp_path / "run").exists()


def test_start_from_what_fits_is_copied(tmp_path, bundle):
    """Keep the bundle that the training starts from, whatever budget or track the new training has."""
    given = bundle(tiny_config())
    run = new_run(tiny_config("train.total_steps=512", track="zigzag", seed=5), tmp_path / "run", start_from=given)
    assert run.start.read_bytes() == given.read_bytes()


def test_start_from_nothing_or_rubbish_is_refused(tmp_path):
    """Tell what is missing or broken."""
    with pytest.raises(AssetError, match="No policy"):
        new_run(tiny_config(), tmp_path / "run", start_from=tmp_path / "no.bundle")
    (tmp_path / "bad.bundle").write_bytes(b"x")
    with pytest.raises(BundleError, match="is not a bundle"):
        new_run(tiny_config(), tmp_path / "run", start_from=tmp_path / "bad.bundle")
    assert not (tmp_path / "run").exists()


def test_resumed_configuration_keeps_all_but_the_budget(tmp_path):
    """Change train.* only."""
    run = new_run(tiny_config(seed=7), tmp_path / "run")
    assert resumed_config(run) == tiny_config(seed=7)
    assert resumed_config(run, ["train.minutes=3"]).train.minutes == 3.0
    for setting in ("ppo.gamma=0.9", "seed=3", "track=zigzag", "env.control_rate_hz=10"):
        with pytest.raises(ConfigError, match=r"only train\.\* may change"):
            resumed_config(run, [setting])
    with pytest.raises(ConfigError, match="total_stps"):
        resumed_config(run, ["train.total_stps=1"])


@pytest.mark.parametrize(
    ("settings", "rises"),
    [([], False), (["train.total_steps=300"], False), (["train.total_steps=1000"], True), (["train.minutes=1"], False)],
)
def test_a_larger_budget_raises_the_learning_rate(tmp_path, settings, rises):
    """Say so: after 300 of 400 steps the rate is near its end, after 300 of 1000 it is higher again."""
    config = tiny_config("train.total_steps=400", "ppo.learning_rate=1e-3", "ppo.learning_rate_end=0.2")
    run = new_run(config, tmp_path / "run")
    assert learning_rate_note(run, config) == ""
    run.write_info(steps=300, elapsed_s=54.0)
    note = learning_rate_note(run, resumed_config(run, settings))
    # 1e-3 (1 - 0.8 x 300/400) = 4e-4 and 1e-3 (1 - 0.8 x 300/1000) = 7.6e-4; 54 of 60 s used are later than 3/4.
    assert ("from 0.0004 to 0.00076" in note) == rises and bool(note) == rises


@pytest.mark.parametrize("kind", [KeyboardInterrupt, OSError])
def test_stop_while_the_folder_is_made_leaves_none(tmp_path, monkeypatch, kind):
    """Take a folder away that did not become a run; the name is free again."""

    def stopped(*_):
        raise kind(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "to_yaml", stopped)
        with pytest.raises((KeyboardInterrupt, RunError)):
            new_run(tiny_config(), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert new_run(tiny_config(), tmp_path / "run").info()["finished"] is False


NAMES_OF_A_FILE = {
    "relative": "'w.json'",
    "beside the reward": "os.path.join(os.path.dirname(os.path.abspath(__file__)), 'w.json')",
    "absolute": "'{folder}/w.json'",
}


@pytest.mark.parametrize("name", NAMES_OF_A_FILE)
def test_files_that_a_reward_reads_are_those_of_the_start(tmp_path, monkeypatch, name):
    """Copy what the reward reads, and use the copy from any folder, whatever becomes of the file."""
    (start := tmp_path / "start").mkdir()
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(start)
    place = NAMES_OF_A_FILE[name].format(folder=start)
    (start / "mine.py").write_text(
        f"import json, os\nfrom pathlib import Path\nW = json.loads(Path({place}).read_text())['w']\n"
        "def reward_function(params):\n    return W * params['speed']\n"
    )
    (start / "w.json").write_text('{"w": 1.0}')
    run = new_run(tiny_config(reward="mine.py"), tmp_path / "run")
    assert run.info()["reward"]["file"] == str(start / "mine.py")
    assert sorted(file.name for file in run.reward_files.iterdir()) == ["0-w.json", "files.json"]
    (start / "w.json").write_text('{"w": 700.0}')
    (start / "mine.py").unlink()
    monkeypatch.chdir(elsewhere)
    source = recorded_reward(run)
    assert new_module(source, compile_source(source))[0]["W"] == 1.0


def test_a_run_remembers_its_first_step(tmp_path):
    """Count steps as in the training where a run is resumed, reported or evaluated."""
    run = new_run(tiny_config(first_step=1), tmp_path / "run")
    assert resumed_config(run).first_step == recorded_reward(run).first_step == 1
    assert recorded_reward(new_run(tiny_config(), tmp_path / "other")).first_step == 2
