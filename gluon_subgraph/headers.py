"""Names, shapes and dtypes of the values in a file or a mapping; the values themselves only when they are asked for."""

from __future__ import annotations

import operator
from collections import ChainMap
from typing import Any, Callable, Mapping, NamedTuple

import numpy as np
from mxnet import gluon

from .errors import BindingError, SubgraphError, kind_of, shorten
from .lazy_values import Header, LazyValues, dtype_name
from .params_file import unmarked
from .safetensors_file import SAFETENSORS_INDEX
from .value_files import ndarray_of, open_values_file

__all__ = ["Values", "values_of_file", "values_of_mapping", "joined", "header_of_parameter"]


class Values(NamedTuple):
    """The header of each array by the name of its variable, and where the arrays are."""

    headers: dict[str, Header]
    open_values: Callable[[], Mapping[str, Any]]


def values_of_file(path: str) -> Values:
    """Return what a file, or a folder with one, holds.

    Raises
    ------
    SubgraphError
        The file is missing, damaged, or of a format that is not known.
    """
    if path.endswith(".json") and not path.endswith(SAFETENSORS_INDEX):
        msg = (
            f"{path!r} is a symbol file, which holds no values.\n  Give (symbol file, params file); nothing was loaded."
        )
        raise SubgraphError(msg)
    return _values_of_lazy(open_values_file(path), lambda: open_values_file(path))


def _values_of_lazy(values: LazyValues, open_again: Callable[[], LazyValues]) -> Values:
    """Return what a mapping read from a file holds, in the dtypes it has there: MXNet, unlike NumPy, has bfloat16."""
    keys = _keys_of_names(values, values.title)

    def open_values() -> _View:
        opened = open_again()
        return _View(_InFileDtypes(opened), keys)

    return Values({name: values.headers[key] for name, key in keys.items()}, open_values)


class _InFileDtypes(Mapping[str, Any]):
    """The arrays of a file, bfloat16 as MXNet has it."""

    def __init__(self, values: LazyValues) -> None:
        self._values = values

    def __getitem__(self, key: str) -> Any:
        value, header = self._values[key], self._values.headers[key]
        return ndarray_of(value, header) if header.dtype == "bfloat16" else value

    def __contains__(self, key: Any) -> bool:
        return key in self._values

    def __iter__(self) -> Any:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def values_of_mapping(arrays: Any, role: str) -> Values:
    """Return what a mapping of name to anything with ``.shape`` and ``.dtype`` holds; each value is looked at once.

    Raises
    ------
    BindingError, SubgraphError
        A value is no array, a name has two values, or `arrays` is no mapping.
    """
    if not isinstance(arrays, (Mapping, gluon.ParameterDict)):
        msg = (
            f"the parameters of {role} are a {kind_of(arrays)}, no mapping of name to array.\n"
            "  Give (symbol, arg_params, aux_params); aux_params may be {}; nothing was loaded."
        )
        raise SubgraphError(msg)
    if isinstance(arrays, LazyValues):
        return _values_of_lazy(arrays, lambda: arrays)
    keys = _keys_of_names(arrays.keys(), f"the {role} {kind_of(arrays)}")
    headers = {name: _header(name, arrays[key], role) for name, key in keys.items()}
    return Values(headers, lambda: _View(arrays, keys))


class _View(Mapping[str, Any]):
    """A mapping under other keys, read value by value and only when asked."""

    def __init__(self, values: Mapping[str, Any], keys: Mapping[str, str]) -> None:
        self._values = values
        self._keys = keys

    def __getitem__(self, name: str) -> Any:
        return self._values[self._keys[name]]

    def __contains__(self, name: Any) -> bool:
        return name in self._keys and self._keys[name] in self._values

    def __iter__(self) -> Any:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def joined(arguments: Values, auxiliary: Values) -> Values:
    """Return the values of a checkpoint's two mappings together.

    Parameters
    ----------
    arguments, auxiliary : Values
        What ``arg_params`` and ``aux_params`` hold; a name in both must stand for one array.

    Raises
    ------
    BindingError
        A name in both has not the same value.
    """
    both = [name for name in auxiliary.headers if name in arguments.headers]
    if both:
        first, second = arguments.open_values(), auxiliary.open_values()
        twice = [name for name in both if first[name] is not second[name]]
        if twice:
            msg = (
                f"arg_params and aux_params hold different values for {shorten(twice)}.\n"
                "  Leave out the one that is not meant; nothing was loaded."
            )
            raise BindingError(msg)
    parts = [values.open_values() for values in (arguments, auxiliary)]
    return Values({**arguments.headers, **auxiliary.headers}, lambda: ChainMap(*parts))  # type: ignore[arg-type]


def _keys_of_names(keys: Any, title: str) -> dict[str, str]:
    """Return the key of each variable, which a file may write behind ``arg:`` or ``aux:``."""
    key_of_name: dict[str, str] = {}
    for key in keys:
        if not isinstance(key, str):
            msg = f"{title} has the key {key!r}, a {kind_of(key)}.\n  Parameters go by name; nothing was loaded."
            raise BindingError(msg)
        name = unmarked(key)
        if key_of_name.setdefault(name, key) != key:
            msg = (
                f"{title} has 2 values for {name!r}: {shorten([key_of_name[name], key])}.\n"
                "  Leave out the one that is not meant; nothing was loaded."
            )
            raise BindingError(msg)
    return key_of_name


def _header(name: str, value: Any, role: str) -> Header:
    if isinstance(value, gluon.Parameter):
        return header_of_parameter(value)
    if np.ma.is_masked(value):
        msg = (
            f"{name!r} of {role} has masked values, which no parameter can have.\n"
            f"  {int(np.ma.count_masked(value))} of {value.size} are.\n"
            "  Give value.filled(number), or leave it out; nothing was loaded."
        )
        raise BindingError(msg)
    try:
        shape = None if value.shape is None else tuple([max(operator.index(size), 0) for size in value.shape])
        return Header(shape, dtype_name(value.dtype))
    except (AttributeError, TypeError):
        within = f"  It may be the mapping wanted: give {role}[{name!r}]" if isinstance(value, Mapping) else ""
        msg = (
            f"{name!r} of {role} is a {kind_of(value)}, no array: it has no shape and dtype.\n"
            f"{within or '  Leave it out, or give an array'}; nothing was loaded."
        )
        raise BindingError(msg) from None


def header_of_parameter(parameter: gluon.Parameter) -> Header:
    """Return the shape and dtype of a Parameter, 0 for an axis not known."""
    shape = parameter._shape
    known = None if shape is None else tuple(max(size, 0) for size in shape)  # NumPy mode writes -1 for unknown
    return Header(known, dtype_name(parameter.dtype))
