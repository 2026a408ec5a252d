"""Runs a race to its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from racer.config.read import read_vehicle
from racer.config.rules import Rules
from racer.config.vehicle import VehicleConfig
from racer.race.contest import Contest
from racer.race.entrant import Entrant
from racer.race.result import RaceResult
from racer.replay import Replay
from racer.replay_recorder import Recorder
from racer.track.track import Track

__all__ = ["Entrant", "race", "recorder_of", "run"]


def race(
    entrants: Sequence[Entrant],
    track: Track,
    rules: Rules,
    *,
    seed: int,
    vehicle: VehicleConfig | None = None,
    rules_name: str = "",
    grid: Sequence[int] | None = None,
    recorder: Callable[[Contest], Recorder] | None = None,
    threads: int | None = 1,
    watch: Callable[[Contest], None] | None = None,
) -> RaceResult:
    """Run a race. The same race with the same seed gives the same result, bit for bit, on one machine.

    Args:
        entrants: who races; their order decides the grid and nothing else.
        track: driven in the direction of its file.
        seed: of all that happens by chance.
        vehicle: of all; None for `deepracer`.
        rules_name: what results call the rules.
        grid: the slot of each entrant in a head-to-head; None: in their order.
        recorder: makes the recorder of the first trial, see `recorder_of`; None: nothing is kept.
        threads: see `Contest`.
        watch: called after each control step.

    Raises:
        ConfigError: entrants, track and rules do not go together.
        BundleError: an entrant needs a sensor that the simulator cannot give.
    """
    contest = Contest(
        entrants,
        track,
        rules,
        read_vehicle("deepracer") if vehicle is None else vehicle,
        seed=seed,
        rules_name=rules_name,
        grid=grid,
        threads=threads,
    )
    return run(contest, recorder, watch=watch)[0]


def run(
    contest: Contest,
    recorder: Callable[[Contest], Recorder] | None = None,
    *,
    watch: Callable[[Contest], None] | None = None,
) -> tuple[RaceResult, Replay | None]:
    """Run a contest to its end, and close it; the replay of its first trial where a recorder is made.

    Args:
        recorder: makes the recorder of the first trial, see `recorder_of`; None: nothing is kept.
        watch: called after each control step.
    """
    try:
        contest.start()
        kept = None if recorder is None else recorder(contest)
        if kept is not None:
            contest.tell_countdown(kept)
        while contest.step():
            if kept is not None:
                contest.record(kept)
            if watch is not None:
                watch(contest)
        return contest.result(), None if kept is None else kept.replay()
    finally:
        contest.close()


def recorder_of(contest: Contest) -> Recorder:
    """A recorder of the first trial of a race."""
    return Recorder(contest.cars, kind="race", seed=contest.seed, rules=contest.rules.model_dump(mode="json"))
