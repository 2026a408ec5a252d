"""Ends of episodes: which end them, which cut them off, and when."""

import math

import numpy as np
import pytest

from racer.config.env import EnvConfig
from racer.env.batch import control_steps_in, make_time_trial, resolve_action_space, resolve_env_config
from racer.env.vector import RacerVectorEnv
from racer.errors import ConfigError, RewardError
from racer.sim.dtypes import EpisodeStatus
from support.environments import DISCRETE, HALF_WIDTH, RADIUS, progress_reward
from support.tracks import ring

STEER = math.degrees(math.atan(0.164 / RADIUS))
"""Degrees that keep a slow car on the ring."""
ENDS = {
    EpisodeStatus.PREPARE: (False, False),
    EpisodeStatus.IN_PROGRESS: (False, False),
    EpisodeStatus.LAP_COMPLETE: (True, False),
    EpisodeStatus.OFF_TRACK: (True, False),
    EpisodeStatus.CRASHED: (True, False),
    EpisodeStatus.IMMOBILIZED: (True, False),
    EpisodeStatus.REVERSED: (True, False),
    EpisodeStatus.TIME_UP: (False, True),
}


def test_the_table_is_complete():
    """Have a row for each status."""
    assert list(ENDS) == list(EpisodeStatus)


@pytest.mark.parametrize(("status", "flags"), ENDS.items(), ids=lambda value: getattr(value, "word", ""))
def test_terminated_and_truncated(status, flags, monkeypatch):
    """Truncate for the time alone; terminate for what the car did; tell the word."""
    env = RacerVectorEnv(2, track=ring(), reward=progress_reward)
    env.reset(seed=1)

    def judged(actions):
        env.trial.world.cars["status"] = [[status], [EpisodeStatus.IN_PROGRESS]]

    monkeypatch.setattr(env.trial.world, "step", judged)
    _, _, terminated, truncated, info = env.step(np.ones((2, 2)))
    assert (terminated.tolist(), truncated.tolist()) == ([flags[0], False], [flags[1], False])
    assert info["status"].tolist() == [status.word, "in_progress"]


def drive(command, poses=None, steps=400, change=None, **options):
    """Hold one command from one pose, in a car that turns as it is commanded to; (status, steps driven)."""
    options = {"vehicle": "deepracer_geometric"} | options
    trial = make_time_trial(worlds=1, track=ring(walls="none"), reward=None, **options)
    trial.place(np.array([poses or [0, 0.0, 0.0, 0.0]], float))
    if change:
        change(trial.world)
    for count in range(1, steps + 1):
        trial.step(np.array([command], float))
        if trial.terminated[0] or trial.truncated[0]:
            assert trial.terminated[0] != trial.truncated[0]
            return EpisodeStatus(int(trial.world.status[0, 0])), count
    return EpisodeStatus(int(trial.world.status[0, 0])), steps


def test_a_lap_ends_the_episode():
    """Complete the ring at a speed that the time of the lap tells."""
    status, steps = drive((STEER, 1.0))
    assert status is EpisodeStatus.LAP_COMPLETE
    # Standing start: the car takes a little longer than the ring's length at 1 m/s.
    assert 2 * math.pi * RADIUS * 15 * 0.9 < steps < 2 * math.pi * RADIUS * 15 * 1.2


def test_leaving_the_road_ends_the_episode():
    """Drive straight on: all wheels have left when the chord reaches the outer border."""
    status, steps = drive((0.0, 2.0))
    assert status is EpisodeStatus.OFF_TRACK
    chord = math.sqrt((RADIUS + HALF_WIDTH) ** 2 - RADIUS**2)
    assert chord / 2.0 * 15 < steps < 2.0 * chord / 2.0 * 15


def test_a_stuck_car_ends_the_episode():
    """Count fifteen steps without movement."""

    def broken(world):
        world.vehicles["throttle_gain"] = 0.0

    assert drive((0.0, 2.0), change=broken) == (EpisodeStatus.IMMOBILIZED, 15)


def test_driving_backwards_ends_the_episode():
    """Count fifteen steps of falling progress of a car that faces the wrong way."""
    status, steps = drive((-STEER, 1.0), poses=[0, 3.0, 0.0, math.pi])
    assert status is EpisodeStatus.REVERSED and 15 <= steps <= 17


LIMITS = [
    # limit s, rate Hz, steps
    (1.0, 15.0, 15),
    (1.1, 10.0, 11),  # 1.1 * 10 = 11.000000000000002
    (0.7, 10.0, 7),
    (60.0, 15.0, 900),
    (1.01, 10.0, 11),
    (1e-9, 15.0, 1),
    (1.0 / 15.0, 15.0, 1),
    (2.0 / 15.0 + 1e-6, 15.0, 3),
    (1e6, 120.0, 120_000_000),
]


@pytest.mark.parametrize(("limit", "rate", "steps"), LIMITS)
def test_the_time_limit_in_steps(limit, rate, steps):
    """Cut off at the first step at which the limit is reached, whatever rounding does to the product."""
    assert control_steps_in(limit, 1.0 / rate) == steps
    trial = make_time_trial(
        worlds=1, track=ring(), reward=None, config={"time_limit_s": limit, "control_rate_hz": rate}
    )
    assert trial.world.steps_max == 1 + steps


@pytest.mark.parametrize(("limit", "rate", "steps"), LIMITS[:3])
def test_time_is_up_after_exactly_that_many_steps(limit, rate, steps):
    """Count the steps of a slow car."""
    config = {"time_limit_s": limit, "control_rate_hz": rate}
    assert drive((STEER, 0.3), config=config) == (EpisodeStatus.TIME_UP, steps)


def test_no_limit_is_deepracers_own():
    """Cut off after 100000 steps where no limit is given."""
    assert make_time_trial(worlds=1, track=ring(), reward=None).world.steps_max == 100_000


def test_a_completed_lap_comes_before_the_time():
    """Count a lap that is completed in the last allowed step."""
    _, steps = drive((STEER, 1.0))
    config = {"time_limit_s": steps / 15.0}
    assert drive((STEER, 1.0), config=config) == (EpisodeStatus.LAP_COMPLETE, steps)
    config = {"time_limit_s": (steps - 1) / 15.0}
    assert drive((STEER, 1.0), config=config) == (EpisodeStatus.TIME_UP, steps - 1)


def test_worlds_that_have_ended_stand_still():
    """Leave an ended world's car, observation and stream of random numbers alone; its reward is 0."""
    trial = make_time_trial(worlds=2, track=ring(), reward=lambda params: 1.0, config={"sensors": ["state", "lidar"]})
    trial.place(np.array([[0, 0.0, 0.0, 0.0], [0, 0.0, 0.0, 0.0]]))
    for _ in range(60):
        trial.step(np.array([[0.0, 2.0], [STEER, 0.5]]))
    assert trial.terminated.tolist() == [True, False]
    car = trial.world.cars[0].tobytes()
    seen = {key: values[0].tobytes() for key, values in trial.observation.items()}
    others = {key: values[1].tobytes() for key, values in trial.observation.items()}
    trial.step(np.array([[0.0, 2.0], [STEER, 0.5]]))
    assert trial.world.cars[0].tobytes() == car
    assert {key: values[0].tobytes() for key, values in trial.observation.items()} == seen
    assert all(values[1].tobytes() != others[key] for key, values in trial.observation.items())
    assert trial.rewards.tolist() == [0.0, 1.0]


def test_placed_cars_are_where_they_should_be():
    """Place by arc length and offset: on a ring that is angle and radius."""
    trial = make_time_trial(worlds=3, track=ring(rows=400), reward=None)
    s = np.array([0.0, 2.0, 6.0])
    trial.place(np.stack([np.zeros(3), s, [0.0, 0.2, -0.2], [0.0, 0.1, -0.1]], axis=1))
    cars = trial.world.cars[:, 0]
    angle, radius = s / RADIUS, RADIUS - np.array([0.0, 0.2, -0.2])
    # The polygon differs from the circle by R (pi / rows)^2 / 2 = 5e-5 m, its heading by pi / rows = 8e-3.
    assert cars["x"] == pytest.approx(radius * np.cos(angle), abs=1e-3)
    assert cars["y"] == pytest.approx(radius * np.sin(angle), abs=1e-3)
    turned = cars["yaw"] - (angle + math.pi / 2) - [0.0, 0.1, -0.1]
    assert np.remainder(turned + math.pi, 2 * math.pi) - math.pi == pytest.approx(0.0, abs=9e-3)


def test_configurations_may_be_models_or_mappings():
    """Take an `EnvConfig` as it is, a mapping as its fields, nothing as the default."""
    config = EnvConfig(control_rate_hz=30.0)
    assert make_time_trial(worlds=1, track=ring(), reward=None, config=config).config is config
    assert resolve_env_config({"control_rate_hz": 30}, None) == config
    assert make_time_trial(worlds=1, track=ring(), reward=None).config == EnvConfig()
    with pytest.raises(ConfigError, match="environment: unknown key `rate`"):
        resolve_env_config({"rate": 1}, None)
    with pytest.raises(ConfigError, match="Did you mean `range_max`"):
        resolve_env_config({"lidar": {"rang_max": 1}}, None)


def test_actions_may_be_models_or_plain_data():
    """Take both forms of model_metadata.json, a model, or nothing."""
    space = resolve_action_space(DISCRETE)
    assert resolve_action_space(space) is space and len(space.table) == 8
    assert resolve_action_space(None).high == (30.0, 4.0)
    assert resolve_action_space({"speed": {"low": 1, "high": 2}}).low == (-30.0, 1.0)


def test_a_reward_that_goes_wrong_stops_with_the_step():
    """Let the reward room's error through, with the car's step."""
    env = RacerVectorEnv(1, track=ring(), reward=lambda params: 1.0 if params["steps"] < 5 else None)
    env.reset(seed=1)
    for _ in range(3):
        env.step(np.array([[0.0, 1.0]]))
    with pytest.raises(RewardError, match="step 5"):
        env.step(np.array([[0.0, 1.0]]))


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_an_open_track_starts_at_its_end(direction):
    """Start near the first row in the direction of travel, and complete at the other end."""
    x = np.linspace(0.0, 6.0, 61)
    rows = {key: np.stack([x, np.full(61, y)], axis=1) for key, y in (("center", 0), ("left", 0.5), ("right", -0.5))}
    track = ring(**rows, closed=False, name="straight")
    trial = make_time_trial(
        worlds=1, track=track, reward=None, config={"start": {"direction": direction, "mode": "random"}}
    )
    trial.start()
    assert abs(trial.world.cars["x"][0, 0] - (0.25 if direction == "forward" else 5.75)) < 0.05
    for _ in range(200):
        trial.step(np.array([[0.0, 2.0]]))
        if trial.terminated[0]:
            break
    assert EpisodeStatus(int(trial.world.status[0, 0])) in (EpisodeStatus.LAP_COMPLETE, EpisodeStatus.OFF_TRACK)
    gone = 6.0 - trial.world.cars["x"][0, 0] if direction == "backward" else trial.world.cars["x"][0, 0]
    assert gone > 0.25
