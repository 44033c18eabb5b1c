"""Where a network's head begins: at the value read by the last layer that owns parameters."""

from __future__ import annotations

import re
from typing import AbstractSet, Any, Mapping, NamedTuple

import numpy as np
from mxnet import gluon

from .cut import Cut, walk_back
from .errors import OpenCutError, SubgraphError, UnknownNodeError, shorten
from .graph import Entry, Graph
from .layers import Form, Layer, read_form
from .network import Network
from .settings import DIFFERENTIABLE, is_constant

__all__ = ["LastLayer", "chosen_output", "last_layers", "value_before_head", "data_needed"]

_PRODUCTS = frozenset({"FullyConnected", "dot", "Convolution", "Deconvolution"})
_STATISTICS = frozenset({"running_mean", "running_var"})
_TRACED_INPUT = re.compile(r"data(\d+)")


class LastLayer(NamedTuple):
    """A layer below which there is no other, the values it reads, and its bias, which may be added separately."""

    layer: Layer
    data: tuple[Entry, ...]
    bias: str | None


def chosen_output(network: Network, output: Any) -> Entry:
    """Return the output a user chooses by name or index; there is a choice only where there are several.

    Raises
    ------
    UnknownNodeError
        `output` is no output of the network.
    SubgraphError
        There are several and `output` is None.
    """
    outputs = network.graph.outputs
    names = [network.names.name_of(e) for e in outputs]
    if output is None:
        if len(set(outputs)) == 1:
            return outputs[0]
        msg = (
            f"{network.title!r} has {len(outputs)} outputs: {shorten(names, 8)}.\n"
            "  Each may have a head of its own.\n"
            f"  Choose the one whose head is replaced with output={names[0]!r}, or its index; nothing was changed."
        )
        raise SubgraphError(msg)
    if isinstance(output, (int, np.integer)) and not isinstance(output, bool):
        if 0 <= output < len(outputs):
            return outputs[output]
    else:
        entry = network.find(output)
        if entry in outputs:
            return entry
    msg = (
        f"output={output!r} is no output of {network.title!r}.\n"
        f"  It has {len(outputs)}: {shorten(names, 8)}; indices count from 0.\n"
        "  Choose one of these; to cut at an inner tensor use at=. Nothing was changed."
    )
    raise UnknownNodeError(msg)


def last_layers(network: Network, output: Entry) -> list[LastLayer]:
    """Return the layers on the way to `output` below which there is no other, in topological order.

    A layer owns a parameter that can learn: running statistics alone, a scale fixed at one or a Constant do not
    make one. A bias that is added behind a matrix product belongs to the product.
    """
    graph = network.graph
    data = network.data
    values = network.values
    constants = {n.name for _, n in graph.variables() if is_constant(n.attrs) or n.attrs.get(DIFFERENTIABLE) == "False"}
    form = read_form(Graph(graph.nodes, (output,), graph.attrs), dict.fromkeys(values))
    depends = _on_data(graph, data)
    found = {}
    for number, own in _last_steps(form, values, constants):
        product = _product_before(form, number)
        layer = product or own
        bias = dict(zip(layer.roles, layer.parameters)).get("bias")
        if product is not None and bias is None:
            bias = own.parameters[0]
        read = tuple(dict.fromkeys(e for e in graph.nodes[layer.node].inputs if e.node in depends))
        found[layer.node] = LastLayer(layer, read, bias)
    return [found[node] for node in sorted(found)]


def _on_data(graph: Graph, data: AbstractSet[int]) -> set[int]:
    """Return the nodes that depend on data."""
    found = set(data)
    for i, node in enumerate(graph.nodes):
        if any(e.node in found for e in node.inputs):
            found.add(i)
    return found


def _last_steps(form: Form, values: Mapping[str, Any], constants: AbstractSet[str]) -> list[tuple[int, Layer]]:
    """Return the steps the outputs need that are layers and lead on to none, with their layers."""
    needed = [False] * len(form.steps)
    leads_on = [False] * len(form.steps)
    found = []
    for number in form.outputs:
        needed[number] = True
    for number in reversed(range(len(form.steps))):
        if not needed[number]:
            continue
        layer = form.steps[number].layer
        is_layer = layer is not None and _learns(layer, values, constants)
        if layer is not None and is_layer and not leads_on[number]:
            found.append((number, layer))
        for i in form.steps[number].inputs:
            needed[i] = True
            leads_on[i] = leads_on[i] or leads_on[number] or is_layer
    return found[::-1]


def _learns(layer: Layer, values: Mapping[str, Any], constants: AbstractSet[str]) -> bool:
    """Return whether a layer owns a parameter that can learn, frozen at the moment or not."""
    settings = dict(layer.attrs)
    for role, name in zip(layer.roles, layer.parameters):
        if role in _STATISTICS or name in constants or (role == "gamma" and settings.get("fix_gamma") == "1.0"):
            continue
        value = values[name]
        if value._differentiable if isinstance(value, gluon.Parameter) else _is_floating(value):
            return True
    return False


def _is_floating(value: Any) -> bool:
    return np.dtype(getattr(value, "dtype", np.float32)).kind not in "iub"


def _product_before(form: Form, number: int) -> Layer | None:
    """Return the matrix product to whose result step `number` adds a bias, None where it does not."""
    step = form.steps[number]
    if step.kind.family != "add" or len(step.inputs) != 1 or step.layer is None or len(step.layer.parameters) != 1:
        return None
    before = form.steps[step.inputs[0]]
    return before.layer if before.kind.family in _PRODUCTS else None


def value_before_head(network: Network, output: Entry) -> Entry:
    """Return the value that the last layer on the way to `output` reads.

    Raises
    ------
    SubgraphError
        There is no layer; the last ones read different values; the last one reads an input of the network.
    OpenCutError
        A path leads to the output around the value.
    """
    names, graph = network.names, network.graph
    end = names.name_of(output)
    found = last_layers(network, output)
    if not found:
        msg = (
            f"no layer with parameters lies on the way to output {end!r}.\n"
            f"  {network.title!r} has {len(network.parameters)} parameters.\n"
            "  Name the value that the new head is to read with at=; nothing was changed."
        )
        raise SubgraphError(msg)
    read = list(dict.fromkeys(e for last in found for e in last.data))
    layers = [names.node_name(last.layer.node) for last in found]
    values = [names.name_of(e) for e in read]
    if len(read) > 1:
        which = f"layers before output {end!r} read" if len(layers) > 1 else f"layer before output {end!r} reads"
        msg = (
            f"the last {which} {len(read)} different values.\n"
            f"  {shorten(layers, 6)} read {shorten(values, 6)}.\n"
            f"  Name the value that the new head is to read with at=, such as at={values[0]!r}; nothing was changed."
        )
        raise SubgraphError(msg)
    walk = walk_back(Cut(graph, (read[0],), (output,), network.data))
    if walk.leaks:
        leaks = [names.node_name(i) for i in walk.leaks]
        msg = (
            f"the last layer {layers[0]!r} reads {values[0]!r}, and {shorten(leaks)} reaches output {end!r} around"
            " it.\n  A head that reads this value alone would lose what is joined behind it.\n"
            f"  Say what the new head is to read: at={values[0]!r} if that is meant, or another tensor;"
            " nothing was changed."
        )
        raise OpenCutError(msg, tuple(leaks))
    return read[0]


def data_needed(network: Network, net: Any, value: Entry) -> list[str]:
    """Return the network's inputs that `value` is computed from, in the order in which `net` takes them.

    Raises
    ------
    SubgraphError
        `value` is itself an input, or depends on none.
    """
    name = network.names.name_of(value)
    if value.node in network.data:
        msg = (
            f"{name!r} is an input of {network.title!r}, so that no trunk lies before it.\n"
            "  The new head would be the whole network.\n"
            "  Use the head alone, or name a tensor further down with at=; nothing was changed."
        )
        raise SubgraphError(msg)
    needed = walk_back(Cut(network.graph, (), (value,), network.data)).leaks
    if not needed:
        msg = (
            f"{name!r} depends on no input of {network.title!r}.\n"
            "  It is computed from parameters alone.\n"
            "  Name a tensor that the data reaches with at=; nothing was changed."
        )
        raise SubgraphError(msg)
    place = _places(net)
    traced = [_TRACED_INPUT.match(network.graph.nodes[i].name) for i in needed]
    numbers = [int(match.group(1)) if match else 0 for match in traced]
    keys = [place.get(network.graph.nodes[i].name, number) for i, number in zip(needed, numbers)]
    ordered = sorted(range(len(needed)), key=keys.__getitem__)
    return [network.names.name_of(Entry(needed[k])) for k in ordered]


def _places(net: Any) -> dict[str, int]:
    """Return the position of each input by name, where `net` knows the names."""
    variables = getattr(net, "_cached_graph", ()) if isinstance(net, gluon.HybridBlock) else ()
    names = [s.name for s in variables[0]] if variables else getattr(net, "input_names", ())
    return {name: i for i, name in enumerate(names if isinstance(names, (list, tuple)) else ())}
