"""A graph in the form that mx.onnx translates rightly: names that cannot collide, attributes spelled out, repairs.

mx.onnx names the tensors it makes by appending to the names of nodes, so that ``a0`` may be the node ``a0`` or the
first output of ``a``; it guesses attributes that are absent, not always as MXNet does (``flatten`` of FullyConnected);
it ignores what some say (``fix_gamma`` of BatchNorm); and which way round ``2 - x`` goes it reads from the node's name.
All of this is put right here, in the graph, before it reads it.
"""

from __future__ import annotations

import re
from typing import Any, Mapping, NamedTuple, Sequence

import numpy as np

from .graph import VARIABLE, Entry, Graph, Node
from .onnx_attributes import FLOATS, NORMS, Known, spelled_out
from .onnx_recurrent import is_stacked, write_stacked

__all__ = ["Form", "Origin", "form_for_onnx", "GAMMA_SLOT", "MAXIMUM", "OUTPUT", "TENSOR"]

OUTPUT = re.compile(r"o(\d+)x")  # what the identity in front of an output is called
TENSOR = re.compile(r"n(\d+)x(.*)", re.DOTALL)  # a tensor of a node: its number, what mx.onnx appended

_NO_ATTRS: dict[str, str] = {}
# Operators as one after another that mx.onnx translates rightly; None stands for the operator's own attributes.
_CHAINS: dict[str, tuple[tuple[str, dict[str, str] | None], ...]] = {
    "amp_cast": (("Cast", None),),
    "rsqrt": (("sqrt", _NO_ATTRS), ("reciprocal", _NO_ATTRS)),
    "softsign": (("Activation", {"act_type": "softsign"}),),
    # mx.onnx sees which way round these go by the node's name, which any network may choose.
    "_rminus_scalar": (("negative", _NO_ATTRS), ("_plus_scalar", None)),
    "_rdiv_scalar": (("reciprocal", _NO_ATTRS), ("_mul_scalar", None)),
}
_WIDER = {"float16": "float32", "int8": "int32", "uint8": "int32"}
_WIDER_SUM = {"int8": "int32", "uint8": "int32", "int32": "int64"}  # onnxruntime saturates, MXNet wraps
_OF_SYNC_ONLY = ("ndev", "key")
_READS_TWICE = frozenset({"_linalg_gemm2", "batch_dot"})  # transposing an input, mx.onnx names the result after it
GAMMA_SLOT = 1
# mx.onnx knows the minimum only, which stands for this in the form; `onnx_model` puts the operator right. By way of
# negative numbers, it would overflow at the least whole number.
MAXIMUM = "broadcast_maximum"


class Origin(NamedTuple):
    """Where a node of the form comes from: the node of the graph, and whether it is a variable of ones instead."""

    node: int
    is_ones: bool = False


class Form(NamedTuple):
    """The graph for mx.onnx, and where each of its nodes comes from."""

    graph: Graph
    origins: tuple[Origin, ...]


class _Writer:
    """Collects the nodes of the form; each is named by its number alone."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.origins: list[Origin] = []

    def add(
        self,
        op: str,
        inputs: Sequence[Entry],
        attrs: Mapping[str, str],
        origin: Origin,
        bodies: tuple[dict[str, Any], ...] = (),
    ) -> Entry:
        node = Node(op, f"n{len(self.nodes)}x", tuple(inputs), dict(attrs), bodies)
        self.nodes.append(node)
        self.origins.append(origin)
        return Entry(len(self.nodes) - 1)


def form_for_onnx(graph: Graph, shapes: Mapping[Entry, tuple[int, ...]], dtypes: Mapping[Entry, np.dtype[Any]]) -> Form:
    """Return `graph` in the form that mx.onnx translates rightly.

    Parameters
    ----------
    graph : Graph
        A graph without loss heads.
    shapes, dtypes : mapping of Entry to shape or dtype
        Of every entry that can be inferred.

    Returns
    -------
    Form
        Each output is an identity of its own, called ``o0x``, ``o1x`` and so on; every other node is ``n<number>x``.

    Notes
    -----
    O(nodes + edges) time.
    """
    writer = _Writer()
    new_of_old: dict[Entry, Entry] = {}
    for index, node in enumerate(graph.nodes):
        inputs = [new_of_old[entry] for entry in node.inputs]
        read = node.inputs[0] if node.inputs else Entry(index)
        known = Known(shapes.get(read, ()), shapes.get(Entry(index), ()), tuple(map(dtypes.get, node.inputs)))
        new = _write_outputs(writer, node, inputs, Origin(index), known)
        new_of_old.update((Entry(index, j), entry) for j, entry in enumerate(new))
    outputs = []
    for number, old in enumerate(graph.outputs):
        outputs.append(writer.add("_copy", [new_of_old[old]], {}, Origin(old.node)))
        writer.nodes[-1] = writer.nodes[-1]._replace(name=f"o{number}x")
    return Form(Graph(tuple(writer.nodes), tuple(outputs), graph.attrs), tuple(writer.origins))


def _write_outputs(writer: _Writer, node: Node, inputs: list[Entry], origin: Origin, known: Known) -> list[Entry]:
    """Add a node, and what repairs it; return the entries of its outputs."""
    if node.op == "RNN" and is_stacked(node.attrs, known.read):
        attrs = spelled_out(node, known)
        return write_stacked(lambda op, read, own: writer.add(op, read, own, origin), inputs, attrs, known.read[2])
    new = _write(writer, node, inputs, origin, known)
    return [Entry(new.node, j) for j in range(node.output_count)]


def _write(writer: _Writer, node: Node, inputs: list[Entry], origin: Origin, known: Known) -> Entry:
    """Add a node, and what repairs it; return the entry of its first output."""
    is_misread = node.op.endswith("_scalar") or node.op == "L2Normalization"  # its number, in such dtypes
    wider = _WIDER if is_misread else _WIDER_SUM if node.op == "sum" else {}
    narrow = str(known.dtypes[0]) if wider else ""
    if narrow not in wider:
        return _write_repaired(writer, node, inputs, origin, known)
    wide = writer.add("Cast", inputs, {"dtype": wider[narrow]}, origin)
    inner = _write_repaired(writer, node, [wide], origin, known._replace(dtypes=(np.dtype(wider[narrow]),)))
    return writer.add("Cast", [inner], {"dtype": narrow}, origin)


def _write_repaired(writer: _Writer, node: Node, inputs: list[Entry], origin: Origin, known: Known) -> Entry:
    """Add a node of numbers that mx.onnx reads rightly, and what repairs it."""
    op, attrs = NORMS.get(node.op, node.op), spelled_out(node, known)
    if op == "BatchNorm":
        return _write_batch_norm(writer, inputs, attrs, origin, known.dtypes[0])
    if op == "LeakyReLU" and attrs.get("act_type") == "prelu" and len(inputs) == 2:
        return _write_prelu(writer, inputs, origin, len(known.read))
    if op == "SoftmaxActivation" and (attrs.get("mode") == "channel" or len(known.read) == 2):
        op, attrs = "softmax", {"axis": "1"}
    if op == MAXIMUM:
        op = "broadcast_minimum"
    if op == "Embedding":
        inputs[0] = _write_clipped(writer, inputs[0], origin, int(attrs["input_dim"]) - 1)
    if op == "gather_nd" and known.dtypes[1] in FLOATS:
        # MXNet counts -0.5 from the end, too, and then takes the whole number below.
        inputs[1] = writer.add("floor", [inputs[1]], {}, origin)
    if op == "one_hot":
        return _write_one_hot(writer, inputs, attrs, origin, len(known.made))
    if op == "L2Normalization" and known.read:
        return _write_l2_normalization(writer, inputs[0], attrs, origin, len(known.read))
    if op in _READS_TWICE:
        inputs = [writer.add("_copy", [entry], {}, origin) for entry in inputs]
    for first, fixed in _CHAINS.get(op, ())[:-1]:
        inputs = [writer.add(first, inputs, attrs if fixed is None else fixed, origin)]
    if op in _CHAINS:
        op, fixed = _CHAINS[op][-1]
        attrs = attrs if fixed is None else fixed
    return writer.add(op, inputs, attrs, origin, node.bodies)


def _write_batch_norm(writer: _Writer, inputs: list[Entry], attrs: dict[str, str], origin: Origin, dtype: Any) -> Entry:
    """Add a BatchNorm: ones for a scale that MXNet ignores, half precision widened."""
    attrs = {name: value for name, value in attrs.items() if name not in _OF_SYNC_ONLY}
    if attrs.pop("fix_gamma", "True") == "True":
        inputs[GAMMA_SLOT] = writer.add(VARIABLE, [], {}, Origin(origin.node, is_ones=True))
    attrs["fix_gamma"] = "False"
    if dtype != np.float16:  # of opset 13, where all inputs are of one dtype; MXNet keeps statistics in float32
        return writer.add("BatchNorm", inputs, attrs, origin)
    wide = writer.add("Cast", inputs[:1], {"dtype": "float32"}, origin)
    normed = writer.add("BatchNorm", [wide, *inputs[1:]], attrs, origin)
    return writer.add("Cast", [normed], {"dtype": "float16"}, origin)


def _write_prelu(writer: _Writer, inputs: list[Entry], origin: Origin, axes: int) -> Entry:
    """Add ``max(x, 0) - slope * max(-x, 0)``: ONNX lays the slopes along the last axis, MXNet along the second."""
    data, slope = inputs
    one_per_channel = ", ".join(["1", "-1", *["1"] * (axes - 2)]) if axes >= 2 else "-1"
    slopes = writer.add("Reshape", [slope], {"shape": f"({one_per_channel},)", "reverse": "False"}, origin)
    positive = writer.add("relu", [data], {}, origin)
    turned = writer.add("relu", [writer.add("negative", [data], {}, origin)], {}, origin)
    scaled = writer.add("broadcast_mul", [turned, slopes], {}, origin)
    return writer.add("broadcast_sub", [positive, scaled], {}, origin)


def _write_clipped(writer: _Writer, indices: Entry, origin: Origin, last: int) -> Entry:
    """Add a cast to whole numbers from 0 to `last`, as MXNet takes them: ONNX counts negative ones from the end."""
    whole = writer.add("Cast", [indices], {"dtype": "int64"}, origin)
    return writer.add("clip", [whole], {"a_min": "0", "a_max": str(last)}, origin)


def _write_one_hot(writer: _Writer, inputs: list[Entry], attrs: dict[str, str], origin: Origin, axes: int) -> Entry:
    """Add a one_hot in which negative indices do not count from the end: each is one more, and place 0 is dropped."""
    depth = int(attrs["depth"])
    whole = writer.add("Cast", inputs, {"dtype": "int64"}, origin)
    further = writer.add("_plus_scalar", [whole], {"scalar": "1", "is_int": "True"}, origin)
    clipped = writer.add("clip", [further], {"a_min": "0", "a_max": str(depth + 1)}, origin)
    wide = writer.add("one_hot", [clipped], {**attrs, "depth": str(depth + 1)}, origin)
    place = {"axis": str(axes - 1), "begin": "1", "end": str(depth + 1)}
    return writer.add("slice_axis", [wide], place, origin)


def _write_l2_normalization(writer: _Writer, data: Entry, attrs: dict[str, str], origin: Origin, axes: int) -> Entry:
    """Add ``x / sqrt(sum(x * x) + eps)``: the operator of ONNX has no eps, and one axis."""
    first, last = {"channel": (1, 2), "spatial": (2, axes)}.get(attrs.get("mode", "instance"), (1, axes))
    square = writer.add("square", [data], {}, origin)
    over = {"axis": str(tuple(range(first, last))), "keepdims": "True", "exclude": "False"}
    total = writer.add("sum", [square], over, origin)
    total = writer.add("_plus_scalar", [total], {"scalar": attrs.get("eps", "1e-10")}, origin)
    return writer.add("broadcast_div", [data, writer.add("sqrt", [total], {}, origin)], {}, origin)
