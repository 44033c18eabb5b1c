"""Tables: aligned text that fits a terminal, and HTML that shows the same cells."""

from __future__ import annotations

import html
import re

import gluon_subgraph as gs  # before mxnet, which needs it on a current Python or NumPy

# isort: split
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import layers

from gluon_subgraph.tables import Table, shape_or_unknown

CELLS = st.text(st.characters(blacklist_categories=("C", "Z")), max_size=40)
ROWS = st.lists(st.tuples(CELLS, CELLS, st.integers(0, 10**9)), max_size=6)
HEADERS = ("name", "operator", "count")


def test_columns_are_aligned() -> None:
    assert Table(["a", "number"], [["long", 1], ["b", 1000]], numbers=[1]).lines() == [
        "a     number",
        "long       1",
        "b       1000",
    ]
    assert Table(["a", "b"], []).lines() == ["a  b"]


@given(ROWS, st.integers(45, 120))
def test_lines_fit_the_width_and_keep_numbers_whole(rows: list[tuple[str, str, int]], width: int) -> None:
    lines = Table(HEADERS, rows, numbers=[2]).lines(width)
    assert len(lines) == 1 + len(rows)
    assert max(map(len, lines)) <= width
    assert [int(line.split()[-1]) for line in lines[1:]] == [row[2] for row in rows]


@given(ROWS)
def test_a_wide_terminal_changes_nothing(rows: list[tuple[str, str, int]]) -> None:
    table = Table(HEADERS, rows, numbers=[2])
    assert table.lines(200) == table.lines() == str(table).splitlines()


def test_shortened_cells_keep_both_ends() -> None:
    names = [[f"resnetv10_stage{i}_conv0_weight"] for i in range(3)]
    assert Table(["name"], names).lines(20)[1:] == ["resnetv10..v0_weight"] * 3
    assert Table(["name"], names).lines(3)[1:] == ["resn..ight"] * 3  # no column vanishes


def test_shapes_say_what_is_not_known() -> None:
    assert shape_or_unknown(None) == "of unknown shape"
    assert (shape_or_unknown((2, 0)), shape_or_unknown((0, 3), is_np=True)) == ("(2, ?)", "(0, 3)")


@given(ROWS)
def test_html_shows_every_cell(rows: list[tuple[str, str, int]]) -> None:
    text = Table(HEADERS, rows, numbers=[2], below=["a < b"]).html()
    cells = [html.unescape(cell) for cell in re.findall(r"<td[^>]*>([^<]*)</td>", text)]
    assert cells == [str(cell) for row in rows for cell in row]
    assert "<pre>a &lt; b</pre>" in text


@pytest.mark.parametrize(
    "shown",
    [
        lambda net: gs.list_nodes(net),
        lambda net: gs.match_params(net, net),
        lambda net: gs.trainable(net),
        lambda net: gs.rename(net, "new_", dry_run=True),
    ],
)
def test_notebooks_show_what_print_shows(shown: object) -> None:
    result = shown(layers())  # type: ignore[operator]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", result._repr_html_())
    printed = str(result)
    assert cells
    assert all(html.unescape(cell) in printed for cell in cells)
