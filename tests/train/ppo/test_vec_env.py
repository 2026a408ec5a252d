"""The layer between our batch and stable-baselines3: what its PPO is really given."""

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecEnvWrapper

from racer.config.env import EnvConfig
from racer.config.train import TrainConfig
from racer.env.single import RacerEnv
from racer.env.vector import RacerVectorEnv
from racer.train.ppo.learner import TrainingBudget, make_model, normalize_rewards, training_contract
from racer.train.ppo.vec_env import EpisodeSummary, RacerVecEnv
from support.environments import DISCRETE
from support.environments import progress_reward as reward
from support.tracks import ring

N = 3
CONFIG = {"sensors": ["state", "lidar"], "lidar": {"rays": 8, "noise": 0.05}, "time_limit_s": 1.6}
SPACES = {"continuous": None, "discrete": DISCRETE}


def adapted(worlds=N, actions=None, function=reward, config=CONFIG):
    """The adapter over a batch on the ring."""
    return RacerVecEnv(
        RacerVectorEnv(worlds, track=ring(), reward=function, actions=actions, config=config, autoreset_mode="SameStep")
    )


def single(world, actions=None):
    """The single environment that stands for one world of the batch."""
    env = RacerEnv(track=ring(), reward=reward, actions=actions, config=CONFIG)
    env.vector.trial.world.world_ids[:] = world
    return env


def draw(env, random):
    """Actions of the policy's space, of cars that keep to the ring for a while."""
    if env.action_space.shape == ():
        return random.choice([2, 3, 4, 5, 5, 5, 7], size=env.num_envs)
    return np.stack([random.normal(0.2, 0.4, N), random.uniform(-1.2, 1.2, N)], axis=1).astype(np.float32)


def in_units(actions, discrete):
    """Degrees and m/s of actions of the default continuous space, on paper: -1 -> low, 1 -> high."""
    if discrete:
        return actions
    return np.stack([30.0 * actions[:, 0].astype(float), 2.25 + 1.75 * actions[:, 1].astype(float)], axis=1)


@pytest.mark.parametrize("space", SPACES)
def test_steps_are_those_of_single_environments(space):
    """Give SB3 what N single environments give: observations, rewards, dones, last observations, episode infos."""
    env = adapted(actions=SPACES[space])
    alone = [single(n, SPACES[space]) for n in range(N)]
    env.seed(31)
    observation = env.reset()
    firsts = [one.reset(seed=31)[0] for one in alone]
    random = np.random.default_rng(1)
    sums, counts, ends, episodes = np.zeros(N), np.zeros(N, int), [0, 0], []
    for _ in range(200):
        for key, values in observation.items():
            assert values.tobytes() == np.stack([first[key] for first in firsts]).tobytes()
        actions = draw(env, random)
        observation, rewards, dones, infos = env.step(actions)
        assert rewards.dtype == np.float32 and dones.dtype == np.bool_ and len(infos) == N
        for n, command in enumerate(in_units(actions, space == "discrete")):
            firsts[n], gained, terminated, truncated, info = alone[n].step(command)
            sums[n] += gained
            counts[n] += 1
            assert rewards[n] == pytest.approx(gained, rel=1e-6, abs=1e-9)
            assert dones[n] == (terminated or truncated)
            if not dones[n]:
                assert infos[n] == {}
                continue
            ends[int(truncated)] += 1
            told = infos[n]
            assert told.keys() == {"terminal_observation", "TimeLimit.truncated", "episode"}
            assert told["TimeLimit.truncated"] is truncated and truncated == (info["status"] == "time_up")
            for key, values in told["terminal_observation"].items():
                assert values == pytest.approx(firsts[n][key], rel=1e-6, abs=1e-6)
            episode = EpisodeSummary(
                pytest.approx(sums[n], rel=1e-9), counts[n], pytest.approx(info["progress"]), info["status"],
                pytest.approx(counts[n] / 15.0),
            )  # fmt: skip
            episodes.append(episode)
            assert told["episode"] == {"r": episode.reward, "l": episode.steps, "t": episode.time_s}
            sums[n], counts[n] = 0.0, 0
            firsts[n], _ = alone[n].reset()
    assert min(ends) >= 3, "both kinds of end must occur"
    assert env.finished == episodes


class Reusing(VecEnvWrapper):
    """What must not be done: the same array for every batch of observations."""

    def reset(self):
        """Keep the arrays of the first batch."""
        self.buffer = {key: values.copy() for key, values in self.venv.reset().items()}
        return self.buffer

    def step_wait(self):
        """Write into them."""
        observation, *rest = self.venv.step_wait()
        for key, values in observation.items():
            self.buffer[key][:] = values
        return self.buffer, *rest


class Snapshot(BaseCallback):
    """Keeps what the rollout buffer holds when it is full."""

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        buffer = self.model.rollout_buffer
        self.kept = {key: values.copy() for key, values in buffer.observations.items()}
        self.actions, self.starts = buffer.actions.copy(), buffer.episode_starts.copy()
        self.rewards = buffer.rewards.copy()


def collect(env, steps=60):
    """One rollout of SB3's own PPO."""
    kept = Snapshot()
    model = PPO("MultiInputPolicy", env, n_steps=steps, batch_size=30, n_epochs=1, seed=3, device="cpu")
    model.learn(steps * N, callback=kept)
    return kept


@pytest.mark.parametrize("space", SPACES)
def test_the_rollout_buffer_holds_what_was_seen(space):
    """Store at step t the observation that the action of step t was chosen for, not the one after it.

    PPO stores a batch only after the next step; an adapter that reuses its arrays is off by one, without an error.
    """
    kept = collect(adapted(actions=SPACES[space]))
    env = adapted(actions=SPACES[space])
    env.seed(3)
    observation, dones = env.reset(), np.ones(N, bool)
    ends = 0
    for t, actions in enumerate(kept.actions):
        for key, values in observation.items():
            assert kept.kept[key][t].tobytes() == values.tobytes()
        assert kept.starts[t].tolist() == dones.tolist()
        chosen = actions[:, 0].astype(np.int64) if space == "discrete" else np.clip(actions, -1.0, 1.0)
        observation, _, dones, _ = env.step(chosen)
        ends += int(dones.sum())
    assert ends >= 3


def test_this_would_notice_a_reused_array():
    """Check the check: with one array for all batches the buffer holds the next observation."""
    good, bad = collect(adapted()), collect(Reusing(adapted()))
    assert bad.actions[0].tobytes() == good.actions[0].tobytes()
    assert bad.kept["state"][0].tobytes() == good.kept["state"][1].tobytes()
    assert bad.kept["state"][0].tobytes() != good.kept["state"][0].tobytes()


def test_results_may_be_kept_and_written_to():
    """Hand out arrays and infos of their own at each step."""
    env, twin = adapted(), adapted()
    env.seed(5), twin.seed(5)
    kept, copies = [env.reset()], [twin.reset()]
    random = np.random.default_rng(2)
    for _ in range(50):
        actions = draw(env, random)
        observation, *_ = env.step(actions)
        kept.append(observation)
        spoilt, rewards, dones, infos = twin.step(actions)
        copies.append({key: values.copy() for key, values in spoilt.items()})
        for values in (*spoilt.values(), rewards, dones):
            values[:] = 1
        for info in infos:
            for values in info.get("terminal_observation", {}).values():
                values[:] = 1
    for one, other in zip(kept, copies, strict=True):
        assert all(one[key].tobytes() == other[key].tobytes() for key in one)


ENDS = [
    ((-1.0, -1.0), (-30.0, 0.5)),
    ((1.0, 1.0), (30.0, 4.0)),
    ((0.0, 0.0), (0.0, 2.25)),
    ((-1.0, 1.0), (-30.0, 4.0)),
    ((0.5, -0.5), (15.0, 1.375)),
    ((-3.0, 3.0), (-30.0, 4.0)),
]


@pytest.mark.parametrize(("action", "command"), ENDS)
def test_actions_are_mapped_exactly(action, command):
    """Map -1..1 to the whole range; the ends are the range's own numbers, beyond them it is clipped."""
    seen = []
    env = adapted(1, function=lambda params: seen.append((params["steering_angle"], params["speed"])) or 0.0)
    env.reset()
    env.step(np.array([action], np.float32))
    assert seen == [command]
    assert env.action_space.low.tolist() == [-1, -1] and env.action_space.high.tolist() == [1, 1]


@pytest.mark.parametrize("low", [0.1, 0.3, 1 / 3])
@pytest.mark.parametrize("high", [0.7, 1.1, 3.9999])
def test_ends_of_any_range_are_exact(low, high):
    """Reach both ends to the last bit, also where low + (high - low) is not high."""
    seen = []
    space = {"speed": {"low": low, "high": high}, "steering_angle": {"low": -high, "high": low}}
    env = adapted(
        2, actions=space, function=lambda params: seen.append((params["steering_angle"], params["speed"])) or 0.0
    )
    env.reset()
    env.step(np.array([[-1.0, -1.0], [1.0, 1.0]], np.float32))
    assert seen == [(-high, low), (low, high)]


def test_discrete_actions_pass_through():
    """Hand SB3 the list's own numbers."""
    seen = []
    env = adapted(
        2, actions=DISCRETE, function=lambda params: seen.append((params["steering_angle"], params["speed"])) or 0.0
    )
    env.reset()
    env.step(np.array([0, 7]))
    assert seen == [(-25.0, 0.6), (25.0, 2.5)] and env.action_space.n == 8


def first(env, seed=None, again=False):
    """The first observation after a reset."""
    if not again:
        env.seed(seed)
    return env.reset()["state"].tobytes()


def test_a_seed_serves_one_reset():
    """Start alike after the same seed, differently after another; the reset after that goes on."""
    env, twin = adapted(), adapted()
    assert first(env, 4) == first(twin, 4)
    second = first(env, again=True)
    assert second == first(twin, again=True) != first(adapted(), 4)
    assert first(env, 4) != first(env, 5)
    assert first(adapted()) != first(adapted())


def test_ppo_seeds_the_environment():
    """Let PPO's seed reach the cars through the wrapper that normalises rewards."""
    one, other, different = (learnt(1.0, seed=seed, updates=1)[1] for seed in (7, 7, 8))
    assert one.tobytes() == other.tobytes() != different.tobytes()


def test_the_adapter_wants_same_step():
    """Refuse an environment that starts anew in the next step."""
    for mode in (AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED):
        with pytest.raises(ValueError, match="autoreset_mode=SAME_STEP"):
            RacerVecEnv(RacerVectorEnv(1, track=ring(), reward=reward, autoreset_mode=mode))


def test_attributes_and_methods_are_those_of_the_batch():
    """Answer SB3's questions for each world."""
    env = adapted()
    assert env.get_attr("num_envs") == [N] * N and env.get_attr("num_envs", [0]) == [N]
    assert env.env_is_wrapped(VecEnvWrapper) == [False] * N
    env.set_attr("mark", 5)
    assert env.env.mark == 5
    assert env.observation_space == env.env.single_observation_space
    env.close()


def learnt(scale, seed=1, updates=4):
    """Normalised rewards (T, N) and the final weights of a short training whose rewards are `scale` times as large."""
    torch.set_num_threads(1)
    config = TrainConfig(
        track="ring",
        seed=seed,
        env=EnvConfig(time_limit_s=1.6),
        ppo={"n_steps": 32, "batch_size": 128, "n_epochs": 3, "layers": [16]},
        train={"worlds": 8},
    )
    seen = []

    class Watch(BaseCallback):
        def _on_step(self):
            seen.append(self.locals["rewards"].copy())
            return True

    env = normalize_rewards(
        adapted(8, function=lambda params: scale * reward(params), config=config.env), config.ppo.gamma
    )
    model = make_model(config, env, training_contract(config, run="test", hashes={}), TrainingBudget(10**6, None))
    model.learn(updates * 32 * 8, callback=Watch())
    weights = torch.nn.utils.parameters_to_vector(model.policy.parameters()).detach().numpy()
    return np.array(seen), weights


@pytest.fixture(scope="module")
def plain():
    """The training with the rewards as they are."""
    return learnt(1.0)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_scale_of_rewards_does_not_matter(plain, scale):
    """Learn the same from rewards times 1e-3 and 1e3: the same normalised rewards, the same weights.

    A float32 reward rounds by 6e-8 of itself; four updates let it grow to about 1e-6 of the weights. A prior
    variance of 1 in the running statistics, as SB3 has by default, makes the weights differ by 0.02.
    """
    rewards, weights = learnt(scale)
    assert np.abs(plain[0]).max() > 0.5
    assert rewards == pytest.approx(plain[0], rel=1e-5, abs=1e-5)
    assert weights == pytest.approx(plain[1], abs=1e-4)
    assert np.abs(plain[1] - learnt(1.0, updates=1)[1]).max() > 1e-3, "nothing was learnt"


def test_normalised_rewards_are_rewards_over_the_deviation_of_returns():
    """Check the normaliser against its definition, step by step, from the very first rewards."""
    raw = []
    env = adapted(8, function=lambda params: raw.append(1e-3 * reward(params)) or raw[-1])
    gamma = 0.9
    wrapped = normalize_rewards(env, gamma)
    wrapped.seed(1)
    wrapped.reset()
    returns, seen = np.zeros(8), []
    for _ in range(30):
        raw.clear()
        _, rewards, dones, _ = wrapped.step(np.tile(np.float32([0.2, 0.0]), (8, 1)))
        returns = gamma * returns + np.array(raw)
        seen.append(returns.copy())
        expected = np.clip(np.array(raw) / np.std(np.concatenate(seen)), -10, 10)
        assert rewards == pytest.approx(expected, rel=1e-3)
        returns[dones] = 0.0
