"""npz files of plain number arrays, read without trusting them: no pickles, sizes checked before allocating.

`numpy.load` would believe an array's header and allocate whatever it says.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping

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
