"""What a block prints: its layers, its summary."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from .graph import Entry, Graph, Node
from .tables import Table, shape_text

__all__ = ["layer_lines", "summary_lines"]


def layer_lines(title: str, graph: Graph, input_names: Sequence[str], params: Mapping[str, Any]) -> list[str]:
    """Return the text of a block: a line per operator, with its block path, parameters and their number."""
    rows = [
        [node.path or "-", node.name, node.op, _shapes_of(own, params), f"{_count(own, params):,}" if own else ""]
        for node, own in _operators(graph, params)
    ]
    table = Table(["block", "node", "operator", "parameters", "count"], rows, numbers=[4]).lines()
    total = sum(_size(_shape_of(p)) for p in _distinct(params))
    return [
        f"{title}(",
        f"  inputs: {', '.join(input_names)}",
        *(f"  {line}" for line in table),
        f"  {len(rows)} operators, {len(params)} parameters of {total:,} values",
        ")",
    ]


def summary_lines(
    graph: Graph, input_names: Sequence[str], params: Mapping[str, Any], shapes: Mapping[Entry, Any]
) -> list[str]:
    """Return the summary of a block: a line per operator with output shape and parameter count, then totals."""
    rows: list[list[Any]] = []
    given = frozenset(input_names)
    for i, node in graph.variables():
        if node.name in given:
            rows.append(["input", node.name, "", _shapes_text([shapes.get(Entry(i))]), ""])
    index_of = {id(node): i for i, node in enumerate(graph.nodes)}
    for node, own in _operators(graph, params):
        outputs = [shapes.get(Entry(index_of[id(node)], j)) for j in range(len(node.outputs))]
        rows.append([node.path or "-", node.name, node.op, _shapes_text(outputs), f"{_count(own, params):,}"])
    table = Table(["block", "node", "operator", "output shape", "parameters"], rows, numbers=[4]).lines()
    distinct = _distinct(params)
    learning = sum(_size(_shape_of(p)) for p in distinct if p.grad_req != "null")
    total = sum(_size(_shape_of(p)) for p in distinct)
    rule = "-" * max(len(line) for line in table)
    totals = f"{total:,} parameter values, {learning:,} trainable, {total - learning:,} not trainable"
    return [rule, table[0], rule, *table[1:], rule, totals, rule]


def _operators(graph: Graph, params: Mapping[str, Any]) -> list[tuple[Node, list[str]]]:
    """Return each operator with the names of the parameters it reads."""
    found = []
    for node in graph.nodes:
        if not node.is_variable:
            read = [graph.nodes[i] for i in dict.fromkeys(e.node for e in node.inputs)]
            found.append((node, [n.name for n in read if n.is_variable and n.name in params]))
    return found


def _distinct(params: Mapping[str, Any]) -> list[Any]:
    return list({id(p): p for p in params.values()}.values())


def _count(names: Sequence[str], params: Mapping[str, Any]) -> int:
    return sum(_size(_shape_of(params[n])) for n in names)


def _shape_of(parameter: Any) -> Any:
    """Return the shape of a parameter; one that a stock SymbolBlock loaded has it in its value alone."""
    return parameter._data[0].shape if parameter.shape is None and parameter._data else parameter.shape


def _size(shape: Any) -> int:
    """Return the number of values of a shape, 0 while it is not known."""
    if shape is None:
        return 0
    size = 1
    for dimension in shape:
        size *= max(0, dimension)
    return size


def _shapes_of(names: Sequence[str], params: Mapping[str, Any]) -> str:
    return ", ".join(_shapes_text([_shape_of(params[n])]) for n in names)


def _shapes_text(shapes: Sequence[Any]) -> str:
    return ", ".join(map(shape_text, shapes))
