"""Which Parameter a name in a parameter file means; what the file lacks, and what it holds besides."""

from __future__ import annotations

from collections import Counter
from typing import AbstractSet, Any, Iterable, Mapping, NamedTuple, Sequence

import mxnet as mx
import numpy as np
from mxnet import gluon

from .errors import BindingError, nearest_names, shorten
from .lazy_values import LazyValues
from .params_file import FILE_PREFIXES, unmarked

__all__ = ["Meaning", "parameters_of_keys", "check_complete", "check_each_once", "check_equal"]

_Reading = Mapping[str, gluon.Parameter]


class Meaning(NamedTuple):
    """What the keys of a file mean.

    Attributes
    ----------
    parameter_of_key : dict of str to Parameter
        The keys that count, in the order of the file.
    overruled : set of str
        Keys of parameters that the file holds under their present names as well; these count.
    """

    parameter_of_key: Mapping[str, gluon.Parameter]
    overruled: AbstractSet[str]


def parameters_of_keys(
    filename: str,
    values: Mapping[str, Any],
    structural: Mapping[str, gluon.Parameter],
    params: Mapping[str, gluon.Parameter],
    former: Mapping[str, Sequence[gluon.Parameter]],
) -> Meaning:
    """Return the Parameter that each key of the file names: in full, structurally, or by a full name it once had.

    Where a key could mean two Parameters, a naming by which the file holds the whole block decides, else one that
    all keys of the file follow. The full names that the Parameters have now come before all others.

    Raises
    ------
    BindingError
        Several namings decide and differ, or none does.
    """
    marks = ("", *FILE_PREFIXES)
    full = {mark + name: p for name, p in params.items() for mark in marks}
    past = {mark + name: held for name, held in former.items() for mark in marks}
    once = {key: held[0] for key, held in past.items() if len(held) == 1}
    readings = [{key: known[key] for key in values if key in known} for known in (full, structural, once)]
    meanings: dict[str, dict[int, gluon.Parameter]] = {}
    for key in values:
        held = [*(reading[key] for reading in readings if key in reading), *past.get(key, ())]
        if held:
            meanings[key] = {id(p): p for p in held}
    block = {id(p) for p in params.values()}
    deciding = [reading for reading in readings if block and block <= {id(p) for p in reading.values()}]
    doubtful = [key for key, held_by in meanings.items() if len(held_by) > 1]
    if doubtful and not deciding:
        deciding = [reading for reading in readings if len(reading) == len(values)]
    open_keys = _undecided(doubtful, deciding)
    if deciding and deciding[0] is readings[0] and not _differing(deciding):
        return Meaning(readings[0], meanings.keys() - readings[0].keys())
    if open_keys:
        names = [name for name, p in params.items() if id(p) in meanings[open_keys[0]]]
        raise _doubt(filename, open_keys[0], names, is_several=bool(deciding), has_former=bool(former))
    decided = {key: p for reading in deciding for key, p in reading.items()}
    return Meaning({key: decided.get(key, next(iter(meanings[key].values()))) for key in meanings}, frozenset())


def _undecided(doubtful: Iterable[str], deciding: Sequence[_Reading]) -> list[str]:
    """Return the keys of several meanings that no deciding reading knows, or that they do not agree on."""
    differing = _differing(deciding)
    return [key for key in doubtful if key in differing or not any(key in reading for reading in deciding)]


def _differing(readings: Sequence[_Reading]) -> set[str]:
    """Return the keys that mean different Parameters in different readings."""
    found: dict[str, gluon.Parameter] = {}
    return {key for reading in readings for key, p in reading.items() if found.setdefault(key, p) is not p}


def _doubt(filename: str, key: str, names: Sequence[str], *, is_several: bool, has_former: bool) -> BindingError:
    more = ", or those from before the network was renamed" if has_former else ""
    return BindingError(
        f"{key!r} in {filename!r} may mean {' or '.join(map(repr, names))}.\n"
        f"  The names in the file follow {'several namings' if is_several else 'no one naming'} throughout: full,"
        f" structural{more}.\n"
        "  Save it again with save_parameters of the same block; nothing was loaded."
    )


def check_complete(
    filename: str,
    values: Mapping[str, Any],
    structural: Mapping[str, gluon.Parameter],
    meaning: Meaning,
    *,
    allow_missing: bool,
    ignore_extra: bool,
) -> None:
    """Refuse a file that lacks a parameter, or holds others, unless that is allowed.

    Raises
    ------
    BindingError
        It does.
    """
    found = {id(p) for p in meaning.parameter_of_key.values()}
    missing = [n for n, p in structural.items() if id(p) not in found]
    extra = [key for key in values if key not in meaning.parameter_of_key and key not in meaning.overruled]
    if missing and not allow_missing:
        msg = (
            f"{len(missing)} of {len(structural)} parameters are not in {filename!r}: {shorten(missing)}.\n"
            f"  It holds {len(values)}: {shorten(nearest_names(missing[0], values) or list(values))}.\n"
            "  Pass allow_missing=True to load the others; nothing was loaded."
        )
        raise BindingError(msg)
    if extra and not ignore_extra:
        msg = (
            f"{len(extra)} of {len(values)} arrays in {filename!r} belong to no parameter: {shorten(extra)}.\n"
            f"  The block has {len(structural)}: {shorten(list(structural))}.\n"
            "  Pass ignore_extra=True to load the others; nothing was loaded."
        )
        raise BindingError(msg)


def check_each_once(filename: str, parameter_of_key: Mapping[str, gluon.Parameter]) -> None:
    """Refuse a file that holds one variable with and without ``arg:`` or ``aux:``.

    Raises
    ------
    BindingError
        It does.
    """
    count_of = Counter(map(unmarked, parameter_of_key))
    twice = [key for key in parameter_of_key if count_of[unmarked(key)] > 1]
    if twice:
        msg = (
            f"{filename!r} holds {shorten(twice)}, which are one variable.\n"
            "  Leave out the one that is not meant; nothing was loaded."
        )
        raise BindingError(msg)


def check_equal(filename: str, values: LazyValues, parameter_of_key: Mapping[str, gluon.Parameter]) -> None:
    """Refuse a file that holds one parameter under several names with different values.

    Raises
    ------
    BindingError
        It does: they differ in shape, in dtype, or in a single bit.
    """
    first_of_parameter: dict[int, str] = {}
    for key, parameter in parameter_of_key.items():
        first = first_of_parameter.setdefault(id(parameter), key)
        if first == key:
            continue
        if values.headers[first] != values.headers[key] or _bits(values[first]) != _bits(values[key]):
            msg = (
                f"{first!r} and {key!r} in {filename!r} are one parameter, and their values differ.\n"
                f"  It is the parameter that was made as {parameter.name!r}.\n"
                "  Leave out the one that is not meant; nothing was loaded."
            )
            raise BindingError(msg)


def _bits(value: Any) -> bytes:
    return (value.asnumpy() if isinstance(value, mx.nd.NDArray) else np.asarray(value)).tobytes()
