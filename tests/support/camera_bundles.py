"""Bundles that see by a camera and need no training, made with the onnx package alone.

`driving_bundle` fits one linear layer from picture to steering.
`write_brightness_bundle` writes one that steers by the mean brightness.

Frames from random places on a track are shown next to the angle that leads back to the middle of the road; the
weights of 8 x 8 pixel blocks are fitted to that (ridge regression). It is good for a gentle track and nothing else.
"""

import numpy as np
import onnx

from racer.bundle import GoldenSample, write_bundle
from racer.config.actions import ContinuousActions
from racer.config.env import CameraConfig
from racer.config.read import read_vehicle
from racer.contract import camera_sensor, make_contract
from support.bundles import action_head, onnx_model, scaled_actions

SPEED = 1.0
BLOCK = 8
TOP = 40  # rows above this show the hall, not the road
SPACE = ContinuousActions(steering_angle={"low": -30.0, "high": 30.0}, speed={"low": 0.5, "high": SPEED})


def contract_of(rate_hz=15.0, **changes):
    """Raw grey frames in, an angle and a speed out."""
    return make_contract(sensors=(camera_sensor(CameraConfig(**changes)),), action_space=SPACE, control_rate_hz=rate_hz)


def linear_graph(contract, weights, bias):
    """steering = clip(pixels . weights + bias), speed = the highest; as ONNX bytes."""
    constants = {
        "shape": np.array([-1, weights.size]),
        "w": np.stack([weights.ravel(), np.zeros(weights.size)], axis=1).astype("f4"),
        "b": np.array([bias, 1.0], "f4"),
    }
    make = onnx.helper.make_node
    nodes = [
        make("Cast", ["camera"], ["pixels"], to=onnx.TensorProto.FLOAT),
        make("Reshape", ["pixels", "shape"], ["flat"]),
        make("Gemm", ["flat", "w", "b"], ["mean"]),
    ]
    return _camera_model(contract, nodes, constants)


def _camera_model(contract, nodes, constants):
    head, more = action_head(contract.action_space, "mean")
    value = onnx.helper.make_tensor_value_info
    return onnx_model(
        contract,
        nodes + head,
        value("camera", onnx.TensorProto.UINT8, ["B", *contract.sensors[0].shape]),
        [value(name, onnx.TensorProto.FLOAT, ["B", 2]) for name in ("action", "mean")],
        constants | more,
    )


def _write(path, contract, graph, weights, frames, mean):
    action = scaled_actions(contract.action_space, mean)
    golden = GoldenSample(inputs={"camera": frames}, outputs={"action": action, "mean": mean.astype("f4")})
    write_bundle(path, onnx=graph, contract=contract, weights=weights, golden=golden)
    return path


def write_camera_bundle(path, weights=None, bias=0.0, *, contract=None, frames=None):
    """Write a bundle of these weights (H, W) on bytes, with what it answers to a few frames."""
    contract = contract or contract_of()
    shape = contract.sensors[0].shape
    weights = np.zeros(shape[:2]) if weights is None else weights
    if frames is None:
        frames = np.random.default_rng(1).integers(0, 256, (4, *shape), dtype=np.uint8)
    mean = frames.reshape(len(frames), -1).astype("f4") @ weights.astype("f4").reshape(-1, 1) + np.float32(bias)
    mean = np.concatenate([mean, np.ones_like(mean)], axis=1)
    return _write(path, contract, linear_graph(contract, weights, bias), {"w": weights.astype("f4")}, frames, mean)


def seen_from(track, poses, config=None):
    """(K, H, W, 1) frames and the (K,) curvature of the road from poses (K, 3): arc length, offset m, heading error."""
    from racer.sim.camera.camera import Camera
    from racer.sim.world import World
    from racer.track.load import load_tracks

    poses = np.asarray(poses, float)
    world = World(load_tracks([track]), read_vehicle("deepracer"), len(poses))
    world.place(np.concatenate([np.zeros((len(poses), 1)), poses], axis=1)[:, None])
    camera = Camera(world, config or CameraConfig())
    camera.update_poses()
    camera.render()
    return camera.frames[:, 0].copy(), world.telemetry["curvature"][:, 0].copy()


def driving_bundle(path, track="easy_oval", *, places=1500, seed=0):
    """Fit and write a bundle that drives a track."""
    from racer.track.load import load_tracks

    draw = np.random.default_rng(seed)
    length = load_tracks([track])[0].length
    poses = np.stack(
        [draw.uniform(0, length, places), draw.uniform(-0.25, 0.25, places), draw.uniform(-0.6, 0.6, places)], axis=1
    )
    frames, _ = seen_from(track, poses)
    ahead = poses.copy()
    ahead[:, 0] = (ahead[:, 0] + 0.3) % length
    _, curvature = seen_from(track, ahead)
    wanted = np.degrees(0.2 * curvature) - 60.0 * poses[:, 1] - np.degrees(1.2 * poses[:, 2])
    rows, columns = (frames.shape[1] - TOP) // BLOCK, frames.shape[2] // BLOCK
    blocks = frames[:, TOP:, :, 0].reshape(places, rows, BLOCK, columns, BLOCK).mean(axis=(2, 4)).reshape(places, -1)
    middle = blocks.mean(axis=0)
    x, y = blocks - middle, np.clip(wanted, -30, 30) / 30.0
    fitted = np.linalg.solve(x.T @ x + 20000.0 * np.eye(x.shape[1]), x.T @ (y - y.mean()))
    bias = y.mean() - middle @ fitted
    weights = np.zeros(frames.shape[1:3])
    weights[TOP:] = np.kron(fitted.reshape(rows, columns), np.ones((BLOCK, BLOCK))) / BLOCK**2
    return write_camera_bundle(path, weights, bias, frames=frames[:8])


def camera_contract(**more):
    """Make a contract with a small grey camera, 15 Hz, for a network that steers by brightness."""
    camera = CameraConfig(width=32, height=24, colour="grey")
    return make_contract(
        sensors=(camera_sensor(camera),), action_space=ContinuousActions(), control_rate_hz=15.0, **more
    )


def brightness_graph(contract):
    """Serialise mean = (average of the picture / 127.5 - 1, and its negative); `average` is a tensor of the graph."""
    constants = {
        "scale": np.array(1 / 127.5, "f4"),
        "one": np.array(1, "f4"),
        "signs": np.array([[1, -1]], "f4"),
        "axes": np.array([1, 2, 3]),
        "flat": np.array([-1, 1]),
    }
    make = onnx.helper.make_node
    nodes = [
        make("Cast", ["camera"], ["float"], to=onnx.TensorProto.FLOAT),
        make("ReduceMean", ["float", "axes"], ["average"], keepdims=0),
        make("Reshape", ["average", "flat"], ["column"]),
        make("Mul", ["column", "scale"], ["scaled"]),
        make("Sub", ["scaled", "one"], ["centred"]),
        make("Mul", ["centred", "signs"], ["mean"]),
    ]
    return _camera_model(contract, nodes, constants)


def write_brightness_bundle(path, *, graph=brightness_graph, pictures=None, **more):
    """Write a bundle that steers by the mean brightness, with 8 recorded pictures unless they are given.

    Args:
        path: The file.
        graph: Function from a contract to a graph that answers as `brightness_graph` does.
        pictures: What is recorded, (K, 24, 32, 1).
        more: Further fields of the contract.
    """
    contract = camera_contract(**more)
    if pictures is None:
        pictures = np.random.default_rng(7).integers(0, 256, (8, *contract.sensors[0].shape), dtype="u1")
        pictures[:4] //= 4
    mean = (pictures.mean(axis=(1, 2, 3), dtype="f8") / 127.5 - 1)[:, None] * [[1, -1]]
    return _write(path, contract, graph(contract), {"none": np.zeros(1, "f4")}, pictures, mean)
