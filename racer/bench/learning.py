"""Measures learning end to end: `racer train` in a new process with an empty kernel cache, then an evaluation.

The time is that of the whole command, from the start of the process to its end, imports and compiling included. The
evaluation drives from other starts than those of the training.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from racer.errors import RacerError
from racer.process import python_command
from racer.runs import RunFolder
from racer.track.load import load_track

LAPS = 5


def bench_learn(
    track: str,
    *,
    config: str = "default",
    reward: str | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    laps: int = LAPS,
) -> Iterator[dict[str, Any]]:
    """Train once for each seed.

    Args:
        track: Name or file.
        config: Name or file of a training configuration.
        reward: Name or file; None for the configuration's.
        seeds: Seeds of the trainings.
        laps: Laps of each evaluation.

    Yields:
        A row with `track`, `config` and `seed`; `train_s`, the wall time of `racer train` [s]; `first_clean_s`, the
        time of training until its first evaluation without a fault [s]; `laps_completed` of `laps` in the evaluation
        afterwards; `best_lap_s`; `mean_speed_m_s`, the length of the centre line over the best lap time; `peak_mb`,
        the peak memory of the training [MB].

    Raises:
        RacerError: A training failed.
    """
    length = load_track(track).length
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            arguments = ["train", "--track", track, "--config", config, "--seed", str(seed), "--run-dir", str(run)]
            if reward is not None:
                arguments += ["--reward", reward]
            started_s = time.perf_counter()
            # A new cache folder for each seed: compiling is a part of what a user waits for.
            peak_mb = _racer(arguments, cache=Path(folder) / "cache")
            train_s = time.perf_counter() - started_s
            report = Path(folder) / "laps.json"
            _racer(["evaluate", str(run), "--laps", str(laps), "--json"], cache=Path(folder) / "cache", output=report)
            result = json.loads(report.read_text(encoding="utf-8"))
            best = result["best_lap_s"]
            yield {
                "track": result["track"],
                "config": config,
                "seed": seed,
                "train_s": round(train_s, 1),
                "first_clean_s": _first_clean(run),
                "laps_completed": sum(lap["completed"] for lap in result["laps"]),
                "laps": laps,
                "best_lap_s": best,
                "mean_speed_m_s": None if best is None else round(length / best, 2),
                "peak_mb": peak_mb,
            }


def _racer(arguments: Sequence[str], *, cache: Path, output: Path | None = None) -> float | None:
    """Run `racer` in a new process; return its peak memory [MB], None where the system does not report it."""
    environment = os.environ | {"RACER_CACHE_DIR": str(cache)}
    command = python_command("racer", *arguments)
    errors = cache.parent / "errors.txt"
    with (output or Path(os.devnull)).open("w") as out, errors.open("w") as err:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=err)
        # `wait4` reports the peak of this child alone, `getrusage` that of the largest child so far.
        if hasattr(os, "wait4"):
            _, status, usage = os.wait4(process.pid, 0)
            code, peak = os.waitstatus_to_exitcode(status), round(usage.ru_maxrss / 1e3, 1)
        else:
            code, peak = process.wait(), None
    # Reaped by `wait4` already; without this `Popen` warns of a child that still runs.
    process.returncode = code
    if code != 0:
        lines = errors.read_text(encoding="utf-8").strip().splitlines()
        raise RacerError(f"racer {arguments[0]} ended with {code}: {lines[-1] if lines else 'no message'}")
    return peak


def _first_clean(run: Path) -> float | None:
    """Return the training time [s] at the first evaluation in which every lap was completed."""
    evaluations = (row for row in RunFolder(run).metrics() if row["kind"] == "evaluation")
    return next((float(row["elapsed_s"]) for row in evaluations if row["completion_rate"] == 1.0), None)
