"""The folders of logs: their layout, numbers, and going on after a stop."""

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from racer.config.read import read_vehicle
from racer.config.train import BudgetConfig, PPOConfig, TrainConfig
from racer.deepracer.logs import EpisodeLog, TrainingLog, write_evaluation
from racer.errors import RunError
from racer.evaluate import evaluate
from racer.policy.pure_pursuit import PurePursuitPolicy
from racer.reward.load import load_reward
from racer.track.load import load_track
from support.deepracer_drives import ACTIONS, Kept, drive, laps, make_trial

KEYS = [
    "reward_score",
    "metric_time",
    "start_time",
    "elapsed_time_in_milliseconds",
    "episode",
    "trial",
    "phase",
    "completion_percentage",
    "episode_status",
]
EVALUATION_KEYS = [
    "completion_percentage",
    "metric_time",
    "start_time",
    "elapsed_time_in_milliseconds",
    "episode_status",
    "crash_count",
    "immobilized_count",
    "off_track_count",
    "reversed_count",
    "reset_count",
    "trial",
]


def config(worlds: int = 8) -> TrainConfig:
    """A training's configuration with the actions that are driven."""
    return TrainConfig(action_space=ACTIONS, train=BudgetConfig(worlds=worlds), ppo=PPOConfig(batch_size=64))


def log_to(folder: Path, trial: Any, **options: Any) -> TrainingLog:
    """Logs with few episodes in a file."""
    return TrainingLog(folder, config(), waypoints=trial.waypoints, **{"episodes": 5, "clock": lambda: 1e9} | options)


def lines(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV."""
    with file.open(newline="") as text:
        return list(csv.DictReader(text))


def iterations(folder: Path) -> list[str]:
    """The names of the files of steps, in order of number."""
    found = (folder / "training-simtrace").glob("*")
    return sorted((file.name for file in found), key=lambda name: int(name.partition("-")[0]))


def records(folder: Path) -> list[dict[str, Any]]:
    """What the metrics hold."""
    return json.loads((folder / "metrics" / "TrainingMetrics.json").read_text())["metrics"]


def test_every_file_holds_the_same_number_of_episodes(tmp_path: Path) -> None:
    """Files are numbered from 0 without a gap, episodes over all of them; each begins with a placing and ends done."""
    trial = make_trial(8)
    log = log_to(tmp_path, trial)
    drive(trial, [log], steps=250)
    assert iterations(tmp_path) == [f"{k}-iteration.csv" for k in range(len(iterations(tmp_path)))]
    assert len(iterations(tmp_path)) >= 3
    for k, name in enumerate(iterations(tmp_path)):
        rows = lines(tmp_path / "training-simtrace" / name)
        starts = [row for row in rows if row["episode_status"] == "prepare"]
        ends = [row for row in rows if row["done"] == "True"]
        wanted = [str(number) for number in range(5 * k, 5 * k + 5)]
        assert [row["episode"] for row in starts] == [row["episode"] for row in ends] == wanted
        assert all(row["steps"] == "1" for row in starts)


def test_metrics_agree_with_the_steps(tmp_path: Path) -> None:
    """One record for each episode in the files, with its sum of rewards, its times and how it ended."""
    trial = make_trial(8)
    log = log_to(tmp_path, trial)
    drive(trial, [log], steps=250)
    log.save()
    found = records(tmp_path)
    rows = [row for name in iterations(tmp_path) for row in lines(tmp_path / "training-simtrace" / name)]
    assert [record["episode"] for record in found] == list(range(1, 5 * len(iterations(tmp_path)) + 1))
    assert [record["trial"] for record in found] == [1 + k % 5 for k in range(len(found))]
    for record in found:
        own = [row for row in rows if int(row["episode"]) == record["episode"] - 1]
        assert list(record) == KEYS and record["phase"] == "training"
        assert abs(record["reward_score"] - sum(float(row["reward"]) for row in own)) <= 0.5 + 1e-6
        assert record["start_time"] == round(1e3 * float(own[0]["tstamp"]))
        assert record["metric_time"] == round(1e3 * float(own[-1]["tstamp"]))
        assert record["elapsed_time_in_milliseconds"] == pytest.approx(1e3 * (len(own) - 1) / 15.0, abs=1.0)
        assert record["completion_percentage"] == int(max(float(own[-1]["progress"]), 0.0))
        assert record["episode_status"].lower().replace(" ", "_") == own[-1]["episode_status"]
    whole = json.loads((tmp_path / "metrics" / "TrainingMetrics.json").read_text())
    assert (whole["version"], whole["best_model_metric"]) == (2.0, "progress")


def test_only_the_first_worlds_are_logged(tmp_path: Path) -> None:
    """Of 24 worlds, the first 20 give the episodes."""
    trial = make_trial(24)
    log = TrainingLog(tmp_path, config(24), waypoints=trial.waypoints, episodes=1, clock=lambda: 1e9)
    everything = Kept(24)
    drive(trial, [log, everything], steps=120)
    logged = [episode for episode in everything.episodes if episode.world < 20]
    assert len(everything.episodes) > len(logged) == len(iterations(tmp_path)) > 0


def test_model_and_hyperparameters_are_told(tmp_path: Path) -> None:
    """The files that tools want beside the logs."""
    log_to(tmp_path, make_trial(1))
    model = json.loads((tmp_path / "model" / "model_metadata.json").read_text())
    assert model["action_space"][3] == {"steering_angle": -12.0, "speed": 2.5, "index": 3}
    assert (model["sensor"], model["action_space_type"], model["version"]) == (["state"], "discrete", "5")
    settings = json.loads((tmp_path / "ip" / "hyperparameters.json").read_text())
    assert settings["num_episodes_between_training"] == 5 and settings["discount_factor"] == config().ppo.gamma


def test_going_on_equals_going_through(tmp_path: Path) -> None:
    """A training that was stopped and resumed keeps the records of its checkpoint and continues their numbers."""
    trial = make_trial(8)
    log = log_to(tmp_path, trial)
    drive(trial, [log], steps=150)
    kept = log.save()
    assert all(type(value) in (int, float) for value in kept.values())
    known = {name: (tmp_path / "training-simtrace" / name).read_bytes() for name in iterations(tmp_path)}
    before = records(tmp_path)
    drive(trial, [log], steps=150)  # after the checkpoint: lost with the stop
    assert len(iterations(tmp_path)) > len(known) == kept["iterations"]
    again = log_to(tmp_path, trial, progress=kept)
    assert {name: (tmp_path / "training-simtrace" / name).read_bytes() for name in iterations(tmp_path)} == known
    drive(trial, [again], steps=150)
    again.save()
    assert records(tmp_path)[: len(before)] == before
    fresh = lines(tmp_path / "training-simtrace" / f"{len(known)}-iteration.csv")
    assert fresh[0]["episode"] == str(5 * len(known))
    assert min(float(row["tstamp"]) for row in fresh) >= kept["time_s"]
    assert [record["episode"] for record in records(tmp_path)] == list(range(1, 5 * len(iterations(tmp_path)) + 1))


def test_metrics_beyond_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    """Metrics that were saved later than the checkpoint do not count twice."""
    trial = make_trial(8)
    log = log_to(tmp_path, trial)
    drive(trial, [log], steps=150)
    kept = log.save()
    drive(trial, [log], steps=150)
    log.save()
    assert len(records(tmp_path)) > 5 * kept["iterations"]
    assert log_to(tmp_path, trial, progress=kept).save() == kept
    assert len(records(tmp_path)) == 5 * kept["iterations"]


def test_a_stop_before_the_first_checkpoint(tmp_path: Path) -> None:
    """Going on without a checkpoint begins the logs anew; other files in the folder stay."""
    trial = make_trial(8)
    drive(trial, [log_to(tmp_path, trial)], steps=150)
    (tmp_path / "training-simtrace" / "notes.txt").write_text("mine")
    again = log_to(tmp_path, trial, progress={})
    assert iterations_left(tmp_path) == ["notes.txt"]
    assert again.save() == {"iterations": 0, "time_s": 0.0} and records(tmp_path) == []


def iterations_left(folder: Path) -> list[str]:
    """All names in the folder of steps."""
    return sorted(file.name for file in (folder / "training-simtrace").iterdir())


def test_a_new_training_does_not_overwrite(tmp_path: Path) -> None:
    """Logs of another training are refused, and stay."""
    trial = make_trial(8)
    drive(trial, [log_to(tmp_path, trial)], steps=150)
    count = len(iterations(tmp_path))
    with pytest.raises(RunError, match="holds logs of a training already"):
        log_to(tmp_path, trial)
    assert len(iterations(tmp_path)) == count > 0


@pytest.mark.parametrize("content", ["", "[]", '{"metrics": 3}', '{"metrics": [{}]}'])
def test_broken_metrics_are_not_gone_on_with(tmp_path: Path, content: str) -> None:
    """Say in one line that metrics are broken."""
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "TrainingMetrics.json").write_text(content)
    with pytest.raises(RunError, match=r"TrainingMetrics\.json cannot be continued"):
        log_to(tmp_path, make_trial(1), progress={"iterations": 2, "time_s": 1.0})


def test_evaluations_between_updates(tmp_path: Path) -> None:
    """Evaluations are added to the metrics under the last episode's number, once there is one."""
    trial = make_trial(8)
    log, driven = log_to(tmp_path, trial), laps(3)
    log.evaluated(driven)
    drive(trial, [log], steps=150)
    log.evaluated(driven)
    kept = log.save()
    tail = records(tmp_path)[-3:]
    assert [record["phase"] for record in records(tmp_path)].count("evaluation") == 3
    assert {(record["phase"], record["episode"], record["trial"]) for record in tail} == {
        ("evaluation", 5 * kept["iterations"], 5)
    }
    assert [record["episode_status"] for record in tail] == ["Off track", "Lap complete", "Lap complete"]


def test_evaluation(tmp_path: Path) -> None:
    """Every lap once, in order, with its faults counted; two within a second get folders of their own."""
    log = laps(3)
    now = datetime(2026, 1, 2, 3, 4, 5)
    written = [write_evaluation(tmp_path, log, actions=ACTIONS, sensors=("state",), now=lambda: now) for _ in range(2)]
    first = tmp_path / "evaluation-20260102030405" / "evaluation-simtrace" / "0-iteration.csv"
    assert written[0][0] == first and written[1][0].parts[-3] == "evaluation-20260102030406"
    rows = lines(first)
    assert [row["episode"] for row in rows if row["steps"] == "1"] == ["0", "1", "2"]
    assert written[0][1] == tmp_path / "metrics" / "EvaluationMetrics-20260102030405.json"
    content = json.loads(written[0][1].read_text())
    assert list(content) == ["metrics"] and all(list(record) == EVALUATION_KEYS for record in content["metrics"])
    off, on, slow = content["metrics"]
    assert (off["episode_status"], off["off_track_count"], off["reset_count"], off["trial"]) == ("Off track", 1, 1, 1)
    assert (on["episode_status"], on["completion_percentage"], on["reset_count"]) == ("Lap complete", 100, 0)
    assert slow["elapsed_time_in_milliseconds"] > on["elapsed_time_in_milliseconds"]


def test_evaluation_beside_a_training(tmp_path: Path) -> None:
    """An evaluation leaves the training's own description of the model alone."""
    log_to(tmp_path, make_trial(3))
    before = (tmp_path / "model" / "model_metadata.json").read_bytes()
    write_evaluation(tmp_path, laps(3))
    assert (tmp_path / "model" / "model_metadata.json").read_bytes() == before


def test_an_evaluation_without_laps_is_refused(tmp_path: Path) -> None:
    """Nothing driven gives nothing written."""
    with pytest.raises(RunError, match="no lap has ended"):
        write_evaluation(tmp_path, EpisodeLog())
    assert list(tmp_path.iterdir()) == []


def test_rewards_of_an_evaluation() -> None:
    """Rewards are those of the function that is given: here the commanded speed, on every step but the placing."""
    reward = load_reward(lambda params: params["speed"], n_worlds=3)
    for episode in laps(3, reward=reward).episodes:
        assert episode.rows["reward"].tolist() == episode.rows["speed"].tolist()
        assert episode.rows["reward"][0] == 0.0 < episode.rows["reward"][-1]
    assert all(episode.reward == 0.0 for episode in laps(3).episodes)


def test_watched_by_an_evaluation(tmp_path: Path) -> None:
    """What `evaluate` says of its laps is what its log says."""
    log = EpisodeLog()
    result = evaluate(PurePursuitPolicy(), load_track("easy_oval"), read_vehicle("deepracer"), laps=3, watch=log)
    for lap, episode in zip(result.laps, log.episodes, strict=True):
        assert episode.status.word == lap.status and episode.progress == lap.progress
        # The log counts control steps; the time of a lap ends on the line, within the last of them.
        assert lap.time_s is None or 0.0 <= episode.ended_s - episode.began_s - lap.time_s + 1e-9 <= 1 / 15 + 2e-9
    _, written = write_evaluation(tmp_path, log)
    assert len(json.loads(written.read_text())["metrics"]) == 3
