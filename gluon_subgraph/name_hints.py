"""What is known of two sides beyond the names of one and the labels of the other."""

from __future__ import annotations

from typing import Callable, NamedTuple, Sequence

from .name_blocks import Blocks

__all__ = ["Hints"]


class Hints(NamedTuple):
    """What else is known.

    `affinity(words, places)` says, from 0 to 1, how much words of a name resemble those known of some places;
    `parallel(place, other)`, whether neither of two places depends on the other; `exchangeable(place, other)`,
    whether nothing, not even an order of definition, says which of the two is the first; `may_be_exchanged(place,
    other)`, whether a file may have another order of the two, though it agrees with the sequence elsewhere; `is_listed`,
    whether the layers are known to be given in the order of the sequence, but for these; `is_in_file_order`, whether
    they are given in an order that means something; `is_defined`, whether the order of definition of the sequence's
    network is known; `blocks` are those that repeat in it by the names of its own side.
    """

    affinity: Callable[[Sequence[str], range], float]
    parallel: Callable[[int, int], bool]
    exchangeable: Callable[[int, int], bool]
    may_be_exchanged: Callable[[int, int], bool]
    is_listed: bool
    is_in_file_order: bool
    is_defined: bool
    blocks: Blocks
