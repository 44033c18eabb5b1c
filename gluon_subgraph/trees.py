"""Common subtrees of networkx trees: the checks, the arrays for the matcher, and the choice of the matcher.

- `common_ordered_subtree`: the order of children is kept.

The work is done by `_matcher`, compiled, or where that is not built by its twin `_matcher_py`, with the same
result. The environment variable GLUON_SUBGRAPH_MATCHER=python or =cython, read at import, forces one of them.
"""

from __future__ import annotations

import math
import os
from types import ModuleType
from typing import Any, Callable, Hashable

import networkx as nx
import numpy as np

from .errors import SubgraphError, shorten

__all__ = ["common_ordered_subtree"]

Affinity = Callable[[Any, Any], float]

_MOST_SHOWN = 3


def common_ordered_subtree(
    tree1: nx.DiGraph, tree2: nx.DiGraph, *, affinity: Affinity | None = None
) -> tuple[float, dict[Any, Any]]:
    """Return the heaviest common subtree of two rooted ordered trees, and its weight.

    Edges are kept (isomorphism): the parents of two matched nodes are matched too, up to the root of the
    common subtree, which may lie anywhere. Order is kept: matched siblings do not cross. Neither tree is
    modified.

    Parameters
    ----------
    tree1, tree2 : networkx.DiGraph
        Edges lead from parent to child; children are in the order in which their edges were added.
    affinity : callable, default None
        `affinity(node1, node2)` is the unitless score of a pair, 0 or more and finite; 0 forbids the pair.
        It is called once for each pair of nodes. By default a pair scores 1 if the `label` attributes of its
        nodes are equal or both absent, else 0.

    Returns
    -------
    float
        The sum of the affinities of the matched pairs; 0.0 if no pair is allowed.
    dict
        {node of `tree1`: node of `tree2`}, parents before children.

    Raises
    ------
    SubgraphError
        An argument is not a rooted tree, a label is not hashable, an affinity is not a number from 0 up, or
        the affinities add up to more than a float holds.

    Notes
    -----
    O(n1 n2) time and memory [1]_. The paper solves the harder problem in which edges may be collapsed; here
    the weight of a pair is its affinity plus the best alignment of the two lists of children, so a node that
    is passed over takes all below it along. Of several heaviest subtrees the one is returned whose root comes
    first in level order, first in `tree1` and then in `tree2`; the first children are matched first.

    References
    ----------
    .. [1] A. Lozano and G. Valiente, "On the maximum common embedded subtree problem for ordered trees",
       String Algorithmics, 2004.

    Examples
    --------
    >>> import networkx as nx
    >>> ours = nx.DiGraph([("net", "conv"), ("net", "norm"), ("net", "head"), ("head", "dense")])
    >>> theirs = nx.DiGraph([("model", "stem"), ("model", "fc"), ("fc", "linear")])
    >>> common_ordered_subtree(ours, theirs)
    (4.0, {'net': 'model', 'conv': 'stem', 'head': 'fc', 'dense': 'linear'})
    >>> common_ordered_subtree(ours, theirs, affinity=lambda ours, theirs: float(theirs != "stem"))
    (3.0, {'net': 'model', 'head': 'fc', 'dense': 'linear'})
    """
    nodes1, first1 = _level_order(tree1, "tree1")
    nodes2, first2 = _level_order(tree2, "tree2")
    if affinity is None:
        labels1, labels2, table = _compare_labels(_labels_of(tree1, nodes1), _labels_of(tree2, nodes2))
    else:
        table = _tabulate(affinity, nodes1, nodes2)
        labels1, labels2 = (np.arange(size, dtype=np.intc) for size in table.shape)
    weight, pairs = _MATCHER.ordered_isomorphism(first1, labels1, first2, labels2, table)
    if math.isinf(weight):
        message = "the affinities add up to more than a float holds.\n  Scale them down; only their ratios count."
        raise SubgraphError(message)
    return weight, {nodes1[u]: nodes2[v] for u, v in pairs}


def _level_order(tree: nx.DiGraph, argument: str) -> tuple[list[Any], np.ndarray]:
    """Return the nodes in level order, and for each the number of its first child as `_matcher_py` wants it."""
    if not isinstance(tree, nx.DiGraph):
        message = (
            f"{argument} is a {type(tree).__name__}, not a directed graph.\n"
            "  Edges have to lead from parent to child.\n"
            "  Build it as networkx.DiGraph."
        )
        raise SubgraphError(message)
    roots = [node for node, parents in tree.in_degree() if parents == 0]
    shared = [node for node, parents in tree.in_degree() if parents > 1]
    nodes: list[Any] = roots[:1]
    first = []
    if len(roots) == 1 and not shared:
        for node in nodes:  # grows while it is walked
            first.append(len(nodes))
            nodes.extend(tree.successors(node))
        first.append(len(nodes))
    if not nodes or len(nodes) < len(tree):
        raise SubgraphError(_why_no_tree(tree, argument, roots, shared))
    return nodes, np.array(first, dtype=np.intc)


def _why_no_tree(tree: nx.DiGraph, argument: str, roots: list[Any], shared: list[Any]) -> str:
    """Return the message for a graph that is not a rooted tree."""
    facts = []
    if len(tree) == 0:
        facts.append("it has no nodes")
    elif not roots:
        facts.append("every node has a parent, so there is a cycle")
    elif len(roots) > 1:
        facts.append(f"{len(roots)} nodes have no parent: {shorten(roots)}")
    if shared:
        facts.append(f"with several parents: {shorten(shared)}")
    if not facts:
        reached = nx.descendants(tree, roots[0]) | {roots[0]}
        facts.append(f"a cycle among {shorten([node for node in tree if node not in reached])}")
    return (
        f"{argument} is not a rooted tree: {'; '.join(facts)}.\n"
        f"  {len(tree)} nodes, {tree.number_of_edges()} edges.\n"
        "  Give one root, and one parent to every other node."
    )


def _labels_of(tree: nx.DiGraph, nodes: list[Any]) -> list[Hashable]:
    """Return the `label` attribute of each node, None where there is none."""
    labels = [tree.nodes[node].get("label") for node in nodes]
    offenders = [node for node, label in zip(nodes, labels) if not _is_hashable(label)]
    if offenders:
        message = (
            f"labels of {shorten(offenders)} are not hashable.\n"
            f"  The first is {tree.nodes[offenders[0]]['label']!r}.\n"
            "  Use strings, numbers or tuples of them, or pass affinity=."
        )
        raise SubgraphError(message)
    return labels


def _is_hashable(label: Any) -> bool:
    """Return whether `label` has a hash; a tuple does if all that it holds does."""
    try:
        hash(label)
    except TypeError:
        return False
    return True


def _compare_labels(labels1: list[Hashable], labels2: list[Hashable]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the codes of both lists of labels, and the table with 1 for equal labels."""
    code_of_label = {label: code for code, label in enumerate(dict.fromkeys(labels1))}
    unknown = len(code_of_label)
    codes1 = np.array([code_of_label[label] for label in labels1], dtype=np.intc)
    codes2 = np.array([code_of_label.get(label, unknown) for label in labels2], dtype=np.intc)
    return codes1, codes2, np.eye(unknown, unknown + 1)


def _tabulate(affinity: Affinity, nodes1: list[Any], nodes2: list[Any]) -> np.ndarray:
    """Return the affinity of each pair of nodes, shape (nodes of tree 1, nodes of tree 2)."""
    if not callable(affinity):
        message = f"affinity={affinity!r} cannot be called.\n  Pass a function of two nodes that returns a score."
        raise SubgraphError(message)
    table = np.empty((len(nodes1), len(nodes2)))
    wrong, shown = 0, []
    for i, node1 in enumerate(nodes1):
        for j, node2 in enumerate(nodes2):
            value = affinity(node1, node2)
            score = table[i, j] = _as_score(value)
            if not 0 <= score < math.inf:
                wrong += 1
                if wrong <= _MOST_SHOWN:
                    shown.append(f"affinity({node1!r}, {node2!r}) = {value!r}")
    if wrong:
        message = (
            f"{wrong} of {table.size} affinities are not finite numbers from 0 up.\n"
            f"  {'; '.join(shown)}{'; ...' if wrong > _MOST_SHOWN else '.'}\n"
            "  Return 0 to forbid a pair."
        )
        raise SubgraphError(message)
    return table


def _as_score(value: Any) -> float:
    """Return `value` as a float, not-a-number if it is none."""
    if isinstance(value, (str, bytes)):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _load_matcher(choice: str) -> ModuleType:
    """Return the module with the kernels; "" takes the compiled one if it is there."""
    from . import _matcher_py

    if choice not in ("", "python", "cython"):
        message = (
            f"GLUON_SUBGRAPH_MATCHER={choice!r} names no matcher.\n"
            "  There are 'python' and 'cython'.\n"
            "  Unset it to take the compiled one if it is built."
        )
        raise SubgraphError(message)
    if choice == "python":
        return _matcher_py
    try:
        from . import _matcher
    except ImportError as error:
        if choice == "":
            return _matcher_py
        message = (
            f"GLUON_SUBGRAPH_MATCHER='cython', but the compiled matcher does not load: {error}.\n"
            "  Install a C compiler and then this package with GLUON_SUBGRAPH_REQUIRE_CYTHON=1 set."
        )
        raise SubgraphError(message) from None
    return _matcher


_MATCHER = _load_matcher(os.environ.get("GLUON_SUBGRAPH_MATCHER", ""))
