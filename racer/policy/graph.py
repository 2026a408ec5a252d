"""Reads an ONNX model, with the `onnx` package, into the few facts that a bound of its work needs.

The facts are operators, attributes, shapes, and the values of small constants of integers; `racer.policy.graph_shapes`
derives shapes and work from them. Only the check of a race's entrants reads graphs, in the guarded process of the race.
The package is imported with the first graph, and never on the car (docs/decisions/0016-reading-onnx-graphs.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from racer.errors import BundleError, MissingExtra
from racer.untrusted_files import MalformedOnnxError, read_protobuf_fields

Dim = int | str | None
VALUES_MAX = 256
"""Elements of a constant whose values are kept: enough for shapes, axes and the like."""
_RANK_MAX = 16
"""Largest number of dimensions of a tensor."""
_GRAPH_FIELD = 7
"""Number of the field `graph` in onnx.proto's ModelProto."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A constant: its shape, and its values where they are at most `VALUES_MAX` integers."""

    shape: tuple[int, ...]
    values: NDArray[np.int64] | None


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """An attribute of a node; unused fields are empty. `graph` marks an attribute that holds a graph."""

    i: int = 0
    s: str = ""
    ints: tuple[int, ...] = ()
    tensor: Tensor | None = None
    graph: bool = False


@dataclass(frozen=True, kw_only=True)
class Node:
    """One use of an operator."""

    operator: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The graph of a model.

    Attributes:
        opsets: version of each imported operator set by its domain.
        nodes: all nodes, in the order of the file.
        constants: initializers by name.
        inputs: shapes of the inputs by name; a dimension is a number, a name, or None for unknown.
        outputs: names of the outputs.
        functions: whether the model holds functions, training graphs or sparse constants.
    """

    opsets: Mapping[str, int]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Tensor]
    inputs: Mapping[str, tuple[Dim, ...]]
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
        return Graph(
            opsets={entry.domain: entry.version for entry in model.opset_import},
            nodes=tuple(_read_node(node) for node in graph.node),
            constants={tensor.name: _read_tensor(tensor) for tensor in graph.initializer},
            inputs={entry.name: _read_dims(entry.type.tensor_type.shape.dim) for entry in graph.input},
            outputs=tuple(entry.name for entry in graph.output),
            functions=bool(model.functions or model.training_info or graph.sparse_initializer),
        )
    except (DecodeError, MalformedOnnxError, TypeError, ValueError):
        raise BundleError(f"{source} is not an ONNX graph, or a damaged one") from None


def _read_node(node: Any) -> Node:
    return Node(
        operator=node.op_type,
        domain=node.domain,
        inputs=tuple(node.input),
        outputs=tuple(node.output),
        attributes={attribute.name: _read_attribute(attribute) for attribute in node.attribute},
    )


def _read_attribute(attribute: Any) -> Attribute:
    return Attribute(
        i=attribute.i,
        s=attribute.s.decode("utf-8", "replace"),
        ints=tuple(attribute.ints),
        tensor=_read_tensor(attribute.t) if attribute.HasField("t") else None,
        graph=attribute.HasField("g") or bool(attribute.graphs),
    )


def _read_tensor(tensor: Any) -> Tensor:
    from onnx import TensorProto, numpy_helper

    shape = tuple(tensor.dims)
    # `to_array` would open the file that an external tensor names.
    if tensor.data_location or tensor.external_data or len(shape) > _RANK_MAX or any(size < 0 for size in shape):
        raise MalformedOnnxError
    integers = (TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32, TensorProto.INT64)
    # The size is checked first: a shape of a few bytes can promise more memory than there is.
    if tensor.data_type not in integers or math.prod(shape) > VALUES_MAX:
        return Tensor(shape=shape, values=None)
    return Tensor(shape=shape, values=numpy_helper.to_array(tensor).astype(np.int64))


def _read_dims(dims: Iterable[Any]) -> tuple[Dim, ...]:
    return tuple(dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in dims)
