"""Running a network node by node on random values, and what is remembered of it."""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass
from typing import Any

import graphs
import mxnet as mx
import numpy as np
from graphs import Node, Side
from mxnet._ctypes.ndarray import _imperative_invoke
from mxnet.base import _LIB, OpHandle, c_str, check_call
from values import fingerprint, random_input, random_value


@dataclass
class Layer:
    """One use of parameters in the source: what came in, what left, and which parameters by role."""

    entering: list[np.ndarray]
    leaving: np.ndarray | None  # unknown for a tensor no layer is known to read
    slots: list[tuple[str, str]]


@dataclass
class Run:
    """A source that has been run: its layers in order of execution, its values and its outputs."""

    side: Side
    layers: list[Layer]
    values: dict[str, np.ndarray]
    outputs: list[np.ndarray]
    inputs: dict[str, np.ndarray]


@functools.lru_cache(maxsize=None)
def _handle(op: str) -> int | None:
    handle = OpHandle()
    check_call(_LIB.NNGetOpHandle(c_str(op), ctypes.byref(handle)))
    return handle.value


def run_node(node: Node, arrays: list[Any]) -> list[Any]:
    """Run one node of a graph on arrays."""
    attrs = {k: v for k, v in node.get("attrs", {}).items() if not k.startswith("__")}
    result = _imperative_invoke(_handle(node["op"]), arrays, list(attrs), list(attrs.values()), None, False, False)
    return list(result) if isinstance(result, (list, tuple)) else [result]


def input_arrays(side: Side, vocabulary: int = 0) -> dict[str, np.ndarray]:
    return {n: random_input(tuple(shape), vocabulary, k) for k, (n, shape) in enumerate(side.inputs.items())}


def run_source(side: Side, vocabulary: int = 0) -> Run:
    """Run an MXNet source on random values."""
    roles = graphs.role_of_param(side)
    values = {n: random_value(n, s, roles.get(n, "weight")) for n, s in side.params}
    inputs = input_arrays(side, vocabulary)
    nodes, heads = graphs.nodes_of(side.symbol)
    found: dict[int, list[Any]] = {}
    layers = []
    for i, node in enumerate(nodes):
        if node["op"] == "null":
            array = inputs[node["name"]] if node["name"] in inputs else values[node["name"]]
            found[i] = [mx.nd.array(array)]
            continue
        found[i] = run_node(node, [found[j][out] for j, out in node["inputs"]])
        slots = graphs.param_slots(nodes, i, side.inputs)
        if slots:
            layers.append(Layer(entering_of(nodes, i, found, slots), fingerprint(found[i][0].asnumpy()), slots))
    return Run(side, layers, values, [found[i][out].asnumpy() for i, out in heads], inputs)


def entering_of(
    nodes: list[Node], i: int, found: dict[int, list[Any]], slots: list[tuple[str, str]]
) -> list[np.ndarray]:
    own = {name for _, name in slots}
    return [fingerprint(found[j][out].asnumpy()) for j, out in nodes[i]["inputs"] if nodes[j]["name"] not in own]
