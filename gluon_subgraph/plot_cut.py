"""What a cut makes of a network, for its picture: what is kept, where the boundary is, and what leaks."""

from __future__ import annotations

from typing import Any, NamedTuple

from mxnet import gluon

from .block import SubgraphBlock
from .boundary import Boundary, boundaries_of_piece, find_boundary
from .cut import Cut, Walk, walk_back
from .errors import SubgraphError, UnknownNodeError, kind_of, shorten
from .graph import Entry
from .network import Network
from .repair import check_boundary, smallest_repair

__all__ = ["CutView", "view_of_cut"]


class CutView(NamedTuple):
    """A cut, as it is drawn.

    Attributes
    ----------
    inputs, outputs : tuple of Entry
        The boundary asked for.
    repair : tuple of Entry
        The further inputs that would close the cut; empty where it is closed.
    part_of_node : dict of int to str
        ``"kept"``, ``"boundary"`` for a data variable that is an input, ``"leak"`` or ``"rest"``.
    leaking : set of (int, int)
        The edges, from node to node, of a path from each leak to the tensor that would close it.
    """

    inputs: tuple[Entry, ...]
    outputs: tuple[Entry, ...]
    repair: tuple[Entry, ...]
    part_of_node: dict[int, str]
    leaking: frozenset[tuple[int, int]]


def view_of_cut(network: Network, cut: Any) -> CutView:
    """Return what there is to see of a cut: (inputs, outputs), a piece of the network, or one cut from it.

    Raises
    ------
    UnknownNodeError
        A name is not in the network; the piece was not cut from it.
    NameConflictError, SubgraphError
        As for `extract`, but not for an open cut: that is drawn.
    """
    given, wanted = _boundary(network, cut)
    whole = Cut(network.graph, tuple(given), tuple(wanted), network.data)
    walk = walk_back(whole)
    check_boundary(whole, walk, network.names)
    repair = tuple(smallest_repair(whole, walk)) if walk.leaks else ()
    closed = walk_back(whole._replace(inputs=(*whole.inputs, *repair))) if repair else walk
    nodes = network.graph.nodes
    parts = dict.fromkeys(range(len(nodes)), "rest")
    parts.update(dict.fromkeys(closed.kept, "kept"))
    parts.update((e.node, "boundary") for e in whole.inputs if nodes[e.node].is_variable)
    leaking, on_path = _leak_paths(whole, walk, repair)
    parts.update(dict.fromkeys((i for i in on_path if parts[i] == "rest"), "leak"))
    parts.update(dict.fromkeys(walk.leaks, "leak"))
    return CutView(whole.inputs, whole.outputs, repair, parts, leaking)


def _boundary(network: Network, cut: Any) -> tuple[list[Entry], list[Entry]]:
    if isinstance(cut, SubgraphBlock):
        return _boundary_of_block(network, cut)
    if isinstance(cut, gluon.Block):
        sides: tuple[Boundary, Boundary] = boundaries_of_piece(network, cut)
        return sides[0].entries, sides[1].entries
    if not isinstance(cut, (tuple, list)) or len(cut) != 2:
        msg = (
            f"cut is {cut!r} ({kind_of(cut)}), no cut.\n"
            "  Give (inputs, outputs) as extract takes them, a block of the network, or a piece that extract made;"
            " nothing was drawn."
        )
        raise SubgraphError(msg)
    return find_boundary(network, cut[0], "inputs").entries, find_boundary(network, cut[1], "outputs").entries


def _boundary_of_block(network: Network, piece: SubgraphBlock) -> tuple[list[Entry], list[Entry]]:
    """Return where a piece was cut out: what its inputs stand for is what the same operators read in the network."""
    indices_of_name: dict[str, list[int]] = {}
    for i, node in enumerate(network.graph.nodes):
        indices_of_name.setdefault(node.name, []).append(i)
    same: dict[int, int] = {}
    count: dict[str, int] = {}
    entry_of_input: dict[str, Entry] = {}
    nodes = piece.graph.nodes
    names = set(piece.input_names)
    for i, node in enumerate(nodes):
        if node.is_variable:
            continue
        number = count[node.name] = count.get(node.name, -1) + 1
        twins = [t for t in indices_of_name.get(node.name, ()) if network.graph.nodes[t].op == node.op]
        if number >= len(twins):
            continue
        same[i] = twins[number]
        for entry, other in zip(node.inputs, network.graph.nodes[same[i]].inputs):
            if nodes[entry.node].is_variable and nodes[entry.node].name in names:
                entry_of_input.setdefault(nodes[entry.node].name, other)
    outputs = []
    for entry in piece.graph.outputs:
        if entry.node not in same and nodes[entry.node].op == "_copy":
            entry = nodes[entry.node].inputs[0]
        outputs.append(entry)
    lost = [n for n in piece.input_names if n not in entry_of_input]
    lost += [nodes[e.node].name for e in outputs if e.node not in same]
    if lost:
        msg = (
            f"the piece was not cut from {network.title!r}: {shorten(lost)} cannot be found in it.\n"
            "  Give the network the piece comes from, or (inputs, outputs); nothing was drawn."
        )
        raise UnknownNodeError(msg)
    return [entry_of_input[n] for n in piece.input_names], [Entry(same[e.node], e.index) for e in outputs]


def _leak_paths(cut: Cut, walk: Walk, repair: tuple[Entry, ...]) -> tuple[frozenset[tuple[int, int]], set[int]]:
    """Return the edges and nodes of a shortest path from each leak to the repair; each node is followed once."""
    next_of: dict[int, int] = {}
    goals = dict.fromkeys(entry.node for entry in repair)  # in their order, which decides the path
    queue = list(goals)
    stops = set(cut.inputs)
    for index in queue:  # grows while it is read
        for entry in walk.inputs_of(cut.graph.nodes[index], index):
            if entry not in stops and entry.node not in next_of and entry.node not in goals:
                next_of[entry.node] = index
                queue.append(entry.node)
    edges = set()
    met = set()
    for index in walk.leaks:
        while index in next_of and index not in met:
            met.add(index)
            edges.add((index, next_of[index]))
            index = next_of[index]
        met.add(index)
    return frozenset(edges), met
