"""Pairs of nodes that might as well be others: exchanged branches, siblings, and runs of layers that can slide."""

from __future__ import annotations

from collections import Counter
from typing import Hashable, Mapping, NamedTuple, Sequence, Tuple

from .agreement import Nearest
from .outline import Outline
from .refinement import Codes
from .ways_down import Way, ends_of, nodes_below, readers_of, way_down
from .windows import Line, lines_of

__all__ = ["misfed", "misordered", "sliding", "sliding_places", "swappable", "undecided_siblings"]

Outlines = Sequence[Outline]
Chain = Sequence[Tuple[int, Tuple[str, ...]]]


def swappable(codes: Codes, pairs: Mapping[int, int], near: tuple[Nearest, Nearest]) -> set[int]:
    """Return the nodes of branches that meet in a join and might as well be paired the other way round.

    Branches that compute the same are not among them: exchanging them changes nothing. `near` is what `nearest_pairs`
    says of the pairs. O(branches^2) for each join.
    """
    outline = codes.outlines[0]
    found: set[int] = set()
    for u, v in pairs.items():
        if outline.is_join(u):
            ends = [a for a in near[0][u] if pairs[a] in near[1][v]]
            branches = [_branch_of(codes, pairs, u, end) for end in ends] if len(ends) > 1 else []
            above: dict[int, set[int]] = {}
            for k, one in enumerate(branches):
                for other in branches[:k]:
                    if not _is_told_apart(codes, pairs, u, (one, other)):
                        for branch in (one, other):
                            above.setdefault(branch.end, outline.ancestors(branch.end))
                        found |= above[one.end] ^ above[other.end]
    return found


class _Branch(NamedTuple):
    """What ends in a node that a join reads, and the branch that is its partner's, each with its topmost node."""

    end: int
    chain: Chain
    top: int
    partner: int
    partner_chain: Chain
    partner_top: int


def _branch_of(codes: Codes, pairs: Mapping[int, int], join: int, end: int) -> _Branch:
    first, second = codes.outlines
    ours, theirs = first.way_up(end), second.way_up(pairs[end])
    return _Branch(end, first.branch(join, ours), ours[-1], pairs[end], second.branch(pairs[join], theirs), theirs[-1])


def _is_told_apart(codes: Codes, pairs: Mapping[int, int], join: int, branches: tuple[_Branch, _Branch]) -> bool:
    """Return whether two branches of a join are paired as they have to be."""
    is_ordered = not codes.outlines[0].is_commutative[join]
    one, other = branches
    if [label for label, _ in one.chain] != [label for label, _ in other.chain]:
        return True
    if _is_in_order(codes.outlines, pairs, branches) or _do_tops_differ(codes.outlines, branches):
        return True
    exact = [codes.exact[0][branch.end] for branch in branches]
    ops = [branch.chain[0][1] for branch in branches]
    if exact[0] == exact[1] and ops[0] == ops[1]:  # they compute the same, if nobody else reads them otherwise
        return is_ordered or all(near[one.end] == near[other.end] for near, _ in codes.near_ops)
    partner_ops = [branch.partner_chain[0][1] for branch in branches]
    if exact == [codes.exact[1][branch.partner] for branch in branches] and ops == partner_ops:
        return True
    crossed = _in_common(one.chain, other.partner_chain) + _in_common(other.chain, one.partner_chain)
    straight = _in_common(one.chain, one.partner_chain) + _in_common(other.chain, other.partner_chain)
    if straight != crossed or is_ordered:
        return straight >= crossed
    alike = [[_likeness(codes, first.end, second.partner) for second in branches] for first in branches]
    return alike[0][0] + alike[1][1] > alike[0][1] + alike[1][0]


def _is_in_order(outlines: Outlines, pairs: Mapping[int, int], branches: tuple[_Branch, _Branch]) -> bool:
    """Return whether one of two branches begins at a node that depends on where the other begins, in both networks.

    Whoever exchanges the branches exchanges where they begin, and would turn the dependence round.
    """
    tops = [branch.top for branch in branches]
    if tops[0] == tops[1] or any(pairs.get(branch.top) != branch.partner_top for branch in branches):
        return False
    first, last = sorted(tops)  # nodes are in topological order
    return first in outlines[0].ancestors(last) and pairs[first] in outlines[1].ancestors(pairs[last])


def _do_tops_differ(outlines: Outlines, branches: tuple[_Branch, _Branch]) -> bool:
    """Return whether what two branches begin with reads the same as its partner does, and not as the other's."""
    ours = [_labels_read(outlines[0], branch.top) for branch in branches]
    theirs = [_labels_read(outlines[1], branch.partner_top) for branch in branches]
    if ours != theirs or ours[0] == ours[1]:
        return False
    return all(_read_alike(outlines, branch.top, branch.partner_top) for branch in branches)


def _read_alike(outlines: Outlines, u: int, v: int) -> bool:
    """Return whether two nodes read values through the same operators, but for those behind inserted layers."""
    edges = [outline.edges[node] for outline, node in zip(outlines, (u, v))]
    direct = [
        Counter((outline.labels[edge.node], edge.ops) for edge in own if not edge.is_past_layer)
        for outline, own in zip(outlines, edges)
    ]
    past = [sum(edge.is_past_layer for edge in own) for own in edges]
    return all(sum((direct[k] - direct[1 - k]).values()) <= past[1 - k] for k in (0, 1))


def _labels_read(outline: Outline, node: int) -> list[int]:
    return sorted(outline.labels[i] for i in outline.inputs[node])


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
    readers = readers_of(lines_of(codes)[0])
    found: set[int] = set()
    for u, v in pairs.items():
        ours, theirs = _inputs_read(first, u), _inputs_read(second, v)
        if ours and theirs and ours != theirs:
            found |= nodes_below(first, readers, u)
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
    siblings = [_siblings(outline) for outline in outlines]
    if not any(siblings):
        return set()
    readers = [readers_of(line) for line in lines_of(codes)]
    ends = [ends_of(outline, len({len(o.outputs) for o in outlines}) == 1) for outline in outlines]
    families: list[dict[tuple[int, ...], _Family]] = [{}, {}]
    undecided: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
    decided: Counter[tuple[tuple[int, ...], tuple[int, ...]]] = Counter()
    for pair in pairs.items():
        members = siblings[0].get(pair[0], pair[:1]), siblings[1].get(pair[1], pair[1:])
        if len(members[0]) == len(members[1]) == 1:
            continue
        for k, family in enumerate(members):
            if family not in families[k]:
                ways = {n: way_down(outlines[k], readers[k], ends[k], n) for n in family}
                families[k][family] = _family_of(codes, k, ways)
        if _is_decided((families[0][members[0]], families[1][members[1]]), *pair):
            decided[members] += 1
        else:
            undecided.setdefault(members, []).append(pair[0])
    found: set[int] = set()
    for members, nodes in undecided.items():
        is_last_one = decided[members] + 1 == len(members[0]) == len(members[1])
        for node in () if is_last_one else nodes:
            found |= nodes_below(outlines[0], readers[0], node)
    return found


def _siblings(outline: Outline) -> dict[int, tuple[int, ...]]:
    """Return for each layer those of its label that read the very same, itself among them."""
    families: dict[tuple[object, ...], list[int]] = {}
    for node, layer in enumerate(outline.layers):
        if layer is not None and outline.labels[node] > 0:
            families.setdefault((outline.labels[node], outline.inputs[node]), []).append(node)
    return {node: tuple(family) for family in families.values() if len(family) > 1 for node in family}


class _Family(NamedTuple):
    """Siblings, and what each of them may be known by.

    Attributes
    ----------
    marks : list of dict of int to object
        The labels of the way down, those with the operators between, these alone, and the surroundings of every radius.
    counts : list of Counter
        How many siblings have the same, for each of `marks`.
    are_interchangeable : bool
    """

    marks: list[dict[int, Hashable]]
    counts: list[Counter[Hashable]]
    are_interchangeable: bool


def _family_of(codes: Codes, side: int, ways: Mapping[int, Way]) -> _Family:
    marks: list[dict[int, Hashable]] = [
        {n: way.labels for n, way in ways.items()},
        {n: (way.labels, way.ops) for n, way in ways.items()},
        {n: way.ops for n, way in ways.items()},
    ]
    marks += [{n: pair[side][n] for n in ways} for pair in codes.near_ops]
    is_either = _are_interchangeable(codes.outlines[side], codes.exact[side], list(ways.values()))
    return _Family(marks, [Counter(mark.values()) for mark in marks], is_either)


def _is_decided(families: tuple[_Family, _Family], u: int, v: int) -> bool:
    """Return whether two nodes may be a pair: no sibling of either is like them, or either may be either.

    What one thing says of them, such as the place of an output, no other may contradict, such as an activation.
    """
    ours, theirs = families
    if ours.are_interchangeable and theirs.are_interchangeable:
        return True
    partners = set()
    for mine, other, count, count2 in zip(ours.marks, theirs.marks, ours.counts, theirs.counts):
        if count[mine[u]] == 1 == count2[mine[u]]:
            partners.add(mine[u] == other[v])
        elif count[other[v]] == 1 == count2[other[v]]:
            partners.add(False)
    return partners == {True}


def _are_interchangeable(outline: Outline, exact: Sequence[int], ways: Sequence[Way]) -> bool:
    """Return whether siblings compute the same and meet in one sum or product, where either may be either."""
    first = ways[0]
    return (
        first.join >= 0
        and outline.is_commutative[first.join]
        and all(way.join == first.join and exact[way.last] == exact[first.last] for way in ways)
        and all(way.ops[-1:] == first.ops[-1:] for way in ways)
    )


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
