"""Codes for the surroundings of every node of two outlines: equal codes, equal surroundings.

Colour refinement (the Weisfeiler-Leman test of dimension 1) over both outlines at once tells what is near a node, and
the codes of cones tell all that it depends on: in the outlines, and by `exact_codes` in the networks themselves.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Hashable, List, Sequence, Tuple

from .exact_codes import walk_together
from .outline import Outline

__all__ = ["Codes"]

_RADII = 3
Outlines = Tuple[Outline, Outline]
Pair = Tuple[List[int], List[int]]


class Codes:
    """The codes of two outlines, comparable with each other; every list has a number for each node.

    Attributes
    ----------
    outlines : pair of Outline
    exact : pair of list of int
        The codes of `exact_codes` for the nodes of either outline.
    above : pair of list of int
        The cone of all ancestors in the outlines.
    near_ops : list of pair of list of int
        The surroundings up to 1, 2, 3 steps away: layers, joins, how they are connected, and the operators without
        parameters that lie between.
    near_above, near_above_ops : list of pair of list of int
        The same of what lies above a node alone, without and with operators. A stretch cut out of a network may
        have lost what reads its nodes, never what they read.
    border : pair of list of int
        How many steps above a node the nearest input is; what is nearer than the radius tells nothing.
    """

    def __init__(self, outlines: Outlines, exact: Pair, exchanged: Codes | None = None) -> None:
        self.outlines = outlines
        self.exact = exact
        self._exchanged = exchanged  # the codes that these are with the second network first

    @cached_property
    def above(self) -> Pair:
        """The codes of the cones."""
        return _cones(self.outlines)

    @cached_property
    def near_ops(self) -> list[Pair]:
        """The codes of all radii; made when first asked for, O(nodes + edges) each."""
        if self._exchanged is not None:
            return [pair[::-1] for pair in self._exchanged.near_ops]
        consumers = [outline.consumers() for outline in self.outlines]
        return _refine(self.outlines, consumers, with_ops=True)

    @cached_property
    def near_above(self) -> list[Pair]:
        """The codes of all radii of what lies above, without operators."""
        return _refine(self.outlines, None, with_ops=False)

    @cached_property
    def near_above_ops(self) -> list[Pair]:
        """The codes of all radii of what lies above, with operators."""
        return _refine(self.outlines, None, with_ops=True)

    @cached_property
    def border(self) -> Pair:
        """The distances to the nearest input above."""
        first, second = (_distances_to_input(outline) for outline in self.outlines)
        return first, second

    def exchanged(self) -> Codes:
        """Return the same codes with the second network first."""
        return Codes(self.outlines[::-1], self.exact[::-1], self)

    def isomorphism(self) -> dict[int, int] | None:
        """Return {node of the first outline: node of the second} where the outlines are equal, else None."""
        first, second = self.outlines
        if [self.above[0][n] for n in first.outputs] != [self.above[1][n] for n in second.outputs]:
            return None
        return walk_together(
            zip(first.outputs, second.outputs),
            lambda u, v: zip(self._sorted_inputs(0, u), self._sorted_inputs(1, v)),
        )

    def _sorted_inputs(self, side: int, node: int) -> Sequence[int]:
        """Return the inputs of a node; of a commutative join in an order that does not depend on how it is written."""
        outline, above = self.outlines[side], self.above[side]
        inputs = outline.inputs[node]
        if not outline.is_commutative[node]:
            return inputs
        if len({above[i] for i in inputs}) == len(inputs):
            return sorted(inputs, key=above.__getitem__)
        exact = self.exact[side]
        return sorted(inputs, key=lambda i: (above[i], *[near[side][i] for near in self.near_ops], exact[i]))


def _refine(outlines: Outlines, consumers: Sequence[Any] | None, *, with_ops: bool) -> list[Pair]:
    """Return the codes of all radii; of what lies above alone where no consumers are given."""
    found: list[Pair] = []
    codes = (outlines[0].labels, outlines[1].labels)
    for _ in range(_RADII):
        keys = [
            _surroundings(outlines[side], codes[side], None if consumers is None else consumers[side], with_ops)
            for side in (0, 1)
        ]
        rank = {key: number for number, key in enumerate(sorted(set().union(*keys)))}
        codes = ([rank[key] for key in keys[0]], [rank[key] for key in keys[1]])
        found.append(codes)
    return found


def _surroundings(outline: Outline, codes: Sequence[int], consumers: Sequence[Any] | None, with_ops: bool) -> list[Any]:
    """Return each node's code with those of its inputs and its consumers, the same whichever network comes first."""
    keys: list[Any] = []
    for node, edges in enumerate(outline.edges):
        above = [(codes[e.node], e.ops if with_ops else ()) for e in edges]
        if outline.is_commutative[node]:
            above.sort()
        below = [] if consumers is None else [(p, codes[reader], e.ops) for p, reader, e in consumers[node]]
        keys.append((codes[node], tuple(above), tuple(sorted(below))))
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


def _distances_to_input(outline: Outline) -> list[int]:
    """Return how many steps above each node the nearest input is, at most _RADII + 1.

    What lies beyond is not known: a network may be a stretch of the other.
    """
    distances: list[int] = []
    for inputs in outline.inputs:
        distances.append(min([distances[i] + 1 for i in inputs], default=0))
    return [min(distance, _RADII + 1) for distance in distances]
