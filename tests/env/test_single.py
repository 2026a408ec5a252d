"""The environments as Gymnasium and stable-baselines3 see them; same seed, same numbers."""

import copy

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import racer.env  # noqa: F401 (registers the id)
from racer.env.vector import RacerVectorEnv
from racer.errors import AssetError, ConfigError
from support.environments import BOTH, DISCRETE, assert_same, driver, progress_reward, single, with_recommendations
from support.tracks import ring

ID = "racer.env:racer/TimeTrial-v0"
VARIANTS = {
    "default": {},
    "lidar": {"config": {"sensors": ["lidar"]}},
    "both": {"config": BOTH, "actions": DISCRETE},
    "discrete": {"actions": DISCRETE},
    "picture": {"render_mode": "rgb_array"},
    "random_starts": {"config": {"start": {"mode": "random", "direction": "either"}, "time_limit_s": 5}},
}


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
@with_recommendations
def test_gymnasium_accepts_the_environment(options):
    """Pass Gymnasium's checker for sensors, actions and pictures."""
    env = gymnasium.make(ID, track=ring(), reward=progress_reward, **options)
    check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize("name", ["default", "both"])
@with_recommendations
def test_sb3_accepts_the_environment(name):
    """Pass stable-baselines3's checker."""
    from stable_baselines3.common.env_checker import check_env as check_for_sb3

    check_for_sb3(single(**VARIANTS[name]))


def test_the_default_is_made_without_options():
    """Make both kinds with the shipped track and reward function."""
    env = gymnasium.make(ID)
    assert env.unwrapped.vector.trial.world.tracks[0].name == "willow_bend"
    env.reset(seed=1)
    assert np.isfinite(env.step(np.array([0.0, 1.0], np.float32))[1])
    batch = gymnasium.make_vec("racer/TimeTrial-v0", num_envs=2)
    assert isinstance(batch, RacerVectorEnv) and batch.num_envs == 2


@pytest.mark.parametrize("mode", [None, "vector_entry_point"])
def test_make_vec_makes_the_batched_environment(mode):
    """Make the batch by its id, with spaces that are batches of the single ones."""
    env = gymnasium.make_vec(ID, num_envs=3, vectorization_mode=mode, track=ring(), reward=progress_reward, config=BOTH)
    assert type(env) is RacerVectorEnv and env.spec.id == "racer/TimeTrial-v0"
    assert env.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    assert env.single_observation_space["state"].shape == (48,)
    assert env.observation_space["lidar"].shape == (3, 16)
    assert env.action_space.shape == (3, 2)
    observation, _ = env.reset(seed=1)
    assert observation in env.observation_space
    observation, *_ = env.step(env.action_space.sample())
    assert observation in env.observation_space


def test_make_vec_also_makes_singles():
    """Let Gymnasium batch single environments itself, with the same spaces."""
    env = gymnasium.make_vec(
        ID, num_envs=2, vectorization_mode="sync", track=ring(), reward=progress_reward, actions=DISCRETE
    )
    assert env.single_action_space == RacerVectorEnv(2, track=ring(), actions=DISCRETE).single_action_space
    env.reset(seed=1)


def outcome(options, seed, worlds, steps):
    """Everything that a batch says from a seed on, step by step, and how many episodes ended."""
    env = RacerVectorEnv(worlds, track=ring(), reward=progress_reward, **options)
    actions = driver(env, seed=9)
    told = [env.reset(seed=seed)]
    told += [env.step(next(actions)) for _ in range(steps)]
    return told, sum(int((step[2] | step[3]).sum()) for step in told[1:])


@pytest.mark.parametrize("name", ["default", "both", "random_starts", "discrete"])
def test_same_seed_same_numbers(name):
    """Give bit-equal observations, rewards, flags and infos for the same seed over many episodes."""
    one, ended = outcome(VARIANTS[name], 5, 3, 300)
    other, _ = outcome(VARIANTS[name], 5, 3, 300)
    assert ended >= 5
    assert_same(one, other)
    elsewhere = outcome(VARIANTS[name], 6, 3, 0)[0][0][0]
    assert all((elsewhere[key] != one[0][0][key]).any() for key in elsewhere)


@pytest.mark.parametrize("name", ["default", "both", "random_starts", "discrete"])
def test_the_single_environment_is_world_0_of_any_batch(name):
    """Drive the single environment beside batches of 1, 3 and 8: the numbers of world 0 are its own."""
    alone = single(**VARIANTS[name])
    batches = [RacerVectorEnv(n, track=ring(), reward=progress_reward, **VARIANTS[name]) for n in (1, 3, 8)]
    actions = driver(batches[-1], seed=2)
    observation, info = alone.reset(seed=11)
    firsts = [env.reset(seed=11) for env in batches]
    ended, episodes = False, 0
    for _ in range(300):
        for first in firsts:
            assert_same(observation, {key: values[0] for key, values in first[0].items()})
            assert info == {key: first[-1][key][0] for key in info}
        chosen = next(actions)
        firsts = [env.step(chosen[: env.num_envs]) for env in batches]
        if ended:
            observation, info = alone.reset()
            ended, told = False, (0.0, False, False)
            episodes += 1
        else:
            observation, *told, info = alone.step(chosen[0])
            ended = told[1] or told[2]
        for first in firsts:
            assert tuple(told) == tuple(part[0] for part in first[1:4])
    assert episodes >= 2


def test_types_of_a_single_step():
    """Give plain Python values beside arrays of float32."""
    env = single(config=BOTH)
    observation, info = env.reset(seed=1)
    assert {key: (part.dtype, part.shape) for key, part in observation.items()} == {
        "state": (np.float32, (48,)),
        "lidar": (np.float32, (16,)),
    }
    assert info == {"status": "prepare", "progress": 0.0, "time_s": 0.0}
    observation, reward, terminated, truncated, info = env.step(np.array([0.0, 2.0]))
    assert (type(reward), type(terminated), type(truncated)) == (float, bool, bool)
    assert {key: type(value) for key, value in info.items()} == {"status": str, "progress": float, "time_s": float}
    assert info["status"] == "in_progress" and info["time_s"] == pytest.approx(1 / 15, abs=1e-15)


def starts(env, count, seed=None):
    """The first observations of some episodes; only the first reset is seeded."""
    seeds = [seed] + [None] * (count - 1)
    return [env.reset(seed=one)[0]["state"].tobytes() for one in seeds]


@pytest.mark.parametrize("mode", ["round_robin", "random"])
def test_reset_without_a_seed_goes_on(mode):
    """Start elsewhere at each reset, yet the same way after the same seed."""
    env = single(config={"start": {"mode": mode}})
    first = starts(env, 6, seed=3)
    assert len(set(first)) == 6
    assert starts(env, 6, seed=3) == first
    assert starts(env, 6)[0] not in first
    assert starts(env, 1, seed=4)[0] not in first


def test_a_fresh_environment_without_a_seed_is_random():
    """Draw another start in every environment that nobody seeded; then go on, not start over."""
    envs = [single() for _ in range(3)]
    drawn = [starts(env, 3) for env in envs]
    assert len({start for each in drawn for start in each}) == 9


def test_results_stay_as_they_were():
    """Hand out arrays that later steps do not change, and that may be written to without an effect."""
    kept, spoilt = (RacerVectorEnv(2, track=ring(), reward=progress_reward, config=BOTH) for _ in range(2))
    actions = driver(kept)
    results, copies = [kept.reset(seed=1)], [copy.deepcopy(spoilt.reset(seed=1))]
    for _ in range(60):
        chosen = next(actions)
        results.append(kept.step(chosen))
        told = spoilt.step(chosen)
        copies.append(copy.deepcopy(told))
        for values in (*told[0].values(), *told[1:4], *told[4].values()):
            values[:] = 1
    assert_same(results, copies)


MISTAKES = [
    ({"track": "no_such_track"}, AssetError, "No track `no_such_track`"),
    ({"config": {"sensors": ["camra"]}}, ConfigError, "`sensors[0]` is 'camra'"),
    ({"config": {"sensor": ["state"]}}, ConfigError, "Did you mean `sensors`"),
    ({"actions": {"speed": {"low": 9, "high": 10}}}, ConfigError, "9 is outside 0.1..4"),
    ({"vehicle": "deepraser"}, AssetError, "Did you mean `deepracer`"),
    ({"render_mode": "human"}, ValueError, "render_mode is `rgb_array` or None, not 'human'"),
    ({"autoreset_mode": "sometimes"}, ValueError, "'sometimes' is not a valid AutoresetMode"),
    ({"num_envs": 0}, ValueError, "num_envs is 0; it must be at least 1"),
]


@pytest.mark.parametrize(("options", "kind", "told"), MISTAKES)
def test_mistakes_are_one_line(options, kind, told):
    """Refuse what cannot be made, in one line."""
    with pytest.raises(kind) as caught:
        RacerVectorEnv(**({"track": ring(), "reward": progress_reward} | options))
    assert told in str(caught.value) and "\n" not in str(caught.value)
