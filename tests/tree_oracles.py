"""What the kernels are held against: every mapping of two small trees, by definition and without a recurrence.

A tree is a tuple with the number of children of each node in level order, as the kernels have it.
"""

from __future__ import annotations

import itertools
import random
from typing import Any, Callable, Iterator, List, Tuple

import numpy as np
from hypothesis import strategies as st

Tree = Tuple[int, ...]
Pairs = List[Tuple[int, int]]


def trees_of_size(size: int) -> list[Tree]:
    """Return every ordered tree with `size` nodes."""
    candidates = itertools.product(range(size), repeat=size)
    return [counts for counts in candidates if sum(counts) == size - 1 and _is_level_order(counts)]


def _is_level_order(counts: Tree) -> bool:
    return all(sum(counts[: u + 1]) > u for u in range(len(counts) - 1))


def unordered_trees_of_size(size: int) -> list[Tree]:
    """Return one ordered tree for each rooted tree with `size` nodes."""
    return list({_shape(tree): tree for tree in trees_of_size(size)}.values())


def _shape(tree: Tree) -> Any:
    """Return what is left of a tree when its order is forgotten."""
    first = first_children(tree)
    shapes: list[Any] = [()] * len(tree)
    for u in range(len(tree) - 1, -1, -1):
        shapes[u] = tuple(sorted(shapes[first[u] : first[u + 1]]))
    return shapes[0]


def first_children(tree: Tree) -> np.ndarray:
    """Return the array `first` of the kernels."""
    return np.cumsum((1, *tree)).astype(np.intc)


def parents_of(tree: Tree) -> list[int]:
    """Return the parent of each node, -1 for the root."""
    return [-1, *(u for u, count in enumerate(tree) for _ in range(count))]


def random_tree(size: int, generator: random.Random) -> Tree:
    """Return a tree in which each node chose its parent among those before it."""
    parents = sorted(generator.randrange(u) for u in range(1, size))
    return tuple(np.bincount(parents, minlength=size).tolist()) if parents else (0,)


def small_affinity(tree1: Tree, tree2: Tree, seed: int) -> np.ndarray:
    """Return a table of small whole numbers, so that sums are exact and ties are frequent."""
    generator = random.Random(seed)
    return np.array([[float(generator.choice((0, 1, 1, 2, 5))) for _ in tree2] for _ in tree1])


@st.composite
def drawn_trees(draw: Any, most: int = 30) -> Tree:
    """Draw a tree: parents sorted are a level order."""
    size = draw(st.integers(1, most))
    parents = sorted(draw(st.integers(0, u - 1)) for u in range(1, size))
    return tuple(parents.count(u) for u in range(size))


@st.composite
def drawn_problems(draw: Any, most: int = 30) -> tuple[Tree, Tree, np.ndarray]:
    """Draw two trees and an affinity table in which about one pair in three is forbidden."""
    tree1, tree2 = draw(drawn_trees(most)), draw(drawn_trees(most))
    scores = draw(st.lists(st.integers(0, 2**20), min_size=1, max_size=6))
    picks = draw(st.randoms(use_true_random=False))
    return tree1, tree2, np.array([[picks.choice([0.0, *scores]) / 64 for _ in tree2] for _ in tree1])


def ancestors_of(parents: list[int], u: int) -> list[int]:
    """Return the nodes from `u` up to the root, both included."""
    line = [u]
    while parents[line[-1]] >= 0:
        line.append(parents[line[-1]])
    return line


def path_between(parents: list[int], x: int, y: int) -> list[int]:
    """Return the nodes of the path between two nodes, both included."""
    up, down = ancestors_of(parents, x), ancestors_of(parents, y)
    top = next(u for u in up if u in down)
    return up[: up.index(top) + 1] + down[: down.index(top)][::-1]


def relation(parents: list[int], x: int, y: int) -> str:
    """Return how `x` lies to `y` in an ordered tree; level order says who is left where neither is above."""
    if x in ancestors_of(parents, y):
        return "same" if x == y else "above"
    if y in ancestors_of(parents, x):
        return "below"
    path = path_between(parents, x, y)
    top = min(path)
    return "left" if path[path.index(top) - 1] < path[path.index(top) + 1] else "right"


def ordered_embeddings(tree1: Tree, tree2: Tree) -> Iterator[Pairs]:
    """Yield every set of pairs that keeps ancestry and order."""
    parents1, parents2 = parents_of(tree1), parents_of(tree2)
    relation1 = {(x, y): relation(parents1, x, y) for x in range(len(tree1)) for y in range(len(tree1))}
    relation2 = {(x, y): relation(parents2, x, y) for x in range(len(tree2)) for y in range(len(tree2))}
    waiting: list[Pairs] = [[]]
    for pairs in waiting:  # grows while it is walked
        yield pairs
        for u in range(pairs[-1][0] + 1 if pairs else 0, len(tree1)):
            for v in range(len(tree2)):
                if all(relation1[x, u] == relation2[y, v] for x, y in pairs):
                    waiting.append([*pairs, (u, v)])


class Piece:
    """Some nodes of a tree, the paths that join them, and what is skipped on these."""

    def __init__(self, parents: list[int], nodes: tuple[int, ...], rooted: bool) -> None:
        self.nodes = nodes
        paths = {(x, y): path_between(parents, x, y) for x in nodes for y in nodes}
        spanned = {u for path in paths.values() for u in path}
        self.skipped = len(spanned) - len(nodes)
        # Neighbours in the piece; of these, (x, y) with x above y only, if it is taken as rooted.
        self.links = {(x, y) for (x, y), path in paths.items() if x != y and {*path} & {*nodes} == {x, y}}
        neighbours = [sum(parents[w] == u or parents[u] == w for w in spanned) for u in spanned - {*nodes}]
        self.is_subtree = all(count == 2 for count in neighbours)
        if rooted:
            self.links = {(x, y) for x, y in self.links if x in ancestors_of(parents, y)}
            self.is_subtree &= len(self.links) == len(nodes) - 1


def pieces_of(tree: Tree, rooted: bool) -> list[Piece]:
    """Return every set of nodes that is the set of nodes of a tree embedded in `tree`."""
    parents = parents_of(tree)
    sets = itertools.chain.from_iterable(itertools.combinations(range(len(tree)), k + 1) for k in range(len(tree)))
    return [piece for piece in (Piece(parents, nodes, rooted) for nodes in sets) if piece.is_subtree]


def unordered_embeddings(tree1: Tree, tree2: Tree, rooted: bool) -> Iterator[tuple[Pairs, int]]:
    """Yield every mapping of one subtree with paths for edges to another, and how many nodes both skip."""
    pieces2 = pieces_of(tree2, rooted)
    for piece1 in pieces_of(tree1, rooted):
        for piece2 in pieces2:
            if len(piece1.nodes) == len(piece2.nodes):
                for pairs in _bijections(piece1, piece2):
                    yield pairs, piece1.skipped + piece2.skipped


def _bijections(piece1: Piece, piece2: Piece) -> list[Pairs]:
    """Return every way to match the nodes of two pieces such that neighbours are matched with neighbours."""
    found: list[Pairs] = [[]]
    for u in piece1.nodes:
        found = [
            [*pairs, (u, v)]
            for pairs in found
            for v in piece2.nodes
            if all(
                v != y
                and ((x, u) in piece1.links) == ((y, v) in piece2.links)
                and ((u, x) in piece1.links) == ((v, y) in piece2.links)
                for x, y in pairs
            )
        ]
    return found


def weight_of(pairs: Pairs, affinity: np.ndarray) -> float:
    """Return the sum of the affinities, minus infinity where one is 0."""
    scores = [float(affinity[u, v]) for u, v in pairs]
    return sum(scores) if all(scores) else -np.inf


def heaviest_ordered_embedding(tree1: Tree, tree2: Tree, affinity: np.ndarray) -> float:
    """Return the largest weight of all."""
    return max(weight_of(pairs, affinity) for pairs in ordered_embeddings(tree1, tree2))


def penalised(embeddings: list[tuple[Pairs, int]], affinity: np.ndarray, penalty: float) -> float:
    """Return the largest weight of all that skip nothing, or that pay for it; 0.0 if there is none."""
    return max(
        [0.0] + [weight_of(pairs, affinity) - (penalty * skipped if skipped else 0.0) for pairs, skipped in embeddings]
    )


def assert_ordered_embedding(tree1: Tree, tree2: Tree, affinity: np.ndarray, result: tuple[float, Pairs]) -> None:
    """Assert that the pairs keep ancestry and order, and weigh what is said."""
    weight, pairs = result
    parents1, parents2 = parents_of(tree1), parents_of(tree2)
    assert pairs == sorted(pairs)
    assert all(affinity[u, v] > 0 for u, v in pairs)
    assert weight == sum(affinity[u, v] for u, v in pairs)
    for (x, y), (u, v) in itertools.combinations(pairs, 2):
        assert x != u
        assert relation(parents1, x, u) == relation(parents2, y, v)


def assert_unordered_embedding(
    tree1: Tree, tree2: Tree, affinity: np.ndarray, penalty: float, rooted: bool, result: tuple[float, Pairs]
) -> None:
    """Assert that the pairs are the nodes of one tree embedded in both, and weigh what is said."""
    weight, pairs = result
    if not pairs:
        assert result == (0.0, [])
        return
    nodes1, nodes2 = zip(*pairs)
    assert nodes1 == tuple(sorted(set(nodes1)))
    assert len(set(nodes2)) == len(nodes2)
    piece1 = Piece(parents_of(tree1), nodes1, rooted)
    piece2 = Piece(parents_of(tree2), nodes2, rooted)
    partner = dict(pairs)
    assert piece1.is_subtree
    assert piece2.is_subtree
    assert {(partner[x], partner[y]) for x, y in piece1.links} == piece2.links
    skipped = piece1.skipped + piece2.skipped
    assert all(affinity[u, v] > 0 for u, v in pairs)
    assert weight == sum(affinity[u, v] for u, v in pairs) - (penalty * skipped if skipped else 0)


Kernel = Callable[..., Tuple[float, Pairs]]


def run(kernel: Kernel, tree1: Tree, tree2: Tree, affinity: np.ndarray, *options: Any) -> tuple[float, Pairs]:
    """Return what the kernel says where every node has a label of its own."""
    labels1, labels2 = (np.arange(len(tree), dtype=np.intc) for tree in (tree1, tree2))
    return kernel(first_children(tree1), labels1, first_children(tree2), labels2, affinity, *options)
