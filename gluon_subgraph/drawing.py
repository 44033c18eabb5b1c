"""A drawing as data: boxes in nested groups, edges, tensors that a cut goes through; and its text for graphviz.

Nothing here knows networks. Names never become identifiers of the DOT language, so that any text can be one.
"""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import Iterator, NamedTuple, Sequence

from .tables import shortened

__all__ = [
    "Box",
    "Edge",
    "Tensor",
    "Drawing",
    "dot_text",
    "box_text",
    "heading",
    "escaped",
    "FILL_OF_PART",
    "FONT",
]

FONT = "Helvetica,Arial,DejaVu Sans,sans-serif"
_WIDEST = 72  # characters of a line: names are there to be copied
_MOST_LINES = 12
_DEEPEST = 2  # groups drawn around each other
_LINE = "#5b6b7b"
_RED = "#c62828"
_HATCH = "#a3b4c6"
_FILL = {"layer": "#dbe8f6", "operator": "#f3f3f3", "input": "#fff3d6", "repeat": "#e9e3f4"}
FILL_OF_PART = {"kept": "#bfe3bf", "boundary": "#ffdf9e", "leak": "#ffd6d6", "rest": "#f3f3f3"}
_STRIPE_WIDTH = 1.6  # characters


class Box(NamedTuple):
    """One box: `nodes` of a graph drawn as one thing.

    `kind` is ``"layer"``, ``"operator"``, ``"input"`` or ``"repeat"`` (things that are alike drawn as one); `part` is
    what a cut makes of it: ``"kept"``, ``"boundary"``, ``"leak"``, ``"rest"``, or ``""`` without a cut. `fill`, where
    given, is a colour of its own.
    """

    title: str
    lines: tuple[str, ...] = ()
    nodes: tuple[int, ...] = ()
    group: tuple[str, ...] = ()
    kind: str = "operator"
    part: str = ""
    is_frozen: bool = False
    tooltip: str = ""
    fill: str = ""


class Edge(NamedTuple):
    """An arrow from box to box, by their numbers; `tensor` is the number of the boundary tensor it goes through."""

    start: int
    end: int
    tensor: int | None = None
    is_leak: bool = False


class Tensor(NamedTuple):
    """A tensor at the boundary of a cut, drawn on the way from its box to those that read it.

    `side` is ``"input"``, ``"output"``, or ``"repair"`` for an input that would close an open cut.
    """

    title: str
    side: str
    start: int
    shape: str = ""


@dataclass(frozen=True)
class Drawing:
    """All of a picture of one network.

    Attributes
    ----------
    title : str
        What stands above.
    boxes : sequence of Box
        In execution order; those of a group that follow each other stand in one frame.
    edges : sequence of Edge
    tensors : sequence of Tensor
    notes : sequence of str
        What the reader has to know, below the title.
    legend : sequence of (str, str)
        Colours and what they mean.
    """

    title: str
    boxes: Sequence[Box]
    edges: Sequence[Edge]
    tensors: Sequence[Tensor] = ()
    notes: Sequence[str] = ()
    legend: Sequence[tuple[str, str]] = field(default_factory=tuple)


def dot_text(drawing: Drawing) -> str:
    """Return a drawing in the DOT language; O(boxes + edges)."""
    lines = [
        "digraph network {",
        f'  graph [fontname="{FONT}", fontsize=11, bgcolor=white, rankdir=TB, nodesep=0.18, ranksep=0.24,'
        f' labelloc=t, labeljust=l, charset="UTF-8", label={heading(drawing.title, drawing.notes, drawing.legend)}];',
        f'  node [shape=box, style=filled, fontname="{FONT}", fontsize=11, color="{_LINE}", height=0.25,'
        ' margin="0.08,0.03", penwidth=0.8];',
        f'  edge [color="{_LINE}", arrowsize=0.6, penwidth=0.9];',
        *_grouped_boxes(drawing),
        *_edge_lines(drawing),
        "}",
    ]
    return "\n".join(lines) + "\n"


def heading(title: str, notes: Sequence[str], legend: Sequence[tuple[str, str]]) -> str:
    """Return the title, notes and colours of a picture as an HTML-like label."""
    rows = [f'<tr><td align="left" colspan="8"><b>{escaped(title, 90)}</b></td></tr>']
    small = '<font point-size="9" color="#444444">{}</font>'
    rows += [f'<tr><td align="left" colspan="8">{small.format(escaped(note, 110))}</td></tr>' for note in notes]
    cells = "".join(f'<td bgcolor="{fill}">{small.format(escaped(words))}</td>' for fill, words in legend)
    rows += [f"<tr>{cells}</tr>"] if cells else []
    return f'<<table border="0" cellborder="0" cellspacing="2" cellpadding="2">{"".join(rows)}</table>>'


def _grouped_boxes(drawing: Drawing) -> Iterator[str]:
    """Yield the boxes, with frames around the groups worth one: of several boxes, and not nearly all.

    A tensor stands in the frames of the box it comes from; outside, graphviz could not put it below that.
    """
    boxes = drawing.boxes
    depths = _frame_depths(boxes)
    tensors_of_box: dict[int, list[str]] = {}
    for i, tensor in enumerate(drawing.tensors):
        tensors_of_box.setdefault(tensor.start, []).append(_tensor_text(i, tensor))
    opened: list[tuple[str, ...]] = []
    for i, box in enumerate(boxes):
        frames = [box.group[:depth] for depth in depths[i]]
        shared = 0
        while shared < min(len(opened), len(frames)) and opened[shared] == frames[shared]:
            shared += 1
        yield from ["  }"] * (len(opened) - shared)
        for frame in frames[shared:]:
            label = f'<<font point-size="9" color="#666666">{escaped(".".join(frame))}</font>>'
            yield f'  subgraph cluster_{i}_{len(frame)} {{ label={label}; style=rounded; color="#c4ccd4"; margin=7;'
        opened = frames
        yield f"  {box_text(f'b{i}', box)}"
        yield from tensors_of_box.get(i, ())
    yield from ["  }"] * len(opened)


def _frame_depths(boxes: Sequence[Box]) -> list[list[int]]:
    """Return for each box the depths of the groups that are framed around it."""
    depths: list[list[int]] = [[] for _ in boxes]
    for depth in range(1, max((len(box.group) for box in boxes), default=0) + 1):
        start = 0
        while start < len(boxes):
            end = start + 1
            if len(boxes[start].group) >= depth:
                while end < len(boxes) and boxes[end].group[:depth] == boxes[start].group[:depth]:
                    end += 1
                is_new = not depths[start] or not _same_extent(boxes, start, end, depths[start][-1])
                if 2 <= end - start <= 0.8 * len(boxes) and is_new and len(depths[start]) < _DEEPEST:
                    for i in range(start, end):
                        depths[i].append(depth)
            start = end
    return depths


def _same_extent(boxes: Sequence[Box], start: int, end: int, depth: int) -> bool:
    """Return whether the group of `depth` around boxes `start` to `end` holds no others."""
    group = boxes[start].group[:depth]
    before = start > 0 and boxes[start - 1].group[:depth] == group
    return not before and not (end < len(boxes) and boxes[end].group[:depth] == group)


def box_text(name: str, box: Box) -> str:
    """Return the statement of one box."""
    fill = box.fill or FILL_OF_PART.get(box.part) or _FILL[box.kind]
    shown = [*box.lines[: _MOST_LINES - 1], "..."] if len(box.lines) > _MOST_LINES else list(box.lines)
    settings = [f"label=<{_box_label(box.title, shown)}>", f'tooltip="{quoted(box.tooltip or box.title)}"']
    if box.kind == "input" or box.part == "boundary":
        settings.append("shape=ellipse")
    if box.part == "leak":
        settings.append(f'color="{_RED}", penwidth=1.6')
    if box.kind == "repeat":
        settings.append("peripheries=2")
    if box.is_frozen:
        width = max(len(text) for text in (box.title, *shown))
        stripes = max(4, 2 * int(min(width, _WIDEST) / _STRIPE_WIDTH / 2))
        settings.append(f'style=striped, color="{_HATCH}", fillcolor="{":".join([fill, "#ffffff"] * (stripes // 2))}"')
    else:
        settings.append(f'fillcolor="{fill}"')
    return f"{name} [{', '.join(settings)}];"


def _box_label(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return f"<b>{escaped(title)}</b>"
    small = '<tr><td><font point-size="9" color="#444444">{}</font></td></tr>'
    rows = f"<tr><td><b>{escaped(title)}</b></td></tr>" + "".join(small.format(escaped(line)) for line in lines)
    return f'<table border="0" cellborder="0" cellspacing="0" cellpadding="0">{rows}</table>'


def _tensor_text(number: int, tensor: Tensor) -> str:
    """Return the statement of one boundary tensor."""
    word = {"input": "input", "output": "output", "repair": "missing input"}[tensor.side]
    colour = f'color="{_RED}", fillcolor="{FILL_OF_PART["leak"]}", style="filled,dashed", penwidth=1.6'
    if tensor.side != "repair":
        colour = f'fillcolor="{FILL_OF_PART["boundary"]}"'
    label = f'<font point-size="9" color="#444444">{word}</font><br/>{escaped(tensor.title)}'
    if tensor.shape:
        label += f'<br/><font point-size="9" color="#444444">{escaped(tensor.shape)}</font>'
    return f'  t{number} [shape=ellipse, margin="0.04,0.01", label=<{label}>, {colour}];'


def _edge_lines(drawing: Drawing) -> Iterator[str]:
    """Yield the edges; one through a tensor starts at the tensor, to which an edge leads from its box."""
    for edge in drawing.edges:
        settings = f' [color="{_RED}", penwidth=2]' if edge.is_leak else ""
        if edge.start == edge.end:
            continue  # inside one box
        if edge.tensor is None:
            yield f"  b{edge.start} -> b{edge.end}{settings};"
            continue
        yield f"  t{edge.tensor} -> b{edge.end};"
    for i, tensor in enumerate(drawing.tensors):
        is_leak = tensor.side == "repair"
        yield f"  b{tensor.start} -> t{i}" + (f' [color="{_RED}", penwidth=2];' if is_leak else ";")


def escaped(text: str, width: int = _WIDEST) -> str:
    """Return text for an HTML-like label: shortened, and without what would be markup or no XML at all.

    Examples
    --------
    >>> escaped("a<b>&" + chr(7))
    'a&lt;b&gt;&amp;?'
    """
    return html.escape(shortened(_printable(text), width))


def quoted(text: str) -> str:
    r"""Return text for a string in double quotes.

    Examples
    --------
    >>> print(quoted('a"b\\N'))
    a\"b\\N
    """
    lines = [_printable(line) for line in text.split("\n")]
    return "\\n".join(html.escape(line, quote=False).replace("\\", "\\\\").replace('"', '\\"') for line in lines)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() and ord(c) < 0x1F000 else "?" if c != "\n" else " " for c in text)
