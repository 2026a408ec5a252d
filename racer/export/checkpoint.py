"""Writes bundles from a training or from another bundle, each checked on recorded observations first.

The graph and the torch policy have to give the same outputs; a file that was not compared is never left on disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from racer.bundle import GOLDEN_TOLERANCE, LOGIT_GAP, GoldenSample, check_golden, read_bundle, write_bundle
from racer.config.actions import DiscreteActions
from racer.contract import PolicyContract
from racer.errors import ExportError
from racer.export.graph import swap_weights, trace
from racer.export.network import DeployedPolicy, TorchPolicy, build_policy, weight_arrays
from racer.policy import OnnxPolicy, find_bundle
from racer.policy.onnx import open_session
from racer.preprocess import prepare, prepare_drive

TOLERANCE = GOLDEN_TOLERANCE


@dataclass(frozen=True, kw_only=True)
class ParityReport:
    """Largest differences between two runtimes, as fractions of the output's range; at most 1e-5 is accepted.

    Attributes:
        observations: Number of recorded observations.
        action_difference: Of the actions, as a fraction of the action space's range; in a discrete space without the
            near ties.
        raw_difference: Of mean or logits, as a fraction of their range over the recorded observations.
        near_ties: Number of observations whose two best logits are within 1e-4 of each other, so that rounding may
            change the choice.
        other_choices: Number of near ties in which the two runtimes chose different actions.
    """

    observations: int
    action_difference: float
    raw_difference: float
    near_ties: int
    other_choices: int


def run_graph(
    graph: bytes, contract: PolicyContract, observations: Mapping[str, NDArray], *, source: str = "policy.onnx"
) -> GoldenSample:
    """Return the graph's outputs through onnxruntime, as a bundle's golden record.

    Args:
        graph: Bytes of the ONNX graph.
        contract: Its contract.
        observations: (B, ...) as the sensors give them; where frames are stacked, the rows are successive
            observations of one car.
        source: Name of the graph for messages.
    """
    session = open_session(graph, contract, source=source)
    outputs = session.run(None, prepare_drive(contract, observations))
    return GoldenSample(
        inputs=prepare(contract, observations), outputs=dict(zip(contract.onnx.outputs, outputs, strict=True))
    )


def check_parity(
    graph: bytes, policy: TorchPolicy, contract: PolicyContract, observations: Mapping[str, NDArray]
) -> ParityReport:
    """Compare onnxruntime with torch on recorded observations (B, ...).

    Raises:
        ExportError: An output differs by more than 1e-5 of its range, or another action is chosen where torch's two
            best logits differ by more than 1e-4.
    """
    return compare_outputs(run_graph(graph, contract, observations), policy, contract)


def compare_outputs(golden: GoldenSample, policy: TorchPolicy, contract: PolicyContract) -> ParityReport:
    """Compare recorded outputs of the graph with torch, as `check_parity` does."""
    # The same preprocessing for both runtimes, so that the networks alone are compared.
    with torch.no_grad():
        inputs = prepare_drive(contract, golden.inputs)
        tensors = [torch.from_numpy(np.array(inputs[sensor.name])) for sensor in contract.sensors]
        action, raw = (t.numpy() for t in DeployedPolicy(policy, contract).eval()(*tensors))
    second = contract.onnx.outputs[1]
    onnx_action, onnx_raw = golden.outputs["action"], golden.outputs[second]
    if len(action) == 0:
        raise ExportError("No recorded observations to compare torch and onnxruntime on")
    if not all(np.isfinite(values).all() for values in (action, raw, onnx_action, onnx_raw)):
        raise ExportError("The policy's outputs are not finite on recorded observations; the training has diverged")
    # At least a tenth of its size, for an output that hardly varies: there the differences are rounding errors.
    raw_range = float(max(np.ptp(raw), 0.1 * np.abs(raw).max(), 1e-6))
    raw_difference = np.abs(onnx_raw - raw).max(axis=1) / raw_range
    _check_difference(raw_difference, second, raw, onnx_raw)
    action_range = np.maximum(np.subtract(contract.action_space.high, contract.action_space.low), 1e-6)
    difference = (np.abs(onnx_action - action) / action_range).max(axis=1)
    near_tie = np.zeros(len(difference), dtype=bool)
    if isinstance(contract.action_space, DiscreteActions):
        # Rounding may order two almost equal logits either way, and the actions behind them may be far from each other.
        best = np.sort(raw, axis=1)
        near_tie = best[:, -1] - best[:, -2] <= LOGIT_GAP
    accepted = np.where(near_tie, 0.0, difference)
    _check_difference(accepted, "action", action, onnx_action)
    return ParityReport(
        observations=len(difference),
        action_difference=float(accepted.max()),
        raw_difference=float(raw_difference.max()),
        near_ties=int(near_tie.sum()),
        other_choices=int((near_tie & (difference > TOLERANCE)).sum()),
    )


def _check_difference(difference: NDArray, name: str, torch_values: NDArray, onnx_values: NDArray) -> None:
    """Check the differences of an output, shape (B,), as fractions of its range."""
    k = int(np.argmax(difference))
    if difference[k] > TOLERANCE:
        onnx_row, torch_row = (np.round(values[k], 6).tolist() for values in (onnx_values, torch_values))
        raise ExportError(
            f"onnxruntime and torch differ by {difference[k]:.2g} of the range of `{name}` (at most {TOLERANCE:g}) "
            f"on recorded observation {k}: {onnx_row} against {torch_row}"
        )


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
        path: Where the bundle is written; an existing file is replaced.
        policy: The trainer's policy, built with `policy_arguments(contract)`.
        contract: Its observations, preprocessing and actions.
        observations: (B, ...) for each sensor in SI units, recorded while it drove; they become the golden inputs.
        graph: Result of `trace(contract)`, so that a training traces once; None to trace it here.

    Returns:
        The result of the comparison.

    Raises:
        ExportError: The outputs of the graph and of the policy differ.
    """
    weights = weight_arrays(policy)
    onnx = swap_weights(graph if graph is not None else trace(contract), weights)
    golden = run_graph(onnx, contract, observations)
    # Before writing: a bundle that was not compared is never left on disk.
    report = compare_outputs(golden, policy, contract)
    write_bundle(path, onnx=onnx, contract=contract, weights=weights, golden=golden)
    return report


def export_bundle(source: Path | str, path: Path | str) -> ParityReport:
    """Compare a run's best checkpoint, or a bundle, with torch again and write it to `path` (`racer export`).

    The torch policy is built from the contract and `weights.npz`; the recorded observations are those of the bundle.

    Raises:
        AssetError: The run or bundle does not exist.
        BundleError: It is damaged, or this onnxruntime gives other actions than those recorded.
        ExportError: The outputs of its graph and of its weights in torch differ.
    """
    # Weights and graph are both in the bundle, so neither the run's configuration nor its trainer state is needed.
    bundle = read_bundle(find_bundle(source))
    policy = build_policy(bundle.contract, bundle.weights)
    check_golden(bundle, OnnxPolicy(bundle))
    report = check_parity(bundle.onnx, policy, bundle.contract, bundle.golden.inputs)
    write_bundle(path, onnx=bundle.onnx, contract=bundle.contract, weights=bundle.weights, golden=bundle.golden)
    return report
