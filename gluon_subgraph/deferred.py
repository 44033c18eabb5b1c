"""Sizes that a network does not know before its first forward pass, found without one.

A layer takes the size of its input from the layer before it; what comes from the data itself is taken from the other
network, where only one of its shapes fits, or only one that layers of known shapes do not take.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Mapping, Sequence

from .layers import Form, Layer, Step
from .operators import is_normalisation
from .sides import Shape, is_known, may_be_same

__all__ = ["known_sizes"]

_SAME_CHANNELS = frozenset(
    ["relu", "sigmoid", "tanh", "softrelu", "softsign", "LeakyReLU", "clip", "Pooling", "add", "multiply", "LRN"]
)


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
    found = {} if form is None else _from_layers_before(form)
    compatible: dict[tuple[int, ...], set[tuple[int, ...]]] = defaultdict(set)
    given = Counter(tuple(shape) for shape in others.values() if shape is not None and is_known(shape))
    own = [found.get(name, shape) for name, shape in shapes.items()]
    free = given - Counter(tuple(shape) for shape in own if shape is not None and is_known(shape))
    for shape in {tuple(shape) for name, shape in unknown.items() if name not in found}:
        fitting = {other for other in given if may_be_same(shape, other)}
        compatible[shape] = fitting if len(fitting) < 2 else fitting & free.keys()
    for name, shape in unknown.items():
        candidates = compatible[tuple(shape)]
        if name not in found and len(candidates) == 1:
            found[name] = next(iter(candidates))
    return {name: shape for name, shape in found.items() if name in unknown}


def _from_layers_before(form: Form) -> dict[str, tuple[int, ...]]:
    """Return the shapes that follow from the number of channels that enter a layer."""
    found: dict[str, tuple[int, ...]] = {}
    channels: list[int] = []  # of the value of each step, 0 where that is not known
    is_flat: list[bool] = []  # whether it has no further axes
    for step in form.steps:
        entering = [channels[i] for i in step.inputs]
        flat = bool(step.inputs) and is_flat[step.inputs[0]]
        if step.layer is not None and entering:
            found.update(_completed(step.layer, entering[0], is_flat=flat))
        channels.append(_leaving(step, entering))
        is_flat.append(flat or step.kind.family.startswith("global") or step.kind.family == "FullyConnected")
    return found


def _completed(layer: Layer, entering: int, *, is_flat: bool) -> dict[str, tuple[int, ...]]:
    """Return the full shapes of the parameters of a layer with so many channels entering."""
    if not entering:
        return {}
    if is_normalisation(layer.kind) or layer.kind == "LeakyReLU":
        return dict.fromkeys(layer.parameters, (entering,))
    shape = layer.shapes[0]
    if shape is None or len(shape) < 2 or (layer.kind == "FullyConnected" and not is_flat):
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
    if step.layer is not None and step.kind.family in ("Convolution", "FullyConnected"):
        shape = step.layer.shapes[0]
        return 0 if shape is None else max(0, shape[0])
    if step.layer is not None and step.kind.family == "Deconvolution":
        shape = step.layer.shapes[0]
        return 0 if shape is None else max(0, shape[1]) * _groups(step.layer)
    if step.kind.family == "concat":
        return 0 if 0 in entering else sum(entering)
    if is_normalisation(step.kind.family) or step.kind.family in _SAME_CHANNELS or step.kind.family[:6] == "global":
        return max(entering, default=0)
    return 0
