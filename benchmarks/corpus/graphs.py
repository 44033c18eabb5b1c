"""A symbol's JSON as nodes that can be read, cut, renamed and edited."""

from __future__ import annotations

import copy
import functools
import json
from dataclasses import dataclass, field
from typing import Any

import mxnet as mx

Node = dict[str, Any]
Params = list[tuple[str, tuple[int, ...]]]

TORCH = "torch-state-dict"

ROLES = {
    "Convolution": ("data", "weight", "bias"),
    "Deconvolution": ("data", "weight", "bias"),
    "FullyConnected": ("data", "weight", "bias"),
    "BatchNorm": ("data", "scale", "bias", "running_mean", "running_var"),
    "LayerNorm": ("data", "scale", "bias"),
    "InstanceNorm": ("data", "scale", "bias"),
    "GroupNorm": ("data", "scale", "bias"),
    "Embedding": ("data", "weight"),
    "LeakyReLU": ("data", "scale"),
}


LAYER_ROLES = {role for roles in ROLES.values() for role in roles}


@dataclass
class Side:
    """One of the two sides of a case: a network under its own names."""

    name: str
    symbol: str | None
    params: Params
    structural: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    format: str = "gluon-export"

    def shape_of(self) -> dict[str, tuple[int, ...]]:
        return dict(self.params)


def nodes_of(symbol: str) -> tuple[list[Node], list[list[int]]]:
    graph = json.loads(symbol)
    nodes = graph["nodes"]
    for node in nodes:
        node["inputs"] = [(entry + [0])[:2] for entry in node["inputs"]]
    return nodes, [(head + [0])[:2] for head in graph["heads"]]


def symbol_of(nodes: list[Node], heads: list[list[int]]) -> str:
    """Return the JSON of the nodes the heads need, in their order."""
    needed = ancestors(nodes, [head[0] for head in heads])
    new_index = {old: new for new, old in enumerate(needed)}
    kept = []
    for old in needed:
        node = copy.deepcopy(nodes[old])
        node["inputs"] = [[new_index[i], out, 0] for i, out in node["inputs"]]
        kept.append(node)
    graph = {
        "nodes": kept,
        "arg_nodes": [i for i, node in enumerate(kept) if node["op"] == "null"],
        "heads": [[new_index[i], out, 0] for i, out in heads],
        "attrs": {"mxnet_version": ["int", 10901]},
    }
    return json.dumps(graph)


def ancestors(nodes: list[Node], ends: list[int]) -> list[int]:
    """Return the indices of what `ends` need, themselves included, sorted so that inputs come first."""
    done: set[int] = set()
    order: list[int] = []
    stack = [(end, False) for end in reversed(ends)]
    while stack:
        i, expanded = stack.pop()
        if expanded:
            order.append(i)
        elif i not in done:
            done.add(i)
            stack.append((i, True))
            stack.extend((j, False) for j, _ in reversed(nodes[i]["inputs"]) if j not in done)
    return order


def all_shapes(symbol: str, inputs: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every parameter and of every node's first output, by name."""
    return _all_shapes(symbol, tuple((name, tuple(shape)) for name, shape in inputs.items()))


@functools.lru_cache(maxsize=32)
def _all_shapes(symbol: str, inputs: tuple[tuple[str, tuple[int, ...]], ...]) -> dict[str, tuple[int, ...]]:
    loaded = mx.sym.load_json(symbol)
    known = {name: shape for name, shape in inputs if name in loaded.list_arguments()}
    internals = loaded.get_internals()
    arguments, outputs, auxiliaries = internals.infer_shape(**known)
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in zip(internals.list_outputs(), outputs):
        base = name[: -len("_output")] if name.endswith("_output") else name
        shapes[base] = tuple(shape)
    shapes.update(zip(internals.list_arguments(), map(tuple, arguments)))
    shapes.update(zip(internals.list_auxiliary_states(), map(tuple, auxiliaries)))
    return shapes


def flowing(nodes: list[Node], inputs: dict[str, tuple[int, ...]]) -> list[bool]:
    """Tell for each node whether the network's input reaches it."""
    reached: list[bool] = []
    for node in nodes:
        is_input = node["name"] in inputs and not node["name"].endswith("label")
        reached.append(is_input if node["op"] == "null" else any(reached[i] for i, _ in node["inputs"]))
    return reached


def articulations(side: Side) -> list[int]:
    """Return the nodes through which everything passes from input to output, in topological order."""
    nodes, heads = nodes_of(side.symbol)
    reached = flowing(nodes, side.inputs)
    last_use = list(range(len(nodes)))
    for i, node in enumerate(nodes):
        if reached[i]:
            for j, _ in node["inputs"]:
                last_use[j] = i
    for i, _ in heads:
        last_use[i] = len(nodes)
    passed, open_until = [], max(i for i, node in enumerate(nodes) if reached[i] and node["op"] == "null")
    for i, node in enumerate(nodes):
        if not reached[i]:
            continue
        if open_until <= i and last_use[i] > i and node["op"] != "null" and _one_output(nodes, i):
            passed.append(i)
        open_until = max(open_until, last_use[i])
    return passed


def _one_output(nodes: list[Node], i: int) -> bool:
    return all(out == 0 for node in nodes for j, out in node["inputs"] if j == i)


def param_slots(nodes: list[Node], i: int, inputs: dict[str, Any]) -> list[tuple[str, str]]:
    """Return (role, name) of the parameters node `i` reads itself."""
    node = nodes[i]
    roles = ROLES.get(node["op"], ())
    slots = []
    for place, (j, _) in enumerate(node["inputs"]):
        if nodes[j]["op"] == "null" and nodes[j]["name"] not in inputs:
            slots.append((roles[place] if place < len(roles) else f"{node['op']}{place}", nodes[j]["name"]))
    return slots


def role_of_param(side: Side) -> dict[str, str]:
    """Return what each parameter is for; a scale that BatchNorm overwrites is `fixed`."""
    nodes, _ = nodes_of(side.symbol)
    roles: dict[str, str] = {}
    for i, node in enumerate(nodes):
        for role, name in param_slots(nodes, i, side.inputs):
            is_fixed = node["op"] == "BatchNorm" and str(node.get("attrs", {}).get("fix_gamma", "True")) in {
                "True",
                "1",
            }
            roles[name] = "fixed" if role == "scale" and is_fixed else role
    return roles
