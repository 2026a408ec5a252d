"""`racer export` refuses what does not do what the torch policy does, and leaves no file then."""

import numpy as np
import pytest

from racer.bundle import read_bundle, write_bundle
from racer.export.checkpoint import write_checkpoint
from racer.export.network import build_policy
from racer.train.ppo.learner import training_contract
from support.commands import racer
from support.tiny_training import tiny_config


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle of an untrained policy."""
    contract = training_contract(tiny_config(), run="x", hashes={})
    observations = {"state": np.random.default_rng(0).normal(size=(8, 48)).astype(np.float32)}
    path = tmp_path_factory.mktemp("export") / "given.bundle"
    write_checkpoint(path, policy=build_policy(contract), contract=contract, observations=observations)
    return path


def test_weights_of_another_policy_are_refused(capsys, monkeypatch, bundle, tmp_path):
    """The graph and weights.npz disagree: no file is written, nor is an old one touched."""
    given = read_bundle(bundle)
    weights = {key: value + np.float32(0.01) for key, value in given.weights.items()}
    mixed, out = tmp_path / "mixed.bundle", tmp_path / "out.bundle"
    write_bundle(mixed, onnx=given.onnx, contract=given.contract, weights=weights, golden=given.golden)
    out.write_bytes(b"before")
    said = racer(capsys, monkeypatch, "export", mixed, "-o", out)
    assert said.code == 1 and said.err.startswith("error: onnxruntime and torch differ by ")
    assert said.err.count("\n") == 1 and out.read_bytes() == b"before"


def test_output_that_cannot_be_written_is_one_line(capsys, monkeypatch, bundle, tmp_path):
    """Name what is in the way."""
    (tmp_path / "file").write_text("")
    said = racer(capsys, monkeypatch, "export", bundle, "-o", tmp_path / "file" / "x.bundle")
    assert said.code == 1 and str(tmp_path / "file") in said.err and said.err.count("\n") == 1
