"""A source that has the whole target several times over."""

from __future__ import annotations

import pytest

from gluon_subgraph.matching import match
from gluon_subgraph.sides import Side

SHAPES = {"stem.weight": (8, 3, 3, 3), "body.weight": (16, 8, 3, 3), "fc.weight": (5, 16), "fc.bias": (5,)}
TARGET = Side({"a_weight": (8, 3, 3, 3), "b_weight": (16, 8, 3, 3), "c_weight": (5, 16), "c_bias": (5,)})


def _copies(*starts: str) -> dict[str, tuple[int, ...]]:
    return {start + name: shape for start in starts for name, shape in SHAPES.items()}


@pytest.mark.parametrize(
    "starts", [("encoder_q/", "encoder_k/"), ("net.student.", "net.teacher."), ("m.a.", "m.b.", "m.c.")]
)
def test_whole_copies_are_named_and_not_bound(starts: tuple[str, ...]) -> None:
    found = match(TARGET, Side(_copies(*starts)))
    assert found.mapping == {}
    assert found.ambiguous["a_weight"].candidates == tuple(f"{start}stem.weight" for start in starts)
    assert ", ".join(map(repr, starts)) in found.ambiguous["a_weight"].reason
    assert found.ambiguous.keys() == TARGET.shapes.keys()


def test_part_that_fits_alone_is_bound() -> None:
    other = {f"teacher.{name}": (2 * shape[0], *shape[1:]) for name, shape in SHAPES.items()}
    found = match(TARGET, Side({**other, **_copies("student.")}))
    assert list(found.mapping.values()) == list(_copies("student."))


@pytest.mark.parametrize(
    "names", [{}, {"x": (3,)}, {f"{k}.w": (k, k) for k in range(1, 30)}, {"a.b.c.weight": (8, 3, 3, 3)}]
)
def test_other_sources_are_as_they_were(names: dict[str, tuple[int, ...]]) -> None:
    assert not match(Side({"y_weight": (9, 9), "y_bias": (9,)}), Side(names)).ambiguous
