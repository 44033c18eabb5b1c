"""Both twins of each kernel: against brute force on small trees, against each other, and by law."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_oracles import Pairs, Tree, drawn_trees, first_children, parents_of, run, small_affinity, trees_of_size

import gluon_subgraph
from gluon_subgraph import _matcher_py


@pytest.fixture(params=["python", "cython"])
def matcher(request: pytest.FixtureRequest) -> ModuleType:
    """Return either twin."""
    return _matcher_py if request.param == "python" else _compiled()


def _compiled() -> ModuleType:
    return pytest.importorskip("gluon_subgraph._matcher", reason="the extension is not built: make build")


def _run(matcher: ModuleType, tree1: Tree, tree2: Tree, affinity: np.ndarray) -> tuple[float, Pairs]:
    return run(matcher.ordered_isomorphism, tree1, tree2, affinity)


def _pieces(tree: Tree) -> dict[tuple[int, ...], list[tuple[int, ...]]]:
    """Return every connected piece of a tree, by its shape: the parent's position for each node."""
    parents = parents_of(tree)
    connected: list[frozenset[int]] = []
    for root in range(len(tree)):
        grown = [frozenset([root])]
        for u in range(root + 1, len(tree)):
            grown += [piece | {u} for piece in grown if parents[u] in piece]
        connected += grown
    pieces: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for piece in map(sorted, connected):
        shape = tuple(piece.index(parents[u]) if u != piece[0] else -1 for u in piece)
        pieces.setdefault(shape, []).append(tuple(piece))
    return pieces


def _heaviest_by_brute_force(tree1: Tree, tree2: Tree, affinity: np.ndarray) -> float:
    """Return the largest weight among all pairs of pieces of one shape."""
    pieces1, pieces2 = _pieces(tree1), _pieces(tree2)
    heaviest = 0.0
    for shape in pieces1.keys() & pieces2.keys():
        for piece1, piece2 in itertools.product(pieces1[shape], pieces2[shape]):
            scores = affinity[piece1, piece2]
            if scores.min() > 0:
                heaviest = max(heaviest, float(scores.sum()))
    return heaviest


def _assert_common_subtree(tree1: Tree, tree2: Tree, affinity: np.ndarray, result: tuple[float, Pairs]) -> None:
    """Assert that the pairs are one ordered piece of both trees and weigh what is said."""
    weight, pairs = result
    parents1, parents2 = parents_of(tree1), parents_of(tree2)
    assert weight == pytest.approx(sum(affinity[u, v] for u, v in pairs))
    assert all(affinity[u, v] > 0 for u, v in pairs)
    for (u_before, v_before), (u, v) in zip(pairs, pairs[1:]):
        assert u_before < u
        assert v_before < v
        assert (parents1[u], parents2[v]) in pairs


def _assert_heaviest(matcher: ModuleType, tree1: Tree, tree2: Tree, affinity: np.ndarray) -> None:
    result = _run(matcher, tree1, tree2, affinity)
    assert result[0] == _heaviest_by_brute_force(tree1, tree2, affinity)
    _assert_common_subtree(tree1, tree2, affinity, result)


@pytest.mark.parametrize(("size", "count"), [(1, 1), (2, 1), (3, 2), (4, 5), (5, 14), (6, 42)])
def test_trees_of_size_counts_are_catalan_numbers(size: int, count: int) -> None:
    assert len(trees_of_size(size)) == count


def test_ordered_isomorphism_all_trees_up_to_four_nodes_equal_brute_force(matcher: ModuleType) -> None:
    trees = [tree for size in range(1, 5) for tree in trees_of_size(size)]
    for seed, (tree1, tree2) in enumerate(itertools.product(trees, trees)):
        _assert_heaviest(matcher, tree1, tree2, np.ones((len(tree1), len(tree2))))
        _assert_heaviest(matcher, tree1, tree2, small_affinity(tree1, tree2, seed))


@pytest.mark.slow
def test_ordered_isomorphism_all_trees_up_to_six_nodes_equal_brute_force(matcher: ModuleType) -> None:
    trees = [tree for size in range(1, 7) for tree in trees_of_size(size)]
    for seed, (tree1, tree2) in enumerate(itertools.product(trees, trees)):
        _assert_heaviest(matcher, tree1, tree2, small_affinity(tree1, tree2, seed))


def test_ordered_isomorphism_labels_index_the_affinity_table(matcher: ModuleType) -> None:
    first = first_children((2, 0, 0))
    labels1, labels2 = np.array([0, 1, 0], dtype=np.intc), np.array([2, 0, 1], dtype=np.intc)
    affinity = np.array([[0.0, 3.0, 1.0], [0.5, 0.0, 0.0]])

    result = matcher.ordered_isomorphism(first, labels1, first, labels2, affinity)

    assert result == (4.5, [(0, 0), (1, 1), (2, 2)])


def test_ordered_isomorphism_every_pair_forbidden_is_empty(matcher: ModuleType) -> None:
    assert _run(matcher, (1, 0), (2, 0, 0), np.zeros((2, 3))) == (0.0, [])


@pytest.mark.parametrize(
    ("tree1", "tree2", "pairs"),
    [
        pytest.param((0,), (2, 0, 0), [(0, 0)], id="the earliest root pair"),
        pytest.param((1, 0), (3, 0, 0, 0), [(0, 0), (1, 1)], id="the first sibling of tree 2"),
        pytest.param((3, 0, 0, 0), (1, 0), [(0, 0), (1, 1)], id="the first sibling of tree 1"),
    ],
)
def test_ordered_isomorphism_ties_go_to_the_first(matcher: ModuleType, tree1: Tree, tree2: Tree, pairs: Pairs) -> None:
    affinity = np.ones((len(tree1), len(tree2)))
    assert _run(matcher, tree1, tree2, affinity) == (float(len(pairs)), pairs)


def test_ordered_isomorphism_equal_skips_pass_over_tree_1_first(matcher: ModuleType) -> None:
    affinity = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    assert _run(matcher, (2, 0, 0), (2, 0, 0), affinity) == (2.0, [(0, 0), (2, 1)])


@pytest.mark.parametrize(
    ("large", "small"),
    [
        pytest.param((1,) * 9_999 + (0,), (1, 1, 1, 0), id="path"),
        pytest.param((9_999,) + (0,) * 9_999, (3, 0, 0, 0), id="star"),
    ],
)
def test_ordered_isomorphism_ten_thousand_nodes_needs_no_recursion(
    matcher: ModuleType, large: Tree, small: Tree
) -> None:
    affinity = np.ones((len(large), len(small)))
    expected = (4.0, [(u, u) for u in range(4)])
    assert _run(matcher, large, small, affinity) == expected
    assert _run(matcher, small, large, affinity.T.copy()) == expected


@st.composite
def _problems(draw: Any) -> tuple[Tree, Tree, np.ndarray]:
    tree1, tree2 = draw(drawn_trees()), draw(drawn_trees())
    scores = draw(st.lists(st.floats(0, 1e6), min_size=1, max_size=6))
    picks = draw(st.randoms(use_true_random=False))
    return tree1, tree2, np.array([[picks.choice([0.0, *scores]) for _ in tree2] for _ in tree1])


@given(_problems())
@settings(max_examples=50, deadline=None)
def test_ordered_isomorphism_twins_agree(problem: tuple[Tree, Tree, np.ndarray]) -> None:
    result = _run(_matcher_py, *problem)
    assert _run(_compiled(), *problem) == result
    _assert_common_subtree(*problem, result)


@given(_problems())
@settings(max_examples=50, deadline=None)
def test_ordered_isomorphism_swapped_trees_weigh_the_same(problem: tuple[Tree, Tree, np.ndarray]) -> None:
    tree1, tree2, affinity = problem
    weight, _ = _run(_matcher_py, tree1, tree2, affinity)
    assert _run(_matcher_py, tree2, tree1, affinity.T.copy())[0] == weight


@given(drawn_trees())
@settings(max_examples=30, deadline=None)
def test_ordered_isomorphism_of_a_tree_with_itself_is_identity(tree: Tree) -> None:
    affinity = np.ones((len(tree), len(tree)))
    assert _run(_matcher_py, tree, tree, affinity) == (float(len(tree)), [(u, u) for u in range(len(tree))])


@pytest.mark.parametrize("kernels", ["_matcher", "_unordered"])
def test_twins_have_the_same_names(kernels: str) -> None:
    compiled = pytest.importorskip(f"gluon_subgraph.{kernels}", reason="the extension is not built: make build")
    assert compiled.__all__ == importlib.import_module(f"gluon_subgraph.{kernels}_py").__all__


@pytest.fixture(scope="module")
def checked_kernels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModuleType]:
    """Return the compiled twins, built again with their bounds checked."""
    pytest.importorskip("Cython", reason="builds the kernels anew")
    directory = tmp_path_factory.mktemp("checked")
    unchecked = "boundscheck=False, wraparound=False, initializedcheck=False"
    modules = {}
    for kernels in ("_matcher", "_unordered"):
        name = f"checked{kernels}"
        source = Path(gluon_subgraph.__file__).with_name(f"{kernels}.pyx").read_text(encoding="utf-8")
        assert unchecked in source
        (directory / f"{name}.pyx").write_text(source.replace(unchecked, CHECKED), encoding="utf-8")
        command = [sys.executable, "-m", "Cython.Build.Cythonize", "-i", "-q", f"{name}.pyx"]
        subprocess.run(command, cwd=directory, check=True)
        (library,) = [*directory.glob(f"{name}*.so"), *directory.glob(f"{name}*.pyd")]
        spec = importlib.util.spec_from_file_location(name, library)
        assert spec is not None
        assert spec.loader is not None
        modules[kernels] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(modules[kernels])
    return modules


# An index below 0 is out of bounds too, as long as there is no wraparound.
CHECKED = "boundscheck=True, wraparound=False, initializedcheck=True"


@pytest.mark.slow
def test_kernels_never_leave_their_arrays(checked_kernels: dict[str, ModuleType]) -> None:
    trees = [tree for size in range(1, 6) for tree in trees_of_size(size)]
    for seed, (tree1, tree2) in enumerate(itertools.product(trees, trees)):
        affinity = small_affinity(tree1, tree2, seed)
        for kernels, kernel, *options in (
            ("_matcher", "ordered_isomorphism"),
            ("_matcher", "ordered_embedding"),
            ("_unordered", "unordered_isomorphism", False),
            ("_unordered", "unordered_isomorphism", True),
            ("_unordered", "unordered_embedding", 0.5, False),
            ("_unordered", "unordered_embedding", 0.5, True),
        ):
            twin = importlib.import_module(f"gluon_subgraph.{kernels}_py")
            result = run(getattr(checked_kernels[kernels], kernel), tree1, tree2, affinity, *options)
            assert result == run(getattr(twin, kernel), tree1, tree2, affinity, *options)
