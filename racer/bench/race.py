"""Measures races: eight cars with cameras in one world, and a league of many entrants that drive alone.

The networks are those of the shipped configurations with random weights. They are run for each action, but pure pursuit
drives, so that each car completes its laps on any machine.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.bench.measure import StatusCallback, ignore_status
from racer.bundle import Bundle, GoldenSample
from racer.config.read import read_train, read_vehicle
from racer.config.rules import Rules, read_rules
from racer.config.train import DEFAULT_TRACK
from racer.contract import SensorSpec, state_sensor
from racer.errors import RacerError
from racer.policy.onnx import OnnxPolicy
from racer.policy.pure_pursuit import PurePursuitPolicy, PurePursuitSettings
from racer.race.entrants import Entrant
from racer.race.result import RaceResult
from racer.race.session import RaceSession, run_session
from racer.track.load import load_track
from racer.track.track import Track

CARS_TOGETHER = 8
ALONE, TRIALS = 100, 5
_ROUNDS = 3
_SPEEDS = (1.4, 1.8)
"""Speeds of the slowest and the fastest car [m/s]."""


class ShadowPolicy:
    """Runs a network for each action and discards its result; a pure pursuit drives."""

    control_rate_hz = 15.0

    def __init__(self, bundle: Bundle, speed: float) -> None:
        """Load the network of `bundle`; `speed` is that of the pure pursuit [m/s]."""
        self.name = bundle.name
        self._network = OnnxPolicy(bundle)
        self._driver = PurePursuitPolicy(settings=PurePursuitSettings(speed_min=speed, speed_max=speed))
        state = state_sensor()
        self.sensors: tuple[SensorSpec, ...] = (*(s for s in bundle.contract.sensors if s.name != "state"), state)

    def act(self, observation: Mapping[str, NDArray[Any]], /) -> NDArray[np.float32]:
        """Run the network and return the pure pursuit's action."""
        # The result is discarded: random weights would not drive a lap.
        self._network.act(observation)
        return self._driver.act(observation)

    def reset(self, mask: NDArray[np.bool_] | None = None) -> None:
        """Forget the frames of the cars in `mask`."""
        self._network.reset(mask)


def bench_race(track: str = DEFAULT_TRACK, *, report: StatusCallback = ignore_status) -> dict[str, float]:
    """Measure `race.*`: wall time on all cores, and the ratio of race time to it; the best of three races.

    Raises:
        RacerError: A car did not finish, or a rerun had another result.
    """
    course, out = load_track(track), {}
    camera, state = _bundle("camera"), _bundle("default")
    report(f"race: {CARS_TOGETHER} cars with cameras in one world, 3 laps")
    rules = read_rules("league", settings=["race=head_to_head"])
    seconds, result = _fastest(course, rules, camera, CARS_TOGETHER)
    out["race.camera_8_times_real_time"] = round(result.seconds / seconds, 1)
    out["race.camera_8_wall_s"] = round(seconds, 3)
    report(f"race: {ALONE} entrants, {TRIALS} trials each, alone, 3 laps")
    rules = read_rules("league", settings=[f"trials={TRIALS}", "start.lateral_share=0.2", "start.turned_deg=5"])
    seconds, _ = _fastest(course, rules, state, ALONE)
    out[f"race.state_{ALONE}x{TRIALS}_wall_s"] = round(seconds, 3)
    return out


def _fastest(track: Track, rules: Rules, bundle: Bundle, count: int) -> tuple[float, RaceResult]:
    """Return wall time [s] and result of the quickest of three equal races; creating the worlds is not timed."""
    best, first = float("inf"), None
    for _ in range(_ROUNDS):
        # Different speeds, so that cars in one world overtake each other.
        speeds = np.linspace(*_SPEEDS, count)
        entrants = [
            Entrant(label=str(k), policy=ShadowPolicy(bundle, speed)) for k, speed in enumerate(speeds.tolist())
        ]
        session = RaceSession(entrants, track, rules, read_vehicle("deepracer"), seed=0, threads=None)
        started_s = time.perf_counter()
        result, _ = run_session(session)
        best = min(best, time.perf_counter() - started_s)
        late = next((entrant for entrant in result.entrants if entrant.status != "finished"), None)
        if late is not None:
            raise RacerError(f"bench: car {late.label} did not finish on `{track.name}` ({late.reason})")
        # The same seed: a different result would mean that the rounds are not the same work.
        if first is not None and result != first:
            raise RacerError("bench: the same race had two results; the figures mean nothing")
        first = result
    assert first is not None
    return best, first


def _bundle(config: str) -> Bundle:
    """Return the network of a shipped training configuration, with random weights."""
    from racer.export.graph import trace
    from racer.train.ppo.learner import training_contract

    contract = training_contract(read_train(config), run="bench", hashes={})
    return Bundle(
        name=config, onnx=trace(contract), contract=contract, weights={}, golden=GoldenSample(inputs={}, outputs={})
    )
