"""Which inputs of an operator are parameters, according to MXNet's operator registry."""

from __future__ import annotations

from functools import lru_cache

from mxnet.operator import get_operator_arguments

from .graph import Graph

__all__ = ["parameters_by_slot", "float32_in_half"]

# Names that MXNet's operators, not users, give to inputs that hold parameters.
_PARAMETER_SLOTS = frozenset(
    ["weight", "bias", "gamma", "beta", "moving_mean", "moving_var", "running_mean", "running_var", "parameters"]
)

# What Gluon notes of a Parameter in its variable, and of no input.
_NOTED_OF_PARAMETERS = frozenset({"__init__", "__lr_mult__", "__wd_mult__"})

_FLOAT32_IN_HALF = frozenset({"BatchNorm", "BatchNorm_v1", "_contrib_SyncBatchNorm", "_contrib_BatchNormWithReLU"})


@lru_cache(maxsize=None)
def _slot_names(op: str) -> tuple[str, ...]:
    try:
        return tuple(get_operator_arguments(op).names)
    except Exception:  # an operator with a variable number of inputs has no named slots
        return ()


def parameters_by_slot(graph: Graph, auxiliary: frozenset[str]) -> frozenset[int]:
    """Return the variables that every reader takes as a parameter, those noted as one, and the auxiliary states.

    For a bare Symbol, where nothing else tells a parameter from a data input.
    """
    is_parameter: dict[int, bool] = {}
    for node in graph.nodes:
        slots = _slot_names(node.op) if node.inputs else ()
        for position, entry in enumerate(node.inputs):
            taken_as = slots[position] if position < len(slots) else ""
            as_parameter = taken_as in _PARAMETER_SLOTS
            is_parameter[entry.node] = is_parameter.get(entry.node, True) and as_parameter
    return frozenset(
        i
        for i, node in graph.variables()
        if node.name in auxiliary or is_parameter.get(i, False) or not _NOTED_OF_PARAMETERS.isdisjoint(node.attrs)
    )


def float32_in_half(graph: Graph) -> frozenset[str]:
    """Return the parameters that stay float32 in a network of half precision, as their operators require."""
    nodes = graph.nodes
    return frozenset(nodes[e.node].name for n in nodes if n.op in _FLOAT32_IN_HALF for e in n.inputs[1:])
