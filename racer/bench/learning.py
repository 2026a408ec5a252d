"""Measures learning as a user meets it: `racer train` in a new process with a cold kernel cache, then an evaluation.

What is timed is the whole command, from the start of the process to its end, imports and compiling included. The
run then has to drive clean laps from starts that the training did not evaluate on.
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
    """Train once for each seed; yields a row for each.

    Args:
        track: name or file.
        config: name or file of a training configuration.
        reward: name or file; None for the configuration's.

    Yields:
        track, config, seed; `train_s`, wall time of `racer train`; `laps_completed` of `laps` in the evaluation
        after it; `best_lap_s`; `mean_speed_m_s`, length of the centre line over the best lap; `first_clean_s`,
        wall time from the start of the training loop to its first evaluation without a fault; `peak_mb` of memory.

    Raises:
        RacerError: a training failed.
    """
    length = load_track(track).length
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            arguments = ["train", "--track", track, "--config", config, "--seed", str(seed), "--run-dir", str(run)]
            if reward is not None:
                arguments += ["--reward", reward]
            began = time.perf_counter()
            peak_mb = _racer(arguments, cache=Path(folder) / "cache")
            train_s = time.perf_counter() - began
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
        if hasattr(os, "wait4"):
            _, status, usage = os.wait4(process.pid, 0)
            code, peak = os.waitstatus_to_exitcode(status), round(usage.ru_maxrss / 1e3, 1)
        else:
            code, peak = process.wait(), None
    process.returncode = code
    if code != 0:
        lines = errors.read_text(encoding="utf-8").strip().splitlines()
        raise RacerError(f"racer {arguments[0]} ended with {code}: {lines[-1] if lines else 'no message'}")
    return peak


def _first_clean(run: Path) -> float | None:
    """Return the training time [s] at the first evaluation in which every lap was completed."""
    for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["kind"] == "evaluation" and row["completion_rate"] == 1.0:
            return float(row["elapsed_s"])
    return None
