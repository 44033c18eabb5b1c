"""Random small networks as plain graphs, and an interpreter of their few operators: no MXNet.

Sizes are few, so that most layers of a kind have equal shapes, and weights are shared now and then.
"""

from __future__ import annotations

import random
from typing import Any, Mapping

import numpy as np
from disturbances import Model

from gluon_subgraph.graph import VARIABLE, Entry, Graph, Node, post_order

BATCH, SIDE = 4, 3
BN_ROLES = ("gamma", "beta", "running_mean", "running_var")


class Builder:
    """Appends operators to a graph; every method takes and returns numbers of nodes."""

    def __init__(self, channels: int = 4, *, is_spatial: bool = True) -> None:
        self.nodes = [Node(VARIABLE, "data")]
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.channels = {0: channels}
        self.is_spatial = {0: is_spatial}
        self.weights: dict[tuple[Any, ...], list[tuple[str, ...]]] = {}  # names by the shapes they have
        self.place: dict[str, int] = {}  # of variables

    def op(self, op: str, inputs: list[int], channels: int = 0, **attrs: str) -> int:
        """Append an operator without parameters."""
        self.nodes.append(Node(op, f"op{len(self.nodes)}", tuple(Entry(i) for i in inputs), attrs))
        at = len(self.nodes) - 1
        self.channels[at] = channels or self.channels[inputs[0]]
        self.is_spatial[at] = self.is_spatial[inputs[0]]
        return at

    def layer(self, op: str, data: int, channels: int, shapes: dict[str, tuple[int, ...]], **attrs: str) -> int:
        """Append an operator with parameters of its own; ``tied=True`` shares those of an equal layer."""
        key = (op, *shapes.items())
        tied = attrs.pop("tied", "") and self.weights.get(key)
        names = tied[0] if tied else tuple(f"layer{len(self.nodes)}_{role}" for role in shapes)
        for name, shape in zip(names, shapes.values()):
            if name not in self.shapes:
                self.shapes[name] = shape
                self.nodes.append(Node(VARIABLE, name))
                self.place[name] = len(self.nodes) - 1
        self.weights.setdefault(key, []).append(names)
        return self.op(op, [data, *(self.place[n] for n in names)], channels, **attrs)

    def conv(self, data: int, channels: int, kernel: int = 3, **attrs: str) -> int:
        """Append a convolution that keeps height and width."""
        shape = {"weight": (channels, self.channels[data], kernel, kernel)}
        size = {"kernel": f"({kernel}, {kernel})", "pad": f"({kernel // 2}, {kernel // 2})"}
        return self.layer(
            "Convolution", data, channels, shape, num_filter=str(channels), no_bias="True", **size, **attrs
        )

    def dense(self, data: int, channels: int, **attrs: str) -> int:
        """Append a dense layer."""
        shapes = {"weight": (channels, self.channels[data]), "bias": (channels,)}
        return self.layer("FullyConnected", data, channels, shapes, num_hidden=str(channels), **attrs)

    def norm(self, data: int, **attrs: str) -> int:
        """Append a batch normalisation."""
        shapes = dict.fromkeys(BN_ROLES, (self.channels[data],))
        return self.layer("BatchNorm", data, self.channels[data], shapes, **{"fix_gamma": "False", **attrs})

    def relu(self, data: int) -> int:
        """Append an activation."""
        return self.op("Activation", [data], act_type="relu")

    def flatten(self, data: int) -> int:
        """Append a global average pool and what makes vectors of it."""
        at = self.op("Flatten", [self.op("Pooling", [data], global_pool="True", pool_type="avg")])
        self.is_spatial[at] = False
        return at

    def model(self, *outputs: int) -> Model:
        """Return what the outputs need, in the order in which MXNet would list it."""
        graph = in_post_order(Graph(tuple(self.nodes), tuple(Entry(o) for o in outputs)))
        names = [n.name for n in graph.nodes if n.name in self.shapes]
        return Model(graph, {n: self.shapes[n] for n in names}, {n: n for n in names})


def in_post_order(graph: Graph) -> Graph:
    """Return a graph with its nodes in depth-first post-order, those that no output needs left out."""
    order = post_order(graph)
    place = {old: new for new, old in enumerate(order)}
    nodes = tuple(
        graph.nodes[i]._replace(inputs=tuple(Entry(place[e.node], e.index) for e in graph.nodes[i].inputs))
        for i in order
    )
    return Graph(nodes, tuple(Entry(place[e.node], e.index) for e in graph.outputs), graph.attrs)


def random_model(
    seed: int, size: int, *, ties: bool = True, sizes: tuple[int, ...] = (4, 6), classes: int = 0
) -> Model:
    """Return a network of about `size` operators: layers, blocks, residual sums, products, joins and pools.

    It ends with a dense layer of `classes` units if there are any.
    """
    rng = random.Random(seed)
    b = Builder(rng.choice(sizes))
    recent = [0]
    while len(recent) <= size:
        x = recent[-1 - min(rng.choice([0, 0, 0, 0, 1, 2]), len(recent) - 1)]
        if rng.random() < 1 / max(size, 4) and b.is_spatial[recent[-1]]:
            recent.append(b.flatten(recent[-1]))
        else:
            recent.append(_append_any(b, rng, x, recent, ties, sizes))
    if classes:
        recent.append(b.dense(b.flatten(recent[-1]) if b.is_spatial[recent[-1]] else recent[-1], classes))
    return b.model(recent[-1])


def _append_any(b: Builder, rng: random.Random, x: int, recent: list[int], ties: bool, sizes: tuple[int, ...]) -> int:
    kind = rng.choice(
        ["layer", "layer", "layer", "norm", "relu", "relu", "block", "sum", "sum", "product", "concat", "pool"]
    )
    tied = {"tied": "yes"} if ties and rng.random() < 0.15 else {}
    alike = [y for y in recent if y != x and (b.channels[y], b.is_spatial[y]) == (b.channels[x], b.is_spatial[x])]
    if kind == "block":
        body = x
        for _ in range(rng.choice([1, 2])):
            body = b.relu(b.norm(_linear(b, rng, body, b.channels[x], tied)))
        return b.op(rng.choice(["elemwise_add", "broadcast_add"]), [x, body] if rng.random() < 0.5 else [body, x])
    if kind == "norm":
        return b.norm(x, **tied)
    if kind == "relu":
        return b.op("Activation", [x], act_type=rng.choice(["relu", "relu", "tanh"]))
    if kind == "sum" and alike:
        return b.op("elemwise_add", [x, rng.choice(alike)])
    if kind == "product" and alike:
        return b.op("elemwise_mul", [x, rng.choice(alike)])
    if kind == "concat":
        fits = [y for y in recent if b.is_spatial[y] == b.is_spatial[x] and b.channels[x] + b.channels[y] <= 12]
        if fits:
            y = rng.choice(fits)
            return b.op("Concat", [x, y], b.channels[x] + b.channels[y], dim="1")
    if kind == "pool" and b.is_spatial[x]:
        return b.op("Pooling", [x], kernel="(3, 3)", pad="(1, 1)", pool_type=rng.choice(["max", "avg"]))
    return _linear(b, rng, x, rng.choice(sizes), tied)


def _linear(b: Builder, rng: random.Random, x: int, channels: int, tied: dict[str, str]) -> int:
    if b.is_spatial[x]:
        return b.conv(x, channels, rng.choice([1, 3, 3]), **tied)
    return b.dense(x, channels, **tied)


def input_shape(seed: int, sizes: tuple[int, ...] = (4, 6)) -> tuple[int, ...]:
    """Return the shape of what `random_model` of that seed takes."""
    return (BATCH, random.Random(seed).choice(sizes), SIDE, SIDE)


def random_values(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> dict[str, np.ndarray]:
    """Return values for parameters."""
    random_state = np.random.RandomState(seed)
    return {name: random_state.uniform(-1, 1, shape) for name, shape in shapes.items()}


def outputs_of(
    graph: Graph, values: Mapping[str, np.ndarray], shape: tuple[int, ...], seed: int = 0
) -> list[np.ndarray]:
    """Return what a graph computes; a variable without a value is an input of the given shape."""
    found: list[np.ndarray] = []
    for node in graph.nodes:
        if node.op != VARIABLE:
            found.append(_compute(node, [found[e.node] for e in node.inputs]))
        elif node.name in values:
            found.append(values[node.name])
        else:
            found.append(np.random.RandomState(seed).uniform(-1, 1, shape))
    return [found[e.node] for e in graph.outputs]


def _compute(node: Node, inputs: list[np.ndarray]) -> np.ndarray:
    x = inputs[0]
    if node.op in ("elemwise_add", "broadcast_add", "elemwise_mul", "broadcast_mul"):
        left, right = (v[:, :, None, None] if v.ndim < max(i.ndim for i in inputs) else v for v in inputs)
        return left + right if node.op.endswith("add") else left * right
    if node.op == "Concat":
        return np.concatenate(inputs, axis=1)
    if node.op == "Activation":
        return _ACTIVATIONS[node.attrs["act_type"]](x)
    if node.op == "FullyConnected":
        return x.reshape(len(x), -1) @ inputs[1].T + inputs[2]
    if node.op == "BatchNorm":
        gamma, beta, mean, variance = (v.reshape(1, -1, *[1] * (x.ndim - 2)) for v in inputs[1:])
        gamma = np.ones_like(gamma) if node.attrs.get("fix_gamma") == "True" else gamma
        return (x - mean) / np.sqrt(np.abs(variance) + 0.5) * gamma + beta  # any value will do for a variance
    if node.op == "Convolution":
        kernel = inputs[1].shape[2]
        windows = _windows(np.pad(x, [(0, 0), (0, 0), *[(kernel // 2, kernel // 2)] * 2]), kernel)
        return np.einsum("bcijkl,ockl->boij", windows, inputs[1])
    if node.op == "Pooling" and node.attrs.get("global_pool") == "True":
        return x.mean(axis=(2, 3), keepdims=True)
    if node.op == "Pooling":
        windows = _windows(np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=-9.0), 3)
        return windows.max(axis=(4, 5)) if node.attrs["pool_type"] == "max" else windows.mean(axis=(4, 5))
    if node.op == "Flatten":
        return x.reshape(len(x), -1)
    assert node.op == "Dropout", node
    return x


def _windows(x: np.ndarray, kernel: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(2, 3))


_ACTIVATIONS = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}


def computes_the_same(target: Model, source: Model, mapping: Mapping[str, str], shape: tuple[int, ...]) -> bool:
    """Return whether the target, filled through `mapping`, computes what it does when filled with the truth.

    What `mapping` leaves out is filled with the truth; what has no origin with values of its own.
    """
    values = random_values(source.shapes)
    name_of_origin = {origin: name for name, origin in source.origin.items()}
    own = random_values(target.shapes, seed=1)
    truth = {t: values[name_of_origin[o]] for t, o in target.origin.items() if o in name_of_origin}
    filled = {t: values[s] for t, s in mapping.items()}
    if any(v.shape != own[t].shape for t, v in filled.items()):
        return False
    for seed in range(2):
        expected = outputs_of(target.graph, {**own, **truth}, shape, seed)
        got = outputs_of(target.graph, {**own, **truth, **filled}, shape, seed)
        if not all(np.allclose(a, b, rtol=1e-7, atol=1e-9) for a, b in zip(expected, got)):
            return False
    return True
