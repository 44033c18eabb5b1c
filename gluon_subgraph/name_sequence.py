"""One side of a matching by names as a sequence of layers, in the order in which they are computed or listed."""

from __future__ import annotations

from typing import NamedTuple, Sequence

from .layers import Layer, Step, read_form
from .name_attention import part_of_words, words_of_attention
from .name_layers import NameLayer, Piece, in_file_order, path_of_name, read_name_layers
from .sides import Shape, Side

__all__ = ["LayerSequence", "read_sequence"]


class LayerSequence(NamedTuple):
    """Layers in order, and what is known about each.

    `words` are those of its structural path and of its name; `before` has a bit for each layer whose output it
    depends on (empty where there is no graph). `orders` are the ways to list the layers that somebody who writes
    them down may have taken: as computed, with the longer, the shorter, the last branch of a sum first, and as
    defined. `ranks` has each layer's rank in those that count for the order of branches, `free` in those in which
    only a concatenation keeps its branches in order; `is_defined` says that the order of definition is known.
    """

    layers: list[NameLayer]
    words: list[set[str]]
    before: list[int]
    orders: list[list[int]]
    ranks: list[list[int]]
    free: list[list[int]]
    is_defined: bool

    def is_after(self, one: int, other: int) -> bool:
        """Whether one of two layers depends on the other, either way."""
        return not self.before or bool(self.before[one] >> other & 1 or self.before[other] >> one & 1)

    def comes_first(self, one: int, other: int) -> bool:
        """Whether the first of two layers comes before the other however one lists them."""
        return self.is_after(one, other) or all(rank[one] < rank[other] for rank in self.ranks)

    def is_listed_first(self, one: int, other: int) -> bool:
        """Whether a file that agrees with this sequence elsewhere has the first of two layers before the other.

        Somebody else may define the branches of a sum or of a product the other way round.
        """
        if self.is_after(one, other):
            return True
        return self.is_defined and self.comes_first(one, other) and all(rank[one] < rank[other] for rank in self.free)


_ROLE_OF_SLOT = {
    "weight": "weight",
    "gamma": "weight",
    "alpha": "weight",
    "bias": "bias",
    "beta": "bias",
    "running_mean": "mean",
    "running_var": "var",
}


def read_sequence(side: Side) -> LayerSequence:
    """Return the layers of a side: those of its graph if it has one, else those its names form."""
    named = read_name_layers(side.shapes)
    listed = in_file_order(named, side.shapes)
    if side.graph is None:
        layers = named if listed else sorted(named, key=lambda layer: layer.path)
        return LayerSequence(
            layers, [_words(layer, side) for layer in layers], [], [list(range(len(layers)))], [], [], listed
        )
    layers = []
    before: list[int] = []
    reach: list[int] = []
    owned: list[range] = []  # the layers of each step
    steps, outputs = read_form(side.graph, side.shapes)
    position_of_name = {name: i for i, name in enumerate(side.shapes)}
    seen: set[str] = set()
    for step in steps:
        bits = 0
        for source in step.inputs:
            bits |= reach[source]
        parts = _parts(step.layer, side, seen, position_of_name) if step.layer is not None else []
        for layer in parts:
            before.append(bits)
            bits |= 1 << len(layers)
            layers.append(layer)
        owned.append(range(len(layers) - len(parts), len(layers)))
        reach.append(bits)
    weights = [bin(bits).count("1") for bits in reach]
    orders = [list(range(len(layers)))]
    for by_size in (-1, 1, 0):
        order = [i for step in _branches_by_size(steps, outputs, weights, by_size) for i in owned[step]]
        orders.append(order + sorted(set(orders[0]) - set(order)))
    free = [_ranks(order) for order in orders]
    order = [i for step in _branches_by_size(steps, outputs, weights, 0, is_any_free=True) for i in owned[step]]
    free.append(_ranks(order + sorted(set(orders[0]) - set(order))))
    # A definition says which of two branches is the first; without one, only what no exchange of summands changes.
    ranks = [_ranks(order) for order in orders]
    if listed:
        ranks = [[layer.position for layer in layers]]
        defined = _last_positions(steps, owned, layers)
        order = [i for step in _branches_by_size(steps, outputs, defined, 1) for i in owned[step]]
        order += sorted(set(orders[0]) - set(order))
        orders = [order, *orders, sorted(orders[0], key=lambda i: layers[i].position)]
    distinct = [order for i, order in enumerate(orders) if order not in orders[:i]]
    words = [_words(layer, side) for layer in layers]
    for owner, word in words_of_attention(steps).items():
        for i in owned[owner]:
            if not part_of_words(words[i]):
                words[i].add(word)
    return LayerSequence(layers, words, before, distinct, ranks, free, listed)


def _last_positions(steps: Sequence[Step], owned: Sequence[range], layers: Sequence[NameLayer]) -> list[int]:
    """Return for each step the last position that a layer it needs has in the definition."""
    positions: list[int] = []
    for step, own in zip(steps, owned):
        needed = [positions[source] for source in step.inputs] + [layers[i].position for i in own]
        positions.append(max(needed, default=-1))
    return positions


def _ranks(order: Sequence[int]) -> list[int]:
    ranks = [0] * len(order)
    for rank, i in enumerate(order):
        ranks[i] = rank
    return ranks


def _branches_by_size(
    steps: Sequence[Step], outputs: Sequence[int], weights: Sequence[int], by_size: int, is_any_free: bool = False
) -> list[int]:
    """Return the steps in an order in which they can be computed, the branches of a sum by size.

    The larger branch comes first for -1, last for 1, and for 0 the last. Branches that are joined in an order that
    matters keep it; if `is_any_free`, only those that are concatenated do.
    """
    order: list[int] = []
    seen: set[int] = set()
    stack = [(step, False) for step in reversed(outputs)]
    while stack:
        step, is_done = stack.pop()
        if is_done:
            order.append(step)
        elif step not in seen:
            seen.add(step)
            inputs = list(steps[step].inputs)
            kind = steps[step].kind
            if kind.is_commutative or (is_any_free and kind.family.lower() != "concat"):
                inputs = sorted(inputs, key=lambda i: by_size * weights[i]) if by_size else inputs[::-1]
            stack.append((step, True))
            stack.extend((i, False) for i in reversed(inputs) if i not in seen)
    return order


def _parts(layer: Layer, side: Side, seen: set[str], position_of_name: dict[str, int]) -> list[NameLayer]:
    """Return an operator's parameters as one layer, or by their names where its slots do not tell them apart."""
    fresh = [i for i, name in enumerate(layer.parameters) if name not in seen]
    if not fresh:
        return []
    seen.update(layer.parameters)
    roles = tuple(_ROLE_OF_SLOT.get(layer.roles[i], "") for i in fresh)
    names = tuple(layer.parameters[i] for i in fresh)
    if "" in roles or len(set(roles)) < len(roles):
        return read_name_layers({name: side.shapes[name] for name in names})
    if len(roles) == 1:
        roles = ("weight",)
    path: tuple[Piece, ...] = path_of_name(side.paths.get(names[0], names[0]))
    shapes: tuple[Shape, ...] = tuple(side.shapes[name] for name in names)
    return [NameLayer(path, roles, names, shapes, position_of_name[names[0]])]


def _words(layer: NameLayer, side: Side) -> set[str]:
    words = {piece.word for piece in path_of_name(layer.parameters[0])}
    words |= {piece.word for piece in path_of_name(side.paths.get(layer.parameters[0], ""))}
    return words - {""}
