"""Disturbed environments: nothing is exactly nothing, frames of the past, worlds of their own, and what users name."""

import math

import numpy as np
import pytest

from racer.config.disturbance import DisturbanceConfig
from racer.config.env import EnvConfig
from racer.config.read import read_vehicle, to_yaml, validate
from racer.env.batch import make_time_trial
from racer.env.sensors.suite import SensorSuite
from racer.env.vector import RacerVectorEnv
from racer.errors import AssetError, ConfigError
from racer.evaluate import evaluate
from racer.policy.pure_pursuit import PurePursuitPolicy
from support.environments import progress_reward
from support.tracks import ring

SENSORS = {"sensors": ("state", "lidar", "camera"), "lidar": {"rays": 12}, "camera": {"width": 48, "height": 36}}
DT = 1.0 / 15.0


@pytest.fixture
def disturbed(tmp_path):
    """A disturbance of some entries, as a file; gives its path."""

    def write(entries):
        config = validate(DisturbanceConfig, entries, "test")
        path = tmp_path / f"{abs(hash(str(entries)))}.yaml"
        path.write_text(to_yaml(config))
        return str(path)

    return write


def make(disturbance="none", worlds=3, config=(), **rest):
    """A batch on the ring."""
    fields = SENSORS | {"disturbance": disturbance} | dict(config)
    return make_time_trial(worlds=worlds, track=ring(), reward=None, config=fields, **rest)


def actions(worlds, steps, seed=1):
    """Gentle driving to the left, (T, N, 2)."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.uniform(0, 9, (steps, worlds)), rng.uniform(0.8, 2.0, (steps, worlds))], axis=2)


def drive(trial, steps=12):
    """Copies of the observations and the poses at the start and after each step."""
    trial.start()
    out = []
    for command in [None, *actions(len(trial.world.cars), steps)]:
        if command is not None:
            trial.step(command)
        cars = trial.world.cars[:, 0]
        poses = np.stack([cars[name] for name in ("x", "y", "yaw")], axis=1)
        out.append(({name: values.copy() for name, values in trial.observation.items()}, poses))
    return out


def same(one, other):
    """Whether two drives are equal, bit for bit."""
    return all(
        a.keys() == b.keys() and all(a[k].tobytes() == b[k].tobytes() for k in a) and p.tobytes() == q.tobytes()
        for (a, p), (b, q) in zip(one, other, strict=True)
    )


def test_none_is_exactly_nothing(disturbed):
    """Give the same bits with `none`, with an empty file, and with what has no effect on what is seen."""
    plain = drive(make())
    assert make().disturbances is None and make(disturbed({})).disturbances is None
    assert same(drive(make(disturbed({}))), plain)
    neutral = {"image": {"exposure": {"uniform": [1, 1]}}, "lidar_delivery": {"latency": {"uniform": [0, 0]}}}
    trial = make(
        disturbed(neutral | {"camera_delivery": {"latency": {"choice": [0]}}, "look": {"hue": {"choice": [1, 1]}}})
    )
    assert trial.disturbances is not None
    assert same(drive(trial), plain)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_late_frame_is_the_frame_of_then(disturbed, steps):
    """Deliver what an undisturbed car had in view so many control steps ago, bit for bit; before that, its start."""
    plain = drive(make(config={"lidar": {"rays": 12, "noise": 0.0}}))
    late = {"latency": steps * DT}
    trial = make(
        disturbed({"camera_delivery": late, "lidar_delivery": late}), config={"lidar": {"rays": 12, "noise": 0.0}}
    )
    for k, (seen, poses) in enumerate(drive(trial)):
        then, _ = plain[max(k - steps, 0)]
        np.testing.assert_array_equal(seen["camera"], then["camera"])
        np.testing.assert_array_equal(seen["lidar"], then["lidar"])
        np.testing.assert_array_equal(seen["state"], plain[k][0]["state"])
        np.testing.assert_array_equal(poses, plain[k][1])


def test_latency_between_steps(disturbed):
    """Deliver what was in view at a physics step between two control steps, within a millimetre of the pose."""
    late, substeps = 3, 8
    fine = make(config={"control_rate_hz": 120.0})  # a control step of one physics step: shows all poses in between
    trial = make(disturbed({"camera_delivery": {"latency": late / 120.0}}))
    fine.start(), trial.start()
    camera = trial.sensing.cameras["camera"].camera
    for command in actions(3, 8):
        for part in range(1, substeps + 1):
            fine.step(command)
            if part == substeps - late:
                then = np.stack([fine.world.cars[name][:, 0] for name in ("x", "y", "yaw")], axis=1)
                frames = fine.observation["camera"].astype(int)
        trial.step(command)
        np.testing.assert_allclose(trial.world.cars["x"], fine.world.cars["x"], atol=1e-9)
        away = camera.poses[:, 0, 0] - then
        away[:, 2] = np.mod(away[:, 2] + math.pi, 2.0 * math.pi) - math.pi
        np.testing.assert_allclose(away, 0.0, atol=1e-3)
        off = np.abs(trial.observation["camera"] - frames)
        assert off.mean() < 0.3 and (off > 8).mean() < 0.01
    assert np.abs(trial.observation["camera"] - fine.observation["camera"].astype(int)).mean() > 0.5


def test_drops_show_the_frame_of_before(disturbed):
    """Show a dropped or repeated frame again, noise and all, in the share of the steps that is set."""
    noise = {"image": {"noise": 6.0}, "camera_delivery": {"drop": 0.3, "latency": 0.03}}
    trial = make(disturbed(noise), worlds=80)
    trial.start()
    again = []
    for command in actions(80, 12):
        before, driving = trial.observation["camera"].copy(), ~trial.world.ended[:, 0]
        trial.step(command)
        frames = trial.observation["camera"]
        again += [np.array_equal(before[n], frames[n]) for n in np.flatnonzero(driving)]
    assert len(again) > 600
    assert np.mean(again) == pytest.approx(0.3, abs=5.0 * math.sqrt(0.21 / len(again)))


def test_a_camera_of_its_own_rate():
    """Show a frame as long as no new one was taken, also where nothing is disturbed."""
    plain = drive(make())
    slow = drive(make(config={"camera": SENSORS["camera"] | {"rate_hz": 5.0}}))
    for k, (seen, _) in enumerate(slow):
        np.testing.assert_array_equal(seen["camera"], plain[k - k % 3][0]["camera"])


def test_a_world_does_not_depend_on_its_batch():
    """Give a world the same bits alone, in a batch, on threads, and when run again; other worlds others."""
    whole = drive(make("real", worlds=4, seed=9))
    assert same(drive(make("real", worlds=4, seed=9)), whole)
    assert same(drive(make("real", worlds=4, seed=9, threads=3)), whole)
    for n in (0, 2):
        alone = make("real", worlds=1, seed=9)
        alone.world.world_ids[:] = n
        alone.world.seed(9)
        trial = make("real", worlds=4, seed=9)
        trial.start(), alone.start()
        for command in actions(4, 12):
            trial.step(command)
            alone.step(command[n : n + 1])
            for name, values in alone.observation.items():
                np.testing.assert_array_equal(values[0], trial.observation[name][n], err_msg=name)
    frames = whole[-1][0]["camera"]
    assert len({frame.tobytes() for frame in frames}) == 4


def test_each_episode_draws_anew_and_only_its_own_world(disturbed):
    """Draw at each start of a world, and leave the others and the streams that cars drive by alone."""
    path = disturbed({"vehicle": {"mass": {"uniform": [0.8, 1.2]}}})
    trial, plain = make(path), make()
    trial.start(), plain.start()
    first = trial.world.vehicles["mass"][:, 0].copy()
    assert len(set(first)) == 3
    which = np.array([False, True, False])
    trial.start(which), plain.start(which)
    assert (trial.world.vehicles["mass"][:, 0] != first).tolist() == which.tolist()
    np.testing.assert_array_equal(trial.world.cars["rng"], plain.world.cars["rng"])
    np.testing.assert_array_equal(trial.world.cars["x"], plain.world.cars["x"])


def test_a_reset_shows_nothing_of_the_episode_before(disturbed):
    """Deliver at a new start what is to be seen there, however late frames are."""
    trial = make(disturbed({"camera_delivery": {"latency": 0.3}}))
    drive(trial)
    trial.start()
    now = SensorSuite(trial.world, trial.config.model_copy(update={"disturbance": "none"}))
    now.start()
    np.testing.assert_array_equal(trial.observation["camera"], now.observation["camera"])


def test_a_seed_of_the_vector_environment_is_one_of_its_disturbances():
    """Reset with a seed to the same episodes; with a mask, only those of the marked worlds."""
    config = SENSORS | {"disturbance": "real", "sensors": ("state",)}
    env = RacerVectorEnv(3, track=ring(), reward=progress_reward, config=config)
    env.reset(seed=4)
    first = env.trial.world.vehicles["friction"].copy()
    env.reset(seed=5)
    other = env.trial.world.vehicles["friction"].copy()
    assert (first != other).all()
    mask = np.array([True, False, True])
    env.reset(seed=4, options={"reset_mask": mask})
    again = env.trial.world.vehicles["friction"]
    np.testing.assert_array_equal(again[mask], first[mask])
    assert again[1] == other[1]
    env.reset()
    assert not np.isin(env.trial.world.vehicles["friction"], first).any()


def test_an_evaluation_under_a_disturbance():
    """Drive the same laps again for the same seed, others than without, and say so in the record."""
    track, car = ring(), read_vehicle("deepracer")
    plain, real, again = (
        evaluate(PurePursuitPolicy(), track, car, laps=3, disturbance=d) for d in ("none", "real", "real")
    )
    assert real.record() == again.record() and real.record()["disturbance"] == "real"
    assert "disturbance" not in plain.record()
    assert [lap.time_s for lap in plain.laps] != [lap.time_s for lap in real.laps]


def test_what_cannot_be_found_or_used(disturbed, tmp_path):
    """Say in one line which disturbance is meant, and what is wrong in it."""
    with pytest.raises(AssetError, match=r"No disturbance `rael` .*Did you mean `real`\?"):
        make("rael")
    path = tmp_path / "mine.yaml"
    path.write_text("camera: {pitch_deg: {uniform: [-30, 3]}}")
    with pytest.raises(
        ConfigError, match=r"mine.yaml: `camera.pitch_deg` .* draws -30..3, which is not within -20..20"
    ):
        make(str(path))
    with pytest.raises(ConfigError, match="disturbance"):
        make("")
    assert EnvConfig().disturbance == "none"
