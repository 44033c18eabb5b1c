"""What MXNet computes, as the reference for an ONNX model, and how far apart two results are."""

from __future__ import annotations

from typing import Any, Collection, Mapping

import mxnet as mx
import numpy as np
from mxnet import autograd

from .block import SubgraphBlock
from .codec import symbol_of_graph
from .errors import SubgraphError, mxnet_reason
from .isolation import clean_scopes
from .onnx_indices import Range
from .onnx_piece import InferencePiece
from .parameters import ParameterSource

__all__ = ["Sample", "difference", "extreme_samples", "largest", "reference_outputs", "sample_of"]

Sample = Mapping[str, "np.ndarray[Any, Any]"]


def sample_of(
    piece: InferencePiece, ranges: Mapping[str, Range], seed: int, scale: float, coarse: Collection[str] = ()
) -> Sample:
    """Return inputs drawn normally with this deviation, or uniformly from 0 to 1 for `scale` 0.

    Indices are drawn from all that there are. Other whole numbers are none of them 0, as some may be divisors. The
    numbers of inputs named in `coarse` are rounded to halves, so that some are equal and some 0.
    """
    random = np.random.RandomState(seed)
    sample = {}
    for name, (shape, dtype) in piece.inputs.items():
        if name in ranges:
            values: Any = random.randint(ranges[name].first, ranges[name].end, shape)
        elif dtype.kind == "b":
            values = random.randint(0, 2, shape)
        elif dtype.kind in "iu":
            values = random.randint(1, 5, shape)
            if scale and dtype.kind == "i":
                values = values * random.choice([-1, 1], shape)
        else:
            values = random.standard_normal(shape) * scale if scale else random.random_sample(shape)
        if name in coarse and name not in ranges:
            values = np.round(2 * np.asarray(values)) / 2
        sample[name] = np.asarray(values).astype(dtype)
    return sample


def extreme_samples(piece: InferencePiece, ranges: Mapping[str, Range], divided: Collection[str]) -> list[Sample]:
    """Return inputs whose whole numbers are the greatest, the least, and mixed ones near these; none if there are none.

    Those of inputs named in `divided` are the greatest alone: a division by 0, or of the least by -1, ends the process.
    """
    whole = {name: kind for name, (_, kind) in piece.inputs.items() if kind.kind in "iu" and name not in ranges}
    if not whole:
        return []
    random = np.random.RandomState(2)
    common = sample_of(piece, ranges, 2, 1.0)
    samples: list[dict[str, Any]] = [dict(common) for _ in range(3)]
    for name, dtype in whole.items():
        least, greatest = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        high, low = (greatest - 1, greatest), (least, least + 1)
        chosen = [high[1:], low[:1], high + low] if name not in divided else [high[1:], high[:1], high]
        for sample, numbers in zip(samples, chosen):
            sample[name] = random.choice(np.array(numbers, dtype), piece.inputs[name][0])
    return [*samples]


def reference_outputs(piece: InferencePiece, sample: Sample) -> list[np.ndarray[Any, Any]]:
    """Return what MXNet computes; of half precision, in single where it can, as most CPUs do not compute in half.

    Raises
    ------
    SubgraphError
        MXNet runs it in neither.
    """
    values = {name: _widened(value) for name, value in piece.values.items()}
    wide = {name: _widened(value) for name, value in sample.items()}
    is_half = any(values[n] is not piece.values[n] for n in values) or any(wide[n] is not sample[n] for n in wide)
    try:
        return _computed(piece._replace(values=values), wide)
    except mx.MXNetError as error:
        reason = mxnet_reason(error)
    try:
        if is_half:  # it may hold casts to half precision
            return _computed(piece, sample)
    except mx.MXNetError:
        pass
    msg = (
        f"MXNet does not run {piece.title!r}, so that there is nothing to compare the ONNX model with.\n"
        f"  It says: {reason}\n  Put that right first; nothing was written."
    )
    raise SubgraphError(msg)


def _widened(value: Any) -> Any:
    return value.astype("float32") if np.dtype(value.dtype) == np.float16 else value


def _computed(piece: InferencePiece, sample: Sample) -> list[np.ndarray[Any, Any]]:
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


def difference(expected: np.ndarray[Any, Any], found: np.ndarray[Any, Any], least_scale: float = 1e-30) -> float:
    """Return the largest difference of two arrays, relative to the largest expected value or to `least_scale`.

    It is infinite if shapes or dtypes differ, except that single precision may stand for half. Values that are
    infinite or no number have to be the same in both.

    Examples
    --------
    >>> difference(np.array([1.0, 4.0]), np.array([1.0, 3.0]))
    0.25
    >>> difference(np.array([1.0, np.nan]), np.array([1.0, 3.0]))
    inf
    """
    if (expected.dtype, found.dtype) == (np.float32, np.float16):
        with np.errstate(over="ignore"):
            expected = expected.astype(np.float16)  # infinite where half precision is
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return float("inf")
    one, other = expected.astype("float64"), found.astype("float64")
    finite = np.isfinite(one)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True) or not np.isfinite(other[finite]).all():
        return float("inf")
    distance = float(np.abs(one[finite] - other[finite]).max(initial=0.0))
    return distance / max(largest(expected), least_scale)


def largest(array: np.ndarray[Any, Any]) -> float:
    """Return the largest finite absolute value."""
    return float(np.abs(array[np.isfinite(array)].astype("float64")).max(initial=0.0))
