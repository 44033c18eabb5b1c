"""The BatchNorm layers of a network, whatever block keeps them, and the switch from batch to running statistics.

A Gluon layer keeps its setting itself, a SymbolBlock in its graph. A hybridized block has a third copy, in the graph
it cached when it first ran; that one is made anew.
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator, Mapping, NamedTuple

import mxnet as mx
from mxnet import gluon

from .batch_norm import NOTE, SETTING, fixed, is_on, norms_of_graph, put_back, with_settings_of_norms
from .block_tree import blocks_below, kept_graph
from .caches import note_change
from .codec import graph_of_symbol, symbol_of_graph
from .graph import Graph

__all__ = ["Norm", "norms_below", "set_norms", "graph_of_block"]


class Norm(NamedTuple):
    """A BatchNorm: the block that keeps it, what messages call it, its Parameters, and how it normalises.

    `own` are all of its Parameters, `learned` those of gamma and beta that can learn.
    """

    keeper: gluon.Block
    title: str
    own: tuple[gluon.Parameter, ...]
    learned: tuple[gluon.Parameter, ...]
    statistics: tuple[gluon.Parameter, ...]
    is_fixed: bool
    is_noted: bool


def graph_of_block(block: gluon.SymbolBlock) -> Graph:
    """Return the graph that a SymbolBlock keeps."""
    graph = kept_graph(block)
    return graph_of_symbol(block._cached_graph[1]) if graph is None else graph


def norms_below(net: gluon.Block) -> list[Norm]:
    """Return the BatchNorms that the blocks of `net` keep, in the order of the blocks."""
    found = []
    for block, paths in blocks_below(net).values():
        if isinstance(block, gluon.SymbolBlock):
            found += list(_norms_of_graph(block))
        elif _settings_of(block) is not None:
            found.append(_norm_of_layer(block, paths[0] or block.name))
    return found


def _settings_of(block: gluon.Block) -> dict[str, Any] | None:
    """Return the settings of a layer that has the one in question, which it passes on to its operator."""
    settings = vars(block).get("_kwargs")
    return settings if isinstance(settings, dict) and SETTING in settings else None


def _norm_of_layer(layer: gluon.Block, title: str) -> Norm:
    statistics = tuple(p for name, p in layer._reg_params.items() if name.startswith(("running_", "moving_")))
    learned = tuple(p for p in layer._reg_params.values() if p._differentiable and p not in statistics)
    settings = layer._kwargs
    own = tuple(layer._reg_params.values())
    return Norm(layer, title, own, learned, statistics, is_on(settings[SETTING]), NOTE in settings)


def _norms_of_graph(block: gluon.SymbolBlock) -> Iterator[Norm]:
    params = block._params._params
    for node in norms_of_graph(graph_of_block(block)):
        own = tuple(params[n] for n in (*node.learned, *node.statistics) if n in params)
        learned = tuple(params[n] for n in node.learned if n in params and params[n]._differentiable)
        statistics = tuple(params[n] for n in node.statistics if n in params)
        if statistics:  # where they are inputs they are not the block's to freeze
            yield Norm(block, node.path or node.name, own, learned, statistics, node.is_fixed, node.is_noted)


def set_norms(norms: Iterable[Norm], *, is_fixed: bool) -> Callable[[], None]:
    """Let BatchNorms normalise by running statistics, or as they did before; return what undoes it."""
    change = fixed if is_fixed else put_back
    keepers = {id(norm.keeper): norm.keeper for norm in norms}
    statistics = {id(p) for norm in norms for p in norm.statistics}
    undo: list[Callable[[], None]] = []
    for block in keepers.values():
        if isinstance(block, gluon.SymbolBlock):
            undo.append(_set_graph(block, statistics, change))
        else:
            undo.append(_set_layer(block, change))
    note_change(keepers.values())

    def take_back() -> None:
        for take_one_back in reversed(undo):  # layers may share their settings
            take_one_back()
        note_change(keepers.values())

    return take_back


def _set_layer(layer: gluon.Block, change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Callable[[], None]:
    settings = layer._kwargs
    before = dict(settings)

    def set_to(values: Mapping[str, Any]) -> None:
        settings.clear()  # in place: a layer may have handed its settings on
        settings.update(values)

    set_to(change(before))
    return lambda: set_to(before)


def _set_graph(
    block: Any, statistics: set[int], change: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> Callable[[], None]:
    before = graph_of_block(block)
    names = {name for name, p in block._params.items() if id(p) in statistics}
    _give_graph(block, with_settings_of_norms(before, names, change))
    return lambda: _give_graph(block, before)


def _give_graph(block: Any, graph: Graph) -> None:
    """Let a SymbolBlock compute another graph of the same variables."""
    symbol = symbol_of_graph(graph, is_np=isinstance(block._cached_graph[1], mx.sym.numpy._Symbol))
    if hasattr(block, "_graph_maker"):
        block._graph_maker, block._symbol = graph, symbol
    block._cached_graph = block._cached_graph[0], symbol
    block._cached_op = None
    if block._backend is not None:  # it has parameters of its own among these
        block._cached_op_args = []
