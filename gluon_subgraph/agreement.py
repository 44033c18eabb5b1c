"""Pairs of nodes of two outlines that support each other."""

from __future__ import annotations

from typing import Collection, Dict, Hashable, List, Mapping, Sequence

import networkx as nx

from .operators import is_normalisation
from .outline import Outline
from .windows import feeder_of

__all__ = [
    "Nearest",
    "consistent_pairs",
    "nearest_pairs",
    "pieces_of",
    "with_fed_by_other",
    "with_joins",
    "with_siblings",
]

Outlines = Sequence[Outline]
Nearest = List[Dict[int, bool]]


def consistent_pairs(outlines: Outlines, pairs: Mapping[int, int]) -> dict[int, int]:
    """Return the pairs that agree: the nearest paired ancestors of both correspond, a normalisation's layer too."""
    kept = dict(pairs)
    while True:
        near = nearest_pairs(outlines, kept)
        support = dict.fromkeys(kept, 0)
        wrong = set()
        for u, v in kept.items():
            shared = [a for a in near[0][u] if kept[a] in near[1][v]]
            if (near[0][u] and near[1][v] and not shared) or not _belongs(outlines, kept, u, v):
                wrong.add(u)
            for a in shared:
                support[u] += 1
                support[a] += 1
        if len(kept) > 1:
            wrong.update(u for u in kept if not support[u])
        if not wrong:
            return kept
        kept = {u: v for u, v in kept.items() if u not in wrong}


def _belongs(outlines: Outlines, pairs: Mapping[int, int], u: int, v: int) -> bool:
    """Return whether a normalisation is paired together with the layer it belongs to."""
    layer = outlines[0].layers[u]
    if layer is None or not is_normalisation(layer.kind):
        return True
    read1, read2 = outlines[0].inputs[u][0], outlines[1].inputs[v][0]
    if outlines[0].layers[read1] is None or outlines[1].layers[read2] is None:
        return True
    return pairs.get(read1) == read2


def nearest_pairs(outlines: Outlines, pairs: Mapping[int, int]) -> tuple[Nearest, Nearest]:
    """Return for each node of both networks {nearest paired ancestor: whether layers lie on every way from it}."""
    return _nearest_above(outlines[0], pairs), _nearest_above(outlines[1], set(pairs.values()))


def _nearest_above(outline: Outline, chosen: Collection[int]) -> Nearest:
    found: Nearest = []
    passed: Nearest = []  # what the readers of a node see of it
    for node, edges in enumerate(outline.edges):
        near: dict[int, bool] = {}
        for source, is_past_layer, _ in edges:
            if source in chosen:
                near[source] = near.get(source, True) and is_past_layer
            else:
                for ancestor, is_past in passed[source].items():
                    near[ancestor] = near.get(ancestor, True) and (is_past or is_past_layer)
        found.append(near)
        passed.append(dict.fromkeys(near, True) if outline.layers[node] is not None else near)
    return found


def with_joins(outlines: Outlines, pairs: Mapping[int, int]) -> dict[int, int]:
    """Return the pairs with the joins that join the same: of one kind, with the same paired nodes above.

    A join of a value with what an adapter makes of it joins nothing.
    """
    code_of_key: dict[Hashable, int] = {}
    numbers = [{u: -1 - k for k, u in enumerate(pairs)}, {v: -1 - k for k, v in enumerate(pairs.values())}]
    places = [_unique_joins(outline, number, code_of_key) for outline, number in zip(outlines, numbers)]
    return {**pairs, **{u: places[1][code] for code, u in places[0].items() if code in places[1]}}


def _unique_joins(outline: Outline, number: Mapping[int, int], code_of_key: dict[Hashable, int]) -> dict[int, int]:
    """Return {code: join} of the joins whose code no other has; `number` has the paired nodes."""
    seen: list[frozenset[int]] = []  # what the readers of a node see of it: paired nodes and joins
    joins: dict[int, list[int]] = {}
    for node, inputs in enumerate(outline.inputs):
        above = frozenset().union(*[seen[i] for i in inputs])
        if node in number:
            above = frozenset((number[node],))
        elif outline.is_join(node) and len(above) > 1:
            code = code_of_key.setdefault((outline.labels[node], above), len(code_of_key))
            joins.setdefault(code, []).append(node)
            above = frozenset((code,))
        seen.append(above)
    return {code: nodes[0] for code, nodes in joins.items() if len(nodes) == 1 and outline.labels[nodes[0]] > 0}


def with_fed_by_other(outlines: Outlines, pairs: Mapping[int, int], decided: Mapping[int, int]) -> dict[int, int]:
    """Return the pairs with the normalisations before paired layers that follow no paired layer themselves.

    An adapter may stand before one in one of the networks, a join in the other. Where the readers are paired, and
    neither was considered in `decided`, they are the same.
    """
    grown = dict(pairs)
    taken = set(decided.values())
    for u, v in pairs.items():
        read1, read2 = outlines[0].inputs[u], outlines[1].inputs[v]
        if len(read1) == 1 and len(read2) == 1 and read1[0] not in decided and read2[0] not in taken:
            fed = {feeder_of(outlines[0], read1[0]), feeder_of(outlines[1], read2[0])}
            if outlines[0].labels[read1[0]] == outlines[1].labels[read2[0]] and fed == {"own", "join"}:
                grown[read1[0]] = read2[0]
    return grown


def with_siblings(outlines: Outlines, pairs: Mapping[int, int]) -> dict[int, int]:
    """Return the pairs with the only layers left of their label that read what is paired, beside others that do.

    Such is one of several heads at one place, whatever became of those at other places.
    """
    of_place: list[dict[Hashable, list[int]]] = []
    read: tuple[set[int], set[int]] = (set(), set())
    back = {v: u for u, v in pairs.items()}
    for side, known in enumerate((dict(zip(pairs, pairs)), back)):
        outline = outlines[side]
        found: dict[Hashable, list[int]] = {}
        for node, inputs in enumerate(outline.inputs):
            above = tuple([known.get(i, -1) for i in inputs])
            if not inputs or -1 in above:
                continue
            if node in known:
                read[side].update(above)
            elif outline.layers[node] is not None and outline.labels[node] > 0:
                found.setdefault((outline.labels[node], above), []).append(node)
        of_place.append(found)
    ours, theirs = of_place
    left = {
        nodes[0]: theirs[place][0]
        for place, nodes in ours.items()
        if len(nodes) == 1 == len(theirs.get(place, ())) and read[0] & read[1] & set(place[1])  # type: ignore[index]
    }
    return {**pairs, **left}


def pieces_of(outlines: Outlines, pairs: Mapping[int, int]) -> dict[int, int]:
    """Return the number of the connected piece of each pair: those that share an edge are in one piece."""
    near = nearest_pairs(outlines, pairs)
    connected = nx.Graph()
    connected.add_nodes_from(pairs)
    connected.add_edges_from((u, a) for u, v in pairs.items() for a in near[0][u] if pairs[a] in near[1][v])
    return {u: number for number, piece in enumerate(nx.connected_components(connected)) for u in piece}
