"""The kernels for embeddings and unordered trees: against brute force, against their twins, and by law."""

from __future__ import annotations

import itertools
import math
from typing import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_oracles import (
    Kernel,
    Tree,
    assert_ordered_embedding,
    assert_unordered_embedding,
    drawn_problems,
    drawn_trees,
    heaviest_ordered_embedding,
    penalised,
    run,
    small_affinity,
    trees_of_size,
    unordered_embeddings,
    unordered_trees_of_size,
)

from gluon_subgraph import _matcher_py, _unordered_py

PENALTIES = (0.0, 0.5, 2.0, math.inf)
KERNELS = [
    pytest.param("ordered_embedding", (), id="ordered embedding"),
    pytest.param("unordered_isomorphism", (False,), id="unordered isomorphism"),
    pytest.param("unordered_isomorphism", (True,), id="rooted unordered isomorphism"),
    pytest.param("unordered_embedding", (0.5, False), id="unordered embedding"),
    pytest.param("unordered_embedding", (0.5, True), id="rooted unordered embedding"),
]
Problem = "tuple[Tree, Tree, np.ndarray]"


@pytest.fixture(params=["python", "cython"])
def twin(request: pytest.FixtureRequest) -> Callable[[str], Kernel]:
    """Return what finds either twin of a kernel by its name."""
    return _python if request.param == "python" else _compiled


def _python(kernel: str) -> Kernel:
    return getattr(_unordered_py if kernel.startswith("unordered") else _matcher_py, kernel)


def _compiled(kernel: str) -> Kernel:
    module = "_unordered" if kernel.startswith("unordered") else "_matcher"
    reason = "the extension is not built: make build"
    return getattr(pytest.importorskip(f"gluon_subgraph.{module}", reason=reason), kernel)


@pytest.mark.parametrize(("size", "count"), [(1, 1), (2, 1), (3, 2), (4, 4), (5, 9), (6, 20)])
def test_unordered_trees_of_size_counts_are_those_of_rooted_trees(size: int, count: int) -> None:
    assert len(unordered_trees_of_size(size)) == count


def _compare_ordered(most: int) -> None:
    trees = [tree for size in range(1, most + 1) for tree in trees_of_size(size)]
    for seed, (tree1, tree2) in enumerate(itertools.product(trees, trees)):
        affinity = small_affinity(tree1, tree2, seed)
        result = run(_matcher_py.ordered_embedding, tree1, tree2, affinity)
        assert_ordered_embedding(tree1, tree2, affinity, result)
        assert result[0] == heaviest_ordered_embedding(tree1, tree2, affinity)
        assert run(_compiled("ordered_embedding"), tree1, tree2, affinity) == result


def test_ordered_embedding_all_trees_up_to_four_nodes_equal_brute_force() -> None:
    _compare_ordered(4)


@pytest.mark.slow
def test_ordered_embedding_all_trees_up_to_six_nodes_equal_brute_force() -> None:
    _compare_ordered(6)


def _compare_unordered(most: int, rooted: bool) -> None:
    trees = [tree for size in range(1, most + 1) for tree in unordered_trees_of_size(size)]
    for seed, (tree1, tree2) in enumerate(itertools.product(trees, trees)):
        embeddings = list(unordered_embeddings(tree1, tree2, rooted))
        for penalty in PENALTIES:
            affinity = small_affinity(tree1, tree2, seed + int(min(penalty, 9) * 1000))
            result = run(_unordered_py.unordered_embedding, tree1, tree2, affinity, penalty, rooted)
            assert_unordered_embedding(tree1, tree2, affinity, penalty, rooted, result)
            assert result[0] == penalised(embeddings, affinity, penalty)
            assert run(_compiled("unordered_embedding"), tree1, tree2, affinity, penalty, rooted) == result
        if seed % 2:
            result = run(_unordered_py.unordered_isomorphism, tree1, tree2, affinity, rooted)
            assert result == run(_unordered_py.unordered_embedding, tree1, tree2, affinity, math.inf, rooted)


@pytest.mark.parametrize("rooted", [False, True], ids=["unrooted", "rooted"])
def test_unordered_embedding_all_trees_up_to_four_nodes_equal_brute_force(rooted: bool) -> None:
    _compare_unordered(4, rooted)


@pytest.mark.slow
@pytest.mark.parametrize("rooted", [False, True], ids=["unrooted", "rooted"])
def test_unordered_embedding_all_trees_up_to_six_nodes_equal_brute_force(rooted: bool) -> None:
    _compare_unordered(6, rooted)


@given(drawn_trees(7), drawn_trees(7), st.integers(0, 99), st.sampled_from(PENALTIES), st.booleans())
@settings(max_examples=25, deadline=None)
def test_unordered_embedding_random_trees_equal_brute_force(
    tree1: Tree, tree2: Tree, seed: int, penalty: float, rooted: bool
) -> None:
    affinity = small_affinity(tree1, tree2, seed)
    embeddings = list(unordered_embeddings(tree1, tree2, rooted))
    weight, _ = run(_unordered_py.unordered_embedding, tree1, tree2, affinity, penalty, rooted)
    assert weight == penalised(embeddings, affinity, penalty)


@pytest.mark.parametrize(("kernel", "options"), KERNELS)
@given(problem=drawn_problems())
@settings(max_examples=50, deadline=None)
def test_twins_agree_on_a_valid_result(problem: Problem, kernel: str, options: tuple) -> None:
    tree1, tree2, affinity = problem
    result = run(_python(kernel), *problem, *options)
    assert run(_compiled(kernel), *problem, *options) == result
    if kernel == "ordered_embedding":
        assert_ordered_embedding(tree1, tree2, affinity, result)
    else:
        penalty, rooted = options if len(options) == 2 else (math.inf, *options)
        assert_unordered_embedding(tree1, tree2, affinity, penalty, rooted, result)


@pytest.mark.parametrize(("kernel", "options"), KERNELS)
@given(problem=drawn_problems(20))
@settings(max_examples=30, deadline=None)
def test_swapped_trees_weigh_the_same(problem: Problem, kernel: str, options: tuple) -> None:
    tree1, tree2, affinity = problem
    weight, _ = run(_python(kernel), tree1, tree2, affinity, *options)
    assert run(_python(kernel), tree2, tree1, affinity.T.copy(), *options)[0] == weight


@pytest.mark.parametrize(("kernel", "options"), KERNELS)
@given(tree=drawn_trees(20))
@settings(max_examples=20, deadline=None)
def test_a_tree_with_itself_is_matched_whole(tree: Tree, kernel: str, options: tuple) -> None:
    affinity = np.ones((len(tree), len(tree)))
    weight, pairs = run(_python(kernel), tree, tree, affinity, *options)
    assert weight == len(pairs) == len(tree)


@given(drawn_problems(15), st.booleans())
@settings(max_examples=30, deadline=None)
def test_unordered_embedding_weight_falls_with_the_penalty(problem: Problem, rooted: bool) -> None:
    weights = [run(_unordered_py.unordered_embedding, *problem, penalty, rooted)[0] for penalty in PENALTIES]
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] == run(_unordered_py.unordered_isomorphism, *problem, rooted)[0]


@given(drawn_problems(15))
@settings(max_examples=30, deadline=None)
def test_weights_grow_with_what_is_let_go(problem: Problem) -> None:
    ordered = run(_matcher_py.ordered_isomorphism, *problem)[0]
    rooted = run(_unordered_py.unordered_isomorphism, *problem, True)[0]
    unrooted = run(_unordered_py.unordered_isomorphism, *problem, False)[0]
    assert ordered <= rooted <= unrooted
    assert ordered <= run(_matcher_py.ordered_embedding, *problem)[0]


@pytest.mark.parametrize(("kernel", "options"), KERNELS)
def test_every_pair_forbidden_is_empty(twin: Callable[[str], Kernel], kernel: str, options: tuple) -> None:
    assert run(twin(kernel), (2, 1, 0, 0), (2, 0, 0), np.zeros((4, 3)), *options) == (0.0, [])


PATH, STAR = (1,) * 9_999 + (0,), (9_999,) + (0,) * 9_999


@pytest.mark.parametrize(("kernel", "options"), KERNELS)
@pytest.mark.parametrize(("large", "small"), [(PATH, (1, 1, 1, 0)), (STAR, (3, 0, 0, 0))], ids=["path", "star"])
def test_ten_thousand_nodes_are_no_obstacle(large: Tree, small: Tree, kernel: str, options: tuple) -> None:
    affinity = np.ones((len(large), len(small)))
    for problem in (large, small, affinity), (small, large, affinity.T.copy()):
        weight, pairs = run(_compiled(kernel), *problem, *options)
        assert weight == len(pairs) == 4.0


@pytest.mark.parametrize(("kernel", "options"), KERNELS)
def test_ten_thousand_nodes_need_no_recursion(kernel: str, options: tuple) -> None:
    weight, pairs = run(_python(kernel), PATH, (1, 0), np.ones((len(PATH), 2)), *options)
    assert weight == len(pairs) == 2.0


def test_ordered_embedding_without_the_roots_is_a_forest(twin: Callable[[str], Kernel]) -> None:
    affinity = np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert run(twin("ordered_embedding"), (2, 0, 0), (2, 0, 0), affinity) == (2.0, [(1, 1), (2, 2)])


def test_unordered_embedding_path_may_turn_at_a_skipped_node(twin: Callable[[str], Kernel]) -> None:
    # Leaf, root, leaf against an edge: the root of tree 1 is inside the path.
    affinity = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]])
    tree1, tree2 = (2, 0, 0), (1, 0)
    assert run(twin("unordered_embedding"), tree1, tree2, affinity, 1.0, False) == (6.0, [(1, 0), (2, 1)])
    assert run(twin("unordered_embedding"), tree1, tree2, affinity, 1.0, True) == (4.0, [(1, 0)])


def test_unordered_isomorphism_may_turn_a_path_around(twin: Callable[[str], Kernel]) -> None:
    affinity = np.eye(3)[::-1].copy()
    expected = (3.0, [(0, 2), (1, 1), (2, 0)])
    assert run(twin("unordered_isomorphism"), (1, 1, 0), (1, 1, 0), affinity, False) == expected
    assert run(twin("unordered_isomorphism"), (1, 1, 0), (1, 1, 0), affinity, True)[0] == 1.0
