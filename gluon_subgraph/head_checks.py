"""Whether a head goes with a trunk: its kind, its names, where it is and of what dtype."""

from __future__ import annotations

from typing import Any, Mapping

import mxnet as mx
import numpy as np
from mxnet import gluon

from .block import SubgraphBlock
from .block_tree import blocks_below, collected_parameters
from .errors import BindingError, NameConflictError, SubgraphError, kind_of, mxnet_reason, shorten
from .network import Network
from .tracing import count_inputs

__all__ = ["check_head", "check_joint"]


def check_head(trunk: SubgraphBlock, head: Any) -> None:
    """Refuse a head that is no block of one input, or that does not go with the trunk.

    Raises
    ------
    SubgraphError, NameConflictError, BindingError
        As for `HeadedBlock`.
    """
    if not isinstance(head, gluon.HybridBlock):
        is_class = isinstance(head, type)
        if is_class:
            way = f"Make one: {head.__name__}(...)"
        elif isinstance(head, gluon.Block):
            way = "A plain Block computes in Python and has no graph: make it a HybridBlock"
        else:
            way = "Give a HybridBlock that takes one value, such as gluon.nn.Dense(10)"
        what = f"the class {head.__name__!r}, no instance" if is_class else f"a {kind_of(head)}, no HybridBlock"
        msg = f"head is {what}.\n  The head is called with what the trunk returns.\n  {way}; nothing was changed."
        raise SubgraphError(msg)
    if id(trunk) in blocks_below(head):
        msg = (
            f"head ({kind_of(head)}) holds the trunk it is to follow.\n"
            "  It belongs to the network already.\n"
            "  Give a new block; nothing was changed."
        )
        raise SubgraphError(msg)
    count = _input_count(head)
    if count != 1:
        msg = (
            f"head {head.name!r} ({kind_of(head)}) takes {count} inputs.\n"
            f"  The trunk returns one value, {trunk.output_names[0]!r}.\n"
            "  Give a block that takes one; nothing was changed."
        )
        raise SubgraphError(msg)
    _check_names(trunk, head)
    _check_contexts(trunk, head)


def check_joint(block: gluon.HybridBlock, trunk: SubgraphBlock, head: gluon.HybridBlock) -> None:
    """Refuse a head that `block`, which calls it behind the trunk, cannot trace, or whose dtype is not the trunk's.

    Raises
    ------
    SubgraphError, BindingError
        Calling the head with a symbol raises; MXNet finds contradicting dtypes.
    """
    try:
        joint = Network.of(block)
    except SubgraphError as error:
        said = str(error).splitlines()
        msg = (
            f"head {head.name!r} ({kind_of(head)}) cannot be called with what the trunk returns.\n"
            f"{said[1] if len(said) > 1 else '  ' + said[0]}\n"
            "  A head must not look at shapes or values in hybrid_forward; nothing was changed."
        )
        raise SubgraphError(msg) from error
    params = {n: np.dtype(p.dtype) for block in (trunk, head) for n, p in block.collect_params().items()}
    of_trunk = [params[name] for name in trunk.params] or [np.dtype(np.float32)]
    for main in sorted(dict.fromkeys(of_trunk), key=of_trunk.count, reverse=True):
        known = {**params, **dict.fromkeys(trunk.input_names, main)}
        if _type_error(trunk.symbol, known):  # norms stay float32 in half precision, and may be the most
            continue
        reason = _type_error(joint.symbol, known)
        if not reason:
            return
        msg = (
            f"head {head.name!r} does not take the dtype of the trunk, {main}.\n"
            f"  MXNet says: {reason}\n"
            f"  Call head.cast({main.name!r}) first; nothing was changed."
        )
        raise BindingError(msg)


def _input_count(head: gluon.HybridBlock) -> int:
    if head._cached_graph:
        return len(head._cached_graph[0])
    if isinstance(getattr(head, "input_names", None), tuple):  # another headed block
        return len(head.input_names)
    try:
        return count_inputs(head)
    except TypeError:  # it takes any number
        return 1


def _check_names(trunk: SubgraphBlock, head: gluon.HybridBlock) -> None:
    own = dict(collected_parameters(head, "head").items())
    taken = dict(trunk.params.items())
    twice = [name for name, p in own.items() if (name in taken and taken[name] is not p) or name in trunk.input_names]
    if twice:
        prefixes = ("new_", *(f"new{i}_" for i in range(1, len(taken) + 2)))
        free = next(p for p in prefixes if not any(name.startswith(p) for name in taken))
        msg = (
            f"{len(twice)} of {len(own)} parameters of the head have names of the trunk: {shorten(twice)}.\n"
            "  In one graph a name is one variable, and these are different ones.\n"
            f"  Make the head under another prefix, such as Dense(10, prefix={free!r}); nothing was changed."
        )
        raise NameConflictError(msg)


def _check_contexts(trunk: SubgraphBlock, head: gluon.HybridBlock) -> None:
    """Refuse a head on another context; a parameter without value is nowhere yet."""
    places = [{ctx for p in block.collect_params().values() for ctx in _contexts(p)} for block in (trunk, head)]
    if all(places) and places[0] != places[1]:
        trunk_on, head_on = (sorted(map(str, place)) for place in places)
        msg = (
            f"head {head.name!r} is on {shorten(head_on)}, the trunk on {shorten(trunk_on)}.\n"
            "  One block computes on one context, or on the same several.\n"
            "  Call head.collect_params().reset_ctx(ctx) first; nothing was changed."
        )
        raise BindingError(msg)


def _contexts(parameter: gluon.Parameter) -> list[mx.Context]:
    if parameter._data is not None:
        return parameter.list_ctx()
    return list(parameter._deferred_init[1]) if parameter._deferred_init else []


def _type_error(symbol: mx.sym.Symbol, known: Mapping[str, Any]) -> str:
    """Return what MXNet says against a symbol with variables of these dtypes, nothing where it agrees."""
    names = set(symbol.list_inputs()) - {"self", "partial"}  # MXNet takes types as keyword arguments
    try:
        symbol.infer_type_partial(**{name: dtype for name, dtype in known.items() if name in names})
    except mx.MXNetError as error:
        return mxnet_reason(error)
    return ""
