"""What a user may get wrong is answered by an error that says so, and nothing else happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon
from random_graphs import node_of
from samples import layers, normal, triple
from snapshots import unchanged

from gluon_subgraph import cut as cut_module
from gluon_subgraph.cut import Cut, build_graph, walk_back
from gluon_subgraph.graph import VARIABLE, Call, Entry, Graph
from gluon_subgraph.losses import LABEL_SLOT
from gluon_subgraph.names import NameIndex

TAIL = ("n_dense0_fwd", "n_dense1_fwd")
BIAS = "n_dense1_bias"


def _dense() -> mx.sym.Symbol:
    return mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=2, name="d")


WRONG_VALUES = {
    "unknown dtype": (np.ones(4, "uint32"), "numpy.ndarray of dtype uint32.*MXNet does not have.*astype"),
    "long double": (np.ones(4, "longdouble"), "MXNet does not have.*astype.'float64'"),
    "scalar": (np.float32(3), r"float32 of shape \(\)"),
    "row_sparse": (mx.nd.ones((4, 1)).tostype("row_sparse"), "row_sparse array.*tostype"),
    "text": (np.array(["a"]), "numpy.ndarray of dtype <U1, no array of numbers"),
}


@pytest.mark.parametrize(("value", "text"), WRONG_VALUES.values(), ids=WRONG_VALUES)
def test_extract_value_that_no_parameter_can_hold_is_refused(value: Any, text: str) -> None:
    symbol, arguments, auxiliary = triple(layers())
    with pytest.raises(gs.BindingError, match=f"(?s)'{BIAS}' is a .*{text}.*nothing was changed"):
        gs.extract((symbol, {**arguments, BIAS: value}, auxiliary), *TAIL)


@pytest.mark.parametrize("name", ["\ud800", "a\0b", "", 5])
@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_extract_new_name_that_mxnet_cannot_carry_is_refused(name: Any, side: str) -> None:
    given = {"inputs": TAIL[0], "outputs": TAIL[1]}
    with pytest.raises(gs.SubgraphError, match=f"{side}: .* is no new name"):
        gs.extract(layers(), **{**given, side: {name: given[side]}})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"shapes": 5}, "shapes=5 .int. is no mapping"),
        ({"shapes": [("data", (1, 4))]}, "shapes=.* .list. is no mapping"),
        ({"shapes": {5: (1, 4)}}, "shapes names 5"),
        ({"match": 5}, "match=5 is no text"),
    ],
)
def test_list_nodes_wrong_option_is_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(gs.SubgraphError, match=f"(?s){text}.*nothing was changed"):
        gs.list_nodes(layers(), **options)


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ((_dense(), None), gs.SubgraphError, "inputs hold None .NoneType."),
        ((_dense(), [mx.sym.var("data"), 5]), gs.SubgraphError, "inputs hold 5 .int."),
        ((_dense(), "a"), gs.SubgraphError, "input 'a' is no variable of the symbol"),
        ((_dense(), [mx.sym.var("data")] * 2), gs.NameConflictError, "input 'data' is given twice"),
        ((None, mx.sym.var("data")), gs.SubgraphError, "outputs hold a NoneType"),
        (([], mx.sym.var("data")), gs.SubgraphError, "outputs are empty"),
        ((_dense(), mx.sym.var("data"), {"d_bias": mx.nd.ones(2)}), gs.BindingError, "a NDArray for 'd_bias'"),
        ((_dense(), mx.sym.var("data"), 5), gs.SubgraphError, "params are a int"),
    ],
)
def test_block_of_something_else_is_refused(arguments: Any, kind: type, text: str) -> None:
    with pytest.raises(kind, match=f"(?s){text}.*othing was made"):
        gs.SubgraphBlock(*arguments)


def test_imports_same_input_twice_is_refused(tmp_path: Path) -> None:
    gs.extract(layers(), *TAIL).export(str(tmp_path / "p"))
    with pytest.raises(gs.NameConflictError, match="'data' is given twice"):
        gs.SubgraphBlock.imports(str(tmp_path / "p-symbol.json"), ["data", "data"])


@pytest.mark.parametrize("method", ["export", "save_parameters"])
def test_written_files_need_a_folder(method: str, tmp_path: Path) -> None:
    piece, missing = gs.extract(layers(), *TAIL), tmp_path / "no" / "x"
    with pytest.raises(gs.SubgraphError, match=f"(?s)there is no folder '{missing.parent}'.*nothing was written"):
        getattr(piece, method)(str(missing))
    (tmp_path / "x-symbol.json").mkdir()
    target = {"export": tmp_path / "x", "save_parameters": tmp_path}[method]
    with pytest.raises(gs.SubgraphError, match="is a folder.*\n.*nothing was written"):
        getattr(piece, method)(str(target))
    assert [p.name for p in tmp_path.iterdir()] == ["x-symbol.json"]


def test_extract_of_symbol_block_with_an_attribute_called_graph() -> None:
    class Stock(gluon.SymbolBlock):
        graph = "x"
        name_prefix = 5

    symbol, arguments, _ = triple(layers())
    block = Stock(symbol, mx.sym.var("data"), params=layers().collect_params())
    assert gs.extract(block, *TAIL).params[BIAS] is block.params[BIAS]


def test_reset_ctx_after_a_run_moves_every_parameter() -> None:
    net = layers()
    piece = gs.extract(net, *TAIL)
    piece.hybridize()
    x = normal(2, 4)
    before = piece(x).asnumpy()
    for ctx in (mx.cpu(1), [mx.cpu(0), mx.cpu(1)]):
        piece.reset_ctx(ctx)
        assert {tuple(p.list_ctx()) for p in piece.params.values()} == {(ctx,) if ctx == mx.cpu(1) else tuple(ctx)}
        assert np.array_equal(piece(x.as_in_context(mx.cpu(1))).asnumpy(), before)
    assert piece.params[BIAS] is net.collect_params()[BIAS]


def test_reset_ctx_that_cannot_be_done_moves_nothing() -> None:
    net = layers()
    piece = gs.extract(net, *TAIL)
    with unchanged(net), pytest.raises(gs.SubgraphError, match="ctx='cpu' is no context"):
        piece.reset_ctx("cpu")
    empty = gs.SubgraphBlock(_dense(), mx.sym.var("data"))
    with pytest.raises(gs.BindingError, match="2 of 2 parameters have no value"):
        empty.reset_ctx(mx.cpu(1))


def test_call_without_inputs_names_the_input_alone() -> None:
    with pytest.raises(gs.SubgraphError, match=r"takes 1 input, 0 were given\.\n"):
        gs.extract(layers(), *TAIL)()
    with pytest.raises(gs.SubgraphError, match=r"2 were given: 'numpy.ndarray', 'mxnet.*ndarray'"):
        gs.extract(layers(), *TAIL)(np.ones((2, 4)), mx.np.ones((2, 4)))


def test_find_node_inside_a_fused_operator_blames_the_backend() -> None:
    body = json.loads(_dense().tojson())
    for op, text in (("_foreach", "control-flow operator 'whole'"), ("_sg_mkldnn_fully", "fused operator 'whole'")):
        nodes = (node_of(VARIABLE, "data"), node_of(op, "whole", [0])._replace(bodies=(body,)))
        for name in ("d", "d_output"):
            with pytest.raises(gs.UnknownNodeError, match=f"'{name}' is inside the .*{text}"):
                NameIndex(Graph(nodes, (Entry(1),))).find(name)


def test_find_in_calls_lists_each_result_once() -> None:
    nodes = (node_of(VARIABLE, "a"), node_of("relu", "b", [0]), node_of("relu", "c", [0]))
    index = NameIndex(Graph(nodes, (Entry(2),)))
    calls = [Call("p", (), (Entry(0), Entry(1))), Call("p", (), (Entry(0), Entry(2)))]
    with pytest.raises(gs.UnknownNodeError, match="They are 'a', 'b', 'c'\\."):
        index.find_in_calls(calls, what="block")
    with pytest.raises(gs.UnknownNodeError, match="They are 'a', 'b'\\."):
        index.find_in_calls([Call("p", (), (Entry(0), Entry(1), Entry(0)))], what="block")
    assert index.find_in_calls([Call("p", (), (Entry(1), Entry(1)))], what="block") == Entry(1)


class _Counted(tuple):
    """Nodes that count how often one is looked at."""

    looks = 0

    def __getitem__(self, index: Any) -> Any:
        type(self).looks += 1
        return super().__getitem__(index)


@pytest.mark.parametrize("is_labelled", [True, False])
def test_walk_back_chain_of_heads_is_linear(is_labelled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = {}
    for count in (500, 2000):
        nodes = [node_of(VARIABLE, "data"), node_of(VARIABLE, "label")]
        for i in range(count):  # each label is computed from the one before
            head, label = len(nodes) - 2, len(nodes) - 1
            nodes.append(node_of("SoftmaxOutput", f"head{i}", [head, label]))
            nodes.append(node_of("relu", f"label{i}", [label]))
        made = []
        monkeypatch.setattr(cut_module, "Graph", lambda *parts, made=made: made.append(1) or Graph(*parts))
        _Counted.looks = 0
        inputs = (Entry(0), Entry(1))[: 1 + is_labelled]
        cut = Cut(Graph(_Counted(nodes), (Entry(2 * count),)), inputs, (Entry(2 * count),), frozenset({0, 1}))
        walk = walk_back(cut)
        piece = build_graph(cut, walk, ["data", "label"][: len(inputs)], [None])
        looks[count] = _Counted.looks
        assert len(made) == 1
        assert len(walk.heads) == (0 if is_labelled else count)
        assert all(len(n.inputs) == LABEL_SLOT for n in piece.nodes if n.op == "softmax")
    assert looks[2000] < 5 * looks[500]
