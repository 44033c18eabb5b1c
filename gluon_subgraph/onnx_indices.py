"""Which inputs of a network hold indices or lengths, and which numbers these may be.

With any number there, MXNet or onnxruntime may raise, or read what is not theirs; and a half-precision input cannot
hold an index above 2048.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple, Sequence

from .graph import Entry, Graph, Node

__all__ = ["COMPARISONS", "Range", "index_ranges", "range_of_slot"]

Shapes = Mapping[Entry, Sequence[int]]


class Range(NamedTuple):
    """Whole numbers from `first` up to, not including, `end`; `is_index` unless they are truth values."""

    first: int
    end: int
    is_index: bool = True

    def both(self, other: Range | None) -> Range:
        """Return the numbers that are in both, at least one."""
        if other is None:
            return self
        first = max(self.first, other.first)
        return Range(first, max(min(self.end, other.end), first + 1), self.is_index or other.is_index)


_SLOT = {
    **dict.fromkeys(("Embedding", "one_hot", "where"), 0),
    **dict.fromkeys(("take", "gather_nd", "SequenceMask", "SequenceReverse", "softmax", "log_softmax"), 1),
}
_LENGTHS = ("SequenceMask", "SequenceReverse", "softmax", "log_softmax")
# fmt: off
# What moves numbers and leaves them what they are.
_MOVES = frozenset(
    [
        "_copy", "identity", "BlockGrad", "Cast", "amp_cast", "Reshape", "Flatten", "expand_dims", "squeeze",
        "transpose", "SwapAxis", "slice", "slice_axis", "slice_like", "SliceChannel", "_split_v2", "Concat",
        "stack", "tile", "repeat", "reverse", "broadcast_to", "broadcast_like", "broadcast_axis",
        "reshape_like", "Dropout", "Crop",
    ]
)
# What compares numbers: a result of zeros and ones.
COMPARISONS = frozenset(
    [
        "logical_not", "_equal_scalar", "_not_equal_scalar", "_greater_scalar", "_greater_equal_scalar",
        "_lesser_scalar", "_lesser_equal_scalar", "broadcast_equal", "broadcast_not_equal",
        "broadcast_greater", "broadcast_greater_equal", "broadcast_lesser", "broadcast_lesser_equal",
        "broadcast_logical_and", "broadcast_logical_or", "broadcast_logical_xor",
    ]
)
# What makes indices, or zeros and ones, whatever numbers it reads.
_MAKES = COMPARISONS | {
    "argmax", "argmin", "argsort", "shape_array", "size_array", "zeros_like", "ones_like", "one_hot",
    "_contrib_arange_like",
}
# fmt: on
_SAFE = Range(0, 2)  # so few that sums and products of them are in most tables


def index_ranges(graph: Graph, shapes: Shapes) -> dict[str, Range]:
    """Return, for each variable that indices are computed from, the numbers that every reader can take.

    Notes
    -----
    O(nodes + edges) time: one pass over the nodes, readers first. What is behind an operator that computes with the
    numbers may be 0 or 1; the walk ends where an operator makes indices of anything.
    """
    range_of: dict[int, Range] = {}
    for index in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[index]
        slot = _SLOT.get(node.op)
        wanted = range_of_slot(node, slot, shapes) if slot is not None and len(node.inputs) > slot else None
        if wanted is not None and slot is not None:
            _narrow(range_of, graph, node.inputs[slot], wanted)
        passed = range_of.get(index)
        if passed is not None and not node.is_variable:
            for entry in node.inputs:
                _narrow(range_of, graph, entry, passed if node.op in _MOVES else _SAFE.both(passed))
    return {node.name: range_of[i] for i, node in graph.variables() if i in range_of}


def _narrow(range_of: dict[int, Range], graph: Graph, entry: Entry, wanted: Range) -> None:
    """Note that `entry` is read as indices, unless its node makes some of whatever it reads."""
    maker = graph.nodes[entry.node]
    made = maker.attrs.get("ret_typ", "indices") if maker.op == "topk" else ""
    if maker.op in _MAKES or made in ("indices", "mask") or (made == "both" and entry.index == 1):
        return
    range_of[entry.node] = wanted.both(range_of.get(entry.node))


def range_of_slot(node: Node, slot: int, shapes: Shapes) -> Range | None:
    """Return the numbers that input `slot` of a node may be; None if any."""
    if _SLOT.get(node.op) != slot:
        return None
    if node.op == "where":
        return Range(0, 2, is_index=False)
    read = tuple(shapes.get(node.inputs[0], ()))
    if node.op in _LENGTHS:
        if node.op.endswith("softmax") and node.attrs.get("use_length") not in ("True", "1"):
            return None
        axis = int(node.attrs.get("axis", "0" if node.op.startswith("S") else "-1"))
        return Range(1, 1 + (read[axis] if read else 1))
    return Range(0, max(_count(node, read, shapes), 1))


def _count(node: Node, read: Sequence[int], shapes: Shapes) -> int:
    """Return how many indices there are."""
    if node.op in ("Embedding", "one_hot"):
        return int(node.attrs["input_dim" if node.op == "Embedding" else "depth"])
    if node.op == "take":
        return read[int(node.attrs.get("axis", "0"))] if read else 1
    depth = (*shapes.get(node.inputs[1], ()), 0)[0]  # gather_nd: an index per leading axis
    return min(read[:depth], default=1)
