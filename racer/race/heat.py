"""A heat: entrants in one batch of worlds, each alone in worlds of its own, or all together in one."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.config.disturbance import is_disturbed
from racer.config.env import EnvConfig, VehicleConfig
from racer.config.read import read_disturbance
from racer.config.rules import Rules
from racer.env.sensors.suite import SensorSuite
from racer.race.entrants import Entrant, action_error, action_limits
from racer.race.grid import Lanes, grid_poses, solo_poses
from racer.race.referee import Referee, TrialState
from racer.race.respawn import PATIENCE_S, find_respawn_pose, respawn_target
from racer.sim.randomize.distributions import Disturbances, action_delay_max
from racer.sim.telemetry import FRONT_POINT
from racer.sim.world import World
from racer.track.track import Track

_STEPS_UNLIMITED = 2**31 - 1
"""Control steps; the referee keeps the time."""


@dataclass(frozen=True, kw_only=True)
class EntrantCars:
    """An entrant and the cars that it drives: (B,) worlds and cars, trial by trial."""

    entrant: Entrant
    worlds: NDArray[np.int64]
    cars: NDArray[np.int64]
    config: EnvConfig


class Heat:
    """See above.

    Attributes:
        world: the simulator.
        seats: who drives which cars.
        referee: who counts.
    """

    def __init__(
        self,
        seats: Sequence[EntrantCars],
        track: Track,
        vehicle: VehicleConfig,
        rules: Rules,
        *,
        trials: NDArray[np.int64],
        cars: int,
        rate_hz: float,
        seed: int,
        pool: ThreadPoolExecutor | None = None,
    ) -> None:
        """Make the worlds; `start` before the first step.

        Args:
            trials: (N,) number of the trial of each world; chance is that of the trial, whoever drives.
            cars: of each world.
            pool: asks several policies at once; None: one after the other.
        """
        disturbance = read_disturbance(rules.disturbance)
        self.seats, self.rules, self._seed, self._pool = list(seats), rules, seed, pool
        self.world = World(
            [track],
            vehicle,
            len(trials),
            cars=cars,
            objects=rules.objects,
            control_dt=1.0 / rate_hz,
            steps_max=_STEPS_UNLIMITED,
            action_delay_max=action_delay_max(disturbance),
            threads=1 if pool is None else None,
        )
        self.world.world_ids[:] = trials
        self.disturbances = Disturbances(self.world, disturbance) if is_disturbed(disturbance) else None
        self.lanes = Lanes(self.world)
        self._trials = trials
        eyes: dict[EnvConfig, tuple[SensorSuite, NDArray[np.bool_]]] = {}
        for seat in seats:
            if seat.config not in eyes:
                sensing = SensorSuite(self.world, seat.config, self.disturbances, cars="all")
                eyes[seat.config] = sensing, np.zeros(self.world.cars.shape, np.bool_)
            eyes[seat.config][1][seat.worlds, seat.cars] = True
        self._eyes = list(eyes.values())
        self._seen = [eyes[seat.config][0].observation for seat in seats]
        self._limits = [action_limits(seat.entrant.policy) for seat in seats]
        self._commands = np.zeros((*self.world.cars.shape, 2))
        self.referee = Referee(self.world, rules, trials)

    def start(self) -> None:
        """Place everybody; all trials begin."""
        world = self.world
        world.seed(self._seed)
        self.referee = Referee(world, self.rules, self._trials)
        if self.disturbances is not None:
            self.disturbances.draw(None)
        if self.rules.race == "head_to_head":
            poses = np.tile(
                grid_poses(self.lanes, world.cars.shape[1], self.rules.grid.spacing), (len(world.cars), 1, 1)
            )
        else:
            poses = solo_poses(self.lanes, self.rules.start, self.rules.trials, self._seed)[self._trials][:, None]
        world.place(poses)
        if self.rules.race == "head_to_head" and self.lanes.closed:
            self._count_from_the_line()
        for sensing, marked in self._eyes:
            sensing.start(marked)
        for seat in self.seats:
            seat.entrant.policy.reset()

    def _count_from_the_line(self) -> None:
        """Whoever starts behind the line has not driven the way to it yet."""
        cars = self.world.cars
        for n, c in np.ndindex(cars.shape):
            cars["travelled"][n, c] = self.lanes.gap(FRONT_POINT, float(cars["s"][n, c]))
        cars["progress"] = 100.0 * cars["travelled"] / self.lanes.length

    def step(self) -> None:
        """Drive a control step, judge it, and put cars back."""
        world, referee = self.world, self.referee
        referee.told.clear()
        self._ask()
        before, travelled = world.cars["s"].copy(), world.cars["travelled"].copy()
        drove = referee.racing
        world.step(self._commands)
        referee.judge(before, travelled)
        referee.end_pauses()
        drove &= referee.racing
        placed = self._put_back()
        drove &= ~placed
        for sensing, marked in self._eyes:
            sensing.observe(marked & drove)
            if placed.any():
                sensing.start(marked & placed)
        if placed.any():
            for seat in self.seats:
                mine = placed[seat.worlds, seat.cars]
                if mine.any():
                    seat.entrant.policy.reset(mine)

    def _ask(self) -> None:
        """Ask the policies for their actions, and put out cars whose actions are none."""
        referee, racing = self.referee, self.referee.racing
        asked = [k for k, seat in enumerate(self.seats) if racing[seat.worlds, seat.cars].any()]
        answers = list(map(self._act, asked) if self._pool is None else self._pool.map(self._act, asked))
        for k, (actions, reason) in zip(asked, answers, strict=True):
            seat, (low, high) = self.seats[k], self._limits[k]
            mine = racing[seat.worlds, seat.cars]
            if reason:
                for b in np.flatnonzero(mine).tolist():
                    referee.end(int(seat.worlds[b]), int(seat.cars[b]), "out", reason)
                continue
            bad = mine & ~((actions >= low) & (actions <= high)).all(axis=1)
            for b in np.flatnonzero(bad).tolist():
                referee.end(int(seat.worlds[b]), int(seat.cars[b]), "out", action_error(actions[b], low, high))
            actions[~mine | bad] = 0.0
            self._commands[seat.worlds, seat.cars] = actions

    def _act(self, k: int) -> tuple[NDArray[np.float64], str]:
        """Actions (B, 2) of a seat, or why there are none."""
        seat = self.seats[k]
        seen = {name: values[seat.worlds, seat.cars] for name, values in self._seen[k].items()}
        try:
            actions = np.array(seat.entrant.policy.act(seen), np.float64)
        except (
            Exception
        ) as error:  # onnxruntime's errors share no base class but Exception; one entrant's end, told below
            return np.zeros(0), f"its policy failed: {' '.join(str(error).split())[:200]}"
        if actions.shape != (len(seat.worlds), 2):
            return np.zeros(0), f"it gave actions of shape {actions.shape}, not {(len(seat.worlds), 2)}"
        return actions, ""

    def _put_back(self) -> NDArray[np.bool_]:
        """Put cars back for whom there is a place, at most one of a world at a time; (N, C) which."""
        world = self.world
        placed = np.zeros(world.cars.shape, np.bool_)
        waiting = self.referee.due()
        while waiting:
            poses, now, rest, seen = np.zeros((*placed.shape, 4)), np.zeros_like(placed), [], set()
            for n, c in waiting:
                if n in seen:
                    rest.append((n, c))
                    continue
                seen.add(n)
                pose = self._place_for(n, c)
                if pose is not None:
                    poses[n, c], now[n, c] = pose, True
            if now.any():
                self._place(poses, now)
                placed |= now
            waiting = rest
        return placed

    def _place_for(self, n: int, c: int) -> tuple[float, float, float, float] | None:
        rules, row = self.rules.put_back, self.referee.rows[n, c]
        mercy = rules.mercy is not None and row["hit"] >= 0 and row["hits"] >= rules.mercy
        wanted = respawn_target(
            self.world, self.lanes, rules, n, c, s_before=float(row["s_before"]), hit=int(row["hit"]), ahead=mercy
        )
        late = (self.referee.tick - int(row["due"])) * self.world.control_dt
        pose = find_respawn_pose(self.world, self.lanes, rules, n, c, wanted, patient=late < PATIENCE_S)
        if pose is not None and mercy:
            row["hits"] = 0
        return pose

    def _place(self, poses: NDArray[np.float64], which: NDArray[np.bool_]) -> None:
        """Put cars on the road at rest; they keep their laps and the way that they have come."""
        cars, rows = self.world.cars, self.referee.rows
        kept = {name: cars[name].copy() for name in ("s", "travelled", "start_s", "status")}
        self.world.place(poses, which, objects="kept")
        cars["status"] = np.where(which, cars["status"], kept["status"])
        for n, c in np.argwhere(which).tolist():
            car = cars[n, c]
            car["travelled"] = kept["travelled"][n, c] + self.lanes.gap(float(kept["s"][n, c]), float(car["s"]))
            car["start_s"] = kept["start_s"][n, c]
            car["progress"] = 100.0 * car["travelled"] / self.referee.length_of(n, c)
            rows["stand"][n, c] = int(TrialState.RACING)
            rows["resets"][n, c] += 1
