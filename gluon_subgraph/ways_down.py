"""What the nodes of an outline lead to: who reads them, and the way down to where it joins others or parts."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Sequence

from .outline import Outline
from .windows import Line

__all__ = ["Way", "ends_of", "nodes_below", "readers_of", "way_down"]


def readers_of(line: Line) -> list[list[tuple[int, int]]]:
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


def ends_of(outline: Outline, are_as_many: bool) -> dict[int, int]:
    """Return {node: place among the outputs}, -1 where the networks have different numbers of them."""
    return {node: place if are_as_many else -1 for place, node in enumerate(outline.outputs)}


class Way(NamedTuple):
    """What a node leads to, down to where its way joins others or parts."""

    labels: tuple[object, ...]  # of the nodes, with how it ends
    ops: tuple[object, ...]  # between them
    last: int  # the last node on the way
    join: int  # the join it ends in, -1 where it ends otherwise


def way_down(outline: Outline, readers: Sequence[Sequence[tuple[int, int]]], ends: Mapping[int, int], node: int) -> Way:
    """Return the way from a node down."""
    labels: list[object] = []
    ops: list[object] = []
    while True:
        if node in ends:
            labels.append(("output", ends[node]))
        if len(readers[node]) != 1:
            labels.append(tuple(sorted([(outline.labels[r], position) for r, position in readers[node]])))
            read = [outline.ops_between[r, node] for r, _ in readers[node] if (r, node) in outline.ops_between]
            return Way(tuple(labels), (*ops, *sorted(read)), node, -1)
        ((reader, position),) = readers[node]
        labels.append((outline.labels[reader], position))
        if (reader, node) in outline.ops_between:  # else something that is not in line lies between
            ops.append(outline.ops_between[reader, node])
        if len(outline.inputs[reader]) > 1:
            return Way(tuple(labels), tuple(ops), node, -1 if node in ends else reader)
        node = reader


def nodes_below(outline: Outline, readers: Sequence[Sequence[tuple[int, int]]], node: int) -> set[int]:
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
