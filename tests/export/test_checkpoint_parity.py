"""A graph that does not do what torch does is refused; a near tie may fall either way."""

import numpy as np
import onnx
import pytest
import torch

from racer.errors import BundleError, ExportError
from racer.export.checkpoint import TOLERANCE, check_parity, compare_outputs, run_graph
from racer.export.graph import swap_weights
from racer.export.network import DeployedPolicy, build_policy, weight_arrays
from support.torch_policies import export_onnx


def test_equal(case):
    """Pass the export of a policy with room to spare."""
    report = check_parity(export_onnx(case.policy, case.contract), case.policy, case.contract, case.observations)
    assert report.observations == 64
    assert report.raw_difference < 0.2 * TOLERANCE and report.action_difference < 0.2 * TOLERANCE
    assert report.other_choices == 0


@pytest.mark.parametrize("weight", ["first", "head"])
def test_perturbed_weights(case, weight):
    """Refuse a graph with the weights of one unit changed by a thousandth."""
    weights = weight_arrays(case.policy)
    weights[getattr(case, weight)][0] += 1e-3
    with pytest.raises(ExportError) as caught:
        check_parity(swap_weights(case.graph, weights), case.policy, case.contract, case.observations)
    assert "onnxruntime and torch differ by" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_perturbed_head(case):
    """Refuse a graph whose constants of the head were changed, though its mean or logits are right."""
    model = onnx.ModelProto.FromString(export_onnx(case.policy, case.contract))
    constants = [node for node in model.graph.node if node.op_type == "Constant"]
    floats = [n.attribute[0].t for n in constants if n.attribute[0].t.data_type == onnx.TensorProto.FLOAT]
    held = onnx.numpy_helper.to_array(floats[-1])
    floats[-1].CopyFrom(onnx.numpy_helper.from_array((held + 0.01).astype("f4")))
    with pytest.raises(ExportError, match="of the range of `action`"):
        check_parity(model.SerializeToString(), case.policy, case.contract, case.observations)


@pytest.mark.parametrize(("parts", "fine"), [(0.9e-5, True), (1.1e-5, False)])
def test_tolerance_is_of_the_range(continuous, parts, fine):
    """Measure an action's difference in parts of low..high: 60 degrees, 3.5 m/s."""
    answered = run_graph(
        export_onnx(continuous.policy, continuous.contract), continuous.contract, continuous.observations
    )
    mean = answered.outputs["mean"]
    with torch.no_grad():  # torch's own numbers, so that the added difference is all there is
        tensors = torch.from_numpy(continuous.observations["state"])
        action, mean = DeployedPolicy(continuous.policy, continuous.contract)(tensors)
    answered.outputs.update(action=action.numpy().astype("f8"), mean=mean.numpy())  # type: ignore[attr-defined]
    answered.outputs["action"][7, 1] += parts * 3.5
    if fine:
        report = compare_outputs(answered, continuous.policy, continuous.contract)
        assert report.action_difference == pytest.approx(parts, rel=1e-6)
        return
    with pytest.raises(ExportError, match=r"range of `action` \(at most 1e-05\) on recorded observation 7"):
        compare_outputs(answered, continuous.policy, continuous.contract)


@pytest.mark.parametrize(("gap", "fine"), [(0.9e-4, True), (1.1e-4, False)])
def test_near_tie(discrete, gap, fine):
    """Let another action pass only where torch's two best logits are within 1e-4."""
    policy = build_policy(discrete.contract)
    logits = torch.tensor([-20.0, 1.0, 1.0 + gap, 0.0, 0.0, 0.0])
    with torch.no_grad():
        policy.action_net.weight.zero_()
        policy.action_net.bias.copy_(logits)
    seen = {"state": np.zeros((3, 20), dtype="f4")}
    answered = run_graph(export_onnx(policy, discrete.contract), discrete.contract, seen)
    np.testing.assert_array_equal(answered.outputs["action"], [discrete.contract.action_space.table[2]] * 3)
    # another runtime's rounding: the second best is chosen; 2e-4 of a range of 21 is within 1e-5
    swapped = dict(answered.outputs)
    swapped["action"] = np.array([discrete.contract.action_space.table[1]] * 3, dtype="f4")
    other = type(answered)(inputs=answered.inputs, outputs=swapped)
    if fine:
        report = compare_outputs(other, policy, discrete.contract)
        assert (report.near_ties, report.other_choices, report.action_difference) == (3, 3, 0.0)
        return
    with pytest.raises(ExportError, match="range of `action`"):
        compare_outputs(other, policy, discrete.contract)


def test_diverged(continuous):
    """Refuse a policy whose outputs are not finite, and one without recorded observations."""
    policy = build_policy(continuous.contract)
    seen = {"state": np.full((2, 20), np.nan, dtype="f4")}
    graph = export_onnx(policy, continuous.contract)
    with pytest.raises(ExportError, match="not finite"):
        check_parity(graph, policy, continuous.contract, seen)
    with pytest.raises(ExportError, match="No recorded observations"):
        check_parity(graph, policy, continuous.contract, {"state": np.zeros((0, 20), dtype="f4")})
    with pytest.raises(BundleError, match="sensor `state`"):
        check_parity(graph, policy, continuous.contract, {})


def test_single_observation(case):
    """Compare on one recorded observation too, where the outputs hardly span a range."""
    one = {name: values[:1] for name, values in case.observations.items()}
    report = check_parity(export_onnx(case.policy, case.contract), case.policy, case.contract, one)
    assert report.observations == 1
