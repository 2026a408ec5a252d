"""`racer train` as a user meets it: what it prints, how it stops and goes on, what it refuses."""

import json

import pytest

from racer.bundle import read_bundle
from racer.runs import open_run
from racer.train.ppo import session
from support.commands import racer_alone
from support.tiny_training import ROUND, SETTINGS, TRACK

TINY = [word for setting in SETTINGS for word in ("--set", setting)] + ["--track", TRACK]


@pytest.fixture
def run(run, home):
    """Run a command in this process, in an empty folder."""
    return run


def stopping(path, signal, call=45):
    """A reward function that sends its own process a signal in a call of the first car; the third step and on."""
    path.write_text(
        "import os, signal\n"
        "n = 0\n"
        "def reward_function(params):\n"
        "    global n\n"
        "    n += 1\n"
        f"    if n == {call}: os.kill(os.getpid(), signal.{signal})\n"
        "    return float(params['progress'])\n"
    )
    return path


def test_a_training_tells_where_what_and_what_next(run, tmp_path):
    """Print run, track and reward, a line for each evaluation, and the next commands; nothing else anywhere."""
    said = run("train", *TINY, "--run-dir", "mine")
    assert said.code == 0 and said.err == ""
    lines = said.out.splitlines()
    assert lines[0].split() == ["run", "mine"] and lines[1].split() == ["track", TRACK]
    assert lines[2].startswith("reward    default")
    assert [line.split(" steps")[0].strip() for line in lines[3:5]] == ["1,024", "2,048"]
    assert lines[5].startswith("done: 2,048 steps in ")
    assert lines[6:] == ["evaluate  racer evaluate mine --laps 5", "export    racer export mine -o my_car.bundle"]
    assert open_run(tmp_path / "mine").info()["command"][:1] == ["train"]


def test_prints_are_shown_on_request(run, tmp_path):
    """Keep a reward's prints away, and show the last twenty, as printed, where they are asked for."""
    text = "def reward_function(params):\n    print('[b]at', int(params['steps']))\n    return params['speed']\n"
    (tmp_path / "talks.py").write_text(text)
    said = run("train", *TINY, "--reward", "talks.py", "--run-dir", "quiet", "--set", "reward_path=python")
    assert said.code == 0 and "[b]at" not in said.out
    said = run("train", *TINY, "--reward", "talks.py", "--run-dir", "loud", "--show-prints")
    *_, count = [k for k, line in enumerate(said.out.splitlines()) if line.startswith("the reward function printed")]
    told = said.out.splitlines()[count:]
    assert told[0] == "the reward function printed 2,048 lines, the last:"
    assert len(told) == 21 and all(line.startswith("  [b]at ") for line in told[1:])


def test_a_run_without_a_name_lies_in_runs(run, tmp_path):
    """Make ./runs/<track>-<time>."""
    assert run("train", *TINY).code == 0
    (made,) = (tmp_path / "runs").iterdir()
    assert made.name.startswith("easy_oval-") and open_run(made).best.exists()


def test_long_paths_and_brackets_are_printed_as_they_are(run, tmp_path):
    """Do not wrap paths, nor take parts of them for colours, so that they can be copied."""
    name = "[bold]" + "x" * 120
    said = run("train", *TINY, "--run-dir", name)
    # Quoted, because a shell would take the brackets for a pattern.
    assert f"racer evaluate '{name}' --laps 5" in said.out.splitlines()[-2]


def test_options_reach_the_configuration(run, tmp_path):
    """Write what was asked for into the run's configuration."""
    import yaml

    options = ["--seed", "3", "--minutes", "7", "--set", "ppo.learning_rate=1e-4", "--track", "zigzag"]
    run("train", *TINY, *options, "--run-dir", "mine")
    config = yaml.safe_load((tmp_path / "mine" / "config.yaml").read_text())
    assert config["seed"] == 3 and config["train"]["minutes"] == 7.0
    assert config["ppo"]["learning_rate"] == 1e-4 and config["track"] == [TRACK, "zigzag"]
    assert len(open_run(tmp_path / "mine").tracks) == 2


def test_interrupt_before_training_leaves_a_run_to_resume(run, monkeypatch, tmp_path):
    """Ctrl-C while kernels are compiled: exit 130, say how to go on; going on works."""
    with monkeypatch.context() as patch:

        def interrupted(*_, **__):
            raise KeyboardInterrupt

        patch.setattr(session, "RacerVectorEnv", interrupted)
        said = run("train", *TINY, "--run-dir", "mine")
    assert said.code == 130 and said.err == ""
    assert said.out.splitlines()[-2:] == ["stopped", "resume    racer train --resume mine"]
    assert run("train", "--resume", "mine").code == 0
    assert open_run(tmp_path / "mine").info()["finished"] is True


def test_ctrl_c_and_resume(tmp_path):
    """Send SIGINT to a real process: exit 130, the next commands, nothing on standard error; resume finishes it."""
    reward = stopping(tmp_path / "stop.py", "SIGINT")
    said = racer_alone("train", *TINY, "--reward", reward, "--run-dir", "mine", cwd=tmp_path)
    assert said.code == 130 and said.err == ""
    lines = said.out.splitlines()
    assert lines[-4].startswith("stopped: ") and lines[-3:] == [
        "resume    racer train --resume mine",
        "evaluate  racer evaluate mine --laps 5",
        "export    racer export mine -o my_car.bundle",
    ]
    run = open_run(tmp_path / "mine")
    assert ROUND < read_bundle(run.last).contract.trained_on.steps < 2 * ROUND


def test_sigterm_is_like_ctrl_c(tmp_path):
    """Be stopped by a machine without losing anything."""
    reward = stopping(tmp_path / "stop.py", "SIGTERM")
    said = racer_alone("train", *TINY, "--reward", reward, "--run-dir", "mine", cwd=tmp_path)
    assert said.code == 130 and said.err == "" and "racer train --resume mine" in said.out
    assert open_run(tmp_path / "mine").last.exists()


@pytest.mark.parametrize("call", [45, 80])
def test_kill_and_resume(run, tmp_path, call):
    """Kill the process with no time to write: resumed, the steps go on, once each."""
    reward = stopping(tmp_path / "stop.py", "SIGKILL", call)
    said = racer_alone("train", *TINY, "--reward", reward, "--run-dir", "mine", cwd=tmp_path)
    assert said.code == -9
    mine = open_run(tmp_path / "mine")
    (mine.path / "reward.py").write_text(mine.reward.read_text().replace("SIGKILL", "SIGURG"))
    resumed = run("train", "--resume", "mine")
    assert resumed.code == 0 and resumed.err == ""
    steps = [row["steps"] for row in mine.metrics() if row["kind"] == "update"]
    assert steps == [ROUND, 2 * ROUND, 3 * ROUND, 4 * ROUND]
    assert not list(mine.path.glob(".*.tmp"))


def test_reward_failure_is_one_line(run, tmp_path):
    """Print file, line, value, step and where the params are; exit 1; flood nothing."""
    (tmp_path / "mine.py").write_text(
        "n = 0\ndef reward_function(params):\n    global n\n    n += 1\n    print('noise', n)\n"
        "    if n > 40:\n        return 'much'\n    return 1.0\n"
    )
    said = run("train", *TINY, "--reward", "mine.py", "--run-dir", "mine")
    assert said.code == 1 and "noise" not in said.out + said.err
    assert said.err.startswith("error: mine.py:7: reward_function returned 'much' (car 0, step ")
    assert said.err.endswith("Its params are in mine/reward_failure.json\n") and said.err.count("\n") == 1
    saved = json.loads((tmp_path / "mine" / "reward_failure.json").read_text())
    assert saved["line"] == 7 and len(saved["params"]) >= 27
    assert run("evaluate", "mine").code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--run-dir", "there"], "there exists already"),
        (["--resume", "there"], "there is not a run folder"),
        (["--resume", "nowhere"], "nowhere is not a run folder"),
        (["--from", "nowhere"], "No policy `nowhere`"),
        (["--track", "easy_ovl"], "Did you mean `easy_oval`?"),
        (["--reward", "defautl"], "Did you mean `default`?"),
        (["--minutes", "0"], "`train.minutes` is 0.0: input should be greater than 0"),
        (["--seed=-1"], "`seed` is -1"),
        (["--set", "ppo.learnig_rate=1"], "Did you mean `learning_rate`?"),
        (["--set", "ppo.batch_size=4096", "--set", "ppo.n_steps=2"], "ppo.batch_size 4096 is more than the"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(run, tmp_path, arguments, told):
    """Refuse before anything is made."""
    (tmp_path / "there").mkdir()
    said = run("train", *arguments)
    assert said.code == 1 and told in said.err and said.err.count("\n") == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


@pytest.mark.parametrize(
    "options",
    [
        ["--track", "zigzag"],
        ["--reward", "default"],
        ["--seed", "1"],
        ["--config", "x"],
        ["--from", "x"],
        ["--run-dir", "x"],
    ],
)
def test_resume_takes_no_other_options(run, options):
    """Refuse what would change the run, by name."""
    said = run("train", "--resume", "mine", *options)
    assert said.code == 1 and said.err.endswith(f"leave out {options[0]}\n")


def test_finished_run_says_so(run):
    """Tell in one line that nothing is left to do, and how to train on."""
    run("train", *TINY, "--run-dir", "mine")
    said = run("train", "--resume", "mine")
    assert said.code == 1 and said.out == ""
    assert said.err == (
        "error: mine is finished after 2,048 steps; to train on, give more of them: --set train.total_steps=4096\n"
    )
    assert run("train", "--resume", "mine", "--set", f"train.total_steps={5 * ROUND}").code == 0
