"""Checkpoints and exports: bundles that drive without torch."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from racer.bundle import check_golden, read_bundle, write_bundle
from racer.errors import AssetError, BundleError, ExportError
from racer.export import export_bundle, write_checkpoint
from racer.export.checkpoint import run_graph
from racer.export.network import DeployedPolicy, weight_arrays
from racer.policy import OnnxPolicy, load_policy
from racer.preprocess import Preprocessor
from support.bundles import write_linear
from support.torch_policies import export_onnx


def written(case, path, **changes):
    """Write the case's policy."""
    given = {"policy": case.policy, "contract": case.contract, "observations": case.observations}
    return write_checkpoint(path, **(given | changes))


def test_checkpoint_drives_as_torch(case, tmp_path):
    """Write a checkpoint whose ONNX policy acts as the one in training, on observations that it never saw."""
    report = written(case, tmp_path / "last.bundle", graph=case.graph)
    assert report.observations == 64
    policy = load_policy(tmp_path)
    seen = case.seen(200, seed=77)
    with torch.no_grad():
        tensors = [torch.from_numpy(values) for values in Preprocessor.of(case.contract)(seen).values()]
        action, raw = (t.numpy() for t in DeployedPolicy(case.policy, case.contract)(*tensors))
    gap = np.diff(np.sort(raw, axis=1)[:, -2:], axis=1)[:, 0]
    apart = gap > 1e-4 if case.contract.action_space_type == "discrete" else np.ones(200, dtype=bool)
    assert apart.sum() > 190
    np.testing.assert_allclose(policy.act(seen)[apart], action[apart], rtol=0, atol=60e-5)


def test_checkpoint_is_whole(case, tmp_path):
    """Hold the weights of the whole policy, the recorded observations, and answers that the ONNX repeats."""
    path = tmp_path / "c.bundle"
    written(case, path)
    bundle = read_bundle(path)
    for name, array in weight_arrays(case.policy).items():
        np.testing.assert_array_equal(bundle.weights[name], array)
    assert case.value in bundle.weights
    for name, values in case.observations.items():
        np.testing.assert_array_equal(bundle.golden.inputs[name], values)
    check_golden(bundle, OnnxPolicy(bundle))


def test_same_bytes_with_and_without_a_traced_graph(continuous, tmp_path):
    """Write the same bundle whether the graph was traced before or not."""
    written(continuous, tmp_path / "a.bundle")
    written(continuous, tmp_path / "b.bundle", graph=continuous.graph)
    assert (tmp_path / "a.bundle").read_bytes() == (tmp_path / "b.bundle").read_bytes()


def test_export_from_a_run(case, tmp_path):
    """Export a run's best checkpoint by its bundle alone."""
    written(case, tmp_path / "run" / "best.bundle")
    report = export_bundle(tmp_path / "run", tmp_path / "car.bundle")
    assert report.observations == 64
    one, two = read_bundle(tmp_path / "run" / "best.bundle"), read_bundle(tmp_path / "car.bundle")
    assert (one.onnx, one.contract) == (two.onnx, two.contract)
    export_bundle(tmp_path / "car.bundle", tmp_path / "again.bundle")
    assert (tmp_path / "again.bundle").read_bytes() == (tmp_path / "car.bundle").read_bytes()


def test_diverged_checkpoint_keeps_the_old_one(continuous, tmp_path):
    """Leave the bundle that is there where the new one is refused."""
    path = tmp_path / "last.bundle"
    written(continuous, path)
    before = path.read_bytes()
    broken = continuous.other_policy(4)
    broken.action_net.bias.data[0] = torch.nan
    with pytest.raises(ExportError, match="diverged"):
        written(continuous, path, policy=broken)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.bundle"]


def test_graph_of_other_weights(continuous, tmp_path):
    """Refuse to export a bundle whose graph is not that of its weights, and leave no file."""
    other = export_onnx(continuous.other_policy(8), continuous.contract)
    golden = run_graph(other, continuous.contract, continuous.observations)
    path = tmp_path / "mixed.bundle"
    write_bundle(
        path,
        onnx=other,
        contract=continuous.contract,
        weights=weight_arrays(continuous.policy),
        golden=golden,
    )
    with pytest.raises(ExportError, match="onnxruntime and torch differ"):
        export_bundle(path, tmp_path / "out.bundle")
    assert not (tmp_path / "out.bundle").exists()


def test_nothing_to_export(tmp_path):
    """Give the reason of what cannot be found, read, or built again in torch."""
    with pytest.raises(AssetError, match="No policy"):
        export_bundle(tmp_path / "none", tmp_path / "out.bundle")
    (tmp_path / "bad.bundle").write_bytes(b"PK\x03\x04")
    with pytest.raises(BundleError, match="truncated"):
        export_bundle(tmp_path / "bad.bundle", tmp_path / "out.bundle")
    with pytest.raises(ExportError, match="do not fit the contract's network"):
        export_bundle(write_linear(tmp_path / "linear.bundle"), tmp_path / "out.bundle")


def test_driving_needs_no_torch(continuous, tmp_path):
    """Drive an exported policy in a process that never loads torch."""
    written(continuous, tmp_path / "last.bundle")
    code = (
        "import sys, numpy; from racer.policy import load_policy; p = load_policy(sys.argv[1]);"
        "p.act({'state': numpy.zeros((5, 20))});"
        "print([m for m in ('torch', 'stable_baselines3', 'onnx', 'gymnasium', 'numba') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
