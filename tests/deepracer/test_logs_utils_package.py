"""The community's package deepracer-utils reads our logs unmodified."""

import json
from pathlib import Path
from typing import Any

import pytest

from racer.config.train import BudgetConfig, TrainConfig
from racer.deepracer.logs import TrainingLog, write_evaluation
from support.deepracer_drives import ACTIONS, drive, laps, make_trial

logs = pytest.importorskip(
    "deepracer.logs",
    reason="deepracer-utils is not installed; `pip install -e '.[dev]'` brings it",
    exc_type=ImportError,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs of a training of 20 worlds with one evaluation inside, and of an evaluation after it."""
    path = tmp_path_factory.mktemp("logs")
    trial = make_trial(24)
    wall = iter(1e9 + 0.001 * k for k in range(100_000))
    config = TrainConfig(action_space=ACTIONS, train=BudgetConfig(worlds=24))
    log = TrainingLog(path, config, waypoints=trial.waypoints, episodes=20, clock=wall.__next__)
    drive(trial, [log], steps=200)
    driven = laps(3, clock=wall.__next__)
    log.evaluated(driven)
    log.save()
    write_evaluation(path, driven, actions=ACTIONS, sensors=("state",))
    return path


@pytest.fixture
def training(folder: Path) -> Any:
    """The training's logs, loaded."""
    log = logs.DeepRacerLog(model_folder=str(folder))
    log.load()
    return log


def records(folder: Path, phase: str) -> list[dict[str, Any]]:
    """Our own metrics of a phase."""
    content = json.loads((folder / "metrics" / "TrainingMetrics.json").read_text())["metrics"]
    return [record for record in content if record["phase"] == phase]


def test_the_layout_is_known(training: Any) -> None:
    """The folder is taken for one of DeepRacer-for-Cloud with a single worker, and its settings are found."""
    assert training.fh.type.name == "DRFC_MODEL_SINGLE_WORKERS"
    assert training.action_space()[0] == {"steering_angle": -30.0, "speed": 1.0, "index": 0}
    assert training.hyperparameters()["num_episodes_between_training"] == 20
    assert training.agent_and_network()["sensor_list"] == ["state"]


def test_episodes_are_unique(training: Any) -> None:
    """The package's own numbering of episodes over all files equals ours, without a gap."""
    frame = training.dataframe()
    assert (frame["unique_episode"] == frame["episode"]).all()
    assert sorted(frame["episode"].unique()) == list(range(20 * (frame["iteration"].max() + 1)))
    assert frame["action"].between(0, len(ACTIONS.table) - 1).all()
    assert not frame.drop(columns=["pause_duration"]).isna().any().any()


def test_aggregates_agree_with_our_metrics(folder: Path, training: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Times, rewards, progress and completions as `simulation_agg` has them are those of our own metrics."""
    told = logs.AnalysisUtils.simulation_agg(training.dataframe(), secondgroup="unique_episode")
    ours = records(folder, "training")
    assert len(told) == len(ours) >= 40
    for row, record in zip(told.itertuples(), ours, strict=True):
        assert row.time == pytest.approx(record["elapsed_time_in_milliseconds"] / 1e3, abs=1e-3)
        assert row.reward == pytest.approx(record["reward_score"], abs=0.51)
        assert int(row.progress) == record["completion_percentage"]
        assert row.complete == int(record["episode_status"] == "Lap complete")


def test_steps_are_steady(training: Any) -> None:
    """The stability analysis finds 1/15 s between steps, and the real-time factor: 1/15 s in 1 ms of wall time."""
    stable = training.stability.analyze()
    assert stable["avg_ms"].to_numpy() == pytest.approx(1e3 / 15.0, abs=1e-3)
    assert stable["max_ms"].to_numpy() == pytest.approx(1e3 / 15.0, abs=1e-2)
    assert (stable["rtf"] > 20.0).all()


def test_evaluation_trace(folder: Path) -> None:
    """The evaluation loads, with a lap for each trial and the faults counted."""
    log = logs.DeepRacerLog(model_folder=str(folder))
    log.load_evaluation_trace()
    told = logs.AnalysisUtils.simulation_agg(log.dataframe(), firstgroup="stream", is_eval=True)
    assert told["episode"].tolist() == [0, 1, 2]
    assert told["complete"].tolist() == [0, 1, 1] and told["off_track"].tolist() == [1, 0, 0]
    ours = json.loads(next((folder / "metrics").glob("EvaluationMetrics-*.json")).read_text())["metrics"]
    wanted = [record["elapsed_time_in_milliseconds"] / 1e3 for record in ours]
    assert told["time"].tolist() == pytest.approx(wanted, abs=1e-3)
    assert not log.stability.analyze().empty


def test_an_evaluation_alone(tmp_path: Path) -> None:
    """A folder with nothing but an evaluation loads too."""
    write_evaluation(tmp_path, laps(2), sensors=("state",))
    loaded = logs.DeepRacerLog(model_folder=str(tmp_path))
    loaded.load_evaluation_trace()
    assert loaded.dataframe()["episode"].nunique() == 2


def test_training_metrics(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The metrics load with iterations, completions and the evaluation where they belong."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    file = folder / "metrics" / "TrainingMetrics.json"
    told = logs.TrainingMetrics(None, fname=str(file), region="us-east-1")
    ours = records(folder, "training")
    training = told.getTraining()
    assert training["iteration"].tolist() == [k // 20 for k in range(len(ours))]
    assert training["completion"].tolist() == [record["completion_percentage"] for record in ours]
    evaluation = told.getEvaluation()
    assert evaluation["complete"].tolist() == [0, 1, 1]
    assert set(evaluation["iteration"]) == {training["iteration"].max()}
    assert len(told.getSummary()) == training["iteration"].max() + 1
