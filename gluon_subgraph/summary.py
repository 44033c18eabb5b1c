"""What `summary` prints of a block: its layers, their output shapes and parameter counts."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from .arguments import wrong_inputs
from .graph import Graph
from .shapes import checked_shape, infer_shapes, known_shapes
from .show import summary_lines

__all__ = ["print_summary"]


def print_summary(
    inputs: Sequence[Any], names: Sequence[str], symbol: Any, graph: Graph, params: Mapping[str, Any], *, is_np: bool
) -> None:
    """Print the summary of a block whose inputs have these `names`; each of `inputs` is an array or a shape.

    Raises
    ------
    SubgraphError
        The number of inputs is wrong, or the shapes do not fit.
    """
    if len(inputs) != len(names):
        raise wrong_inputs(names, inputs)
    given = {name: checked_shape(name, getattr(i, "shape", i)) for name, i in zip(names, inputs)}
    shapes = infer_shapes(symbol, graph, {**known_shapes(params), **given}, is_np=is_np)
    print("\n".join(summary_lines(graph, names, params, shapes)))
