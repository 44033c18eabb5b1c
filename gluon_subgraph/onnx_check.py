"""Proof that an ONNX model computes what the network does: both run on the same inputs, values compared."""

from __future__ import annotations

from typing import Any, Callable

import mxnet as mx
import numpy as np
from mxnet import autograd

from .block import SubgraphBlock
from .codec import symbol_of_graph
from .errors import SubgraphError
from .graph import Entry, Graph
from .isolation import clean_scopes
from .onnx_model import described
from .onnx_package import run
from .onnx_piece import InferencePiece
from .parameters import ParameterSource

__all__ = ["check_model", "difference"]

# Relative to the largest value; MXNet and onnxruntime agree to 1e-6 in single precision.
_LIMITS = {"float16": 2e-2}
_LIMIT = 1e-3
# The input of an operator that holds indices or lengths; with any number there, MXNet may end the process.
_INDEX_SLOT = {
    **dict.fromkeys(("Embedding", "one_hot"), 0),
    **dict.fromkeys(("take", "gather_nd", "SequenceMask", "SequenceReverse"), 1),
}


def check_model(piece: InferencePiece, model: bytes, model_of: Callable[[InferencePiece], bytes]) -> float:
    """Return the largest relative difference of outputs, for normally and for uniformly distributed inputs.

    Parameters
    ----------
    piece : InferencePiece
        The network.
    model : bytes
        The ONNX model of it.
    model_of : callable
        Makes the model of another piece; to find which operator is wrong.

    Raises
    ------
    SubgraphError
        onnxruntime refuses the model, or an output differs. The first node that differs is named.
    """
    worst = 0.0
    samples = _samples(piece)
    try:
        found_of_sample = run(model, samples)
    except Exception as error:
        raise _refused(piece, error) from None
    for sample, found in zip(samples, found_of_sample):
        expected = _outputs(piece, sample)
        differences = [difference(e, f) for e, f in zip(expected, found)]
        far = [i for i, (d, f) in enumerate(zip(differences, found)) if not d <= _limit(f)]
        if far:
            name = piece.outputs[far[0]]
            msg = (
                f"the ONNX model differs from {piece.title!r}: output {name!r} by {differences[far[0]]:.2g} of its"
                f" largest value.\n  {_first_wrong(piece, sample, model_of)}\n"
                "  Extract the pieces before and after it and export those; nothing was written."
            )
            raise SubgraphError(msg)
        worst = max([worst, *differences])
    return worst


def difference(expected: np.ndarray[Any, Any], found: np.ndarray[Any, Any]) -> float:
    """Return the largest difference of two arrays, relative to the largest expected value; inf if shapes differ.

    Values that are infinite or no number have to be the same in both.

    Examples
    --------
    >>> difference(np.array([1.0, 4.0]), np.array([1.0, 3.0]))
    0.25
    >>> difference(np.array([1.0, np.nan]), np.array([1.0, 3.0]))
    inf
    """
    if expected.shape != found.shape:
        return float("inf")
    one, other = expected.astype("float64"), found.astype("float64")
    finite = np.isfinite(one)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True) or not np.isfinite(other[finite]).all():
        return float("inf")
    distance = float(np.abs(one[finite] - other[finite]).max(initial=0.0))
    return distance / max(float(np.abs(one[finite]).max(initial=0.0)), 1e-30)


def _limit(found: np.ndarray[Any, Any]) -> float:
    return _LIMITS.get(found.dtype.name, _LIMIT)


def _samples(piece: InferencePiece) -> list[dict[str, np.ndarray[Any, Any]]]:
    """Return two sets of inputs; what indices are computed from is 0 or 1, so that every table has it."""
    random = np.random.RandomState(0)
    indices = _behind_indices(piece.graph)
    samples = []
    for draw in (random.standard_normal, random.random_sample):
        sample = {}
        for name, (shape, dtype) in piece.inputs.items():
            whole = name in indices or dtype.kind in "iub"
            values = random.randint(0, 2, shape) if whole else draw(shape)
            sample[name] = np.asarray(values).astype(dtype)
        samples.append(sample)
    return samples


def _behind_indices(graph: Graph) -> set[str]:
    """Return the variables that indices are computed from."""
    slots = ((node.inputs, _INDEX_SLOT.get(node.op)) for node in graph.nodes)
    found = {inputs[slot].node for inputs, slot in slots if slot is not None and len(inputs) > slot}
    stack = list(found)
    while stack:
        new = {entry.node for entry in graph.nodes[stack.pop()].inputs} - found
        found |= new
        stack.extend(new)
    return {graph.nodes[i].name for i in found if graph.nodes[i].is_variable}


def _outputs(piece: InferencePiece, sample: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """Return what MXNet computes; in single precision where it cannot compute in half precision, as on most CPUs."""
    try:
        return _computed(piece, sample)
    except mx.MXNetError as error:
        reason = str(error).strip().splitlines()[-1].strip()
    try:
        values = {name: _widened(value) for name, value in piece.values.items()}
        return _computed(piece._replace(values=values), {name: _widened(value) for name, value in sample.items()})
    except mx.MXNetError:
        msg = (
            f"MXNet does not run {piece.title!r}, so that there is nothing to compare the ONNX model with.\n"
            f"  It says: {reason}\n  Put that right first; nothing was written."
        )
        raise SubgraphError(msg) from None


def _widened(value: Any) -> Any:
    return value.astype("float32") if np.dtype(value.dtype) == np.float16 else value


def _computed(piece: InferencePiece, sample: dict[str, np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """Return what MXNet computes. It may overwrite a scale that BatchNorm ignores, which is why values are copies."""
    symbol = symbol_of_graph(piece.graph, is_np=piece.is_np)
    read = set(symbol.list_inputs())
    source = ParameterSource(piece.values)
    auxiliary = frozenset(symbol.list_auxiliary_states())
    parameters = {
        node.name: source.parameter_of(node, is_auxiliary=node.name in auxiliary, is_np=piece.is_np)
        for _, node in piece.graph.variables()
        if node.name in piece.values
    }
    names = [name for name in piece.inputs if name in read]
    with clean_scopes(piece.is_np), autograd.pause(train_mode=False):
        block = SubgraphBlock._of(symbol, names, parameters, [0] * len(piece.graph.outputs), piece.graph)
        arrays = [mx.nd.array(sample[name], ctx=mx.cpu(), dtype=sample[name].dtype) for name in names]
        if piece.is_np:
            arrays = [array.as_np_ndarray() for array in arrays]
        outputs = block(*arrays)
        return [output.asnumpy() for output in (outputs if isinstance(outputs, (list, tuple)) else [outputs])]


def _refused(piece: InferencePiece, error: Exception) -> SubgraphError:
    reason = " ".join(str(error).split())
    return SubgraphError(
        f"onnxruntime does not run the model that mx.onnx makes of {piece.title!r}.\n"
        f"  It says: {reason[:300]}\n"
        "  Extract the pieces before and after that operator and export those; nothing was written."
    )


def _first_wrong(
    piece: InferencePiece, sample: dict[str, np.ndarray[Any, Any]], model_of: Callable[[InferencePiece], bytes]
) -> str:
    """Return a sentence that names the first node that differs."""
    entries = [
        (Entry(i, j), name)
        for i, node in enumerate(piece.graph.nodes)
        if not node.is_variable
        for j, name in enumerate(node.outputs)
    ]
    graph = Graph(piece.graph.nodes, tuple(entry for entry, _ in entries), piece.graph.attrs)
    whole = piece._replace(graph=graph, outputs=tuple(name for _, name in entries))
    try:
        (found,) = run(model_of(whole), [sample])
    except Exception:  # what cannot be returned cannot be compared
        return f"It has {len(piece.graph.nodes)} nodes, one of which mx.onnx translates wrongly."
    for (entry, _), one, other in zip(entries, _outputs(whole, sample), found):
        if not difference(one, other) <= _limit(other):
            node = graph.nodes[entry.node]
            return f"mx.onnx translates {described(node)} wrongly: the first to differ."
    return "No single node differs."
