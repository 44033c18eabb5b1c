"""Safetensors files: the same arrays as the format's own library reads and writes; what is damaged is refused."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
import json
import struct
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from samples import layers

from gluon_subgraph.lazy_values import Header
from gluon_subgraph.safetensors_file import open_safetensors_file, write_safetensors
from gluon_subgraph.value_files import save_safetensors

DTYPES = ["float64", "float32", "float16", "int64", "int32", "int16", "int8"]
DTYPES += ["uint8", "uint16", "uint32", "uint64", "bool"]
NAMES = st.text(st.characters(blacklist_categories=["Cs"]), max_size=9).filter(lambda name: name != "__metadata__")
SHAPES = arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
ARRAYS = st.dictionaries(NAMES, arrays_of.arrays(st.sampled_from(DTYPES), SHAPES), max_size=6)


def written(path: Path, arrays: dict[str, Any]) -> Path:
    headers = {name: Header(a.shape, a.dtype.name) for name, a in arrays.items()}
    write_safetensors(str(path), headers, arrays.__getitem__)
    return path


def content(arrays: Any) -> list[Any]:
    """Return arrays in order, as values that compare whatever is NaN."""
    return [(name, a.dtype.name, a.shape, a.tobytes()) for name, a in arrays.items()]


def raw(path: Path, header: Any, values: bytes = b"") -> str:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + values)
    return str(path)


@given(ARRAYS)
def test_file_of_the_own_library_reads_as_it_was_written(tmp_path_factory: Any, arrays: dict[str, Any]) -> None:
    path = str(tmp_path_factory.mktemp("own") / "x.safetensors")
    safetensors.numpy.save_file(arrays, path, metadata={"format": "np"})
    values = open_safetensors_file(path)
    assert sorted(content(values)) == sorted(content(arrays))
    assert {n: tuple(h) for n, h in values.headers.items()} == {n: (a.shape, a.dtype.name) for n, a in arrays.items()}


@given(ARRAYS)
def test_file_written_here_is_read_by_the_own_library_and_keeps_the_order(
    tmp_path_factory: Any, arrays: dict[str, Any]
) -> None:
    path = written(tmp_path_factory.mktemp("here") / "x.safetensors", arrays)
    assert sorted(content(safetensors.numpy.load_file(path))) == sorted(content(arrays))
    assert content(open_safetensors_file(str(path))) == content(arrays)


def test_arrays_begin_where_their_numbers_are_aligned_and_cannot_be_written(tmp_path: Path) -> None:
    arrays = {"half": np.ones(3, "float16"), "byte": np.ones(1, "int8"), "wide": np.ones(2, "complex64")}
    values = open_safetensors_file(str(written(tmp_path / "x.safetensors", arrays)))
    assert [a.flags.aligned for a in values.values()] == [True] * 3
    assert [a.flags.writeable for a in values.values()] == [False] * 3


@given(st.lists(st.integers(0, 2**16 - 1), max_size=20))
def test_bfloat16_is_the_upper_half_of_float32(tmp_path_factory: Any, numbers: list[int]) -> None:
    header = {"a": {"dtype": "BF16", "shape": [len(numbers)], "data_offsets": [0, 2 * len(numbers)]}}
    path = raw(tmp_path_factory.mktemp("b") / "x", header, np.array(numbers, "<u2").tobytes())
    values = open_safetensors_file(path)
    assert values.headers == {"a": ((len(numbers),), "bfloat16")}
    assert values["a"].dtype == np.float32
    assert (values["a"].view("uint32") >> 16).tolist() == numbers
    assert set((values["a"].view("uint32") & 0xFFFF).tolist()) <= {0}


def test_bfloat16_is_written_and_bound_in_its_own_dtype_and_cast_when_asked(tmp_path: Path) -> None:
    bfloat16 = np.dtype([("bfloat16", np.uint16)])
    piece = gs.extract(layers(1), "data", "dense0_fwd")
    whole = {name: p.data().astype(bfloat16) for name, p in piece.params.items()}
    path = str(tmp_path / "x.safetensors")
    save_safetensors(path, whole)
    assert {h.dtype for h in gs.load(path).headers.values()} == {"bfloat16"}
    places = {name: mx.nd.zeros(a.shape).astype(bfloat16) for name, a in whole.items()}
    gs.bind_params(places, path)
    assert [a.asnumpy().tobytes() for a in places.values()] == [a.asnumpy().tobytes() for a in whole.values()]
    target = layers(1, seed=5)
    with pytest.raises(gs.BindingError, match="(?s)of another dtype.*bfloat16.*nothing was loaded"):
        gs.bind_params(target, path)
    gs.bind_params(target, path, cast_dtype=True)
    expected = [a.astype("float32").asnumpy().tobytes() for a in whole.values()]
    assert [p.data().asnumpy().tobytes() for p in target.collect_params().values()] == expected


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
DAMAGES: dict[str, tuple[Any, str]] = {
    "not json": (b"{'a': 1}", "not JSON"),
    "not text": (b'{"\xff": 1}', "not JSON"),
    "nested": (b'{"a":' + b"[" * 100_000, "not JSON"),
    "long number": (b'{"a":' + b"9" * 100_000 + b"}", "not JSON|lacks"),
    "a list": ([ENTRY], "is a list, no mapping"),
    "a name twice": (b'{"a":1,"a":2}', "the key 'a' twice"),
    "no entry": ({"a": 3}, "'a' lacks dtype, shape or data_offsets"),
    "no dtype": ({"a": {"shape": [2], "data_offsets": [0, 8]}}, "lacks"),
    "odd dtype": ({"a": {**ENTRY, "dtype": "F31"}}, "'F31'; known are F64, F32"),
    "dtype no text": ({"a": {**ENTRY, "dtype": ["F32"]}}, "known are"),
    "negative": ({"a": {**ENTRY, "shape": [-2]}}, r"the shape \[-2\]"),
    "no number": ({"a": {**ENTRY, "shape": [2.0]}}, r"the shape \[2.0\]"),
    "a truth": ({"a": {**ENTRY, "shape": [True, 2]}}, r"the shape \[True, 2\]"),
    "many axes": ({"a": {**ENTRY, "shape": [1] * 33}}, "the shape"),
    "one offset": ({"a": {**ENTRY, "data_offsets": [0]}}, "the place"),
    "backwards": ({"a": {**ENTRY, "data_offsets": [8, 0]}}, "takes -8 bytes"),
    "10 TB": ({"a": {**ENTRY, "shape": [2**41, 2]}}, "takes 8 bytes; F32 of shape"),
    "10 TB throughout": ({"a": {**ENTRY, "shape": [2**41], "data_offsets": [0, 2**43]}}, "the file at"),
    "overflow": ({"a": {**ENTRY, "shape": [2**62, 4]}}, "has the shape"),
    "overlap": ({"a": ENTRY, "b": ENTRY}, "'b' begin at byte"),
    "gap": ({"a": {**ENTRY, "shape": [1], "data_offsets": [4, 8]}}, "'a' begin at byte"),
    "rest": ({"a": {**ENTRY, "shape": [1], "data_offsets": [0, 4]}}, "end at byte"),
}


@pytest.mark.parametrize(("header", "text"), DAMAGES.values(), ids=DAMAGES)
def test_damaged_header_is_refused(tmp_path: Path, header: Any, text: str) -> None:
    path = raw(tmp_path / "x.safetensors", header, b"\0" * 8)
    with pytest.raises(gs.SubgraphError, match=f"(?s)is not a safetensors file.*({text}).*save it again. Nothing was"):
        gs.load(path)


@pytest.mark.parametrize("length", [2**63, 2**40, 100_000_001, 3])
def test_header_longer_than_the_file_is_refused(tmp_path: Path, length: int) -> None:
    (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", length) + b"{}")
    with pytest.raises(gs.SubgraphError, match="(?s)is to have|not a safetensors"):
        gs.load(tmp_path / "x.safetensors")


def test_truncated_or_longer_file_is_refused_at_every_length(tmp_path: Path) -> None:
    whole = written(tmp_path / "x", {"a": np.ones((2, 3), "float32"), "b": np.ones(5, "int8")}).read_bytes()
    for length in range(len(whole)):
        (tmp_path / "x").write_bytes(whole[:length])
        with pytest.raises(gs.SubgraphError, match="is not a safetensors file"):
            open_safetensors_file(str(tmp_path / "x"))
    (tmp_path / "x").write_bytes(whole + b"\0")
    with pytest.raises(gs.SubgraphError, match="end at byte"):
        open_safetensors_file(str(tmp_path / "x"))


@given(st.data())
def test_flipped_bit_of_the_header_is_refused_or_changes_what_it_says(tmp_path_factory: Any, data: Any) -> None:
    folder = tmp_path_factory.mktemp("flip")
    whole = bytearray(written(folder / "x", {"a": np.ones((2, 3), "float32"), "b": np.ones(5, "int8")}).read_bytes())
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    (folder / "x").write_bytes(whole)
    try:
        values = open_safetensors_file(str(folder / "x"))
    except gs.SubgraphError:
        return
    assert sum(array.nbytes for array in values.values()) == 29


def test_small_floats_that_numpy_lacks_are_listed_and_refused_when_read(tmp_path: Path) -> None:
    header = {"a": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}, "b": {**ENTRY, "data_offsets": [2, 10]}}
    values = gs.load(raw(tmp_path / "x.safetensors", header, b"\0" * 10))
    assert values["b"].tolist() == [0, 0]
    with pytest.raises(gs.SubgraphError, match="(?s)'a' in .*float8_e4m3, which NumPy does not have.*nothing was"):
        values["a"]


@pytest.mark.parametrize(("name", "dtype"), [("__metadata__", "float32"), ("a", "complex128"), ("a", "str96")])
def test_what_the_format_cannot_take_is_not_written(tmp_path: Path, name: str, dtype: str) -> None:
    with pytest.raises(gs.SubgraphError, match="(?s)cannot stand in a safetensors file.*nothing was written"):
        write_safetensors(str(tmp_path / "x"), {name: Header((1,), dtype)}, dict)
    assert list(tmp_path.iterdir()) == []


def folder_of(path: Path, weight_map: Any) -> Path:
    written(path / "one.safetensors", {"a": np.ones(2, "float32"), "c": np.zeros(1, "int8")})
    written(path / "two.safetensors", {"b": np.arange(3, dtype="float32")})
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return path


def test_model_in_several_files_is_one_mapping_in_the_order_of_its_list(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, {"b": "two.safetensors", "a": "one.safetensors"})
    for path in (folder, folder / "model.safetensors.index.json"):
        values = gs.load(path)
        assert {name: a.tolist() for name, a in values.items()} == {"b": [0, 1, 2], "a": [1, 1]}
        assert list(values) == ["b", "a"]


@pytest.mark.parametrize(
    ("weight_map", "text"),
    [
        ({"a": "../one.safetensors"}, r"lists '\.\./one\.safetensors', which is no safetensors file in its folder"),
        ({"a": "/etc/passwd"}, "no safetensors file in its folder"),
        ({"a": "..\\one.safetensors"}, "no safetensors file in its folder"),
        ({"a": ".."}, "no safetensors file in its folder"),
        ({"a": "pytorch_model.bin"}, "no safetensors file in its folder"),
        ({"a": 3}, "no 'weight_map'"),
        (None, "no 'weight_map'"),
        ({"b": "one.safetensors"}, "1 of 1 arrays that .* are not where it says: 'b'"),
        ({"a": "three.safetensors"}, "no file .*three"),
    ],
    ids=str,
)
def test_damaged_list_of_files_is_refused(tmp_path: Path, weight_map: Any, text: str) -> None:
    with pytest.raises(gs.SubgraphError, match=f"(?is){text}.*nothing was loaded"):
        gs.load(folder_of(tmp_path, weight_map))


def test_bool_of_another_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    header = b'{"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\1\2")
    with pytest.raises(
        gs.SubgraphError, match="of dtype bool, and holds numbers besides 0 and 1.*\n  Save it as uint8"
    ):
        gs.load(path)["a"]


def test_header_as_long_as_the_magic_number_of_another_format_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(0x112)
    path.write_bytes(struct.pack("<Q", len(header)) + header + np.array([3], "<f4").tobytes())
    assert gs.load(path)["a"].tolist() == [3]
