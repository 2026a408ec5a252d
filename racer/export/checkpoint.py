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
    """Largest differences between two runtimes, as fractions of the output's range; at most 1e-5 is accepted."""

    observations: int
    action_difference: float
    """Largest, in parts of the action space's range; in a discrete space away from near ties."""
    raw_difference: float
    """Largest of mean or logits, in parts of their range over the recorded observations."""
    near_ties: int
    """Observations whose two best logits are within 1e-4 of each other; there the choice may differ."""
    other_choices: int
    """Near ties where it did differ."""


def run_graph(
    graph: bytes,
    contract: PolicyContract,
    observations: Mapping[str, NDArray],
    *,
    source: str = "policy.onnx",
) -> GoldenSample:
    """Return the graph's outputs through onnxruntime, as a bundle's golden record.

    Args:
        observations: (B, ...) as the sensors give them; where frames are stacked, the rows are taken for what one
            car saw, one after the other.
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
        ExportError: an output differs by more than 1e-5 of its range, or another action is chosen where
            torch's two
            best logits differ by more than 1e-4.
    """
    return compare_outputs(run_graph(graph, contract, observations), policy, contract)


def compare_outputs(answered: GoldenSample, policy: TorchPolicy, contract: PolicyContract) -> ParityReport:
    """Compare outputs that the graph has already given with torch, as `check_parity` does."""
    with torch.no_grad():
        inputs = prepare_drive(contract, answered.inputs)
        tensors = [torch.from_numpy(np.array(inputs[sensor.name])) for sensor in contract.sensors]
        action, raw = (t.numpy() for t in DeployedPolicy(policy, contract).eval()(*tensors))
    second = contract.onnx.outputs[1]
    its_action, its_raw = answered.outputs["action"], answered.outputs[second]
    if len(action) == 0:
        raise ExportError("No recorded observations to compare torch and onnxruntime on")
    if not all(np.isfinite(each).all() for each in (action, raw, its_action, its_raw)):
        raise ExportError("The policy's outputs are not finite on recorded observations; the training has diverged")
    raw_off = np.abs(its_raw - raw).max(axis=1) / _output_range(raw)
    _check_difference(raw_off, second, raw, its_raw)
    reach = np.maximum(np.subtract(contract.action_space.high, contract.action_space.low), 1e-6)
    off = (np.abs(its_action - action) / reach).max(axis=1)
    close = np.zeros(len(off), dtype=bool)
    if isinstance(contract.action_space, DiscreteActions):
        best = np.sort(raw, axis=1)
        close = best[:, -1] - best[:, -2] <= LOGIT_GAP
    _check_difference(np.where(close, 0.0, off), "action", action, its_action)
    return ParityReport(
        observations=len(off),
        action_difference=float(np.where(close, 0.0, off).max()),
        raw_difference=float(raw_off.max()),
        near_ties=int(close.sum()),
        other_choices=int((close & (off > TOLERANCE)).sum()),
    )


def _output_range(raw: NDArray) -> float:
    """Return the range of an output, highest less lowest; a tenth of its size where it hardly moves (rounding)."""
    return float(max(np.ptp(raw), 0.1 * np.abs(raw).max(), 1e-6))


def _check_difference(off: NDArray, name: str, torch_values: NDArray, onnx_values: NDArray) -> None:
    k = int(np.argmax(off))
    if off[k] > TOLERANCE:
        its, own = (np.round(values[k], 6).tolist() for values in (onnx_values, torch_values))
        raise ExportError(
            f"onnxruntime and torch differ by {off[k]:.2g} of the range of `{name}` (at most {TOLERANCE:g}) "
            f"on recorded observation {k}: {its} against {own}"
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
        policy: the trainer's policy, built with `policy_arguments(contract)`.
        contract: Its observations, preprocessing and actions.
        observations: (B, ...) for each sensor in SI units, recorded while it drove; they become the golden
            inputs.
        graph: Result of `trace(contract)`, so that a training traces once.

    Raises:
        ExportError: the graph does not do what the policy does.
    """
    weights = weight_arrays(policy)
    onnx = swap_weights(graph if graph is not None else trace(contract), weights)
    golden = run_graph(onnx, contract, observations)
    report = compare_outputs(golden, policy, contract)
    write_bundle(path, onnx=onnx, contract=contract, weights=weights, golden=golden)
    return report


def export_bundle(source: Path | str, path: Path | str) -> ParityReport:
    """Compare a run's best checkpoint, or a bundle, with torch again and write it to `path` (`racer export`).

    The torch policy is built from the contract and `weights.npz`; the recorded observations are the bundle's
    own.

    Raises:
        AssetError: the run or bundle does not exist.
        BundleError: it is broken, or this onnxruntime does not answer as recorded.
        ExportError: its graph does not do what its weights do in torch.
    """
    bundle = read_bundle(find_bundle(source))
    policy = build_policy(bundle.contract, bundle.weights)
    check_golden(bundle, OnnxPolicy(bundle))
    report = check_parity(bundle.onnx, policy, bundle.contract, bundle.golden.inputs)
    write_bundle(path, onnx=bundle.onnx, contract=bundle.contract, weights=bundle.weights, golden=bundle.golden)
    return report
