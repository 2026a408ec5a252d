"""Distillations of seconds: labels, learning, checkpoints, stops, resuming, and what the run folder holds."""

import numpy as np
import pytest
import torch

from racer.bundle import check_golden, read_bundle
from racer.config.actions import ContinuousActions, DiscreteActions, SpeedRange
from racer.config.read import read_vehicle
from racer.env.batch import make_time_trial
from racer.errors import ConfigError, RacerError, RunError
from racer.evaluate import evaluate
from racer.policy.load import load_policy
from racer.policy.onnx import OnnxPolicy
from racer.report.run_record import read_record
from racer.runs import open_run
from racer.track.load import load_track
from racer.train.distill import session as session
from racer.train.distill.frames import DrivenFrames
from racer.train.distill.rollout import DaggerRollout, RolloutSummary, merge_summaries
from racer.train.distill.session import distill, student_contract
from racer.train.distill.student import Student
from racer.train.distill.teacher import ActionScaler, load_teacher
from racer.train.run_folder import new_distillation, resumed_distillation, teacher_file, teacher_run
from support.bundles import write_driver, write_linear
from support.tiny_distillation import ROUND, TRACK, WORLDS, tiny_distillation


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A bundle that laps the track."""
    return write_driver(tmp_path_factory.mktemp("teacher") / "teacher.bundle")


@pytest.fixture(scope="module")
def done(tmp_path_factory, teacher):
    """A finished distillation."""
    config = tiny_distillation()
    run = new_distillation(config, tmp_path_factory.mktemp("done") / "run", teacher=teacher)
    return distill(config, run)


def updates(run):
    """The metrics of the rounds."""
    return [row for row in run.metrics() if row["kind"] == "update"]


def driving(config, run, *, teacher_share_seed=0):
    """The parts of a distillation, made by hand."""
    contract = student_contract(config, run)
    height, width, channels = contract.inputs[0].shape
    memory = DrivenFrames(
        bytes_max=config.dagger.memory_mb * 1_000_000,
        steps=config.dagger.steps,
        stack=contract.frame_stack,
        frame_shape=(height, width, channels // contract.frame_stack),
    )
    trial = make_time_trial(
        worlds=config.dagger.worlds, track=config.track, reward=None, config=config.env, seed=teacher_share_seed
    )
    teacher = load_teacher(teacher_file(run))
    one = DaggerRollout(
        trial,
        teacher,
        contract,
        memory,
        config.dagger,
        seed=teacher_share_seed,
    )
    return one, trial, memory, teacher, contract


def test_the_folder_is_that_of_a_run(done):
    """Leave what `racer evaluate`, `report` and `export` want, and the teacher."""
    run = done.run
    assert done.rounds == 4 and done.frames == 4 * ROUND and not done.interrupted
    for file in (run.config, run.vehicle, run.reward, run.best, run.last, run.trainer, teacher_file(run)):
        assert file.is_file(), file
    info = run.info()
    assert info["finished"] is True and info["rounds"] == 4 and info["steps"] == 4 * ROUND
    assert [track["name"] for track in info["tracks"]] == [TRACK] and not teacher_run(run).path.exists()
    assert not list(run.path.glob(".*.tmp"))
    record = read_record(run.path)
    assert len(record.updates) == 4 and record.finished and len(record.best) == 1


def test_students_are_evaluated_undisturbed_and_disturbed(tmp_path, teacher):
    """Drive both, keep rows of both, and let both decide what is best; a report counts each track once."""
    late = tmp_path / "late.yaml"
    late.write_text("camera_delivery: {latency: 0.2}\n")
    config = tiny_distillation(f"env.disturbance={late}", "dagger.rounds=2")
    run = new_distillation(config, tmp_path / "run", teacher=teacher)
    distill(config, run)
    rows = [row for row in run.metrics() if row["kind"] != "update"]
    assert [row["kind"] for row in rows] == ["evaluation", "disturbed"]
    assert "disturbance" not in rows[0] and rows[1]["disturbance"] != "none"
    assert len(read_record(run.path).best) == 1


def test_the_disturbance_is_the_one_that_it_began_with(tmp_path, teacher):
    """Drive and evaluate with the folder's copy when a user's file is gone."""
    late = tmp_path / "late.yaml"
    late.write_text("camera_delivery: {latency: 0.2}\n")
    config = tiny_distillation(f"env.disturbance={late}", "dagger.rounds=1")
    run = new_distillation(config, tmp_path / "run", teacher=teacher)
    late.unlink()
    distill(config, run)
    assert [row["disturbance"] for row in run.metrics() if row["kind"] == "disturbed"] == [str(late)]


def test_checkpoints_answer_as_recorded(done):
    """Leave bundles whose contract is the camera's, whose graph answers as when they were written."""
    for file, frames in ((done.run.last, 4 * ROUND), (done.run.best, None)):
        bundle = read_bundle(file)
        check_golden(bundle, OnnxPolicy(bundle))
        contract = bundle.contract
        assert [sensor.name for sensor in contract.sensors] == ["camera"] and contract.frame_stack == 2
        assert contract.network.cnn is not None and "teacher" in contract.hashes
        assert frames is None or contract.trained_on.steps == frames


def test_a_distilled_policy_drives_in_an_evaluation(done):
    """Evaluate the run like any other."""
    result = evaluate(load_policy(done.run.path), load_track(TRACK), read_vehicle(done.run.vehicle), laps=2)
    assert len(result.laps) == 2


def test_labels_are_the_teachers_answers(tmp_path, teacher):
    """Ask the teacher alone, about the state that the simulator shows without delay: the same commands, as shares."""
    late = tmp_path / "late.yaml"
    late.write_text("camera_delivery: {latency: 0.2}\n")
    config = tiny_distillation(f"env.disturbance={late}")
    run = new_distillation(config, tmp_path / "run", teacher=teacher)
    config = resumed_distillation(run)
    one, trial, memory, its, _ = driving(config, run)
    one.start()
    space, distances = config.action_space, np.array(its.sensors[0].settings["look_ahead_m"])
    wanted = []

    def student(inputs):
        state = np.zeros((WORLDS, 1, its.sensors[0].size), np.float32)
        trial.world.observe_state(distances, state)
        command = its.act({"state": state[:, 0]})
        low, high = np.array(space.low), np.array(space.high)
        wanted.append(np.clip(2.0 * (command - low) / (high - low) - 1.0, -1.0, 1.0))
        return np.zeros((WORLDS, 2), np.float32)

    driven = one.round(student, 0.5)
    assert driven.frames == ROUND and memory.frames == ROUND
    _, labels = memory.sample(4000, np.random.default_rng(0))
    every = np.concatenate(wanted).astype(np.float32)
    nearest = np.abs(labels[:, None] - every[None]).max(axis=2).min(axis=1)
    assert nearest.max() < 1e-6
    assert driven.error[1] == pytest.approx(np.abs(every[:, 1]).mean(), rel=1e-5)


def test_commands_and_shares_are_each_others_inverse():
    """Map the ends of the ranges to -1 and 1, the middle to 0, and cut off what lies outside."""
    shares = ActionScaler(ContinuousActions(speed=SpeedRange(low=1.0, high=3.0)))
    table = np.array([[-30.0, 1.0], [0.0, 2.0], [30.0, 3.0], [15.0, 2.5]])
    assert np.allclose(shares.fractions(table), [[-1, -1], [0, 0], [1, 1], [0.5, 0.5]])
    assert np.allclose(shares.commands(shares.fractions(table)), table)
    assert np.allclose(shares.fractions(np.array([[-90.0, 9.0]])), [[-1, 1]])


def test_who_drives_follows_the_share(tmp_path, teacher):
    """With a share of 1 the teacher laps; with 0 the student has all of the driving, and its faults end episodes."""
    config = tiny_distillation("dagger.kick=0.0", "dagger.steps=200", "env.time_limit_s=30.0")
    run = new_distillation(config, tmp_path / "run", teacher=teacher)
    config = resumed_distillation(run)
    for share, statuses in ((1.0, {"lap_complete"}), (0.0, {"off_track", "reversed"})):
        one, *_ = driving(config, run)
        one.start()

        def astray(inputs):
            return np.tile(np.float32([1.0, -1.0]), (WORLDS, 1))

        first = one.round(astray, share)
        then = one.round(astray, share)
        assert then.student_share == pytest.approx(1.0 - share, abs=0.0 if share else 0.1)
        assert then.ends and {*first.ends, *then.ends} <= statuses


@pytest.mark.parametrize(
    ("settings", "groups"),
    [
        (["env.disturbance={late}"], [("none", 2), ("{own}", 6)]),
        (["env.disturbance={late}", "dagger.undisturbed=0.0"], [("{own}", 8)]),
        (["env.disturbance={late}", "dagger.undisturbed=1.0"], [("none", 8)]),
        ([], [("{own}", 8)]),
    ],
)
def test_some_cars_drive_undisturbed(tmp_path, teacher, monkeypatch, settings, groups):
    """Split the cars by the configured share, each group with its disturbance and chance, the run's own copy."""
    late = tmp_path / "late.yaml"
    late.write_text("camera_delivery: {latency: 0.2}\n")
    config = tiny_distillation("dagger.rounds=1", *(setting.format(late=late) for setting in settings))
    run = new_distillation(config, tmp_path / "run", teacher=teacher)
    make, made = session.make_time_trial, []

    def noted(**given):
        made.append((given["config"].disturbance, given["worlds"], given["seed"]))
        return make(**given)

    monkeypatch.setattr(session, "make_time_trial", noted)
    assert distill(config, run).frames == ROUND
    wanted = [(name.format(own=run.disturbance), count) for name, count in groups]
    assert [(name, worlds) for name, worlds, _ in made] == wanted
    assert len({seed for *_, seed in made}) == len(made)


def test_groups_count_together():
    """Weigh shares and errors by frames, progress by episodes."""
    parts = [
        RolloutSummary(frames=10, episodes=1, ends={"a": 1}, mean_progress=40.0, student_share=1.0, error=(0.1, 0.2)),
        RolloutSummary(
            frames=30, episodes=3, ends={"a": 1, "b": 2}, mean_progress=80.0, student_share=0.0, error=(0.5, 0.6)
        ),
        RolloutSummary(frames=0, episodes=0, ends={}, mean_progress=None, student_share=0.0, error=(9.0, 9.0)),
    ]
    whole = merge_summaries(parts)
    assert whole.frames == 40 and whole.episodes == 4 and whole.ends == {"a": 2, "b": 2}
    assert whole.mean_progress == pytest.approx(70.0) and whole.student_share == pytest.approx(0.25)
    assert whole.error == pytest.approx((0.4, 0.5))


def test_imitation_is_learned(tmp_path, teacher):
    """Learn the teacher's answers on fixed frames: the loss falls below a tenth of what no learning leaves."""
    settings = ["dagger.batch_size=64", "dagger.gradient_steps=60", "dagger.steps=32"]
    config = tiny_distillation(*settings)
    run = new_distillation(config, tmp_path / "run", teacher=teacher)
    config = resumed_distillation(run)
    one, _, memory, _, contract = driving(config, run)
    student = Student(contract, config.dagger, seed=0)
    one.start()
    one.round(student, 1.0)
    losses = [student.learn(memory, 0.0) for _ in range(5)]
    assert losses[-1] < 0.1 * losses[0]


def test_the_mirror_turns_pictures_and_steering(done):
    """Answer a mirrored picture with the mirrored steering after learning from mirrors only half of the time.

    The mirror itself: columns in reverse, steering negated, speed as it was; the rest of a batch stays.
    """
    config = tiny_distillation("dagger.mirrored=0.5")
    student = Student(student_contract(config, done.run), config.dagger, seed=0)
    stacks = np.random.default_rng(0).integers(256, size=(4, 3, 5, 2)).astype(np.uint8)
    labels = np.float32([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8]])
    seen, told = stacks.copy(), labels.copy()
    student._mirror(seen, told)
    assert np.array_equal(seen[:2], stacks[:2, :, ::-1]) and np.array_equal(seen[2:], stacks[2:])
    assert np.array_equal(told, labels * np.float32([[-1, 1], [-1, 1], [1, 1], [1, 1]]))


def test_the_same_seed_distils_the_same(done, tmp_path, teacher):
    """Leave equal weights after a second distillation, others with another seed."""
    config = tiny_distillation()
    again = distill(config, new_distillation(config, tmp_path / "again", teacher=teacher))
    other = tiny_distillation(seed=1)
    third = distill(other, new_distillation(other, tmp_path / "third", teacher=teacher))
    weights = [read_bundle(one.run.last).weights for one in (done, again, third)]
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not all(np.array_equal(weights[0][name], weights[2][name]) for name in weights[0])


def test_without_a_teacher_one_is_trained(tmp_path):
    """Train it in the folder, on the same tracks and actions; the student learns from its best checkpoint."""
    config = tiny_distillation("dagger.rounds=1")
    run = new_distillation(config, tmp_path / "run")
    distill(config, run)
    inner = teacher_run(run)
    assert inner.info()["finished"] is True
    assert teacher_file(run).read_bytes() == inner.best.read_bytes()
    assert read_bundle(teacher_file(run)).contract.action_space == config.action_space


def test_a_stop_leaves_a_run_that_goes_on(tmp_path, teacher, monkeypatch):
    """Ctrl-C in the third round: two rounds are kept, evaluated, and the resumed run makes the other two."""
    config = tiny_distillation()
    run = new_distillation(config, tmp_path / "run", teacher=teacher)
    learn, calls = Student.learn, []

    def interrupted(self, memory, share):
        calls.append(share)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return learn(self, memory, share)

    monkeypatch.setattr(Student, "learn", interrupted)
    stopped = distill(config, run)
    monkeypatch.undo()
    assert stopped.interrupted and stopped.rounds == 2 and run.info()["finished"] is False
    assert run.best.exists() and read_bundle(run.last).contract.trained_on.steps == 2 * ROUND
    gone_on = distill(resumed_distillation(run), run, resume=True)
    assert gone_on.rounds == 4 and not gone_on.interrupted and run.info()["finished"] is True
    assert [row["round"] for row in updates(run)] == [1, 2, 3, 4]
    assert [row["steps"] for row in updates(run)] == [ROUND * k for k in (1, 2, 3, 4)]
    assert gone_on.seconds > stopped.seconds


def test_a_kill_leaves_a_run_that_goes_on(tmp_path, teacher, monkeypatch):
    """Die without a word after the first checkpoint: the rounds after it are done anew, once each."""
    config = tiny_distillation()
    run = new_distillation(config, tmp_path / "run", teacher=teacher)

    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    monkeypatch.setattr(session, "_teacher_share", lambda config, rounds: killed() if rounds == 3 else 0.5)
    with pytest.raises(Killed):
        distill(config, run)
    monkeypatch.undo()
    assert [row["round"] for row in updates(run)] == [1, 2, 3]
    assert read_bundle(run.last).contract.trained_on.steps == 2 * ROUND
    assert distill(resumed_distillation(run), run, resume=True).rounds == 4
    assert [row["round"] for row in updates(run)] == [1, 2, 3, 4]


def test_the_optimiser_goes_on_as_it_was(done, tmp_path):
    """Put back weights, moments and random stream: two students learn the same from the same memory."""
    config = resumed_distillation(done.run, ["dagger.rounds=8"])
    one, _, memory, _, contract = driving(config, done.run)
    one.start()
    students = [Student(contract, config.dagger, seed=seed) for seed in (0, 1)]
    one.round(students[0], 1.0)
    students[0].learn(memory, 0.0)
    students[0].save(tmp_path / "state.pt", rounds=7)
    assert students[1].load(tmp_path / "state.pt") == {"rounds": 7}
    assert students[0].learn(memory, 0.1) == students[1].learn(memory, 0.1)


def test_a_damaged_state_is_one_line(done, tmp_path):
    """Tell which file, and what to do."""
    config = tiny_distillation()
    student = Student(student_contract(config, done.run), config.dagger, seed=0)
    (tmp_path / "bad.pt").write_bytes(b"no")
    with pytest.raises(RunError, match=r"bad\.pt is damaged") as caught:
        student.load(tmp_path / "bad.pt")
    assert "\n" not in str(caught.value)


def test_a_diverged_student_is_one_line(tmp_path, teacher, monkeypatch):
    """Weights that are no numbers: told once, and not written over what was good."""
    config = tiny_distillation("dagger.evaluate_every=1")
    run = new_distillation(config, tmp_path / "run", teacher=teacher)
    learn, calls = Student.learn, []

    def diverging(self, memory, share):
        loss = learn(self, memory, share)
        calls.append(loss)
        if len(calls) == 2:
            with torch.no_grad():
                self.policy.action_net.weight.fill_(float("nan"))
        return loss

    monkeypatch.setattr(Student, "learn", diverging)
    with pytest.raises(RacerError, match="diverged in round 2"):
        distill(config, run)
    assert read_bundle(run.last).contract.trained_on.steps == ROUND
    assert run.info()["finished"] is False


def test_a_teacher_that_sees_something_else_is_refused(tmp_path, done):
    """Name what it sees; leave no folder."""
    with pytest.raises(RunError, match="has sensors camera; a teacher has `state`"):
        new_distillation(tiny_distillation(), tmp_path / "run", teacher=done.run.path)
    assert not (tmp_path / "run").exists()


def test_a_discrete_teacher_gives_the_ranges(tmp_path):
    """Take the least and the greatest of its actions for the student's ranges."""
    space = DiscreteActions.grid([-20, 0, 20], [1, 2])
    bundle = write_linear(tmp_path / "discrete.bundle", space)
    run = new_distillation(tiny_distillation(), tmp_path / "run", teacher=bundle)
    ranges = resumed_distillation(run).action_space
    assert ranges.low == (-20.0, 1.0) and ranges.high == (20.0, 2.0)


def test_uneven_steering_has_no_mirror(tmp_path):
    """Refuse a mirror where left and right are not alike."""
    for setting in (
        "action_space={steering_angle: {low: -20.0, high: 30.0}}",
        "env.camera={width: 40, height: 30, yaw_deg: 3.0}",
    ):
        with pytest.raises(ConfigError, match=r"dagger\.mirrored"):
            tiny_distillation(setting)
        tiny_distillation(setting, "dagger.mirrored=0.0")


@pytest.mark.parametrize("setting", ["seed=3", "dagger.worlds=3", "teacher.reward=default"])
def test_a_resumed_distillation_keeps_its_configuration(done, setting):
    """Let only the budget be changed."""
    with pytest.raises(ConfigError, match="keeps its configuration"):
        resumed_distillation(done.run, [setting])


def test_a_finished_one_says_so(done):
    """Tell how to learn on."""
    with pytest.raises(RunError, match=r"finished after 4 rounds; .* --set dagger\.rounds=8"):
        resumed_distillation(done.run)
    with pytest.raises(RunError, match="is not a distillation"):
        resumed_distillation(open_run(plain_run(done.run.path.parent / "plain")))


def plain_run(path):
    """The folder of a training that is none of ours."""
    path.mkdir()
    (path / "run.json").write_text("{}")
    return path
