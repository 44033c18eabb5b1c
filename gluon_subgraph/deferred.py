"""Sizes that a network does not know before its first forward pass, found without one.

A layer takes the size of its input from the layer before it; what comes from the data itself is taken from the other
network, where only one of its shapes fits, or only one that layers of known shapes do not take.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Collection, Dict, Mapping, Sequence, Tuple

from .layers import Form, Layer, Step
from .operators import ACTIVATIONS, is_normalisation
from .sides import Shape, is_known, may_be_same

__all__ = ["known_sizes"]

_SAME_CHANNELS = ACTIVATIONS | {"clip", "Pooling", "add", "multiply", "LRN"}
Sizes = Dict[str, Tuple[int, ...]]
_CONVOLUTIONS = ("Convolution", "Deconvolution")
_SPATIAL, _POOLED, _DENSE = "", "pooled", "dense"  # what axes a value has beside its channels, as far as it is known


def known_sizes(
    shapes: Mapping[str, Shape], form: Form | None, others: Mapping[str, Shape]
) -> dict[str, tuple[int, ...]]:
    """Return the full shapes of parameters that lack a size, as far as they can be told.

    Parameters
    ----------
    shapes : mapping of str to tuple of int or None
        Of the parameters of one network.
    form : Form or None
        Its normal form, if it has a graph.
    others : mapping of str to tuple of int or None
        Shapes of the parameters of the other network.
    """
    unknown = {name: shape for name, shape in shapes.items() if shape is not None and not is_known(shape)}
    if not unknown:
        return {}
    found, likely = ({}, {}) if form is None else _from_layers_before(form)
    given = Counter(tuple(shape) for shape in others.values() if shape is not None and is_known(shape))
    free = _left(given, shapes, found)
    wanted = Counter(likely[name] for name in likely if name in unknown)
    found.update({name: shape for name, shape in likely.items() if wanted[shape] <= free[shape]})
    free = _left(given, shapes, found)
    compatible: dict[tuple[int, ...], set[tuple[int, ...]]] = defaultdict(set)
    for shape in {tuple(shape) for name, shape in unknown.items() if name not in found}:
        fitting = {other for other in given if may_be_same(shape, other)}
        compatible[shape] = fitting if len(fitting) < 2 else fitting & free.keys()
    for name, shape in unknown.items():
        candidates = compatible[tuple(shape)]
        if name not in found and len(candidates) == 1:
            found[name] = next(iter(candidates))
    return {name: shape for name, shape in found.items() if name in unknown}


def _left(given: Counter[tuple[int, ...]], shapes: Mapping[str, Shape], found: Sizes) -> Counter[tuple[int, ...]]:
    """Return the shapes that parameters of known shapes do not take."""
    own = [found.get(name, shape) for name, shape in shapes.items()]
    return given - Counter(tuple(shape) for shape in own if shape is not None and is_known(shape))


def _from_layers_before(form: Form) -> tuple[Sizes, Sizes]:
    """Return the shapes that follow from the number of channels that enter a layer, and those that may follow.

    The units of a dense layer may have been reshaped, of which a form does not tell, before they are normalised.
    """
    found: Sizes = {}
    likely: Sizes = {}
    channels: list[int] = []  # of the value of each step, 0 where that is not known
    axes: list[str] = []
    channel_axes = _channel_axes(form)
    for step in form.steps:
        entering = [channels[i] for i in step.inputs]
        before = [axes[i] for i in step.inputs]
        if step.layer is not None and entering:
            is_likely = before[0] == _DENSE and step.layer.kind != "FullyConnected"
            (likely if is_likely else found).update(_completed(step.layer, entering[0], before[0]))
        if step.kind.family == "concat" and step.layer is None:
            channels.append(_concatenated(step, entering, before, channel_axes))
        else:
            channels.append(_leaving(step, entering))
        axes.append(_axes_leaving(step, before))
    return found, likely


def _channel_axes(form: Form) -> set[str]:
    """Return how an axis of channels is written where all convolutions of a network have it in one place."""
    layers = [step.layer for step in form.steps if step.layer is not None and step.layer.kind in _CONVOLUTIONS]
    layouts = {dict(layer.attrs).get("layout", "NC") for layer in layers} or {"NC"}
    places = {layout.find("C") for layout in layouts}
    if len(places) > 1:
        return set()
    numbers = {*places, *(-1 for layout in layouts if layout != "NC" and layout.endswith("C"))}
    return {repr(float(number)) for number in numbers}


def _completed(layer: Layer, entering: int, axes: str) -> dict[str, tuple[int, ...]]:
    """Return the full shapes of the parameters of a layer with so many channels entering."""
    if not entering or (axes == _DENSE and layer.kind in _CONVOLUTIONS):  # they have been reshaped for certain
        return {}
    if is_normalisation(layer.kind) or layer.kind == "LeakyReLU":
        return dict.fromkeys(layer.parameters, (entering,))
    shape = layer.shapes[0] if layer.shapes else None  # operators may make its weight of constants
    if shape is None or len(shape) < 2 or (layer.kind == "FullyConnected" and axes == _SPATIAL):
        return {}
    groups = _groups(layer)
    if layer.kind == "Deconvolution" and not shape[0]:
        return {layer.parameters[0]: (entering, *shape[1:])}
    if layer.kind not in ("FullyConnected", "Convolution") or not shape[0] or shape[1] > 0 or entering % groups:
        return {}
    return {layer.parameters[0]: (shape[0], entering // groups, *shape[2:])}


def _groups(layer: Layer) -> int:
    return round(float(dict(layer.attrs).get("num_group", "1")))


def _leaving(step: Step, entering: Sequence[int]) -> int:
    """Return the number of channels of the value of a step."""
    shape = step.layer.shapes[0] if step.layer is not None and step.layer.shapes else None
    if step.layer is not None and step.kind.family in ("Convolution", "FullyConnected"):
        return 0 if shape is None else max(0, shape[0])
    if step.layer is not None and step.kind.family == "Deconvolution":
        return 0 if shape is None or len(shape) < 2 else max(0, shape[1]) * _groups(step.layer)
    if is_normalisation(step.kind.family) or step.kind.family in _SAME_CHANNELS or step.kind.family[:6] == "global":
        return max(entering, default=0)
    return 0


def _concatenated(step: Step, entering: Sequence[int], axes: Sequence[str], channel_axes: Collection[str]) -> int:
    """Return the number of channels of a concatenation: their sum along that axis, what all have along another."""
    axis = dict(step.kind.settings)["dim"]
    is_dense = set(axes) == {_DENSE}
    if 0 in entering:
        return 0
    if axis in channel_axes or (is_dense and axis in ("1.0", "-1.0")):
        return sum(entering)
    is_elsewhere = bool(channel_axes) and set(axes) == {_SPATIAL} and len(set(entering)) == 1
    return entering[0] if is_elsewhere else 0


def _axes_leaving(step: Step, before: Sequence[str]) -> str:
    """Return what axes the value of a step has beside its channels."""
    family = step.kind.family
    if family == "FullyConnected":
        return _DENSE
    if family.startswith("global"):
        return _POOLED
    if not before or family == "Deconvolution" or (family == "Convolution" and before[0] == _DENSE):
        return _SPATIAL
    return before[0]
