"""list_nodes: what can be named in a network."""

from __future__ import annotations

import fnmatch
from typing import Any, Iterator, Mapping, NamedTuple, Sequence, overload

from .errors import SubgraphError, UnknownNodeError, kind_of, nearest_names, shorten
from .graph import Entry
from .missing_operators import missing_in
from .network import Network
from .shapes import checked_shape, infer_shapes
from .tables import Table

__all__ = ["NodeInfo", "NodeList", "list_nodes", "tensor_shapes"]


class NodeInfo(NamedTuple):
    """One data input or operator of a network."""

    name: str  # finds the node again, also where several nodes share a name
    op: str  # "input" for a data variable; "(missing)" follows one that this MXNet lacks
    inputs: tuple[str, ...]  # tensors it reads, parameters left out
    outputs: tuple[str, ...]
    parameters: tuple[str, ...]  # variables it reads that are parameters
    path: str  # dotted path of the block it belongs to
    shape: Any  # of its output; a tuple of shapes where there are several; None if not known


class NodeList(Sequence[NodeInfo]):
    """The nodes of a network in execution order; prints as a table."""

    def __init__(self, nodes: Sequence[NodeInfo], title: str, match: str | None = None) -> None:
        self._nodes = tuple(nodes)
        self._title = title
        self._match = match

    def __len__(self) -> int:
        return len(self._nodes)

    def __iter__(self) -> Iterator[NodeInfo]:
        return iter(self._nodes)

    @overload
    def __getitem__(self, index: int) -> NodeInfo: ...

    @overload
    def __getitem__(self, index: slice) -> NodeList: ...

    def __getitem__(self, index: int | slice) -> NodeInfo | NodeList:
        if isinstance(index, slice):
            return NodeList(self._nodes[index], self._title)
        return self._nodes[index]

    def __eq__(self, other: object) -> bool:
        return self._nodes == tuple(other) if isinstance(other, (NodeList, tuple, list)) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._nodes)

    def __repr__(self) -> str:
        if self._nodes:
            return str(self.table())
        if self._match is None:
            return f"no node of {self._title!r}"
        wide = f"*{self._match.strip('*')}*"
        way = f" Use match={wide!r} to match anywhere." if self._match != wide else ""
        return (
            f"no node of {self._title!r} matches {self._match!r}.\n  A glob matches the whole name.{way}\n"
            "  list_nodes(net) prints every name."
        )

    def _repr_html_(self) -> str:
        return self.table().html()

    def table(self) -> Table:
        """Return the nodes as a table, without the columns that are empty."""
        rows = [
            [n.name, n.op, "" if n.shape is None else n.shape, n.path, len(n.parameters) or "", _read(n.inputs)]
            for n in self._nodes
        ]
        headers = ["name", "operator", "shape", "block", "parameters", "reads"]
        used = [i for i in range(len(headers)) if i in (0, 1) or any(row[i] != "" for row in rows)]
        return Table(
            [headers[i] for i in used],
            [[row[i] for i in used] for row in rows],
            numbers=[k for k, i in enumerate(used) if i == 4],
        )


def _read(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{names[0]}, {names[1]} and {len(names) - 2} more"


def list_nodes(net: Any, *, match: str | None = None, shapes: Mapping[str, Sequence[int]] | None = None) -> NodeList:
    """Return the data inputs and operators of a network, in execution order.

    Parameters are not listed on their own but with the operator that reads them; they can be named all the same.
    `net` is not changed.

    Parameters
    ----------
    net : HybridBlock, SymbolBlock, Symbol, (symbol, arg_params, aux_params), or pair of file paths
        The network; it need not be initialised.
    match : str, optional
        A glob; only nodes whose name, with or without the network's prefix, or block path matches are returned.
    shapes : mapping of str to shape, optional
        Shapes of the inputs, such as ``{"data": (1, 3, 224, 224)}`` (batch, channels, height, width); the
        shapes of all tensors are inferred from them.

    Returns
    -------
    NodeList
        A sequence of NodeInfo that prints as a table.

    Raises
    ------
    UnknownNodeError
        `shapes` names a variable the network does not have.
    SubgraphError
        `net` cannot be traced or read, or the shapes do not fit.

    Examples
    --------
    >>> import gluon_subgraph as gs, mxnet as mx
    >>> net = mx.gluon.nn.HybridSequential(prefix="n_")
    >>> with net.name_scope():
    ...     net.add(mx.gluon.nn.Dense(4, activation="relu"), mx.gluon.nn.Dense(2))
    >>> gs.list_nodes(net, shapes={"data": (1, 3)})
    name               operator        shape   block  parameters  reads
    data               input           (1, 3)
    n_dense0_fwd       FullyConnected  (1, 4)  0               2  data
    n_dense0_relu_fwd  Activation      (1, 4)  0.act              n_dense0_fwd
    n_dense1_fwd       FullyConnected  (1, 2)  1               2  n_dense0_relu_fwd
    """
    if match is not None and not isinstance(match, str):
        msg = f"match={match!r} is no text.\n  Give a glob, such as match='*conv*'; nothing was changed."
        raise SubgraphError(msg)
    network = Network.of(net)
    graph, names, data = network.graph, network.names, network.data
    shape_of = {} if shapes is None else tensor_shapes(network, shapes)
    missing = {i: f"{op} (missing)" for i, op in missing_in(graph).items()}
    found: list[NodeInfo] = []
    for i, node in enumerate(graph.nodes):
        if node.is_variable and i not in data:
            continue
        reads = [e for e in node.inputs if not graph.nodes[e.node].is_variable or e.node in data]
        tensors = frozenset(reads)
        parameters = [graph.nodes[e.node].name for e in node.inputs if e not in tensors]
        entries = [Entry(i, j) for j in range(len(node.outputs))]
        own_shapes = tuple(shape_of.get(e) for e in entries)
        info = NodeInfo(
            names.node_name(i),
            missing.get(i, "input") if node.is_variable else node.op,
            tuple(names.name_of(e) for e in reads),
            tuple(names.output_name(e) for e in entries),
            tuple(parameters),
            node.path,
            own_shapes[0] if len(own_shapes) == 1 else None if None in own_shapes else own_shapes,
        )
        if match is None or any(fnmatch.fnmatchcase(name, match) for name in _spellings(info, names.prefix)):
            found.append(info)
    return NodeList(found, network.title, match)


def _spellings(info: NodeInfo, prefix: str) -> tuple[str, ...]:
    """Return what a glob may match of a node: its name, that without the network's prefix, its block path."""
    is_longer = info.name.startswith(prefix) and info.name != prefix
    return (info.name, info.name[len(prefix) :], info.path) if is_longer else (info.name, info.path)


def tensor_shapes(network: Network, shapes: Mapping[str, Sequence[int]]) -> dict[Entry, tuple[int, ...]]:
    """Return the shapes of all tensors, parameters among them, that follow from those of the inputs.

    Raises
    ------
    UnknownNodeError, SubgraphError
        As for `list_nodes`.
    """
    if not isinstance(shapes, Mapping):
        msg = (
            f"shapes={shapes!r} ({kind_of(shapes)}) is no mapping.\n"
            "  Give {input name: shape}, such as shapes={'data': (1, 3, 224, 224)}; nothing was changed."
        )
        raise SubgraphError(msg)
    known = {**network.known_shapes(), **_checked_shapes(network, shapes)}
    return infer_shapes(network.symbol, network.graph, known, is_np=network.is_np)


def _checked_shapes(network: Network, shapes: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
    variables = {node.name for _, node in network.graph.variables()}
    unknown = [name for name in shapes if name not in variables]
    if unknown:
        inputs = [network.graph.nodes[i].name for i in sorted(network.data)]
        nearest = nearest_names(str(unknown[0]), variables) or inputs
        msg = (
            f"shapes names {unknown[0]!r}, which is no variable of {network.title!r}.\n"
            f"  Nearest: {shorten(nearest)}. Its inputs are {shorten(inputs)}.\n"
            "  Give shapes={input name: shape}; nothing was changed."
        )
        raise UnknownNodeError(msg)
    return {name: checked_shape(name, shape) for name, shape in shapes.items()}
