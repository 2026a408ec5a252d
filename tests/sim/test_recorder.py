"""The recorder against the evaluation that it watched, and against the simulator's own words."""

import numpy as np
import pytest

from racer.config.env import ObjectsConfig
from racer.config.read import read_vehicle
from racer.evaluate import evaluate
from racer.policy import PurePursuitPolicy, RandomPolicy
from racer.replay import ABSENT, CarHeader, ReplayError, read_replay, write_replay
from racer.sim.dtypes import BOT, EpisodeStatus
from racer.sim.recorder import ReplayRecorder
from racer.sim.world import World
from support.tracks import ring

VEHICLE = read_vehicle("deepracer")


def cars(count):
    """Headers of cars of which each has a world of its own."""
    return [CarHeader(name=f"lap {k}", world=k) for k in range(count)]


def recorded(policy, laps=4, **options):
    """An evaluation, and what was recorded of it."""
    recorder = ReplayRecorder(cars(laps), kind="evaluation", seed=2)
    result = evaluate(policy, ring(), VEHICLE, laps=laps, seed=2, watch=recorder, **options)
    return result, recorder.replay()


@pytest.mark.parametrize("policy", [PurePursuitPolicy(), RandomPolicy(seed=1)])
def test_recording_tells_what_the_evaluation_tells(policy):
    """Find each lap's end, time, progress and fault in the last row."""
    result, replay = recorded(policy)
    last = replay.rows[-1]
    for lap, row in zip(result.laps, last, strict=True):
        assert EpisodeStatus(int(row["status"])).word == lap.status
        assert bool(row["laps"]) == lap.completed and bool(row["off_tracks"]) == (lap.status == "off_track")
        assert row["best"] == pytest.approx(lap.time_s or 0.0)
        assert row["progress"] == pytest.approx(max(lap.progress, row["progress"]), abs=1e-4)
    assert replay.header.kind == "evaluation" and replay.header.seed == 2
    assert replay.header.control_rate_hz == pytest.approx(15.0)
    assert np.array_equal(replay.center, ring().center) and replay.header.track.name == "ring"


def test_recording_is_what_was_driven(tmp_path):
    """Keep the poses of every control step, through a file as well."""
    seen = []
    recorder = ReplayRecorder(cars(3))

    def watch(world):
        recorder(world)
        seen.append(world.cars[:, 0].copy())

    evaluate(PurePursuitPolicy(), ring(), VEHICLE, laps=3, watch=watch)
    write_replay(tmp_path / "a.replay", recorder.replay())
    rows = read_replay(tmp_path / "a.replay").rows
    driven = np.stack(seen)
    assert rows.shape == driven.shape
    for key in ("x", "y", "yaw", "steer", "steer_command", "speed_command", "progress"):
        assert np.abs(rows[key] - driven[key]).max() < 6e-4, key
    assert np.abs(rows["speed"] - np.hypot(driven["vx"], driven["vy"])).max() < 6e-4


def test_bots_are_recorded_as_they_move():
    """Keep where bots are at each step, and in which world."""
    objects = ObjectsConfig(race="head_to_bot", count=2)
    _, replay = recorded(PurePursuitPolicy(), laps=2, objects=objects)
    things = replay.objects
    assert things.shape == (len(replay.rows), 4) and (things["kind"] == BOT).all()
    assert things["world"][0].tolist() == [0, 0, 1, 1]
    moved = np.hypot(np.diff(things["x"], axis=0), np.diff(things["y"], axis=0))
    assert moved.max() > 0.0


def test_boxes_that_stand_are_kept_once():
    """Keep one row of what does not move."""
    objects = ObjectsConfig(race="object_avoidance", count=3)
    _, replay = recorded(RandomPolicy(seed=0), laps=2, objects=objects)
    assert replay.objects.shape == (1, 6) and (replay.objects["active"] == 1).all()


def test_others_may_count():
    """Take columns that somebody else counted, such as ranks and penalties of a race."""
    world = World([ring()], VEHICLE, 1, cars=2)
    world.reset()
    recorder = ReplayRecorder([CarHeader(name="a"), CarHeader(name="b")], rules={"laps": 3})
    recorder(world, rank=np.array([2, 1]), penalty=np.array([3.0, 0.0]))
    recorder.add_event("go", car=1)
    world.cars["active"][0, 1] = 0
    recorder(world)
    replay = recorder.replay()
    assert replay.rows["rank"].tolist() == [[2, 1], [0, 0]] and replay.rows["penalty"][0].tolist() == [3.0, 0.0]
    assert replay.rows["status"][1].tolist() == [0, ABSENT]
    assert [(one.step, one.car, one.text) for one in replay.header.events] == [(0, 1, "go")]
    assert replay.header.rules == {"laps": 3}


def test_rewards_are_asked_for_once_a_step():
    """Keep what the reward function gives."""
    asked = []

    def rewards(world):
        asked.append(1)
        return np.full(world.cars.shape, float(len(asked)))

    recorder = ReplayRecorder(cars(2), rewards=rewards)
    evaluate(RandomPolicy(seed=0), ring(), VEHICLE, laps=2, watch=recorder)
    assert recorder.rows["reward"][:, 1].tolist() == list(range(1, len(recorder.rows) + 1))


def test_long_recordings_grow():
    """Keep more steps than there was room for at the start."""
    world = World([ring()], VEHICLE, 1)
    world.reset()
    recorder = ReplayRecorder([CarHeader(name="a")])
    for step in range(600):
        world.cars["x"] = step
        recorder(world)
    assert recorder.rows["x"][:, 0].tolist() == list(range(600))


def test_nothing_is_no_replay():
    """Refuse to make a replay of nothing."""
    with pytest.raises(ReplayError, match="nothing was recorded"):
        ReplayRecorder(cars(1)).replay()
