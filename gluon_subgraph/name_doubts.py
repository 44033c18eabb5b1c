"""Bindings by names that names cannot vouch for: heads of equal shape, rows of equal layers, square kernels."""

from __future__ import annotations

import re
from typing import Collection, Mapping

from .doubts import sliding_places
from .layers import Form, Layer
from .name_layers import NameLayer
from .name_sides import ReadSide
from .sides import Ambiguity, Matching, Shape, left_over

__all__ = ["without_doubtful"]

_KERNEL = re.compile(r"(^|[^A-Za-z])(kernel|weights|w)([^A-Za-z]|$)", re.IGNORECASE)  # words for either layout

_SLIDES = "one of several equal layers is missing, and nothing tells which"
_SQUARE = "square, and a kernel may be kept as input by output; pairs= says that it is not"


def without_doubtful(found: Matching, target: ReadSide, source: ReadSide) -> Matching:
    """Return a matching by names without what they leave open.

    Of dense layers that nothing follows and that read the same, neither numbers nor file order tell which is which;
    nor do they where the other network has more of them. Where neither network has a graph, nobody knows which layers
    are branches, and the order of two files says nothing of layers alike that are called by different words. Where one
    of several equal layers in a row is missing, they do not tell which. A square ``kernel`` of two axes may be kept as
    input by output, as some frameworks do, or as output by input, unless another kernel of the file shows which.
    """
    reasons: dict[str, tuple[tuple[str, ...], str]] = {}
    back = {s: t for t, s in found.mapping.items()}
    if target.graph is not None:
        for t, names in _open_heads(target.form, found.mapping, found.evidence, source).items():
            reasons[t] = (names, "several heads of the source are like this one")
    elif source.graph is not None:
        evidence = {s: found.evidence[t] for s, t in back.items()}
        for s in _open_heads(source.form, back, evidence, target):
            reasons[back[s]] = ((s,), "several heads of the target are like this one")
    else:
        reasons.update(_by_order_alone(found, target))
    slides = _sliding(target, found.mapping) | {back[s] for s in _sliding(source, back)}
    reasons.update({t: ((s,), _SLIDES) for t, s in found.mapping.items() if t in slides})
    reasons.update({t: ((s,), _SQUARE) for t, s in _square_kernels(found, target).items()})
    if not reasons:
        return found
    mapping = {t: s for t, s in found.mapping.items() if t not in reasons}
    return Matching(
        mapping,
        found.mismatched,
        {**found.ambiguous, **{t: Ambiguity(names, reason) for t, (names, reason) in reasons.items()}},
        found.missing,
        left_over(source, mapping, found.mismatched),
        {t: found.evidence[t] for t in mapping},
        {t: found.transforms[t] for t in mapping},
    )


def _square_kernels(found: Matching, target: ReadSide) -> dict[str, str]:
    """Return the bound kernels of axes of one length, if no other kernel of as many axes fits as it is.

    What is looked up in a table tells nothing of how matrices are kept.
    """
    steps = target.form.steps
    tables = {
        step.layer.parameters[0]
        for step in steps
        if step.layer is not None and step.layer.parameters and step.kind.family == "Embedding"
    }
    kernels = {t: s for t, s in found.mapping.items() if s != t and t not in tables and _KERNEL.search(s)}
    shapes = {t: shape for t in kernels for shape in (target.shapes[t],) if shape is not None and len(shape) > 1}
    shown = {len(shape) for t, shape in shapes.items() if len(set(shape)) > 1 and found.transforms[t] == "same"}
    return {t: kernels[t] for t, shape in shapes.items() if len(set(shape)) == 1 and len(shape) not in shown}


def _by_order_alone(found: Matching, target: ReadSide) -> dict[str, tuple[tuple[str, ...], str]]:
    """Return what nothing but the order of two files pairs, though words set it apart: {target: candidates, reason}."""
    alike: dict[tuple[Shape, ...], list[NameLayer]] = {}
    for layer in target.name_layers:
        if found.evidence.get(layer.parameters[0], "").startswith("file order"):
            alike.setdefault(layer.shapes, []).append(layer)
    reasons = {}
    for layers in alike.values():
        if len({tuple([piece.word for piece in layer.path]) for layer in layers}) > 1:
            for names in zip(*[layer.parameters for layer in layers]):
                sources = tuple([found.mapping[name] for name in names if name in found.mapping])
                reasons.update(dict.fromkeys(names, (sources, "words differ, and the order of two files is no proof")))
    return reasons


def _sliding(side: ReadSide, bound: Mapping[str, str]) -> set[str]:
    """Return the bound parameters of layers that an unbound layer beside them may take the place of."""
    layers = side.name_layers if side.is_in_file_order else sorted(side.name_layers, key=lambda layer: layer.path)
    label_of_shapes = {s: tuple(sorted(map(str, s))) for s in {layer.shapes for layer in layers}}
    labels = [label_of_shapes[layer.shapes] for layer in layers]
    places = sliding_places(labels, [layer.parameters[0] in bound for layer in layers])
    return {name for p in places for name in layers[p].parameters if name in bound}


def _open_heads(
    form: Form, mapping: Mapping[str, str], evidence: Mapping[str, str], other: ReadSide
) -> dict[str, tuple[str, ...]]:
    """Return {parameter: candidates} of the bound heads of a network that may as well be others."""
    named = other.name_layers
    owner = {name: k for k, layer in enumerate(named) for name in layer.parameters}
    used = set(mapping.values())
    families: dict[object, list[Layer]] = {}
    for layer, reads in _heads(form):
        if layer.parameters[0] in mapping:
            families.setdefault((layer.shapes, reads), []).append(layer)
    result: dict[str, tuple[str, ...]] = {}
    for family in families.values():
        weights = [mapping[layer.parameters[0]] for layer in family]
        rivals = [name for w in weights for name in _rivals(owner.get(w), named, used, other.is_in_file_order)]
        by_words = all(evidence[layer.parameters[0]].startswith("words") for layer in family)
        if rivals or (len(family) > 1 and not by_words):
            names = [name for layer in family for name in layer.parameters if name in mapping]
            result.update({name: tuple(dict.fromkeys([mapping[name], *weights, *rivals])) for name in names})
    return result


def _heads(form: Form) -> list[tuple[Layer, tuple[int, ...]]]:
    """Return the dense layers below which there is no layer, each with the steps it reads."""
    leads_on = [False] * len(form.steps)
    for n in reversed(range(len(form.steps))):
        for i in form.steps[n].inputs:
            leads_on[i] = leads_on[i] or leads_on[n] or form.steps[n].layer is not None
    return [
        (step.layer, step.inputs)
        for n, step in enumerate(form.steps)
        if step.layer is not None and step.layer.kind == "FullyConnected" and step.layer.parameters and not leads_on[n]
    ]


def _rivals(place: int | None, named: list[NameLayer], used: Collection[str], is_in_file_order: bool) -> list[str]:
    """Return the weights of the unbound layers of the shapes of one; in a file with an order, of those beside it."""
    if place is None:
        return []
    own = sorted(map(str, named[place].shapes))
    beside = named[max(0, place - 1) : place] + named[place + 1 : place + 2] if is_in_file_order else named
    return [r.parameters[0] for r in beside if sorted(map(str, r.shapes)) == own and r.parameters[0] not in used]
