"""Which statistics the BatchNorm nodes of a graph normalise by: those of the batch, or the running ones.

A BatchNorm in training mode normalises by the batch and moves its running statistics, whatever the gradients of its
parameters are. With ``use_global_stats`` it does neither. What it was before is noted at the node, so that it can be
put back after the graph was saved, cut or renamed; MXNet keeps attributes between double underscores and ignores them.
"""

from __future__ import annotations

from typing import Any, Callable, Collection, Mapping, NamedTuple, Sequence

from .graph import Graph, bodies_below

__all__ = ["SETTING", "NOTE", "norms_of_graph", "fixed", "put_back", "is_on", "with_settings_of_norms"]

SETTING = "use_global_stats"
NOTE = "__unfrozen_use_global_stats__"
_NORMS = frozenset(
    {"BatchNorm", "BatchNorm_v1", "CuDNNBatchNorm", "_contrib_SyncBatchNorm", "_contrib_BatchNormWithReLU"}
)
_LEARNED, _STATISTICS = slice(1, 3), slice(3, 5)  # of the inputs: data, gamma, beta, running mean, running variance
_ON = frozenset({"true", "1"})


class NormNode(NamedTuple):
    """A BatchNorm of a graph, or of a control-flow body in it: its variables, and how it normalises."""

    name: str
    learned: tuple[str, ...]
    statistics: tuple[str, ...]
    is_fixed: bool
    is_noted: bool
    path: str


def is_on(text: Any) -> bool:
    """Return whether an attribute says yes.

    Examples
    --------
    >>> is_on("True"), is_on("1"), is_on("False")
    (True, True, False)
    """
    return str(text).lower() in _ON


def norms_of_graph(graph: Graph) -> list[NormNode]:
    """Return the BatchNorms of a graph in topological order, each body's after what reads the body's owner."""
    nodes = graph.nodes
    found = [
        _norm(n.name, n.attrs, [nodes[e.node].name if nodes[e.node].is_variable else "" for e in n.inputs], n.path)
        for n in nodes
        if n.op in _NORMS
    ]
    for owner in nodes:
        for body in bodies_below(owner):
            inner = body["nodes"]
            found += [
                _norm(raw["name"], raw.get("attrs", {}), [inner[e[0]]["name"] for e in raw["inputs"]], owner.path)
                for raw in inner
                if raw["op"] in _NORMS
            ]
    return found


def _norm(name: str, attrs: Mapping[str, str], inputs: Sequence[str], path: str) -> NormNode:
    learned, statistics = (tuple([i for i in inputs[part] if i]) for part in (_LEARNED, _STATISTICS))
    return NormNode(name, learned, statistics, is_on(attrs.get(SETTING)), NOTE in attrs, path)


def fixed(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a BatchNorm that normalises by its running statistics, with what it did before noted.

    Examples
    --------
    >>> fixed({"axis": "1", "use_global_stats": "False"})
    {'axis': '1', 'use_global_stats': 'True', '__unfrozen_use_global_stats__': 'False'}
    """
    before = attrs.get(SETTING, "")
    return dict(attrs) if is_on(before) else {**attrs, SETTING: True if before is False else "True", NOTE: before}


def put_back(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes as they were before `fixed`, the same where nothing is noted.

    Examples
    --------
    >>> put_back({"axis": "1", "use_global_stats": "True", "__unfrozen_use_global_stats__": "False"})
    {'axis': '1', 'use_global_stats': 'False'}
    """
    if NOTE not in attrs:
        return dict(attrs)
    before = {**attrs, SETTING: attrs[NOTE]}
    return {key: value for key, value in before.items() if key != NOTE and (key, value) != (SETTING, "")}


def with_settings_of_norms(
    graph: Graph, statistics: Collection[str], change: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> Graph:
    """Return `graph` with `change` applied to the attributes of each BatchNorm that has one of `statistics`."""
    nodes = list(graph.nodes)
    for i, node in enumerate(nodes):
        if node.op in _NORMS:
            if any(nodes[e.node].name in statistics for e in node.inputs[_STATISTICS]):
                nodes[i] = node._replace(attrs=change(node.attrs))
        elif node.bodies:
            nodes[i] = node._replace(bodies=tuple(_changed_bodies(node.bodies, statistics, change)))
    return Graph(tuple(nodes), graph.outputs, graph.attrs, graph.calls)


def _changed_bodies(
    bodies: Sequence[Mapping[str, Any]],
    statistics: Collection[str],
    change: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> list[dict[str, Any]]:
    """Return copies of control-flow bodies, and of those within, with their BatchNorms changed."""
    results: list[dict[str, Any]] = []
    waiting = [(body, results) for body in bodies]
    for body, place in waiting:  # grows while it is walked; the order within each list is kept
        raw_nodes = []
        for raw in body["nodes"]:
            copy = dict(raw)
            if raw["op"] in _NORMS:
                if any(body["nodes"][e[0]]["name"] in statistics for e in raw["inputs"][_STATISTICS]):
                    copy["attrs"] = change(raw.get("attrs", {}))
            elif raw.get("subgraphs"):
                copy["subgraphs"] = []
                waiting.extend((inner, copy["subgraphs"]) for inner in raw["subgraphs"])
            raw_nodes.append(copy)
        place.append({**body, "nodes": raw_nodes})
    return results
