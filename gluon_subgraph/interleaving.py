"""All interleavings of chains of siblings that spell a stretch of a sequence, as a lattice of states and steps.

A chain is siblings of one word in the order of their numbers. A state says how many of each chain have been placed; a
step takes the next of one chain. States are kept only where the sequence agrees, which leaves few of the many that
there could be.
"""

from __future__ import annotations

from typing import Callable, Dict, NamedTuple, Sequence, Tuple

__all__ = [
    "Chain",
    "Edge",
    "Lattice",
    "Places",
    "Stem",
    "interleave",
    "is_line",
    "line_by_rank",
    "line_by_stems",
    "line_by_worth",
    "starts_of_children",
    "without",
]

Stem = Tuple[str, ...]
State = Tuple[int, ...]
Places = Dict[Tuple[int, int], int]  # where a line has the children, by chain and number in it
_MOST_STATES = 4_000
_MOST_NUMBERS = 2_000_000  # in the states of all steps
_new = tuple.__new__  # a named tuple's own constructor takes twice as long


class Chain(NamedTuple):
    """Siblings in order: the members of each, the number it has, and the hash of the labels of its members."""

    stem: Stem
    children: list[list[int]]
    numbers: list[tuple[int, ...]]
    hashes: list[int]


class Edge(NamedTuple):
    """The step of an interleaving that takes the next child of a chain to a place."""

    chain: int
    child: int
    start: int
    before: State
    after: State


class Lattice(NamedTuple):
    """Every interleaving of chains that spells a stretch: its steps, in the order of their places."""

    chains: list[Chain]
    edges: list[Edge]
    first: State
    last: State


def interleave(chains: list[Chain], start: int, sums: Sequence[int]) -> Lattice | None:
    """Return the interleavings of chains that spell the sequence from `start`, None if there are none.

    `sums` are the sums of the hashes of the sequence up to each place: members that have the sum of a stretch have
    its labels.
    """
    if len(chains) == 1:
        return _line_of_chain(chains, start, sums)
    first = (0,) * len(chains)
    last = tuple([len(chain.children) for chain in chains])
    total = sum(len(members) for chain in chains for members in chain.children)
    states_at: dict[int, dict[State, None]] = {start: {first: None}}
    edges: list[Edge] = []
    states = 0
    for place in range(start, start + total):
        for state in states_at.pop(place, ()):
            states += 1
            if states > _MOST_STATES or len(edges) * len(chains) > _MOST_NUMBERS:
                return None
            for i, child in enumerate(state):
                if child == last[i]:
                    continue
                chain = chains[i]
                end = place + len(chain.children[child])
                if sums[end] - sums[place] == chain.hashes[child]:
                    after = (*state[:i], child + 1, *state[i + 1 :])
                    states_at.setdefault(end, {})[after] = None
                    edges.append(_new(Edge, (i, child, place, state, after)))
    edges = _on_the_way(edges, last)
    return Lattice(chains, edges, first, last) if edges else None


def _line_of_chain(chains: list[Chain], start: int, sums: Sequence[int]) -> Lattice | None:
    """Return the only interleaving that one chain can have, if it spells the sequence from `start`."""
    _, children, _, hashes = chains[0]
    if len(children) > _MOST_STATES:
        return None
    edges: list[Edge] = []
    place = start
    for child, members in enumerate(children):
        end = place + len(members)
        if sums[end] - sums[place] != hashes[child]:
            return None
        edges.append(_new(Edge, (0, child, place, (child,), (child + 1,))))
        place = end
    return Lattice(chains, edges, (0,), (len(children),))


def without(lattice: Lattice, is_excluded: Callable[[Edge], bool]) -> Lattice:
    """Return a lattice without some steps and without those that are then on no way from first to last."""
    reached = {lattice.first}
    forward = []
    for edge in lattice.edges:
        if edge.before in reached and not is_excluded(edge):
            reached.add(edge.after)
            forward.append(edge)
    return lattice._replace(edges=_on_the_way(forward, lattice.last))


def _on_the_way(edges: Sequence[Edge], last: State) -> list[Edge]:
    """Return the steps from which steps lead to the last state."""
    useful = {last}
    kept = []
    for edge in reversed(edges):
        if edge.after in useful:
            useful.add(edge.before)
            kept.append(edge)
    return kept[::-1]


def is_line(lattice: Lattice) -> bool:
    """Whether there is one interleaving only."""
    return len(lattice.edges) == sum(lattice.last)


def line_by_stems(lattice: Lattice, stems: Sequence[Stem]) -> Places:
    """Return the line whose steps take children of these stems one after the other; empty if there is not just one."""
    edges_from: dict[tuple[State, Stem], list[Edge]] = {}
    for edge in lattice.edges:
        edges_from.setdefault((edge.before, lattice.chains[edge.chain].stem), []).append(edge)
    state = lattice.first
    places = {}
    for stem in stems:
        edges = edges_from.get((state, stem), [])
        if len(edges) != 1:
            return {}
        places[edges[0].chain, edges[0].child] = edges[0].start
        state = edges[0].after
    return places


def line_by_rank(lattice: Lattice, rank: Callable[[list[int]], int]) -> Places:
    """Return the line that takes children in the order of their ranks; empty if that is no line of the lattice."""
    edge_from = {(edge.before, edge.chain, edge.child): edge for edge in lattice.edges}
    children = [(i, j) for i, chain in enumerate(lattice.chains) for j in range(len(chain.children))]
    children.sort(key=lambda child: rank(lattice.chains[child[0]].children[child[1]]))
    state = lattice.first
    places = {}
    for i, child in children:
        edge = edge_from.get((state, i, child))
        if edge is None:
            return {}
        places[i, child] = edge.start
        state = edge.after
    return places


def line_by_worth(lattice: Lattice, worth: Sequence[float], least: float) -> Places:
    """Return the places of children on the line of most worth, of those to which no other place comes near.

    `worth` is that of each step; a child has its place if every line that has it elsewhere is worth `least` less.
    """
    best_to: dict[State, float] = {lattice.first: 0.0}
    for edge, value in zip(lattice.edges, worth):
        best_to[edge.after] = max(best_to.get(edge.after, 0.0), best_to[edge.before] + value)
    best_from: dict[State, float] = {lattice.last: 0.0}
    for edge, value in zip(reversed(lattice.edges), reversed(worth)):
        best_from[edge.before] = max(best_from.get(edge.before, 0.0), best_from[edge.after] + value)
    through: dict[tuple[int, int], dict[int, float]] = {}
    for edge, value in zip(lattice.edges, worth):
        total = best_to[edge.before] + value + best_from[edge.after]
        of_child = through.setdefault((edge.chain, edge.child), {})
        of_child[edge.start] = max(of_child.get(edge.start, 0.0), total)
    places = {}
    for child, totals in through.items():
        best = max(totals, key=lambda start: totals[start])
        if all(totals[best] - other >= least for start, other in totals.items() if start != best):
            places[child] = best
    return places


def starts_of_children(lattice: Lattice) -> dict[tuple[int, int], set[int]]:
    """Return every place that a line gives each child."""
    starts: dict[tuple[int, int], set[int]] = {}
    for edge in lattice.edges:
        starts.setdefault((edge.chain, edge.child), set()).add(edge.start)
    return starts
