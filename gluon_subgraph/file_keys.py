"""Which Parameter a name in a parameter file means; what the file lacks, and what it holds besides."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from mxnet import gluon

from .errors import BindingError, nearest_names, shorten
from .params_file import FILE_PREFIXES

__all__ = ["parameters_of_keys", "check_complete", "check_each_once"]


def parameters_of_keys(
    filename: str,
    values: Mapping[str, Any],
    structural: Mapping[str, gluon.Parameter],
    params: Mapping[str, gluon.Parameter],
    former: Sequence[Mapping[str, str]],
) -> dict[str, gluon.Parameter]:
    """Return the Parameter that each key of the file names: in full, structurally, or by a full name it once had.

    Where a key could mean two Parameters, the naming that all keys of the file follow decides.

    Raises
    ------
    BindingError
        Several namings are followed throughout and differ, or none is.
    """
    named = [params, *({old: params[now] for old, now in names.items()} for names in former)]
    full = [{prefix + name: p for name, p in one.items() for prefix in ("", *FILE_PREFIXES)} for one in named]
    readings = [{key: known[key] for key in values if key in known} for known in (full[0], structural, *full[1:])]
    meanings: dict[str, dict[int, gluon.Parameter]] = {}
    for reading in readings:
        for key, parameter in reading.items():
            meanings.setdefault(key, {})[id(parameter)] = parameter
    doubtful = [key for key, parameters in meanings.items() if len(parameters) > 1]
    if not doubtful:
        return {key: p for key, parameters in meanings.items() for p in parameters.values()}
    complete = [reading for reading in readings if len(reading) == len(values)]
    if complete and all(reading == complete[0] for reading in complete):
        return complete[0]
    name_of = {id(p): name for name, p in params.items()}
    msg = (
        f"{doubtful[0]!r} in {filename!r} may mean"
        f" {' or '.join(repr(name_of.get(key)) for key in meanings[doubtful[0]])}.\n"
        f"  The names in the file follow {'several namings' if complete else 'no one naming'} throughout: full,"
        f" structural{', or those from before the network was renamed' if former else ''}.\n"
        "  Save it again with save_parameters of the same block; nothing was loaded."
    )
    raise BindingError(msg)


def check_complete(
    filename: str,
    values: Mapping[str, Any],
    structural: Mapping[str, gluon.Parameter],
    parameter_of_key: Mapping[str, gluon.Parameter],
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
    found = {id(p) for p in parameter_of_key.values()}
    missing = [n for n, p in structural.items() if id(p) not in found]
    extra = [key for key in values if key not in parameter_of_key]
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
    plain = [key[4:] if key.startswith(FILE_PREFIXES) else key for key in parameter_of_key]
    if len(set(plain)) < len(plain):
        twice = [key for key, name in zip(parameter_of_key, plain) if plain.count(name) > 1]
        msg = (
            f"{filename!r} holds {shorten(twice)}, which are one variable.\n"
            "  Leave out the one that is not meant; nothing was loaded."
        )
        raise BindingError(msg)
