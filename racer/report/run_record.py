"""Reads what a run folder says about its training; unfinished and interrupted runs are read as far as they go."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from racer.errors import RunError
from racer.evaluate import Evaluation, Lap
from racer.runs import RunFolder, open_run


@dataclass(frozen=True, kw_only=True)
class UpdateRecord:
    """One update of the policy and the episodes that ended before it; None where nothing was recorded.

    Attributes:
        steps: Control steps of all cars so far.
        steps_per_s: Speed of the training [control steps per second].
        mean_progress: Mean progress of the episodes that ended [% of a lap].
        mean_reward: Mean of the rewards that each episode collected.
        mean_steps: Mean length of an episode [control steps].
        best_lap_s: Time of the shortest lap of the training so far [s].
        ends: Number of episodes that ended with each status.
    """

    steps: int
    steps_per_s: float | None = None
    mean_progress: float | None = None
    mean_reward: float | None = None
    mean_steps: float | None = None
    best_lap_s: float | None = None
    ends: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord:
    """One evaluation on one track; `best` is True where no earlier checkpoint was better."""

    steps: int
    best: bool
    result: Evaluation


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run as its folder describes it.

    Attributes:
        folder: The folder.
        info: Contents of `run.json`.
        updates: Updates by rising steps.
        evaluations: Evaluations by rising steps; each of several tracks has its own at the same steps.
        config: Text of `config.yaml`; empty where it is absent.
        reward: Text of `reward.py`; empty where it is absent.
        elapsed_s: Time of the training [s]; None where nothing was recorded.
    """

    folder: RunFolder
    info: Mapping[str, Any]
    updates: tuple[UpdateRecord, ...]
    evaluations: tuple[EvaluationRecord, ...]
    config: str
    reward: str
    elapsed_s: float | None

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.path.resolve().name

    @property
    def track_names(self) -> list[str]:
        """Names of the tracks of the training."""
        return [str(entry.get("name", "?")) for entry in _entries(self.info.get("tracks"))]

    @property
    def finished(self) -> bool:
        """Whether the training ended by itself: False while it runs, and after a stop."""
        return self.info.get("finished") is True

    @property
    def steps(self) -> int:
        """Control steps so far, of all cars together."""
        # run.json receives the steps at the end of a training; those of an interrupted one are in its rows only.
        recorded = [row.steps for row in self.updates] + [evaluation.steps for evaluation in self.evaluations]
        return max([int(_number(self.info.get("steps")) or 0), *recorded])

    @property
    def best(self) -> tuple[EvaluationRecord, ...]:
        """Evaluations that chose the best checkpoint, one for each track; empty before the first."""
        best = [evaluation for evaluation in self.evaluations if evaluation.best]
        return tuple(evaluation for evaluation in best if evaluation.steps == best[-1].steps)


def read_record(path: Path) -> RunRecord:
    """Read a run folder.

    Raises:
        RunError: The folder does not hold a run, or a file of it cannot be read.
    """
    folder = open_run(path)
    info = folder.info()
    if not isinstance(info, dict):
        raise RunError(f"{path} is not a run: run.json holds no object")
    tracks = info.get("tracks", [])
    if not isinstance(tracks, list) or len(_entries(tracks)) < len(tracks):
        raise RunError(f"{path} is not a run: the tracks in run.json cannot be read")
    try:
        rows = [row for row in folder.metrics() if isinstance(row, dict) and _number(row.get("steps")) is not None]
        config, reward = _text(folder.config), _text(folder.reward)
    except OSError as error:
        raise RunError(f"{error.filename or path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise RunError(f"{folder.path}: metrics.jsonl is not text") from None
    # Sorting is stable: rows of the same steps keep the order in which they were written.
    rows.sort(key=lambda row: float(row["steps"]))
    times = [time for row in [info, *rows] if (time := _number(row.get("elapsed_s"))) is not None]
    return RunRecord(
        folder=folder,
        info=info,
        updates=tuple(_update(row) for row in rows if row.get("kind") == "update"),
        evaluations=tuple(_evaluations(rows)),
        config=config,
        reward=reward,
        elapsed_s=max(times, default=None),
    )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _number(value: Any) -> float | None:
    """Return a value that is a finite number; None for any other."""
    # In Python True and False are integers.
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def _entries(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _update(row: Mapping[str, Any]) -> UpdateRecord:
    ends = row.get("ends")
    counts = {str(status): int(_number(n) or 0) for status, n in ends.items()} if isinstance(ends, dict) else {}
    means = {key: _number(row.get(key)) for key in ("mean_progress", "mean_reward", "mean_steps")}
    rates = {key: _number(row.get(key)) for key in ("steps_per_s", "best_lap_s")}
    return UpdateRecord(steps=int(row["steps"]), ends=counts, **means, **rates)


def _evaluations(rows: list[dict[str, Any]]) -> Iterator[EvaluationRecord]:
    for row in rows:
        laps = tuple(_lap(entry) for entry in _entries(row.get("laps")))
        if row.get("kind") == "evaluation" and laps:
            result = Evaluation(
                track=str(row.get("track", "?")),
                policy=str(row.get("policy", "")),
                seed=int(_number(row.get("seed")) or 0),
                laps=laps,
            )
            yield EvaluationRecord(steps=int(row["steps"]), best=row.get("best") is True, result=result)


def _lap(entry: Mapping[str, Any]) -> Lap:
    time, done = _number(entry.get("time_s")), entry.get("completed") is True
    return Lap(
        completed=done,
        time_s=time if done else None,
        progress=_number(entry.get("progress")) or 0.0,
        status=str(entry.get("status", "?")),
        start="flying" if entry.get("start") == "flying" else "standing",
    )
