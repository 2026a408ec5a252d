"""npz files of plain number arrays, read without trusting them: no pickles, sizes checked before allocating.

`numpy.load` would believe an array's header and allocate whatever it says.

The little of ONNX's file format that we read without the onnx package: does a graph point outside itself?

ONNX is protobuf; the field numbers are those of onnx.proto (github.com/onnx/onnx, onnx/onnx.proto). A tensor
whose `data_location` is EXTERNAL makes the runtime open whatever path the file names, so such a graph is
refused before a runtime sees it.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from racer.errors import BundleError

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    OverflowError,
    MemoryError,
    KeyError,
    IndexError,
)
"""All that zipfile and numpy raise on broken files."""


_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '(?P<dtype>\|b1|[|<][iu]1|<[iuf][248])', 'fortran_order': False, "
    rb"'shape': \((?P<shape>[0-9, ]{0,64})\), \} *\n"
)
"""The header that numpy writes for version 1.0 (numpy.lib.format). numpy's reader evaluates it."""


def npz_bytes(arrays: Mapping[str, NDArray]) -> bytes:
    """An npz of plain number arrays; the same arrays give the same bytes.

    Raises:
        BundleError: an array holds something else, such as objects.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for key, value in arrays.items():
            array = np.ascontiguousarray(value).reshape(np.shape(value))
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
            if array.dtype.kind not in "biuf":
                raise BundleError(f"{key} holds {array.dtype}, a bundle has plain numbers only")
            stream = io.BytesIO()
            np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{key}.npy"), stream.getvalue())
    return buffer.getvalue()


def read_npz(data: bytes, *, size_max: int, source: str) -> dict[str, NDArray]:
    """The arrays of an npz by name, read-only.

    Args:
        data: the bytes of the npz.
        size_max: bytes that all arrays together may have.
        source: what to call it in messages.

    Raises:
        BundleError: damaged, too large, or something in it is not a plain number array.
    """
    arrays: dict[str, NDArray] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > size_max:
                raise BundleError(f"{source} is too large: more than {size_max} bytes of arrays")
            for entry in archive.infolist():
                if not entry.filename.endswith(".npy"):
                    raise BundleError(f"{source} holds {entry.filename!r}, which is no array")
                with archive.open(entry) as member:
                    content = member.read(size_max + 1)
                arrays[entry.filename.removesuffix(".npy")] = _read_npy(content, f"{source}: {entry.filename}")
    except ZIP_ERRORS as error:
        raise BundleError(f"{source} is damaged ({error or type(error).__name__})") from None
    return arrays


def _read_npy(data: bytes, source: str) -> NDArray:
    start = len(_MAGIC) + 2
    length = int.from_bytes(data[len(_MAGIC) : start], "little")
    header = _HEADER.fullmatch(data[start : start + length])
    if not data.startswith(_MAGIC) or header is None:
        raise BundleError(f"{source} holds no array that is plain numbers only; pickled objects are not read")
    dtype = np.dtype(header["dtype"].decode())
    shape = tuple(int(part) for part in header["shape"].split(b",") if part.strip())
    content = memoryview(data)[start + length :]
    if math.prod(shape) * dtype.itemsize != len(content):
        raise BundleError(f"{source} has not the size that its shape {shape} says")
    array = np.frombuffer(content, dtype=dtype).reshape(shape)
    array.flags.writeable = False
    return array


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


def check_no_external_data(onnx: bytes, *, source: str) -> None:
    """Make sure that a graph holds all of its data.

    Args:
        onnx: the bytes of an ONNX model.
        source: what to call it in a message.

    Raises:
        BundleError: it is no ONNX model, or one of its tensors lies in another file.
    """
    try:
        external, has_graph = _walk(memoryview(onnx), "model", 0)
    except MalformedOnnxError:
        raise BundleError(f"{source} is not an ONNX graph, or a damaged one") from None
    if not has_graph:
        raise BundleError(f"{source} is not an ONNX graph, or a damaged one")
    if external:
        raise BundleError(f"{source} keeps data in other files; a bundle's graph must hold all of its weights")


class MalformedOnnxError(Exception):
    """The bytes are no protobuf message."""


def _walk(message: memoryview, kind: str, depth: int) -> tuple[bool, bool]:
    """Whether a tensor in here is external, and whether there is a child at all."""
    if depth > _DEPTH_MAX:
        raise MalformedOnnxError
    children = _CHILDREN[kind]
    found = False
    for number, wire, value in read_protobuf_fields(message):
        if kind == "tensor" and (number == _TENSOR_EXTERNAL_DATA or (number == _TENSOR_DATA_LOCATION and value)):
            return True, True
        if number in children:
            if wire != _BYTES or not isinstance(value, memoryview):
                raise MalformedOnnxError
            found = True
            if _walk(value, children[number], depth + 1)[0]:
                return True, True
    return False, found


def read_protobuf_fields(message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
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
            raise MalformedOnnxError
        if number == 0 or at + length > len(message):
            raise MalformedOnnxError
        yield number, wire, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise MalformedOnnxError
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise MalformedOnnxError
