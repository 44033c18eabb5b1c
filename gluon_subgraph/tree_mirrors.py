"""Ordered trees and their mirror images, of which one may be much less work than the other."""

from __future__ import annotations

import numpy as np

from .kernels import ordered

__all__ = ["embedding_from_cheaper_end", "mirrored", "run_sizes"]


def embedding_from_cheaper_end(
    first1: np.ndarray, labels1: np.ndarray, first2: np.ndarray, labels2: np.ndarray, affinity: np.ndarray
) -> tuple[float, list[tuple[int, int]]]:
    """Return what the kernel finds; in the mirror images of the trees where that takes less than half of the work.

    The work is the product of the sizes of the subtrees that get a run of their own: long paths should go down by
    the first children. Both trees mirrored have the same common embedded subtrees.
    """
    (left1, right1), (left2, right2) = run_sizes(first1), run_sizes(first2)
    if 2 * right1 * right2 >= left1 * left2:
        return ordered.ordered_embedding(first1, labels1, first2, labels2, affinity)
    (first1, node1), (first2, node2) = mirrored(first1), mirrored(first2)
    weight, pairs = ordered.ordered_embedding(first1, labels1[node1], first2, labels2[node2], affinity)
    return weight, sorted((int(node1[u]), int(node2[v])) for u, v in pairs)


def mirrored(first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a tree with the children of each node in the opposite order, and which node each of its nodes is.

    Examples
    --------
    >>> mirrored(np.array([1, 3, 4, 4, 4]))  # a root, two children, and one below the first of them
    (array([1, 3, 3, 4, 4], dtype=int32), array([0, 2, 1, 3]))
    """
    children = first.tolist()
    order, new_first = [0], []
    for u in order:  # grows while it is walked
        new_first.append(len(order))
        order.extend(range(children[u + 1] - 1, children[u] - 1, -1))
    return np.array([*new_first, len(order)], dtype=np.intc), np.array(order)


def run_sizes(first: np.ndarray) -> tuple[int, int]:
    """Return the sizes of all subtrees that are no leaf and no first child, added up; and of those no last child.

    Examples
    --------
    >>> run_sizes(np.array([1, 3, 4, 4, 4]))
    (4, 6)
    """
    children = first.tolist()
    size = [1] * (len(children) - 1)
    left = right = 0
    for u in range(len(size) - 1, -1, -1):
        below = range(children[u], children[u + 1])
        size[u] += sum(size[c] for c in below)
        inner = [size[c] for c in below if size[c] > 1]
        if inner:
            left += sum(inner) - (size[below[0]] if size[below[0]] > 1 else 0)
            right += sum(inner) - (size[below[-1]] if size[below[-1]] > 1 else 0)
    return left + size[0], right + size[0]
