"""Other names for the nodes of a graph: what the new names are, and the graph under them.

A name is one thing wherever it stands: all nodes of one name, in the graph and in the bodies of its control-flow
operators, get one new name, and two names never become one. So a map of old to new names says everything, and its
inverse undoes it.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import AbstractSet, Any, Iterable, Iterator, Mapping

from .errors import NameConflictError, SubgraphError, kind_of, shorten
from .graph import VARIABLE, Graph, Node, is_usable_name, renamed_node
from .naming_rules import Names, rule_of
from .params_file import FILE_PREFIXES

__all__ = ["names_of", "new_names", "inverse_names", "new_keys", "renamed_graph"]


def names_of(graph: Graph) -> dict[str, AbstractSet[str]]:
    """Return every name in `graph` as `Names.reads_of_name`; nodes without a name have none to change.

    Examples
    --------
    >>> data = Node("null", "data", outputs=("data",))
    >>> list(names_of(Graph((data, Node("relu", "A", (), outputs=("A_output",))), ())))
    ['data', 'A']
    """
    outside = {node.name for _, node in graph.variables()}
    found: dict[str, AbstractSet[str]] = {}
    nothing: AbstractSet[str] = frozenset()
    for node in graph.nodes:
        found.setdefault(node.name, nothing)
        for reads, body in _bodies_of(graph, node):
            for inner in body["nodes"]:
                is_local = inner["op"] == VARIABLE and inner["name"] not in outside
                found.setdefault(inner["name"], reads if is_local else nothing)
    found.pop("", None)
    return found


def _bodies_of(graph: Graph, node: Node) -> Iterator[tuple[AbstractSet[str], Mapping[str, Any]]]:
    """Yield each body of a node, and each body inside one, with the names that its operator reads."""
    waiting = deque([(frozenset(graph.nodes[e.node].name for e in node.inputs), body) for body in node.bodies])
    while waiting:
        reads, body = waiting.popleft()
        yield reads, body
        nodes = body["nodes"]
        for inner in nodes:
            if inner.get("subgraphs"):
                inner_reads = frozenset(nodes[n]["name"] for n, *_ in inner["inputs"])
                waiting.extend((inner_reads, deeper) for deeper in inner["subgraphs"])


def new_names(names: Names, given: Any) -> dict[str, str]:
    """Return {old: new} for all of `names`, those that stay as they are included.

    Parameters
    ----------
    names : Names
        The names there are.
    given : str, mapping of str to str, or callable
        What the user asks for, as `gluon_subgraph.rename` takes it.

    Raises
    ------
    UnknownNodeError
        A key matches nothing.
    NameConflictError
        Two names would become one, or one would become two.
    SubgraphError
        `given` is none of these; a new name is no name.

    Notes
    -----
    A variable of a control-flow body is called after the tensor outside that it stands for (``fc1-0``, ``fc1_output``).
    Unless `given` speaks of it, it follows that tensor's node.

    Examples
    --------
    >>> new_names(Names(dict.fromkeys(["data", "n_a", "n_b"], frozenset()), "n_"), {"?": "new_?", "data": "x"})
    {'data': 'x', 'n_a': 'n_new_a', 'n_b': 'n_new_b'}
    """
    rule = rule_of(names, given)
    new_of: dict[str, str] = {}
    for name, reads in names.reads_of_name.items():
        new = rule(name)
        new_of[name] = _derived(name, reads, new_of) if new is None else new
    wrong = [name for name, new in new_of.items() if not is_usable_name(new)]
    if wrong:
        msg = (
            f"{shorten(wrong)} would be called {new_of[wrong[0]]!r} ({kind_of(new_of[wrong[0]])}).\n"
            "  A name is text that is not empty and has no NUL in it.\n"
            "  Give each node such a name; nothing was changed."
        )
        raise SubgraphError(msg)
    _check_distinct(new_of)
    return new_of


def _derived(name: str, reads: AbstractSet[str], new_of: Mapping[str, str]) -> str:
    """Return the name of a body's variable after the nodes outside are renamed: its own, less the old beginning."""
    for end in range(len(name) - 1, 0, -1) if reads else ():
        if name[end] in "-_" and name[:end] in reads:
            return new_of.get(name[:end], name[:end]) + name[end:]
    return name


def new_keys(keys: Iterable[str], new_of: Mapping[str, str]) -> dict[str, str]:
    """Return {old key: new key} of the values of a checkpoint; one that names no variable stays as it is.

    Raises
    ------
    NameConflictError
        Two keys would become one.

    Examples
    --------
    >>> new_keys(["arg:w", "aux:mean", "other"], {"w": "x", "mean": "mean"})
    {'arg:w': 'arg:x', 'aux:mean': 'aux:mean', 'other': 'other'}
    """
    found = {}
    for key in keys:
        mark = key[:4] if key.startswith(FILE_PREFIXES) and key not in new_of else ""
        found[key] = mark + new_of.get(key[len(mark) :], key[len(mark) :])
    _check_distinct(found)
    return found


def _check_distinct(new_of: Mapping[str, str]) -> None:
    old_of: dict[str, str] = {}
    clashes = [(old_of[new], old, new) for old, new in new_of.items() if old_of.setdefault(new, old) != old]
    if clashes:
        one, other, new = clashes[0]
        kept = [name for name in (one, other) if name == new]
        also = f"  {kept[0]!r} keeps its name" if kept else "  Both get a new name"
        more = f"; {len(clashes) - 1} more names collide" if len(clashes) > 1 else ""
        msg = (
            f"{one!r} and {other!r} would both be called {new!r}.\n{also}{more}.\n"
            "  Give each its own name, or let the two change places; nothing was changed."
        )
        raise NameConflictError(msg)


def inverse_names(names: Names, new_of: Mapping[str, str]) -> dict[str, str]:
    """Return {new: old} that undoes `new_of`, for those that change.

    A body's variable that stays as it is stands there too if it would follow some node on the way back.
    """
    old_of = {new: old for old, new in new_of.items()}
    inverse = {}
    for old, reads in names.reads_of_name.items():
        new = new_of[old]
        if new != old or _derived(old, {new_of.get(r, r) for r in reads}, old_of) != old:
            inverse[new] = old
    return inverse


def renamed_graph(graph: Graph, new_of: Mapping[str, str]) -> Graph:
    """Return `graph` under new names, in control-flow bodies too; all else, attributes included, is as it was.

    Examples
    --------
    >>> graph = Graph((Node("null", "data", outputs=("data",)),), ())
    >>> [node.name for node in renamed_graph(graph, {"data": "x"}).nodes]
    ['x']
    """
    nodes = []
    for node in graph.nodes:
        new = new_of.get(node.name, node.name)
        if new != node.name:
            node = renamed_node(node, new)
        if node.bodies:
            node = node._replace(bodies=_renamed_bodies(node.bodies, new_of))
        nodes.append(node)
    return dataclasses.replace(graph, nodes=tuple(nodes))


def _renamed_bodies(bodies: Iterable[Mapping[str, Any]], new_of: Mapping[str, str]) -> tuple[dict[str, Any], ...]:
    copies = tuple(dict(body) for body in bodies)
    waiting = list(copies)
    while waiting:
        body = waiting.pop()
        body["nodes"] = [{**inner, "name": new_of.get(inner["name"], inner["name"])} for inner in body["nodes"]]
        for inner in body["nodes"]:
            if inner.get("subgraphs"):
                inner["subgraphs"] = [dict(deeper) for deeper in inner["subgraphs"]]
                waiting.extend(inner["subgraphs"])
    return copies
