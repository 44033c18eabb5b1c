"""Shapes that operators imply of their parameters where nothing else is known of them: ``num_filter`` and the like."""

from __future__ import annotations

import ast
import re
from typing import Callable, List, Mapping, Optional, Tuple

from .graph import Graph, Node

__all__ = ["implied_shapes"]

Shapes = List[Optional[Tuple[int, ...]]]  # None where not even the number of axes is known
_CHANNELS_LAST = ("NWC", "NHWC", "NDHWC")
_LONG = re.compile(r"(?<=[0-9])L\b")  # "(3L, 3L)" is what Python 2 wrote


def implied_shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Return what operators tell of the shapes of the variables they read as parameters; 0 is a size not known.

    Examples
    --------
    >>> from gluon_subgraph.graph import Entry
    >>> names = ("data", "A_weight", "A_bias")
    >>> variables = [Node("null", name, outputs=(name,)) for name in names]
    >>> dense = Node("FullyConnected", "A", tuple(map(Entry, range(3))), {"num_hidden": "8"})
    >>> implied_shapes(Graph((*variables, dense), (Entry(3),)))
    {'A_weight': (8, 0), 'A_bias': (8,)}
    """
    found: dict[str, tuple[int, ...]] = {}
    for node in graph.nodes:
        shapes_of = _SHAPES.get(node.op)
        if shapes_of is None:
            continue
        for entry, shape in zip(node.inputs[1:], shapes_of(node)):
            variable = graph.nodes[entry.node]
            if variable.is_variable and shape is not None:
                found.setdefault(variable.name, shape)
    return found


def _convolution(node: Node) -> Shapes:
    filters, kernel = _number(node.attrs, "num_filter"), _numbers(node.attrs, "kernel")
    if not kernel:
        return [None, (filters,)]
    is_last = node.attrs.get("layout") in _CHANNELS_LAST
    return [(filters, *kernel, 0) if is_last else (filters, 0, *kernel), (filters,)]


def _transposed_convolution(node: Node) -> Shapes:
    filters, kernel = _number(node.attrs, "num_filter"), _numbers(node.attrs, "kernel")
    if node.attrs.get("layout") in _CHANNELS_LAST:
        return []
    if not kernel:
        return [None, (filters,)]
    return [(0, filters // max(1, _number(node.attrs, "num_group", 1)), *kernel), (filters,)]


def _dense(node: Node) -> Shapes:
    hidden = _number(node.attrs, "num_hidden")
    return [(hidden, 0), (hidden,)]


def _embedding(node: Node) -> Shapes:
    return [(_number(node.attrs, "input_dim"), _number(node.attrs, "output_dim"))]


def _vectors(node: Node) -> Shapes:
    return [(0,)] * (len(node.inputs) - 1)


def _number(attrs: Mapping[str, str], key: str, default: int = 0) -> int:
    try:
        return max(0, int(attrs.get(key, default)))
    except ValueError:
        return 0


def _numbers(attrs: Mapping[str, str], key: str) -> tuple[int, ...]:
    """Return the sizes an attribute lists, none where it lists anything else."""
    try:
        value = ast.literal_eval(_LONG.sub("", attrs.get(key, "()")))
        return tuple(int(size) for size in (value if isinstance(value, (tuple, list)) else (value,)))
    except (ValueError, SyntaxError, TypeError):
        return ()


_SHAPES: dict[str, Callable[[Node], Shapes]] = {
    "Convolution": _convolution,
    "Convolution_v1": _convolution,
    "Deconvolution": _transposed_convolution,
    "FullyConnected": _dense,
    "Embedding": _embedding,
    **dict.fromkeys(["BatchNorm", "BatchNorm_v1", "LayerNorm", "InstanceNorm", "GroupNorm", "LeakyReLU"], _vectors),
}
