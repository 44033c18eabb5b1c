"""A SubgraphBlock behaves as a Gluon block does: called, hybridized, nested, cast, exported, cut again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon
from samples import CUTS, Fork, Residual, bits, convolutional, initialised, layers, normal, same, values
from snapshots import unchanged

nn = gluon.nn
X = (2, 4, 8, 8)  # the shape at CUTS[0]


def _piece(net: Any = None) -> gs.SubgraphBlock:
    return gs.extract(net or convolutional(), *CUTS)


def test_block_is_a_symbol_block_of_its_symbol() -> None:
    net = convolutional()
    piece = _piece(net)
    assert isinstance(piece, gluon.SymbolBlock)
    assert (piece.input_names, piece.output_names) == (("c_batchnorm0_fwd_output",), ("c_dropout0_fwd_output",))
    assert piece.symbol.list_inputs() == [*piece.input_names, *piece.params.keys()]
    assert gs.extract(net, "data", "relu0_fwd").input_names == ("data",)


STRUCTURES = {
    "name": ("split", mx.nd.NDArray, 2),
    "single": ("dense0_fwd", mx.nd.NDArray, 1),
    "list of one": (["dense0_fwd"], list, 1),
    "list": (["dense0_fwd", ("split", 1)], list, 2),
    "dict": ({"right": ("split", 1), "left": ("split", 0)}, list, 2),
    "twice the same": ([("split", 0), ("split", 0)], list, 2),
}


@pytest.mark.parametrize(("outputs", "kind", "count"), STRUCTURES.values(), ids=STRUCTURES)
def test_outputs_come_in_the_structure_they_were_asked_for(outputs: Any, kind: type, count: int) -> None:
    net = initialised(Fork(prefix="f_"))
    if outputs == "split":
        with pytest.raises(gs.UnknownNodeError, match="may mean 2 tensors"):
            gs.extract(net, "data", outputs)
        return
    piece = gs.extract(net, "data", outputs)
    result = piece(normal(3, 3))
    assert type(result) is kind
    assert len(result if kind is list else [result]) == count
    assert type(piece(mx.sym.var("x"))) is (list if kind is list else mx.sym.Symbol)


def test_outputs_in_another_order_are_those_of_the_net() -> None:
    net = initialised(Fork(prefix="f_"))
    piece = gs.extract(net, "data", {"right": ("split", 1), "left": ("split", 0)})
    assert piece.output_names == ("right_output", "left_output")
    assert same(piece(normal(3, 3)), net(normal(3, 3))[::-1])


@pytest.mark.parametrize(
    "given",
    [[], [mx.nd.ones(X)] * 2, [[mx.nd.ones(X)]], [np.ones(X, "float32")], [3]],
    ids=["none", "two", "a list", "numpy", "a number"],
)
def test_wrong_inputs_are_refused(given: list[Any]) -> None:
    with pytest.raises(gs.SubgraphError, match=rf"the block takes 1 input, {len(given)} were given"):
        _piece()(*given)


def test_wrong_inputs_of_several_kinds_are_refused() -> None:
    piece = gs.extract(convolutional(), ["relu0_fwd", "body_conv0_fwd"], "dropout0_fwd")
    with pytest.raises(gs.SubgraphError, match=r"(?s)takes 2 inputs, 2 were given: 'NDArray', 'Symbol'.*in this order"):
        piece(normal(*X), mx.sym.var("x"))


def test_new_batch_sizes_and_image_sizes_run_after_hybridize() -> None:
    net = convolutional()
    piece, front = _piece(net), gs.extract(net, "data", CUTS[0])
    for flags in ({}, {"static_alloc": True}, {"static_alloc": True, "static_shape": True}):
        piece.hybridize(**flags)
        for shape in [(1, 3, 8, 8), (5, 3, 8, 8), (2, 3, 16, 4), (1, 3, 8, 8)]:
            tail = gs.extract(net, CUTS[1], "dense0_fwd")
            assert same(tail(piece(front(normal(*shape)))), net(normal(*shape)))


def test_hybridize_with_a_backend_and_back_restores_the_graph() -> None:
    net = convolutional()
    piece, x = _piece(net), normal(*X)
    graph, expected = piece.symbol.tojson(), piece(x)
    piece.hybridize(backend="MKLDNN")
    fused = piece(x)
    assert np.allclose(fused.asnumpy(), expected.asnumpy(), atol=1e-5)  # a backend may round otherwise
    assert "_sg_mkldnn_conv" in piece._cached_graph[1].tojson()
    assert piece.symbol.tojson() == graph
    piece.hybridize()
    assert piece._cached_graph[1].tojson() == graph
    assert same(piece(x), expected)
    with autograd.record():
        loss = piece(x).sum()
    loss.backward()
    assert net[3].body[0].weight.grad().asnumpy().any()


def test_hybridize_of_a_stock_symbol_block_with_a_backend_cannot_be_undone() -> None:
    piece, x = _piece(), normal(*X)
    stock = gluon.SymbolBlock(piece.symbol, mx.sym.var(piece.input_names[0]), piece.collect_params())
    stock.hybridize(backend="MKLDNN")
    stock(x)
    stock.hybridize()
    assert "_sg_mkldnn_conv" in stock._cached_graph[1].tojson()


def test_export_after_a_backend_writes_the_graph_as_it_was(tmp_path: Path) -> None:
    piece = _piece()
    piece.hybridize(backend="MKLDNN")
    piece(normal(*X))
    piece.export(str(tmp_path / "p"))
    assert "_sg_mkldnn" not in (tmp_path / "p-symbol.json").read_text()
    assert set(mx.nd.load(str(tmp_path / "p-0000.params"))) == {
        f"{'aux' if 'running' in n else 'arg'}:{n}" for n in piece.params
    }


def _parent(kind: str, *pieces: gs.SubgraphBlock) -> gluon.HybridBlock:
    if kind == "Residual":
        return Residual(pieces[0], prefix="p_")
    parent = nn.HybridSequential(prefix="p_")
    parent.add(*pieces)
    return parent


@pytest.mark.parametrize("hybridize", [None, {}, {"static_alloc": True, "static_shape": True}], ids=str)
def test_nested_in_a_parent_it_computes_the_net(hybridize: Any) -> None:
    net = convolutional()
    parent = _parent("sequential", *(gs.extract(net, *c) for c in [("data", CUTS[0]), CUTS, (CUTS[1], "dense0_fwd")]))
    if hybridize is not None:
        parent.hybridize(**hybridize)
    assert same(parent(normal(3, 3, 8, 8)), net(normal(3, 3, 8, 8)))
    assert values(parent) == values(net)


def _exported_once(parent: gluon.HybridBlock, x: Any, path: Path) -> gluon.SymbolBlock:
    """Export a parent, check that Module takes it, and return it imported by stock Gluon."""
    parent.hybridize()
    expected = parent(x)
    parent.export(str(path))
    symbol, arguments, auxiliary = mx.model.load_checkpoint(str(path), 0)
    assert len(set(symbol.list_inputs())) == len(symbol.list_inputs())
    module = mx.mod.Module(symbol, label_names=None)
    module.bind([("data", x.shape)], for_training=False)
    module.set_params(arguments, auxiliary)
    module.forward(mx.io.DataBatch([x]), is_train=False)
    assert same(module.get_outputs()[0], expected)
    block = gluon.SymbolBlock.imports(f"{path}-symbol.json", ["data"], f"{path}-0000.params")
    assert same(block(x), expected)
    return block


@pytest.mark.parametrize("kind", ["sequential", "Residual"])
def test_parent_exports_with_each_variable_once(kind: str, tmp_path: Path) -> None:
    piece = gs.extract(layers(), "dense0_fwd", "dense2_fwd")
    block = _exported_once(_parent(kind, piece), normal(3, 4), tmp_path / "p")
    assert list(block.params.keys()) == list(piece.params.keys())


def test_parent_that_uses_one_piece_twice_exports_with_each_variable_once(tmp_path: Path) -> None:
    net = layers()
    piece = gs.extract(net, "dense0_fwd", "dense2_fwd")
    parent, x = _parent("sequential", piece, piece), normal(3, 4)
    assert same(parent(x), piece(piece(x)))
    block = _exported_once(parent, x, tmp_path / "p")
    assert list(block.params.keys()) == list(piece.params.keys())


def test_parent_of_two_pieces_that_share_a_parameter_exports_it_once(tmp_path: Path) -> None:
    net = layers()
    parent = _parent("sequential", gs.extract(net, "dense0_fwd", "dense2_fwd"), gs.extract(net, net[2]))
    block = _exported_once(parent, normal(3, 4), tmp_path / "p")
    assert sorted(block.params.keys()) == sorted(n for n in net.collect_params() if "dense1" in n or "dense2" in n)
    assert parent.collect_params()["n_dense2_weight"] is net[2].weight


def test_parent_with_a_piece_and_the_net_s_own_block_shares_too() -> None:
    net = layers(2)
    parent = _parent("sequential", net, gs.extract(net, net[1]))
    parent.hybridize()
    with autograd.record():
        loss = parent(normal(2, 4)).sum()
    loss.backward()
    symbol = parent(mx.sym.var("data"))
    assert sorted(symbol.list_inputs()) == sorted(["data", *net.collect_params().keys()])


@pytest.mark.parametrize("name", ["name", "self", "attr", "data0", "öl"])
def test_input_of_any_name_takes_symbols(name: str) -> None:
    piece = gs.extract(layers(), {name: "dense0_fwd"}, "dense1_fwd")
    assert piece.input_names == (name,)
    assert piece(mx.sym.var("x")).list_inputs() == ["x", *piece.params.keys()]
    assert piece(normal(1, 4)).shape == (1, 4)


@pytest.mark.parametrize("hybridize", [False, True])
def test_extract_of_an_extract_is_the_extract(hybridize: bool) -> None:
    net = convolutional()
    outer = gs.extract(net, "c_conv0_fwd", "c_pool0_fwd")
    if hybridize:
        outer.hybridize()
        outer(normal(*X))
    with unchanged(outer):
        inner = gs.extract(outer, "c_batchnorm0_fwd", "c_dropout0_fwd")
    direct = gs.extract(net, "c_batchnorm0_fwd", "c_dropout0_fwd")
    assert (inner.graph, inner.input_names, inner.output_names) == (
        direct.graph,
        direct.input_names,
        direct.output_names,
    )
    assert [inner.params[n] is p for n, p in direct.params.items()] == [True] * 6
    again = gs.extract(inner, list(inner.input_names), list(inner.output_names))
    assert (again.graph, bits(again(normal(*X))[0])) == (inner.graph, bits(inner(normal(*X))))


def test_block_paths_survive_extract_of_extract_and_nesting() -> None:
    net = convolutional()
    piece = _piece(net)
    paths = {n.name: n.path for n in piece.graph.nodes if not n.is_variable}
    assert paths["c_body_conv0_fwd"] == "3.body.0"
    parent = Residual(piece, prefix="p_")
    assert {n.name: n.path for n in gs.list_nodes(parent) if n.op != "input"} == {
        **{name: f"body.{path}" for name, path in paths.items()},
        "p__plus0": "",
    }
    inner = gs.extract(parent, "c_relu0_fwd", "c_sum__plus0")
    assert {n.name: n.path for n in inner.graph.nodes if not n.is_variable} == {
        n: f"body.{p}" for n, p in paths.items() if p.startswith("3")
    }


@pytest.mark.parametrize("dtype", ["float99", "complex64", [1], object], ids=str)
def test_cast_to_what_is_no_dtype_changes_nothing(dtype: Any) -> None:
    piece = _piece()
    before = values(piece)
    with pytest.raises(gs.SubgraphError, match=r"(?s)^dtype=.* is no dtype of MXNet.*nothing was changed"):
        piece.cast(dtype)
    assert values(piece) == before
