"""What a network computes at inference, its values and its inputs: all that is exported, checked before anything is."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

import mxnet as mx
import numpy as np

from .attributes import check_attributes
from .codec import symbol_of_graph
from .cut import Cut, build_graph, check_not_fused, walk_back
from .errors import SubgraphError, UnknownNodeError, kind_of, mxnet_reason, nearest_names, shorten
from .graph import Entry, Graph, post_order
from .losses import label_variables
from .missing_operators import check_whole
from .network import Network
from .onnx_indices import index_ranges
from .shapes import infer_shapes
from .slots import parameters_by_slot
from .storage import values_of

__all__ = ["InferencePiece", "inference_piece", "infer_dtypes"]

_MOST_BYTES = 2**31 - 2**20  # a protobuf message ends at 2 GB; the megabyte is for all but the values


class InferencePiece(NamedTuple):
    """A network as it computes at inference: loss heads without their labels, and copies of its values."""

    graph: Graph
    inputs: dict[str, tuple[tuple[int, ...], np.dtype[Any]]]  # in the network's order, used or not
    outputs: tuple[str, ...]
    values: dict[str, Any]
    is_np: bool
    title: str

    def known_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every variable."""
        given = {name: shape for name, (shape, _) in self.inputs.items()}
        return {**{name: tuple(value.shape) for name, value in self.values.items()}, **given}

    def known_dtypes(self) -> dict[str, np.dtype[Any]]:
        """Return the dtype of every variable."""
        given = {name: dtype for name, (_, dtype) in self.inputs.items()}
        return {**{name: np.dtype(value.dtype) for name, value in self.values.items()}, **given}


def inference_piece(net: Any, shapes: Any) -> InferencePiece:
    """Return what `net` computes at inference for inputs of these shapes.

    Parameters
    ----------
    net : HybridBlock, SymbolBlock, (symbol, arg_params, aux_params), or pair of file paths
        A network whose parameters have values.
    shapes : mapping of str to shape, or shape
        The shape of every input; a single shape where there is one input.

    Raises
    ------
    UnknownNodeError
        `shapes` names an input the network does not have.
    BindingError
        A parameter has no value.
    SubgraphError
        `net` is no network with parameters, `shapes` lacks an input or does not fit, or the values exceed 2 GB.
    """
    network = Network.of(net)
    if network.is_bare:
        msg = (
            f"net is the Symbol {network.title!r} alone, without values.\n"
            "  Give (symbol, arg_params, aux_params), or a block; nothing was written."
        )
        raise SubgraphError(msg)
    check_whole(network.graph, network.title)
    names = _input_names(network)
    given = _checked_shapes(network, names, shapes)
    graph = _inference_graph(network, names)
    values = _values(network, graph, set(names))
    dtypes = _input_dtypes(graph, names, values, is_np=network.is_np)
    inputs = {name: (given[name], dtypes[name]) for name in names}
    outputs = tuple(network.symbol.list_outputs())
    piece = InferencePiece(graph, inputs, outputs, values, network.is_np, network.title)
    symbol = symbol_of_graph(graph, is_np=network.is_np)
    infer_shapes(symbol, graph, piece.known_shapes(), is_np=network.is_np)  # whether the shapes fit
    return piece


def _input_names(network: Network) -> list[str]:
    """Return the inputs in the order the network takes them; labels of loss heads are left out."""
    nodes = network.graph.nodes
    labels = {nodes[i].name for i in label_variables(network.graph)}
    names = network.argument_names or [nodes[i].name for i in sorted(network.data)]
    return [name for name in names if name not in labels]


def _checked_shapes(network: Network, names: Sequence[str], shapes: Any) -> dict[str, tuple[int, ...]]:
    if not isinstance(shapes, Mapping):
        if len(names) != 1 or not isinstance(shapes, (tuple, list)):
            example = ", ".join(f"{name!r}: (1, 3, 224, 224)" for name in names[:2])
            msg = (
                f"shapes={shapes!r} ({kind_of(shapes)}) is no mapping, and {network.title!r} has {len(names)} inputs:"
                f" {shorten(names)}.\n"
                f"  Give {{input name: shape}}, such as shapes={{{example}}}; nothing was written."
            )
            raise SubgraphError(msg)
        shapes = {names[0]: shapes}
    unknown = [name for name in shapes if name not in names]
    if unknown:
        nearest = nearest_names(str(unknown[0]), names) or names
        msg = (
            f"shapes names {shorten([str(n) for n in unknown])}, no input of {network.title!r}.\n"
            f"  Its inputs are {shorten(names)}.\n"
            f"  Nearest: {shorten(nearest)}; nothing was written."
        )
        raise UnknownNodeError(msg)
    lacking = [name for name in names if name not in shapes]
    if lacking:
        raise _lacks(network, lacking, len(names))
    return {name: _whole_shape(name, shapes[name], is_np=network.is_np) for name in names}


def _whole_shape(name: str, shape: Any, *, is_np: bool) -> tuple[int, ...]:
    """Return a shape, all of whose sizes are known."""
    is_sequence = isinstance(shape, Sequence) and not isinstance(shape, (str, bytes))
    sizes = tuple(shape) if is_sequence else ()
    if not is_sequence or not all(map(_is_size, sizes)) or not (sizes or is_np):  # () is known in NumPy mode only
        msg = (
            f"the shape of {name!r} is {shape!r}.\n"
            "  A file of mx.onnx holds for one shape: a tuple of whole numbers, each 1 or more, the batch size too.\n"
            f"  Give such as shapes={{{name!r}: (1, 3, 224, 224)}}; nothing was written."
        )
        raise SubgraphError(msg)
    return tuple(int(size) for size in sizes)


def _is_size(size: Any) -> bool:
    return isinstance(size, (int, np.integer)) and not isinstance(size, bool) and 0 < int(size) < 2**31


def _lacks(network: Network, lacking: Sequence[str], count: int) -> SubgraphError:
    slots = {network.graph.nodes[i].name for i in parameters_by_slot(network.graph, frozenset())}
    read = [name for name in lacking if name in slots]
    hint = f"  {read[0]!r} is read as a parameter but has no value.\n" if read else ""
    return SubgraphError(
        f"shapes lacks {len(lacking)} of {count} inputs of {network.title!r}: {shorten(lacking)}.\n{hint}"
        "  Give the shape of each input; list_nodes(net) prints them. Nothing was written."
    )


def _inference_graph(network: Network, names: Sequence[str]) -> Graph:
    """Return the network's graph with every loss head in its inference form."""
    graph = network.graph
    index = {node.name: i for i, node in graph.variables()}
    present = [name for name in names if name in index]
    cut = Cut(graph, tuple(Entry(index[name]) for name in present), graph.outputs, network.data)
    walk = walk_back(cut)
    piece = build_graph(cut, walk, present, [None] * len(graph.outputs))
    check_not_fused(piece)
    check_attributes(piece)
    return piece


def _values(network: Network, graph: Graph, inputs: set[str]) -> dict[str, Any]:
    auxiliary = frozenset(symbol_of_graph(graph, is_np=network.is_np).list_auxiliary_states())
    nodes = [node for _, node in graph.variables() if node.name not in inputs]
    parameters = {
        node.name: network.parameters.parameter_of(node, is_auxiliary=node.name in auxiliary, is_np=network.is_np)
        for node in nodes
    }
    sizes = [np.prod(p.shape, dtype=float) * np.dtype(p.dtype).itemsize for p in parameters.values() if p.shape]
    if sum(sizes) > _MOST_BYTES:
        msg = (
            f"the {len(sizes)} parameters of {network.title!r} take {sum(sizes) / 2**30:.1f} GB.\n"
            "  An ONNX file holds 2 GB at most.\n"
            "  Extract pieces and export each, or cast to float16; nothing was written."
        )
        raise SubgraphError(msg)
    return {name: value.as_nd_ndarray() for name, value in values_of(parameters).items()}


def _input_dtypes(
    graph: Graph, names: Sequence[str], values: Mapping[str, Any], *, is_np: bool
) -> dict[str, np.dtype[Any]]:
    """Return the dtype of each input: what its readers require, else the narrowest of the parameters that fits.

    In a network of half precision the parameters of BatchNorm are wider than the data, and indices are, too.
    """
    known = {name: np.dtype(value.dtype) for name, value in values.items()}
    index = {node.name: Entry(i) for i, node in graph.variables()}
    try:
        found = infer_dtypes(graph, known, is_np=is_np)
    except SubgraphError:  # some operators refuse to infer what they read
        found = {}
    required = {name: found[index[name]] for name in names if index.get(name) in found}
    indices = {name for name, numbers in index_ranges(graph, {}).items() if numbers.is_index}
    kinds = {dtype for dtype in known.values() if dtype.kind == "f"} or {np.dtype("float32")}
    reason: SubgraphError | None = None
    for usual in sorted(kinds, key=lambda dtype: dtype.itemsize):
        whole = np.dtype("float32") if usual.itemsize < 4 else usual  # half precision has no index above 2048
        given = {name: required.get(name, whole if name in indices else usual) for name in names}
        try:
            infer_dtypes(graph, {**known, **given}, is_np=is_np)
        except SubgraphError as error:
            reason = error
        else:
            return given
    raise reason  # type: ignore[misc]  # there is at least one kind


def infer_dtypes(graph: Graph, known: Mapping[str, np.dtype[Any]], *, is_np: bool) -> dict[Entry, np.dtype[Any]]:
    """Return the dtype of each visible entry that can be inferred from those of variables."""
    internals = symbol_of_graph(graph, is_np=is_np).get_internals()
    taken = set(internals.list_inputs()) - {"self", "partial"}  # MXNet takes dtypes as keyword arguments
    given = {name: dtype for name, dtype in known.items() if name in taken}
    try:
        _, types, _ = internals.infer_type_partial(**given)
    except mx.MXNetError as error:
        reason = mxnet_reason(error)
        msg = f"the dtypes of the parameters do not fit the network.\n  MXNet says: {reason}\n  Nothing was written."
        raise SubgraphError(msg) from None
    entries = [Entry(i, j) for i in post_order(graph) for j in range(len(graph.nodes[i].outputs))]
    return {entry: np.dtype(kind) for entry, kind in zip(entries, types or ()) if kind is not None}
