"""The places that layers have in a sequence, as far as the tree that their names form decides it.

Whoever runs a network meets the layers below one inner node of the tree of names one after the other, and siblings
of one word (``layer1``, ``layer2``) in the order of their numbers; how siblings of different words (``conv``, ``bn``,
``downsample``) interleave, names do not say. From the root down, every interleaving that spells the labels of the
sequence is found. A child is placed where all of them agree, and else only where there is a reason to prefer one:
blocks elsewhere have the same parts in that order, words tell, or the file lists them so.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import NamedTuple, Sequence

from .interleaving import (
    Edge,
    Lattice,
    is_line,
    line_by_rank,
    line_by_stems,
    line_by_worth,
    starts_of_children,
    without,
)
from .name_attention import are_other_parts, part_of_words
from .name_blocks import is_said_earlier
from .name_counters import doubtful_counts
from .name_hints import Hints
from .name_tree import FoundOrders, NameTree, Path, Task, task_of_child, task_of_edge

__all__ = ["Arrangement", "arrange"]

_CLEAR = 0.4  # by so much words must favour one interleaving over every other


class Arrangement(NamedTuple):
    """The place of each layer in the sequence with the reason, or the places that an undecided one may have.

    `is_spelled` says whether the names spell the sequence at all.
    """

    place: dict[int, int]
    reason: dict[int, str]
    options: dict[int, set[int]]
    is_spelled: bool


class _Open(NamedTuple):
    """A task with several interleavings, and the first members of those of its children that have their places."""

    task: Task
    lattice: Lattice
    done: set[int]


def arrange(paths: Sequence[Path], labels: Sequence[int], sequence: Sequence[int], hints: Hints) -> Arrangement:
    """Return the places that layers with these `paths` and `labels` have in a `sequence` of labels."""
    search = _Search(paths, labels, sequence, hints)
    if len(paths) == len(sequence) and (labels == sequence or Counter(labels) == Counter(sequence)):
        search.run()
    else:
        search.leave(Task(list(range(len(paths))), 0, 0, ""), {0})
    return Arrangement(search.place, search.reason, search.options, search.is_spelled)


class _Search:
    """The tasks that are open, and what the decided ones have taught."""

    def __init__(self, paths: Sequence[Path], labels: Sequence[int], sequence: Sequence[int], hints: Hints) -> None:
        self.paths, self.labels, self.sequence, self.hints = paths, labels, sequence, hints
        self.tree = NameTree(paths, labels, sequence, is_in_file_order=hints.is_in_file_order)
        self.place: dict[int, int] = {}
        self.reason: dict[int, str] = {}
        self.options: dict[int, set[int]] = {}
        self.is_spelled = False
        self.orders = FoundOrders(paths)
        self.rising: set[str] = set()  # words whose numbers rise along the sequence, as shapes say
        self.doubts: list[tuple[str, list[int], set[int]]] = []  # a word, layers of it that numbers alone place, where

    @cached_property
    def parts(self) -> list[str]:
        """Which part of an attention each name says its layer is."""
        return [part_of_words([piece.word for piece in path]) for path in self.paths]

    def run(self) -> None:
        """Decide what can be decided from the root down; come back to what is open as long as there is news."""
        waiting = [Task(list(range(len(self.paths))), 0, 0, "names")]
        undecided: list[_Open] = []
        while waiting:
            task = waiting.pop()
            lattice = self.tree.lattice_of_task(task) if len(task.members) > 1 else None
            self.is_spelled = self.is_spelled or lattice is not None or len(task.members) == 1
            if lattice is None:
                self.end(task)
            elif is_line(lattice):
                waiting.extend(self.follow(task, lattice))
            else:
                undecided.append(_Open(task, lattice, set()))
            if not waiting and undecided:
                undecided, waiting = self.come_back(undecided)
        self.retract()

    def come_back(self, undecided: list[_Open]) -> tuple[list[_Open], list[Task]]:
        """Return what is still undecided, and what follows from the rest."""
        waiting: list[Task] = []
        still = []
        for task, lattice, done in undecided:
            pruned = self.prune(task, lattice)
            if not pruned.edges:
                self.leave(task, {task.start})
                continue
            if is_line(pruned):
                waiting.extend(found for found in self.follow(task, pruned) if found.members[0] not in done)
                continue
            starts = starts_of_children(pruned)
            certain = {child: (min(places), task.reason) for child, places in starts.items() if len(places) == 1}
            news = [found for found in self.tasks_of_places(task, pruned, certain) if found.members[0] not in done]
            waiting.extend(news)
            still.append(_Open(task, pruned, done | {found.members[0] for found in news}))
        if not waiting and still:
            task, lattice, done = still.pop()
            waiting = [found for found in self.decide(task, lattice) if found.members[0] not in done]
        return still, waiting

    def end(self, task: Task) -> None:
        if len(task.members) == 1:
            self.place[task.members[0]] = task.start
            self.reason[task.members[0]] = task.reason
        else:
            self.leave(task, {task.start})

    def leave(self, task: Task, starts: set[int]) -> None:
        """Note the places that undecided layers may have."""
        places = {p for start in starts for p in range(start, min(start + len(task.members), len(self.sequence)))}
        for member in task.members:
            self.options[member] = {p for p in places if self.sequence[p] == self.labels[member]}

    def follow(self, task: Task, lattice: Lattice) -> list[Task]:
        """Return the tasks of the only interleaving there is, and learn from it."""
        self.orders.add(task, lattice)
        repeated = [chain for chain in lattice.chains if len(chain.hashes) > 1]
        if any(len({*chain.hashes}) < len(chain.hashes) for chain in repeated):
            places = {(edge.chain, edge.child): (edge.start, task.reason) for edge in lattice.edges}
            return self.tasks_of_places(task, lattice, places)
        self.rising.update([chain.stem[-1] for chain in repeated])  # shapes tell all siblings apart
        return [task_of_edge(task, lattice, edge) for edge in lattice.edges]

    def tasks_of_places(
        self, task: Task, lattice: Lattice, places: dict[tuple[int, int], tuple[int, str]]
    ) -> list[Task]:
        """Return the tasks of children that have places; note where their numbers alone tell them apart."""
        for i, chain in enumerate(lattice.chains):
            if len(chain.children) == 1:
                continue  # it has no siblings of its word
            placed = [(i, child) for child in range(len(chain.children)) if (i, child) in places]
            self.rising.update(
                chain.stem[-1] for (_, a), (_, b) in zip(placed, placed[1:]) if chain.hashes[a] != chain.hashes[b]
            )
            last: dict[int, tuple[int, int]] = {}
            for child in placed:
                other = last.get(chain.hashes[child[1]])
                last[chain.hashes[child[1]]] = child
                if other is not None and not self.hints.is_number_an_order(lattice, places, other, child):
                    starts = places[other][0], places[child][0]
                    is_lasting = self.hints.is_in_file_order or self.hints.parallel(*starts)
                    self.doubt("" if is_lasting else chain.stem[-1], lattice, places)
        return [
            task_of_child(task, lattice.chains[i], child, start, reason)
            for (i, child), (start, reason) in places.items()
        ]

    def doubt(self, word: str, lattice: Lattice, places: dict[tuple[int, int], tuple[int, str]]) -> None:
        """Note that children alike could as well be exchanged, unless numbers after this word are found to rise."""
        count = Counter(value for chain in lattice.chains for value in chain.hashes)
        members: list[int] = []
        reach: set[int] = set()
        for (i, j), (start, _) in places.items():
            chain = lattice.chains[i]
            if count[chain.hashes[j]] > 1:
                members += chain.children[j]
                reach.update(range(start, start + len(chain.children[j])))
        self.doubts.append((word, members, reach))

    def retract(self) -> None:
        """Take back the places that nothing but doubtful numbers tell."""
        for word, members, reach in self.doubts:
            if word and word in self.rising:
                continue
            for member in members:
                self.place.pop(member, None)
                self.options[member] = {p for p in reach if self.sequence[p] == self.labels[member]}
        for members in doubtful_counts(self.paths, self.labels, self.place, self.hints.is_open):
            places = {self.place.pop(member) for member in members}
            self.options.update(dict.fromkeys(members, places))

    def prune(self, task: Task, lattice: Lattice) -> Lattice:
        """Return a lattice without what its children's own names, or what was found elsewhere, contradict."""
        possible = self.without_unspelled(task, lattice, is_free=False)
        if not possible.edges:
            possible = self.without_unspelled(task, lattice, is_free=True)
        for is_excluded in (self.is_unusual, self.cuts_blocks):
            remaining = without(possible, lambda edge, f=is_excluded, now=possible: f(now, edge))  # type: ignore[misc]
            possible = remaining if remaining.edges else possible
        return without(possible, lambda edge: self.has_other_parts(possible, edge))

    def cuts_blocks(self, lattice: Lattice, edge: Edge) -> bool:
        """Whether a step gives a child a part of a repeated block together with what is outside of it."""
        size = len(lattice.chains[edge.chain].children[edge.child])
        return self.hints.blocks.are_cut(edge.start, edge.start + size)

    def has_other_parts(self, lattice: Lattice, edge: Edge) -> bool:
        """Whether a step gives a child places that are other parts of an attention than its names say."""
        members = lattice.chains[edge.chain].children[edge.child]
        return are_other_parts(
            [self.parts[m] for m in members], self.hints.parts(range(edge.start, edge.start + len(members)))
        )

    def without_unspelled(self, task: Task, lattice: Lattice, is_free: bool) -> Lattice:
        known: dict[tuple[int, int, int], bool] = {}

        def cannot_be(edge: Edge) -> bool:
            key = (edge.chain, edge.child, edge.start)
            if key not in known:
                known[key] = not self.can_spell(task_of_edge(task, lattice, edge), is_free)
            return known[key]

        return without(lattice, cannot_be)

    def is_unusual(self, lattice: Lattice, edge: Edge) -> bool:
        """Whether a step takes a child before one with its number that is usually found earlier."""
        chain = lattice.chains[edge.chain]
        number = chain.numbers[edge.child]
        for i, placed in enumerate(edge.before):
            other = lattice.chains[i]
            if number in other.numbers[placed:]:
                if self.orders.is_found_earlier(other.stem, chain.stem):
                    return True
                if is_said_earlier(other.stem, chain.stem) and self.is_in_line(
                    lattice, edge, (i, other.numbers.index(number))
                ):
                    return True
        return False

    def is_in_line(self, lattice: Lattice, edge: Edge, child: tuple[int, int]) -> bool:
        """Whether one of the places of a step and of another child depends on the other, wherever that child is."""
        starts = [other.start for other in lattice.edges if (other.chain, other.child) == child]
        return not any(self.hints.parallel(edge.start, start) for start in starts if start != edge.start)

    def can_spell(self, task: Task, is_free: bool) -> bool:
        """Whether layers can have the places from `task.start`, as far as that is certain."""
        waiting = [task]
        while waiting:
            task = waiting.pop()
            lattice = self.tree.lattice_of_task(task, is_free)
            if lattice is None:
                if len(task.members) > 1:
                    return False
                continue
            usual = without(lattice, lambda edge, lattice=lattice: self.is_unusual(lattice, edge))  # type: ignore[misc]
            if not usual.edges:
                return False
            if is_line(usual):
                waiting.extend(task_of_edge(task, usual, edge) for edge in usual.edges)
        return True

    def decide(self, task: Task, lattice: Lattice) -> list[Task]:
        """Return the tasks that follow where all interleavings agree, or something else tells; leave the others."""
        worth = []
        for edge in lattice.edges:
            size = len(lattice.chains[edge.chain].children[edge.child])
            stem = lattice.chains[edge.chain].stem
            worth.append(self.hints.affinity(stem, range(edge.start, edge.start + size)))
        usual = self.orders.usual(task, lattice)
        lines = {
            "words": line_by_worth(lattice, worth, _CLEAR),
            "as in like blocks": line_by_stems(lattice, next(iter(usual))) if len(usual) == 1 else {},
        }
        listed = line_by_rank(lattice, min) if self.hints.is_listed else {}
        places = {}
        for child, starts in starts_of_children(lattice).items():
            said = {line[child]: reason for reason, line in lines.items() if child in line}
            if len(starts) == 1:
                said = {min(starts): task.reason}
            elif child in listed:
                others = starts - {listed[child]}
                is_free = any(self.hints.may_be_exchanged(listed[child], other) for other in others)
                if not is_free or (said and "words" not in said.values()):
                    said.setdefault(listed[child], "file order")
            if len(said) == 1:
                places[child] = next(iter(said.items()))
            else:
                chain = lattice.chains[child[0]]
                self.leave(Task(chain.children[child[1]], 0, 0, ""), starts)
        return self.tasks_of_places(task, lattice, places)
