"""Reads untrusted npz files, and checks untrusted ONNX graphs for external data.

npz: only plain arrays of numbers are accepted, never pickles, and sizes are checked before memory is allocated;
`numpy.load` would allocate what an array's header says.

ONNX: a tensor whose `data_location` is EXTERNAL makes the runtime open the path that the file names, so such a graph is
refused before a runtime reads it. The check walks the protobuf fields without the onnx package, which the car does not
have (docs/decisions/0016-reading-onnx-graphs.md); field numbers are those of onnx.proto (github.com/onnx/onnx).
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
"""Exceptions that zipfile and numpy raise on broken files."""

_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '(?P<dtype>\|b1|[|<][iu]1|<[iuf][248])', 'fortran_order': False, "
    rb"'shape': \((?P<shape>[0-9, ]{0,64})\), \} *\n"
)
"""The header of numpy's format 1.0 (numpy.lib.format); numpy's reader evaluates it as Python, this pattern does not."""


def npz_bytes(arrays: Mapping[str, NDArray]) -> bytes:
    """Return the bytes of an npz of plain arrays of numbers; the same arrays give the same bytes.

    Raises:
        BundleError: an array holds other values, such as objects.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for key, value in arrays.items():
            # `ascontiguousarray` makes (1,) of a scalar, hence the reshape. Files are little-endian on every machine.
            array = np.ascontiguousarray(value).reshape(np.shape(value))
            array = array.astype(array.dtype.newbyteorder("<"), copy=False)
            if array.dtype.kind not in "biuf":
                raise BundleError(f"{key} holds {array.dtype}, a bundle has plain numbers only")
            stream = io.BytesIO()
            np.lib.format.write_array(stream, array, version=(1, 0), allow_pickle=False)
            # `ZipInfo` has a fixed date, so that the bytes depend on the arrays alone.
            archive.writestr(zipfile.ZipInfo(f"{key}.npy"), stream.getvalue())
    return buffer.getvalue()


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    """Return the bytes of a compressed zip of members by name; the same members give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name)  # dated 1980, so that bytes depend on nothing but the content
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return buffer.getvalue()


def read_npz(data: bytes, *, size_max: int, source: str) -> dict[str, NDArray]:
    """Return the arrays of an npz by name, read-only.

    Args:
        data: bytes of the npz.
        size_max: largest size of all arrays together [bytes].
        source: name of the file for messages.

    Raises:
        BundleError: the npz is damaged or too large, or a member is not a plain array of numbers.
    """
    arrays: dict[str, NDArray] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > size_max:
                raise BundleError(f"{source} is too large: more than {size_max} bytes of arrays")
            for entry in archive.infolist():
                if not entry.filename.endswith(".npy"):
                    raise BundleError(f"{source} holds {entry.filename!r}, which is not an array")
                # The archive's own sizes were checked above; the read is bounded as well.
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
        raise BundleError(f"{source} is not a plain array of numbers; pickled objects are not read")
    dtype = np.dtype(header["dtype"].decode())
    shape = tuple(int(part) for part in header["shape"].split(b",") if part.strip())
    content = memoryview(data)[start + length :]
    if math.prod(shape) * dtype.itemsize != len(content):
        raise BundleError(f"{source} has {len(content)} bytes, which does not fit its shape {shape}")
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
"""For each kind of message, the fields that can lead to a tensor, with the kind of message in them."""

_TENSOR_EXTERNAL_DATA = 13
_TENSOR_DATA_LOCATION = 14
_DEPTH_MAX = 24
"""Largest depth of nested messages, far above that of real graphs and far below Python's limit of recursion."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def check_no_external_data(onnx: bytes, *, source: str) -> None:
    """Check that a graph holds all of its data.

    Args:
        onnx: bytes of an ONNX model.
        source: name of the file for messages.

    Raises:
        BundleError: the bytes are not an ONNX model, or the data of a tensor lie in another file.
    """
    try:
        external, has_graph = _walk(memoryview(onnx), "model", 0)
        if not has_graph:
            raise MalformedOnnxError
    except MalformedOnnxError:
        raise BundleError(f"{source} is not an ONNX graph, or a damaged one") from None
    if external:
        raise BundleError(f"{source} keeps data in other files; a bundle's graph must hold all of its weights")


class MalformedOnnxError(Exception):
    """The bytes are not a protobuf message of an ONNX model."""


def _walk(message: memoryview, kind: str, depth: int) -> tuple[bool, bool]:
    """Return whether a tensor in a message is external, and whether the message has a child."""
    if depth > _DEPTH_MAX:
        raise MalformedOnnxError
    children = _CHILDREN[kind]
    has_child = False
    for number, wire, value in read_protobuf_fields(message):
        # Location 0 is DEFAULT, data in this file; any other value, and any external entry, names another file.
        if kind == "tensor" and (number == _TENSOR_EXTERNAL_DATA or (number == _TENSOR_DATA_LOCATION and value)):
            return True, True
        if number in children:
            if wire != _BYTES or not isinstance(value, memoryview):
                raise MalformedOnnxError
            has_child = True
            if _walk(value, children[number], depth + 1)[0]:
                return True, True
    return False, has_child


def read_protobuf_fields(message: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Iterate over the fields of a protobuf message, in the order of the file.

    Yields:
        Field number; wire type (0 varint, 1 fixed64, 2 bytes, 5 fixed32); the integer, or the bytes of other types.

    Raises:
        MalformedOnnxError: the bytes are not a protobuf message.
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
        # Groups (wire types 3 and 4) are obsolete and not in onnx.proto; field numbers start at 1.
        if number == 0 or at + length > len(message):
            raise MalformedOnnxError
        yield number, wire, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return the integer at a position and the position after it; 7 bits a byte, lowest first, at most 10 bytes."""
    value = 0
    # Example: 0xAC 0x02 is 0x2C + (0x02 << 7) = 300.
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise MalformedOnnxError
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise MalformedOnnxError
