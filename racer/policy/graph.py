"""Reads an ONNX model, with the `onnx` package, into the few facts that a bound of its work needs.

The facts are nodes, shapes, and the values of small constants of integers; `racer.policy.graph_shapes` derives the
other shapes and the work from them. Only the check of a race's entrants reads graphs, in the guarded process of the
race. The package is imported with the first graph, and never on the car (docs/decisions/0016-reading-onnx-graphs.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from racer.errors import BundleError, MissingExtra
from racer.untrusted_files import MalformedOnnxError, read_protobuf_fields

if TYPE_CHECKING:
    from onnx import NodeProto

Dim = int | str | None
VALUES_MAX = 256
"""Elements of a constant whose values are kept: enough for shapes, axes and the like."""
FLOAT_TYPE, INTEGER_TYPES = 1, (2, 3, 6, 7)
"""ONNX's numbers of the data types float32, and uint8, int8, int32 and int64."""
RANK_MAX = 16
"""Largest number of dimensions of a tensor."""
_GRAPH_FIELD = 7
"""Number of the field `graph` in onnx.proto's ModelProto."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """What is known of a tensor.

    Attributes:
        element_type: ONNX's number of the data type (`onnx.TensorProto.DataType`).
        shape: number of elements along each dimension.
        values: the values, where they are at most `VALUES_MAX` integers.
    """

    element_type: int
    shape: tuple[int, ...]
    values: NDArray[np.int64] | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The graph of a model.

    Attributes:
        opset: version of ONNX's own operator set; 0 where the model imports none.
        nodes: all nodes, in the order of the file.
        constants: initializers by name.
        inputs: shapes of the inputs by name; a dimension is a number, a name, or None for unknown.
        input_types: element types of the inputs by name.
        outputs: names of the outputs.
        functions: whether the model holds functions, training graphs or sparse constants.
    """

    opset: int
    nodes: tuple[NodeProto, ...]
    constants: Mapping[str, Tensor]
    inputs: Mapping[str, tuple[Dim, ...]]
    input_types: Mapping[str, int]
    outputs: tuple[str, ...]
    functions: bool


def read_graph(data: bytes, *, source: str) -> Graph:
    """Read the graph of a model.

    Args:
        data: bytes of an ONNX model without external data.
        source: name of the file for messages.

    Raises:
        BundleError: the bytes are not an ONNX model, or a damaged one.
        MissingExtra: onnx is not installed.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise MissingExtra("Checking a policy's graph (package `onnx`)", "view") from None
    try:
        # Protobuf merges repeated occurrences of a field that may occur once; another reader could take the last one.
        if [number for number, _, _ in read_protobuf_fields(memoryview(data))].count(_GRAPH_FIELD) != 1:
            raise MalformedOnnxError
        model = onnx.ModelProto.FromString(data)
        graph = model.graph
        for attribute in (attribute for node in graph.node for attribute in node.attribute):
            if attribute.HasField("t"):
                _read_tensor(attribute.t)  # refuses a damaged tensor before any other reader of the node
        opsets = {entry.domain: entry.version for entry in model.opset_import}
        return Graph(
            opset=opsets.get("", opsets.get("ai.onnx", 0)),
            nodes=tuple(graph.node),
            constants={tensor.name: _read_tensor(tensor) for tensor in graph.initializer},
            inputs={entry.name: _read_dims(entry.type.tensor_type.shape.dim) for entry in graph.input},
            input_types={entry.name: entry.type.tensor_type.elem_type for entry in graph.input},
            outputs=tuple(entry.name for entry in graph.output),
            functions=bool(model.functions or model.training_info or graph.sparse_initializer),
        )
    except (DecodeError, MalformedOnnxError, TypeError, ValueError):
        raise BundleError(f"{source} is not an ONNX graph, or a damaged one") from None


def _read_tensor(tensor: Any) -> Tensor:
    from onnx import numpy_helper

    shape = tuple(tensor.dims)
    # `to_array` would open the file that an external tensor names.
    if tensor.data_location or tensor.external_data or len(shape) > RANK_MAX or any(size < 0 for size in shape):
        raise MalformedOnnxError
    values = None
    # The size is checked first: a shape of a few bytes can promise more memory than there is.
    if tensor.data_type in INTEGER_TYPES and math.prod(shape) <= VALUES_MAX:
        values = numpy_helper.to_array(tensor).astype(np.int64)
    return Tensor(element_type=tensor.data_type, shape=shape, values=values)


def _read_dims(dims: Iterable[Any]) -> tuple[Dim, ...]:
    return tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in dims)
