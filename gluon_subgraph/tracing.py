"""Tracing a HybridBlock: its Symbol, and which block made which part of it.

Every block gets a hook for the length of one symbolic call; the symbols the hooks see are grouped behind the
network's outputs, so that the heads of the group say exactly which entry each of them is. No name is guessed.
"""

from __future__ import annotations

import inspect
import threading
from collections import OrderedDict
from contextlib import contextmanager
from typing import Any, Callable, Collection, Iterator, NamedTuple, Sequence

import mxnet as mx
from mxnet import gluon
from mxnet.gluon.block import _flatten, _regroup

from .block_tree import blocks_below, kept_graph
from .codec import graph_of_symbol
from .errors import SubgraphError
from .graph import Call, Entry, Graph, Node
from .isolation import clean_scopes, kept_state

__all__ = ["Trace", "trace", "read_trace", "count_inputs"]

_LOCK = threading.RLock()  # a block's name scope is not safe to enter from two threads


class Trace(NamedTuple):
    """A traced network: `symbol` returns what it returns, then every symbol that `calls` recorded.

    Blocks are known by their `id`, so that a trace keeps no parameter alive.
    """

    symbol: mx.sym.Symbol
    output_count: int
    calls: list[tuple[int, int, int]]  # block, number of input symbols, number of output symbols
    paths_of_block: dict[int, list[str]]  # dotted; the network itself is ""
    inner_graphs: dict[int, Graph]  # of blocks that are themselves pieces, and know the paths inside them
    is_np: bool
    out_format: Any  # how the outputs are nested, as Gluon notes it
    is_plain: bool  # no block below holds a symbol that a backend may have rewritten, or that came from a file


def trace(net: gluon.HybridBlock, taken: Collection[str] = ()) -> Trace:
    """Return the Symbol of `net` and the calls of its blocks; `net` is left as it was.

    An input gets another name where its own is among `taken`, the names of the parameters.

    Raises
    ------
    SubgraphError
        The network cannot be called with symbols; its own exception is quoted.

    Notes
    -----
    The input is called ``data``, several are ``data0``, ``data1``..., as Gluon's own export names them. How many
    there are is known from a network that has run hybridized, and read from the signature otherwise. What the blocks
    keep in Python while they are called is put back; the network must not run in another thread meanwhile.
    """
    with _LOCK:
        recorded: list[tuple[gluon.Block, Sequence[Any], Sequence[Any]]] = []
        found = blocks_below(net)
        blocks = [block for block, _ in found.values()]
        try:
            arguments, is_np = _symbol_arguments(net, taken)
            with clean_scopes(is_np), kept_state(blocks), _hooks(blocks, recorded):
                result = net(*arguments)
        except Exception as error:
            raise _cannot_trace(net, error) from error
        outputs = _symbols_in(result)
        if not outputs:
            raise _cannot_trace(net, TypeError(f"it returned {type(result).__name__}, no Symbol"))
        seen = [s for _, inputs, returned in recorded for s in (*inputs, *returned)]
        calls = [(id(block), _width(inputs), _width(returned)) for block, inputs, returned in recorded]
        paths = {key: paths for key, (_, paths) in found.items()}
        graphs = {id(b): g for b, _, _ in recorded for g in (kept_graph(b),) if g is not None}
        group = mx.sym.Group([*outputs, *seen], type(outputs[0]))
        is_plain = not any(isinstance(b, gluon.SymbolBlock) for b in blocks)
        out_format = _flatten(result, "output")[1]
        return Trace(group, _width(outputs), calls, paths, graphs, is_np, out_format, is_plain)


def _cannot_trace(net: gluon.Block, error: Exception) -> SubgraphError:
    said = str(error).strip().splitlines() or [""]
    return SubgraphError(
        f"network {net.name!r} ({type(net).__name__}) cannot be traced: calling it with symbols raised"
        f" {type(error).__name__}.\n"
        f"  It says: {said[-1].strip()}\n"
        "  A traced network must not look at shapes or values in hybrid_forward. If its inputs are not what the"
        " signature says, hybridize it and run it once first; nothing was changed."
    )


def _symbol_arguments(net: gluon.HybridBlock, taken: Collection[str]) -> tuple[list[Any], bool]:
    """Return fresh input symbols in the structure `net` takes, and whether they are NumPy-style."""
    cached = net._cached_graph
    if cached:
        symbols = [_input(s.name, taken) for s in cached[0]]
        is_np = isinstance(cached[1], mx.sym.numpy._Symbol)
        pending = iter([s.as_np_ndarray() for s in symbols] if is_np else symbols)
        return _regroup(_with_nones(net._in_format, pending), net._in_format), is_np
    names_of = getattr(type(net), "_names_for_trace", None)  # of a class that knows its inputs, and their kind
    is_np = net._is_np if names_of else mx.util.is_np_array()
    count = 0 if names_of else count_inputs(net)
    names = names_of(net) if names_of else ["data"] if count == 1 else [f"data{i}" for i in range(count)]
    symbols = [_input(name, taken) for name in names]
    return [s.as_np_ndarray() for s in symbols] if is_np else symbols, is_np


def _input(name: str, taken: Collection[str]) -> mx.sym.Symbol:
    while name in taken:
        name += "_input"
    return mx.sym.var(name)


def _with_nones(in_format: Any, symbols: Iterator[Any]) -> list[Any]:
    """Return `symbols` in order, with a None wherever the format of the arguments has one."""
    flat, stack = [], [in_format]
    while stack:
        item = stack.pop()
        if isinstance(item, (list, tuple)):
            stack.extend(reversed(item))
        else:
            flat.append(None if item == -1 else next(symbols))
    return flat


def count_inputs(net: gluon.HybridBlock) -> int:
    """Return how many inputs the signature of `net` requires.

    Raises
    ------
    TypeError
        It takes any number.
    """
    kind = type(net)
    functions: list[tuple[Callable[..., Any], int]] = []  # with the number of arguments before the inputs
    if kind.__call__ is not gluon.Block.__call__:  # recurrent layers make their states here
        functions.append((kind.__call__, 1))
    own_forward = kind.forward is not gluon.HybridBlock.forward
    functions.append((kind.forward, 1) if own_forward else (kind.hybrid_forward, 2))
    for function, start in functions:
        parameters = list(inspect.signature(function).parameters.values())[start:]
        required = [
            p
            for p in parameters
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
            and p.default is p.empty
            and p.name not in net._reg_params
        ]
        if required or not any(p.kind is p.VAR_POSITIONAL for p in parameters):
            return max(1, len(required))
    msg = f"{functions[-1][0].__name__} of {kind.__name__} takes any number of inputs"
    raise TypeError(msg)


@contextmanager
def _hooks(blocks: Sequence[gluon.Block], recorded: list[Any]) -> Iterator[None]:
    """Record every symbolic call of `blocks`; hooks the user registered rest meanwhile."""

    def record(block: gluon.Block, arguments: Any, result: Any) -> None:
        returned = _symbols_in(result)
        if returned:
            recorded.append((block, _symbols_in(arguments), returned))

    before = [(b, b._forward_hooks, b._forward_pre_hooks) for b in blocks]
    try:
        for block in blocks:
            _set_hooks(block, OrderedDict({0: record}), OrderedDict())
        yield
    finally:
        for block, hooks, pre_hooks in before:
            _set_hooks(block, hooks, pre_hooks)


def _set_hooks(block: gluon.Block, hooks: Any, pre_hooks: Any) -> None:
    """Set the hooks of a block, past Gluon's own assignment, which looks for blocks in every value."""
    vars(block).update(_forward_hooks=hooks, _forward_pre_hooks=pre_hooks)


def _symbols_in(values: Any) -> list[Any]:
    """Return the symbols in a nest of lists, in order."""
    found, stack = [], [values]
    while stack:
        item = stack.pop()
        if isinstance(item, mx.sym.Symbol):
            found.append(item)
        elif isinstance(item, (list, tuple)):
            stack.extend(reversed(item))
    return found


def _width(symbols: Sequence[Any]) -> int:
    return sum(mx.sym.Symbol.__len__(s) for s in symbols)  # a NumPy-style Symbol of one output has no `len`


def read_trace(traced: Trace) -> tuple[Graph, dict[int, list[Call]]]:
    """Return the graph of a traced network, each node with the path of its block, and the calls of each block.

    The graph has the calls too, under every path of their block.
    """
    whole = graph_of_symbol(traced.symbol)
    heads = iter(whole.outputs)
    outputs = tuple(next(heads) for _ in range(traced.output_count))
    alive = 1 + max(entry.node for entry in outputs)  # what the outputs need comes first in post-order
    calls_of_block: dict[int, list[Call]] = {}
    calls = []
    for key, input_count, output_count in traced.calls:
        entries = [next(heads) for _ in range(input_count + output_count)]
        if all(e.node < alive for e in entries):
            call = Call(traced.paths_of_block[key][0], tuple(entries[:input_count]), tuple(entries[input_count:]))
            calls.append(call)
            calls_of_block.setdefault(key, []).append(call)
    inner_paths = {
        traced.paths_of_block[key][0]: {n.name: n.path for n in graph.nodes if n.path}
        for key, graph in traced.inner_graphs.items()
    }
    nodes = []
    for node, path in zip(whole.nodes, _owners(whole.nodes[:alive], calls)):
        inner = inner_paths.get(path, {}).get(node.name)
        nodes.append(node._replace(path=".".join(part for part in (path, inner) if part)))
    under_each_path = [
        call._replace(path=path)
        for key, own_calls in calls_of_block.items()
        for path in traced.paths_of_block[key]
        if path
        for call in own_calls
    ]
    return Graph(tuple(nodes), outputs, whole.attrs, tuple(under_each_path)), calls_of_block


def _owners(nodes: Sequence[Node], calls: Sequence[Call]) -> list[str]:
    """Return for each node the path of the innermost block whose call made it.

    `calls` come in the order they ended, inner ones first. Each is walked back from what it returned to what it
    was given; what an inner call made is stepped over, from its outputs to its inputs.
    """
    owner: list[int] = [-1] * len(nodes)
    for number, call in enumerate(calls):
        stops = set(call.inputs)
        stack = [e for e in call.outputs if e not in stops]
        stepped = set()
        while stack:
            index = stack.pop().node
            if owner[index] < 0:
                owner[index] = number
                below: Sequence[Entry] = nodes[index].inputs
            elif owner[index] != number and owner[index] not in stepped and not nodes[index].is_variable:
                stepped.add(owner[index])
                below = calls[owner[index]].inputs
            else:
                continue
            stack.extend(e for e in below if e not in stops)
    return [calls[i].path if i >= 0 else "" for i in owner]
