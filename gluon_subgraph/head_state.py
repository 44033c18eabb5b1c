"""What pickle and deepcopy carry of a head.

A head is made of stock Gluon's blocks, whose Parameters would take their Trainer along, with all of its state, and
whose compiled graphs cannot be copied. A copy of the head is made without these; for pickle it stands over Parameters
that pickle knows by identity, so that what head and trunk share stays shared.
"""

from __future__ import annotations

import copy
from typing import Any
from weakref import WeakValueDictionary

from mxnet import gluon

from .block_tree import blocks_below, owned_parameters
from .state import copied_parameter, portable_parameter

__all__ = ["portable_head", "head_of", "copied_head"]


class _PortableHead:
    """A head on its way through pickle, which remembers by identity what it has seen."""

    def __init__(self, head: gluon.Block) -> None:
        self.head = head  # kept alive, so that its id stays its own
        memo: dict[int, Any] = {id(o.parameter): portable_parameter(o.parameter) for o in owned_parameters(head)}
        memo.update((key, block) for key, (block, _) in blocks_below(head).items() if _copies_itself(block))
        memo.update(_left_behind(head))
        self._copied = copy.deepcopy(head, memo)

    def __reduce__(self) -> tuple[Any, ...]:
        return _as_it_is, (self._copied,)


# One per head for as long as a pickler holds it: blocks that have one head have one after loading too.
_PORTABLE: WeakValueDictionary[int, _PortableHead] = WeakValueDictionary()


def portable_head(head: gluon.Block) -> Any:
    """Return what to pickle in place of a head; it is loaded as the head."""
    if _copies_itself(head):
        return head
    found = _PORTABLE.get(id(head))
    if found is None:
        found = _PORTABLE[id(head)] = _PortableHead(head)
    return found


def head_of(portable: Any) -> gluon.HybridBlock:
    """Return the head for which something is carried, as it was loaded, or without pickle between itself."""
    return portable.head if isinstance(portable, _PortableHead) else portable


def copied_head(head: gluon.Block, memo: dict[int, Any]) -> Any:
    """Return a copy of a head over copies of its Parameters; `memo` is that of `copy.deepcopy`."""
    for owned in owned_parameters(head):
        copied_parameter(owned.parameter, memo)
    for key, substitute in _left_behind(head).items():
        memo.setdefault(key, substitute)
    return copy.deepcopy(head, memo)


def _as_it_is(value: Any) -> Any:
    return value


def _copies_itself(block: gluon.Block) -> bool:
    return hasattr(type(block), "__deepcopy__")


def _left_behind(head: gluon.Block) -> dict[int, Any]:
    """Return, by `id`, what is no part of a head, and what a copy has in its place."""
    below = {key: block for key, (block, _) in blocks_below(head).items()}
    own_params = {id(block._params) for block in below.values()}
    found: dict[int, Any] = {}
    for block in below.values():
        if getattr(block, "_cached_op", None) is not None:
            found[id(block._cached_op)] = None
            found[id(block._cached_op_args)] = []
        if getattr(block, "_cached_graph", ()) and not isinstance(block, gluon.SymbolBlock):  # which is its graph
            found[id(block._cached_graph)] = ()
        scope, shared = block._scope._old_scope, block._params._shared
        if scope is not None and id(scope._block) not in below:  # of the block within which the head was made
            found[id(scope)] = None
        if shared is not None and id(shared) not in own_params:  # of which the head has what it uses
            found[id(shared)] = None
    return found
