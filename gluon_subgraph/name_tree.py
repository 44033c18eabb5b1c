"""The tree that the names of layers form, and how the children of one of its nodes interleave along a sequence."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import accumulate
from typing import NamedTuple, Sequence, Tuple

from .interleaving import Chain, Edge, Lattice, Stem, interleave
from .name_layers import Piece

__all__ = ["NameTree", "FoundOrders", "Path", "Task", "task_of_child", "task_of_edge"]

Path = Tuple[Piece, ...]
_new = tuple.__new__  # a named tuple's own constructor takes twice as long
_MOST_FREE = 8  # siblings whose numbers are no order are tried in all orders up to so many


class Task(NamedTuple):
    """Layers whose names share `depth` pieces; they have the places from `start`."""

    members: list[int]
    depth: int
    start: int
    reason: str


def task_of_edge(task: Task, lattice: Lattice, edge: Edge) -> Task:
    """Return the task of the child that a step places."""
    return task_of_child(task, lattice.chains[edge.chain], edge.child, edge.start, task.reason)


def task_of_child(task: Task, chain: Chain, child: int, start: int, reason: str) -> Task:
    """Return the task of a child that has the places from `start`."""
    return _new(Task, (chain.children[child], task.depth + len(chain.stem), start, reason))


class NameTree:
    """The names of layers with their labels, and the sequence of labels they are to spell.

    With `is_in_file_order`, the layers are listed in an order that means something.
    """

    def __init__(
        self, paths: Sequence[Path], labels: Sequence[int], sequence: Sequence[int], *, is_in_file_order: bool = False
    ) -> None:
        self.paths, self.is_in_file_order = paths, is_in_file_order
        generator = random.Random(0)
        # Equal sums are equal multisets of labels, but for one chance in 2**90.
        hash_of_label = {label: generator.getrandbits(100) for label in sorted({*labels, *sequence})}
        self.sums_of_members = list(accumulate([hash_of_label[label] for label in labels], initial=0))
        self.sums = list(accumulate([hash_of_label[label] for label in sequence], initial=0))

    def lattice_of_task(self, task: Task, is_free: bool = True) -> Lattice | None:
        """Return the interleavings of the children of a node; None for a leaf and where there are none.

        Where children do not lie together (``conv.1``, ``norm.1``, ``conv.2``), grandchildren are interleaved. If
        `is_free`, siblings that a file counts down (``decoder2``, ``decoder1``) may come so, and a few whose numbers
        fit no order in any.
        """
        members, depth = task.members, task.depth
        levels = self._levels_to_children(members, depth)
        longest = 0
        while levels:
            chains = self._chains(members, depth, depth + levels)
            lattice = interleave(chains, task.start, self.sums)
            if lattice is None and is_free and self.is_in_file_order:
                turned = [_as_counted_down(chain) for chain in chains]
                lattice = interleave(turned, task.start, self.sums) if turned != chains else None
            if (
                lattice is None
                and is_free
                and len(chains) < sum([len(chain.children) for chain in chains]) <= _MOST_FREE
            ):
                free = [Chain(c.stem, [m], [n], [h]) for c in chains for m, n, h in zip(*c[1:])]
                lattice = interleave(free, task.start, self.sums)
            if lattice is not None:
                return lattice
            longest = longest or max([len(self.paths[member]) for member in members])
            levels = levels + 1 if depth + levels < longest else 0
        return None

    def _levels_to_children(self, members: Sequence[int], depth: int) -> int:
        """Return how many more pieces it takes to tell names apart; 0 if nothing does."""
        if len(members) == 1:
            return 0
        first, last = self.paths[members[0]], self.paths[members[-1]]
        end = depth + 1
        if first[depth:end] != last[depth:end]:
            return 1
        paths = [self.paths[member] for member in members]
        first, last = min(paths), max(paths)  # what these two have in common, all have
        if first == last:
            return 0
        while first[depth:end] == last[depth:end]:
            end += 1
        return end - depth

    def _chains(self, members: Sequence[int], begin: int, end: int) -> list[Chain]:
        """Return names as chains of those that have the same pieces from `begin` to `end`."""
        children: dict[Path, list[int]] = {}
        paths = self.paths
        own, last = [], None
        for member in members:
            head = paths[member][begin:end]
            if head != last:  # most come after one of theirs
                last = head
                own = children.setdefault(head, [])
            own.append(member)
        siblings: defaultdict[Stem, list[tuple[tuple[int, ...], list[int]]]] = defaultdict(list)
        for head, own in children.items():
            if len(head) == 1:
                piece = head[0]
                siblings[piece[:1]].append((piece[1:], own))
            else:
                stem = tuple([piece[0] for piece in head])
                siblings[stem].append((tuple([n for piece in head for n in piece[1:]]), own))
        chains = []
        for stem, numbered in siblings.items():
            numbered.sort()
            groups = [own for _, own in numbered]
            sums = [self._sum(own) for own in groups]
            chains.append(_new(Chain, (stem, groups, [numbers for numbers, _ in numbered], sums)))
        return chains

    def _sum(self, members: Sequence[int]) -> int:
        """Return the sum of the hashes of members, which are in order."""
        sums, first, last = self.sums_of_members, members[0], members[-1]
        if last - first < len(members):
            return sums[last + 1] - sums[first]
        return sum([sums[member + 1] - sums[member] for member in members])


def _as_counted_down(chain: Chain) -> Chain:
    """Return a chain in the order of the file, if that lists all of its children from the last number to the first."""
    first = [min(members) for members in chain.children]
    if first != sorted(first, reverse=True):
        return chain
    return Chain(chain.stem, chain.children[::-1], chain.numbers[::-1], chain.hashes[::-1])


class FoundOrders:
    """The orders in which children were found, read out of the lattices when first asked for."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self._unread: list[tuple[Task, Lattice]] = []
        self._usual: dict[tuple, set[tuple[Stem, ...]]] = {}  # by the kind of their block
        self._earlier: set[tuple[Stem, Stem]] = set()  # of siblings with one number, which was found before which

    def add(self, task: Task, lattice: Lattice) -> None:
        """Note that the children of a node have the only interleaving of a lattice."""
        self._unread.append((task, lattice))

    def usual(self, task: Task, lattice: Lattice) -> set[tuple[Stem, ...]]:
        """Return the orders that blocks of this kind have, as the words of their parts."""
        self._read()
        return self._usual.get(self._kind_of_block(task, lattice), set())

    def is_found_earlier(self, one: Stem, other: Stem) -> bool:
        """Whether one of two siblings with one number was found before the other, and never after it."""
        self._read()
        return (one, other) in self._earlier and (other, one) not in self._earlier

    def _read(self) -> None:
        for task, lattice in self._unread:
            stems = tuple([lattice.chains[edge.chain].stem for edge in lattice.edges])
            self._usual.setdefault(self._kind_of_block(task, lattice), set()).add(stems)
            found: dict[tuple[int, ...], list[Stem]] = {}
            for edge in lattice.edges:
                chain = lattice.chains[edge.chain]
                before = found.setdefault(chain.numbers[edge.child], [])
                self._earlier.update([(stem, chain.stem) for stem in before])
                before.append(chain.stem)
        self._unread.clear()

    def _kind_of_block(self, task: Task, lattice: Lattice) -> tuple:
        """Return what blocks of one kind have in common: the words that lead to them, and their parts."""
        words = tuple([piece.word for piece in self.paths[task.members[0]][: task.depth]])
        return words, tuple(sorted([chain.stem for chain in lattice.chains for _ in chain.children]))
