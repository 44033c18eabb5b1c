"""The drawing of one network: its units bundled into boxes, with their text, the edges between them and the cut."""

from __future__ import annotations

import math
from typing import Any, Iterator, Mapping, Sequence

from .drawing import FILL_OF_PART, Box, Drawing, Edge, Tensor
from .errors import UnknownNodeError, nearest_names, shorten
from .graph import Entry
from .network import Network
from .plot_collapse import Bundle, bundles_of_units
from .plot_cut import CutView
from .plot_text import View, common_group, readers_of_parameter, text_of_bundle, without_prefix
from .plot_units import Subject, Unit, read_units
from .settings import DIFFERENTIABLE, is_constant
from .tables import shape_text

__all__ = ["draw_network"]

_NO_CUT = CutView((), (), (), {}, frozenset())


def draw_network(network: Network, cut: CutView | None, expand: Sequence[str], shapes: Mapping[Entry, Any]) -> Drawing:
    """Return the drawing of a network, with its cut if one is given.

    Raises
    ------
    UnknownNodeError
        `expand` names a block that the network does not have.
    """
    learning = _learning(network)
    shown = _NO_CUT if cut is None else cut
    apart = frozenset((*shown.inputs, *shown.outputs, *shown.repair))
    prefix = network.names.prefix
    subject = Subject(network.graph, network.data, prefix, learning, shown.part_of_node, apart)
    units = read_units(subject)
    expanded = _expanded(network, units, expand)
    bundles = bundles_of_units(units, expanded, in_full="" in expand)
    nodes = network.graph.nodes
    known = {name: getattr(value, "shape", None) for name, value in network.values.items()}
    told = {nodes[e.node].name: shape for e, shape in shapes.items() if nodes[e.node].is_variable}
    known.update((name, shape) for name, shape in told.items() if name in known)
    view = View(network, subject, units, shown, shapes, known, readers_of_parameter(subject, units))
    boxes = [_box(view, bundle) for bundle in bundles]
    box_of_node = {node: i for i, box in enumerate(boxes) for node in box.nodes}
    tensors, number_of_entry = _tensors(view, box_of_node)
    edges = _edges(view, box_of_node, number_of_entry)
    return Drawing(_title(view), boxes, edges, tensors, _notes(view, bundles), _legend(boxes, cut is not None))


def _learning(network: Network) -> dict[str, bool]:
    """Return whether each parameter learns, of those that can: running statistics and constants cannot."""
    found = {}
    auxiliary = set(network.symbol.list_auxiliary_states())
    attrs_of_name = {node.name: node.attrs for _, node in network.graph.variables()}
    for name, value in network.values.items():
        attrs = attrs_of_name[name]
        can = attrs.get(DIFFERENTIABLE) != "False" and not is_constant(attrs)
        if name not in auxiliary and can and getattr(value, "_differentiable", True):
            found[name] = getattr(value, "grad_req", attrs.get("__grad_req__", "write")) != "null"
    return found


def _expanded(network: Network, units: Sequence[Unit], expand: Sequence[str]) -> frozenset[int]:
    """Return the units of the blocks to be shown in full; a block of one layer, which is in full already, is one too.

    Raises
    ------
    UnknownNodeError
        A path is that of no block.
    """
    nodes = network.graph.nodes
    units_of_path: dict[str, list[int]] = {}
    for i, unit in enumerate(units):
        groups = {unit.group, *(tuple(nodes[node].path.split(".")) for node in unit.nodes if nodes[node].path)}
        for path in {path for group in groups for path in _paths_down(group)}:
            units_of_path.setdefault(path, []).append(i)
    unknown = [path for path in expand if path and path not in units_of_path]
    if unknown:
        paths = sorted(units_of_path)
        near = nearest_names(unknown[0], paths) or paths
        nearest = f"  Nearest: {shorten(near)}.\n" if near else "  It has no blocks.\n"
        msg = (
            f"expand names {unknown[0]!r}, which is no block path of {network.title!r}.\n{nearest}"
            "  Give block paths as list_nodes(net) prints them, '' for the whole network; nothing was drawn."
        )
        raise UnknownNodeError(msg)
    return frozenset(i for path in expand if path for i in units_of_path[path])


def _paths_down(group: Sequence[str]) -> Iterator[str]:
    return (".".join(group[:depth]) for depth in range(1, len(group) + 1))


def _box(view: View, bundle: Bundle) -> Box:
    units = [view.units[i] for i in bundle.units]
    nodes = tuple([node for unit in units for node in (*unit.beside, *unit.nodes)])
    is_frozen = {unit.marks.is_frozen for unit in units} - {None} == {True}
    kind = "layer" if any(unit.parameters for unit in units) else "operator"
    if bundle.count > 1:
        kind = "repeat"
    elif len(units) == 1 and units[0].nodes[0] in view.subject.data:
        kind = "input"
    title, lines = text_of_bundle(view, bundle)
    part = units[0].marks.part
    return Box(title, lines, nodes, common_group(units), kind, part, is_frozen, _tooltip(view, nodes))


def _tooltip(view: View, nodes: Sequence[int]) -> str:
    names = [f"{view.network.graph.nodes[i].name} ({view.network.graph.nodes[i].op})" for i in nodes[:12]]
    more = [f"and {len(nodes) - 12} more"] if len(nodes) > 12 else []
    return "\n".join([*names, *more])


def _tensors(view: View, box_of_node: Mapping[int, int]) -> tuple[list[Tensor], dict[Entry, int]]:
    """Return the tensors at the boundary; a variable that is an input is a box of its own already."""
    tensors: list[Tensor] = []
    number_of_entry: dict[Entry, int] = {}
    sides = (("repair", view.cut.repair), ("input", view.cut.inputs), ("output", view.cut.outputs))
    for side, entries in sides:
        for entry in entries:
            if entry in number_of_entry or view.network.graph.nodes[entry.node].is_variable:
                continue
            number_of_entry[entry] = len(tensors)
            name = without_prefix(view, view.network.names.name_of(entry))
            shape = view.shapes.get(entry)
            shown = "" if shape is None else shape_text(shape)
            tensors.append(Tensor(name, side, box_of_node[entry.node], shown))
    return tensors, number_of_entry


def _edges(view: View, box_of_node: Mapping[int, int], number_of_entry: Mapping[Entry, int]) -> list[Edge]:
    """Return the edges of the graph between boxes, each once, in the order of what reads; parameters have none.

    What is kept reads an input, or a missing one, through its tensor; everything else reads an output through its.
    """
    found: dict[Edge, None] = {}
    through = {*view.cut.inputs, *view.cut.repair}
    leaking = {(box_of_node[a], box_of_node[b]) for a, b in view.cut.leaking}
    flowing = {node for unit in view.units for node in unit.nodes}
    for unit in view.units:
        for index in unit.nodes:
            end = box_of_node[index]
            is_kept = view.cut.part_of_node.get(index) == "kept"
            for entry in view.network.graph.nodes[index].inputs:
                if entry.node not in flowing:
                    continue
                start = box_of_node[entry.node]
                is_crossing = is_kept if entry in through else not is_kept
                tensor = number_of_entry.get(entry) if is_crossing else None
                found[Edge(start, end, tensor, tensor is None and (start, end) in leaking)] = None
    return list(found)


def _title(view: View) -> str:
    operators = sum(1 for node in view.network.graph.nodes if not node.is_variable)
    sizes = [_size(shape, is_np=view.network.is_np) for shape in view.parameter_shapes.values()]
    known = [size for size in sizes if size is not None]
    unknown = len(sizes) - len(known)
    said = [f"{sum(known):,} parameter values"] if known or not unknown else []
    said += [f"{unknown:,} parameter{'s' if unknown > 1 else ''} of unknown shape"] if unknown else []
    return f"{view.network.title}: {operators:,} operators, {', '.join(said)}"


def _size(shape: Any, *, is_np: bool) -> int | None:
    """Return the number of values, None where it is not known; without NumPy shapes, ``()`` is an unknown shape."""
    if shape is None or any(size <= 0 for size in shape) or not (shape or is_np):
        return None
    return math.prod(shape)


def _notes(view: View, bundles: Sequence[Bundle]) -> list[str]:
    notes = []
    if any(bundle.count > 1 for bundle in bundles):
        notes.append("Alike blocks in a row are drawn as one, with the layers of the first.")
    merged = sum(1 for bundle in bundles if len(bundle.units) > 1)
    if merged:
        boxes = "1 box stands" if merged == 1 else f"{merged} boxes stand"
        notes.append(f"{boxes} for several layers; expand='block path' shows a block in full.")
    return notes


def _legend(boxes: Sequence[Box], has_cut: bool) -> list[tuple[str, str]]:
    legend = []
    if has_cut:
        meanings = {"kept": "in the piece", "boundary": "boundary tensor", "rest": "not in the piece"}
        legend += [(FILL_OF_PART[part], meaning) for part, meaning in meanings.items()]
        if any(box.part == "leak" for box in boxes):
            legend.append((FILL_OF_PART["leak"], "leak: a path around the inputs"))
    if any(box.is_frozen for box in boxes):
        legend.append(("#ffffff", "hatched: frozen"))
    return legend
