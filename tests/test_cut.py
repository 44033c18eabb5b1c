"""Cuts through graphs without MXNet: what is kept, what leaks, and what the piece looks like."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import entries_of, evaluate, node_of, pure_graphs

from gluon_subgraph.cut import Cut, build_graph, check_not_fused, walk_back
from gluon_subgraph.errors import NameConflictError, SubgraphError
from gluon_subgraph.graph import VARIABLE, Entry, Graph, post_order
from gluon_subgraph.names import NameIndex


def chain(letters: str = "ABCDE") -> Graph:
    nodes = [node_of(VARIABLE, "data"), *(node_of(f"op_{c}", c, [i]) for i, c in enumerate(letters))]
    return Graph(tuple(nodes), (Entry(len(letters)),))


def cut_of(graph: Graph, inputs: list[Entry], outputs: list[Entry], data: set[int] | None = None) -> Cut:
    """Return a cut in which every variable is data, unless `data` says otherwise."""
    return Cut(graph, tuple(inputs), tuple(outputs), {i for i, _ in graph.variables()} if data is None else data)


def piece_of(cut: Cut, names: list[str | None] | None = None) -> Graph:
    """Return the piece of a closed cut, its inputs named as `extract` names them."""
    walk = walk_back(cut)
    assert walk.leaks == []
    index = NameIndex(cut.graph)
    input_names = [index.variable_name(e) for e in cut.inputs]
    return build_graph(cut, walk, input_names, names or [None] * len(cut.outputs))


@pytest.mark.parametrize(
    ("first", "last", "kept"),
    [(0, 4, "ABCD"), (1, 4, "BCD"), (0, 5, "ABCDE"), (2, 5, "CDE"), (4, 5, "E"), (0, 1, "A")],
)
def test_walk_back_chain_keeps_what_lies_between(first: int, last: int, kept: str) -> None:
    piece = piece_of(cut_of(chain(), [Entry(first)], [Entry(last)]))
    assert "".join(n.name for n in piece.nodes[1:]) == kept
    assert piece.nodes[0].name == ("data" if first == 0 else "ABCDE"[first - 1] + "_output")
    assert piece.outputs == (Entry(len(kept)),)


def test_walk_back_one_output_of_a_split_keeps_the_split_for_the_other() -> None:
    nodes = (
        node_of(VARIABLE, "x"),
        node_of("split", "s", [0], visible=2),
        node_of("add", "r", [Entry(1, 0), Entry(1, 1)]),
    )
    graph = Graph(nodes, (Entry(2),))
    walk = walk_back(cut_of(graph, [Entry(1, 1)], [Entry(2)]))
    assert (walk.kept, walk.leaks, walk.read) == ([0, 1, 2], [0], {Entry(1, 1)})

    piece = piece_of(cut_of(graph, [Entry(1, 1), Entry(0)], [Entry(2)]))
    assert [n.name for n in piece.nodes] == ["s_output1", "x", "s", "r"]
    assert piece.nodes[3].inputs == (Entry(2, 0), Entry(0))
    whole = piece_of(cut_of(graph, [Entry(1, 1), Entry(1, 0)], [Entry(2)]))
    assert [n.name for n in whole.nodes] == ["s_output1", "s_output0", "r"]


def test_walk_back_hidden_output_as_input_and_as_output() -> None:
    nodes = (node_of(VARIABLE, "x"), node_of("BatchNorm", "bn", [0], hidden=2), node_of("neg", "r", [Entry(1, 1)]))
    graph = Graph(nodes, (Entry(2),))
    assert [n.name for n in piece_of(cut_of(graph, [Entry(1, 1)], [Entry(2)])).nodes] == ["bn_output1", "r"]
    assert piece_of(cut_of(graph, [Entry(0)], [Entry(1, 2), Entry(1, 0)])).outputs == (Entry(1, 2), Entry(1, 0))


def test_walk_back_input_that_is_also_an_output_is_returned_as_it_is() -> None:
    graph = chain()
    piece = piece_of(cut_of(graph, [Entry(2)], [Entry(3), Entry(2), Entry(3)]))
    assert [n.name for n in piece.nodes] == ["B_output", "C"]
    assert piece.outputs == (Entry(1), Entry(0), Entry(1))


def test_walk_back_parameter_as_input_becomes_the_input() -> None:
    nodes = (node_of(VARIABLE, "x"), node_of(VARIABLE, "w", __lr_mult__="2"), node_of("FullyConnected", "f", [0, 1]))
    cut = Cut(Graph(nodes, (Entry(2),)), (Entry(1), Entry(0)), (Entry(2),), {0})
    piece = piece_of(cut)
    assert [n.name for n in piece.nodes] == ["w", "x", "f"]
    assert piece.nodes[0].attrs == {"__lr_mult__": "2"}


def test_walk_back_leaks_are_data_and_no_parameters() -> None:
    nodes = (*(node_of(VARIABLE, n) for n in "xyw"), node_of("f", "f", [0, 2]), node_of("g", "g", [3, 1, 0]))
    graph = Graph(nodes, (Entry(4),))
    assert walk_back(Cut(graph, (Entry(3),), (Entry(4),), {0, 1})).leaks == [1, 0]
    assert walk_back(Cut(graph, (Entry(3),), (Entry(4),), {1})).leaks == [1]


def test_build_graph_several_inputs_and_outputs_keep_the_order_given() -> None:
    nodes = (
        *(node_of(VARIABLE, n) for n in "xy"),
        node_of("f", "f", [0]),
        node_of("g", "g", [1]),
        node_of("h", "h", [2, 3]),
        node_of("k", "k", [3]),
    )
    piece = piece_of(cut_of(Graph(nodes, ()), [Entry(3), Entry(2)], [Entry(5), Entry(4)]))
    assert [n.name for n in piece.nodes] == ["g_output", "f_output", "k", "h"]
    assert piece.outputs == (Entry(2), Entry(3))


def test_build_graph_named_output_is_an_identity_of_that_name() -> None:
    piece = piece_of(cut_of(chain("AB"), [Entry(0)], [Entry(2), Entry(1)]), ["logits", None])
    assert piece.nodes[-1] == node_of("_copy", "logits", [2])
    assert piece.outputs == (Entry(3), Entry(1))


@pytest.mark.parametrize("names", [["A", None], ["data", None], ["same", "same"]])
def test_build_graph_output_name_taken_is_refused(names: list[str | None]) -> None:
    with pytest.raises(NameConflictError, match=f"output name '{names[0]}' is already the name of a node"):
        piece_of(cut_of(chain("AB"), [Entry(0)], [Entry(2), Entry(1)]), names)


@pytest.mark.parametrize(("name", "whose"), [("w", "a parameter of the subgraph"), ("B_output", "another input")])
def test_build_graph_input_name_taken_is_refused(name: str, whose: str) -> None:
    nodes = (
        *(node_of(VARIABLE, n) for n in "xw"),
        node_of("op", "A", [0]),
        node_of("op", "B", [0]),
        node_of("f", "f", [2, 3, 1]),
    )
    cut = Cut(Graph(nodes, ()), (Entry(3), Entry(2)), (Entry(4),), {0})
    with pytest.raises(NameConflictError, match=f"input name '{name}' is also the name of {whose}"):
        build_graph(cut, walk_back(cut), ["B_output", name], [None])


def test_check_not_fused_backend_operator_is_refused_and_control_flow_is_not() -> None:
    body = ({"nodes": []},)
    loop = node_of("_foreach", "loop")._replace(bodies=body)
    quantised = node_of("_sg_mkldnn_conv", "q", quantized="true")._replace(bodies=body)
    fused = node_of("_sg_mkldnn_conv", "sg0")._replace(bodies=body)
    check_not_fused(Graph((loop, quantised), ()))
    with pytest.raises(
        SubgraphError, match=r"1 operators .* fused by a backend, the first is 'sg0' \(_sg_mkldnn_conv\)"
    ):
        check_not_fused(Graph((loop, fused), ()))


def test_walk_back_and_build_graph_take_a_chain_of_100_000_nodes() -> None:
    count = 100_000
    nodes = [node_of(VARIABLE, "data"), *(node_of("relu", "r", [i]) for i in range(count))]
    cut = cut_of(Graph(tuple(nodes), ()), [Entry(10)], [Entry(count)])
    piece = build_graph(cut, walk_back(cut), ["start"], [None])
    assert len(piece) == count - 9
    assert post_order(piece) == list(range(count - 9))


def test_graph_repr_is_indented_text() -> None:
    assert repr(chain("AB")) == (
        "Graph of 3 nodes\n  0: data = null()\n  1: A = op_A(0)\n  2: B = op_B(1)\n  returns 2"
    )


def reachable(graph: Graph, inputs: tuple[Entry, ...], outputs: tuple[Entry, ...]) -> set[int]:
    """Return the nodes from which a path leads to an output without crossing an input."""
    edges = nx.DiGraph()
    edges.add_nodes_from(range(len(graph)))
    for i, node in enumerate(graph.nodes):
        edges.add_edges_from((e.node, i) for e in node.inputs if e not in inputs)
    ends = {e.node for e in outputs if e not in inputs}
    return ends.union(*(nx.ancestors(edges, end) for end in ends))


@st.composite
def graphs_and_cuts(draw: st.DrawFn, max_nodes: int = 9) -> Cut:
    graph = draw(pure_graphs(max_nodes))
    inputs = draw(st.lists(st.sampled_from(entries_of(graph, hidden=True)), min_size=1, max_size=3, unique=True))
    return cut_of(graph, inputs, list(graph.outputs))


@given(graphs_and_cuts())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_walk_back_random_cut_keeps_exactly_what_is_reachable(cut: Cut) -> None:
    walk = walk_back(cut)
    kept = reachable(cut.graph, cut.inputs, cut.outputs)
    assert (set(walk.kept), len(walk.kept)) == (kept, len(kept))
    assert set(walk.leaks) == kept & cut.data
    assert walk.read == {e for i in kept for e in cut.graph.nodes[i].inputs} & set(cut.inputs)
    position = {index: k for k, index in enumerate(walk.kept)}
    for index in walk.kept:
        for e in cut.graph.nodes[index].inputs:
            assert e in cut.inputs or position[e.node] < position[index]


@given(graphs_and_cuts())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_build_graph_random_closed_cut_computes_what_the_whole_graph_computes(cut: Cut) -> None:
    cut = cut._replace(inputs=tuple(dict.fromkeys((*cut.inputs, *map(Entry, walk_back(cut).leaks)))))
    piece = piece_of(cut)
    numbers: dict = {}
    whole = evaluate(cut.graph, numbers)
    found = evaluate(piece, numbers, {piece.nodes[k].name: whole[e] for k, e in enumerate(cut.inputs)})
    assert [found[e] for e in piece.outputs] == [whole[e] for e in cut.outputs]
    assert piece.nodes[len(cut.inputs) :] == tuple(
        cut.graph.nodes[i]._replace(inputs=node.inputs)
        for i, node in zip(walk_back(cut).kept, piece.nodes[len(cut.inputs) :])
    )


@given(graphs_and_cuts(12), st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_build_graph_piece_of_a_piece_is_the_piece(cut: Cut, data: st.DataObject) -> None:
    outer = cut._replace(inputs=tuple(dict.fromkeys((*cut.inputs, *map(Entry, walk_back(cut).leaks)))))
    piece = piece_of(outer)
    kept, count = walk_back(outer).kept, len(outer.inputs)
    old = {Entry(k): e for k, e in enumerate(outer.inputs)}
    for e in entries_of(Graph(piece.nodes[count:], ()), hidden=True):
        if Entry(kept[e.node], e.index) not in outer.inputs:
            old[Entry(count + e.node, e.index)] = Entry(kept[e.node], e.index)
    inner = cut_of(piece, [data.draw(st.sampled_from(sorted(old)))], list(piece.outputs))
    inner = inner._replace(inputs=tuple(dict.fromkeys((*inner.inputs, *map(Entry, walk_back(inner).leaks)))))
    direct = cut_of(cut.graph, [old[e] for e in inner.inputs], list(cut.outputs))
    assert piece_of(inner) == piece_of(direct)
