"""A side that reads itself once: the same as reading it each time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks_of_layers import random_model

from gluon_subgraph import name_sides
from gluon_subgraph.layers import Form, read_form
from gluon_subgraph.matching import match
from gluon_subgraph.name_layers import in_file_order, read_name_layers
from gluon_subgraph.name_sides import read_once
from gluon_subgraph.sides import Side

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=30, deadline=None)


@FEW
@given(SEEDS, st.integers(3, 12), st.booleans())
def test_read_once_is_what_reading_gives(seed: int, size: int, has_graph: bool) -> None:
    model = random_model(seed, size)
    side = Side(model.shapes, model.graph if has_graph else None, {name: f"path.{name}" for name in model.shapes})
    read = read_once(side)
    assert (read.shapes, read.graph, read.paths) == (side.shapes, side.graph, side.paths)
    assert read.name_layers == read_name_layers(side.shapes)
    assert read.is_in_file_order == in_file_order(read_name_layers(side.shapes), side.shapes)
    assert read.form == (read_form(model.graph, model.shapes) if has_graph else Form([], ()))


def test_read_once_twice_is_the_same_side() -> None:
    read = read_once(Side({"a.weight": (1, 2)}))
    assert read_once(read) is read
    assert read.name_layers is read.name_layers


@pytest.mark.parametrize("has_graph", [False, True])
def test_match_reads_the_names_of_each_side_once_and_keeps_nothing(
    has_graph: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = []
    monkeypatch.setattr(name_sides, "read_name_layers", lambda shapes: counted.append(1) or read_name_layers(shapes))
    model = random_model(3, 12)
    target = Side(model.shapes, model.graph if has_graph else None)
    source = Side({f"other.{name}": shape for name, shape in model.shapes.items()})
    found = match(target, source)
    assert len(counted) == 2
    assert match(target, source) == found
    assert len(counted) == 4
