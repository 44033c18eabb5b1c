"""Open cuts: the error, the smallest repair against brute force, and the other boundaries that are refused."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_graphs import entries_of, node_of, pure_graphs

from gluon_subgraph.cut import Cut, walk_back
from gluon_subgraph.errors import OpenCutError, SubgraphError
from gluon_subgraph.graph import VARIABLE, Entry, Graph, Node
from gluon_subgraph.names import NameIndex
from gluon_subgraph.repair import ancestors, check_boundary, raise_open_cut, smallest_repair


def graph_of(*nodes: Node) -> Graph:
    return Graph(nodes, ())


def cut_of(graph: Graph, inputs: list[str], outputs: list[str]) -> Cut:
    """Return the cut between named tensors; every variable that is not called w... is data."""
    names = NameIndex(graph)
    data = {i for i, node in graph.variables() if not node.name.startswith("w")}
    return Cut(graph, tuple(map(names.find, inputs)), tuple(map(names.find, outputs)), data)


def repair_of(cut: Cut) -> list[str]:
    return [NameIndex(cut.graph).name_of(e) for e in smallest_repair(cut, walk_back(cut))]


@pytest.fixture
def skip() -> Graph:
    """data -> pre -> conv -> bn, joined with the skip connection pre -> shortcut, then relu."""
    return graph_of(
        node_of(VARIABLE, "data"),
        node_of(VARIABLE, "w"),
        node_of("op", "pre", [0]),
        node_of("op", "conv", [2, 1]),
        node_of("op", "bn", [3]),
        node_of("op", "shortcut", [2, 1]),
        node_of("op", "plus", [4, 5]),
        node_of("op", "relu", [6]),
    )


def test_smallest_repair_skip_connection_is_the_last_tensor_before_the_join(skip: Graph) -> None:
    assert repair_of(cut_of(skip, ["conv"], ["relu"])) == ["shortcut"]
    assert repair_of(cut_of(skip, ["shortcut"], ["relu"])) == ["bn"]


def test_smallest_repair_one_tensor_where_two_paths_share_it() -> None:
    graph = graph_of(
        node_of(VARIABLE, "data"),
        node_of("op", "start", [0]),
        node_of("op", "mask", [0]),
        node_of("op", "m1", [2]),
        node_of("op", "m2", [2]),
        node_of("op", "end", [1, 3, 4]),
    )
    assert repair_of(cut_of(graph, ["start"], ["end"])) == ["mask"]


def test_smallest_repair_second_output_that_no_input_reaches_is_not_its_own_repair() -> None:
    graph = graph_of(
        node_of(VARIABLE, "data"), node_of("op", "a", [0]), node_of("op", "b", [1]), node_of("op", "side", [1])
    )
    assert repair_of(cut_of(graph, ["b"], ["b", "side"])) == ["a"]


def test_smallest_repair_data_returned_as_it_is_becomes_an_input() -> None:
    graph = graph_of(node_of(VARIABLE, "data"), node_of("op", "a", [0]), node_of("op", "b", [1]))
    assert repair_of(cut_of(graph, ["a"], ["b", "data"])) == ["data"]


def test_smallest_repair_other_output_of_a_cut_split_is_enough() -> None:
    graph = graph_of(
        node_of(VARIABLE, "data"),
        node_of("split", "s", [0], visible=2),
        node_of("op", "join", [Entry(1, 0), Entry(1, 1)]),
    )
    assert repair_of(cut_of(graph, ["s_output1"], ["join"])) == ["s_output0"]


def test_raise_open_cut_names_leak_path_and_repair(skip: Graph) -> None:
    cut = cut_of(skip, ["conv"], ["relu"])
    with pytest.raises(OpenCutError) as caught:
        raise_open_cut(cut, walk_back(cut), NameIndex(skip))
    assert str(caught.value) == (
        "input 'conv' does not close the cut: 'data' still reaches output 'relu'.\n"
        "  Path: data -> pre -> shortcut -> plus -> relu\n"
        "  Add 'shortcut' to inputs (open_cut='add' does so), or start at 'plus' alone; nothing was changed."
    )
    assert (caught.value.leaks, caught.value.repair) == (("data",), ("shortcut",))


def test_raise_open_cut_long_path_and_many_leaks_are_shortened() -> None:
    count = 12
    nodes = [node_of(VARIABLE, f"x{i}") for i in range(count)]
    nodes += [node_of("op", "first", [0]), node_of("op", "sum", [count, *range(1, count)])]
    nodes += [node_of("op", f"c{i}", [count + 1 + i]) for i in range(count)]
    cut = cut_of(Graph(tuple(nodes), ()), ["first"], [f"c{count - 1}"])
    with pytest.raises(OpenCutError, match=r"'x1' \(and 'x2', 'x3', 'x4' and 7 more\) still reaches") as caught:
        raise_open_cut(cut, walk_back(cut), NameIndex(cut.graph))
    assert "  Path: x1 -> sum -> ... -> c11\n" in str(caught.value)
    assert len(caught.value.repair) == count - 1


@pytest.mark.parametrize(
    ("inputs", "outputs", "text"),
    [
        (["relu"], ["relu"], "input 'relu' is itself an output, and no operator lies between.*inputs='plus'"),
        (["data"], ["data"], "input 'data' is itself an output.*Choose an output further down"),
        (["relu"], ["conv"], "output 'conv' lies upstream of input 'relu'"),
        (
            ["bn", "conv"],
            ["relu"],
            r"input 'conv' is not used: every path from it to 'relu' crosses another input \('bn'\)",
        ),
        (["shortcut"], ["bn"], "input 'shortcut' does not reach 'bn'"),
        (["data", "w"], ["pre"], "input 'w' does not reach 'pre'"),
        (["plus", "data"], ["relu"], "input 'data' is not used"),
    ],
)
def test_check_boundary_unread_input_says_which_mistake_it_is(
    skip: Graph, inputs: list[str], outputs: list[str], text: str
) -> None:
    cut = cut_of(skip, inputs, outputs)
    with pytest.raises(SubgraphError, match=f"(?s)^{text}.*nothing was changed"):
        check_boundary(cut, walk_back(cut), NameIndex(skip))


def test_check_boundary_input_that_is_one_of_several_outputs_is_fine(skip: Graph) -> None:
    cut = cut_of(skip, ["pre"], ["pre", "relu"])
    check_boundary(cut, walk_back(cut), NameIndex(skip))


def test_repair_of_a_long_chain_with_a_skip_is_quick() -> None:
    count = 10_000
    nodes = [node_of(VARIABLE, "data"), *(node_of("op", f"n{i}", [i]) for i in range(count))]
    nodes.append(node_of("op", "end", [count, count // 2]))
    cut = cut_of(Graph(tuple(nodes), ()), [f"n{count - 10}"], ["end"])
    assert repair_of(cut) == [f"n{count // 2 - 1}"]
    assert len(ancestors(cut.graph, cut.outputs)) == count + 2


def closing_sets(cut: Cut, size: int) -> list[tuple[Entry, ...]]:
    """Return every set of `size` further inputs that closes the cut, by trying all.

    An entry computed from the inputs may not be added, nor an output, unless it is data.
    """
    below = {e for e in entries_of(cut.graph, hidden=True) if set(cut.inputs) & ancestors(cut.graph, [e])}
    allowed = [
        e for e in entries_of(cut.graph, hidden=True) if e not in below and (e not in cut.outputs or e.node in cut.data)
    ]
    return [s for s in combinations(allowed, size) if not walk_back(cut._replace(inputs=(*cut.inputs, *s))).leaks]


@st.composite
def open_cuts(draw: st.DrawFn) -> Cut:
    """Return a cut whose inputs are all read and that something walks around."""
    graph = draw(pure_graphs(10))
    entries = entries_of(graph, hidden=True)
    outputs = tuple(draw(st.lists(st.sampled_from(entries[-4:]), min_size=1, max_size=2, unique=True)))
    data = {i for i, _ in graph.variables() if i == 0 or draw(st.booleans())}
    found = []
    for inputs in (*combinations(entries, 1), *list(combinations(entries, 2))[::3]):
        cut = Cut(graph, inputs, outputs, data)
        walk = walk_back(cut)
        if walk.leaks and set(inputs) <= walk.read:
            found.append(cut)
    assume(found)
    return draw(st.sampled_from(found))


@given(open_cuts())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_smallest_repair_random_cut_is_one_of_the_smallest_closing_sets(cut: Cut) -> None:
    repair = smallest_repair(cut, walk_back(cut))
    closed = cut._replace(inputs=(*cut.inputs, *repair))
    walk = walk_back(closed)
    assert not walk.leaks
    assert walk.read | (set(closed.inputs) & set(closed.outputs)) == set(closed.inputs)
    assert repair == sorted(repair)
    assert not any(closing_sets(cut, size) for size in range(len(repair)))
    assert tuple(repair) in closing_sets(cut, len(repair))


@given(open_cuts())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_raise_open_cut_random_cut_offers_names_that_close_it(cut: Cut) -> None:
    names = NameIndex(cut.graph)
    with pytest.raises(OpenCutError, match="close the cut") as caught:
        raise_open_cut(cut, walk_back(cut), names)
    added = tuple(names.find(name) for name in caught.value.repair)
    assert not walk_back(cut._replace(inputs=(*cut.inputs, *added))).leaks
    assert {names.find(name).node for name in caught.value.leaks} == set(walk_back(cut).leaks)
    path = re.search(r"Path: (.*)", str(caught.value)).group(1).split(" -> ")  # type: ignore[union-attr]
    assert (names.find(path[0]).node in cut.data, names.find(path[-1]) in cut.outputs) == (True, True)
    alone = re.search(r"start at '(.*)' alone", str(caught.value))
    if alone:
        walk = walk_back(cut._replace(inputs=(names.find(alone.group(1)),)))
        assert (walk.leaks, len(walk.read)) == ([], 1)
