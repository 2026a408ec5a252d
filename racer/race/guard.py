"""Races in a process of its own, which ends where an entrant's model takes too long.

The process writes down who is asked, since when, and how long each one has taken so far; this one looks on. What counts
is the wall time of the models alone: compiling the simulator or a busy disk puts nobody out. A race that is broken off
is void, and the line says whose model it was.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from racer.config.rules import Rules
from racer.config.vehicle import VehicleConfig
from racer.errors import RacerError
from racer.race.result import RaceResult
from racer.race.result_read import result_of
from racer.race.stopwatch import Stopwatch
from racer.race.track_text import text_of_track
from racer.track.track import Track

MODEL_S = 600.0
"""s of wall time that one entrant's model may take in a race, all of its trials together."""
_LOOK_S = 0.05
"""s between two looks at the other process."""
_START = "import sys; sys.path.append({root!r}); from racer.race.guarded import serve; serve({folder!r})"
DRIVE = "racer.race.guarded:drive"
"""What runs the race there, without anybody's eyes."""

Report = Callable[[float | None], None]
"""Told again and again which share of a race is driven; None while it has not begun."""


class RaceVoid(RacerError):
    """A race was broken off; nobody has a result."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Who races, and what the owner wants to be called.

    Attributes:
        path: of a bundle or a run folder; or the name of a policy that needs no training.
        label: what results call it.
    """

    path: Path
    label: str


def race_apart(
    entries: Sequence[Entry],
    track: Track,
    rules: Rules,
    *,
    vehicle: VehicleConfig,
    seed: int,
    rules_name: str = "",
    replay: Path | None = None,
    model_s: float = MODEL_S,
    threads: int | None = 1,
    report: Report = lambda share: None,
    drive: str = DRIVE,
) -> RaceResult:
    """`racer.race.race.race` in another process.

    Args:
        replay: where to write the first trial to; None: nowhere.
        model_s: s of wall time for each entrant's model.
        report: see `Report`.
        drive: `module:function` that runs the race there.

    Raises:
        RaceVoid: a model took too long, or the process died while it was asked.
        RacerError: what the race itself says.
    """
    request = {
        "entries": [{"path": str(one.path), "label": one.label} for one in entries],
        "track": text_of_track(track),
        "rules": rules.model_dump_json(),
        "vehicle": vehicle.model_dump_json(),
        "seed": seed,
        "rules_name": rules_name,
        "replay": None if replay is None else str(replay.resolve()),
        "threads": threads,
        "drive": drive,
    }
    labels = [one.label for one in entries]
    with tempfile.TemporaryDirectory(prefix="racer_race_") as name:
        folder = Path(name)
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        watch = Stopwatch(folder / "times", len(entries))
        ended = _run(folder, watch, labels, model_s, report)
        if ended:
            raise RaceVoid(ended)
        answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    if "missing" in answer:
        raise ModuleNotFoundError(f"No module named {answer['missing']!r}", name=answer["missing"])
    if "error" in answer:
        raise RacerError(str(answer["error"]))
    return result_of(answer["result"])


def _run(folder: Path, watch: Stopwatch, labels: Sequence[str], model_s: float, report: Report) -> str:
    """Wait for the process; why the race is void, or nothing."""
    # -P: a folder of the user's may hold a `math.py`.
    command = [
        sys.executable,
        "-P",
        "-c",
        _START.format(root=str(Path(__file__).resolve().parents[2]), folder=str(folder)),
    ]
    with (folder / "stderr.txt").open("wb") as complaints:
        # It ends itself when the pipe to it closes: also where this process is killed.
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=complaints)
    try:
        while True:
            try:
                code = process.wait(_LOOK_S)
                break
            except subprocess.TimeoutExpired:
                report(watch.share)
                taken = watch.taken()
                slowest = int(np.argmax(taken))
                if taken[slowest] > model_s:
                    return (
                        f"The race is void: the model of `{labels[slowest]}` took {taken[slowest]:.1f} s of wall time, "
                        f"an entrant has {model_s:g} s"
                    )
    finally:
        process.kill()
        process.wait()
        if process.stdin is not None:
            process.stdin.close()
    if code == 0 and (folder / "answer.json").is_file():
        return ""
    said = (folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = f" ({said[-1][:200]})" if said else ""
    asked = [label for label, busy in zip(labels, watch.asked(), strict=True) if busy]
    whose = f" while the model of `{'`, `'.join(asked)}` was asked" if asked else " while no model was asked"
    return f"The race is void: its process ended with code {code}{whose}{last}"
