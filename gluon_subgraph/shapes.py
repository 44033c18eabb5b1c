"""Shapes of all tensors of a graph, inferred by MXNet from the shapes of its inputs."""

from __future__ import annotations

import operator
import warnings
from typing import Any, Mapping, Sequence, Tuple

import mxnet as mx

from .attributes import check_attributes
from .codec import symbol_of_graph
from .errors import SubgraphError, mxnet_reason
from .graph import Entry, Graph, post_order

__all__ = ["infer_shapes", "infer_parameters", "known_shapes", "checked_shape"]

Shape = Tuple[int, ...]
_RESERVED = ("self", "partial")  # what MXNet calls the first arguments of its inference


def infer_shapes(
    symbol: mx.sym.Symbol, graph: Graph, known: Mapping[str, Sequence[int]], *, is_np: bool = False
) -> dict[Entry, Shape]:
    """Return the shape of each visible entry that can be inferred; 0 is an unknown size.

    () is the shape of a scalar where `is_np`; elsewhere it is a shape not known, and left out.

    Parameters
    ----------
    symbol, graph : Symbol, Graph
        The same network.
    known : mapping of str to shape
        Shapes of variables. Those that are not given are inferred where possible.

    Raises
    ------
    SubgraphError
        The shapes contradict the network, or an attribute would crash MXNet.
    """
    check_attributes(graph)
    order = post_order(graph)
    if len(symbol.get_internals().list_outputs()) != sum(len(graph.nodes[i].outputs) for i in order):
        symbol = symbol_of_graph(graph, is_np=is_np)  # its variables of one name were several nodes
    variables = set(symbol.list_inputs())
    given: Mapping[str, Any] = {name: tuple(shape) for name, shape in known.items() if name in variables}
    symbol, given = _without_reserved_names(symbol, given)
    internals = symbol.get_internals()
    try:
        with mx.util.np_shape(is_np):
            _, found, _ = internals.infer_shape_partial(**given)
    except mx.MXNetError as error:
        reason = mxnet_reason(error)
        msg = f"the shapes given do not fit the network.\n  MXNet says: {reason}\n  Nothing was changed."
        raise SubgraphError(msg) from None
    entries = [Entry(i, j) for i in order for j in range(len(graph.nodes[i].outputs))]
    return {e: tuple(s) for e, s in zip(entries, found or ()) if s or (is_np and s is not None)}


def known_shapes(parameters: Any) -> dict[str, Shape]:
    """Return the shapes that are fully known, by the name of the parameter; anything with ``items`` and shapes.

    () is among them: it is the shape of a scalar, and outside NumPy mode says nothing to `infer_shapes`.
    """
    shapes = {name: getattr(value, "shape", None) for name, value in parameters.items()}
    return {
        name: tuple(shape) for name, shape in shapes.items() if shape is not None and all(size > 0 for size in shape)
    }


def checked_shape(name: str, shape: Any) -> Shape:
    """Return `shape` as a tuple of sizes, 0 for one that is unknown.

    Raises
    ------
    SubgraphError
        It is no sequence of non-negative integers.
    """
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError:
        sizes = (-1,)
    if any(not 0 <= size < 2**31 for size in sizes):
        msg = (
            f"the shape of {name!r} is {shape!r}.\n"
            f"  A shape is a tuple of sizes, such as {name}=(1, 3, 224, 224); 0 is a size not known."
        )
        raise SubgraphError(msg)
    return sizes


def infer_parameters(symbol: Any, params: Mapping[str, Any], given: Mapping[str, Any], infer: str, attr: str) -> None:
    """Set what `symbol` implies of each Parameter, found by its variable; Gluon looks for the Parameter's own name.

    Parameters
    ----------
    symbol : Symbol
        The network, of which `params` are the Parameters by variable.
    given : mapping of str to tuple of int or dtype
        Shape or type of each input.
    infer, attr : str
        ``"infer_shape"`` and ``"shape"``, or ``"infer_type"`` and ``"dtype"``.

    Raises
    ------
    ValueError
        The inputs do not say enough; MXNet's warning is quoted.
    """
    names = [*symbol.list_arguments(), *symbol.list_auxiliary_states()]
    symbol, given = _without_reserved_names(symbol, given)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        arguments, _, auxiliary = getattr(symbol, infer)(**given)
    if arguments is None:
        raise ValueError(said[0].message)
    found = dict(zip(names, [*arguments, *auxiliary]))
    for name, parameter in params.items():
        setattr(parameter, attr, found[name])


def _without_reserved_names(symbol: Any, given: Mapping[str, Any]) -> tuple[Any, Mapping[str, Any]]:
    """Return a copy in which no variable has the name of an argument of MXNet's own; these are keyword arguments.

    Its positional ones cannot say that a shape is not known where () is a shape.
    """
    taken = [name for name in _RESERVED if name in given]
    if not taken:
        return symbol, given
    names = set(symbol.list_inputs())
    symbol, given = mx.sym.Symbol.__deepcopy__(symbol, None), dict(given)  # a NumPy-style copy is a shallow one
    for name in taken:
        new = name + "_"
        while new in names:
            new += "_"
        internals = symbol.get_internals()
        for i, variable in enumerate(internals.list_outputs()):
            if variable == name:
                internals[i]._set_attr(name=new)
        given[new] = given.pop(name)
    return symbol, given
