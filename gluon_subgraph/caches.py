"""The graphs that hybridized blocks cache when they first run, made anew when something below them has changed.

A block does not know what it is a part of, and stock Gluon leaves the old graph in the parents: they would go on to
compute what was there before.
"""

from __future__ import annotations

import gc
from typing import Collection

import mxnet as mx
from mxnet import gluon

from .block_tree import blocks_below
from .errors import SubgraphError
from .tracing import trace

__all__ = ["refresh_caches", "drop_caches"]


def refresh_caches(changed: Collection[int]) -> None:
    """Make the cached graphs anew of all blocks, wherever they are, that contain one of `changed`, blocks by `id`.

    The Parameters below them have to be the same as before.
    """
    for block in _cached_above(changed):
        _trace_anew(block)


def drop_caches(changed: Collection[int]) -> None:
    """Let all blocks that contain one of `changed` make their graphs anew when they are next called."""
    for block in _cached_above(changed):
        block._clear_cached_op()


def _cached_above(changed: Collection[int]) -> list[gluon.HybridBlock]:
    """Return all live blocks that have a cached graph of what other blocks computed, one of `changed` among them."""
    live = (item for item in (gc.get_objects() if changed else ()) if issubclass(type(item), gluon.HybridBlock))
    cached = [b for b in live if vars(b).get("_cached_graph") and not isinstance(b, gluon.SymbolBlock)]
    return [block for block in cached if any(key in changed for key in blocks_below(block))]


def _trace_anew(block: gluon.HybridBlock) -> None:
    """Give a block the cached graph that it would make now; its export needs one, and its next call."""
    block._cached_op = None
    try:
        traced = trace(block)
    except SubgraphError:  # its first call traced it with something that is not there now
        block._clear_cached_op()
        return
    outputs = [traced.symbol[i] for i in range(traced.output_count)]
    if block._backend is not None:  # the graph it had is that of the backend, which starts from a new one
        block._cached_op_args = []
    block._cached_graph = block._cached_graph[0], mx.sym.Group(outputs, type(outputs[0]))
