"""From a graph to units: the smallest things a picture draws, a layer with the cheap operators behind it.

Parameters are no things of their own but belong to the layer that reads them, and so does what is computed from
parameters alone. No MXNet in here.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import AbstractSet, Iterator, Mapping, NamedTuple, Sequence, Tuple

from .batch_norm import SETTING, is_on
from .graph import Entry, Graph, Node, bodies_below
from .operator_text import operator_text
from .operators import is_normalisation, kind_of_node

__all__ = ["Unit", "Marks", "Subject", "read_units", "group_of_name"]

_MOST_IN_UNIT = 8
_OWN_BOX = frozenset({"Pooling", "Pooling_v1", "RNN", "_foreach", "_while_loop", "_cond"})
_ONLY_TUNING = frozenset({"workspace", "cudnn_tune", "cudnn_off", "cudnn_algo_verbose", "name"})
_SEPARATOR = re.compile(r"[_./:]+")
_SAYS_NOTHING = frozenset({"", "fwd", "output"})
Group = Tuple[str, ...]


class Marks(NamedTuple):
    """What is told apart: what a cut makes of it always, what is frozen where that leaves the picture readable."""

    part: str = ""  # what a cut makes of it
    is_frozen: bool | None = None  # None for what has no parameters
    is_partly: bool = False  # some of its parameters learn, some do not
    is_output: bool = False


class Subject(NamedTuple):
    """What is drawn.

    `learning` is {parameter: whether it learns} of those that can; `part_of_node` is what a cut makes of each node,
    empty without a cut; `kept_apart` are entries that have to be the last of their box, or that are read by more than
    edges.
    """

    graph: Graph
    data: AbstractSet[int]
    prefix: str = ""
    learning: Mapping[str, bool] = {}  # noqa: RUF012 - never edited
    part_of_node: Mapping[int, str] = {}  # noqa: RUF012 - never edited
    kept_apart: AbstractSet[Entry] = frozenset()


class Unit(NamedTuple):
    """A data variable, or operators in a chain.

    Attributes
    ----------
    nodes : tuple of int
        The operators whose values flow on, in order.
    beside : tuple of int
        Operators computed from parameters alone, for these.
    sources : tuple of int
        The units it reads, in order; those behind it are numbered higher.
    texts : tuple of str
        What is written for each of `nodes`.
    parameters : tuple of int
        The variables it reads as parameters.
    group : tuple of str
        The blocks it is in.
    looks : tuple
        What each of `nodes` computes; units of equal looks compute the same, but for what they read.
    """

    nodes: tuple[int, ...]
    beside: tuple[int, ...]
    sources: tuple[int, ...]
    texts: tuple[str, ...]
    parameters: tuple[int, ...]
    group: Group
    marks: Marks
    looks: tuple[object, ...] = ()


class _Reading(NamedTuple):
    """What a node reads: nodes whose values flow, and parameters, with what is computed from these alone on the way."""

    flow: tuple[int, ...]
    parameters: tuple[int, ...]
    beside: tuple[int, ...]


def read_units(subject: Subject) -> list[Unit]:
    """Return the units of a graph in topological order, each operator and each data variable in exactly one.

    O(nodes + edges) time; no recursion.
    """
    graph = subject.graph
    readings = _readings(subject)
    groups = _groups(graph, subject.prefix)
    readers = Counter(source for reading in readings.values() for source in reading.flow)
    apart = {entry.node for entry in (*subject.kept_apart, *graph.outputs)}
    returned = {entry.node for entry in graph.outputs}
    units: list[Unit] = []
    unit_of_node: dict[int, int] = {}
    for index in _deepest_first(graph, readings):
        reading = readings[index]
        node = graph.nodes[index]
        states = _learning_states(subject, node, reading.parameters)
        marks = Marks(subject.part_of_node.get(index, ""), *states, index in returned)
        looks = (_look(graph, node, reading),)
        unit = Unit((index,), reading.beside, (), (_text(node),), reading.parameters, groups[index], marks, looks)
        if len(reading.flow) == 1 and _is_cheap(node, reading):
            before = reading.flow[0]
            joined = _joined(units[unit_of_node[before]], unit)
            if joined is not None and readers[before] == 1 and before not in apart and before not in subject.data:
                units[unit_of_node[before]] = joined
                unit_of_node[index] = unit_of_node[before]
                continue
        sources = tuple(dict.fromkeys(unit_of_node[source] for source in reading.flow))
        unit_of_node[index] = len(units)
        units.append(unit._replace(sources=sources))
    return units


def _text(node: Node) -> str:
    return "input" if node.is_variable else operator_text(node)


def _is_cheap(node: Node, reading: _Reading) -> bool:
    if node.op in _OWN_BOX:
        return False
    return not reading.parameters or is_normalisation(kind_of_node(node.op, node.attrs).family)


def _joined(unit: Unit, more: Unit) -> Unit | None:
    """Return one unit of two that follow each other, None where they may not be drawn as one."""
    states = {unit.marks.is_frozen, more.marks.is_frozen} - {None}
    if len(unit.nodes) >= _MOST_IN_UNIT or unit.group != more.group or unit.marks.part != more.marks.part:
        return None
    if len(states) == 2:
        return None
    return unit._replace(
        nodes=unit.nodes + more.nodes,
        beside=unit.beside + more.beside,
        texts=unit.texts + more.texts,
        parameters=unit.parameters + more.parameters,
        marks=more.marks._replace(
            is_frozen=next(iter(states), None), is_partly=unit.marks.is_partly or more.marks.is_partly
        ),
        looks=unit.looks + more.looks,
    )


def _readings(subject: Subject) -> dict[int, _Reading]:
    """Return what each data variable and operator reads, in topological order.

    What is computed from parameters alone is left to its first reader, unless it is returned or cut at.
    """
    nodes = subject.graph.nodes
    apart = {entry.node for entry in (*subject.kept_apart, *subject.graph.outputs)}
    found: dict[int, _Reading] = {}
    waiting: dict[int, _Reading] = {}
    for index, node in enumerate(nodes):
        if node.is_variable:
            if index in subject.data or index in apart:
                found[index] = _Reading((), (), ())
            continue
        flow: dict[int, None] = {}
        parameters: dict[int, None] = {}
        beside: dict[int, None] = {}
        for source in dict.fromkeys(entry.node for entry in node.inputs):
            if source in found:
                flow[source] = None
            elif nodes[source].is_variable:
                parameters[source] = None
            else:
                below = waiting[source]
                parameters.update(dict.fromkeys(below.parameters))
                beside.update(dict.fromkeys(below.beside))
                waiting[source] = below._replace(beside=())
        reading = _Reading(tuple(flow), tuple(parameters), tuple(beside))
        if flow or index in apart:
            found[index] = reading
        else:
            waiting[index] = reading._replace(beside=(*reading.beside, index))
    return found


def _deepest_first(graph: Graph, readings: Mapping[int, _Reading]) -> list[int]:
    """Return the nodes in a topological order in which each stands close to what reads it.

    Depth-first from the outputs, of several inputs the one with the longest way behind it first: the steps of an
    unrolled recurrent network follow each other then, and are seen to be alike.
    """
    depth: dict[int, int] = {}
    for index, reading in readings.items():
        depth[index] = 1 + max((depth[source] for source in reading.flow), default=0)

    def inputs_of(index: int) -> Iterator[int]:
        return iter(sorted(readings[index].flow, key=lambda source: -depth[source]))

    order: list[int] = []
    seen: set[int] = set()
    for start in (*(entry.node for entry in graph.outputs), *readings):
        if start in seen:
            continue
        seen.add(start)
        stack = [(start, inputs_of(start))]
        while stack:
            index, pending = stack[-1]
            source = next((i for i in pending if i not in seen), None)
            if source is None:
                stack.pop()
                order.append(index)
            else:
                seen.add(source)
                stack.append((source, inputs_of(source)))
    return order


def _look(graph: Graph, node: Node, reading: _Reading) -> object:
    """Return all that decides what an operator computes, with what is computed beside it; names are left out."""
    flow = frozenset(reading.flow)
    bodies = tuple(
        (inner.get("op"), _shown(inner.get("attrs", {})), str(inner.get("inputs")))
        for body in bodies_below(node)
        for inner in body.get("nodes", ())
    )
    beside = tuple((graph.nodes[i].op, _shown(graph.nodes[i].attrs)) for i in reading.beside)
    return node.op, _shown(node.attrs), tuple(entry.node in flow for entry in node.inputs), bodies, beside


def _shown(attrs: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    kept = (item for item in attrs.items() if not (item[0].startswith("__") or item[0] in _ONLY_TUNING))
    return tuple(sorted((key, str(value)) for key, value in kept))


def _learning_states(subject: Subject, node: Node, parameters: Sequence[int]) -> tuple[bool | None, bool]:
    """Return whether a layer is frozen, and whether it is in part.

    It is frozen where no parameter learns and no statistic moves; None without parameters.
    """
    states = [subject.learning.get(subject.graph.nodes[i].name) for i in parameters]
    learns = [state for state in states if state is not None]
    if kind_of_node(node.op, node.attrs).family in ("BatchNorm", "_contrib_BatchNormWithReLU"):
        is_frozen = is_on(node.attrs.get(SETTING)) and not any(learns)
        return is_frozen, not is_frozen and not all(learns)
    return (not any(learns), any(learns) and not all(learns)) if learns else (None, False)


def _groups(graph: Graph, prefix: str) -> dict[int, Group]:
    """Return the blocks around each node that hold more than one layer; from names where no block is known."""
    has_paths = any(node.path for node in graph.nodes)
    group_of_path: dict[str, Group] = {}
    own: dict[int, Group] = {}
    for i, node in enumerate(graph.nodes):
        text = node.path if has_paths else node.name
        if text not in group_of_path:
            rest = text[len(prefix) :] if text.startswith(prefix) and not has_paths else text
            group_of_path[text] = tuple(text.split(".")) if has_paths and text else group_of_name(rest)
        own[i] = group_of_path[text]
    sizes: Counter[Group] = Counter()
    for i, node in enumerate(graph.nodes):
        if not node.is_variable:
            sizes.update(own[i][:depth] for depth in range(1, len(own[i]) + 1))
    layers: Counter[Group] = Counter()
    for i, node in enumerate(graph.nodes):
        if kind_of_node(node.op, node.attrs).family in ("Convolution", "Deconvolution", "FullyConnected", "RNN"):
            layers.update(own[i][:depth] for depth in range(1, len(own[i]) + 1))
    return {i: _worth(group, sizes, layers) for i, group in own.items()}


def _worth(group: Group, sizes: Mapping[Group, int], layers: Mapping[Group, int]) -> Group:
    """Return the part of a group that is a block of several layers, not a layer with its activation."""
    depth = len(group)
    while depth and not (layers[group[:depth]] >= 2 or sizes[group[:depth]] >= 5):
        depth -= 1
    return group[:depth]


def group_of_name(name: str) -> tuple[str, ...]:
    """Return the groups that a name tells, for a network that has no block paths.

    Examples
    --------
    >>> group_of_name("stage1_unit2_conv1"), group_of_name("stage1_conv0_fwd"), group_of_name("conv0")
    (('stage1', 'unit2'), ('stage1',), ())
    """
    words = _SEPARATOR.split(name)
    while len(words) > 1 and words[-1] in _SAYS_NOTHING:
        words.pop()
    return tuple(word for word in words[:-1] if word)
