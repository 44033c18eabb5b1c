"""The heaviest common embedded subtree of two ordered trees.

A part of `_matcher_py`, which says how a tree is given; the same function is in `_matcher.pyx`.

Nodes are renumbered here: in *post-order*, from 1, children before their parent. Node i and all below it are then
the numbers begin[i], ..., i without a gap. What is left of a tree when nodes are dropped from its end, and
begin[i], ..., j in general, is an ordered forest: the children of a dropped node move up to its place.
"""

from __future__ import annotations

import numpy as np

__all__ = ["ordered_embedding"]


def ordered_embedding(
    first1: np.ndarray,
    labels1: np.ndarray,
    first2: np.ndarray,
    labels2: np.ndarray,
    affinity: np.ndarray,
) -> tuple[float, list[tuple[int, int]]]:
    """Return the heaviest common embedded subtree of two rooted ordered trees: edges may be collapsed.

    Of any two pairs, one is above the other in both trees or in neither, and if in neither, the same one is to the
    left in both. So the pairs need not have a common root: they may be a forest.

    Parameters
    ----------
    first1, first2 : int32 array, shape (nodes + 1,)
        The trees in level order, see the docstring of `_matcher_py`.
    labels1, labels2 : int32 array, shape (nodes,)
        Row and column of a node in `affinity`.
    affinity : float64 array, shape (labels of tree 1, labels of tree 2)
        Unitless score of a pair of nodes, finite; 0 forbids the pair.

    Returns
    -------
    float
        The sum of the affinities of the pairs, 0.0 where every pair is forbidden.
    list of (int, int)
        The pairs (node of tree 1, node of tree 2), in level order of tree 1.

    Notes
    -----
    O(n1 n2 min(d1, l1) min(d2, l2)) time for depths d and numbers of leaves l. Memory is two floats for each pair
    of nodes; here a float is an object, in the compiled twin 8 bytes. Exactly, the runs fill the product of
    two sums, one for each tree: of the sizes of all subtrees that are no leaf and no first child. Where depth grows
    with the logarithm, as in trees of names, that is little more than n1 n2; in trees drawn uniformly, whose depth
    grows with the root of n, it is about n1 n2 sqrt(n1 n2); it is worst where long paths go down by last children.

    The recurrence is that of Zhang and Shasha for the edit distance, read as a similarity. For two forests with the
    last nodes i and j, the heaviest is the largest of: that without i; that without j; and, if the pair (i, j) is
    allowed, its affinity plus what is below i and j plus what is left of them. Left of them and below them both
    are forests of the same kind, and below them depends on (i, j) only: it is found once, in the run over the
    widest two trees that end the way i and j begin, whose roots are the *key roots*.

    Proof sketch that forbidden pairs change nothing. Take any solution for two forests. If i or j is in no pair,
    it solves one of the two smaller problems. Else both are, and with each other: were the pairs (i, y) and (x, j)
    different, x would be before i and j after y; but an embedding keeps post-order. Every other pair is below
    both or left of both, since ancestry is kept, and any two solutions of these parts make one together. So the
    three cases are all there are whatever is allowed, and a forbidden pair only takes the third one away. No
    step argues that a pair could be added or exchanged, which is what forbidding would have broken.

    Ties: from the last node in post-order backwards, a pair that some heaviest embedding keeps is kept; else the
    node in tree 1 is passed over if that costs nothing, else the node in tree 2.
    """
    forests = _Forests(first1.tolist(), labels1.tolist(), first2.tolist(), labels2.tolist(), affinity.tolist())
    for end1 in _key_roots(forests.begin1):
        for end2 in _key_roots(forests.begin2):
            if forests.have_pairs(end1, end2):
                forests.fill(forests.begin1[end1], end1, forests.begin2[end2], end2)
    pairs = forests.trace_back()
    return forests.heaviest, sorted((forests.node1[i], forests.node2[j]) for i, j in pairs)


def _key_roots(begin: list[int]) -> list[int]:
    """Return the last of the nodes that begin alike, for each beginning, in post-order; leaves are left out."""
    last = {start: i for i, start in enumerate(begin)}
    return sorted(i for start, i in last.items() if i > start)


class _Forests:
    """The tables, and the steps that fill them."""

    def __init__(
        self, first1: list[int], label1: list[int], first2: list[int], label2: list[int], scores: list[list[float]]
    ) -> None:
        self.size1, self.size2 = len(label1), len(label2)
        self.begin1, self.node1, self.lower1 = _post_order(first1)
        self.begin2, self.node2, self.lower2 = _post_order(first2)
        self.label1, self.label2 = [label1[u] for u in self.node1], [label2[v] for v in self.node2]
        self.scores = scores
        self.forest = [[0.0] * (self.size2 + 1) for _ in self.node1]
        # rooted[i][j] is the heaviest embedding below and including the pair (i, j), 0 if it is forbidden.
        # With a leaf it is the affinity; the other pairs are found in the runs, children before parents.
        self.rooted = [[0.0] * (self.size2 + 1) for _ in self.node1]
        for i in range(1, self.size1 + 1):
            for j in range(1, self.size2 + 1):
                if self.lower1[i] == 0 or self.lower2[j] == 0:
                    self.rooted[i][j] = scores[self.label1[i]][self.label2[j]]
        self.heaviest = 0.0

    def have_pairs(self, end1: int, end2: int) -> bool:
        """Return whether a run over two trees would find the weight of any pair, and is not the last one."""
        if end1 == self.size1 and end2 == self.size2:
            return False
        i = end1
        while self.lower1[i] > 0:
            j = end2
            while self.lower2[j] > 0:
                if self.scores[self.label1[i]][self.label2[j]] > 0:
                    return True
                j = self.lower2[j]
            i = self.lower1[i]
        return False

    def fill(self, low1: int, high1: int, low2: int, high2: int) -> None:
        """Fill forest[i][j] with the heaviest embedding of the forests low1, ..., i and low2, ..., j.

        Row low1 - 1 and column low2 - 1 are for the empty forest. A forbidden pair has rooted[i][j] = 0 and adds to
        the forest left of it, which is no heavier than the whole: so it needs no test.
        """
        begin2 = self.begin2
        for i in range(low1 - 1, high1 + 1):
            self.forest[i][low2 - 1] = 0.0
        self.forest[low1 - 1][low2 : high2 + 1] = [0.0] * (high2 + 1 - low2)
        for i in range(low1, high1 + 1):
            above, left = self.forest[i - 1], self.forest[self.begin1[i] - 1]
            row, rooted = self.forest[i], self.rooted[i]
            if self.begin1[i] == low1:
                scores = self.scores[self.label1[i]]
                for j in range(low2, high2 + 1):
                    if begin2[j] == low2:
                        score = scores[self.label2[j]]
                        rooted[j] = score + above[j - 1] if score > 0 else 0.0
            weight = 0.0
            for j in range(low2, high2 + 1):
                weight = row[j] = max(weight, above[j], left[begin2[j] - 1] + rooted[j])

    def trace_back(self) -> list[tuple[int, int]]:
        """Make the last run, over the whole trees, and return the pairs; what is below a pair is run again."""
        pairs = []
        waiting = [(1, self.size1, 1, self.size2)]
        while waiting:
            low1, i, low2, j = waiting.pop()
            self.fill(low1, i, low2, j)
            self.heaviest = max(self.heaviest, self.forest[i][j])
            while i >= low1 and j >= low2:
                if self._is_pair(i, j):
                    pairs.append((i, j))
                    if self.begin1[i] > low1 or self.begin2[j] > low2:
                        waiting.append((self.begin1[i], i - 1, self.begin2[j], j - 1))
                        i, j = self.begin1[i] - 1, self.begin2[j] - 1
                    else:
                        i, j = i - 1, j - 1
                elif self.forest[i][j] == self.forest[i - 1][j]:
                    i -= 1
                else:
                    j -= 1
        return pairs

    def _is_pair(self, i: int, j: int) -> bool:
        """Return whether a heaviest embedding of the forests that end with i and j keeps the pair (i, j)."""
        weight = self.rooted[i][j]
        return weight > 0 and self.forest[i][j] == self.forest[self.begin1[i] - 1][self.begin2[j] - 1] + weight


def _post_order(first: list[int]) -> tuple[list[int], list[int], list[int]]:
    """Return, for each number from 1 in post-order, where its subtree begins, which node it is, and its first child.

    Number 0 is unused, and stands for no child.
    """
    size = [1] * (len(first) - 1)
    for u in range(len(size) - 1, -1, -1):
        size[u] += sum(size[first[u] : first[u + 1]])
    start = [1] * len(size)
    begin, node, lower = ([0] * (len(size) + 1) for _ in range(3))
    for u in range(len(size)):
        following = start[u]
        for c in range(first[u], first[u + 1]):
            start[c] = following
            following += size[c]
        begin[following], node[following] = start[u], u
        if first[u] < first[u + 1]:
            lower[following] = start[u] + size[first[u]] - 1
    return begin, node, lower
