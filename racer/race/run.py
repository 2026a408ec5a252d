"""Runs a race as a user describes it: resolves names, checks files, runs the race and keeps its result.

`run_race` is behind `racer race` and `racer leaderboard add`. The race runs in a guarded process, because an entrant's
bundle is a foreign file: this process finds it but does not load it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from racer.config.read import read_vehicle
from racer.config.rules import Rules, read_rules
from racer.config.train import DEFAULT_TRACK
from racer.errors import ConfigError
from racer.race import guarded_race
from racer.race.entrants import parse_entrants
from racer.race.leaderboard.store import Leaderboard
from racer.race.result import RaceResult
from racer.track.load import load_track
from racer.trained_policy import find_trained_policy


def run_race(
    rules: str,
    entrants: Sequence[str],
    *,
    track: str | None = None,
    vehicle: str = "deepracer",
    seed: int = 0,
    settings: Sequence[str] = (),
    leaderboard: Path | None = None,
    replay: Path | None = None,
    recording: Path | None = None,
    drive: str | None = None,
    model_s: float = guarded_race.MODEL_TIME_MAX_S,
    report: guarded_race.ProgressCallback = lambda fraction: None,
) -> tuple[RaceResult, Rules, int | None]:
    """Run a race in its own process, and keep its result on a leaderboard.

    Args:
        rules: Name or file of the rules.
        entrants: `label=file` or `file` each: bundles, run folders, or policies that need no training.
        track: Name or file of the track; None for the default.
        vehicle: Name or file of the vehicle of all.
        seed: Seed of everything that is drawn.
        settings: `key=value` each, on top of the rules.
        leaderboard: File of the leaderboard that keeps the result; None for none.
        replay: File for the replay of the first trial, which the result names; None for none.
        recording: File for that replay where `replay` is None, such as a temporary one for a film.
        drive: `module:function` that runs the race in its process; None for a race without a window.
        model_s: Wall time that each entrant's model may take [s].
        report: Called with the finished fraction of the race, 0..1, None before it begins.

    Returns:
        The result, the rules, and the number of the race on the leaderboard, None without a leaderboard.

    Raises:
        RaceVoid: A model took too long, or the race's process died.
        RacerError: A name cannot be found, a label cannot be used, or a file cannot be written.
    """
    chosen = read_rules(rules, settings=settings)
    entries = _find_entries(entrants, bundles_only=leaderboard is not None)
    # A race takes minutes: everything that may be wrong with its files is found before it.
    for path in filter(None, (replay, leaderboard)):
        check_writable(path)
    driven, car = load_track(track or DEFAULT_TRACK), read_vehicle(vehicle)
    board = None if leaderboard is None else Leaderboard(leaderboard)
    if board is not None and board.path.exists():
        board.races()  # a file that is not a leaderboard is refused before the race
    result = guarded_race.run_guarded_race(
        entries,
        driven,
        chosen,
        vehicle=car,
        seed=seed,
        rules_name=" ".join([Path(rules).stem, *settings]),
        replay=replay or recording,
        model_s=model_s,
        threads=None,
        report=report,
        drive=drive or guarded_race.HEADLESS_DRIVER,
    )
    result = replace(result, replay=replay)
    if board is None:
        return result, chosen, None
    bundles = [entry.path for entry in entries]
    return result, chosen, board.save(result, track=driven, rules=chosen, vehicle=car, bundles=bundles)


def _find_entries(entrants: Sequence[str], *, bundles_only: bool) -> list[guarded_race.RaceEntry]:
    """Find the file of each entrant, without opening it."""
    entries = []
    for label, spec in parse_entrants(entrants):
        file = find_trained_policy(spec).file
        if file is None and bundles_only:
            raise ConfigError(f"`{spec}` is not a bundle; a leaderboard keeps races between bundles")
        entries.append(guarded_race.RaceEntry(path=file or Path(spec), label=label))
    return entries


def check_writable(path: Path) -> None:
    """Check before a long race that a file can be written after it.

    Raises:
        ConfigError: It is a folder, or its own folder is not writable.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file in it")
    folder = path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{path} cannot be written: {folder} is not a folder that you may write in")
