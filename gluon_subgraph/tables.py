"""Table: rows under headers, as aligned text for a terminal of any width and as HTML for a notebook."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any, Collection, Sequence

__all__ = ["Table", "shape_or_unknown", "shape_text", "shortened"]

_GAP = "  "
_ELLIPSIS = ".."
_NARROWEST = 10  # a column keeps so many characters, however narrow the terminal is
_STYLE = "text-align:{}; white-space:nowrap"


@dataclass(frozen=True)
class Table:
    r"""Rows of cells under headers, and lines that stand below.

    Attributes
    ----------
    headers : sequence of str
        A title per column.
    rows : sequence of sequence
        A cell per column, shown as ``str`` shows it.
    numbers : collection of int
        The columns aligned right, and never shortened.
    below : sequence of str
        Lines under the table, such as totals.

    Examples
    --------
    >>> table = Table(["layer", "size"], [["conv", 9], ["a_dense_layer", 120]], numbers=[1])
    >>> print(table)
    layer          size
    conv              9
    a_dense_layer   120
    >>> print("\n".join(table.lines(width=16)))
    layer       size
    conv           9
    a_de..ayer   120
    """

    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    numbers: Collection[int] = ()
    below: Sequence[str] = ()

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self, width: int | None = None) -> list[str]:
        """Return the text; in a terminal of `width` columns, long cells lose their middle so that a row is a line."""
        cells = [list(self.headers), *([str(cell) for cell in row] for row in self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.headers))]
        if width is not None:
            widths = self._fitting(widths, width)
        return [*(self._line(row, widths) for row in cells), *self.below]

    def html(self) -> str:
        """Return the table as HTML, whatever characters the cells have."""
        head = "".join(self._cell("th", i, title) for i, title in enumerate(self.headers))
        body = "".join(
            f"<tr>{''.join(self._cell('td', i, cell) for i, cell in enumerate(row))}</tr>\n" for row in self.rows
        )
        below = f"<pre>{html.escape(chr(10).join(self.below))}</pre>\n" if self.below else ""
        table = f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>"
        return f'<div style="max-height:32em; overflow:auto">\n{table}\n</div>\n{below}'

    def _cell(self, tag: str, column: int, content: Any) -> str:
        style = _STYLE.format("right" if column in self.numbers else "left")
        return f'<{tag} style="{style}">{html.escape(str(content))}</{tag}>'

    def _line(self, row: Sequence[str], widths: Sequence[int]) -> str:
        padded = [
            cell.rjust(width) if i in self.numbers else shortened(cell, width).ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ]
        return _GAP.join(padded).rstrip()

    def _fitting(self, widths: Sequence[int], width: int) -> list[int]:
        """Return the widths with the widest columns made narrower until a row fits, or none can give more."""
        fixed = sum(w for i, w in enumerate(widths) if i in self.numbers) + len(_GAP) * (len(widths) - 1)
        texts = [w for i, w in enumerate(widths) if i not in self.numbers]
        widest = max(texts, default=0)
        while widest > _NARROWEST and fixed + sum(min(w, widest) for w in texts) > width:
            widest -= 1
        return [w if i in self.numbers else min(w, widest) for i, w in enumerate(widths)]


def shortened(text: str, width: int) -> str:
    """Return `text` without its middle where it is longer than `width`: names differ at both ends."""
    if len(text) <= width:
        return text
    kept = width - len(_ELLIPSIS)
    return text[: kept - kept // 2] + _ELLIPSIS + text[len(text) - kept // 2 :]


def shape_or_unknown(shape: Sequence[int] | None, *, is_np: bool = False) -> str:
    """Return a shape as text in a sentence, also where it is not known."""
    return "of unknown shape" if shape is None else shape_text(shape, is_np=is_np)


def shape_text(shape: Sequence[int] | None, *, is_np: bool = False) -> str:
    """Return a shape as text, ``?`` for a size, or a shape, that is not known; in NumPy mode a size may be 0.

    Examples
    --------
    >>> shape_text((64, 0, 3)), shape_text((5,)), shape_text(None), shape_text((-1, 0), is_np=True)
    ('(64, ?, 3)', '(5,)', '?', '(?, 0)')
    """
    if shape is None:
        return "?"
    least = 0 if is_np else 1
    sizes = [str(size) if size >= least else "?" for size in shape]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"
