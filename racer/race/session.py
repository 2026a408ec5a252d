"""A race that goes on step by step: its heats, what is recorded, and what came of it.

Runs a race to its end.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.config.env import CameraConfig, EnvConfig, VehicleConfig
from racer.config.read import read_vehicle
from racer.config.rules import Rules
from racer.contract import PICTURES
from racer.env.sensors.suite import env_config_for
from racer.errors import ConfigError
from racer.race.entrants import Entrant
from racer.race.grid import grid_slots
from racer.race.heat import EntrantCars, Heat
from racer.race.referee import TrialState
from racer.race.result import EntrantResult, LapResult, RaceResult, RulesId, best_lap, rank_scores, score, total_time
from racer.replay import CarHeader, Replay
from racer.sim.dtypes import EpisodeStatus
from racer.sim.recorder import ReplayRecorder
from racer.track.track import Track

__all__ = ["Entrant", "make_recorder", "race", "run_session"]

DEFAULT_RATE_HZ = 15.0
"""Control rate where no entrant cares."""
CARS_TOGETHER_MAX = 8
"""Cars of one world."""


class RaceSession:
    """See above.

    Attributes:
        heats: all are driven side by side.
        control_dt: s of a control step.
        cars: for a replay: the first trial's car of each entrant, in their order.
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
        """Make the heats; `start` before the first step.

        Args:
            grid: the slot of each entrant in the first trial of a head-to-head; None: in their order.
            threads: that share worlds and policies; None for one on each core. Results do not depend on it.

        Raises:
            ConfigError: entrants and rules do not go together.
            BundleError: an entrant needs a sensor that the simulator cannot give.
        """
        _check_session(entrants, track, rules, grid)
        self.entrants, self.track, self.rules, self.vehicle, self.seed = list(entrants), track, rules, vehicle, seed
        self._rules_name = rules_name
        seen = any(sensor.name in PICTURES for one in entrants for sensor in one.policy.sensors)
        self._pool = ThreadPoolExecutor(threads, "racer-race") if seen and threads != 1 else None
        rate = _control_rate_hz(entrants)
        self.control_dt = 1.0 / rate
        configs = [_sensor_config(one, rate) for one in entrants]
        if rules.race == "head_to_head":
            self._slots = grid_slots(rules, len(entrants), seed=seed, grid=None if grid is None else np.array(grid))
            groups = [list(range(len(entrants)))]
        else:
            self._slots = np.zeros((rules.trials, len(entrants)), np.int64)
            # Entrants that see alike share a batch; each is asked once for all of its cars.
            groups = [[k for k, one in enumerate(configs) if one == given] for given in dict.fromkeys(configs)]
        self._where: dict[int, tuple[Heat, EntrantCars]] = {}
        self.heats = [self._heat(group, configs, rate) for group in groups]
        self.cars = tuple(self._header(k, config) for k, config in enumerate(configs))

    def _heat(self, group: list[int], configs: list[EnvConfig], rate: float) -> Heat:
        trials = np.arange(self.rules.trials)
        together = self.rules.race == "head_to_head"
        seats = [
            EntrantCars(
                entrant=self.entrants[k],
                worlds=trials if together else place * len(trials) + trials,
                cars=self._slots[:, k],
                config=configs[k],
            )
            for place, k in enumerate(group)
        ]
        heat = Heat(
            seats,
            self.track,
            self.vehicle,
            self.rules,
            trials=trials if together else np.tile(trials, len(group)),
            cars=len(group) if together else 1,
            rate_hz=rate,
            seed=self.seed,
            pool=self._pool,
        )
        self._where |= {k: (heat, seat) for k, seat in zip(group, seats, strict=True)}
        return heat

    def start(self) -> None:
        """Place everybody; all trials begin."""
        for heat in self.heats:
            heat.start()

    def step(self) -> bool:
        """Drive a control step; False where all trials had ended before."""
        going = [heat for heat in self.heats if not heat.referee.over]
        for heat in going:
            heat.step()
        return bool(going)

    @property
    def share(self) -> float:
        """Of all laps of all trials that is driven; 1 where all trials have ended."""
        parts = [
            np.where(heat.referee.rows["stand"] == TrialState.DONE, 1.0, heat.referee.progress() / self.rules.laps)
            for heat in self.heats
        ]
        return float(np.concatenate([part.ravel() for part in parts]).mean())

    def close(self) -> None:
        """End the threads."""
        for heat in self.heats:
            heat.world.close()
        if self._pool is not None:
            self._pool.shutdown()

    def record(self, recorder: ReplayRecorder) -> None:
        """Keep how everybody stands in the first trial."""
        spots = [
            (heat, int(seat.worlds[0]), int(seat.cars[0])) for heat, seat in map(self._where.__getitem__, self._order)
        ]
        rows = np.array([heat.referee.rows[n, c] for heat, n, c in spots])
        cars = np.array([heat.world.cars[n, c] for heat, n, c in spots])
        # A car that waits off the road is shown where its fault was.
        cars["active"] = 1
        together = self.rules.race == "head_to_head"
        objects = [heat.world.objects[n] for heat, n, _ in (spots[:1] if together else spots)]
        now = np.array([heat.referee.now for heat, _, _ in spots])
        ended = [heat.referee.ended[n][c] for heat, n, c in spots]
        finished = np.array([end is not None and end[0] == "finished" for end in ended])
        view = SimpleNamespace(
            cars=cars[None] if together else cars[:, None],
            objects=np.stack(objects),
            control_dt=self.control_dt,
            tracks=[self.track],
            vehicle=self.vehicle,
        )
        recorder(
            view,
            rank=self._live_ranks(spots, rows, finished),
            penalty=rows["penalty"],
            laps=rows["laps"],
            off_tracks=rows["off_tracks"],
            best=rows["best"],
            lap_time=np.where(rows["stand"] == TrialState.DONE, 0.0, now - rows["began"] + rows["added"]),
            progress=np.where(finished, 100.0, np.clip(cars["progress"], 0.0, 100.0)),
            status=np.where(finished, int(EpisodeStatus.LAP_COMPLETE), cars["status"]),
        )
        for k, (heat, n, c) in enumerate(spots):
            for world, car, words in heat.referee.told:
                if (world, car) == (n, c):
                    recorder.tell(f"{self.entrants[k].label}: {words}", car=k)

    def tell_countdown(self, recorder: ReplayRecorder) -> None:
        """Let everybody stand for the seconds before the start."""
        steps, said = round(self.rules.countdown_s / self.control_dt), 0
        for k in range(steps):
            self.record(recorder)
            left = math.ceil((steps - k) * self.control_dt - 1e-9)
            if left != said:
                recorder.tell(str(left))
            said = left
        self.record(recorder)
        recorder.tell("go")

    @property
    def _order(self) -> range:
        return range(len(self.entrants))

    def _live_ranks(
        self, spots: list[tuple[Heat, int, int]], rows: NDArray[Any], finished: NDArray[np.bool_]
    ) -> NDArray[np.int16]:
        """Ranks on the road: who has finished by time, the others by how far they are."""
        far = [float(heat.referee.progress()[n, c]) for heat, n, c in spots]
        keys = [
            (0.0, float(row["seconds"]), 0.0) if done else (1.0, 0.0, -way)
            for row, done, way in zip(rows, finished, far, strict=True)
        ]
        return np.array([1 + sum(other < key for other in keys) for key in keys], np.int16)

    def result(self) -> RaceResult:
        """What came of it."""
        laps = [self._laps(k) for k in self._order]
        count = self.rules.laps * self.rules.trials
        scores = [score(own, self.rules.ranking, count) for own in laps]
        placed = rank_scores(scores)
        entrants = [self._result(k, laps[k], scores[k], placed[k]) for k in self._order]
        return RaceResult(
            track=self.track.name,
            track_sha256=_track_sha256(self.track),
            rules=RulesId(name=self._rules_name, sha256=self.rules.sha256),
            seed=self.seed,
            race=self.rules.race,
            vehicle=self.vehicle.name,
            entrants=tuple(entrants),
            seconds=max(float(heat.referee.rows["seconds"].max()) for heat in self.heats),
        )

    def _laps(self, k: int) -> tuple[LapResult, ...]:
        heat, seat = self._where[k]
        spots = zip(seat.worlds.tolist(), seat.cars.tolist(), strict=True)
        return tuple(lap for n, c in spots for lap in heat.referee.laps[n][c])

    def _result(self, k: int, laps: tuple[LapResult, ...], scored: float | None, rank: int | None) -> EntrantResult:
        heat, seat = self._where[k]
        rows = heat.referee.rows[seat.worlds, seat.cars]
        ends = [heat.referee.ended[n][c] for n, c in zip(seat.worlds.tolist(), seat.cars.tolist(), strict=True)]
        status, reason = next((end for end in ends if end is not None and end[0] != "finished"), ("finished", ""))
        count = self.rules.laps * self.rules.trials
        return EntrantResult(
            label=seat.entrant.label,
            sha256=seat.entrant.sha256,
            rank=rank,
            score_s=scored,
            total_s=total_time(laps, count),
            best_lap_s=best_lap(laps),
            laps=laps,
            progress=float(heat.referee.progress()[seat.worlds, seat.cars].sum()),
            penalty_s=float(rows["penalty"].sum()),
            off_tracks=int(rows["off_tracks"].sum()),
            collisions=int(rows["collisions"].sum()),
            resets=int(rows["resets"].sum()),
            status=status,
            reason=reason,
        )

    def _header(self, k: int, config: EnvConfig) -> CarHeader:
        entrant = self.entrants[k]
        camera: CameraConfig | None = config.camera if set(config.sensors) & set(PICTURES) else None
        return CarHeader(
            name=entrant.label,
            policy=entrant.policy.name,
            policy_sha256=entrant.sha256,
            world=0 if self.rules.race == "head_to_head" else k,
            camera=camera,
        )


def _control_rate_hz(entrants: Sequence[Entrant]) -> float:
    """Control rate of a race, Hz: that of all who care."""
    rates = {one.policy.control_rate_hz: one.label for one in entrants if one.policy.control_rate_hz is not None}
    if len(rates) > 1:
        told = " and ".join(f"`{label}` {rate:g}" for rate, label in sorted(rates.items()))
        raise ConfigError(
            f"these entrants want to be asked so many times a second: {told}; a race has one control rate"
        )
    return next(iter(rates), DEFAULT_RATE_HZ)


def _sensor_config(entrant: Entrant, rate: float) -> EnvConfig:
    config = env_config_for(entrant.policy.sensors, entrant.policy.control_rate_hz)
    return config.model_copy(update={"control_rate_hz": rate})


def _check_session(entrants: Sequence[Entrant], track: Track, rules: Rules, grid: Sequence[int] | None) -> None:
    """Raise where entrants, track and rules do not go together."""
    if not entrants:
        raise ConfigError("a race needs an entrant at least")
    labels = [one.label for one in entrants]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice is not None:
        raise ConfigError(f"two entrants are called `{twice}`; each needs a label of its own")
    if len({id(one.policy) for one in entrants}) < len(entrants):
        raise ConfigError("two entrants share a policy, which remembers its cars; load it once for each")
    if rules.race == "head_to_head" and len(entrants) > CARS_TOGETHER_MAX:
        raise ConfigError(f"{len(entrants)} entrants in one head-to-head; at most {CARS_TOGETHER_MAX} race together")
    if not track.closed and rules.laps > 1:
        raise ConfigError(
            f"track `{track.name}` is open, a race on it has one lap; set laps=1 (and trials={rules.laps})"
        )
    if grid is not None and (rules.race != "head_to_head" or sorted(grid) != list(range(len(entrants)))):
        raise ConfigError(f"grid is {list(grid)}; a head-to-head needs each slot of 0..{len(entrants) - 1} once")
    if rules.race == "head_to_head" and rules.grid.spacing * (len(entrants) - 1) > 0.5 * track.length:
        raise ConfigError(
            f"a grid of {len(entrants)} cars with {rules.grid.spacing:g} m between them is longer than half of "
            f"`{track.name}` ({track.length:.1f} m); set grid.spacing or enter fewer cars"
        )


def _track_sha256(track: Track) -> str:
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
    grid: Sequence[int] | None = None,
    recorder: Callable[[RaceSession], ReplayRecorder] | None = None,
    threads: int | None = 1,
    watch: Callable[[RaceSession], None] | None = None,
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
    contest = RaceSession(
        entrants,
        track,
        rules,
        read_vehicle("deepracer") if vehicle is None else vehicle,
        seed=seed,
        rules_name=rules_name,
        grid=grid,
        threads=threads,
    )
    return run_session(contest, recorder, watch=watch)[0]


def run_session(
    contest: RaceSession,
    recorder: Callable[[RaceSession], ReplayRecorder] | None = None,
    *,
    watch: Callable[[RaceSession], None] | None = None,
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


def make_recorder(contest: RaceSession) -> ReplayRecorder:
    """A recorder of the first trial of a race."""
    return ReplayRecorder(contest.cars, kind="race", seed=contest.seed, rules=contest.rules.model_dump(mode="json"))
