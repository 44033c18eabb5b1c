"""Every operator of a network on inputs of its own, so that what comes before it hides nothing.

In a network a unit may be dead, a sum drowned, a table read at one place. Here each operator, with its attributes,
shapes and parameters, reads fresh numbers; equal settings are tried once.
"""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

import mxnet as mx
import numpy as np

from .graph import VARIABLE, Entry, Graph, Node, renamed_node
from .onnx_indices import COMPARISONS, Range, range_of_slot
from .onnx_piece import InferencePiece

__all__ = ["Probe", "probe_of", "different_settings"]

Shapes = Mapping[Entry, "tuple[int, ...]"]
DTypes = Mapping[Entry, "np.dtype[Any]"]


_DIVISIONS = frozenset(
    ["elemwise_div", "broadcast_div", "broadcast_mod", "_div_scalar", "_rdiv_scalar", "reciprocal", "rsqrt"]
)


class Probe(NamedTuple):
    """Operators side by side: the piece they make, and the node behind each of its outputs.

    Of its inputs, `ranges` are the numbers that indices may be, `coarse` those that are compared and `divided` those
    of a division.
    """

    piece: InferencePiece
    origins: tuple[int, ...]
    ranges: dict[str, Range]
    coarse: set[str]
    divided: set[str]


def different_settings(graph: Graph, shapes: Shapes, dtypes: DTypes) -> list[int]:
    """Return the operators of `graph`, one of each setting: attributes, and shapes and dtypes of its inputs.

    What reads nothing, such as zeros, is none of them: alone it may have no shape, and it computes the same.
    """
    first: dict[Any, int] = {}
    for index, node in enumerate(graph.nodes):
        if not node.inputs or any(entry not in shapes or entry not in dtypes for entry in node.inputs):
            continue
        attrs = tuple(sorted((k, v) for k, v in node.attrs.items() if not k.startswith("__")))
        read = tuple((shapes[e], str(dtypes[e]), node.inputs.index(e)) for e in node.inputs)
        first.setdefault((node.op, attrs, read, len(node.outputs)), index)
    return list(first.values())


def probe_of(piece: InferencePiece, chosen: Sequence[int], shapes: Shapes, dtypes: DTypes) -> Probe:
    """Return these operators side by side, each on inputs of its own.

    Parameters
    ----------
    piece : InferencePiece
        The network.
    chosen : sequence of int
        Operators of it, whose inputs have known shapes and dtypes.
    shapes, dtypes : mapping of Entry to shape or dtype
        Of the network.

    Notes
    -----
    Parameters keep their values, unless these are all the same number or are not finite, as before training and after
    divergence: then positive ones are drawn, which a variance and a divisor can be.
    """
    maker = _Maker(piece, shapes, dtypes)
    for number, index in enumerate(chosen):
        maker.add(number, index)
    graph = Graph(tuple(maker.nodes), tuple(maker.outputs), piece.graph.attrs)
    names = tuple(f"t{i}" for i in range(len(maker.outputs)))
    probed = piece._replace(graph=graph, inputs=maker.inputs, outputs=names, values=maker.values)
    return Probe(probed, tuple(maker.origins), maker.ranges, maker.coarse, maker.divided)


class _Maker:
    def __init__(self, piece: InferencePiece, shapes: Shapes, dtypes: DTypes) -> None:
        self.piece, self.shapes, self.dtypes = piece, shapes, dtypes
        self.nodes: list[Node] = []
        self.outputs: list[Entry] = []
        self.origins: list[int] = []
        self.inputs: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        self.values: dict[str, Any] = {}
        self.ranges: dict[str, Range] = {}
        self.coarse: set[str] = set()
        self.divided: set[str] = set()
        self.random = np.random.RandomState(1)

    def add(self, number: int, index: int) -> None:
        """Add a copy of a node and a variable for each of the entries that it reads."""
        node = self.piece.graph.nodes[index]
        new_of_old: dict[Entry, Entry] = {}
        for slot, entry in enumerate(node.inputs):
            if entry not in new_of_old:
                name = f"p{number}i{slot}"
                old = self.piece.graph.nodes[entry.node]
                attrs = old.attrs if old.is_variable else {}
                new_of_old[entry] = Entry(len(self.nodes))
                self.nodes.append(Node(VARIABLE, name, (), attrs, (), (name,), 0, ""))
                self._fill(name, node, slot, entry)
        copy = renamed_node(node, f"p{number}")._replace(inputs=tuple(new_of_old[e] for e in node.inputs))
        self.outputs += [Entry(len(self.nodes), j) for j in range(len(node.outputs))]
        self.origins += [index] * len(node.outputs)
        self.nodes.append(copy)

    def _fill(self, name: str, node: Node, slot: int, entry: Entry) -> None:
        """Let a variable be a parameter with a value, or an input."""
        wanted = range_of_slot(node, slot, self.shapes)
        value = self.piece.values.get(self.piece.graph.nodes[entry.node].name)
        if value is not None and self.piece.graph.nodes[entry.node].is_variable:
            self.values[name] = value if wanted is not None else self._lively(value)
            return
        self.inputs[name] = (self.shapes[entry], self.dtypes[entry])
        if wanted is not None:
            self.ranges[name] = wanted
        if node.op in COMPARISONS or node.attrs.get("dtype") == "bool":
            self.coarse.add(name)
        if node.op in _DIVISIONS:
            self.divided.add(name)

    def _lively(self, value: Any) -> Any:
        array = value.asnumpy()
        if array.dtype.kind != "f" or (np.isfinite(array).all() and (array.size < 2 or array.min() < array.max())):
            return value
        return mx.nd.array(self.random.uniform(0.2, 1.2, array.shape), dtype=array.dtype)
