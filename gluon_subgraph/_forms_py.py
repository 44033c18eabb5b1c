"""The normal form of a graph for the matcher: one step for each operator that matters, with the parameters it owns.

The text to read, the oracle of the tests, and the fallback; `_forms.pyx` has the same function under the same
contract, and the two change together.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Iterable, Mapping, NamedTuple, Sequence, Tuple, Union

from ._symbol_text_py import SymbolText
from .graph import VARIABLE
from .operators import Kind, kind_of_node
from .sides import Shape

__all__ = [
    "Form",
    "Layer",
    "Step",
    "computed",
    "input_step",
    "layer_of_slots",
    "read_form_of_nodes",
    "read_form_of_text",
    "roles_of",
]


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
_Owned = Union[str, Tuple[str, Tuple[str, ...]]]  # a parameter, or how something is computed and from which
_PLAIN = "."
_OWNED = -1
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


def read_form_of_nodes(
    nodes: Iterable[Sequence[Any]], outputs: Sequence[Sequence[int]], shapes: Mapping[str, Shape]
) -> Form:
    """Return the normal form of nodes; variables in `shapes` are parameters, all others are inputs.

    Parameters
    ----------
    nodes : iterable of tuple
        Operator, name, inputs and attributes of each, and maybe more; an input is (earlier node, output, ...). What is
        one object as the attributes of several nodes is looked at once for each operator.
    outputs : sequence of (int, int, ...)
    shapes : mapping of str to tuple of int or None
    """
    reading = _Reading(shapes)
    for i, node in enumerate(nodes):
        reading.add(i, node[0], node[1], node[2], node[3])
    return reading.form(outputs)


def read_form_of_text(read: SymbolText, shapes: Mapping[str, Shape]) -> Form:
    """Return the normal form of the columns of Symbol JSON, as `read_form_of_nodes` does."""
    reading = _Reading(shapes)
    entries = list(zip(read.sources, read.numbers))
    for i, (op, name, attrs) in enumerate(zip(read.ops, read.names, read.attrs)):
        reading.add(i, op, name, entries[read.begins[i] : read.begins[i + 1]], attrs)
    return reading.form(read.rest["heads"])


class _Reading:
    """The steps of the nodes read so far, and what became of these.

    Attributes
    ----------
    steps : list of Step
    first : list of int
        For each node the step of its first output; _OWNED if it is a parameter, or computed from parameters alone.
    further : dict of (int, int) to int
        The steps of other outputs that are read, by node and output.
    owned : dict of int to _Owned
        Nodes that are parameters, or computed from parameters alone.
    """

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.shapes = shapes
        self.steps: list[Step] = []
        self.first: list[int] = []
        self.further: dict[tuple[int, int], int] = {}
        self.owned: dict[int, _Owned] = {}
        self._kinds: dict[tuple[str, int], tuple[Kind, object]] = {}  # with the attributes, whose number stays theirs

    def form(self, outputs: Sequence[Sequence[int]]) -> Form:
        """Return the form that has these outputs, parameters left out."""
        returned = tuple([self.step_of(entry) for entry in outputs if self.first[entry[0]] != _OWNED])
        return Form(self.steps, returned)

    def add(self, node: int, op: str, name: str, entries: Sequence[Sequence[int]], attrs: Mapping[str, str]) -> None:
        """Add a parameter, an input or an operator."""
        if op != VARIABLE:
            self.add_operator(node, op, entries, attrs)
        elif name in self.shapes:
            self.owned[node] = name
            self.first.append(_OWNED)
        else:
            self.first.append(len(self.steps))
            self.steps.append(input_step(name))

    def add_operator(self, node: int, op: str, entries: Sequence[Sequence[int]], attrs: Mapping[str, str]) -> None:
        """Add an operator; what passes its only input on is looked through."""
        kind = self.kind_of(op, attrs)
        inputs: list[int] = []
        slots: list[tuple[int, _Owned]] = []
        for position, entry in enumerate(entries):
            if self.first[entry[0]] == _OWNED:
                slots.append((position, self.owned[entry[0]]))
            else:
                inputs.append(self.step_of(entry))
        if not inputs:
            self.first.append(_OWNED)
            self.owned[node] = computed(kind, [value for _, value in slots])
        elif kind.is_transparent and not slots:
            self.first.append(inputs[0])
        else:
            self.first.append(len(self.steps))
            layer = layer_of_slots(kind, slots, self.shapes, node) if slots else None
            self.steps.append(_new(Step, (kind, tuple(inputs), layer, 0)))

    def kind_of(self, op: str, attrs: Mapping[str, str]) -> Kind:
        """Return the kind of an operator."""
        known = self._kinds.get((op, id(attrs)))
        if known is None:
            known = self._kinds[op, id(attrs)] = (kind_of_node(op, attrs), attrs)
        return known[0]

    def step_of(self, entry: Sequence[int]) -> int:
        """Return the step of an entry; a further output of an operator is a step of its own."""
        node, index = entry[0], entry[1]
        first = self.first[node]
        if not index:
            return first
        step = self.further.get((node, index))
        if step is None:
            step = self.further[node, index] = len(self.steps)
            self.steps.append(Step(self.steps[first].kind, (first,), None, index))
        return step


def input_step(name: str) -> Step:
    """Return the step of a variable that is no parameter."""
    return Step(Kind("input", (("name", name),), False, False), (), None)


def computed(kind: Kind, values: list[_Owned]) -> _Owned:
    """Return what an operator makes of parameters; the order in which a sum is written makes no difference."""
    if kind.is_transparent and len(values) == 1:
        return values[0]
    made = [(_PLAIN, (value,)) if isinstance(value, str) else value for value in values]
    if kind.is_commutative:
        made.sort(key=lambda value: value[0])
    parts = ",".join([text for text, _ in made])
    return f"{kind.family}{list(kind.settings)}({parts})", tuple([name for _, names in made for name in names])


def layer_of_slots(kind: Kind, slots: Sequence[tuple[int, _Owned]], shapes: Mapping[str, Shape], node: int) -> Layer:
    """Return the layer of an operator with these parameters, or what is computed from such, at these inputs."""
    names: list[str] = []
    positions: list[int] = []
    made: list[str] = []
    for position, value in slots:
        if isinstance(value, str):
            names.append(value)
            positions.append(position)
            made.append(_PLAIN)
        else:
            names += value[1]
            positions += [position] * len(value[1])
            made.append(value[0])
    roles = roles_of(kind.family, tuple(positions))
    texts = () if made.count(_PLAIN) == len(made) else tuple(made)
    of_names = tuple([shapes[name] for name in names])
    return _new(Layer, (kind.family, roles, tuple(names), of_names, kind.settings, node, texts))


@lru_cache(maxsize=1000)
def roles_of(family: str, positions: tuple[int, ...]) -> tuple[str, ...]:
    """Return what MXNet calls these inputs of an operator, or their numbers."""
    known = _ROLES.get(family, ())
    return tuple([known[p] if p < len(known) else str(p) for p in positions])
