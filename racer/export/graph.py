"""Traces a contract's ONNX graph once, and puts a training's weights into that graph at every checkpoint.

The graph depends on the contract alone. It is traced with random weights: the exporter merges and folds weights that
are equal or zero, as new biases are, and such a graph could not take other weights.

The tracing exporter (`dynamo=False`) takes 0.1 s, the newer one 1.7 s and 0.4 s for importing onnxscript. It is
deprecated since torch 2.9; if torch drops it, `_trace` is the one place to change.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from racer.contract import PolicyContract
from racer.errors import ExportError
from racer.export.network import DeployedPolicy, build_policy, weight_arrays

_PREFIX = "policy."
_KEY = "racer.parameters"
"""Key of the graph's metadata that maps its initializers to the policy's weights, as JSON."""


def trace(contract: PolicyContract) -> bytes:
    """Trace the contract's graph with random weights, for `swap_weights`; the same contract gives the same bytes.

    Raises:
        ExportError: The exporter changed the weights, so that they could not be swapped.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = DeployedPolicy(build_policy(contract), contract).eval()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.normal_()
    model = onnx.ModelProto.FromString(_trace(module, contract))
    mapping = _match(model, module, contract)
    entry = model.metadata_props.add()
    entry.key, entry.value = _KEY, json.dumps(mapping, sort_keys=True)
    # Without torch's version, so that the bytes depend on the contract and the exporter's graph alone.
    model.producer_name, model.producer_version = "racer", ""
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def swap_weights(graph: bytes, weights: Mapping[str, NDArray]) -> bytes:
    """Return a traced graph with other weights.

    Args:
        graph: Result of `trace` or `swap_weights`.
        weights: The policy's state_dict as arrays; those that the graph does not use (value network, standard
            deviation) are ignored.

    Raises:
        ExportError: The graph was not made by `trace`, or a weight is missing, of another shape, or not finite.
    """
    model = onnx.ModelProto.FromString(graph)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    if _KEY not in metadata:
        raise ExportError("This ONNX graph does not list the names of its weights; trace it with racer.export")
    mapping: dict[str, str] = json.loads(metadata[_KEY])
    for tensor in model.graph.initializer:
        # Constants of the contract, such as scales and ranges, stay as traced.
        if tensor.name not in mapping:
            continue
        name = mapping[tensor.name]
        if name not in weights:
            raise ExportError(f"The graph needs weight `{name}`, which the policy does not have")
        values = np.asarray(weights[name])
        if values.shape != tuple(tensor.dims) or values.dtype != np.float32:
            given = f"{values.dtype}{list(values.shape)}"
            raise ExportError(f"Weight `{name}` is {given}, the contract's graph takes float32{list(tensor.dims)}")
        if not np.isfinite(values).all():
            raise ExportError(f"Weight `{name}` is not finite; the training has diverged")
        tensor.raw_data = values.astype("<f4").tobytes()
    return bytes(model.SerializeToString(deterministic=True))


def _trace(module: DeployedPolicy, contract: PolicyContract) -> bytes:
    examples = tuple(torch.zeros((2, *sensor.shape), dtype=getattr(torch, sensor.dtype)) for sensor in contract.inputs)
    names = [*contract.onnx.inputs, *contract.onnx.outputs]
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the exporter itself, see the module's docstring
        torch.onnx.export(
            module,
            examples,
            buffer,  # type: ignore[arg-type]  # this exporter takes a file too
            input_names=list(contract.onnx.inputs),
            output_names=list(contract.onnx.outputs),
            dynamic_axes={name: {0: "B"} for name in names},
            opset_version=contract.onnx.opset,
            dynamo=False,
        )
    return buffer.getvalue()


def _match(model: onnx.ModelProto, module: DeployedPolicy, contract: PolicyContract) -> dict[str, str]:
    """Map initializers to weights with the same name and value; every weight that affects an action must have one."""
    own = weight_arrays(module.policy)
    mapping = {}
    for tensor in model.graph.initializer:
        name = tensor.name.removeprefix(_PREFIX)
        if name in own and np.array_equal(onnx.numpy_helper.to_array(tensor), own[name]):
            mapping[tensor.name] = name
    if missing := sorted(_used(module, contract) - set(mapping.values())):
        raise ExportError(f"torch's exporter folded weight `{missing[0]}` into the graph; it cannot be swapped")
    return mapping


def _used(module: DeployedPolicy, contract: PolicyContract) -> set[str]:
    """Return the names of the weights that the second output (mean or logits) depends on, by its gradient.

    The action itself has no gradient where it is clipped or chosen from a list.
    """
    with torch.enable_grad():
        examples = (torch.ones((2, *sensor.shape)) for sensor in contract.inputs)
        module(*examples)[1].sum().backward()
    return {name for name, parameter in module.policy.named_parameters() if parameter.grad is not None}
