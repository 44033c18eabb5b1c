"""The values of a source made ready for a target: read, turned, converted; all of them before the first is written."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

import mxnet as mx
import numpy as np
from mxnet import gluon

from .errors import BindingError, SubgraphError, kind_of, shorten
from .lazy_values import dtype_name
from .storage import values_of

__all__ = ["Move", "ready_values"]

_NUMBERS = "fiub"


class Move(NamedTuple):
    """One value to be set: where it goes, where it comes from, what is done to it, and to which leading block."""

    target: str
    source: str
    transform: str
    block: tuple[int, ...] | None = None


def ready_values(
    moves: Sequence[Move], places: Mapping[str, Any], values: Mapping[str, Any], *, cast_dtype: bool
) -> dict[str, Any]:
    """Return what to write to each target, in its shape and dtype.

    Raises
    ------
    BindingError
        A value is missing, is no array, or has another shape or dtype than the target.
    """
    raw = _read(moves, values)
    moves = [m for m in moves if raw[m.source] is not places[m.target] or m.transform != "same"]
    _check_not_empty([m.source for m in moves if m.transform != "ones"], raw)
    arrays = {m.source: _array_of(m.source, raw[m.source]) for m in moves if m.transform != "ones"}
    ready = {}
    for move in moves:
        if move.transform == "ones":
            ready[move.target] = _ones(places[move.target], raw[move.source])
        else:
            ready[move.target] = _ready(move, places[move.target], arrays[move.source], cast_dtype=cast_dtype)
    return ready


def _read(moves: Sequence[Move], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the source holds for `moves`, each value asked for once: it may be read from a file."""
    gone = [m.source for m in moves if m.source not in values]
    if gone:
        msg = (
            f"the source has lost {len(gone)} of its arrays since the plan was made: {shorten(gone)}.\n"
            "  Make a new plan; nothing was loaded."
        )
        raise BindingError(msg)
    raw: dict[str, Any] = {}
    for name in dict.fromkeys(m.source for m in moves):
        try:
            raw[name] = values[name]
        except Exception as error:
            raise _cannot_read(name, error) from error
    return raw


def _cannot_read(name: str, error: Exception) -> BindingError:
    if isinstance(error, SubgraphError):
        return BindingError(f"the value of source {name!r} cannot be read: {error}")  # it says what to do
    return BindingError(
        f"the value of source {name!r} cannot be read: {type(error).__name__}: {error}\n"
        "  Give an MXNet or NumPy array or a torch tensor; nothing was loaded."
    )


def _check_not_empty(needed: Sequence[str], raw: Mapping[str, Any]) -> None:
    empty = [n for n in needed if isinstance(raw[n], gluon.Parameter) and raw[n]._data is None]
    if empty:
        msg = (
            f"{len(empty)} of {len(needed)} source parameters have no value: {shorten(empty)}.\n"
            "  Initialise or load the source, and run it once if shapes are deferred; nothing was loaded."
        )
        raise BindingError(msg)


def _array_of(name: str, value: Any) -> Any:
    """Return `value` as a dense NDArray or a NumPy array, without a copy where there is one already."""
    if isinstance(value, gluon.Parameter):
        value = value._data[0] if len(value._data) == 1 else values_of({name: value})[name]
    if isinstance(value, mx.nd.NDArray):
        value.wait_to_read()  # what went wrong while it was computed is raised here, not after the first write
        return value.as_nd_ndarray() if value.stype == "default" else value.tostype("default")
    try:
        if all(hasattr(value, method) for method in ("detach", "cpu", "numpy")):  # a torch tensor
            value = value.detach().cpu()
            value = (value.float() if dtype_name(value.dtype) == "bfloat16" else value).numpy()
        array = np.asarray(value)
    except Exception as error:
        raise _cannot_read(name, error) from error
    if array.dtype.kind not in _NUMBERS:
        msg = (
            f"the value of source {name!r} is a {kind_of(value)} of dtype {array.dtype}, no array of numbers.\n"
            "  Give an MXNet or NumPy array or a torch tensor; nothing was loaded."
        )
        raise BindingError(msg)
    return array


def _shape_of(place: Any) -> Any:
    return place._shape if isinstance(place, gluon.Parameter) else place.shape


def _ones(place: Any, value: Any) -> Any:
    shape = _shape_of(place)
    return np.ones(shape if shape and min(shape) > 0 else tuple(value.shape), place.dtype)


def _ready(move: Move, place: Any, array: Any, *, cast_dtype: bool) -> Any:
    dtype = place.dtype
    if dtype_name(array.dtype) != dtype_name(dtype) and not cast_dtype:
        msg = (
            f"target {move.target!r} differs in dtype.\n"
            f"  target {dtype_name(dtype)} <- source {move.source!r} {dtype_name(array.dtype)}\n"
            "  Pass cast_dtype=True to convert; nothing was loaded."
        )
        raise BindingError(msg)
    shape = _shape_of(place)
    result = _transformed(array, move.transform, shape)
    if move.block is not None:
        result = _overlaid(place, array, move.block)
    if not _fits(result.shape, shape):
        msg = (
            f"target {move.target!r} differs in shape, or the source has changed since it was planned.\n"
            f"  target {tuple(shape)} <- source {move.source!r} {tuple(array.shape)} ({move.transform})\n"
            "  Make a new plan; nothing was loaded."
        )
        raise BindingError(msg)
    return result if dtype_name(result.dtype) == dtype_name(dtype) else _cast(result, dtype)


def _cast(array: Any, dtype: Any) -> Any:
    if dtype_name(dtype) == "bfloat16" and isinstance(array, np.ndarray):
        array = mx.nd.array(array, dtype="float32")  # NumPy has no bfloat16
    return array.astype(dtype)


def _fits(shape: Sequence[int], wanted: Any) -> bool:
    if not wanted and wanted != ():
        return True
    return len(shape) == len(wanted) and all(size == want or want <= 0 for size, want in zip(shape, wanted))


def _transformed(array: Any, transform: str, shape: Any) -> Any:
    """Return the array as the target has it; one that cannot be is returned as it is."""
    if transform == "transpose" and len(array.shape) == 2:
        if dtype_name(array.dtype) == "bfloat16":  # MXNet writes over other memory when it transposes these
            return array.astype("float32").T.astype(array.dtype)
        return array.T
    if transform == "reshape" and shape and min(shape) > 0 and int(np.prod(shape)) == array.size:
        return array.reshape(shape)
    return array


def _overlaid(place: Any, array: Any, block: tuple[int, ...]) -> Any:
    """Return the value that `place` has, with the leading `block` of another."""
    if isinstance(place, gluon.Parameter) and place._data is None:
        msg = (
            f"target {place.name!r} has no value yet, to be overwritten in part.\n"
            "  Initialise the network first; nothing was loaded."
        )
        raise BindingError(msg)
    whole = (place._data[0] if isinstance(place, gluon.Parameter) else place).asnumpy().copy()
    window = tuple(slice(size) for size in block)
    whole[window] = (array if isinstance(array, np.ndarray) else array.asnumpy())[window]
    return whole
