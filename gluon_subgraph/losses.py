"""Loss heads: operators that take a label to train and ignore it at inference.

A Module-era network ends in ``SoftmaxOutput(data, label)`` and the like. Without the label such a head is what it
computes at inference; this module knows which operator that is.
"""

from __future__ import annotations

from typing import Sequence

from .graph import Entry, Graph, Node

__all__ = ["LABEL_SLOT", "LOSS_HEADS", "is_loss_head", "label_variables", "inference_form"]

LABEL_SLOT = 1  # every loss head takes (data, label)

_IDENTITY: tuple[str, dict[str, str]] = ("_copy", {})
_FORM_OF_HEAD: dict[str, tuple[str, dict[str, str]]] = {
    "SoftmaxOutput": ("softmax", {}),
    "Softmax": ("softmax", {}),  # the old name of SoftmaxOutput
    "LogisticRegressionOutput": ("sigmoid", {}),
    "LinearRegressionOutput": _IDENTITY,
    "MAERegressionOutput": _IDENTITY,
    "SVMOutput": _IDENTITY,
}
LOSS_HEADS = frozenset(_FORM_OF_HEAD)


def is_loss_head(node: Node) -> bool:
    """Return whether `node` is a loss head that takes a label."""
    return node.op in _FORM_OF_HEAD and len(node.inputs) > LABEL_SLOT


def label_variables(graph: Graph) -> frozenset[int]:
    """Return the variables that are labels of loss heads, or that nothing but labels is computed from."""
    labels = [node.inputs[LABEL_SLOT] for node in graph.nodes if is_loss_head(node)]
    behind_labels = _needed(graph, labels, with_labels=True)
    elsewhere = _needed(graph, graph.outputs, with_labels=False) - {entry.node for entry in labels}
    return frozenset(i for i in behind_labels - elsewhere if graph.nodes[i].is_variable)


def _needed(graph: Graph, entries: Sequence[Entry], *, with_labels: bool) -> set[int]:
    """Return the nodes that `entries` are computed from, through labels or around them."""
    seen = {entry.node for entry in entries}
    stack = list(seen)
    while stack:
        node = graph.nodes[stack.pop()]
        read = node.inputs if with_labels or not is_loss_head(node) else node.inputs[:LABEL_SLOT]
        new = {entry.node for entry in read} - seen
        seen |= new
        stack.extend(new)
    return seen


def inference_form(nodes: Sequence[Node], head: Node, first_index: int) -> list[Node]:
    """Return the nodes that compute what `head` computes at inference, the last of them under its name.

    Parameters
    ----------
    nodes : sequence of Node
        What the inputs of `head` refer to.
    head : Node
        A loss head.
    first_index : int
        Index that the first returned node will have; entries among the returned nodes use it.

    Notes
    -----
    ``SoftmaxOutput`` normalises over axis 1 (``multi_output``), over the last axis (``preserve_shape``), or over
    everything but the first axis. The last is one softmax where the data is known to be a matrix, and a softmax
    of the flattened data put back into shape otherwise.
    """
    op, attrs = _FORM_OF_HEAD[head.op]
    data = head.inputs[0]
    kept = {k: v for k, v in head.attrs.items() if k.startswith("__")}
    last = Node(op, head.name, (data,), {**kept, **attrs}, (), head.outputs, 0, head.path)
    if op != "softmax":
        return [last]
    axis = _softmax_axis(nodes, head)
    if axis is not None:
        return [last._replace(attrs={**kept, "axis": axis})]
    flat_name, soft_name = head.name + "_flatten", head.name + "_softmax"
    flat = Node("Flatten", flat_name, (data,), {}, (), (flat_name + "_output",), 0, head.path)
    soft = Node("softmax", soft_name, (Entry(first_index),), {"axis": "-1"}, (), (soft_name + "_output",), 0, head.path)
    back = last._replace(op="reshape_like", inputs=(Entry(first_index + 1), data))
    return [flat, soft, back]


def _softmax_axis(nodes: Sequence[Node], head: Node) -> str | None:
    """Return the axis a softmax head normalises over, None where it is everything but the first axis."""
    if _is_true(head.attrs.get("multi_output")):
        return "1"
    producer = nodes[head.inputs[0].node]
    is_matrix = producer.op == "Flatten" or (
        producer.op == "FullyConnected" and _is_true(producer.attrs.get("flatten", "True"))
    )
    return "-1" if is_matrix or _is_true(head.attrs.get("preserve_shape")) else None


def _is_true(text: str | None) -> bool:
    return text in ("True", "true", "1")
