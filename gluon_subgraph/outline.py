"""Two networks reduced to what they may have in common: layers of labels both have, pools, and joins.

Layers that only one network has (an inserted squeeze-and-excitation block, a head of another size) are looked
through, and so are operators with one input. What is left of two networks that differ by insertions is equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Hashable, Mapping, NamedTuple, Sequence, Tuple

from .layers import Form, Layer, Step
from .operators import is_normalisation, kind_of_node
from .sides import Shape, is_known

__all__ = ["Outline", "input_names", "outlines_of"]

Label = Tuple[Any, ...]
_MOST_OPS = 12


class Edge(NamedTuple):
    """What a step of the form is in the outline: a node, and what is looked through on the way from it."""

    node: int
    is_past_layer: bool  # whether among that are layers
    ops: tuple[str, ...]  # the operators without parameters, in order, and the input they begin with


@dataclass
class Outline:
    """A reduced graph in topological order; the lists run in parallel.

    Attributes
    ----------
    layers : list of Layer or None
        The layer of each node, None for a join, a pool or an input.
    labels : list of int
        Equal numbers for equal labels in both outlines of a pair, 0 for an input.
    inputs : list of tuple of int
        The nodes each node reads, none twice.
    edges : list of tuple of Edge
        The same, with what lies between.
    is_commutative : list of bool
    outputs : tuple of int
    ends_past_layer : bool
        Whether layers that only this network has, such as a head, lie before an output.
    steps : list of int
        The step of the form that each node is.
    node_of_step : list of int
        The node that stands for each step of the form.
    """

    layers: list[Layer | None] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    inputs: list[tuple[int, ...]] = field(default_factory=list)
    edges: list[tuple[Edge, ...]] = field(default_factory=list)
    is_commutative: list[bool] = field(default_factory=list)
    outputs: tuple[int, ...] = ()
    ends_past_layer: bool = False
    steps: list[int] = field(default_factory=list)
    node_of_step: list[int] = field(default_factory=list)

    def add(
        self, step: int, edges: Sequence[Edge], label: int, *, layer: Layer | None = None, is_commutative: bool = False
    ) -> Edge:
        """Append the node that a step of the form is, which reads `edges`, and return the edge from it."""
        self.steps.append(step)
        self.layers.append(layer)
        self.labels.append(label)
        self.inputs.append(tuple([edge.node for edge in edges]))
        self.edges.append(tuple(edges))
        self.is_commutative.append(is_commutative)
        return Edge(len(self.layers) - 1, False, ())

    def is_join(self, node: int) -> bool:
        """Return whether a node is an operator of several inputs, without parameters."""
        return self.layers[node] is None and len(self.inputs[node]) > 1

    @cached_property
    def ops_between(self) -> dict[tuple[int, int], tuple[str, ...]]:
        """{(reader, node): operators between them}; made when first asked for, of the whole outline."""
        return {(reader, edge.node): edge.ops for reader, edges in enumerate(self.edges) for edge in edges}

    def consumers(self) -> list[list[tuple[int, int, Edge]]]:
        """Return for each node its readers: at which of their inputs, 0 where order does not matter, and the edge."""
        found: list[list[tuple[int, int, Edge]]] = [[] for _ in self.inputs]
        for node, edges in enumerate(self.edges):
            for position, edge in enumerate(edges):
                found[edge.node].append((0 if self.is_commutative[node] else position, node, edge))
        return found

    def ancestors(self, node: int) -> set[int]:
        """Return a node and all that it depends on."""
        seen = {node}
        stack = [node]
        while stack:
            fresh = [i for i in self.inputs[stack.pop()] if i not in seen]
            seen.update(fresh)
            stack += fresh
        return seen

    def way_up(self, node: int) -> list[int]:
        """Return a node and those above it, up to the next join."""
        found = [node]
        while len(self.inputs[found[-1]]) == 1:
            found.append(self.inputs[found[-1]][0])
        return found

    def branch(self, join: int, nodes: Sequence[int]) -> list[tuple[int, tuple[str, ...]]]:
        """Return the labels on a way up that begins at what a join reads, each with the operators after it."""
        return [(self.labels[n], self.ops_between.get((reader, n), ())) for reader, n in zip([join, *nodes], nodes)]

    def order(self, keys: Sequence[Hashable]) -> list[int]:
        """Return the nodes in depth-first post-order; inputs of commutative joins by depth, then by their key."""
        depth = [0] * len(self.inputs)
        for node, inputs in enumerate(self.inputs):
            depth[node] = max([depth[i] for i in inputs], default=0) + (self.layers[node] is not None)
        visited = [False] * len(self.inputs)
        found = []
        stack = [(output, False) for output in reversed(self.outputs)]
        while stack:
            node, is_done = stack.pop()
            if is_done:
                found.append(node)
            elif not visited[node]:
                visited[node] = True
                stack.append((node, True))
                inputs = self.inputs[node]
                if self.is_commutative[node]:
                    inputs = tuple(sorted(inputs, key=lambda i: (depth[i], keys[i])))
                stack.extend((i, False) for i in reversed(inputs) if not visited[i])
        return found


def _label_of(layer: Layer, *, is_exact: bool) -> Label:
    """Return what two layers must have in common to be the same: kind, slots and the shapes in them.

    With `is_exact` false, the sizes are left out that a layer takes from its input: where one network has not been
    initialised, those of the other tell nothing.
    """
    if is_exact:
        return (*_as_linear(layer), layer.roles, layer.made)
    given = (None,) if is_normalisation(layer.kind) else layer.shapes
    rough = tuple([(s[0], 0, *s[2:]) if s and len(s) > 1 else s for s in given])
    return (layer.kind, rough, layer.roles, layer.made)


def _as_linear(layer: Layer) -> tuple[str, tuple[Shape, ...]]:
    """Return kind and shapes; a convolution with a 1x1 kernel is a dense layer at every place."""
    kernel = layer.shapes[0] if layer.shapes else None
    if layer.kind == "Convolution" and kernel is not None and set(kernel[2:]) == {1} and layer.attrs == _PLAIN:
        return "FullyConnected", (kernel[:2], *layer.shapes[1:])
    return layer.kind, layer.shapes


_PLAIN = kind_of_node("Convolution", {}).settings


def outlines_of(form1: Form, form2: Form, names: Sequence[Mapping[int, str]]) -> tuple[Outline, Outline]:
    """Return the outlines of two networks with regard to each other; `names` is what `input_names` says of them."""
    layers = [[step.layer for step in form.steps if step.layer is not None] for form in (form1, form2)]
    is_exact = all(is_known(shape) for side in layers for layer in side for shape in layer.shapes)
    labels = [[_label(step, is_exact) for step in form.steps] for form in (form1, form2)]
    common = sorted((set(labels[0]) & set(labels[1])) - {None}, key=repr)
    number = {label: k for k, label in enumerate(common, start=1)}
    return _outline(form1, labels[0], number, names[0]), _outline(form2, labels[1], number, names[1])


def input_names(form1: Form, form2: Form) -> tuple[dict[int, str], dict[int, str]]:
    """Return what each input (a step) is called in either network; "" where their names tell nothing.

    Names of inputs are how people feed them. Where two networks have the same, they mean the same.
    """
    found = [
        {n: s.kind.settings[0][1] for n, s in enumerate(form.steps) if s[0][0] == "input"} for form in (form1, form2)
    ]
    if set(found[0].values()) == set(found[1].values()):
        return found[0], found[1]
    return dict.fromkeys(found[0], ""), dict.fromkeys(found[1], "")


def _label(step: Step, is_exact: bool) -> Label | None:
    """Return the label of a layer, a pool or a join; None for what is looked through."""
    if step.layer is not None:
        return _label_of(step.layer, is_exact=is_exact)
    if step.kind.family == "Pooling":
        return ("Pooling", step.kind.settings)
    return (step.kind.family,) if len(step.inputs) > 1 else None


def _outline(
    form: Form, labels: Sequence[Label | None], number: Mapping[Any, int], input_name: Mapping[int, str]
) -> Outline:
    """Return the outline of one network; labels without number belong to this network alone."""
    outline = Outline()
    edges: list[Edge] = []
    joins: dict[Hashable, Edge] = {}
    for n, (step, label) in enumerate(zip(form.steps, labels)):
        read = _distinct([edges[i] for i in step.inputs])
        code = number.get(label, 0)
        if not read:
            edge = outline.add(n, (), 0)._replace(ops=(f"input {input_name.get(n, '')}",))
        elif code and (step.layer is not None or len(step.inputs) == 1):
            edge = outline.add(n, read, code, layer=step.layer)
        elif len(read) == 1:
            node, is_past_layer, ops = read[0]
            if step.layer is None and not any(edges[i].is_past_layer and not is_past_layer for i in step.inputs):
                ops = (*ops, _text_of(step))[-_MOST_OPS:]  # the join around inserted layers is inserted with them
            edge = Edge(node, is_past_layer or step.layer is not None, ops)
        else:
            key = (_text_of(step), step.layer is None or step.layer.node, tuple(read))
            if key not in joins:
                joins[key] = outline.add(n, read, code or -1, is_commutative=step.kind.is_commutative)
            edge = joins[key]
        edges.append(edge)
    outline.outputs = tuple(dict.fromkeys([edges[i].node for i in form.outputs]))
    outline.ends_past_layer = any(edges[i].is_past_layer for i in form.outputs)
    outline.node_of_step = [edge.node for edge in edges]
    return outline


def _text_of(step: Step) -> str:
    """Return an operator without parameters, with its settings and the number of its output."""
    settings = "".join([f" {key}={value}" for key, value in step.kind.settings])
    return f"{step.kind.family}{settings} {step.output}"


def _distinct(edges: Sequence[Edge]) -> list[Edge]:
    """Return one edge for each node; the direct one where there are others past layers, in whatever order they come."""
    found: dict[int, Edge] = {}
    for edge in edges:
        other = found.get(edge.node)
        found[edge.node] = edge if other is None else min(edge, other)  # False comes before True
    return list(found.values())
