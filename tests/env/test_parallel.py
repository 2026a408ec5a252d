"""Several learning cars in one world, as PettingZoo sees them."""

import warnings

import numpy as np
import pytest

from support.environments import BOTH, DISCRETE, assert_same
from support.tracks import ring

pytest.importorskip("pettingzoo", reason="the extra `multi` is not installed")

import gymnasium

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of PettingZoo's own games, which its test module imports
    from pettingzoo.test import parallel_api_test

from racer.env.parallel import RacerParallelEnv
from racer.env.vector import RacerVectorEnv
from racer.errors import ConfigError
from racer.policy.load import RandomPolicy
from racer.policy.pure_pursuit import PurePursuitPolicy
from racer.sim.reset import GRID_GAP


def progress_reward(params):
    """A reward that tells cars apart, and knows how many others it is shown."""
    return params["progress"] + 1000.0 * len(params["objects_location"])


def environment(cars=2, **options):
    """Two cars on a ring, their starts alike."""
    start = {"lateral_share": 0.0, "turned_deg": 0.0}
    config = {"start": start} | options.pop("config", {})
    return RacerParallelEnv(cars, **({"track": ring(), "reward": progress_reward, "config": config} | options))


def straight(env, speed=1.0, steering=6.5):
    """One action for everybody who drives: round the ring."""
    return {agent: np.array([steering, speed], np.float32) for agent in env.agents}


VARIANTS = {
    "two": {},
    "one alone": {"cars": 1},
    "four, discrete, lidar": {"cars": 4, "actions": DISCRETE, "config": BOTH},
    "bots": {"race": "head_to_bot"},
    "frozen": {"frozen": ["pure_pursuit", "random"]},
    "camera": {"config": {"sensors": ["camera"], "camera": {"width": 32, "height": 24}, "time_limit_s": 4}},
    "short": {"config": {"time_limit_s": 1.0}},
}


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_pettingzoo_accepts_the_environment(options, capsys):
    """Pass PettingZoo's own test, which tells complaints as warnings."""
    parallel_api_test(environment(**options), num_cycles=60)
    assert "Passed" in capsys.readouterr().out


def test_spaces_are_those_of_the_vector_environment():
    """Compare both spaces with the single ones of the batch."""
    env, vector = environment(config=BOTH, actions=DISCRETE), RacerVectorEnv(1, config=BOTH, actions=DISCRETE)
    assert env.observation_space("car_1") == vector.single_observation_space
    assert env.action_space("car_0") == vector.single_action_space
    observations, _ = env.reset(seed=1)
    assert all(seen in env.observation_space(agent) for agent, seen in observations.items())


def test_a_car_alone_is_the_vector_environments_world():
    """Drive one agent and one world alike, and compare every number."""
    options = {"track": ring(), "reward": progress_reward, "config": BOTH}
    env, vector = RacerParallelEnv(1, **options), RacerVectorEnv(1, **options, autoreset_mode="Disabled")
    (seen, _), (batch, _) = env.reset(seed=5), vector.reset(seed=5)
    for _ in range(40):
        assert_same(seen["car_0"], {name: values[0] for name, values in batch.items()})
        seen, rewards, terminated, truncated, infos = env.step(straight(env))
        batch, reward, ended, cut, info = vector.step(np.array([[6.5, 1.0]], np.float32))
        assert rewards["car_0"] == reward[0] and infos["car_0"]["progress"] == info["progress"][0]
        assert (terminated["car_0"], truncated["car_0"]) == (ended[0], cut[0])


def test_the_same_seed_gives_the_same_race():
    """Run twice from one seed, with sensors that draw noise, and once from another."""
    runs = []
    for seed in (3, 3, 4):
        env = environment(3, config=BOTH | {"start": {"mode": "random"}}, frozen=["random"])
        told = [env.reset(seed=seed)]
        while env.agents and len(told) < 30:
            told.append(env.step(straight(env)))
        runs.append(told)
    assert_same(runs[0], runs[1])
    assert runs[0][0][0]["car_0"]["state"].tobytes() != runs[2][0][0]["car_0"]["state"].tobytes()


def test_the_grid_turns():
    """Find each car in front once in as many episodes as there are cars; with `kept`, always the same."""
    for grid, wanted in (("turns", {"car_0", "car_1", "frozen"}), ("kept", {"car_0"})):
        env = environment(2, frozen=["pure_pursuit"], grid=grid)
        front = set()
        for episode in range(3):
            env.reset(seed=0 if episode == 0 else None)
            s = env.world.cars["s"][0]
            length = env.world.tables.courses["length"][0]
            gaps = (s[:-1] - s[1:]) % length
            assert gaps == pytest.approx(GRID_GAP, abs=0.02)
            front |= {agent for agent in env.agents if env._slot(agent) == 0} or {"frozen"}
        assert front == wanted


def test_rewards_go_to_their_agents():
    """Send one car off the grid faster, wherever it starts, and find its progress in its reward."""
    env = environment(2)
    for episode in range(2):
        env.reset(seed=1 if episode == 0 else None)
        for _ in range(6):
            speeds = {"car_0": 0.7, "car_1": 0.5} if env._slot("car_0") == 0 else {"car_0": 0.5, "car_1": 0.7}
            actions = {agent: np.array([6.5, speeds[agent]], np.float32) for agent in env.agents}
            _, rewards, _, _, infos = env.step(actions)
        ahead = max(speeds, key=speeds.get)
        assert infos[ahead]["progress"] > min(info["progress"] for info in infos.values())
        for agent in env.agents:
            assert rewards[agent] == pytest.approx(1000.0 + infos[agent]["progress"])


def test_who_runs_into_another_has_crashed():
    """Drive into a standing car from behind: the one behind is out, the other goes on."""
    env = environment(2, grid="kept", config={"start": {"lateral_share": 0.0, "turned_deg": 0.0}})
    env.reset(seed=0)
    while len(env.agents) == 2:
        slow, fast = np.array([6.5, 0.5], np.float32), np.array([6.5, 3.0], np.float32)
        _, rewards, terminated, _, infos = env.step({"car_0": slow, "car_1": fast})
    assert terminated == {"car_0": False, "car_1": True}
    assert infos["car_1"]["status"] == "crashed" and infos["car_0"]["status"] == "in_progress"
    assert env.agents == ["car_0"] and set(rewards) == {"car_0", "car_1"}
    place = env.world.cars["s"][0, 0]
    for _ in range(15):
        env.step(straight(env))
    assert env.agents == ["car_0"] and env.world.cars["s"][0, 0] != place


def test_level_with_each_other_both_have_crashed():
    """Put two cars into the same place."""
    env = environment(2)
    env.reset(seed=0)
    env.world.place(np.array([[[0.0, 2.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]]]))
    _, _, terminated, _, infos = env.step(straight(env))
    assert terminated == {"car_0": True, "car_1": True} and not env.agents
    assert {info["status"] for info in infos.values()} == {"crashed"}


def test_what_has_ended_leaves_the_road():
    """Drive through the place where another went off, and see no object there."""
    env = environment(2, grid="kept", config={"time_limit_s": 30})
    env.reset(seed=0)
    while len(env.agents) == 2:
        env.step({"car_0": np.array([-30.0, 1.5], np.float32), "car_1": np.array([6.5, 0.5], np.float32)})
    assert env.agents == ["car_1"] and env.world.cars["active"][0].tolist() == [0, 1]
    _, rewards, _, _, infos = env.step(straight(env))
    assert set(rewards) == {"car_1"} and rewards["car_1"] == pytest.approx(infos["car_1"]["progress"])


def test_the_last_step_is_observed_and_then_a_reset_is_needed():
    """Get an observation with the end of an episode, and refuse the step after it."""
    env = environment(1, config={"time_limit_s": 0.5})
    env.reset(seed=0)
    seen = []
    while env.agents:
        observations, _, _, truncated, _ = env.step(straight(env))
        seen.append(observations["car_0"]["state"])
    assert truncated == {"car_0": True} and not np.array_equal(seen[-1], seen[-2])
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset"):
        env.step({})


class Watching(PurePursuitPolicy):
    """Pure pursuit that remembers what it saw."""

    def __init__(self):
        """Nothing was seen yet."""
        super().__init__()
        self.seen, self.resets = [], 0

    def act(self, observation):
        """Remember the state."""
        self.seen.append(observation["state"].copy())
        return super().act(observation)

    def reset(self, mask=None):
        """Count."""
        self.resets += 1


def test_a_frozen_policy_sees_by_its_own_sensors():
    """Let agents see by lidar alone, and a frozen policy by its state, one car a call, from the car that it drives."""
    policy = Watching()
    env = environment(1, frozen=[policy], config={"sensors": ["lidar"]}, grid="kept")
    env.reset(seed=0)
    for _ in range(3):
        env.step(straight(env, speed=2.0))
    assert [seen.shape for seen in policy.seen] == [(1, 48)] * 3 and policy.resets == 1
    speed = policy.sensors[0].fields.index("speed")
    assert policy.seen[0][0, speed] == 0.0 < policy.seen[1][0, speed] < policy.seen[2][0, speed]
    state = np.zeros((1, 2, 48), np.float32)
    env.world.observe_state(np.array(env.config.look_ahead), state)
    env.step(straight(env, speed=2.0))
    assert np.array_equal(policy.seen[-1], state[:, 1])


def test_a_frozen_policy_can_be_replaced():
    """Put another policy into the frozen car from the next episode on."""
    env = environment(1, frozen=[RandomPolicy(seed=1)], grid="kept")
    later = Watching()
    env.replace_frozen(0, later)
    env.reset(seed=0)
    env.step(straight(env))
    assert len(later.seen) == 1


def test_pictures_show_every_car():
    """Draw a picture in which cars have moved."""
    env = environment(2, render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    for _ in range(5):
        env.step(straight(env))
    assert before.shape[2] == 3 and (before != env.render()).any()
    assert environment(2).render() is None
    env.close()


class TooFast(PurePursuitPolicy):
    """A policy that wants to be asked more often."""

    control_rate_hz = 30.0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"cars": 0}, "0 learning and 0 frozen cars; a world holds 1..8, one learns"),
        ({"cars": 8, "frozen": ["random"]}, "8 learning and 1 frozen cars"),
        ({"grid": "random"}, "grid is `turns` or `kept`, not 'random'"),
        ({"render_mode": "human"}, "rgb_array"),
        ({"frozen": [TooFast()]}, "drives at 30 Hz, the environment at 15 Hz"),
    ],
)
def test_what_cannot_be_is_one_line(options, told):
    """Refuse what an environment cannot be made of."""
    with pytest.raises(ConfigError, match=told) as caught:
        environment(**options)
    assert "\n" not in str(caught.value)


def test_an_agent_without_an_action_is_named():
    """Refuse a step that leaves a car without an action, before anything moves."""
    env = environment(2)
    env.reset(seed=0)
    before = env.world.cars.copy()
    with pytest.raises(ValueError, match="no action for car_1"):
        env.step({"car_0": np.zeros(2, np.float32)})
    with pytest.raises(ValueError, match="NaN"):
        env.step(dict.fromkeys(env.agents, np.array([np.nan, 1.0], np.float32)))
    assert (env.world.cars == before).all()
