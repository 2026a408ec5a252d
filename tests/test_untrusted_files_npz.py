"""npz files: plain numbers go round, everything else is refused."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from racer.errors import BundleError
from racer.untrusted_files import npz_bytes, read_npz
from support.bundles import npz_with

LIMIT = 1 << 20


def read(data):
    """Read with the tests' limit."""
    return read_npz(data, size_max=LIMIT, source="x.npz")


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["a", "b.weight", "input.state"]),
        hnp.arrays(
            st.sampled_from(["f4", "f8", "i8", "u1", "?"]),
            hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        ),
    )
)
def test_round_trip(arrays):
    """Read back the same arrays, read-only; numpy reads them too, and the same arrays give the same bytes."""
    data = npz_bytes(arrays)
    back = read(data)
    with np.load(io.BytesIO(data), allow_pickle=False) as theirs:
        assert set(back) == set(arrays) == set(theirs.files)
        for name, array in arrays.items():
            assert back[name].dtype == array.dtype and back[name].shape == array.shape
            np.testing.assert_array_equal(back[name], array)
            np.testing.assert_array_equal(theirs[name], array)
            assert not back[name].flags.writeable
    assert npz_bytes(arrays) == data


def test_reads_what_numpy_writes():
    """Read numpy's own npz."""
    np.testing.assert_array_equal(read(npz_with({"a": np.arange(6.0).reshape(2, 3)}))["a"], [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("array", [np.array([{}], dtype=object), np.array(["text"]), np.zeros(2, dtype=[("a", "f4")])])
def test_objects_are_refused(array):
    """Refuse to write or read a pickle, text or records."""
    with pytest.raises(BundleError, match="plain numbers only"):
        npz_bytes({"a": array})
    with pytest.raises(BundleError, match="not a plain array of numbers"):
        read(npz_with({"a": array}, allow_pickle=True))


def zipped(members):
    """A zip of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def npy(shape, data=b"\0" * 8, dtype="<f4", fortran=False):
    """An npy whose header says `shape`, whatever the data is."""
    stream = io.BytesIO()
    header = {"descr": dtype, "fortran_order": fortran, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + data


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"a.npy": npy((10**15,))}, "bytes, which does not fit its shape"),
        ({"a.npy": npy((3,))}, "bytes, which does not fit its shape"),
        ({"a.npy": npy((1,))}, "bytes, which does not fit its shape"),
        ({"a.npy": npy((-2,))}, "not a plain array of numbers"),
        ({"a.npy": npy((2,), fortran=True)}, "not a plain array of numbers"),
        ({"a.npy": b"\x80\x04."}, "not a plain array of numbers"),
        ({"a.npy": b""}, "not a plain array of numbers"),
        ({"a.npy": b"\x93NUMPY\x02\x00" + b"\0" * 20}, "not a plain array of numbers"),
        ({"a.npy": b"\x93NUMPY\x01\x00\x05\x00{'a':"}, "not a plain array of numbers"),
        ({"a.pkl": b"\x80\x04."}, "'a.pkl', which is not an array"),
        ({"a.npy": npy((2,)), "b.npy": b"\0" * (LIMIT + 1)}, "too large"),
    ],
)
def test_broken(members, said):
    """Refuse wrong sizes, pickles without a header, and zip bombs."""
    with pytest.raises(BundleError) as caught:
        read(zipped(members))
    assert said in str(caught.value) and str(caught.value).startswith("x.npz")


def test_no_zip():
    """Refuse bytes that are no zip."""
    with pytest.raises(BundleError, match="damaged"):
        read(b"\x80\x04K\x01.")
