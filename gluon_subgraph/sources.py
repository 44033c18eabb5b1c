"""Any target or source of weights as one kind of value: what the matcher is told of it, and its values on demand."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any, Callable, Mapping

import mxnet as mx
from mxnet import gluon

from .errors import SubgraphError, kind_of
from .graph import Graph
from .headers import Values, header_of_parameter, joined, values_of_file, values_of_mapping
from .implied_shapes import implied_shapes
from .lazy_values import Header, LazyValues
from .network import Network
from .readers import load_symbol_file
from .shapes import infer_shapes
from .sides import Shape, Side

__all__ = ["Weights", "read_weights"]

_NUMBERS = re.compile(r"([0-9]+)")
_COUNTER = "num_batches_tracked"  # what torch counts in a normalisation, and saves among the parameters


@dataclass(frozen=True)
class Weights:
    """The parameters of a target or a source; their values stay where they are until `open_values` is called.

    Attributes
    ----------
    side : Side
        What the matcher is told.
    dtypes : dict of str to str or None
        The dtype of each parameter, by name, such as ``"float32"``.
    open_values : callable
        Returns a mapping of name to Parameter, NDArray, or anything that turns into a NumPy array.
    title : str
        What messages call it.
    kind : {"block", "arrays", "file", "symbol"}
        Where the values are; only those of the first two can be written.
    note : str
        Why only names are known of a block, where that is so.
    is_np : bool
        Whether the network computes with NumPy-style arrays.
    """

    side: Side
    dtypes: Mapping[str, str | None]
    open_values: Callable[[], Mapping[str, Any]]
    title: str
    kind: str
    note: str = ""
    is_np: bool = False


def read_weights(weights: Any, role: str) -> Weights:
    """Return the Weights of a target or source; `role` says which of the two messages are about.

    Parameters
    ----------
    weights : Block, Symbol, (symbol, arg_params, aux_params), (symbol file, params file), mapping, or path
        A mapping is one of name to anything with ``.shape`` and ``.dtype``; a path that of a ``.params``, ``.npz`` or
        ``.safetensors`` file, or of a folder with ``model.safetensors``.

    Raises
    ------
    SubgraphError, BindingError
        It is none of these, cannot be read, or holds one name twice.
    """
    if isinstance(weights, Weights):
        return weights
    if isinstance(weights, gluon.Block):
        return _of_block(weights)
    if isinstance(weights, mx.sym.Symbol):
        return _of_graph(Network.of(weights), Values({}, dict), "symbol")
    if isinstance(weights, LazyValues):
        return _of_names(values_of_mapping(weights, role), weights.title, "file")
    if isinstance(weights, (Mapping, gluon.ParameterDict)):
        return _of_names(values_of_mapping(weights, role), kind_of(weights), "arrays")
    if isinstance(weights, (str, os.PathLike)):
        path = os.fsdecode(weights)
        return _of_names(values_of_file(path), repr(path), "file")
    parts = list(weights) if isinstance(weights, (tuple, list)) else []
    if len(parts) == 2 and all(isinstance(p, (str, os.PathLike)) for p in parts):
        symbol = load_symbol_file(os.fsdecode(parts[0]))
        return _of_checkpoint(symbol, values_of_file(os.fsdecode(parts[1])), repr(os.fsdecode(parts[1])), "file")
    if len(parts) == 3 and isinstance(parts[0], mx.sym.Symbol):
        arrays = joined(*(values_of_mapping(part, role) for part in parts[1:]))
        return _of_checkpoint(parts[0], arrays, repr(parts[0].name or "checkpoint"), "arrays")
    msg = (
        f"{role} is a {kind_of(weights)}, which holds no parameters by name.\n"
        "  Give a Block, a Symbol, (symbol, arg_params, aux_params), (symbol file, params file), a mapping of name"
        " to array, or the path of a .params, .npz or .safetensors file; nothing was loaded."
    )
    raise SubgraphError(msg)


def _of_block(block: gluon.Block) -> Weights:
    """Return the Weights of a block: with its graph where it can be traced, else by names, and why."""
    paths = {} if isinstance(block, gluon.SymbolBlock) else block._collect_params_with_prefix()
    try:
        parameters = dict(block.collect_params().items())
    except AssertionError:  # two Parameters of one name: only their structural names tell them apart
        parameters, paths = paths, {}
    path_of_id = {id(p): path for path, p in reversed(list(paths.items()))}
    path_of_name = {name: path_of_id[id(p)] for name, p in parameters.items() if id(p) in path_of_id}
    headers = {name: header_of_parameter(p) for name, p in parameters.items()}
    values = Values(headers, lambda: parameters)
    note = "it is a plain Block, which computes in Python and has no graph"
    if isinstance(block, gluon.HybridBlock):
        try:
            return _of_graph(Network.of(block), values, "block", paths=path_of_name)
        except (SubgraphError, AssertionError) as error:
            note = " ".join(line.strip() for line in str(error).splitlines()[:2])
    title = repr(block.prefix or block.name or type(block).__name__)
    return _of_names(values, title, "block", paths=path_of_name, note=note)


def _of_checkpoint(symbol: mx.sym.Symbol, values: Values, title: str, kind: str) -> Weights:
    network = Network.of((symbol, values.headers, {}))
    return _of_graph(network, values, kind, title=title)


def _of_graph(
    network: Network, values: Values, kind: str, *, title: str = "", paths: Mapping[str, str] | None = None
) -> Weights:
    """Return the Weights of a network: all its parameters, in the order of definition, and its graph."""
    graph = network.graph
    data = {graph.nodes[i].name for i in network.data}
    headers = values.headers
    if network.is_bare:
        headers = {node.name: Header(None, None) for _, node in graph.variables()}
    headers = {name: header for name, header in headers.items() if name not in data}
    shapes = {name: header.shape for name, header in headers.items()}
    if any(not shape or 0 in shape for shape in shapes.values()):
        shapes = _with_inferred(network, graph, shapes)
    kept = {name: h for name, h in headers.items() if not _is_counter(name, h)}
    side = Side({name: shapes[name] for name in kept}, graph, paths or {})
    dtypes = {name: h.dtype for name, h in kept.items()}
    return Weights(side, dtypes, values.open_values, title or repr(network.title), kind, is_np=network.is_np)


def _of_names(
    values: Values, title: str, kind: str, *, paths: Mapping[str, str] | None = None, note: str = ""
) -> Weights:
    kept = {name: values.headers[name] for name in _as_counted(values.headers)}
    kept = {name: h for name, h in kept.items() if not _is_counter(name, h)}
    side = Side({name: h.shape for name, h in kept.items()}, None, paths or {})
    is_np = mx.util.is_np_array()
    return Weights(side, {name: h.dtype for name, h in kept.items()}, values.open_values, title, kind, note, is_np)


def _as_counted(names: Mapping[str, Any]) -> list[str]:
    """Return names in the order of their numbers where they come sorted as text: safetensors files are.

    Examples
    --------
    >>> _as_counted(dict.fromkeys(["a.10", "a.9", "b"])), _as_counted(dict.fromkeys(["b", "a.10", "a.9"]))
    (['a.9', 'a.10', 'b'], ['b', 'a.10', 'a.9'])
    """
    listed = list(names)
    if listed != sorted(listed):
        return listed
    return sorted(
        listed, key=lambda name: [int(part) if i % 2 else part for i, part in enumerate(_NUMBERS.split(name))]
    )


def _is_counter(name: str, header: Header) -> bool:
    """Return whether this is a step counter saved among the parameters: no layer of MXNet has such a parameter."""
    is_number = header.shape is not None and all(size == 1 for size in header.shape)
    return is_number and (name.rpartition(".")[2] == _COUNTER or (not header.shape and "int" in (header.dtype or "")))


def _with_inferred(network: Network, graph: Graph, shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return `shapes` with those that MXNet can tell from the graph alone, such as the units of a dense layer."""
    implied = implied_shapes(graph)
    shapes = {name: shape or implied.get(name) for name, shape in shapes.items()}
    known = {name: shape for name, shape in shapes.items() if shape and 0 not in shape}
    try:
        found = infer_shapes(network.symbol, graph, known, is_np=network.is_np)
    except SubgraphError:
        return dict(shapes)
    nodes = graph.nodes
    inferred = {nodes[e.node].name: shape for e, shape in found.items() if nodes[e.node].is_variable}
    return {name: _merged(shape, inferred.get(name)) for name, shape in shapes.items()}


def _merged(shape: Shape, other: Shape) -> Shape:
    """Return `shape` with what `other` knows of its unknown axes."""
    if not shape or not other or len(shape) != len(other):
        return shape or (None if other is None else tuple(max(size, 0) for size in other))
    return tuple(size or max(more, 0) for size, more in zip(shape, other))
