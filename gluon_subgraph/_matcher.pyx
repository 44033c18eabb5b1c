# cython: language_level=3, embedsignature=True
# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""The kernels of the matcher, compiled: see `_matcher_py`, which has the same functions in readable form.

The two change together. Arguments are trusted: `trees` checks what a user gives and builds the arrays.
"""

import numpy as np

__all__ = ["ordered_isomorphism"]


def ordered_isomorphism(
    const int[::1] first1,
    const int[::1] labels1,
    const int[::1] first2,
    const int[::1] labels2,
    const double[:, ::1] affinity,
):
    """Return the heaviest common subtree of two rooted ordered trees, edges and order kept.

    The contract is that of `_matcher_py.ordered_isomorphism`. Memory is 8 bytes for each pair of nodes, and
    8 for each pair of children in the widest alignment.
    """
    cdef:
        Py_ssize_t n1 = labels1.shape[0], n2 = labels2.shape[0]
        Py_ssize_t u, v, i, j, c, d, root1 = 0, root2 = 0
        double score, heaviest = 0.0
        double[:, ::1] best = np.zeros((n1, n2))
        double[:, ::1] aligned = np.empty((_most_children(first1) + 1, _most_children(first2) + 1))
        int[::1] partner = np.full(n1, -1, dtype=np.intc)

    with nogil:
        # best[u, v] is the weight of the heaviest common subtree whose root is the pair (u, v), 0 if that is forbidden.
        # Children have larger numbers than their parent: on arrival at (u, v), best is complete for all that is below.
        for u in range(n1 - 1, -1, -1):
            for v in range(n2 - 1, -1, -1):
                score = affinity[labels1[u], labels2[v]]
                if score > 0:
                    best[u, v] = score + align(best, first1[u], first1[u + 1], first2[v], first2[v + 1], aligned)
                    if best[u, v] >= heaviest:
                        heaviest, root1, root2 = best[u, v], u, v
        if heaviest > 0:
            partner[root1] = <int>root2

        # partner[u] is final before u is reached, because children have larger numbers than their parent;
        # aligned is then that of (u, partner[u]) again, so no alignment but the last has to be kept.
        for u in range(root1, n1):
            v = partner[u]
            if v < 0:
                continue
            align(best, first1[u], first1[u + 1], first2[v], first2[v + 1], aligned)
            i = j = 0
            while first1[u] + i < first1[u + 1] and first2[v] + j < first2[v + 1]:
                c, d = first1[u] + i, first2[v] + j
                if best[c, d] > 0 and aligned[i, j] == best[c, d] + aligned[i + 1, j + 1]:
                    partner[c] = <int>d
                    i, j = i + 1, j + 1
                elif aligned[i, j] == aligned[i + 1, j]:
                    i += 1
                else:
                    j += 1
    return heaviest, [(u, partner[u]) for u in range(n1) if partner[u] >= 0]


cdef double align(
    double[:, ::1] best,
    Py_ssize_t begin1,
    Py_ssize_t end1,
    Py_ssize_t begin2,
    Py_ssize_t end2,
    double[:, ::1] aligned,
) noexcept nogil:
    """Fill aligned[i, j] with the heaviest alignment of the children from i on with those from j on."""
    cdef:
        Py_ssize_t i, j
        double weight, pair

    for i in range(end1 - begin1 + 1):
        aligned[i, end2 - begin2] = 0.0
    for j in range(end2 - begin2 + 1):
        aligned[end1 - begin1, j] = 0.0
    for i in range(end1 - begin1 - 1, -1, -1):
        for j in range(end2 - begin2 - 1, -1, -1):
            weight = aligned[i + 1, j]
            if aligned[i, j + 1] > weight:
                weight = aligned[i, j + 1]
            pair = best[begin1 + i, begin2 + j]
            if pair > 0 and pair + aligned[i + 1, j + 1] > weight:
                weight = pair + aligned[i + 1, j + 1]
            aligned[i, j] = weight
    return aligned[0, 0]


cdef Py_ssize_t _most_children(const int[::1] first):
    """Return the largest number of children of a node."""
    cdef Py_ssize_t u, most = 0
    for u in range(first.shape[0] - 1):
        most = max(most, first[u + 1] - first[u])
    return most
