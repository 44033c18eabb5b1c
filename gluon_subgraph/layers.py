"""The normal form of a graph for the matcher, and its layers: the operators that own parameters, with their slots."""

from __future__ import annotations

from functools import lru_cache
from typing import Iterable, Mapping, NamedTuple, Sequence, Tuple

from .graph import VARIABLE, Graph
from .operators import Kind, kind_of_node
from .sides import Shape

__all__ = ["Layer", "Step", "Form", "read_form", "read_form_of_nodes", "read_layers", "differing_settings"]


class Layer(NamedTuple):
    """An operator that owns parameters.

    `roles`, `parameters` and `shapes` run in parallel: the name MXNet gives to the slot, or its number, the name of
    the parameter in it, and the shape of that, None where it is unknown. `made` says what operators compute from
    the parameters before the layer reads them; it is empty where the layer reads all of them as they are.
    """

    kind: str
    roles: tuple[str, ...]
    parameters: tuple[str, ...]
    shapes: tuple[Shape, ...]
    attrs: tuple[tuple[str, str], ...]
    node: int
    made: tuple[str, ...] = ()


class Step(NamedTuple):
    """One value of the normal form: what computes it, from which steps, with which parameters."""

    kind: Kind
    inputs: tuple[int, ...]
    layer: Layer | None
    output: int = 0  # which output of the operator, for operators that have several


class Form(NamedTuple):
    """A graph with one step for each operator that matters, in topological order, and the steps it returns."""

    steps: list[Step]
    outputs: tuple[int, ...]


_new = tuple.__new__  # a named tuple's own constructor takes twice as long
_Owned = Tuple[str, Tuple[str, ...]]  # how it is computed, and the parameters
_PLAIN = "."
_ROLES = {
    "Convolution": ("data", "weight", "bias"),
    "Deconvolution": ("data", "weight", "bias"),
    "FullyConnected": ("data", "weight", "bias"),
    "Embedding": ("data", "weight"),
    "BatchNorm": ("data", "gamma", "beta", "running_mean", "running_var"),
    "_contrib_BatchNormWithReLU": ("data", "gamma", "beta", "running_mean", "running_var"),
    "LayerNorm": ("data", "gamma", "beta"),
    "GroupNorm": ("data", "gamma", "beta"),
    "InstanceNorm": ("data", "gamma", "beta"),
    "LeakyReLU": ("data", "alpha"),
}


def read_form(graph: Graph, shapes: Mapping[str, Shape]) -> Form:
    """Return the normal form of a graph; variables in `shapes` are parameters, all others are inputs.

    A value that is computed from parameters alone counts as parameters of the operator that reads it, as where the
    weights of a recurrent layer are joined first. O(nodes + edges) time.
    """
    nodes = [(node.op, node.name, node.inputs, node.attrs) for node in graph.nodes]
    return read_form_of_nodes(nodes, graph.outputs, shapes)


def read_form_of_nodes(
    nodes: Iterable[tuple[str, str, Sequence[Sequence[int]], Mapping[str, str]]],
    outputs: Sequence[Sequence[int]],
    shapes: Mapping[str, Shape],
) -> Form:
    """Return the normal form of nodes (operator, name, inputs, attributes), an input being (node, output, ...)."""
    steps: list[Step] = []
    step_of: dict[tuple[int, int], int] = {}  # by node and output index
    owned: dict[int, _Owned] = {}  # nodes that are parameters, or are computed from parameters alone
    for i, (op, name, sources, attrs) in enumerate(nodes):
        if op == VARIABLE:
            if name in shapes:
                owned[i] = (_PLAIN, (name,))
            else:
                step_of[i, 0] = len(steps)
                steps.append(_new(Step, (Kind("input", (("name", name),), False, False), (), None, 0)))
            continue
        inputs = []
        slots: list[tuple[int, _Owned]] = []
        for position, entry in enumerate(sources):
            source = entry[0]
            if source in owned:
                slots.append((position, owned[source]))
            else:
                step = step_of.get((source, entry[1]))
                inputs.append(_further_output(source, entry[1], steps, step_of) if step is None else step)
        kind = kind_of_node(op, attrs)
        if not inputs:
            owned[i] = _computed(kind, [value for _, value in slots])
            continue
        if kind.is_transparent and not slots:
            step_of[i, 0] = inputs[0]
            continue
        step_of[i, 0] = len(steps)
        steps.append(_new(Step, (kind, tuple(inputs), _layer(kind, slots, shapes, i) if slots else None, 0)))
    returned = [(entry[0], entry[1]) for entry in outputs if entry[0] not in owned]
    for source, index in returned:
        if (source, index) not in step_of:
            _further_output(source, index, steps, step_of)
    return Form(steps, tuple([step_of[entry] for entry in returned]))


def _further_output(node: int, index: int, steps: list[Step], step_of: dict[tuple[int, int], int]) -> int:
    """Return the step of a further output of an operator: a step of its own."""
    first = step_of[node, 0]
    step = step_of[node, index] = len(steps)
    steps.append(Step(steps[first].kind, (first,), None, index))
    return step


def _computed(kind: Kind, values: list[_Owned]) -> _Owned:
    """Return what an operator makes of parameters; the order in which a sum is written makes no difference."""
    if kind.is_transparent and len(values) == 1:
        return values[0]
    if kind.is_commutative:
        values = sorted(values, key=lambda value: value[0])
    parts = ",".join([made for made, _ in values])
    return f"{kind.family}{list(kind.settings)}({parts})", tuple([name for _, names in values for name in names])


def _layer(kind: Kind, slots: Sequence[tuple[int, _Owned]], shapes: Mapping[str, Shape], node: int) -> Layer:
    names = tuple([name for _, (_, names) in slots for name in names])
    roles = _roles(kind.family, tuple([position for position, (_, names) in slots for _ in names]))
    made = tuple([made for _, (made, _) in slots])
    made = () if all(text == _PLAIN for text in made) else made
    return _new(Layer, (kind.family, roles, names, tuple([shapes[name] for name in names]), kind.settings, node, made))


@lru_cache(maxsize=1000)
def _roles(family: str, positions: tuple[int, ...]) -> tuple[str, ...]:
    """Return what MXNet calls these inputs of an operator, or their numbers."""
    known = _ROLES.get(family, ())
    return tuple([known[p] if p < len(known) else str(p) for p in positions])


def read_layers(graph: Graph, shapes: Mapping[str, Shape]) -> list[Layer]:
    """Return the layers of a graph in the order in which they are computed."""
    return [step.layer for step in read_form(graph, shapes).steps if step.layer is not None]


_NOT_STRUCTURE = frozenset({"eps", "fix_gamma"})  # told apart where values are loaded


def differing_settings(layer1: Layer, layer2: Layer) -> list[tuple[str, str, str]]:
    """Return (setting, value, other value) of what two layers of one kind compute differently, whatever they hold."""
    if layer1.kind != layer2.kind or layer1.attrs == layer2.attrs:
        return []
    settings = [dict(layer.attrs) for layer in (layer1, layer2)]
    keys = sorted((settings[0].keys() | settings[1].keys()) - _NOT_STRUCTURE)
    values = [(key, settings[0].get(key, ""), settings[1].get(key, "")) for key in keys]
    return [(key, one, other) for key, one, other in values if one != other]
