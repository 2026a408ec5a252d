"""Runs a race in a separate process, and ends it where an entrant's model takes too long.

The process writes the wall time of each model into a small file that both processes map; this one watches it. Only the
time of the models counts: compiling the simulator or a busy disk costs no entrant anything. A race that is ended early
is void, and the message names the model that was running. `guarded_child.py` is the other process.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from racer.config.env import VehicleConfig
from racer.config.rules import Rules
from racer.errors import RacerError
from racer.policy.protocol import Policy
from racer.process import ChildProcess
from racer.race.result import RaceResult, result_from_record
from racer.race.track_json import track_to_json
from racer.track.track import Track


class Stopwatch:
    """Wall time of each model, and the fraction of the race that is driven, in a file that two processes map.

    A model's row holds the start of its current call and the sum of the earlier calls [s]; the start is 0 between
    calls. The last row holds 1 from the first control step on, and the fraction. `time.monotonic` is one clock for all
    processes of a machine.
    """

    def __init__(self, path: Path, count: int) -> None:
        """Map the file for `count` models; a new one is all zeros."""
        if not path.is_file():
            path.write_bytes(bytes(16 * (count + 1)))
        rows: NDArray[np.float64] = np.memmap(path, np.float64, "r+", shape=(count + 1, 2))
        self._rows, self._race = rows[:-1], rows[-1]

    def taken(self) -> NDArray[np.float64]:
        """Return the time of each model so far, with its current call [s], shape (K,)."""
        since, total = self._rows[:, 0].copy(), self._rows[:, 1].copy()
        return np.where(since > 0.0, total + np.maximum(time.monotonic() - since, 0.0), total)

    def busy(self) -> NDArray[np.bool_]:
        """Return whether each model is in a call now, shape (K,)."""
        return self._rows[:, 0] > 0.0

    def start(self, k: int) -> None:
        """Start a call of model `k`."""
        self._rows[k, 0] = time.monotonic()

    def stop(self, k: int) -> None:
        """End the call of model `k`."""
        row = self._rows[k]
        row[1] += time.monotonic() - row[0]
        row[0] = 0.0

    def clear(self) -> None:
        """Set the times of all models to zero, for a race that starts again."""
        self._rows[:] = 0.0

    @property
    def fraction(self) -> float | None:
        """Fraction of the race that is driven; None before its first control step."""
        return float(self._race[1]) if self._race[0] else None

    def report(self, fraction: float) -> None:
        """Write the fraction of the race that is driven."""
        # The fraction first: a reader that finds the mark finds a value too.
        self._race[1], self._race[0] = fraction, 1.0


class TimedPolicy:
    """A policy whose calls a stopwatch measures."""

    def __init__(self, policy: Policy, watch: Stopwatch, k: int) -> None:
        self._policy, self._watch, self._k = policy, watch, k
        self.name, self.sensors, self.control_rate_hz = policy.name, policy.sensors, policy.control_rate_hz
        self.contract = getattr(policy, "contract", None)

    def act(self, observation: Mapping[str, NDArray], /) -> NDArray[np.float32]:
        """Return the policy's actions, as `Policy.act`."""
        self._watch.start(self._k)
        actions = self._policy.act(observation)
        self._watch.stop(self._k)
        return actions

    def reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Reset the policy, as `Policy.reset`."""
        self._policy.reset(mask)


MODEL_TIME_MAX_S = 600.0
"""Wall time of one entrant's model in a race, over all of its trials [s]."""
_POLL_S = 0.05
"""Time between two checks of the other process [s]."""
_CHILD_TARGET = "racer.race.guarded_child:serve"
HEADLESS_DRIVER = "racer.race.guarded_child:drive"
"""Function that drives the race there without a window."""

ProgressCallback = Callable[[float | None], None]
"""Called with the fraction of a race that is driven; None before its first control step."""


class RaceVoid(RacerError):
    """A race ended without a result."""


@dataclass(frozen=True, kw_only=True)
class RaceEntry:
    """An entrant before its file is opened.

    Attributes:
        path: Path of a bundle or a run folder; or the name of a policy that needs no training.
        label: Name in results.
    """

    path: Path
    label: str


def run_guarded_race(
    entries: Sequence[RaceEntry],
    track: Track,
    rules: Rules,
    *,
    vehicle: VehicleConfig,
    seed: int,
    rules_name: str = "",
    replay: Path | None = None,
    model_s: float = MODEL_TIME_MAX_S,
    threads: int | None = 1,
    report: ProgressCallback = lambda fraction: None,
    drive: str = HEADLESS_DRIVER,
) -> RaceResult:
    """Run a race, as `racer.race.session.race` does, in another process.

    Args:
        entries: Entrants; their order decides the grid and nothing else.
        track: Driven in the direction of its file.
        rules: Rules of the race.
        vehicle: Vehicle of all entrants.
        seed: Seed of everything that is drawn.
        rules_name: Name of the rules in results.
        replay: File for the replay of the first trial; None writes none.
        model_s: Wall time of each entrant's model [s].
        threads: Threads that share worlds and policies; None for one for each core.
        report: Called every 0.05 s.
        drive: `module:function` that runs the race there.

    Returns:
        The result of all entrants.

    Raises:
        RaceVoid: A model took too long, or the process died.
        RacerError: The race itself failed.
    """
    request = {
        "entries": [(str(entry.path), entry.label) for entry in entries],
        "track": track_to_json(track),
        "rules": rules.model_dump_json(),
        "vehicle": vehicle.model_dump_json(),
        "seed": seed,
        "rules_name": rules_name,
        "replay": None if replay is None else str(replay.resolve()),
        "threads": threads,
        "drive": drive,
    }
    with tempfile.TemporaryDirectory(prefix="racer_race_") as name:
        folder = Path(name)
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        watch = Stopwatch(folder / "times", len(entries))
        _wait_for_child(folder, watch, [entry.label for entry in entries], model_s, report)
        return _read_answer(folder)


def _read_answer(folder: Path) -> RaceResult:
    """Return the result that the other process wrote, or raise the error that it met."""
    answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    if "missing" in answer:
        raise ModuleNotFoundError(f"No module named {answer['missing']!r}", name=answer["missing"])
    if "error" in answer:
        raise RacerError(str(answer["error"]))
    return result_from_record(answer["result"])


def _wait_for_child(
    folder: Path, watch: Stopwatch, labels: Sequence[str], model_s: float, report: ProgressCallback
) -> None:
    """Run the process until it has written its answer.

    Raises:
        RaceVoid: A model took too long, or the process died.
    """
    # The child ends with this process, also where this process is killed.
    with ChildProcess(_CHILD_TARGET, str(folder), ends_with_parent=True) as child:
        # Leaving the block ends the child, also where it is left by an error.
        while (code := child.wait(_POLL_S)) is None:
            report(watch.fraction)
            # A model that hangs is found too, as a running call counts up to now.
            taken = watch.taken()
            slowest = int(np.argmax(taken))
            if taken[slowest] > model_s:
                took = f"the model of `{labels[slowest]}` took {taken[slowest]:.1f} s of wall time"
                raise RaceVoid(f"The race is void: {took}, an entrant has {model_s:g} s")
    if code == 0 and (folder / "answer.json").is_file():
        return
    last = f" ({child.last_error()[:200]})" if child.last_error() else ""
    busy = [label for label, in_call in zip(labels, watch.busy(), strict=True) if in_call]
    when = f"the model of `{'`, `'.join(busy)}` was running" if busy else "no model was running"
    raise RaceVoid(f"The race is void: its process ended with code {code} while {when}{last}")
