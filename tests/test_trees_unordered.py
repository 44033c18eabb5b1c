"""The public functions for embeddings and unordered trees: what they pass on, and their messages."""

from __future__ import annotations

import math
from typing import Any, Callable

import networkx as nx
import pytest

from gluon_subgraph import trees
from gluon_subgraph.errors import SubgraphError
from gluon_subgraph.trees import common_ordered_embedding, common_unordered_embedding, common_unordered_subtree

FUNCTIONS = [common_ordered_embedding, common_unordered_subtree, common_unordered_embedding]
Function = Callable[..., Any]


@pytest.fixture(params=["python", "cython"])
def each_matcher(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `trees` use either twin of each kernel."""
    ending = "_py" if request.param == "python" else ""
    for name, module in (("ordered", "_matcher"), ("unordered", "_unordered")):
        kernels = pytest.importorskip(
            f"gluon_subgraph.{module}{ending}", reason="the extension is not built: make build"
        )
        monkeypatch.setattr(trees, name, kernels)


def _labelled(*edges: str) -> nx.DiGraph:
    """Return the tree with the given edges; the label of a node is its name without digits."""
    tree = nx.DiGraph([edge.split("-") for edge in edges])
    for node in tree:
        tree.nodes[node]["label"] = node.rstrip("0123456789")
    return tree


@pytest.mark.usefixtures("each_matcher")
def test_common_ordered_embedding_passes_over_what_lies_between() -> None:
    ours = _labelled("net-conv1", "net-norm1")
    theirs = _labelled("net2-block2", "block2-conv2", "block2-norm2")
    expected = (3.0, {"net": "net2", "conv1": "conv2", "norm1": "norm2"})
    assert common_ordered_embedding(ours, theirs) == expected


@pytest.mark.usefixtures("each_matcher")
def test_common_unordered_subtree_siblings_cross() -> None:
    ours, theirs = _labelled("net-conv", "net-norm"), _labelled("net-norm", "net-conv")
    assert common_unordered_subtree(ours, theirs) == (3.0, {"net": "net", "conv": "conv", "norm": "norm"})


@pytest.mark.usefixtures("each_matcher")
def test_common_unordered_subtree_rooted_keeps_parents_above() -> None:
    ours, theirs = _labelled("net-conv", "conv-norm"), _labelled("norm-conv", "conv-net")
    assert common_unordered_subtree(ours, theirs) == (3.0, {"net": "net", "conv": "conv", "norm": "norm"})
    assert common_unordered_subtree(ours, theirs, rooted=True) == (1.0, {"net": "net"})


@pytest.mark.usefixtures("each_matcher")
@pytest.mark.parametrize(("penalty", "weight"), [(0, 3.0), (0.75, 2.25), (1, 2.0), (5, 2.0), (math.inf, 2.0)])
def test_common_unordered_embedding_skips_where_it_pays(penalty: float, weight: float) -> None:
    ours = _labelled("net-conv", "net-dense")
    theirs = _labelled("net-dense", "net-block", "block-conv")
    assert common_unordered_embedding(ours, theirs, penalty=penalty)[0] == weight


@pytest.mark.parametrize("penalty", [-1, math.nan, None, "1", 1j])
def test_common_unordered_embedding_penalty_out_of_range_raises(penalty: Any) -> None:
    tree = nx.DiGraph([("a", "b")])
    with pytest.raises(SubgraphError, match=r"penalty=.* is not a number from 0 up"):
        common_unordered_embedding(tree, tree, penalty=penalty)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_not_a_tree_raises(function: Function) -> None:
    with pytest.raises(SubgraphError, match="tree2 is not a rooted tree: it has no nodes"):
        function(nx.DiGraph([(0, 1)]), nx.DiGraph())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_affinity_out_of_range_raises(function: Function) -> None:
    tree = nx.DiGraph([("a", "b")])
    with pytest.raises(SubgraphError, match="4 of 4 affinities are not finite"):
        function(tree, tree, affinity=lambda node1, node2: -1)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_weight_overflow_raises(function: Function) -> None:
    tree = nx.DiGraph([("a", "b")])
    with pytest.raises(SubgraphError, match="more than a float holds"):
        function(tree, tree, affinity=lambda node1, node2: 1.5e308)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_trees_are_left_alone(function: Function) -> None:
    tree = _labelled("net-conv1", "net-relu1")
    before = (list(tree.nodes(data=True)), list(tree.edges(data=True)))
    function(tree, tree)
    assert (list(tree.nodes(data=True)), list(tree.edges(data=True))) == before
