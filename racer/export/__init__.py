"""Exports trained policies: from torch to ONNX graphs in bundles, each compared with torch before it is written.

`network` builds the torch policy of a contract, `graph` traces it and swaps weights, `checkpoint` compares the two
runtimes and writes the bundle. In: a contract and weights; out: a `.bundle` that drives without torch. Its modules
load torch and stable-baselines3 (extra `train`).
"""

from racer.lazy import lazy_attributes

__all__ = ["build_policy", "export_bundle", "load_weights", "swap_weights", "trace", "write_checkpoint"]

_MODULES = {
    "build_policy": "network",
    "export_bundle": "checkpoint",
    "load_weights": "network",
    "swap_weights": "graph",
    "trace": "graph",
    "write_checkpoint": "checkpoint",
}
__getattr__ = lazy_attributes(__name__, _MODULES)
