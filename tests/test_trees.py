"""Common subtrees of networkx trees: results, laws, messages, and the choice of the kernels."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from types import ModuleType
from typing import Any, Callable

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gluon_subgraph import _matcher_py, trees
from gluon_subgraph.errors import SubgraphError
from gluon_subgraph.kernels import load_kernels
from gluon_subgraph.trees import common_ordered_subtree


@pytest.fixture(params=["python", "cython"])
def each_matcher(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Have `trees` use either twin."""
    module = _matcher_py
    if request.param == "cython":
        module = pytest.importorskip("gluon_subgraph._matcher", reason="the extension is not built: make build")
    monkeypatch.setattr(trees, "ordered", module)
    return module


def _labelled(*edges: str) -> nx.DiGraph:
    """Return the tree with the given edges; the label of a node is its name without digits."""
    tree = nx.DiGraph([edge.split("-") for edge in edges])
    for node in tree:
        tree.nodes[node]["label"] = node.rstrip("0123456789")
    return tree


@pytest.mark.usefixtures("each_matcher")
def test_common_ordered_subtree_no_labels_matches_every_shape() -> None:
    path, star = nx.DiGraph([(0, 1), (1, 2)]), nx.DiGraph([("r", "a"), ("r", "b")])
    assert common_ordered_subtree(path, star) == (2.0, {0: "r", 1: "a"})


@pytest.mark.usefixtures("each_matcher")
def test_common_ordered_subtree_labels_decide_which_sibling_is_passed_over() -> None:
    ours = _labelled("net-conv1", "net-relu1", "net-conv2")
    theirs = _labelled("net9-conv8", "net9-conv7")
    assert common_ordered_subtree(ours, theirs) == (3.0, {"net": "net9", "conv1": "conv8", "conv2": "conv7"})


@pytest.mark.usefixtures("each_matcher")
def test_common_ordered_subtree_root_may_lie_below() -> None:
    ours = _labelled("net-block1", "block1-conv1", "block1-norm1")
    theirs = _labelled("block5-conv5", "block5-norm5")
    assert common_ordered_subtree(ours, theirs) == (3.0, {"block1": "block5", "conv1": "conv5", "norm1": "norm5"})


@pytest.mark.usefixtures("each_matcher")
def test_common_ordered_subtree_order_is_that_of_the_edges() -> None:
    ours, theirs = _labelled("net-conv", "net-norm"), _labelled("net-norm", "net-conv")
    assert common_ordered_subtree(ours, theirs) == (2.0, {"net": "net", "norm": "norm"})


@pytest.mark.usefixtures("each_matcher")
def test_common_ordered_subtree_no_label_equals_no_label_only() -> None:
    plain, labelled = nx.DiGraph([(0, 1)]), _labelled("a-b")
    assert common_ordered_subtree(plain, plain) == (2.0, {0: 0, 1: 1})
    assert common_ordered_subtree(plain, labelled) == (0.0, {})


@pytest.mark.usefixtures("each_matcher")
def test_common_ordered_subtree_affinity_gets_nodes_of_either_tree() -> None:
    scores = {("r", 0): 1.0, ("a", 1): 0.25, ("a", 2): 0.5, ("b", 2): 0.125}
    ours, theirs = nx.DiGraph([("r", "a"), ("r", "b")]), nx.DiGraph([(0, 1), (0, 2)])
    result = common_ordered_subtree(ours, theirs, affinity=lambda node1, node2: scores.get((node1, node2), 0))
    assert result == (1.5, {"r": 0, "a": 2})


@pytest.mark.usefixtures("each_matcher")
@pytest.mark.parametrize("make", [nx.path_graph, lambda size: nx.star_graph(size - 1)], ids=["path", "star"])
def test_common_ordered_subtree_ten_thousand_nodes(make: Callable[[int], nx.Graph]) -> None:
    large, small = (nx.bfs_tree(make(size), 0) for size in (10_000, 4))
    expected = (4.0, {node: node for node in range(4)})
    assert common_ordered_subtree(large, small) == expected
    assert common_ordered_subtree(small, large) == expected


def test_common_ordered_subtree_leaves_the_trees_alone() -> None:
    tree = _labelled("net-conv1", "net-relu1")
    before = (list(tree.nodes(data=True)), list(tree.edges(data=True)))
    common_ordered_subtree(tree, tree)
    assert (list(tree.nodes(data=True)), list(tree.edges(data=True))) == before


@st.composite
def _random_trees(draw: Any) -> nx.DiGraph:
    """Draw a tree of up to 20 nodes with labels 0, 1 or 2."""
    tree = nx.DiGraph()
    tree.add_node(0, label=draw(st.integers(0, 2)))
    for node in range(1, draw(st.integers(1, 20))):
        tree.add_node(node, label=draw(st.integers(0, 2)))
        tree.add_edge(draw(st.integers(0, node - 1)), node)
    return tree


@given(_random_trees(), _random_trees())
def test_common_ordered_subtree_swapped_trees_weigh_the_same(tree1: nx.DiGraph, tree2: nx.DiGraph) -> None:
    assert common_ordered_subtree(tree1, tree2)[0] == common_ordered_subtree(tree2, tree1)[0]


@given(_random_trees(), _random_trees(), st.randoms(use_true_random=False))
def test_common_ordered_subtree_new_names_change_no_weight(tree1: nx.DiGraph, tree2: nx.DiGraph, shuffle: Any) -> None:
    names = list(tree1)
    shuffle.shuffle(names)
    renamed = nx.DiGraph()
    for node, label in tree1.nodes(data="label"):
        renamed.add_node(names[node], label=label)
    renamed.add_edges_from((names[parent], names[child]) for parent, child in tree1.edges)
    assert common_ordered_subtree(renamed, tree2)[0] == common_ordered_subtree(tree1, tree2)[0]


@given(_random_trees(), _random_trees())
def test_common_ordered_subtree_result_is_a_piece_of_both(tree1: nx.DiGraph, tree2: nx.DiGraph) -> None:
    weight, mapping = common_ordered_subtree(tree1, tree2)
    assert weight == len(mapping) == len(set(mapping.values()))
    assert all(tree1.nodes[node1]["label"] == tree2.nodes[node2]["label"] for node1, node2 in mapping.items())
    kept1 = {(mapping[parent], mapping[child]) for parent, child in tree1.subgraph(mapping).edges}
    assert kept1 == set(tree2.subgraph(mapping.values()).edges)
    assert len(kept1) == max(len(mapping) - 1, 0)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        pytest.param(nx.DiGraph(), r"tree2 is not a rooted tree: it has no nodes", id="empty"),
        pytest.param(nx.Graph([(0, 1)]), r"tree2 is a Graph, not a directed graph", id="undirected"),
        pytest.param([(0, 1)], r"tree2 is a list, not a directed graph", id="list"),
        pytest.param(nx.DiGraph([(0, 1), (2, 3)]), r"2 nodes have no parent: 0, 2", id="forest"),
        pytest.param(nx.DiGraph([(0, 1), (0, 2), (1, 3), (2, 3)]), r"with several parents: 3", id="diamond"),
        pytest.param(nx.DiGraph([(0, 1), (1, 0)]), r"every node has a parent, so there is a cycle", id="cycle"),
        pytest.param(nx.DiGraph([(0, 0)]), r"every node has a parent, so there is a cycle", id="loop"),
        pytest.param(nx.DiGraph([(0, 1), (2, 3), (3, 2)]), r"a cycle among 2, 3", id="cycle aside"),
        pytest.param(nx.MultiDiGraph([(0, 1), (0, 1)]), r"with several parents: 1", id="double edge"),
    ],
)
def test_common_ordered_subtree_not_a_tree_raises(tree: Any, words: str) -> None:
    with pytest.raises(SubgraphError, match=words):
        common_ordered_subtree(nx.DiGraph([(0, 1)]), tree)


@pytest.mark.parametrize(
    "value", [-1.0, math.nan, math.inf, None, "1", 1j, [], 10**400], ids=lambda value: repr(value)[:12]
)
def test_common_ordered_subtree_affinity_out_of_range_raises(value: Any) -> None:
    tree = nx.DiGraph([("a", "b")])
    with pytest.raises(SubgraphError, match=r"4 of 4 affinities are not finite .*\n  affinity\('a', 'a'\) = "):
        common_ordered_subtree(tree, tree, affinity=lambda node1, node2: value)


def test_common_ordered_subtree_affinity_not_callable_raises() -> None:
    tree = nx.DiGraph([("a", "b")])
    with pytest.raises(SubgraphError, match="affinity=2.0 cannot be called"):
        common_ordered_subtree(tree, tree, affinity=2.0)  # type: ignore[arg-type]


def test_common_ordered_subtree_weight_overflow_raises() -> None:
    tree = nx.DiGraph([("a", "b")])
    with pytest.raises(SubgraphError, match="more than a float holds"):
        common_ordered_subtree(tree, tree, affinity=lambda node1, node2: 1.5e308)


@pytest.mark.parametrize("label", [["conv"], ("conv", [3, 3])])
def test_common_ordered_subtree_label_without_hash_raises(label: Any) -> None:
    tree = nx.DiGraph([("a", "b")])
    tree.nodes["b"]["label"] = label
    with pytest.raises(SubgraphError, match=r"labels of 'b' are not hashable"):
        common_ordered_subtree(tree, tree)


def test_load_kernels_python_is_the_twin() -> None:
    assert load_kernels("_matcher", "_matcher_py", "python") is _matcher_py


def test_load_kernels_unknown_raises() -> None:
    with pytest.raises(SubgraphError, match="'fortran' names no matcher"):
        load_kernels("_matcher", "_matcher_py", "fortran")


def test_load_kernels_without_the_extension_falls_back_or_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("gluon_subgraph._matcher", raising=False)
    monkeypatch.setitem(sys.modules, "gluon_subgraph._matcher", None)
    assert load_kernels("_matcher", "_matcher_py", "") is _matcher_py
    with pytest.raises(SubgraphError, match="the compiled matcher does not load"):
        load_kernels("_matcher", "_matcher_py", "cython")


@pytest.mark.parametrize("choice", ["python", "cython"])
def test_environment_forces_the_kernels(choice: str) -> None:
    names = {"python": ["_matcher_py", "_unordered_py"], "cython": ["_matcher", "_unordered"]}[choice]
    if choice == "cython":
        for name in names:
            pytest.importorskip(f"gluon_subgraph.{name}", reason="the extension is not built: make build")
    program = "from gluon_subgraph import trees; print(trees.ordered.__name__, trees.unordered.__name__)"
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "GLUON_SUBGRAPH_MATCHER": choice},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    assert finished.stdout.split() == [f"gluon_subgraph.{name}" for name in names]
