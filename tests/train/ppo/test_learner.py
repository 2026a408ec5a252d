"""The trainer's state: put back as it was, refused when broken, never unpickled."""

import os
import pickle
import tempfile

import numpy as np
import pytest
import torch

from racer.env.vector import RacerVectorEnv
from racer.errors import RunError
from racer.train.ppo.learner import (
    TrainingBudget,
    load_state,
    make_model,
    named_optimizers,
    normalize_rewards,
    save_state,
    training_contract,
)
from racer.train.ppo.vec_env import RacerVecEnv
from support.tiny_training import tiny_config


def made(*settings):
    """A model of a tiny training, and its returns."""
    config = tiny_config(*settings, "train.worlds=4", "ppo.batch_size=64")
    adapter = RacerVecEnv(
        RacerVectorEnv(4, track=list(config.track), reward=lambda params: params["speed"], autoreset_mode="SameStep")
    )
    returns = normalize_rewards(adapter, config.ppo.gamma)
    contract = training_contract(config, run="x", hashes={})
    return make_model(config, returns, contract, TrainingBudget(10_000, None)), returns


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model after three updates, its returns, and its file; with the torch stream as it was saved."""
    model, returns = made()
    model.learn(3 * 4 * 32)
    path = tmp_path_factory.mktemp("state") / "trainer.pt"
    save_state(path, model, returns, elapsed_s=1.5, laps=3, best_lap_s=None, best_score=[0.5, 30.0, float("-inf")])
    return model, returns, path, torch.rand(3)


def test_a_model_without_a_logger_leaves_nothing_behind(tmp_path, monkeypatch):
    """Learn a little: no folder of SB3's among the temporary files, where it puts one by itself."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    model, _ = made()
    model.learn(4 * 32)
    assert model.num_timesteps >= 4 * 32 and not list(tmp_path.glob("SB3*"))


def test_state_is_put_back_as_it_was(saved):
    """Weights, optimiser moments, counts, return statistics, random stream and progress."""
    model, returns, path, drawn = saved
    other, others = made()
    assert load_state(path, other, others) == {
        "elapsed_s": 1.5,
        "laps": 3,
        "best_lap_s": None,
        "best_score": [0.5, 30.0, float("-inf")],
    }
    assert torch.equal(torch.rand(3), drawn)
    assert (other.num_timesteps, other._n_updates) == (model.num_timesteps, model._n_updates) == (384, 15)
    for key, value in model.policy.state_dict().items():
        assert torch.equal(other.policy.state_dict()[key], value), key
    mine, its = model.policy.optimizer.state_dict()["state"], other.policy.optimizer.state_dict()["state"]
    assert mine.keys() == its.keys() and len(mine) > 0
    assert all(torch.equal(mine[k]["exp_avg_sq"], its[k]["exp_avg_sq"]) for k in mine)
    for key in ("mean", "var", "count"):
        assert getattr(others.ret_rms, key) == getattr(returns.ret_rms, key)
    assert float(np.asarray(others.ret_rms.count)) > 300.0


def test_resumed_model_learns_on(saved):
    """The statistics that were put back take new rewards."""
    model, returns = made()
    load_state(saved[2], model, returns)
    count = float(returns.ret_rms.count)
    model.learn(4 * 32, reset_num_timesteps=False)
    assert float(returns.ret_rms.count) == pytest.approx(count + 128)
    assert model.num_timesteps == 384 + 128


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated_state_is_refused(saved, tmp_path, share):
    """One line that names the file and the way out."""
    data = saved[2].read_bytes()
    file = tmp_path / "trainer.pt"
    file.write_bytes(data[: int(share * len(data))])
    with pytest.raises(RunError, match="is damaged or not a racer file; start a new run: racer train --from") as caught:
        load_state(file, *made())
    assert "\n" not in str(caught.value) and "weights_only" not in str(caught.value)


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_pickled_code_is_refused_and_not_run(tmp_path, how):
    """Refuse a file that would run code, in both of torch's formats."""
    file, trap = tmp_path / "trainer.pt", tmp_path / "trap"
    content = {"version": 1, "policy": Evil(trap)}
    if how == "pickle":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file)
    with pytest.raises(RunError, match="is damaged or not a racer file"):
        load_state(file, *made())
    assert not trap.exists()


def test_other_version_is_refused(tmp_path):
    """Name both versions."""
    file = tmp_path / "trainer.pt"
    torch.save({"version": 99}, file)
    with pytest.raises(RunError, match="has version 99; this racer reads 1"):
        load_state(file, *made())


@pytest.mark.parametrize("content", [[1, 2], {"steps": 3}, {"version": 1}, {"version": 1, "policy": 3}])
def test_other_content_is_refused(tmp_path, content):
    """A file of torch's that is no trainer state."""
    file = tmp_path / "trainer.pt"
    torch.save(content, file)
    with pytest.raises(RunError, match=r"trainer\.pt (is damaged|does not fit)"):
        load_state(file, *made())


def test_state_of_another_network_is_refused(saved):
    """The run's configuration was edited."""
    with pytest.raises(RunError, match=r"does not fit the run's config.yaml \(Error\(s\) in loading state_dict"):
        load_state(saved[2], *made("ppo.layers=[32]"))


def test_sac_goes_on_where_it_was(tmp_path):
    """Give weights, all three optimisers and the learned entropy weight back to a new SAC model."""
    settings = ("algorithm=sac", "sac.learning_starts=8", "sac.batch_size=8", "sac.gradient_steps=1", "sac.layers=[8]")
    model, returns = made(*settings)
    model.learn(40)
    save_state(tmp_path / "trainer.pt", model, returns, laps=3)
    other, other_returns = made(*settings)
    assert load_state(tmp_path / "trainer.pt", other, other_returns) == {"laps": 3}
    assert other.num_timesteps == 40
    for key, value in model.policy.state_dict().items():
        assert torch.equal(value, other.policy.state_dict()[key])
    assert torch.equal(model.log_ent_coef, other.log_ent_coef)
    assert model.log_ent_coef.item() != 0.0
    for name, optimizer in named_optimizers(model).items():
        for mine, its in zip(
            optimizer.state_dict()["state"].values(),
            named_optimizers(other)[name].state_dict()["state"].values(),
            strict=True,
        ):
            assert torch.equal(mine["exp_avg"], its["exp_avg"])
