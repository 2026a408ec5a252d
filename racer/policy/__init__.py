"""Anything that maps observations to actions; numpy and onnxruntime only.

onnxruntime loads with the first `OnnxPolicy`.
"""

from racer.policy.load import RandomPolicy, find_bundle, load_policy
from racer.policy.onnx import OnnxPolicy
from racer.policy.protocol import Policy
from racer.policy.pure_pursuit import PurePursuitPolicy, PurePursuitSettings

__all__ = [
    "OnnxPolicy",
    "Policy",
    "PurePursuitPolicy",
    "PurePursuitSettings",
    "RandomPolicy",
    "find_bundle",
    "load_policy",
]
