"""Heaviest common subtrees of trees whose children have no order, edges kept or collapsed at a price.

The text to read, the oracle of the tests, and the fallback; `_unordered.pyx` has the same functions under the same
contract, and the two change together. How a tree is given is said in `_matcher_py`.

A *branch* of tree 2 is what hangs on one end of an edge, and has a number: branch d < n2 is node d and all below
it; branch n2 + d is the parent of d and all but branch d. The branches at a node are those of its children, then,
unless trees are compared as rooted, the one of its parent. Tree 1 is taken as rooted throughout: a common subtree
has one topmost node in it, and lies in tree 2 as it likes.
"""

from __future__ import annotations

import math

import numpy as np

from ._unordered_assignment_py import Assignment

__all__ = ["unordered_embedding", "unordered_isomorphism"]


def unordered_isomorphism(
    first1: np.ndarray,
    labels1: np.ndarray,
    first2: np.ndarray,
    labels2: np.ndarray,
    affinity: np.ndarray,
    rooted: bool,
) -> tuple[float, list[tuple[int, int]]]:
    """Return the heaviest common subtree of two unordered trees, edges kept.

    The embedding below in which no node can be skipped; see there.
    """
    return unordered_embedding(first1, labels1, first2, labels2, affinity, math.inf, rooted)


def unordered_embedding(
    first1: np.ndarray,
    labels1: np.ndarray,
    first2: np.ndarray,
    labels2: np.ndarray,
    affinity: np.ndarray,
    penalty: float,
    rooted: bool,
) -> tuple[float, list[tuple[int, int]]]:
    """Return the heaviest common subtree of two unordered trees whose edges are paths in either.

    The paths of one tree share no node but their ends. A node inside a path is skipped, which costs `penalty`.

    Parameters
    ----------
    first1, first2 : int32 array, shape (nodes + 1,)
        The trees in level order, see the docstring of `_matcher_py`.
    labels1, labels2 : int32 array, shape (nodes,)
        Row and column of a node in `affinity`.
    affinity : float64 array, shape (labels of tree 1, labels of tree 2)
        Unitless score of a pair of nodes, finite; 0 forbids the pair.
    penalty : float
        What a skipped node costs, 0 or more; infinite where edges are to be kept.
    rooted : bool
        Whether paths lead down in both trees, so that ancestors are matched with ancestors.

    Returns
    -------
    float
        The sum of the affinities of the pairs less the penalties, 0.0 where every pair is forbidden.
    list of (int, int)
        The pairs (node of tree 1, node of tree 2), in level order of tree 1.

    Notes
    -----
    O(n1 n2 D) time, D the smaller of the largest numbers of neighbours: a pair of nodes with j and k neighbours
    costs O(j k min(j, k)) for the matching of the branches and for that without each branch in turn. Memory is
    two floats for each pair of nodes, one if `rooted`, and one for each pair of branches at the nodes with most
    of them; here a float is an object, in the compiled twin 8 bytes.

    Proof sketch. weight[u][branch] is the most that u and all below it can have in common with the branch, where
    either may first skip nodes down to the first pair. If u and the top v of the branch are a pair, the paths
    that leave them go into different branches on both sides, and what happens in two branches is independent:
    a matching of the branches is what is chosen. Else u is skipped and the path goes on into one child, or v is.
    A whole common subtree has a topmost node in tree 1. It is half of a pair, whose partner may use all
    its branches; or it is inside a path that comes up from one child and goes down to another one, while the path
    of tree 2 passes some edge, and the branches at both ends of that edge are all there is.

    Ties: a heaviest subtree whose topmost node is half of a pair goes before one in which it is skipped. Of the
    first kind, the one whose topmost pair is first in level order of tree 1, then of tree 2; of the second, the
    one that turns last in level order of tree 1, and there passes the first edge of tree 2. Further down a pair
    goes before skipping in tree 1, and that before skipping in tree 2, where the first child or branch that will do
    is followed. Children are matched from the first to the last, as in `Assignment`.
    """
    search = _Search(
        first1.tolist(), first2.tolist(), labels1.tolist(), labels2.tolist(), affinity.tolist(), penalty, rooted
    )
    for u in range(search.size1 - 1, -1, -1):
        search.skip_in_tree1(u)
        for v in range(search.size2 - 1, -1, -1):
            search.match(u, v)
            search.skip_down(u, v)
        if penalty < math.inf and not rooted:
            search.skip_up(u)
            search.turn_at(u)
    return search.heaviest, sorted(search.trace_back().items())


class _Search:
    """The tables, and the steps that fill them."""

    def __init__(
        self,
        child1: list[int],
        child2: list[int],
        label1: list[int],
        label2: list[int],
        scores: list[list[float]],
        penalty: float,
        rooted: bool,
    ) -> None:
        self.child1, self.child2 = child1, child2
        self.label1, self.label2, self.scores = label1, label2, scores
        self.penalty, self.rooted = penalty, rooted
        self.size1, self.size2 = len(label1), len(label2)
        self.parent2 = [-1, *(v for v in range(self.size2) for _ in range(child2[v], child2[v + 1]))]
        # weight[u][branch] as in the proof; complete for the children of u before u is reached.
        self.weight = [[0.0] * (self.size2 if rooted else 2 * self.size2) for _ in label1]
        self.heaviest = 0.0
        # {node of tree 1: what it and all below it have to match}: a branch, or 2 * size2 + v for v and all around it.
        self.start: dict[int, int] = {}

    def branches(self, v: int) -> list[int]:
        """Return the branches at node v of tree 2."""
        children = list(range(self.child2[v], self.child2[v + 1]))
        return children if self.rooted or v == 0 else [*children, self.size2 + v]

    def solve(self, u: int, v: int) -> Assignment:
        """Return the heaviest matching of the children of u with the branches at v."""
        branches = self.branches(v)
        children = range(self.child1[u], self.child1[u + 1])
        found = Assignment([[self.weight[c][branch] for branch in branches] for c in children], len(branches))
        found.solve()
        return found

    def skip_in_tree1(self, u: int) -> None:
        """Fill the row of u with what its best child has if u is skipped."""
        row = self.weight[u]
        if self.penalty < math.inf:
            for c in range(self.child1[u], self.child1[u + 1]):
                for branch, weight in enumerate(self.weight[c]):
                    row[branch] = max(row[branch], weight - self.penalty)

    def match(self, u: int, v: int) -> None:
        """Count what u and v have as a pair, in the whole of tree 2 and without one branch at v in turn."""
        score = self.scores[self.label1[u]][self.label2[v]]
        if score <= 0:
            return
        row, found = self.weight[u], self.solve(u, v)
        whole = score + found.total()
        if whole >= self.heaviest:
            self.heaviest, self.start = whole, {u: 2 * self.size2 + v}
        children = range(self.child2[v], self.child2[v + 1])
        row[v] = max(row[v], score + found.without(len(children)))
        if not self.rooted:
            for column, d in enumerate(children):
                row[self.size2 + d] = max(row[self.size2 + d], score + found.without(column))

    def skip_down(self, u: int, v: int) -> None:
        """Count what u has with the best child of v if v is skipped on the way down."""
        row = self.weight[u]
        for d in range(self.child2[v], self.child2[v + 1]):
            row[v] = max(row[v], row[d] - self.penalty)

    def skip_up(self, u: int) -> None:
        """Count what u has with the best branch at v, other than d, if v is skipped coming from its child d."""
        row = self.weight[u]
        for v in range(self.size2):
            best = second = 0.0
            for branch in self.branches(v):
                if row[branch] > best:
                    best, second = row[branch], best
                elif row[branch] > second:
                    second = row[branch]
            for d in range(self.child2[v], self.child2[v + 1]):
                other = second if row[d] == best else best
                row[self.size2 + d] = max(row[self.size2 + d], other - self.penalty)

    def turn_at(self, u: int) -> None:
        """Count the common subtrees with a path through u, from one child to another."""
        for d in range(1, self.size2):
            # The best child for either end of the edge above d, and the second best, -1 for none.
            lower = lower_second = upper = upper_second = -1
            for c in range(self.child1[u], self.child1[u + 1]):
                weight = self.weight[c]
                if lower < 0 or weight[d] > self.weight[lower][d]:
                    lower, lower_second = c, lower
                elif lower_second < 0 or weight[d] > self.weight[lower_second][d]:
                    lower_second = c
                if upper < 0 or weight[self.size2 + d] > self.weight[upper][self.size2 + d]:
                    upper, upper_second = c, upper
                elif upper_second < 0 or weight[self.size2 + d] > self.weight[upper_second][self.size2 + d]:
                    upper_second = c
            if lower != upper:
                self._turn(d, lower, upper)
            elif lower_second >= 0:
                self._turn(d, lower, upper_second)
                self._turn(d, lower_second, upper)

    def _turn(self, d: int, lower: int, upper: int) -> None:
        """Count the path from child `lower` to child `upper` that passes the edge above d in tree 2."""
        below, above = self.weight[lower][d], self.weight[upper][self.size2 + d]
        if below > 0 and above > 0 and below + above - self.penalty > self.heaviest:
            self.heaviest = below + above - self.penalty
            self.start = {lower: d, upper: self.size2 + d}

    def trace_back(self) -> dict[int, int]:
        """Return {node of tree 1: its partner in tree 2}."""
        partner: dict[int, int] = {}
        given = dict(self.start)
        # What a node is given is final when it is reached, because children have larger numbers than their parent.
        for u in range(self.size1):
            branch = given.get(u, -1)
            while branch >= 0:
                branch = self._follow(u, branch, given, partner)
        return partner

    def _follow(self, u: int, branch: int, given: dict[int, int], partner: dict[int, int]) -> int:
        """Match u with the top of `branch` or give a child of u the branch; else return the next branch for u."""
        whole, v = divmod(branch, self.size2)
        if whole == 1:
            v, banned = self.parent2[v], v - self.child2[self.parent2[v]]
        else:
            banned = self.child2[v + 1] - self.child2[v] + whole  # the column of the parent, or one there never is
        weight = self.heaviest if whole == 2 else self.weight[u][branch]
        score = self.scores[self.label1[u]][self.label2[v]]
        branches = self.branches(v)
        if score > 0:
            found = self.solve(u, v)
            if score + found.without(banned) == weight:
                partner[u] = v
                for row, column in enumerate(found.changed):
                    if column >= 0:
                        given[self.child1[u] + row] = branches[column]
                return -1
        for c in range(self.child1[u], self.child1[u + 1]):
            if self.weight[c][branch] - self.penalty == weight:
                given[c] = branch
                return -1
        rest = (branch for column, branch in enumerate(branches) if column != banned)
        return next(branch for branch in rest if self.weight[u][branch] - self.penalty == weight)
