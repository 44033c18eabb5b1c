"""A computation graph as plain data: no MXNet, no arrays, no behaviour beyond looking things up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Collection, Iterator, Mapping, NamedTuple

__all__ = [
    "Entry",
    "Node",
    "Graph",
    "Call",
    "VARIABLE",
    "CONTROL_FLOW",
    "post_order",
    "owner_of_body_node",
    "bodies_below",
    "renamed_node",
    "is_usable_name",
]

VARIABLE = "null"  # what Symbol JSON calls the operator of a variable
CONTROL_FLOW = frozenset({"_foreach", "_while_loop", "_cond"})


class Entry(NamedTuple):
    """One value of the graph: output number `index` of node number `node`."""

    node: int
    index: int = 0  # type: ignore[assignment]  # shadows tuple.index, which nobody needs here


class Node(NamedTuple):
    """An operator or a variable. `attrs` is shared between graphs and never edited in place."""

    op: str
    name: str
    inputs: tuple[Entry, ...] = ()
    attrs: dict[str, str] = {}  # noqa: RUF012 - a NamedTuple default, replaced and never edited
    bodies: tuple[dict[str, Any], ...] = ()  # control-flow bodies, verbatim Symbol JSON
    outputs: tuple[str, ...] = ()  # visible output names; a variable's is its own name
    hidden: int = 0  # outputs after the visible ones, such as the batch mean of BatchNorm
    path: str = ""  # dotted path of the block whose call made the node

    @property
    def is_variable(self) -> bool:
        """Whether the node is a variable: a data input or a parameter."""
        return self.op == VARIABLE

    @property
    def output_count(self) -> int:
        """Number of outputs, hidden ones included: the bound of an entry's index."""
        return len(self.outputs) + self.hidden


class Call(NamedTuple):
    """One call of a block while its network was traced: the entries it was given and those it returned."""

    path: str  # dotted path of the block; "" is the network itself
    inputs: tuple[Entry, ...]
    outputs: tuple[Entry, ...]


@dataclass(frozen=True)
class Graph:
    """Nodes in topological order (inputs before their consumers) and the entries a graph returns.

    Two variables never carry one name; operators may (a block called twice repeats its names).
    """

    nodes: tuple[Node, ...]
    outputs: tuple[Entry, ...]
    attrs: dict[str, Any] = field(default_factory=dict)  # graph attributes of Symbol JSON: version, NumPy shapes
    calls: tuple[Call, ...] = ()  # of the blocks it was traced from, where that is known

    def __len__(self) -> int:
        return len(self.nodes)

    def variables(self) -> Iterator[tuple[int, Node]]:
        """Yield (index, node) of each variable, in topological order."""
        return ((i, node) for i, node in enumerate(self.nodes) if node.op == VARIABLE)

    def __repr__(self) -> str:
        lines = [f"Graph of {len(self.nodes)} nodes"]
        for i, node in enumerate(self.nodes):
            inputs = ", ".join(f"{e.node}" if e.index == 0 else f"{e.node}[{e.index}]" for e in node.inputs)
            lines.append(f"  {i}: {node.name} = {node.op}({inputs})")
        returned = ", ".join(f"{e.node}" if e.index == 0 else f"{e.node}[{e.index}]" for e in self.outputs)
        return "\n".join([*lines, f"  returns {returned}"])


def post_order(graph: Graph) -> list[int]:
    """Return the nodes the outputs need in depth-first post-order, the order in which MXNet lists them.

    O(nodes + edges) time; no recursion.
    """
    order: list[int] = []
    seen = set()
    for output in graph.outputs:
        if output.node in seen:
            continue
        seen.add(output.node)
        stack = [(output.node, iter(graph.nodes[output.node].inputs))]
        while stack:
            index, pending = stack[-1]
            for entry in pending:
                if entry.node not in seen:
                    seen.add(entry.node)
                    stack.append((entry.node, iter(graph.nodes[entry.node].inputs)))
                    break
            else:
                stack.pop()
                order.append(index)
    return order


def owner_of_body_node(graph: Graph, names: Collection[str]) -> int | None:
    """Return the first node whose body, or a body inside that, holds a node of one of `names`; None without one."""
    for i, node in enumerate(graph.nodes):
        if any(inner.get("name") in names for body in bodies_below(node) for inner in body.get("nodes", ())):
            return i
    return None


def bodies_below(node: Node) -> Iterator[Mapping[str, Any]]:
    """Yield the control-flow bodies of a node, and those inside them."""
    waiting: list[Mapping[str, Any]] = list(node.bodies)
    while waiting:
        body = waiting.pop()
        yield body
        for inner in body.get("nodes", ()):
            waiting.extend(inner.get("subgraphs", ()))


def renamed_node(node: Node, name: str) -> Node:
    """Return `node` under another name, which its outputs begin with as they began with the old one."""
    outputs = tuple([name + output[len(node.name) :] for output in node.outputs])
    return node._replace(name=name, outputs=outputs)


def is_usable_name(name: Any) -> bool:
    """Return whether MXNet can carry `name`: text that is not empty and can be encoded."""
    if not isinstance(name, str) or not name or "\0" in name:
        return False
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
