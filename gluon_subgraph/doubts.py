"""Pairs of nodes that might as well be others: exchanged branches, siblings, and runs of layers that can slide."""

from __future__ import annotations

from collections import Counter
from typing import Callable, Hashable, Mapping, NamedTuple, Sequence, Tuple

from .agreement import Nearest
from .outline import Outline
from .refinement import Codes
from .windows import Line, lines_of

__all__ = ["misfed", "misordered", "sliding", "sliding_places", "swappable", "undecided_siblings"]

Outlines = Sequence[Outline]
Chain = Sequence[Tuple[int, Tuple[str, ...]]]


def swappable(codes: Codes, pairs: Mapping[int, int], near: tuple[Nearest, Nearest]) -> set[int]:
    """Return the nodes of branches that meet in a join and might as well be paired the other way round.

    Branches that compute the same are not among them: exchanging them changes nothing. `near` is what `nearest_pairs`
    says of the pairs.
    """
    outline = codes.outlines[0]
    found: set[int] = set()
    for u, v in pairs.items():
        if outline.is_join(u):
            ends = [a for a in near[0][u] if pairs[a] in near[1][v]]
            for k, one in enumerate(ends):
                for other in ends[:k]:
                    if not _is_told_apart(codes, pairs, u, (one, other)):
                        found |= outline.ancestors(one) ^ outline.ancestors(other)
    return found


def _is_told_apart(codes: Codes, pairs: Mapping[int, int], join: int, ends: tuple[int, int]) -> bool:
    """Return whether two branches of a join, which end in two nodes, are paired as they have to be."""
    outline, partner_outline = codes.outlines
    is_ordered = not outline.is_commutative[join]
    one, other = ends
    chains = [outline.branch(join, end) for end in ends]
    if [label for label, _ in chains[0]] != [label for label, _ in chains[1]]:
        return True
    if _is_in_order(codes.outlines, pairs, ends):
        return True
    exact = [codes.exact[0][end] for end in ends]
    ops = [chain[0][1] for chain in chains]
    if exact[0] == exact[1] and ops[0] == ops[1]:  # they compute the same, if nobody else reads them otherwise
        return is_ordered or all(near[one] == near[other] for near, _ in codes.near_ops)
    partners = [partner_outline.branch(pairs[join], pairs[end]) for end in ends]
    if exact == [codes.exact[1][pairs[end]] for end in ends] and ops == [chain[0][1] for chain in partners]:
        return True
    crossed = _in_common(chains[0], partners[1]) + _in_common(chains[1], partners[0])
    straight = _in_common(chains[0], partners[0]) + _in_common(chains[1], partners[1])
    if straight != crossed or is_ordered:
        return straight >= crossed
    alike = [[_likeness(codes, u, pairs[v]) for v in ends] for u in ends]
    return alike[0][0] + alike[1][1] > alike[0][1] + alike[1][0]


def _is_in_order(outlines: Outlines, pairs: Mapping[int, int], ends: tuple[int, int]) -> bool:
    """Return whether one of two branches begins at a node that depends on where the other begins, in both networks.

    Whoever exchanges the branches exchanges where they begin, and would turn the dependence round.
    """
    tops = [outlines[0].way_up(end)[-1] for end in ends]
    if tops[0] == tops[1] or not all(top in pairs for top in tops):
        return False
    first, last = sorted(tops)  # nodes are in topological order
    if not (first in outlines[0].ancestors(last) and pairs[first] in outlines[1].ancestors(pairs[last])):
        return False
    partners = [outlines[1].way_up(pairs[end])[-1] for end in ends]
    return partners == [pairs[top] for top in tops]


def _in_common(chain1: Chain, chain2: Chain) -> int:
    """Return how many operators without parameters two branches have in common."""
    counts = [Counter(op for _, ops in chain for op in ops) for chain in (chain1, chain2)]
    return sum((counts[0] & counts[1]).values())


def _likeness(codes: Codes, u: int, v: int) -> int:
    return sum(near1[u] == near2[v] for near1, near2 in codes.near_ops)


def misordered(outlines: Outlines, pairs: Mapping[int, int], near: tuple[Nearest, Nearest]) -> set[int]:
    """Return the nodes that read a join whose inputs come in another order in the other network.

    A layer behind a concatenation has its weights in the order of what is concatenated.
    """
    joins = set()
    for u, v in pairs.items():
        if outlines[0].is_join(u) and not outlines[0].is_commutative[u]:
            ours = [pairs[i] for i in outlines[0].inputs[u] if i in pairs]
            theirs = [i for i in outlines[1].inputs[v] if i in near[1][v]]
            shared = set(ours) & set(theirs)
            if [i for i in ours if i in shared] != [i for i in theirs if i in shared]:
                joins.add(u)
    return {u for u in pairs if not joins.isdisjoint(near[0][u])} | joins


def misfed(codes: Codes, pairs: Mapping[int, int]) -> set[int]:
    """Return the nodes that depend on an input of another name than their partners do, and those below them."""
    first, second = codes.outlines
    if all(sum(not inputs for inputs in outline.inputs) == 1 for outline in codes.outlines):
        return set()
    readers = _readers(lines_of(codes)[0])
    found: set[int] = set()
    for u, v in pairs.items():
        ours, theirs = _inputs_read(first, u), _inputs_read(second, v)
        if ours and theirs and ours != theirs:
            found |= _below(first, readers, u)
    return found


def _inputs_read(outline: Outline, node: int) -> set[str]:
    """Return the inputs that a node reads without layers between, by name."""
    edges = [edge for edge in outline.edges[node] if not outline.inputs[edge.node] and not edge.is_past_layer]
    return {edge.ops[0] for edge in edges if edge.ops[:1] and edge.ops[0].startswith("input ")}


def undecided_siblings(codes: Codes, pairs: Mapping[int, int]) -> set[int]:
    """Return the nodes below layers that read the same as others like them, where nothing tells which is which.

    Such are the heads of a network with several. What tells them apart is what they lead to.
    """
    outlines = codes.outlines
    families = [_siblings(outline) for outline in outlines]
    if not any(families):
        return set()
    readers = [_readers(line) for line in lines_of(codes)]
    ends = [_ends(outline, len({len(o.outputs) for o in outlines}) == 1) for outline in outlines]
    found: set[int] = set()
    for u, v in pairs.items():
        rivals, others = families[0].get(u, ()), families[1].get(v, ())
        if len(rivals) <= 1 and len(others) <= 1:
            continue
        families_here = ({u, *rivals}, {v, *others})
        ways = [
            {n: _way_down(outline, read_by, end, n) for n in family}
            for outline, read_by, end, family in zip(outlines, readers, ends, families_here)
        ]
        if not (
            _is_told(ways, u, v, lambda way: way.labels)
            or _is_told(ways, u, v, lambda way: (way.labels, way.ops))
            or all(_are_interchangeable(outline, codes.exact[k], ways[k]) for k, outline in enumerate(outlines))
            or _is_known_by_readers(codes, u, v, rivals, others)
        ):
            found |= _below(outlines[0], readers[0], u)
    return found


def _siblings(outline: Outline) -> dict[int, tuple[int, ...]]:
    """Return for each layer those of its label that read the very same, itself among them."""
    families: dict[tuple[object, ...], list[int]] = {}
    for node, layer in enumerate(outline.layers):
        if layer is not None and outline.labels[node] > 0:
            families.setdefault((outline.labels[node], outline.inputs[node]), []).append(node)
    return {node: tuple(family) for family in families.values() if len(family) > 1 for node in family}


def _readers(line: Line) -> list[list[tuple[int, int]]]:
    """Return (reader, position) for each node, 0 where order does not matter; what is not in line is looked through."""
    outline = line.outline
    alive = set(line.nodes)
    found: list[list[tuple[int, int]]] = [[] for _ in outline.inputs]
    value: list[int] = []
    for node, inputs in enumerate(outline.inputs):
        read = [value[i] for i in inputs]
        if inputs and node not in alive and len(set(read)) == 1:
            value.append(read[0])
            continue
        value.append(node)
        for position, source in enumerate(read):
            found[source].append((node, 0 if outline.is_commutative[node] else position))
    return found


def _ends(outline: Outline, are_as_many: bool) -> dict[int, int]:
    """Return {node: place among the outputs}, -1 where the networks have different numbers of them."""
    return {node: place if are_as_many else -1 for place, node in enumerate(outline.outputs)}


class _Way(NamedTuple):
    """What a node leads to, down to where its way joins others or parts."""

    labels: tuple[object, ...]  # of the nodes, with how it ends
    ops: tuple[object, ...]  # between them
    last: int  # the last node on the way
    join: int  # the join it ends in, -1 where it ends otherwise


def _way_down(
    outline: Outline, readers: Sequence[Sequence[tuple[int, int]]], ends: Mapping[int, int], node: int
) -> _Way:
    """Return the way from a node down."""
    labels: list[object] = []
    ops: list[object] = []
    while True:
        if node in ends:
            labels.append(("output", ends[node]))
        if len(readers[node]) != 1:
            labels.append(tuple(sorted([(outline.labels[r], position) for r, position in readers[node]])))
            read = [edge.ops for r, _ in readers[node] for edge in outline.edges[r] if edge.node == node]
            return _Way(tuple(labels), (*ops, *sorted(read)), node, -1)
        ((reader, position),) = readers[node]
        labels.append((outline.labels[reader], position))
        ops += [edge.ops for edge in outline.edges[reader] if edge.node == node]
        if len(outline.inputs[reader]) > 1:
            return _Way(tuple(labels), tuple(ops), node, -1 if node in ends else reader)
        node = reader


def _is_told(ways: Sequence[Mapping[int, _Way]], u: int, v: int, look: Callable[[_Way], object]) -> bool:
    """Return whether two nodes lead to the same, and no sibling of either does."""
    wanted = look(ways[0][u])
    return look(ways[1][v]) == wanted and all(
        look(way) != wanted for side, own in zip(ways, (u, v)) for n, way in side.items() if n != own
    )


def _are_interchangeable(outline: Outline, exact: Sequence[int], ways: Mapping[int, _Way]) -> bool:
    """Return whether siblings compute the same and meet in one sum or product, where either may be either."""
    listed = list(ways.values())
    first = listed[0]
    return (
        first.join >= 0
        and outline.is_commutative[first.join]
        and all(way.join == first.join and exact[way.last] == exact[first.last] for way in listed)
        and all(way.ops[-1:] == first.ops[-1:] for way in listed)
    )


def _is_known_by_readers(codes: Codes, u: int, v: int, rivals: Sequence[int], others: Sequence[int]) -> bool:
    """Return whether their surroundings are of one kind, and no sibling's of either is of that kind."""
    for near, near_source in codes.near_ops:
        is_only = all(near[r] != near[u] for r in rivals if r != u)
        is_only_there = all(near_source[r] != near_source[v] for r in others if r != v)
        if near[u] == near_source[v] and is_only and is_only_there:
            return True
    return False


def _below(outline: Outline, readers: Sequence[Sequence[tuple[int, int]]], node: int) -> set[int]:
    """Return a node and those below it that depend on nothing beside it but what it depends on itself."""
    above = outline.ancestors(node)
    found = {node}
    stack = [node]
    while stack:
        for reader, _ in readers[stack.pop()]:
            if reader not in found and all(i in found or i in above for i in outline.inputs[reader]):
                found.add(reader)
                stack.append(reader)
    return found


def sliding(line: Line, pairs: Mapping[int, int]) -> set[int]:
    """Return the paired nodes of a line that an unpaired run may take the place of, see `sliding_places`."""
    outline = line.outline
    labels = [outline.labels[n] for n in line.nodes]
    if not labels:
        return set()
    begins = any(not outline.inputs[e.node] and not e.is_past_layer for e in outline.edges[line.nodes[0]])
    ends = not outline.ends_past_layer
    places = sliding_places(labels, [n in pairs for n in line.nodes], begins=begins, ends=ends)
    return {line.nodes[p] for p in places}


def sliding_places(
    labels: Sequence[Hashable], paired: Sequence[bool], *, begins: bool = True, ends: bool = True
) -> set[int]:
    """Return the paired places that an unpaired run beside them may as well have.

    One of several equal blocks is missing then, and nothing tells which. A run at an end counts only where it can
    move by its whole length, and where the network `begins` or `ends` there: otherwise it is what a stretch was cut
    from. O(places) for each run.
    """
    found: set[int] = set()
    k = 0
    while k < len(labels):
        if paired[k]:
            k += 1
            continue
        end = k
        while end < len(labels) and not paired[end]:
            end += 1
        length = end - k
        first, last = k, end
        while first > 0 and paired[first - 1] and labels[first - 1] == labels[first - 1 + length]:
            first -= 1
        while last < len(labels) and paired[last] and labels[last] == labels[last - length]:
            last += 1
        is_inside = k > 0 and end < len(labels)
        is_whole = begins if k == 0 else ends
        if is_inside or (is_whole and last - end + k - first >= length):
            found.update([p for p in range(first, last) if paired[p]])
        k = end
    return found
