"""Bundles that drive: a linear network that steers for a point ahead, and others that should not be let in."""

import numpy as np
from handmade_bundle import linear_answers, linear_contract, linear_onnx

from racer.bundle import GoldenSample, write_bundle


def write_driver(path, *, speed=1.0, gain=52.0):
    """A bundle that steers `gain` degrees for each metre that the road 0.6 m ahead is to the left, at `speed` m/s.

    Pure pursuit for a point at distance d: curvature 2 y / d^2, steering 0.164 m times that (wheelbase), 52 degrees/m.
    """
    contract = linear_contract()
    space, fields = contract.action_space, contract.sensors[0].fields
    weights = {"w": np.zeros((len(fields), 2), "f4"), "b": np.zeros(2, "f4")}
    weights["w"][fields.index("ahead1_y"), 0] = gain / space.high[0]
    weights["b"][1] = 2.0 * (speed - space.low[1]) / (space.high[1] - space.low[1]) - 1.0
    state = np.random.default_rng(5).normal(size=(4, len(fields))).astype("f4")
    golden = GoldenSample(inputs={"state": state}, outputs=linear_answers(contract, weights, state))
    write_bundle(path, onnx=linear_onnx(contract, weights), contract=contract, weights=weights, golden=golden)
    return path


def write_graph(path, onnx_bytes, contract=None):
    """A bundle around a graph, whatever it does; its recorded answers are zeros."""
    contract = contract or linear_contract()
    state = np.zeros((1, contract.sensors[0].size), "f4")
    golden = GoldenSample(
        inputs={"state": state},
        outputs={"action": np.zeros((1, 2), "f4"), contract.onnx.outputs[1]: np.zeros((1, 2), "f4")},
    )
    write_bundle(path, onnx=onnx_bytes, contract=contract, weights={}, golden=golden)
    return path
