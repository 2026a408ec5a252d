"""Exports trained policies: from torch to ONNX graphs in bundles, each compared with torch before it is written.

`network` builds the torch policy of a contract, `graph` traces it and swaps weights, `checkpoint` compares the two
runtimes and writes the bundle. In: a contract and weights; out: a `.bundle` that drives without torch.
Importing this package loads torch and stable-baselines3 (extra `train`)."""

from racer.errors import MissingExtra

try:
    from racer.export.checkpoint import ParityReport, check_parity, export_bundle, write_checkpoint
    from racer.export.graph import export_onnx, swap_weights, trace
    from racer.export.network import (
        DeployedPolicy,
        ScaledFeatures,
        build_policy,
        load_actor,
        load_weights,
        policy_arguments,
        weight_arrays,
    )
except ModuleNotFoundError as error:
    if error.name and error.name.split(".")[0] == "racer":
        raise
    raise MissingExtra("Exporting a policy", "train") from None

__all__ = [
    "DeployedPolicy",
    "ParityReport",
    "ScaledFeatures",
    "build_policy",
    "check_parity",
    "export_bundle",
    "export_onnx",
    "load_actor",
    "load_weights",
    "policy_arguments",
    "swap_weights",
    "trace",
    "weight_arrays",
    "write_checkpoint",
]
