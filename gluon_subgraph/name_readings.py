"""The names of layers arranged along a network's sequence, in every way in which both can be read.

Another may compute the other branch of a sum first, list layers as they are defined or as they are computed, and
write one number of two digits or two of one. What these readings do not agree on is left open.
"""

from __future__ import annotations

from typing import Sequence

from .arrangement import Arrangement, arrange
from .name_attention import LONG_FORM
from .name_blocks import repeated_blocks
from .name_counters import read_as_columns
from .name_hints import Hints
from .name_labels import Labels
from .name_layers import NameLayer
from .name_selection import Selection
from .name_sequence import LayerSequence

__all__ = ["arrange_any_way"]


def arrange_any_way(
    sequence: LayerSequence, layers: Sequence[NameLayer], labels: Labels, chosen: Selection, is_listed: bool
) -> Arrangement:
    """Return which layers of the sequence the chosen named ones are, by their indices in both.

    Where names spell the layers in no way as they are computed and no file order says more, what they spell in all
    the other ways to list them that they can spell counts: another may compute the other branch of a sum first.
    """
    found = _arrange(sequence, layers, labels, chosen, is_listed)
    if is_listed:
        return _as_defined(sequence, layers, labels, chosen, found, is_listed)
    columns = read_as_columns([layer.path for layer in layers])
    if any(path != layer.path for path, layer in zip(columns, layers)):
        others = [layer._replace(path=path) for layer, path in zip(layers, columns)]
        found = _agreed([found, _arrange(sequence, others, labels, chosen, is_listed)])
    if found.is_spelled:
        return _as_defined(sequence, layers, labels, chosen, found, is_listed)
    taking_part = set(chosen.mine)
    ways = [[i for i in order if i in taking_part] for order in sequence.orders]
    return _agreed(
        [found, *(_arrange(sequence, layers, labels, chosen._replace(mine=way), is_listed) for way in ways[1:])]
    )


def _agreed(arrangements: Sequence[Arrangement]) -> Arrangement:
    """Return what all arrangements that names spell have in common; the first if they spell none."""
    spelled = [arrangement for arrangement in arrangements if arrangement.is_spelled] or arrangements[:1]
    first = spelled[0]
    if len(spelled) == 1:
        return first
    agreed = {j: i for j, i in first.place.items() if all(other.place.get(j) == i for other in spelled)}
    known = {j for other in spelled for j in (*other.place, *other.options)}
    options = {j: set().union(*(_possible(other, j) for other in spelled)) for j in known if j not in agreed}
    return Arrangement(agreed, first.reason, options, is_spelled=True)


def _as_defined(
    sequence: LayerSequence,
    layers: Sequence[NameLayer],
    labels: Labels,
    chosen: Selection,
    found: Arrangement,
    is_listed: bool,
) -> Arrangement:
    """Return an arrangement without what the names, read in the order of definition, say otherwise.

    Layers may be computed in another order than they are defined in; where shapes allow both, a file may have either.
    """
    listed = list(range(len(chosen.theirs)))
    if not is_listed:
        listed.sort(key=lambda j: layers[chosen.theirs[j]].path)
    defined = sorted(chosen.mine, key=lambda i: sequence.layers[i].position)
    if not sequence.is_defined or any(
        labels.mine[i] != labels.theirs[chosen.theirs[j]] for i, j in zip(defined, listed)
    ):
        return found
    other = dict(zip(listed, defined))
    open_ones = {j: {i, other[j]} for j, i in found.place.items() if i != other[j] and found.reason[j] != "words"}
    place = {j: i for j, i in found.place.items() if j not in open_ones}
    return found._replace(place=place, options={**found.options, **open_ones})


def _possible(arrangement: Arrangement, layer: int) -> set[int]:
    """Return what a layer may be: what it is, or what it is if not decided."""
    place = arrangement.place.get(layer)
    return arrangement.options.get(layer, set()) if place is None else {place}


def _arrange(
    sequence: LayerSequence, layers: Sequence[NameLayer], labels: Labels, chosen: Selection, is_listed: bool
) -> Arrangement:
    """Return which layers of the sequence the chosen named ones are, as the sequence lists them."""
    mine, theirs, is_one_order = chosen
    spelled = [labels.mine[i] for i in mine]
    listed = [labels.theirs[j] for j in theirs]

    def may_be_exchanged(place: int, other: int) -> bool:
        return not sequence.is_listed_first(mine[min(place, other)], mine[max(place, other)])

    hints = Hints(
        affinity=lambda stem, places: _affinity(stem, [sequence.words[mine[place]] for place in places]),
        parallel=lambda place, other: not sequence.is_after(mine[place], mine[other]),
        exchangeable=lambda place, other: not sequence.comes_first(mine[place], mine[other]),
        may_be_exchanged=may_be_exchanged,
        is_listed=is_one_order and listed == spelled,
        is_in_file_order=is_listed,
        parts=lambda places: [sequence.parts[mine[place]] for place in places],
        blocks=repeated_blocks([sequence.layers[i].path for i in mine], spelled),
    )
    found = arrange([layers[j].path for j in theirs], listed, spelled, hints)
    return Arrangement(
        {j: mine[place] for j, place in found.place.items()},
        found.reason,
        {j: {mine[place] for place in places} for j, places in found.options.items()},
        found.is_spelled,
    )


def _affinity(stem: Sequence[str], words: Sequence[set[str]]) -> float:
    known = [word for word in stem if word]
    if not known:
        return 0.0
    total = sum(max((_likeness(word, other) for other in there), default=0.0) for there in words for word in known)
    return total / (len(known) * len(words))


def _likeness(one: str, other: str) -> float:
    one, other = LONG_FORM.get(one, one), LONG_FORM.get(other, other)
    if one == other:
        return 1.0
    is_long = min(len(one), len(other)) > 1  # a single letter begins too many words
    return 0.6 if is_long and (one.startswith(other) or other.startswith(one)) else 0.0
