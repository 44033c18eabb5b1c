"""The kernels for ordered trees in Python: the text to read, the oracle of the tests, and the fallback.

`_matcher.pyx` has the same functions under the same contract; the two change together. Arguments are
trusted: `trees` checks what a user gives and builds the arrays.

A rooted ordered tree is numbered in *level order*: the root is 0, then come the children of 0, then the
children of 1, and so on. Hence one array `first` of n + 1 numbers says everything: the children of node u are
`first[u]`, ..., `first[u + 1] - 1`, all of them larger than u, neighbours in memory, in their order.
"""

from __future__ import annotations

import numpy as np

from ._matcher_embedding_py import ordered_embedding

__all__ = ["ordered_embedding", "ordered_isomorphism"]


def ordered_isomorphism(
    first1: np.ndarray,
    labels1: np.ndarray,
    first2: np.ndarray,
    labels2: np.ndarray,
    affinity: np.ndarray,
) -> tuple[float, list[tuple[int, int]]]:
    """Return the heaviest common subtree of two rooted ordered trees, edges and order kept.

    The pairs form one connected piece of either tree: one pair is the root, and the parents of every other
    pair are a pair too. Pairs of siblings do not cross. Siblings, with all below them, may be passed over.

    Parameters
    ----------
    first1, first2 : int32 array, shape (nodes + 1,)
        The trees in level order, see the module's docstring.
    labels1, labels2 : int32 array, shape (nodes,)
        Row and column of a node in `affinity`.
    affinity : float64 array, shape (labels of tree 1, labels of tree 2)
        Unitless score of a pair of nodes, finite; 0 forbids the pair.

    Returns
    -------
    float
        The sum of the affinities of the pairs, 0.0 where every pair is forbidden.
    list of (int, int)
        The pairs (node of tree 1, node of tree 2), in level order of both trees.

    Notes
    -----
    O(n1 n2) time: an alignment of two lists of children costs the product of their lengths, and those
    products add up to less than n1 n2. Memory is one float for each pair of nodes, and one for each pair of
    children in the widest alignment; here a float is an object, in the compiled twin 8 bytes.

    Ties: of several heaviest root pairs the one earliest in level order of tree 1, then of tree 2. Among the
    children, from the first to the last: a pair that some heaviest alignment keeps is kept; else the child in
    tree 1 is passed over if that costs nothing, else the child in tree 2.
    """
    child1, child2 = first1.tolist(), first2.tolist()
    label1, label2 = labels1.tolist(), labels2.tolist()
    scores = affinity.tolist()
    heaviest, root_pair = 0.0, (0, 0)
    # best[u][v] is the weight of the heaviest common subtree whose root is the pair (u, v), 0 if that is forbidden.
    # Children have larger numbers than their parent: on arrival at (u, v), best is complete for all that is below.
    best = [[0.0] * len(label2) for _ in label1]
    for u in range(len(label1) - 1, -1, -1):
        for v in range(len(label2) - 1, -1, -1):
            score = scores[label1[u]][label2[v]]
            if score > 0:
                best[u][v] = score + _align(best, child1[u : u + 2], child2[v : v + 2])[0][0]
                if best[u][v] >= heaviest:
                    heaviest, root_pair = best[u][v], (u, v)
    partner = _trace_back(best, child1, child2, root_pair) if heaviest > 0 else {}
    return heaviest, sorted(partner.items())


def _align(best: list[list[float]], children1: list[int], children2: list[int]) -> list[list[float]]:
    """Return the table whose [i][j] is the heaviest alignment of the children from i on with those from j on.

    `children1` and `children2` are (first child, end) in tree 1 and tree 2.
    """
    (begin1, end1), (begin2, end2) = children1, children2
    table = [[0.0] * (end2 - begin2 + 1)]
    for i in range(end1 - 1, begin1 - 1, -1):
        weights = best[i][begin2:end2]
        after, row = table[-1], [0.0] * (end2 - begin2 + 1)
        for j in range(len(weights) - 1, -1, -1):
            row[j] = max(after[j], row[j + 1])
            if weights[j] > 0:
                row[j] = max(row[j], weights[j] + after[j + 1])
        table.append(row)
    return table[::-1]


def _trace_back(
    best: list[list[float]], child1: list[int], child2: list[int], root_pair: tuple[int, int]
) -> dict[int, int]:
    """Return {node of tree 1: its partner in tree 2}, from the root pair down."""
    partner = dict([root_pair])
    # A partner is set before its node is reached, because children have larger numbers than their parent.
    for u in range(root_pair[0], len(child1) - 1):
        if u not in partner:
            continue
        v = partner[u]
        aligned = _align(best, child1[u : u + 2], child2[v : v + 2])
        i = j = 0
        while i < len(aligned) - 1 and j < len(aligned[0]) - 1:
            c, d = child1[u] + i, child2[v] + j
            if best[c][d] > 0 and aligned[i][j] == best[c][d] + aligned[i + 1][j + 1]:
                partner[c] = d
                i, j = i + 1, j + 1
            elif aligned[i][j] == aligned[i + 1][j]:
                i += 1
            else:
                j += 1
    return partner
