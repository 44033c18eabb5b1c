"""Whether pairs of nodes of two outlines support each other, and whether all of them together make one network."""

from __future__ import annotations

from collections import Counter
from typing import Collection, Hashable, Mapping, NamedTuple, Sequence, Tuple

import networkx as nx

from .layers import Form, Layer, Step, differing_settings
from .operators import is_normalisation
from .outline import Outline
from .refinement import Codes
from .windows import feeder_of

__all__ = ["Weight", "consistent_pairs", "weigh", "pieces_of", "swappable", "with_fed_by_other", "with_joins"]

Outlines = Sequence[Outline]
Chain = Sequence[Tuple[int, Tuple[str, ...]]]


class Weight(NamedTuple):
    """What speaks for and against two networks being one, in layers and in edges between paired nodes.

    Attributes
    ----------
    matched : float
        Paired layers; a normalisation counts with the layer it belongs to.
    agreeing : int
        Edges between paired nodes that both networks have.
    inserted : int
        Edges on which one of them has further layers, such as adapters.
    replaced : int
        Edges on which both have further layers, which are not the same.
    added : int
        Layers within one of them that make it deeper: those the other has too, but not there, spatial convolutions
        and normalisations.
    moved : int
        Joins and pools that both have, but at other places.
    changed : int
        Paired layers whose settings differ.
    outside : int
        Layers beyond the paired ones, at the same end of both.
    """

    matched: float
    agreeing: int
    inserted: int
    replaced: int
    added: int
    moved: int
    changed: int
    outside: int

    def objection(self) -> str:
        """Return why the networks are not one, up to insertions, cuts and another head; "" where they are."""
        few = 0.1 * self.matched
        reasons = [
            (not self.matched or (not self.agreeing and self.matched > 1), "nothing fits together"),
            (self.inserted > self.agreeing, f"other layers lie on {self.inserted} of the ways between matching ones"),
            (self.replaced > few / 2, f"different layers stand at {self.replaced} places between matching ones"),
            (self.added > few, f"{self.added} layers inside one of them have no counterpart"),
            (self.moved > few, f"{self.moved} joins or pools are at different places"),
            (self.changed > max(1, few), f"{self.changed} matching layers differ in stride, padding or the like"),
            (self.outside > max(1, self.matched / 2), f"{self.outside} layers beyond the matching ones differ"),
        ]
        return next((reason for applies, reason in reasons if applies), "")


def consistent_pairs(outlines: Outlines, pairs: Mapping[int, int]) -> dict[int, int]:
    """Return the pairs that agree: the nearest paired ancestors of both correspond, a normalisation's layer too."""
    kept = dict(pairs)
    while True:
        near = [_nearest_above(outlines[0], kept), _nearest_above(outlines[1], set(kept.values()))]
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


def _nearest_above(outline: Outline, chosen: Collection[int]) -> list[dict[int, bool]]:
    """Return for each node {nearest chosen ancestor: whether other layers lie on every way from it}."""
    found: list[dict[int, bool]] = []
    passed: list[dict[int, bool]] = []  # what the readers of a node see of it
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


def pieces_of(outlines: Outlines, pairs: Mapping[int, int]) -> dict[int, int]:
    """Return the number of the connected piece of each pair: those that share an edge are in one piece."""
    near = [_nearest_above(outlines[0], pairs), _nearest_above(outlines[1], set(pairs.values()))]
    connected = nx.Graph()
    connected.add_nodes_from(pairs)
    connected.add_edges_from((u, a) for u, v in pairs.items() for a in near[0][u] if pairs[a] in near[1][v])
    return {u: number for number, piece in enumerate(nx.connected_components(connected)) for u in piece}


def swappable(outlines: Outlines, codes: Codes, pairs: Mapping[int, int]) -> set[int]:
    """Return the nodes of branches that meet in a commutative join and might as well be paired the other way round.

    Branches that compute the same are not among them: exchanging them changes nothing.
    """
    found: set[int] = set()
    near = [_nearest_above(outlines[0], pairs), _nearest_above(outlines[1], set(pairs.values()))]
    for u, v in pairs.items():
        if outlines[0].is_commutative[u]:
            ends = [a for a in near[0][u] if pairs[a] in near[1][v]]
            for k, one in enumerate(ends):
                for other in ends[:k]:
                    if not _is_told_apart(outlines, codes, pairs, (u, one, other)):
                        found |= outlines[0].ancestors(one) ^ outlines[0].ancestors(other)
    return found


def _is_told_apart(outlines: Outlines, codes: Codes, pairs: Mapping[int, int], join: tuple[int, int, int]) -> bool:
    """Return whether two branches of a join (join, end of one, end of other) are paired as they have to be."""
    node, one, other = join
    chains = [outlines[0].branch(node, one), outlines[0].branch(node, other)]
    partners = [outlines[1].branch(pairs[node], pairs[one]), outlines[1].branch(pairs[node], pairs[other])]
    if [label for label, _ in chains[0]] != [label for label, _ in chains[1]]:
        return True
    crossed = _in_common(chains[0], partners[1]) + _in_common(chains[1], partners[0])
    straight = _in_common(chains[0], partners[0]) + _in_common(chains[1], partners[1])
    if straight != crossed:
        return straight > crossed
    alike = [[_likeness(codes, a, pairs[b]) for b in (one, other)] for a in (one, other)]
    if alike[0][0] + alike[1][1] > alike[0][1] + alike[1][0]:
        return True
    return all(code[one] == code[other] for code, _ in (codes.above, *codes.near_ops))


def _in_common(chain1: Chain, chain2: Chain) -> int:
    """Return how many operators without parameters two branches have in common."""
    counts = [Counter(op for _, ops in chain for op in ops) for chain in (chain1, chain2)]
    return sum((counts[0] & counts[1]).values())


def _likeness(codes: Codes, u: int, v: int) -> int:
    return sum(near1[u] == near2[v] for near1, near2 in codes.near_ops)


def weigh(forms: Sequence[Form], outlines: Outlines, pairs: Mapping[int, int]) -> Weight:
    """Return what speaks for and against two networks being one."""
    chosen = (set(pairs), set(pairs.values()))
    near = [_nearest_above(outline, side) for outline, side in zip(outlines, chosen)]
    edges = [
        (is_past_layer, near[1][v][pairs[a]])
        for u, v in pairs.items()
        for a, is_past_layer in near[0][u].items()
        if pairs[a] in near[1][v]
    ]
    sides = [_leftovers(form, outline, side) for form, outline, side in zip(forms, outlines, chosen)]
    layers = [outlines[0].layers[u] for u in pairs]
    matched = [layer for layer in layers if layer is not None]
    heavy = [layer for layer in matched if not is_normalisation(layer.kind)]
    return Weight(
        matched=max(len(heavy), len(matched) / 2),
        agreeing=sum(not a and not b for a, b in edges),
        inserted=sum(a != b for a, b in edges),
        replaced=sum(a and b for a, b in edges),
        added=sides[0].added + sides[1].added,
        moved=min(sides[0].moved, sides[1].moved),
        changed=sum(_is_changed(outlines[0].layers[u], outlines[1].layers[v]) for u, v in pairs.items()),
        outside=min(sides[0].before, sides[1].before) + min(sides[0].after, sides[1].after),
    )


def _is_changed(layer1: Layer | None, layer2: Layer | None) -> bool:
    return layer1 is not None and layer2 is not None and bool(differing_settings(layer1, layer2))


class _Leftovers(NamedTuple):
    before: int
    after: int
    added: int
    moved: int


def _leftovers(form: Form, outline: Outline, chosen: Collection[int]) -> _Leftovers:
    """Return the layers of one network that are not paired, by where they are, and its unpaired joins and pools."""
    node_of_step, layers = outline.node_of_step, outline.layers
    own = [step.layer is not None and layers[node_of_step[n]] is step.layer for n, step in enumerate(form.steps)]
    paired = [is_own and node_of_step[n] in chosen for n, is_own in enumerate(own)]
    left = [n for n, step in enumerate(form.steps) if step.layer is not None and not paired[n]]
    others = {k for k, label in enumerate(outline.labels) if label > 0 and layers[k] is None and k not in chosen}
    if not left and not others:
        return _Leftovers(0, 0, 0, 0)
    above, below = _beside(form, paired)
    inside = [n for n in left if above[n] and below[n]]
    return _Leftovers(
        before=sum(not above[n] for n in left),
        after=sum(above[n] and not below[n] for n in left),
        added=sum(
            _deepens(form.steps, n, own[n] and feeder_of(outline, node_of_step[n]) != "own", paired) for n in inside
        ),
        moved=len({k for n, k in enumerate(node_of_step) if k in others and above[n] and below[n]}),
    )


def _beside(form: Form, paired: Sequence[bool]) -> tuple[list[bool], list[bool]]:
    """Return for each step whether something paired is above it, and below it."""
    above = [False] * len(form.steps)
    for n, step in enumerate(form.steps):
        above[n] = any(above[i] or paired[i] for i in step.inputs)
    below = [False] * len(form.steps)
    for n in reversed(range(len(form.steps))):
        for i in form.steps[n].inputs:
            below[i] = below[i] or below[n] or paired[n]
    return above, below


def _deepens(steps: Sequence[Step], n: int, is_common: bool, paired: Sequence[bool]) -> bool:
    """Return whether an unpaired layer makes its network another one, rather than adapting it."""
    layer = steps[n].layer
    if layer is None or is_common:
        return layer is not None
    if is_normalisation(layer.kind):
        return paired[steps[n].inputs[0]]
    kernel = layer.shapes[0]
    return layer.kind == "Convolution" and kernel is not None and any(size > 1 for size in kernel[2:])
