"""One side of a matching by names as a sequence of layers, in the order in which they are computed or listed."""

from __future__ import annotations

from functools import cached_property
from typing import Callable, Iterator, NamedTuple, Sequence

from .layers import Layer, Step
from .name_attention import part_of_words, words_of_attention
from .name_layers import NameLayer, Piece, path_of_name, read_name_layers
from .name_sides import ReadSide, read_once
from .sides import Side

__all__ = ["LayerSequence", "read_sequence"]


class LayerSequence:
    """Layers in order, and what is known about each; most of it is computed when it is first asked for.

    Attributes
    ----------
    layers : list of NameLayer
    before : list of int
        A bit for each layer whose output a layer depends on; empty where there is no graph.
    is_defined : bool
        Whether the order of definition is known.
    """

    def __init__(self, layers: list[NameLayer], side: ReadSide, before: list[int], listing: _Listing | None) -> None:
        self.layers, self.before, self.is_defined = layers, before, side.is_in_file_order
        self._side, self._listing = side, listing

    @cached_property
    def words(self) -> list[set[str]]:
        """The words of each layer's structural path and of its name, and its part of an attention."""
        words = [_words(layer, self._side) for layer in self.layers]
        if self._listing is not None:
            for owner, word in words_of_attention(self._listing.steps).items():
                for i in self._listing.owned[owner]:
                    if not part_of_words(words[i]):
                        words[i].add(word)
        return words

    @cached_property
    def parts(self) -> list[str]:
        """Which part of an attention each layer is, as far as known."""
        return [part_of_words(words) for words in self.words]

    @cached_property
    def first_order(self) -> list[int]:
        """The layers as they are defined if that is known, else as computed."""
        if self._listing is None or not self.is_defined:
            return self._computed
        return self._listing.by_size(_last_positions(self._listing, self.layers), 1)

    @cached_property
    def orders(self) -> list[list[int]]:
        """The ways to list the layers that somebody who writes them down may have taken.

        As computed, with the longer, the shorter, the last branch of a sum first, and as defined.
        """
        if not self.is_defined or self._listing is None:
            return _distinct(self._as_computed)
        by_position = sorted(self._computed, key=lambda i: self.layers[i].position)
        return _distinct([self.first_order, *self._as_computed, by_position])

    def each_order(self) -> Iterator[list[int]]:
        """Yield the `orders`; those after the first are computed only when they are needed."""
        yield self.first_order
        yield from self.orders[1:]

    @cached_property
    def _computed(self) -> list[int]:
        return list(range(len(self.layers)))

    @cached_property
    def _as_computed(self) -> list[list[int]]:
        if self._listing is None:
            return [self._computed]
        return [self._computed, *self._listing.by_sizes([bin(bits).count("1") for bits in self._listing.reach])]

    @cached_property
    def _ranks_as_computed(self) -> list[list[int]]:
        return [_ranks(order) for order in _distinct(self._as_computed)]

    @cached_property
    def _ranks(self) -> list[list[int]]:
        """The ranks that count for the order of branches.

        A definition says which of two is the first; without one, only what no exchange of summands changes.
        """
        return [[layer.position for layer in self.layers]] if self.is_defined else self._ranks_as_computed

    @cached_property
    def _ranks_of_concatenations(self) -> list[list[int]]:
        """The ranks of which only a concatenation keeps its branches in order."""
        if self._listing is None:
            return []
        return [*self._ranks_as_computed, _ranks(self._listing.last_first(is_any_free=True))]

    def is_after(self, one: int, other: int) -> bool:
        """Whether one of two layers depends on the other, either way."""
        return not self.before or bool(self.before[one] >> other & 1 or self.before[other] >> one & 1)

    def comes_first(self, one: int, other: int) -> bool:
        """Whether the first of two layers comes before the other however one lists them."""
        return self.is_after(one, other) or all(rank[one] < rank[other] for rank in self._ranks)

    def is_listed_first(self, one: int, other: int) -> bool:
        """Whether a file that agrees with this sequence elsewhere has the first of two layers before the other.

        Somebody else may define the branches of a sum or of a product the other way round.
        """
        if self.is_after(one, other):
            return True
        ranks = self._ranks_of_concatenations
        return self.is_defined and self.comes_first(one, other) and all(rank[one] < rank[other] for rank in ranks)


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
    if side.graph is None:
        named = side.name_layers
        layers = named if side.is_in_file_order else sorted(named, key=lambda layer: layer.path)
        return LayerSequence(layers, side, [], None)
    layers = []
    before: list[int] = []
    reach: list[int] = []
    owned: list[range] = []
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
    return LayerSequence(layers, side, before, _Listing(steps, outputs, owned, reach, len(layers)))


def _distinct(orders: Sequence[list[int]]) -> list[list[int]]:
    return [order for i, order in enumerate(orders) if order not in orders[:i]]


def _last_positions(listing: _Listing, layers: Sequence[NameLayer]) -> list[int]:
    """Return for each step the last position that a layer it needs has in the definition."""
    positions: list[int] = []
    for step, own in zip(listing.steps, listing.owned):
        needed = [positions[source] for source in step.inputs] + [layers[i].position for i in own]
        positions.append(max(needed, default=-1))
    return positions


def _ranks(order: Sequence[int]) -> list[int]:
    ranks = [0] * len(order)
    for rank, i in enumerate(order):
        ranks[i] = rank
    return ranks


class _Listing(NamedTuple):
    """Ways to list the layers of a network in which they can be computed.

    `owned` has the layers of each step, `reach` a bit for each layer that a step needs, its own among them.
    """

    steps: Sequence[Step]
    outputs: Sequence[int]
    owned: Sequence[range]
    reach: Sequence[int]
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
        made = read_name_layers({name: side.shapes[name] for name in names})
        return [layer._replace(position=min([position_of_name[name] for name in layer.parameters])) for layer in made]
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
