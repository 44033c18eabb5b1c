"""Towers: a network's operators several times over, its parameters once, in one graph.

Every tower has its own node of each operator, whatever the operator depends on: a Dropout that two towers shared would
drop the same values in both, and a Custom operator may count its calls. Variables of parameters are one node, so that
an executor sees one array for each and adds up what flows back from the towers.
"""

from __future__ import annotations

from typing import AbstractSet, Sequence

from .errors import NameConflictError
from .graph import Call, Entry, Graph, Node, renamed_node

__all__ = ["graph_of_towers"]


def graph_of_towers(graph: Graph, prefixes: Sequence[str], own: AbstractSet[int]) -> Graph:
    """Return the graph of one tower per prefix, which returns what the first returns, then the second, and so on.

    Parameters
    ----------
    graph : Graph
        The network.
    prefixes : sequence of str
        What the names and block paths of each tower begin with; all different.
    own : set of int
        The variables that each tower has for itself. The others keep their names and are shared.

    Raises
    ------
    NameConflictError
        Two different things would carry one name.

    Notes
    -----
    O(towers * (nodes + edges)) time.

    Examples
    --------
    >>> data, weight = Node("null", "data", outputs=("data",)), Node("null", "w", outputs=("w",))
    >>> product = Node("dot", "fc", (Entry(0), Entry(1)), outputs=("fc_output",))
    >>> graph_of_towers(Graph((data, weight, product), (Entry(2),)), ["l_", "r_"], {0})
    Graph of 5 nodes
      0: l_data = null()
      1: w = null()
      2: l_fc = dot(0, 1)
      3: r_data = null()
      4: r_fc = dot(3, 1)
      returns 2, 4
    """
    _check_names(graph, prefixes, own)
    nodes: list[Node] = []
    outputs: list[Entry] = []
    calls: list[Call] = []
    shared: dict[int, int] = {}
    for prefix in prefixes:
        place: list[int] = []  # where each node of the network is in this tower
        for i, node in enumerate(graph.nodes):
            if node.is_variable and i not in own:
                place.append(shared.setdefault(i, len(nodes)))
                if place[i] == len(nodes):
                    nodes.append(node)
            else:
                place.append(len(nodes))
                moved = node._replace(inputs=_moved(node.inputs, place), path=prefix + node.path if node.path else "")
                nodes.append(renamed_node(moved, prefix + node.name))
        outputs += _moved(graph.outputs, place)
        calls += [
            Call(prefix + call.path, _moved(call.inputs, place), _moved(call.outputs, place)) for call in graph.calls
        ]
    return Graph(tuple(nodes), tuple(outputs), graph.attrs, tuple(calls))


def _moved(entries: Sequence[Entry], place: Sequence[int]) -> tuple[Entry, ...]:
    return tuple([Entry(place[e.node], e.index) for e in entries])


def _check_names(graph: Graph, prefixes: Sequence[str], own: AbstractSet[int]) -> None:
    """Refuse a new name that a shared variable or a node of another tower has: MXNet would take the two for one."""
    kept = {node.name for i, node in graph.variables() if i not in own}
    copied = [node.name for i, node in enumerate(graph.nodes) if i in own or not node.is_variable]
    origin: dict[str, tuple[str, str]] = {}
    for prefix in prefixes:
        for name in copied:
            other = origin.setdefault(prefix + name, (prefix, name))
            if other[0] != prefix:
                also = f"as {other[1]!r} of tower {other[0]!r} is already"
            elif prefix + name in kept:
                also = "as a parameter or common input of the network is already"
            else:
                continue
            msg = (
                f"{name!r} of tower {prefix!r} would be called {prefix + name!r}, {also}.\n"
                f"  The prefixes are {', '.join(map(repr, prefixes))}.\n"
                "  Choose others with prefixes=(...); nothing was made."
            )
            raise NameConflictError(msg)
