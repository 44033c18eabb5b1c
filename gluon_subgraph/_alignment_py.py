"""Alignment of two sequences with affine gaps: the text to read, the oracle of the tests, and the fallback.

`_alignment.pyx` has the same function under the same contract; the two change together.
"""

from __future__ import annotations

from typing import List, Sequence, Tuple

import numpy as np

__all__ = ["align"]

_NEVER = -1e30  # below every score that is possible; infinities would turn into not-a-number
_Table = List[List[float]]
_Costs = Tuple[float, float, float, float]


def align(
    scores: np.ndarray, gap_open: float, gap_extend: float, end_open: float, end_extend: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the best alignment of two sequences, and how certain each of its decisions is.

    An alignment pairs elements of both sequences in order; whatever is not paired is passed over, in gaps. It is
    worth the scores of its pairs less the costs of its gaps.

    Parameters
    ----------
    scores : float64 array, shape (elements of sequence 1, elements of sequence 2)
        Worth of each pair; anything below -1e29 forbids it.
    gap_open, gap_extend : float
        Costs of the first and of each further element of a gap within both sequences.
    end_open, end_extend : float
        The same for a gap before the first or after the last element of the other sequence.

    Returns
    -------
    float
        The worth of the best alignment.
    int32 array, shape (elements of sequence 1,)
        The partner of each element, -1 where it is passed over.
    float64 array, shape (elements of sequence 1,)
        For a paired element how much less the best alignment without this pair is worth; for one that is passed
        over, how much less the best in which it has a partner. 0 says that the decision could as well be another.

    Notes
    -----
    O(n1 n2) time; 6 floats for each pair of elements: the recurrence of Gotoh ("An improved algorithm for
    matching biological sequences", 1982), run from both ends. Of several best alignments the one is returned
    that, from the last element to the first, pairs before it passes over, and passes over an element of
    sequence 1 before one of sequence 2.
    """
    costs = (gap_open, gap_extend, end_open, end_extend)
    rows = [[max(score, _NEVER) for score in row] for row in scores.tolist()]
    n1, n2 = scores.shape
    begin = _prefixes(rows, n2, costs)
    end = tuple([row[::-1] for row in t[::-1]] for t in _prefixes([row[::-1] for row in rows[::-1]], n2, costs))
    best = max(table[n1][n2] for table in begin)
    partner = _trace_back(rows, n2, begin, costs)
    margins = np.array([best - _best_otherwise(i, rows[i], begin, end, partner[i], costs) for i in range(n1)])
    return best, np.array(partner, dtype=np.intc), margins


def _prefixes(rows: Sequence[Sequence[float]], n2: int, costs: _Costs) -> tuple[_Table, _Table, _Table]:
    """Return the best alignments of all prefixes that end in a pair, pass over an element of 1, of 2."""
    n1 = len(rows)
    paired, passed1, passed2 = ([[_NEVER] * (n2 + 1) for _ in range(n1 + 1)] for _ in range(3))
    paired[0][0] = 0.0
    for i in range(n1 + 1):
        for j in range(n2 + 1):
            if i and j:
                before = max(paired[i - 1][j - 1], passed1[i - 1][j - 1], passed2[i - 1][j - 1])
                paired[i][j] = max(rows[i - 1][j - 1] + before, _NEVER)
            if i:
                first, further = costs[2:] if j in (0, n2) else costs[:2]
                opened = max(paired[i - 1][j], passed2[i - 1][j]) - first
                passed1[i][j] = max(opened, passed1[i - 1][j] - further, _NEVER)
            if j:
                first, further = costs[2:] if i in (0, n1) else costs[:2]
                opened = max(paired[i][j - 1], passed1[i][j - 1]) - first
                passed2[i][j] = max(opened, passed2[i][j - 1] - further, _NEVER)
    return paired, passed1, passed2


def _trace_back(
    rows: Sequence[Sequence[float]], n2: int, begin: tuple[_Table, _Table, _Table], costs: _Costs
) -> list[int]:
    """Return the partner of each element of sequence 1 in the best alignment, -1 for none."""
    n1 = len(rows)
    partner = [-1] * n1
    i, j = n1, n2
    state = max(range(3), key=lambda k: begin[k][i][j])
    while i or j:
        value = begin[state][i][j]
        if state == 0:
            i, j = i - 1, j - 1
            partner[i] = j
            state = max(range(3), key=lambda k: begin[k][i][j])
        else:
            at_end = j in (0, n2) if state == 1 else i in (0, n1)
            further = costs[3] if at_end else costs[1]
            i, j = (i - 1, j) if state == 1 else (i, j - 1)
            if begin[state][i][j] - further != value:
                other = 3 - state
                state = 0 if begin[0][i][j] >= begin[other][i][j] else other
    return partner


def _best_otherwise(
    i: int,
    scores: Sequence[float],
    begin: tuple[_Table, _Table, _Table],
    end: tuple[_Table, ...],
    partner: int,
    costs: _Costs,
) -> float:
    """Return the worth of the best alignment that decides otherwise about element `i` of sequence 1."""
    n2 = len(begin[0][0]) - 1
    best = _NEVER
    for j in range(n2):
        if j != partner:
            before = max(begin[0][i][j], begin[1][i][j], begin[2][i][j])
            after = max(end[0][i + 1][j + 1], end[1][i + 1][j + 1], end[2][i + 1][j + 1])
            best = max(best, before + (scores[j] + after))
    if partner >= 0:
        for j in range(n2 + 1):
            first, further = costs[2:] if j in (0, n2) else costs[:2]
            after = max(end[0][i + 1][j], end[2][i + 1][j], end[1][i + 1][j] + first - further)
            best = max(best, begin[1][i + 1][j] + after)
    return max(best, _NEVER)
