"""Races in a process of its own, which ends where an entrant's model takes too long.

The process writes down who is asked, since when, and how long each one has taken so far; this one looks on. What counts
is the wall time of the models alone: compiling the simulator or a busy disk puts nobody out. A race that is broken off
is void, and the line says whose model it was.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.assets import write_atomically
from racer.config.rules import Rules
from racer.config.vehicle import VehicleConfig
from racer.errors import RacerError
from racer.policy.protocol import Policy
from racer.race.result import RaceResult
from racer.race.result_read import result_of
from racer.race.track_text import text_of_track, track_of_text
from racer.reward.check_process import limit_memory
from racer.track.track import Track

MODEL_S = 600.0
"""s of wall time that one entrant's model may take in a race, all of its trials together."""
_LOOK_S = 0.05
"""s between two looks at the other process."""
_START = "import sys; sys.path.append({root!r}); from racer.race.guard import serve; serve({folder!r})"
_DRIVE = "racer.race.guard:drive"


class RaceVoid(RacerError):
    """A race was broken off; nobody has a result."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A bundle that races, and what its owner wants to be called."""

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
    drive: str = _DRIVE,
) -> RaceResult:
    """`racer.race.race.race` in another process.

    Args:
        replay: where to write the first trial to; None: nowhere.
        model_s: s of wall time for each entrant's model.
        drive: `module:function` that runs the race there.

    Raises:
        RaceVoid: a model took too long, or the process died while it was asked.
        RacerError: what the race itself says.
    """
    request = {
        "entries": [{"path": str(one.path.resolve()), "label": one.label} for one in entries],
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
        ended = _run(folder, watch, labels, model_s)
        if ended:
            raise RaceVoid(ended)
        answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    if "error" in answer:
        raise RacerError(str(answer["error"]))
    return result_of(answer["result"])


def _run(folder: Path, watch: Stopwatch, labels: Sequence[str], model_s: float) -> str:
    """Wait for the process; why the race is void, or nothing."""
    # -P: a folder of the user's may hold a `math.py`.
    command = [
        sys.executable,
        "-P",
        "-c",
        _START.format(root=str(Path(__file__).resolve().parents[2]), folder=str(folder)),
    ]
    with (folder / "stderr.txt").open("wb") as complaints:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=complaints)
    try:
        while True:
            try:
                code = process.wait(_LOOK_S)
                break
            except subprocess.TimeoutExpired:
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
    if code == 0 and (folder / "answer.json").is_file():
        return ""
    said = (folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    last = f" ({said[-1][:200]})" if said else ""
    asked = [label for label, busy in zip(labels, watch.asked(), strict=True) if busy]
    whose = f" while the model of `{'`, `'.join(asked)}` was asked" if asked else " while no model was asked"
    return f"The race is void: its process ended with code {code}{whose}{last}"


class Stopwatch:
    """Who is asked and how long everybody took, in a small file that two processes share.

    Rows are (since, total), s: `since` is 0 while the model is not asked. `time.monotonic` is one clock for all
    processes of a machine.
    """

    def __init__(self, path: Path, count: int) -> None:
        """Map the file; a new one is all zeros."""
        if not path.is_file():
            path.write_bytes(bytes(16 * count))
        self._rows: NDArray[np.float64] = np.memmap(path, np.float64, "r+", shape=(count, 2))

    def taken(self) -> NDArray[np.float64]:
        """(K,) s that each model took so far, with what goes on now."""
        since, total = self._rows[:, 0].copy(), self._rows[:, 1].copy()
        return np.where(since > 0.0, total + np.maximum(time.monotonic() - since, 0.0), total)

    def asked(self) -> NDArray[np.bool_]:
        """(K,) whether each model is asked now."""
        return self._rows[:, 0] > 0.0

    def start(self, k: int) -> None:
        """Model `k` is asked from now on."""
        self._rows[k, 0] = time.monotonic()

    def stop(self, k: int) -> None:
        """It has answered."""
        row = self._rows[k]
        row[1] += time.monotonic() - row[0]
        row[0] = 0.0


class Timed:
    """A policy whose time is taken; otherwise the same."""

    def __init__(self, policy: Policy, watch: Stopwatch, k: int) -> None:
        self._policy, self._watch, self._k = policy, watch, k
        self.name, self.sensors, self.control_rate_hz = policy.name, policy.sensors, policy.control_rate_hz
        self.contract = getattr(policy, "contract", None)

    def act(self, observation: Mapping[str, NDArray], /) -> NDArray[np.float32]:
        """Ask it."""
        self._watch.start(self._k)
        actions = self._policy.act(observation)
        self._watch.stop(self._k)
        return actions

    def reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Let it forget."""
        self._policy.reset(mask)


def serve(folder: str) -> None:
    """The other process: run the race and leave the answer."""
    place = Path(folder)
    request = json.loads((place / "request.json").read_text(encoding="utf-8"))
    limit_memory()
    module, _, name = request["drive"].partition(":")
    try:
        watch = Stopwatch(place / "times", len(request["entries"]))
        answer = {"result": getattr(importlib.import_module(module), name)(request, watch).record()}
    except RacerError as error:
        answer = {"error": str(error)}
    write_atomically(place / "answer.json", json.dumps(answer))


def drive(request: Mapping[str, Any], watch: Stopwatch) -> RaceResult:
    """Open the entrants and race them."""
    from dataclasses import replace

    import onnxruntime  # noqa: F401 (loading it is nobody's fault)

    from racer.race.entrants import open_entrant
    from racer.race.race import race, recorder_of
    from racer.replay import write_replay

    entrants = []
    for k, one in enumerate(request["entries"]):
        watch.start(k)
        opened = open_entrant(one["path"], one["label"])
        watch.stop(k)
        entrants.append(replace(opened, policy=Timed(opened.policy, watch, k)))
    recorders = []

    def recorder(contest: Any) -> Any:
        recorders.append(recorder_of(contest))
        return recorders[0]

    result = race(
        entrants,
        track_of_text(request["track"]),
        Rules.model_validate_json(request["rules"]),
        seed=request["seed"],
        vehicle=VehicleConfig.model_validate_json(request["vehicle"]),
        rules_name=request["rules_name"],
        recorder=recorder if request["replay"] else None,
        threads=request["threads"],
    )
    if recorders:
        write_replay(request["replay"], recorders[0].replay())
        result = replace(result, replay=Path(request["replay"]))
    return result
