"""A race as a user describes it: checked before it starts, run in its own process, kept on a leaderboard.

`plan_race` resolves every name that `racer race` and `racer leaderboard add` take, once, and refuses what could only
fail after the race. `RacePlan.run` then runs the race in a guarded process, because an entrant's bundle is a foreign
file: here it is found but not loaded.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from racer.config.env import VehicleConfig
from racer.config.read import read_vehicle
from racer.config.rules import Rules, read_rules
from racer.config.train import DEFAULT_TRACK
from racer.errors import ConfigError
from racer.race import guarded_race
from racer.race.entrants import parse_entrants
from racer.race.guarded_race import MODEL_TIME_MAX_S, ProgressCallback, RaceEntry
from racer.race.leaderboard.store import Leaderboard
from racer.race.result import RaceResult
from racer.track.load import load_track
from racer.track.track import Track
from racer.trained_policy import find_trained_policy


@dataclass(frozen=True, kw_only=True)
class RacePlan:
    """A race that can start.

    Attributes:
        entries: The entrants, in the order of the grid.
        track: Track of the race.
        rules: Rules of the race.
        vehicle: Vehicle of all entrants.
        seed: Seed of all that happens by chance.
        rules_name: Name of the rules in results.
        leaderboard: Leaderboard that keeps the result; None for none.
        replay: Replay of the first trial that the user keeps; None for none.
        recording: Where the race writes the first trial: `replay`, or a temporary file for a film; None for nowhere.
    """

    entries: tuple[RaceEntry, ...]
    track: Track
    rules: Rules
    vehicle: VehicleConfig
    seed: int
    rules_name: str
    leaderboard: Leaderboard | None = None
    replay: Path | None = None
    recording: Path | None = None

    def run(
        self,
        *,
        drive: str | None = None,
        model_s: float = MODEL_TIME_MAX_S,
        report: ProgressCallback = lambda fraction: None,
    ) -> tuple[RaceResult, int | None]:
        """Run the race, and keep its result on the leaderboard.

        Args:
            drive: `module:function` that runs the race in its process; None for a race without a window.
            model_s: Wall time that each entrant's model may take [s].
            report: Called with the finished fraction of the race, 0..1, None before it begins.

        Returns:
            The result, and the number of the race on the leaderboard, None without a leaderboard.

        Raises:
            RaceVoid: a model took too long, or the race's process died.
        """
        result = guarded_race.run_guarded_race(
            self.entries,
            self.track,
            self.rules,
            vehicle=self.vehicle,
            seed=self.seed,
            rules_name=self.rules_name,
            replay=self.recording,
            model_s=model_s,
            threads=None,
            report=report,
            drive=drive or guarded_race.HEADLESS_DRIVER,
        )
        result = replace(result, replay=self.replay)
        if self.leaderboard is None:
            return result, None
        bundles = [entry.path for entry in self.entries]
        return result, self.leaderboard.save(
            result, track=self.track, rules=self.rules, vehicle=self.vehicle, bundles=bundles
        )


@contextmanager
def plan_race(
    rules: str,
    entrants: Sequence[str],
    *,
    track: str | None = None,
    vehicle: str = "deepracer",
    seed: int = 0,
    settings: Sequence[str] = (),
    leaderboard: Path | None = None,
    replay: Path | None = None,
    film: Path | None = None,
) -> Iterator[RacePlan]:
    """Resolve the names of a race, and check that its files can be written; a context that holds temporary files.

    Args:
        rules: Name or file of the rules.
        entrants: `label=file` or `file` each: bundles, run folders, or policies that need no training.
        track: Name or file of the track; None for the default.
        vehicle: Name or file of the vehicle of all.
        seed: Seed of all that happens by chance.
        settings: `key=value` each, on top of the rules.
        leaderboard: File of the leaderboard that keeps the result; None for none.
        replay: File for a replay of the first trial; None for none.
        film: File for a film that the caller makes of the first trial; None for none.

    Raises:
        RacerError: a name cannot be found, a label cannot be used, or a file cannot be written.
    """
    chosen = read_rules(rules, settings=settings)
    entries = []
    for label, spec in parse_entrants(entrants):
        trained = find_trained_policy(spec)
        if trained.file is None and leaderboard is not None:
            raise ConfigError(f"`{spec}` is not a bundle; a leaderboard keeps races between bundles")
        entries.append(RaceEntry(path=trained.file or Path(spec), label=label))
    for path in filter(None, (film, replay, leaderboard)):
        check_writable(path)
    with tempfile.TemporaryDirectory(prefix="racer_film_") as folder:
        yield RacePlan(
            entries=tuple(entries),
            track=load_track(track or DEFAULT_TRACK),
            rules=chosen,
            vehicle=read_vehicle(vehicle),
            seed=seed,
            rules_name=" ".join([Path(rules).stem, *settings]),
            leaderboard=None if leaderboard is None else open_leaderboard(leaderboard),
            replay=replay,
            recording=replay or (None if film is None else Path(folder) / "race.replay"),
        )


def open_leaderboard(file: Path) -> Leaderboard:
    """Open a leaderboard that a race may be added to, or that does not exist yet.

    Raises:
        LeaderboardError: the file is not a leaderboard.
    """
    board = Leaderboard(file)
    if file.exists():
        board.races()
    return board


def check_writable(path: Path) -> None:
    """Check before a long race that a file can be written after it.

    Raises:
        ConfigError: it is a folder, or lies where nothing may be written.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file in it")
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{path} cannot be written: {folder} is not a folder that you may write in")
