"""Mirroring both trees changes the work and nothing else."""

from __future__ import annotations

import random
import time

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tree_oracles import assert_ordered_embedding, drawn_trees, first_children, run, small_affinity

from gluon_subgraph import trees
from gluon_subgraph.kernels import ordered
from gluon_subgraph.tree_mirrors import embedding_from_cheaper_end, mirrored, run_sizes


@given(drawn_trees())
def test_mirror_of_the_mirror_is_the_tree(tree: list) -> None:
    first = first_children(tree)
    once, node = mirrored(first)
    twice, back = mirrored(once)
    assert twice.tolist() == first.tolist()
    assert node[back].tolist() == list(range(len(first) - 1))
    assert run_sizes(once) == run_sizes(first)[::-1]


@given(drawn_trees(), drawn_trees(), st.integers(0, 99))
def test_weight_is_that_of_the_kernel_and_the_pairs_are_an_embedding(tree1: list, tree2: list, seed: int) -> None:
    affinity = small_affinity(tree1, tree2, seed)
    result = run(embedding_from_cheaper_end, tree1, tree2, affinity)
    assert_ordered_embedding(tree1, tree2, affinity, result)
    assert result[0] == pytest.approx(run(ordered.ordered_embedding, tree1, tree2, affinity)[0])


def test_path_that_goes_down_by_last_children_is_no_more_work_than_one_by_first() -> None:
    def caterpillar(seed: int, is_last: bool) -> nx.DiGraph:
        generator = random.Random(seed)
        tree = nx.DiGraph()
        for u in range(600):
            tree.add_node(u, label=generator.choice("abc"))
        for u in range(0, 598, 2):
            tree.add_edges_from([(u, u + 1), (u, u + 2)] if is_last else [(u, u + 2), (u, u + 1)])
        tree.add_edge(598, 599)
        return tree

    spent = []
    for is_last in (False, True):
        began = time.process_time()
        trees.common_ordered_embedding(caterpillar(1, is_last), caterpillar(2, is_last))
        spent.append(time.process_time() - began)
    assert spent[1] < 5 * spent[0] + 0.1


def test_sizes_of_a_path_and_a_star() -> None:
    assert run_sizes(np.array([1, 2, 3, 3])) == (3, 3)
    assert run_sizes(np.array([1, 4, 4, 4, 4])) == (4, 4)
