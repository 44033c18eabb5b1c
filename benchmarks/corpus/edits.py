"""Changes to a side's graph: another head, a stretch of it, layers put in between, other names."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

import graphs
from graphs import Node, Params, Side

HEADS = {"FullyConnected": "num_hidden", "Convolution": "num_filter"}


def rename(side: Side, name_of: dict[str, str]) -> Side:
    """Return `side` with nodes and parameters renamed; what `name_of` leaves out keeps its name."""
    symbol = side.symbol
    if symbol is not None:
        graph = json.loads(symbol)
        for node in graph["nodes"]:
            node["name"] = name_of.get(node["name"], node["name"])
        symbol = json.dumps(graph)
    params = [(name_of.get(n, n), shape) for n, shape in side.params]
    structural = {name_of.get(n, n): path for n, path in side.structural.items()}
    return replace(side, symbol=symbol, params=params, structural=structural)


def prefixed(side: Side, prefix: str) -> Side:
    names = [n for n, _ in side.params]
    if side.symbol is not None:
        names += [node["name"] for node in graphs.nodes_of(side.symbol)[0] if node["name"] not in side.inputs]
    return rename(side, {n: prefix + n for n in names})


def opaque(side: Side, letter: str, random: Random) -> tuple[Side, dict[str, str]]:
    """Return `side` under meaningless names in a random order, and what each parameter is called now."""
    numbers = random.sample(range(len(side.params) + 900), len(side.params))
    name_of = {n: f"{letter}{number:05d}" for (n, _), number in zip(side.params, numbers)}
    every = dict(name_of)
    if side.symbol is not None:
        for i, node in enumerate(graphs.nodes_of(side.symbol)[0]):
            if node["name"] not in side.inputs:
                every.setdefault(node["name"], f"{letter}n{i}")
    renamed = rename(side, every)
    return replace(renamed, structural={}, params=random.sample(renamed.params, len(side.params))), name_of


def without_graph(side: Side, names: dict[str, str], format: str) -> Side:
    """Return only the names and shapes of `side`, under other names."""
    params = [(names[n], shape) for n, shape in side.params]
    return Side(side.name, None, params, {}, {}, format)


def cut(side: Side, start: int, end: int) -> Side:
    """Return the stretch behind node `start` up to node `end`, both of `graphs.articulations`."""
    shapes = graphs.all_shapes(side.symbol, side.inputs)
    nodes, _ = graphs.nodes_of(side.symbol)
    shape = shapes[nodes[start]["name"]]
    nodes[start] = {"op": "null", "name": "data", "inputs": []}
    return pruned(replace(side, inputs={"data": shape}), graphs.symbol_of(nodes, [[end, 0]]))


def pruned(side: Side, symbol: str) -> Side:
    """Return `side` with another graph and only the parameters that graph has."""
    kept = {node["name"] for node in graphs.nodes_of(symbol)[0] if node["op"] == "null"}
    structural = {n: path for n, path in side.structural.items() if n in kept}
    params = [(n, shape) for n, shape in side.params if n in kept]
    return replace(side, symbol=symbol, params=params, structural=structural)


def new_head(side: Side, classes: int) -> tuple[Side, list[str]] | None:
    """Return `side` with another number of classes and the names that belong to its head; None if it has none."""
    nodes, heads = graphs.nodes_of(side.symbol)
    last = max((i for i in range(len(nodes)) if graphs.param_slots(nodes, i, side.inputs)), default=None)
    if last is None or nodes[last]["op"] not in HEADS:
        return None
    names = [name for _, name in graphs.param_slots(nodes, last, side.inputs)]
    readers = [i for i in range(len(nodes)) for _, n in graphs.param_slots(nodes, i, side.inputs) if n in names]
    if set(readers) != {last}:
        return None
    nodes[last]["attrs"][HEADS[nodes[last]["op"]]] = str(classes)
    for node in nodes:
        if node["name"] in names:
            node.get("attrs", {}).pop("__shape__", None)
    symbol = graphs.symbol_of(nodes, heads)
    try:
        shapes = graphs.all_shapes(symbol, side.inputs)
    except Exception:  # mxnet's own error class is private: the new width does not fit what follows
        return None
    params = [(n, shapes[n]) for n, _ in side.params]
    changed = [n for n, shape in side.params if shapes[n] != shape]
    return (replace(side, symbol=symbol, params=params), names) if set(changed) <= set(names) and changed else None


class Insertion:
    """Nodes to be put behind one node of a graph."""

    def __init__(self, nodes: list[Node], behind: int, tag: str) -> None:
        self.nodes, self.tag, self.last = nodes, tag, behind
        self.first_new = len(nodes)
        self.params: Params = []

    def layer(self, op: str, attrs: dict[str, Any], params: Params = (), extra: tuple[int, ...] = ()) -> int:  # type: ignore[assignment]
        """Add one node reading the last one, its new parameters and other nodes."""
        reads = [[self.last, 0]] + [[i, 0] for i in extra]
        for name, _ in params:
            self.nodes.append({"op": "null", "name": f"{self.tag}_{name}", "inputs": []})
            reads.append([len(self.nodes) - 1, 0])
        self.params += [(f"{self.tag}_{name}", shape) for name, shape in params]
        name = f"{self.tag}_{op.lower().strip('_')}{len(self.nodes)}"
        self.nodes.append({"op": op, "name": name, "attrs": {k: str(v) for k, v in attrs.items()}, "inputs": reads})
        self.last = len(self.nodes) - 1
        return self.last


def insert(side: Side, places: list[int], fill: Any) -> Side:
    """Return `side` with what `fill(insertion, shape, k)` adds behind each of `places`."""
    nodes, heads = graphs.nodes_of(side.symbol)
    shapes = graphs.all_shapes(side.symbol, side.inputs)
    count, added = len(nodes), {}
    for k, place in enumerate(places):
        readers = [i for i in range(count) if any(j == place for j, _ in nodes[i]["inputs"])]
        insertion = Insertion(nodes, place, f"{fill.__name__}{k}")
        fill(insertion, shapes[nodes[place]["name"]])
        for i in readers:
            nodes[i]["inputs"] = [[insertion.last, 0] if e[0] == place else e for e in nodes[i]["inputs"]]
        heads = [[insertion.last, 0] if head[0] == place else head for head in heads]
        added[place] = insertion.params
    symbol = graphs.symbol_of(nodes, heads)
    return replace(side, symbol=symbol, params=_with_new(side, count, added))


def _with_new(side: Side, count: int, added: dict[int, Params]) -> Params:
    """Return the parameters with the new ones behind those of the layer they follow."""
    nodes, _ = graphs.nodes_of(side.symbol)
    names = [n for n, _ in side.params]
    behind: dict[int, Params] = {}
    latest = 0
    for i in range(count):
        for _, name in graphs.param_slots(nodes, i, side.inputs):
            latest = names.index(name)
        if i in added:
            behind.setdefault(latest, []).extend(added[i])
    params: Params = []
    for k, pair in enumerate(side.params):
        params.append(pair)
        params.extend(behind.get(k, []))
    return params
