"""The graph is traced once; swapping weights gives what a new export would."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from racer.errors import ExportError
from racer.export import build_policy, swap_weights, trace
from racer.export.checkpoint import run_graph
from racer.export.graph import _match, _trace
from racer.export.network import DeployedPolicy, weight_arrays
from racer.untrusted_files import check_no_external_data
from support.torch_policies import export_onnx


def test_outside_of_the_graph(case):
    """Pin opset, names, types and the free batch size; keep all data inside."""
    model = onnx.ModelProto.FromString(case.graph)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert tuple(each.name for each in model.graph.input) == case.contract.onnx.inputs
    assert tuple(each.name for each in model.graph.output) == case.contract.onnx.outputs
    kinds = {sensor.name: sensor.dtype for sensor in case.contract.inputs}
    for each in (*model.graph.input, *model.graph.output):
        kind = onnx.TensorProto.UINT8 if kinds.get(each.name) == "uint8" else onnx.TensorProto.FLOAT
        assert each.type.tensor_type.elem_type == kind
        assert each.type.tensor_type.shape.dim[0].dim_param == "B"
    check_no_external_data(case.graph, source="x")


def test_swapped_is_re_exported(case):
    """Give the bytes of a fresh export after a swap, from any earlier weights."""
    other = case.other_policy(9)
    fresh = export_onnx(other, case.contract)
    assert swap_weights(case.graph, weight_arrays(other)) == fresh
    assert swap_weights(export_onnx(case.policy, case.contract), weight_arrays(other)) == fresh
    before = run_graph(export_onnx(case.policy, case.contract), case.contract, case.observations)
    after = run_graph(fresh, case.contract, case.observations)
    assert np.abs(before.outputs["action"] - after.outputs["action"]).max() > 1.0


def test_same_graph_every_time(case):
    """Trace the same bytes again, whatever torch's random stream does, and name no place of this machine."""
    torch.manual_seed(123)
    assert trace(case.contract) == case.graph
    for place in (str(Path.cwd()), str(Path.home()), sys.prefix):
        assert place.encode() not in case.graph


def test_fresh_biases_stay_apart(continuous):
    """Keep zero and equal weights as weights of their own: a fresh policy's biases are all zero."""
    policy = build_policy(continuous.contract)
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
    model = onnx.ModelProto.FromString(export_onnx(policy, continuous.contract))
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    names = ["mlp_extractor.policy_net.0", "mlp_extractor.policy_net.2", "action_net"]
    assert set(held) == {f"policy.{name}.{part}" for name in names for part in ("weight", "bias")}
    assert not held["policy.action_net.bias"].any()


def test_folded_weight_is_found(continuous):
    """Refuse a graph into which the exporter folded a weight: two equal biases become one."""
    module = DeployedPolicy(build_policy(continuous.contract), continuous.contract).eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
    model = onnx.ModelProto.FromString(_trace(module, continuous.contract))
    with pytest.raises(ExportError, match=r"folded weight `mlp_extractor.policy_net.\d.bias`"):
        _match(model, module, continuous.contract)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"action_net.bias": None}, "needs weight `action_net.bias`"),
        (
            {"action_net.bias": np.zeros(3, "f4")},
            "`action_net.bias` is float32[3], the contract's graph takes float32[2]",
        ),
        ({"action_net.bias": np.zeros(2)}, "`action_net.bias` is float64[2]"),
        (
            {"action_net.bias": np.array([0, np.nan], "f4")},
            "`action_net.bias` is not finite; the training has diverged",
        ),
    ],
)
def test_weights_that_do_not_fit(continuous, change, said):
    """Name the weight that cannot be put in."""
    weights = {k: v for k, v in (weight_arrays(continuous.policy) | change).items() if v is not None}
    with pytest.raises(ExportError) as caught:
        swap_weights(continuous.graph, weights)
    assert said in str(caught.value)


def test_foreign_graph(continuous):
    """Refuse a graph that does not name its weights."""
    model = onnx.ModelProto.FromString(continuous.graph)
    del model.metadata_props[:]
    with pytest.raises(ExportError, match="trace it with racer"):
        swap_weights(model.SerializeToString(), weight_arrays(continuous.policy))
