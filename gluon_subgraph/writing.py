"""Writing values into the arrays of a target: where they may go, what must be copied first, and the setting itself."""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from typing import Any, Callable, Iterable, Mapping

import mxnet as mx
import numpy as np
from mxnet import gluon

from .errors import BindingError, kind_of, mxnet_reason
from .parameters import listed_contexts

__all__ = ["checked_contexts", "check_places", "separated_values", "write_values"]


def checked_contexts(ctx: Any) -> list[mx.Context] | None:
    """Return `ctx` as a list of contexts, None where none is given.

    Raises
    ------
    SubgraphError
        It is neither a context nor a list of several, or this machine has none such.
    """
    return None if ctx is None else listed_contexts(ctx, "loaded")


def check_places(names: Iterable[str], places: Mapping[str, Any], contexts: list[mx.Context] | None) -> None:
    """Refuse a target whose arrays cannot be written, are elsewhere, or have to be there first.

    Raises
    ------
    BindingError
        The value of one of `names` has no place to go to.
    """
    for name in names:
        place = places[name]
        if not isinstance(place, (gluon.Parameter, mx.nd.NDArray)):
            msg = (
                f"the value of target {name!r} is a {kind_of(place)}, which cannot be written in place.\n"
                "  Give a target of NDArrays, or a block; nothing was loaded."
            )
            raise BindingError(msg)
        now = _contexts_of(place)
        if contexts and now and set(contexts) != set(now):
            msg = (
                f"target {name!r} is on {now}, to be loaded on {contexts}.\n"
                "  Call collect_params().reset_ctx first, or leave ctx out; nothing was loaded."
            )
            raise BindingError(msg)


def _contexts_of(place: Any) -> list[mx.Context]:
    if isinstance(place, mx.nd.NDArray):
        return [place.context]
    return place.list_ctx() if place._data is not None or place._deferred_init else []


def separated_values(ready: Mapping[str, Any], places: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values, copied where they lie in memory that will be written: a target may be its own source.

    Raises
    ------
    BindingError
        An array that has two names is to have two values.
    """
    _check_shared(ready, places)
    written = sorted(_memory(array) for name in ready for array in _arrays_of(places[name]))
    starts = [start for start, _ in written]
    reach, ends = 0, []  # the end of whatever starts up to there: the intervals may overlap
    for _, end in written:
        reach = max(reach, end)
        ends.append(reach)

    def is_written(array: Any) -> bool:
        start, end = _memory(array)
        before = bisect_right(starts, end - 1)
        return before > 0 and ends[before - 1] > start

    return {name: array.copy() if is_written(array) else array for name, array in ready.items()}


def _arrays_of(place: Any) -> list[Any]:
    return (place._data or []) if isinstance(place, gluon.Parameter) else [place]


def _memory(array: Any) -> tuple[int, int]:
    """Return the first address of an array's memory and the one after its last."""
    if isinstance(array, np.ndarray):
        start = array.__array_interface__["data"][0]
        reach = [(size - 1) * stride for size, stride in zip(array.shape, array.strides) if size]
        return start + sum(min(r, 0) for r in reach), start + array.itemsize + sum(max(r, 0) for r in reach)
    if array.stype != "default":
        return 0, 0  # no dense array shares its memory
    pointer = ctypes.c_void_p()
    mx.base.check_call(mx.base._LIB.MXNDArrayGetData(array.handle, ctypes.byref(pointer)))
    start = pointer.value or 0
    return start, start + array.size * np.dtype(array.dtype).itemsize


def _check_shared(ready: Mapping[str, Any], places: Mapping[str, Any]) -> None:
    """Refuse two different values for one array that has two names."""
    first_of_memory: dict[tuple[int, int], str] = {}
    for name, value in ready.items():
        for array in _arrays_of(places[name])[:1]:
            if array.stype != "default":
                continue
            first = first_of_memory.setdefault(_memory(array), name)
            if ready[first] is not value and _bytes(ready[first]) != _bytes(value):
                msg = (
                    f"targets {first!r} and {name!r} are one array, and are to have two values.\n"
                    f"  Decide with skip=[{name!r}] or skip=[{first!r}]; nothing was loaded."
                )
                raise BindingError(msg)


def _bytes(array: Any) -> bytes:
    return (array if isinstance(array, np.ndarray) else array.asnumpy()).tobytes()


def write_values(
    ready: Mapping[str, Any], places: Mapping[str, Any], contexts: list[mx.Context] | None, *, is_np: bool
) -> None:
    """Set each target to its value, in the memory it has; one without value gets it on `contexts` or its own.

    Where a write fails, or is interrupted, those before it are taken back.

    Raises
    ------
    BindingError
        MXNet refuses a value; its reason is quoted.
    """
    order = sorted(ready, key=lambda name: bool(_arrays_of(places[name])))  # new memory first: there may be too little
    undo: list[Callable[[], None]] = []
    with mx.autograd.pause(), mx.util.np_shape(is_np), mx.util.np_array(is_np):
        try:
            for name in order:
                undo.append(_way_back(places[name]))
                _write(places[name], ready[name], contexts, is_np=is_np)
            mx.nd.waitall()  # MXNet reports what went wrong when it gets there
        except BaseException as error:
            for take_back in reversed(undo):
                take_back()
            if isinstance(error, mx.MXNetError):
                msg = f"MXNet refuses a value.\n  It says: {mxnet_reason(error)}\n  Nothing was loaded."
                raise BindingError(msg) from None
            raise


def _way_back(place: Any) -> Callable[[], None]:
    """Return what puts a target back to what it is now."""
    if isinstance(place, gluon.Parameter) and place._data is None:
        state = {key: getattr(place, key) for key in ("_shape", "_data", "_grad", "_deferred_init", "_ctx_list")}
        return lambda: place.__dict__.update(state)
    saved = [(array, array.copy()) for array in _arrays_of(place)]

    def take_back() -> None:
        for array, value in saved:
            _set_array(array, value)

    return take_back


def _write(place: Any, value: Any, contexts: list[mx.Context] | None, *, is_np: bool) -> None:
    if not isinstance(value, mx.nd.NDArray):
        value = mx.nd.array(value, dtype=value.dtype)
    if isinstance(place, mx.nd.NDArray):
        _set_array(place, value)
    elif place._data is not None:
        _set_parameter(place, value)
    else:
        _give_value(place, value.as_np_ndarray() if is_np else value, contexts)


def _set_array(array: Any, value: Any) -> None:
    value = value.tostype(array.stype)
    array[slice(None) if array.shape else ()] = value.as_np_ndarray() if isinstance(array, mx.np.ndarray) else value


def _set_parameter(parameter: gluon.Parameter, value: Any) -> None:
    if not value.shape:  # `set_data` cannot set a NumPy-style scalar
        for array in parameter._data:
            _set_array(array, value)
        return
    value = value.tostype(parameter._stype)
    parameter.set_data(value.as_np_ndarray() if isinstance(parameter._data[0], mx.np.ndarray) else value)


def _give_value(parameter: gluon.Parameter, value: Any, contexts: list[mx.Context] | None) -> None:
    if parameter.shape is None:
        parameter.shape = value.shape  # Gluon leaves it unknown
    own = parameter._deferred_init[1] if parameter._deferred_init else None
    parameter._load_init(value, own or contexts or [mx.current_context()])
