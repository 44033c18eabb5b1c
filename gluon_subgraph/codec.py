"""Symbol JSON to Graph and back: the only module that knows the format.

MXNet writes a graph as a list of nodes in depth-first post-order, `inputs` being ``[node, output, version]``.
What has to be respected:

* ``tojson`` must not remove AMP casts (they belong to the network), nor leak the copy it makes to remove them.
* The graph attributes ``mxnet_version`` and ``is_np_shape`` decide how the text is read: without the first, the
  loader "upgrades" the graph as if it were of version 0.8 and drops attributes.
* ``node_row_ptr`` counts all outputs of a node, ``list_outputs`` of the internals the visible ones alone.
* MXNet's reader knows few escapes: a name outside ASCII, or with a control character, has to be written as it is.
* An index that is out of range is not checked by MXNet: using it ends the process.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any, Mapping, Sequence

import mxnet as mx
from mxnet.base import _LIB, c_handle_array, c_str_array, check_call

from ._symbol_text_py import SymbolText
from .errors import SubgraphError, mxnet_reason
from .graph import VARIABLE, Entry, Graph, Node
from .kernels import symbol_text

__all__ = ["json_of_symbol", "dump_json", "graph_of_symbol", "symbol_of_graph", "compose"]

_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False)
_READ_BY_MXNET = frozenset('nrt"\\/')
_new = tuple.__new__  # a named tuple's own constructor takes twice as long


def json_of_symbol(symbol: mx.sym.Symbol) -> str:
    """Return the JSON text of `symbol`, AMP casts included."""
    try:
        return symbol.tojson(remove_amp_cast=False)
    except TypeError:  # mxnet <= 1.6 has no such argument, and removes nothing
        return symbol.tojson()


def graph_of_symbol(symbol: mx.sym.Symbol) -> Graph:
    """Return the Graph of `symbol`, variables of one name merged into one node.

    MXNet binds variables of one name to one array in a Gluon block, so the merge changes no result; it keeps
    them tied in an executor as well.
    """
    read = symbol_text.read_symbol_text(json_of_symbol(symbol))
    visible = _visible_outputs(symbol, read.names, read.rest["node_row_ptr"])
    nodes, new_index = _merged_nodes(read, visible, read.rest["node_row_ptr"])
    outputs = tuple(Entry(new_index[n], i) for n, i, *_ in read.rest["heads"])
    graph = Graph(tuple(nodes), outputs, read.rest.get("attrs", {}))
    _check_entries(graph)
    return graph


def symbol_of_graph(graph: Graph, *, is_np: bool = False) -> mx.sym.Symbol:
    """Return a Symbol of its own nodes that computes `graph`; `is_np` makes it a NumPy-style Symbol.

    Raises
    ------
    SubgraphError
        MXNet refuses the graph; its reason is quoted.
    """
    try:
        symbol = mx.sym.load_json(_text_of_graph(graph))
    except mx.MXNetError as error:
        msg = f"MXNet refuses the subgraph.\n  It says: {mxnet_reason(error)}\n  Nothing was changed."
        raise SubgraphError(msg) from None
    return symbol.as_np_ndarray() if is_np else symbol


def _text_of_graph(graph: Graph) -> str:
    raw_nodes = []
    for node in graph.nodes:
        raw: dict[str, Any] = {"op": node.op, "name": node.name}
        if node.attrs:
            raw["attrs"] = node.attrs
        raw["inputs"] = [(n, i, 0) for n, i in node.inputs]
        if node.bodies:
            raw["subgraphs"] = node.bodies
        raw_nodes.append(raw)
    data = {
        "nodes": raw_nodes,
        "arg_nodes": [i for i, _ in graph.variables()],
        "heads": [(n, i, 0) for n, i in graph.outputs],
        "attrs": graph.attrs,
    }
    return dump_json(data)


def dump_json(data: Any) -> str:
    """Return `data` as JSON text that MXNet's reader understands, whatever characters its names have."""
    text = _ENCODER.encode(data)
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(match: re.Match[str]) -> str:
    """Return an escape that MXNet cannot read as the character itself, any other unchanged."""
    return match.group(0) if match.group(1) in _READ_BY_MXNET else json.loads(f'"{match.group(0)}"')


def compose(symbol: mx.sym.Symbol, symbol_of_variable: Mapping[str, mx.sym.Symbol]) -> mx.sym.Symbol:
    """Return a copy of `symbol` with symbols in place of its variables.

    `Symbol.__call__` does the same through keyword arguments, so that no variable may be called "name" or "self".
    """
    composed = copy.copy(symbol)
    handles = c_handle_array(symbol_of_variable.values())
    keys = c_str_array(symbol_of_variable.keys())
    check_call(_LIB.MXSymbolCompose(composed.handle, None, len(symbol_of_variable), keys, handles))
    return composed


def _visible_outputs(symbol: mx.sym.Symbol, node_names: Sequence[str], row_ptr: Sequence[int]) -> list[tuple[str, ...]]:
    """Return the names of the visible outputs of each node.

    The internals list them in node order. A node with one output takes one name; of the others, a name may
    belong to the node only if it begins with the node's own, and then the internals tell the output's index.
    """
    internals = symbol.get_internals()
    names = internals.list_outputs()
    visible = []
    position = 0
    for i, node_name in enumerate(node_names):
        end = position + 1
        if row_ptr[i + 1] - row_ptr[i] > 1:
            stem = node_name + "_"
            while end < len(names) and names[end].startswith(stem) and internals[end].attr("_value_index") != "0":
                end += 1
        visible.append(tuple(names[position:end]))
        position = end
    return visible


def _merged_nodes(
    read: SymbolText, visible: Sequence[tuple[str, ...]], row_ptr: Sequence[int]
) -> tuple[list[Node], list[int]]:
    """Return the nodes with variables of one name merged, and the new index of each old one."""
    nodes: list[Node] = []
    new_index: list[int] = []
    index_of_variable: dict[str, int] = {}
    sources, numbers, begins = read.sources, read.numbers, read.begins
    for i, (op, name, attrs, outputs) in enumerate(zip(read.ops, read.names, read.attrs, visible)):
        if op == VARIABLE and index_of_variable.setdefault(name, len(nodes)) != len(nodes):
            new_index.append(index_of_variable[name])
            continue
        entries = range(begins[i], begins[i + 1])
        inputs = tuple([_new(Entry, (new_index[sources[k]], numbers[k])) for k in entries])
        hidden = row_ptr[i + 1] - row_ptr[i] - len(outputs)
        new_index.append(len(nodes))
        nodes.append(_new(Node, (op, name, inputs, attrs, read.bodies.get(i, ()), outputs, hidden, "")))
    return nodes, new_index


def _check_entries(graph: Graph) -> None:
    """Refuse an entry that no node computes: MXNet would end the process at its first use."""
    nodes = graph.nodes
    for consumer, entries in [*((n.name, n.inputs) for n in nodes if n.inputs), ("", graph.outputs)]:
        for node, index in entries:
            if index and index >= nodes[node].output_count:
                reader = f"{consumer!r} reads" if consumer else "the symbol returns"
                msg = (
                    f"{reader} output {index} of {nodes[node].name!r} ({nodes[node].op}).\n"
                    f"  That operator has {nodes[node].output_count}.\n"
                    "  The symbol is damaged; nothing was read from it."
                )
                raise SubgraphError(msg)
