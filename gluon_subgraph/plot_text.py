"""What is written in the boxes of a network's picture: layers, parameters, what follows, and the value returned."""

from __future__ import annotations

from collections import Counter
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

from .graph import Entry
from .network import Network
from .plot_collapse import Bundle
from .plot_cut import CutView
from .plot_units import Subject, Unit
from .tables import shape_text

__all__ = ["View", "text_of_bundle", "common_group", "without_prefix", "readers_of_parameter"]

_MOST_IN_TEXT = 4
_MOST_WORDS = 10  # operators named on a box that stands for many
_LONGEST_LINE = 46
_JOINED_WEIGHTS = frozenset({"i2h", "h2h", "h2r"})  # of a recurrent layer, which has a weight for each


class View(NamedTuple):
    """All that the boxes are made from; `readers` are the units that read each parameter that can learn."""

    network: Network
    subject: Subject
    units: Sequence[Unit]
    cut: CutView
    shapes: Mapping[Entry, Any]
    parameter_shapes: Mapping[str, Any]
    readers: Mapping[int, Sequence[int]]


def readers_of_parameter(subject: Subject, units: Sequence[Unit]) -> dict[int, list[int]]:
    """Return the numbers of the units that read each parameter that can learn."""
    readers: dict[int, list[int]] = {}
    for number, unit in enumerate(units):
        for i in dict.fromkeys(unit.parameters):
            if subject.graph.nodes[i].name in subject.learning:
                readers.setdefault(i, []).append(number)
    return readers


def text_of_bundle(view: View, bundle: Bundle) -> tuple[str, tuple[str, ...]]:
    """Return the title and the lines of a box."""
    units = [view.units[i] for i in bundle.units]
    last = units[-1].nodes[-1]
    shape = view.shapes.get(Entry(last))
    shapes = [] if shape is None else [shape_text(shape)]
    if last in view.subject.data and len(units) == 1:
        return _short_name(view, last), tuple(shapes)
    title, lines = _unit_lines(view, units[0]) if len(units) == 1 else _bundle_lines(view, bundle, units)
    states = {unit.marks.is_frozen for unit in units} - {None}
    is_partly = len(states) == 2 or any(unit.marks.is_partly for unit in units)
    below = [*_output_lines(view, bundle, units), *shapes, *(["partly frozen"] if is_partly else [])]
    return title, tuple(line for line in (*lines, *below, *_sharing(view, bundle, units)) if line)


def _unit_lines(view: View, unit: Unit) -> tuple[str, list[str]]:
    """Return the title and the first lines of a unit: the layer, its parameters, what follows, the value it returns."""
    graph = view.network.graph
    readable = [graph.nodes[i].name for i in unit.parameters]
    own = [n for n in readable if n in view.parameter_shapes and n in view.subject.learning]
    first_op = graph.nodes[unit.nodes[0]]
    read_first = {graph.nodes[e.node].name for e in first_op.inputs} if len(unit.nodes) > 1 else set(own)
    described = [n for n in own if n in read_first] or own
    shapes = [
        f"{role} {shape_text(view.parameter_shapes[name])}"
        for name, role in zip(described[:_MOST_IN_TEXT], _roles(described[:_MOST_IN_TEXT]))
    ]
    shapes += _more(len(described) - _MOST_IN_TEXT)
    rest, name = ", ".join(unit.texts[1:]), _short_name(view, unit.nodes[-1])
    is_short = rest and len(rest) + len(name) + 3 <= _LONGEST_LINE
    ends = [f"{rest} → {name}"] if is_short else [*_wrapped(unit.texts[1:]), f"→ {name}"]
    return unit.texts[0], [*_wrapped(shapes), *ends]


def _bundle_lines(view: View, bundle: Bundle, units: Sequence[Unit]) -> tuple[str, list[str]]:
    """Return the title and the first lines of several units: where they are, and what the first block of them does."""
    own = units[: bundle.period]
    where = _where(units, bundle)
    operators = sum(len(unit.nodes) + len(unit.beside) for unit in units)
    each = operators // bundle.count
    arrow = f"→ {_returned(view, bundle, units)}"
    if not where and len({unit.looks for unit in units}) == 1:
        return f"{len(units)} × {own[0].texts[0]}", [*_wrapped(own[0].texts[1:]), arrow]
    times = f"{bundle.count} × " if bundle.count > 1 else ""
    alike = [f"{bundle.count} alike, each:"] if bundle.count > 1 and where else []
    layers = [unit for unit in own if unit.parameters] or list(own)
    lines = _counted(["; ".join(filter(None, (u.texts[0], ", ".join(u.texts[1:])))) for u in layers])
    shown = [*lines[:_MOST_IN_TEXT], *_more(len(lines) - _MOST_IN_TEXT)]
    return where or f"{times}{each} operators", [*alike, *shown, *_other_lines(own, layers), arrow]


def _returned(view: View, bundle: Bundle, units: Sequence[Unit]) -> str:
    """Return the name of the value that comes last, of layers side by side the first one too."""
    last = _short_name(view, units[-1].nodes[-1])
    if not _is_side_by_side(bundle, units):
        return last
    return f"{_short_name(view, units[0].nodes[-1])}{', ' if len(units) == 2 else ' … '}{last}"


def _is_side_by_side(bundle: Bundle, units: Sequence[Unit]) -> bool:
    inside = set(bundle.units)
    return not any(source in inside for unit in units for source in unit.sources)


def _other_lines(own: Sequence[Unit], layers: Sequence[Unit]) -> list[str]:
    """Return lines that name the operators of a block that are on none of its layers' lines, each once."""
    if len(layers) == len(own):
        return []
    counts: dict[str, int] = {}
    for unit in own:
        if not unit.parameters:
            for text in unit.texts:
                counts[text] = counts.get(text, 0) + 1
    words = [text if count == 1 else f"{count} × {text}" for text, count in counts.items()]
    return _wrapped([*words[:_MOST_WORDS], *_more(len(words) - _MOST_WORDS)], "and ")


def _output_lines(view: View, bundle: Bundle, units: Sequence[Unit]) -> list[str]:
    """Return the line that names the outputs of the network that a box of several units holds before its last one."""
    if len(units) == 2 and _is_side_by_side(bundle, units):
        return []  # both are named already
    names = [_short_name(view, unit.nodes[-1]) for unit in units[:-1] if unit.marks.is_output]
    if len(names) < 2:
        return [f"and the output {name}" for name in names]
    return [f"and {len(names)} outputs: {names[0]} … {names[-1]}"]


def _sharing(view: View, bundle: Bundle, units: Sequence[Unit]) -> list[str]:
    """Return the line that tells which parameters other boxes, or several layers of this one, read too."""
    inside = set(bundle.units)
    own = Counter(i for unit in units for i in dict.fromkeys(unit.parameters) if i in view.readers)
    others = {i: len(view.readers[i]) - count for i, count in own.items()}
    shared = [i for i, count in others.items() if count]
    if not shared:
        return ["its layers share parameters"] if any(count > 1 for count in own.values()) else []
    most = max(shared, key=others.__getitem__)
    other = next(number for number in view.readers[most] if number not in inside)
    names = [view.network.graph.nodes[i].name for i in shared]
    what = f"{_roles(names)[0]} " if len(shared) == 1 < len(own) else "some " if len(shared) < len(own) else ""
    more = f" and {others[most] - 1} more" if others[most] > 1 else ""
    return [f"{what}shared with {_short_name(view, view.units[other].nodes[-1])}{more}"]


def _wrapped(words: Sequence[str], start: str = "") -> list[str]:
    """Return words with commas between them, as lines that end at a comma."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) + 2 <= _LONGEST_LINE:
            lines[-1] += f", {word}"
        else:
            lines = [*lines[:-1], f"{lines[-1]},", word] if lines else [start + word]
    return lines


def _roles(names: Sequence[str]) -> list[str]:
    """Return the last words of names: as many as tell them apart, and which weight of a recurrent layer it is."""
    words = [name.replace(".", "_").split("_") for name in names]
    count = 1
    while count < 4 and len({tuple(word[-count:]) for word in words}) < len(words):
        count += 1
    if count == 1 and any(len(word) > 1 and word[-2] in _JOINED_WEIGHTS for word in words):
        count = 2
    return ["_".join(word[-count:]) for word in words]


def _counted(texts: Sequence[str]) -> list[str]:
    """Return lines, those that follow each other and are equal as one with their number."""
    lines: list[tuple[str, int]] = []
    for text in texts:
        if lines and lines[-1][0] == text:
            lines[-1] = (text, lines[-1][1] + 1)
        else:
            lines.append((text, 1))
    return [text if count == 1 else f"{count} × {text}" for text, count in lines]


def _more(left: int) -> Iterator[str]:
    if left > 0:
        yield f"... and {left} more"


def _where(units: Sequence[Unit], bundle: Bundle) -> str:
    """Return the block path of what is drawn as one, the first and the last where there are several."""
    first = common_group(units[: bundle.period])
    last = common_group(units[-bundle.period :])
    if bundle.count > 1 and first == last:
        return ""
    return ".".join(first) if first == last else f"{'.'.join(first)} … {'.'.join(last)}"


def common_group(units: Sequence[Unit]) -> tuple[str, ...]:
    """Return the innermost block that all units are in."""
    shared = units[0].group
    for unit in units[1:]:
        while shared != unit.group[: len(shared)]:
            shared = shared[:-1]
    return shared


def _short_name(view: View, node: int) -> str:
    """Return what a node is called, without the network's prefix, which a name may leave out."""
    return without_prefix(view, view.network.names.node_name(node))


def without_prefix(view: View, name: str) -> str:
    """Return a name without the network's prefix, if it has more than that."""
    prefix = view.subject.prefix
    return name[len(prefix) :] if name.startswith(prefix) and name != prefix else name
