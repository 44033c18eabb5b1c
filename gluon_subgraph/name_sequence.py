"""One side of a matching by names as a sequence of layers, in the order in which they are computed or listed."""

from __future__ import annotations

from typing import Callable, NamedTuple, Sequence

from .layers import Layer, Step
from .name_attention import part_of_words, words_of_attention
from .name_layers import NameLayer, Piece, path_of_name, read_name_layers
from .name_sides import read_once
from .sides import Side

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
    side = read_once(side)
    named, listed = side.name_layers, side.is_in_file_order
    if side.graph is None:
        layers = named if listed else sorted(named, key=lambda layer: layer.path)
        return LayerSequence(
            layers, [_words(layer, side) for layer in layers], [], [list(range(len(layers)))], [], [], listed
        )
    layers = []
    before: list[int] = []
    reach: list[int] = []
    owned: list[range] = []  # the layers of each step
    steps, outputs = side.form
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
    listing = _Listing(steps, outputs, owned, len(layers))
    orders = [list(range(len(layers))), *listing.by_sizes([bin(bits).count("1") for bits in reach])]
    free = [_ranks(order) for order in _distinct(orders)]
    # A definition says which of two branches is the first; without one, only what no exchange of summands changes.
    ranks = [[layer.position for layer in layers]] if listed else free.copy()
    free.append(_ranks(listing.last_first(is_any_free=True)))
    if listed:
        defined = listing.by_size(_last_positions(steps, owned, layers), 1)
        orders = [defined, *orders, sorted(orders[0], key=lambda i: layers[i].position)]
    distinct = _distinct(orders)
    words = [_words(layer, side) for layer in layers]
    for owner, word in words_of_attention(steps).items():
        for i in owned[owner]:
            if not part_of_words(words[i]):
                words[i].add(word)
    return LayerSequence(layers, words, before, distinct, ranks, free, listed)


def _distinct(orders: Sequence[list[int]]) -> list[list[int]]:
    return [order for i, order in enumerate(orders) if order not in orders[:i]]


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


class _Listing(NamedTuple):
    """Ways to list the layers of a network in which they can be computed; `owned` has those of each step."""

    steps: Sequence[Step]
    outputs: Sequence[int]
    owned: Sequence[range]
    layer_count: int

    def by_sizes(self, weights: Sequence[int]) -> list[list[int]]:
        """Return the layers with the larger, the smaller and the last branch of a sum first."""
        last = self.last_first()
        if not any(len(step.inputs) > 1 and step.kind.is_commutative for step in self.steps):
            return [last]  # all three are the same
        return [self.by_size(weights, -1), self.by_size(weights, 1), last]

    def by_size(self, weights: Sequence[int], sign: int) -> list[int]:
        """Return the layers with the smaller branch of a sum first for 1, the larger for -1."""
        return self._layers(self._post_order(lambda i: sign * weights[i]))

    def last_first(self, *, is_any_free: bool = False) -> list[int]:
        """Return the layers with the last branch of a sum first; of every join but a concatenation, if `is_any_free`.

        Branches that are joined in an order that matters keep it.
        """
        return self._layers(self._post_order(None, is_any_free=is_any_free))

    def _layers(self, order: Sequence[int]) -> list[int]:
        found = [i for step in order for i in self.owned[step]]
        return found if len(found) == self.layer_count else found + sorted(set(range(self.layer_count)) - set(found))

    def _post_order(self, size: Callable[[int], int] | None, *, is_any_free: bool = False) -> list[int]:
        """Return the steps as they can be computed, the branches of a sum by size, or the last first."""
        order: list[int] = []
        seen = bytearray(len(self.steps))
        stack = list(reversed(self.outputs))  # ~step where all that it needs is done
        while stack:
            step = stack.pop()
            if step < 0:
                order.append(~step)
            elif not seen[step]:
                seen[step] = 1
                kind, inputs, _, _ = self.steps[step]
                stack.append(~step)
                if len(inputs) > 1 and (kind.is_commutative or (is_any_free and kind.family.lower() != "concat")):
                    stack += inputs if size is None else sorted(inputs, key=size)[::-1]
                else:
                    stack += inputs[::-1]
        return order


def _parts(layer: Layer, side: Side, seen: set[str], position_of_name: dict[str, int]) -> list[NameLayer]:
    """Return an operator's parameters as one layer, or by their names where its slots do not tell them apart."""
    slots = [slot for slot in zip(layer.roles, layer.parameters, layer.shapes) if slot[1] not in seen]
    if not slots:
        return []
    seen.update(layer.parameters)
    in_graph, names, shapes = zip(*slots)
    roles = tuple([_ROLE_OF_SLOT.get(role, "") for role in in_graph])
    if "" in roles or len(set(roles)) < len(roles):
        return read_name_layers({name: side.shapes[name] for name in names})
    if len(roles) == 1:
        roles = ("weight",)
    path: tuple[Piece, ...] = path_of_name(side.paths.get(names[0], names[0]))
    return [NameLayer(path, roles, names, shapes, position_of_name[names[0]])]


def _words(layer: NameLayer, side: Side) -> set[str]:
    words = {piece[0] for piece in path_of_name(layer.parameters[0])}
    path = side.paths.get(layer.parameters[0])
    if path is not None:
        words |= {piece[0] for piece in path_of_name(path)}
    words.discard("")
    return words
