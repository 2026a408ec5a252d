"""Bundles with a linear network, made with the onnx package alone, so that most tests need no torch."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from racer.bundle import GoldenSample, write_bundle
from racer.config.actions import ContinuousActions, DiscreteActions
from racer.contract import PolicyContract, make_contract, state_sensor

CONTINUOUS = ContinuousActions()
DISCRETE = DiscreteActions.grid([-30, 0, 30], [1, 3])


def linear_contract(space: ContinuousActions | DiscreteActions = CONTINUOUS) -> PolicyContract:
    """A state sensor of three points ahead (20 numbers)."""
    return make_contract(sensors=(state_sensor((0.3, 0.6, 0.9)),), action_space=space, control_rate_hz=15.0)


def linear_weights(contract: PolicyContract) -> dict[str, NDArray]:
    """Small random weights, always the same."""
    count = len(contract.action_space.table) if isinstance(contract.action_space, DiscreteActions) else 2
    draw = np.random.default_rng(3)
    size = contract.sensors[0].size
    return {
        "w": draw.normal(size=(size, count)).astype("f4") * 0.3,
        "b": draw.normal(size=count).astype("f4") * 0.1,
    }


def linear_onnx(contract: PolicyContract, weights: Mapping[str, NDArray]) -> bytes:
    """The graph: state @ w + b, then the head of the contract's action space."""
    space, second = contract.action_space, contract.onnx.outputs[1]
    make, constants = onnx.helper.make_node, dict(weights)
    nodes = [make("Gemm", ["state", "w", "b"], [second])]
    if isinstance(space, DiscreteActions):
        constants["table"] = np.array(space.table, dtype="f4")
        nodes += [
            make("ArgMax", [second], ["k"], axis=1, keepdims=0),
            make("Gather", ["table", "k"], ["action"]),
        ]
    else:
        low, high = np.array(space.low, dtype="f4"), np.array(space.high, dtype="f4")
        constants |= {"half": (high - low) / 2, "mid": (high + low) / 2}
        constants |= {"minus": np.array(-1, dtype="f4"), "plus": np.array(1, dtype="f4")}
        nodes += [
            make("Clip", [second, "minus", "plus"], ["clipped"]),
            make("Mul", ["clipped", "half"], ["spread"]),
            make("Add", ["spread", "mid"], ["action"]),
        ]
    value = onnx.helper.make_tensor_value_info
    count = weights["w"].shape[1]
    graph = onnx.helper.make_graph(
        nodes,
        "linear",
        [value("state", onnx.TensorProto.FLOAT, ["B", weights["w"].shape[0]])],
        [
            value("action", onnx.TensorProto.FLOAT, ["B", 2]),
            value(second, onnx.TensorProto.FLOAT, ["B", count]),
        ],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset = onnx.helper.make_opsetid("", contract.onnx.opset)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def linear_answers(contract: PolicyContract, weights: Mapping[str, NDArray], state: NDArray) -> dict[str, NDArray]:
    """The same in numpy."""
    space = contract.action_space
    raw = state @ weights["w"] + weights["b"]
    if isinstance(space, DiscreteActions):
        return {"action": np.array(space.table, dtype="f4")[raw.argmax(axis=1)], "logits": raw}
    low, high = np.array(space.low), np.array(space.high)
    action = low + (np.clip(raw, -1, 1) + 1) / 2 * (high - low)
    return {"action": action.astype("f4"), "mean": raw}


def write_linear(path: Path, space: ContinuousActions | DiscreteActions = CONTINUOUS) -> Path:
    """Write a good bundle with 16 recorded observations."""
    contract = linear_contract(space)
    weights = linear_weights(contract)
    state = np.random.default_rng(5).normal(size=(16, contract.sensors[0].size)).astype("f4")
    golden = GoldenSample(inputs={"state": state}, outputs=linear_answers(contract, weights, state))
    write_bundle(path, onnx=linear_onnx(contract, weights), contract=contract, weights=weights, golden=golden)
    return path


def members_of(path: Path) -> dict[str, bytes]:
    """What the zip holds."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rebuilt(members: Mapping[str, bytes], path: Path) -> Path:
    """A zip of these members, without looking at them."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return path


def edited_json(data: bytes, edit: Callable[[dict], None]) -> bytes:
    """JSON bytes after an edit in place."""
    parsed = json.loads(data)
    edit(parsed)
    return json.dumps(parsed).encode()


def npz_with(arrays: Mapping[str, NDArray], *, allow_pickle: bool = False) -> bytes:
    """An npz made by numpy, which may hold pickles."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=allow_pickle, **arrays)
    return buffer.getvalue()
