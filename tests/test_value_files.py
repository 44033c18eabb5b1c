"""Files of arrays in every format, through the public names: loaded, bound, saved, and never unpickled."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest
import safetensors.numpy
from array_files import SAVES, numpy_of, save_npz, save_params
from array_likes import Tensor
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from samples import bits, convolutional, layers, normal, values
from snapshots import unchanged

from gluon_subgraph.readers import load_values_file
from gluon_subgraph.sources import read_weights
from gluon_subgraph.value_files import open_values_file

BFLOAT16 = np.dtype([("bfloat16", np.uint16)])
PICKLES = "(?s)is pickled, and a pickle may run any code.*weights_only=True.*safetensors.torch.save_file.*nothing was"

each_format = pytest.mark.parametrize("save", SAVES.values(), ids=SAVES)


@each_format
def test_file_loads_as_a_mapping_whatever_its_name(tmp_path: Path, save: Any) -> None:
    arrays = numpy_of(convolutional())
    save(tmp_path / "file", arrays)
    loaded = gs.load(tmp_path / "file")
    assert {n: bits(mx.nd.array(a)) for n, a in loaded.items()} == {n: bits(mx.nd.array(a)) for n, a in arrays.items()}
    assert dict(loaded.headers) == {n: (a.shape, a.dtype.name) for n, a in arrays.items()}
    assert all(isinstance(a, np.ndarray) and not a.flags.writeable for a in loaded.values())
    assert "c_conv0_weight" in loaded
    assert loaded.get("none") is None
    with pytest.raises(KeyError, match="none"):
        loaded["none"]


@each_format
def test_file_binds_by_path_and_by_mapping_and_as_half_of_a_pair(tmp_path: Path, save: Any) -> None:
    source = convolutional(seed=2)
    path = tmp_path / "file"
    save(path, numpy_of(source))
    symbol_file = tmp_path / "net-symbol.json"
    symbol_file.write_text(source(mx.sym.var("data")).tojson())
    for arrays in (path, gs.load(path), (symbol_file, path), (source(mx.sym.var("data")), gs.load(path), {})):
        target = convolutional(seed=1)
        gs.bind_params(target, arrays)
        assert values(target) == values(source)
    block = gs.load(symbol_file, params=path)
    x = normal(2, 3, 8, 8)
    assert bits(block(x)) == bits(source(x))


@each_format
def test_block_loads_parameters_of_every_format_and_naming(tmp_path: Path, save: Any) -> None:
    piece, source = (gs.extract(layers(2, seed=seed), "data", "dense1_tanh_fwd") for seed in (1, 2))
    full = {name: p.data().asnumpy() for name, p in source.params.items()}
    for prefix, cut in (("", 0), ("arg:", 0), ("", len("n_"))):
        save(tmp_path / "file", {prefix + name[cut:]: array for name, array in full.items()})
        piece.initialize(force_reinit=True)
        piece.load_parameters(str(tmp_path / "file"))
        assert values(piece) == values(source)
    save(tmp_path / "file", {name: array.astype("float64") for name, array in full.items()})
    with unchanged(piece), pytest.raises(gs.BindingError, match="(?s)in dtype.*float32 <- file float64.*nothing"):
        piece.load_parameters(str(tmp_path / "file"))
    save(tmp_path / "file", {name: array[..., :1] for name, array in full.items()})
    with unchanged(piece), pytest.raises(gs.BindingError, match=r"(?s)differs in shape.*<- file \((4, )?1,?\).*Noth"):
        piece.load_parameters(str(tmp_path / "file"))


def test_parameters_saved_as_safetensors_load_into_another_instance(tmp_path: Path) -> None:
    source, target = (gs.extract(layers(2, p, seed=i), "data", "dense1_tanh_fwd") for i, p in enumerate(("a_", "b_")))
    path = str(tmp_path / "piece.safetensors")
    source.save_parameters(path)
    assert sorted(safetensors.numpy.load_file(path)) == sorted(gs.load(path))
    assert list(gs.load(path)) == ["dense0_weight", "dense0_bias", "dense1_weight", "dense1_bias"]
    target.load_parameters(path)
    assert list(values(target).values()) == list(values(source).values())
    assert os.listdir(tmp_path) == ["piece.safetensors"]


@given(
    arrays_of.arrays(
        st.sampled_from(["float32", "float16", "float64", "int32", "int8", "uint8", "int64"]),
        arrays_of.array_shapes(min_dims=1, max_dims=4, max_side=4),
    )
)
def test_params_file_reads_as_mxnet_reads_it(tmp_path_factory: Any, array: Any) -> None:
    path = tmp_path_factory.mktemp("p") / "x.params"
    save_params(path, {"a": array, "b": array[:1]})
    loaded = gs.load(path)
    expected = {name: a.asnumpy() for name, a in mx.nd.load(str(path)).items()}
    assert [(n, a.dtype, a.shape, a.tobytes()) for n, a in loaded.items()] == [
        (n, a.dtype, a.shape, a.tobytes()) for n, a in expected.items()
    ]


def test_params_file_of_odd_arrays_reads_each_alone(tmp_path: Path) -> None:
    rows = mx.nd.sparse.row_sparse_array(([[1.0, 2], [3, 4]], [0, 2]), shape=(3, 2))
    csr = mx.nd.sparse.csr_matrix(([1.0, 2, 3], [0, 2, 1], [0, 2, 2, 3]), shape=(3, 3))
    half = mx.nd.array([1.5, -2]).astype(BFLOAT16)
    mx.nd.save(str(tmp_path / "x"), {"rows": rows, "csr": csr, "half": half})
    loaded = gs.load(tmp_path / "x")
    assert [loaded[n].stype for n in ("rows", "csr")] == ["row_sparse", "csr"]
    assert [loaded[n].asnumpy().tolist() for n in ("rows", "csr")] == [rows.asnumpy().tolist(), csr.asnumpy().tolist()]
    assert (loaded["half"].tolist(), loaded["half"].dtype) == ([1.5, -2], np.float32)
    place = {"half": mx.nd.zeros(2).astype(BFLOAT16)}
    gs.bind_params(place, loaded, ignore_extra=True)
    assert place["half"].asnumpy().tobytes() == half.asnumpy().tobytes()


def test_params_file_of_numpy_shapes(tmp_path: Path) -> None:
    with mx.util.np_shape(True), mx.util.np_array(True):
        arrays = {"scalar": mx.np.array(3.0), "empty": mx.np.zeros((0, 3)), "last": mx.np.ones(2)}
        mx.nd.waitall()
        mx.npx.save(str(tmp_path / "x"), arrays)
    assert {n: (a.shape, a.tolist()) for n, a in gs.load(tmp_path / "x").items()} == {
        "scalar": ((), 3),
        "empty": ((0, 3), []),
        "last": ((2,), [1, 1]),
    }


def test_parameters_can_be_saved_over_the_file_they_are_read_from(tmp_path: Path) -> None:
    piece = gs.extract(layers(1), "data", "dense0_fwd")
    path = str(tmp_path / "x.safetensors")
    piece.save_parameters(path)
    loaded, expected = gs.load(path), values(piece)
    first = loaded["weight"]
    piece.save_parameters(path)
    piece.load_parameters(path)
    assert values(piece) == expected
    assert first.tolist() == gs.load(path)["weight"].tolist()


def test_bfloat16_and_float16_state_dicts_bind_with_their_values() -> None:
    net = layers(1)
    for dtype, rounded in (("bfloat16", 1.0), ("float16", 1.0009765625)):
        source = {
            name: Tensor(np.full(p.shape, rounded, "float16" if dtype == "float16" else "float32"), dtype=dtype)
            for name, p in net.collect_params().items()
        }
        gs.bind_params(net, source, cast_dtype=True)
        assert {v for p in net.collect_params().values() for v in p.data().asnumpy().ravel()} == {rounded}


def folder_with(path: Path, *names: str) -> Path:
    for name in names:
        if name.endswith(".safetensors"):
            safetensors.numpy.save_file({"a": np.ones(2, "float32")}, str(path / name))
        else:
            (path / name).write_bytes(pickle.dumps({"a": 1}))
    return path


def test_huggingface_folder_reads_its_safetensors(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "model.safetensors", "pytorch_model.bin", "config.json")
    assert {n: a.tolist() for n, a in gs.load(folder).items()} == {"a": [1, 1]}
    target = {"a": mx.nd.zeros(2)}
    gs.bind_params(target, folder)
    assert target["a"].asnumpy().tolist() == [1, 1]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], r"(?s)is a folder without 'model\.safetensors' or .*It holds nothing\..*nothing was"),
        (["adapter.safetensors", "config.json"], "It holds 'adapter.safetensors', 'config.json'"),
        (["pytorch_model.bin", "config.json"], PICKLES),
        (["pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"], "00001-of-00002.bin' is pickled, and"),
    ],
    ids=str,
)
def test_folder_without_safetensors_is_refused(tmp_path: Path, names: list[str], text: str) -> None:
    folder = folder_with(tmp_path, *names)
    for read in (gs.load, lambda path: read_weights(path, "source")):
        with pytest.raises(gs.SubgraphError, match=text):
            read(folder)


class Planted:
    """What a pickle may hold."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("a pickle was loaded",)


def torch_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Planted(), 2))
        archive.writestr("archive/data/0", b"1234")


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.bin", "model.params", "model.safetensors", "x.npz"])
@pytest.mark.parametrize(
    "write",
    [torch_zip, *(lambda path, p=p: path.write_bytes(pickle.dumps(Planted(), p)) for p in range(2, 6))],
    ids=["zip", 2, 3, 4, 5],
)
def test_pickle_is_known_by_its_content_and_never_loaded(tmp_path: Path, name: str, write: Any) -> None:
    write(tmp_path / name)
    net = layers(1)
    piece = gs.extract(net, "data", "dense0_fwd")
    for read in (gs.load, lambda path: gs.bind_params(net, path), lambda path: piece.load_parameters(str(path))):
        with unchanged(net), pytest.raises(gs.SubgraphError, match=PICKLES):
            read(tmp_path / name)


def test_file_called_as_pickles_are_is_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(pickle.dumps(Planted(), 0))
    with pytest.raises(gs.SubgraphError, match=PICKLES):
        gs.load(tmp_path / "model.pt")


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"GGUF", b"text of some kind", b"\x93NUMPY\1\0v\0"])
def test_unknown_file_is_refused_with_what_is_known(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.h5").write_bytes(content)
    for read in (gs.load, lambda path: gs.match_params(layers(1), path)):
        with pytest.raises(
            gs.SubgraphError, match="(?s)is not an MXNet parameter file, nor .npz, nor .safetensors.*nothing was loaded"
        ):
            read(tmp_path / "x.h5")


@given(st.binary(max_size=99), st.sampled_from(["", ".params", ".npz", ".safetensors", ".safetensors.index.json"]))
def test_any_bytes_are_refused_or_read(tmp_path_factory: Any, content: bytes, ending: str) -> None:
    path = tmp_path_factory.mktemp("any") / f"x{ending}"
    path.write_bytes(content)
    try:
        dict(open_values_file(str(path)))
    except gs.SubgraphError:
        return
    assert content


def test_params_file_with_any_bit_flipped_is_refused_or_read_within_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.params"
    save_params(path, {"a": np.ones((2, 3), "float32"), "b": np.ones(5, "int8")})
    whole = path.read_bytes()
    for bit in range(8 * len(whole)):
        path.write_bytes(whole[: bit // 8] + bytes([whole[bit // 8] ^ 1 << bit % 8]) + whole[bit // 8 + 1 :])
        try:
            assert sum(array.size for array in gs.load(path).values()) <= len(whole)
        except gs.SubgraphError as error:
            assert "othing was loaded" in str(error)  # noqa: PT017  (most flips are not refused)


@pytest.mark.parametrize(("more", "text"), [({"epoch": 3}, "epoch=3"), ({"params": "y"}, "params='y'")])
def test_file_of_arrays_goes_with_no_second_file(tmp_path: Path, more: Any, text: str) -> None:
    save_npz(tmp_path / "x", {"a": np.ones(1)})
    with pytest.raises(gs.SubgraphError, match=f"(?s)of arrays, which {text} does not go with.*nothing was loaded"):
        gs.load(tmp_path / "x", **more)


def test_dtype_that_mxnet_lacks_loads_but_makes_no_parameter(tmp_path: Path) -> None:
    save_npz(tmp_path / "x", {"weight": np.ones((4, 4), "uint16"), "bias": np.ones(4, "uint16")})
    assert gs.load(tmp_path / "x")["bias"].dtype == np.uint16
    piece = gs.extract(layers(1), "data", "dense0_fwd")
    with unchanged(piece), pytest.raises(gs.SubgraphError, match="(?s)no arrays of dtype uint16.*nothing was loaded"):
        piece.load_parameters(str(tmp_path / "x"), cast_dtype=True)
    target = layers(1)
    gs.bind_params(target, tmp_path / "x", cast_dtype=True)
    assert {v for p in target.collect_params().values() for v in p.data().asnumpy().ravel()} == {1.0}


def test_dtype_that_mxnet_lacks_is_told_with_the_array_and_its_file(tmp_path: Path) -> None:
    save_npz(tmp_path / "x", {"weight": np.ones(4, "uint16")})
    text = r"no arrays of dtype uint16, which 'weight' of '.*x' has\.\n  Save it as float32"
    with pytest.raises(gs.SubgraphError, match=text):
        load_values_file(str(tmp_path / "x"))["weight"].read()
