"""Which units of a network are drawn as one box, so that the picture of any network can be read.

Each step merges units that follow each other in execution order, or that stand side by side, so that the boxes form
no cycle; none mixes what is inside a cut with what is not. What is frozen is told apart where that leaves the picture
readable.
"""

from __future__ import annotations

from typing import AbstractSet, Callable, Iterable, NamedTuple, Sequence

from .plot_repeats import Repeat, find_repeats
from .plot_units import Marks, Unit

__all__ = ["Bundle", "bundles_of_units"]

_MOST_IN_FULL = 40  # boxes, without which nothing is merged
_MOST_BOXES = 90
_MOST_RANKS = 44  # boxes above each other
_MOST_IN_RANK = 8


class Bundle(NamedTuple):
    """Units drawn as one box, in order.

    `period` units are repeated `count` times where the box stands for repeated blocks; else `count` is 1.
    """

    units: tuple[int, ...]
    period: int
    count: int = 1  # type: ignore[assignment]  # shadows tuple.count, which nobody needs here


def bundles_of_units(units: Sequence[Unit], expanded: AbstractSet[int], *, in_full: bool = False) -> list[Bundle]:
    """Return every unit in exactly one bundle: as few as a reader can take in, those of `expanded` alone.

    First, repeated blocks become one. If that is not enough, blocks do, the innermost first, then whatever follows
    each other. What stands side by side is merged where a page would be too wide. Nothing is where the units are few.
    """
    bundles = [Bundle((i,), 1) for i in range(len(units))]
    if in_full:
        return bundles
    if len(units) > _MOST_IN_FULL:
        bundles = _with_repeats(bundles, find_repeats(units, expanded))
    merge = _Merge(units, expanded)
    depth = max((len(unit.group) for unit in units), default=0)
    while depth > 0 and not merge.is_readable(bundles):
        bundles = merge.neighbours(bundles, _same_group(depth))
        depth -= 1
    if not merge.is_readable(bundles):
        bundles = merge.evenly(bundles)
    return merge.side_by_side(bundles)


def _with_repeats(bundles: Sequence[Bundle], repeats: Iterable[Repeat]) -> list[Bundle]:
    done: list[Bundle] = []
    position = 0
    for repeat in repeats:
        done += bundles[position : repeat.start]
        done.append(Bundle(tuple(range(repeat.start, repeat.end)), repeat.period, repeat.count))
        position = repeat.end
    return [*done, *bundles[position:]]


def _same_group(depth: int) -> Callable[[Unit, Unit], bool]:
    """Return the test whether two units are in one block of that depth."""

    def test(unit: Unit, other: Unit) -> bool:
        return len(unit.group) >= depth and unit.group[:depth] == other.group[:depth]

    return test


class _Merge:
    """The steps that merge bundles."""

    def __init__(self, units: Sequence[Unit], expanded: AbstractSet[int]) -> None:
        self._units = units
        self._expanded = expanded

    def is_readable(self, bundles: Sequence[Bundle], most_ranks: int = _MOST_RANKS) -> bool:
        """Return whether there are few bundles besides those asked for, and few enough of them above each other."""
        asked = [bundle.units[0] in self._expanded for bundle in bundles]
        if len(bundles) - sum(asked) > _MOST_BOXES:
            return False
        return max(self._ranks(bundles, asked), default=0) <= most_ranks

    def _ranks(self, bundles: Sequence[Bundle], asked: Sequence[bool]) -> list[int]:
        """Return for each bundle how many are above it at most, itself counted and those asked for not."""
        bundle_of_unit = {unit: i for i, bundle in enumerate(bundles) for unit in bundle.units}
        ranks: list[int] = []
        for i, bundle in enumerate(bundles):
            above = {bundle_of_unit[source] for unit in bundle.units for source in self._units[unit].sources}
            ranks.append(max((ranks[k] for k in above if k < i), default=0) + (not asked[i]))
        return ranks

    def neighbours(self, bundles: Sequence[Bundle], test: Callable[[Unit, Unit], bool]) -> list[Bundle]:
        """Return the bundles, neighbours that pass the test as one."""
        parts: list[list[Bundle]] = []
        for bundle in bundles:
            before = self._units[parts[-1][-1].units[-1]] if parts else None
            first = self._units[bundle.units[0]]
            if before is not None and self._may_join(parts[-1][-1], bundle) and test(before, first):
                parts[-1].append(bundle)
            else:
                parts.append([bundle])
        return [_joined(part) for part in parts]

    def evenly(self, bundles: Sequence[Bundle]) -> list[Bundle]:
        """Return the bundles in stretches of equal length; what is frozen is told apart where that can be."""
        for is_strict in (True, False):
            length = -(-len(bundles) // _MOST_BOXES)
            while length < 2 * len(bundles):
                parts: list[list[Bundle]] = []
                for bundle in bundles:
                    if parts and len(parts[-1]) < length and self._may_join(parts[-1][-1], bundle, is_strict=is_strict):
                        parts[-1].append(bundle)
                    else:
                        parts.append([bundle])
                merged = [_joined(part) for part in parts]
                if self.is_readable(merged, _MOST_RANKS // 2):
                    return merged
                length += 1 + length // 4
        return merged

    def side_by_side(self, bundles: list[Bundle]) -> list[Bundle]:
        """Return the bundles, no more than a few of them at one distance from the inputs."""
        in_rank: dict[int, list[int]] = {}
        for i, rank in enumerate(self._ranks(bundles, [False] * len(bundles))):
            in_rank.setdefault(rank, []).append(i)
        group_of_bundle = list(range(len(bundles)))
        for members in in_rank.values():
            length = -(-len(members) // _MOST_IN_RANK)
            size = 1
            for before, i in zip(members, members[1:]):
                if length > 1 and size < length and self._may_join(bundles[before], bundles[i]):
                    group_of_bundle[i] = group_of_bundle[before]
                    size += 1
                else:
                    size = 1
        parts: dict[int, list[Bundle]] = {}
        for i, bundle in enumerate(bundles):
            parts.setdefault(group_of_bundle[i], []).append(bundle)
        return [_joined(part) for part in parts.values()]

    def _may_join(self, bundle: Bundle, other: Bundle, *, is_strict: bool = True) -> bool:
        if bundle.units[0] in self._expanded or other.units[0] in self._expanded:
            return False
        one, more = (self._marks(b) for b in (bundle, other))
        if one.part != more.part or one.part == "boundary":
            return False
        states = {one.is_frozen, more.is_frozen} - {None}
        return len(states) < 2 or not is_strict

    def _marks(self, bundle: Bundle) -> Marks:
        states = (self._units[i].marks.is_frozen for i in bundle.units)
        known = next((state for state in states if state is not None), None)
        return self._units[bundle.units[0]].marks._replace(is_frozen=known)


def _joined(part: Sequence[Bundle]) -> Bundle:
    if len(part) == 1:
        return part[0]
    units = tuple([unit for bundle in part for unit in bundle.units])
    return Bundle(units, len(units))
