"""Common subtrees of networkx trees.

- `common_ordered_subtree`: the order of children is kept, and so are edges.
- `common_ordered_embedding`: the order of children is kept, edges may be collapsed.
- `common_unordered_subtree`: children in any order, edges are kept.
- `common_unordered_embedding`: children in any order, edges may be paths, at a price for each node skipped.

The work is done by the kernels `_matcher` and `_unordered`, compiled, or by their twins in Python, with the same
result: `kernels` chooses.
"""

from __future__ import annotations

import math
from typing import Any, Callable

import networkx as nx
import numpy as np

from .errors import SubgraphError
from .kernels import ordered, unordered
from .tree_arrays import Affinity, as_score, compare_labels, labels_of, level_order, tabulate
from .tree_mirrors import embedding_from_cheaper_end

__all__ = [
    "common_ordered_embedding",
    "common_ordered_subtree",
    "common_unordered_embedding",
    "common_unordered_subtree",
]


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
        the affinities could add up to more than a float holds.

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
    return _solve(ordered.ordered_isomorphism, tree1, tree2, affinity)


def common_ordered_embedding(
    tree1: nx.DiGraph, tree2: nx.DiGraph, *, affinity: Affinity | None = None
) -> tuple[float, dict[Any, Any]]:
    """Return the heaviest common embedded subtree of two rooted ordered trees, and its weight.

    Edges may be collapsed (embedding): a node that is passed over leaves its children to its parent. Ancestors are
    matched with ancestors and only with those, and what is to the left of another node, without being above it,
    stays to the left. The result may be a *forest*: no common root is asked for. Neither tree is modified.

    Parameters
    ----------
    tree1, tree2 : networkx.DiGraph
        Edges lead from parent to child; children are in the order in which their edges were added.
    affinity : callable, default None
        `affinity(node1, node2)` is the unitless score of a pair, as for `common_ordered_subtree`.

    Returns
    -------
    float
        The sum of the affinities of the matched pairs; 0.0 if no pair is allowed.
    dict
        {node of `tree1`: node of `tree2`}, parents before children.

    Raises
    ------
    SubgraphError
        As for `common_ordered_subtree`.

    Notes
    -----
    O(n1 n2 min(d1, l1) min(d2, l2)) time [1]_ for trees with n nodes, l leaves and depth d; O(n1 n2) memory. The
    recurrence is the one of [2]_, a similarity instead of a distance; why it stays exact where pairs are forbidden
    is proved with the kernel, in `_matcher_embedding_py`. The paper speaks of a tree that is embedded in both;
    with pairs forbidden the roots may be among them, and what is left is a forest. To ask for a single root, forbid
    all pairs outside two subtrees. Of several heaviest one is returned, the same each time. The trees are solved as
    they are or mirrored, whichever takes less: that long paths go down by last children costs nothing.

    References
    ----------
    .. [1] A. Lozano and G. Valiente, "On the maximum common embedded subtree problem for ordered trees",
       String Algorithmics, 2004.
    .. [2] K. Zhang and D. Shasha, "Simple fast algorithms for the editing distance between trees and related
       problems", SIAM Journal on Computing 18, 1989, doi:10.1137/0218082.

    Examples
    --------
    >>> import networkx as nx
    >>> ours = nx.DiGraph([("net", "conv"), ("net", "norm"), ("net", "head")])
    >>> theirs = nx.DiGraph([("model", "backbone"), ("backbone", "stem"), ("backbone", "bn"), ("model", "fc")])
    >>> common_ordered_embedding(ours, theirs)
    (4.0, {'net': 'model', 'conv': 'stem', 'norm': 'bn', 'head': 'fc'})
    """
    return _solve(embedding_from_cheaper_end, tree1, tree2, affinity)


def common_unordered_subtree(
    tree1: nx.DiGraph, tree2: nx.DiGraph, *, affinity: Affinity | None = None, rooted: bool = False
) -> tuple[float, dict[Any, Any]]:
    """Return the heaviest common subtree of two trees whose children have no order, and its weight.

    Edges are kept (isomorphism): what is matched is one connected piece in either tree, and nodes are neighbours
    in one exactly if their partners are in the other. Neither tree is modified.

    Parameters
    ----------
    tree1, tree2 : networkx.DiGraph
        Edges lead from parent to child; their order decides ties only.
    affinity : callable, default None
        `affinity(node1, node2)` is the unitless score of a pair, as for `common_ordered_subtree`.
    rooted : bool, default False
        Match parents with parents only. By default an edge may be matched with one that leads the other way, as if
        either tree could be hung up anywhere.

    Returns
    -------
    float
        The sum of the affinities of the matched pairs; 0.0 if no pair is allowed.
    dict
        {node of `tree1`: node of `tree2`}, parents before children as they are in `tree1`.

    Raises
    ------
    SubgraphError
        As for `common_ordered_subtree`.

    Notes
    -----
    O(n1 n2 D) time [1]_, where D is the smaller of the largest numbers of neighbours; O(n1 n2) memory. For each
    pair of nodes the assignment of one's neighbours to the other's is solved once, and from that follows by one
    augmenting path each what it is without one of them. Of several heaviest subtrees the one is returned whose
    top in `tree1` comes first in level order, and then its partner.

    References
    ----------
    .. [1] A. Droschinsky, N. Kriege and P. Mutzel, "Faster algorithms for the maximum common subtree isomorphism
       problem", MFCS 2016, arXiv:1602.07210.

    Examples
    --------
    >>> import networkx as nx
    >>> ours = nx.DiGraph([("net", "conv"), ("net", "head"), ("head", "dense")])
    >>> theirs = nx.DiGraph([("model", "fc"), ("fc", "linear"), ("model", "stem")])
    >>> common_unordered_subtree(ours, theirs, rooted=True)
    (4.0, {'net': 'model', 'conv': 'stem', 'head': 'fc', 'dense': 'linear'})
    >>> path = nx.DiGraph([(1, 2), (2, 3), (3, 4)])
    >>> common_unordered_subtree(path, theirs)
    (4.0, {1: 'stem', 2: 'model', 3: 'fc', 4: 'linear'})
    """
    return _solve(unordered.unordered_isomorphism, tree1, tree2, affinity, bool(rooted))


def common_unordered_embedding(
    tree1: nx.DiGraph,
    tree2: nx.DiGraph,
    *,
    penalty: float = 0.0,
    affinity: Affinity | None = None,
    rooted: bool = False,
) -> tuple[float, dict[Any, Any]]:
    """Return the heaviest common subtree of two trees whose edges may be paths in either, and its weight.

    An edge of the common subtree is a path in `tree1` and a path in `tree2` (a topological, or homeomorphic,
    embedding). The paths in one tree share no node but their ends, so a node that is skipped has two neighbours
    there and leads from one to the other. Children have no order. Neither tree is modified.

    Parameters
    ----------
    tree1, tree2 : networkx.DiGraph
        Edges lead from parent to child; their order decides ties only.
    penalty : float, default 0.0
        What each skipped node of either tree takes off the weight, 0 or more. Infinity lets none be skipped, which
        is `common_unordered_subtree`.
    affinity : callable, default None
        `affinity(node1, node2)` is the unitless score of a pair, as for `common_ordered_subtree`.
    rooted : bool, default False
        Have paths lead down in both trees, so that ancestors are matched with ancestors only.

    Returns
    -------
    float
        The sum of the affinities of the matched pairs less the penalties; 0.0 if no pair is allowed.
    dict
        {node of `tree1`: node of `tree2`}, parents before children as they are in `tree1`.

    Raises
    ------
    SubgraphError
        As for `common_ordered_subtree`, or `penalty` is not a number from 0 up.

    Notes
    -----
    O(n1 n2 D) time [1]_, where D is the smaller of the largest numbers of neighbours; O(n1 n2) memory. The paper
    also weighs edges and labels of them; here only nodes have scores. Of several heaviest subtrees one is returned
    whose top in `tree1` is matched, if there is one, and of these the first in level order.

    References
    ----------
    .. [1] A. Droschinsky, N. Kriege and P. Mutzel, "Largest weight common subtree embeddings with distance
       penalties", MFCS 2018, arXiv:1805.00821.

    Examples
    --------
    >>> import networkx as nx
    >>> ours = nx.DiGraph([("net", "conv"), ("net", "dense")])
    >>> theirs = nx.DiGraph([("model", "fc"), ("model", "features"), ("features", "stem")])
    >>> same = {("net", "model"), ("conv", "stem"), ("dense", "fc")}
    >>> common_unordered_embedding(ours, theirs, penalty=0.25, affinity=lambda node1, node2: (node1, node2) in same)
    (2.75, {'net': 'model', 'conv': 'stem', 'dense': 'fc'})
    """
    cost = as_score(penalty)
    if not cost >= 0:
        message = (
            f"penalty={penalty!r} is not a number from 0 up.\n"
            "  It is taken off the weight for each skipped node.\n"
            "  Pass 0 to skip nodes freely, or math.inf to keep all edges."
        )
        raise SubgraphError(message)
    return _solve(unordered.unordered_embedding, tree1, tree2, affinity, cost, bool(rooted))


def _solve(
    kernel: Callable[..., tuple[float, list[tuple[int, int]]]],
    tree1: nx.DiGraph,
    tree2: nx.DiGraph,
    affinity: Affinity | None,
    *options: Any,
) -> tuple[float, dict[Any, Any]]:
    """Return what `kernel` finds, in terms of the nodes of the trees."""
    nodes1, first1 = level_order(tree1, "tree1")
    nodes2, first2 = level_order(tree2, "tree2")
    if affinity is None:
        labels1, labels2, table = compare_labels(labels_of(tree1, nodes1), labels_of(tree2, nodes2))
    else:
        table = tabulate(affinity, nodes1, nodes2)
        labels1, labels2 = (np.arange(size, dtype=np.intc) for size in table.shape)
    # A common subtree has a pair for each node of the smaller tree at most; the matching of branches adds two of them.
    if math.isinf(2 * min(len(nodes1), len(nodes2)) * float(table.max())):
        message = "the affinities may add up to more than a float holds.\n  Scale them down; only their ratios count."
        raise SubgraphError(message)
    weight, pairs = kernel(first1, labels1, first2, labels2, table, *options)
    return weight, {nodes1[u]: nodes2[v] for u, v in pairs}
