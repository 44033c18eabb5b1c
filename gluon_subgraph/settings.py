"""What is noted at a Parameter: how it learns, which its variable in a file keeps too, and what it was called."""

from __future__ import annotations

from typing import Collection, Iterable, Mapping

import numpy as np
from mxnet import gluon
from mxnet.ndarray.ndarray import _DTYPE_NP_TO_MX

from .graph import Graph

__all__ = [
    "DIFFERENTIABLE",
    "NOTE",
    "NOTED_GRAD_REQ",
    "NOTED_NAMES",
    "is_constant",
    "noted_grad_req",
    "set_noted_grad_req",
    "note_name",
    "former_names",
    "with_settings",
]

NOTE = "__unfrozen_grad_req__"  # at a variable: what a frozen parameter had before
NOTED_GRAD_REQ = "_unfrozen_grad_req"  # the same at a Parameter
NOTED_NAMES = "_former_names"  # at a Parameter: what its variables were called before they were renamed
DIFFERENTIABLE = "__differentiable__"  # at a variable; what is not never learns
_CONSTANT_INIT = "Constant_"  # the initialiser name Gluon gives to a Constant
_USUAL_SETTINGS = {
    **{"__lr_mult__": "1.0", "__wd_mult__": "1.0", "__grad_stype__": "default"},
    **{"__grad_req__": "write", DIFFERENTIABLE: "True"},
}
_USUAL_OF_STATISTICS = {**_USUAL_SETTINGS, "__grad_req__": "null", DIFFERENTIABLE: "False"}


def is_constant(attrs: Mapping[str, str]) -> bool:
    """Return whether the attributes of a variable are those of an exported Constant."""
    return attrs.get("__init__", "").startswith(_CONSTANT_INIT)


def noted_grad_req(parameter: gluon.Parameter) -> str | None:
    """Return the ``grad_req`` that a frozen parameter had before, None where nothing is noted."""
    return vars(parameter).get(NOTED_GRAD_REQ)


def set_noted_grad_req(parameter: gluon.Parameter, grad_req: str | None) -> None:
    """Note at a parameter what to set it free to, or with None that it is free."""
    if grad_req is None:
        vars(parameter).pop(NOTED_GRAD_REQ, None)
    else:
        vars(parameter)[NOTED_GRAD_REQ] = grad_req


def names_of_parameter(parameter: gluon.Parameter) -> tuple[str, ...]:
    """Return the name a Parameter was made with, and those its variables had before they were renamed."""
    return (parameter.name, *vars(parameter).get(NOTED_NAMES, ()))


def note_name(parameter: gluon.Parameter, name: str) -> None:
    """Note at a parameter that a variable of it is called `name` no more."""
    known = names_of_parameter(parameter)
    if name not in known:
        vars(parameter)[NOTED_NAMES] = (*known[1:], name)


def former_names(
    params: Mapping[str, gluon.Parameter], others: Iterable[str] = ()
) -> dict[str, tuple[gluon.Parameter, ...]]:
    """Return the names that Parameters have had: {name: those that had it}; several where it is ambiguous.

    Parameters
    ----------
    params : mapping of str to Parameter
        Parameters by the name they have now.
    others : iterable of str
        Further names that files know them by now. Where nothing is called otherwise than it was made, what a name
        means now is all it means.
    """
    is_renamed = any(name != parameter.name for name, parameter in params.items())
    now = frozenset() if is_renamed else frozenset([*params, *others])
    found: dict[str, dict[int, gluon.Parameter]] = {}
    for parameter in params.values():
        for name in names_of_parameter(parameter):
            if name not in now:
                found.setdefault(name, {})[id(parameter)] = parameter
    return {name: tuple(held.values()) for name, held in found.items()}


def with_settings(graph: Graph, params: Mapping[str, gluon.Parameter], auxiliary: Collection[str]) -> Graph:
    """Return `graph` with the settings of its Parameters, as they are now, noted at their variables.

    What a symbol notes of itself is what was set when its network was first traced, and no ``grad_req`` at all.
    """
    nodes = list(graph.nodes)
    for i, node in graph.variables():
        if node.name in params:
            usual = _USUAL_OF_STATISTICS if node.name in auxiliary else _USUAL_SETTINGS
            noted = {**usual, **node.attrs}
            now = {k: v for k, v in _settings_of(params[node.name]).items() if noted.get(k, v) != v}
            kept = {k: v for k, v in node.attrs.items() if k != NOTE}
            frozen = noted_grad_req(params[node.name])
            nodes[i] = node._replace(attrs={**kept, **now, **({} if frozen is None else {NOTE: frozen})})
    return Graph(tuple(nodes), graph.outputs, graph.attrs)


def _settings_of(parameter: gluon.Parameter) -> dict[str, str]:
    dtype = np.dtype(parameter.dtype)
    return {
        "__lr_mult__": str(parameter.lr_mult),
        "__wd_mult__": str(parameter.wd_mult),
        "__grad_req__": parameter.grad_req,
        DIFFERENTIABLE: str(parameter._differentiable),
        "__grad_stype__": parameter._grad_stype,
        "__dtype__": str(_DTYPE_NP_TO_MX.get(dtype.type, _DTYPE_NP_TO_MX.get(dtype))),
    }
