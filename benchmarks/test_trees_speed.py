"""Common subtrees: 3,000 random nodes, trees of parameter names, memory, and the field's own library.

The library is networkx_algo_common_subtree, from networkx trees to its answer, as with ours; its weights are compared
for the embedding, where both ask for the same.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from typing import Any

import networkx as nx
import pytest
from conftest import clock
from mxnet.gluon.model_zoo import vision

from gluon_subgraph import trees

pytestmark = pytest.mark.filterwarnings("ignore")

FUNCTIONS = {
    "ordered subtree": (trees.common_ordered_subtree, {}),
    "ordered embedding": (trees.common_ordered_embedding, {}),
    "unordered subtree": (trees.common_unordered_subtree, {}),
    "unordered embedding": (trees.common_unordered_embedding, {"penalty": 0.5}),
}
RIVALS = {
    "ordered subtree": "maximum_common_ordered_subtree_isomorphism",
    "ordered embedding": "maximum_common_ordered_subtree_embedding",
}
SIZES = {  # the embedding of the next takes minutes
    "ordered subtree": ("random 100", "random 300", "random 1,000"),
    "ordered embedding": ("random 100", "random 300"),
}
GOALS = {  # seconds
    ("ordered subtree", "random 3,000"): 0.5,
    ("unordered subtree", "random 3,000"): 5.0,
    ("unordered embedding", "random 3,000"): 5.0,
    ("ordered embedding", "resnet152_v1"): 0.1,
    ("ordered embedding", "densenet201"): 0.3,
}


def _random_tree(size: int, seed: int) -> nx.DiGraph:
    """Return a tree in which each node chose its parent among those before it; a node is a label and a number."""
    generator = random.Random(seed)
    nodes = [(generator.choice("abc"), u) for u in range(size)]
    tree = nx.DiGraph()
    for u, node in enumerate(nodes):
        tree.add_node(node, label=node[0])
        if u:
            tree.add_edge(nodes[generator.randrange(u)], node)
    return tree


def _name_tree(network: str, prefix: str) -> nx.DiGraph:
    """Return the tree of a network's parameter names, split at dots and underscores."""
    tree = nx.DiGraph()
    tree.add_node((), label="")
    for name in getattr(vision, network)(prefix=prefix).collect_params():
        parts = tuple(re.split(r"[._]", name))
        for length in range(1, len(parts) + 1):
            if parts[:length] not in tree:
                tree.add_node(parts[:length], label=parts[length - 1])
                tree.add_edge(parts[: length - 1], parts[:length])
    return tree


def _pair(given: str) -> tuple[nx.DiGraph, nx.DiGraph]:
    if given.startswith("random "):
        size = int(given[len("random ") :].replace(",", ""))
        return _random_tree(size, 1), _random_tree(size, 2)
    return _name_tree(given, "ours_"), _name_tree(given, "theirs_")


@pytest.mark.parametrize("given", ["random 3,000", "resnet152_v1", "densenet201"])
@pytest.mark.parametrize("function", list(FUNCTIONS))
def test_trees(function: str, given: str, measure: Any) -> None:
    call, options = FUNCTIONS[function]
    pair = _pair(given)
    weight, mapping = measure(
        lambda: call(*pair, **options),
        5 if given != "random 3,000" else 2,
        table="trees",
        function=function,
        given=given,
        side="ours",
        goal=GOALS.get((function, given)),
    )
    assert 0 < weight <= len(mapping)


@pytest.mark.parametrize(("function", "given"), [(f, given) for f, sizes in SIZES.items() for given in sizes])
def test_rival(function: str, given: str, measure: Any) -> None:
    library = pytest.importorskip(
        "networkx_algo_common_subtree", reason="not installed: pip install networkx_algo_common_subtree==0.2.2"
    )
    call, options = FUNCTIONS[function]
    pair = _pair(given)

    def ours() -> float:
        start = clock()
        call(*pair, **options)
        return clock() - start

    *_, weight = measure(
        lambda: getattr(library, RIVALS[function])(
            *pair, node_affinity=lambda node1, node2: node1[0] == node2[0], impl="iter-cython"
        ),
        1 if given == SIZES[function][-1] else 2,
        ours=ours,
        table="trees rival",
        function=function,
        given=given,
        side="networkx_algo_common_subtree",
        is_largest=given == SIZES[function][-1],
    )
    if function == "ordered embedding":
        assert weight == call(*pair, **options)[0]


MEMORY = """
import sys
import numpy as np
from gluon_subgraph import kernels
size = int(sys.argv[1])
generator = np.random.default_rng(1)
def tree():
    parents = np.sort(generator.integers(0, np.arange(1, size)))
    return np.cumsum([1, *np.bincount(parents, minlength=size)]).astype(np.intc)
labels = generator.integers(0, 3, (2, size)).astype(np.intc)
def peak():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")
before = peak()
kernels.ordered.ordered_isomorphism(tree(), labels[0], tree(), labels[1], np.eye(3))
print(peak() - before)
"""


def test_memory(benchmark: Any) -> None:
    """How far the ordered subtree raises the peak of a fresh process, from what it holds before."""
    benchmark.group = "trees memory"
    command = [sys.executable, "-W", "ignore", "-c", MEMORY, "3000"]
    grown = benchmark.pedantic(subprocess.run, (command,), {"check": True, "stdout": subprocess.PIPE}, rounds=1)
    benchmark.extra_info.update(table="trees memory", nodes=3000, megabytes=float(grown.stdout))
