"""What a block is made of and called with, checked before anything is made."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import mxnet as mx
from mxnet import gluon
from mxnet.gluon.block import _flatten

from .errors import BindingError, NameConflictError, SubgraphError, kind_of, shorten
from .graph import is_usable_name

__all__ = [
    "checked_outputs",
    "checked_input_names",
    "checked_params",
    "variable_like",
    "wrong_inputs",
]


def checked_outputs(outputs: Any) -> tuple[mx.sym.Symbol, Any]:
    """Return the Symbol a block computes, and the structure in which it returns its outputs.

    Raises
    ------
    SubgraphError
        `outputs` is neither a Symbol nor a list of Symbols.
    """
    leaves, stack = [], [outputs]
    while stack:
        item = stack.pop()
        if isinstance(item, (list, tuple)):
            stack.extend(reversed(item))
        else:
            leaves.append(item)
    wrong = [leaf for leaf in leaves if not isinstance(leaf, mx.sym.Symbol)]
    if wrong or not leaves:
        what = f"hold a {kind_of(wrong[0])}, no Symbol" if wrong else "are empty"
        msg = (
            f"outputs {what}: {outputs!r}.\n"
            "  Give a Symbol or a list of Symbols; to cut a piece out of a network use extract. Nothing was made."
        )
        raise SubgraphError(msg)
    symbols, out_format = _flatten(outputs, "output")
    return symbols[0] if len(symbols) == 1 else mx.sym.Group(symbols, type(symbols[0])), out_format


def checked_input_names(inputs: Any) -> list[str]:
    """Return the names of the inputs of a block, given as variables or as their names.

    Raises
    ------
    SubgraphError
        `inputs` is neither a variable nor a list of variables.
    NameConflictError
        A name is given twice.
    """
    given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    names = [i.name if isinstance(i, mx.sym.Symbol) else i for i in given]
    wrong = [i for i, name in zip(given, names) if not is_usable_name(name)]
    if wrong:
        msg = (
            f"inputs hold {wrong[0]!r} ({kind_of(wrong[0])}), which is no variable.\n"
            "  Give the variables the block takes, such as mx.sym.var('data'), in a list; nothing was made."
        )
        raise SubgraphError(msg)
    twice = [name for i, name in enumerate(names) if name in names[:i]]
    if twice:
        msg = (
            f"input {twice[0]!r} is given twice among {shorten(names, 8)}.\n"
            "  An input is one argument of the block; name each variable once. Nothing was made."
        )
        raise NameConflictError(msg)
    return names


def checked_params(params: Any) -> dict[str, gluon.Parameter]:
    """Return `params` as a dict.

    Raises
    ------
    SubgraphError, BindingError
        They are no mapping; one of them is no Parameter.
    """
    if not isinstance(params, (Mapping, gluon.ParameterDict)):
        msg = (
            f"params are a {kind_of(params)}, no mapping of name to Parameter.\n"
            "  Give net.collect_params(), or a dict of Parameters; nothing was made."
        )
        raise SubgraphError(msg)
    found = dict(params.items())
    wrong = [name for name, value in found.items() if not isinstance(value, gluon.Parameter)]
    if wrong:
        msg = (
            f"params hold a {kind_of(found[wrong[0]])} for {wrong[0]!r}, no Parameter.\n"
            "  For arrays use extract((symbol, arg_params, aux_params), inputs, outputs); nothing was made."
        )
        raise BindingError(msg)
    return found


def variable_like(name: str, symbol: mx.sym.Symbol) -> mx.sym.Symbol:
    """Return a variable of the kind `symbol` is: NumPy-style or not."""
    variable = mx.sym.var(name)
    return variable.as_np_ndarray() if isinstance(symbol, mx.sym.numpy._Symbol) else variable


def wrong_inputs(names: Sequence[str], given: Sequence[Any]) -> SubgraphError:
    """Return the error for a call with something other than one array, or one Symbol, per input."""
    kinds = f": {shorten([kind_of(value) for value in given], 8)}" if given else ""
    return SubgraphError(
        f"the block takes {len(names)} input{'s'[: len(names) != 1]}, {len(given)} were given{kinds}.\n"
        f"  Give {shorten(names, 8)}, in this order, each an NDArray or each a Symbol, not in a list."
    )
