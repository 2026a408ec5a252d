"""Training by sight: what the network is shown, what the critic alone sees, and that a run comes out of it."""

import numpy as np
import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback

from racer.bundle import check_golden, read_bundle
from racer.config.read import read_train, read_vehicle
from racer.contract import PolicyContract
from racer.env.vector import RacerVectorEnv
from racer.errors import RunError
from racer.evaluate import evaluate
from racer.export import build_policy, write_checkpoint
from racer.export.network import DeployedPolicy, load_actor
from racer.policy import OnnxPolicy
from racer.preprocess import Preprocessor, prepare_drive
from racer.track.load import load_track
from racer.train.ppo.learner import TrainingBudget, make_model, normalize_rewards, training_contract
from racer.train.ppo.session import train
from racer.train.ppo.vec_env import RacerVecEnv
from racer.train.run_folder import new_run, resumed_config

N, STEPS = 4, 16
TINY = (
    f"train.worlds={N}",
    f"ppo.n_steps={STEPS}",
    "ppo.batch_size=32",
    "ppo.n_epochs=2",
    f"train.total_steps={4 * N * STEPS}",
    f"train.evaluate_every={2 * N * STEPS}",
    "train.evaluate_laps=2",
    "train.torch_threads=1",
    "train.sim_threads=1",
    "env.time_limit_s=1.6",
)


def tiny(*settings, name="camera"):
    """The shipped configuration of camera policies, made tiny."""
    return read_train(name, settings=[*TINY, *settings], changes={"track": "easy_oval"})


def sighted(config):
    """Its contract, and its environment as the network sees it."""
    contract = training_contract(config, run="x", hashes={})
    env = RacerVectorEnv(N, track="easy_oval", config=config.driven, autoreset_mode="SameStep")
    return contract, RacerVecEnv(env, contract)


def draw(random):
    """Actions that leave the road now and then."""
    return random.uniform(-1.0, 1.0, (N, 2)).astype(np.float32)


class Recorder:
    """Stands in for onnxruntime's session: keeps what the graph would be given."""

    def __init__(self):
        self.given = []

    def run(self, names, inputs):
        """Zeros for every action."""
        self.given.append(inputs["camera"].copy())
        return [np.zeros((len(inputs["camera"]), 2), np.float32)]


def test_training_evaluation_and_export_see_the_same_bits(tmp_path):
    """Give SB3, an ONNX policy that is reset car by car, and one car's drive the same bytes for the same frames."""
    config = tiny()
    contract, env = sighted(config)
    path = tmp_path / "p.bundle"
    model = make_model(config, normalize_rewards(env, 0.99), contract, TrainingBudget(1000, None))
    env.seed(3)
    observation = env.reset()
    write_checkpoint(path, policy=model.policy, contract=contract, observations=env.raw_observation)
    policy = OnnxPolicy(read_bundle(path))
    policy._session = recorder = Recorder()
    random, drives, ends = np.random.default_rng(0), [[] for _ in range(N)], 0
    dones = np.zeros(N, bool)
    for _ in range(60):
        policy.reset(dones)
        policy.act(env.raw_observation)
        assert recorder.given[-1].tobytes() == observation["camera"].tobytes()
        for n in range(N):
            drives[n] = [*([] if dones[n] else drives[n]), env.raw_observation["camera"][n]]
            alone = prepare_drive(contract, {"camera": np.stack(drives[n])})["camera"]
            assert alone[-1].tobytes() == observation["camera"][n].tobytes()
        ring = [each[-2:] for each in drives]
        observation, _, dones, infos = env.step(draw(random))
        for n in np.flatnonzero(dones):
            last = infos[n]["terminal_observation"]["camera"]
            assert last.shape == (48, 80, 3)
            behind = prepare_drive(contract, {"camera": np.stack(ring[n])})["camera"][-1][..., -len(ring[n]) :]
            assert last[..., 2 - len(ring[n]) : 2].tobytes() == behind.tobytes()  # the frames before the last one
            ends += 1
    assert ends >= 8 and len({each.tobytes() for each in recorder.given}) == 60


def test_preprocessing_of_a_reset_car_leaves_the_others(tmp_path):
    """Fill a new episode's ring with its first frame; the rings of the other cars go on."""
    _, env = sighted(tiny())
    env.reset()
    random = np.random.default_rng(1)
    for _ in range(40):
        before = {"camera": env.raw_observation["camera"]}
        observation, _, dones, _ = env.step(draw(random))
        frames = observation["camera"]
        for n in range(N):
            same = frames[n, ..., 0].tobytes() == frames[n, ..., 2].tobytes()
            assert same or not dones[n]
        if dones.any() and not dones.all():
            behind = Preprocessor.of(training_contract(tiny("preprocess.frames=1"), run="x", hashes={}))(before)[
                "camera"
            ]
            assert (frames[~dones, ..., 1] == behind[~dones, ..., 0]).all()
            return
    raise AssertionError("no episode ended alone")


class Look(BaseCallback):
    """Keeps the rollout buffer's pictures."""

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        self.kept = self.model.rollout_buffer.observations["camera"]


def test_the_buffer_keeps_bytes():
    """Hold pictures as bytes, rows first, as the network takes them: T N 48 80 3 bytes, and no more."""
    config = tiny()
    contract, env = sighted(config)
    model = make_model(config, normalize_rewards(env, 0.99), contract, TrainingBudget(1000, None))
    look = Look()
    model.learn(N * STEPS, callback=look)
    assert look.kept.dtype == np.uint8
    assert look.kept.nbytes == STEPS * N * 48 * 80 * 3


def some(env):
    """A batch of inputs as tensors."""
    observation = env.reset()
    return {name: torch.from_numpy(values) for name, values in observation.items()}


def test_the_critic_alone_sees_the_state():
    """Let the action depend on the camera only, the value on the state only; the contract's graph takes the camera."""
    config = tiny()
    contract, env = sighted(config)
    assert contract.onnx.inputs == ("camera",)
    assert [sensor.name for sensor in contract.network.value_sensors] == ["state"]
    policy = make_model(config, normalize_rewards(env, 0.99), contract, TrainingBudget(1000, None)).policy
    seen = some(env)

    def answers(**changes):
        with torch.no_grad():
            given = seen | changes
            return policy.get_distribution(given).distribution.mean, policy.predict_values(given)

    action, value = answers()
    other = answers(state=seen["state"] + 1.0)
    assert torch.equal(other[0], action) and not torch.equal(other[1], value)
    other = answers(camera=255 - seen["camera"])
    assert not torch.equal(other[0], action) and torch.equal(other[1], value)


def test_without_critic_sensors_one_reading_serves_both():
    """Share the convolutions between policy and value where both see the camera."""
    config = tiny("critic_sensors=[]")
    contract, env = sighted(config)
    policy = make_model(config, normalize_rewards(env, 0.99), contract, TrainingBudget(1000, None)).policy
    assert policy.pi_features_extractor is policy.vf_features_extractor
    seen = some(env)
    assert list(seen) == ["camera"] and contract.network.value_sensors == ()
    policy.predict_values(seen).sum().backward()
    assert all(weights.grad is not None for weights in policy.features_extractor.parameters())


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished training by sight of four updates."""
    run = new_run(tiny(), tmp_path_factory.mktemp("sight") / "done")
    return train(tiny(), run)


def test_a_run_comes_out(done):
    """Leave a bundle that repeats its recorded answers, and that drives laps on other tracks without its critic."""
    assert done.steps == 4 * N * STEPS and not done.interrupted
    bundle = read_bundle(done.run.best)
    assert bundle.golden.inputs["camera"].shape == (N, 120, 160, 1) and set(bundle.golden.inputs) == {"camera"}
    assert PolicyContract.from_json(bundle.contract.to_json()) == bundle.contract
    policy = OnnxPolicy(bundle)
    check_golden(bundle, policy)
    for track in ("easy_oval", "hourglass"):
        driven = [evaluate(policy, load_track(track), read_vehicle("deepracer"), laps=3, seed=4) for _ in range(2)]
        assert driven[0] == driven[1] and len(driven[0].laps) == 3


def test_laps_by_sight_do_not_depend_on_each_other(done):
    """Drive the first lap alone as among five; a batch of one is multiplied in another order, hence the tolerance."""
    policy, vehicle = OnnxPolicy(read_bundle(done.run.last)), read_vehicle("deepracer")
    drives = {1: [], 5: []}
    for laps, drive in drives.items():
        track = load_track("easy_oval")
        evaluate(
            policy, track, vehicle, laps=laps, seed=4, watch=lambda world, to=drive: to.append(world.cars["x"][0, 0])
        )
    count = len(drives[1])
    assert count > 10 and drives[1] == pytest.approx(drives[5][:count], abs=1e-4)


def test_it_goes_on(done):
    """Go on from the checkpoint with critic, optimiser and all."""
    settings = [f"train.total_steps={5 * N * STEPS}"]
    outcome = train(resumed_config(done.run, settings), done.run, resume=True)
    assert outcome.steps == 5 * N * STEPS


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["network=shallow"], r"after `shallow`, that one's is \[64, 64\] tanh after `small`"),
        (["preprocess.frames=2"], "preprocessing|observation space"),
        (["env.camera.pitch_deg=10"], "observation space `camera` with settings"),
    ],
)
def test_start_from_another_network_is_refused(done, tmp_path, settings, told):
    """Name both networks, cameras or steps where a training cannot begin with a bundle's weights."""
    with pytest.raises(RunError, match=told):
        new_run(tiny(*settings), tmp_path / "run", start_from=done.run.last)
    assert new_run(tiny(), tmp_path / "fits", start_from=done.run.last).start.is_file()


def build(bundle):
    """The bundle's torch network."""
    return DeployedPolicy(build_policy(bundle.contract, bundle.weights), bundle.contract)


def test_another_critic_starts_anew(done, tmp_path):
    """Begin with what drives alone where the critic sees something else; explore as the configuration says."""
    config = tiny("critic_sensors=[]", "ppo.log_std_init=-1.5", f"train.total_steps={N * STEPS}")
    run = new_run(config, tmp_path / "run", start_from=done.run.last)
    contract, env = sighted(config)
    theirs = read_bundle(run.start)
    fresh = make_model(config, normalize_rewards(env, 0.99), contract, TrainingBudget(1000, None)).policy
    load_actor(fresh, theirs.weights)
    seen = {name: values for name, values in some(env).items() if name == "camera"}
    with torch.no_grad():
        action = DeployedPolicy(fresh, contract)(seen["camera"])[0].numpy()
        assert action == pytest.approx(build(theirs)(seen["camera"])[0].numpy())
    assert fresh.log_std.tolist() == [-1.5, -1.5]
    assert train(config, run).steps == N * STEPS


@pytest.mark.parametrize(
    "settings",
    [
        ("env.sensors=[camera, lidar]",),
        ("env.sensors=[stereo]", "critic_sensors=[]"),
        ("env.camera.colour=rgb", "preprocess.colour=grey"),
        ("network=deepest", "preprocess.crop_top=0", "preprocess.shrink=1", "preprocess.frames=1"),
        ("algorithm=sac", "critic_sensors=[]", "sac.buffer_size=1000", "sac.learning_starts=8", "sac.batch_size=8"),
    ],
)
def test_other_sights(tmp_path, settings):
    """Train with a lidar beside the camera, two lenses, colours, another network and SAC."""
    config = tiny(f"train.total_steps={N * STEPS}", *settings)
    outcome = train(config, new_run(config, tmp_path / "run"))
    bundle = read_bundle(outcome.run.last)
    check_golden(bundle, OnnxPolicy(bundle))
    assert bundle.contract.network.cnn is not None and bundle.contract.network.cnn.name == config.network
