"""How a Parameter learns, noted at its variable: a graph in a file keeps it, and stock MXNet ignores it."""

from __future__ import annotations

from typing import Collection, Mapping

import numpy as np
from mxnet import gluon
from mxnet.ndarray.ndarray import _DTYPE_NP_TO_MX

from .graph import Graph

__all__ = ["NOTE", "NOTED_GRAD_REQ", "is_constant", "noted_grad_req", "set_noted_grad_req", "with_settings"]

NOTE = "__unfrozen_grad_req__"  # at a variable: what a frozen parameter had before
NOTED_GRAD_REQ = "_unfrozen_grad_req"  # the same at a Parameter
_CONSTANT_INIT = "Constant_"  # the initialiser name Gluon gives to a Constant
_USUAL_SETTINGS = {"__lr_mult__": "1.0", "__wd_mult__": "1.0", "__grad_stype__": "default"}


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


def with_settings(graph: Graph, params: Mapping[str, gluon.Parameter], auxiliary: Collection[str]) -> Graph:
    """Return `graph` with the settings of its Parameters, as they are now, noted at their variables.

    What a symbol notes of itself is what was set when its network was first traced, and no ``grad_req`` at all.
    """
    nodes = list(graph.nodes)
    for i, node in graph.variables():
        if node.name in params:
            usual = "null" if node.name in auxiliary else "write"
            noted = {**_USUAL_SETTINGS, "__grad_req__": usual, **node.attrs}
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
        "__grad_stype__": parameter._grad_stype,
        "__dtype__": str(_DTYPE_NP_TO_MX.get(dtype.type, _DTYPE_NP_TO_MX.get(dtype))),
    }
