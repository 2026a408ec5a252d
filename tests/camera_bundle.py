"""A bundle that drives by its camera and needs no training: one linear layer from picture to steering, fitted here.

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

SPEED = 1.0
BLOCK = 8
TOP = 40  # rows above this show the hall, not the road
SPACE = ContinuousActions(steering_angle={"low": -30.0, "high": 30.0}, speed={"low": 0.5, "high": SPEED})


def contract_of(rate_hz=15.0, **changes):
    """Raw grey frames in, an angle and a speed out."""
    return make_contract(sensors=(camera_sensor(CameraConfig(**changes)),), action_space=SPACE, control_rate_hz=rate_hz)


def linear_graph(contract, weights, bias):
    """steering = clip(pixels . weights + bias), speed = the highest; as ONNX bytes."""
    make, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    low, high = np.array(SPACE.low, "f4"), np.array(SPACE.high, "f4")
    constants = {
        "shape": np.array([-1, weights.size]),
        "w": np.stack([weights.ravel(), np.zeros(weights.size)], axis=1).astype("f4"),
        "b": np.array([bias, 1.0], "f4"),
        "half": (high - low) / 2,
        "mid": (high + low) / 2,
        "minus": np.array(-1, "f4"),
        "plus": np.array(1, "f4"),
    }
    nodes = [
        make("Cast", ["camera"], ["pixels"], to=onnx.TensorProto.FLOAT),
        make("Reshape", ["pixels", "shape"], ["flat"]),
        make("Gemm", ["flat", "w", "b"], ["mean"]),
        make("Clip", ["mean", "minus", "plus"], ["clipped"]),
        make("Mul", ["clipped", "half"], ["spread"]),
        make("Add", ["spread", "mid"], ["action"]),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "linear",
        [value("camera", onnx.TensorProto.UINT8, ["B", *contract.sensors[0].shape])],
        [value("action", onnx.TensorProto.FLOAT, ["B", 2]), value("mean", onnx.TensorProto.FLOAT, ["B", 2])],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset = onnx.helper.make_opsetid("", contract.onnx.opset)
    return onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


def write_camera_bundle(path, weights=None, bias=0.0, *, contract=None, frames=None):
    """Write a bundle of these weights (H, W) on bytes, with what it answers to a few frames."""
    contract = contract or contract_of()
    shape = contract.sensors[0].shape
    weights = np.zeros(shape[:2]) if weights is None else weights
    if frames is None:
        frames = np.random.default_rng(1).integers(0, 256, (4, *shape), dtype=np.uint8)
    mean = frames.reshape(len(frames), -1).astype("f4") @ weights.astype("f4").reshape(-1, 1) + np.float32(bias)
    mean = np.concatenate([mean, np.ones_like(mean)], axis=1)
    low, high = np.array(SPACE.low), np.array(SPACE.high)
    action = (low + (np.clip(mean, -1, 1) + 1) / 2 * (high - low)).astype("f4")
    golden = GoldenSample(inputs={"camera": frames}, outputs={"action": action, "mean": mean.astype("f4")})
    onnx_bytes = linear_graph(contract, weights, bias)
    write_bundle(path, onnx=onnx_bytes, contract=contract, weights={"w": weights.astype("f4")}, golden=golden)
    return path


def seen_from(track, poses, config=None):
    """(K, H, W, 1) frames and the (K,) curvature of the road from poses (K, 3): arc length, offset m, heading error."""
    from racer.sim.camera.camera import Camera
    from racer.sim.world import World
    from racer.track.load import load_tracks

    poses = np.asarray(poses, float)
    world = World(load_tracks([track]), read_vehicle("deepracer"), len(poses))
    world.place(np.concatenate([np.zeros((len(poses), 1)), poses], axis=1)[:, None])
    camera = Camera(world, config or CameraConfig())
    camera.look()
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
