"""Laps: where they start, how they end, what is told of them."""

import functools
import json
import math

import numpy as np
import pytest

from racer.config.read import read_vehicle
from racer.contract import SensorSpec, lidar_sensor, state_sensor
from racer.env.batch import TimeTrial
from racer.env.sensors.suite import env_config_for, sensor_specs
from racer.errors import BundleError
from racer.evaluate import Evaluation, Lap, evaluate, start_poses
from racer.policy.load import RandomPolicy
from racer.policy.pure_pursuit import PurePursuitPolicy
from racer.sim.lap_time import crossing_fraction
from racer.sim.reset import OPEN_START
from racer.sim.world import World
from racer.track.load import load_track
from support import tracks
from support.paths import ROOT
from support.policies import Steady, at_speed
from support.tracks import straight

SHIPPED = sorted(file.stem for file in (ROOT / "tracks").glob("*.yaml"))
# 400 rows: chords near enough to the circle for the tolerances below.
ring = functools.partial(tracks.ring, rows=400)
VEHICLE = read_vehicle("deepracer_geometric")
LENGTH = 2.0 * math.pi * 1.5


def starts(track, laps, seed):
    """The starts of an evaluation on `track`."""
    return start_poses(World([track], VEHICLE, 1), laps, seed)


@pytest.mark.parametrize("laps", [1, 2, 5, 7])
def test_lap_k_starts_at_fraction_k_of_the_track(laps):
    """Start at s = k L / K on the track's own direction, beside the line by at most the shares that are fixed."""
    track = ring()
    poses = starts(track, laps, seed=3)
    assert poses.shape == (laps, 4)
    assert (poses[:, 0] == 0).all()
    assert poses[:, 1] == pytest.approx(np.arange(laps) * track.length / laps, abs=1e-12)
    assert (np.abs(poses[:, 2]) <= 0.25 * 0.5).all()
    assert (np.abs(poses[:, 3]) <= math.radians(10)).all()


def test_starts_fill_their_range():
    """Draw evenly over +-25 % of the half-width and +-10 degrees."""
    poses = starts(ring(), 4000, seed=1)
    for values, limit in ((poses[:, 2], 0.125), (poses[:, 3], math.radians(10))):
        assert values.min() < -0.999 * limit and values.max() > 0.999 * limit
        # Mean and deviation of 4000 uniform draws: 0 +- 4 sigma of the mean, limit / sqrt(3) within 3 %.
        assert abs(values.mean()) < 4 * limit / math.sqrt(3 * 4000)
        assert values.std() == pytest.approx(limit / math.sqrt(3), rel=0.03)


def test_starts_are_seeded():
    """Give the same starts for a seed, and others for another; lap k draws the same whatever the number of laps."""
    track = ring()
    assert starts(track, 5, 7).tolist() == starts(track, 5, 7).tolist()
    assert starts(track, 5, 7)[:, 2:] == pytest.approx(starts(track, 10, 7)[:5, 2:], abs=1e-12)
    assert (starts(track, 5, 7)[:, 2:] != starts(track, 5, 8)[:, 2:]).all()


def test_the_half_width_is_that_of_the_place():
    """Measure the nearer border at the start itself."""
    angle = np.linspace(0.0, 2.0 * np.pi, 401)
    angle[-1] = 0.0
    out = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    inner = np.where(np.sin(angle) > 0.01, 0.2, 0.6)[:, None]
    track = ring(left=(1.5 - inner) * out, right=2.3 * out)
    share = starts(ring(half_width=1.0), 400, 5)[:, 2] / 0.25
    half = starts(track, 400, 5)[:, 2] / 0.25 / share
    at = starts(track, 400, 5)[:, 1] / track.length * 2 * np.pi
    # The nearest border counts, so a place near a step of the border is left out; chords miss arcs by 5e-5 m.
    assert half[np.sin(at) > 0.15] == pytest.approx(0.2, abs=1e-4)
    assert half[np.sin(at) < -0.6] == pytest.approx(0.6, abs=1e-4)


def test_cars_stand_where_their_poses_say():
    """Show the policy the starts: at rest, with the offset and heading error that were drawn."""
    policy = Steady(0.0, 1.0)
    evaluate(policy, ring(), VEHICLE, laps=4, seed=9)
    poses = starts(ring(), 4, 9)
    state = policy.first["state"]
    # The offset is told of the front point, 0.14 m ahead: on a ring that is sqrt of a sum of squares.
    radius = 1.5 - poses[:, 2]
    x, y = radius - 0.14 * np.sin(poses[:, 3]), 0.14 * np.cos(poses[:, 3])
    assert state[:, 0] == pytest.approx(1.5 - np.hypot(x, y), abs=2e-4)
    assert state[:, 1] == pytest.approx(poses[:, 3] - np.arctan2(y, x), abs=8e-3)
    assert (state[:, 2:8] == 0.0).all()
    assert policy.resets == 1


@pytest.mark.parametrize(("speed", "status"), [(0.3, "time_up"), (0.4, "lap_complete")])
def test_a_lap_may_take_three_times_its_length_at_one_metre_per_second(speed, status):
    """Refuse a lap below 1/3 m/s and accept one above."""
    result = evaluate(at_speed(speed), ring(), VEHICLE, laps=2, seed=1)
    assert [lap.status for lap in result.laps] == [status] * 2
    assert all((lap.time_s is None) == (status == "time_up") for lap in result.laps)
    if status == "time_up":
        # At 0.3 m/s it comes 0.9 of the way, but for the start from rest and where the car keeps to.
        assert all(85 < lap.progress < 95 for lap in result.laps)


@pytest.mark.parametrize("rate", [None, 15.0, 30.0])
def test_the_limit_ends_at_the_exact_step(rate):
    """Ask a slow policy once for each control step until three times the length is over, and not again."""
    track = ring()
    policy = Steady(6.2, 0.1, rate=rate)
    result = evaluate(policy, track, VEHICLE, laps=1, seed=1)
    assert result.laps[0].status == "time_up"
    assert policy.asked == math.ceil(3.0 * track.length * (rate or 15.0))


def test_the_time_of_a_lap_is_what_its_way_takes():
    """Time a lap at a steady speed: length over speed, and what is lost at the start."""
    result = evaluate(at_speed(1.0), ring(), VEHICLE, laps=3, seed=2)
    assert [lap.status for lap in result.laps] == ["lap_complete"] * 3
    for lap in result.laps:
        assert LENGTH / 1.0 < lap.time_s < LENGTH / 1.0 + 1.0
        assert lap.progress == 100.0 and lap.start == "standing"


@pytest.mark.parametrize("track", [ring(), straight()], ids=["closed", "open"])
def test_the_time_ends_on_the_line(track):
    """Interpolate the crossing between two control steps: a finer control rate gives the same time, not a multiple.

    At a steady 1.0 m/s the lap takes (L - s_k) / v after step k, so t = (k + (L - s_k) / (s_{k+1} - s_k)) dt.
    """
    seen = []

    def watch(world):
        seen.append((world.cars["travelled"][:, 0].copy(), world.cars["start_s"][:, 0].copy()))

    result = evaluate(at_speed(1.0), track, VEHICLE, laps=3, seed=2, watch=watch)
    for n, lap in enumerate(result.laps):
        assert lap.completed
        length = track.length if track.closed else track.length - seen[0][1][n]
        k = max(k for k, (travelled, _) in enumerate(seen) if travelled[n] < length - 1e-9)
        before = seen[k][0][n]
        # Beyond the end of an open track there is no arc length: there the car keeps its speed of 1 m/s.
        moved = seen[k + 1][0][n] - before if track.closed else 1.0 / 15.0
        assert lap.time_s == pytest.approx((k + (length - before) / moved) / 15.0, abs=2e-4)
    assert any(abs(lap.time_s * 15 - round(lap.time_s * 15)) > 0.01 for lap in result.laps)


def test_a_race_and_an_evaluation_time_a_lap_alike():
    """Referee and evaluation interpolate by one function: from 9.8 m of 10 m, moving 0.8 m, it is a quarter."""
    world = World([straight(length=10.0)], VEHICLE, 1)
    car = world.cars[0, 0]
    car["start_s"], car["travelled"], car["vx"] = 0.0, 10.6, 0.0
    assert crossing_fraction(car, 9.8, straight(length=10.0), 1 / 15) == pytest.approx(0.25)
    # The end of an open track stops the arc length; 12 m/s for 1/15 s are 0.8 m.
    car["travelled"], car["vx"] = 10.0, 12.0
    assert crossing_fraction(car, 9.8, straight(length=10.0), 1 / 15) == pytest.approx(0.25)
    car["travelled"], car["vx"] = 9.8, 0.0
    assert crossing_fraction(car, 9.8, straight(length=10.0), 1 / 15) == 1.0


def test_a_lap_ends_at_its_first_fault():
    """Leave the road once, and count no further."""
    policy = Steady(0.0, 2.0)
    result = evaluate(policy, ring(), VEHICLE, laps=5, seed=4)
    assert {lap.status for lap in result.laps} == {"off_track"}
    assert all(not lap.completed and lap.time_s is None and 0 <= lap.progress < 50 for lap in result.laps)
    assert policy.asked < 40
    assert result.completion_rate == 0.0 and result.best_lap_s is None and result.mean_lap_s is None
    assert result.record()["off_tracks"] == 5


@pytest.mark.parametrize("name", SHIPPED)
def test_pure_pursuit_laps_every_shipped_track(name):
    """Complete four of four laps on each track that the package ships."""
    result = evaluate(PurePursuitPolicy(), load_track(name), read_vehicle("deepracer"), laps=4, seed=1)
    assert [lap.status for lap in result.laps] == ["lap_complete"] * 4
    assert result.completion_rate == 1.0 and result.track == name


def test_laps_do_not_depend_on_each_other(monkeypatch):
    """Drive the first five of ten laps alone: the same laps, to the last bit."""
    track = load_track("willow_bend")
    ten = evaluate(PurePursuitPolicy(), track, VEHICLE, laps=10, seed=6)
    monkeypatch.setattr("racer.evaluate.start_poses", lambda world, laps, seed: start_poses(world, 10, seed)[:laps])
    five = evaluate(PurePursuitPolicy(), track, VEHICLE, laps=5, seed=6)
    assert five.laps == ten.laps[:5]
    assert len({lap.time_s for lap in ten.laps}) > 1


def test_a_fault_does_not_reach_the_neighbours():
    """Complete the laps of careful cars beside one that leaves the road at once."""

    class Mixed(PurePursuitPolicy):
        """Drives the first car straight on."""

        def act(self, observation):
            action = super().act(observation)
            action[0] = (0.0, 2.0)
            return action

    mixed, clean = (evaluate(policy(), ring(), VEHICLE, laps=3, seed=2) for policy in (Mixed, PurePursuitPolicy))
    assert mixed.laps[0].status == "off_track" and mixed.laps[1:] == clean.laps[1:]


@pytest.mark.parametrize("policy", [lambda: Steady(0.0, 2.0), RandomPolicy], ids=["steady", "random"])
def test_the_same_seed_gives_the_same_record(policy):
    """Repeat every number; another seed gives others."""
    track = load_track("willow_bend")
    one, again, other = (evaluate(policy(), track, VEHICLE, laps=4, seed=seed) for seed in (3, 3, 4))
    assert one == again and one.record() == again.record()
    assert evaluate(PurePursuitPolicy(), track, VEHICLE, seed=3) == evaluate(
        PurePursuitPolicy(), track, VEHICLE, seed=3
    )
    assert one.laps != other.laps


def test_the_record_has_the_frozen_keys_and_types():
    """Print what machines read: exactly these keys in this order, plain numbers, nulls where nothing was completed."""
    result = Evaluation(
        track="t",
        policy="p",
        seed=3,
        laps=(
            Lap(completed=True, time_s=8.123456, progress=100.0, status="lap_complete"),
            Lap(completed=False, time_s=None, progress=41.98765, status="off_track"),
            Lap(completed=True, time_s=9.0, progress=100.0, status="lap_complete", start="flying"),
            Lap(completed=False, time_s=None, progress=0.0, status="immobilized"),
        ),
    )
    assert json.dumps(result.record()) == (
        '{"track": "t", "policy": "p", "seed": 3, "laps": ['
        '{"completed": true, "time_s": 8.1235, "progress": 100.0, "status": "lap_complete", "start": "standing"}, '
        '{"completed": false, "time_s": null, "progress": 41.9877, "status": "off_track", "start": "standing"}, '
        '{"completed": true, "time_s": 9.0, "progress": 100.0, "status": "lap_complete", "start": "flying"}, '
        '{"completed": false, "time_s": null, "progress": 0.0, "status": "immobilized", "start": "standing"}], '
        '"completion_rate": 0.5, "best_lap_s": 8.1235, "mean_lap_s": 8.5617, "off_tracks": 1}'
    )
    assert result.mean_progress == pytest.approx((100 + 41.98765 + 100) / 4)


@pytest.mark.parametrize("policy", [PurePursuitPolicy(), Steady(0.0, 2.0)], ids=["completes", "fails"])
def test_records_of_real_laps_are_plain_json(policy):
    """Hold no numpy numbers, whatever the laps; progress is 0..100, the rate 0..1."""
    record = evaluate(policy, ring(), VEHICLE, laps=3, seed=1).record()
    assert json.loads(json.dumps(record)) == record
    assert list(record) == [
        "track", "policy", "seed", "laps", "completion_rate", "best_lap_s", "mean_lap_s", "off_tracks",
    ]  # fmt: skip
    assert record["policy"] == policy.name and type(record["seed"]) is int
    words = {"lap_complete", "off_track", "crashed", "immobilized", "reversed", "time_up"}
    for lap in record["laps"]:
        assert list(lap) == ["completed", "time_s", "progress", "status", "start"]
        assert lap["start"] == "standing"
        assert type(lap["completed"]) is bool and lap["status"] in words
        assert type(lap["progress"]) is float and 0.0 <= lap["progress"] <= 100.0
        assert (type(lap["time_s"]) is float) == lap["completed"]
    assert type(record["completion_rate"]) is float and 0.0 <= record["completion_rate"] <= 1.0


def test_every_lap_of_an_open_track_starts_at_its_end():
    """Start all laps of a point-to-point course at its beginning, and complete them at its end."""
    track = straight()
    poses = starts(track, 5, 1)
    assert poses[:, 1].tolist() == [OPEN_START] * 5
    assert len(set(poses[:, 2])) == 5
    result = evaluate(PurePursuitPolicy(), track, VEHICLE, laps=5, seed=1)
    assert [lap.status for lap in result.laps] == ["lap_complete"] * 5
    # The front point starts 0.39 m in; 3 m/s and 4 m/s^2 at most.
    assert all((6.0 - 0.39) / 3.0 < lap.time_s < 6.0 for lap in result.laps)


def test_a_reversed_track_is_driven_the_other_way():
    """Drive a track and its reverse: the ring is the same both ways but for its noise of starts."""
    result = evaluate(PurePursuitPolicy(), ring().reversed(), VEHICLE, laps=2, seed=1)
    assert result.completion_rate == 1.0


def test_going_backwards_gives_no_negative_progress():
    """Tell 0, not less, of a lap that went the wrong way."""
    poses = starts(ring(), 1, 0)
    poses[0, 3] = math.pi
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("racer.evaluate.start_poses", lambda *_: poses)
        result = evaluate(Steady(-6.2, 1.0), ring(), VEHICLE, laps=1, seed=0)
    assert result.laps[0].status == "reversed" and result.laps[0].progress == 0.0


def other_state(**changes):
    """The state sensor with some parts changed."""
    return state_sensor().model_copy(update=changes)


REFUSED = [
    (SensorSpec(name="camera", shape=(1, 120, 160), dtype="uint8"), "has other fields"),  # channels come last
    (other_state(fields=tuple(f"f{k}" for k in range(48))), "has other fields"),
    (other_state(settings={"look_ahead_m": [1.0, 2.0]}), "has other fields"),
    (other_state(settings={}), "`look_ahead` is empty"),
    (other_state(settings={"look_ahead_m": [2.0, 1.0]}), "distances must be 0..1000 m"),
    (lidar_sensor().model_copy(update={"shape": (63,)}), "has other fields"),
    (lidar_sensor().model_copy(update={"settings": {"rays": 0}}), "`lidar.rays` is 0"),
    (lidar_sensor().model_copy(update={"settings": {"turns": 3}}), "unknown key `lidar.turns`"),
]


@pytest.mark.parametrize(("sensor", "told"), REFUSED)
def test_a_policy_that_needs_another_sensor_is_refused(sensor, told):
    """Refuse what the simulator cannot show, in one line."""
    with pytest.raises(BundleError) as caught:
        evaluate(Steady(0.0, 1.0, sensors=(sensor,)), ring(), VEHICLE, laps=1)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_an_impossible_control_rate_is_refused():
    """Refuse a rate that the simulator has not."""
    with pytest.raises(BundleError, match="`control_rate_hz` is 500"):
        evaluate(Steady(0.0, 1.0, rate=500.0), ring(), VEHICLE, laps=1)


@pytest.mark.parametrize("rate", [None, 10.0, 30.0])
def test_the_policy_sees_what_its_contract_says(rate):
    """Show the sensors in the contract's settings at its rate."""
    sensors = (
        lidar_sensor(env_config_for((lidar_sensor(),), None).lidar.model_copy(update={"rays": 9, "noise": 0.0})),
        state_sensor((0.5, 1.5, 2.5)),
    )
    config = env_config_for(sensors, rate)
    assert config.control_rate_hz == (rate or 15.0)
    assert sensor_specs(config) == sensors
    policy = Steady(0.0, 1.0, sensors=sensors, rate=rate)
    evaluate(policy, ring(), VEHICLE, laps=2)
    assert {key: values.shape for key, values in policy.first.items()} == {"state": (2, 20), "lidar": (2, 9)}


def test_an_evaluation_asks_no_reward():
    """Build its trial without a reward function: a policy's laps are judged by the track alone."""
    trial = TimeTrial([ring()], VEHICLE, env_config_for((state_sensor(),), None), worlds=1)
    assert trial.reward is None
