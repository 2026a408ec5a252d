"""What makes a checkpoint the best, and what a progress bar is told."""

import pytest

from racer.evaluate import Evaluation, Lap
from racer.train.ppo.learner import TrainingBudget
from racer.train.ppo.monitor import score_with_time
from racer.train.ppo.session import train
from racer.train.run_folder import new_run
from support.tiny_training import ROUND, tiny_config


def drove(*laps):
    """An evaluation of (progress, time or None) laps."""
    return Evaluation(
        track="t",
        policy="p",
        seed=0,
        laps=tuple(
            Lap(completed=time is not None, time_s=time, progress=progress, status="off_track")
            for progress, time in laps
        ),
    )


def test_score_orders_laps_then_progress_then_time():
    """More laps beat more progress, which beats a better time; from worst to best."""
    ranked = [
        [drove((0.0, None), (0.0, None))],
        [drove((90.0, None), (90.0, None))],
        [drove((100.0, 9.0), (10.0, None))],
        [drove((100.0, 9.0), (80.0, None))],
        [drove((100.0, 9.0), (100.0, 9.0))],
        [drove((100.0, 9.0), (100.0, 8.0))],
    ]
    scores = [score_with_time(results) for results in ranked]
    assert scores == sorted(scores) and len({tuple(score) for score in scores}) == len(scores)


def test_score_counts_all_tracks():
    """A policy that drives one track well and fails on the other is worse than one that drives both slowly."""
    one = [drove((100.0, 5.0)), drove((50.0, None))]
    both = [drove((100.0, 9.0)), drove((100.0, 20.0))]
    assert score_with_time(one) < score_with_time(both)


@pytest.mark.parametrize(
    ("steps", "elapsed", "minutes", "done", "late"),
    [
        (0, 0.0, None, 0.0, False),
        (50, 1e9, None, 0.5, False),
        (100, 0.0, None, 1.0, False),
        (200, 0.0, None, 1.0, False),
        (10, 30.0, 1.0, 0.5, False),
        (90, 30.0, 1.0, 0.9, False),
        (10, 59.9, 1.0, 59.9 / 60.0, False),
        (10, 60.0, 1.0, 1.0, True),
    ],
)
def test_budget_is_the_further_of_steps_and_time(steps, elapsed, minutes, done, late):
    """Share of 100 steps or of the minutes, at most 1."""
    budget = TrainingBudget(100, minutes)
    budget.update(steps, elapsed)
    assert budget.done == pytest.approx(done)
    assert budget.out_of_time(elapsed) is late


class Listener:
    """Keeps what a training reports."""

    def __init__(self):
        self.heard, self.evaluations = [], []

    def progress(self, progress):
        self.heard.append(progress)

    def rewarded(self, reward):
        """Not of interest here."""

    def evaluated(self, steps, evaluations, best):
        self.evaluations.append((steps, len(evaluations), best))


def test_progress_is_told_after_each_update(tmp_path):
    """Steps, share of the budget, rate, episodes, progress and laps, as the metrics have them."""
    run, listener = new_run(tiny_config(), tmp_path / "run"), Listener()
    train(tiny_config(), run, report=listener)
    assert [told.steps for told in listener.heard] == [ROUND, 2 * ROUND, 3 * ROUND, 4 * ROUND]
    assert [told.done for told in listener.heard] == [0.25, 0.5, 0.75, 1.0]
    assert all(told.steps_per_s > 0.0 and told.total_steps == 4 * ROUND for told in listener.heard)
    rows = [row for row in run.metrics() if row["kind"] == "update"]
    for told, row in zip(listener.heard, rows, strict=True):
        assert (told.episodes, told.mean_progress, told.laps, told.best_lap_s) == (
            row["episodes"],
            row["mean_progress"],
            row["laps"],
            row["best_lap_s"],
        )
    assert [(steps, count) for steps, count, _ in listener.evaluations] == [(2 * ROUND, 1), (4 * ROUND, 1)]


def test_tensorboard_has_the_curves(tmp_path):
    """Write progress, raw reward and evaluations for TensorBoard."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = new_run(tiny_config(), tmp_path / "run")
    train(tiny_config(), run)
    events = accumulator.EventAccumulator(str(run.path / "tensorboard"))
    events.Reload()
    wanted = {"racer/mean_progress", "racer/mean_reward", "racer/laps", "evaluation/completion_rate"}
    assert wanted <= set(events.Tags()["scalars"])
    update = next(row for row in run.metrics() if row["kind"] == "update")
    assert events.Scalars("racer/mean_reward")[0].value == pytest.approx(update["mean_reward"], rel=1e-5)
