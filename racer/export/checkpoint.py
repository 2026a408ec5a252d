"""Bundles from a training, and bundles from bundles; no file is left that was not compared with torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from numpy.typing import NDArray

from racer.bundle import check_golden, read_bundle, write_bundle
from racer.contract import PolicyContract
from racer.export.graph import swap_weights, trace
from racer.export.network import TorchPolicy, build_policy, weight_arrays
from racer.export.parity import ParityReport, check_parity, compare, run_graph
from racer.policy import OnnxPolicy, find_bundle


def write_checkpoint(
    path: Path | str,
    *,
    policy: TorchPolicy,
    contract: PolicyContract,
    observations: Mapping[str, NDArray],
    graph: bytes | None = None,
) -> ParityReport:
    """Write a policy in training as a bundle.

    Args:
        path: of the bundle; what lies there is replaced.
        policy: the trainer's policy, built with `policy_arguments(contract)`.
        contract: what it sees and says.
        observations: (B, ...) for each sensor in SI units, recorded while it drove; they become the golden
            inputs.
        graph: what `trace(contract)` gave, so that it is done once for a training.

    Raises:
        ExportError: the graph does not do what the policy does.
    """
    weights = weight_arrays(policy)
    onnx = swap_weights(graph if graph is not None else trace(contract), weights)
    golden = run_graph(onnx, contract, observations)
    report = compare(golden, policy, contract)
    write_bundle(path, onnx=onnx, contract=contract, weights=weights, golden=golden)
    return report


def export_bundle(source: Path | str, path: Path | str) -> ParityReport:
    """`racer export`: a run's best checkpoint, or a bundle, compared anew with torch and written to `path`.

    The torch policy is built from the contract and `weights.npz`; the recorded observations are the bundle's
    own.

    Raises:
        AssetError: there is no such run or bundle.
        BundleError: it is broken, or this onnxruntime does not answer as recorded.
        ExportError: its graph does not do what its weights do in torch.
    """
    bundle = read_bundle(find_bundle(source))
    policy = build_policy(bundle.contract, bundle.weights)
    check_golden(bundle, OnnxPolicy(bundle))
    report = check_parity(bundle.onnx, policy, bundle.contract, bundle.golden.inputs)
    write_bundle(path, onnx=bundle.onnx, contract=bundle.contract, weights=bundle.weights, golden=bundle.golden)
    return report
