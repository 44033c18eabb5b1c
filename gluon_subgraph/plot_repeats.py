"""Repeated blocks: stretches of units that follow each other, compute the same and read the one before.

A stretch of `period` units is repeated where unit i and unit i + period compute the same and read the same from the
same distance, or both read one thing from before, as a mask. It hangs together by what its own units read of each
other: the end of one branch and the beginning of the next are no block. Channel counts on the reading side may differ:
the layers of a DenseNet are alike although each reads more than the last.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import AbstractSet, Iterator, NamedTuple, Sequence

import numpy as np

from .plot_units import Unit

__all__ = ["Repeat", "find_repeats"]

_LONGEST = 256  # units of one repeated block
_COMPARED = 8  # of the things a unit reads
_MOST_CANDIDATES = 20_000
_FEWEST_SAVED = 3  # boxes, for which a repeat is worth the reader's thought


class Repeat(NamedTuple):
    """`count` stretches of `period` units, the first of which begins at unit `start`."""

    start: int
    period: int
    count: int  # type: ignore[assignment]  # shadows tuple.count, which nobody needs here

    @property
    def end(self) -> int:
        """The unit behind the last stretch."""
        return self.start + self.period * self.count


def find_repeats(units: Sequence[Unit], expanded: AbstractSet[int] = frozenset()) -> list[Repeat]:
    """Return repeated stretches that do not overlap, in order; those that save most boxes are chosen first.

    No stretch contains a unit of `expanded`, or begins or ends in the middle of a block that it is not part of.

    Notes
    -----
    O(units * longest period) comparisons of numbers, vectorised; neighbours of the units are compared only where
    these look the same for a whole period.
    """
    count = len(units)
    if count < 2:
        return []
    alike = _Alike(units, expanded)
    borders = _Borders(units)
    reads = [sorted(unit.sources) for unit in units]
    ties = _Ties(reads)
    found: list[Repeat] = []
    for period in range(1, min(count // 2, _LONGEST) + 1):
        if len(found) > _MOST_CANDIDATES:
            break
        hanging = ties.at(period)
        for start, end in _true_runs(alike.at(period), period):
            if alike.moves(start, end, period):
                found += _repeats_between(reads, borders, hanging, start, end, period)
    found.sort(key=lambda repeat: (-repeat.period * (repeat.count - 1), repeat.period, repeat.start))
    taken = np.zeros(count, dtype=bool)
    chosen = []
    for repeat in found:
        if not taken[repeat.start : repeat.end].any():
            taken[repeat.start : repeat.end] = True
            chosen.append(repeat)
    return sorted(chosen)


def _look(unit: Unit) -> object:
    return unit.looks, unit.texts, unit.marks, len(unit.sources), len(unit.parameters), len(unit.group)


def _true_runs(same: np.ndarray, shortest: int) -> list[tuple[int, int]]:
    """Return (start, end) of the runs of True that are at least so long."""
    padded = np.concatenate([[False], same, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2]) if b - a >= shortest]


def _repeats_between(
    reads: Sequence[Sequence[int]], borders: _Borders, ties: np.ndarray, start: int, end: int, period: int
) -> Iterator[Repeat]:
    """Yield the repeats among units `start` to `end`, all of which are alike the one a period further.

    A stretch has no edges within itself that the one before it has not, so that where the second hangs together, the
    last ones nearly always do.
    """
    free = start
    for position in (start + np.flatnonzero(ties[start + period : end + 1])).tolist():
        if position < free:
            continue
        most = 1 + (end - position) // period
        count = 1 if borders.is_block(position, period) else 0
        while 0 < count < most:
            later = position + count * period
            if not borders.is_block(later, period, is_inner=True) or not _reads_one_before(reads, later, period):
                break
            if count == 1 and not _hangs_together(reads, later, later + period):
                break
            count += 1
        while count > 2 and not _hangs_together(reads, position + (count - 1) * period, position + count * period):
            count -= 1
        if (count - 1) * period >= _FEWEST_SAVED:
            yield Repeat(position, period, count)
            free = position + (count - 1) * period + 1


class _Alike:
    """Which units look the same as the one a period further, and read the same."""

    def __init__(self, units: Sequence[Unit], expanded: AbstractSet[int]) -> None:
        number_of_look: dict[object, int] = {}
        looks = [number_of_look.setdefault(_look(unit), len(number_of_look)) for unit in units]
        for i in expanded:
            looks[i] = -1 - i  # like nothing else
        self._looks = np.array(looks)
        self._sources = np.zeros((len(units), _COMPARED), dtype=np.int64)
        for i, unit in enumerate(units):
            read = unit.sources[:_COMPARED]
            self._sources[i, : len(read)] = read

    def at(self, period: int) -> np.ndarray:
        """Return for each unit but the last ones whether it is alike the one a period further."""
        further = self._sources[period:] - self._sources[:-period]
        wired = ((further == 0) | (further == period)).all(axis=1)
        return (self._looks[:-period] == self._looks[period:]) & wired

    def moves(self, start: int, end: int, period: int) -> bool:
        """Return whether any of these units reads something else than the one a period further."""
        return bool((self._sources[start + period : end + period] != self._sources[start:end]).any())


def _reads_one_before(reads: Sequence[Sequence[int]], start: int, period: int) -> bool:
    """Return whether a stretch reads the one before it; branches side by side are no repetition."""
    before = range(start - period, start)
    return any(source in before for i in range(start, start + period) for source in reads[i])


class _Ties:
    """Which stretches may hang together: over each place within one goes an edge that is short enough for it."""

    def __init__(self, reads: Sequence[Sequence[int]]) -> None:
        near = [(i, source) for i, read in enumerate(reads) for source in read if i - source < _LONGEST]
        edges = np.array(near, dtype=np.int64).reshape(-1, 2)
        self._edges = edges[np.argsort(edges[:, 0] - edges[:, 1], kind="stable")]
        self._spans = self._edges[:, 0] - self._edges[:, 1]
        self._count = len(reads)

    def at(self, period: int) -> np.ndarray:
        """Return for the start of each stretch of `period` units whether it may hang together."""
        fitting = self._edges[: np.searchsorted(self._spans, period)]
        changes = np.bincount(fitting[:, 1] + 1, minlength=self._count + 2)
        changes -= np.bincount(fitting[:, 0] + 1, minlength=self._count + 2)
        gaps = np.cumsum(np.cumsum(changes) == 0)  # gaps[i]: places up to the one before unit i that no edge goes over
        return gaps[period - 1 : self._count] == gaps[: self._count - period + 1]


def _hangs_together(reads: Sequence[Sequence[int]], start: int, end: int) -> bool:
    """Return whether units `start` to `end` are weakly connected by what they read of each other."""
    above = list(range(end - start))
    parts = end - start
    for i in range(start, end):
        for source in reads[i][bisect_left(reads[i], start) :]:
            roots = _root(above, i - start), _root(above, source - start)
            parts -= roots[0] != roots[1]
            above[roots[0]] = roots[1]
    return parts == 1


def _root(above: list[int], i: int) -> int:
    """Return what stands for the set of `i`; the way to it is made shorter."""
    while above[i] != i:
        above[i] = above[above[i]]
        i = above[i]
    return i


class _Borders:
    """Where blocks begin and end among units: how many blocks the units on both sides of a border are in."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self._units = units
        self._shared = [0, *(_shared_depth(a, b) for a, b in zip(units, units[1:])), 0]
        self._next_lower = _next_lower(self._shared)
        mirrored = _next_lower(self._shared[::-1])
        last = len(self._shared) - 1
        self._last_lower = [last - mirrored[last - i] for i in range(last + 1)]

    def is_block(self, start: int, period: int, *, is_inner: bool = False) -> bool:
        """Return whether no block reaches over an end of these units without holding all of them.

        A single unit may not follow one of another block in a repeat (`is_inner`).
        """
        end = start + period
        if period == 1:
            return not is_inner or self._shared[start] == len(self._units[start].group)
        return self._next_lower[start] >= end and self._last_lower[end] <= start


def _next_lower(numbers: Sequence[int]) -> list[int]:
    """Return for each position the next one with a lower number, one past the end where there is none."""
    found = [len(numbers)] * len(numbers)
    waiting: list[int] = []
    for i, number in enumerate(numbers):
        while waiting and numbers[waiting[-1]] > number:
            found[waiting.pop()] = i
        waiting.append(i)
    return found


def _shared_depth(unit: Unit, other: Unit) -> int:
    """Return how many of the blocks around two units are the same."""
    depth = 0
    for a, b in zip(unit.group, other.group):
        if a != b:
            break
        depth += 1
    return depth
