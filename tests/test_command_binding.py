"""match and bind: the weights of one file in the network of another."""

from __future__ import annotations

import json
import os
from pathlib import Path

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import pytest
from command_calls import call, network, saved
from mxnet import gluon
from samples import bits, normal

WEIGHTS = "weights.safetensors"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> gluon.HybridBlock:
    """Return a network whose weights are in a file; beside it are a network of other weights, and its symbol alone."""
    monkeypatch.chdir(tmp_path)
    saved(tmp_path)
    Path("arch-symbol.json").write_bytes(Path("net-symbol.json").read_bytes())
    other = network("other_", seed=5)
    gs.extract(other, "data", "dense0_fwd").save_parameters(WEIGHTS)
    return other


@pytest.mark.parametrize("target", ["arch", "net"])
def test_bound_network_computes_what_the_source_computes(target: str, source: gluon.HybridBlock) -> None:
    result = call("bind", target, WEIGHTS, "new")
    assert (result.status, result.err) == (0, "")
    x = normal(2, 3, 8, 8)
    assert bits(gs.load("new")(x)) == bits(source(x))
    stock = gluon.SymbolBlock.imports("new-symbol.json", ["data"], "new-0000.params")
    assert bits(stock(x)) == bits(source(x))
    symbols = [json.loads(Path(name).read_text(encoding="utf-8")) for name in ("new-symbol.json", "net-symbol.json")]
    assert symbols[0]["nodes"] == symbols[1]["nodes"]
    assert "completely bound: 10 of 10 parameters" in result.out


def test_shape_of_an_input_tells_those_of_a_symbol_alone(source: gluon.HybridBlock) -> None:
    data = mx.sym.var("data")
    dense = mx.sym.FullyConnected(mx.sym.FullyConnected(data, num_hidden=3, name="a"), num_hidden=2, name="b")
    mx.sym.SoftmaxOutput(dense, name="softmax").save("plain-symbol.json")
    arrays = {"x_weight": normal(3, 4), "x_bias": normal(3), "y_weight": normal(2, 3), "y_bias": normal(2)}
    mx.nd.save("plain.params", arrays)
    result = call("bind", "plain", "plain.params", "new", "--shape", "data=1,4")
    assert (result.status, result.err) == (0, "")
    assert gs.load("new")(normal(5, 4)).shape == (5, 2)
    symbols = [json.loads(Path(name).read_text(encoding="utf-8")) for name in ("new-symbol.json", "plain-symbol.json")]
    assert symbols[0]["nodes"] == symbols[1]["nodes"]
    assert "Nearest: 'data'" in call("match", "plain", "plain.params", "--shape", "dta=1,4").err
    assert "Leave it out" in call("match", "net", WEIGHTS, "--shape", "data=1,3,8,8").err


@pytest.mark.parametrize("out", ["new.params", "new.safetensors"])
def test_out_with_the_name_of_a_parameter_file_is_that_file_alone(out: str, source: gluon.HybridBlock) -> None:
    before = set(os.listdir())
    result = call("bind", "arch", WEIGHTS, out, "--json")
    data = json.loads(result.out)
    assert (data["files"], data["bytes"], data["unset"]) == ([out], os.path.getsize(out), [])
    assert data["complete"] is True
    assert set(os.listdir()) - before == {out}
    x = normal(2, 3, 8, 8)
    assert bits(gs.load("arch", params=out)(x)) == bits(source(x))


def test_file_of_arrays_as_target_keeps_its_names(source: gluon.HybridBlock) -> None:
    assert call("bind", "net-0000.params", WEIGHTS, "new.params").status == 0
    new, old = gs.load("new.params"), gs.load("net-0000.params")
    assert list(new) == list(old)
    assert new["arg:n_conv0_weight"].tolist() == source[0].weight.data().asnumpy().tolist()
    wrong = call("bind", "net-0000.params", WEIGHTS, "new")
    assert wrong.status == 2
    assert "Give an OUT that ends in .params or .safetensors" in wrong.err


def test_match_says_what_match_params_says(source: gluon.HybridBlock) -> None:
    pair = ("net-symbol.json", "net-0000.params")
    plan = gs.match_params(pair, WEIGHTS)
    read = f"read net-symbol.json, net-0000.params, {WEIGHTS}"
    assert call("match", "net", WEIGHTS) == (0, f"{read}\n{plan.table()}\n", "")
    data = json.loads(call("match", "net", WEIGHTS, "--json").out)
    assert (data["mapping"], data["evidence"], data["transforms"]) == (plan.mapping, plan.evidence, plan.transforms)
    assert data["complete"] is True
    assert json.loads(call("match", "arch", WEIGHTS, "--json").out)["mapping"] == plan.mapping


@pytest.fixture
def short(source: gluon.HybridBlock) -> str:
    """Return a file that lacks the head, and has something else."""
    arrays = dict(gs.load(WEIGHTS))
    del arrays["dense0_bias"], arrays["dense0_weight"]
    mx.nd.save("short.params", {name: mx.nd.array(value) for name, value in {**arrays, "odd": normal(7)}.items()})
    return "short.params"


def test_open_binding_is_status_1_and_nothing_is_written(short: str) -> None:
    before = sorted(os.listdir())
    for command in (["match", "net", short], ["bind", "net", short, "new"]):
        result = call(*command)
        assert result.status == 1
        assert "missing: 2" in result.out
        assert "not completely bound" in result.out
    assert "--allow-missing loads the others" in result.err
    assert "--ignore-extra does not mind" in result.err
    data = json.loads(call("bind", "net", short, "new", "--json").out)
    assert (data["files"], data["complete"], list(data["missing"])) == ([], False, ["n_dense0_weight", "n_dense0_bias"])
    assert data["extra"] == ["odd"]
    assert sorted(os.listdir()) == before


def test_what_is_missing_keeps_the_value_it_has_or_is_named(short: str, source: gluon.HybridBlock) -> None:
    allowed = ["--allow-missing", "--ignore-extra"]
    assert call("bind", "net", short, "new", *allowed).status == 0
    new, old = gs.load("new-0000.params"), gs.load("net-0000.params")
    assert new["arg:n_dense0_weight"].tolist() == old["arg:n_dense0_weight"].tolist()
    assert new["arg:n_conv1_bias"].tolist() == source[3].bias.data().asnumpy().tolist()
    result = call("bind", "arch", short, "bare", *allowed)
    assert "without a value, and not written: 'n_dense0_weight', 'n_dense0_bias'" in result.out
    assert set(gs.load("bare-0000.params")) == set(new) - {"arg:n_dense0_weight", "arg:n_dense0_bias"}
    skipped = call("bind", "net", short, "new", "--ignore-extra", "--skip", "*dense0*", "--json")
    assert json.loads(skipped.out)["skipped"] == ["n_dense0_weight", "n_dense0_bias"]
    for options, status in [([], 1), (["--ignore-extra"], 0)]:
        assert call("match", "net", short, "--skip", "*dense0*", *options).status == status
    assert skipped.status == 0


def test_pair_decides(source: gluon.HybridBlock) -> None:
    arrays = {name: mx.nd.array(value) for name, value in gs.load(WEIGHTS).items()}
    arrays["xyz"] = arrays.pop("dense0_bias") + 1
    mx.nd.save("odd.params", arrays)
    decided = ["--pair", "n_dense0_bias=xyz", "--pair", "n_dense0_weight=dense0_weight"]
    result = call("bind", "net", "odd.params", "new", *decided)
    assert result.status == 0
    assert gs.load("new-0000.params")["arg:n_dense0_bias"].tolist() == arrays["xyz"].asnumpy().tolist()
    twice = call("match", "net", "odd.params", "--pair", "n_dense0_bias=xyz", "--pair", "n_dense0_bias=conv0_bias")
    assert (twice.status, twice.out) == (2, "")
    assert "names two sources for 'n_dense0_bias'" in twice.err


@pytest.mark.parametrize("target", ["arch", "net"])
def test_dtype_is_that_of_the_target_if_it_has_one(target: str, source: gluon.HybridBlock) -> None:
    half = {name: mx.nd.array(value).astype("float16") for name, value in gs.load(WEIGHTS).items()}
    mx.nd.save("half.params", half)
    plain, cast = (
        call("bind", target, "half.params", "new"),
        call("bind", target, "half.params", "cast", "--cast-dtype"),
    )
    assert (plain.status, cast.status) == ((0, 0) if target == "arch" else (1, 0))
    assert ("--cast-dtype converts" in plain.err) == (target == "net")
    assert {header.dtype for header in gs.load("cast-0000.params").headers.values()} == {"float32"}


def test_other_shapes_are_refused_left_or_overlaid(source: gluon.HybridBlock) -> None:
    arrays = {name: mx.nd.array(value) for name, value in gs.load(WEIGHTS).items()}
    arrays["dense0_bias"], arrays["dense0_weight"] = normal(3), normal(3, 6)
    mx.nd.save("three.params", arrays)
    decided = ["--pair", "n_dense0_bias=dense0_bias", "--pair", "n_dense0_weight=dense0_weight"]
    assert call("bind", "net", "three.params", "new", *decided).status == 2
    old = gs.load("net-0000.params")["arg:n_dense0_bias"].tolist()
    for way, bias in [("skip", old), ("overlap", arrays["dense0_bias"].asnumpy().tolist() + old[3:])]:
        assert call("bind", "net", "three.params", way, "--on-shape-mismatch", way, *decided).status == 0
        assert gs.load(f"{way}-0000.params")["arg:n_dense0_bias"].tolist() == bias


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("way", ["error", "skip", "overlap"])
def test_match_answers_as_bind_does_where_shapes_differ(way: str, dtype: str, source: gluon.HybridBlock) -> None:
    arrays = {name: mx.nd.array(value) for name, value in gs.load(WEIGHTS).items()}
    arrays["dense0_bias"], arrays["dense0_weight"] = normal(3).astype(dtype), normal(3, 6)
    mx.nd.save("three.params", arrays)
    options = [
        "--on-shape-mismatch",
        way,
        "--pair",
        "n_dense0_bias=dense0_bias",
        "--pair",
        "n_dense0_weight=dense0_weight",
    ]
    match, bind = call("match", "net", "three.params", *options), call("bind", "net", "three.params", "new", *options)
    assert match.status == bind.status == {"error": 2, "skip": 0}.get(way, 0 if dtype == "float32" else 1)
    if way == "error":
        assert "give --on-shape-mismatch overlap" in match.err
        return
    assert "was copied" not in match.out
    assert ("the leading (3, 6) was copied" in bind.out) == (way == "overlap" and bind.status == 0)
    data = json.loads(call("match", "net", "three.params", *options, "--json").out)
    copied = {"n_dense0_weight": [3, 6], "n_dense0_bias": [3]}
    assert data["overlapped"] == (copied if way == "overlap" else {})


def test_neither_side_is_overwritten(source: gluon.HybridBlock) -> None:
    os.mkdir("folder")
    os.rename(WEIGHTS, "folder/model.safetensors")
    before = {
        name: Path(name).read_bytes() for name in ("net-symbol.json", "net-0000.params", "folder/model.safetensors")
    }
    for out in ("net", "net-symbol.json", "net-0000.params", "folder/model.safetensors"):
        result = call("bind", "net", "folder", out)
        assert (result.status, result.out) == (2, "")
        assert "which is read" in result.err
    assert {name: Path(name).read_bytes() for name in before} == before
    assert call("bind", "net", "folder", "new").status == 0
