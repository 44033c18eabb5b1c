"""Common subtrees: 3,000 random nodes, trees of parameter names, and memory."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import networkx as nx
import pytest
from mxnet.gluon.model_zoo import vision
from tree_shapes import OURS, tree_of

from gluon_subgraph import trees

pytestmark = pytest.mark.filterwarnings("ignore")

GOALS = {  # seconds
    ("ordered subtree", "random 3,000"): 0.5,
    ("unordered subtree", "random 3,000"): 5.0,
    ("unordered embedding", "random 3,000"): 5.0,
    ("ordered embedding", "resnet152_v1"): 0.1,
    ("ordered embedding", "densenet201"): 0.3,
}


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
        return tree_of("random", size, 1), tree_of("random", size, 2)
    return _name_tree(given, "ours_"), _name_tree(given, "theirs_")


@pytest.mark.parametrize("given", ["random 3,000", "resnet152_v1", "densenet201"])
@pytest.mark.parametrize("function", list(OURS))
def test_trees(function: str, given: str, measure: Any) -> None:
    name, options = OURS[function]
    pair = _pair(given)
    weight, mapping = measure(
        lambda: getattr(trees, name)(*pair, **options),
        5 if given != "random 3,000" else 2,
        table="trees",
        function=function,
        given=given,
        side="ours",
        goal=GOALS.get((function, given)),
    )
    assert 0 < weight <= len(mapping)


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
