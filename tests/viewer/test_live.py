"""A simulation that is watched: laps that go on, faults that start anew, newer checkpoints, a person beside them."""

import os
from itertools import pairwise

import numpy as np
import pytest

from racer.config.env import CameraConfig, ObjectsConfig
from racer.config.read import read_vehicle
from racer.contract import camera_sensor, state_sensor
from racer.errors import AssetError, RacerError
from racer.evaluate import evaluate
from racer.policy import PurePursuitPolicy, RandomPolicy, load_policy
from racer.replay import read_replay, write_replay
from racer.reward.load import load_reward
from racer.sim.dtypes import EpisodeStatus
from racer.trained_policy import find_trained_policy
from racer.viewer.controls import ManualPolicy
from racer.viewer.live import LiveDriver, LiveSource, checkpoint_watcher, make_driver
from support.bundles import DISCRETE, write_linear
from support.runs import make_run
from support.tracks import ring

VEHICLE = read_vehicle("deepracer")


def live(*policies, track=None, **options):
    """A source of these policies."""
    drivers = [one if isinstance(one, LiveDriver) else LiveDriver(policy=one) for one in policies]
    return LiveSource(track or ring(), VEHICLE, drivers, **options)


def go(source, steps):
    """Go on, and give the rows."""
    for _ in range(steps):
        assert source.step()
    return source.rows


def test_laps_go_on_without_a_stop():
    """Complete lap after lap at speed; a flying lap is faster than the standing one; no time is lost in between."""
    rows = go(live(PurePursuitPolicy()), 400)[:, 0]
    assert rows["laps"][-1] >= 3
    ends = np.flatnonzero(np.diff(rows["laps"])) + 1
    assert (rows["speed"][ends + 1] > 1.5).all()
    assert (np.hypot(np.diff(rows["x"]), np.diff(rows["y"])) < 0.3).all()
    assert (rows["status"][ends] == EpisodeStatus.LAP_COMPLETE).all()
    standing, flying = rows["lap_time"][ends[:2]]
    assert flying < standing and rows["best"][-1] == pytest.approx(rows["lap_time"][ends].min())
    # Laps end between two steps, and each begins where the one before ended: only the first and last ends are rounded.
    driven = (ends[-1] - ends[0]) / 15.0
    assert rows["lap_time"][ends[1:]].sum() == pytest.approx(driven, abs=1.0 / 15.0)
    assert np.diff(ends) / 15.0 == pytest.approx(rows["lap_time"][ends[1:]], abs=1.0 / 15.0)
    assert 0.0 < rows["progress"][ends[0] + 1] < 5.0


def test_a_camera_of_its_own_rate_goes_on_seeing_in_the_next_lap():
    """Give a camera of 10 frames a second new frames after a lap as before it: two for three control steps."""

    class Seeing(PurePursuitPolicy):
        """Drives by its state, and looks at what its camera shows."""

        def __init__(self):
            super().__init__()
            self.sensors = (state_sensor(), camera_sensor(CameraConfig(width=16, height=12, rate_hz=10.0)))
            self.frames = []

        def act(self, observation):
            self.frames.append(observation["camera"].copy())
            return super().act(observation)

    policy = Seeing()
    rows = go(live(policy), 200)[:, 0]
    assert rows["laps"][-1] >= 1
    lap = int(np.flatnonzero(np.diff(rows["laps"]))[0]) + 1
    news = [bool((one != other).any()) for one, other in pairwise(policy.frames)]
    for part in (news[15 : lap - 1], news[lap + 1 : lap + 61]):
        assert sum(part) == pytest.approx(2 / 3 * len(part), abs=2) and len(part) > 40


def test_first_lap_is_the_evaluations():
    """Drive as an evaluation does from the same pose: here the middle of the road with no heading error."""
    source = live(PurePursuitPolicy())
    seen = []

    def watch(world):
        if not seen:
            world.place(np.array([[[0.0, 0.0, 0.0, 0.0]]]))
        seen.append((world.cars["x"][0, 0], world.cars["y"][0, 0]))

    evaluate(PurePursuitPolicy(), ring(), VEHICLE, laps=1, watch=watch)
    rows = go(source, 40)
    # The evaluation's first action still saw its own start; a car at rest does not turn by it.
    driven = np.stack([rows["x"][:40, 0], rows["y"][:40, 0]], axis=1)
    assert np.abs(driven - np.array(seen[:40])).max() < 0.02


def test_faults_wait_and_start_anew():
    """Count an off-track once, stand for a second, and be at the start again."""
    rows = go(live(RandomPolicy(seed=0)), 300)[:, 0]
    ended = np.flatnonzero(rows["status"] >= EpisodeStatus.OFF_TRACK)
    first = ended[0]
    assert (rows["x"][first : first + 15] == rows["x"][first]).all()
    anew = np.flatnonzero(np.diff(rows["lap_time"]) < 0.0)[0] + 1
    assert 15 <= anew - first <= 17 and rows["x"][anew] == rows["x"][0] and rows["speed"][anew] == 0.0
    faults = np.diff(rows["status"]) != 0
    off = faults & (rows["status"][1:] == EpisodeStatus.OFF_TRACK)
    assert rows["off_tracks"][-1] == off.sum() > 1


def test_the_same_seed_drives_the_same(tmp_path, monkeypatch):
    """Start anew and drive the same, bit for bit; a recording of it plays the same."""
    bots = ObjectsConfig(race="head_to_bot", count=2)
    monkeypatch.setattr("racer.viewer.live.training_objects", lambda policy: bots)
    source = live(PurePursuitPolicy(), RandomPolicy(seed=3), seed=5)
    first = go(source, 80)[:, 0].copy()
    again = live(PurePursuitPolicy(), RandomPolicy(seed=3), seed=5)
    assert np.array_equal(go(again, 80)[:, 0], first)
    source.reset()
    assert len(source.rows) == 1
    assert np.array_equal(go(source, 80)[:, 0], first)
    write_replay(tmp_path / "a.replay", source.recorder.replay())
    back = read_replay(tmp_path / "a.replay")
    assert np.abs(back.rows["x"][:, 0] - first["x"]).max() < 1e-4 and back.objects.shape[1] == 4


def test_cars_start_side_by_side():
    """Stand apart across the road, in the order they were named."""
    rows = live(*[PurePursuitPolicy() for _ in range(8)]).rows[0]
    gaps = np.hypot(np.diff(rows["x"]), np.diff(rows["y"]))
    assert gaps == pytest.approx(gaps[0], rel=1e-3) and gaps.sum() == pytest.approx(0.6, rel=0.02)


def test_open_tracks_start_at_their_end():
    """Stop at the end of an open track and start over."""
    along = np.stack([np.linspace(0.0, 4.0, 41), np.zeros(41)], axis=1)
    side = np.array([0.0, 0.5])
    from racer.track.track import Track

    track = Track(name="straight", center=along, left=along + side, right=along - side, closed=False, walls="none")
    rows = go(live(PurePursuitPolicy(), track=track), 150)[:, 0]
    assert rows["laps"][-1] >= 1 and rows["x"].max() < 4.5
    back = np.flatnonzero(np.diff(rows["x"]) < -1.0)
    assert len(back) and (rows["speed"][back + 1] == 0.0).all()


def test_rates_that_differ_are_refused(tmp_path):
    """Name both rates."""

    class Fast(PurePursuitPolicy):
        control_rate_hz = 30.0

    slow = load_policy(write_linear(tmp_path / "slow.bundle"))
    with pytest.raises(RacerError, match=r"`.*` 15 Hz, `.*` 30 Hz"):
        live(Fast(), slow)
    assert live(Fast(), PurePursuitPolicy()).stage.control_dt == pytest.approx(1 / 30)


def test_action_probabilities_are_the_policys(tmp_path):
    """Give each action of a discrete policy with its probability; others have none to show."""
    source = live(load_policy(write_linear(tmp_path / "a.bundle", DISCRETE)), PurePursuitPolicy())
    probabilities = source.action_probabilities(0)
    assert probabilities.shape == (6, 3) and probabilities[:, 2].sum() == pytest.approx(1.0)
    source.step()
    chosen = probabilities[probabilities[:, 2].argmax()]
    row = source.rows[-1, 0]
    assert (row["steer_command"], row["speed_command"]) == pytest.approx(tuple(chosen[:2]))
    assert source.action_probabilities(1) is None


def test_a_newer_checkpoint_drives_from_the_next_lap_on(tmp_path):
    """Follow a run: load a bundle that was replaced, once, and say so."""
    run = make_run(tmp_path / "run")
    write_linear(run / "last.bundle")
    driver = make_driver(find_trained_policy(run, newest=True), live=True)
    source = live(driver)
    old = driver.policy
    go(source, 3)
    assert driver.policy is old
    write_linear(run / "last.bundle", DISCRETE)
    os.utime(run / "last.bundle", (1, 1))
    go(source, 200)
    assert driver.policy is not old and [event.text for event in source.events] == [
        "run/last: a newer checkpoint drives"
    ]
    assert source.recorder.replay().header.events[0].car == 0


def test_a_checkpoint_that_is_gone_changes_nothing(tmp_path):
    """Wait while a file is not there."""
    path = write_linear(tmp_path / "a.bundle")
    fresh = checkpoint_watcher(find_trained_policy(path))
    assert fresh() is None
    path.unlink()
    assert fresh() is None
    write_linear(path)
    os.utime(path, (5, 5))
    assert fresh() is not None and fresh() is None


def test_live_needs_a_checkpoint(tmp_path):
    """Say what is missing where a training has not written one yet."""
    run = make_run(tmp_path / "run")
    with pytest.raises(AssetError, match=r"last\.bundle"):
        find_trained_policy(run, newest=True)


def test_rewards_are_the_functions():
    """Give each car the rewards of its own function, and none while it waits."""
    reward = load_reward(lambda params: params["progress"] + 1.0, n_worlds=1)
    source = live(LiveDriver(policy=RandomPolicy(seed=0), reward=reward), PurePursuitPolicy())
    rows = go(source, 100)
    assert [car.rewarded for car in source.stage.cars] == [True, False]
    driven = np.diff(rows["lap_time"][:, 0], prepend=0.0) > 0.0
    assert rows["reward"][driven, 0] == pytest.approx(rows["progress"][driven, 0] + 1.0, abs=1e-3)
    waits = (rows["status"][:, 0] >= EpisodeStatus.OFF_TRACK) & ~driven
    assert waits.any() and (rows["reward"][waits, 0] == 0.0).all() and (rows["reward"][:, 1] == 0.0).all()


def test_a_person_drives_beside_a_policy():
    """Go where the keys say, on the same track."""
    person = ManualPolicy(VEHICLE, control_dt=1 / 15)
    source = live(PurePursuitPolicy(), person)
    person.keys = (0.0, 1.0)
    rows = go(source, 12)
    assert rows["speed"][-1, 1] > 0.5 and rows["speed_command"][-1, 1] == pytest.approx(12 / 30 * VEHICLE.speed_max)
    assert source.stage.cars[1].name == "you" and source.length is None
