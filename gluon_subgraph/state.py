"""A block as plain values: what pickle and deepcopy carry, and how it becomes a block again."""

from __future__ import annotations

import copy
from typing import AbstractSet, Any, Mapping
from weakref import WeakValueDictionary

import mxnet as mx
from mxnet import gluon

from .codec import symbol_of_graph
from .parameters import adopt_value
from .settings import NOTED_GRAD_REQ, NOTED_NAMES

__all__ = [
    "HYBRIDIZED",
    "state_of",
    "restore",
    "deep_copy",
    "keep_structural_names",
    "further_attributes",
    "copy_additions",
    "portable_parameter",
    "copied_parameter",
]

_KEPT_ATTRIBUTES = ("lr_mult", "wd_mult", "_dtype", "_differentiable", "_grad_stype", "_stype", "_allow_deferred_init")
_NOTES = (NOTED_GRAD_REQ, NOTED_NAMES)
HYBRIDIZED = ("_active", "_flags", "_backend", "_backend_opts")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_GLUONS = frozenset(vars(gluon.HybridBlock(prefix="")))  # what every block has
_OURS = frozenset({"_symbol", "_graph_maker", "_is_checked", "name_prefix", "_inputs"})


class _PortableParameter:
    """A Parameter on its way through pickle, which remembers by identity what it has seen."""

    def __init__(self, parameter: gluon.Parameter) -> None:
        self.parameter = parameter

    def __reduce__(self) -> tuple[Any, ...]:
        return _parameter_from, (_state_of_parameter(self.parameter),)


# One per Parameter for as long as a pickler holds it: blocks that share a Parameter share it after loading too.
_PORTABLE: WeakValueDictionary[int, _PortableParameter] = WeakValueDictionary()


def state_of(block: Any) -> dict[str, Any]:
    """Return all that makes up a block, ready for pickle."""
    return {
        "graph": block.graph,
        "is_np": block._is_np,
        "input_names": list(block.input_names),
        "out_format": block._out_format,
        "name_prefix": block.name_prefix,
        "structural_names": _structural_names(block),
        "params": {name: portable_parameter(p) for name, p in block.params.items()},
        "hybridize": {name: getattr(block, name) for name in HYBRIDIZED},
        "attributes": further_attributes(block, _OURS),
    }


def _structural_names(block: Any) -> dict[str, str]:
    name_of = {id(p): name for name, p in block.params.items()}
    return {key: name_of[id(p)] for key, p in block._reg_params.items()}


def keep_structural_names(block: Any, structural: Mapping[str, str]) -> None:
    """Give `block` the names that its parameters have in files of `save_parameters`.

    Parameters
    ----------
    block : SubgraphBlock
        Changed in place.
    structural : mapping of str to str
        {name in a file of save_parameters: name of the variable}.
    """
    block._reg_params = {key: block._params[name] for key, name in structural.items()}


def further_attributes(block: gluon.Block, own: AbstractSet[str]) -> dict[str, Any]:
    """Return what a user set on a block: all that neither Gluon keeps there nor its class, which has its `own`."""
    return {name: value for name, value in vars(block).items() if name not in _GLUONS and name not in own}


def copy_additions(block: gluon.Block, copied: gluon.Block, own: AbstractSet[str], memo: dict[int, Any]) -> None:
    """Copy to `copied` what a user set on a block and hooked to it; `memo` is that of `copy.deepcopy`."""
    found = {name: getattr(block, name) for name in _HOOKS}
    copied.__dict__.update(copy.deepcopy({**further_attributes(block, own), **found}, memo))


def portable_parameter(parameter: gluon.Parameter) -> _PortableParameter:
    """Return what to pickle in place of a Parameter; it is loaded as a Parameter, once however often it occurs."""
    return _PORTABLE.setdefault(id(parameter), _PortableParameter(parameter))


def restore(block: Any, state: Mapping[str, Any]) -> None:
    """Make `block` what `state_of` saw; without pickle between, over the same Parameters."""
    params = {n: p.parameter if isinstance(p, _PortableParameter) else p for n, p in state["params"].items()}
    graph = state["graph"]
    symbol = symbol_of_graph(graph, is_np=state["is_np"])
    block._assemble(symbol, state["input_names"], params, state["out_format"], graph, state["name_prefix"])
    keep_structural_names(block, state["structural_names"])
    for name, value in state["hybridize"].items():
        setattr(block, name, list(value) if name == "_flags" else value)
    block.__dict__.update(state["attributes"])


def deep_copy(block: Any, empty: Any, memo: dict[int, Any]) -> None:
    """Make `empty` a copy of `block` over copies of its Parameters; `memo` is that of `copy.deepcopy`."""
    state = state_of(block)
    state["params"] = {name: copied_parameter(p, memo) for name, p in block.params.items()}
    state["attributes"] = {}
    restore(empty, state)
    copy_additions(block, empty, _OURS, memo)


def copied_parameter(parameter: gluon.Parameter, memo: dict[int, Any]) -> gluon.Parameter:
    """Return the copy of a Parameter, the one already made where there is one.

    One that Gluon made has lost the bond between value and gradient; it is tied anew.
    """
    copied = memo.get(id(parameter))
    if copied is None:
        copied = memo[id(parameter)] = _parameter_from(_state_of_parameter(parameter))
    elif copied._grad is not None:
        mx.autograd.mark_variables(copied._data, copied._grad, copied.grad_req)
    return copied


def _state_of_parameter(parameter: gluon.Parameter) -> dict[str, Any]:
    arrays = parameter._data
    return {
        "name": parameter.name,
        "shape": parameter._shape,
        "grad_req": parameter.grad_req,
        "attributes": {n: getattr(parameter, n) for n in (*_KEPT_ATTRIBUTES, *_NOTES) if hasattr(parameter, n)},
        "init": parameter.init,
        "constant": parameter.value.copy() if isinstance(parameter, gluon.Constant) else None,
        "deferred": parameter._deferred_init,
        "arrays": None if arrays is None else [(a.context.device_type, a.context.device_id, a.copy()) for a in arrays],
    }


def _parameter_from(state: Mapping[str, Any]) -> gluon.Parameter:
    if state["constant"] is None:
        parameter = gluon.Parameter(state["name"], shape=state["shape"], init=state["init"])
        parameter._grad_req = state["grad_req"]
    else:  # its initialiser is its own value
        parameter = gluon.Constant(state["name"], state["constant"])
    for name, value in state["attributes"].items():
        setattr(parameter, name, value)
    parameter._deferred_init = state["deferred"]
    if state["arrays"] is not None:
        adopt_value(parameter, [a.as_in_context(mx.Context(kind, number)) for kind, number, a in state["arrays"]])
    return parameter
