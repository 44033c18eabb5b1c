"""Blocks that repeat in a sequence of layers, by the names of its own side, and words that tell an order."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Sequence

from .name_layers import Piece

__all__ = ["Blocks", "repeated_blocks", "is_said_earlier"]

_IN_ORDER = (
    ("before", "after"),
    ("pre", "post"),
    ("first", "second"),
    ("first", "last"),
)


class Blocks:
    """Stretches of a sequence that are repeated blocks, innermost ones too."""

    def __init__(self, stretches: Sequence[tuple[int, int]]) -> None:
        self.starts = sorted(stretches)
        self.ends = sorted((end, start) for start, end in stretches)

    def are_cut(self, start: int, end: int) -> bool:
        """Whether the stretch from `start` to `end` has a part of some block and a part outside of it."""
        for i in range(bisect_left(self.starts, (start + 1, 0)), len(self.starts)):
            first, last = self.starts[i]
            if first >= end:
                break
            if last > end:
                return True
        for i in range(bisect_left(self.ends, (start + 1, 0)), len(self.ends)):
            last, first = self.ends[i]
            if last >= end:
                break
            if first < start:
                return True
        return False


def repeated_blocks(paths: Sequence[tuple[Piece, ...]], labels: Sequence[int]) -> Blocks:
    """Return the stretches whose layers have one beginning of their names that ends in a number, if others are alike.

    Alike are siblings, with another number, of the same labels.
    """
    members: dict[tuple[Piece, ...], list[int]] = {}
    for place, path in enumerate(paths):
        for depth in range(1, len(path)):
            if path[depth - 1].number >= 0:
                members.setdefault(path[:depth], []).append(place)
    kinds = {}
    for head, places in members.items():
        if len(places) > 1 and places[-1] - places[0] == len(places) - 1:
            content = tuple(sorted(labels[place] for place in places))
            kinds[head] = (head[:-1], head[-1].word, content)
    count = Counter(kinds.values())
    stretches = {(members[head][0], members[head][-1] + 1) for head, kind in kinds.items() if count[kind] > 1}
    return Blocks(sorted(stretches))


def is_said_earlier(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two names differ in one word, and these words say that the first comes before the other."""
    if len(one) != len(other):
        return False
    differing = [pair for pair in zip(one, other) if pair[0] != pair[1]]
    return len(differing) == 1 and differing[0] in _IN_ORDER
