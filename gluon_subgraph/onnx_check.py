"""Proof that an ONNX model computes what the network does: both run on the same inputs, every value compared.

Equal outputs alone prove little: behind a unit that is dead, a sum in which they drown or a number that is none, wrong
values look right. So all nodes are compared, and each operator by itself besides.
"""

from __future__ import annotations

from typing import Any, Callable, Iterator, Mapping, Sequence

import numpy as np

from .codec import symbol_of_graph
from .errors import SubgraphError
from .graph import Entry, Graph
from .onnx_indices import COMPARISONS, index_ranges
from .onnx_model import ADVICE, described
from .onnx_package import run
from .onnx_piece import InferencePiece, infer_dtypes
from .onnx_probe import Probe, different_settings, probe_of
from .onnx_reference import Sample, difference, extreme_samples, largest, reference_outputs, sample_of
from .shapes import infer_shapes

__all__ = ["check_model"]

ModelOf = Callable[[InferencePiece], bytes]

# Relative to the largest value; MXNet and onnxruntime agree to 1e-6 in single precision.
_LIMITS = {"float16": 2e-2}
_LIMIT = 1e-3  # through a whole network
_LIMIT_ALONE = 2e-4  # of an operator by itself
_MOST_BYTES = 2**28  # of values that are compared at a time
# What computes the same whatever numbers it reads.
_CONSTANT = frozenset(["shape_array", "size_array", "zeros_like", "ones_like", "_contrib_arange_like"])


def check_model(piece: InferencePiece, model: bytes, model_of: ModelOf) -> float:
    """Return the largest relative difference of outputs, for normally and for uniformly distributed inputs.

    Parameters
    ----------
    piece : InferencePiece
        The network.
    model : bytes
        The ONNX model of it.
    model_of : callable
        Makes the model of another piece; to compare every node.

    Raises
    ------
    SubgraphError
        onnxruntime refuses a model, a value differs (the first node that does is named), an output has no finite
        values, or most of the network computes constants, so that nothing is proved.
    """
    graph = piece.graph
    symbol = symbol_of_graph(graph, is_np=piece.is_np)
    shapes = infer_shapes(symbol, graph, piece.known_shapes(), is_np=piece.is_np)
    dtypes = infer_dtypes(graph, piece.known_dtypes(), is_np=piece.is_np)
    ranges = index_ranges(graph, shapes)
    samples = [sample_of(piece, ranges, seed, scale) for seed, scale in ((0, 1.0), (1, 0.0))]
    ranges_of_values = _compare_nodes(piece, samples, model_of, shapes)
    _check_alive(piece, ranges_of_values)
    _compare_operators(piece, model_of, shapes, dtypes)
    return _compare_outputs(piece, model, samples)


def _compare_outputs(piece: InferencePiece, model: bytes, samples: Sequence[Sample]) -> float:
    """Return the largest difference of an output of `model`, the very bytes that are written."""
    worst = 0.0
    is_finite = [False] * len(piece.outputs)
    for sample, found in zip(samples, _run(piece, model, samples)):
        expected = reference_outputs(piece, sample)
        differences = [difference(e, f) for e, f in zip(expected, found)]
        for name, far, array in zip(piece.outputs, differences, found):
            if not far <= _LIMITS.get(array.dtype.name, _LIMIT):
                msg = (
                    f"the ONNX model differs from {piece.title!r}: output {name!r} by {far:.2g} of its largest value.\n"
                    "  Each of its nodes by itself is equal.\n"
                    "  Extract pieces and export those; nothing was written."
                )
                raise SubgraphError(msg)
        worst = max([worst, *differences])
        is_finite = [known or bool(np.isfinite(e).mean() > 0.5) for known, e in zip(is_finite, expected)]
    if not all(is_finite):
        msg = (
            f"output {piece.outputs[is_finite.index(False)]!r} of {piece.title!r} has hardly any finite values.\n"
            "  On normally and on uniformly distributed inputs it is infinite or no number, which proves nothing.\n"
            "  Look for what diverged, in the parameters too; nothing was written."
        )
        raise SubgraphError(msg)
    return worst


def _compare_nodes(
    piece: InferencePiece, samples: Sequence[Sample], model_of: ModelOf, shapes: Mapping[Entry, Sequence[int]]
) -> dict[Entry, tuple[float, float]]:
    """Return the least and the greatest value of each entry of an operator; all are compared."""
    graph = piece.graph
    entries = [Entry(i, j) for i, n in enumerate(graph.nodes) if not n.is_variable for j in range(len(n.outputs))]
    found: dict[Entry, tuple[float, float]] = {}
    for chosen in _portions(entries, [shapes.get(entry, ()) for entry in entries]):
        names = tuple(graph.nodes[entry.node].outputs[entry.index] for entry in chosen)
        whole = piece._replace(graph=Graph(graph.nodes, tuple(chosen), graph.attrs), outputs=names)
        results = _run(piece, model_of(whole), samples)
        for sample, result in zip(samples, results):
            for entry, one, other in zip(chosen, reference_outputs(whole, sample), result):
                if not difference(one, other) <= _LIMITS.get(other.dtype.name, _LIMIT):
                    raise _wrong(piece, entry.node, one, other, "the first node to differ")
                finite = one[np.isfinite(one)].astype("float64")
                least, greatest = found.get(entry, (np.inf, -np.inf))
                found[entry] = finite.min(initial=least), finite.max(initial=greatest)
    return found


def _compare_operators(
    piece: InferencePiece, model_of: ModelOf, shapes: Mapping[Entry, Any], dtypes: Mapping[Entry, Any]
) -> None:
    """Compare each operator by itself; also on inputs so large that what is clipped or compared has both sides."""
    graph = piece.graph
    indices = different_settings(graph, shapes, dtypes)
    sizes = [
        (sum(int(np.prod(shapes[e])) for e in (*graph.nodes[i].inputs, Entry(i)) if e in shapes),) for i in indices
    ]
    is_half = any(dtype == np.float16 for dtype in dtypes.values())
    for chosen in _portions(indices, sizes):
        probe = probe_of(piece, chosen, shapes, dtypes)
        scales = (1.0, 0.0) if is_half else (1.0, 0.0, 20.0)
        samples = [sample_of(probe.piece, probe.ranges, seed, scale, probe.coarse) for seed, scale in enumerate(scales)]
        results = _run(piece, model_of(probe.piece), samples)
        expected = [reference_outputs(probe.piece, sample) for sample in samples]
        for number, index in enumerate(probe.origins):
            scale = max(1e-30, *(largest(outputs[number]) for outputs in expected))
            for ours, result in zip(expected, results):
                one, other = ours[number], result[number]
                if not difference(one, other, scale) <= _LIMITS.get(other.dtype.name, _LIMIT_ALONE):
                    raise _wrong(piece, index, one, other, "it differs by itself, on other inputs")
        _compare_extremes(piece, probe, model_of)


def _compare_extremes(piece: InferencePiece, probe: Probe, model_of: ModelOf) -> None:
    """Compare operators on the least and the greatest whole numbers, where one may wrap and the other saturate."""
    samples = extreme_samples(probe.piece, probe.ranges, probe.divided)
    if not samples:
        return
    where = "on the least and the greatest whole numbers it overflows otherwise"
    for sample, found in zip(samples, _run(piece, model_of(probe.piece), samples)):
        for index, one, other in zip(probe.origins, reference_outputs(probe.piece, sample), found):
            limit = 0.0 if one.dtype.kind in "iu" else _LIMITS.get(other.dtype.name, _LIMIT_ALONE)
            if not difference(one, other) <= limit:
                raise _wrong(piece, index, one, other, where)


def _portions(items: Sequence[Any], shapes: Sequence[Sequence[int]]) -> Iterator[list[Any]]:
    """Yield `items` in portions whose values take so much memory together, each at least one."""
    portion: list[Any] = []
    taken = 0.0
    for item, shape in zip(items, shapes):
        size = 4 * float(np.prod(shape, dtype=float))
        if portion and taken + size > _MOST_BYTES:
            yield portion
            portion, taken = [], 0.0
        portion.append(item)
        taken += size
    if portion:
        yield portion


def _check_alive(piece: InferencePiece, values: Mapping[Entry, tuple[float, float]]) -> None:
    """Refuse a network most of whose operators compute one number, whatever they read."""
    nodes = piece.graph.nodes
    fed = {i for i, node in piece.graph.variables() if node.name in piece.inputs}
    for index, node in enumerate(nodes):
        if node.op not in _CONSTANT and any(entry.node in fed for entry in node.inputs):
            fed.add(index)
    reached = [i for i in sorted(fed) if not nodes[i].is_variable and nodes[i].op not in COMPARISONS]
    dead = []
    for index in reached:
        least, greatest = values.get(Entry(index), (0.0, 1.0))
        if not least < greatest:
            dead.append(index)
    is_proved = len(reached) == 1 and not piece.values  # one operator, by itself
    if 2 * len(dead) > len(reached) and not is_proved:
        msg = (
            f"{len(dead)} of {len(reached)} operators of {piece.title!r} compute one number, whatever the input.\n"
            f"  The first is {described(nodes[dead[0]])}; equal outputs would prove nothing.\n"
            "  Look at the parameters before it, which may be zeros; nothing was written."
        )
        raise SubgraphError(msg)


def _wrong(piece: InferencePiece, index: int, one: Any, other: Any, where: str) -> SubgraphError:
    if one.dtype != other.dtype and (one.dtype, other.dtype) != (np.float32, np.float16):
        how = f"{other.dtype} for {one.dtype}"
    elif one.shape != other.shape:
        how = f"shape {other.shape} for {one.shape}"
    else:
        how = f"by {difference(one, other):.2g} of the largest value"
    return SubgraphError(
        f"the ONNX model differs from {piece.title!r} at {described(piece.graph.nodes[index])}: {how}.\n"
        f"  mx.onnx translates it wrongly, or onnxruntime runs it otherwise: {where}.\n"
        f"  {ADVICE}"
    )


def _run(piece: InferencePiece, model: bytes, samples: Sequence[Sample]) -> list[list[Any]]:
    try:
        return run(model, samples)
    except Exception as error:  # of onnxruntime, whose classes have no base of their own
        reason = " ".join(str(error).split())
        msg = (
            f"onnxruntime does not run the model that mx.onnx makes of {piece.title!r}.\n"
            f"  It says: {reason[:300]}\n"
            f"  {ADVICE}"
        )
        raise SubgraphError(msg) from None
