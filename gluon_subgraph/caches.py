"""The graphs that hybridized blocks cache when they first run, made anew when something below them has changed.

A block does not know what it is a part of, and stock Gluon leaves the old graph in the parents: they would go on to
compute, and to export, what was there before. So a change is only noted at the block that changed; whoever runs or
exports a cached graph looks below first, if there has been any change since it last looked. This is why importing the
package wraps two methods of `gluon.HybridBlock`.
"""

from __future__ import annotations

import functools
import weakref
from typing import Any, Callable, Iterable

import mxnet as mx
from mxnet import gluon

from .block_tree import blocks_below
from .errors import SubgraphError
from .tracing import trace

__all__ = ["note_change"]


class _Marks:
    """A number for each of some blocks, by identity; blocks are not kept alive, and may not be hashable."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[weakref.ref[gluon.Block], int]] = {}

    def get(self, block: gluon.Block) -> int:
        """Return the number of a block, 0 where it has none."""
        reference, number = self._found.get(id(block), (None, 0))
        return number if reference is not None and reference() is block else 0

    def set(self, block: gluon.Block, number: int) -> None:
        """Give a block a number."""
        key = id(block)
        self._found[key] = weakref.ref(block, lambda _: self._found.pop(key, None)), number


_CHANGED, _LOOKED = _Marks(), _Marks()  # when a block changed, and when its cached graph was last known to be right
_CHANGES = [0]  # how many there have been


def note_change(blocks: Iterable[gluon.Block]) -> None:
    """Note that what `blocks` compute has changed, for all that have it in a cached graph."""
    _CHANGES[0] += 1
    for block in blocks:
        _CHANGED.set(block, _CHANGES[0])


def _look_below(block: gluon.HybridBlock) -> None:
    """Make the cached graph of a block anew if something below has changed since it was made."""
    looked = _LOOKED.get(block)
    if looked == _CHANGES[0]:
        return
    _LOOKED.set(block, _CHANGES[0])
    if not block._cached_graph or isinstance(block, gluon.SymbolBlock):  # a SymbolBlock has its own, nothing below
        return
    if any(_CHANGED.get(below) > looked for below, _ in blocks_below(block).values()):
        _trace_anew(block)


def _trace_anew(block: gluon.HybridBlock) -> None:
    """Give a block the cached graph and operator that it would make now; its export needs them, and its next call.

    Gluon would look for its Parameters by the names they were made with, and a renamed piece has others.
    """
    data = block._cached_graph[0]
    try:
        traced = trace(block)
    except SubgraphError:  # its first call traced it with something that is not there now
        block._clear_cached_op()
        return
    outputs = [traced.symbol[i] for i in range(traced.output_count)]
    symbol = mx.sym.Group(outputs, type(outputs[0]))
    params = block.collect_params()._params
    place = {variable.name: i for i, variable in enumerate(data)}
    names = symbol.list_inputs()
    arguments: list[tuple[bool, Any]] = [
        (True, place[name]) if name in place else (False, params.get(name)) for name in names
    ]
    block._clear_cached_op()
    if block._backend is None and all(is_data or (p is not None and p._data) for is_data, p in arguments):
        places = [[i for i, (is_data, _) in enumerate(arguments) if is_data is wanted] for wanted in (True, False)]
        flags = [("data_indices", places[0]), ("param_indices", places[1]), *block._flags]
        block._cached_graph, block._cached_op_args = (data, symbol), arguments
        block._cached_op = mx.nd.CachedOp(symbol, flags)


def _looking_first(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def look_and_call(self: gluon.HybridBlock, *args: Any, **kwargs: Any) -> Any:
        _look_below(self)
        return method(self, *args, **kwargs)

    return look_and_call


for _name in ("_call_cached_op", "export"):
    setattr(gluon.HybridBlock, _name, _looking_first(getattr(gluon.HybridBlock, _name)))
