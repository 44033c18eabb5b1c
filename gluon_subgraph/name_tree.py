"""The tree that the names of layers form, and how the children of one of its nodes interleave along a sequence."""

from __future__ import annotations

import random
from typing import NamedTuple, Sequence, Tuple

from .interleaving import Chain, Edge, Lattice, Stem, interleave
from .name_layers import Piece

__all__ = ["NameTree", "Path", "Task", "task_of_edge"]

Path = Tuple[Piece, ...]
_MOST_FREE = 8  # siblings whose numbers are no order are tried in all orders up to so many


class Task(NamedTuple):
    """Layers whose names share `depth` pieces; they have the places from `start`."""

    members: list[int]
    depth: int
    start: int
    reason: str


def task_of_edge(task: Task, lattice: Lattice, edge: Edge) -> Task:
    """Return the task of the child that a step places."""
    chain = lattice.chains[edge.chain]
    return Task(chain.children[edge.child], task.depth + len(chain.stem), edge.start, task.reason)


class NameTree:
    """The names of layers with their labels, and the sequence of labels they are to spell."""

    def __init__(self, paths: Sequence[Path], labels: Sequence[int], sequence: Sequence[int]) -> None:
        self.paths = paths
        generator = random.Random(0)
        # Equal sums are equal multisets of labels, but for one chance in 2**90.
        hash_of_label = {label: generator.getrandbits(100) for label in sorted({*labels, *sequence})}
        self.hashes = [hash_of_label[label] for label in labels]
        self.sums = [0]
        for label in sequence:
            self.sums.append(self.sums[-1] + hash_of_label[label])

    def lattice_of_task(self, task: Task, is_free: bool = True) -> Lattice | None:
        """Return the interleavings of the children of a node; None for a leaf and where there are none.

        Where children do not lie together (``conv.1``, ``norm.1``, ``conv.2``), grandchildren are interleaved. If
        `is_free`, a few siblings whose numbers fit no order may come in any.
        """
        if len(task.members) == 1:
            return None
        longest = max(len(self.paths[member]) for member in task.members)
        for levels in range(1, longest - task.depth + 1):
            chains = self._chains(task, levels)
            count = sum(len(chain.children) for chain in chains)
            if count == 1:
                continue
            lattice = interleave(chains, task.start, self.sums)
            if lattice is None and is_free and len(chains) < count <= _MOST_FREE:
                free = [Chain(c.stem, [m], [n], [h]) for c in chains for m, n, h in zip(*c[1:])]
                lattice = interleave(free, task.start, self.sums)
            if lattice is not None:
                return lattice
        return None

    def _chains(self, task: Task, levels: int) -> list[Chain]:
        children: dict[Path, list[int]] = {}
        begin, end = task.depth, task.depth + levels
        for member in task.members:
            children.setdefault(self.paths[member][begin:end], []).append(member)
        siblings: dict[Stem, list[tuple[tuple[int, ...], list[int]]]] = {}
        for head, members in children.items():
            stem = tuple([piece[0] for piece in head])
            siblings.setdefault(stem, []).append((tuple([n for piece in head for n in piece[1:]]), members))
        chains = []
        for stem, numbered in siblings.items():
            numbered.sort()
            hashes = [sum([self.hashes[member] for member in members]) for _, members in numbered]
            chains.append(Chain(stem, [members for _, members in numbered], [n for n, _ in numbered], hashes))
        return chains
