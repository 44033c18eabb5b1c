"""Operators that this MXNet lacks: a graph with a variable in place of what each of them returns.

Symbol JSON in, Symbol JSON out. What neither needs such an operator nor follows one without an input in between can
be cut out of the result as out of any network.
"""

from __future__ import annotations

from typing import Any, Collection, Mapping, Sequence

from .errors import SubgraphError, shorten
from .graph import VARIABLE, Graph

__all__ = ["ATTRIBUTE_KEYS", "MISSING", "missing_operators", "without_missing", "missing_in", "check_whole"]

MISSING = "__missing_operator__"  # the attribute of a variable that stands for what such an operator returns

_CUSTOM = "Custom"
ATTRIBUTE_KEYS = ("attrs", "attr", "param")  # of MXNet from 1.0, from 0.9, and before


def missing_operators(
    data: Mapping[str, Any], known: Collection[str], absent: Collection[str] = frozenset()
) -> dict[int, str]:
    """Return the nodes of Symbol JSON whose operator, or one in their bodies, is not `known`, and that operator.

    Of the ``Custom`` operators, which are written in Python, those of a type in `absent` are not known.

    Examples
    --------
    >>> missing_operators({"nodes": [{"op": "null"}, {"op": "New"}]}, {"relu"})
    {1: 'New'}
    """
    found = {}
    for i, node in enumerate(data["nodes"]):
        below = [node]
        for inner in below:  # grows while it is read
            settings: Mapping[str, str] = next((inner[key] for key in ATTRIBUTE_KEYS if key in inner), {})
            kind = settings.get("op_type") if inner["op"] == _CUSTOM else None
            if (inner["op"] != VARIABLE and inner["op"] not in known) or kind in absent:
                found[i] = inner["op"] if kind is None else f"{_CUSTOM} {kind}"
                break
            below.extend(n for body in inner.get("subgraphs", ()) for n in body["nodes"])
    return found


def without_missing(data: Mapping[str, Any], missing: Mapping[int, str]) -> dict[str, Any]:
    """Return the graph with each missing operator replaced by variables; what it read is returned, too.

    Parameters
    ----------
    data : dict
        Symbol JSON whose nodes and indices have been checked.
    missing : dict of int to str
        What `missing_operators` found.

    Returns
    -------
    dict
        Symbol JSON. The variable is called as the output would be, ``B_output``; of several outputs
        ``B_output0`` and so on.
    """
    nodes = data["nodes"]
    outputs_of = _outputs_read(data, missing)
    taken = {node["name"] for node in nodes}
    new_nodes: list[dict[str, Any]] = []
    new_entry: dict[tuple[int, int], int] = {}
    new_index: dict[int, int] = {}

    def moved(entry: Sequence[int]) -> list[int]:
        node, index, *_ = entry
        return [new_entry[node, index], 0, 0] if node in missing else [new_index[node], index, 0]

    for i, node in enumerate(nodes):
        if i not in missing:
            new_index[i] = len(new_nodes)
            new_nodes.append({**node, "inputs": [moved(entry) for entry in node["inputs"]]})
            continue
        for index in outputs_of[i]:
            name = f"{node['name']}_output{index if len(outputs_of[i]) > 1 else ''}"
            while name in taken:
                name += "_"
            taken.add(name)
            new_entry[i, index] = len(new_nodes)
            new_nodes.append({"op": VARIABLE, "name": name, "inputs": [], "attrs": {MISSING: missing[i]}})
    heads = _distinct([moved(head) for head in data["heads"]])
    read = [moved(entry) for i in missing for entry in nodes[i]["inputs"] if nodes[entry[0]]["op"] != VARIABLE]
    heads = _distinct([*heads, *(entry for entry in read if new_nodes[entry[0]]["op"] != VARIABLE)])
    heads.sort(key=lambda entry: new_nodes[entry[0]]["op"] == VARIABLE)  # MXNet lists what is returned first first
    variables = [i for i, node in enumerate(new_nodes) if node["op"] == VARIABLE]
    return {"nodes": new_nodes, "arg_nodes": variables, "heads": heads, "attrs": data.get("attrs", {})}


def missing_in(graph: Graph) -> dict[int, str]:
    """Return the variables of a graph that stand for what a missing operator returns, and that operator."""
    return {i: node.attrs[MISSING] for i, node in graph.variables() if MISSING in node.attrs}


def check_whole(graph: Graph, title: str) -> None:
    """Refuse a network of which only pieces can run.

    Raises
    ------
    SubgraphError
        It was read from files, and has operators that this MXNet lacks.
    """
    missing = missing_in(graph)
    if missing:
        named = [f"{graph.nodes[i].name} ({op})" for i, op in missing.items()]
        msg = (
            f"{title!r} has {len(missing)} operators that this MXNet lacks: {shorten(named)}.\n"
            "  The whole network cannot run, pieces of it can.\n"
            "  Give extract((symbol file, params file), inputs, outputs); nothing was changed."
        )
        raise SubgraphError(msg)


def _outputs_read(data: Mapping[str, Any], missing: Mapping[int, str]) -> dict[int, list[int]]:
    """Return which outputs of each missing operator are read, at least the first."""
    read = {i: {0} for i in missing}
    for entries in [data["heads"], *(node["inputs"] for node in data["nodes"])]:
        for node, index, *_ in entries:
            if node in missing:
                read[node].add(index)
    return {i: sorted(indices) for i, indices in read.items()}


def _distinct(entries: Sequence[list[int]]) -> list[list[int]]:
    return [list(entry) for entry in dict.fromkeys(map(tuple, entries))]
