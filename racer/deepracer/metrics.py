"""Reads and writes the metrics JSON of DeepRacer: one record for each episode.

Keys and rounding: github aws-deepracer-community/deepracer-simapp at 01f5f01, `markov/metrics/s3_metrics.py`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from racer.deepracer.trace import LoggedEpisode
from racer.errors import RunError
from racer.sim.dtypes import EpisodeStatus

_LABELS = {
    EpisodeStatus.PREPARE: "Prepare",
    EpisodeStatus.IN_PROGRESS: "In progress",
    EpisodeStatus.LAP_COMPLETE: "Lap complete",
    EpisodeStatus.OFF_TRACK: "Off track",
    EpisodeStatus.CRASHED: "Crashed",
    EpisodeStatus.IMMOBILIZED: "Immobilized",
    EpisodeStatus.REVERSED: "Reversed",
    EpisodeStatus.TIME_UP: "Time Up",
}
_COUNTS = {
    "crash_count": EpisodeStatus.CRASHED,
    "immobilized_count": EpisodeStatus.IMMOBILIZED,
    "off_track_count": EpisodeStatus.OFF_TRACK,
    "reversed_count": EpisodeStatus.REVERSED,
}
_VERSION = 2.0
Phase = Literal["training", "evaluation"]


def training_record(episode: LoggedEpisode, *, number: int, trial: int, phase: Phase) -> dict[str, Any]:
    """Return a record of `TrainingMetrics.json`.

    Args:
        episode: The episode.
        number: Number of this training episode, counted from 1.
        trial: Its number within the iteration, counted from 1.
        phase: Whether the episode was driven for training or for an evaluation.
    """
    # The keys are in DeepRacer's order, and its tools expect whole numbers.
    return {
        "reward_score": round(episode.reward),
        **_times(episode),
        "episode": number,
        "trial": trial,
        "phase": phase,
        "completion_percentage": int(episode.progress),
        "episode_status": _LABELS[episode.status],
    }


def evaluation_record(episode: LoggedEpisode, *, trial: int) -> dict[str, Any]:
    """Return a record of `EvaluationMetrics-<time>.json`; a trial ends with its first fault."""
    # DeepRacer counts the faults of an evaluation's lap, after which its car continues; here a fault ends the lap.
    counts = {key: int(episode.status is status) for key, status in _COUNTS.items()}
    return {
        "completion_percentage": int(episode.progress),
        **_times(episode),
        "episode_status": _LABELS[episode.status],
        **counts,
        "reset_count": sum(counts.values()),
        "trial": trial,
    }


def _times(episode: LoggedEpisode) -> dict[str, int]:
    """Return start, end and duration on the clock of the simulation [ms]."""
    return {
        "metric_time": round(1e3 * episode.ended_s),
        "start_time": round(1e3 * episode.began_s),
        "elapsed_time_in_milliseconds": round(1e3 * (episode.ended_s - episode.began_s)),
    }


def training_text(records: Sequence[dict[str, Any]]) -> str:
    """Return the content of `TrainingMetrics.json`."""
    return json.dumps({"metrics": list(records), "version": _VERSION, "best_model_metric": "progress"}) + "\n"


def evaluation_text(records: Sequence[dict[str, Any]]) -> str:
    """Return the content of `EvaluationMetrics-<time>.json`, which has no version."""
    return json.dumps({"metrics": list(records)}) + "\n"


def read_training_records(path: Path, *, episodes: int) -> list[dict[str, Any]]:
    """Return the records of the first `episodes` training episodes, which resumed logs begin with.

    Raises:
        RunError: The file was not written by racer.
    """
    if not path.exists() or episodes == 0:
        return []
    try:
        # Records of later episodes belong to steps that the resumed training drives again.
        records = json.loads(path.read_text(encoding="utf-8"))["metrics"]
        return [record for record in records if record["episode"] <= episodes]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be continued ({error}); move its folder away to begin new logs") from None
