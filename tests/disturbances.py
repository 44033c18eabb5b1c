"""What happens to a network between two people: renamed, cut, given another head or further layers."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from gluon_subgraph.graph import VARIABLE, Entry, Graph, Node, post_order


@dataclass(frozen=True)
class Model:
    """A graph, the shapes of its parameters, and what each was called in the model it was made from."""

    graph: Graph
    shapes: dict[str, Any]
    origin: dict[str, str]


def renamed(model: Model, new_names: dict[str, str]) -> Model:
    """Return the model with other names for its parameters."""
    nodes = tuple(n._replace(name=new_names.get(n.name, n.name)) for n in model.graph.nodes)
    shapes = {new_names.get(n, n): shape for n, shape in model.shapes.items()}
    origin = {new_names.get(n, n): old for n, old in model.origin.items()}
    return Model(Graph(nodes, model.graph.outputs, model.graph.attrs), shapes, origin)


def with_opaque_names(model: Model, rng: random.Random) -> Model:
    """Return the model with meaningless names, its parameters in any order."""
    numbers = rng.sample(range(10 * len(model.shapes)), len(model.shapes))
    return shuffled(renamed(model, {n: f"p{k:05d}" for n, k in zip(model.shapes, numbers)}), rng)


def shuffled(model: Model, rng: random.Random) -> Model:
    """Return the model with its parameters in another order."""
    names = list(model.shapes)
    rng.shuffle(names)
    return Model(model.graph, {n: model.shapes[n] for n in names}, model.origin)


def with_exchanged_inputs(model: Model, rng: random.Random) -> Model:
    """Return the model with the inputs of sums and products in any order, and its nodes as that order lists them."""
    nodes = []
    for node in model.graph.nodes:
        inputs = list(node.inputs)
        if node.op in _COMMUTATIVE:
            rng.shuffle(inputs)
        nodes.append(node._replace(inputs=tuple(inputs)))
    graph = Graph(tuple(nodes), model.graph.outputs, model.graph.attrs)
    order = post_order(graph)
    place = {old: new for new, old in enumerate(order)}
    moved = tuple(
        nodes[i]._replace(inputs=tuple(Entry(place[e.node], e.index) for e in nodes[i].inputs)) for i in order
    )
    outputs = tuple(Entry(place[e.node], e.index) for e in graph.outputs)
    return Model(Graph(moved, outputs, graph.attrs), model.shapes, model.origin)


_COMMUTATIVE = frozenset({"elemwise_add", "broadcast_add", "_plus", "elemwise_mul", "broadcast_mul"})


def with_prefix(model: Model, prefix: str) -> Model:
    """Return the model with a prefix before every name."""
    return renamed(model, {n: prefix + n for n in model.shapes})


def with_inserted(model: Model, rng: random.Random, what: str, share: float = 0.3) -> Model:
    """Return the model with something after a share of its activations; what it owns has no origin.

    `what` is "dropout", "se" (squeeze and excitation: channels weighted by two small layers) or "adapter" (a narrow
    residual branch).
    """
    nodes: list[Node] = []
    place: list[int] = []  # where each old node is now read
    shapes = dict(model.shapes)
    channels = _channels(model)
    for i, node in enumerate(model.graph.nodes):
        nodes.append(node._replace(inputs=tuple(Entry(place[e.node], e.index) for e in node.inputs)))
        place.append(len(nodes) - 1)
        count, is_spatial = channels.get(i, (0, False))
        if count and (is_spatial or what != "se") and node.op in ("Activation", "relu") and rng.random() < share:
            kind = what if is_spatial or what != "adapter" else "dense adapter"
            place[i] = _INSERT[kind](nodes, shapes, len(nodes) - 1, count)
    outputs = tuple(Entry(place[e.node], e.index) for e in model.graph.outputs)
    return Model(Graph(tuple(nodes), outputs, model.graph.attrs), shapes, model.origin)


def with_head(model: Model, classes: int) -> Model:
    """Return the model with another number of classes; its last layer has no origin then."""
    last = max(i for i, n in enumerate(model.graph.nodes) if n.op in ("FullyConnected", "Convolution"))
    names = {model.graph.nodes[e.node].name for e in model.graph.nodes[last].inputs} & set(model.shapes)
    shapes = {n: (classes, *s[1:]) if n in names else s for n, s in model.shapes.items()}
    key = "num_hidden" if model.graph.nodes[last].op == "FullyConnected" else "num_filter"
    nodes = list(model.graph.nodes)
    nodes[last] = nodes[last]._replace(attrs={**nodes[last].attrs, key: str(classes)})
    origin = {n: o for n, o in model.origin.items() if n not in names}
    return Model(Graph(tuple(nodes), model.graph.outputs, model.graph.attrs), shapes, origin)


def bottlenecks(model: Model) -> list[int]:
    """Return the operators through whose one value everything passes, from the input to the output."""
    graph = model.graph
    last_read = [0] * len(graph.nodes)
    for i, node in enumerate(graph.nodes):
        for entry in node.inputs:
            last_read[entry.node] = max(last_read[entry.node], i)
    depends = [node.op == VARIABLE and node.name not in model.shapes for node in graph.nodes]
    found, open_until = [], 0
    for i, node in enumerate(graph.nodes):
        depends[i] = depends[i] or any(depends[e.node] for e in node.inputs)
        if not depends[i]:
            continue
        if open_until <= i and node.op != VARIABLE:
            found.append(i)
        open_until = max(open_until, last_read[i])
    return found


def stretch(model: Model, begin: int, end: int) -> Model:
    """Return what lies between two bottlenecks, given as numbers of operators."""
    nodes: list[Node] = [Node(VARIABLE, "data_of_stretch")]
    place = {begin: 0}
    needed = _needed(model.graph, begin, end)
    for i in needed:
        node = model.graph.nodes[i]
        place[i] = len(nodes)
        nodes.append(node._replace(inputs=tuple(Entry(place[e.node], e.index) for e in node.inputs)))
    names = [n.name for n in nodes if n.op == VARIABLE and n.name in model.shapes]
    return Model(
        Graph(tuple(nodes), (Entry(place[end]),), model.graph.attrs),
        {n: model.shapes[n] for n in names},
        {n: model.origin[n] for n in names if n in model.origin},
    )


def _needed(graph: Graph, begin: int, end: int) -> list[int]:
    seen = {begin}
    stack = [end]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack += [e.node for e in graph.nodes[node].inputs]
    return sorted(seen - {begin})


def _channels(model: Model) -> dict[int, tuple[int, bool]]:
    """Return the number of channels of the value of each node, and whether it has height and width, where known."""
    channels: dict[int, tuple[int, bool]] = {}
    nodes = model.graph.nodes
    for i, node in enumerate(nodes):
        known = [channels.get(e.node, (0, False)) for e in node.inputs]
        if node.op in ("Convolution", "FullyConnected"):
            weight = model.shapes[nodes[node.inputs[1].node].name]
            channels[i] = (weight[0], node.op == "Convolution")
        elif node.op in ("BatchNorm", "Activation", "relu", "Pooling", "elemwise_add", "LeakyReLU", "clip", "Dropout"):
            channels[i] = known[0]
        elif node.op == "Concat" and all(count for count, _ in known):
            channels[i] = (sum(count for count, _ in known), known[0][1])
    return channels


def _insert_dropout(nodes: list[Node], shapes: dict[str, Any], at: int, channels: int) -> int:
    nodes.append(Node("Dropout", f"dropout_{at}", (Entry(at),), {"p": "0.1"}))
    return len(nodes) - 1


def _insert_se(nodes: list[Node], shapes: dict[str, Any], at: int, channels: int) -> int:
    small = max(1, channels // 16)
    nodes.append(Node("Pooling", f"se_{at}_pool", (Entry(at),), {"global_pool": "True", "pool_type": "avg"}))
    for number, (n_in, n_out, act) in enumerate([(channels, small, "relu"), (small, channels, "sigmoid")]):
        _dense(nodes, shapes, f"se_{at}_fc{number}", n_in, n_out)
        nodes.append(Node("Activation", f"se_{at}_{act}", (Entry(len(nodes) - 1),), {"act_type": act}))
    nodes.append(Node("broadcast_mul", f"se_{at}_mul", (Entry(at), Entry(len(nodes) - 1))))
    return len(nodes) - 1


def _dense(nodes: list[Node], shapes: dict[str, Any], name: str, n_in: int, n_out: int) -> None:
    data = len(nodes) - 1
    shapes.update({f"{name}_weight": (n_out, n_in), f"{name}_bias": (n_out,)})
    nodes += [Node(VARIABLE, f"{name}_weight"), Node(VARIABLE, f"{name}_bias")]
    inputs = (Entry(data), Entry(data + 1), Entry(data + 2))
    nodes.append(Node("FullyConnected", name, inputs, {"num_hidden": str(n_out)}))


def _insert_adapter(nodes: list[Node], shapes: dict[str, Any], at: int, channels: int) -> int:
    small = max(1, channels // 8)
    data = at
    for name, n_in, n_out in ((f"adapter_{at}_down", channels, small), (f"adapter_{at}_up", small, channels)):
        shapes[f"{name}_weight"] = (n_out, n_in, 1, 1)
        nodes.append(Node(VARIABLE, f"{name}_weight"))
        attrs = {"kernel": "(1, 1)", "num_filter": str(n_out), "no_bias": "True"}
        nodes.append(Node("Convolution", name, (Entry(data), Entry(len(nodes) - 1)), attrs))
        data = len(nodes) - 1
        bn = [f"{name}_bn_{role}" for role in ("gamma", "beta", "running_mean", "running_var")]
        shapes.update(dict.fromkeys(bn, (n_out,)))
        nodes += [Node(VARIABLE, n) for n in bn]
        inputs = (Entry(data), *(Entry(data + 1 + k) for k in range(4)))
        nodes.append(Node("BatchNorm", f"{name}_bn", inputs, {"fix_gamma": "False", "eps": "1e-05"}))
        data = len(nodes) - 1
    nodes.append(Node("elemwise_add", f"adapter_{at}_add", (Entry(at), Entry(data))))
    return len(nodes) - 1


def _insert_dense_adapter(nodes: list[Node], shapes: dict[str, Any], at: int, channels: int) -> int:
    small = max(1, channels // 8)
    nodes.append(Node("Dropout", f"adapter_{at}_drop", (Entry(at),), {"p": "0.1"}))  # `_dense` reads the last node
    _dense(nodes, shapes, f"adapter_{at}_down", channels, small)
    _dense(nodes, shapes, f"adapter_{at}_up", small, channels)
    nodes.append(Node("elemwise_add", f"adapter_{at}_add", (Entry(at), Entry(len(nodes) - 1))))
    return len(nodes) - 1


_INSERT = {
    "dropout": _insert_dropout,
    "se": _insert_se,
    "adapter": _insert_adapter,
    "dense adapter": _insert_dense_adapter,
}
