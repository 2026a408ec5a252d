"""Run folders made by hand, so that what reads runs is tested without a training."""

import json
from pathlib import Path

from racer.assets import write_atomically
from racer.track.course import write_course
from support.bundles import CONTINUOUS, write_linear
from support.paths import ROOT
from support.tracks import ring

REWARD = 'def reward_function(params):\n    """More is better."""\n    return params["speed"] + 0.5  # per step\n'


def update(steps: int, **changes) -> dict:
    """A line of metrics.jsonl after an update."""
    row = {"kind": "update", "steps": steps, "elapsed_s": steps / 1000, "steps_per_s": 1000.0, "episodes": 8}
    row |= {"mean_progress": min(100.0, steps / 50), "mean_reward": steps / 25, "mean_steps": 60.0}
    row |= {"best_lap_s": 9.0 - steps / 2000, "ends": {"off_track": 5, "lap_complete": 3}}
    return row | changes


def evaluation(steps: int, track: str = "ring", *, best: bool = True, times=(7.5, 8.0, None)) -> dict:
    """A line of metrics.jsonl after an evaluation; a lap without a time left the road."""
    laps = [
        {
            "completed": time is not None,
            "time_s": time,
            "progress": 40.0 if time is None else 100.0,
            "status": "off_track" if time is None else "lap_complete",
        }
        for time in times
    ]
    return {"kind": "evaluation", "steps": steps, "elapsed_s": steps / 1000, "track": track, "policy": "last"} | {
        "seed": 20_000,
        "laps": laps,
        "best": best,
    }


def make_run(path: Path, *, tracks=None, rows=None, space=CONTINUOUS, reward: str = REWARD, **info) -> Path:
    """A finished run of two updates and one evaluation for each track; `info` changes run.json."""
    tracks = [ring()] if tracks is None else tracks
    (path / "tracks").mkdir(parents=True)
    for k, track in enumerate(tracks):
        write_course(track, path / "tracks" / f"{k}.yaml")
    if rows is None:
        rows = [update(2000), update(4000), *(evaluation(4000, track.name) for track in tracks)]
    write_atomically(path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    write_atomically(path / "reward.py", reward)
    write_atomically(path / "config.yaml", "track: [ring]\nseed: 3\n")
    vehicle = ROOT / "configs" / "vehicle" / "deepracer.yaml"
    write_atomically(path / "vehicle.yaml", vehicle.read_text())
    write_linear(path / "best.bundle", space)
    told = {
        "racer": "0.1.0",
        "command": ["train", "--track", "ring"],
        "started": "2026-01-02T03:04:05+00:00",
        "reward": {"name": "mine", "file": "mine.py"},
        "tracks": [{"name": track.name, "file": f"{k}.yaml"} for k, track in enumerate(tracks)],
        "finished": True,
        "steps": 4000,
        "elapsed_s": 4.0,
    }
    write_atomically(path / "run.json", json.dumps(told | info))
    return path
