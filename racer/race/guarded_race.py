"""How long each entrant's model takes, and how far a race is, in a small file that two processes share.

Races in a process of its own, which ends where an entrant's model takes too long.

The process writes down who is asked, since when, and how long each one has taken so far; this one looks on. What counts
is the wall time of the models alone: compiling the simulator or a busy disk puts nobody out. A race that is broken off
is void, and the line says whose model it was.
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
    """Who is asked and how long everybody took, and which share of the race is driven.

    Rows are (since, total), s: `since` is 0 while the model is not asked; a last one is (1 from the start on, share).
    `time.monotonic` is one clock for all processes of a machine.
    """

    def __init__(self, path: Path, count: int) -> None:
        """Map the file for `count` models; a new one is all zeros."""
        if not path.is_file():
            path.write_bytes(bytes(16 * (count + 1)))
        rows: NDArray[np.float64] = np.memmap(path, np.float64, "r+", shape=(count + 1, 2))
        self._rows, self._race = rows[:-1], rows[-1]

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

    def clear(self) -> None:
        """A race begins anew; nobody has taken any time yet."""
        self._rows[:] = 0.0

    @property
    def share(self) -> float | None:
        """Of the race that is driven; None before its first control step."""
        return float(self._race[1]) if self._race[0] else None

    def tell(self, share: float) -> None:
        """So much of the race is driven."""
        self._race[1], self._race[0] = share, 1.0


class TimedPolicy:
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


MODEL_TIME_MAX_S = 600.0
"""s of wall time that one entrant's model may take in a race, all of its trials together."""
_POLL_S = 0.05
"""s between two looks at the other process."""
_CHILD_TARGET = "racer.race.guarded_child:serve"
HEADLESS_DRIVER = "racer.race.guarded_child:drive"
"""What runs the race there, without anybody's eyes."""

ProgressCallback = Callable[[float | None], None]
"""Told again and again which share of a race is driven; None while it has not begun."""


class RaceVoid(RacerError):
    """A race was broken off; nobody has a result."""


@dataclass(frozen=True, kw_only=True)
class RaceEntry:
    """Who races, and what the owner wants to be called.

    Attributes:
        path: of a bundle or a run folder; or the name of a policy that needs no training.
        label: what results call it.
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
    report: ProgressCallback = lambda share: None,
    drive: str = HEADLESS_DRIVER,
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
        "track": track_to_json(track),
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
        ended = _wait_for_child(folder, watch, labels, model_s, report)
        if ended:
            raise RaceVoid(ended)
        answer = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
    if "missing" in answer:
        raise ModuleNotFoundError(f"No module named {answer['missing']!r}", name=answer["missing"])
    if "error" in answer:
        raise RacerError(str(answer["error"]))
    return result_from_record(answer["result"])


def _wait_for_child(
    folder: Path, watch: Stopwatch, labels: Sequence[str], model_s: float, report: ProgressCallback
) -> str:
    """Wait for the process; why the race is void, or nothing."""
    # It ends with this process, also where this process is killed.
    with ChildProcess(_CHILD_TARGET, str(folder), ends_with_parent=True) as child:
        while (code := child.wait(_POLL_S)) is None:
            report(watch.share)
            taken = watch.taken()
            slowest = int(np.argmax(taken))
            if taken[slowest] > model_s:
                return (
                    f"The race is void: the model of `{labels[slowest]}` took {taken[slowest]:.1f} s of wall time, "
                    f"an entrant has {model_s:g} s"
                )
    if code == 0 and (folder / "answer.json").is_file():
        return ""
    last = f" ({child.last_error()[:200]})" if child.last_error() else ""
    asked = [label for label, busy in zip(labels, watch.asked(), strict=True) if busy]
    whose = f" while the model of `{'`, `'.join(asked)}` was asked" if asked else " while no model was asked"
    return f"The race is void: its process ended with code {code}{whose}{last}"
