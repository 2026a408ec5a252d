"""Reading ONNX graphs: what the onnx package takes is read; what readers could understand differently is refused."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from racer.errors import BundleError
from racer.policy.graph import VALUES_MAX, read_graph


def model(*tensors, nodes=()):
    """A model around tensors and nodes, with one input of two cars' rows."""
    info = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["B", None, 3])
    graph = helper.make_graph(list(nodes), "g", [info], [helper.make_empty_tensor_value_info("y")], list(tensors))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def test_facts_of_a_graph():
    """Operators, attributes, shapes and small integer constants are read; other values are not."""
    tensors = [
        numpy_helper.from_array(np.array([[1, -2]], np.int64), "small"),
        numpy_helper.from_array(np.arange(VALUES_MAX + 1), "large"),
        numpy_helper.from_array(np.ones(2, "f4"), "floats"),
    ]
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 2], auto_pad="VALID", group=3)
    graph = read_graph(model(*tensors, nodes=[node]).SerializeToString(), source="x")
    assert graph.opset == 18
    assert graph.inputs == {"x": ("B", None, 3)}
    assert graph.outputs == ("y",)
    assert graph.constants["small"].values.tolist() == [[1, -2]]
    assert graph.constants["large"].shape == (VALUES_MAX + 1,)
    assert graph.constants["large"].values is None
    assert graph.constants["floats"].values is None
    (read,) = graph.nodes
    assert read == node
    assert graph.input_types == {"x": onnx.TensorProto.FLOAT}


def external():
    """A tensor of integers in another file."""
    tensor = onnx.TensorProto(name="w", data_type=onnx.TensorProto.INT64, dims=[1])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    return tensor


def huge():
    """A tensor that promises 2**60 integers and holds none."""
    return onnx.TensorProto(name="w", data_type=onnx.TensorProto.INT64, dims=[2**60])


def promising():
    """A tensor that promises more integers than it holds."""
    return onnx.TensorProto(name="w", data_type=onnx.TensorProto.INT64, dims=[3], raw_data=bytes(8))


@pytest.mark.parametrize(
    "tensor",
    [
        external(),
        promising(),
        onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[-1]),
        onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[1] * 17),
    ],
    ids=["external", "short", "negative", "rank"],
)
def test_odd_tensors_are_refused(tensor):
    """A tensor whose data lie elsewhere or do not fit its shape is refused, as initializer and in a node."""
    node = helper.make_node("Constant", [], ["y"], value=tensor)
    for made in (model(tensor), model(nodes=[node])):
        with pytest.raises(BundleError, match="x is not an ONNX graph"):
            read_graph(made.SerializeToString(), source="x")


def test_a_promise_takes_no_memory():
    """The values of a tensor that promises 2**60 integers are not read."""
    assert read_graph(model(huge()).SerializeToString(), source="x").constants["w"].values is None


@pytest.mark.parametrize("graphs", [0, 2])
def test_not_one_graph_is_refused(graphs):
    """Two graphs, which protobuf would merge into one, are refused, as is none."""
    whole = model()
    graph = onnx.ModelProto(graph=whole.graph).SerializeToString()
    whole.ClearField("graph")
    with pytest.raises(BundleError, match="x is not an ONNX graph"):
        read_graph(whole.SerializeToString() + graphs * graph, source="x")


def test_nesting_is_refused():
    """Graphs in graphs end with a refusal before a limit of the interpreter does it."""

    def field(number, content):
        length, rest = b"", len(content)
        while rest > 127:
            length, rest = length + bytes([rest & 127 | 128]), rest >> 7
        return bytes([number << 3 | 2]) + length + bytes([rest]) + content

    data = b""
    for _ in range(60):
        data = field(1, field(5, field(6, data)))  # a graph in an attribute of a node
    with pytest.raises(BundleError, match="x is not an ONNX graph"):
        read_graph(field(7, data), source="x")
