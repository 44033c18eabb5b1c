"""Whether row k of a classifier is class k of what its network returns, and two classifiers read the same value."""

from __future__ import annotations

from .batch_norm import is_on
from .errors import BindingError
from .graph import Entry, Graph, Node
from .layers import Layer
from .losses import LOSS_HEADS
from .network import Network
from .operators import kind_of_node

__all__ = ["check_class_order", "check_same_reading", "check_same_windows", "is_pooled_to_a_point"]

# All elements in their order, though their shape may be another, and Dropout leaves some out in training.
_SAME_ELEMENTS = frozenset(
    ["Dropout", "_copy", "identity", "_np_copy", "BlockGrad", "stop_gradient", "make_loss", "MakeLoss"]
    + ["Cast", "cast", "amp_cast", "Flatten", "flatten", "_npx_batch_flatten", "Reshape", "reshape", "_np_reshape"]
    + ["_npx_reshape", "_npi_reshape", "expand_dims", "_npi_expand_dims", "squeeze", "_np_squeeze", "_npi_squeeze"]
)
# Families of operators that leave each element where it is.
_ELEMENT_BY_ELEMENT = frozenset(
    ["add", "multiply", "subtract", "divide", "relu", "sigmoid", "tanh", "softrelu", "softsign", "LeakyReLU"]
    + ["softmax", "log_softmax", "_npx_log_softmax", "softmin", "hard_sigmoid", "clip", "_npi_clip"]
    + ["exp", "expm1", "log", "log1p", "abs", "square", "sqrt", "erf", "negative", "L2Normalization"]
    + ["_npi_exp", "_npi_log", "_npi_absolute", "_npi_square", "_npi_sqrt", "_npi_negative"]
    + ["_mul_scalar", "_div_scalar", "_plus_scalar", "_minus_scalar", "_rminus_scalar", "_rdiv_scalar"]
    + ["_power_scalar", "_maximum_scalar", "_minimum_scalar", "_npi_multiply_scalar", "_npi_true_divide_scalar"]
    + ["_npi_add_scalar", "_npi_subtract_scalar", "_npi_rsubtract_scalar", "_npi_power_scalar"]
)
# Operators on maps that leave the channels alone.
_OVER_SPACE = frozenset(["Crop", "UpSampling", "_contrib_BilinearResize2D", "_contrib_AdaptiveAvgPooling2D"])
_SUMS = frozenset(["mean", "sum", "max", "_npi_mean", "_np_mean", "_np_sum", "_np_max"])
_SPACE_AXES = frozenset("234")


def check_class_order(network: Network, output: Entry, layer: Layer, what: str) -> None:
    """Refuse a classifier behind which something may move, select or join classes on the way to `output`.

    Raises
    ------
    BindingError
        An operator behind it is none of those known to leave the classes where they are.
    """
    graph = network.graph
    is_map = layer.kind == "Convolution" and "layout" not in dict(layer.attrs)
    moving = [i for i in _between(graph, layer.node, output.node) if not _keeps_classes(graph.nodes[i], is_map=is_map)]
    if moving:
        node, name = graph.nodes[moving[0]], network.names.node_name(moving[0])
        msg = (
            f"{name!r}, a {node.op} behind the classifier {network.names.node_name(layer.node)!r} of {what}, may move,"
            " select or change classes.\n"
            "  A class that the network returns is then not what the row of the same number says.\n"
            "  Leave reuse_rows out and copy the rows with Parameter.set_data; nothing was changed."
        )
        raise BindingError(msg)


def _between(graph: Graph, start: int, end: int) -> list[int]:
    """Return the nodes on the paths from node `start` to node `end`, the latter included."""
    after = {start}
    for i in range(start + 1, end + 1):
        if any(e.node in after for e in graph.nodes[i].inputs):
            after.add(i)
    needed = {end}
    for i in range(end, start, -1):
        if i in needed:
            needed.update(e.node for e in graph.nodes[i].inputs)
    return sorted(i for i in after & needed if i != start)


def _keeps_classes(node: Node, *, is_map: bool) -> bool:
    """Return whether a node leaves classes where they are; of a map, they are the channels, on the second axis."""
    family = kind_of_node(node.op, node.attrs).family
    if node.op in _SAME_ELEMENTS or node.op in LOSS_HEADS or family in _ELEMENT_BY_ELEMENT:
        return True
    if not is_map:
        return False
    if node.op in _SUMS:
        axes = {axis.strip() for axis in node.attrs.get("axis", "").strip("()[]").split(",") if axis.strip()}
        return bool(axes) and axes <= _SPACE_AXES and not is_on(node.attrs.get("exclude"))
    return family == "Pooling" or family.startswith("global ") or node.op in _OVER_SPACE


def check_same_reading(network: Network, source: Layer, value: Entry, joint: Network, target: Layer) -> None:
    """Refuse classifiers that read different values, reshaping and the like apart.

    Parameters
    ----------
    network : Network
        That of the `source`.
    value : Entry
        What the trunk returns, in `network`.
    joint : Network
        That of the `target`: the trunk with the new head.

    Raises
    ------
    BindingError
        They do.
    """
    old = _read_through(network.graph, network.graph.nodes[source.node].inputs[0])
    end = next(call.outputs[0] for call in joint.graph.calls if call.path == "trunk")
    new = _read_through(joint.graph, joint.graph.nodes[target.node].inputs[0], end)
    behind = _read_through(network.graph, value)
    if new == end and behind == old:
        return
    read = network.names.name_of(behind) if new == end else joint.names.name_of(new)
    was, names = network.names.name_of(old), (joint.names.node_name(target.node), network.names.node_name(source.node))
    msg = (
        f"the new classifier {names[0]!r} reads {read!r}, the old one {names[1]!r} read {was!r}.\n"
        "  Rows of one size mean nothing over other values.\n"
        f"  Cut at={was!r} and give a head that begins with its classifier, or leave reuse_rows out;"
        " nothing was changed."
    )
    raise BindingError(msg)


def _read_through(graph: Graph, entry: Entry, end: Entry | None = None) -> Entry:
    """Return the entry whose elements `entry` has, in their order; no further back than `end`."""
    while entry != end and entry.index == 0 and graph.nodes[entry.node].op in _SAME_ELEMENTS:
        entry = graph.nodes[entry.node].inputs[0]
    return entry


def is_pooled_to_a_point(network: Network, layer: Layer) -> bool:
    """Return whether what a layer reads is one point per channel, whatever the size of the data."""
    node = network.graph.nodes[_read_through(network.graph, network.graph.nodes[layer.node].inputs[0]).node]
    return kind_of_node(node.op, node.attrs).family.startswith("global ")


def check_same_windows(source: Layer, target: Layer) -> None:
    """Refuse two convolutions whose kernels move over the data in different ways.

    Raises
    ------
    BindingError
        They do.
    """
    if source.kind != "Convolution" or target.kind != "Convolution":
        return
    old, new = dict(source.attrs), dict(target.attrs)
    apart = [key for key in ("stride", "pad", "dilate", "layout") if old.get(key) != new.get(key)]
    if apart:
        listed = "; ".join(f"{key}: new {_shown(new.get(key))}, old {_shown(old.get(key))}" for key in apart)
        msg = (
            f"the old and the new convolution differ in {' and '.join(apart)}.\n"
            f"  {listed}\n"
            "  Make the new one alike, or leave reuse_rows out; nothing was changed."
        )
        raise BindingError(msg)


def _shown(value: str | None) -> str:
    return "the usual" if value is None else value[:-2] if value.endswith(".0") else value
