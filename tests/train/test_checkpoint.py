"""When a checkpoint is due, which is the best, and how much of a budget is used."""

import time

import pytest
import torch

from racer.evaluate import Evaluation, Lap
from racer.train.checkpoint import CheckpointKeeper, fraction_done, is_finite, lap_score
from racer.train.run_folder import new_run
from support.tiny_training import tiny_config


def evaluation(progress, *, disturbance="none"):
    """An evaluation of one lap that was not completed."""
    lap = Lap(completed=False, time_s=None, progress=progress, status="off_track")
    return Evaluation(track="t", policy="p", seed=0, laps=(lap,), disturbance=disturbance)


class Listener:
    """Keeps which evaluations were reported as the best."""

    def __init__(self):
        self.best = []

    def evaluated(self, steps, evaluations, best):
        self.best.append((steps, best))


@pytest.fixture
def run(tmp_path):
    """A new run folder."""
    return new_run(tiny_config(), tmp_path / "run")


def make_keeper(run, *, listener=None, saved=None, progress=None, interval_s=60.0):
    """A keeper without a policy, whose state is the list `saved`."""
    return CheckpointKeeper(
        run,
        None,
        laps=1,
        interval_s=interval_s,
        started_s=time.monotonic(),
        progress=progress or {},
        save_state=[].append if saved is None else saved.append,
        report=listener,
    )


def test_best_is_kept_where_the_score_is_not_lower(run):
    """A higher and an equal score replace the best checkpoint, a lower one does not; each time the state follows."""
    listener, saved = Listener(), []
    keeper = make_keeper(run, listener=listener, saved=saved)
    for steps, progress in ((1, 50.0), (2, 40.0), (3, 50.0), (4, 60.0)):
        run.last.write_bytes(b"%d" % steps)
        results = [evaluation(progress)]
        keeper.record(results, lap_score(results), steps=steps)
    assert listener.best == [(1, True), (2, False), (3, True), (4, True)]
    assert run.best.read_bytes() == b"4"
    assert [state["best_score"] for state in saved] == [[0.0, 50.0], [0.0, 50.0], [0.0, 60.0]]
    rows = list(run.metrics())
    assert [(row["steps"], row["best"]) for row in rows] == listener.best


def test_resumed_keeper_continues(run):
    """Time and best score are those of the saved progress: a worse checkpoint does not become the best."""
    keeper = make_keeper(run, progress={"elapsed_s": 100.0, "best_score": [1.0, 100.0], "best_record": {"a": 1}})
    keeper.record([evaluation(90.0)], [0.0, 90.0], steps=5)
    assert keeper.elapsed_s >= 100.0 and keeper.best_record == {"a": 1}
    assert not run.best.exists()


def test_disturbed_laps_are_rows_of_another_kind(run):
    """A report of the run counts each track once."""
    run.last.write_bytes(b"")
    results = [evaluation(10.0), evaluation(5.0, disturbance="real")]
    make_keeper(run).record(results, [0.0, 7.5], steps=3, round=2)
    rows = list(run.metrics())
    assert [(row["kind"], row["steps"], row["round"]) for row in rows] == [("evaluation", 3, 2), ("disturbed", 3, 2)]


@pytest.mark.parametrize(("interval_s", "due"), [(60.0, False), (-1.0, True)])
def test_checkpoint_is_due_after_the_interval(run, interval_s, due):
    """The time counts from the start of the session until the first checkpoint."""
    assert make_keeper(run, interval_s=interval_s).is_due is due


@pytest.mark.parametrize(
    ("count", "elapsed_s", "minutes", "done"),
    [(0, 0.0, None, 0.0), (5, 0.0, None, 0.5), (20, 0.0, None, 1.0), (1, 30.0, 1.0, 0.5), (9, 30.0, 1.0, 0.9)],
)
def test_fraction_done_is_the_larger_one(count, elapsed_s, minutes, done):
    """Fraction of 10 steps or of the minutes, at most 1."""
    assert fraction_done(count, 10, elapsed_s, minutes) == pytest.approx(done)


def test_a_nan_is_not_finite():
    """One weight is enough."""
    network = torch.nn.Linear(3, 2)
    assert is_finite(network)
    with torch.no_grad():
        network.weight[1, 2] = float("nan")
    assert not is_finite(network)
