"""A block's files: export, save, load. Everything is checked before anything is written or set."""

from __future__ import annotations

import os
import tempfile
from typing import Any, Callable, Mapping, NamedTuple, Sequence

import mxnet as mx
import numpy as np
from mxnet import gluon

from .arguments import checked_input_names
from .codec import json_of_symbol, symbol_of_graph
from .errors import BindingError, SubgraphError, nearest_names, shorten
from .graph import Graph
from .parameters import with_settings
from .params_file import FILE_PREFIXES
from .readers import load_symbol_file, load_values_file

__all__ = ["Leniency", "structural_names", "values_of", "save_arrays", "export_files", "load_into", "import_files"]

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


def save_arrays(path: str, values: Mapping[str, Any]) -> None:
    """Write a parameter file beside `path`, then rename it to `path`."""
    _write_beside({path: lambda name: _write_arrays(name, values)})


def _write_arrays(name: str, values: Mapping[str, Any]) -> None:
    mx.nd.save(name, {k: v.as_nd_ndarray() for k, v in values.items()})


def _write_text(name: str, text: str) -> None:
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)


def _write_beside(writers: Mapping[str, Callable[[str], None]]) -> None:
    """Call the writer of each path with a new name in the same folder; rename the files when all are written."""
    for path in writers:
        _check_place(path)
    made: dict[str, str] = {}
    try:
        for path, write in writers.items():
            folder, base = os.path.split(os.path.realpath(path))  # a link stays one
            handle, made[path] = tempfile.mkstemp(prefix=base + ".", dir=folder)
            os.close(handle)
            write(made[path])
            os.chmod(made[path], 0o666 & ~_current_umask())
        for path in writers:
            os.replace(made[path], os.path.realpath(path))
            del made[path]
    finally:
        for name in made.values():
            os.unlink(name)


def _check_place(path: str) -> None:
    """Refuse a path that is a folder, or whose folder does not exist or cannot be written to."""
    place = os.path.realpath(path)
    folder = os.path.dirname(place)
    if os.path.isdir(place):
        flaw, way = f"{os.fspath(path)!r} is a folder", "Give the name of a file in it"
    elif not os.path.isdir(folder):
        flaw = f"there is no folder {folder!r} to write {os.fspath(path)!r} to"
        way = f"Call os.makedirs({folder!r}) first"
    elif not os.access(folder, os.W_OK | os.X_OK):
        flaw, way = f"the folder {folder!r} cannot be written to", "Give another, or change its permissions"
    else:
        return
    msg = f"{flaw}.\n  {way}; nothing was written."
    raise SubgraphError(msg)


def _current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def export_files(
    graph: Graph, params: Mapping[str, gluon.Parameter], path: str, epoch: int, *, is_np: bool, remove_amp_cast: bool
) -> None:
    """Write ``path-symbol.json`` and ``path-0000.params`` as `HybridBlock.export` names and fills them."""
    auxiliary = frozenset(symbol_of_graph(graph).list_auxiliary_states())
    values = {f"{'aux' if name in auxiliary else 'arg'}:{name}": v for name, v in values_of(params).items()}
    symbol = symbol_of_graph(with_settings(graph, params, auxiliary), is_np=is_np)
    text = symbol.tojson() if remove_amp_cast else json_of_symbol(symbol)
    _write_beside(
        {
            f"{path}-{epoch:04d}.params": lambda name: _write_arrays(name, values),
            f"{path}-symbol.json": lambda name: _write_text(name, text),
        }
    )


def load_into(
    filename: str,
    structural: Mapping[str, gluon.Parameter],
    params: Mapping[str, gluon.Parameter],
    leniency: Leniency,
    *,
    ctx: Any,
    is_np: bool,
) -> None:
    """Set `params` from a file that names them in full, structurally, or behind ``arg:`` and ``aux:``.

    Raises
    ------
    BindingError
        A name, shape, dtype or context does not fit; nothing has been loaded then.
    SubgraphError
        `dtype_source` is neither "current" nor "saved".
    """
    if leniency.dtype_source not in ("current", "saved"):
        msg = f"dtype_source={leniency.dtype_source!r}.\n  It is 'current' or 'saved'; nothing was loaded."
        raise SubgraphError(msg)
    values = load_values_file(os.fspath(filename))
    parameter_of_key = _keys_of(filename, values, structural, params)
    _check_names(filename, values, structural, parameter_of_key, leniency)
    _check_each_once(filename, parameter_of_key)
    contexts = [ctx] if isinstance(ctx, mx.Context) else ctx
    for key, parameter in parameter_of_key.items():
        _check_fit(key, values[key], parameter, cast_dtype=leniency.cast_dtype)
        _check_context(parameter, contexts)
    for key, parameter in parameter_of_key.items():
        value = values[key].as_np_ndarray() if is_np else values[key]
        if parameter.shape is None:
            parameter.shape = value.shape  # Gluon leaves it unknown
        parameter._load_init(value, contexts, cast_dtype=leniency.cast_dtype, dtype_source=leniency.dtype_source)


def _keys_of(
    filename: str,
    values: Mapping[str, Any],
    structural: Mapping[str, gluon.Parameter],
    params: Mapping[str, gluon.Parameter],
) -> dict[str, gluon.Parameter]:
    """Return the Parameter that each key of the file names, in full or structurally.

    Where a key could be either and mean two Parameters, the naming that all keys of the file follow decides.
    """
    full = {prefix + name: p for name, p in params.items() for prefix in ("", *FILE_PREFIXES)}
    readings = [{key: known[key] for key in values if key in known} for known in (full, structural)]
    doubtful = [key for key, p in readings[0].items() if readings[1].get(key, p) is not p]
    if not doubtful:
        return {**readings[1], **readings[0]}
    complete = [reading for reading in readings if len(reading) == len(values)]
    if len(complete) == 1:
        return complete[0]
    msg = (
        f"{doubtful[0]!r} in {filename!r} may mean {readings[0][doubtful[0]].name!r} or"
        f" {readings[1][doubtful[0]].name!r}.\n"
        "  The names in the file follow neither the full nor the structural naming throughout.\n"
        "  Save it again with save_parameters of the same block; nothing was loaded."
    )
    raise BindingError(msg)


def _check_names(
    filename: str,
    values: Mapping[str, Any],
    structural: Mapping[str, gluon.Parameter],
    parameter_of_key: Mapping[str, gluon.Parameter],
    leniency: Leniency,
) -> None:
    """Refuse a file that lacks a parameter, or holds others, unless that is allowed."""
    found = {id(p) for p in parameter_of_key.values()}
    missing = [n for n, p in structural.items() if id(p) not in found]
    extra = [key for key in values if key not in parameter_of_key]
    if missing and not leniency.allow_missing:
        msg = (
            f"{len(missing)} of {len(structural)} parameters are not in {filename!r}: {shorten(missing)}.\n"
            f"  It holds {len(values)}: {shorten(nearest_names(missing[0], values) or list(values))}.\n"
            "  Pass allow_missing=True to load the others; nothing was loaded."
        )
        raise BindingError(msg)
    if extra and not leniency.ignore_extra:
        msg = (
            f"{len(extra)} of {len(values)} arrays in {filename!r} belong to no parameter: {shorten(extra)}.\n"
            f"  The block has {len(structural)}: {shorten(list(structural))}.\n"
            "  Pass ignore_extra=True to load the others; nothing was loaded."
        )
        raise BindingError(msg)


def _check_each_once(filename: str, parameter_of_key: Mapping[str, gluon.Parameter]) -> None:
    """Refuse a file that holds one variable with and without ``arg:`` or ``aux:``."""
    plain = [key[4:] if key.startswith(FILE_PREFIXES) else key for key in parameter_of_key]
    if len(set(plain)) < len(plain):
        twice = [key for key, name in zip(parameter_of_key, plain) if plain.count(name) > 1]
        msg = (
            f"{filename!r} holds {shorten(twice)}, which are one variable.\n"
            "  Leave out the one that is not meant; nothing was loaded."
        )
        raise BindingError(msg)


def _check_fit(key: str, value: Any, parameter: gluon.Parameter, *, cast_dtype: bool) -> None:
    shape = parameter.shape
    if shape and (len(shape) != len(value.shape) or any(d > 0 and d != v for d, v in zip(shape, value.shape))):
        msg = (
            f"{key!r} differs in shape.\n"
            f"  parameter {parameter.name!r} {tuple(shape)} <- file {tuple(value.shape)}\n"
            "  Load the file of a network with these layers; this one is of another. Nothing was loaded."
        )
        raise BindingError(msg)
    if not cast_dtype and np.dtype(parameter.dtype) != np.dtype(value.dtype):
        msg = (
            f"{key!r} differs in dtype.\n"
            f"  parameter {parameter.name!r} {np.dtype(parameter.dtype)} <- file {np.dtype(value.dtype)}\n"
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
