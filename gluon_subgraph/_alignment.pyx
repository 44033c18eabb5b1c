# cython: language_level=3, embedsignature=True
# cython: boundscheck=False, wraparound=False, initializedcheck=False
"""Alignment of two sequences, compiled: see `_alignment_py`, which has the same function in readable form.

The two change together.
"""

import numpy as np

__all__ = ["align"]

cdef double NEVER = -1e30


def align(const double[:, ::1] scores, double gap_open, double gap_extend, double end_open, double end_extend):
    """Return the best alignment of two sequences, and how certain each of its decisions is.

    The contract is that of `_alignment_py.align`. Memory is 48 bytes for each pair of elements.
    """
    cdef:
        Py_ssize_t n1 = scores.shape[0], n2 = scores.shape[1]
        Py_ssize_t i
        double[4] costs = [gap_open, gap_extend, end_open, end_extend]
        double[:, :, ::1] begin = np.full((3, n1 + 1, n2 + 1), NEVER)
        double[:, :, ::1] end = np.full((3, n1 + 1, n2 + 1), NEVER)
        int[::1] partner = np.full(n1, -1, dtype=np.intc)
        double[::1] margins = np.empty(n1)
        double best

    with nogil:
        fill(scores, begin, False, costs)
        fill(scores, end, True, costs)
        best = begin[widest(begin, n1, n2), n1, n2]
        trace_back(begin, partner, costs)
        for i in range(n1):
            margins[i] = best - best_otherwise(i, scores, begin, end, partner[i], costs)
    return best, np.asarray(partner), np.asarray(margins)


cdef inline double larger(double a, double b) noexcept nogil:
    return a if a > b else b


cdef inline int widest(double[:, :, ::1] tables, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    """Return the first of the three states with the best prefix."""
    cdef int state = 0
    if tables[1, i, j] > tables[0, i, j]:
        state = 1
    if tables[2, i, j] > tables[state, i, j]:
        state = 2
    return state


cdef inline double best_of(double[:, :, ::1] tables, Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    return larger(larger(tables[0, i, j], tables[1, i, j]), tables[2, i, j])


cdef void fill(const double[:, ::1] scores, double[:, :, ::1] tables, bint backwards, double* costs) noexcept nogil:
    """Fill tables[state, i, j] with the best alignment of i and j elements from the front, or from the back."""
    cdef:
        Py_ssize_t n1 = scores.shape[0], n2 = scores.shape[1]
        Py_ssize_t i, j
        int at_end
        double score, opened

    tables[0, 0, 0] = 0.0
    for i in range(n1 + 1):
        for j in range(n2 + 1):
            if i and j:
                score = scores[n1 - i, n2 - j] if backwards else scores[i - 1, j - 1]
                score = larger(score, NEVER) + best_of(tables, i - 1, j - 1)
                tables[0, i, j] = larger(score, NEVER)
            if i:
                at_end = 2 if j == 0 or j == n2 else 0
                opened = larger(tables[0, i - 1, j], tables[2, i - 1, j]) - costs[at_end]
                opened = larger(opened, tables[1, i - 1, j] - costs[at_end + 1])
                tables[1, i, j] = larger(opened, NEVER)
            if j:
                at_end = 2 if i == 0 or i == n1 else 0
                opened = larger(tables[0, i, j - 1], tables[1, i, j - 1]) - costs[at_end]
                opened = larger(opened, tables[2, i, j - 1] - costs[at_end + 1])
                tables[2, i, j] = larger(opened, NEVER)


cdef void trace_back(double[:, :, ::1] begin, int[::1] partner, double* costs) noexcept nogil:
    """Set the partner of each element of sequence 1 in the best alignment."""
    cdef:
        Py_ssize_t n1 = begin.shape[1] - 1, n2 = begin.shape[2] - 1
        Py_ssize_t i = n1, j = n2
        int state = widest(begin, i, j), other
        bint at_end
        double value

    while i or j:
        value = begin[state, i, j]
        if state == 0:
            i -= 1
            j -= 1
            partner[i] = <int>j
            state = widest(begin, i, j)
        else:
            at_end = (j == 0 or j == n2) if state == 1 else (i == 0 or i == n1)
            if state == 1:
                i -= 1
            else:
                j -= 1
            if begin[state, i, j] - costs[3 if at_end else 1] != value:
                other = 3 - state
                state = 0 if begin[0, i, j] >= begin[other, i, j] else other


cdef double best_otherwise(
    Py_ssize_t i,
    const double[:, ::1] scores,
    double[:, :, ::1] begin,
    double[:, :, ::1] end,
    int partner,
    double* costs,
) noexcept nogil:
    """Return the worth of the best alignment that decides otherwise about element i of sequence 1."""
    cdef:
        Py_ssize_t n1 = scores.shape[0], n2 = scores.shape[1]
        Py_ssize_t j, left = n1 - i - 1
        int at_end
        double best = NEVER, after

    for j in range(n2):
        if j != partner:
            after = larger(scores[i, j], NEVER) + best_of(end, left, n2 - j - 1)
            best = larger(best, best_of(begin, i, j) + after)
    if partner >= 0:
        for j in range(n2 + 1):
            at_end = 2 if j == 0 or j == n2 else 0
            after = end[1, left, n2 - j] + costs[at_end] - costs[at_end + 1]
            after = larger(after, larger(end[0, left, n2 - j], end[2, left, n2 - j]))
            best = larger(best, begin[1, i + 1, j] + after)
    return best
