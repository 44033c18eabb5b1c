"""The ordered embedding against the library that this field has, networkx_algo_common_subtree."""

from __future__ import annotations

import random

import networkx as nx
import pytest
from tree_oracles import parents_of, random_tree

from gluon_subgraph.trees import common_ordered_embedding

rival = pytest.importorskip(
    "networkx_algo_common_subtree", reason="not installed: pip install networkx_algo_common_subtree==0.2.2"
)

# It calls what networkx has deprecated since.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def _pair_of_trees(generator: random.Random) -> tuple[nx.DiGraph, nx.DiGraph]:
    """Return two random trees; a node is its label, out of three, and a number."""
    made = []
    for _ in range(2):
        tree = random_tree(generator.randint(1, 14), generator)
        names = [(generator.choice("abc"), u) for u in range(len(tree))]
        graph = nx.DiGraph()
        for u, parent in enumerate(parents_of(tree)):
            graph.add_node(names[u], label=names[u][0])
            if parent >= 0:
                graph.add_edge(names[parent], names[u])
        made.append(graph)
    return made[0], made[1]


def _their_weight(tree1: nx.DiGraph, tree2: nx.DiGraph, **options: object) -> float:
    *_, weight = rival.maximum_common_ordered_subtree_embedding(tree1, tree2, impl="iter", **options)
    return float(weight)


@pytest.mark.parametrize("seed", range(10))
def test_common_ordered_embedding_hundred_random_pairs_weigh_the_same(seed: int) -> None:
    generator = random.Random(seed)
    for _ in range(100):
        tree1, tree2 = _pair_of_trees(generator)
        theirs = _their_weight(tree1, tree2, node_affinity=lambda node1, node2: node1[0] == node2[0])
        assert common_ordered_embedding(tree1, tree2)[0] == theirs
