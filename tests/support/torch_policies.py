"""Torch policies of the export's tests."""

from racer.export.graph import swap_weights, trace
from racer.export.network import weight_arrays


def export_onnx(policy, contract):
    """The ONNX graph of a policy with its weights."""
    return swap_weights(trace(contract), weight_arrays(policy))
