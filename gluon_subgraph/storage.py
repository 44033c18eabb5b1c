"""A block's files: export, save, load. Everything is checked before anything is written or set."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import Any, Callable, Mapping, NamedTuple, Sequence

import mxnet as mx
import numpy as np
from mxnet import gluon

from .arguments import checked_input_names
from .codec import json_of_symbol, symbol_of_graph
from .errors import BindingError, SubgraphError, shorten
from .file_arguments import check_array_name, checked_epoch, checked_path
from .file_keys import check_complete, check_each_once, check_equal, parameters_of_keys
from .files_beside import write_beside, write_text
from .graph import Graph
from .lazy_values import Header
from .parameters import listed_contexts
from .params_file import damage_of_params_file
from .readers import load_symbol_file
from .settings import with_settings
from .value_files import dtype_of, is_safetensors_name, ndarray_of, open_values_file, save_safetensors

__all__ = [
    "Leniency",
    "SavedFiles",
    "structural_names",
    "values_of",
    "save_arrays",
    "export_files",
    "load_into",
    "import_files",
    "array_writer",
    "write_arrays",
]

_SEPARATORS = "_./"


class Leniency(NamedTuple):
    """What `load_parameters` may do without; its arguments of these names."""

    allow_missing: bool
    ignore_extra: bool
    cast_dtype: bool
    dtype_source: str


def structural_names(params: Mapping[str, gluon.Parameter]) -> dict[str, gluon.Parameter]:
    """Return `params` under their names less what all have in common up to a separator.

    A piece of another instance of the network has the same names then, whatever the instance's prefix. The last
    part of a name always stays, so that no name is empty.
    """
    common = os.path.commonprefix([*params])
    cut = 1 + max(common.rfind(s) for s in _SEPARATORS)
    if any(len(name) <= cut for name in params):
        cut = 0
    return {name[cut:]: parameter for name, parameter in params.items()}


def values_of(params: Mapping[str, gluon.Parameter]) -> dict[str, Any]:
    """Return the value of each parameter, on the CPU, the mean over contexts where there are several.

    Raises
    ------
    BindingError
        A parameter has no value yet.
    """
    empty = [name for name, p in params.items() if p._data is None]
    if empty:
        msg = (
            f"{len(empty)} of {len([*params])} parameters have no value: {shorten(empty)}.\n"
            "  Initialise or load the network, and run it once if shapes are deferred; nothing was written."
        )
        raise BindingError(msg)
    return {name: _value_of(p) for name, p in params.items()}


def _value_of(parameter: gluon.Parameter) -> Any:
    if parameter._stype == "default" and np.dtype(parameter.dtype).kind in "iub":
        return parameter._data[0].copyto(mx.cpu())  # the sum behind a mean of integers may overflow
    return parameter._reduce()


def save_arrays(filename: Any, values: Mapping[str, Any]) -> None:
    """Write a parameter file beside `filename`, or a safetensors file if that is its name, then rename it so.

    Raises
    ------
    SubgraphError
        `filename` is no path, or no name for a file of arrays; the place cannot be written to.
    """
    path = checked_path(filename, "filename")
    write = array_writer(path)
    write_beside({path: lambda name: write(name, values)})


def array_writer(path: str) -> Callable[[str, Mapping[str, Any]], None]:
    """Return what writes NDArrays in the format that the name `path` asks for.

    Raises
    ------
    SubgraphError
        It asks for a format that is not written.
    """
    check_array_name(path)
    return save_safetensors if is_safetensors_name(path) else write_arrays


def write_arrays(name: str, values: Mapping[str, Any]) -> None:
    """Write a parameter file.

    Raises
    ------
    SubgraphError
        What was written is damaged: MXNet does not notice a disk that is full at the end of a file.
    """
    arrays = {key: value.as_nd_ndarray() for key, value in values.items()}
    for array in arrays.values():
        array.wait_to_read()  # MXNet looks at how many rows a sparse array has before it waits for them
    mx.nd.save(name, arrays)
    damage = damage_of_params_file(name)
    if damage is not None:
        msg = (
            f"the parameter file {name!r} could not be written: {damage}\n"
            "  Is the disk full?\n  Make room and call again; nothing was replaced."
        )
        raise SubgraphError(msg)


class SavedFiles(NamedTuple):
    """The files of a network, and how many bytes they take together."""

    symbol_file: str
    params_file: str
    size: int


def export_files(
    graph: Graph, params: Mapping[str, gluon.Parameter], path: Any, epoch: Any, *, is_np: bool, remove_amp_cast: bool
) -> SavedFiles:
    """Write ``path-symbol.json`` and ``path-0000.params`` as `HybridBlock.export` names and fills them.

    Raises
    ------
    SubgraphError
        `path` is no path, `epoch` no number of an epoch; a place cannot be written to.
    BindingError
        A parameter has no value yet.
    """
    start = f"{checked_path(path, 'path')}-"
    symbol_file, params_file = f"{start}symbol.json", f"{start}{checked_epoch(epoch):04d}.params"
    auxiliary = frozenset(symbol_of_graph(graph).list_auxiliary_states())
    values = {f"{'aux' if name in auxiliary else 'arg'}:{name}": v for name, v in values_of(params).items()}
    symbol = symbol_of_graph(with_settings(graph, params, auxiliary), is_np=is_np)
    text = symbol.tojson() if remove_amp_cast else json_of_symbol(symbol)
    write_beside(
        {
            params_file: lambda name: write_arrays(name, values),
            symbol_file: lambda name: write_text(name, text),
        }
    )
    return SavedFiles(symbol_file, params_file, os.path.getsize(symbol_file) + os.path.getsize(params_file))


def load_into(
    filename: str,
    structural: Mapping[str, gluon.Parameter],
    params: Mapping[str, gluon.Parameter],
    leniency: Leniency,
    *,
    ctx: Any,
    is_np: bool,
    former: Mapping[str, Sequence[gluon.Parameter]] = MappingProxyType({}),
) -> None:
    """Set `params` from a file that names them in full, structurally, or behind ``arg:`` and ``aux:``.

    Of a renamed block, `former` are full names of earlier days, with the Parameters that had them.

    Raises
    ------
    BindingError
        A name, shape, dtype or context does not fit; nothing has been loaded then.
    SubgraphError
        `filename` is no path, or the file is missing or damaged; `ctx` is no context; `dtype_source` is neither
        "current" nor "saved".
    """
    if leniency.dtype_source not in ("current", "saved"):
        msg = f"dtype_source={leniency.dtype_source!r}.\n  It is 'current' or 'saved'; nothing was loaded."
        raise SubgraphError(msg)
    contexts = None if ctx is None else listed_contexts(ctx, "loaded")
    values = open_values_file(checked_path(filename, "filename", such_as="net-0000.params", done="loaded"))
    meaning = parameters_of_keys(filename, values, structural, params, former)
    check_complete(
        filename,
        values,
        structural,
        meaning,
        allow_missing=leniency.allow_missing,
        ignore_extra=leniency.ignore_extra,
    )
    parameter_of_key = meaning.parameter_of_key
    check_each_once(filename, parameter_of_key)
    check_equal(filename, values, parameter_of_key)
    for key, parameter in parameter_of_key.items():
        _check_fit(key, values.headers[key], parameter, cast_dtype=leniency.cast_dtype, is_np=is_np)
        _check_context(parameter, contexts)
    arrays = {key: ndarray_of(values[key], values.headers[key]) for key in parameter_of_key}
    with mx.util.np_shape(is_np or mx.util.is_np_shape()):  # a scalar is one wherever it is loaded
        for key, parameter in parameter_of_key.items():
            _set_value(parameter, arrays[key].as_np_ndarray() if is_np else arrays[key], contexts, leniency)


def _set_value(parameter: gluon.Parameter, value: Any, contexts: Any, leniency: Leniency) -> None:
    if parameter.shape is None:
        parameter.shape = value.shape  # Gluon leaves it unknown
    if value.shape == () and parameter._data is not None:  # Gluon's own way, a slice, is none into a scalar
        if leniency.dtype_source == "saved":
            parameter.dtype = value.dtype
        for array in parameter._data:
            array[()] = value.astype(array.dtype)
    else:
        parameter._load_init(value, contexts, cast_dtype=leniency.cast_dtype, dtype_source=leniency.dtype_source)


def _check_fit(key: str, header: Header, parameter: gluon.Parameter, *, cast_dtype: bool, is_np: bool) -> None:
    shape, own = parameter.shape, header.shape
    if own is None:
        return  # it has no value: what reads it says so
    is_known = shape is not None if is_np else bool(shape)  # outside NumPy mode () is a shape not known
    if is_known and (len(shape) != len(own) or any(d > 0 and d != v for d, v in zip(shape, own))):
        msg = (
            f"{key!r} differs in shape.\n"
            f"  parameter {parameter.name!r} {tuple(shape)} <- file {own}\n"
            "  Load the file of a network with these layers; this one is of another. Nothing was loaded."
        )
        raise BindingError(msg)
    dtype = dtype_of(header)
    if not cast_dtype and np.dtype(parameter.dtype) != dtype:
        msg = (
            f"{key!r} differs in dtype.\n"
            f"  parameter {parameter.name!r} {np.dtype(parameter.dtype)} <- file {dtype}\n"
            "  Pass cast_dtype=True to convert; nothing was loaded."
        )
        raise BindingError(msg)


def _check_context(parameter: gluon.Parameter, contexts: Any) -> None:
    has_place = parameter._data is not None or parameter._deferred_init
    if contexts and has_place and set(contexts) != set(parameter.list_ctx()):
        msg = (
            f"parameter {parameter.name!r} is on {parameter.list_ctx()}, to be loaded on {contexts}.\n"
            "  Call collect_params().reset_ctx first, or leave ctx out; nothing was loaded."
        )
        raise BindingError(msg)


def import_files(
    kind: Any,
    symbol_file: str,
    input_names: str | Sequence[str],
    param_file: str | None,
    ctx: Any,
    allow_missing: bool,
    ignore_extra: bool,
) -> Any:
    """Return a block of class `kind` from a symbol file and, where given, a parameter file."""
    names = checked_input_names(input_names)
    is_np = mx.util.is_np_array()
    symbol = load_symbol_file(symbol_file)
    block = kind(symbol.as_np_ndarray() if is_np else symbol, [mx.sym.var(n) for n in names])
    if param_file is not None:
        leniency = Leniency(allow_missing, ignore_extra, cast_dtype=True, dtype_source="saved")
        params = dict(block.params.items())
        load_into(param_file, params, params, leniency, ctx=ctx, is_np=is_np)
    return block
