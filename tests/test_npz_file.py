"""Files of np.savez: every array comes back, no pickle is loaded, and no promise is believed."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from gluon_subgraph.npz_file import open_npz_file

DTYPES = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "uint64", "bool"]
DTYPES += [">f4", ">i8", ">f2", "complex64"]
NAMES = st.text("abz019._/:ö", max_size=9)
SHAPES = arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
ARRAYS = st.dictionaries(NAMES, arrays_of.arrays(st.sampled_from(DTYPES), SHAPES), max_size=6)


def written(path: Path, arrays: dict[str, Any], *, compress: bool = False) -> str:
    """Write arrays as np.savez does, which takes no name such as 'file'."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member(archive, name, array)
    return str(path)


def member(archive: zipfile.ZipFile, name: str, array: Any) -> None:
    content = io.BytesIO()
    np.lib.format.write_array(content, array)
    archive.writestr(f"{name}.npy", content.getvalue())


def npy(shape: Any, descr: Any = "<f4", *, order: bool = False, text: str | None = None, values: bytes = b"") -> bytes:
    header = text if text is not None else str({"descr": descr, "fortran_order": order, "shape": shape})
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + values


def archived(path: Path, *contents: bytes, method: int = zipfile.ZIP_STORED) -> str:
    with zipfile.ZipFile(path, "w", method) as archive:
        for i, content in enumerate(contents):
            archive.writestr(f"a{i}.npy", content)
    return str(path)


@given(ARRAYS, st.booleans(), st.booleans())
def test_file_reads_as_it_was_written(
    tmp_path_factory: Any, arrays: dict[str, Any], compress: bool, fortran: bool
) -> None:
    if fortran:
        arrays = {name: np.asfortranarray(a) for name, a in arrays.items()}
    path = written(tmp_path_factory.mktemp("npz") / "x.npz", arrays, compress=compress)
    values = open_npz_file(path)
    assert list(values) == list(arrays)
    assert {n: tuple(h) for n, h in values.headers.items()} == {n: (a.shape, a.dtype.name) for n, a in arrays.items()}
    for name, array in arrays.items():
        native = array.astype(array.dtype.newbyteorder("="))
        assert values[name].dtype == native.dtype
        assert (values[name].shape, values[name].tobytes()) == (native.shape, native.tobytes())


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_file_of_numpy_reads_as_numpy_reads_it(tmp_path: Path, save: Any) -> None:
    path = str(tmp_path / "x.npz")
    save(path, np.arange(3), b=np.ones((2, 3), "float16").T, c=np.array("text"))
    expected = np.load(path)
    values = gs.load(path)
    assert list(values) == list(expected)
    assert [values[n].tolist() for n in values] == [expected[n].tolist() for n in expected]


def test_header_versions_are_all_read(tmp_path: Path) -> None:
    array = np.arange(6, dtype="float32").reshape(2, 3)
    for version in ((1, 0), (2, 0), (3, 0)):
        content = io.BytesIO()
        np.lib.format.write_array(content, array, version=version)
        assert gs.load(archived(tmp_path / "x.npz", content.getvalue()))["a0"].tolist() == array.tolist()


def test_header_of_another_writer_is_read(tmp_path: Path) -> None:
    text = '{"shape":(2,),"fortran_order":False,"descr":"<i2"}'
    assert gs.load(archived(tmp_path / "x.npz", npy(None, text=text, values=b"\1\0\2\0")))["a0"].tolist() == [1, 2]


def test_only_what_is_asked_for_is_unpacked(tmp_path: Path) -> None:
    arrays = {f"a{i}": np.full(1000, i, "float32") for i in range(9)}
    path = written(tmp_path / "x.npz", arrays)
    content = bytearray(Path(path).read_bytes())
    place = content.index(arrays["a4"].tobytes())
    content[place] ^= 1
    Path(path).write_bytes(content)
    values = gs.load(path)
    assert [values[n].tolist() for n in values if n != "a4"] == [a.tolist() for n, a in arrays.items() if n != "a4"]
    with pytest.raises(gs.SubgraphError, match="(?s)'a4': .*length or checksum differ.*Nothing was loaded"):
        values["a4"]


class Planted:
    """What a pickle may hold."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("a pickle was loaded",)


def test_objects_are_refused_and_never_unpickled(tmp_path: Path) -> None:
    for array in (np.array([Planted()], dtype=object), np.zeros(2, [("a", "f4"), ("b", "i4")])):
        content = io.BytesIO()
        np.lib.format.write_array(content, array, allow_pickle=True)
        with pytest.raises(gs.SubgraphError, match="(?s)not an .npz file.*(pickled and may run|dtype '\\[')"):
            gs.load(archived(tmp_path / "x.npz", content.getvalue()))
    with pytest.raises(gs.SubgraphError, match="does not begin as a .npy file does"):
        gs.load(archived(tmp_path / "x.npz", pickle.dumps(Planted())))


PROMISES: dict[str, tuple[bytes, str]] = {
    "10 TB": (npy((2**41, 2), values=b"1234"), "is not what float32 of shape"),
    "overflow": (npy((2**62, 4)), "is not what"),
    "less": (npy((1,), values=b"12345678"), "is not what"),
    "negative": (npy((-1,), values=b"1234"), "The header of 'a0.npy' is"),
    "many axes": (npy((1,) * 33, values=b"1234"), "is not what"),
    "long number": (npy(None, text="{'descr': '<f4', 'fortran_order': False, 'shape': (" + "9" * 9999 + ",)}"), ""),
    "no descr": (npy(None, text="{'fortran_order': False, 'shape': (1,)}"), "The header of"),
    "shape twice": (npy(None, text="{'descr':'<f4','fortran_order':False,'shape':(1,),'shape':(2,)}"), "The header of"),
    "code": (npy(None, text="__import__('os').abort()"), "The header of"),
    "nested": (npy(None, text="(" * 60_000), "The header of"),
    "no dtype": (npy((1,), "<q9", values=b"1234"), "values of dtype '<q9'"),
    "no bytes": (npy((1,), "<U0"), "values of dtype"),
    "not text": (npy((1,)).replace(b"descr", b"\xff\xff\xff\xff\xff"), "decode"),
    "long header": (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b"{}", "is to have 2147483648 bytes"),
    "not npy": (b"\x93NUMPZ" + npy((1,), values=b"1234")[6:], "does not begin as"),
    "next version": (b"\x93NUMPY\x04" + npy((1,), values=b"1234")[7:], "does not begin as"),
    "nothing": (b"", "does not begin as"),
}


@pytest.mark.parametrize(("content", "text"), PROMISES.values(), ids=PROMISES)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damaged_header_is_refused(tmp_path: Path, content: bytes, text: str, method: int) -> None:
    path = archived(tmp_path / "x.npz", npy((1,), values=b"1234"), method=method)
    path = archived(tmp_path / "x.npz", content, method=method)
    with pytest.raises(
        gs.SubgraphError, match=f"(?s)is not an .npz file of arrays.*{text}.*Fetch or save it again. Nothing was"
    ):
        gs.load(path)


def test_archive_that_promises_more_than_it_can_hold_is_refused(tmp_path: Path) -> None:
    size = 2**31
    lead = npy((size // 4,))
    path = Path(archived(tmp_path / "x.npz", lead + b"\0" * 100, method=zipfile.ZIP_DEFLATED))
    content = path.read_bytes()
    for place in (content.index(b"PK\1\2") + 24, content.index(b"PK\3\4") + 22):
        content = content[:place] + struct.pack("<I", size + len(lead)) + content[place + 4 :]
    path.write_bytes(content)
    with pytest.raises(gs.SubgraphError, match=f"is to have {size + len(lead)} bytes, packed"):
        gs.load(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_archive_packed_in_a_way_without_bounds_is_refused(tmp_path: Path, method: int) -> None:
    with pytest.raises(gs.SubgraphError, match="packed in way 1[24]; NumPy writes 0 and 8"):
        gs.load(archived(tmp_path / "x.npz", npy((1,), values=b"1234"), method=method))


def test_name_given_twice_and_member_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        member(archive, "a", np.ones(1))
        with pytest.warns(UserWarning, match="Duplicate"):
            member(archive, "a", np.ones(1))
    with pytest.raises(gs.SubgraphError, match="It holds 'a.npy' twice"):
        gs.load(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "")
    with pytest.raises(gs.SubgraphError, match="'readme.txt', which is no .npy file"):
        gs.load(path)


@pytest.mark.parametrize("compress", [False, True])
def test_truncated_file_is_refused_at_every_length(tmp_path: Path, compress: bool) -> None:
    path = Path(written(tmp_path / "x.npz", {"a": np.ones((2, 3)), "b": np.ones(9, "int8")}, compress=compress))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(gs.SubgraphError, match="is not an"):
            gs.load(path)


@given(st.data(), st.booleans())
def test_flipped_bit_is_refused_or_changes_a_name_only(tmp_path_factory: Any, data: Any, compress: bool) -> None:
    path = tmp_path_factory.mktemp("flip") / "x.npz"
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.ones(9, "int8")}
    whole = bytearray(Path(written(path, arrays, compress=compress)).read_bytes())
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    path.write_bytes(whole)
    try:
        read = [a.tolist() for a in open_npz_file(str(path)).values()]
    except gs.SubgraphError:
        return
    assert all(values in [a.tolist() for a in arrays.values()] for values in read)
