"""Environments with boxes and bots: ids, determinism, what rewards are told, and what lidars see of them."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import racer.env  # noqa: F401 (registers the ids)
from racer.config.env import EnvConfig
from racer.env.batch import make_time_trial, observation_space
from racer.env.vector import RacerVectorEnv
from racer.errors import ConfigError
from racer.sim.dtypes import BOT, BOX, EpisodeStatus
from racer.track.track import Track
from support.environments import assert_same, driver, with_recommendations
from support.tracks import ring

ALL = {"sensors": ("state", "lidar", "sector_lidar", "discretized_sector_lidar")}
BOTS = {"race": "head_to_bot", "count": 2, "bots": {"speed": 0.5, "lane_changes": "random"}}


def road(length=20.0, half_width=1.5):
    """A straight open track along x without walls."""
    x = np.linspace(0.0, length, 41)
    lines = [np.stack([x, np.full(41, y)], axis=1) for y in (0.0, half_width, -half_width)]
    return Track(name="road", center=lines[0], left=lines[1], right=lines[2], closed=False, walls="none")


def objects_seen(params):
    """A reward that depends on every key of objects."""
    total = params["object_in_camera"] + 10.0 * params["closest_objects"][0] + 100.0 * params["closest_objects"][1]
    for k in range(len(params["objects_location"])):
        x, y = params["objects_location"][k]
        total += x - y + params["objects_distance"][k] + params["objects_distance_from_center"][k]
        total += params["objects_heading"][k] + 3.0 * params["objects_left_of_center"][k] + params["objects_speed"][k]
    return float(total)


@pytest.mark.parametrize(
    ("name", "kind", "speed"), [("ObjectAvoidance", BOX, 0.0), ("HeadToBot", BOT, 0.2), ("TimeTrial", None, None)]
)
@with_recommendations
def test_gymnasium_accepts_every_race(name, kind, speed):
    """Make each id, pass Gymnasium's checker, and find its objects, whatever race the configuration names."""
    config = ALL | {"objects": {"count": 2}}
    env = gymnasium.make(f"racer/{name}-v0", track=ring(), reward=objects_seen, config=config)
    check_env(env.unwrapped)
    things = env.unwrapped.vector.trial.world.objects
    assert things.shape == (1, 0 if kind is None else 2)
    assert (things["kind"] == (kind or 0)).all() and (things["speed"] == (speed or 0.0)).all()
    env.close()


def test_the_vector_environment_has_the_ids_too():
    """Make many worlds of a race: each has its own layout."""
    envs = gymnasium.make_vec("racer/ObjectAvoidance-v0", num_envs=5, track=ring(), reward=objects_seen)
    envs.reset(seed=0)
    assert len(np.unique(envs.unwrapped.trial.world.objects["s"])) == 15
    envs.close()


def test_a_race_that_does_not_fit_is_one_line():
    """Refuse a race that needs positions, and one that is none."""
    with pytest.raises(ConfigError, match="placement fixed needs positions"):
        RacerVectorEnv(track=ring(), config={"objects": {"placement": "fixed"}}, race="object_avoidance")
    with pytest.raises(ConfigError, match="race"):
        RacerVectorEnv(track=ring(), race="rally")


def episodes(env, steps, seed):
    """All that a batch gives, and its objects, over some steps."""
    out = [env.reset(seed=seed)]
    for _, actions in zip(range(steps), driver(env), strict=False):
        out.append((*env.step(actions), env.trial.world.objects.copy().tobytes()))
    return out


@pytest.mark.parametrize("objects", [{"race": "object_avoidance", "count": 2}, BOTS])
def test_same_seed_same_numbers(objects):
    """Repeat a batch bit for bit, rewards and sensors of objects included; another seed differs."""
    env = RacerVectorEnv(4, track=ring(), reward=objects_seen, config=ALL | {"objects": objects})
    one = episodes(env, 60, 3)
    assert_same(one, episodes(env, 60, 3))
    with pytest.raises(AssertionError):
        assert_same(one, episodes(env, 60, 4))


def test_a_reset_of_some_worlds_leaves_the_others_alone():
    """Reset one world of three with a new seed: the others' objects, streams and next layouts stay as they were."""
    made = []
    for mask in (None, np.array([False, True, False])):
        env = RacerVectorEnv(3, track=ring(), config={"objects": BOTS}, autoreset_mode="Disabled")
        env.reset(seed=1)
        if mask is not None:
            env.reset(seed=9, options={"reset_mask": mask})
        first = env.trial.world.objects.copy()
        env.reset()
        made.append((first, env.trial.world.objects.copy()))
    for before, after in zip(made[0], made[1], strict=True):
        assert (before[[0, 2]] == after[[0, 2]]).all() and (before["s"][1] != after["s"][1]).all()


def test_rewards_are_told_of_objects():
    """Check that a plain function sees as many objects as there are, with the values of `things`."""
    told = []

    def reward(params):
        told.append(params)
        return 0.0

    trial = make_time_trial(worlds=2, track=ring(), reward=reward, config={"objects": BOTS})
    trial.start()
    trial.step(np.tile([3.0, 1.0], (2, 1)))
    things = trial.world.object_telemetry[:, 0]
    for params, row in zip(told, things, strict=True):
        assert params["objects_location"] == [[thing["x"], thing["y"]] for thing in row]
        assert params["objects_speed"] == [0.5, 0.5] and params["objects_heading"] == row["heading"].tolist()
        assert params["objects_distance"] == row["distance"].tolist()
        assert params["closest_objects"] in ([0, 1], [1, 0])


def test_compiled_rewards_are_told_the_same():
    """Drive the shipped reward for objects compiled and as plain Python: the same rewards in both races."""
    for objects in ({"race": "object_avoidance", "count": 2}, BOTS):
        sums = []
        for path in ("auto", "python"):
            env = RacerVectorEnv(
                6, track=ring(), reward="obstacle_aware", reward_path=path, config={"objects": objects},
                autoreset_mode="SameStep",
            )  # fmt: skip
            env.reset(seed=2)
            steps = zip(range(80), driver(env), strict=False)
            sums.append(np.stack([env.step(actions)[1] for _, actions in steps]))
            assert env.trial.reward.path == ("compiled" if path == "auto" else "python")
        assert (sums[0] == sums[1]).all() and len(np.unique(sums[0])) > 300


def test_a_crash_ends_an_episode():
    """Drive straight into a box: crashed, terminated, and the reward is asked with `is_crashed` set."""
    crashed = []

    def reward(params):
        crashed.append(params["is_crashed"])
        return -1.0

    config = {"objects": {"race": "object_avoidance", "placement": "fixed", "positions": [[0.5, 1]]}}
    trial = make_time_trial(worlds=1, track=road(half_width=0.1), reward=reward, config=config)
    trial.place(np.array([[0.0, 7.0, 0.0, 0.0]]))
    for _ in range(60):
        trial.step(np.array([[0.0, 2.0]]))
        if trial.terminated[0]:
            break
    assert trial.world.status.item() == EpisodeStatus.CRASHED and crashed == [False] * (len(crashed) - 1) + [True]
    # Half the car, and half the box with its margin of 0.05 m; within what it drives in a step.
    assert trial.world.cars["x"].item() == pytest.approx(10.0 - 0.25 - 0.16176, abs=2.0 / 15)


@pytest.mark.parametrize(
    ("x", "y", "bits"),
    [
        # Rays of sector 4: 2.4..35.7 degrees to the left; of 5: 40.5..73.8; of 6: 78.6..111.9; 3, 2, 1 mirror them.
        (0.60, 0.0, [0, 0, 0, 1, 1, 0, 0, 0]),
        (0.69, 0.0, [0, 0, 0, 1, 1, 0, 0, 0]),  # its face at 0.49 m
        (0.72, 0.0, [0, 0, 0, 0, 0, 0, 0, 0]),  # at 0.52 m
        # Its face at 0.45 m from 66 to 114 degrees, 0.49 m at its ends.
        (0.0, 0.60, [0, 0, 0, 0, 0, 1, 1, 0]),
        (0.0, -0.60, [0, 1, 1, 0, 0, 0, 0, 0]),
        (-0.60, 0.0, [0, 0, 0, 0, 0, 0, 0, 0]),  # behind is no view
    ],
)
def test_sector_lidar_of_a_box_by_hand(x, y, bits):
    """Put a box (0.4 m along, 0.3 m across) around a car on an open plain: the bits of its sectors, no others."""
    config = {"sensors": ("sector_lidar",), "sector_lidar": {"noise": 0.0}, "objects": {"race": "object_avoidance"}}
    trial = make_time_trial(worlds=1, track=road(), reward=None, config=config)
    trial.place(np.array([[0.0, 8.0, 0.0, 0.0]]))
    trial.world.objects["active"] = 0
    trial.world.put_object(0, 0, s=8.0 + x, lateral=y)
    trial.sensing.observe()
    assert trial.observation["sector_lidar"][0].tolist() == bits


@pytest.mark.parametrize(("x", "value"), [(0.40, 0), (0.65, 1), (1.0, 3), (2.1, 7), (2.25, None)])
def test_discretized_sectors_of_a_box_by_hand(x, value):
    """Put a box ahead: value k of both middle sectors, where its face is in the k-th quarter of a metre."""
    config = {
        "sensors": ("discretized_sector_lidar",),
        "discretized_sector_lidar": {"noise": 0.0},
        "objects": {"race": "object_avoidance"},
    }
    trial = make_time_trial(worlds=1, track=road(), reward=None, config=config)
    trial.place(np.array([[0.0, 8.0, 0.0, 0.0]]))
    trial.world.objects["active"] = 0
    trial.world.put_object(0, 0, s=8.0 + x)
    trial.sensing.observe()
    expected = np.zeros((8, 8), np.float32)
    if value is not None:
        expected[3:5, value] = 1.0
    assert (trial.observation["discretized_sector_lidar"].reshape(8, 8) == expected).all()


def test_sectors_see_walls_boxes_and_bots_as_the_lidar_does():
    """Compare all three lidars without noise on a walled ring with boxes, and with bots."""
    quiet = {name: {"noise": 0.0} for name in ALL["sensors"][1:]}
    for objects in ({"race": "object_avoidance", "count": 2}, BOTS):
        env = RacerVectorEnv(30, track=ring(), config=ALL | quiet | {"objects": objects})
        env.reset(seed=0)
        for _, actions in zip(range(8), driver(env), strict=False):
            seen = env.step(actions)[0]
        nearest = seen["lidar"].reshape(30, 8, 8).min(axis=2)
        assert (seen["sector_lidar"] == (nearest < 0.5)).all()
        rows = seen["discretized_sector_lidar"].reshape(30, 8, 8)
        assert (rows.sum(axis=2) == (nearest < 2.0)).all()
        assert (rows.argmax(axis=2) == np.minimum(nearest / 0.25, 7).astype(int))[nearest < 2.0].all()
        assert 0.05 < seen["sector_lidar"].mean() < 0.95


def test_spaces_of_the_sector_lidars():
    """Check shapes and bounds for settings other than the defaults."""
    config = EnvConfig(
        sensors=("sector_lidar", "discretized_sector_lidar"),
        sector_lidar={"rays": 60, "sectors": 12},
        discretized_sector_lidar={"sectors": 4, "values": 5},
    )
    space = observation_space(config)
    assert space["sector_lidar"].shape == (12,) and space["discretized_sector_lidar"].shape == (20,)
    env = RacerVectorEnv(2, track=ring(), config=config)
    assert env.single_observation_space.contains({k: v[0] for k, v in env.reset(seed=0)[0].items()})
