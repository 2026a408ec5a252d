"""A training leaves a whole run, survives stops, goes on, and starts from other runs; on trainings of a second."""

import errno
import os
import re

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from racer.assets import shipped_root
from racer.bundle import check_golden, read_bundle
from racer.errors import RacerError, RewardError, RunError
from racer.evaluate import evaluate
from racer.policy import OnnxPolicy, load_policy
from racer.runs import open_run
from racer.track.load import load_track
from racer.train.ppo.session import train
from racer.train.run_folder import new_run, resumed_config
from support.tiny_training import ROUND, TRACK, tiny_config

FILES = {
    "config.yaml",
    "vehicle.yaml",
    "disturbance.yaml",
    "reward.py",
    "tracks",
    "run.json",
    "metrics.jsonl",
    "best.bundle",
    "last.bundle",
    "trainer.pt",
    "tensorboard",
}
CLOCK = {"elapsed_s", "steps_per_s"}


def names(run):
    """What lies in a run folder."""
    return {path.name for path in run.path.iterdir()}


def updates(run):
    """Steps of the updates in the metrics."""
    return [row["steps"] for row in run.metrics() if row["kind"] == "update"]


def evaluations(run):
    """The evaluations in the metrics."""
    return [row for row in run.metrics() if row["kind"] == "evaluation"]


def timeless(run):
    """Metrics without what a clock says."""
    return [{key: value for key, value in row.items() if key not in CLOCK} for row in run.metrics()]


class Stop:
    """A report that presses Ctrl-C after a number of updates."""

    def __init__(self, updates):
        self.left = updates

    def progress(self, progress):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt

    def rewarded(self, reward):
        """Not of interest here."""

    def evaluated(self, steps, evaluations, best):
        pass


def write_reward(path, body):
    """A reward file with a body that may count its calls in `n`."""
    lines = [f"    {line}" for line in ["global n", "n += 1", *body]]
    path.write_text("\n".join(["n = 0", "def reward_function(params):", *lines, ""]))
    return str(path)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished training: four updates, two evaluations."""
    run = new_run(tiny_config(), tmp_path_factory.mktemp("session") / "done")
    return train(tiny_config(), run)


def test_a_training_leaves_all_files_and_no_others(done):
    """Leave every file that the module promises, and nothing half written."""
    assert names(done.run) == FILES
    assert done.steps == 4 * ROUND and not done.interrupted
    info = done.run.info()
    assert info["finished"] is True and info["steps"] == done.steps and info["best"] == done.best
    assert info["seed"] == 0 and info["packages"]["torch"] == str(torch.__version__)


def test_configuration_and_sources_resolve(done):
    """Read the resolved configuration, reward and track back as they were."""
    assert resumed_config(done.run, [f"train.total_steps={5 * ROUND}"]).ppo == tiny_config().ppo
    assert done.run.reward.read_bytes() == (shipped_root() / "reward_functions" / "default.py").read_bytes()
    (track,) = done.run.tracks
    own, copy = load_track(TRACK), load_track(track)
    assert copy.name == own.name
    np.testing.assert_allclose(copy.center, own.center, atol=1e-9)
    np.testing.assert_allclose(copy.left, own.left, atol=1e-9)


def test_metrics_tell_updates_and_evaluations(done):
    """Write a row for each update and each evaluation, steps in order."""
    rows = list(done.run.metrics())
    assert updates(done.run) == [ROUND, 2 * ROUND, 3 * ROUND, 4 * ROUND]
    assert [row["steps"] for row in evaluations(done.run)] == [2 * ROUND, 4 * ROUND]
    assert [row["steps"] for row in rows] == sorted(row["steps"] for row in rows)
    first = rows[0]
    assert first["episodes"] == sum(first["ends"].values()) > 0
    assert 0.0 <= first["mean_progress"] <= 100.0 and first["elapsed_s"] > 0.0
    assert {"track", "laps", "completion_rate", "best_lap_s", "policy", "best"} <= set(evaluations(done.run)[0])


def test_last_checkpoint_is_the_evaluated_one(done):
    """Evaluate what lies in the folder: the last row of the metrics is what `last.bundle` drives."""
    policy = OnnxPolicy(read_bundle(done.run.last))
    row = evaluations(done.run)[-1]
    from racer.config.read import read_vehicle

    again = evaluate(policy, load_track(TRACK), read_vehicle("deepracer"), laps=2, seed=row["seed"]).record()
    assert again["laps"] == row["laps"]


def test_best_checkpoint_is_the_best_of_the_evaluations(done):
    """Keep the weights of the evaluation that is marked last as best."""
    marked = [row for row in evaluations(done.run) if row["best"]]
    assert read_bundle(done.run.best).contract.trained_on.steps == marked[-1]["steps"]
    assert done.best["laps"] == marked[-1]["laps"]
    scores = [(row["completion_rate"], np.mean([lap["progress"] for lap in row["laps"]])) for row in marked]
    assert scores == sorted(scores)


def test_checkpoints_say_where_they_come_from(done):
    """Write run, track, reward, seed and steps into the contract, and answer as recorded."""
    bundle = read_bundle(done.run.last)
    told = bundle.contract.trained_on
    assert (told.run, told.tracks, told.reward, told.seed, told.steps) == ("done", (TRACK,), "default", 0, 4 * ROUND)
    assert bundle.contract.hashes["reward"] == done.run.info()["reward"]["sha256"]
    check_golden(bundle, OnnxPolicy(bundle))
    assert load_policy(done.run.path).name == "done/best"


def test_same_seed_gives_the_same_metrics(done, tmp_path):
    """Repeat a training number for number; another seed differs."""
    run = new_run(tiny_config(), tmp_path / "same")
    train(tiny_config(), run)
    assert timeless(run) == timeless(done.run)
    other = new_run(tiny_config(seed=1), tmp_path / "other")
    train(tiny_config(seed=1), other)
    assert timeless(other)[0] != timeless(run)[0]


def test_reward_runs_as_it_was_when_the_training_began(tmp_path):
    """Edit the user's file after the folder was made: the training does not see it, nor does the copy change."""
    file = tmp_path / "mine.py"
    text = "def reward_function(params):\n    return 1.0\n"
    file.write_text(text)
    config = tiny_config(reward=str(file))
    run = new_run(config, tmp_path / "run")
    file.write_text("def reward_function(params):\n    return None\n")
    outcome = train(config, run)
    assert outcome.steps == 4 * ROUND
    assert run.reward.read_text() == text


@pytest.mark.parametrize(
    "read",
    [
        "W = float(np.load('w.npy')[0])\ndef reward_function(params):\n    return W\n",
        "W = None\ndef reward_function(params):\n    global W\n    W = W or float(np.load('w.npy')[0])\n    return W\n",
    ],
    ids=["when it is loaded", "in a call"],
)
def test_a_resumed_reward_reads_what_it_read_before(tmp_path, monkeypatch, read):
    """Change a file that the reward reads, and resume from another folder: the rewards stay those of the start."""
    (start := tmp_path / "start").mkdir()
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(start)
    (start / "mine.py").write_text(f"import numpy as np\n{read}")
    np.save(start / "w.npy", [0.5])
    run = new_run(tiny_config(reward="mine.py"), tmp_path / "run")
    train(tiny_config(reward="mine.py"), run, report=Stop(2))
    np.save(start / "w.npy", [70.0])
    monkeypatch.chdir(elsewhere)
    train(resumed_config(run), run, resume=True)
    rows = [row for row in run.metrics() if row["kind"] == "update" and row["mean_steps"]]
    # 0.5 for each step but the placing of the car.
    assert [row["mean_reward"] / row["mean_steps"] for row in rows] == pytest.approx([0.5] * len(rows), rel=0.1)


@pytest.mark.parametrize("after", [1, 2, 3])
def test_stop_while_collecting_leaves_a_run_to_go_on_with(tmp_path, after):
    """Ctrl-C: a checkpoint of that moment; resumed, steps go on without gap or repetition and the best is kept."""
    run = new_run(tiny_config(), tmp_path / "run")
    stopped = train(tiny_config(), run, report=Stop(after))
    assert stopped.interrupted and stopped.steps == after * ROUND
    assert run.info()["finished"] is False and run.last.exists()
    assert updates(run) == [k * ROUND for k in range(1, after + 1)]
    before = timeless(run)
    resumed = train(resumed_config(run), run, resume=True)
    assert resumed.steps == 4 * ROUND and not resumed.interrupted
    assert updates(run) == [ROUND, 2 * ROUND, 3 * ROUND, 4 * ROUND]
    assert timeless(run)[: len(before)] == before
    assert run.info()["finished"] is True and run.info()["resumed"][0]["steps"] == after * ROUND
    assert names(run) == FILES


def test_stop_while_learning_leaves_a_run_to_go_on_with(tmp_path, monkeypatch):
    """Ctrl-C in the middle of a gradient step."""
    learn, calls = PPO.train, []

    def interrupted(model):
        calls.append(model.num_timesteps)
        learn(model)
        if len(calls) == 2:
            raise KeyboardInterrupt

    run = new_run(tiny_config(), tmp_path / "run")
    monkeypatch.setattr(PPO, "train", interrupted)
    assert train(tiny_config(), run).interrupted
    check_golden(bundle := read_bundle(run.last), OnnxPolicy(bundle))
    assert bundle.contract.trained_on.steps == 2 * ROUND
    assert train(resumed_config(run), run, resume=True).steps == 4 * ROUND
    assert calls == [ROUND, 2 * ROUND, 3 * ROUND, 4 * ROUND]


def test_stop_in_the_first_round_leaves_a_checkpoint(tmp_path):
    """Ctrl-C before anything was learned: still a run that can be evaluated and resumed."""
    reward = write_reward(tmp_path / "stop.py", ["if n == 5: raise KeyboardInterrupt", "return 1.0"])
    run = new_run(tiny_config(reward=reward), tmp_path / "run")
    outcome = train(tiny_config(reward=reward), run)
    assert outcome.interrupted and 0 < outcome.steps < ROUND
    assert read_bundle(run.last).contract.trained_on.steps == outcome.steps


def test_resume_without_a_checkpoint_begins_anew(tmp_path):
    """A stop while the kernels were compiled leaves a run without a checkpoint; it can be resumed all the same."""
    run = new_run(tiny_config(), tmp_path / "run")
    run.append_metrics({"kind": "update", "steps": ROUND})
    assert train(resumed_config(run), run, resume=True).steps == 4 * ROUND
    assert updates(run) == [ROUND, 2 * ROUND, 3 * ROUND, 4 * ROUND]


def test_the_disturbance_is_the_one_that_the_run_began_with(tmp_path):
    """Keep a copy of a user's file: the run goes on when the file is gone, and a missing one leaves no folder."""
    file = tmp_path / "windy.yaml"
    file.write_text("vehicle: {friction: {uniform: [0.7, 0.9]}}\n")
    config = tiny_config(f"env.disturbance={file}")
    run = new_run(config, tmp_path / "run")
    train(config, run, report=Stop(2))
    file.unlink()
    assert "friction" in run.disturbance.read_text()
    assert train(resumed_config(run), run, resume=True).steps == 4 * ROUND
    with pytest.raises(RacerError, match="windy"):
        new_run(config, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_resume_drops_what_came_after_the_checkpoint(tmp_path):
    """A kill leaves metrics that are newer than the checkpoint; they are not told twice."""
    run = new_run(tiny_config(), tmp_path / "run")
    train(tiny_config(), run, report=Stop(2))
    best = run.best.read_bytes()
    for steps in (3 * ROUND, 4 * ROUND):
        run.append_metrics({"kind": "update", "steps": steps, "mean_reward": 1e9})
    outcome = train(resumed_config(run), run, resume=True, report=Stop(1))
    assert updates(run) == [ROUND, 2 * ROUND, 3 * ROUND]
    assert all(row.get("mean_reward") != 1e9 for row in run.metrics())
    marked = [row["steps"] for row in evaluations(run) if row["best"]]
    assert read_bundle(run.best).contract.trained_on.steps == marked[-1]
    if marked[-1] == 2 * ROUND:
        assert run.best.read_bytes() == best
    assert outcome.best is not None


def test_resume_trains_longer_and_writes_the_new_budget(tmp_path):
    """Give a finished run more steps: it goes on, and its configuration says so."""
    run = new_run(tiny_config(), tmp_path / "run")
    train(tiny_config(), run)
    with pytest.raises(RunError, match=r"is finished after 2,048 steps; .*--set train.total_steps=4096"):
        resumed_config(run)
    config = resumed_config(run, [f"train.total_steps={5 * ROUND}"])
    assert train(config, run, resume=True).steps == 5 * ROUND
    with pytest.raises(RunError, match="is finished after 2,560 steps"):
        resumed_config(run)


def test_time_limit_ends_a_training_after_its_first_round(tmp_path):
    """Stop when the minutes are over, though not before something was learned; name --minutes when asked to go on."""
    config = tiny_config("train.minutes=1e-6", "train.total_steps=100000000")
    run = new_run(config, tmp_path / "run")
    outcome = train(config, run)
    assert updates(run) == [ROUND] and ROUND <= outcome.steps < 2 * ROUND
    assert run.info()["finished"] is True and run.best.exists()
    with pytest.raises(RunError, match="to train on, give it longer: --minutes 2e-06"):
        resumed_config(run)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            ["if n > 40: raise ValueError('no\\nreason')", "return 1.0"],
            r":5: reward_function raised ValueError: no reason",
        ),
        (["return None if n > 40 else 1.0"], r":5: reward_function returned None"),
        (["return float('nan') if n > 40 else 1.0"], r":5: reward_function returned nan"),
        (["return 1e6 if n > 40 else 1.0"], r":5: reward_function returned 1000000.0"),
    ],
)
def test_reward_that_goes_wrong_is_told_and_leaves_a_run(tmp_path, body, told):
    """Name the user's own file and line, save the params, keep the run as far as it got."""
    reward = write_reward(tmp_path / "mine.py", body)
    run = new_run(tiny_config(reward=reward), tmp_path / "run")
    with pytest.raises(RewardError, match=re.escape(str(tmp_path / "mine.py")) + told) as caught:
        train(tiny_config(reward=reward), run)
    assert f"Its params are in {run.path / 'reward_failure.json'}" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert names(run) == FILES | {"reward_failure.json"}
    assert run.info()["finished"] is False
    assert read_bundle(run.last).contract.trained_on.steps > ROUND


@pytest.mark.parametrize("write", range(1, 8))
def test_full_disk_ends_in_one_line_with_whole_files(tmp_path, monkeypatch, write):
    """Fail at the first to seventh write of a training: one line, no half file, and what lies there is whole."""
    run = new_run(tiny_config(), tmp_path / "run")
    sync, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) >= write:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RunError, match=r"run cannot be written: No space left on device") as caught:
            train(tiny_config(), run)
    assert ("racer train --resume" in str(caught.value)) == run.trainer.exists()
    assert names(run) <= FILES
    for bundle in (run.best, run.last):
        if bundle.exists():
            read_bundle(bundle)
    assert train(resumed_config(run), run, resume=True).steps == 4 * ROUND
    assert updates(run) == [ROUND, 2 * ROUND, 3 * ROUND, 4 * ROUND]


def test_start_from_a_run_begins_with_its_weights(done, tmp_path):
    """Evaluate the given weights first: they drive as they did, and the run's best is no worse."""
    run = new_run(tiny_config(), tmp_path / "run", start_from=done.run.path)
    assert run.start.read_bytes() == done.run.best.read_bytes()
    train(tiny_config(), run, report=Stop(1))
    given, first = read_bundle(done.run.best).weights, read_bundle(run.last).weights
    assert all(np.array_equal(given[key], first[key]) for key in given)
    assert run.info()["started_from"] == str(done.run.best)


def test_start_from_survives_a_kill_before_the_first_checkpoint(done, tmp_path):
    """Resume with the given weights though their source is gone: the folder has its own copy."""
    bundle = tmp_path / "given.bundle"
    bundle.write_bytes(done.run.best.read_bytes())
    run = new_run(tiny_config(), tmp_path / "run", start_from=bundle)
    bundle.unlink()
    train(resumed_config(run), run, resume=True, report=Stop(1))
    assert np.array_equal(
        read_bundle(run.last).weights["action_net.weight"], read_bundle(done.run.best).weights["action_net.weight"]
    )


def test_several_tracks_are_driven_and_evaluated(tmp_path):
    """Train on generated tracks and a named one; each has its file and its evaluation."""
    config = tiny_config(track=["generated:1..3", TRACK])
    run = new_run(config, tmp_path / "run")
    train(config, run)
    assert [file.name for file in run.tracks] == [
        "generated_1.yaml",
        "generated_2.yaml",
        "generated_3.yaml",
        "easy_oval.yaml",
    ]
    last = [row["track"] for row in evaluations(run) if row["steps"] == 4 * ROUND]
    assert last == [load_track(file).name for file in run.tracks]


def test_open_run_finds_a_trained_one(done):
    """Open what a training left."""
    assert open_run(done.run.path) == done.run


@pytest.mark.parametrize(
    "setting",
    [
        "action_space=[{steering_angle: -20.0, speed: 1.0}, {steering_angle: 0.0, speed: 2.0}]",
        "env.sensors=[state, lidar]",
        "ppo.layers=[]",
    ],
)
def test_other_spaces_and_networks_train(tmp_path, setting):
    """Leave checkpoints that answer as recorded, with discrete actions, with lidar, with a linear policy."""
    run = new_run(tiny_config(setting), tmp_path / "run")
    assert train(tiny_config(setting), run).steps == 4 * ROUND
    check_golden(bundle := read_bundle(run.last), OnnxPolicy(bundle))


def test_scale_of_the_reward_does_not_matter(tmp_path):
    """Train with the shipped reward times 1e-3, 1 and 1e3: clean laps, about as fast; logs show raw rewards."""
    text = (shipped_root() / "reward_functions" / "default.py").read_text(encoding="utf-8")
    best, rewards = [], []
    for scale in ("1e-3", "1.0", "1e3"):
        file = tmp_path / f"times_{scale}.py"
        file.write_text(text.replace("return float(reward)", f"return float(reward) * {scale}"))
        settings = ["train.worlds=64", "ppo.n_steps=64", "ppo.batch_size=1024", "train.total_steps=28672"]
        config = tiny_config(*settings, reward=str(file))
        run = new_run(config, tmp_path / f"run_{scale}")
        outcome = train(config, run)
        assert outcome.best["completion_rate"] == 1.0, scale
        best.append(outcome.best["best_lap_s"])
        rewards.append(next(run.metrics())["mean_reward"])
    assert max(best) < 1.15 * min(best)
    assert rewards[1] == pytest.approx(1e3 * rewards[0]) == pytest.approx(1e-3 * rewards[2])


def test_diverged_training_is_one_line_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    """Weights that are no numbers any more: told once, not written over what was good."""
    learn = PPO.train

    def diverging(model):
        learn(model)
        if model.num_timesteps >= 2 * ROUND:
            with torch.no_grad():
                model.policy.action_net.weight.fill_(float("nan"))

    run = new_run(tiny_config(), tmp_path / "run")
    monkeypatch.setattr(PPO, "train", diverging)
    with pytest.raises(RacerError, match="diverged") as caught:
        train(tiny_config(), run)
    assert "\n" not in str(caught.value)
    bundle = read_bundle(run.last)
    assert bundle.contract.trained_on.steps == 2 * ROUND
    assert all(np.isfinite(weight).all() for weight in bundle.weights.values())
    assert run.info()["finished"] is False
