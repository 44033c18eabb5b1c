"""What a block takes and returns, noted in its graph: a Symbol knows neither the order of its inputs nor lists."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Sequence

from .graph import Graph

__all__ = ["Interface", "with_interface", "interface_of"]

_POSITION, _RETURNS = "__input_position__", "__returns__"  # at the variables of the inputs; the latter at the first


class Interface(NamedTuple):
    """Names of the inputs in order, and the structure of the outputs: 0 for one, a list of these for several."""

    input_names: tuple[str, ...]
    out_format: Any


def with_interface(graph: Graph, interface: Interface) -> Graph:
    """Return `graph` with its interface noted at its inputs."""
    position = {name: i for i, name in enumerate(interface.input_names)}
    nodes = list(graph.nodes)
    for i, node in graph.variables():
        if _POSITION in node.attrs or _RETURNS in node.attrs:  # of the network it was cut from
            node = nodes[i] = node._replace(
                attrs={k: v for k, v in node.attrs.items() if k not in (_POSITION, _RETURNS)}
            )
        if node.name in position:
            first = {_RETURNS: json.dumps(interface.out_format)} if position[node.name] == 0 else {}
            nodes[i] = node._replace(attrs={**node.attrs, _POSITION: str(position[node.name]), **first})
    return Graph(tuple(nodes), graph.outputs, graph.attrs, graph.calls)


def interface_of(graph: Graph) -> Interface | None:
    """Return the interface that a graph notes, None where it notes none that fits it."""
    noted = [(node.attrs[_POSITION], node) for _, node in graph.variables() if _POSITION in node.attrs]
    positions = dict(noted)
    in_order = [positions.get(str(i)) for i in range(len(noted))]
    if not noted or len(positions) < len(noted) or None in in_order:
        return None
    first: Any = in_order[0]
    try:
        out_format = json.loads(first.attrs.get(_RETURNS, ""))
    except (ValueError, RecursionError):
        return None
    if not _fits(out_format, len(graph.outputs)):
        return None
    return Interface(tuple(node.name for node in in_order if node is not None), out_format)


def _fits(out_format: Any, count: int) -> bool:
    """Return whether a structure of outputs is one, of that many."""
    leaves: Sequence[Any] = [out_format]
    while any(isinstance(leaf, list) for leaf in leaves):
        leaves = [inner for leaf in leaves for inner in (leaf if isinstance(leaf, list) else [leaf])]
    return len(leaves) == count and all(type(leaf) is int and leaf == 0 for leaf in leaves)
