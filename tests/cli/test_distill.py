"""`racer distill` as a user meets it: what it prints, how it stops and goes on, what it refuses."""

import pytest

from racer.bundle import read_bundle
from racer.runs import open_run
from racer.train.distill import session as session
from racer.train.distill.student import Student
from support.commands import racer
from support.tiny_distillation import ROUND, SETTINGS, TRACK, write_driver

TINY = [word for setting in SETTINGS for word in ("--set", setting)] + ["--track", TRACK]


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command in this process, in a folder that holds a teacher."""
    monkeypatch.chdir(tmp_path)
    write_driver(tmp_path / "teacher.bundle")
    return lambda *arguments: racer(capsys, monkeypatch, *arguments)


def test_a_distillation_tells_where_what_and_what_next(run, tmp_path):
    """Print run, track, disturbance and teacher, a line for each evaluation, and the next commands."""
    said = run("distill", "teacher.bundle", *TINY, "--run-dir", "mine")
    assert said.code == 0 and said.err == ""
    lines = said.out.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [["run", "mine"], ["track", TRACK], ["disturbed", "none"]]
    assert lines[3].startswith("teacher   mine/teacher.bundle, after ")
    assert [line.split(" frames")[0].strip() for line in lines[4:6]] == [f"{2 * ROUND}", f"{4 * ROUND}"]
    assert lines[6].startswith(f"done: {4 * ROUND} frames in ")
    assert lines[7:] == [
        "evaluate  racer evaluate mine --laps 5 --disturbance none",
        "export    racer export mine -o my_car.bundle",
    ]
    assert open_run(tmp_path / "mine").info()["command"][:1] == ["distill"]


def test_the_next_commands_work(run, tmp_path):
    """Evaluate, report and export what a distillation left."""
    assert run("distill", "teacher.bundle", *TINY, "--run-dir", "mine").code == 0
    said = run("evaluate", "mine", "--laps", "2")
    assert said.code == 0 and "/2 laps completed" in said.out
    assert run("export", "mine", "-o", "my_car.bundle").code == 0
    assert read_bundle(tmp_path / "my_car.bundle").contract.sensors[0].name == "camera"
    assert run("report", "mine").code == 0


def test_ctrl_c_and_resume(run, monkeypatch, tmp_path):
    """Exit 130 with a usable run, say how to go on; going on works."""
    learn, calls = Student.learn, []

    def interrupted(self, memory, share):
        calls.append(share)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return learn(self, memory, share)

    with monkeypatch.context() as patch:
        patch.setattr(Student, "learn", interrupted)
        said = run("distill", "teacher.bundle", *TINY, "--run-dir", "mine")
    assert said.code == 130 and said.err == ""
    lines = said.out.splitlines()
    assert lines[-4].startswith(f"stopped: {ROUND} frames in ")
    assert lines[-3] == "resume    racer distill --resume mine"
    said = run("distill", "--resume", "mine")
    assert said.code == 0 and open_run(tmp_path / "mine").info()["finished"] is True
    assert run("distill", "--resume", "mine").err.startswith("error: mine is finished after 4 rounds")


def test_ctrl_c_while_the_teacher_learns(run, monkeypatch, tmp_path):
    """Leave a folder that goes on with the teacher's training."""
    with monkeypatch.context() as patch:

        def interrupted(*_, **__):
            raise KeyboardInterrupt

        patch.setattr(session.session, "train", interrupted)
        said = run("distill", *TINY, "--run-dir", "mine")
    assert said.code == 130 and said.out.splitlines()[-1] == "resume    racer distill --resume mine"
    assert run("distill", "--resume", "mine").code == 0
    assert open_run(tmp_path / "mine" / "teacher").info()["finished"] is True


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "No policy `nowhere`"),
        (["teacher.bundle", "--track", "easy_ovl"], "Did you mean `easy_oval`?"),
        (["teacher.bundle", "--disturbance", "reel"], "Did you mean `real`?"),
        (["teacher.bundle", "--vehicle", "deepracr"], "Did you mean `deepracer`?"),
        (["teacher.bundle", "--config", "distil"], "Did you mean `distill`?"),
        (["teacher.bundle", "--minutes", "0"], "`dagger.minutes` is 0.0: input should be greater than 0"),
        (["teacher.bundle", "--set", "dagger.round=1"], "Did you mean `rounds`?"),
        (["teacher.bundle", "--set", "env.sensors=[state]"], "a student sees [camera] or [stereo]"),
        (["--set", "teacher.env.sensors=[lidar]"], "what makes it a teacher is that it sees the state"),
        (["teacher.bundle", "--set", "network=big"], "`network` is 'big'"),
        (["--resume", "nowhere"], "nowhere is no run folder"),
        (["teacher.bundle", "--resume", "mine"], "leave out a teacher"),
        (["--resume", "mine", "--seed", "1"], "leave out --seed"),
        (["teacher.bundle", "--run-dir", "there"], "there exists already"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(run, tmp_path, arguments, told):
    """Refuse before anything is made."""
    (tmp_path / "there").mkdir()
    said = run("distill", *arguments)
    assert said.code == 1 and told in said.err and said.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["teacher.bundle", "there"]
