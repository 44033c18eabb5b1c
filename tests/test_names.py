"""Names of tensors on graphs without MXNet: every way of saying one, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import NAMES, entries_of, node_of, pure_graphs

from gluon_subgraph.errors import UnknownNodeError, nearest_names
from gluon_subgraph.graph import Call, Entry, Graph
from gluon_subgraph.names import NameIndex

ODD_NAMES = [
    "a$b",
    "model/conv:0",
    "conv.1(x)",
    "42",
    "0",
    "größe_层",
    'say "a"',
    "it's",
    "tab\there",
    "line\nbreak",
    "two words",
    "a#b",
    "#",
    "##1",
    "a#0",
    "a#01",
    "a#" + "9" * 30,
    "_output",
    "_output_output",
    "('a', 1)",
    "\\",
    " ",
]


def index_of(*nodes: Any, **options: Any) -> NameIndex:
    return NameIndex(Graph(nodes, ()), **options)


@pytest.fixture
def chain() -> NameIndex:
    """Names of p_A -> p_B (two outputs) -> p_C (one output and two hidden ones)."""
    return index_of(
        node_of("null", "data"),
        node_of("relu", "p_A", [0]),
        node_of("split", "p_B", [1], visible=2),
        node_of("BatchNorm", "p_C", [Entry(2, 1)], hidden=2),
        prefix="p_",
    )


@pytest.mark.parametrize(
    ("reference", "entry"),
    [
        ("data", (0, 0)),
        ("p_A", (1, 0)),
        ("p_A_output", (1, 0)),
        ("A", (1, 0)),
        ("A_output", (1, 0)),
        ("p_A#1", (1, 0)),
        ("A#1", (1, 0)),
        ("A_output#1", (1, 0)),
        ("p_B_output0", (2, 0)),
        ("B_output1", (2, 1)),
        (("p_B", 0), (2, 0)),
        (("B", 1), (2, 1)),
        (("p_B_output1", 0), (2, 1)),
        ("C", (3, 0)),
        (("C", 0), (3, 0)),
        (("C_output", 2), (3, 2)),
        (("p_C", 1), (3, 1)),
        ("p_C_output1", (3, 1)),
        (("data", 0), (0, 0)),
    ],
)
def test_find_each_spelling_gives_its_entry(chain: NameIndex, reference: Any, entry: Any) -> None:
    assert chain.find(reference) == entry


@pytest.mark.parametrize("reference", ["", "#1", "A#2", "A#0", "p_p_A", "A_output_output_output", "_output", "a", "A "])
def test_find_other_spelling_is_unknown(chain: NameIndex, reference: str) -> None:
    with pytest.raises(UnknownNodeError, match=re.escape(f"no node {reference!r} among the 4 nodes of 'network'")):
        chain.find(reference)


@pytest.mark.parametrize(
    "reference", [None, 3, 1.5, b"A", [], ("A",), ("A", 1, 2), ("A", "B"), ("A", True), ("A", 0.0)]
)
def test_find_what_is_no_name_is_refused(chain: NameIndex, reference: Any) -> None:
    with pytest.raises(UnknownNodeError, match="does not name a tensor"):
        chain.find(reference)


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        (("A", 1), r"'A' has no output 1\.\n  It has 1 output, index 0"),
        (("A", -1), r"'A' has no output -1"),
        (("B", 2), r"'B' has no output 2\.\n  It has 2 outputs, indices 0 to 1\.\n  Give one of these"),
        (("C", 3), r"'C' has no output 3\.\n  It has 3 outputs"),
        (("B_output1", 1), r"'B_output1' has no output 1\.\n  It has 1 output, index 0"),
        (("data", 1), r"'data' has no output 1"),
        (("A", 10**30), "has no output 1000"),
    ],
)
def test_find_index_out_of_range_says_the_range(chain: NameIndex, reference: Any, text: str) -> None:
    with pytest.raises(UnknownNodeError, match=text):
        chain.find(reference)


def test_find_node_of_two_outputs_lists_both(chain: NameIndex) -> None:
    with pytest.raises(UnknownNodeError, match="(?s)'B' may mean 2 tensors.*'p_B_output0'.*'p_B_output1'") as caught:
        chain.find("B")
    assert {chain.find(name) for name in listed(caught.value)} == {Entry(2, 0), Entry(2, 1)}


def listed(error: Exception) -> list[str]:
    """Return the names an error offers in its second line."""
    return re.findall(r"'((?:[^'\\]|\\.)+)' \(", str(error).splitlines()[1])


def test_find_unknown_name_suggests_the_nearest() -> None:
    names = index_of(*(node_of("null", f"conv{i}_weight") for i in range(3)), node_of("relu", "stage2_relu1_fwd", [0]))
    with pytest.raises(UnknownNodeError, match=r"Nearest: 'stage2_relu1_fwd'"):
        names.find("stage2_relu")
    with pytest.raises(UnknownNodeError, match=r"Nearest: 'conv1_weight'"):
        names.find("conv1_weigth")
    with pytest.raises(UnknownNodeError, match=r"(?s)^no node 'zzz'.*network'.\n  list_nodes"):
        names.find("zzz")


def test_nearest_names_of_a_large_graph_is_quick_and_finds_substrings() -> None:
    names = [f"layer{i}_fwd" for i in range(50_000)]
    assert nearest_names("layer49999", names)[0] == "layer49999_fwd"


def test_find_repeated_node_name_lists_occurrences_that_resolve() -> None:
    count = 33
    names = index_of(node_of("null", "x"), *(node_of("relu", "act", [i]) for i in range(count)))
    with pytest.raises(
        UnknownNodeError, match=r"(?s)'act' may mean 33 tensors.*'act#1' \(relu\).*and 25 more"
    ) as caught:
        names.find("act")
    assert [names.find(name) for name in listed(caught.value)] == [Entry(i) for i in range(1, 9)]
    assert [names.find(f"act#{k}") for k in range(1, count + 1)] == [Entry(k) for k in range(1, count + 1)]
    assert names.find("act_output#33") == names.find(("act#33", 0)) == Entry(33)
    with pytest.raises(UnknownNodeError, match="no node 'act#34'"):
        names.find("act#34")


def test_find_repeated_name_with_index_in_range_of_one_gives_that_one() -> None:
    names = index_of(node_of("null", "x"), node_of("relu", "n", [0]), node_of("split", "n", [1], visible=2))
    assert names.find(("n", 1)) == Entry(2, 1)
    with pytest.raises(UnknownNodeError, match=r"\('n', 0\) may mean 2 tensors"):
        names.find(("n", 0))
    with pytest.raises(UnknownNodeError, match="has no output 2"):
        names.find(("n", 2))


def test_find_variable_and_operator_of_one_name_tells_them_apart() -> None:
    names = index_of(node_of("null", "pool"), node_of("Pooling", "pool", [0]))
    with pytest.raises(UnknownNodeError, match=r"'pool#1' \(variable\), 'pool_output' \(Pooling\)") as caught:
        names.find("pool")
    assert [names.find(name) for name in listed(caught.value)] == [Entry(0), Entry(1)]
    assert names.find("pool#2") == Entry(1)
    assert [names.node_name(i) for i in range(2)] == ["pool#1", "pool#2"]


def test_find_literal_name_that_looks_like_an_occurrence_stays_reachable() -> None:
    names = index_of(node_of("null", "n"), node_of("relu", "n", [0]), node_of("relu", "n#2", [1]))
    assert [names.find(names.node_name(i)) for i in range(3)] == [Entry(0), Entry(1), Entry(2)]
    assert names.find("n#2") == Entry(2)
    assert names.node_name(1) == "n#2#1"


def test_find_input_named_like_an_output_of_an_operator_kept_is_the_input() -> None:
    names = index_of(node_of("null", "s_output1"), node_of("null", "x"), node_of("split", "s", [1], visible=2))
    assert names.find("s_output1") == names.find(("s_output1", 0)) == Entry(0)
    assert [names.name_of(e) for e in (Entry(0), Entry(2, 1))] == ["s_output1", "s_output1#2"]
    assert names.find("s_output1#2") == names.find(("s", 1)) == Entry(2, 1)
    assert names.node_name(0) == "s_output1"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_find_odd_name_is_found_as_it_is(name: str) -> None:
    names = index_of(node_of("null", "data"), node_of("relu", name, [0]), node_of("relu", "p" + name, [1]), prefix="p")
    assert names.find(name) == names.find((name, 0)) == names.find(name + "_output") == Entry(1)
    assert names.find(names.name_of(Entry(1))) == Entry(1)
    assert names.find(names.name_of(Entry(2))) == Entry(2)


def test_find_prefers_the_literal_name_to_one_with_the_prefix() -> None:
    names = index_of(node_of("null", "A"), node_of("relu", "p_A", [0]), prefix="p_")
    assert names.find("A") == Entry(0)
    assert names.find("p_A") == names.find("A_output") == Entry(1)


def test_find_block_path_gives_what_the_block_returns() -> None:
    calls = [Call("features.0", (Entry(0),), (Entry(1),)), Call("both", (Entry(0),), (Entry(2), Entry(1)))]
    nodes = [node_of("null", "x"), node_of("relu", "one", [0]), node_of("relu", "two", [1])]
    names = index_of(*nodes, calls=calls)
    assert names.find("features.0") == names.find(("features.0", 0)) == Entry(1)
    assert (names.find(("both", 0)), names.find(("both", 1))) == (Entry(2), Entry(1))
    with pytest.raises(UnknownNodeError, match="(?s)'both' may mean 2 tensors.*'one'.*'two'"):
        names.find("both")
    with pytest.raises(UnknownNodeError, match="'both' has no output 2"):
        names.find(("both", 2))


def test_find_path_that_is_also_a_node_name_is_not_guessed() -> None:
    nodes = [node_of("null", "0"), node_of("relu", "1", [0])]
    names = index_of(*nodes, calls=[Call("0", (Entry(0),), (Entry(1),))])
    with pytest.raises(UnknownNodeError, match="'0' may mean 2 tensors") as caught:
        names.find("0")
    assert [names.find(name) for name in listed(caught.value)] == [Entry(0), Entry(1)]


def test_find_path_of_a_block_called_twice_lists_both_results() -> None:
    nodes = [node_of("null", "x"), node_of("relu", "act", [0]), node_of("relu", "act", [1])]
    calls = [Call("act", (Entry(0),), (Entry(1),)), Call("act", (Entry(1),), (Entry(2),))]
    names = index_of(*nodes, calls=calls)
    with pytest.raises(UnknownNodeError, match=r"\('act', 0\) may mean 2 tensors"):
        names.find(("act", 0))
    assert names.find("act#2") == Entry(2)


def test_find_node_of_a_body_names_the_operator_that_holds_it() -> None:
    body = {"nodes": [{"op": "null", "name": "x"}, {"op": "relu", "name": "p_inner"}]}
    loop = node_of("_foreach", "loop", [0])._replace(bodies=({"nodes": [{"name": "cond", "subgraphs": [body]}]},))
    names = index_of(node_of("null", "x"), loop, prefix="p_")
    for name in ("inner", "p_inner", "p_inner_output"):
        with pytest.raises(UnknownNodeError, match="inside the body of the control-flow operator 'loop'"):
            names.find(name)


def test_variable_name_repeated_outputs_stay_apart() -> None:
    nodes = [
        node_of("null", "x"),
        *(node_of("split", "s", [i], visible=2) for i in range(2)),
        node_of("relu", "r", [2]),
    ]
    names = index_of(*nodes)
    made = [names.variable_name(e) for e in entries_of(names.graph)]
    assert made == ["x", "s_output0#1", "s_output1#1", "s_output0#2", "s_output1#2", "r_output"]


def test_variable_name_variable_called_like_an_output_keeps_its_name() -> None:
    names = index_of(node_of("null", "bn_output1"), node_of("BatchNorm", "bn", [0], hidden=2))
    assert [names.variable_name(e) for e in (Entry(0), Entry(1, 1))] == ["bn_output1", "bn_output1#2"]


def test_name_of_ten_thousand_nodes_of_one_name_is_quick() -> None:
    names = index_of(node_of("null", "x"), *(node_of("relu", "n", [i]) for i in range(10_000)))
    assert names.name_of(Entry(10_000)) == "n#10000"
    assert names.find("n#10000") == Entry(10_000)


@given(pure_graphs(names=NAMES), st.sampled_from(["", "p_", "a"]), st.data())
@settings(max_examples=200, deadline=None, derandomize=True)
def test_name_of_adversarial_names_finds_each_entry_again(graph: Graph, prefix: str, data: Any) -> None:
    visible = entries_of(graph)
    returned = data.draw(st.lists(st.lists(st.sampled_from(visible), min_size=1, max_size=2), max_size=3))
    paths = data.draw(st.lists(st.sampled_from(NAMES), min_size=3, max_size=3))
    calls = [Call(path, (), tuple(entries)) for path, entries in zip(paths, returned)]
    names = NameIndex(graph, prefix, calls)

    everything = entries_of(graph, hidden=True)
    assert [names.find(names.name_of(e)) for e in everything] == everything
    assert [names.find(names.output_name(e)) for e in everything] == everything
    assert [names.find((names.node_name(e.node), e.index)) for e in everything] == everything
    assert len({names.node_name(i) for i in range(len(graph))}) == len(graph)


def test_name_that_is_empty_is_nearest_to_nothing() -> None:
    assert nearest_names("conv", ["", "net_conv1", "other"]) == ["net_conv1"]


def test_name_of_several_tensors_says_which_they_are() -> None:
    graph = Graph((node_of("op", "A"), node_of("op", "A")), (Entry(0), Entry(1)))
    with pytest.raises(UnknownNodeError, match="may mean 2 tensors") as caught:
        NameIndex(graph).find("A")
    assert caught.value.candidates == ("A#1", "A#2")
    with pytest.raises(UnknownNodeError, match="no node 'may mean'") as caught:
        NameIndex(graph).find("may mean")
    assert caught.value.candidates == ()
