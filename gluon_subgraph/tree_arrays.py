"""The arrays that the kernels take, from networkx trees: checked, in level order, with a table of affinities."""

from __future__ import annotations

import math
from typing import Any, Callable, Hashable

import networkx as nx
import numpy as np

from .errors import SubgraphError, shorten

__all__ = ["Affinity", "as_score", "compare_labels", "labels_of", "level_order", "tabulate"]

Affinity = Callable[[Any, Any], float]

_MOST_SHOWN = 3


def level_order(tree: nx.DiGraph, argument: str) -> tuple[list[Any], np.ndarray]:
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


def labels_of(tree: nx.DiGraph, nodes: list[Any]) -> list[Hashable]:
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


def compare_labels(labels1: list[Hashable], labels2: list[Hashable]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the codes of both lists of labels, and the table with 1 for equal labels."""
    code_of_label = {label: code for code, label in enumerate(dict.fromkeys(labels1))}
    unknown = len(code_of_label)
    codes1 = np.array([code_of_label[label] for label in labels1], dtype=np.intc)
    codes2 = np.array([code_of_label.get(label, unknown) for label in labels2], dtype=np.intc)
    return codes1, codes2, np.eye(unknown, unknown + 1)


def tabulate(affinity: Affinity, nodes1: list[Any], nodes2: list[Any]) -> np.ndarray:
    """Return the affinity of each pair of nodes, shape (nodes of tree 1, nodes of tree 2)."""
    if not callable(affinity):
        message = f"affinity={affinity!r} cannot be called.\n  Pass a function of two nodes that returns a score."
        raise SubgraphError(message)
    table = np.empty((len(nodes1), len(nodes2)))
    wrong, shown = 0, []
    for i, node1 in enumerate(nodes1):
        for j, node2 in enumerate(nodes2):
            value = affinity(node1, node2)
            score = table[i, j] = as_score(value)
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


def as_score(value: Any) -> float:
    """Return `value` as a float, not-a-number if it is none."""
    if isinstance(value, (str, bytes)):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
