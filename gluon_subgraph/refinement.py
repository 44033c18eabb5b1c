"""Codes for the surroundings of every node of two outlines: equal codes, equal surroundings.

Colour refinement (the Weisfeiler-Leman test of dimension 1) over both graphs at once, and the codes of cones, which
are exact: all that a node depends on.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Hashable, List, Sequence, Tuple

from .outline import Outline

__all__ = ["Codes", "RADII"]

RADII = 3
Outlines = Tuple[Outline, Outline]
Pair = Tuple[List[int], List[int]]


class Codes:
    """The codes of two outlines, comparable with each other; every list has a number for each node.

    Attributes
    ----------
    above : pair of list of int
        The cone of all ancestors, for either outline.
    near, near_ops : list of pair of list of int
        The surroundings up to 1, 2, 3 steps away: layers, joins and how they are connected; `near_ops` with the
        operators without parameters that lie between.
    border : pair of list of int
        How many steps away the nearest input or output is; what is nearer than the radius tells nothing.
    """

    def __init__(self, outlines: Outlines) -> None:
        self.outlines = outlines
        self.above = _cones(outlines)

    @cached_property
    def near(self) -> list[Pair]:
        """The codes of all radii, without operators; made when first asked for, O(nodes + edges) each."""
        return _refine(self.outlines, self._consumers, with_ops=False)

    @cached_property
    def near_ops(self) -> list[Pair]:
        """The codes of all radii, with operators."""
        return _refine(self.outlines, self._consumers, with_ops=True)

    @cached_property
    def border(self) -> Pair:
        """The distances to the nearest border."""
        first, second = (_distances_to_border(o, r) for o, r in zip(self.outlines, self._consumers))
        return first, second

    @cached_property
    def _consumers(self) -> list[Any]:
        return [outline.consumers() for outline in self.outlines]

    def isomorphism(self) -> dict[int, int] | None:
        """Return {node of the first outline: node of the second} where the outlines are equal, else None."""
        first, second = self.outlines
        if [self.above[0][n] for n in first.outputs] != [self.above[1][n] for n in second.outputs]:
            return None
        partner: dict[int, int] = {}
        back: dict[int, int] = {}
        stack = list(zip(first.outputs, second.outputs))
        while stack:
            u, v = stack.pop()
            if u in partner or v in back:
                if partner.get(u) != v or back.get(v) != u:
                    return None
                continue
            partner[u], back[v] = v, u
            stack += zip(self._sorted_inputs(0, u), self._sorted_inputs(1, v))
        return partner

    def _sorted_inputs(self, side: int, node: int) -> Sequence[int]:
        """Return the inputs of a node; of a commutative join in an order that does not depend on how it is written."""
        outline, above = self.outlines[side], self.above[side]
        inputs = outline.inputs[node]
        if not outline.is_commutative[node]:
            return inputs
        if len({above[i] for i in inputs}) == len(inputs):
            return sorted(inputs, key=above.__getitem__)
        return sorted(inputs, key=lambda i: (above[i], *[near[side][i] for near in self.near_ops]))


def _refine(outlines: Outlines, consumers: Sequence[Any], *, with_ops: bool) -> list[Pair]:
    """Return the codes of all radii."""
    found: list[Pair] = []
    codes = (outlines[0].labels, outlines[1].labels)
    for _ in range(RADII):
        keys = [_surroundings(o, c, read_by, with_ops) for o, c, read_by in zip(outlines, codes, consumers)]
        rank = {key: number for number, key in enumerate(sorted(set().union(*keys)))}
        codes = ([rank[key] for key in keys[0]], [rank[key] for key in keys[1]])
        found.append(codes)
    return found


def _surroundings(outline: Outline, codes: Sequence[int], consumers: Sequence[Any], with_ops: bool) -> list[Any]:
    """Return each node's code with those of its inputs and its consumers, the same whichever network comes first."""
    keys: list[Any] = []
    for node, edges in enumerate(outline.edges):
        above = [(codes[e.node], e.ops if with_ops else ()) for e in edges]
        if outline.is_commutative[node]:
            above.sort()
        below = sorted([(p, codes[reader], e.ops if with_ops else ()) for p, reader, e in consumers[node]])
        keys.append((codes[node], tuple(above), tuple(below)))
    return keys


def _cones(outlines: Outlines) -> Pair:
    """Return the code of the cone of each node."""
    code_of_key: dict[Hashable, int] = {}
    found = []
    for outline in outlines:
        codes: list[int] = []
        for node, inputs in enumerate(outline.inputs):
            cone = [codes[i] for i in inputs]
            if outline.is_commutative[node]:
                cone.sort()
            codes.append(code_of_key.setdefault((outline.labels[node], tuple(cone)), len(code_of_key)))
        found.append(codes)
    return found[0], found[1]


def _distances_to_border(outline: Outline, consumers: Sequence[Any]) -> list[int]:
    """Return how many steps away the nearest input, output or end of each node is, at most RADII + 1.

    What lies beyond is not known: a network may be a stretch of the other.
    """
    distances = [RADII + 1] * len(outline.inputs)
    for node, inputs in enumerate(outline.inputs):
        if not inputs:
            distances[node] = 0
        elif not consumers[node] or node in outline.outputs:
            distances[node] = 1
    for _ in range(RADII):
        for node, inputs in enumerate(outline.inputs):
            for source in inputs:
                distances[node] = min(distances[node], distances[source] + 1)
                distances[source] = min(distances[source], distances[node] + 1)
    return distances
