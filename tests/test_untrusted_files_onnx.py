"""External data is found wherever a tensor can stand, and damaged bytes are refused."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from racer.errors import BundleError
from racer.untrusted_files import check_no_external_data
from support.bundles import linear_contract, linear_onnx, linear_weights

helper = onnx.helper
GOOD = linear_onnx(linear_contract(), linear_weights(linear_contract()))


def outside(name="w"):
    """A tensor that lies in another file."""
    tensor = onnx.TensorProto(name=name, data_type=onnx.TensorProto.FLOAT, dims=[1])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    return tensor


def inside():
    """A tensor that holds its data."""
    return onnx.numpy_helper.from_array(np.ones(1, dtype="f4"), "t")


def model(*, nodes=(), tensors=(), sparse=()):
    """A model around them."""
    graph = helper.make_graph(list(nodes), "g", [], [], list(tensors))
    graph.sparse_initializer.extend(sparse)
    return helper.make_model(graph)


def within(tensor):
    """A graph with the tensor as its initializer."""
    return helper.make_graph([], "inner", [], [], [tensor])


def in_function(tensor):
    """A model whose function holds the tensor in a node."""
    made = model(tensors=[inside()])
    node = helper.make_node("Constant", [], ["c"], value=tensor)
    made.functions.append(helper.make_function("d", "f", [], ["c"], [node], [helper.make_opsetid("", 18)]))
    return made


def in_training(tensor):
    """A model with training information."""
    made = model(tensors=[inside()])
    made.training_info.add().algorithm.CopyFrom(within(tensor))
    return made


def in_sparse(tensor):
    """A model with a sparse initializer."""
    return model(sparse=[onnx.SparseTensorProto(values=tensor, indices=inside(), dims=[1])])


PLACES = {
    "initializer": lambda tensor: model(tensors=[inside(), tensor]),
    "attribute": lambda tensor: model(nodes=[helper.make_node("Constant", [], ["c"], value=tensor)]),
    "attribute list": lambda tensor: model(nodes=[helper.make_node("Odd", [], ["c"], values=[inside(), tensor])]),
    "branch": lambda tensor: model(nodes=[helper.make_node("If", ["x"], ["c"], then_branch=within(tensor))]),
    "branches": lambda tensor: model(nodes=[helper.make_node("Odd", ["x"], ["c"], bodies=[within(tensor)])]),
    "sparse": in_sparse,
    "function": in_function,
    "training": in_training,
}


@pytest.mark.parametrize("place", PLACES)
def test_external_tensor_is_found(place):
    """Refuse an external tensor in every place that ONNX has for one, and accept one that holds its data."""
    check_no_external_data(PLACES[place](inside()).SerializeToString(), source="x")
    with pytest.raises(BundleError, match="x keeps data in other files"):
        check_no_external_data(PLACES[place](outside()).SerializeToString(), source="x")


def test_location_flag_alone_is_enough():
    """Refuse the flag without a file name too."""
    tensor = inside()
    tensor.data_location = onnx.TensorProto.EXTERNAL
    with pytest.raises(BundleError, match="other files"):
        check_no_external_data(model(tensors=[tensor]).SerializeToString(), source="x")


@pytest.mark.parametrize("data", [b"", b"not a graph", b"\x3a", b"\x3a\xff", GOOD[:-1], GOOD[: len(GOOD) // 2]])
def test_damaged(data):
    """Refuse what is no model."""
    with pytest.raises(BundleError, match="not an ONNX graph"):
        check_no_external_data(data, source="x")


def test_endless_nesting():
    """Refuse graphs in graphs before Python's own limit of calls."""
    data = b""
    for _ in range(40):
        for field in (6, 5, 1):  # graph of an attribute of a node
            size, length = len(data), b""
            while size > 127:
                length += bytes([size & 127 | 128])
                size >>= 7
            data = bytes([field << 3 | 2]) + length + bytes([size]) + data
    with pytest.raises(BundleError, match="not an ONNX graph"):
        check_no_external_data(b"\x3a" + bytes([len(data) & 127 | 128, len(data) >> 7]) + data, source="x")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes(data):
    """End with a verdict, never with another error."""
    try:
        check_no_external_data(data, source="x")
    except BundleError as error:
        assert "\n" not in str(error)
