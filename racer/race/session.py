"""Runs a race: makes its heats from entrants and rules, records its first trial, and computes its result.

`race` runs a race to its end; `RaceSession` is the same race step by step, for the window and the guarded process.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.config.env import VehicleConfig
from racer.config.read import read_vehicle
from racer.config.rules import Rules
from racer.contract import PICTURES
from racer.env.batch import policy_env_config, shared_control_rate
from racer.errors import ConfigError
from racer.race.entrants import Entrant
from racer.race.grid import grid_slots
from racer.race.heat import EntrantCars, Heat
from racer.race.referee import TrialState
from racer.race.result import EntrantResult, RaceResult, RulesId, best_lap, rank_scores, score, total_time
from racer.replay import CarHeader, Replay
from racer.sim.dtypes import EpisodeStatus
from racer.sim.recorder import GatheredCars, ReplayRecorder
from racer.track.track import Track

CARS_TOGETHER_MAX = 8
"""Most cars of one world."""


class RaceSession:
    """A race that is driven step by step.

    Attributes:
        heats: Heats of the race; all are driven side by side.
        control_dt: Length of a control step [s].
        cars: Headers for a replay: the first trial's car of each entrant, in their order.
    """

    def __init__(
        self,
        entrants: Sequence[Entrant],
        track: Track,
        rules: Rules,
        vehicle: VehicleConfig,
        *,
        seed: int,
        rules_name: str = "",
        grid: Sequence[int] | None = None,
        threads: int | None = 1,
    ) -> None:
        """Make the heats; call `start` before the first step.

        Args:
            entrants: Drivers; their order decides the grid and nothing else.
            track: Driven in the direction of its file.
            rules: Rules of the race.
            vehicle: Vehicle of all entrants.
            seed: Seed of everything that is drawn.
            rules_name: Name of the rules in results.
            grid: Slot of each entrant in the first trial of a head-to-head; None for their order.
            threads: Threads that share worlds and policies; None for one for each core. Results do not depend on it.

        Raises:
            ConfigError: Entrants, track and rules do not fit together.
            BundleError: The simulator lacks a sensor of an entrant.
        """
        _check_session(entrants, track, rules, grid)
        self.entrants, self.track, self.rules, self.vehicle, self.seed = list(entrants), track, rules, vehicle, seed
        self._rules_name = rules_name
        # Threads pay off where frames are drawn and networks are large.
        cameras = any(sensor.name in PICTURES for entrant in entrants for sensor in entrant.policy.sensors)
        self._pool = ThreadPoolExecutor(threads, "racer-race") if cameras and threads != 1 else None
        rate = shared_control_rate([(entrant.label, entrant.policy) for entrant in entrants])
        self.control_dt = 1.0 / rate
        self._configs = [policy_env_config(entrant.policy, rate) for entrant in entrants]
        self._together = rules.race == "head_to_head"
        if self._together:
            self._slots = grid_slots(rules, len(entrants), seed=seed, grid=None if grid is None else np.array(grid))
            groups = [list(range(len(entrants)))]
        else:
            self._slots = np.zeros((rules.trials, len(entrants)), np.int64)
            # Entrants with equal sensors share a heat, so that one call observes the cars of all of them.
            groups = [
                [k for k, config in enumerate(self._configs) if config == shared]
                for shared in dict.fromkeys(self._configs)
            ]
        self.heats = [self._make_heat(group) for group in groups]
        places = {
            k: (heat, driver)
            for heat, group in zip(self.heats, groups, strict=True)
            for k, driver in zip(group, heat.drivers, strict=True)
        }
        # Groups are ordered by sensors; results and replays list the entrants in the order in which they were given.
        self._places = [places[k] for k in range(len(entrants))]
        self.cars = tuple(self._header(k) for k in range(len(entrants)))
        self._recorder: ReplayRecorder | None = None

    def _make_heat(self, group: list[int]) -> Heat:
        """Make the heat of the entrants of a group, given by their numbers."""
        trials = np.arange(self.rules.trials)
        drivers = [
            EntrantCars(
                entrant=self.entrants[k],
                worlds=trials if self._together else position * len(trials) + trials,
                cars=self._slots[:, k],
                config=self._configs[k],
            )
            for position, k in enumerate(group)
        ]
        return Heat(
            drivers,
            self.track,
            self.vehicle,
            self.rules,
            trials=trials if self._together else np.tile(trials, len(group)),
            cars=len(group) if self._together else 1,
            seed=self.seed,
            pool=self._pool,
        )

    def start(self) -> None:
        """Place all cars and start all trials."""
        for heat in self.heats:
            heat.start()

    def step(self) -> bool:
        """Drive a control step, recorded after `start_recording`; return False where all trials had ended before."""
        # Heats are independent; one that has ended waits for the others.
        running = [heat for heat in self.heats if not heat.referee.over]
        for heat in running:
            heat.step()
        if running and self._recorder is not None:
            self._record(self._recorder)
        return bool(running)

    @property
    def fraction(self) -> float:
        """Fraction of all laps of all trials that is driven; 1 where all trials have ended."""
        parts = [
            np.where(heat.referee.rows["state"] == TrialState.DONE, 1.0, heat.referee.progress() / self.rules.laps)
            for heat in self.heats
        ]
        return float(np.concatenate([part.ravel() for part in parts]).mean())

    def close(self) -> None:
        """End the threads."""
        for heat in self.heats:
            heat.world.close()
        if self._pool is not None:
            self._pool.shutdown()

    def start_recording(self) -> ReplayRecorder:
        """Record the first trial from now on, beginning with the countdown: cars at rest, and an event for each second.

        Call it after `start` and before the first step.
        """
        rules = self.rules.model_dump(mode="json")
        recorder = self._recorder = ReplayRecorder(self.cars, kind="race", seed=self.seed, rules=rules)
        steps, shown = round(self.rules.countdown_s / self.control_dt), 0
        for k in range(steps):
            self._record(recorder)
            # 3 s of countdown show "3" in its first second; the small term keeps 2.0000000001 from becoming 3.
            left = math.ceil((steps - k) * self.control_dt - 1e-9)
            if left != shown:
                recorder.add_event(str(left))
            shown = left
        self._record(recorder)
        recorder.add_event("go")
        return recorder

    def _record(self, recorder: ReplayRecorder) -> None:
        """Record the cars of the first trial."""
        spots = [(heat, *driver.spots[0]) for heat, driver in self._places]
        rows = np.array([heat.referee.rows[n, c] for heat, n, c in spots])
        cars = np.array([heat.world.cars[n, c] for heat, n, c in spots])
        # A car that waits off the road is shown where its fault was.
        cars["active"] = 1
        objects = [heat.world.objects[n] for heat, n, _ in (spots[:1] if self._together else spots)]
        # Heats may end at different times, so each car has its own clock.
        now = np.array([heat.referee.now for heat, _, _ in spots])
        ended = [heat.referee.ended[n][c] for heat, n, c in spots]
        finished = np.array([end is not None and end[0] == "finished" for end in ended])
        recorder(
            GatheredCars(
                cars=cars[None] if self._together else cars[:, None],
                objects=np.stack(objects),
                control_dt=self.control_dt,
                tracks=[self.track],
                vehicle=self.vehicle,
            ),
            rank=_live_ranks(spots, rows, finished),
            penalty=rows["penalty"],
            laps=rows["laps"],
            off_tracks=rows["off_tracks"],
            best=rows["best"],
            lap_time=np.where(rows["state"] == TrialState.DONE, 0.0, now - rows["lap_start"] + rows["added"]),
            progress=np.where(finished, 100.0, np.clip(cars["progress"], 0.0, 100.0)),
            status=np.where(finished, int(EpisodeStatus.LAP_COMPLETE), cars["status"]),
        )
        # Only messages of the first trial's car belong into its replay.
        for k, (heat, n, c) in enumerate(spots):
            for world, car, text in heat.referee.messages:
                if (world, car) == (n, c):
                    recorder.add_event(f"{self.entrants[k].label}: {text}", car=k)

    def result(self) -> RaceResult:
        """Return the result of the trials as far as they were driven."""
        entrants = [self._entrant_result(heat, driver) for heat, driver in self._places]
        ranks = rank_scores([entrant.score_s for entrant in entrants])
        return RaceResult(
            track=self.track.name,
            track_sha256=_track_sha256(self.track),
            rules=RulesId(name=self._rules_name, sha256=self.rules.sha256),
            seed=self.seed,
            race=self.rules.race,
            vehicle=self.vehicle.name,
            entrants=tuple(replace(entrant, rank=rank) for entrant, rank in zip(entrants, ranks, strict=True)),
            seconds=max(float(heat.referee.rows["seconds"].max()) for heat in self.heats),
        )

    def _entrant_result(self, heat: Heat, driver: EntrantCars) -> EntrantResult:
        """Return the result of an entrant, without its rank."""
        count = self.rules.laps * self.rules.trials
        rows = heat.referee.rows[driver.worlds, driver.cars]
        laps = tuple(lap for n, c in driver.spots for lap in heat.referee.laps[n][c])
        ends = [heat.referee.ended[n][c] for n, c in driver.spots]
        # The first trial that did not finish explains the entrant's status.
        status, reason = next((end for end in ends if end is not None and end[0] != "finished"), ("finished", ""))
        return EntrantResult(
            label=driver.entrant.label,
            sha256=driver.entrant.sha256,
            rank=None,
            score_s=score(laps, self.rules.ranking, count),
            total_s=total_time(laps, count),
            best_lap_s=best_lap(laps),
            laps=laps,
            progress=float(heat.referee.progress()[driver.worlds, driver.cars].sum()),
            penalty_s=float(rows["penalty"].sum()),
            off_tracks=int(rows["off_tracks"].sum()),
            collisions=int(rows["collisions"].sum()),
            resets=int(rows["resets"].sum()),
            status=status,
            reason=reason,
        )

    def _header(self, k: int) -> CarHeader:
        entrant, config = self.entrants[k], self._configs[k]
        return CarHeader(
            name=entrant.label,
            policy=entrant.policy.name,
            policy_sha256=entrant.sha256,
            world=0 if self._together else k,
            camera=config.camera if set(config.sensors) & set(PICTURES) else None,
        )


def _live_ranks(
    spots: list[tuple[Heat, int, int]], rows: NDArray[Any], finished: NDArray[np.bool_]
) -> NDArray[np.int16]:
    """Return ranks during the race: finished cars by time, then the others by progress."""
    # Tuples compare by their first part, so every finished car (0) is ahead of every other one (1).
    keys = [
        (0.0, float(row["seconds"])) if done else (1.0, -float(heat.referee.progress()[n, c]))
        for (heat, n, c), row, done in zip(spots, rows, finished, strict=True)
    ]
    return np.array([1 + sum(other < key for other in keys) for key in keys], np.int16)


def _check_session(entrants: Sequence[Entrant], track: Track, rules: Rules, grid: Sequence[int] | None) -> None:
    """Raise where entrants, track and rules do not fit together."""
    if not entrants:
        raise ConfigError("a race needs at least one entrant")
    labels = [entrant.label for entrant in entrants]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise ConfigError(f"two entrants are called `{twice}`; give each its own label")
    # A policy that stacks frames keeps one memory for each car of its batch.
    if len({id(entrant.policy) for entrant in entrants}) < len(entrants):
        raise ConfigError("two entrants share a policy, which remembers its cars; load it once for each")
    together = rules.race == "head_to_head"
    if together and len(entrants) > CARS_TOGETHER_MAX:
        raise ConfigError(f"{len(entrants)} entrants in one head-to-head; at most {CARS_TOGETHER_MAX} race together")
    if not track.closed and rules.laps > 1:
        raise ConfigError(
            f"track `{track.name}` is open, a race on it has one lap; set laps=1 (and trials={rules.laps})"
        )
    if grid is not None and (not together or sorted(grid) != list(range(len(entrants)))):
        raise ConfigError(f"grid is {list(grid)}; a head-to-head needs each slot of 0..{len(entrants) - 1} once")
    if together and rules.grid.spacing * (len(entrants) - 1) > 0.5 * track.length:
        raise ConfigError(
            f"a grid of {len(entrants)} cars with {rules.grid.spacing:g} m between them is longer than half of "
            f"`{track.name}` ({track.length:.1f} m); set grid.spacing or enter fewer cars"
        )


def _track_sha256(track: Track) -> str:
    # The road alone: a track under another name or in other colours is the same course on a leaderboard.
    digest = hashlib.sha256(b"closed" if track.closed else b"open")
    for line in (track.center, track.left, track.right):
        digest.update(np.ascontiguousarray(line, "<f8").tobytes())
    return digest.hexdigest()


def race(
    entrants: Sequence[Entrant],
    track: Track,
    rules: Rules,
    *,
    seed: int,
    vehicle: VehicleConfig | None = None,
    rules_name: str = "",
    threads: int | None = 1,
) -> RaceResult:
    """Run a race. The same race with the same seed gives the same result, bit for bit, on one machine.

    Args:
        entrants: Drivers; their order decides the grid and nothing else.
        track: Driven in the direction of its file.
        rules: Rules of the race.
        seed: Seed of everything that is drawn.
        vehicle: Vehicle of all entrants; None for `deepracer`.
        rules_name: Name of the rules in results.
        threads: Threads that share worlds and policies; None for one for each core. Results do not depend on it.

    Returns:
        The result of all entrants.

    Raises:
        ConfigError: Entrants, track and rules do not fit together.
        BundleError: The simulator lacks a sensor of an entrant.
    """
    car = read_vehicle("deepracer") if vehicle is None else vehicle
    return run_session(RaceSession(entrants, track, rules, car, seed=seed, rules_name=rules_name, threads=threads))[0]


def run_session(
    session: RaceSession, *, record: bool = False, watch: Callable[[RaceSession], None] | None = None
) -> tuple[RaceResult, Replay | None]:
    """Run a race to its end, and close it.

    Args:
        session: The race, not started.
        record: Record the first trial.
        watch: Called after each control step.

    Returns:
        The result, and the replay of the first trial; None where nothing was recorded.
    """
    try:
        session.start()
        recorder = session.start_recording() if record else None
        while session.step():
            if watch is not None:
                watch(session)
        return session.result(), None if recorder is None else recorder.replay()
    finally:
        session.close()
