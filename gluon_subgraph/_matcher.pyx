# cython: language_level=3, embedsignature=True
# cython: boundscheck=False, wraparound=False, initializedcheck=False
# cython: cdivision=True
"""The kernels for ordered trees, compiled: see `_matcher_py`, which has the same functions in readable form.

The two change together. Arguments are trusted: `trees` checks what a user gives and builds the arrays.
"""

import numpy as np

__all__ = ["ordered_embedding", "ordered_isomorphism"]


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
        double[:, ::1] aligned = np.empty((np.diff(first1).max() + 1, np.diff(first2).max() + 1))
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


def ordered_embedding(
    const int[::1] first1,
    const int[::1] labels1,
    const int[::1] first2,
    const int[::1] labels2,
    const double[:, ::1] affinity,
):
    """Return the heaviest common embedded subtree of two rooted ordered trees: edges may be collapsed.

    The contract is that of `_matcher_py.ordered_embedding`. Memory is 16 bytes for each pair of nodes.
    """
    cdef:
        Forests forests = Forests(first1, labels1, first2, labels2, affinity)
        int[::1] roots1 = key_roots(forests.begin1), roots2 = key_roots(forests.begin2)
        Py_ssize_t i, j

    with nogil:
        for i in range(roots1.shape[0]):
            for j in range(roots2.shape[0]):
                if forests.have_pairs(roots1[i], roots2[j]):
                    forests.fill(forests.begin1[roots1[i]], roots1[i], forests.begin2[roots2[j]], roots2[j])
        forests.trace_back()
    pairs = [(forests.node1[i], forests.node2[j]) for i, j in enumerate(forests.partner) if j > 0]
    return forests.heaviest, sorted(pairs)


cdef object key_roots(const int[::1] begin):
    """Return the last of the nodes that begin alike, for each beginning, in post-order; leaves are left out."""
    last = np.zeros(begin.shape[0], dtype=np.intc)
    last[begin] = np.arange(last.size)  # of equal indices the last one counts
    return np.sort(last[last > np.arange(last.size)])


cdef class Forests:
    """The tables of `ordered_embedding`, and the steps that fill them: see `_matcher_embedding_py`."""

    cdef:
        Py_ssize_t size1, size2, low1, low2, width  # the last three of the run in `forest`
        int[::1] begin1, node1, lower1, label1, begin2, node2, lower2, label2, partner
        const double[:, ::1] scores
        double[:, ::1] rooted
        double[::1] forest
        int[:, ::1] waiting
        double heaviest

    def __init__(
        self,
        const int[::1] first1,
        const int[::1] label1,
        const int[::1] first2,
        const int[::1] label2,
        const double[:, ::1] scores,
    ):
        cdef:
            Py_ssize_t i, j
            int[::1] leaves
            const double* row
            double* rooted

        self.size1, self.size2, self.scores = label1.shape[0], label2.shape[0], scores
        self.begin1, self.node1, self.lower1 = np.zeros((3, self.size1 + 1), dtype=np.intc)
        self.begin2, self.node2, self.lower2 = np.zeros((3, self.size2 + 1), dtype=np.intc)
        number_post_order(first1, self.begin1, self.node1, self.lower1)
        number_post_order(first2, self.begin2, self.node2, self.lower2)
        self.label1, self.label2 = np.take(label1, self.node1), np.take(label2, self.node2)
        self.partner = np.zeros(self.size1 + 1, dtype=np.intc)
        self.waiting = np.zeros((self.size1 + 1, 4), dtype=np.intc)
        self.forest = np.zeros((self.size1 + 1) * (self.size2 + 1))
        # rooted[i, j] is the heaviest embedding below and including the pair (i, j), 0 if it is forbidden.
        self.rooted = np.zeros((self.size1 + 1, self.size2 + 1))
        leaves = np.flatnonzero(np.equal(self.lower2, 0)).astype(np.intc)[1:]
        for i in range(1, self.size1 + 1):
            row, rooted = &scores[self.label1[i], 0], &self.rooted[i, 0]
            if self.lower1[i] == 0:
                for j in range(1, self.size2 + 1):
                    rooted[j] = row[self.label2[j]]
            else:
                for j in range(leaves.shape[0]):
                    rooted[leaves[j]] = row[self.label2[leaves[j]]]

    cdef bint have_pairs(self, Py_ssize_t end1, Py_ssize_t end2) noexcept nogil:
        """Return whether a run over two trees would find the weight of any pair, and is not the last one."""
        cdef Py_ssize_t i = end1, j
        if end1 == self.size1 and end2 == self.size2:
            return False
        while self.lower1[i] > 0:
            j = end2
            while self.lower2[j] > 0:
                if self.scores[self.label1[i], self.label2[j]] > 0:
                    return True
                j = self.lower2[j]
            i = self.lower1[i]
        return False

    cdef void fill(self, Py_ssize_t low1, Py_ssize_t high1, Py_ssize_t low2, Py_ssize_t high2) noexcept nogil:
        """Fill `forest` with the heaviest embeddings of the forests low1, ..., i and low2, ..., j, for all i and j.

        Pointers, because the runs are many and most of them short; and rows side by side, so that the table of such
        a run stays in the cache. A row and a column of zeros come first, for the empty forests.
        """
        cdef:
            Py_ssize_t i, j, width = high2 - low2 + 2
            double score, weight, other
            const int* begin1 = &self.begin1[0]
            const int* begin2 = &self.begin2[low2 - 1]
            const int* lower2 = &self.lower2[0]
            const int* label2 = &self.label2[0]
            const double* scores
            double* forest = &self.forest[0]
            double* row = forest
            double* rooted
            const double* above
            const double* left

        self.low1, self.low2, self.width = low1, low2, width
        for j in range(width):
            row[j] = 0.0
        for i in range(low1, high1 + 1):
            above, left = row, forest + (begin1[i] - low1) * width
            row, rooted = row + width, &self.rooted[i, low2 - 1]
            # The pairs of which nobody knows yet: neither is a leaf, and both begin where the forests do.
            if begin1[i] == low1 and begin2[width - 1] == low2 and self.lower1[i] > 0:
                scores = &self.scores[self.label1[i], 0]
                j = high2
                while lower2[j] > 0:
                    score = scores[label2[j]]
                    rooted[j - low2 + 1] = score + above[j - low2] if score > 0 else 0.0
                    j = lower2[j]
            weight = row[0] = 0.0
            for j in range(1, width):
                other = max(above[j], left[begin2[j] - low2] + rooted[j])
                weight = max(weight, other)
                row[j] = weight

    cdef inline double at(self, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
        """Return the heaviest embedding of the forests that end with i and j, in the last run."""
        return self.forest[(i - self.low1 + 1) * self.width + j - self.low2 + 1]

    cdef void trace_back(self) noexcept nogil:
        """Make the last run, over the whole trees, and fill in the partners; what is below a pair is run again."""
        cdef Py_ssize_t i, j, low1, low2, size = 1
        self.wait(0, 1, self.size1, 1, self.size2)
        while size > 0:
            size -= 1
            low1, i = self.waiting[size, 0], self.waiting[size, 1]
            low2, j = self.waiting[size, 2], self.waiting[size, 3]
            self.fill(low1, i, low2, j)
            self.heaviest = max(self.heaviest, self.at(i, j))
            while i >= low1 and j >= low2:
                if self.is_pair(i, j):
                    self.partner[i] = <int>j
                    if self.begin1[i] > low1 or self.begin2[j] > low2:
                        self.wait(size, self.begin1[i], i - 1, self.begin2[j], j - 1)
                        size += 1
                        i, j = self.begin1[i] - 1, self.begin2[j] - 1
                    else:
                        i, j = i - 1, j - 1
                elif self.at(i, j) == self.at(i - 1, j):
                    i -= 1
                else:
                    j -= 1

    cdef void wait(self, Py_ssize_t at, Py_ssize_t low1, Py_ssize_t i, Py_ssize_t low2, Py_ssize_t j) noexcept nogil:
        self.waiting[at, 0], self.waiting[at, 1] = <int>low1, <int>i
        self.waiting[at, 2], self.waiting[at, 3] = <int>low2, <int>j

    cdef bint is_pair(self, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
        """Return whether a heaviest embedding of the forests that end with i and j keeps the pair (i, j)."""
        cdef double weight = self.rooted[i, j]
        return weight > 0 and self.at(i, j) == self.at(self.begin1[i] - 1, self.begin2[j] - 1) + weight


cdef void number_post_order(const int[::1] first, int[::1] begin, int[::1] node, int[::1] lower):
    """Fill in, for each number from 1 in post-order, where its subtree begins, the node, and its first child."""
    cdef:
        Py_ssize_t u, c, n = node.shape[0] - 1
        int following
        int[::1] size = np.ones(n, dtype=np.intc), start = np.ones(n, dtype=np.intc)

    for u in range(n - 1, -1, -1):
        for c in range(first[u], first[u + 1]):
            size[u] += size[c]
    for u in range(n):
        following = start[u]
        for c in range(first[u], first[u + 1]):
            start[c] = following
            following += size[c]
        begin[following], node[following] = start[u], <int>u
        if first[u] < first[u + 1]:
            lower[following] = start[u] + size[first[u]] - 1
