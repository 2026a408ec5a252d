"""The three ways of starting anew, against Gymnasium's own vector environment over single environments."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from racer.env.vector import RacerVectorEnv
from support.environments import BOTH, DISCRETE, assert_same, driver, progress_reward, singles
from support.tracks import ring

NEXT_STEP, SAME_STEP, DISABLED = AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP, AutoresetMode.DISABLED
N = 4
SHORT = {"time_limit_s": 1.6}
VARIANTS = {
    "state": {"config": SHORT},
    "both": {"config": SHORT | BOTH},
    "discrete": {"config": SHORT | BOTH | {"start": {"mode": "random", "direction": "either"}}, "actions": DISCRETE},
}


def pair(mode, name, reward=progress_reward):
    """Ours and the oracle, both started from one seed."""
    ours = RacerVectorEnv(N, track=ring(), reward=reward, autoreset_mode=mode, **VARIANTS[name])
    theirs = singles(N, mode, **VARIANTS[name])
    assert_same(ours.reset(seed=21), theirs.reset(seed=[21] * N))
    return ours, theirs


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("mode", [NEXT_STEP, SAME_STEP])
def test_autoreset_is_what_gymnasium_does(mode, name):
    """Give what `SyncVectorEnv` gives over single environments: values, keys, masks and dtypes."""
    ours, theirs = pair(mode, name)
    actions = driver(ours, seed=4)
    ends = np.zeros(2, int)
    for _ in range(250):
        chosen = next(actions)
        one, other = ours.step(chosen), theirs.step(chosen)
        assert_same(one, other)
        ends += [one[2].sum(), one[3].sum()]
        assert ("final_obs" in one[4]) == (mode is SAME_STEP and (one[2] | one[3]).any())
    assert ends.min() >= 3, "both kinds of end must occur"


@pytest.mark.parametrize("name", VARIANTS)
def test_disabled_leaves_it_to_the_caller(name):
    """Start the worlds of a mask anew, as `SyncVectorEnv` does; the others go on."""
    ours, theirs = pair(DISABLED, name)
    actions = driver(ours, seed=5)
    ends = 0
    for t in range(250):
        chosen = next(actions)
        one, other = ours.step(chosen), theirs.step(chosen)
        assert_same(one, other)
        mask = one[2] | one[3]
        ends += int(mask.sum())
        if t % 60 == 59:
            mask[t % N] = True  # starting anew in the middle of an episode is allowed
        if mask.any():
            again = [env.reset(options={"reset_mask": mask.copy()}) for env in (ours, theirs)]
            assert_same(again[0], again[1])
    assert ends >= 5


def test_a_seed_with_a_mask_reaches_only_the_masked_worlds():
    """Seed the streams of the masked worlds alone; `SyncVectorEnv` is the oracle again."""
    ours, theirs = pair(DISABLED, "both")
    actions = driver(ours, seed=6)
    mask = np.array([False, True, False, True])
    for t in range(40):
        chosen = next(actions)
        one = ours.step(chosen)
        assert_same(one, theirs.step(chosen))
        ended = one[2] | one[3]
        options = {"seed": 77} if t == 10 else {}
        ended = ended | mask if t == 10 else ended
        if ended.any():
            seeds = {"seed": [77] * N} if options else {}
            assert_same(
                ours.reset(options={"reset_mask": ended.copy()}, **options),
                theirs.reset(options={"reset_mask": ended.copy()}, **seeds),
            )


def test_options_are_left_as_they_were():
    """Leave the caller's options and mask alone."""
    env, _ = pair(DISABLED, "state")
    options = {"reset_mask": np.array([True, False, False, False])}
    env.reset(options=options)
    assert list(options) == ["reset_mask"] and options["reset_mask"].tolist() == [True, False, False, False]


BAD_MASKS = [
    ([True, False, False, False], TypeError, "numpy array of bool, not list"),
    (np.array([1, 0, 0, 0]), TypeError, "numpy array of bool, not int64"),
    (np.array([True]), ValueError, r"not shape \(1,\)"),
    (np.zeros(N, bool), ValueError, "marks at least one world"),
    (np.ones((N, 1), bool), ValueError, r"not shape \(4, 1\)"),
]


@pytest.mark.parametrize(("mask", "kind", "told"), BAD_MASKS)
def test_bad_masks_are_refused(mask, kind, told):
    """Refuse what is no mask of the batch."""
    env, _ = pair(DISABLED, "state")
    with pytest.raises(kind, match=told):
        env.reset(options={"reset_mask": mask})


def test_a_list_of_seeds_is_refused():
    """Say that one seed serves the batch."""
    env, _ = pair(DISABLED, "state")
    with pytest.raises(ValueError, match="give one int for the whole batch"):
        env.reset(seed=[1, 2, 3, 4])


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_nothing_moves_before_the_first_reset(mode):
    """Ask for a reset first, also where only some worlds have had theirs."""
    env = RacerVectorEnv(2, track=ring(), reward=progress_reward, autoreset_mode=mode)
    with pytest.raises(gymnasium.error.ResetNeeded, match="before its first step"):
        env.step(np.ones((2, 2), np.float32))
    env.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.ones((2, 2), np.float32))
    env.reset(options={"reset_mask": np.array([False, True])})
    env.step(np.ones((2, 2), np.float32))


def test_disabled_refuses_to_step_what_has_ended():
    """Name how many worlds wait; go on once they were started."""
    env = RacerVectorEnv(2, track=ring(), reward=progress_reward, autoreset_mode=DISABLED, config={"time_limit_s": 0.2})
    env.reset(seed=1)
    actions = np.ones((2, 2), np.float32)
    for _ in range(3):
        truncated = env.step(actions)[3]
    assert truncated.all()
    with pytest.raises(gymnasium.error.ResetNeeded, match="2 worlds have ended"):
        env.step(actions)
    env.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(gymnasium.error.ResetNeeded, match="1 worlds have ended"):
        env.step(actions)
    env.reset()
    assert not env.step(actions)[3].any()


@pytest.mark.parametrize("mode", [NEXT_STEP, SAME_STEP])
def test_the_reward_function_is_asked_once_for_each_step_and_car(mode):
    """Count the calls: one for each car that moved, none for a car that waits or was just placed."""
    asked = []

    def reward(params):
        asked.append(params["steps"])
        return 1.0

    env = RacerVectorEnv(
        3, track=ring(), reward=reward, autoreset_mode=mode, config={"time_limit_s": 1.0, "start": {"advance": 0.3}}
    )
    env.reset(seed=2)
    assert asked == []
    actions = driver(env, seed=1)
    waiting, counts = np.zeros(3, bool), np.ones(3)
    restarts = 0
    for t in range(120):
        asked.clear()
        # World 0 leaves the road early, so that the worlds do not end together.
        chosen = next(actions)
        chosen[0] = [-30.0, 4.0] if t < 60 else chosen[0]
        _, rewards, terminated, truncated, _ = env.step(chosen)
        counts = np.where(waiting, 1, counts + 1)
        assert asked == counts[~waiting].tolist()
        assert rewards.tolist() == np.where(waiting, 0.0, 1.0).tolist()
        ended = terminated | truncated
        restarts += int(ended.sum())
        if mode is NEXT_STEP:
            assert not (ended & waiting).any()
            waiting = ended
        else:
            counts[ended] = 1
    assert restarts > 20


def test_rewards_are_those_of_the_function():
    """Give each world what its own params are worth; the state is that after the step."""
    seen = []

    def reward(params):
        seen.append(dict(params))
        return params["progress"]

    env = RacerVectorEnv(3, track=ring(), reward=reward)
    env.reset(seed=5)
    for _ in range(10):
        seen.clear()
        _, rewards, _, _, info = env.step(np.array([[5.0, 1.0], [6.0, 2.0], [7.0, 3.0]]))
        assert rewards.tolist() == info["progress"].tolist() == [params["progress"] for params in seen]
        assert [(params["steering_angle"], params["speed"]) for params in seen] == [(5, 1), (6, 2), (7, 3)]


@pytest.mark.parametrize("threads", [1, 3, None])
def test_threads_change_nothing(threads):
    """Share the worlds between threads without changing a bit; 130 worlds are enough for several threads."""
    options = {"track": ring(), "reward": None, "config": BOTH}
    one, other = RacerVectorEnv(130, **options), RacerVectorEnv(130, threads=threads, **options)
    assert_same(one.reset(seed=1), other.reset(seed=1))
    actions = driver(one)
    for _ in range(20):
        chosen = next(actions)
        assert_same(one.step(chosen), other.step(chosen))


def test_several_tracks_share_the_worlds():
    """Drive each world on its own track: the ring's length shows in the progress that a metre is worth."""
    small = ring(name="small", center=0.5 * ring().center, left=0.5 * ring().left, right=0.5 * ring().right)
    lengths = []
    env = RacerVectorEnv(4, track=[ring(), small], reward=lambda params: lengths.append(params["track_length"]) or 0)
    env.reset(seed=1)
    env.step(np.tile([8.0, 1.0], (4, 1)))
    assert lengths == pytest.approx([ring().length, small.length] * 2, rel=1e-12)
