"""Drives a heat: entrants in one batch of worlds, each alone in its own worlds, or all together in one.

A control step: policies give actions, the world steps, the referee judges, cars whose wait is over are put back on the
road, and sensors observe. `session.py` decides who drives which car.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.config.env import EnvConfig, VehicleConfig
from racer.config.rules import Rules
from racer.env.batch import build_world
from racer.env.sensors.suite import SensorSuite
from racer.race.entrants import Entrant, action_error, action_limits
from racer.race.grid import Lanes, grid_poses, solo_poses
from racer.race.referee import Referee
from racer.race.respawn import PATIENCE_S, find_respawn_pose, respawn_target
from racer.sim.telemetry import FRONT_POINT
from racer.track.track import Track

_STEPS_UNLIMITED = 2**31 - 1
"""Longest episode [control steps]; the referee keeps the time limit."""


@dataclass(frozen=True, kw_only=True)
class EntrantCars:
    """An entrant and the cars that it drives, trial by trial.

    Attributes:
        entrant: Driver.
        worlds: World of each trial, shape (B,).
        cars: Slot of its car in that world, shape (B,).
        config: Sensors of its policy and control rate of the race.
    """

    entrant: Entrant
    worlds: NDArray[np.int64]
    cars: NDArray[np.int64]
    config: EnvConfig

    @property
    def spots(self) -> list[tuple[int, int]]:
        """World and slot of each car, trial by trial."""
        return list(zip(self.worlds.tolist(), self.cars.tolist(), strict=True))


class Heat:
    """A batch of worlds in which entrants race.

    Attributes:
        world: Simulator.
        drivers: Entrants with the cars that they drive.
        referee: Counts laps, times and faults.
    """

    def __init__(
        self,
        drivers: Sequence[EntrantCars],
        track: Track,
        vehicle: VehicleConfig,
        rules: Rules,
        *,
        trials: NDArray[np.int64],
        cars: int,
        seed: int,
        pool: ThreadPoolExecutor | None = None,
    ) -> None:
        """Make the worlds; call `start` before the first step.

        Args:
            drivers: Entrants with the cars that they drive; all have one control rate.
            track: Track of all worlds.
            vehicle: Vehicle of all cars.
            rules: Rules of the race.
            trials: Number of the trial of each world, shape (N,); worlds of one trial draw the same chance.
            cars: Cars of each world.
            seed: Seed of everything that is drawn.
            pool: Threads that run several policies at once; None runs one after the other.
        """
        self.drivers, self.rules, self._trials, self._seed, self._pool = list(drivers), rules, trials, seed, pool
        config = drivers[0].config.model_copy(update={"objects": rules.objects, "disturbance": rules.disturbance})
        self.world, self.disturbances = build_world(
            [track],
            vehicle,
            config,
            worlds=len(trials),
            cars=cars,
            # The referee ends trials, so the world itself must never call an episode's time up.
            steps_max=_STEPS_UNLIMITED,
            threads=1 if pool is None else None,
        )
        self.lanes = Lanes(self.world)
        # Entrants with equal sensors share a suite, which observes the cars of all of them.
        suites: dict[EnvConfig, tuple[SensorSuite, NDArray[np.bool_]]] = {}
        for driver in drivers:
            if driver.config not in suites:
                sensing = SensorSuite(self.world, driver.config, self.disturbances, cars="all")
                suites[driver.config] = sensing, np.zeros(self.world.cars.shape, np.bool_)
            suites[driver.config][1][driver.worlds, driver.cars] = True
        self._suites = list(suites.values())
        self._observations = [suites[driver.config][0].observation for driver in drivers]
        self._limits = [action_limits(driver.entrant.policy) for driver in drivers]
        # Commands of cars that do not race have no effect.
        self._commands = np.zeros((*self.world.cars.shape, 2))
        self.referee = Referee(self.world, rules, trials)

    def start(self) -> None:
        """Place all cars and start all trials."""
        world, together = self.world, self.rules.race == "head_to_head"
        world.seed(self._seed, world_ids=self._trials)
        self.referee = Referee(world, self.rules, self._trials)
        if self.disturbances is not None:
            self.disturbances.draw(None)
        if together:
            grid = grid_poses(self.lanes, world.cars.shape[1], self.rules.grid.spacing)
            world.place(np.tile(grid, (len(world.cars), 1, 1)))
        else:
            poses = solo_poses(self.lanes, self.rules.start, self.rules.trials, self._seed)
            world.place(poses[self._trials][:, None])
        # On an open road the lap ends at the road's end, whatever the slot; nothing is to be measured.
        if together and self.lanes.closed:
            self._measure_from_line()
        for sensing, marked in self._suites:
            sensing.start(marked)
        for driver in self.drivers:
            driver.entrant.policy.reset()

    def _measure_from_line(self) -> None:
        """Count the distance of the cars on the grid from the line: those behind it start below zero."""
        cars = self.world.cars
        for n, c in np.ndindex(cars.shape):
            cars["travelled"][n, c] = self.lanes.gap(FRONT_POINT, float(cars["s"][n, c]))
        cars["progress"] = 100.0 * cars["travelled"] / self.lanes.length

    def step(self) -> None:
        """Drive a control step, judge it, and put cars back on the road."""
        world, referee = self.world, self.referee
        referee.messages.clear()
        self._act()
        # The referee interpolates the crossing of the line between the states before and after the step.
        before, travelled = world.cars["s"].copy(), world.cars["travelled"].copy()
        drove = referee.racing
        world.step(self._commands)
        referee.judge(before, travelled)
        referee.end_pauses()
        placed = self._respawn()
        # Cars that were put back start an episode of their sensors instead of observing this step.
        drove &= referee.racing & ~placed
        for sensing, marked in self._suites:
            sensing.observe(marked & drove)
            if placed.any():
                sensing.start(marked & placed)
        for driver in self.drivers:
            # A policy with a memory (stacked frames) forgets what came before the fault.
            respawned = placed[driver.worlds, driver.cars]
            if respawned.any():
                driver.entrant.policy.reset(respawned)

    def _act(self) -> None:
        """Write the actions of all racing cars into the commands; end the trials of cars without a valid action."""
        referee, racing = self.referee, self.referee.racing
        active = [k for k, driver in enumerate(self.drivers) if racing[driver.worlds, driver.cars].any()]
        answers = (map if self._pool is None else self._pool.map)(self._policy_actions, active)
        for k, (actions, failure) in zip(active, list(answers), strict=True):
            driver, (low, high) = self.drivers[k], self._limits[k]
            driving = racing[driver.worlds, driver.cars]
            # NaN compares false with both limits, so it is invalid too.
            valid = np.zeros_like(driving) if failure else ((actions >= low) & (actions <= high)).all(axis=1)
            for b in np.flatnonzero(driving & ~valid).tolist():
                reason = failure or action_error(actions[b], low, high)
                referee.end(*driver.spots[b], "out", reason)
            if not failure:
                actions[~(driving & valid)] = 0.0
                self._commands[driver.worlds, driver.cars] = actions

    def _policy_actions(self, k: int) -> tuple[NDArray[np.float64], str]:
        """Return the actions of a driver, shape (B, 2), and an empty text; or no actions, and why."""
        driver = self.drivers[k]
        observation = {name: values[driver.worlds, driver.cars] for name, values in self._observations[k].items()}
        try:
            actions = np.array(driver.entrant.policy.act(observation), np.float64)
        except Exception as error:  # onnxruntime's errors share no base class; the failure ends this entrant's trials
            return np.zeros(0), f"its policy failed: {' '.join(str(error).split())[:200]}"
        if actions.shape != (len(driver.worlds), 2):
            return np.zeros(0), f"it gave actions of shape {actions.shape}, not {(len(driver.worlds), 2)}"
        return actions, ""

    def _respawn(self) -> NDArray[np.bool_]:
        """Put back cars whose wait is over and for which there is room; return their mask, shape (N, C)."""
        placed = np.zeros(self.world.cars.shape, np.bool_)
        # One by one: the search for the next car of a world must find the one before it on the road.
        for n, c in self.referee.due():
            pose = self._respawn_pose(n, c)
            if pose is not None:
                self._place(n, c, pose)
                placed[n, c] = True
        return placed

    def _respawn_pose(self, n: int, c: int) -> tuple[float, float, float, float] | None:
        """Return the pose at which a waiting car is put back now; None while no place is free."""
        rules, row = self.rules.put_back, self.referee.rows[n, c]
        # After `put_back.mercy` collisions in a row with one box the car is put ahead of it.
        ahead = rules.mercy is not None and row["hit"] >= 0 and row["hits"] >= rules.mercy
        target = respawn_target(
            self.world, self.lanes, rules, n, c, s_before=float(row["s_before"]), hit=int(row["hit"]), ahead=ahead
        )
        late = (self.referee.tick - int(row["due"])) * self.world.control_dt
        pose = find_respawn_pose(self.world, self.lanes, rules, n, c, target, patient=late < PATIENCE_S)
        if pose is not None and ahead:
            self.referee.forget_hits(n, c)
        return pose

    def _place(self, n: int, c: int, pose: tuple[float, float, float, float]) -> None:
        """Put a car on the road at rest; it keeps its laps and the distance that it has driven."""
        cars, before = self.world.cars, self.world.cars[n].copy()
        poses, which = np.zeros((*cars.shape, 4)), np.zeros(cars.shape, np.bool_)
        poses[n, c], which[n, c] = pose, True
        self.world.place(poses, which, objects="kept")
        # `World.place` writes the status of the other cars of the world too; theirs is restored.
        others = np.arange(len(before)) != c
        cars["status"][n, others] = before["status"][others]
        # It counts from the new place; laps and distance continue from the fault instead.
        car = cars[n, c]
        car["travelled"] = before["travelled"][c] + self.lanes.gap(float(before["s"][c]), float(car["s"]))
        car["start_s"] = before["start_s"][c]
        car["progress"] = 100.0 * car["travelled"] / self.referee.length_of(n, c)
        self.referee.release(n, c)
