"""The picture of a binding: the layers of target and source in two columns, the pairs joined."""

from __future__ import annotations

from collections import Counter
from typing import Any, Iterator, Sequence

from .binding_report import Binding
from .drawing import FONT, Box, box_text, escaped, heading
from .plot_pairs import Piece
from .plot_sides import BindingView, checked_sides, status_of_source, view_of_binding
from .sides import Side
from .tables import shortened

__all__ = ["binding_text"]

_COLOUR = {
    "bound": "#cfe8cf",
    "mismatched": "#ffcf9e",
    "ambiguous": "#e2d3f2",
    "candidate": "#efe6fa",
    "missing": "#ffd6d6",
    "skipped": "#e6e6e6",
    "extra": "#fff0b8",
    "partly bound": "#e9efcf",
}
_LINE = {"bound": "#3c8a3c", "mismatched": "#d9822b", "ambiguous": "#8a5fb8"}
_MEANING = {
    "bound": "bound",
    "mismatched": "does not fit",
    "ambiguous": "may be several",
    "candidate": "candidate",
    "missing": "missing in the source",
    "skipped": "skipped",
    "extra": "extra in the source",
    "partly bound": "bound in part",
}


def binding_text(net: Any, binding: Binding) -> tuple[str, str]:
    """Return the DOT text of a binding, and what it shows.

    Raises
    ------
    SubgraphError
        `net` is not the target that the binding was made for.
    """
    target, source = checked_sides(net, binding)
    view = view_of_binding(binding, target.side, source.side)
    title = f"{target.title} <- {source.title}: {len(binding.mapping)} of {len(target.side.shapes)} parameters bound"
    notes = list(binding.notes)
    if any(len(cells) > 1 for row in view.rows for cells in row):
        notes.append("Layers that follow each other and to which the same happened are one box.")
    head = heading(title, notes, _legend(binding, source.side, view))
    lines = [
        "digraph binding {",
        f'  graph [fontname="{FONT}", fontsize=11, bgcolor=white, rankdir=TB, newrank=true, nodesep=0.9, ranksep=0.16,'
        f' splines=line, labelloc=t, labeljust=l, charset="UTF-8", label={head}];',
        f'  node [shape=box, style=filled, fontname="{FONT}", fontsize=10, color="#5b6b7b", height=0.25, width=2.4,'
        ' margin="0.08,0.03", penwidth=0.8];',
        '  edge [color="#9aa7b4", arrowsize=0.5, penwidth=0.8];',
        *_columns(view, (target.title, source.title)),
        *_pair_lines(view),
        "}",
    ]
    return "\n".join(lines) + "\n", title


def _legend(binding: Binding, source: Side, view: BindingView) -> list[tuple[str, str]]:
    """Return the colours with the number of parameters in each: those of the target, then those of the source."""
    theirs = Counter(status_of_source(binding, source).values())
    counts = {
        "bound": len(binding.mapping),
        "mismatched": len(binding.mismatched),
        "ambiguous": len(binding.ambiguous),
        "missing": len(binding.missing),
        "skipped": len(binding.skipped),
        "candidate": theirs["candidate"],
        "extra": theirs["extra"],
    }
    legend = [(_COLOUR[s], f"{_MEANING[s]}: {count}") for s, count in counts.items() if count]
    cells = ([side[i] for i in cell] for side, k in zip(view.sides, (0, 1)) for cell in (row[k] for row in view.rows))
    is_mixed = any(cell and _status_of_cell(cell) == "partly bound" for cell in cells)
    return [*legend, *([(_COLOUR["partly bound"], _MEANING["partly bound"])] if is_mixed else [])]


def _columns(view: BindingView, titles: tuple[str, str]) -> Iterator[str]:
    """Yield the two columns: a box per row, an invisible one where a side has nothing there."""
    for side, letter, role in ((0, "l", "target"), (1, "r", "source")):
        label = f'<<font point-size="10" color="#444444">{role}: {escaped(titles[side])}</font>>'
        yield f'  subgraph cluster_{role} {{ label={label}; style=rounded; color="#c4ccd4"; margin=8;'
        for r, row in enumerate(view.rows):
            if row[side]:
                yield f"    {box_text(f'{letter}{r}', _cell([view.sides[side][i] for i in row[side]]))}"
            else:
                yield f'    {letter}{r} [label="", style=invis, height=0.1];'
        yield "  }"
        real = [r for r, row in enumerate(view.rows) if row[side]]
        neighbours = set(zip(real, real[1:]))
        for r in range(len(view.rows) - 1):
            seen = "" if (r, r + 1) in neighbours else ", style=invis"
            yield f"  {letter}{r} -> {letter}{r + 1} [weight=20{seen}];"
        for a, b in sorted(neighbours):
            if b != a + 1:
                yield f"  {letter}{a} -> {letter}{b} [constraint=false];"
    for r in range(len(view.rows)):
        yield f"  {{ rank=same; l{r}; r{r}; }}"


def _cell(pieces: Sequence[Piece]) -> Box:
    """Return the box of layers that follow each other."""
    names = [name for piece in pieces for name in piece.parameters]
    tip = "\n".join([*names[:16], *([f"and {len(names) - 16} more"] if len(names) > 16 else [])])
    first = pieces[0]
    if len(pieces) == 1:
        text = "" if first.status == "bound" else _MEANING[first.status]
        lines = tuple(line for line in (first.name, text) if line)
        return Box(first.title, lines, fill=_COLOUR[first.status], tooltip=tip)
    counts: dict[str, int] = {}
    for piece in pieces:
        counts[piece.status] = counts.get(piece.status, 0) + 1
    what = ", ".join(f"{count} {_MEANING[status]}" for status, count in counts.items())
    status = _status_of_cell(pieces)
    lines = (
        f"{shortened(first.name, 21)} … {shortened(pieces[-1].name, 21)}",
        f"all {_MEANING[status]}" if len(counts) == 1 else what,
    )
    return Box(f"{len(pieces)} layers", lines, fill=_COLOUR[status], tooltip=tip)


def _status_of_cell(pieces: Sequence[Piece]) -> str:
    """Return what happened to the layers of one box, "partly bound" where it is not the same to all of them."""
    states = {piece.status for piece in pieces}
    return next(iter(states)) if len(states) == 1 else "partly bound"


def _pair_lines(view: BindingView) -> Iterator[str]:
    """Yield the joins between boxes: one per two boxes and kind, thicker for more; and those that keep the order."""
    left = {i: r for r, row in enumerate(view.rows) for i in row.left}
    right = {i: r for r, row in enumerate(view.rows) for i in row.right}
    counts: dict[tuple[int, int, str], int] = {}
    for link in view.links:
        key = (left[link.left], right[link.right], link.kind)
        counts[key] = counts.get(key, 0) + len(link.pairs)
    across = {a for a, b, _ in counts if a == b}
    for (a, b, kind), count in counts.items():
        style = "" if kind == "bound" else ", style=dashed"
        width = 1.2 if count < 6 else 2.2
        yield (
            f'  l{a}:e -> r{b}:w [dir=none, constraint=false, color="{_LINE[kind]}", penwidth={width}{style},'
            f' tooltip="{count} {kind}"];'
        )
    for r in range(len(view.rows)):
        if r not in across:
            yield f"  l{r} -> r{r} [style=invis];"
