"""What is known of two sides beyond the names of one and the labels of the other."""

from __future__ import annotations

from typing import Callable, Dict, NamedTuple, Sequence, Tuple

from .interleaving import Lattice
from .name_blocks import Blocks

__all__ = ["Hints"]


_MOST_EXCHANGED = 12

Child = Tuple[int, int]  # a chain, and which of its children
Placed = Dict[Child, Tuple[int, str]]  # where a child begins, and why


class Hints(NamedTuple):
    """What else is known.

    Attributes
    ----------
    affinity : callable
        How much words of a name resemble those known of some places, from 0 to 1.
    parallel : callable
        Whether neither of two places depends on the other.
    exchangeable : callable
        Whether nothing, not even an order of definition, says which of two places is the first.
    may_be_exchanged : callable
        Whether a file may have another order of two places, though it agrees with the sequence elsewhere.
    is_listed : bool
        Whether the layers are known to be given in the order of the sequence, but for places that may be exchanged.
    is_in_file_order : bool
        Whether the layers are given in an order that means something.
    parts : callable
        Which part of an attention each of some places is, as far as known.
    blocks : Blocks
        Those that repeat in the sequence by the names of its own side.
    """

    affinity: Callable[[Sequence[str], range], float]
    parallel: Callable[[int, int], bool]
    exchangeable: Callable[[int, int], bool]
    may_be_exchanged: Callable[[int, int], bool]
    is_listed: bool
    is_in_file_order: bool
    parts: Callable[[range], Sequence[str]]
    blocks: Blocks

    def is_open(self, start: int, end: int) -> bool:
        """Whether two places are of branches of which nothing, neither numbers nor a file, says which is the first."""
        return not self.is_in_file_order and self.parallel(start, end)

    def do_others_tell(self, lattice: Lattice, places: Placed, one: Child, other: Child) -> bool:
        """Whether two siblings can be at no other places, as long as numbers rise from a layer to what depends on it.

        Of ``branch1`` beside ``branch2a``, ``branch2b`` and ``branch2c`` the first cannot be the last of the others.
        """
        i, first, last = one[0], one[1], other[1]

        def is_beside(child: int) -> bool:
            there = [places[i, c][0] for c in range(first, last + 1) if (i, c) in places]
            return (i, child) in places and any(self.parallel(places[i, child][0], start) for start in there)

        while first > 0 and last - first < _MOST_EXCHANGED and is_beside(first - 1):
            first -= 1
        while last - first < _MOST_EXCHANGED and is_beside(last + 1):
            last += 1
        family = range(first, last + 1)
        if len(family) > _MOST_EXCHANGED or any((i, child) not in places for child in family):
            return False
        starts = [places[i, child][0] for child in family]
        is_after = [[p < q and not self.parallel(p, q) for p in starts] for q in starts]
        return starts == sorted(starts) and _is_only_order(lattice.chains[i].hashes[first : last + 1], is_after)

    def is_number_an_order(self, lattice: Lattice, places: Placed, one: Child, other: Child) -> bool:
        """Whether two siblings that only their numbers tell apart come in the order of these.

        ``branch1`` and ``branch2`` need not, nor need ``up1`` and ``up2``; numbers without a word are those of a list
        of blocks, and do.
        """
        chain = lattice.chains[one[0]]
        start, end = places[one][0], places[other][0]
        if start > end:
            return False
        is_beside = self.exchangeable(start, end) or self.is_open(start, end)
        if is_beside and not self.do_others_tell(lattice, places, one, other):
            return False
        if self.is_in_file_order:
            return min(chain.children[one[1]]) < min(chain.children[other[1]])
        numbers = (chain.numbers[one[1]], chain.numbers[other[1]])
        return (
            len(chain.children) > 2
            or not chain.stem[-1]
            or any(
                start < place < end and i != one[0] and lattice.chains[i].numbers[child] in numbers
                for (i, child), (place, _) in places.items()
            )
        )


def _is_only_order(labels: Sequence[int], is_after: Sequence[Sequence[bool]]) -> bool:
    """Whether children with these labels, in this order at as many places, fit these in no other way.

    `is_after` says which places depend on which; a child comes at a place after those that the place depends on.
    """
    before = [sum(1 << p for p, depends in enumerate(row) if depends) for row in is_after]
    ways = {0: 1}  # by the places taken
    for label in labels:
        found: dict[int, int] = {}
        for taken, count in ways.items():
            for p, needed in enumerate(before):
                if labels[p] == label and not taken >> p & 1 and needed & ~taken == 0:
                    found[taken | 1 << p] = found.get(taken | 1 << p, 0) + count
        ways = found
    return sum(ways.values()) == 1
