"""Which layers of two networks may be one, by their roles and shapes."""

from __future__ import annotations

from collections import Counter
from math import lgamma, log
from typing import NamedTuple, Sequence, Tuple

from .name_layers import NameLayer
from .sides import Shape

__all__ = ["Labels", "label_layers", "is_near", "is_matrix", "information"]

_Signature = Tuple[Tuple[str, Shape], ...]


class Labels(NamedTuple):
    """A number for each layer of both sides, the same for layers that may be one."""

    mine: list[int]
    theirs: list[int]


def label_layers(mine: Sequence[NameLayer], theirs: Sequence[NameLayer]) -> Labels:
    """Return labels: layers with equal roles and shapes are alike.

    Of those that nothing on the other side equals, a Dense is like a 1x1 Convolution with its matrix, matrices of
    input by output are like those of output by input, and normalisations are like those without a scale.
    """
    known: dict[tuple[object, ...], _Signature] = {}  # many layers have the same
    exact = [[_signature(layer, known) for layer in side] for side in (mine, theirs)]
    common = set(exact[0]) & set(exact[1])
    for change in (_squeezed, _sorted, _unscaled):
        loose = [[s if s in common else change(s) for s in side] for side in exact]
        if (set(loose[0]) & set(loose[1])) - common:
            exact = loose
            common = set(exact[0]) & set(exact[1])
    numbers: dict[_Signature, int] = {}
    mine_and_theirs = [[numbers.setdefault(s, len(numbers)) for s in side] for side in exact]
    return Labels(*mine_and_theirs)


def _signature(layer: NameLayer, known: dict[tuple[object, ...], _Signature]) -> _Signature:
    key = (layer.roles, layer.shapes)
    if key not in known:
        known[key] = tuple(sorted(zip(*key), key=repr))
    return known[key]


def _squeezed(signature: _Signature) -> _Signature:
    return tuple([(role, s[:2] if s is not None and set(s[2:]) == {1} else s) for role, s in signature])


def _sorted(signature: _Signature) -> _Signature:
    return tuple([(role, (min(s), max(s)) if s is not None and len(s) == 2 else s) for role, s in signature])


def _unscaled(signature: _Signature) -> _Signature:
    is_normalisation = {"bias", "mean", "var"} <= {role for role, _ in signature}
    return tuple([slot for slot in signature if slot[0] != "weight"]) if is_normalisation else signature


def is_near(one: NameLayer, other: NameLayer) -> bool:
    """Whether two layers have matrices that differ in the number of their inputs or of their outputs."""
    mine, theirs = dict(zip(one.roles, one.shapes)), dict(zip(other.roles, other.shapes))
    shape, partner = mine.get("weight"), theirs.get("weight")
    if shape is None or partner is None or mine.keys() != theirs.keys() or len(shape) != len(partner) or len(shape) < 2:
        return False
    return shape[2:] == partner[2:] and (shape[0] == partner[0]) != (shape[1] == partner[1])


def is_matrix(layer: NameLayer) -> bool:
    """Whether a layer has more than vectors."""
    return any(shape is not None and len(shape) > 1 for shape in layer.shapes)


def information(labels: Sequence[int]) -> float:
    """Return how many bits it takes to tell an order from the others of the same labels."""
    nats = lgamma(len(labels) + 1) - sum(lgamma(count + 1) for count in Counter(labels).values())
    return nats / log(2)
