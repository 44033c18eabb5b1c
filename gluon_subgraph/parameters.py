"""Gluon Parameters for the variables of a graph: found where the network has them, made where it has values."""

from __future__ import annotations

from typing import Any, Collection, Iterable, Mapping, Sequence

import mxnet as mx
import numpy as np
from mxnet import gluon

from .codec import graph_of_symbol
from .errors import BindingError, SubgraphError, kind_of, mxnet_reason, shorten
from .graph import Node
from .params_file import FILE_PREFIXES
from .settings import DIFFERENTIABLE, NOTE, is_constant, set_noted_grad_req
from .value_files import StoredArray, is_mxnet_dtype

__all__ = [
    "ParameterSource",
    "check_variables",
    "new_parameters",
    "has_value",
    "adopt_value",
    "fix_auxiliary",
    "listed_contexts",
    "move_parameters",
]

_GRAD_REQS = ("write", "add", "null")
_STORAGE_TYPES = ("default", "row_sparse", "csr")


class ParameterSource:
    """Parameters by the name of their variable.

    Parameters
    ----------
    values : mapping of str to Parameter, NDArray, or array-like
        Keys may carry the ``arg:`` or ``aux:`` of a parameter file. A Parameter is used as it is; an NDArray gets
        a Parameter over the same memory; a StoredArray is read once; anything else is copied once.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values.items())
        self._made: dict[str, gluon.Parameter] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._values or self._key_of(name) is not None

    def __len__(self) -> int:
        return len(self._values)

    def get(self, name: str) -> Any:
        """Return the Parameter or value called `name`, None where there is none.

        Raises
        ------
        BindingError
            There are several values for this name.
        """
        key = self._key_of(name)
        return None if key is None else self._values[key]

    def existing(self, names: Iterable[str]) -> dict[str, gluon.Parameter] | None:
        """Return the Parameters called `names`, or None where one of them would have to be made."""
        found = {name: self._values.get(name) for name in names}
        return found if all(isinstance(p, gluon.Parameter) for p in found.values()) else None

    def without_values(self) -> ParameterSource:
        """Return a source of the same names and no values."""
        return ParameterSource(dict.fromkeys(self._values))

    def parameter_of(self, node: Node, *, is_auxiliary: bool, is_np: bool = False) -> gluon.Parameter:
        """Return the Parameter of a variable node, always the same one.

        Raises
        ------
        BindingError
            The value is no array, or there are several for this name.
        """
        value = self._values[self._key_of(node.name)]  # type: ignore[index]
        if isinstance(value, gluon.Parameter):
            return value
        if node.name not in self._made:
            self._made[node.name] = _parameter_over(value, node, is_auxiliary=is_auxiliary, is_np=is_np)
        return self._made[node.name]

    def _key_of(self, name: str) -> str | None:
        keys = [p + name for p in ("", *FILE_PREFIXES) if p + name in self._values]
        if len(keys) > 1:
            msg = (
                f"there are {len(keys)} values for {name!r}: {shorten(keys)}.\n"
                "  Leave out the one that is not meant; nothing was changed."
            )
            raise BindingError(msg)
        return keys[0] if keys else None


def _parameter_over(value: Any, node: Node, *, is_auxiliary: bool, is_np: bool) -> gluon.Parameter:
    """Return a new Parameter that holds `value`, set as the graph notes."""
    array = _as_ndarray(value.read() if isinstance(value, StoredArray) else value, node.name, is_np=is_np)
    array = array.as_np_ndarray() if is_np else array.as_nd_ndarray()
    parameter = _new_parameter(
        node.name, node.attrs, is_auxiliary=is_auxiliary, dtype=array.dtype, shape=array.shape, stype=array.stype
    )
    adopt_value(parameter, [array])
    return parameter


def _new_parameter(
    name: str, attrs: Mapping[str, str], *, is_auxiliary: bool, dtype: Any, shape: Any = None, stype: str = "default"
) -> gluon.Parameter:
    """Return a Parameter without value, with the settings that `attrs` of its variable note.

    Only floating point can have a gradient; a running statistic or an exported Constant never has one.
    """
    never = is_auxiliary or is_constant(attrs) or attrs.get(DIFFERENTIABLE) == "False"
    learns = not (never or np.dtype(dtype).kind in "iub")
    grad_req = attrs.get("__grad_req__", "write")
    grad_stype = attrs.get("__grad_stype__", "default")
    parameter = gluon.Parameter(
        name,
        shape=shape,
        dtype=dtype,
        lr_mult=_multiplier(name, attrs, "__lr_mult__"),
        wd_mult=_multiplier(name, attrs, "__wd_mult__"),
        grad_req=grad_req if learns and grad_req in _GRAD_REQS else "null",
        grad_stype=grad_stype if grad_stype in _STORAGE_TYPES else "default",
        differentiable=learns,
        allow_deferred_init=True,
        stype=stype,
    )
    if attrs.get(NOTE) in _GRAD_REQS:
        set_noted_grad_req(parameter, attrs[NOTE])
    return parameter


def _multiplier(name: str, attrs: Mapping[str, str], key: str) -> float:
    try:
        return float(attrs.get(key, 1.0))
    except ValueError:
        msg = (
            f"the variable {name!r} has {key}={attrs[key]!r}, which is no number.\n"
            "  Set the attribute to one, or remove it; nothing was made."
        )
        raise SubgraphError(msg) from None


def check_variables(names: Mapping[str, None], input_names: Sequence[str], params: Mapping[str, Any]) -> None:
    """Refuse inputs that are no variables of a symbol, and variables that are neither input nor parameter.

    Raises
    ------
    SubgraphError, BindingError
        An input is unknown; a parameter is missing.
    """
    unknown = [n for n in input_names if n not in names]
    if unknown:
        msg = (
            f"input {unknown[0]!r} is no variable of the symbol.\n"
            f"  Its variables are {shorten(list(names), 8)}.\n"
            "  To start at an inner tensor use extract; nothing was made."
        )
        raise SubgraphError(msg)
    given = set(input_names)
    missing = [n for n in names if n not in given and n not in params]
    if missing:
        msg = (
            f"{len(missing)} of {len(names) - len(given)} parameters are not given: {shorten(missing)}.\n"
            f"  Given are {len(params)}: {shorten(list(params))}.\n"
            "  Name them among the inputs, or pass Parameters under these names; nothing was made."
        )
        raise BindingError(msg)


def new_parameters(symbol: mx.sym.Symbol, input_names: Collection[str]) -> dict[str, gluon.Parameter]:
    """Return new Parameters for all variables but the inputs, with the types the graph implies where it does."""
    arguments, auxiliary = symbol.list_arguments(), symbol.list_auxiliary_states()
    types: list[Any] = [None] * (len(arguments) + len(auxiliary))
    try:
        argument_types, _, auxiliary_types = symbol.infer_type_partial()
        types = [*argument_types, *auxiliary_types]
    except mx.MXNetError:
        pass  # the types are then float32, as in a stock SymbolBlock
    attrs_of_name = {node.name: node.attrs for _, node in graph_of_symbol(symbol).variables()}
    return {
        name: _new_parameter(name, attrs_of_name[name], is_auxiliary=i >= len(arguments), dtype=dtype or np.float32)
        for i, (name, dtype) in enumerate(zip([*arguments, *auxiliary], types))
        if name not in input_names
    }


def _as_ndarray(value: Any, name: str, *, is_np: bool) -> Any:
    """Return `value` as an NDArray, itself if it is one."""
    try:
        array: Any = value if isinstance(value, mx.nd.NDArray) else np.asarray(value)
    except ValueError:  # a ragged list
        array = np.asarray(value, dtype=object)
    shape, dtype = array.shape, np.dtype(array.dtype)
    flaw = ""
    if np.ma.is_masked(value):
        flaw, way = "with masked values, which no parameter can have", "Give value.filled(number)"
    elif getattr(array, "stype", "default") != "default":
        flaw, way = f"a {array.stype} array, which no cached graph can run", "Give value.tostype('default')"
    elif not is_mxnet_dtype(dtype):
        near = "int64" if dtype.kind in "iu" else "float64"
        is_number = dtype.kind in "fiub"
        flaw = f"of dtype {dtype}, {'which MXNet does not have' if is_number else 'no array of numbers'}"
        way = f"Give value.astype({near!r})" if is_number else "Give an MXNet or NumPy array"
    elif not is_np and (not shape or 0 in shape):  # MXNet takes 0 for a size not known
        flaw, way = f"of shape {tuple(shape)}, which holds no elements in MXNet", "Give an array of shape (1,) or more"
    if flaw:
        msg = f"the value of {name!r} is a {kind_of(value)} {flaw}.\n  {way}; nothing was changed."
        raise BindingError(msg)
    if isinstance(value, mx.nd.NDArray):
        return value
    with mx.util.np_shape(is_np):
        return mx.nd.array(array, dtype=dtype)


def adopt_value(parameter: gluon.Parameter, arrays: list[Any]) -> None:
    """Let `parameter` hold `arrays`, one per context, in the memory they already have.

    `Parameter.initialize` and `set_data` copy. A detached array shares memory but not the gradient, so that the
    caller's own array stays as it was.
    """
    contexts = [a.context for a in arrays]
    parameter._ctx_list = contexts
    parameter._ctx_map = [[], []]
    for i, context in enumerate(contexts):
        devices = parameter._ctx_map[context.device_typeid & 1]
        devices.extend([None] * (context.device_id + 1 - len(devices)))
        devices[context.device_id] = i
    parameter._data = [a.detach() for a in arrays]
    parameter._deferred_init = ()
    parameter._init_grad()


def has_value(parameter: Any) -> bool:
    """Return whether `parameter` holds a value, or will after deferred initialisation."""
    if not isinstance(parameter, gluon.Parameter):
        return parameter is not None
    return parameter._data is not None or bool(parameter._deferred_init)


def fix_auxiliary(parameter: gluon.Parameter) -> None:
    """Make sure that no setting turns a running statistic into something a Trainer updates.

    Gluon's own layers do so; a stock SymbolBlock forgets it, so that ``collect_params().setattr('grad_req',
    'write')`` breaks its next training step.
    """
    if parameter._differentiable:
        parameter._differentiable = False
        parameter.grad_req = "null"


def move_parameters(values: Iterable[Any], ctx: Any) -> None:
    """Move the Parameters among `values` to one context or several, each Parameter once.

    Raises
    ------
    SubgraphError, BindingError
        `ctx` is no context of this machine; a parameter has no value. Nothing has been moved then.
    """
    contexts = listed_contexts(mx.current_context() if ctx is None else ctx, "moved")
    parameters = {id(p): p for p in values if isinstance(p, gluon.Parameter)}
    empty = [p.name for p in parameters.values() if not has_value(p)]
    if empty:
        msg = (
            f"{len(empty)} of {len(parameters)} parameters have no value: {shorten(empty)}.\n"
            "  Initialise or load the network first; nothing was moved."
        )
        raise BindingError(msg)
    for parameter in parameters.values():
        parameter.reset_ctx(contexts)


def listed_contexts(ctx: Any, done: str) -> list[mx.Context]:
    """Return one context or several as a list.

    Raises
    ------
    SubgraphError
        It is neither, or this machine has none such; the message says that nothing was `done`.
    """
    contexts = [ctx] if isinstance(ctx, mx.Context) else ctx
    if not isinstance(contexts, (list, tuple)) or not contexts or any(not isinstance(c, mx.Context) for c in contexts):
        msg = f"ctx={ctx!r} is no context.\n  Give one, such as mx.cpu(0), or a list of several; nothing was {done}."
        raise SubgraphError(msg)
    for context in contexts:
        try:
            mx.nd.zeros((1,), ctx=context).wait_to_read()
        except mx.MXNetError as error:
            reason = mxnet_reason(error)
            msg = f"there is no {context} here.\n  MXNet says: {reason}\n  Give another ctx; nothing was {done}."
            raise SubgraphError(msg) from None
    return list(contexts)
