"""Symbol JSON there and back: nothing is lost, and nothing that MXNet would choke on gets through."""

from __future__ import annotations

import gluon_subgraph as gs

# isort: split
import json

import mxnet as mx
import numpy as np
import pytest
from random_graphs import node_of, random_network, stock_block, values_of_entries

from gluon_subgraph.codec import dump_json, graph_of_symbol, json_of_symbol, symbol_of_graph
from gluon_subgraph.errors import SubgraphError
from gluon_subgraph.graph import Entry, Graph, post_order

CONTROL = "".join(map(chr, (1, 2, 7, 8, 9, 10, 12, 13, 27, 31, 127, 0x85, 0x2028)))
NAMES = [
    "a$b",
    "model/conv.1:0(x)",
    "42",
    "größe",
    "层/conv:0",
    'say "a"',
    "it's",
    "back\\slash",
    "\\u0041",
    "\\",
    "a\\",
    "tab\there",
    CONTROL,
    "😀",
    "{0}",
]


def relu_named(name: str) -> mx.sym.Symbol:
    return mx.sym.relu(mx.sym.relu(mx.sym.var("data"), name="first"), name=name)


@pytest.mark.parametrize("name", NAMES)
def test_round_trip_odd_name_comes_back_as_it_was(name: str) -> None:
    graph = graph_of_symbol(relu_named(name) + mx.sym.var(name + "v"))
    assert [n.name for n in graph.nodes] == ["data", "first", name, name + "v", "_plus0"] or graph.nodes[2].name == name
    symbol = symbol_of_graph(graph)
    assert graph_of_symbol(symbol) == graph
    assert symbol.list_arguments() == ["data", name + "v"]


@pytest.mark.parametrize("name", NAMES)
def test_dump_json_odd_name_is_the_same_json(name: str) -> None:
    text = dump_json({"name": name, "list": [name, name]})
    assert json.loads(text, strict=False) == {"name": name, "list": [name, name]}


@pytest.mark.parametrize("name", NAMES)
def test_extract_odd_name_computes_the_same(name: str) -> None:
    symbol = mx.sym.FullyConnected(relu_named(name), num_hidden=3, name=name + "_fc")
    values = {name + "_fc_weight": mx.nd.ones((3, 4)), name + "_fc_bias": mx.nd.arange(3)}
    x = mx.nd.array(np.random.RandomState(0).randn(2, 4))
    piece = gs.extract((symbol, values, {}), "first", name + "_fc")
    whole = gs.extract((symbol, values, {}), "data", name + "_fc")
    assert np.array_equal(piece(mx.nd.relu(x)).asnumpy(), whole(x).asnumpy())
    assert set(piece.collect_params()) == set(values)


@pytest.mark.parametrize("repeat_names", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_round_trip_random_symbol_computes_the_same(seed: int, *, repeat_names: bool) -> None:
    network = random_network(seed, repeat_names=repeat_names)
    graph = graph_of_symbol(network.symbol)
    symbol = symbol_of_graph(graph)
    assert graph_of_symbol(symbol) == graph
    assert post_order(graph) == list(range(len(graph)))
    assert [o for n in graph.nodes for o in n.outputs] == network.symbol.get_internals().list_outputs()
    assert symbol.list_outputs() == network.symbol.list_outputs()
    before, after = values_of_entries(network), values_of_entries(network._replace(symbol=symbol))
    assert len(before) == len(after)
    assert all(np.array_equal(a, b) for a, b in zip(before, after))


def test_graph_of_symbol_counts_visible_and_hidden_outputs() -> None:
    x = mx.sym.BatchNorm(mx.sym.var("data"), name="bn")
    x = mx.sym.FullyConnected(x, name="bn_fc", num_hidden=4)
    x = mx.sym.Dropout(x, name="drop")
    x = mx.sym.SliceChannel(x, num_outputs=2, name="cut")[1]
    x = mx.sym.BatchNorm(x, name="open", output_mean_var=True)[1]
    x = mx.sym.topk(mx.sym.LayerNorm(x, name="ln"), ret_typ="both", name="top")
    described = {n.name: (n.outputs, n.hidden) for n in graph_of_symbol(x).nodes if not n.is_variable}
    assert described == {
        "bn": (("bn_output",), 2),
        "bn_fc": (("bn_fc_output",), 0),
        "drop": (("drop_output",), 1),
        "cut": (("cut_output0", "cut_output1"), 0),
        "open": (("open_output", "open_mean", "open_var"), 0),
        "ln": (("ln_output",), 2),
        "top": (("top_output0", "top_output1"), 0),
    }


def test_graph_of_symbol_variables_of_one_name_are_merged() -> None:
    tower = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=4, name="fc")
    towers = mx.sym.Group([mx.sym.load_json(json_of_symbol(tower)) for _ in range(2)])
    assert towers.list_arguments().count("fc_weight") == 2
    graph = graph_of_symbol(towers)
    assert [n.name for n in graph.nodes] == ["data", "fc_weight", "fc_bias", "fc", "fc"]
    assert symbol_of_graph(graph).list_arguments() == ["data", "fc_weight", "fc_bias"]


def test_symbol_of_graph_keeps_the_version_and_with_it_the_axis_of_argmax() -> None:
    symbol = mx.sym.argmax(mx.sym.relu(mx.sym.var("data"), name="first"), axis=-1, name="arg")
    graph = graph_of_symbol(symbol)
    assert graph.attrs["mxnet_version"] == ["int", 10901]
    piece = gs.extract((symbol, {}, {}), "first", "arg")
    x = mx.nd.array([[1, 5, 2], [7, 0, 3]])
    assert piece(x).asnumpy().tolist() == [1, 0]


def test_json_of_symbol_keeps_amp_casts() -> None:
    cast = mx.sym.amp_cast(mx.sym.var("data"), dtype="float16", name="cast")
    symbol = mx.sym.relu(cast, name="r")
    assert '"amp_cast"' in json_of_symbol(symbol)
    assert '"amp_cast"' not in symbol.tojson()
    piece = gs.extract((symbol, {}, {}), "data", "r")
    assert piece(mx.nd.ones(2)).dtype == np.float16


def test_symbol_of_graph_user_attributes_survive() -> None:
    with mx.AttrScope(ctx_group="stage1", __my_note__="kept"):
        x = mx.sym.FullyConnected(mx.sym.var("data", lr_mult=3.0), num_hidden=2, name="fc")
    symbol = mx.sym.relu(x, name="r")
    piece = gs.extract_symbol(symbol, "data", "r")
    assert piece.attr_dict()["fc"]["ctx_group"] == "stage1"
    assert piece.attr_dict()["fc"]["__my_note__"] == "kept"
    assert piece.attr_dict()["data"]["__lr_mult__"] == "3.0"


def test_symbol_of_graph_what_mxnet_refuses_is_quoted() -> None:
    graph = Graph((node_of("null", "x"), node_of("relu_of_mars", "r", [0])), (Entry(1),))
    with pytest.raises(SubgraphError, match="(?s)MXNet refuses the subgraph.*relu_of_mars"):
        symbol_of_graph(graph)


@pytest.mark.parametrize("outputs", [(Entry(1, 1),), (Entry(2, 3),)])
def test_graph_of_symbol_damaged_head_is_refused_before_it_crashes(outputs: tuple[Entry, ...]) -> None:
    nodes = (node_of("null", "x"), node_of("relu", "r", [0]), node_of("split", "s", [1], visible=2, num_outputs="2"))
    symbol = symbol_of_graph(Graph(nodes, outputs))
    with pytest.raises(SubgraphError, match=r"the symbol returns output \d of '[rs]'"):
        graph_of_symbol(symbol)


def test_graph_of_symbol_names_at_which_attr_dict_fails_are_read() -> None:
    symbol = mx.sym.Activation(mx.sym.var("data"), act_type="relu", name="x$y")
    with pytest.raises(ValueError, match="too many values to unpack"):
        symbol.attr_dict()
    graph = graph_of_symbol(symbol)
    assert [n.name for n in graph.nodes] == ["data", "x$y"]
    assert graph_of_symbol(symbol_of_graph(graph)) == graph


def test_stock_block_and_piece_of_a_reloaded_symbol_agree() -> None:
    network = random_network(5)
    values = {**network.arg_params, **network.aux_params}
    whole = stock_block(network.symbol, list(network.inputs), values)
    reloaded = mx.sym.load_json(json_of_symbol(symbol_of_graph(graph_of_symbol(network.symbol))))
    again = stock_block(reloaded, list(network.inputs), values)
    one, two = whole(*network.inputs.values()), again(*network.inputs.values())
    one, two = ([r] if isinstance(r, mx.nd.NDArray) else r for r in (one, two))
    assert [a.asnumpy().tobytes() for a in one] == [b.asnumpy().tobytes() for b in two]
