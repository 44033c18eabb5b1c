"""Common subtrees of trees of one shape and growing size, ours or networkx_algo_common_subtree's.

Run by `limited.run_limited`; its job names the function, the side, the shape and the sizes.
"""

from __future__ import annotations

import random
from typing import Any, Callable

import networkx as nx
from limited import answer, job_of_parent

SHAPES = ("path", "star", "caterpillar", "random", "balanced")
OURS = {
    "ordered subtree": ("common_ordered_subtree", {}),
    "ordered embedding": ("common_ordered_embedding", {}),
    "unordered subtree": ("common_unordered_subtree", {}),
    "unordered embedding": ("common_unordered_embedding", {"penalty": 0.5}),
}
THEIRS = {
    "ordered subtree": "maximum_common_ordered_subtree_isomorphism",
    "ordered embedding": "maximum_common_ordered_subtree_embedding",
}
BACK_ENDS = {"its Cython": "iter-cython", "its Python": "iter"}


def parent(shape: str, u: int, generator: random.Random) -> int:
    """Return the parent of node `u`, which stands before it."""
    if shape == "random":
        return generator.randrange(u)
    caterpillar = u - 2 if u % 2 == 0 else u - 1  # a leg at each node of a path
    return {"path": u - 1, "star": 0, "caterpillar": caterpillar, "balanced": (u - 1) // 2}[shape]


def tree_of(shape: str, size: int, seed: int) -> nx.DiGraph:
    """Return a tree of three labels; a node is a label and a number."""
    generator = random.Random(seed)
    nodes = [(generator.choice("abc"), u) for u in range(size)]
    tree = nx.DiGraph()
    for u, node in enumerate(nodes):
        tree.add_node(node, label=node[0])
        if u:
            tree.add_edge(nodes[parent(shape, u, generator)], node)
    return tree


def read_once(tree: nx.DiGraph) -> list[tuple[Any, Any]]:
    """Return the nodes in preorder with their labels: the least that anybody does with a tree."""
    labels = tree.nodes(data="label")
    return [(node, labels[node]) for node in nx.dfs_preorder_nodes(tree)]


def call_of(function: str, side: str) -> Callable[[nx.DiGraph, nx.DiGraph], Any]:
    """Return what a side does with two trees."""
    if side == "floor":
        return lambda *pair: [read_once(tree) for tree in pair]
    if side == "ours":
        from gluon_subgraph import trees

        name, options = OURS[function]
        return lambda *pair: getattr(trees, name)(*pair, **options)
    import networkx_algo_common_subtree as library

    options = {"node_affinity": lambda one, other: one[0] == other[0], "impl": BACK_ENDS[side]}
    return lambda *pair: getattr(library, THEIRS[function])(*pair, **options)


def facts_of(result: Any) -> dict[str, float]:
    """Return the weight of a common subtree, which ours names first and the peer last."""
    return {"weight": float(result[0] if isinstance(result[0], (int, float)) else result[-1])}


def main() -> None:
    """Answer the cases of a job, the smallest first."""
    job = job_of_parent()
    call = call_of(job["function"], job["side"])
    for size in job["sizes"]:
        pair = [tree_of(job["shape"], size, seed) for seed in (1, 2)]
        answer(lambda pair=pair: call(*pair), facts_of if job["side"] != "floor" else lambda _: {})


if __name__ == "__main__":
    main()
