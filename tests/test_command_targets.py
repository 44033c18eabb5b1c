"""The TARGET of match and bind: what lacks a value, which dtype and shape it gets, and which files belong together."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest
from command_calls import call, network, saved
from samples import bits, normal

from gluon_subgraph.lazy_values import Header
from gluon_subgraph.safetensors_file import write_safetensors

NORM = ("gamma", "beta", "running_mean", "running_var")


@pytest.fixture
def values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the values of another network than that of the files `net` and, a symbol alone, `arch`."""
    monkeypatch.chdir(tmp_path)
    saved(tmp_path)
    Path("arch-symbol.json").write_bytes(Path("net-symbol.json").read_bytes())
    other = network("other_", seed=5)
    return {name: p.data().asnumpy() for name, p in other.collect_params().items()}


def _write(file: str, arrays: dict[str, Any], dtype: str | None = None) -> str:
    """Write arrays, as bfloat16 too: the upper half of a float32."""
    stored = {}
    for name, array in arrays.items():
        short = (np.ascontiguousarray(array).view("uint32") >> 16).astype("uint16") if dtype == "bfloat16" else array
        stored[name] = short if dtype in (None, "bfloat16") else array.astype(dtype)
    headers = {name: Header(a.shape, dtype or str(a.dtype)) for name, a in stored.items()}
    write_safetensors(file, headers, lambda name: stored[name])
    return file


def _dtypes(file: str) -> dict[str, str | None]:
    return {name: header.dtype for name, header in gs.load(file).headers.items()}


@pytest.mark.parametrize("is_transposed", [False, True])
@pytest.mark.parametrize("options", [[], ["--cast-dtype"]])
def test_bfloat16_is_bound_to_a_symbol_alone_as_float32(
    options: list[str], is_transposed: bool, values: dict[str, Any]
) -> None:
    arrays = {name: a.T if is_transposed and a.ndim == 2 else a for name, a in values.items()}
    source = _write("b.safetensors", arrays, "bfloat16")
    result = call("bind", "arch", source, "new", *options)
    assert (result.status, result.err) == (0, "")
    assert set(_dtypes("new-0000.params").values()) == {"float32"}
    given, new = gs.load(source), gs.load("new-0000.params")
    wanted = given["other_dense0_weight"]
    assert new["arg:n_dense0_weight"].tolist() == (wanted.T if is_transposed else wanted).tolist()


def test_float16_leaves_what_normalisation_needs_in_float32(values: dict[str, Any]) -> None:
    source = _write("h.safetensors", values, "float16")
    assert call("bind", "arch", source, "new").status == 0
    for name, dtype in _dtypes("new-0000.params").items():
        assert dtype == ("float32" if name.endswith(NORM) else "float16")
    assert call("bind", "arch", source, "cast", "--cast-dtype").status == 0
    assert set(_dtypes("cast-0000.params").values()) == {"float32"}


@pytest.mark.parametrize("dtype", ["int16", "uint16"])
def test_dtype_that_mxnet_lacks_is_refused_or_converted(dtype: str, values: dict[str, Any]) -> None:
    source = _write("q.safetensors", values, dtype)
    for result in (call("bind", "arch", source, "new"), call("match", "arch", source)):
        assert (result.status, result.out) == (2, "")
        assert f"MXNet has no arrays of dtype {dtype}" in result.err
    assert not os.path.exists("new-0000.params")
    assert call("bind", "arch", source, "new", "--cast-dtype").status == 0
    assert set(_dtypes("new-0000.params").values()) == {"float32"}


def _dense_chain() -> None:
    """Save a symbol of two dense layers, of 4 and 6 units, without the shape of anything."""
    first = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=4, name="fc1")
    mx.sym.FullyConnected(mx.sym.relu(first), num_hidden=6, name="fc2").save("two-symbol.json")


@pytest.mark.parametrize("pairs", [[], ["fc1_weight=fc1_weight"], ["fc2_weight=fc2_weight"]])
@pytest.mark.parametrize(("first", "second"), [((3, 5), (6, 3)), ((4, 5), (6, 9)), ((3, 5), (6, 4))])
def test_shapes_that_contradict_the_graph_are_never_written(
    first: tuple[int, int], second: tuple[int, int], pairs: list[str], values: dict[str, Any]
) -> None:
    _dense_chain()
    shapes = {"fc1_weight": first, "fc1_bias": first[:1], "fc2_weight": second, "fc2_bias": (6,)}
    source = _write("x.safetensors", {name: np.ones(shape, "float32") for name, shape in shapes.items()})
    result = call("bind", "two", source, "new", *(word for pair in pairs for word in ("--pair", pair)))
    assert result.status in (1, 2)
    assert "4" in result.err
    assert not os.path.exists("new-0000.params")


def test_shape_of_an_input_has_a_word_in_what_is_bound(values: dict[str, Any]) -> None:
    _dense_chain()
    shapes = {"fc1_weight": (4, 5), "fc1_bias": (4,), "fc2_weight": (6, 4), "fc2_bias": (6,)}
    source = _write("x.safetensors", {name: np.ones(shape, "float32") for name, shape in shapes.items()})
    assert call("bind", "two", source, "new", "--shape", "data=2,5").status == 0
    assert call("bind", "two", source, "no", "--shape", "data=2,7").status in (1, 2)
    assert not os.path.exists("no-0000.params")


def test_parameters_that_the_target_file_lacks_are_bound_or_missing(values: dict[str, Any]) -> None:
    there = mx.nd.load("net-0000.params")
    mx.nd.save("net-0000.params", {name: a for name, a in there.items() if "dense0" not in name})
    whole, short = _write("all.safetensors", values), {n: a for n, a in values.items() if "dense0" not in n}
    for command in (["match", "net", whole], ["bind", "net", whole, "new"]):
        assert "completely bound: 10 of 10" in call(*command).out
    assert gs.load("new-0000.params")["arg:n_dense0_bias"].tolist() == values["other_dense0_bias"].tolist()
    _write("short.safetensors", short)
    for command in (["match", "net", "short.safetensors"], ["bind", "net", "short.safetensors", "no"]):
        result = call(*command, "--json")
        assert (result.status, list(json.loads(result.out)["missing"])) == (1, ["n_dense0_weight", "n_dense0_bias"])
    assert not os.path.exists("no-0000.params")


def test_file_that_goes_by_blocks_is_told_apart_from_another_network(values: dict[str, Any]) -> None:
    network().save_parameters("blocks.params")
    for arguments in (
        ["bind", "arch", "net", "new", "--target-params", "blocks.params"],
        ["bind", "arch", "net", "new", "--source-params", "blocks.params"],
        ["nodes", "net", "--params", "blocks.params"],
    ):
        result = call(*arguments)
        assert (result.status, result.out) == (2, "")
        assert "none of the 10 arrays of 'blocks.params' belongs to a variable of" in result.err
    assert call("bind", "arch", "blocks.params", "new").status == 0


def test_target_without_the_parameters_beside_it_is_said_with_none(values: dict[str, Any]) -> None:
    source = _write("all.safetensors", values, "float64")
    assert call("bind", "net", source, "new").status == 1
    result = call("bind", "net", source, "new", "--target-params", "none")
    assert result.status == 0
    assert result.out.startswith("read net-symbol.json, all.safetensors\n")
    wrong = call("bind", "arch", "net", "no", "--source-params", "none")
    assert (wrong.status, "they are needed here" in wrong.err) == (2, True)


@pytest.mark.parametrize("options", [[], ["--cast-dtype"], ["--ignore-extra"], ["--cast-dtype", "--ignore-extra"]])
def test_match_answers_as_bind_does(options: list[str], values: dict[str, Any]) -> None:
    source = _write("h.safetensors", {**values, "odd": normal(7).asnumpy()}, "float16")
    for target in ("net", "arch"):
        match, bind = call("match", target, source, *options), call("bind", target, source, "new", *options)
        assert match.status == bind.status
        assert ("n_conv0_bias float32 <- other_conv0_bias float16" in match.out) == (
            target == "net" and "--cast-dtype" not in options
        )
    dtypes = json.loads(call("match", "net", source, "--json").out)["dtypes"]
    assert dtypes == dict.fromkeys(
        json.loads(call("match", "net", source, "--json").out)["mapping"], dtypes["n_conv0_bias"]
    )
    assert dtypes["n_conv0_bias"] == ["float32", "float16"]


def test_square_kernel_among_transposed_ones_is_not_to_be_paired(values: dict[str, Any]) -> None:
    net = mx.gluon.nn.HybridSequential(prefix="t_")
    with net.name_scope():
        net.add(*(mx.gluon.nn.Dense(units, in_units=size) for units, size in [(4, 3), (4, 4), (2, 4)]))
    net.initialize()
    gs.extract(net, "data", "dense2_fwd").save("t")
    arrays = {f"l{i}.kernel": layer.weight.data().asnumpy().T for i, layer in enumerate(net)}
    arrays.update({f"l{i}.bias": layer.bias.data().asnumpy() for i, layer in enumerate(net)})
    _write("k.safetensors", {name: np.ascontiguousarray(a) for name, a in arrays.items()})
    result = call("bind", "t", "k.safetensors", "new", "--ignore-extra")
    assert result.status == 1
    assert "transpose 'l1.kernel' in the source, where --pair would load it as it is" in result.err
    assert "--pair '" not in result.err
    with pytest.raises(gs.BindingError, match=r"transpose 'l1\.kernel' in the source, where pairs= would load it"):
        gs.bind_params(net, "k.safetensors", ignore_extra=True)


def test_sparse_scalar_and_empty_arrays_of_a_target_are_written(values: dict[str, Any]) -> None:
    mx.nd.save("s.params", {"w": mx.nd.sparse.row_sparse_array(np.ones((3, 2), "float32")), "v": mx.nd.ones(2)})
    mx.nd.save("sv.params", {"w": mx.nd.ones((3, 2)) * 3, "v": mx.nd.ones(2) * 4})
    assert call("bind", "s.params", "sv.params", "new.params").status == 0
    new = mx.nd.load("new.params")
    assert (new["w"].stype, bits(new["w"].tostype("default"))) == ("row_sparse", bits(mx.nd.ones((3, 2)) * 3))
    with mx.util.np_shape(True):
        for file, number in (("o.params", 1), ("ov.params", 7)):
            mx.nd.save(file, {"s": mx.nd.full((), number), "e": mx.nd.zeros((0, 3)), "v": mx.nd.full((2,), number)})
    assert call("bind", "o.params", "ov.params", "odd.params").status == 0
    assert Path("odd.params").read_bytes() == Path("ov.params").read_bytes()
