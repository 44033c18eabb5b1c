"""How often a stretch of a network occurs in it, by what a matcher is given of it."""

from __future__ import annotations

from collections.abc import Collection, Hashable

import graphs
from graphs import Node, Side

COMMUTATIVE = {"elemwise_add", "_plus", "_Plus", "broadcast_add", "add_n", "ElementWiseSum"}
COMMUTATIVE |= {"elemwise_mul", "_mul", "_Mul", "broadcast_mul", "_maximum", "broadcast_maximum"}


def occurs_once(side: Side, start: int, end: int, known: Collection[str]) -> bool:
    """Tell whether the nodes after `start` up to `end` can only come from there, however sums are written.

    Operators, their order and the shapes of their parameters count; the sizes of what flows between them do not, for
    nobody gives these to a matcher. What follows the first parameter that is not `known`, such as another head, tells
    nothing of the place.
    """
    nodes, _ = graphs.nodes_of(side.symbol)
    passed = graphs.articulations(side)
    is_new = [
        any(name not in known for _, name in graphs.param_slots(nodes, i, side.inputs)) for i in range(len(nodes))
    ]
    first_new = next((i for i in range(start + 1, end + 1) if is_new[i]), end + 1)
    ends = [i for i in passed if start < i < first_new]
    if not ends:
        return False
    reached = graphs.flowing(nodes, side.inputs)
    inputs = [i for i, node in enumerate(nodes) if node["op"] == "null" and reached[i]]
    starts = [*inputs, *passed] if len(inputs) == 1 else passed
    table: dict[Hashable, int] = {}
    wanted = _codes_after(side, nodes, reached, start, table)[ends[-1]]
    found = [_codes_after(side, nodes, reached, other, table) for other in starts]
    is_once = sum(codes.get(i) == wanted for codes in found for i in passed) == 1
    return is_once and not _may_be_shifted(side, nodes, reached, start, ends[-1])


def _may_be_shifted(side: Side, nodes: list[Node], reached: list[bool], start: int, end: int) -> bool:
    """Tell whether the same is left if, instead of what lies before or behind it, as many equal layers are left out.

    Of [A, A, B] the last two are a stretch, and the whole with one A removed.
    """
    shapes = side.shape_of()
    slots = [graphs.param_slots(nodes, i, side.inputs) if reached[i] else [] for i in range(len(nodes))]
    labels = [(nodes[i]["op"], *(shapes[name] for _, name in own)) for i, own in enumerate(slots) if own]
    first = sum(bool(own) for own in slots[: start + 1])
    last = sum(bool(own) for own in slots[: end + 1])
    behind = len(labels) - last
    before_is_same = first > 0 and 2 * first <= last and labels[:first] == labels[first : 2 * first]
    behind_is_same = 0 < behind <= last - first and labels[last - behind : last] == labels[last:]
    return before_is_same or behind_is_same


def _codes_after(
    side: Side, nodes: list[Node], reached: list[bool], start: int, table: dict[Hashable, int]
) -> dict[int, int]:
    """Return what each node computes of the output of node `start`; equal numbers for equal functions."""
    shapes = side.shape_of()
    codes = {start: -1}
    for i in range(start + 1, len(nodes)):
        node = nodes[i]
        read = [j for j, _ in node["inputs"] if reached[j]]
        if not read or any(j not in codes for j in read):
            continue
        cone: list[Hashable] = [
            (codes[j], out) if reached[j] else nodes[j]["op"]
            for j, out in node["inputs"]
            if nodes[j]["name"] not in shapes
        ]
        if node["op"] in COMMUTATIVE:
            cone.sort(key=repr)
        own = tuple(shapes[name] for _, name in graphs.param_slots(nodes, i, side.inputs) if name in shapes)
        codes[i] = table.setdefault((node["op"], own, tuple(cone)), len(table))
    return codes
