"""The little of ONNX's file format that we read without the onnx package: does a graph point outside itself?

ONNX is protobuf; the field numbers are those of onnx.proto (github.com/onnx/onnx, onnx/onnx.proto). A tensor
whose `data_location` is EXTERNAL makes the runtime open whatever path the file names, so such a graph is
refused before a runtime sees it.
"""

from __future__ import annotations

from collections.abc import Iterator

from racer.errors import BundleError

_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""For each kind of message, the fields that can lead to a tensor."""

_TENSOR_EXTERNAL_DATA = 13
_TENSOR_DATA_LOCATION = 14
_DEPTH_MAX = 24
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def refuse_external_data(onnx: bytes, *, source: str) -> None:
    """Make sure that a graph holds all of its data.

    Args:
        onnx: the bytes of an ONNX model.
        source: what to call it in a message.

    Raises:
        BundleError: it is no ONNX model, or one of its tensors lies in another file.
    """
    try:
        external, has_graph = _walk(memoryview(onnx), "model", 0)
    except BrokenError:
        raise BundleError(f"{source} is no ONNX graph, or a damaged one") from None
    if not has_graph:
        raise BundleError(f"{source} is no ONNX graph, or a damaged one")
    if external:
        raise BundleError(f"{source} keeps data in other files; a bundle's graph must hold all of its weights")


class BrokenError(Exception):
    """The bytes are no protobuf message."""


def _walk(message: memoryview, kind: str, depth: int) -> tuple[bool, bool]:
    """Whether a tensor in here is external, and whether there is a child at all."""
    if depth > _DEPTH_MAX:
        raise BrokenError
    children = _CHILDREN[kind]
    found = False
    for number, wire, value in read_fields(message):
        if kind == "tensor" and (number == _TENSOR_EXTERNAL_DATA or (number == _TENSOR_DATA_LOCATION and value)):
            return True, True
        if number in children:
            if wire != _BYTES or not isinstance(value, memoryview):
                raise BrokenError
            found = True
            if _walk(value, children[number], depth + 1)[0]:
                return True, True
    return False, found


def read_fields(message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """The fields of a protobuf message, in their order in the file.

    Yields:
        Field number; wire type (0 varint, 1 fixed64, 2 bytes, 5 fixed32); the number, or the bytes of the others.

    Raises:
        BrokenError: the bytes are no protobuf message.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            length, at = _varint(message, at)
        elif wire in (_FIXED64, _FIXED32):
            length = 8 if wire == _FIXED64 else 4
        else:
            raise BrokenError
        if number == 0 or at + length > len(message):
            raise BrokenError
        yield number, wire, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise BrokenError
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise BrokenError
