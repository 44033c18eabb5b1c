"""A binding as it is drawn: the layers of its two sides, what became of each, and the rows in which they stand."""

from __future__ import annotations

import os
from typing import Any, Mapping, NamedTuple, Sequence

from .binding_report import Binding
from .errors import SubgraphError
from .layers import read_layers
from .name_layers import read_name_layers
from .operator_text import operator_text
from .operators import kind_of_node
from .plot_pairs import Link, Piece, Row, aligned_rows, merged_rows
from .plot_units import group_of_name
from .sides import Side, may_be_same
from .sources import Weights, read_weights
from .tables import shape_text

__all__ = ["BindingView", "checked_sides", "view_of_binding", "status_of_source"]


class BindingView(NamedTuple):
    """A binding, as it is drawn: the layers of the two sides, the links between them, and the rows."""

    sides: tuple[Sequence[Piece], Sequence[Piece]]
    links: Sequence[Link]
    rows: Sequence[Row]


def checked_sides(net: Any, binding: Binding) -> tuple[Weights, Weights]:
    """Return the two sides that a binding was planned for, the target checked to be `net`.

    Raises
    ------
    SubgraphError
        It is not.
    """
    target, source = binding._target, binding._source
    given = read_weights(net, "target")
    if target is None or source is None or not _is_same(given.side, target.side):
        of_what = "no networks are known" if target is None else f"its target is {target.title}"
        msg = (
            f"the binding was not made for {given.title}: {of_what}.\n"
            "  Give plot the target that match_params(target, source) was given; nothing was drawn."
        )
        raise SubgraphError(msg)
    return target, source


def view_of_binding(binding: Binding, target: Side, source: Side) -> BindingView:
    """Return the layers of both sides with what became of them, and the rows in which they stand."""
    status = {name: part for part in ("missing", "mismatched", "ambiguous") for name in getattr(binding, part)}
    status.update(dict.fromkeys(binding.skipped, "skipped"))
    status.update(dict.fromkeys(binding.mapping, "bound"))
    sides = (_pieces(target, status), _pieces(source, status_of_source(binding, source)))
    links = _links(binding, *sides)
    rows = merged_rows(aligned_rows((len(sides[0]), len(sides[1])), links), sides, links)
    return BindingView(sides, links, rows)


def status_of_source(binding: Binding, source: Side) -> dict[str, str]:
    """Return what became of each parameter of the source."""
    theirs = dict.fromkeys(source.shapes, "extra")
    theirs.update((c, "candidate") for a in binding.ambiguous.values() for c in a.candidates)
    theirs.update((m.source, "mismatched") for m in binding.mismatched.values())
    theirs.update(dict.fromkeys(binding.mapping.values(), "bound"))
    return theirs


def _pieces(side: Side, status: Mapping[str, str]) -> list[Piece]:
    """Return the layers of a side, each parameter in exactly one."""
    found: list[Piece] = []
    taken: set[str] = set()
    layers: list[tuple[str, str, tuple[str, ...], str]] = []
    if side.graph is not None:
        for layer in read_layers(side.graph, side.shapes):
            node = side.graph.nodes[layer.node]
            layers.append((operator_text(node), node.name, layer.parameters, node.path))
    else:
        layers = [("", "", layer.parameters, "") for layer in read_name_layers(side.shapes)]
    prefix = os.path.commonprefix([*side.shapes])
    prefix = prefix[: 1 + _last_separator(prefix)]
    for title, name, parameters, path in layers:
        own = tuple(n for n in dict.fromkeys(parameters) if n not in taken and n in side.shapes)
        if own:
            found.append(_piece(title, name, own, path, prefix, side, status))
            taken.update(own)
    rest = [name for name in side.shapes if name not in taken]
    return found + [_piece("", "", (name,), "", prefix, side, status) for name in rest]


def _piece(
    title: str, name: str, own: tuple[str, ...], path: str, prefix: str, side: Side, status: Mapping[str, str]
) -> Piece:
    """Return one layer; without a graph it is called by what its parameters' names begin with."""
    shared = os.path.commonprefix(own) if len(own) > 1 else own[0]
    separator = _last_separator(shared)
    shared = shared[:separator] if separator > 0 else shared
    shape = shape_text(side.shapes[own[0]])
    group = tuple(path.split(".")[:-1]) if path else group_of_name(shared[len(prefix) :])
    states = list(dict.fromkeys(status.get(n, "extra") for n in own))
    worst = [s for s in ("mismatched", "ambiguous", "candidate") if s in states]
    state = worst[0] if worst else states[0] if len(states) == 1 else "partly bound"
    called = name[len(prefix) :] if name.startswith(prefix) else name
    return Piece(f"{title or shared[len(prefix) :] or shared} {shape}", called or shared, own, group, state)


def _last_separator(name: str) -> int:
    """Return the place of the last separator of a name's words, -1 where there is none."""
    return max(name.rfind("_"), name.rfind("."))


def _links(binding: Binding, targets: Sequence[Piece], sources: Sequence[Piece]) -> list[Link]:
    left_of = {name: i for i, piece in enumerate(targets) for name in piece.parameters}
    right_of = {name: i for i, piece in enumerate(sources) for name in piece.parameters}
    found: dict[tuple[int, int, str], list[tuple[str, str]]] = {}
    pairs = [(t, s, "bound") for t, s in binding.mapping.items()]
    pairs += [(t, m.source, "mismatched") for t, m in binding.mismatched.items()]
    pairs += [(t, s, "ambiguous") for t, a in binding.ambiguous.items() for s in a.candidates]
    for t, s, kind in pairs:
        if t in left_of and s in right_of:
            found.setdefault((left_of[t], right_of[s], kind), []).append((t, s))
    return [Link(*key, tuple(names)) for key, names in found.items()]


def _is_same(side: Side, other: Side) -> bool:
    """Return whether two sides hold the same parameters, as far as their shapes are known, and compute alike."""
    if list(side.shapes) != list(other.shapes):
        return False
    if not all(may_be_same(shape, other.shapes[name]) for name, shape in side.shapes.items()):
        return False
    if side.graph is None or other.graph is None:
        return side.graph is other.graph
    return _operators(side) == _operators(other)


def _operators(side: Side) -> list[object]:
    """Return what a side computes, without the names of operators, which MXNet numbers anew, and their settings."""
    nodes = () if side.graph is None else side.graph.nodes
    return [
        (node.name in side.shapes and node.name)
        if node.is_variable
        else (kind_of_node(node.op, node.attrs).family, node.inputs)
        for node in nodes
    ]
