"""Rows of the old classifier that a new one keeps: all checked first, then copied."""

from __future__ import annotations

from typing import AbstractSet, Any, Mapping, NamedTuple, Sequence

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from .batch_norm import is_on
from .deferred import known_sizes
from .errors import BindingError, SubgraphError, kind_of, shorten
from .graph import Entry
from .head_classes import check_class_order, check_same_reading, check_same_windows, is_pooled_to_a_point
from .head_place import last_layers
from .layers import Layer, read_form
from .network import Network
from .parameters import has_value

__all__ = ["RowPlan", "plan_rows", "copy_rows"]

_CLASSIFIERS = frozenset({"FullyConnected", "Convolution"})


class _Classifier(NamedTuple):
    """A last layer whose rows are classes."""

    name: str  # of its node
    layer: Layer
    weight: gluon.Parameter
    bias: gluon.Parameter | None


class RowPlan(NamedTuple):
    """Checked rows to copy: `new` of `target` from `old` of `source`, after the weight got its `shape`."""

    source: _Classifier
    target: _Classifier
    new: list[int]
    old: list[int]
    shape: tuple[int, ...]


def plan_rows(
    network: Network, output: Entry, value: Entry, joint: Network, owned: AbstractSet[int], reuse_rows: Any
) -> RowPlan:
    """Return which rows of the classifier at the end of `joint` become those of the one before `output` of `network`.

    Parameters
    ----------
    network, output, value
        The old network, the output whose classifier it is, and what the trunk returns.
    joint : Network
        The trunk with the new head, whose Parameters may lack a size, but have to be initialised.
    owned : set of int
        The Parameters of the old network, by `id`, which are not to be written to.
    reuse_rows : mapping of int to int
        {new class: old class}.

    Raises
    ------
    SubgraphError, BindingError
        There is no such classifier, a class is out of range, the shapes do not fit, or values are missing.
    """
    if not isinstance(reuse_rows, Mapping):
        msg = (
            f"reuse_rows={reuse_rows!r} is a {kind_of(reuse_rows)}, no mapping.\n"
            "  Give {new class: old class}, such as {0: 281, 1: 207}; nothing was changed."
        )
        raise SubgraphError(msg)
    source = _classifier(network, output, "the old head")
    ends = list(dict.fromkeys(joint.graph.outputs))
    if len(ends) > 1:
        msg = (
            f"the new head returns {len(ends)} values; reuse_rows needs exactly one.\n"
            f"  They are {shorten([joint.names.name_of(e) for e in ends], 6)}.\n"
            "  Leave reuse_rows out and copy the rows with Parameter.set_data; nothing was changed."
        )
        raise SubgraphError(msg)
    target = _classifier(joint, ends[0], "the new head")
    shared = [p.name for p in (target.weight, target.bias) if p is not None and id(p) in owned]
    if shared:
        msg = (
            "the new head has no classifier of its own, so that reuse_rows would write into the network.\n"
            f"  Its last layer is {target.name!r}, and the network has {shorten(shared)} too.\n"
            "  Give a head that ends in a layer of new parameters; nothing was changed."
        )
        raise BindingError(msg)
    check_class_order(network, output, source.layer, "the old head")
    check_class_order(joint, ends[0], target.layer, "the new head")
    check_same_reading(network, source.layer, value, joint, target.layer)
    new = _checked_classes(list(reuse_rows), "new", target)
    old = _checked_classes(list(reuse_rows.values()), "old", source)
    _check_values(source, target)
    shape = _checked_shape(network, joint, source, target)
    check_same_windows(source.layer, target.layer)
    return RowPlan(source, target, new, old, shape)


def _classifier(network: Network, output: Entry, what: str) -> _Classifier:
    """Return the one dense layer or convolution in which a network ends, with plain parameters."""
    found = last_layers(network, output)
    names = [network.names.node_name(last.layer.node) for last in found]
    if len(found) != 1:
        listed = f": {shorten(names)}" if names else ""
        msg = (
            f"{what} ends in {len(found)} layers{listed}; reuse_rows needs exactly one.\n"
            "  Whose rows are meant would be a guess.\n"
            "  Leave reuse_rows out and copy the rows with Parameter.set_data; nothing was changed."
        )
        raise SubgraphError(msg)
    last = found[0]
    kind = last.layer.kind
    settings = dict(last.layer.attrs)
    weight = _parameter(network, dict(zip(last.layer.roles, last.layer.parameters)).get("weight"))
    grouped = settings.get("num_group", "1.0") != "1.0"
    if kind not in _CLASSIFIERS or weight is None or last.layer.made or grouped:
        how = "grouped " if grouped else ""
        msg = (
            f"the last layer of {what}, {names[0]!r}, is a {how}{kind} with {shorten(last.layer.parameters)}.\n"
            "  Classes are rows of the weight of a Dense or of an ungrouped Convolution.\n"
            "  Leave reuse_rows out and copy the rows with Parameter.set_data; nothing was changed."
        )
        raise SubgraphError(msg)
    return _Classifier(names[0], last.layer, weight, _parameter(network, last.bias))


def _parameter(network: Network, name: str | None) -> gluon.Parameter | None:
    node = next((node for _, node in network.graph.variables() if node.name == name), None)
    if node is None or name is None:
        return None
    return network.parameters.parameter_of(node, is_auxiliary=False, is_np=network.is_np)


def _checked_classes(classes: Sequence[Any], which: str, classifier: _Classifier) -> list[int]:
    count = _shape_of(classifier.weight)[0]
    wrong = [
        c
        for c in classes
        if isinstance(c, (bool, np.bool_)) or not isinstance(c, (int, np.integer)) or not 0 <= c < count
    ]
    if wrong:
        msg = (
            f"reuse_rows: {which} class {wrong[0]!r} is none of the {count} of {classifier.name!r}.\n"
            f"  Classes are integers from 0 to {count - 1}; {len(wrong)} of {len(classes)} are not.\n"
            "  Give {new class: old class}; nothing was changed."
        )
        raise SubgraphError(msg)
    return [int(c) for c in classes]


def _shape_of(parameter: gluon.Parameter) -> tuple[int, ...]:
    """Return the shape of a parameter, 0 where it is not known; a stock SymbolBlock has it in the value alone."""
    shape = parameter.shape or (parameter._data[0].shape if parameter._data else (0,))
    return tuple(max(0, size) for size in shape)  # -1 is a size not known, too


def _check_values(source: _Classifier, target: _Classifier) -> None:
    """Refuse classifiers without values, of different dtypes, or of which only the old one has a bias."""
    pairs = [(source.weight, target.weight)]
    if source.bias is not None:
        if target.bias is None:
            msg = (
                f"the old classifier {source.name!r} has a bias, the new one {target.name!r} has none.\n"
                "  Without it the reused classes would not compute what they did.\n"
                "  Make the new layer with use_bias=True; nothing was changed."
            )
            raise BindingError(msg)
        pairs.append((source.bias, target.bias))
    empty = [p.name for p, _ in pairs if p._data is None]
    if empty:
        msg = (
            f"the old classifier {source.name!r} has no values: {shorten(empty)}.\n"
            "  There are no rows to keep before the network is initialised or loaded.\n"
            "  Initialise or load it, and run it once if shapes are deferred; nothing was changed."
        )
        raise BindingError(msg)
    empty = [p.name for p in (target.weight, target.bias) if p is not None and not has_value(p)]
    if empty:
        msg = (
            f"the new head is not initialised: {shorten(empty)}.\n"
            "  Rows are written into values, and the other rows need some.\n"
            "  Call head.initialize() first; nothing was changed."
        )
        raise BindingError(msg)
    for old, new in pairs:
        if np.dtype(old.dtype) != np.dtype(new.dtype):
            msg = (
                f"the classifiers differ in dtype.\n"
                f"  new {new.name!r} {np.dtype(new.dtype)} <- old {old.name!r} {np.dtype(old.dtype)}\n"
                f"  Call head.cast({np.dtype(old.dtype).name!r}) first; nothing was changed."
            )
            raise BindingError(msg)


def _checked_shape(network: Network, joint: Network, source: _Classifier, target: _Classifier) -> tuple[int, ...]:
    """Return the full shape of the new weight, whose rows have to be as large as those of the old one."""
    old, new = _shape_of(source.weight), _shape_of(target.weight)
    shape = new
    if 0 in new:
        _check_rows_tell_the_size(network, joint, source, target)
        shapes = {node.name: _sizes(joint.parameters.get(node.name)) for _, node in joint.graph.variables()}
        shapes = {name: shape for name, shape in shapes.items() if name in joint.parameters}
        name = dict(zip(target.layer.roles, target.layer.parameters))["weight"]
        from_layers_before = known_sizes(shapes, read_form(joint.graph, shapes), {})
        shape = from_layers_before.get(name) or _filled(new, old)
    layouts = [dict(c.layer.attrs).get("layout") for c in (target, source)]
    is_point = _without_ones(old[1:]) == _without_ones(shape[1:]) and len(_without_ones(old[1:])) <= 1
    if is_point or (shape[1:] == old[1:] and layouts[0] == layouts[1]):
        return shape
    msg = (
        f"rows of {target.weight.name!r} and {source.weight.name!r} differ in shape.\n"
        f"  new {shape}{_layout(layouts[0])} <- old {old}{_layout(layouts[1])}; the first axis is the class\n"
        "  Let the new classifier read what the old one reads, or leave reuse_rows out; nothing was changed."
    )
    raise BindingError(msg)


def _check_rows_tell_the_size(network: Network, joint: Network, source: _Classifier, target: _Classifier) -> None:
    """Refuse a new classifier of unknown size that may make other rows of what it reads than the old one does."""
    flattens = [
        is_on(n.graph.nodes[c.layer.node].attrs.get("flatten", "True")) for n, c in ((joint, target), (network, source))
    ]
    if source.layer.kind == target.layer.kind:
        reason = f"flatten is {flattens[0]} here and {flattens[1]} in the old one" if len({*flattens}) > 1 else ""
    elif is_pooled_to_a_point(network, source.layer):
        reason = ""
    else:
        reason = f"one is a {target.layer.kind}, the old one a {source.layer.kind}"
    if reason:
        msg = (
            f"the size of {target.weight.name!r} is not known, and does not follow from the old classifier"
            f" {source.name!r}.\n"
            f"  They read values of several axes in different ways: {reason}.\n"
            "  Make the new layer with in_units or in_channels, or run the head once before; nothing was changed."
        )
        raise BindingError(msg)


def _layout(layout: str | None) -> str:
    return f" {layout}" if layout else ""


def _sizes(parameter: Any) -> tuple[int, ...] | None:
    return None if parameter is None or not parameter.shape else _shape_of(parameter)


def _filled(new: Sequence[int], old: Sequence[int]) -> tuple[int, ...]:
    """Return `new` with the one size it lacks, such that a row has as many values as one of `old`."""
    known = int(np.prod([size for size in new[1:] if size > 0]))
    row = int(np.prod(old[1:]))
    return tuple(size if size > 0 else row // known for size in new)


def _without_ones(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def copy_rows(plan: RowPlan) -> None:
    """Copy the rows of a plan, on every context of the new head; a bias that the old layer lacks becomes 0 there."""
    source, target = plan.source, plan.target
    if target.weight._data is None:
        target.weight.shape = plan.shape
        target.weight._finish_deferred_init()
    if not plan.new:
        return
    rows = source.weight._data[0].asnumpy()[plan.old]
    _write_rows(target.weight, plan.new, rows.reshape((len(plan.new), *plan.shape[1:])))
    if target.bias is not None:
        biases: Any = 0 if source.bias is None else source.bias._data[0].asnumpy()[plan.old]
        _write_rows(target.bias, plan.new, biases)


def _write_rows(parameter: gluon.Parameter, rows: list[int], values: Any) -> None:
    whole = parameter._data[0].asnumpy()
    whole[rows] = values
    make = mx.np.array if isinstance(parameter._data[0], mx.np.ndarray) else mx.nd.array
    with autograd.pause():
        parameter.set_data(make(whole, dtype=parameter.dtype))
