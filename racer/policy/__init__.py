"""Policies: everything that maps observations to actions, with numpy and onnxruntime only.

In: a bundle, a run folder or a name (`load_policy`), then observations (B, ...). Out: steering angles [degrees] and
speeds [m/s]. onnxruntime loads with the first `OnnxPolicy`, onnx with the first graph of a race's entrant.
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
