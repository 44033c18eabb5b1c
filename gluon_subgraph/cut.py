"""The cut: from the entries a user names to the graph between them.

One walk back from the outputs, with an explicit stack, that stops at the inputs. Every data variable it meets is a
leak: a path that walks around the cut. The cost is linear in the nodes kept; besides, the results of each call of a
block are looked up once.
"""

from __future__ import annotations

from typing import AbstractSet, Mapping, NamedTuple, Sequence

from .errors import NameConflictError, SubgraphError
from .graph import CONTROL_FLOW, VARIABLE, Call, Entry, Graph, Node
from .losses import LABEL_SLOT, inference_form, is_loss_head
from .missing_operators import MISSING

__all__ = ["Cut", "Walk", "walk_back", "build_graph", "check_not_fused"]


class Cut(NamedTuple):
    """What to cut out: where it starts, where it ends, and which variables are data."""

    graph: Graph
    inputs: tuple[Entry, ...]
    outputs: tuple[Entry, ...]
    data: AbstractSet[int]  # variables that are not parameters


class Walk(NamedTuple):
    """What a walk back from the outputs met."""

    kept: list[int]  # nodes in depth-first post-order, as MXNet orders them; inputs that are variables left out
    read: AbstractSet[Entry]  # inputs that a kept node reads
    leaks: list[int]  # data variables that are not inputs
    heads: AbstractSet[int]  # loss heads whose label is not given: they take their inference form

    def inputs_of(self, node: Node, index: int) -> tuple[Entry, ...]:
        """Return the entries a kept node reads, the label of an unlabelled head left out."""
        return node.inputs[:1] if index in self.heads else node.inputs


def walk_back(cut: Cut) -> Walk:
    """Return all that the outputs need, down to the inputs, the parameters and the leaks.

    Notes
    -----
    A loss head is kept as it is when its label can be computed from the inputs, and loses its label otherwise.
    O(nodes and edges kept) time; no recursion.
    """
    nodes = cut.graph.nodes
    stops = frozenset(cut.inputs)
    kept: list[int] = []
    leaks: list[int] = []
    heads: set[int] = set()
    read = set()
    closed: dict[int, bool] = {}
    seen = set()
    for output in cut.outputs:
        if output in stops or output.node in seen:
            continue
        seen.add(output.node)
        stack = [(output.node, iter(_read_by(cut, output.node, stops, heads, closed)))]
        while stack:
            index, pending = stack[-1]
            for entry in pending:
                if entry in stops:
                    read.add(entry)
                elif entry.node not in seen:
                    seen.add(entry.node)
                    stack.append((entry.node, iter(_read_by(cut, entry.node, stops, heads, closed))))
                    break
            else:
                stack.pop()
                kept.append(index)
                if nodes[index].op == VARIABLE and index in cut.data:
                    leaks.append(index)
    return Walk(kept, read, leaks, heads)


def _read_by(
    cut: Cut, index: int, stops: AbstractSet[Entry], heads: set[int], closed: dict[int, bool]
) -> tuple[Entry, ...]:
    """Return the inputs of a node; a loss head whose label is open is noted in `heads` and loses the label."""
    node = cut.graph.nodes[index]
    if is_loss_head(node) and not _is_closed(cut, node.inputs[LABEL_SLOT], stops, closed):
        heads.add(index)
        return node.inputs[:LABEL_SLOT]
    return node.inputs


def _is_closed(cut: Cut, entry: Entry, stops: AbstractSet[Entry], closed: dict[int, bool]) -> bool:
    """Return whether `entry` can be computed from the inputs and parameters alone; `closed` remembers it per node."""
    if entry in stops:
        return True
    stack = [entry.node]
    while stack:
        index = stack[-1]
        is_data = index in cut.data
        below = () if is_data else [e.node for e in cut.graph.nodes[index].inputs if e not in stops]
        pending = [] if index in closed else [i for i in below if i not in closed]
        if pending:
            stack.extend(pending)
        else:
            closed[index] = not is_data and all(closed[i] for i in below)
            stack.pop()
    return closed[entry.node]


def build_graph(cut: Cut, walk: Walk, input_names: Sequence[str], output_names: Sequence[str | None]) -> Graph:
    """Return the graph between the inputs and outputs of a closed cut.

    Each input becomes a variable of the name given for it; an output that is given a name is passed through an
    identity of that name. Everything else keeps its name, attributes and order.

    Raises
    ------
    NameConflictError
        A name given is already taken.
    """
    nodes = cut.graph.nodes
    new_nodes: list[Node] = []
    new_entry: dict[Entry, Entry] = {}
    for entry, name in zip(cut.inputs, input_names):
        new_entry[entry] = Entry(len(new_nodes))
        old = nodes[entry.node]
        attrs = {k: v for k, v in old.attrs.items() if k != MISSING} if old.op == VARIABLE else {}
        new_nodes.append(Node(VARIABLE, name, (), attrs, (), (name,), 0, ""))
    new_index: dict[int, int] = {}
    for index in walk.kept:
        node = nodes[index]
        entries = walk.inputs_of(node, index)
        inputs = tuple([new_entry.get(e) or Entry(new_index[e.node], e.index) for e in entries])
        added = [node._replace(inputs=inputs)]
        if index in walk.heads:
            added = inference_form(new_nodes, added[0], len(new_nodes))
        new_nodes += added
        new_index[index] = len(new_nodes) - 1
    outputs = [new_entry.get(e) or Entry(new_index[e.node], e.index) for e in cut.outputs]
    _check_variable_names(new_nodes, len(cut.inputs))
    outputs = _named_outputs(new_nodes, outputs, output_names)
    calls = _kept_calls(cut.graph.calls, new_entry, new_index)
    return Graph(tuple(new_nodes), tuple(outputs), cut.graph.attrs, calls)


def _kept_calls(
    calls: Sequence[Call], new_entry: Mapping[Entry, Entry], new_index: Mapping[int, int]
) -> tuple[Call, ...]:
    """Return the calls whose results are in the piece, so that the paths of their blocks still name them."""

    def is_here(entry: Entry) -> bool:
        return entry in new_entry or entry.node in new_index

    def moved(entries: Sequence[Entry]) -> tuple[Entry, ...]:
        return tuple([new_entry.get(e) or Entry(new_index[e.node], e.index) for e in entries if is_here(e)])

    kept = [call for call in calls if all(map(is_here, call.outputs))]
    return tuple([Call(call.path, moved(call.inputs), moved(call.outputs)) for call in kept])


def _named_outputs(nodes: list[Node], outputs: Sequence[Entry], names: Sequence[str | None]) -> list[Entry]:
    """Return `outputs`, those with a name led through an identity that is added to `nodes`."""
    taken = {node.name for node in nodes} if any(names) else set()
    named = []
    for entry, name in zip(outputs, names):
        if name is None:
            named.append(entry)
            continue
        if name in taken:
            msg = (
                f"output name {name!r} is already the name of a node of the subgraph.\n"
                "  Choose another name for it; nothing was changed."
            )
            raise NameConflictError(msg)
        taken.add(name)
        named.append(Entry(len(nodes)))
        nodes.append(Node("_copy", name, (entry,), {}, (), (f"{name}_output",), 0, ""))
    return named


def _check_variable_names(nodes: Sequence[Node], input_count: int) -> None:
    """Refuse an input that carries the name of another variable: MXNet would bind one array to both."""
    taken = {node.name for node in nodes[input_count:] if node.op == VARIABLE}
    for i, node in enumerate(nodes[:input_count]):
        if node.name in taken:
            other = "another input" if any(node.name == n.name for n in nodes[:i]) else "a parameter of the subgraph"
            msg = (
                f"input name {node.name!r} is also the name of {other}.\n"
                "  Give the input another name with a dict: inputs={'new_name': tensor}; nothing was changed."
            )
            raise NameConflictError(msg)
        taken.add(node.name)


def check_not_fused(graph: Graph) -> None:
    """Refuse a graph that a backend has fused: its gradients are silently zero.

    Raises
    ------
    SubgraphError
        An operator holds a fused body and is neither control flow nor quantised.
    """
    fused = [n for n in graph.nodes if n.bodies and n.op not in CONTROL_FLOW and n.attrs.get("quantized") != "true"]
    if fused:
        msg = (
            f"{len(fused)} operators of the subgraph are fused by a backend, the first is {fused[0].name!r}"
            f" ({fused[0].op}).\n"
            "  A fused operator has no gradient and cannot be cut; the layers inside it are gone.\n"
            "  Extract from the network as it was before hybridize(backend=...) or optimize_for; nothing was changed."
        )
        raise SubgraphError(msg)
