"""Parameter files: every layout MXNet writes is accepted, and no damaged length reaches it."""

from __future__ import annotations

import gluon_subgraph  # noqa: F401  (MXNet on a current Python or NumPy needs it first)

# isort: split
import struct
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest

from gluon_subgraph.errors import SubgraphError
from gluon_subgraph.lazy_values import Header
from gluon_subgraph.params_file import damage_of_params_file, open_params_file
from gluon_subgraph.readers import load_values_file

DTYPES = ["float32", "float64", "float16", "uint8", "int32", "int8", "int64"]
ROW_SPARSE = mx.nd.sparse.row_sparse_array(([[1.0, 2], [3, 4]], [0, 2]), shape=(3, 2))
CSR = mx.nd.sparse.csr_matrix(([1.0, 2, 3], [0, 2, 1], [0, 2, 2, 3]), shape=(3, 3))


def headers_of_params_file(path: str) -> dict[str, Header]:
    return open_params_file(path, bytes).headers


def saved(path: Path, arrays: Any) -> str:
    mx.nd.waitall()
    mx.nd.save(str(path), arrays)
    return str(path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "x.params"


@pytest.mark.parametrize("dtype", DTYPES)
def test_damage_of_dense_file_is_none(file: Path, dtype: str) -> None:
    arrays = {"a": mx.nd.ones((2, 3), dtype=dtype), "größe": mx.nd.ones(1, dtype=dtype)}
    path = saved(file, arrays)
    assert damage_of_params_file(path) is None
    assert {n: a.read().dtype for n, a in load_values_file(path).items()} == {n: a.dtype for n, a in arrays.items()}


@pytest.mark.parametrize(
    "arrays", [[], {}, [mx.nd.ones(2)], {"s": ROW_SPARSE, "d": CSR}], ids=["none", "empty", "list", "sparse"]
)
def test_damage_of_other_layouts_is_none(file: Path, arrays: Any) -> None:
    assert damage_of_params_file(saved(file, arrays)) is None


def test_damage_of_numpy_shapes_is_none(file: Path) -> None:
    with mx.util.np_shape(True), mx.util.np_array(True):
        arrays = {"scalar": mx.np.array(3.0), "empty": mx.np.zeros((0, 3)), "last": mx.np.ones(2)}
        mx.nd.waitall()
        mx.npx.save(str(file), arrays)
    assert damage_of_params_file(str(file)) is None


def test_damage_of_arrays_written_by_old_versions_is_none(file: Path) -> None:
    values = np.arange(6, dtype="float32").tobytes()
    before_1 = struct.pack("<IIIiii", 2, 2, 3, 1, 0, 0) + values
    version_1 = struct.pack("<IIqqiii", 0xF993FAC8, 2, 2, 3, 1, 0, 0) + values
    names = struct.pack("<QQ", 2, 1) + b"a" + struct.pack("<Q", 1) + b"b"
    file.write_bytes(struct.pack("<QQQ", 0x112, 0, 2) + before_1 + version_1 + names)
    assert damage_of_params_file(str(file)) is None
    loaded = load_values_file(str(file))
    assert [loaded[n].read().asnumpy().tolist() for n in "ab"] == [[[0, 1, 2], [3, 4, 5]]] * 2


def test_damage_of_truncated_file_is_found_at_every_length(file: Path) -> None:
    content = Path(saved(file, {"a": mx.nd.ones((2, 3)), "s": ROW_SPARSE})).read_bytes()
    for length in range(len(content)):
        file.write_bytes(content[:length])
        assert damage_of_params_file(str(file)) is not None


@pytest.mark.parametrize(
    ("arrays", "old", "new", "text"),
    [
        ({"a": mx.nd.ones(2)}, struct.pack("<Q", 0x112), struct.pack("<Q", 0x113), "does not begin as one does"),
        ({"a": mx.nd.ones(2)}, struct.pack("<Q", 1) + b"a", struct.pack("<Q", 2**62) + b"a", "bytes too early"),
        ({"a": mx.nd.ones(2)}, struct.pack("<iq", 1, 2), struct.pack("<iq", 999, 2), "An array has 999 axes"),
        ({"a": mx.nd.ones(2)}, struct.pack("<iq", 1, 2), struct.pack("<iq", 1, -2), r"has the shape \(-2,\)"),
        ({"a": mx.nd.ones(2)}, struct.pack("<iq", 1, 2), struct.pack("<iq", 1, 2**40), "bytes too early"),
        ({"a": mx.nd.ones(2)}, struct.pack("<iii", 1, 0, 0), struct.pack("<iii", 1, 0, 77), "An array has type 77"),
        ({"a": mx.nd.ones(2)}, struct.pack("<Ii", 0xF993FAC9, 0), struct.pack("<Ii", 0xF993FAC9, 5), "stored in way 5"),
        ({"s": ROW_SPARSE}, struct.pack("<qq", 0, 2), struct.pack("<qq", 0, 3), r"shape \(3, 2\) lie outside it"),
        ({"s": ROW_SPARSE}, struct.pack("<iqq", 2, 3, 2), struct.pack("<iqq", 2, 3, 9), r"shape \(3, 9\) lie outside"),
        ({"s": CSR}, struct.pack("<qqqq", 0, 2, 2, 3), struct.pack("<qqqq", 0, 2, 1, 3), r"shape \(3, 3\) lie outside"),
        ({"s": CSR}, struct.pack("<qqq", 0, 2, 1), struct.pack("<qqq", 0, 7, 1), r"shape \(3, 3\) lie outside it"),
    ],
)
def test_load_values_file_damaged_length_is_refused(file: Path, arrays: Any, old: bytes, new: bytes, text: str) -> None:
    content = Path(saved(file, arrays)).read_bytes()
    assert content.count(old) >= 1
    place = content.rindex(old)
    file.write_bytes(content[:place] + new + content[place + len(old) :])
    with pytest.raises(gluon_subgraph.SubgraphError, match=f"(?s)is not an MXNet parameter file.*{text}"):
        load_values_file(str(file))


@pytest.mark.parametrize("dtype", [*DTYPES, "bool"])
def test_headers_of_dense_file_are_those_of_its_arrays(file: Path, dtype: str) -> None:
    arrays = {"z": mx.nd.ones((2, 3), dtype=dtype), "größe": mx.nd.ones(1, dtype=dtype), "a": mx.nd.ones(2)}
    headers = headers_of_params_file(saved(file, arrays))
    assert list(headers.items()) == [(n, Header(a.shape, np.dtype(a.dtype).name)) for n, a in arrays.items()]


def test_headers_of_bfloat16_and_sparse_arrays(file: Path) -> None:
    half = mx.nd.ones(3).astype(np.dtype([("bfloat16", np.uint16)]))
    headers = headers_of_params_file(saved(file, {"s": ROW_SPARSE, "d": CSR, "h": half}))
    assert headers == {"s": ((3, 2), "float32"), "d": ((3, 3), "float32"), "h": ((3,), "bfloat16")}


def test_headers_of_numpy_shapes(file: Path) -> None:
    with mx.util.np_shape(True), mx.util.np_array(True):
        arrays = {"scalar": mx.np.array(3.0), "empty": mx.np.zeros((0, 3))}
        mx.nd.waitall()
        mx.npx.save(str(file), arrays)
    assert headers_of_params_file(str(file)) == {"scalar": ((), "float32"), "empty": ((0, 3), "float32")}


def test_headers_of_arrays_written_by_old_versions(file: Path) -> None:
    values = np.arange(6, dtype="float32").tobytes()
    before_1 = struct.pack("<IIIiii", 2, 2, 3, 1, 0, 0) + values
    version_1 = struct.pack("<IIqqiii", 0xF993FAC8, 2, 2, 3, 1, 0, 0) + values
    names = struct.pack("<QQ", 2, 1) + b"a" + struct.pack("<Q", 1) + b"b"
    file.write_bytes(struct.pack("<QQQ", 0x112, 0, 2) + before_1 + version_1 + names)
    assert headers_of_params_file(str(file)) == {"a": ((2, 3), "float32"), "b": ((2, 3), "float32")}


def test_headers_of_file_without_names_or_of_none(file: Path) -> None:
    assert headers_of_params_file(saved(file, {})) == {}
    with pytest.raises(gluon_subgraph.SubgraphError, match="holds 1 arrays without names"):
        headers_of_params_file(saved(file, [mx.nd.ones(2)]))
    with pytest.raises(gluon_subgraph.SubgraphError, match="no file 'x.params'"):
        headers_of_params_file("x.params")


def test_headers_of_damaged_file_are_refused(file: Path) -> None:
    content = Path(saved(file, {"a": mx.nd.ones((2, 3))})).read_bytes()
    for damaged in (content[:-3], content[:-1] + b"\xff"):
        file.write_bytes(damaged)
        with pytest.raises(
            gluon_subgraph.SubgraphError,
            match="(?s)is not an MXNet parameter file.*Fetch or save it again. Nothing was loaded",
        ):
            headers_of_params_file(str(file))


def test_count_of_arrays_that_the_file_cannot_hold_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "e.params"
    path.write_bytes(struct.pack("<QQQ", 0x112, 0, 2**60) + bytes(4 << 20))
    with pytest.raises(SubgraphError, match="It is to hold 1152921504606846976 arrays, in 4194304 bytes"):
        headers_of_params_file(str(path))


def test_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.params"
    mx.nd.save(str(path), {"a": mx.nd.array([1, 2]), "b": mx.nd.array([3, 4])})
    path.write_bytes(path.read_bytes()[:-1] + b"a")
    with pytest.raises(SubgraphError, match="holds 1 names twice: 'a'"):
        headers_of_params_file(str(path))


def test_array_that_mxnet_refuses_is_named_with_its_file(file: Path) -> None:
    def refuse(content: bytes) -> None:
        msg = "no such storage"
        raise SubgraphError(msg)

    array = mx.nd.ones((3, 2)).tostype("row_sparse")
    array.wait_to_read()  # MXNet writes the number of rows that it has so far
    mx.nd.save(str(file), {"a": array})
    text = r"MXNet refuses 'a' of '.*x.*'\.\n  no such storage\n  Save it dense; nothing was loaded"
    with pytest.raises(SubgraphError, match=text.replace("x.*", "")):
        open_params_file(str(file), refuse)["a"]
