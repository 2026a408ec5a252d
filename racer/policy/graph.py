"""An ONNX graph as plain data, read without the onnx package and before any runtime sees it.

The field numbers are those of onnx.proto (github.com/onnx/onnx, onnx/onnx.proto). Only what a bound of the graph's
work needs is read: operators, attributes, shapes, and the values of small constants of whole numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from racer.errors import BundleError
from racer.untrusted_files import MalformedOnnxError, read_protobuf_fields

Message = dict[int, list["int | memoryview"]]
Dim = int | str | None
VALUES_MAX = 256
"""Elements of a constant whose values are kept: enough for shapes, axes and the like."""
_INTEGERS = {2: "u1", 3: "i1", 6: "<i4", 7: "<i8"}
"""ONNX data type -> numpy's; of other types the values are not needed."""
_SHAPE_PARTS = 16
"""Dimensions of a tensor at most."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A constant: its shape, and its values where they are few whole numbers."""

    name: str
    shape: tuple[int, ...]
    values: NDArray[np.int64] | None


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """An attribute of a node; what it does not hold is empty. `graph` says that it holds a graph of its own."""

    i: int = 0
    f: float = 0.0
    s: str = ""
    ints: tuple[int, ...] = ()
    count: int = 0
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
    """A model's graph, with the versions of the operator sets that it names."""

    opsets: Mapping[str, int]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Tensor]
    inputs: Mapping[str, tuple[Dim, ...]]
    outputs: tuple[str, ...]
    functions: bool
    """It brings functions, training graphs or sparse constants of its own, which no bundle needs."""


def read_graph(onnx: bytes, *, source: str) -> Graph:
    """Read a model's graph.

    Args:
        onnx: the bytes of an ONNX model that holds all of its data.
        source: what to call it in a message.

    Raises:
        BundleError: it is no ONNX model, or a damaged one.
    """
    try:
        model = _message(memoryview(onnx))
        (graph,) = (_message(each) for each in _messages(model, 7))
        opsets = {_text(each, 1): _whole(each, 2) for each in map(_message, _messages(model, 8))}
        tensors = [_tensor(each) for each in _messages(graph, 5)]
        return Graph(
            opsets=opsets,
            nodes=tuple(_node(each) for each in _messages(graph, 1)),
            constants={tensor.name: tensor for tensor in tensors},
            inputs=dict(_outside(each) for each in _messages(graph, 11)),
            outputs=tuple(_text(_message(each), 1) for each in _messages(graph, 12)),
            functions=any(_messages(each, key) for each, key in ((model, 20), (model, 25), (graph, 15))),
        )
    except (MalformedOnnxError, ValueError, struct.error):
        raise BundleError(f"{source} is no ONNX graph, or a damaged one") from None


def _message(data: memoryview) -> Message:
    fields: Message = {}
    for number, _, value in read_protobuf_fields(data):
        fields.setdefault(number, []).append(value)
    return fields


def _messages(message: Message, number: int) -> list[memoryview]:
    values = [value for value in message.get(number, []) if isinstance(value, memoryview)]
    if len(values) != len(message.get(number, [])):
        raise MalformedOnnxError
    return values


def _text(message: Message, number: int) -> str:
    values = _messages(message, number)
    return bytes(values[-1]).decode("utf-8") if values else ""


def _texts(message: Message, number: int) -> tuple[str, ...]:
    return tuple(bytes(value).decode("utf-8") for value in _messages(message, number))


def _whole(message: Message, number: int) -> int:
    return ([0, *_wholes(message, number)])[-1]


def _wholes(message: Message, number: int) -> tuple[int, ...]:
    """Whole numbers, one to a field or packed; 64 bits, two's complement."""
    found: list[int] = []
    for value in message.get(number, []):
        found.extend([value] if isinstance(value, int) else _packed(value))
    return tuple(value - (1 << 64) if value >= 1 << 63 else value for value in found)


def _packed(data: memoryview) -> list[int]:
    """Varints one after another: each is read as the value of a field 1."""
    found: list[int | memoryview] = []
    start = 0
    for end, byte in enumerate(data, 1):
        if byte < 0x80:
            found.extend(value for _, _, value in read_protobuf_fields(memoryview(b"\x08" + bytes(data[start:end]))))
            start = end
    if start != len(data):
        raise MalformedOnnxError
    return [value for value in found if isinstance(value, int)]


def _node(data: memoryview) -> Node:
    message = _message(data)
    attributes = [_message(each) for each in _messages(message, 5)]
    return Node(
        operator=_text(message, 4),
        domain=_text(message, 7),
        inputs=_texts(message, 1),
        outputs=_texts(message, 2),
        attributes={_text(each, 1): _attribute(each) for each in attributes},
    )


def _attribute(message: Message) -> Attribute:
    number = message.get(2, [b"\0\0\0\0"])[-1]
    if isinstance(number, int):
        raise MalformedOnnxError
    tensors = _messages(message, 5)
    floats = message.get(7, [])
    return Attribute(
        i=_whole(message, 3),
        f=struct.unpack("<f", bytes(number))[0],
        s=bytes((_messages(message, 4) or [memoryview(b"")])[-1]).decode("utf-8", "replace"),
        ints=_wholes(message, 8),
        count=sum(len(value) // 4 for value in floats if isinstance(value, memoryview)),
        tensor=_tensor(tensors[-1]) if tensors else None,
        graph=bool(message.get(6) or message.get(11)),
    )


def _tensor(data: memoryview) -> Tensor:
    message = _message(data)
    shape = _wholes(message, 1)
    if len(shape) > _SHAPE_PARTS or any(size < 0 for size in shape):
        raise MalformedOnnxError
    return Tensor(name=_text(message, 8), shape=shape, values=_values(message, shape))


def _values(message: Message, shape: tuple[int, ...]) -> NDArray[np.int64] | None:
    kind = _INTEGERS.get(_whole(message, 2))
    count = 1
    for size in shape:
        count *= size
    if kind is None or count > VALUES_MAX:
        return None
    raw = _messages(message, 9)
    if raw:
        values = np.frombuffer(bytes(raw[-1]), kind).astype(np.int64)
    else:
        values = np.array(_wholes(message, 7 if kind == "<i8" else 5), np.int64)
    if values.size != count:
        raise MalformedOnnxError
    return values.reshape(shape)


def _outside(data: memoryview) -> tuple[str, tuple[Dim, ...]]:
    """Name and shape of an input; a dimension is a number, a name, or unknown."""
    message = _message(data)
    dims: list[Dim] = []
    for kind in _messages(message, 2):
        for tensor in _messages(_message(kind), 1):
            for shape in _messages(_message(tensor), 2):
                dims += [_dim(_message(dim)) for dim in _messages(_message(shape), 1)]
    return _text(message, 1), tuple(dims)


def _dim(message: Message) -> Dim:
    if 1 in message:
        return _whole(message, 1)
    return _text(message, 2) or None
