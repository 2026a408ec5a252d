"""Bundles with a linear network, made with the onnx package alone, so that most tests need no torch.

`write_linear` writes any good bundle, `write_driver` one that laps a track, `write_graph` one around any graph;
`members_of`, `rebuilt`, `edited_json` and `npz_with` take a bundle to pieces and make a forged one of them.
"""

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


def linear_contract(
    space: ContinuousActions | DiscreteActions = CONTINUOUS, look_ahead: tuple[float, ...] = (0.3, 0.6, 0.9)
) -> PolicyContract:
    """A contract with a state sensor of three points ahead (20 numbers), unless others are given."""
    return make_contract(sensors=(state_sensor(look_ahead),), action_space=space, control_rate_hz=15.0)


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
        head, more = action_head(space, second)
        nodes, constants = nodes + head, constants | more
    value = onnx.helper.make_tensor_value_info
    count = weights["w"].shape[1]
    return onnx_model(
        contract,
        nodes,
        value("state", onnx.TensorProto.FLOAT, ["B", weights["w"].shape[0]]),
        [value("action", onnx.TensorProto.FLOAT, ["B", 2]), value(second, onnx.TensorProto.FLOAT, ["B", count])],
        constants,
    )


def action_head(space: ContinuousActions, mean: str) -> tuple[list[onnx.NodeProto], dict[str, NDArray]]:
    """Make the nodes and constants that clip `mean` to -1..1 and map it to the ranges of a space as `action`."""
    make = onnx.helper.make_node
    low, high = np.array(space.low, "f4"), np.array(space.high, "f4")
    nodes = [
        make("Clip", [mean, "minus", "plus"], ["clipped"]),
        make("Mul", ["clipped", "half"], ["spread"]),
        make("Add", ["spread", "mid"], ["action"]),
    ]
    constants = {"half": (high - low) / 2, "mid": (high + low) / 2}
    return nodes, constants | {"minus": np.array(-1, "f4"), "plus": np.array(1, "f4")}


def onnx_model(
    contract: PolicyContract,
    nodes: list[onnx.NodeProto],
    given: onnx.ValueInfoProto,
    results: list[onnx.ValueInfoProto],
    constants: Mapping[str, NDArray],
) -> bytes:
    """Serialise a graph with one input, in the contract's opset."""
    initializers = [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = onnx.helper.make_graph(nodes, "linear", [given], results, initializers)
    opset = onnx.helper.make_opsetid("", contract.onnx.opset)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def scaled_actions(space: ContinuousActions, mean: NDArray) -> NDArray:
    """Return what `action_head` gives, in numpy (float32)."""
    low, high = np.array(space.low), np.array(space.high)
    return (low + (np.clip(mean, -1, 1) + 1) / 2 * (high - low)).astype("f4")


def linear_answers(contract: PolicyContract, weights: Mapping[str, NDArray], state: NDArray) -> dict[str, NDArray]:
    """The same in numpy."""
    space = contract.action_space
    raw = state @ weights["w"] + weights["b"]
    if isinstance(space, DiscreteActions):
        return {"action": np.array(space.table, dtype="f4")[raw.argmax(axis=1)], "logits": raw}
    return {"action": scaled_actions(space, raw), "mean": raw}


def write_linear(path: Path, space: ContinuousActions | DiscreteActions = CONTINUOUS) -> Path:
    """Write a good bundle with 16 recorded observations."""
    contract = linear_contract(space)
    return _write(path, contract, linear_weights(contract))


def write_driver(
    path: Path,
    *,
    speed: float = 1.0,
    gain: float = 52.0,
    space: ContinuousActions = CONTINUOUS,
    look_ahead: tuple[float, ...] = (0.3, 0.6, 0.9),
) -> Path:
    """Write a bundle that steers for the second point ahead: it laps a wide track.

    Args:
        speed: Speed that it keeps [m/s].
        gain: Steering for each metre that the point, 0.6 m ahead, lies to the left [deg/m]. Pure pursuit: a circle
            through the car and a point at (d, y) has curvature 2 y / d^2, the wheels turn by the wheelbase of 0.164 m
            times that, which is 52 deg/m.
        space: Action space.
        look_ahead: Distances of the points ahead [m].
    """
    contract = linear_contract(space, look_ahead)
    fields = contract.sensors[0].fields
    weights = {"w": np.zeros((len(fields), 2), "f4"), "b": np.zeros(2, "f4")}
    weights["w"][fields.index("ahead1_y"), 0] = gain / space.high[0]
    weights["b"][1] = 2.0 * (speed - space.low[1]) / (space.high[1] - space.low[1]) - 1.0
    return _write(path, contract, weights)


def write_graph(path: Path, onnx_bytes: bytes, contract: PolicyContract | None = None) -> Path:
    """Write a bundle around a graph, whatever it computes; the recorded answers are zeros."""
    contract = contract or linear_contract()
    space, second = contract.action_space, contract.onnx.outputs[1]
    count = len(space.table) if isinstance(space, DiscreteActions) else 2
    golden = GoldenSample(
        inputs={"state": np.zeros((2, contract.sensors[0].size), "f4")},
        outputs={"action": np.zeros((2, 2), "f4"), second: np.zeros((2, count), "f4")},
    )
    write_bundle(path, onnx=onnx_bytes, contract=contract, weights={}, golden=golden)
    return path


def _write(path: Path, contract: PolicyContract, weights: Mapping[str, NDArray]) -> Path:
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
