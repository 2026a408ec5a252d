"""The ONNX policy answers as numpy does, on one quiet thread, and refuses graphs unlike their contract."""

import sys

import numpy as np
import onnx
import pytest

from racer.bundle import check_golden, read_bundle
from racer.contract import make_contract, state_sensor
from racer.errors import BundleError, MissingExtra
from racer.policy import OnnxPolicy
from racer.policy.onnx import open_session
from support.bundles import CONTINUOUS, DISCRETE, linear_answers, linear_contract, write_linear


@pytest.mark.parametrize("space", [CONTINUOUS, DISCRETE])
@pytest.mark.parametrize("batch", [1, 5, 33])
def test_answers_as_numpy(tmp_path, space, batch):
    """Give the action that the same network gives in numpy, for any batch size, from float64 too."""
    bundle = read_bundle(write_linear(tmp_path / "car.bundle", space))
    policy = OnnxPolicy(bundle)
    check_golden(bundle, policy)
    state = np.random.default_rng(batch).normal(size=(batch, 20))
    wanted = linear_answers(bundle.contract, bundle.weights, state.astype("f4"))
    action = policy.act({"state": state})
    assert action.dtype == np.float32 and action.shape == (batch, 2)
    np.testing.assert_allclose(action, wanted["action"], rtol=0, atol=60e-6)
    outputs = policy.outputs({"state": state})
    assert list(outputs) == list(wanted)
    np.testing.assert_array_equal(outputs["action"], action)
    assert (policy.name, policy.control_rate_hz, policy.sensors) == ("car", 15.0, bundle.contract.sensors)


def test_one_thread(tmp_path):
    """Run on one thread that does not spin."""
    policy = OnnxPolicy(read_bundle(write_linear(tmp_path / "car.bundle")))
    options = policy._session.get_session_options()
    assert options.intra_op_num_threads == 1 and options.inter_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_missing_onnxruntime(tmp_path, monkeypatch):
    """Name the extra where onnxruntime is not installed."""
    bundle = read_bundle(write_linear(tmp_path / "car.bundle"))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"racer\[car\]"):
        OnnxPolicy(bundle)


def changed(bundle, edit):
    """The bundle's graph after an edit."""
    model = onnx.ModelProto.FromString(bundle.onnx)
    edit(model)
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda m: setattr(m.graph.node[0], "op_type", "NoSuchOp"), "onnxruntime cannot run the graph"),
        (lambda m: m.graph.output.reverse(), "gives ('mean', 'action')"),
        (lambda m: m.graph.output.pop(), "gives ('action',)"),
        (lambda m: setattr(m.graph.initializer[0], "data_location", 1), "keeps data in other files"),
    ],
)
def test_graph_unlike_its_contract(tmp_path, edit, said):
    """Refuse a graph that cannot run or is not what the contract says, in one line."""
    bundle = read_bundle(write_linear(tmp_path / "car.bundle"))
    with pytest.raises(BundleError) as caught:
        open_session(changed(bundle, edit), bundle.contract, source="x")
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_contract_of_another_size(tmp_path):
    """Refuse a contract whose sensor has another shape than the graph's input."""
    bundle = read_bundle(write_linear(tmp_path / "car.bundle"))
    other = make_contract(sensors=(state_sensor((0.3, 0.6, 0.9, 1.2)),), action_space=CONTINUOUS, control_rate_hz=15)
    with pytest.raises(BundleError, match="takes `state` as"):
        open_session(bundle.onnx, other, source="x")
    assert linear_contract().sensors != other.sensors


def test_wrong_observation(tmp_path):
    """Name the sensor that is missing."""
    policy = OnnxPolicy(read_bundle(write_linear(tmp_path / "car.bundle")))
    with pytest.raises(BundleError, match="needs sensor `state`"):
        policy.act({"lidar": np.zeros((1, 64))})
