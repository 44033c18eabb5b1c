"""Why a cut cannot be made, and the smallest change that would make it one."""

from __future__ import annotations

from typing import NoReturn, Sequence

import networkx as nx
from networkx.algorithms.flow import shortest_augmenting_path

from .cut import Cut, Walk
from .errors import OpenCutError, SubgraphError, shorten
from .graph import Entry, Graph
from .missing_operators import missing_in
from .names import NameIndex

__all__ = ["ancestors", "check_boundary", "check_no_operator_is_missing", "smallest_repair", "raise_open_cut"]

_SOURCE, _SINK = "source", "sink"


def check_boundary(cut: Cut, walk: Walk, names: NameIndex) -> None:
    """Refuse an input that no kept operator reads, and say which of the possible mistakes it is.

    Raises
    ------
    SubgraphError
        The input is the output itself, lies downstream of an output, reaches no output, or is hidden behind
        the other inputs.
    """
    unread = [e for e in cut.inputs if e not in walk.read]
    if not unread:
        return
    entry = unread[0]
    name = names.name_of(entry)
    if entry in cut.outputs:
        msg = (
            f"input {name!r} is itself an output, and no operator lies between.\n"
            "  The name of a node means the value it computes: inputs='A', outputs='D' is the piece after A, up to"
            " and with D.\n"
            f"  {_start_before(cut, entry, names)}; nothing was changed."
        )
        raise SubgraphError(msg)
    above = ancestors(cut.graph, [entry])
    for output in cut.outputs:
        if output in above:
            msg = (
                f"output {names.name_of(output)!r} lies upstream of input {name!r}.\n"
                "  Data flows from inputs to outputs; this output is computed before that input.\n"
                "  Swap the two, or choose an output further down; nothing was changed."
            )
            raise SubgraphError(msg)
    outputs = shorten([names.name_of(e) for e in cut.outputs])
    if entry in ancestors(cut.graph, cut.outputs):
        others = shorten([names.name_of(e) for e in cut.inputs if e != entry])
        msg = (
            f"input {name!r} is not used: every path from it to {outputs} crosses another input ({others}).\n"
            f"  Leave {name!r} out of inputs; nothing was changed."
        )
    else:
        msg = (
            f"input {name!r} does not reach {outputs}.\n"
            f"  No path leads from it to an output. Choose an input that {outputs} depends on;"
            " nothing was changed."
        )
    raise SubgraphError(msg)


def check_no_operator_is_missing(cut: Cut, walk: Walk, names: NameIndex) -> None:
    """Refuse a piece that needs what an operator returns which this MXNet lacks.

    Raises
    ------
    OpenCutError
        There is such an operator between the inputs and the outputs.
    """
    missing = missing_in(cut.graph) if walk.leaks else {}
    leaks = [i for i in walk.leaks if i in missing]
    if not leaks:
        return
    needed = [names.node_name(i) for i in leaks]
    given = [names.name_of(e) for e in cut.inputs]
    msg = (
        f"{shorten([names.name_of(e) for e in cut.outputs])} needs {shorten(needed)}, which the operator"
        f" {missing[leaks[0]]!r} computes.\n"
        f"  This MXNet lacks it, so that it cannot stand between the inputs, {shorten(given)}, and the outputs.\n"
        f"  Add {shorten(needed, 8)} to inputs, or start there alone; nothing was changed."
    )
    raise OpenCutError(msg, tuple(needed), tuple(needed))


def _start_before(cut: Cut, entry: Entry, names: NameIndex) -> str:
    producers = [e for e in cut.graph.nodes[entry.node].inputs if not cut.graph.nodes[e.node].is_variable]
    producers += [e for e in cut.graph.nodes[entry.node].inputs if e.node in cut.data]
    if not producers:
        return "Choose an output further down"
    before = names.name_of(producers[0])
    return f"To keep {names.name_of(entry)!r} itself, start at the value entering it: inputs={before!r}"


def ancestors(graph: Graph, entries: Sequence[Entry]) -> set[Entry]:
    """Return `entries` and every entry they are computed from, through the whole graph."""
    seen = set(entries)
    stack = list(entries)
    while stack:
        for below in graph.nodes[stack.pop().node].inputs:
            if below not in seen:
                seen.add(below)
                stack.append(below)
    return seen


def raise_open_cut(cut: Cut, walk: Walk, names: NameIndex, hint: str = "") -> NoReturn:
    """Raise the OpenCutError of an open cut: the leak, a path around the cut, and the smallest repair."""
    leak = walk.leaks[0]
    path = _path_from(cut, walk, leak)
    repair = smallest_repair(cut, walk)
    repair_names = [names.name_of(e) for e in repair]
    given = [names.name_of(e) for e in cut.inputs]
    others = f" (and {shorten([names.node_name(n) for n in walk.leaks[1:]])})" if len(walk.leaks) > 1 else ""
    does_not = "does not close the cut" if len(given) == 1 else "do not close the cut"
    alternative = _bottleneck(cut, walk)
    or_start = f", or start at {names.name_of(alternative)!r} alone" if alternative else ""
    msg = (
        f"input{'s' if len(given) > 1 else ''} {shorten(given)} {does_not}: {names.node_name(leak)!r}{others}"
        f" still reaches output {names.name_of(path[-1])!r}.\n"
        f"  Path: {_shown_path(cut, walk, path, names)}\n"
        f"  Add {shorten(repair_names, 8)} to inputs (open_cut='add' does so){or_start};{hint} nothing was changed."
    )
    raise OpenCutError(msg, tuple(names.node_name(n) for n in walk.leaks), tuple(repair_names))


def _shown_path(cut: Cut, walk: Walk, path: Sequence[Entry], names: NameIndex) -> str:
    """Return a path as text: its ends, and where it joins what the inputs lead to."""
    _, on_input = _dependence(cut, walk)
    joint = next((i for i, e in enumerate(path) if e.node in on_input), 1)
    marked = {0, 1, joint - 1, joint, len(path) - 1}
    shown: list[str] = []
    for i, entry in enumerate(path):
        if i in marked or {i - 1, i + 1} <= marked:  # one name takes no more room than the dots for it
            shown.append(names.name_of(entry))
        elif shown[-1] != "...":
            shown.append("...")
    return " -> ".join(shown)


def _path_from(cut: Cut, walk: Walk, leak: int) -> list[Entry]:
    """Return a shortest path of entries from a leak to an output, around the inputs."""
    stops = set(cut.inputs)
    next_of: dict[Entry, Entry | None] = {e: None for e in cut.outputs if e not in stops}
    queue = list(next_of)
    for entry in queue:  # grows while it is read
        if entry.node == leak:
            break
        for below in walk.inputs_of(cut.graph.nodes[entry.node], entry.node):
            if below not in stops and below not in next_of:
                next_of[below] = entry
                queue.append(below)
    path: list[Entry] = [entry]
    while next_of[path[-1]] is not None:
        path.append(next_of[path[-1]])  # type: ignore[arg-type]
    return path


def _dependence(cut: Cut, walk: Walk) -> tuple[set[int], set[int]]:
    """Return the kept nodes that depend on a leak, and those that depend on an input."""
    stops = set(cut.inputs)
    on_leak, on_input = set(walk.leaks), set()
    for index in walk.kept:
        for entry in walk.inputs_of(cut.graph.nodes[index], index):
            if entry in stops:
                on_input.add(index)
                continue
            if entry.node in on_leak:
                on_leak.add(index)
            if entry.node in on_input:
                on_input.add(index)
    return on_leak, on_input


def smallest_repair(cut: Cut, walk: Walk) -> list[Entry]:
    """Return the fewest further inputs that close the cut, as far down as possible.

    A minimum vertex cut between the leaks and the operators that also depend on an input (or the outputs), over
    the entries that depend on no input; of several, the one nearest to those operators.

    References
    ----------
    .. [1] L. R. Ford and D. R. Fulkerson, "Maximal flow through a network", Canadian Journal of Mathematics 8,
       1956; the vertex form splits each vertex in two (Menger's theorem).
    """
    stops, ends = set(cut.inputs), set(cut.outputs)
    on_leak, on_input = _dependence(cut, walk)
    flow = nx.DiGraph()
    splittable: dict[Entry, tuple[str, Entry]] = {}

    def entering(entry: Entry) -> tuple[str, Entry]:
        if entry not in splittable:
            splittable[entry] = ("in", entry)
            is_leak = entry.node in cut.data
            bound = {} if entry in ends and not is_leak else {"capacity": 1}
            flow.add_edge(("in", entry), ("out", entry), **bound)
            flow.add_edge(_SOURCE if is_leak else ("node", entry.node), ("in", entry))
            if entry in ends:
                flow.add_edge(("out", entry), _SINK)
        return splittable[entry]

    for index in walk.kept:
        if index in on_leak:
            for entry in walk.inputs_of(cut.graph.nodes[index], index):
                if entry not in stops and entry.node in on_leak and entry.node not in on_input:
                    entering(entry)
                    flow.add_edge(("out", entry), _SINK if index in on_input else ("node", index))
    for entry in cut.outputs:
        if entry not in stops and entry.node in on_leak and entry.node not in on_input:
            entering(entry)
    _, (_, below) = nx.minimum_cut(flow, _SOURCE, _SINK, flow_func=shortest_augmenting_path)
    return sorted(e for e in splittable if ("in", e) not in below and ("out", e) in below)


def _bottleneck(cut: Cut, walk: Walk) -> Entry | None:
    """Return the first entry that depends on an input and through which everything below it passes, or None.

    In post-order, the entries computed so far and still to be read form a cut; one entry alone is a bottleneck.
    """
    on_leak, on_input = _dependence(cut, walk)
    carrying = on_leak | on_input
    starts, ends = frozenset(cut.inputs), frozenset(cut.outputs)
    last_read: dict[Entry, int] = {}
    for position, index in enumerate(walk.kept):
        for entry in walk.inputs_of(cut.graph.nodes[index], index):
            if entry.node in carrying or entry in starts:
                last_read[entry] = position
    for entry in cut.outputs:
        last_read[entry] = len(walk.kept)
    by_node: dict[int, list[Entry]] = {}
    for entry in last_read:
        by_node.setdefault(entry.node, []).append(entry)
    pending_leaks = len(walk.leaks)
    live = set(starts)
    for position, index in enumerate(walk.kept):
        pending_leaks -= index in cut.data
        for entry in walk.inputs_of(cut.graph.nodes[index], index):
            if last_read.get(entry) == position:
                live.discard(entry)
        live.update(by_node.get(index, ()))
        if len(live) == 1 and not pending_leaks and index in on_input and position < len(walk.kept) - 1:
            (entry,) = live
            if entry.node == index and entry not in ends:
                return entry
    return None
