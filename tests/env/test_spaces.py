"""Spaces, and what becomes of an action."""

import math

import numpy as np
import pytest

from racer.config.actions import ContinuousActions, DiscreteActions
from racer.config.env import CameraConfig, EnvConfig
from racer.contract import camera_sensor, stereo_sensor
from racer.env.batch import ActionDecoder, action_space, observation_space
from racer.env.sensors.suite import env_config_for, sensor_specs
from racer.env.vector import RacerVectorEnv
from racer.errors import BundleError
from support.environments import BOTH, DISCRETE, progress_reward, single
from support.tracks import ring

TABLE = DiscreteActions.grid((-30, 0, 12.5), (0.5, 1 / 3, 4))


def test_continuous_space_is_degrees_and_metres_per_second():
    """Span the whole range of the default."""
    space = action_space(ContinuousActions())
    assert space.low.tolist() == [-30.0, 0.5] and space.high.tolist() == [30.0, 4.0]
    assert space.dtype == np.float32


@pytest.mark.parametrize(("colour", "channels"), [("grey", 1), ("rgb", 3)])
def test_cameras_are_bytes(colour, channels):
    """Give pictures as rows of bytes, two lenses side by side in the channels."""
    config = EnvConfig(sensors=("stereo", "camera"), camera=CameraConfig(width=40, height=30, colour=colour))
    space = observation_space(config)
    assert space["camera"].shape == (30, 40, channels) and space["stereo"].shape == (30, 40, 2 * channels)
    for name, spec in zip(config.sensors, sensor_specs(config), strict=True):
        assert spec.name == name and spec.shape == space[name].shape
        assert spec.dtype == space[name].dtype.name == "uint8"


def test_a_policy_gets_its_own_camera_back():
    """Make the environment that a contract's camera describes; two kinds of lens at once there are not."""
    camera = CameraConfig(width=64, height=48, view_deg=100, pitch_deg=20, up=0.2)
    assert env_config_for((camera_sensor(camera),), 20.0).camera == camera
    with pytest.raises(BundleError, match="different lenses"):
        env_config_for((camera_sensor(camera), stereo_sensor()), None)


def test_discrete_space_has_one_number_for_each_action():
    """Count the list."""
    assert action_space(TABLE).n == 9 and action_space(TABLE).start == 0


def test_discrete_actions_are_rows_of_the_list():
    """Turn each number into its row, exactly."""
    commands = ActionDecoder(TABLE, worlds=9)(np.arange(9))
    assert commands.dtype == np.float64
    assert commands.tolist() == [[angle, speed] for angle in (-30, 0, 12.5) for speed in (0.5, 1 / 3, 4)]


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int32, np.uint64, np.int64])
def test_any_whole_number_chooses(kind):
    """Take every integer dtype."""
    assert ActionDecoder(TABLE, worlds=2)(np.array([8, 0], kind)).tolist() == [[12.5, 4.0], [-30.0, 0.5]]


CLIPPED = [
    ((-30.0, 0.5), (-30.0, 0.5)),
    ((30.0, 4.0), (30.0, 4.0)),
    ((-30.001, 0.499), (-30.0, 0.5)),
    ((1e30, -1e30), (30.0, 0.5)),
    ((math.inf, -math.inf), (30.0, 0.5)),
    ((12.25, 1.75), (12.25, 1.75)),
]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize(("given", "commanded"), CLIPPED)
def test_continuous_actions_are_clipped(given, commanded, kind):
    """Clip to the space and change nothing inside it."""
    commands = ActionDecoder(ContinuousActions(), worlds=2)(np.array([given, (0, 1)], kind))
    assert commands.tolist() == [list(commanded), [0.0, 1.0]]


def test_the_callers_actions_stay_as_they_were():
    """Clip a copy."""
    given = np.array([[99.0, 9.0]])
    ActionDecoder(ContinuousActions(), worlds=1)(given)
    assert given.tolist() == [[99.0, 9.0]]


REFUSED = [
    (ContinuousActions(), [[math.nan, 1.0], [0.0, 1.0]], "an action is NaN"),
    (ContinuousActions(), [[0.0, 1.0], [0.0, math.nan]], "an action is NaN"),
    (ContinuousActions(), [[0.0, 1.0]], r"have shape \(1, 2\); this environment takes \(2, 2\)"),
    (ContinuousActions(), [0.0, 1.0, 0.0, 1.0], r"have shape \(4,\); this environment takes \(2, 2\)"),
    (ContinuousActions(), [[0.0, 1.0, 2.0]] * 2, r"have shape \(2, 3\)"),
    (ContinuousActions(), [[True, False]] * 2, "are numbers, not bool"),
    (ContinuousActions(), [["0", "1"]] * 2, "are numbers, not <U1"),
    (ContinuousActions(), [[None, 1.0]] * 2, "are numbers, not object"),
    (ContinuousActions(), [[1j, 1.0]] * 2, "are numbers, not complex128"),
    (ContinuousActions(), None, r"have shape \(\)"),
    (TABLE, [0, 9], r"actions are 0\.\.8, not 9"),
    (TABLE, [-1, 0], r"actions are 0\.\.8, not -1"),
    (TABLE, [0.0, 1.0], "are whole numbers, not float64"),
    (TABLE, [True, False], "are whole numbers, not bool"),
    (TABLE, [0], r"have shape \(1,\); this environment takes \(2,\)"),
    (TABLE, [[0], [1]], r"have shape \(2, 1\)"),
    (TABLE, np.array([2**64 - 1, 0], np.uint64), "not 18446744073709551615"),
]


@pytest.mark.parametrize(("actions", "given", "told"), REFUSED)
def test_what_is_no_action_is_refused_in_one_line(actions, given, told):
    """Refuse NaN, other shapes, other types and numbers that are not in the list."""
    with pytest.raises(ValueError, match=told) as caught:
        ActionDecoder(actions, worlds=2)(given)
    assert "\n" not in str(caught.value)


def test_a_refused_action_moves_nothing():
    """Leave all worlds as they were."""
    env = RacerVectorEnv(2, track=ring(), reward=progress_reward)
    env.reset(seed=1)
    before = env.trial.world.cars.tobytes()
    with pytest.raises(ValueError, match="NaN"):
        env.step(np.array([[0.0, 1.0], [math.nan, 1.0]]))
    assert env.trial.world.cars.tobytes() == before


@pytest.mark.parametrize(
    ("options", "given", "command"),
    [
        ({}, [40.0, 9.0], (30.0, 4.0)),
        ({}, np.array([-7.5, 1.25], np.float32), (-7.5, 1.25)),
        ({"actions": {"steering_angle": {"low": -10, "high": 20}}}, [40.0, 9.0], (20.0, 4.0)),
        ({"actions": DISCRETE}, 5, (7.0, 2.5)),
        ({"actions": DISCRETE}, np.int64(0), (-25.0, 0.6)),
    ],
)
def test_the_command_reaches_the_car_and_the_reward(options, given, command):
    """Hold exactly the clipped action; the reward function and the state sensor see it."""
    seen = []
    env = single(reward=lambda params: seen.append((params["steering_angle"], params["speed"])) or 0.0, **options)
    env.reset(seed=1)
    observation, *_ = env.step(given)
    assert seen == [command]
    assert observation["state"][6] == np.float32(math.radians(command[0]))
    assert observation["state"][7] == np.float32(command[1])


@pytest.mark.parametrize("given", [[0.0], [0.0, 1.0, 2.0], [[0.0, 1.0]], 1.0, None, [math.nan, 1.0], ["a", "b"]])
def test_the_single_environment_refuses_alike(given):
    """Refuse in one line what is no action of one car."""
    env = single()
    env.reset(seed=1)
    with pytest.raises(ValueError, match="action") as caught:
        env.step(given)
    assert "\n" not in str(caught.value)


def test_observation_space_follows_the_configuration():
    """Give each chosen sensor its shape; the lidar its ranges."""
    space = observation_space(EnvConfig.model_validate(BOTH | {"look_ahead": [1.0, 2.0, 3.0]}))
    assert space["state"].shape == (8 + 4 * 3,) and space["lidar"].shape == (16,)
    assert space["lidar"].low.max() == np.float32(0.15) and space["lidar"].high.min() == 12.0
    assert list(observation_space(EnvConfig(sensors=("lidar",)))) == ["lidar"]


@pytest.mark.parametrize("walls", ["borders", "none"])
def test_observations_stay_in_their_space(walls):
    """Keep strong noise within the lidar's ranges, and the state finite, wherever cars end up."""
    config = {
        "sensors": ["lidar", "state"],
        "lidar": {"rays": 7, "noise": 3.0, "range_min": 0.3, "range_max": 0.9},
        "start": {"mode": "random", "turned_deg": 180},
    }
    env = RacerVectorEnv(8, track=ring(walls=walls), reward=progress_reward, config=config)
    observation, _ = env.reset(seed=1)
    env.action_space.seed(1)
    lows = highs = 0
    for _ in range(60):
        assert observation in env.observation_space
        assert np.isfinite(observation["state"]).all()
        lows += int((observation["lidar"] == np.float32(0.3)).sum())
        highs += int((observation["lidar"] == np.float32(0.9)).sum())
        observation, *_ = env.step(env.action_space.sample())
    assert highs > 0 and (lows > 0) == (walls == "borders")


def test_the_seam_takes_a_kernel():
    """Pass anything with `compute` through, once for each step."""
    from racer.reward.protocol import KernelReward

    def kernel(rows, out):
        out[:] = rows["steps"]

    env = RacerVectorEnv(3, track=ring(), reward=KernelReward(kernel))
    env.reset(seed=1)
    assert env.step(np.ones((3, 2)))[1].tolist() == [2.0, 2.0, 2.0]
