"""Which layers of two sequences take part in a matching by names: what both have, if they are one network."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple, Sequence

import numpy as np

from .kernels import MOST_CELLS, alignment
from .name_labels import Labels, information, is_matrix, is_near
from .name_layers import NameLayer, Piece
from .name_sequence import LayerSequence

__all__ = ["Selection", "select"]

_AFTER_THE_SAME = 0.2
_BEFORE_THE_SAME = 0.1
_NEARLY_THE_SAME = 0.3
_GAPS = (0.5, 0.05, 0.0, 0.0)
_CLEAR = 0.05
_SECOND_BEST = 0.5  # an order that is worse by less than a gap may be the right one
_LEAST_INFORMATION = 6.0  # bits: a shorter coincidence of a file's order with an order of execution proves nothing
_LEAST_SHARE = 0.5  # of the matrices of the smaller side


class Selection(NamedTuple):
    """Layers of both sides that take part, each in its own order, and whether these orders are one for certain."""

    mine: list[int]
    theirs: list[int]
    is_one_order: bool


class _Pairing(NamedTuple):
    """Layers of both sides in order, and the pairs among them; `theirs` is empty where its order means nothing."""

    mine: Sequence[int]
    theirs: Sequence[int]
    pairs: list[tuple[int, int]]


def select(sequence: LayerSequence, layers: Sequence[NameLayer], labels: Labels, is_listed: bool) -> Selection | None:
    """Return the layers of both sides that take part; None where the two are different networks.

    `is_listed` says that the order of `layers` means something.
    """
    common = set(labels.mine) & set(labels.theirs)
    kept = [j for j, label in enumerate(labels.theirs) if label in common]
    listed = [labels.theirs[j] for j in kept]
    if not listed:
        return None
    first = [i for i in sequence.first_order if labels.mine[i] in common]
    if Counter(labels.mine[i] for i in first) != Counter(listed):
        return _select_stretch(sequence, layers, labels, is_listed) or _select_window(sequence, labels)
    pairing = _Pairing(sequence.first_order, [], list(zip(first, kept)))
    is_one_order = False
    for order in sequence.each_order() if is_listed else ():
        mine = [i for i in order if labels.mine[i] in common]
        if [labels.mine[i] for i in mine] == listed:
            pairing = _Pairing(order, range(len(layers)), list(zip(mine, kept)))
            is_one_order = information(listed) >= _LEAST_INFORMATION
            break
    if not _is_one_network(sequence.layers, layers, pairing, labels):
        return None
    return Selection([i for i, _ in pairing.pairs], kept, is_one_order)


def _select_stretch(
    sequence: LayerSequence, layers: Sequence[NameLayer], labels: Labels, is_listed: bool
) -> Selection | None:
    """Return what the best alignment of all orders pairs for certain; None where they are too long to be aligned."""
    if max(map(len, sequence.orders)) * len(layers) > MOST_CELLS:
        return None
    theirs = list(range(len(layers)))
    if not is_listed:
        theirs.sort(key=lambda j: layers[j].path)
    near = _near_labels(sequence.layers, layers, labels)
    listed = [labels.theirs[j] for j in theirs]
    found = [_align([labels.mine[i] for i in mine], listed, near) for mine in sequence.orders]
    best = max(range(len(found)), key=lambda k: found[k][0])
    mine, (worth, partner, margin) = sequence.orders[best], found[best]
    same = [k for k, j in enumerate(partner) if j >= 0 and labels.mine[mine[k]] == listed[j]]
    pairs = [(mine[k], theirs[partner[k]]) for k in same]
    if not pairs or not _is_one_network(sequence.layers, layers, _Pairing(mine, theirs, pairs), labels):
        return None
    agreed = set(pairs)
    for order, (value, other, _) in zip(sequence.orders, found):
        if value > worth - _SECOND_BEST:
            agreed &= {(order[k], theirs[j]) for k, j in enumerate(other) if j >= 0}
    clear = [pair for k, pair in zip(same, pairs) if margin[k] >= _CLEAR and pair in agreed]
    chosen = [labels.mine[i] for i, _ in clear]
    is_certain = information(chosen) >= _LEAST_INFORMATION
    number_of_label = Counter(labels.mine)
    is_unique = all(number_of_label[label] == 1 for label in chosen)
    if not clear or not (
        is_certain or is_unique or _is_counted([(layers[j].path, labels.theirs[j]) for _, j in clear])
    ):
        return None
    is_one_order = is_listed and is_certain and agreed.issuperset(pairs)
    return Selection([i for i, _ in clear], sorted(j for _, j in clear), is_one_order)


def _select_window(sequence: LayerSequence, labels: Labels) -> Selection | None:
    """Return the only stretch that has just the labels of all names; None if there is none, or several.

    Names may list the layers of a block in another order than any in which a network is computed. O(layers) for each
    order.
    """
    size = len(labels.theirs)
    if information(labels.theirs) < _LEAST_INFORMATION or size >= len(labels.mine):
        return None
    found: dict[frozenset[int], list[int]] = {}
    for order in sequence.orders:
        lacking = Counter(labels.theirs)
        wrong = len(lacking)  # labels of which a stretch has not as many as it should
        for k, i in enumerate(order):
            left = [labels.mine[order[k - size]]] if k >= size else []
            for label, change in [(labels.mine[i], -1), *((label, 1) for label in left)]:
                wrong -= lacking[label] != 0
                lacking[label] += change
                wrong += lacking[label] != 0
            if not wrong:
                mine = order[k - size + 1 : k + 1]
                found.setdefault(frozenset(mine), mine)
    return Selection(next(iter(found.values())), list(range(size)), False) if len(found) == 1 else None


def _is_counted(layers: Sequence[tuple[tuple[Piece, ...], int]]) -> bool:
    """Whether each of some names, with labels, follows from the one before by a higher number, or is of the same unit.

    Of one unit are a convolution and its normalisation: names that differ in the last word, of layers not alike.
    """
    for (one, label), (other, other_label) in zip(layers, layers[1:]):
        differing = next(((a, b) for a, b in zip(one, other) if a != b), None)
        if differing is None:
            return False
        first, second = differing
        is_one_unit = len(one) == len(other) and one[:-1] == other[:-1] and label != other_label
        if first >= second if first.word == second.word else not is_one_unit:
            return False
    return True


def _align(
    mine: Sequence[int], theirs: Sequence[int], near: set[tuple[int, int]]
) -> tuple[float, list[int], list[float]]:
    """Return the worth of the best alignment, the partner of each layer, -1 for none, and how clear that is.

    Of two layers alike the one is preferred that comes after a layer alike: a BatchNorm stays with its convolution.
    A layer that differs in one axis, such as a head of other classes, is paired before it is passed over.
    """
    one, other = np.array(mine), np.array(theirs)
    same = one[:, None] == other[None, :]
    scores = np.where(same, 1.0, -1e30)
    for label, partner in near:
        scores[np.ix_(one == label, other == partner)] = _NEARLY_THE_SAME
    scores[1:, 1:] += _AFTER_THE_SAME * same[:-1, :-1]
    scores[:-1, :-1] += _BEFORE_THE_SAME * same[1:, 1:]
    worth, partners, margins = alignment.align(scores, *_GAPS)
    return worth, partners.tolist(), margins.tolist()


def _near_labels(mine: Sequence[NameLayer], theirs: Sequence[NameLayer], labels: Labels) -> set[tuple[int, int]]:
    one = dict(zip(labels.mine, mine))
    other = dict(zip(labels.theirs, theirs))
    return {(a, b) for a in one for b in other if a != b and is_near(one[a], other[b])}


def _is_one_network(mine: Sequence[NameLayer], theirs: Sequence[NameLayer], pairing: _Pairing, labels: Labels) -> bool:
    """Whether layers that are paired are one network's, by what is left on both sides.

    What one side has inserted is no objection, unless it is like what is paired: then the networks are of other
    depths. At one place both sides may have something else only where a network ends, and where it begins, or
    where the order is not known, if it differs in one axis.
    """
    my_paired = {i for i, _ in pairing.pairs}
    their_paired = {j for _, j in pairing.pairs}
    my_rest = [i for i in pairing.mine if i not in my_paired and is_matrix(mine[i])]
    their_rest = [j for j, layer in enumerate(theirs) if j not in their_paired and is_matrix(layer)]
    matrices = sum(is_matrix(mine[i]) for i in my_paired)
    if matrices < _LEAST_SHARE * (matrices + min(len(my_rest), len(their_rest))):
        return False
    if not pairing.theirs:
        return not my_rest or all(any(is_near(mine[i], theirs[j]) for i in my_rest) for j in their_rest)
    # Layers alike that are left on both sides could be paired, if the orders were one.
    if {labels.mine[i] for i in pairing.mine if i not in my_paired} & {
        label for j, label in enumerate(labels.theirs) if j not in their_paired
    }:
        return False
    replaced = _replaced(mine, theirs, pairing)
    my_rest = [i for i in my_rest if i not in replaced[0]]
    their_rest = [j for j in their_rest if j not in replaced[1]]
    place, their_place = ({x: k for k, x in enumerate(order)} for order in (pairing.mine, pairing.theirs))
    first, their_first = pairing.pairs[0]
    last, their_last = pairing.pairs[-1]
    inside_of_mine = pairing.mine[place[first] : place[last]]
    if not all(_is_inserted(mine, run, labels, my_paired) for run in _runs(inside_of_mine, my_paired)):
        return False
    words = {piece.word for j in their_paired for piece in theirs[j].path}
    inside = [j for j in their_rest if their_place[their_first] < their_place[j] < their_place[their_last]]
    if any(all(piece.word in words for piece in theirs[j].path) for j in inside):
        return False
    before = [i for i in my_rest if place[i] < place[first]]
    their_before = [j for j in their_rest if their_place[j] < their_place[their_first]]
    if before and their_before:
        return len(before) == len(their_before) == 1 and is_near(mine[before[0]], theirs[their_before[0]])
    return True


def _replaced(mine: Sequence[NameLayer], theirs: Sequence[NameLayer], pairing: _Pairing) -> tuple[set[int], set[int]]:
    """Return the layers of both sides of which each is alone between two paired ones, and differs in one axis.

    They are heads of other classes, wherever a network has them.
    """
    gaps: list[dict[int, list[int]]] = []
    for side, order in enumerate((pairing.mine, pairing.theirs)):
        number = {pair[side]: k for k, pair in enumerate(pairing.pairs, 1)}
        found: dict[int, list[int]] = {}
        latest = 0
        for layer in order:
            latest = number.get(layer, latest)
            if layer not in number:
                found.setdefault(latest, []).append(layer)
        gaps.append(found)
    both = [(own[0], gaps[1][gap][0]) for gap, own in gaps[0].items() if len(own) == 1 == len(gaps[1].get(gap, ()))]
    near = [(i, j) for i, j in both if is_near(mine[i], theirs[j])]
    return {i for i, _ in near}, {j for _, j in near}


def _runs(order: Sequence[int], paired: set[int]) -> list[list[int]]:
    """Return the layers between those that are paired, together where they come one after the other."""
    runs: list[list[int]] = [[]]
    for i in order:
        if i in paired:
            runs.append([])
        else:
            runs[-1].append(i)
    return [run for run in runs if run]


def _is_inserted(layers: Sequence[NameLayer], run: Sequence[int], labels: Labels, paired: set[int]) -> bool:
    """Whether a run of layers is something else than what is paired: no matrix of it, or nothing at all, is alike."""
    common = {labels.mine[i] for i in paired}
    like = [i for i in run if labels.mine[i] in common]
    return not any(is_matrix(layers[i]) for i in like) and (not like or any(is_matrix(layers[i]) for i in run))
