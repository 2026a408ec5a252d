"""A camera bundle made with the onnx package alone: the mean brightness steers."""

import numpy as np
import onnx

from racer.bundle import GoldenSample, write_bundle
from racer.config.actions import ContinuousActions
from racer.config.env import CameraConfig
from racer.contract import camera_sensor, make_contract

SPACE = ContinuousActions()


def camera_contract(**more):
    """A small grey camera, 15 Hz."""
    camera = CameraConfig(width=32, height=24, colour="grey")
    return make_contract(sensors=(camera_sensor(camera),), action_space=SPACE, control_rate_hz=15.0, **more)


def camera_graph(contract):
    """mean = (average of the picture / 127.5 - 1, and its negative); action by the contract's ranges."""
    make, numbers = onnx.helper.make_node, onnx.numpy_helper.from_array
    low, high = np.array(SPACE.low, "f4"), np.array(SPACE.high, "f4")
    height, width, channels = contract.sensors[0].shape
    constants = {
        "scale": np.array(1 / 127.5, "f4"), "one": np.array(1, "f4"), "minus": np.array(-1, "f4"),
        "signs": np.array([[1, -1]], "f4"), "half": (high - low) / 2, "mid": (high + low) / 2,
        "axes": np.array([1, 2, 3]), "flat": np.array([-1, 1]),
    }  # fmt: skip
    nodes = [
        make("Cast", ["camera"], ["float"], to=onnx.TensorProto.FLOAT),
        make("ReduceMean", ["float", "axes"], ["average"], keepdims=0),
        make("Reshape", ["average", "flat"], ["column"]),
        make("Mul", ["column", "scale"], ["scaled"]),
        make("Sub", ["scaled", "one"], ["centred"]),
        make("Mul", ["centred", "signs"], ["mean"]),
        make("Clip", ["mean", "minus", "one"], ["clipped"]),
        make("Mul", ["clipped", "half"], ["spread"]),
        make("Add", ["spread", "mid"], ["action"]),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "camera",
        [value("camera", onnx.TensorProto.UINT8, ["B", height, width, channels])],
        [value(name, onnx.TensorProto.FLOAT, ["B", 2]) for name in ("action", "mean")],
        [numbers(array, name) for name, array in constants.items()],
    )
    opset = onnx.helper.make_opsetid("", contract.onnx.opset)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def write_camera(path, **more):
    """Write a good camera bundle with 8 recorded pictures."""
    contract = camera_contract(**more)
    pictures = np.random.default_rng(7).integers(0, 256, (8, *contract.sensors[0].shape), dtype="u1")
    pictures[:4] //= 4
    mean = (pictures.mean(axis=(1, 2, 3), dtype="f8") / 127.5 - 1)[:, None] * [[1, -1]]
    low, high = np.array(SPACE.low), np.array(SPACE.high)
    action = low + (np.clip(mean, -1, 1) + 1) / 2 * (high - low)
    golden = GoldenSample(
        inputs={"camera": pictures}, outputs={"action": action.astype("f4"), "mean": mean.astype("f4")}
    )
    weights = {"none": np.zeros(1, "f4")}
    write_bundle(path, onnx=camera_graph(contract), contract=contract, weights=weights, golden=golden)
    return path
