"""Options of `reset`: start poses, and keys that the environments do not have."""

import math

import numpy as np
import pytest

from racer.env.single import RacerEnv
from racer.env.vector import RacerVectorEnv
from racer.sim.reset import OPEN_START
from support.environments import assert_same, progress_reward
from support.tracks import ring, straight

# Course 0 is the track's own direction, course 1 the reverse of it.
POSES = np.array([(0, 1.0, 0.1, 0.0), (1, 4.0, -0.2, 0.3), (0, 0.0, 0.0, math.pi)])


def vector(**options):
    """Three worlds on a ring."""
    return RacerVectorEnv(3, **({"track": ring(), "reward": progress_reward, "autoreset_mode": "Disabled"} | options))


@pytest.mark.parametrize(
    ("key", "hint"), [("reset_msk", r"Did you mean `reset_mask`\?"), ("start_pose", "`start_poses`"), ("x", "allowed")]
)
def test_unknown_options_are_refused(key, hint):
    """A misspelt key is an error that names the keys that exist, not an ordinary reset."""
    with pytest.raises(ValueError, match=rf"`{key}`.*{hint}"):
        vector().reset(options={key: np.ones(3, bool)})
    with pytest.raises(ValueError, match=rf"`{key}`.*start_poses"):
        RacerEnv(track=ring(), reward=progress_reward).reset(options={key: 1})
    for options in (None, {}):
        vector().reset(options=options)
        RacerEnv(track=ring(), reward=progress_reward).reset(options=options)


def test_a_single_environment_has_no_mask():
    """One world is always reset as a whole."""
    with pytest.raises(ValueError, match=r"`reset_mask`.*start_poses"):
        RacerEnv(track=ring(), reward=progress_reward).reset(options={"reset_mask": np.array([True])})


def test_cars_start_at_the_poses():
    """Arc length, lateral offset and heading error are those given, at rest; later episodes start as configured."""
    env = vector()
    env.reset(seed=1, options={"start_poses": POSES})
    cars = env.trial.world.cars[:, 0]
    assert cars["course"].tolist() == [0, 1, 0] and (cars["vx"] == 0.0).all()
    # On the ring of 1.5 m the chassis origin is at radius 1.5 - offset: left is inside, and outside on the reverse.
    radius = np.hypot(cars["x"], cars["y"])
    assert radius == pytest.approx([1.4, 1.3, 1.5], abs=2e-3)
    state = env.reset(options={"start_poses": POSES})[0]["state"]
    assert state[0, 1] == pytest.approx(0.0, abs=0.11) and abs(state[2, 1]) == pytest.approx(math.pi, abs=0.11)
    assert (env.reset()[1]["progress"] == 0.0).all()
    assert env.trial.world.cars["course"].tolist() == [[0], [0], [0]]


def test_masked_worlds_take_their_poses():
    """Only the rows of the mask are read; the other worlds drive on with their streams."""
    env, other = vector(), vector()
    for each in (env, other):
        each.reset(seed=5)
        each.step(np.full((3, 2), (3.0, 1.0), np.float32))
    poses = np.full((3, 4), np.nan)
    poses[1] = POSES[1]
    mask = np.array([False, True, False])
    env.reset(options={"reset_mask": mask, "start_poses": poses})
    other.reset(options={"reset_mask": mask})
    cars = env.trial.world.cars[:, 0]
    assert cars["steps"].tolist() == [2, 1, 2] and cars["course"].tolist() == [0, 1, 0]
    drove = [each.step(np.full((3, 2), (3.0, 1.0), np.float32))[0]["state"][[0, 2]] for each in (env, other)]
    assert_same(*drove)


def test_the_single_environment_is_the_first_world():
    """A pose of shape (4,) or (1, 4) gives the observation of world 0 at that pose."""
    env, batch = RacerEnv(track=ring(), reward=progress_reward), vector()
    expected = batch.reset(seed=1, options={"start_poses": POSES})[0]["state"][0]
    for pose in (POSES[0], POSES[:1], POSES[0].tolist()):
        assert_same(env.reset(seed=1, options={"start_poses": pose})[0]["state"], expected)


def test_open_tracks_start_where_the_pose_says():
    """An open track may start beyond its usual beginning."""
    env = RacerVectorEnv(1, track=straight(), reward=progress_reward)
    env.reset(options={"start_poses": [(0, 2.0, 0.0, 0.0)]})
    assert env.trial.world.cars["s"][0, 0] == pytest.approx(2.0 + 0.14, abs=1e-6) != OPEN_START


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((0, math.nan, 0, 0), "not finite"),
        ((0, 1.0, 0, math.inf), "not finite"),
        ((2, 1.0, 0, 0), r"course 2; .* 0\.\.1"),
        ((-1, 1.0, 0, 0), r"course -1; .* 0\.\.1"),
        ((0.5, 1.0, 0, 0), r"course 0\.5"),
        ((0, -0.1, 0, 0), r"arc length -0\.1 m"),
        ((0, 9.5, 0, 0), r"arc length 9\.5 m"),
        ((0, 1.0, 0.6, 0), r"lateral offset 0\.6 m"),
        ((0, 1.0, -0.6, 0), r"lateral offset -0\.6 m"),
    ],
)
def test_poses_that_are_no_places_are_refused(row, message):
    """NaN, an unknown course, an arc length beyond the lap and a place beside the road are errors with the number."""
    poses = POSES.copy()
    poses[1] = row
    with pytest.raises(ValueError, match=rf"start_poses.*world 1.*{message}"):
        vector().reset(options={"start_poses": poses})


@pytest.mark.parametrize("poses", [POSES[:2], POSES[:, :3], np.zeros(4), "here"])
def test_arrays_of_another_form_are_refused(poses):
    """The batch needs a row for each world."""
    with pytest.raises(ValueError, match=r"start_poses.*\(3, 4\)"):
        vector().reset(options={"start_poses": poses})
