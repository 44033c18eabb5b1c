"""The drawing of one network: its units bundled into boxes, with their text, the edges between them and the cut."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from .drawing import Box, Drawing, Edge, Tensor
from .errors import UnknownNodeError, nearest_names, shorten
from .graph import Entry
from .network import Network
from .operator_text import shape_text
from .plot_collapse import Bundle, bundles_of_units
from .plot_cut import CutView
from .plot_units import Subject, Unit, read_units
from .settings import DIFFERENTIABLE, is_constant

__all__ = ["draw_network"]

_MOST_IN_TEXT = 4
_LONGEST_LINE = 38
_NO_CUT = CutView((), (), (), {}, frozenset())


class _View(NamedTuple):
    """All that the boxes are made from."""

    network: Network
    subject: Subject
    units: Sequence[Unit]
    cut: CutView
    shapes: Mapping[Entry, Any]
    parameter_shapes: Mapping[str, Any]


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
    expanded = _expanded(units, expand, network.title)
    bundles = bundles_of_units(units, expanded, in_full="" in expand)
    known = {name: getattr(value, "shape", None) for name, value in network.values.items()}
    known.update((node.name, shapes[Entry(i)]) for i, node in network.graph.variables() if Entry(i) in shapes)
    view = _View(network, subject, units, shown, shapes, known)
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


def _expanded(units: Sequence[Unit], expand: Sequence[str], title: str) -> frozenset[int]:
    """Return the units of the blocks to be shown in full."""
    paths = {".".join(u.group[:depth]) for u in units for depth in range(1, len(u.group) + 1)}
    unknown = [path for path in expand if path and path not in paths]
    if unknown:
        near = nearest_names(unknown[0], sorted(paths)) or sorted(paths)
        nearest = f"  Nearest: {shorten(near)}.\n" if near else "  It has no blocks of several layers.\n"
        msg = (
            f"expand names {unknown[0]!r}, which is no block of several layers of {title!r}.\n{nearest}"
            "  Give block paths as list_nodes(net) prints them, '' for the whole network; nothing was drawn."
        )
        raise UnknownNodeError(msg)
    wanted = {tuple(path.split(".")) for path in expand}
    return frozenset(i for i, u in enumerate(units) if any(u.group[: len(path)] == path for path in wanted))


def _box(view: _View, bundle: Bundle) -> Box:
    units = [view.units[i] for i in bundle.units]
    nodes = tuple([node for unit in units for node in (*unit.beside, *unit.nodes)])
    states = {unit.marks.is_frozen for unit in units} - {None}
    group = _common_group(units)
    part = units[0].marks.part
    frozen = states == {True}
    if len(units) == 1:
        title, lines = _text_of_unit(view, units[0])
        is_input = units[0].nodes[0] in view.subject.data
        kind = "input" if is_input else "layer" if units[0].parameters else "operator"
        return Box(title, lines, nodes, group, kind, part, frozen, _tooltip(view, nodes))
    title, lines = _text_of_bundle(view, bundle, units)
    if len(states) == 2:
        lines = (*lines, "partly frozen")
    kind = "repeat" if bundle.count > 1 else "layer" if any(unit.parameters for unit in units) else "operator"
    own = units[: bundle.period]
    if bundle.count > 1 and len(own) > 1 and _common_group(own) != group:
        group = _common_group(units)
    return Box(title, lines, nodes, group, kind, part, frozen, _tooltip(view, nodes))


def _text_of_unit(view: _View, unit: Unit) -> tuple[str, tuple[str, ...]]:
    """Return the title and the lines of a unit: the layer, its parameters, what follows, and the value it returns."""
    graph = view.network.graph
    last = unit.nodes[-1]
    name = _short_name(view, last)
    shape = view.shapes.get(Entry(last))
    returned = name if shape is None else f"{name} {shape_text(shape)}"
    if last in view.subject.data:
        return name, () if shape is None else (shape_text(shape),)
    readable = [graph.nodes[i].name for i in unit.parameters]
    own = [n for n in readable if n in view.parameter_shapes and n in view.subject.learning]
    first_op = graph.nodes[unit.nodes[0]]
    read_first = {graph.nodes[e.node].name for e in first_op.inputs} if len(unit.nodes) > 1 else set(own)
    described = [n for n in own if n in read_first] or own
    shapes = [f"{_role(n)} {shape_text(view.parameter_shapes[n])}" for n in described[:_MOST_IN_TEXT]]
    rest = ", ".join(unit.texts[1:])
    ends = [f"{rest} → {returned}"] if rest and len(rest) + len(returned) < _LONGEST_LINE else [rest, f"→ {returned}"]
    lines = [", ".join(shapes), *ends]
    return unit.texts[0], tuple(line for line in lines if line)


def _text_of_bundle(view: _View, bundle: Bundle, units: Sequence[Unit]) -> tuple[str, tuple[str, ...]]:
    """Return the title and the lines of several units: where they are, and the layers of the first block of them."""
    own = units[: bundle.period]
    where = _where(units, bundle)
    operators = sum(len(unit.nodes) + len(unit.beside) for unit in units)
    alike: tuple[str, ...] = ()
    if bundle.count > 1 and where:
        title, alike = where, (f"{bundle.count} alike, each:",)
    elif bundle.count > 1:
        each = operators // bundle.count
        title = f"{bundle.count} × {own[0].texts[0] if len(own) == 1 else f'{each} operators'}"
    else:
        title = where or f"{operators} operators"
    layers = [unit for unit in own if unit.parameters] or list(own)
    shown = [unit.texts[0] for unit in layers]
    lines = _counted(shown)
    name = _short_name(view, units[-1].nodes[-1])
    if bundle.count > 1 and len(own) == 1 and not where:
        lines = []
    return title, (*alike, *lines[:_MOST_IN_TEXT], *_more(lines), f"→ {name}")


def _counted(texts: Sequence[str]) -> list[str]:
    """Return lines, those that follow each other and are equal as one with their number."""
    lines: list[tuple[str, int]] = []
    for text in texts:
        if lines and lines[-1][0] == text:
            lines[-1] = (text, lines[-1][1] + 1)
        else:
            lines.append((text, 1))
    return [text if count == 1 else f"{count} × {text}" for text, count in lines]


def _more(lines: Sequence[str]) -> tuple[str, ...]:
    left = len(lines) - _MOST_IN_TEXT
    return (f"... and {left} more",) if left > 0 else ()


def _where(units: Sequence[Unit], bundle: Bundle) -> str:
    """Return the block path of what is drawn as one, the first and the last where there are several."""
    first = _common_group(units[: bundle.period])
    last = _common_group(units[-bundle.period :])
    if bundle.count > 1 and first == last:
        return ""
    return ".".join(first) if first == last else f"{'.'.join(first)} … {'.'.join(last)}"


def _common_group(units: Sequence[Unit]) -> tuple[str, ...]:
    shared = units[0].group
    for unit in units[1:]:
        while shared != unit.group[: len(shared)]:
            shared = shared[:-1]
    return shared


def _short_name(view: _View, node: int) -> str:
    """Return what a node is called, without the network's prefix, which a name may leave out."""
    name = view.network.names.node_name(node)
    prefix = view.subject.prefix
    return name[len(prefix) :] if name.startswith(prefix) and name != prefix else name


def _role(name: str) -> str:
    return name.replace(".", "_").rpartition("_")[2]


def _tooltip(view: _View, nodes: Sequence[int]) -> str:
    names = [f"{view.network.graph.nodes[i].name} ({view.network.graph.nodes[i].op})" for i in nodes[:12]]
    more = [f"and {len(nodes) - 12} more"] if len(nodes) > 12 else []
    return "\n".join([*names, *more])


def _tensors(view: _View, box_of_node: Mapping[int, int]) -> tuple[list[Tensor], dict[Entry, int]]:
    """Return the tensors at the boundary; a variable that is an input is a box of its own already."""
    tensors: list[Tensor] = []
    number_of_entry: dict[Entry, int] = {}
    sides = (("repair", view.cut.repair), ("input", view.cut.inputs), ("output", view.cut.outputs))
    for side, entries in sides:
        for entry in entries:
            if entry in number_of_entry or view.network.graph.nodes[entry.node].is_variable:
                continue
            number_of_entry[entry] = len(tensors)
            name = view.network.names.name_of(entry)
            name = name[len(view.subject.prefix) :] if name.startswith(view.subject.prefix) else name
            shape = view.shapes.get(entry)
            title = name if shape is None else f"{name} {shape_text(shape)}"
            tensors.append(Tensor(title, side, box_of_node[entry.node]))
    return tensors, number_of_entry


def _edges(view: _View, box_of_node: Mapping[int, int], number_of_entry: Mapping[Entry, int]) -> list[Edge]:
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


def _title(view: _View) -> str:
    graph = view.network.graph
    operators = sum(1 for node in graph.nodes if not node.is_variable)
    sizes = [_size(shape) for shape in view.parameter_shapes.values()]
    unknown = f" and {sizes.count(0):,} of unknown shape" if 0 in sizes else ""
    return f"{view.network.title}: {operators:,} operators, {sum(sizes):,} parameter values{unknown}"


def _size(shape: Any) -> int:
    size = 1
    for dimension in shape or (0,):
        size *= max(0, dimension)
    return size


def _notes(view: _View, bundles: Sequence[Bundle]) -> list[str]:
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
        legend += [("#bfe3bf", "in the piece"), ("#ffdf9e", "boundary tensor"), ("#f3f3f3", "not in the piece")]
        if any(box.part == "leak" for box in boxes):
            legend.append(("#ffd6d6", "leak: a path around the inputs"))
    if any(box.is_frozen for box in boxes):
        legend.append(("#ffffff", "hatched: frozen"))
    return legend
